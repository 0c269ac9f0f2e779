package app

import (
	"context"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
)

// visit is a fresh browser of somebody who was never here; every step fails the
// test that fails.
type visit struct {
	*testing.T
	ctx  context.Context
	base string
}

// newVisit opens a browser at a path of the demonstration, or skips. A page that
// writes an error to the console fails the test, and so does one that its
// Content-Security-Policy stopped at something.
func newVisit(t *testing.T, addr, path string) visit {
	t.Helper()
	chromium, err := exec.LookPath("chromium")
	if err != nil {
		t.Skip("no Chromium on this machine; what people see is not tested in a browser")
	}
	ctx, end := context.WithTimeout(context.Background(), 2*time.Minute)
	t.Cleanup(end)
	ctx, end = chromedp.NewExecAllocator(ctx, chromedp.ExecPath(chromium), chromedp.Headless, chromedp.NoSandbox, chromedp.DisableGPU,
		chromedp.NoFirstRun, chromedp.Flag("disable-background-networking", true), chromedp.UserDataDir(t.TempDir()))
	t.Cleanup(end)
	ctx, end = chromedp.NewContext(ctx)
	v := visit{t, ctx, "http://" + addr}
	v.do(chromedp.EmulateViewport(1280, 900))
	var listening sync.WaitGroup
	listening.Go(func() {
		for m, err := range chromedp.Console(ctx) {
			if err == nil && (m.Type == chromedp.ConsoleError || m.IsException()) {
				t.Errorf("the console says: %s (%s)", m.Text, m.URL)
			}
		}
	})
	t.Cleanup(func() {
		if err := chromedp.Cancel(ctx); err != nil {
			t.Log("the browser did not end well:", err)
		}
		end()
		listening.Wait()
	})
	v.open(path)
	return v
}

func (v visit) do(steps ...chromedp.Action[chromedp.Void]) {
	v.Helper()
	if err := chromedp.Do(v.ctx, steps...); err != nil {
		v.Fatal(err)
	}
}

func (v visit) open(path string) {
	v.Helper()
	v.do(chromedp.Navigate(v.base + path))
}

// until waits for an expression to hold in the page, or in the one that comes
// after it: a page that is left while it is asked is asked again.
func (v visit) until(expression string) {
	v.Helper()
	for {
		_, err := chromedp.Run(v.ctx, chromedp.Poll[bool](`Boolean(`+expression+`)`, chromedp.WithPollingTimeout(20*time.Second)))
		if err == nil {
			return
		}
		if !strings.Contains(err.Error(), "navigated") && !strings.Contains(err.Error(), "context with") {
			v.Fatalf("it never came true that %s: %v", expression, err)
		}
	}
}

// text is what an expression gives in the page; it may be a promise.
func (v visit) text(expression string) string {
	v.Helper()
	s, err := chromedp.Run(v.ctx, chromedp.Evaluate[string](expression, chromedp.EvalAwaitPromise))
	if err != nil {
		v.Fatalf("%s: %v", expression, err)
	}
	return s
}

// picture saves what the browser shows where ACCORD_WEB_SHOTS says.
func (v visit) picture(name string) {
	v.Helper()
	dir := os.Getenv("ACCORD_WEB_SHOTS")
	if dir == "" {
		return
	}
	png, err := chromedp.Run(v.ctx, chromedp.CaptureScreenshot())
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, name+".png"), png, 0o644)
	}
	if err != nil {
		v.Fatal(err)
	}
}

// In the page: a button of the banner, and touching it.
const (
	banner     = `document.querySelector("#accord")?.shadowRoot.querySelector`
	bannerUp   = banner + `("section") != null`
	bannerDown = `!document.querySelector("#accord")`
	badge      = `document.querySelector("[data-badge]").textContent`
	personal   = badge + ` === "Personal"`
	general    = badge + ` === "The same for everybody"`
)

func button(act string) string { return banner + `('[data-act="` + act + `"]')` }

func (v visit) touch(expression string) { v.Helper(); v.text(`(` + expression + `.click(), "")`) }

// product is the page of the first product on the shop's front page.
const product = `document.querySelector('.grid a[href^="/shop/product/"]').getAttribute("href")`

// A newcomer sees banner → choice → personal answer → withdrawal in real pages.
func TestFaces(t *testing.T) {
	if _, err := exec.LookPath("chromium"); err != nil {
		t.Skip("no Chromium on this machine; what people see is not tested in a browser")
	}
	addr, _ := inProcess(t, func(ctx context.Context, talk io.Writer) error {
		return Demo(ctx, DemoOptions{Data: t.TempDir(), Listen: "127.0.0.1:0", Seed: 1, Logger: quiet()}, io.Discard, talk)
	})
	t.Run("refusing is as easy as accepting", func(t *testing.T) { refuse(newVisit(t, addr, "/shop")) })
	t.Run("from the choice to the withdrawal", func(t *testing.T) { withdraw(newVisit(t, addr, "/shop")) })
	t.Run("erasing", func(t *testing.T) { erase(newVisit(t, addr, "/shop")) })
	t.Run("signing out", func(t *testing.T) { signOut(newVisit(t, addr, "/shop")) })
	t.Run("for everybody", func(t *testing.T) { forEverybody(newVisit(t, addr, "/shop")) })
}

// "Refusing takes as many touches as accepting and looks the same", and who
// refuses all is given no id.
func refuse(v visit) {
	v.until(bannerUp)
	v.until(general)
	look := func(act string) string {
		return v.text(`(() => { const b = ` + button(act) + `, r = b.getBoundingClientRect(), s = getComputedStyle(b);
			return JSON.stringify([Math.round(r.width), Math.round(r.height), r.top, ...["color", "backgroundColor", "border", "font", "opacity", "borderRadius"].map((k) => s[k])]); })()`)
	}
	for _, layer := range []string{"first", "second"} {
		if a, b := look("refuse"), look("accept"); a != b {
			v.Errorf("on the %s layer refusing looks like %s and accepting like %s", layer, a, b)
		}
		v.picture("banner-" + layer)
		if layer == "first" {
			v.touch(button("detail"))
			v.until(button("save") + ` != null`)
		}
	}
	if n := v.text(banner + `All('input:checked').length + ""`); n != "0" {
		v.Errorf("%s switches are on before anybody chose", n)
	}
	v.touch(button("refuse"))
	v.until(bannerDown)
	if kept := v.text(`JSON.stringify(Object.values(localStorage))`); strings.Contains(kept, "v1.") || v.text(`String(accord.person())`) != "null" {
		v.Errorf("who refused all was given an id: %s", kept)
	}
	v.open(v.text(product))
	v.until(general)
	if v.text(`String(`+bannerDown+`)`) != "true" || v.text(`String(accord.person())`) != "null" {
		v.Error("after a refusal the next page asks again, or makes an id")
	}
	if sent := v.text(`performance.getEntriesByType("resource").map((e) => e.name).filter((n) => /batch|visitor/.test(n)).join()`); sent != "" {
		v.Errorf("after a refusal the page sent %s", sent)
	}
	v.touch(`document.querySelector("[data-ask]")`)
	v.until(button("accept") + ` != null`) // and one touch takes it back
}

// "Switches per purpose that act at once": a withdrawal on /me makes the next
// answer un-personal.
func withdraw(v visit) {
	v.until(bannerUp)
	v.touch(button("accept"))
	v.until(bannerDown)
	v.until(`accord.consent("personalization")`)
	v.open(v.text(product))
	v.until(personal)
	v.picture("shop")
	if why := v.text(`document.querySelector("[data-you]").innerText`); !strings.Contains(why, "because of what you looked at") {
		v.Errorf("the personal row says %q", why)
	}

	// An event leaves with what may be kept and with nothing else.
	sent := v.text(`(async () => {
		const send = fetch;
		let body = "nothing";
		window.fetch = (to, how) => { if (to.endsWith("/v1/batch")) body = how.body; return send(to, how); };
		await accord.track("Product Viewed", { product_id: "P-sent", mood: "sad" });
		await accord.track("Mood Changed", { mood: "sad" });
		await accord.decide();
		window.fetch = send;
		return body;
	})()`)
	if !strings.Contains(sent, "P-sent") || strings.Contains(sent, "sad") {
		v.Errorf("what was sent is %s", sent)
	}

	v.touch(`document.querySelector("[data-me]")`)
	v.until(`location.pathname === "/me" && document.querySelector("#b-personalization")?.getAttribute("aria-checked") === "true"`)
	if at := v.text(`location.href`); strings.Contains(at, "#") {
		v.Errorf("the proofs stay in the address: %s", at)
	}
	v.until(`document.querySelector('[data-part="receipts"]').innerText.includes("Made for you")`)
	v.picture("me")
	const knob = "#b-personalization"
	v.do(chromedp.Focus(knob), chromedp.SendKeys(knob, " ")) // without a mouse
	title := v.text(`document.querySelector("#p-personalization").textContent`)
	v.until(`document.querySelector("[data-said]").textContent.startsWith("` + title + ` is off")`)
	if on := v.text(`document.activeElement.id + document.activeElement.getAttribute("aria-checked")`); on != "b-personalizationfalse" {
		v.Errorf("the focus is at %s", on)
	}
	if past := v.text(`document.querySelector('[data-part="history"]').innerText`); !strings.Contains(past, title+" withdrawn (on this page; signed by you") || !strings.Contains(past, title+" allowed (in the banner") {
		v.Errorf("the history reads %q", past)
	}
	v.open("/shop")
	v.until(general)
}

// Who erases what is held is somebody new, and is asked anew.
func erase(v visit) {
	v.until(bannerUp)
	v.touch(button("accept"))
	v.until(bannerDown)
	v.touch(`document.querySelector("[data-me]")`)
	v.until(`location.pathname === "/me" && document.querySelector("#b-personalization")`)
	v.touch(`document.querySelector("[data-ask]")`)
	v.until(`document.activeElement.matches("[data-keep]")`) // the safe answer has the focus
	v.touch(`document.querySelector("[data-yes]")`)
	v.until(`document.querySelector("[data-said]").textContent.startsWith("It is done") && document.querySelector("[data-erase]").hidden`)
	v.open("/shop")
	v.until(bannerUp)
}

// A customer who signs out is nobody to the next one at this browser.
func signOut(v visit) {
	v.until(bannerUp)
	v.touch(button("accept"))
	v.until(bannerDown)
	visitor := v.text(`accord.person().anonymous_id`)
	v.touch(`document.querySelector("[data-sign-in] button")`)
	v.until(`accord.person()?.user_id`)
	v.until(personal) // by what the customer did elsewhere
	v.touch(`document.querySelector("[data-sign-out]")`)
	v.until(`accord.person() === null`)
	v.until(general)
	v.until(bannerUp) // whoever comes next is asked
	if kept := v.text(`JSON.stringify([Object.values(localStorage), Object.values(sessionStorage)])`); strings.Contains(kept, visitor) || strings.Contains(kept, "eyJ") {
		v.Errorf("after signing out the browser keeps %s", kept)
	}
}

// forEverybody checks what people need who do not see, or have no mouse: one
// first heading, a language, names for all that can be used, no id twice.
func forEverybody(v visit) {
	const audit = `(() => {
		const faults = [], roots = [document, ...[...document.querySelectorAll("*")].map((e) => e.shadowRoot).filter(Boolean)];
		const seen = (e) => e.checkVisibility();
		if ([...document.querySelectorAll("h1")].filter(seen).length !== 1) faults.push("not one h1");
		if (!document.documentElement.lang || !document.title) faults.push("no language or title");
		if (document.documentElement.scrollWidth > innerWidth) faults.push("wider than the window");
		for (const root of roots) {
			const ids = [...root.querySelectorAll("[id]")].map((e) => e.id);
			if (new Set(ids).size !== ids.length) faults.push("an id twice");
			for (const e of root.querySelectorAll("button, a[href], input, select, summary, [role=dialog], section, nav")) {
				const by = (e.getAttribute("aria-labelledby") || "").split(" ").map((id) => id && root.getElementById(id)?.textContent).join("");
				const labels = [...(e.labels || [])].map((l) => l.textContent).join("");
				const own = e.matches("section, nav, [role=dialog], select, input") ? "" : e.textContent;
				if (!(by || labels || own || e.getAttribute("aria-label") || "").trim()) faults.push("no name: " + e.outerHTML.slice(0, 80));
				if (e.tabIndex < 0 && e.matches("button, a[href], input, select")) faults.push("not by keyboard: " + e.outerHTML.slice(0, 80));
				const r = e.getBoundingClientRect();
				if (seen(e) && e.matches("button, select, input") && (r.height < 24 || r.width < 24)) faults.push("too small to touch: " + e.outerHTML.slice(0, 80));
			}
			for (const e of root.querySelectorAll("img:not([alt])")) faults.push("a picture without alt: " + e.src);
			for (const e of root.querySelectorAll("[aria-describedby]")) if (!root.getElementById(e.getAttribute("aria-describedby"))) faults.push("describes nothing: " + e.id);
		}
		return faults.join("\n");
	})()`
	check := func(what string) {
		v.Helper()
		if faults := v.text(audit); faults != "" {
			v.Errorf("%s: %s", what, faults)
		}
	}
	v.until(bannerUp)
	check("the banner")
	v.touch(button("detail"))
	v.until(button("save") + ` != null`)
	check("the choices")
	v.touch(button("save"))
	v.until(bannerDown)
	v.touch(`document.querySelector("[data-ask]")`)
	v.until(button("accept") + ` != null`)
	v.touch(button("accept"))
	v.until(bannerDown)
	v.touch(`document.querySelector("[data-me]")`)
	v.until(`location.pathname === "/me" && document.querySelector("#b-newsletter")?.getAttribute("aria-checked") === "true"`)
	check("/me")
	v.touch(`document.querySelector('nav a[lang="ru"]')`)
	v.until(`document.documentElement.lang === "ru" && document.querySelector("#b-newsletter")`)
	v.picture("me-ru")
	check("/me in Russian")
	v.do(chromedp.EmulateViewport(390, 844, chromedp.EmulateMobile))
	check("/me on a phone")
	v.picture("me-phone")
	v.open("/shop?language=ru")
	v.touch(`document.querySelector("[data-ask]")`)
	v.until(bannerUp)
	v.picture("banner-phone")
	check("the banner on a phone, in Russian")
}
