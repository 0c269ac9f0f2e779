package api

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"accord/internal/collect"
	"accord/internal/eventlog"
	"accord/internal/identity"
)

func zipped(t testing.TB, s string) string {
	t.Helper()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	_, err := w.Write([]byte(s))
	must(t, err)
	must(t, w.Close())
	return b.String()
}

func (h *house) sink() *sink { return h.config.Collector.(*sink) }

// TestSegmentRoutes holds both ways of auth on all routes, and that the body
// reaches the collector as it was sent, whatever the labels say.
func TestSegmentRoutes(t *testing.T) {
	h := newHouse(t)
	for _, kind := range []string{"identify", "track", "page", "screen", "group", "alias", "batch"} {
		body := `{"type":"` + kind + `","userId":"anna"}`
		withKey := `{"type":"` + kind + `","userId":"anna","writeKey":"` + h.write + `"}`
		if kind == "batch" {
			body = `{"batch":[{"type":"track","userId":"anna"}]}`
			withKey = `{"batch":[{"type":"track","userId":"anna"}],"writeKey":"` + h.write + `"}`
		}
		for name, try := range map[string]struct {
			body    string
			want    string
			options []option
		}{
			"Basic":                           {body, body, []option{basic(h.write)}},
			"Bearer":                          {body, body, []option{key(h.write)}},
			"the key in the body":             {withKey, withKey, nil},
			"both":                            {withKey, withKey, []option{basic(h.write)}},
			"gzip with its label":             {zipped(t, body), body, []option{basic(h.write), header("Content-Encoding", "gzip"), header("Content-Type", "application/json")}},
			"gzip labelled as a form":         {zipped(t, body), body, []option{basic(h.write), header("Content-Type", "application/x-www-form-urlencoded")}},
			"gzip with the key inside":        {zipped(t, withKey), withKey, nil},
			"JSON labelled as gzip":           {body, body, []option{basic(h.write), header("Content-Encoding", "gzip")}},
			"JSON labelled as text (beacons)": {withKey, withKey, []option{header("Content-Type", "text/plain")}},
		} {
			a := h.do("POST", "/v1/"+kind, try.body, try.options...)
			a.what += " with " + name
			a.status(200)
			if a.body != `{"success":true}` || a.header.Get("Content-Type") != "application/json" {
				t.Errorf("%s: %s as %s", a.what, a.body, a.header.Get("Content-Type"))
			}
			got := h.sink().seen()
			if got.Kind != kind || got.Source != "web" || string(got.Body) != try.want || got.Received.IsZero() {
				t.Errorf("%s: the collector got %+v with %q", a.what, got, got.Body)
			}
			if proof := got.Speaker.Proves(identity.Identifier{Kind: identity.UserID, Value: "anna"}); proof != identity.Unproven {
				t.Errorf("%s: a write key proves %v", a.what, proof)
			}
		}
	}
	for short, kind := range map[string]string{
		"t": "track", "i": "identify", "p": "page", "s": "screen", "g": "group", "a": "alias", "b": "batch", "import": "batch", "import/": "batch",
	} {
		body := `{"userId":"anna","batch":[]}`
		h.do("POST", "/v1/"+short, zipped(t, body), basic(h.write), header("Content-Type", "text/plain"), func(r *http.Request) { r.ContentLength = -1 }).status(200)
		if got := h.sink().seen(); got.Kind != kind || string(got.Body) != body {
			t.Errorf("%s: the collector got %+v", short, got)
		}
	}
	h.do("POST", "/v1/t", `{"a":"`+strings.Repeat("a", maxSingle)+`"}`, basic(h.write)).problem(400, codeTooLarge)
	h.do("POST", "/v1/x", `{}`, basic(h.write)).problem(404, codeNotFound)
	h.do("GET", "/v1/track", "", basic(h.write)).problem(405, codeMethod)
}

// TestSegmentSpeakers holds who speaks on Segment's routes, and that a proof
// that does not hold proves nothing and loses nothing.
func TestSegmentSpeakers(t *testing.T) {
	h := newHouse(t)
	id, token := h.visitor()
	shop := h.shopToken("anna")
	_, foreign := shopKeys(t)
	forged := signed(t, foreign, "anna", time.Now(), time.Now().Add(time.Hour))
	accord := func(visitor, shop string) string {
		return `"context":{"consent":{},"accord":{"visitor":"` + visitor + `","shop_token":"` + shop + `"}}`
	}
	for name, try := range map[string]struct {
		path, body string
		options    []option
		user       identity.Proof // about anna
		visitor    identity.Proof // about id
	}{
		"a write key":               {"track", `{}`, []option{basic(h.write)}, 0, 0},
		"a secret key":              {"track", `{}`, []option{basic(h.secret)}, identity.ByServer, identity.ByServer},
		"a secret key in the body":  {"track", `{"writeKey":"` + h.secret + `"}`, nil, identity.ByServer, identity.ByServer},
		"header fields":             {"track", `{}`, []option{basic(h.write), visitor(token), shopToken(shop)}, identity.ByShop, identity.ByVisitor},
		"the context":               {"track", `{` + accord(token, shop) + `}`, []option{basic(h.write)}, identity.ByShop, identity.ByVisitor},
		"the context, key too":      {"track", `{` + accord(token, shop) + `,"writeKey":"` + h.write + `"}`, nil, identity.ByShop, identity.ByVisitor},
		"the batch's context":       {"batch", `{"batch":[{"type":"track"}],` + accord(token, shop) + `}`, []option{basic(h.write)}, identity.ByShop, identity.ByVisitor},
		"an event's context":        {"batch", `{"batch":[{"type":"track"},7,{` + accord(token, shop) + `}],"writeKey":"` + h.write + `"}`, nil, identity.ByShop, identity.ByVisitor},
		"gzip":                      {"batch", zipped(t, `{"batch":[{`+accord(token, shop)+`}]}`), []option{basic(h.write)}, identity.ByShop, identity.ByVisitor},
		"the field before the body": {"track", `{` + accord("nonsense", "") + `}`, []option{basic(h.write), visitor(token)}, 0, identity.ByVisitor},
		"forged in a field":         {"track", `{}`, []option{basic(h.write), shopToken(forged), visitor("v1.x.y")}, 0, 0},
		"forged in the context":     {"track", `{` + accord("v1.x.y", forged) + `}`, []option{basic(h.write)}, 0, 0},
		"one good, one forged":      {"track", `{` + accord(token, forged) + `}`, []option{basic(h.write)}, 0, identity.ByVisitor},
		"in properties":             {"track", `{"properties":{` + accord(token, shop) + `}}`, []option{basic(h.write)}, 0, 0},
		"of another type":           {"track", `{"context":{"accord":{"visitor":{"a":1},"shop_token":7}}}`, []option{basic(h.write)}, 0, 0},
		"in a text":                 {"track", `{"context":"\"accord\"","x":"` + token + `"}`, []option{basic(h.write)}, 0, 0},
	} {
		a := h.do("POST", "/v1/"+try.path, try.body, try.options...)
		a.what += " with " + name
		a.status(200)
		got := h.sink().seen().Speaker
		if p := got.Proves(identity.Identifier{Kind: identity.UserID, Value: "anna"}); p != try.user {
			t.Errorf("%s: about the user: %v, want %v", a.what, p, try.user)
		}
		if p := got.Proves(identity.Identifier{Kind: identity.AnonymousID, Value: id}); p != try.visitor {
			t.Errorf("%s: about the visitor: %v, want %v", a.what, p, try.visitor)
		}
		if got != identity.Server() && got.Proves(identity.Identifier{Kind: identity.UserID, Value: "ben"}) != identity.Unproven {
			t.Errorf("%s: proves somebody else", a.what)
		}
	}
	if v, s := h.metric("accord_http_bad_proofs_total", "proof", "visitor"), h.metric("accord_http_bad_proofs_total", "proof", "shop"); v != 2 || s != 3 {
		t.Errorf("bad proofs are counted as %v and %v", v, s)
	}
}

// TestProofsOfABatch holds that a proof that has ended hides none that holds, and
// that where several hold each proves its own person.
func TestProofsOfABatch(t *testing.T) {
	h := newHouse(t)
	past := time.Now().Add(-3 * time.Hour)
	ended := signed(t, h.shopKey, "anna", past, past.Add(time.Hour))
	event := func(user, token string) string {
		return `{"type":"track","userId":"` + user + `","event":"x","context":{"accord":{"shop_token":"` + token + `"}}}`
	}
	batch := func(events ...string) string { return `{"batch":[` + strings.Join(events, ",") + `]}` }
	anna, ben := h.shopToken("anna"), h.shopToken("ben")
	var many []string
	for n := range 20 {
		many = append(many, event("anna", signed(t, h.shopKey, "anna", past.Add(time.Duration(n)*time.Second), past.Add(time.Hour))))
	}
	for name, try := range map[string]struct {
		body      string
		anna, ben identity.Proof
	}{
		"one that ended, one that holds": {batch(event("anna", ended), event("anna", anna)), identity.ByShop, 0},
		"the other way round":            {batch(event("anna", anna), event("anna", ended)), identity.ByShop, 0},
		"one that ended":                 {batch(event("anna", ended)), 0, 0},
		"two people":                     {batch(event("anna", anna), event("ben", ben)), identity.ByShop, identity.ByShop},
		"the same one often":             {batch(strings.Repeat(event("anna", ended)+",", 50) + event("anna", anna)), identity.ByShop, 0},
		"many that ended before it":      {batch(append(many, event("anna", anna))...), identity.ByShop, 0},
		"as many as are looked at after": {batch(append([]string{event("anna", anna)}, many...)...), 0, 0},
	} {
		a := h.do("POST", "/v1/batch", try.body, key(h.write))
		a.what += " with " + name
		a.status(200)
		for user, want := range map[string]identity.Proof{"anna": try.anna, "ben": try.ben, "carl": identity.Unproven} {
			if got := h.sink().seen().Speaker.Proves(identity.Identifier{Kind: identity.UserID, Value: user}); got != want {
				t.Errorf("%s: about %s: %v, want %v", a.what, user, got, want)
			}
		}
	}
	// Nobody speaks for whom another's event is about: it is not kept.
	order := strings.ReplaceAll(batch(event("anna", anna), event("dora", ben)), `"event":"x"`, `"event":"Order Completed","properties":{"order_id":"1"}`)
	h.do("POST", "/v1/batch", order, key(h.write)).status(200)
	if !h.known(identity.UserID, "anna") || h.known(identity.UserID, "dora") || h.known(identity.UserID, "ben") {
		t.Error("the wrong people are known")
	}
}

// TestSegmentErrors holds the statuses by which clients know what to do: a 4xx
// but 429 loses the batch, 429 and 5xx are sent again.
func TestSegmentErrors(t *testing.T) {
	h := newHouse(t)
	whole := zipped(t, `{"batch":[`+strings.Repeat(`{"type":"track","event":"x","messageId":"`+strings.Repeat("y", 40)+`"},`, 200)+`{}]}`)
	for name, try := range map[string]struct {
		path, body string
		options    []option
		status     int
		code       string
	}{
		"no key":                     {"track", `{"userId":"anna"}`, nil, 401, codeNoKey},
		"an unknown key":             {"track", `{"userId":"anna"}`, []option{basic("wk_unknown")}, 401, codeBadKey},
		"an unknown key in the body": {"track", `{"userId":"anna","writeKey":"wk_unknown"}`, nil, 401, codeBadKey},
		"a key that is no text":      {"track", `{"userId":"anna","writeKey":7}`, nil, 401, codeNoKey},
		"a key within properties":    {"track", `{"properties":{"writeKey":"` + h.write + `"}}`, nil, 401, codeNoKey},
		"a list without a key":       {"track", `[{"writeKey":"` + h.write + `"}]`, nil, 400, codeBadJSON},
		"no JSON, no key":            {"track", `{"userId":"an`, nil, 400, codeBadJSON},
		"nothing, no key":            {"track", ``, nil, 400, codeBadJSON},
		"a large event":              {"track", `{"a":"` + strings.Repeat("a", maxSingle) + `"}`, []option{basic(h.write)}, 400, codeTooLarge},
		"a large event in pieces":    {"track", `{"a":"` + strings.Repeat("a", maxSingle) + `"}`, []option{basic(h.write), func(r *http.Request) { r.ContentLength = -1 }}, 400, codeTooLarge},
		"a large batch":              {"batch", `{"a":"` + strings.Repeat("a", maxBatch) + `"}`, []option{basic(h.write)}, 400, codeTooLarge},
		"a large batch, zipped":      {"batch", zipped(t, `{"a":"`+strings.Repeat("a", maxBatch)+`"}`), []option{basic(h.write)}, 400, codeTooLarge},
		"a bomb":                     {"track", zipped(t, strings.Repeat("a", 20<<20)), []option{basic(h.write)}, 400, codeTooLarge},
		"gzip cut off":               {"batch", whole[:len(whole)/2], []option{basic(h.write)}, 400, codeBadGzip},
		"gzip without its end":       {"batch", whole[:len(whole)-4], []option{basic(h.write)}, 400, codeBadGzip},
		"gzip damaged":               {"batch", whole[:20] + "\xff\xff\xff\xff" + whole[24:], []option{basic(h.write)}, 400, codeBadGzip},
		"only gzip's first bytes":    {"batch", "\x1f\x8b", []option{basic(h.write)}, 400, codeBadGzip},
	} {
		before := len(h.sink().all)
		a := h.do("POST", "/v1/"+try.path, try.body, try.options...)
		a.what += " with " + name
		a.problem(try.status, try.code).without("anna", "wk_", "success")
		if len(h.sink().all) != before {
			t.Errorf("%s: the collector was asked", a.what)
		}
	}
	good := `{"userId":"anna"}`
	for _, try := range []struct {
		err    error
		status int
		code   string
	}{
		{collect.ErrTooLarge, 400, codeTooLarge},
		{fmt.Errorf("in event 3: %w", collect.ErrBadJSON), 400, codeBadJSON},
		{fmt.Errorf("append: %w", eventlog.ErrBusy), 429, codeBusy},
		{errors.New("disk /var/lib/x is full"), 503, codeUnavailable},
	} {
		h.sink().fail(try.err)
		a := h.do("POST", "/v1/track", good, basic(h.write))
		a.problem(try.status, try.code).without("anna", "disk", "/var", "success")
		if retry := a.header.Get("Retry-After"); (retry != "") != (try.status == 429 || try.status == 503) {
			t.Errorf("%v: Retry-After is %q", try.err, retry)
		}
	}
	h.sink().fail(nil)
	h.do("POST", "/v1/track", good, basic(h.write)).status(200)
	for code, want := range map[string]float64{"200": 1, "429": 1, "503": 1} {
		if n := h.metric("accord_http_requests_total", "route", "POST /v1/track", "code", code); n != want {
			t.Errorf("%v requests with status %s are counted, want %v", n, code, want)
		}
	}
}

// TestSegmentTakesTheLimits holds that what is just within the limits passes.
func TestSegmentTakesTheLimits(t *testing.T) {
	h := newHouse(t)
	pad := func(n int) string { return `{"batch":[],"a":"` + strings.Repeat("a", n-19) + `"}` }
	for path, limit := range map[string]int{"track": maxSingle, "batch": maxBatch} {
		for name, body := range map[string]string{"plain": pad(limit), "zipped": zipped(t, pad(limit))} {
			a := h.do("POST", "/v1/"+path, body, basic(h.write))
			a.what += " " + name
			a.status(200)
			if got := h.sink().seen(); len(got.Body) != limit {
				t.Errorf("%s: %d bytes arrived of %d", a.what, len(got.Body), limit)
			}
		}
	}
}

func FuzzScan(f *testing.F) {
	for _, s := range []string{
		`{"writeKey":"k","batch":[{"context":{"accord":{"visitor":"v","shop_token":"s"}}}]}`,
		`{"context":{"accord":{"visitor":"v"}},"writeKey":"k"}`, `[1,2]`, `{"accord":`, `"accord"`, "{\"accord\":\"\xff\"}",
		`{"\u0077riteKey":"k"}`, `{"context":{"accord":[]},"batch":{"accord":1}}`,
	} {
		f.Add([]byte(s), true)
	}
	f.Fuzz(func(t *testing.T, b []byte, needKey bool) {
		c, ok := scan(b, needKey)
		if !needKey && c.writeKey != "" {
			t.Error("a key that nobody asked for")
		}
		if !ok && needKey && c.writeKey == "" {
			return
		}
		for _, s := range append(append([]string{c.writeKey}, c.visitors...), c.shops...) {
			if len(s) > maxClaim {
				t.Error("a claim over its bound")
			}
		}
		if len(c.visitors) > identity.MaxProven || len(c.shops) > identity.MaxProven {
			t.Error("more proofs than are bounded")
		}
	})
}

func FuzzBody(f *testing.F) {
	f.Add([]byte(`{"a":1}`), 100)
	f.Add([]byte(zipped(f, `{"a":1}`)), 100)
	f.Add([]byte(zipped(f, strings.Repeat("a", 10_000))), 100)
	f.Add([]byte("\x1f\x8b\x08"), 100)
	f.Fuzz(func(t *testing.T, b []byte, limit int) {
		if limit < 1 || limit > 1<<20 {
			return
		}
		r, err := http.NewRequest("POST", "/", bytes.NewReader(b))
		must(t, err)
		got, err := readBody(r, limit)
		if err != nil {
			return
		}
		defer got.release()
		if len(got.bytes) > limit {
			t.Errorf("%d bytes came out of a limit of %d", len(got.bytes), limit)
		}
		if plain := len(b) < 2 || b[0] != 0x1f || b[1] != 0x8b; plain && !bytes.Equal(got.bytes, b) {
			t.Error("a plain body came out otherwise")
		}
	})
}

// TestUnprovenEventsKeepNothing holds promise 1 through the real collector: with
// a write key alone nothing is kept and nobody becomes known; and each kind of
// bad event is taken without a fault.
func TestUnprovenEventsKeepNothing(t *testing.T) {
	h := newHouse(t)
	fields := make([]string, 10_000)
	for i := range fields {
		fields[i] = fmt.Sprintf(`"f%d":1`, i)
	}
	many := `{"batch":[{"type":"track","event":"Product Viewed","userId":"anna","properties":{` + strings.Join(fields, ",") + `}}]}`
	for name, try := range map[string]struct {
		path, body string
		status     int
	}{
		"an event":                  {"track", `{"userId":"anna","event":"Product Viewed","properties":{"product_id":"85123A"}}`, 200},
		"traits":                    {"identify", `{"userId":"anna","traits":{"email":"anna@example.com"}}`, 200},
		"a join":                    {"alias", `{"userId":"anna","previousId":"ben"}`, 200},
		"a consent":                 {"track", `{"userId":"anna","event":"x","context":{"consent":{"categoryPreferences":{"personalization":true}}}}`, 200},
		"no event name":             {"track", `{"userId":"anna"}`, 200},
		"wrong types":               {"track", `{"userId":7,"event":[],"timestamp":{}}`, 200},
		"far in the future":         {"track", `{"userId":"anna","event":"Product Viewed","timestamp":"2999-01-01T00:00:00Z"}`, 200},
		"10,000 fields":             {"batch", many, 200},
		"invalid UTF-8 (one event)": {"track", "{\"userId\":\"anna\xff\",\"event\":\"x\"}", 200},
		"a batch that is a text":    {"batch", `{"batch":"x"}`, 400},
		"2,501 events in a batch":   {"batch", `{"batch":[` + strings.Repeat(`{},`, 2500) + `{}]}`, 400},
	} {
		a := h.do("POST", "/v1/"+try.path, try.body, key(h.write))
		a.what += " with " + name
		if a.code != try.status {
			t.Errorf("%s: %d, want %d: %s", a.what, a.code, try.status, a.body)
		}
		a.without("anna", "85123A")
	}
	if h.known(identity.UserID, "anna") || h.known(identity.UserID, "ben") {
		t.Error("unproven events made a person")
	}
	// Proven, the same event makes somebody known.
	h.do("POST", "/v1/track", `{"userId":"anna","event":"Product Viewed","context":{"accord":{"shop_token":"`+h.shopToken("anna")+`"},"consent":{"categoryPreferences":{"personalization":true}}},"properties":{"product_id":"85123A"}}`, key(h.write)).status(200)
	if !h.known(identity.UserID, "anna") {
		t.Error("a proven event with a consent made nobody known")
	}
	h.gate.Close()
	a := h.do("POST", "/v1/track", `{"userId":"anna","event":"Product Viewed"}`, key(h.secret)).problem(503, codeUnavailable)
	if a.header.Get("Retry-After") == "" {
		t.Error("with the gate closed: no Retry-After")
	}
}
