package api

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"accord/internal/consent"
	"accord/internal/identity"
)

// heldAnswer is what GET /v1/held says.
type heldAnswer struct {
	heldBody
	text string
}

func (h *house) held(query string, options ...option) (got heldAnswer) {
	h.t.Helper()
	a := h.do("GET", "/v1/held?"+query, "", options...).status(200)
	if cache := a.header.Get("Cache-Control"); cache != "no-store" {
		h.t.Errorf("Cache-Control is %q", cache)
	}
	must(h.t, json.Unmarshal([]byte(a.body), &got.heldBody))
	got.text = a.body
	return got
}

// line is what is told of a text: how often, and for what; a purpose that does not
// use it now stands in brackets.
func (a heldAnswer) line(text string) string {
	var lines []string
	for _, d := range a.Data {
		if d.Text != text {
			continue
		}
		line := fmt.Sprint(d.Count)
		using := false
		for _, p := range d.Purposes {
			name := p.Purpose
			if !p.InUse {
				name = "(" + name + ")"
			}
			using = using || p.InUse
			line += " " + name
		}
		if using != d.InUse {
			line += " in_use is wrong"
		}
		lines = append(lines, line)
	}
	return strings.Join(lines, "; ")
}

func (h *house) happened(event, person, properties string, options ...option) {
	h.t.Helper()
	h.do("POST", "/v1/track", `{"event":"`+event+`",`+person+`,"properties":`+properties+`}`, options...).status(200)
}

const (
	looked  = "A product that you looked at"
	bought  = "A product that you bought"
	paid    = "What you paid"
	browser = "A random number that your browser or app keeps, by which we know it again"
)

// "Access says in plain words what is held": what came is there, in words, with its
// times and purposes, and what was ended is not.
func TestHeldIsWhatIsHeld(t *testing.T) {
	h := newHouse(t)
	anna, asAnna := `"userId":"anna"`, []option{key(h.write), shopToken(h.shopToken("anna"))}
	choose := func(choices string) {
		h.do("PUT", "/v1/consent", `{"person":{"user_id":"anna"},"choices":`+choices+`}`, asAnna...).status(200)
	}
	choose(`{"personalization":"given","model_training":"given"}`)
	before := time.Now().Truncate(time.Millisecond)
	for _, id := range []string{"P-1", "P-2", "P-1"} {
		h.happened("Product Viewed", anna, `{"product_id":"`+id+`","mood":"sad"}`, key(h.secret))
	}
	h.happened("Order Completed", anna, `{"order_id":"O-77","total":12.5,"products":[{"product_id":"P-9","quantity":1},{"product_id":"P-8","quantity":2}]}`, key(h.secret))
	h.do("POST", "/v1/decide", ask(`{"user_id":"anna"}`), key(h.secret)).status(200)

	var got heldAnswer
	eventually(t, "the receipt is held", func() bool { got = h.held("user_id=anna", asAnna...); return got.Receipts.Count == 1 })
	for text, want := range map[string]string{
		looked: "3 model_training personalization", bought: "2 model_training orders personalization", paid: "1 accounting orders",
		"The number of your order": "1 accounting orders", "Your e-mail address": "", "A product that you liked": "",
	} {
		if line := got.line(text); line != want {
			t.Errorf("%s: %q, want %q", text, line, want)
		}
	}
	for _, value := range []string{"P-1", "P-9", "O-77", "12.5", "sad", "anna"} {
		if strings.Contains(got.text, value) {
			t.Errorf("the value %s is told: %s", value, got.text)
		}
	}
	first := got.Data[slices.IndexFunc(got.Data, func(d heldData) bool { return d.Text == looked })]
	if first.Since == nil || first.Since.Before(before) || first.Since.After(time.Now()) || first.Until.Sub(*first.Since).Round(30*24*time.Hour) != 390*24*time.Hour {
		t.Errorf("the times are wrong: %+v", first)
	}
	if len(got.Identifiers) != 1 || got.Identifiers[0].Text != "The number of your account with us" || got.Choices.Count != 1 || !strings.Contains(got.Records, "3 years") || !got.Complete {
		t.Errorf("beside the profile: %s", got.text)
	}
	if ru := h.held("user_id=anna&language=ru-RU", asAnna...); ru.Language != "ru" || ru.line(looked) != "" || len(ru.Data) != len(got.Data) {
		t.Errorf("in Russian: %s", ru.text)
	}

	// A purpose that is ended uses and keeps no more; the last one takes the data along.
	choose(`{"personalization":"withdrawn"}`)
	got = h.held("user_id=anna", asAnna...)
	if got.line(looked) != "3 model_training" || got.line(bought) != "2 model_training orders" {
		t.Errorf("after the withdrawal of one: %s", got.text)
	}
	choose(`{"model_training":"withdrawn"}`)
	got = h.held("user_id=anna", asAnna...)
	if got.line(looked) != "" || got.line(bought) != "2 orders" || got.line(paid) != "1 accounting orders" {
		t.Errorf("after the withdrawal of all: %s", got.text)
	}
	choose(`{"personalization":"given"}`)
	if got = h.held("user_id=anna", asAnna...); got.line(looked) != "" {
		t.Errorf("a new yes brought back %s", got.line(looked))
	}
	h.do("POST", "/v1/erase", `{"person":{"user_id":"anna"}}`, asAnna...).status(200)
	if got = h.held("user_id=anna", asAnna...); len(got.Data)+len(got.Identifiers)+got.Receipts.Count+got.Choices.Count != 0 {
		t.Errorf("after the erasure: %s", got.text)
	}
}

// What nobody proved suspends: the data is still there, is not used, and says until
// when it waits.
func TestHeldTellsWhatWaits(t *testing.T) {
	h := newHouse(t)
	id, token := h.visitor()
	mine := []option{key(h.write), visitor(token)}
	h.do("PUT", "/v1/consent", `{"person":{"anonymous_id":"`+id+`"},"choices":{"personalization":"given"}}`, mine...).status(200)
	h.happened("Product Viewed", `"anonymousId":"`+id+`"`, `{"product_id":"P-1"}`, mine...)
	h.do("PUT", "/v1/consent", `{"person":{"anonymous_id":"`+id+`"},"choices":{"personalization":"withdrawn"}}`, key(h.write)).status(200)
	got := h.held("anonymous_id="+id, mine...)
	if got.line(looked) != "1 (personalization)" {
		t.Fatalf("what is suspended: %s", got.text)
	}
	if wait := time.Until(*got.Data[0].Until); wait < consent.Suspension-time.Minute || wait > consent.Suspension {
		t.Errorf("it waits for %v", wait)
	}
	if len(got.Identifiers) != 1 || got.Identifiers[0].Text != browser {
		t.Errorf("a visitor is known by %+v", got.Identifiers)
	}
	h.do("PUT", "/v1/consent", `{"person":{"anonymous_id":"`+id+`"},"choices":{"personalization":"withdrawn"}}`, mine...).status(200)
	if got = h.held("anonymous_id="+id, mine...); got.line(looked) != "" {
		t.Errorf("after the person's own word: %s", got.text)
	}
}

// A proof of the user reaches their visitors; a browser does not see the account's.
func TestHeldOverLinks(t *testing.T) {
	h := newHouse(t)
	id, token := h.visitor()
	browsing, account := []option{key(h.write), visitor(token)}, []option{key(h.write), shopToken(h.shopToken("anna"))}
	for _, person := range []string{`{"user_id":"anna"}`, `{"anonymous_id":"` + id + `"}`} {
		h.do("PUT", "/v1/consent", `{"person":`+person+`,"choices":{"personalization":"given","told_preferences":"given"}}`, key(h.secret)).status(200)
	}
	h.happened("Product Viewed", `"anonymousId":"`+id+`"`, `{"product_id":"P-1"}`, key(h.secret))
	h.happened("Product Viewed", `"userId":"anna"`, `{"product_id":"P-2"}`, key(h.secret))
	h.happened("Order Completed", `"userId":"anna"`, `{"total":5,"products":[{"product_id":"P-9"}]}`, key(h.secret))
	h.do("PUT", "/v1/preferences", `{"person":{"anonymous_id":"`+id+`"},"preferences":{"likes":["Kitchen"]}}`, browsing...).status(200)
	if got := h.held("user_id=anna", account...); got.line(looked) != "1 personalization" {
		t.Errorf("before the link: %s", got.text)
	}
	h.do("POST", "/v1/link", pair("anna", id), key(h.secret)).status(200)
	got := h.held("user_id=anna", account...)
	if got.line(looked) != "2 personalization" || len(got.Identifiers) != 2 || got.Choices.Count != 3 {
		t.Errorf("over the link: %s", got.text)
	}
	if got = h.held("anonymous_id="+id, browsing...); got.line(looked) != "1 personalization" || got.line(paid) != "" || len(got.Identifiers) != 1 {
		t.Errorf("a browser sees %s", got.text)
	}

	// What the browser told counts in the account's answers, and is shown there.
	preferences := func(query string, options []option) string {
		likes, _, _ := h.do("GET", "/v1/preferences?"+query, "", options...).preferences()
		return strings.Join(likes, ",")
	}
	if got := preferences("user_id=anna", account); got != "Kitchen" {
		t.Errorf("the account is shown the likes %q", got)
	}
	h.do("PUT", "/v1/preferences", `{"person":{"user_id":"anna"},"preferences":{"likes":["Tea"]}}`, account...).status(200)
	if a, b := preferences("user_id=anna", account), preferences("anonymous_id="+id, browsing); a != "Tea" || b != "Kitchen" {
		t.Errorf("after the account told: %q, and the browser %q", a, b)
	}
	// "This is not me" by the browser alone, which does not know whose account it is.
	h.do("POST", "/v1/unlink", `{"anonymous_id":"`+id+`"}`, key(h.write)).problem(403, codeUnproven)
	h.do("POST", "/v1/unlink", `{"anonymous_id":"`+id+`"}`, account...).problem(403, codeUnproven)
	if !h.linked("anna", id) {
		t.Fatal("parted without the browser's proof")
	}
	h.do("POST", "/v1/unlink", `{"anonymous_id":"`+id+`"}`, browsing...).status(200).without("anna")
	if h.linked("anna", id) {
		t.Error("not parted")
	}
	if got := h.held("user_id=anna", account...); got.line(looked) != "1 personalization" {
		t.Errorf("after the parting: %s", got.text)
	}
}

// Nobody else reads what is held, and a stopped source reads nothing.
func TestHeldIsForThePersonAlone(t *testing.T) {
	h := newHouse(t, func(c *Config) { c.ChoiceRate = 0.1 })
	id, token := h.visitor()
	h.give("anna")
	for name, try := range map[string]struct {
		query   string
		options []option
		status  int
		code    string
	}{
		"no key":              {"user_id=anna", nil, 401, codeNoKey},
		"no proof":            {"user_id=anna", []option{key(h.write)}, 403, codeUnproven},
		"another's proof":     {"user_id=anna", []option{key(h.write), shopToken(h.shopToken("ben"))}, 403, codeUnproven},
		"a visitor's proof":   {"user_id=anna", []option{key(h.write), visitor(token)}, 403, codeUnproven},
		"a broken proof":      {"anonymous_id=" + id, []option{key(h.write), visitor(token + "x")}, 401, codeBadProof},
		"nobody":              {"", []option{key(h.secret)}, 422, codeInvalid},
		"two people":          {"user_id=anna&anonymous_id=" + id, []option{key(h.secret)}, 422, codeInvalid},
		"something else too":  {"user_id=anna&values=1", []option{key(h.secret)}, 422, codeInvalid},
		"a language too long": {"user_id=anna&language=" + strings.Repeat("x", 36), []option{key(h.secret)}, 422, codeInvalid},
	} {
		t.Log(name)
		h.do("GET", "/v1/held?"+try.query, "", try.options...).problem(try.status, try.code)
	}
	mine := []option{key(h.write), visitor(token)}
	if got := h.held("anonymous_id="+id, mine...); len(got.Data)+len(got.Identifiers) != 0 {
		t.Errorf("of somebody unknown: %s", got.text)
	}
	account := []option{key(h.write), shopToken(h.shopToken("anna"))}
	limited := false
	for range 10 { // each reads all of a person
		limited = limited || h.do("GET", "/v1/held?user_id=anna", "", account...).code == 429
	}
	if !limited {
		t.Error("a public key reads without a bound")
	}
	must(t, h.choices.Stop(t.Context(), consent.Stop{Kind: consent.StopSource, Name: "web", Why: "test"}))
	h.do("GET", "/v1/held?anonymous_id="+id, "", mine...).problem(403, codeStopped)
}

// The account's history covers its browsers, and a browser's own tells nothing of
// the account, not even its id under a signature.
func TestHistoryOverLinks(t *testing.T) {
	h := newHouse(t)
	id, token := h.visitor()
	browsing, account := []option{key(h.write), visitor(token)}, []option{key(h.write), shopToken(h.shopToken("anna"))}
	h.do("PUT", "/v1/consent", `{"person":{"anonymous_id":"`+id+`"},"choices":{"newsletter":"refused"},"evidence":"first"}`, key(h.secret)).status(200)
	h.do("POST", "/v1/link", pair("anna", id), key(h.secret)).status(200)
	anna := identity.Identifier{Kind: identity.UserID, Value: "anna"}
	signature := newWallet(t).sign(stated(anna, consent.Given).String())
	h.do("PUT", "/v1/consent", signedBody(anna, "given", signature, ""), account...).status(200)

	var got struct{ History []historyRecord }
	read := func(query string, options ...option) string {
		t.Helper()
		got.History = nil
		a := h.do("GET", "/v1/consent?"+query, "", options...).status(200)
		must(t, json.Unmarshal([]byte(a.body), &got))
		var lines []string
		for _, r := range got.History {
			line := fmt.Sprint(r.Visitor, r.Link)
			for _, c := range r.Choices {
				line += " " + c.Purpose
			}
			if r.Signed {
				line += fmt.Sprint(" signed ", r.Signature != nil)
			}
			lines = append(lines, line)
		}
		return strings.Join(lines, "; ")
	}
	if told := read("user_id=anna", account...); told != "1 newsletter; 1linked; 0 personalization signed true; 1 personalization signed true" {
		t.Errorf("the account reads %s", told)
	}
	if told := read("anonymous_id="+id, browsing...); told != "0 newsletter; 0linked; 0 personalization signed false" {
		t.Errorf("the browser reads %s", told)
	}
	for _, path := range []string{"/v1/consent", "/v1/consent/record"} {
		h.do("GET", path+"?anonymous_id="+id, "", browsing...).status(200).without("anna")
		h.do("GET", path+"?user_id=anna", "", account...).status(200).without(id)
	}
	// A receipt is of one id: a visitor's yes is not the user's when it is taken in.
	h.do("GET", "/v1/consent/record?user_id=anna", "", account...).status(200).without("first")
}

func TestCategories(t *testing.T) {
	h := newHouse(t)
	a := h.do("GET", "/v1/categories?prefix=kit", "", key(h.write)).status(200)
	if a.header.Get("Cache-Control") != "private, max-age=60" || a.body != "{\"categories\":[{\"name\":\"Kitchen\",\"items\":1}],\"more\":false}" {
		t.Errorf("%s %s", a.header.Get("Cache-Control"), a.body)
	}
	h.do("GET", "/v1/categories", "").problem(401, codeNoKey)
	h.do("GET", "/v1/categories?limit=501", "", key(h.write)).problem(422, codeInvalid)
	h.do("GET", "/v1/categories?prefix="+strings.Repeat("x", 301), "", key(h.write)).problem(422, codeInvalid)
}
