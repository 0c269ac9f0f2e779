package api

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"

	"accord/internal/auth"
	"accord/internal/identity"
)

var update = flag.Bool("update", false, "write the golden files anew")

// TestOpenAPI holds the whole description of the API: a change of it is a
// change for everybody who speaks to it, and shows in the golden file.
func TestOpenAPI(t *testing.T) {
	h := newHouse(t)
	a := h.do("GET", "/openapi.json", "").status(200)
	golden := filepath.Join("testdata", "openapi.json")
	if *update {
		must(t, os.MkdirAll("testdata", 0o755))
		must(t, os.WriteFile(golden, []byte(a.body), 0o644))
	}
	want, err := os.ReadFile(golden)
	must(t, err)
	if diff := cmp.Diff(string(want), a.body); diff != "" {
		t.Errorf("the API's description changed; if that is meant, run go test ./internal/api -run TestOpenAPI -update\n%s", diff)
	}
	if a.text("openapi") != "3.1.0" || a.header.Get("Content-Type") != "application/openapi+json" {
		t.Errorf("OpenAPI %q as %q", a.text("openapi"), a.header.Get("Content-Type"))
	}
	paths, _ := a.json["paths"].(map[string]any)
	for path, methods := range map[string]string{
		"/v1/consent": "get put", "/v1/link": "post", "/v1/unlink": "post", "/v1/stops": "get post", "/v1/decide": "post", "/v1/receipts/{id}": "get", "/v1/visitor": "post", "/v1/debug/{source}": "get",
		"/v1/catalog": "get put", "/v1/catalog/{id}": "get", "/v1/declaration": "get", "/v1/notice": "get", "/v1/notice/{version}": "get", "/healthz": "get", "/metrics": "get",
		"/v1/identify": "post", "/v1/track": "post", "/v1/page": "post", "/v1/screen": "post", "/v1/group": "post", "/v1/alias": "post", "/v1/batch": "post", "/v1/{short}": "post",
	} {
		for _, method := range strings.Fields(methods) {
			if _, ok := paths[path].(map[string]any)[method]; !ok {
				t.Errorf("%s %s is not described", method, path)
			}
		}
	}
	// Every reference leads somewhere.
	schemas, _ := a.at("components", "schemas").(map[string]any)
	for _, part := range strings.Split(a.body, `"#/components/schemas/`)[1:] {
		name, _, _ := strings.Cut(part, `"`)
		if _, ok := schemas[name]; !ok {
			t.Errorf("the schema %s is not there", name)
		}
	}
}

// TestDecideKeepsItsSchema holds the hand-written reader to the description: a
// question at each limit passes, and the description says the same limits.
func TestDecideKeepsItsSchema(t *testing.T) {
	h := newHouse(t)
	a := h.do("GET", "/openapi.json", "").status(200)
	schema := func(path ...string) map[string]any {
		m, _ := a.at(append([]string{"components", "schemas"}, path...)...).(map[string]any)
		return m
	}
	q, m := schema("DecideQuestion", "properties"), schema("DecideMoment", "properties")
	limit := func(in map[string]any, field, name string, want float64) {
		t.Helper()
		f, _ := in[field].(map[string]any)
		if f[name] != want {
			t.Errorf("%s of %s is described as %v, and is %v", name, field, f[name], want)
		}
	}
	limit(q, "n", "minimum", 1)
	limit(q, "n", "maximum", 100)
	limit(q, "n", "default", defaultN)
	limit(q, "purpose", "maxLength", maxPurpose)
	limit(q, "exclude", "maxItems", 500)
	limit(q, "language", "maxLength", maxLanguage)
	limit(m, "session", "maxItems", 500)
	limit(m, "place", "maxLength", maxPlace)
	limit(m, "channel", "maxLength", maxChannel)
	for _, name := range []string{"DecideQuestion", "DecideMoment", "Person"} {
		if schema(name)["additionalProperties"] != false {
			t.Errorf("%s is described as open", name)
		}
	}
	list := `["` + strings.Repeat(`a","`, 499) + `a"]`
	body := `{"person":{"user_id":"` + strings.Repeat("a", 512) + `"},"n":100,"language":"` + strings.Repeat("l", maxLanguage) + `","exclude":` + list + `,"moment":{"session":` + list +
		`,"place":"` + strings.Repeat("p", maxPlace) + `","channel":"` + strings.Repeat("c", maxChannel) + `"}}`
	h.do("POST", "/v1/decide", body, key(h.secret)).status(200)
	for _, longer := range []string{
		strings.Replace(body, `"place":"`, `"place":"p`, 1), strings.Replace(body, `"channel":"`, `"channel":"c`, 1),
		strings.Replace(body, `"session":[`, `"session":["a",`, 1), strings.Replace(body, `"exclude":[`, `"exclude":["a",`, 1),
		strings.Replace(body, `"n":100`, `"n":101`, 1), strings.Replace(body, `"language":"`, `"language":"l`, 1), strings.Replace(body, `"user_id":"`, `"user_id":"a`, 1),
	} {
		h.do("POST", "/v1/decide", longer, key(h.secret)).problem(422, codeInvalid)
	}
}

func TestVisitor(t *testing.T) {
	now := time.Now()
	h := newHouse(t, func(c *Config) { c.VisitorRate = 1; c.Now = func() time.Time { return now } })
	a := h.do("POST", "/v1/visitor", "", key(h.write)).status(200).members("anonymous_id", "token")
	if id, err := h.visitors.Verify(a.text("token"), now); err != nil || id != a.text("anonymous_id") {
		t.Errorf("the token proves %q, %v", id, err)
	}
	b := h.do("POST", "/v1/visitor", "", key(h.write)).status(200)
	if a.text("anonymous_id") == b.text("anonymous_id") {
		t.Error("two visitors have one id")
	}
	h.do("POST", "/v1/visitor", "", key(h.write)).problem(429, codeTooMany).without("token")
	h.do("POST", "/v1/visitor", "", key(h.other)).status(200)
	h.do("POST", "/v1/visitor", "").problem(401, codeNoKey).without("token")
	if n := h.metric("accord_http_limited_total"); n != 1 {
		t.Errorf("one refusal is counted as %v", n)
	}
}

func TestDebug(t *testing.T) {
	h := newHouse(t)
	h.give("anna")
	h.do("POST", "/v1/track", `{"type":"track","messageId":"m-1","userId":"anna","event":"Product Viewed","properties":{"product_id":"85123A","mood":"cheerful"}}`, key(h.write), shopToken(h.shopToken("anna"))).status(200)
	a := h.do("GET", "/v1/debug/web", "", key(h.secret)).status(200).members("events")
	for _, want := range []string{`"event":"Product Viewed"`, `product_id`, `mood`} {
		if !strings.Contains(a.body, want) {
			t.Errorf("the debugger lacks %s: %s", want, a.body)
		}
	}
	a.without("85123A", "cheerful", "anna", "m-1") // names, never values
	if a := h.do("GET", "/v1/debug/none", "", key(h.secret)).status(200); a.body != "{\"events\":[]}" {
		t.Errorf("a source that sent nothing: %s", a.body)
	}
	h.do("GET", "/v1/debug/web", "", key(h.write)).problem(403, codeKeyKind).without("Product")
	h.do("GET", "/v1/debug/web", "", key(h.write), shopToken(h.shopToken("anna"))).problem(403, codeKeyKind).without("Product")
	h.do("GET", "/v1/debug/web", "").problem(401, codeNoKey).without("Product")
}

func TestCatalog(t *testing.T) {
	h := newHouse(t)
	a := h.do("GET", "/v1/catalog/item-1", "", key(h.write)).status(200).members("id", "title", "category", "price", "currency", "url")
	if a.json["price"] != 12.99 {
		t.Errorf("the price is %v", a.json["price"])
	}
	h.do("GET", "/v1/catalog/none", "", key(h.write)).problem(404, codeNotFound)
	h.do("GET", "/v1/catalog/item-1", "").problem(401, codeNoKey).without("Mug")
	put := `[{"id":"item-2","title":"Teapot","price":"30.50","currency":"EUR","stock":3},{"id":"item-1","title":"Mug","price":9,"currency":"GBP"}]`
	h.do("PUT", "/v1/catalog", put, key(h.write)).problem(403, codeKeyKind)
	h.do("PUT", "/v1/catalog", put).problem(401, codeNoKey)
	if b := h.do("PUT", "/v1/catalog", put, key(h.secret)).status(200); b.body != `{"products":2}` {
		t.Errorf("the answer is %s", b.body)
	}
	if b := h.do("GET", "/v1/catalog?prefix=tea", "", key(h.write)).status(200); !strings.Contains(b.body, `"price":30.50`) || strings.Contains(b.body, "Mug") {
		t.Errorf("found: %s", b.body)
	}
	// What was read from a body stays whole when its buffer is used again.
	h.do("POST", "/v1/track", strings.Repeat("x", 400), basic(h.write)).problem(400, codeBadJSON)
	if b := h.do("GET", "/v1/catalog/item-2", "", key(h.write)).status(200); b.text("title") != "Teapot" {
		t.Errorf("afterwards: %s", b.body)
	}
	if b := h.do("PUT", "/v1/catalog", zipped(t, `[{"id":"item-3","title":"Cup","price":1,"currency":"GBP"}]`), key(h.secret)).status(200); b.body != `{"products":1}` {
		t.Errorf("zipped: %s", b.body)
	}
	for name, try := range map[string]struct {
		body   string
		status int
		code   string
	}{
		"nothing":               {``, 400, codeBadJSON},
		"an object":             {`{"id":"x"}`, 400, codeBadJSON},
		"gzip in gzip":          {zipped(t, zipped(t, put)), 400, codeBadJSON},
		"an unknown member":     {`[{"id":"x","title":"x","price":1,"currency":"GBP","admin":1}]`, 422, codeInvalid},
		"no price":              {`[{"id":"x","title":"x","currency":"GBP"}]`, 422, codeInvalid},
		"a script for a link":   {`[{"id":"x","title":"x","price":1,"currency":"GBP","url":"javascript:alert(1)"}]`, 422, codeInvalid},
		"a list that is cut":    {`[{"id":"x","title":"x","price":1,"currency":"GBP"}`, 422, codeInvalid},
		"one bad of two":        {`[{"id":"item-9","title":"x","price":1,"currency":"GBP"},{"id":""}]`, 422, codeInvalid},
		"more than fits at all": {`[` + strings.Repeat(" ", maxCatalog), 413, codeTooLarge},
	} {
		a := h.do("PUT", "/v1/catalog", try.body, key(h.secret))
		a.what += " with " + name
		a.problem(try.status, try.code)
	}
	h.do("GET", "/v1/catalog/item-9", "", key(h.write)).problem(404, codeNotFound)
}

func TestDeclarationIsPublic(t *testing.T) {
	h := newHouse(t)
	a := h.do("GET", "/v1/declaration", "", header("Origin", "https://anybody.example")).status(200).members("version", "controllers", "purposes", "identifiers", "fields", "system")
	if a.text("version") != h.config.Declaration.Hash || a.header.Get("Access-Control-Allow-Origin") != "*" {
		t.Errorf("version %q, open to %q", a.text("version"), a.header.Get("Access-Control-Allow-Origin"))
	}
	// Promise 10: what it says is what the gate enforces, all of it.
	if got, want := len(a.json["purposes"].([]any)), len(h.config.Declaration.Purposes); got != want {
		t.Errorf("%d purposes of %d", got, want)
	}
	fields := len(h.config.Declaration.Attributes) + len(h.config.Declaration.Context)
	for _, e := range h.config.Declaration.Events {
		fields += len(e.Fields)
	}
	if got := len(a.json["fields"].([]any)); got != fields {
		t.Errorf("%d fields of %d", got, fields)
	}
	for _, want := range []string{`"basis":"contract","text":"We use what you ordered`, `"choosable":true`, `"valid":"2 years"`, `"path":"products[].price"`, `"retention":"6 years"`,
		`"kind":"anonymous_id","category":"device"`, `"kept":"hmac"`, `{"what":"choices","text":`, `{"what":"receipts","text":`} {
		if !strings.Contains(a.body, want) {
			t.Errorf("it lacks %s", want)
		}
	}
}

// TestHealth holds that the health is found by a real probe, once a second at
// most.
func TestHealth(t *testing.T) {
	var probes atomic.Int32
	var bad atomic.Bool
	var now atomic.Int64
	h := newHouse(t, func(c *Config) {
		real := c.Probe
		c.Now = func() time.Time { return time.UnixMilli(now.Load()) }
		c.Probe = func(ctx context.Context) error {
			probes.Add(1)
			if bad.Load() {
				return errors.New("disk /var/lib/x is full")
			}
			return real(ctx)
		}
	})
	for range 5 {
		if a := h.do("GET", "/healthz", "").status(200); a.body != `{"status":"ok"}` {
			t.Errorf("healthy: %s", a.body)
		}
	}
	if probes.Load() != 1 {
		t.Errorf("%d probes within a second", probes.Load())
	}
	bad.Store(true)
	now.Add(1001)
	a := h.do("GET", "/healthz", "").problem(503, codeUnavailable).without("disk", "/var")
	if a.header.Get("Retry-After") == "" {
		t.Error("no Retry-After")
	}
	bad.Store(false)
	now.Add(-5000) // a clock that stepped back must not freeze the finding
	h.do("GET", "/healthz", "").status(200)
}

func TestMetrics(t *testing.T) {
	h := newHouse(t)
	h.do("POST", "/v1/decide", `{"person":{"user_id":"anna"}}`, key(h.secret)).status(200)
	h.do("GET", "/no/such/"+h.write, "").problem(404, codeNotFound)
	// What moves with what is known is not for the public.
	h.do("GET", "/metrics", "").problem(401, codeNoKey).without("accord_")
	h.do("GET", "/metrics", "", basic(h.write)).problem(403, codeKeyKind).without("accord_")
	h.do("GET", "/metrics", "", key(h.secret)).status(200)
	a := h.do("GET", "/metrics", "", basic(h.secret)).status(200)
	for _, want := range []string{
		`accord_http_requests_total{code="200",route="POST /v1/decide"} 1`, `accord_http_requests_total{code="404",route="other"} 1`,
		`accord_http_request_seconds_count{route="POST /v1/decide"} 1`, `accord_http_auth_failures_total{reason="key"} 2`,
	} {
		if !strings.Contains(a.body, want) {
			t.Errorf("the metrics lack %s", want)
		}
	}
	// No label holds what a client sent.
	a.without("anna", h.write, h.secret, "no/such")
}

// Every record carries its controller, so a key of a controller that is not
// served opens nothing.
func TestKeysOfAnotherController(t *testing.T) {
	h := newHouse(t)
	for controller, want := range map[identity.Controller]int{h.config.Declaration.Controller(): 200, "another": 401} {
		for _, kind := range []auth.Kind{auth.Write, auth.Secret} {
			plain, _, err := h.access.MakeFor(controller, kind, "till", nil)
			must(t, err)
			h.do("POST", "/v1/decide", `{}`, key(plain)).status(want)
			h.do("POST", "/v1/track", `{"writeKey":"`+plain+`"}`).status(want)
		}
	}
}

// TestCORS holds that pages may use a key exactly from its own origins.
func TestCORS(t *testing.T) {
	h := newHouse(t)
	shop, evil := "https://shop.example", "https://evil.example"
	ask := func(origin string) *answer {
		return h.do("OPTIONS", "/v1/decide", "", header("Origin", origin), header("Access-Control-Request-Method", "POST"), header("Access-Control-Request-Headers", "authorization"))
	}
	if a := ask(shop).status(204); a.header.Get("Access-Control-Allow-Origin") != shop || !strings.Contains(a.header.Get("Access-Control-Allow-Headers"), headerVisitor) ||
		!strings.Contains(a.header.Get("Access-Control-Allow-Headers"), "AnonymousId") || a.header.Get("Vary") != "Origin" {
		t.Errorf("before a request of the shop: %v", a.header)
	}
	if a := ask(evil).status(204); a.header.Get("Access-Control-Allow-Origin") != "" {
		t.Errorf("before a request of somebody else: %v", a.header)
	}
	for _, path := range []string{"/v1/decide", "/v1/track"} {
		a := h.do("POST", path, `{}`, key(h.write), header("Origin", shop)).status(200)
		if a.header.Get("Access-Control-Allow-Origin") != shop || a.header.Get("Vary") != "Origin" || a.header.Get("Access-Control-Allow-Credentials") != "" {
			t.Errorf("%s from the shop: %v", path, a.header)
		}
		for name, options := range map[string][]option{
			"another page":             {key(h.write), header("Origin", evil)},
			"no page (null)":           {key(h.write), header("Origin", "null")},
			"a key without origins":    {key(h.other), header("Origin", shop)},
			"an origin with a suffix":  {key(h.write), header("Origin", shop+".evil.example")},
			"an origin on another way": {key(h.write), header("Origin", "http://shop.example")},
		} {
			a := h.do("POST", path, `{}`, options...)
			a.what += " with " + name
			a.problem(403, codeOrigin).without("items", "success")
			if a.header.Get("Access-Control-Allow-Origin") != "" {
				t.Errorf("%s: %v", a.what, a.header)
			}
		}
		// A secret key in a page is answered and the page cannot read it.
		if a := h.do("POST", path, `{}`, key(h.secret), header("Origin", shop)).status(200); a.header.Get("Access-Control-Allow-Origin") != "" {
			t.Errorf("%s with a secret key: %v", path, a.header)
		}
		// A page of the server itself.
		h.do("POST", path, `{}`, key(h.other), header("Origin", h.http.URL)).status(200)
		// The page may read why it was refused.
		if a := h.do("POST", path, `{}`, key("wk_none"), header("Origin", shop)).status(401); a.header.Get("Access-Control-Allow-Origin") != shop {
			t.Errorf("%s with an unknown key: %v", path, a.header)
		}
	}
	if n := len(h.sink().all); n != 3 {
		t.Errorf("the collector was asked %d times, not thrice", n)
	}
}

func TestEveryAnswerHasItsFields(t *testing.T) {
	h := newHouse(t)
	for _, a := range []*answer{
		h.do("GET", "/openapi.json", ""), h.do("GET", "/v1/declaration", ""), h.do("GET", "/nothing", ""),
		h.do("POST", "/v1/decide", `{}`, key(h.write)), h.do("POST", "/v1/decide", `{`, key(h.write)), h.do("POST", "/v1/visitor", "", key(h.write)),
	} {
		for name, want := range map[string]string{"X-Content-Type-Options": "nosniff", "Cache-Control": "no-store", "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'", "Referrer-Policy": "no-referrer"} {
			if got := a.header.Get(name); got != want {
				t.Errorf("%s: %s is %q", a.what, name, got)
			}
		}
	}
	if a := h.do("DELETE", "/v1/consent", "").problem(405, codeMethod); a.header.Get("Allow") != "GET, PUT" {
		t.Errorf("Allow is %q", a.header.Get("Allow"))
	}
	if a := h.do("DELETE", "/v1/receipts/1", "").problem(405, codeMethod); a.header.Get("Allow") != "GET" {
		t.Errorf("Allow is %q", a.header.Get("Allow"))
	}
}

// TestNothingIsLoggedOfRequests holds that a good request leaves no line, and no
// line holds who it was about.
func TestNothingIsLoggedOfRequests(t *testing.T) {
	h := newHouse(t)
	h.give("anna")
	h.do("POST", "/v1/decide", `{"person":{"user_id":"anna"}}`, key(h.secret)).status(200)
	h.do("POST", "/v1/track", `{"userId":"anna"}`, basic(h.write)).status(200)
	h.do("GET", "/v1/consent?user_id=anna", "", key(h.write)).status(403)
	h.do("POST", "/v1/decide", `{"person":"anna"}`, key(h.secret)).status(422)
	if log := h.log.String(); log != "" {
		t.Errorf("the log has %s", log)
	}
}

func TestNewNeedsItsParts(t *testing.T) {
	h := newHouse(t)
	c := h.config
	c.Metrics = nil
	if _, err := New(c); err == nil || !strings.Contains(err.Error(), "Metrics") {
		t.Errorf("without a registry: %v", err)
	}
}

func FuzzQuestion(f *testing.F) {
	for _, s := range []string{
		`{}`, `{"person":{"user_id":"a"},"purpose":"p","moment":{"time":"2026-11-23T10:00:00Z","place":"x","channel":"y","session":["a"]},"exclude":["b"],"n":5}`,
		`{"n":1e9}`, `{"n":-0}`, `{"exclude":[`, `{"person":{"user\u005fid":"a"}}`, "{\"purpose\":\"\xff\"}", `{"a":[[[[`, `{} {}`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		who, ask, err := parseDecide(b, time.Unix(0, 0))
		if err != nil {
			p, ok := errors.AsType[*Problem](err)
			if !ok || p.Status != http.StatusBadRequest && p.Status != http.StatusUnprocessableEntity {
				t.Fatalf("%q: %v", b, err)
			}
			return
		}
		if ask.N < 1 || ask.N > 100 || ask.Purpose == "" || len(ask.Exclude) > 500 || len(ask.Moment.Session) > 500 || len(who.Value) > 512 {
			t.Errorf("%q gives %+v about %+v", b, ask, who)
		}
		if !json.Valid(bytes.TrimSpace(b)) {
			t.Errorf("%q is no JSON and was taken", b)
		}
	})
}

// TestNoAddressIsLogged holds that what net/http complains of is counted, and
// that no caller's address reaches a log.
func TestNoAddressIsLogged(t *testing.T) {
	h := newHouse(t)
	server := httptest.NewUnstartedServer(nil)
	registry := prometheus.NewRegistry()
	server.Config = Server(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic("a fault of the program") }), registry, h.config.Logger)
	server.StartTLS()
	defer server.Close()
	plain, err := net.Dial("tcp", server.Listener.Addr().String())
	must(t, err)
	defer plain.Close()
	_, err = plain.Write([]byte("GET / HTTP/1.0\r\n\r\n"))
	must(t, err)
	_, err = io.ReadAll(plain) // until the server hangs up
	must(t, err)
	if _, err := server.Client().Get(server.URL); err == nil {
		t.Error("a handler that panicked answered")
	}
	for _, kind := range []string{"tls", "panic"} {
		eventually(t, kind+" is counted", func() bool { return metric(t, registry, "accord_http_server_errors_total", "kind", kind) == 1 })
	}
	said := h.log.String()
	if !strings.Contains(said, "a fault of the program") || strings.Contains(said, "127.0.0.1") || strings.Contains(said, "TLS") {
		t.Errorf("the log has %s", said)
	}
}

// TestBodiesInFlightAreBounded holds that bodies of callers whose key is public,
// or not known yet, share a room, and that a full one keeps no server of the
// shop out.
func TestBodiesInFlightAreBounded(t *testing.T) {
	h := newHouse(t, func(c *Config) { c.Bodies = maxBatch })
	batch := `{"batch":[],"writeKey":"` + h.write + `"}`
	slow, err := net.Dial("tcp", h.http.Listener.Addr().String())
	must(t, err)
	defer slow.Close()
	said := bufio.NewReader(slow)
	fmt.Fprintf(slow, "POST /v1/batch HTTP/1.1\r\nHost: shop\r\nExpect: 100-continue\r\nContent-Length: %d\r\n\r\n", len(batch))
	line, err := said.ReadString('\n') // the server reads the body now
	if must(t, err); !strings.Contains(line, "100 Continue") {
		t.Fatal(line)
	}
	for name, a := range map[string]*answer{
		"no key yet":    h.do("POST", "/v1/batch", batch),
		"a public key":  h.do("POST", "/v1/track", `{}`, key(h.write)),
		"a small route": h.do("POST", "/v1/decide", `{}`, key(h.write)),
	} {
		a.what += " with " + name
		if a.problem(503, codeBusy); a.header.Get("Retry-After") != "1" {
			t.Errorf("%s: Retry-After is %q", a.what, a.header.Get("Retry-After"))
		}
	}
	h.do("POST", "/v1/batch", `{"batch":[]}`, key(h.secret)).status(200)
	fmt.Fprint(slow, batch)
	said.ReadString('\n') //nolint:errcheck // the empty line after 100
	if line, err = said.ReadString('\n'); err != nil || !strings.Contains(line, "200 OK") {
		t.Fatal(line, err)
	}
	eventually(t, "there is room again", func() bool { return h.do("POST", "/v1/batch", batch).code == 200 })
}

// TestEveryWaitIsBounded: what the doc of Server says.
func TestEveryWaitIsBounded(t *testing.T) {
	s := newHouse(t).http.Config
	for name, d := range map[string]time.Duration{"header": s.ReadHeaderTimeout, "body": s.ReadTimeout, "answer": s.WriteTimeout, "idle": s.IdleTimeout} {
		if d <= 0 || d > 2*time.Minute {
			t.Errorf("the wait for the %s is %v", name, d)
		}
	}
}

// TestBadInputsAreCounted holds that each sort of bad input has a count of its
// own: as a problem where a request is refused, and with the events of Segment's
// routes where only the event or the field is.
func TestBadInputsAreCounted(t *testing.T) {
	h := newHouse(t)
	event := func(properties string) string {
		return `{"type":"track","userId":"anna","event":"Product Viewed","properties":` + properties + `}`
	}
	whole := zipped(t, event(`{}`))
	anna := `"person":{"user_id":"anna"}`
	for name, try := range map[string]struct {
		method, path, body string
		option             option
		code               string // of the problem, or "" and
		outcome            string // of the event
	}{
		"malformed JSON, an event":     {"POST", "/v1/track", `{"userId":`, key(h.secret), codeBadJSON, ""},
		"malformed JSON, a choice":     {"PUT", "/v1/consent", `{"person":`, key(h.secret), codeBadJSON, ""},
		"malformed JSON, a question":   {"POST", "/v1/decide", `{"person":`, key(h.secret), codeBadJSON, ""},
		"too large, an event":          {"POST", "/v1/track", strings.Repeat("x", maxSingle+1), key(h.secret), codeTooLarge, ""},
		"too large, a choice":          {"PUT", "/v1/consent", strings.Repeat("x", maxConsent+1), key(h.secret), codeTooLarge, ""},
		"an unknown key":               {"POST", "/v1/track", event(`{}`), key("wk_unknown"), codeBadKey, ""},
		"no key":                       {"POST", "/v1/decide", `{}`, header("Accept", "*/*"), codeNoKey, ""},
		"gzip that is cut off":         {"POST", "/v1/track", whole[:len(whole)-5], key(h.secret), codeBadGzip, ""},
		"gzip cut off, a question":     {"POST", "/v1/decide", whole[:len(whole)-5], key(h.secret), codeBadGzip, ""},
		"invalid UTF-8, an event":      {"POST", "/v1/track", event("{\"product_id\":\"\xff\"}"), key(h.secret), "", "event:utf8"},
		"invalid UTF-8, a choice":      {"PUT", "/v1/consent", "{\"notice\":\"\xff\"," + anna + `,"choices":{"newsletter":"refused"}}`, key(h.secret), codeBadUTF8, ""},
		"invalid UTF-8, a question":    {"POST", "/v1/decide", "{\"purpose\":\"\xff\"}", key(h.secret), codeBadUTF8, ""},
		"an unknown field, an event":   {"POST", "/v1/track", event(`{"shoe_size":43}`), key(h.secret), "", "field:undeclared"},
		"an unknown field, a choice":   {"PUT", "/v1/consent", `{` + anna + `,"choices":{"newsletter":"refused"},"admin":true}`, key(h.secret), codeUnknown, ""},
		"an unknown field, a question": {"POST", "/v1/decide", `{"admin":true}`, key(h.secret), codeUnknown, ""},
	} {
		problems, outcome := h.metric("accord_http_problems_total", "code", try.code), h.sink().Counts()[try.outcome]
		all := h.metric("accord_http_problems_total")
		a := h.do(try.method, try.path, try.body, try.option)
		if try.code == "" {
			if a.status(200); h.sink().Counts()[try.outcome] != outcome+1 || h.metric("accord_http_problems_total") != all {
				t.Errorf("%s: counted as %v", name, h.sink().Counts())
			}
			continue
		}
		if a.problem(a.code, try.code); h.metric("accord_http_problems_total", "code", try.code) != problems+1 || h.metric("accord_http_problems_total") != all+1 {
			t.Errorf("%s: not counted once as %s", name, try.code)
		}
	}
}
