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

	"accord/internal/world"
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
	var listening sync.WaitGroup
	t.Cleanup(listening.Wait) // after the browser has ended
	ctx := browser(t)
	v := visit{t, ctx, "http://" + addr}
	v.do(chromedp.EmulateViewport(1280, 900))
	listening.Go(func() {
		for m, err := range chromedp.Console(ctx) {
			if err == nil && (m.Type == chromedp.ConsoleError || m.IsException()) {
				t.Errorf("the console says: %s (%s)", m.Text, m.URL)
			}
		}
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
	t.Run("telling", func(t *testing.T) { telling(newVisit(t, addr, "/shop")) })
	t.Run("this is not me", func(t *testing.T) { notMe(newVisit(t, addr, "/shop")) })
	t.Run("misuse", func(t *testing.T) { misuse(newVisit(t, addr, "/shop")) })
	t.Run("for everybody", func(t *testing.T) { forEverybody(newVisit(t, addr, "/shop")) })
}

// "Refusing takes as many touches as accepting and looks the same", and who
// refuses all is given no id.
func refuse(v visit) {
	v.until(bannerUp)
	v.until(general)
	if title := v.text(banner + `("h2").textContent`); title != world.Shop+": may we use what you do here?" {
		v.Errorf("the banner is headed %q", title)
	}
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
	v.touch(`document.querySelector("[data-me]")`)
	v.until(`location.pathname === "/me" && document.querySelector('[data-part="choices"]').innerText.includes("you refused; kept in this browser only")`)
	v.touch(`document.querySelector("[data-back]")`)
	v.until(`location.pathname.startsWith("/shop/product/") && window.accord?.purposes().length`)
	v.touch(`document.querySelector("[data-ask]")`)
	v.until(button("accept") + ` != null`) // and one touch takes it back

	// What is told is kept for who allowed it.
	const tell = `accord.tell({ likes: ["Tea"] }).then((told) => told.kept + " " + told.preferences.likes)`
	if told := v.text(tell); told != "false undefined" || v.text(`String(accord.person())`) != "null" {
		v.Errorf("who refused all told %s", told)
	}
	v.touch(button("accept"))
	v.until(`accord.consent("told_preferences")`)
	if told := v.text(tell); told != "true Tea" {
		v.Errorf("who accepted told %s", told)
	}
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

	// An event leaves with what may be kept and with nothing else. A question says
	// which language is read.
	sent := v.text(`(async () => {
		const send = fetch;
		let body = "nothing", asked = "";
		window.fetch = (to, how) => {
			if (to.endsWith("/v1/batch")) body = how.body;
			if (to.endsWith("/v1/decide")) asked = JSON.parse(how.body).language;
			return send(to, how);
		};
		await accord.track("Product Viewed", { product_id: "P-sent", mood: "sad" });
		await accord.track("Mood Changed", { mood: "sad" });
		await accord.decide();
		window.fetch = send;
		return asked + " " + body;
	})()`)
	if !strings.HasPrefix(sent, "en {") || !strings.Contains(sent, "P-sent") || strings.Contains(sent, "sad") {
		v.Errorf("what was sent is %s", sent)
	}

	v.touch(`document.querySelector("[data-me]")`)
	v.until(`location.pathname === "/me" && document.querySelector("#b-personalization")?.getAttribute("aria-checked") === "true"`)
	if at := v.text(`location.href`); strings.Contains(at, "#") {
		v.Errorf("the proofs stay in the address: %s", at)
	}
	v.until(`document.querySelector('[data-part="receipts"]').innerText.includes("Made for you")`)
	// What came in a moment ago is held, and is there in words.
	const held = `document.querySelector('[data-part="held"]').innerText`
	v.until(held + `.includes("A product that you looked at")`)
	for _, words := range []string{"Kept: 2, since ", "; gone by ", "For: Better suggestions for all, Products that suit you", "What you chose", "A random number that your browser"} {
		v.until(held + `.includes("` + words + `")`)
	}
	v.picture("me")
	const knob = "#b-personalization"
	v.do(chromedp.Focus(knob), chromedp.SendKeys(knob, " ")) // without a mouse
	title := v.text(`document.querySelector("#p-personalization").textContent`)
	v.until(`document.querySelector("[data-said]").textContent.startsWith("` + title + ` is off")`)
	v.until(`document.activeElement.id + document.activeElement.getAttribute("aria-checked") === "b-personalizationfalse"`)
	for _, line := range []string{title + " withdrawn (on this page; signed in this browser", title + " allowed (in the banner"} {
		v.until(`document.querySelector('[data-part="history"]').innerText.includes("` + line + `")`)
	}
	v.until(held + `.includes("For: Better suggestions for all\n") && !` + held + `.includes("Products that suit you")`)
	v.touch(`document.querySelector("#b-model_training")`)
	v.until(`document.querySelector("#b-model_training").getAttribute("aria-checked") === "false" && !` + held + `.includes("looked at")`) // destroyed with its last purpose
	v.do(chromedp.Reload())
	v.until(`document.querySelector('[data-part="history"]')?.innerText.includes("signed in this browser")`) // it is the same entry of the history
	v.text(`new Promise((resolve) => { // as in a browser that made no key
		sessionStorage.me = JSON.stringify({ ...JSON.parse(sessionStorage.me), signer: "" });
		const open = indexedDB.open("accord", 1);
		open.onsuccess = () => open.result.transaction("keys", "readwrite").objectStore("keys").clear().onsuccess = () => resolve("");
	})`)
	v.do(chromedp.Reload())
	v.until(`document.querySelector('[data-part="history"]')?.innerText.includes("signed with another key")`)
	v.open("/shop")
	v.until(general)
}

// Who erases what is held is somebody new, and is asked anew.
func erase(v visit) {
	v.until(bannerUp)
	v.touch(button("accept"))
	v.until(bannerDown)
	v.text(`accord.decide().then(() => "")`)
	visitor := v.text(`accord.person().anonymous_id`)
	v.touch(`document.querySelector("[data-me]")`)
	v.until(`location.pathname === "/me" && document.querySelector("#b-personalization")`)
	v.until(`document.querySelector('[data-part="held"]').innerText.includes("What you chose")`)
	v.touch(`document.querySelector("[data-ask]")`)
	v.until(`document.activeElement.matches("[data-keep]")`) // the safe answer has the focus
	v.touch(`document.querySelector("[data-yes]")`)
	v.until(`document.querySelector("[data-said]").textContent.startsWith("It is done") && document.querySelector("[data-erase]").hidden`)
	v.until(`document.querySelector('[data-part="held"]').innerText === "Nothing."`)
	v.open("/shop")
	v.until(bannerUp)
	if kept := v.text(`JSON.stringify(Object.values(localStorage))`); strings.Contains(kept, visitor) || strings.Contains(kept, `"receipts":["`) {
		v.Errorf("after an erasure the shop keeps %s", kept)
	}
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
	v.touch(`document.querySelector("[data-me]")`)
	v.until(`location.pathname === "/me" && document.querySelector("#b-newsletter")`)
	v.touch(`document.querySelector("[data-back]")`)
	v.until(`location.pathname === "/shop" && window.accord?.person()?.user_id`)
	v.touch(`document.querySelector("[data-sign-out]")`)
	v.until(`accord.person() === null`)
	v.until(general)
	v.until(bannerUp) // whoever comes next is asked
	if kept := v.text(`JSON.stringify([Object.values(localStorage), Object.values(sessionStorage)])`); strings.Contains(kept, visitor) || strings.Contains(kept, "eyJ") {
		v.Errorf("after signing out the browser keeps %s", kept)
	}
	const closed = `document.querySelector("[data-closed]")?.hidden === false`
	v.open("/me")
	v.until(closed)
	v.text(`(history.go(-2), "")`) // to where it was open
	v.until(`location.pathname === "/me" && ` + closed)
}

// What a person likes is chosen from the shop's own categories, by keyboard, and
// taken back; without its purpose the page says which switch is needed.
func telling(v visit) {
	v.until(bannerUp)
	v.touch(button("accept"))
	v.until(bannerDown)
	v.touch(`document.querySelector("[data-me]")`)
	const field, told, fault = "#category", `document.querySelector('[data-part="told"]').innerText`, `document.querySelector("[data-fault]").textContent`
	v.until(`location.pathname === "/me" && document.querySelector("[data-tell]")?.checkVisibility()`)
	v.do(chromedp.Focus(field), chromedp.SendKeys(field, "Tea"))
	v.until(`[...document.querySelectorAll("#categories option")].some((o) => o.value === "Black tea") && ![...document.querySelectorAll("#categories option")].some((o) => o.value === "Coffee beans")`)
	v.text(`(document.querySelector("#category").value = "", "")`)
	v.do(chromedp.SendKeys(field, "black tea\r"))
	v.until(told + `.includes("You like: Black tea") && document.activeElement.id === "category"`)
	v.until(`document.querySelector('[data-part="held"]').innerText.includes("The sorts of products that you told us you like")`)
	v.do(chromedp.SendKeys(field, "no such thing\r"))
	v.until(fault + `.startsWith("The shop has no sort")`)
	v.text(`(document.querySelector("#category").value = "Black tea", document.querySelector('[value="avoids"]').click(), "")`)
	v.until(told + `.includes("You would rather not see: Black tea") && !` + told + `.includes("You like")`) // not both
	v.picture("me-told")
	if likes := v.text(`accord.call("GET", "/v1/preferences?" + new URLSearchParams(accord.person())).then((p) => JSON.stringify(p.preferences))`); likes != `{"avoids":["Black tea"]}` {
		v.Errorf("the server has %s", likes)
	}
	v.touch(`document.querySelector('[data-part="told"] button')`)
	v.until(told + `.includes("You have told us nothing yet")`)
	for _, purpose := range []string{"told_preferences", "personalization"} {
		v.touch(`document.querySelector("#b-` + purpose + `")`)
		v.until(`document.querySelector("#b-` + purpose + `").getAttribute("aria-checked") === "false"`)
	}
	v.until(`!document.querySelector("[data-tell]").checkVisibility() && document.querySelector("[data-needs]").textContent === "To tell us something, first switch on: Products that suit you, What you tell us you like"`)
}

// "This is not me" parts the browser from the account that somebody left signed in.
func notMe(v visit) {
	v.until(bannerUp)
	v.touch(button("accept"))
	v.until(bannerDown)
	v.touch(`document.querySelector("[data-sign-in] button")`)
	v.until(`accord.person()?.user_id && accord.linked()`)
	v.touch(`document.querySelector("[data-me]")`)
	const control = `document.querySelector("[data-not-me]")`
	v.until(`location.pathname === "/me" && ` + control + `?.checkVisibility()`)
	v.until(`document.querySelector('[data-part="history"]').innerText.includes("as a visitor")`)
	v.picture("me-linked")
	v.touch(control)
	v.until(`document.querySelector("[data-said]").textContent.startsWith("This browser and the account are parted")`)
	v.until(`!` + control + `.checkVisibility() && document.querySelector("[data-who]").textContent.startsWith("You are a visitor")`)
	v.do(chromedp.Reload())
	v.until(`document.querySelector("[data-who]")?.textContent.startsWith("You are a visitor") && !accord.linked()`)
	if kept := v.text(`sessionStorage.me`); strings.Contains(kept, "eyJ") {
		v.Errorf("the page keeps the account's token: %s", kept)
	}
}

// Who uses accord.js in a wrong way is told what is wrong, and nobody is made an
// id for it.
func misuse(v visit) {
	v.until(bannerUp)
	for call, want := range map[string]string{
		`accord.init()`:                                        "url is not the address",
		`accord.init({ url: location.origin })`:                "key is not a write key",
		`accord.init({ url: "/", key: "wk_bad" })`:             "url is not the address",
		`accord.init({ url: location.origin, key: "wk_bad" })`: "key is not a write key",
		`accord.identify()`:                                    "no JWT with a sub",
		`accord.identify("xx")`:                                "no JWT with a sub",
		`accord.choose({ foo: true })`:                         `"foo" is not one of`,
		`accord.choose({ orders: true })`:                      `"orders" is not one of`,
	} {
		if got := v.text(call + `.then(() => "nothing", (e) => e.message)`); !strings.Contains(got, want) {
			v.Errorf("%s says %q", call, got)
		}
	}
	if id := v.text(`String(accord.person())`); id != "null" {
		v.Errorf("a mistake made the visitor %s", id)
	}
	v.text(`accord.choose({ personalization: true }).then(() => "")`) // the page's own switch
	v.until(bannerDown)
	signedOut := `(async () => { const send = fetch; window.fetch = async (to, how) => new URL(to).pathname === "/v1/consent" && how.headers["Accord-Shop-Token"]
		? new Response('{"code":"bad_proof"}', { status: 401 }) : send(to, how);
		const said = await accord.identify("x." + btoa('{"sub":"c1"}')).then(() => "nothing", (e) => e.code);
		window.fetch = send;
		return said + " " + Boolean(accord.person().anonymous_id); })()`
	if got := v.text(signedOut); got != "bad_proof true" {
		v.Errorf("a token that is refused gives %s", got)
	}
	unreached := `(async () => { const said = [], log = console.error, send = fetch; console.error = (m) => said.push(m); window.fetch = async () => { throw new TypeError("Failed to fetch"); };
		await accord.decide().catch(() => null);
		window.fetch = send; console.error = log;
		return said.join(); })()`
	if got := v.text(unreached); !strings.Contains(got, "--origin "+v.base) {
		v.Errorf("a server that does not answer gives %q", got)
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
	v.until(`document.querySelector('[data-part="held"]').innerText.includes("Случайный номер")`)
	if held := v.text(`document.querySelector('[data-part="held"]').innerText`); strings.Contains(held, "номер покупателя") {
		v.Errorf("a visitor reads that we hold %s", held)
	}
	v.do(chromedp.EmulateViewport(390, 844, chromedp.EmulateMobile))
	check("/me on a phone")
	if lines := v.text(`String([...document.querySelectorAll(".state")].every((e) => e.getClientRects().length === 1 && e.offsetHeight < 30))`); lines != "true" {
		v.Error("a switch says on or off in two lines")
	}
	if over := v.text(`[...document.querySelectorAll("[data-part]")].filter((e) => e.scrollHeight > e.clientHeight + 1).map((e) => e.dataset.part).join()`); over != "" {
		v.Errorf("on a phone %s scroll within the page", over)
	}
	v.picture("me-phone")
	v.touch(`document.querySelector("[data-close]")`)
	v.until(`document.querySelector("[data-closed]")?.hidden === false && !sessionStorage.me`)
	v.open("/shop?language=ru")
	v.touch(`document.querySelector("[data-ask]")`)
	v.until(bannerUp)
	v.text(`(` + banner + `All("details").forEach((e) => { e.open = true; }), "")`)
	if strip := v.text(`String(Math.round(` + banner + `("section").getBoundingClientRect().bottom - ` + banner + `(".row").getBoundingClientRect().bottom))`); strip != "0" && strip != "1" {
		v.Errorf("text shows in %s pixels below the buttons", strip)
	}
	if below := v.text(`[...` + banner + `All("button")].filter((e) => e.getBoundingClientRect().bottom > innerHeight).map((e) => e.textContent).join()`); below != "" {
		v.Errorf("on a phone these lie below the fold: %s", below)
	}
	v.picture("banner-phone")
	check("the banner on a phone, in Russian")
}
