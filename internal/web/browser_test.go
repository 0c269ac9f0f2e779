package web

import (
	"context"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
)

// tab is a tab of a headless browser; every step fails the test that fails.
type tab struct {
	*testing.T
	ctx context.Context
}

// browser opens a headless browser, or skips.
func browser(t *testing.T) tab {
	t.Helper()
	var path string
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome", "headless-shell"} {
		if p, err := exec.LookPath(name); err == nil {
			path = p
			break
		}
	}
	if path == "" {
		t.Skip("no Chromium on this machine; the page's behaviour in a browser is not tested")
	}
	ctx, end := context.WithTimeout(context.Background(), 90*time.Second)
	t.Cleanup(end)
	ctx, end = chromedp.NewExecAllocator(ctx, chromedp.ExecPath(path), chromedp.Headless, chromedp.NoSandbox, chromedp.DisableGPU,
		chromedp.NoFirstRun, chromedp.Flag("disable-background-networking", true), chromedp.UserDataDir(t.TempDir()))
	t.Cleanup(end)
	ctx, end = chromedp.NewContext(ctx)
	t.Cleanup(func() {
		if err := chromedp.Cancel(ctx); err != nil {
			t.Log("the browser did not end well:", err)
		}
		end()
	})
	return tab{t, ctx}
}

func (b tab) do(steps ...chromedp.Action[chromedp.Void]) {
	b.Helper()
	if err := chromedp.Do(b.ctx, steps...); err != nil {
		b.Fatal(err)
	}
}

// js returns what an expression gives in the page.
func js[V any](b tab, expression string) V {
	b.Helper()
	v, err := chromedp.Run(b.ctx, chromedp.Evaluate[V](expression))
	if err != nil {
		b.Fatalf("%s: %v", expression, err)
	}
	return v
}

// text returns the text of the first element that matches.
func (b tab) text(selector string) string {
	b.Helper()
	return js[string](b, `document.querySelector(`+"`"+selector+"`"+`).innerText`)
}

// until waits for an expression to hold.
func (b tab) until(expression string) {
	b.Helper()
	if _, err := chromedp.Run(b.ctx, chromedp.Poll[bool](expression, chromedp.WithPollingTimeout(20*time.Second))); err != nil {
		b.Fatalf("it never came true that %s: %v", expression, err)
	}
}

// picture saves what the browser shows where ACCORD_WEB_SHOTS says.
func (b tab) picture(name string) {
	b.Helper()
	dir := os.Getenv("ACCORD_WEB_SHOTS")
	if dir == "" {
		return
	}
	png, err := chromedp.Run(b.ctx, chromedp.CaptureScreenshot())
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, name+".png"), png, 0o644)
	}
	if err != nil {
		b.Fatal(err)
	}
}

// open opens the page over a busy fake shop.
func open(t *testing.T) tab {
	t.Helper()
	b := browser(t)
	c, _, feed := config(t)
	srv := httptest.NewServer(New(c))
	busy, quiet := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); publish(busy, feed) }()
	t.Cleanup(func() {
		quiet()
		<-done
		feed.Close()
		srv.Close()
	})
	b.do(chromedp.EmulateViewport(1280, 800), chromedp.Navigate(srv.URL+"/demo/"))
	return b
}

// "Flipping one shows the next answer beside the one of before, each with its
// receipt in plain words."
func TestFlippingASwitchChangesTheNextAnswer(t *testing.T) {
	b := open(t)
	if got := b.text(".now .badge"); got != "Personal" {
		t.Fatalf("the first answer is %q", got)
	}
	b.until(`["events", "decisions", "refusals"].every((id) => document.querySelectorAll("#" + id + " li").length > 3)`)
	b.until(`document.querySelector('[data-count="events"]').textContent !== "–"`)
	b.picture("before")

	// By keyboard, as it must work for everybody.
	const flip = `[role=switch][aria-labelledby=name-0]`
	b.do(chromedp.Focus(flip), chromedp.SendKeys(flip, " "))
	b.until(`document.querySelector(".before .badge") !== null`)
	b.picture("after")
	if now, before := b.text(".now .badge"), b.text(".before .badge"); now != "Un-personal" || before != "Personal" {
		t.Errorf("the new answer is %q beside %q", now, before)
	}
	if said := b.text("[data-said]"); said != "Personalization is off. The next answer for Ada Marlow is un-personal." {
		t.Errorf("a screen reader hears %q", said)
	}
	if receipt := b.text(".now .receipt"); !strings.Contains(receipt, "you withdrew your consent") || !strings.Contains(receipt, "Nothing about you") {
		t.Errorf("the receipt reads %q", receipt)
	}
	if got := js[string](b, `document.activeElement.getAttribute("aria-checked")`); got != "false" {
		t.Errorf("the focus is on something with aria-checked %q, not on the switch, now off", got)
	}
	if n := js[int](b, `document.querySelectorAll("main script, main [onerror]").length`); n != 0 {
		t.Errorf("titles made %d scripts or handlers", n)
	}
}

func TestChoosingAnotherCustomer(t *testing.T) {
	b := open(t)
	b.do(chromedp.SetValue("#customer", "ben"))
	js[bool](b, `document.querySelector("#customer").dispatchEvent(new Event("change"))`)
	b.until(`document.querySelector(".now .whose").textContent.includes("Ben")`)
	if got := b.text(".now .whose"); got != "Un-personal for Ben Okafor" {
		t.Errorf("the answer is headed %q", got)
	}
	if got := b.text("[data-part=before]"); !strings.Contains(got, "Flip a switch") {
		t.Errorf("beside a new customer's answer stands %q", got)
	}
	b.until(`document.querySelectorAll("#events li").length > 3`)

	b.do(chromedp.EmulateViewport(390, 844, chromedp.EmulateMobile))
	if js[bool](b, `document.documentElement.scrollWidth > 390`) {
		t.Errorf("on a phone the page is %d pixels wide", js[int](b, `document.documentElement.scrollWidth`))
	}
	b.picture("phone")
	b.do(chromedp.EmulateViewport(390, 2600, chromedp.EmulateMobile))
	b.picture("phone-long")
	b.do(chromedp.EmulateViewport(1280, 800), prefers("dark"))
	if got := js[string](b, `getComputedStyle(document.body).backgroundColor`); got != "rgb(16, 21, 27)" {
		t.Errorf("the dark page's ground is %s", got)
	}
	b.picture("dark")
}

// prefers makes the page think that the person prefers a colour scheme.
func prefers(scheme string) chromedp.Action[chromedp.Void] {
	return chromedp.Func(func(ctx context.Context, _ *chromedp.Target) error {
		_, err := chromedp.Call(ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
			Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}},
		})
		return err
	})
}

// publish keeps the fake shop busy.
func publish(ctx context.Context, feed *Feed) {
	tick := time.NewTicker(60 * time.Millisecond)
	defer tick.Stop()
	for n := 0; ; n++ {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			feed.Publish(activity(n))
		}
	}
}
