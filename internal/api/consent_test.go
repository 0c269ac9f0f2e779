package api

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"accord/internal/consent"
	"accord/internal/declare"
	"accord/internal/identity"
)

func choose(person, choices string) string {
	return `{"person":` + person + `,"choices":` + choices + `}`
}

// state is what the book holds of a person, whatever the API says.
func (h *house) state(kind identity.Kind, value, purpose string) consent.State {
	h.t.Helper()
	t, _, err := h.keys.Find(h.keys.Hasher().Lookup(identity.Identifier{Kind: kind, Value: value}))
	must(h.t, err)
	presents, _ := h.book.Presents(t)
	for i, p := range h.config.Declaration.Purposes {
		if string(p.ID) == purpose {
			return presents[i].State
		}
	}
	h.t.Fatalf("no purpose %s", purpose)
	return 0
}

func (h *house) known(kind identity.Kind, value string) bool {
	h.t.Helper()
	_, ok, err := h.keys.Find(h.keys.Hasher().Lookup(identity.Identifier{Kind: kind, Value: value}))
	must(h.t, err)
	return ok
}

// TestBodiesAreJSONWhateverTheyAreCalled: what the README shows with curl -d works.
func TestBodiesAreJSONWhateverTheyAreCalled(t *testing.T) {
	h := newHouse(t)
	for _, kind := range []string{"application/x-www-form-urlencoded", "text/plain", ""} {
		h.do("PUT", "/v1/consent", choose(`{"user_id":"anna"}`, `{"personalization":"given"}`), key(h.secret), header("Content-Type", kind)).status(200)
	}
	if got := h.state(identity.UserID, "anna", "personalization"); got != consent.Given {
		t.Errorf("the choice is %v", got)
	}
}

// TestGivingNeedsAProof holds promise 1: unproven, nobody widens a consent.
func TestGivingNeedsAProof(t *testing.T) {
	h := newHouse(t)
	id, token := h.visitor()
	_, otherToken := h.visitor()
	user, visiting := `{"user_id":"anna"}`, `{"anonymous_id":"`+id+`"}`
	given := `{"personalization":"given"}`
	for name, try := range map[string]struct {
		person  string
		options []option
	}{
		"a write key about a user":             {user, []option{key(h.write)}},
		"a write key about a visitor":          {visiting, []option{key(h.write)}},
		"another visitor's token":              {visiting, []option{key(h.write), visitor(otherToken)}},
		"another user's shop token":            {user, []option{key(h.write), shopToken(h.shopToken("ben"))}},
		"a visitor's token about another kind": {`{"user_id":"` + id + `"}`, []option{key(h.write), visitor(token)}},
	} {
		for _, choices := range []string{given, `{"personalization":"given","newsletter":"refused"}`} {
			a := h.do("PUT", "/v1/consent", choose(try.person, choices), try.options...)
			a.what += " with " + name
			a.problem(403, codeUnproven).without("sequence", "anna", id)
		}
	}
	if h.known(identity.UserID, "anna") || h.known(identity.AnonymousID, id) || h.known(identity.UserID, id) {
		t.Error("a refused choice made a person")
	}
	h.do("PUT", "/v1/consent", choose(user, given)).problem(401, codeNoKey)
	for name, try := range map[string]struct {
		person  string
		options []option
		kind    identity.Kind
		value   string
	}{
		"the visitor's token": {visiting, []option{key(h.write), visitor(token)}, identity.AnonymousID, id},
		"the shop's token":    {user, []option{key(h.write), shopToken(h.shopToken("anna"))}, identity.UserID, "anna"},
		"a secret key":        {`{"user_id":"ben"}`, []option{key(h.secret)}, identity.UserID, "ben"},
	} {
		a := h.do("PUT", "/v1/consent", choose(try.person, given), try.options...).status(200)
		a.what += " with " + name
		a.members("choices", "sequence", "accepted").without(try.value, token)
		if a.text("choices", "personalization") != "given" || h.state(try.kind, try.value, "personalization") != consent.Given {
			t.Errorf("%s: %s", a.what, a.body)
		}
	}
}

// TestUnprovenNarrows holds promise 1: unproven, a person can be protected and
// nothing else, and nobody learns by it who is known.
func TestUnprovenNarrows(t *testing.T) {
	h := newHouse(t)
	h.give("anna")
	withdrawn := `{"personalization":"withdrawn","newsletter":"refused"}`
	known := h.do("PUT", "/v1/consent", choose(`{"user_id":"anna"}`, withdrawn), key(h.write)).status(200)
	unknown := h.do("PUT", "/v1/consent", choose(`{"user_id":"nobody-knows"}`, withdrawn), key(h.write)).status(200)
	for _, a := range []*answer{known, unknown} {
		a.members("choices", "accepted").without("sequence")
	}
	if fmt.Sprint(known.json["choices"]) != fmt.Sprint(unknown.json["choices"]) {
		t.Error("the answer tells who is known")
	}
	if h.state(identity.UserID, "anna", "personalization") != consent.Withdrawn || h.state(identity.UserID, "anna", "newsletter") != consent.Refused {
		t.Error("an unproven withdrawal is not in force")
	}
	if h.known(identity.UserID, "nobody-knows") {
		t.Error("an unproven refusal made a person")
	}
	// What is so already is not written again.
	before := h.do("GET", "/v1/consent?user_id=anna", "", key(h.secret)).status(200)
	h.do("PUT", "/v1/consent", choose(`{"user_id":"anna"}`, withdrawn), key(h.write)).status(200)
	after := h.do("GET", "/v1/consent?user_id=anna", "", key(h.secret)).status(200)
	if fmt.Sprint(before.json["sequence"]) != fmt.Sprint(after.json["sequence"]) {
		t.Error("a repeated unproven refusal was written again")
	}
}

func TestUnprovenNarrowingIsBounded(t *testing.T) {
	now := time.Now()
	h := newHouse(t, func(c *Config) { c.NarrowRate = 1; c.Now = func() time.Time { return now } })
	body := choose(`{"user_id":"anna"}`, `{"personalization":"refused"}`)
	for range 2 {
		h.do("PUT", "/v1/consent", body, key(h.write)).status(200)
	}
	a := h.do("PUT", "/v1/consent", body, key(h.write)).problem(429, codeTooMany)
	if a.header.Get("Retry-After") != "1" {
		t.Errorf("Retry-After is %q", a.header.Get("Retry-After"))
	}
	// Another source, and whoever proves who they are, is not held up by it.
	h.do("PUT", "/v1/consent", body, key(h.other)).status(200)
	h.do("PUT", "/v1/consent", body, key(h.write), shopToken(h.shopToken("anna"))).status(200)
}

// The same bound holds for refusals that come with events, and a proven person
// who chooses without end waits alone.
func TestChoosingIsBounded(t *testing.T) {
	now := time.Now()
	h := newHouse(t, func(c *Config) { c.NarrowRate, c.ChoiceRate = 1, 1; c.Now = func() time.Time { return now } })
	refuse := func(user string) string {
		h.give(user)
		return `{"type":"track","event":"Product Viewed","userId":"` + user + `","context":{"consent":{"categoryPreferences":{"personalization":false}}}}`
	}
	for _, user := range []string{"anna", "bert"} {
		h.do("POST", "/v1/track", refuse(user), key(h.write)).status(200)
		if s := h.state(identity.UserID, user, "personalization"); s != consent.Withdrawn {
			t.Errorf("%s: %v", user, s)
		}
	}
	h.do("POST", "/v1/track", refuse("carl"), key(h.write)).problem(429, codeTooMany)
	h.do("POST", "/v1/track", refuse("carl"), key(h.secret)).status(200)

	change := func(user string, n int) *answer {
		state := []string{"given", "withdrawn"}[n%2]
		return h.do("PUT", "/v1/consent", choose(`{"user_id":"`+user+`"}`, `{"personalization":"`+state+`"}`), key(h.write), shopToken(h.shopToken(user)))
	}
	for n := range 20 {
		change("dora", n).status(200)
	}
	change("dora", 0).problem(429, codeTooMany)
	change("emil", 0).status(200)
}

// TestNobodyLearnsWhoIsKnown: with a public key and a drained bucket, a refusal
// for somebody who consents and one for somebody unknown look the same, on every
// route.
func TestNobodyLearnsWhoIsKnown(t *testing.T) {
	now := time.Now()
	h := newHouse(t, func(c *Config) { c.NarrowRate = 1; c.Now = func() time.Time { return now } })
	h.give("anna")
	refuse := func(path, user string) int {
		event := `{"type":"track","event":"Product Viewed","userId":"` + user + `","context":{"consent":{"categoryPreferences":{"personalization":false}}}}`
		switch path {
		case "batch":
			event = `{"batch":[` + event + `]}`
		case "consent":
			return h.do("PUT", "/v1/consent", choose(`{"user_id":"`+user+`"}`, `{"personalization":"refused"}`), key(h.write)).code
		}
		return h.do("POST", "/v1/"+path, event, key(h.write)).code
	}
	refuse("consent", "junk-1") // leaves one of two
	for n, path := range []string{"track", "batch", "consent"} {
		for _, user := range []string{"anna", "nobody-knows"} {
			want := 429
			if n == 0 && user == "anna" {
				want = 200 // the last one
			}
			if got := refuse(path, user); got != want {
				t.Errorf("%s of %s: %d, want %d", path, user, got, want)
			}
		}
		h.give("anna")
	}
}

// Reading one's choices back costs a read of each, so it is bounded by the person,
// too.
func TestReadingChoicesIsBounded(t *testing.T) {
	now := time.Now()
	h := newHouse(t, func(c *Config) { c.Now = func() time.Time { return now } })
	h.give("anna")
	h.give("ben")
	read := func(user string) *answer {
		return h.do("GET", "/v1/consent?user_id="+user, "", key(h.write), shopToken(h.shopToken(user)))
	}
	for range 50 {
		read("anna").status(200)
	}
	read("anna").problem(429, codeTooMany).without("history")
	read("ben").status(200)
	h.do("GET", "/v1/consent?user_id=anna", "", key(h.secret)).status(200)
	now = now.Add(time.Second)
	read("anna").status(200)
}

// A batch of more than a burst passes, and what comes after it waits for all of
// it: a batch that could never pass would be sent for ever.
func TestBucketsOweWhatALargeBatchTook(t *testing.T) {
	now := time.Now()
	b := newBuckets(1, 2)
	if !b.take("web", 10, now) || b.take("web", 1, now.Add(8*time.Second)) {
		t.Error("ten at once of a burst of two")
	}
	if !b.take("web", 1, now.Add(9*time.Second)) {
		t.Error("what was owed is not paid after nine seconds")
	}
}

// TestUnprovenNarrowingsTakeTheSameTime: what is known and what is not, the
// refused and the recorded answer on the same grid.
func TestUnprovenNarrowingsTakeTheSameTime(t *testing.T) {
	for work, want := range map[time.Duration]time.Duration{
		0: narrowTick, 600 * time.Microsecond: narrowTick, narrowTick - 1: narrowTick, narrowTick + 1: 2 * narrowTick,
	} {
		synctest.Test(t, func(t *testing.T) {
			begun := time.Now()
			<-time.After(work)
			level(t.Context(), begun)
			if took := time.Since(begun); took != want {
				t.Errorf("work of %v is answered after %v, want %v", work, took, want)
			}
		})
	}
}

// On both ways in a narrowing without a proof waits for the tick.
func TestUnprovenNarrowingsWaitForTheTick(t *testing.T) {
	h := newHouse(t)
	h.give("anna")
	event := `{"type":"track","event":"Product Viewed","userId":"anna","context":{"consent":{"categoryPreferences":{"personalization":false}}}}`
	for _, user := range []string{"anna", "nobody-knows"} {
		for name, send := range map[string]func(){
			"a choice": func() {
				h.do("PUT", "/v1/consent", choose(`{"user_id":"`+user+`"}`, `{"personalization":"withdrawn"}`), key(h.write)).status(200)
			},
			"an event": func() {
				h.do("POST", "/v1/track", strings.ReplaceAll(event, "anna", user), key(h.write)).status(200)
			},
		} {
			begun := time.Now()
			send()
			if took := time.Since(begun); took < narrowTick {
				t.Errorf("%s of %s is answered after %v, before the tick", name, user, took)
			}
		}
	}
}

// Buckets that are as new are forgotten; where all are in use, a newcomer waits.
func TestBucketsAreBounded(t *testing.T) {
	now := time.Now()
	b := newBuckets(1, 1)
	for n := range maxBuckets {
		if !b.take(fmt.Sprint(n), 1, now) {
			t.Fatal("no room for number", n)
		}
	}
	if b.take("one more", 1, now) || len(b.by) != maxBuckets {
		t.Errorf("%d buckets", len(b.by))
	}
	now = now.Add(2 * time.Second)
	if !b.take("one more", 1, now) || len(b.by) != 1 {
		t.Errorf("%d buckets after all are as new", len(b.by))
	}
}

// TestNarrowingHasADeadline holds promise 3: shared models have a deadline of
// their own, returned with the acknowledgement.
func TestNarrowingHasADeadline(t *testing.T) {
	h := newHouse(t)
	h.do("PUT", "/v1/consent", choose(`{"user_id":"anna"}`, `{"model_training":"given"}`), key(h.secret)).status(200).without("models_until")
	h.do("PUT", "/v1/consent", choose(`{"user_id":"anna"}`, `{"newsletter":"withdrawn"}`), key(h.secret)).status(200).without("models_until")
	for _, state := range []string{"withdrawn", "refused", "objected"} {
		a := h.do("PUT", "/v1/consent", choose(`{"user_id":"anna"}`, `{"model_training":"`+state+`"}`), key(h.secret)).status(200)
		accepted, err := time.Parse(time.RFC3339, a.text("accepted"))
		must(t, err)
		until, err := time.Parse(time.RFC3339, a.text("models_until"))
		must(t, err)
		if d := until.Sub(accepted); d != h.config.ModelsWithin {
			t.Errorf("%s: the models' deadline is %v after the acknowledgement", state, d)
		}
	}
}

func TestGetConsent(t *testing.T) {
	h := newHouse(t)
	h.do("PUT", "/v1/consent", `{"person":{"user_id":"anna"},"choices":{"personalization":"given","newsletter":"refused"},"method":"banner","notice":"`+h.notices.Version("en")+`","language":"en-GB"}`, key(h.secret)).status(200)
	h.do("PUT", "/v1/consent", choose(`{"user_id":"anna"}`, `{"personalization":"withdrawn"}`), key(h.write), shopToken(h.shopToken("anna"))).status(200)
	a := h.do("GET", "/v1/consent?user_id=anna", "", key(h.write), shopToken(h.shopToken("anna"))).status(200)
	a.members("purposes", "sequence", "history").without("anna", "synthetic")
	by := map[string]map[string]any{}
	for _, p := range a.json["purposes"].([]any) {
		m := p.(map[string]any)
		by[m["purpose"].(string)] = m
	}
	for purpose, want := range map[string]string{
		"personalization": "withdrawn consent false withdrawn",
		"newsletter":      "refused consent false refused",
		"model_training":  "unset consent false no_choice",
		"orders":          "unset contract true allowed",
		"accounting":      "unset legal_obligation true allowed",
	} {
		p := by[purpose]
		if got := fmt.Sprint(p["state"], " ", p["basis"], " ", p["holds"], " ", p["reason"]); got != want {
			t.Errorf("%s: %s, want %s", purpose, got, want)
		}
		if p["text"] == "" || p["why"] == "" {
			t.Errorf("%s has no words: %v", purpose, p)
		}
	}
	if _, ok := by["model_training"]["since"]; ok {
		t.Error("a choice that was never made has a time")
	}
	history := a.json["history"].([]any)
	if len(history) != 2 {
		t.Fatalf("the history is %v", history)
	}
	for _, want := range []string{`"method":"banner"`, `"notice":"` + h.notices.Version("en") + `"`, `"language":"en-GB"`, `"proof":"server key"`, `"proof":"shop token"`, `"method":"api"`} {
		if !strings.Contains(a.body, want) {
			t.Errorf("the history lacks %s: %s", want, a.body)
		}
	}
	// Nobody else reads it.
	for name, options := range map[string][]option{
		"a write key":               {key(h.write)},
		"another user's shop token": {key(h.write), shopToken(h.shopToken("ben"))},
	} {
		b := h.do("GET", "/v1/consent?user_id=anna", "", options...)
		b.what += " with " + name
		b.problem(403, codeUnproven).without("purposes", "banner")
	}
	h.do("GET", "/v1/consent?user_id=anna", "").problem(401, codeNoKey)
	h.do("GET", "/v1/consent", "", key(h.secret)).problem(422, codeInvalid)
	h.do("GET", "/v1/consent?userid=anna", "", key(h.secret)).problem(422, codeInvalid)
	// Who is not known has chosen nothing, and does not become known by asking.
	b := h.do("GET", "/v1/consent?user_id=ben", "", key(h.secret)).status(200)
	if fmt.Sprint(b.json["history"], b.json["sequence"]) != "[] 0" || h.known(identity.UserID, "ben") {
		t.Errorf("somebody unknown: %s", b.body)
	}
}

func TestSyntheticChoicesAreMarked(t *testing.T) {
	h := newHouse(t)
	ts, err := h.keys.Ensure(t.Context(), []identity.Lookup{h.keys.Hasher().Lookup(identity.Identifier{Kind: identity.UserID, Value: "sim"})})
	must(t, err)
	_, err = h.choices.Record(t.Context(), ts[0], []consent.Choice{{Purpose: "personalization", State: consent.Given, At: time.Now(), Method: "simulated", Synthetic: true}})
	must(t, err)
	a := h.do("GET", "/v1/consent?user_id=sim", "", key(h.secret)).status(200)
	if n := strings.Count(a.body, `"synthetic":true`); n != 2 {
		t.Errorf("a simulated choice is marked %d times: %s", n, a.body)
	}
	if d := h.do("POST", "/v1/decide", ask(`{"user_id":"sim"}`), key(h.secret)).status(200); d.at("receipt", "synthetic") != true {
		t.Errorf("the receipt does not say it: %s", d.body)
	}
}

func TestPutConsentRefuses(t *testing.T) {
	h := newHouse(t)
	anna := `{"user_id":"anna"}`
	future, past := time.Now().Add(time.Hour).Format(time.RFC3339), time.Now().Add(-time.Hour).Format(time.RFC3339)
	for name, try := range map[string]struct {
		body   string
		key    string
		status int
		code   string
	}{
		"nothing":                   {``, h.secret, 400, codeInvalid},
		"no JSON":                   {`{"person"`, h.secret, 400, codeBadJSON},
		"invalid UTF-8":             {"{\"person\":{\"user_id\":\"\xff\"},\"choices\":{\"newsletter\":\"refused\"}}", h.secret, 400, codeBadUTF8},
		"a name twice":              {`{"person":` + anna + `,"person":` + anna + `,"choices":{"newsletter":"refused"}}`, h.secret, 400, codeBadJSON},
		"an unknown member":         {`{"person":` + anna + `,"choices":{"newsletter":"refused"},"admin":true}`, h.secret, 422, codeUnknown},
		"no person":                 {`{"choices":{"newsletter":"refused"}}`, h.secret, 422, codeInvalid},
		"an empty person":           {choose(`{}`, `{"newsletter":"refused"}`), h.secret, 422, codeInvalid},
		"two names":                 {choose(`{"user_id":"a","anonymous_id":"b"}`, `{"newsletter":"refused"}`), h.secret, 422, codeInvalid},
		"no choices":                {choose(anna, `{}`), h.secret, 422, codeInvalid},
		"a state that is none":      {choose(anna, `{"newsletter":"unset"}`), h.secret, 422, codeInvalid},
		"a purpose that is none":    {choose(anna, `{"espionage":"given"}`), h.secret, 422, codePurpose},
		"a purpose under contract":  {choose(anna, `{"orders":"withdrawn"}`), h.secret, 422, codePurpose},
		"a purpose under the law":   {choose(anna, `{"accounting":"given"}`), h.secret, 422, codePurpose},
		"a choice of the future":    {`{"person":` + anna + `,"choices":{"newsletter":"given"},"at":"` + future + `"}`, h.secret, 422, codeInvalid},
		"a choice of long ago":      {`{"person":` + anna + `,"choices":{"newsletter":"given"},"at":"0001-02-01T00:00:00Z"}`, h.secret, 422, codeInvalid},
		"the past with a write key": {`{"person":` + anna + `,"choices":{"newsletter":"refused"},"at":"` + past + `"}`, h.write, 403, codeKeyKind},
		"a method with spaces":      {`{"person":` + anna + `,"choices":{"newsletter":"given"},"method":"a b"}`, h.secret, 422, codeInvalid},
		"a language that is none":   {`{"person":` + anna + `,"choices":{"newsletter":"given"},"language":"<script>"}`, h.secret, 422, codeInvalid},
		"more than fits":            {`{"notice":"` + strings.Repeat("a", maxConsent) + `"}`, h.secret, 413, codeTooLarge},
	} {
		a := h.do("PUT", "/v1/consent", try.body, key(try.key))
		a.what += " with " + name
		a.problem(try.status, try.code).without("anna", "espionage", "<script>", "sequence")
	}
	if h.known(identity.UserID, "anna") {
		t.Error("a refused request made a person")
	}
	a := h.do("PUT", "/v1/consent", `{"person":`+anna+`,"choices":{"newsletter":"given"},"at":"`+past+`"}`, key(h.secret)).status(200)
	if a.text("choices", "newsletter") != "given" {
		t.Errorf("a choice of the past: %s", a.body)
	}
	if b := h.do("GET", "/v1/consent?user_id=anna", "", key(h.secret)); !strings.Contains(b.body, `"at":"`+strings.TrimSuffix(mustUTC(t, past), "Z")) {
		t.Errorf("the time of the choice is not kept: %s", b.body)
	}
}

func mustUTC(t *testing.T, s string) string {
	t.Helper()
	at, err := time.Parse(time.RFC3339, s)
	must(t, err)
	return at.UTC().Format(time.RFC3339)
}

// TestReceiptIsForItsPerson holds promise 6 and that nobody else learns even
// that a receipt is there.
func TestReceiptIsForItsPerson(t *testing.T) {
	h := newHouse(t)
	h.give("anna")
	h.give("ben")
	decided := h.do("POST", "/v1/decide", ask(`{"user_id":"anna"}`), key(h.secret)).status(200)
	id := decided.text("receipt", "id")
	path := "/v1/receipts/" + id
	eventually(t, "the receipt is kept", func() bool { return h.do("GET", path, "", key(h.secret)).code == 200 })
	want := decided.body[strings.Index(decided.body, `"receipt":`)+len(`"receipt":`) : len(decided.body)-2]
	for name, options := range map[string][]option{
		"a secret key":     {key(h.secret)},
		"the shop's token": {key(h.write), shopToken(h.shopToken("anna"))},
	} {
		a := h.do("GET", path, "", options...).status(200)
		// Byte for byte: the MAC is over exactly these.
		if a.body != want {
			t.Errorf("with %s:\n%s\nwant\n%s", name, a.body, want)
		}
	}
	_, token := h.visitor()
	missing := h.do("GET", "/v1/receipts/00112233445566778899aabbccddeeff", "", key(h.secret)).problem(404, codeNotFound)
	for name, try := range map[string]struct {
		path    string
		options []option
	}{
		"a write key":           {path, []option{key(h.write)}},
		"another user":          {path, []option{key(h.write), shopToken(h.shopToken("ben"))}},
		"somebody unknown":      {path, []option{key(h.write), shopToken(h.shopToken("nobody-knows"))}},
		"a visitor":             {path, []option{key(h.write), visitor(token)}},
		"an id that is none":    {"/v1/receipts/..%2f..", []option{key(h.secret)}},
		"an id that is too big": {"/v1/receipts/" + strings.Repeat("a", 5000), []option{key(h.secret)}},
		"a missing one":         {"/v1/receipts/00112233445566778899aabbccddeeff", []option{key(h.write), shopToken(h.shopToken("ben"))}},
	} {
		a := h.do("GET", try.path, "", try.options...)
		a.what += " with " + name
		a.problem(404, codeNotFound).without("mac", "items")
		if a.text("detail") != missing.text("detail") {
			t.Errorf("%s: the answer differs from the one for a missing receipt: %s", a.what, a.body)
		}
	}
	h.do("GET", path, "").problem(401, codeNoKey)
}

// TestNobodyTakesAWordAway: with a public key nobody turns the person's own
// withdrawal into one that a stale banner may overrule.
func TestNobodyTakesAWordAway(t *testing.T) {
	h := newHouse(t)
	token := h.shopToken("anna")
	banner := func() consent.State {
		body := `{"type":"track","event":"Product Viewed","userId":"anna","context":{"consent":{"categoryPreferences":{"personalization":true}}}}`
		h.do("POST", "/v1/track", body, key(h.write), shopToken(token)).status(200)
		return h.state(identity.UserID, "anna", "personalization")
	}
	if s := banner(); s != consent.Given {
		t.Fatal(s)
	}
	h.do("PUT", "/v1/consent", choose(`{"user_id":"anna"}`, `{"personalization":"withdrawn"}`), key(h.write), shopToken(token)).status(200)
	for _, method := range []string{"event", "import", "simulated"} {
		body := `{"person":{"user_id":"anna"},"choices":{"personalization":"refused"},"method":"` + method + `"}`
		h.do("PUT", "/v1/consent", body, key(h.write)).problem(422, codeInvalid)
		h.do("PUT", "/v1/consent", body, key(h.secret)).problem(422, codeInvalid)
	}
	for _, state := range []string{"refused", "objected", "withdrawn"} {
		h.do("PUT", "/v1/consent", choose(`{"user_id":"anna"}`, `{"personalization":"`+state+`"}`), key(h.write)).status(200)
	}
	h.do("POST", "/v1/track", `{"type":"track","event":"x","userId":"anna","context":{"consent":{"categoryPreferences":{"personalization":false}}}}`, key(h.write)).status(200)
	if s := banner(); s != consent.Withdrawn {
		t.Errorf("a stale banner gives again: %v", s)
	}
	if n := len(h.do("GET", "/v1/consent?user_id=anna", "", key(h.secret)).json["history"].([]any)); n != 2 {
		t.Errorf("%d records, want 2: what is ended is not ended again", n)
	}
}

// TestUnprovenSuspends: what nobody proved closes the gate, is counted, destroys
// nothing and is the person's to take back.
func TestUnprovenSuspends(t *testing.T) {
	h := newHouse(t)
	h.give("anna")
	h.do("POST", "/v1/track", `{"type":"track","event":"Product Viewed","userId":"anna","properties":{"product_id":"x"}}`, key(h.secret)).status(200)
	living := func() int {
		t.Helper()
		anna, _, err := h.keys.Find(h.keys.Hasher().Lookup(identity.Identifier{Kind: identity.UserID, Value: "anna"}))
		must(t, err)
		classes, err := h.keys.Classes(anna)
		must(t, err)
		return len(classes)
	}
	refused := choose(`{"user_id":"anna"}`, `{"personalization":"withdrawn"}`)
	before := living()
	for range 2 {
		h.do("PUT", "/v1/consent", refused, key(h.write)).status(200)
	}
	if n := h.metric("accord_http_unproven_refusals_total"); n != 1 || living() != before {
		t.Errorf("counted %v times, %d of %d keys live", n, living(), before)
	}
	standing := func() map[string]any {
		t.Helper()
		for _, p := range h.do("GET", "/v1/consent?user_id=anna", "", key(h.secret)).json["purposes"].([]any) {
			if p := p.(map[string]any); p["purpose"] == "personalization" {
				return p
			}
		}
		return nil
	}
	if p := standing(); p["suspended"] != true || p["until"] == nil || p["holds"] != false {
		t.Errorf("%v", p)
	}
	h.give("anna")
	if p := standing(); p["suspended"] != nil || p["holds"] != true {
		t.Errorf("given again: %v", p)
	}
	h.do("PUT", "/v1/consent", refused, key(h.write)).status(200)
	h.do("PUT", "/v1/consent", refused, key(h.secret)).status(200)
	if p := standing(); p["suspended"] != nil || living() != before-1 {
		t.Errorf("confirmed: %v, %d of %d keys live", p, living(), before)
	}
}

// TestHistoryShowsWhatDidNotCount: a choice that came too late stands in the
// history, marked.
func TestHistoryShowsWhatDidNotCount(t *testing.T) {
	h := newHouse(t)
	h.do("PUT", "/v1/consent", choose(`{"user_id":"anna"}`, `{"newsletter":"refused"}`), key(h.secret)).status(200)
	h.do("PUT", "/v1/consent", `{"person":{"user_id":"anna"},"choices":{"newsletter":"given"},"at":"2020-01-01T00:00:00Z"}`, key(h.secret)).status(200)
	history := h.do("GET", "/v1/consent?user_id=anna", "", key(h.secret)).json["history"].([]any)
	if len(history) != 2 {
		t.Fatalf("%v", history)
	}
	for i, late := range []any{nil, true} {
		c := history[i].(map[string]any)["choices"].([]any)[0].(map[string]any)
		if c["late"] != late || c["state"] != []string{"refused", "given"}[i] {
			t.Errorf("%v", c)
		}
	}
}

// TestUndeclaredIdentifiers: by what the declaration does not name nobody is known.
func TestUndeclaredIdentifiers(t *testing.T) {
	h := newHouse(t, func(c *Config) {
		text := string(declare.Template("shop"))
		from, to := strings.Index(text, "  anonymous_id:\n"), strings.Index(text, "# What is known of a person as a whole")
		d, err := declare.Parse("accord.yaml", []byte(text[:from]+text[to:]))
		must(t, err)
		c.Declaration = d
	})
	who := `{"anonymous_id":"v-1"}`
	for _, a := range []*answer{
		h.do("PUT", "/v1/consent", choose(who, `{"personalization":"refused"}`), key(h.write)),
		h.do("PUT", "/v1/consent", choose(who, `{"personalization":"given"}`), key(h.secret)),
		h.do("GET", "/v1/consent?anonymous_id=v-1", "", key(h.secret)),
		h.do("POST", "/v1/decide", `{"person":`+who+`}`, key(h.secret)),
	} {
		if a.problem(422, codeInvalid); !strings.Contains(a.text("detail"), "anonymous_id") {
			t.Errorf("%s: %s", a.what, a.body)
		}
	}
	h.give("anna")
}
