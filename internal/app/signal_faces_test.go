package app

import (
	"context"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"
)

// asksForPrivacy makes a browser one with Global Privacy Control, as Firefox and Brave
// are: the header field on every request, and what pages read.
func asksForPrivacy() chromedp.Action[chromedp.Void] {
	return chromedp.Func(func(ctx context.Context, _ *chromedp.Target) error {
		if _, err := chromedp.Call(ctx, network.SetExtraHTTPHeaders, network.SetExtraHTTPHeadersParams{Headers: network.Headers{"Sec-GPC": "1"}}); err != nil {
			return err
		}
		_, err := chromedp.Call(ctx, page.AddScriptToEvaluateOnNewDocument, page.AddScriptToEvaluateOnNewDocumentParams{
			Source: `Object.defineProperty(Navigator.prototype, "globalPrivacyControl", { get: () => true });`,
		})
		return err
	})
}

// TestSignalFaces: the banner says what the browser's signal refuses before anybody
// accepts, accepting goes before it, and /me shows that it is honoured.
func TestSignalFaces(t *testing.T) {
	if _, err := exec.LookPath("chromium"); err != nil {
		t.Skip("no Chromium on this machine; what people see is not tested in a browser")
	}
	data := t.TempDir()
	demo := func(ctx context.Context, talk io.Writer) error {
		return Demo(ctx, DemoOptions{Data: data, Listen: "127.0.0.1:0", Seed: 1, Logger: quiet()}, io.Discard, talk)
	}
	_, stop := inProcess(t, demo)
	must(t, stop())
	name := filepath.Join(data, "accord.yaml")
	text, err := os.ReadFile(name)
	must(t, err)
	must(t, os.WriteFile(name, []byte(strings.Replace(string(text), "    use: [personalization]\n", "    use: [personalization, targeted_advertising]\n", 1)), 0o600))
	addr, _ := inProcess(t, demo)

	v := newVisit(t, addr, "/me")
	v.do(asksForPrivacy())
	v.open("/shop")
	v.until(bannerUp)
	const sentence = banner + `("[data-signal]").textContent`
	const title = "Products that suit you"
	if got := v.text(sentence); got != "Your browser says no for you to: "+title+". We honour that. If you accept here, your own choice goes before it." {
		v.Errorf("the banner says %q", got)
	}
	v.picture("banner-signal")
	v.touch(button("accept"))
	v.until(bannerDown)
	v.open("/shop")
	v.until(`accord.consent("personalization")`)
	v.open(v.text(product))
	v.until(`accord.consent("personalization")`)
	v.open("/shop")
	v.until(personal)

	v.touch(`document.querySelector("[data-me]")`)
	v.until(`location.pathname === "/me" && document.querySelector("#b-personalization")?.getAttribute("aria-checked") === "true"`)
	const line = `document.querySelector("[data-signal]")`
	v.until(`!` + line + `.hidden && ` + line + `.textContent.endsWith("It changes nothing here now.")`)
	const history = `document.querySelector('[data-part="history"]').innerText`
	v.until(history + `.includes("` + title + ` refused (by your browser’s signal") && ` + history + `.includes("` + title + ` allowed (in the banner")`)
	v.touch(`document.querySelector("#b-personalization")`)
	v.until(line + `.textContent === "We honour your browser’s privacy signal. It says no for you to: ` + title + `. A switch that you turn on goes before it."`)
	v.picture("me-signal")
	v.touch(`document.querySelector("#b-personalization")`)
	v.until(`document.querySelector("#b-personalization").getAttribute("aria-checked") === "true" && ` + line + `.textContent.endsWith("It changes nothing here now.")`)
}
