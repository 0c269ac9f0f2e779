package api

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
)

// preferences asks what the person told, and returns it with the purposes that hold.
func (a *answer) preferences() (likes, avoids, holds []string) {
	a.t.Helper()
	a.status(200)
	var body struct {
		Preferences struct{ Likes, Avoids []string }
		Purposes    []struct {
			Purpose string
			Holds   bool
		}
	}
	must(a.t, json.Unmarshal([]byte(a.body), &body))
	for _, p := range body.Purposes {
		if p.Holds {
			holds = append(holds, p.Purpose)
		}
	}
	return body.Preferences.Likes, body.Preferences.Avoids, holds
}

// "What a person says they like … weighs in decisions from the next answer on."
func TestPreferencesAreToldAndTakenBack(t *testing.T) {
	h := newHouse(t)
	anna := shopToken(h.shopToken("anna"))
	put := func(body string) *answer {
		return h.do("PUT", "/v1/preferences", `{"person":{"user_id":"anna"},"preferences":`+body+`}`, key(h.write), anna)
	}
	get := func() *answer { return h.do("GET", "/v1/preferences?user_id=anna", "", key(h.write), anna) }

	// Default deny: nothing is kept before one of its purposes holds.
	a := put(`{"likes":["Kitchen"]}`).status(200)
	if likes, _, holds := a.preferences(); a.at("kept") != false || likes != nil || holds != nil {
		t.Errorf("before any consent: %s", a.body)
	}
	h.do("PUT", "/v1/consent", `{"person":{"user_id":"anna"},"choices":{"told_preferences":"given"}}`, key(h.write), anna).status(200)
	if likes, _, holds := get().preferences(); likes != nil || !slices.Equal(holds, []string{"told_preferences"}) {
		t.Errorf("what was told before shows: %v for %v", likes, holds)
	}
	a = put(`{"likes":["Kitchen > Mugs","Tea"],"avoids":["Garden"]}`).status(200)
	if likes, avoids, _ := a.preferences(); a.at("kept") != true || !slices.Equal(likes, []string{"Kitchen > Mugs", "Tea"}) || !slices.Equal(avoids, []string{"Garden"}) {
		t.Errorf("told: %s", a.body)
	}
	// What is absent stays, and what is empty is taken back.
	if likes, avoids, _ := put(`{"likes":[]}`).preferences(); likes != nil || !slices.Equal(avoids, []string{"Garden"}) {
		t.Errorf("after the likes were taken back: %v, %v", likes, avoids)
	}
	// An identify call does the same.
	h.do("POST", "/v1/identify", `{"userId":"anna","traits":{"likes":["Tea"]}}`, key(h.write), anna).status(200)
	must(t, h.config.CaughtUp(t.Context()))
	if likes, _, _ := get().preferences(); !slices.Equal(likes, []string{"Tea"}) {
		t.Errorf("after an identify call: %v", likes)
	}
	h.do("PUT", "/v1/consent", `{"person":{"user_id":"anna"},"choices":{"told_preferences":"withdrawn"}}`, key(h.write), anna).status(200)
	a = get()
	if likes, avoids, holds := a.preferences(); likes != nil || avoids != nil || holds != nil {
		t.Errorf("after the withdrawal: %s", a.body)
	}
	// A new consent reaches back to nothing.
	h.do("PUT", "/v1/consent", `{"person":{"user_id":"anna"},"choices":{"told_preferences":"given"}}`, key(h.write), anna).status(200)
	if likes, avoids, _ := get().preferences(); likes != nil || avoids != nil {
		t.Errorf("after a new consent: %v, %v", likes, avoids)
	}
}

func TestPreferencesNeedAProof(t *testing.T) {
	h := newHouse(t)
	h.do("PUT", "/v1/preferences", `{"person":{"user_id":"anna"},"preferences":{"likes":["Tea"]}}`, key(h.write)).problem(403, codeUnproven)
	h.do("PUT", "/v1/preferences", `{"person":{"user_id":"anna"},"preferences":{"likes":["Tea"]}}`, key(h.write), shopToken(h.shopToken("bert"))).problem(403, codeUnproven)
	h.do("GET", "/v1/preferences?user_id=anna", "", key(h.write)).problem(403, codeUnproven)
	h.do("GET", "/v1/preferences?user_id=anna", "", key(h.secret)).status(200)
}

func TestPreferencesAreChecked(t *testing.T) {
	h := newHouse(t)
	for body, code := range map[string]string{
		`{}`:                  codeInvalid,
		`{"likes":null}`:      codeInvalid,
		`{"likes":["a\nb"]}`:  codeInvalid,
		`{"likes":[""]}`:      codeInvalid,
		`{"likes":"Tea"}`:     codeInvalid,
		`{"hobbies":["Tea"]}`: codeUnknown,
		`{"likes":["` + strings.Repeat("x", 301) + `"]}`: codeInvalid,
	} {
		h.do("PUT", "/v1/preferences", `{"person":{"user_id":"anna"},"preferences":`+body+`}`, key(h.secret)).problem(422, code)
	}
}
