package api

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"accord/internal/consent"
)

func ask(person string) string {
	return `{"person":` + person + `,"purpose":"personalization","n":3}`
}

// TestDecideByWhoSpeaks holds promise 1: unproven, nobody gets a personal
// answer; and what an answer must not have.
func TestDecideByWhoSpeaks(t *testing.T) {
	h := newHouse(t)
	h.give("anna")
	id, token := h.visitor()
	h.do("PUT", "/v1/consent", `{"person":{"anonymous_id":"`+id+`"},"choices":{"personalization":"given"}}`, key(h.write), visitor(token)).status(200)
	_, otherToken := h.visitor()
	anna, visiting := `{"user_id":"anna"}`, `{"anonymous_id":"`+id+`"}`
	for _, try := range []struct {
		name     string
		person   string
		options  []option
		personal bool
		decision string
	}{
		{"secret key about a user", anna, []option{key(h.secret)}, true, "allowed"},
		{"secret key as Basic", anna, []option{basic(h.secret)}, true, "allowed"},
		{"secret key about a visitor", visiting, []option{key(h.secret)}, true, "allowed"},
		{"secret key about somebody unknown", `{"user_id":"nobody-knows"}`, []option{key(h.secret)}, false, "unknown_person"},
		{"the visitor's own token", visiting, []option{key(h.write), visitor(token)}, true, "allowed"},
		{"the shop's token", anna, []option{key(h.write), shopToken(h.shopToken("anna"))}, true, "allowed"},
		{"a write key alone about a user", anna, []option{key(h.write)}, false, "unproven"},
		{"a write key alone about a visitor", visiting, []option{key(h.write)}, false, "unproven"},
		{"a write key alone about somebody unknown", `{"user_id":"nobody-knows"}`, []option{key(h.write)}, false, "unproven"},
		{"another visitor's token", visiting, []option{key(h.write), visitor(otherToken)}, false, "unproven"},
		{"another user's shop token", anna, []option{key(h.write), shopToken(h.shopToken("ben"))}, false, "unproven"},
		{"a visitor's token about a user of the same id", `{"user_id":"` + id + `"}`, []option{key(h.write), visitor(token)}, false, "unproven"},
	} {
		t.Run(try.name, func(t *testing.T) {
			a := h.do("POST", "/v1/decide", ask(try.person), try.options...)
			a.t = t
			a.status(200).members("items", "personal", "used", "refused", "obligations", "state", "receipt")
			if a.json["personal"] != try.personal || a.text("receipt", "decision") != try.decision {
				t.Errorf("personal=%v decision=%q: %s", a.json["personal"], a.text("receipt", "decision"), a.body)
			}
			if len(a.json["items"].([]any)) != 3 {
				t.Errorf("not three items: %s", a.body)
			}
			// The person's name is nowhere in an answer.
			a.without("anna", id, "nobody-knows", h.secret, h.write, token)
			if !try.personal {
				a.without("because_item", `"purchase"`, "\"count\"")
				if len(a.json["used"].([]any)) != 0 || len(a.json["refused"].([]any)) != 1 {
					t.Errorf("used and refused: %s", a.body)
				}
			}
			if got := a.header.Get("Cache-Control"); got != "no-store" {
				t.Errorf("Cache-Control is %q", got)
			}
		})
	}
	// Unproven answers about the known and the unknown are the same but for the
	// receipt's own id, time and MAC.
	known, unknown := h.do("POST", "/v1/decide", ask(anna), key(h.write)), h.do("POST", "/v1/decide", ask(`{"user_id":"nobody-knows"}`), key(h.write))
	for _, a := range []*answer{known, unknown} {
		for _, name := range []string{"id", "time", "mac"} {
			delete(a.json["receipt"].(map[string]any), name)
		}
	}
	if fmt.Sprint(known.json) != fmt.Sprint(unknown.json) {
		t.Errorf("an unproven answer tells who is known:\n%v\n%v", known.json, unknown.json)
	}
}

func TestDecideForNobody(t *testing.T) {
	h := newHouse(t)
	a := h.do("POST", "/v1/decide", `{}`, key(h.write)).status(200)
	if a.json["personal"] != false || a.text("receipt", "decision") != "nobody" || len(a.json["items"].([]any)) != 10 {
		t.Errorf("the default question: %s", a.body)
	}
	h.engine.mu.Lock()
	got := h.engine.last
	h.engine.mu.Unlock()
	if got.Purpose != "personalization" || got.N != 10 || got.Moment.Time.IsZero() {
		t.Errorf("the defaults are %+v", got)
	}
	h.do("POST", "/v1/decide", `{"moment":{"time":"2026-11-23T10:00:00Z","place":"London","channel":"till","session":["a","b"]},"exclude":["c"],"n":1}`, key(h.write)).status(200)
	h.engine.mu.Lock()
	got = h.engine.last
	h.engine.mu.Unlock()
	if m := got.Moment; m.Place != "London" || m.Channel != "till" || fmt.Sprint(m.Session, got.Exclude) != "[a b] [c]" || !m.Time.Equal(time.Date(2026, 11, 23, 10, 0, 0, 0, time.UTC)) {
		t.Errorf("the moment is %+v", got)
	}
}

// TestWithdrawalEndsPersonalAnswers holds promise 3 over HTTP: the first answer
// after the acknowledgement is un-personal.
func TestWithdrawalEndsPersonalAnswers(t *testing.T) {
	h := newHouse(t)
	h.give("anna")
	body := ask(`{"user_id":"anna"}`)
	if a := h.do("POST", "/v1/decide", body, key(h.secret)).status(200); a.json["personal"] != true {
		t.Fatalf("with consent: %s", a.body)
	}
	h.do("PUT", "/v1/consent", `{"person":{"user_id":"anna"},"choices":{"personalization":"withdrawn"}}`, key(h.secret)).status(200)
	a := h.do("POST", "/v1/decide", body, key(h.secret)).status(200).without("because_item")
	if a.json["personal"] != false || a.text("receipt", "decision") != consent.DeniedWithdrawn.Code() {
		t.Errorf("after the withdrawal: %s", a.body)
	}
}

// TestStateOfAnAnswer: "a cached answer is keyed by the choice's sequence and the
// model's version", so another choice is another state, and nobody's tells nothing.
func TestStateOfAnAnswer(t *testing.T) {
	h := newHouse(t)
	anna := `{"person":{"user_id":"anna"},"choices":{"personalization":"`
	for _, state := range []string{"given", "withdrawn", "given"} {
		chosen := h.do("PUT", "/v1/consent", anna+state+`"}}`, key(h.secret)).status(200)
		want := fmt.Sprintf("%v.test", chosen.json["sequence"])
		if a := h.do("POST", "/v1/decide", ask(`{"user_id":"anna"}`), key(h.secret)).status(200); a.text("state") != want || want == "0.test" {
			t.Errorf("%s: the state is %q, want %q", state, a.text("state"), want)
		}
	}
	for _, who := range []string{`{"user_id":"anna"}`, `{"user_id":"nobody-knows"}`} {
		if a := h.do("POST", "/v1/decide", ask(who), key(h.write)).status(200); a.text("state") != "0.test" {
			t.Errorf("unproven: the state is %q", a.text("state"))
		}
	}
}

// TestObligationsTravel: what the declaration says must be shown is in the answer
// and in its receipt, personal or not, in the language of whoever sees it.
func TestObligationsTravel(t *testing.T) {
	h := newHouse(t)
	h.give("anna")
	for i, a := range []*answer{
		h.do("POST", "/v1/decide", ask(`{"user_id":"anna"}`), key(h.secret), header("Accord-Jurisdiction", "US-TX")), // whose law adds nothing
		h.do("POST", "/v1/decide", `{"n":3}`, key(h.write)),
		h.do("POST", "/v1/decide", `{"n":3,"language":"de"}`, key(h.write)),
		h.do("POST", "/v1/decide", `{"n":3,"language":"ru-RU"}`, key(h.write)),
	} {
		want := `[map[code:human_contact text:Questions? "Ask" Anna: 030 123]]`
		if i == 3 {
			want = `[map[code:human_contact text:Вопросы? Анна, 030 123]]`
		}
		if a.status(200); fmt.Sprint(a.at("obligations")) != want || fmt.Sprint(a.at("receipt", "obligations")) != want {
			t.Errorf("personal %v: %s", a.at("personal"), a.body)
		}
	}
	a := h.do("POST", "/v1/decide", `{"n":3,"purpose":"told_preferences"}`, key(h.write)).status(200)
	if _, there := a.json["receipt"].(map[string]any)["obligations"]; there || fmt.Sprint(a.at("obligations")) != "[]" {
		t.Errorf("a purpose without obligations: %s", a.body)
	}
}

func TestDecideItemsAreProducts(t *testing.T) {
	h := newHouse(t)
	a := h.do("POST", "/v1/decide", `{"n":2}`, key(h.write)).status(200)
	want := `{"items":[{"id":"item-1","title":"Mug <b>","category":"Kitchen","price":12.99,"currency":"GBP","url":"/p/1","score":1,"reasons":[{"code":"popular","share":1}]},{"id":"item-2","score":0.5,"reasons":[{"code":"popular","share":1}]}],`
	if !strings.HasPrefix(a.body, want) {
		t.Errorf("the items are\n%s\nwant\n%s", a.body, want)
	}
}

func TestDecideRefuses(t *testing.T) {
	h := newHouse(t)
	for name, try := range map[string]struct {
		body   string
		status int
		code   string
	}{
		"nothing":                    {``, 400, codeBadJSON},
		"no JSON":                    {`{"n":`, 400, codeBadJSON},
		"a list":                     {`[]`, 422, codeInvalid},
		"null":                       {`null`, 422, codeInvalid},
		"two objects":                {`{}{}`, 400, codeBadJSON},
		"trailing bytes":             {`{} x`, 400, codeBadJSON},
		"invalid UTF-8":              {"{\"purpose\":\"\xff\"}", 400, codeBadUTF8},
		"a name twice":               {`{"n":1,"n":2}`, 400, codeBadJSON},
		"an unknown member":          {`{"pepole":{}}`, 422, codeUnknown},
		"an unknown member of a":     {`{"person":{"user_id":"a","secret-name":1}}`, 422, codeUnknown},
		"a person twice":             {`{"person":{"user_id":"a","anonymous_id":"b"}}`, 422, codeInvalid},
		"a person without a name":    {`{"person":{}}`, 422, codeInvalid},
		"an empty name":              {`{"person":{"user_id":""}}`, 422, codeInvalid},
		"a long name":                {`{"person":{"user_id":"` + strings.Repeat("a", 513) + `"}}`, 422, codeInvalid},
		"a person that is a string":  {`{"person":"anna"}`, 422, codeInvalid},
		"n of 0":                     {`{"n":0}`, 422, codeInvalid},
		"n of 101":                   {`{"n":101}`, 422, codeInvalid},
		"n of 1.5":                   {`{"n":1.5}`, 422, codeInvalid},
		"n of 1e400":                 {`{"n":1e400}`, 422, codeInvalid},
		"n as a string":              {`{"n":"1"}`, 422, codeInvalid},
		"a time that is none":        {`{"moment":{"time":"yesterday"}}`, 422, codeInvalid},
		"501 exclusions":             {`{"exclude":["` + strings.Repeat(`a","`, 500) + `a"]}`, 422, codeInvalid},
		"an exclusion that is none":  {`{"exclude":[1]}`, 422, codeInvalid},
		"a list that does not end":   {`{"exclude":["a"`, 400, codeBadJSON},
		"an unknown purpose":         {`{"purpose":"espionage"}`, 422, codePurpose},
		"a purpose without engines":  {`{"purpose":"orders"}`, 422, codePurpose},
		"more than fits":             {`{"purpose":"` + strings.Repeat("a", maxDecide) + `"}`, 413, codeTooLarge},
		"gzip that was cut off":      {"\x1f\x8b\x08\x00\x00", 400, codeBadGzip},
		"a million brackets":         {strings.Repeat("[", 100_000), 422, codeInvalid},
		"a million brackets in a...": {`{"moment":` + strings.Repeat("[", 100_000), 422, codeInvalid},
	} {
		t.Run(name, func(t *testing.T) {
			a := h.do("POST", "/v1/decide", try.body, key(h.secret))
			a.t = t
			// Errors never repeat what was sent.
			a.problem(try.status, try.code).without("secret-name", "pepole", "yesterday", "items")
		})
	}
}

func TestDecideNeedsAKey(t *testing.T) {
	h := newHouse(t)
	for name, try := range map[string]struct {
		options []option
		code    string
	}{
		"no key":                  {nil, codeNoKey},
		"an unknown key":          {[]option{key("wk_" + strings.Repeat("A", 43))}, codeBadKey},
		"an unknown secret key":   {[]option{key("sk_" + strings.Repeat("A", 43))}, codeBadKey},
		"a write key as secret":   {[]option{key("sk_" + h.write[3:])}, codeBadKey},
		"another scheme":          {[]option{header("Authorization", "Digest "+h.secret)}, codeNoKey},
		"Basic that is no base64": {[]option{header("Authorization", "Basic %%%")}, codeNoKey},
		"a very long Basic":       {[]option{header("Authorization", "Basic "+strings.Repeat("A", 8000))}, codeNoKey},
		"the key as a password":   {[]option{func(r *http.Request) { r.SetBasicAuth("", h.secret) }}, codeNoKey},
	} {
		a := h.do("POST", "/v1/decide", `{}`, try.options...)
		a.what += " with " + name
		a.problem(401, try.code).without("items", h.secret[3:], h.write[3:])
		if a.header.Get("Www-Authenticate") == "" {
			t.Errorf("%s: no Www-Authenticate", a.what)
		}
	}
	if n := h.metric("accord_http_auth_failures_total", "reason", "key"); n != 8 {
		t.Errorf("8 failures are counted as %v", n)
	}
}

// TestForgedProofs holds promise 1: a proof that does not hold opens nothing,
// and is refused where nothing is lost by it.
func TestForgedProofs(t *testing.T) {
	h := newHouse(t)
	h.give("anna")
	id, token := h.visitor()
	_, foreign := shopKeys(t)
	now := time.Now()
	none := "eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0.eyJzdWIiOiJhbm5hIiwiaWF0IjoxLCJleHAiOjk5OTk5OTk5OTl9."
	body := ask(`{"user_id":"anna"}`)
	for name, proof := range map[string]option{
		"a visitor token with another id":   visitor("v1.v-AAAA" + token[strings.LastIndex(token, "."):]),
		"a visitor token cut off":           visitor(token[:len(token)-1]),
		"no visitor token at all":           visitor("anna"),
		"a shop token of another key":       shopToken(signed(t, foreign, "anna", now, now.Add(time.Hour))),
		"a shop token that ended":           shopToken(signed(t, h.shopKey, "anna", now.Add(-2*time.Hour), now.Add(-time.Hour))),
		"a shop token for a week":           shopToken(signed(t, h.shopKey, "anna", now, now.Add(7*24*time.Hour))),
		"a shop token of tomorrow":          shopToken(signed(t, h.shopKey, "anna", now.Add(20*time.Hour), now.Add(24*time.Hour))),
		"a shop token without a signature":  shopToken(none),
		"a shop token for nobody":           shopToken(signed(t, h.shopKey, "", now, now.Add(time.Hour))),
		"a visitor token as a shop token":   shopToken(token),
		"a shop token as a visitor token":   visitor(h.shopToken("anna")),
		"a good one of one and bad another": func(r *http.Request) { visitor(token)(r); shopToken(none)(r) },
	} {
		for _, route := range []struct{ method, path, body string }{
			{"POST", "/v1/decide", body},
			{"PUT", "/v1/consent", `{"person":{"user_id":"anna"},"choices":{"model_training":"given"}}`},
			{"GET", "/v1/consent?user_id=anna", ""},
			{"GET", "/v1/consent?anonymous_id=" + id, ""},
			{"GET", "/v1/receipts/00", ""},
		} {
			a := h.do(route.method, route.path, route.body, key(h.write), proof)
			a.what += " with " + name
			a.problem(401, codeBadProof).without("items", "purposes", "anna", "given")
		}
	}
	if n := h.metric("accord_http_bad_proofs_total"); n < 60 {
		t.Errorf("at least 60 bad proofs are counted as %v", n)
	}
	// With a secret key proofs are not needed and not looked at.
	h.do("POST", "/v1/decide", body, key(h.secret), visitor("nonsense")).status(200)
	a := h.do("GET", "/v1/consent?user_id=anna", "", key(h.secret)).status(200)
	if strings.Contains(a.body, `"purpose":"model_training","state":"given"`) {
		t.Error("a forged proof widened a consent")
	}
}

// TestFaultsStayInside holds that an answer shows nothing of what went wrong
// within, and that the log has it under the same id.
func TestFaultsStayInside(t *testing.T) {
	h := newHouse(t)
	h.engine.set(func(e *engine) { e.err = errors.New("disk /var/lib/secret failed") })
	a := h.do("POST", "/v1/decide", `{}`, key(h.write)).problem(503, codeUnavailable).without("disk", "secret", "engine")
	if a.header.Get("Retry-After") == "" {
		t.Error("no Retry-After")
	}
	if log := h.log.String(); !strings.Contains(log, a.text("request_id")) || !strings.Contains(log, "disk /var/lib/secret failed") {
		t.Errorf("the log does not have the cause under the id: %s", log)
	}
	h.engine.set(func(e *engine) { e.err, e.boom = nil, true })
	a = h.do("POST", "/v1/decide", `{}`, key(h.write)).problem(500, codeInternal).without("secret internals", "goroutine", ".go")
	if log := h.log.String(); !strings.Contains(log, a.text("request_id")) || !strings.Contains(log, "engine secret internals") {
		t.Error("the log does not have the panic under the id")
	}
	h.engine.set(func(e *engine) { e.boom = false })
	h.do("POST", "/v1/decide", `{}`, key(h.write)).status(200)
	if n := h.metric("accord_http_panics_total"); n != 1 {
		t.Errorf("one panic is counted as %v", n)
	}
}

// TestClosedGate holds promise 3: in doubt the answer is the un-personal one.
func TestClosedGate(t *testing.T) {
	h := newHouse(t)
	h.give("anna")
	h.gate.Close()
	a := h.do("POST", "/v1/decide", ask(`{"user_id":"anna"}`), key(h.secret)).status(200).without("because_item")
	if a.json["personal"] != false || a.text("receipt", "decision") != "closed" {
		t.Errorf("with the gate closed: %s", a.body)
	}
}
