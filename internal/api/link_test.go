package api

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"accord/internal/auth"
	"accord/internal/consent"
	"accord/internal/identity"
)

func pair(user, visitor string) string {
	return `{"user_id":"` + user + `","anonymous_id":"` + visitor + `"}`
}

// linked reports whether a visitor is a user's.
func (h *house) linked(user, visitor string) bool {
	h.t.Helper()
	find := func(kind identity.Kind, value string) identity.Token {
		t, _, err := h.keys.Find(h.keys.Hasher().Lookup(identity.Identifier{Kind: kind, Value: value}))
		must(h.t, err)
		return t
	}
	u, ok := h.book.User(find(identity.AnonymousID, visitor))
	return ok && u == find(identity.UserID, user)
}

// decides returns how the gate decided about a person, and whether the answer was
// personal.
func (h *house) decides(person string) string {
	h.t.Helper()
	a := h.do("POST", "/v1/decide", ask(person), key(h.secret)).status(200)
	return fmt.Sprint(a.text("receipt", "decision"), " ", a.json["personal"])
}

// A visitor and a user are linked by who proves to be both, the stricter choice
// wins, a choice reaches both, and either can undo it.
func TestLinkAndUnlink(t *testing.T) {
	h := newHouse(t)
	id, token := h.visitor()
	anna, visiting := `{"user_id":"anna"}`, `{"anonymous_id":"`+id+`"}`
	h.give("anna")
	h.do("PUT", "/v1/consent", choose(visiting, `{"personalization":"refused"}`), key(h.write), visitor(token)).status(200)
	proofs := []option{key(h.write), visitor(token), shopToken(h.shopToken("anna"))}
	for range 2 {
		h.do("POST", "/v1/link", pair("anna", id), proofs...).status(200).without("anna", id)
	}
	if got := h.decides(anna); got != "refused false" {
		t.Errorf("Anna after the link: %s", got)
	}
	a := h.do("GET", "/v1/consent?user_id=anna", "", key(h.secret)).status(200)
	if a.json["linked"] != 1.0 || !strings.Contains(a.body, `"state":"refused"`) || !strings.Contains(a.body, `"reason":"refused"`) {
		t.Errorf("what Anna is shown: %s", a.body)
	}
	history := h.do("GET", "/v1/consent?anonymous_id="+id, "", key(h.secret)).status(200)
	if strings.Count(history.body, `"link":"linked"`) != 1 {
		t.Errorf("the visitor's history: %s", history.body)
	}
	h.do("PUT", "/v1/consent", choose(anna, `{"personalization":"given"}`), key(h.write), shopToken(h.shopToken("anna"))).status(200)
	if got := h.decides(anna) + ", " + h.decides(visiting); got != "allowed true, allowed true" {
		t.Errorf("after Anna's yes: %s", got)
	}
	h.do("PUT", "/v1/consent", choose(visiting, `{"personalization":"withdrawn"}`), key(h.write), visitor(token)).status(200)
	if h.state(identity.UserID, "anna", "personalization") != consent.Withdrawn {
		t.Error("the visitor's withdrawal did not reach Anna")
	}
	h.do("POST", "/v1/unlink", pair("anna", id), key(h.write)).problem(403, codeUnproven)
	h.do("POST", "/v1/unlink", pair("anna", "v-nobody"), key(h.write), shopToken(h.shopToken("anna"))).status(200)
	if !h.linked("anna", id) {
		t.Error("parted without a proof")
	}
	h.do("POST", "/v1/unlink", pair("anna", id), key(h.write), visitor(token)).status(200)
	if h.linked("anna", id) {
		t.Error("not parted")
	}
	h.give("anna")
	if got := h.decides(anna) + ", " + h.decides(visiting); got != "allowed true, withdrawn false" {
		t.Errorf("each for themselves: %s", got)
	}
}

// Issue 3: every way to forge a consent that was thought of. None gives, links or
// reads.
func TestForgedConsent(t *testing.T) {
	h := newHouse(t)
	id, token := h.visitor()
	otherID, otherToken := h.visitor()
	anna, visiting := `{"user_id":"anna"}`, `{"anonymous_id":"`+id+`"}`
	_, foreign := shopKeys(t)
	consents := `"context":{"consent":{"categoryPreferences":{"personalization":true}}}`
	withShop := func(shop string) string {
		return `"context":{"accord":{"visitor":"` + otherToken + `","shop_token":"` + shop + `"},"consent":{"categoryPreferences":{"personalization":true}}}`
	}
	// Anna and the visitor had said yes, and withdrew a moment ago.
	old := time.Now().Add(-time.Hour).UTC().Format(time.RFC3339)
	for _, person := range []string{anna, visiting} {
		h.do("PUT", "/v1/consent", choose(person, `{"personalization":"given"}`), key(h.secret)).status(200)
		h.do("PUT", "/v1/consent", choose(person, `{"personalization":"withdrawn"}`), key(h.secret)).status(200)
	}
	both := `"userId":"anna","anonymousId":"` + id + `"`
	write, others := key(h.write), []option{key(h.write), visitor(otherToken), shopToken(h.shopToken("ben"))}
	for name, try := range map[string]struct {
		method, path, body string
		options            []option
	}{
		"a public key gives":                  {"PUT", "/v1/consent", choose(anna, `{"personalization":"given"}`), []option{write}},
		"another's proofs give":               {"PUT", "/v1/consent", choose(visiting, `{"personalization":"given"}`), others},
		"another shop's key signs":            {"PUT", "/v1/consent", choose(anna, `{"personalization":"given"}`), []option{write, shopToken(signed(t, foreign, "anna", time.Now(), time.Now().Add(time.Hour)))}},
		"a token that has ended":              {"PUT", "/v1/consent", choose(anna, `{"personalization":"given"}`), []option{write, shopToken(signed(t, h.shopKey, "anna", time.Now().Add(-3*time.Hour), time.Now().Add(-2*time.Hour)))}},
		"a method of the server's own":        {"PUT", "/v1/consent", `{"person":` + anna + `,"choices":{"personalization":"given"},"method":"import"}`, []option{key(h.secret)}},
		"an old yes by the shop's server":     {"PUT", "/v1/consent", `{"person":` + anna + `,"choices":{"personalization":"given"},"at":"` + old + `"}`, []option{key(h.secret)}},
		"identify without proof":              {"POST", "/v1/identify", `{` + both + `,` + consents + `}`, []option{write}},
		"identify with the visitor's alone":   {"POST", "/v1/identify", `{` + both + `}`, []option{write, visitor(token)}},
		"identify with the user's alone":      {"POST", "/v1/identify", `{` + both + `}`, []option{write, shopToken(h.shopToken("anna"))}},
		"identify with another's":             {"POST", "/v1/identify", `{` + both + `,` + withShop(h.shopToken("ben")) + `}`, []option{write}},
		"alias without proof":                 {"POST", "/v1/alias", `{"userId":"anna","previousId":"` + id + `"}`, []option{write}},
		"alias with another's":                {"POST", "/v1/alias", `{"userId":"anna","previousId":"` + id + `"}`, others},
		"a consent object of a public key":    {"POST", "/v1/track", `{"event":"Product Viewed",` + both + `,` + consents + `}`, []option{write}},
		"an act of a public key":              {"POST", "/v1/track", `{"event":"Segment Consent Preference Updated",` + both + `,` + consents + `}`, []option{write}},
		"a stale queue of the shop's":         {"POST", "/v1/track", `{"event":"Segment Consent Preference Updated","userId":"anna","timestamp":"` + old + `",` + consents + `}`, []option{key(h.secret)}},
		"a stale preference of the shop's":    {"POST", "/v1/track", `{"event":"Product Viewed","userId":"anna",` + consents + `}`, []option{key(h.secret)}},
		"link without proof":                  {"POST", "/v1/link", pair("anna", id), []option{write}},
		"link with the visitor's alone":       {"POST", "/v1/link", pair("anna", id), []option{write, visitor(token)}},
		"link with another's":                 {"POST", "/v1/link", pair("anna", id), others},
		"link of the user to another's":       {"POST", "/v1/link", pair("anna", otherID), []option{write, shopToken(h.shopToken("anna"))}},
		"link of a visitor named like a user": {"POST", "/v1/link", pair(id, id), []option{write, visitor(token)}},
	} {
		a := h.do(try.method, try.path, try.body, try.options...)
		if a.code >= 500 {
			t.Errorf("%s: %d %s", name, a.code, a.body)
		}
		for _, c := range []struct {
			kind  identity.Kind
			value string
		}{{identity.UserID, "anna"}, {identity.AnonymousID, id}} {
			if s := h.state(c.kind, c.value, "personalization"); s != consent.Withdrawn {
				t.Errorf("%s: %s has %v", name, c.kind, s)
			}
		}
		if h.linked("anna", id) || h.linked("anna", otherID) || h.linked(id, id) {
			t.Fatalf("%s: linked", name)
		}
		for _, person := range []string{anna, visiting} {
			if got := h.decides(person); got != "withdrawn false" {
				t.Errorf("%s: %s is %s", name, person, got)
			}
			h.do("GET", "/v1/consent?"+map[string]string{anna: "user_id=anna", visiting: "anonymous_id=" + id}[person], "", others...).problem(403, codeUnproven)
		}
	}
}

// Issue 3, the hunt for what fails open: each doubt denies, and the reason says
// which it was.
func TestFailClosed(t *testing.T) {
	h := newHouse(t)
	long := time.Now().AddDate(-3, 0, 0).UTC().Format(time.RFC3339)
	h.give("clock")
	h.give("closed")
	for name, c := range map[string]struct {
		arrange func()
		person  string
		want    string
	}{
		"nobody":     {func() {}, `{"user_id":"nobody"}`, "unknown_person false"},
		"no choice":  {func() { h.track(`"userId":"no-choice"`) }, `{"user_id":"no-choice"}`, "no_choice false"},
		"no objects": {func() { h.track(`"userId":"empty","context":{"consent":{}}`) }, `{"user_id":"empty"}`, "no_choice false"},
		"empty preferences": {func() {
			h.track(`"userId":"none","context":{"consent":{"categoryPreferences":{}}}`)
		}, `{"user_id":"none"}`, "no_choice false"},
		"an unknown purpose": {func() {
			h.track(`"userId":"other","context":{"consent":{"categoryPreferences":{"unheard_of":true}}}`)
			h.do("PUT", "/v1/consent", choose(`{"user_id":"other"}`, `{"unheard_of":"given"}`), key(h.secret)).problem(422, codePurpose)
		}, `{"user_id":"other"}`, "no_choice false"},
		"an unknown notice": {func() {
			h.do("PUT", "/v1/consent", `{"person":{"user_id":"unread"},"choices":{"personalization":"given"},"notice":"feedfeed"}`, key(h.secret)).problem(422, codeNotice)
			tokens, err := h.keys.Ensure(t.Context(), []identity.Lookup{h.keys.Hasher().Lookup(identity.Identifier{Kind: identity.UserID, Value: "unread"})})
			must(t, err)
			_, err = h.choices.Record(t.Context(), tokens[0], []consent.Choice{{Purpose: "personalization", State: consent.Given, Notice: "feedfeed", Method: "import"}})
			must(t, err)
		}, `{"user_id":"unread"}`, "unknown_notice false"},
		"an expired choice": {func() {
			h.do("PUT", "/v1/consent", `{"person":{"user_id":"old"},"choices":{"personalization":"given"},"at":"`+long+`"}`, key(h.secret)).status(200)
		}, `{"user_id":"old"}`, "expired false"},
		"a clock in doubt": {func() { h.gate.InDoubt(true) }, `{"user_id":"clock"}`, "closed false"},
		"a closed gate":    {h.gate.Close, `{"user_id":"closed"}`, "closed false"},
	} {
		c.arrange()
		if got := h.decides(c.person); got != c.want {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
		h.gate.InDoubt(false)
		h.gate.Open()
	}
	h.do("POST", "/v1/decide", `{"purpose":"unheard_of","n":1}`, key(h.secret)).problem(422, codePurpose)
	// The vault does not answer: last, since it stays so.
	must(t, h.vault.Close())
	if got := h.decides(`{"user_id":"clock"}`); got != "closed false" {
		t.Errorf("without a vault: %s", got)
	}
}

// track sends an order, whose contract makes its person known.
func (h *house) track(members string) {
	h.t.Helper()
	h.do("POST", "/v1/track", `{"event":"Order Completed",`+members+`,"properties":{"order_id":"1"}}`, key(h.secret)).status(200)
}

// An emergency stop is in force when it is answered, for every purpose it names
// and whoever asks, shows with its reason, and ends by resume.
func TestStopEverything(t *testing.T) {
	h := newHouse(t)
	h.give("anna")
	anna := `{"user_id":"anna"}`
	other, _, err := h.access.Make(auth.Secret, "operator", nil)
	must(t, err)
	stop := func(body string) *answer { return h.do("POST", "/v1/stops", body, key(h.secret)) }
	for _, what := range []string{`"kind":"purpose","name":"personalization"`, `"kind":"source","name":"backend"`, `"kind":"all"`} {
		a := stop(`{` + what + `,"why":"complaint 17"}`).status(200)
		if !strings.Contains(a.body, "complaint 17") || !strings.Contains(a.body, `"by":"backend"`) || h.metric("accord_stops") != 1 {
			t.Errorf("%s: %s", what, a.body)
		}
		if got := h.decides(anna); got != "stopped false" {
			t.Errorf("%s: %s", what, got)
		}
		h.do("POST", "/v1/stops", `{`+what+`,"why":"settled","resume":true}`, key(other)).status(200)
		if got := h.decides(anna); got != "allowed true" || h.metric("accord_stops") != 0 {
			t.Errorf("%s ended: %s", what, got)
		}
	}
	stop(`{"kind":"source","name":"web","why":"x"}`).status(200)
	if got := h.decides(anna); got != "allowed true" {
		t.Errorf("another source is stopped: %s", got)
	}
	if a := h.do("GET", "/v1/stops", "", key(h.secret)).status(200); !strings.Contains(a.body, `"name":"web"`) {
		t.Errorf("%s", a.body)
	}
	stop(`{"kind":"purpose","name":"unheard_of","why":"x"}`).problem(422, codeInvalid)
	stop(`{"kind":"source","name":"nope","why":"x"}`).problem(422, codeInvalid)
	stop(`{"kind":"source","name":"web","why":"x","resume":true}`).status(200)
	if a := stop(`{"kind":"attribute","name":"trait/email","why":"x"}`).status(200); !strings.Contains(a.body, `"name":"email"`) {
		t.Errorf("an attribute as the notice calls it: %s", a.body)
	}
	stop(`{"kind":"all"}`).problem(422, codeInvalid)
	h.do("POST", "/v1/stops", `{"kind":"all","why":"x"}`, key(h.write)).problem(403, codeKeyKind)
	h.do("GET", "/v1/stops", "", key(h.write)).problem(403, codeKeyKind)
}

// A source that was stopped reads and widens nothing; what narrows goes on.
// A secret key that was stopped, since it leaked, reads nobody and lifts no stop; the
// person still reads what they chose.
func TestStoppedKeyReadsNobody(t *testing.T) {
	h := newHouse(t)
	h.give("anna")
	mine := []option{key(h.write), shopToken(h.shopToken("anna"))}
	var answer struct{ Receipt struct{ ID string } }
	must(t, json.Unmarshal([]byte(h.do("POST", "/v1/decide", ask(`{"user_id":"anna"}`), key(h.secret)).status(200).body), &answer))
	for _, source := range []string{"backend", "web"} {
		must(t, h.choices.Stop(t.Context(), consent.Stop{Kind: consent.StopSource, Name: source, Why: "test"}))
	}
	for _, path := range []string{"/v1/consent?user_id=anna", "/v1/consent/record?user_id=anna", "/v1/held?user_id=anna", "/v1/preferences?user_id=anna", "/v1/receipts/" + answer.Receipt.ID} {
		h.do("GET", path, "", key(h.secret)).problem(403, codeStopped)
	}
	h.do("POST", "/v1/stops", `{"kind":"source","name":"backend","resume":true,"why":"mine"}`, key(h.secret)).problem(403, codeStopped)
	h.do("GET", "/v1/consent?user_id=anna", "", mine...).status(200)
	h.do("GET", "/v1/consent/record?user_id=anna", "", mine...).status(200)
}

// A signature that came without a proof of the person is nobody's evidence.
func TestUnprovenSignatureIsNotKept(t *testing.T) {
	h := newHouse(t)
	h.give("anna")
	anna := identity.Identifier{Kind: identity.UserID, Value: "anna"}
	signature := newWallet(t).sign(stated(anna, consent.Withdrawn).String())
	h.do("PUT", "/v1/consent", signedBody(anna, "withdrawn", signature, ""), key(h.write)).status(200)
	a := h.do("GET", "/v1/consent?user_id=anna", "", key(h.secret)).status(200)
	if !strings.Contains(a.body, `"state":"withdrawn"`) || strings.Contains(a.body, `"signed":true`) {
		t.Errorf("a stranger's signature stands in %s", a.body)
	}
}

func TestStoppedSourceWidensNothing(t *testing.T) {
	h := newHouse(t)
	id, token := h.visitor()
	anna := `{"user_id":"anna"}`
	proofs := []option{key(h.write), visitor(token), shopToken(h.shopToken("anna"))}
	h.do("PUT", "/v1/consent", choose(anna, `{"told_preferences":"given"}`), proofs...).status(200)
	h.do("PUT", "/v1/preferences", `{"person":`+anna+`,"preferences":{"likes":["Tea"]}}`, proofs...).status(200)
	h.do("POST", "/v1/stops", `{"kind":"source","name":"web","why":"x"}`, key(h.secret)).status(200)

	h.do("GET", "/v1/preferences?user_id=anna", "", proofs...).problem(403, codeStopped)
	h.do("PUT", "/v1/preferences", `{"person":`+anna+`,"preferences":{"likes":["Tea"]}}`, proofs...).problem(403, codeStopped)
	h.do("PUT", "/v1/consent", choose(anna, `{"personalization":"given"}`), proofs...).problem(403, codeStopped)
	h.do("POST", "/v1/link", pair("anna", id), proofs...).problem(403, codeStopped)
	if h.linked("anna", id) || h.state(identity.UserID, "anna", "personalization") == consent.Given {
		t.Error("a stopped source widened")
	}
	h.do("PUT", "/v1/consent", choose(anna, `{"told_preferences":"withdrawn"}`), proofs...).status(200)
	h.do("POST", "/v1/unlink", pair("anna", id), proofs...).status(200)
	h.do("POST", "/v1/erase", `{"person":`+anna+`}`, proofs...).status(200)
}

// Whoever asks to link too often makes nobody known.
func TestLinkTooOftenMakesNobody(t *testing.T) {
	h := newHouse(t)
	id, token := h.visitor()
	proofs := []option{key(h.write), visitor(token), shopToken(h.shopToken("anna"))}
	for range 1000 {
		if h.do("POST", "/v1/unlink", pair("anna", id), key(h.write), shopToken(h.shopToken("anna"))).code == 429 {
			break
		}
	}
	h.do("POST", "/v1/link", pair("anna", id), proofs...).problem(429, codeTooMany)
	if _, known, err := h.keys.Find(h.keys.Hasher().Lookup(identity.Identifier{Kind: identity.UserID, Value: "anna"})); known || err != nil {
		t.Errorf("Anna is known: %v, %v", known, err)
	}
}
