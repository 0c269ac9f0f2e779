package web

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// send posts a form to the page as its own script does, unless header says
// otherwise.
func send(h http.Handler, path string, form url.Values, header ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest("POST", "http://demo.test"+path, strings.NewReader(form.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	r.Header.Set(fragment, "1")
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func get(h http.Handler, path string) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest("GET", "http://demo.test"+path, nil))
	return w
}

func TestPage(t *testing.T) {
	c, _, _ := config(t)
	h := New(c)
	w := get(h, "/demo/")
	body := w.Body.String()
	if w.Code != 200 || w.Header().Get("Content-Type") != "text/html; charset=utf-8" {
		t.Fatalf("%d %s", w.Code, w.Header())
	}
	for _, want := range []string{
		`role="switch" aria-checked="true"`, `aria-live="polite"`, "Ada Marlow", "Ben Okafor",
		"We show you products that fit", "because you bought Red retrospot lunch bag (62 %)", "The law obliges the shop",
		`src="/demo/picture/P%2F1.svg"`, "65 %", `<option value="ada" selected>`,
	} {
		if !strings.Contains(body, want) {
			t.Errorf("the page lacks %q", want)
		}
	}
	// A basis that no choice ends has no switch: three of the five have one.
	if n := strings.Count(body, `role="switch"`); n != 3 {
		t.Errorf("%d switches, want 3", n)
	}
	if w := get(h, "/demo/?customer=nobody"); w.Code != 404 || !strings.Contains(w.Body.String(), "choose one from the list") {
		t.Errorf("a customer who is not there: %d", w.Code)
	}
	if w := get(h, "/demo"); w.Code != 301 || w.Header().Get("Location") != "/demo/" {
		t.Errorf("/demo: %d to %q", w.Code, w.Header().Get("Location"))
	}
	if w := get(h, "/demo/nothing"); w.Code != 404 {
		t.Errorf("/demo/nothing: %d", w.Code)
	}
}

// "It needs nothing from elsewhere, runs under a Content-Security-Policy without
// inline code."
func TestPolicy(t *testing.T) {
	c, _, _ := config(t)
	h := New(c)
	w := get(h, "/demo/")
	for _, part := range []string{"default-src 'none'", "script-src 'self'", "style-src 'self'", "frame-ancestors 'none'", "base-uri 'none'", "form-action 'self'"} {
		if !strings.Contains(w.Header().Get("Content-Security-Policy"), part) {
			t.Errorf("the policy lacks %s", part)
		}
	}
	if strings.Contains(w.Header().Get("Content-Security-Policy"), "unsafe") || w.Header().Get("X-Content-Type-Options") != "nosniff" {
		t.Errorf("headers %v", w.Header())
	}
	page := w.Body.String()
	if m := regexp.MustCompile(`(?i)<style|\sstyle=|\son[a-z]+=|<script>|javascript:|(src|href|action)="(https?:|//)`).FindString(page[:strings.Index(page, "<main>")]); m != "" {
		t.Errorf("the page holds %q", m)
	}
	for _, a := range regexp.MustCompile(`/demo/static/[^"]+`).FindAllString(page, -1) {
		w := get(h, a)
		if w.Code != 200 || !strings.Contains(w.Header().Get("Cache-Control"), "immutable") || w.Body.Len() == 0 {
			t.Errorf("%s: %d %v", a, w.Code, w.Header())
		}
		if strings.Contains(a, ".js") && !strings.HasPrefix(w.Header().Get("Content-Type"), "text/javascript") {
			t.Errorf("%s is %s", a, w.Header().Get("Content-Type"))
		}
	}
	if w := get(h, "/demo/static/demo.js?v=old"); w.Header().Get("Cache-Control") != "no-store" {
		t.Errorf("an old version may be kept: %v", w.Header())
	}
}

// "Nothing that came from outside is ever taken for markup or script."
func TestHostileTextStaysText(t *testing.T) {
	c, _, _ := config(t)
	h := New(c)
	for name, body := range map[string]string{
		"page":  get(h, "/demo/").Body.String(),
		"parts": send(h, "/demo/show", url.Values{"customer": {hostile}}).Body.String(),
	} {
		if !strings.Contains(body, "&lt;img src=x onerror=") || !strings.Contains(body, "&lt;script&gt;alert(") {
			t.Errorf("%s: the hostile title or name is not there as text", name)
		}
		if strings.Contains(body, "<img src=x") || strings.Contains(body, "<script>alert") {
			t.Errorf("%s: the hostile title or name is markup", name)
		}
	}
}

func TestChoice(t *testing.T) {
	c, s, _ := config(t)
	h := New(c)
	form := url.Values{"customer": {"ada"}, "purpose": {"personalization"}, "on": {"false"}}
	w := send(h, "/demo/choice", form)
	body := w.Body.String()
	if w.Code != 200 || s.allowed["ada"]["personalization"] {
		t.Fatalf("%d; allowed %v", w.Code, s.allowed["ada"])
	}
	for _, want := range []string{"Un-personal", "you withdrew your consent", `data-said="Personalization is off. The next answer for Ada Marlow is un-personal."`, `aria-checked="false"`, "Nothing about you"} {
		if !strings.Contains(body, want) {
			t.Errorf("the parts lack %q", want)
		}
	}
	if strings.Contains(body, "<html") {
		t.Error("the script got a whole page")
	}
	// Without the script the browser goes back to the page.
	form.Set("on", "true")
	w = send(h, "/demo/choice", form, fragment, "")
	if w.Code != 303 || w.Header().Get("Location") != "/demo/?customer=ada" || !s.allowed["ada"]["personalization"] {
		t.Errorf("%d to %q", w.Code, w.Header().Get("Location"))
	}
}

func TestChoiceRefuses(t *testing.T) {
	c, s, _ := config(t)
	h := New(c)
	good := func() url.Values {
		return url.Values{"customer": {"ada"}, "purpose": {"personalization"}, "on": {"false"}}
	}
	for name, spoil := range map[string]struct {
		field, value string
		status       int
		says         string
	}{
		"no such customer": {"customer", "nobody", 404, "choose one"},
		"no switch":        {"purpose", "orders", 409, "no switch"},
		"no such purpose":  {"purpose", "world peace", 409, "no switch"},
		"neither on nor":   {"on", "maybe", 400, "true or false"},
		"too large":        {"on", strings.Repeat("x", maxForm), 413, "4 KB"},
	} {
		form := good()
		form.Set(spoil.field, spoil.value)
		if w := send(h, "/demo/choice", form); w.Code != spoil.status || !strings.Contains(w.Body.String(), spoil.says) {
			t.Errorf("%s: %d %q", name, w.Code, w.Body)
		}
	}
	if w := get(h, "/demo/choice?customer=ada&purpose=personalization&on=false"); w.Code != 405 {
		t.Errorf("GET: %d", w.Code)
	}
	r := httptest.NewRequest("POST", "http://demo.test/demo/choice?"+good().Encode(), nil)
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	if w.Code != 400 {
		t.Errorf("a choice in the address instead of the form: %d", w.Code)
	}
	s.fail = errors.New("pebble: /var/secret is broken")
	if w := send(h, "/demo/choice", good()); w.Code != 500 || strings.Contains(w.Body.String(), "pebble") {
		t.Errorf("an inner error: %d %q", w.Code, w.Body)
	}
	if !s.allowed["ada"]["personalization"] {
		t.Error("something refused was done")
	}
}

// "Only a page of this server can flip a switch."
func TestOtherSitesAreRefused(t *testing.T) {
	c, s, _ := config(t)
	h := New(c)
	form := url.Values{"customer": {"ada"}, "purpose": {"personalization"}, "on": {"false"}}
	for name, header := range map[string][]string{
		"cross-site":     {"Sec-Fetch-Site", "cross-site"},
		"same-site":      {"Sec-Fetch-Site", "same-site"},
		"foreign origin": {"Sec-Fetch-Site", "", "Origin", "https://evil.test"},
		"other port":     {"Sec-Fetch-Site", "", "Origin", "http://demo.test:81"},
		"null origin":    {"Sec-Fetch-Site", "", "Origin", "null"},
	} {
		for _, path := range []string{"/demo/choice", "/demo/show"} {
			if w := send(h, path, form, header...); w.Code != 403 || !strings.Contains(w.Body.String(), "nothing was changed") {
				t.Errorf("%s from %s: %d %q", path, name, w.Code, w.Body)
			}
		}
	}
	if !s.allowed["ada"]["personalization"] || s.asked != 0 {
		t.Error("another site made something happen")
	}
	if w := send(h, "/demo/choice", form, "Sec-Fetch-Site", "", "Origin", "http://demo.test"); w.Code != 200 {
		t.Errorf("an older browser on the page itself: %d", w.Code)
	}
}

func TestPicture(t *testing.T) {
	c, _, _ := config(t)
	h := New(c)
	w := get(h, Item{ID: "P/1"}.Picture())
	if w.Code != 200 || w.Header().Get("Content-Type") != "image/svg+xml" || !strings.HasPrefix(w.Body.String(), "<svg") {
		t.Errorf("%d %v", w.Code, w.Header())
	}
	if p := w.Header().Get("Content-Security-Policy"); !strings.Contains(p, "sandbox") || !strings.Contains(p, "default-src 'none'") || strings.Contains(p, "script-src") {
		t.Errorf("a drawing opened by itself runs under %q", p)
	}
	for _, path := range []string{"/demo/picture/P%2F404.svg", "/demo/picture/P1.png", "/demo/picture/x"} {
		if w := get(h, path); w.Code != 404 || w.Header().Get("Content-Type") != "image/svg+xml" {
			t.Errorf("%s: %d %v", path, w.Code, w.Header())
		}
	}
	for _, id := range []string{"", "../..", "a b", "ü&?#", "x.svg", "%2e"} {
		u, err := url.Parse("http://h" + Item{ID: id}.Picture())
		if err != nil || u.Path != "/demo/picture/"+id+".svg" || u.RawQuery != "" || u.Fragment != "" {
			t.Errorf("the picture of %q is at %v (%v)", id, u, err)
		}
	}
}

// nobody is a shop before its first customer.
type nobody struct{ *shop }

func (nobody) Customers(context.Context) []Customer { return nil }

func TestPageBeforeTheFirstCustomer(t *testing.T) {
	c, s, _ := config(t)
	c.Demo = nobody{s}
	c.Counters = func() Counters { return Counters{} }
	w := get(New(c), "/demo/")
	if body, _ := io.ReadAll(w.Body); w.Code != 200 || !strings.Contains(string(body), "Nobody is here yet") {
		t.Errorf("%d", w.Code)
	}
}
