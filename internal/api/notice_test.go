package api

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"accord/internal/consent"
	"accord/internal/identity"
)

// TestNotice: promise 10, anybody can read the notice, in the language that they
// ask for, and any version that ever was in force.
func TestNotice(t *testing.T) {
	h := newHouse(t)
	for asked, want := range map[string]string{"": "en", "?language=ru": "ru", "?language=ru-RU": "ru", "?language=de": "en"} {
		a := h.do("GET", "/v1/notice"+asked, "").status(200)
		a.members("version", "language", "title", "controller", "purposes", "withdraw", "rights", "records")
		if a.text("language") != want || a.text("version") != h.notices.Version(want) {
			t.Errorf("%q is answered in %s as %s", asked, a.text("language"), a.text("version"))
		}
		if got := len(a.json["purposes"].([]any)); got != len(h.config.Declaration.Purposes) {
			t.Errorf("%d purposes", got)
		}
		again := h.do("GET", "/v1/notice/"+a.text("version"), "").status(200)
		if again.body != a.body || again.header.Get("Cache-Control") != "public, max-age=31536000, immutable" {
			t.Errorf("the version is another text, or is not cached: %v", again.header)
		}
	}
	h.do("GET", "/v1/notice/v7", "").problem(404, codeNotFound)
}

// TestChoiceNamesItsNotice: a yes to a notice that never was is refused and kept
// nowhere; a no is not refused for that. Where none is named it is the one in force.
func TestChoiceNamesItsNotice(t *testing.T) {
	h := newHouse(t)
	put := func(choices, more string) *answer {
		return h.do("PUT", "/v1/consent", `{"person":{"user_id":"anna"},"choices":`+choices+more+`}`, key(h.secret))
	}
	put(`{"personalization":"given"}`, `,"notice":"v7"`).problem(422, codeNotice)
	put(`{"personalization":"given","newsletter":"refused"}`, `,"notice":"v7"`).problem(422, codeNotice)
	if n := h.book.Count(); n != 0 {
		t.Errorf("%d people have chosen", n)
	}
	put(`{"newsletter":"refused"}`, `,"notice":"v7"`).status(200)
	put(`{"personalization":"given"}`, ``).status(200)
	put(`{"personalization":"given"}`, `,"language":"ru-RU"`).status(200)
	put(`{"personalization":"given"}`, `,"notice":"`+h.notices.Version("ru")+`"`).status(200)
	token, _, err := h.keys.Find(h.keys.Hasher().Lookup(identity.Identifier{Kind: identity.UserID, Value: "anna"}))
	must(t, err)
	records, err := h.choices.History(t.Context(), token)
	must(t, err)
	var got []string
	for _, r := range records {
		got = append(got, r.Choices[0].Notice)
	}
	if want := []string{"v7", h.notices.Version("en"), h.notices.Version("ru"), h.notices.Version("ru")}; !slices.Equal(got, want) {
		t.Errorf("the choices name %q, want %q", got, want)
	}
	p, _ := h.config.Declaration.Purpose("personalization")
	if _, reason := h.gate.Ask(token, p, consent.Where{}, time.Now()); reason != consent.Allowed {
		t.Errorf("the gate says %v", reason)
	}
}

// A first yes in an event of long ago is none to the notice of today: nothing that
// needs a consent is done by it. The same preference in an event of now counts.
func TestAnOldEventReadNoNotice(t *testing.T) {
	h := newHouse(t)
	event := func(id string, at time.Time) {
		h.do("POST", "/v1/track", fmt.Sprintf(`{"messageId":%q,"userId":"anna","event":"Product Viewed","timestamp":%q,"properties":{"product_id":"P-1"},"context":{"consent":{"categoryPreferences":{"personalization":true}}}}`,
			id, at.UTC().Format(time.RFC3339Nano)), key(h.secret)).status(200)
	}
	decided := func() string {
		return h.do("POST", "/v1/decide", ask(`{"user_id":"anna"}`), key(h.secret)).status(200).text("receipt", "decision")
	}
	event("old-1", time.Now().AddDate(0, -1, 0))
	event("old-2", time.Now().Add(-time.Hour))
	if got := decided(); got != "unknown_notice" {
		t.Errorf("after old events the gate says %s", got)
	}
	a := h.do("GET", "/v1/consent?user_id=anna", "", key(h.secret)).status(200)
	if history := a.at("history").([]any); len(history) != 1 || strings.Contains(a.body, h.notices.Version("en")) {
		t.Errorf("the history is %v", history)
	}
	event("new", time.Now())
	if got := decided(); got != "allowed" {
		t.Errorf("after an event of now the gate says %s", got)
	}
	event("newer", time.Now())
	if history := h.do("GET", "/v1/consent?user_id=anna", "", key(h.secret)).status(200).at("history").([]any); len(history) != 2 {
		t.Errorf("what stands was recorded again: %v", history)
	}
}
