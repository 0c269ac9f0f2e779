package run_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"accord/internal/collect"
	"accord/internal/consent"
	"accord/internal/decide"
	"accord/internal/decide/run"
	"accord/internal/identity"
	"accord/internal/profile"
)

// seer is an engine that counts what it sees.
type seer struct {
	saw    int
	during func()
}

func (*seer) Name() string { return "recommend" }

func (s *seer) Decide(_ context.Context, _ decide.Ask, v profile.View) (decide.Result, error) {
	if s.saw = len(v.Interactions()); s.during != nil {
		s.during()
	}
	return decide.Result{Items: []decide.Item{{ID: "P1"}}, Personal: s.saw > 0}, nil
}

// A user's view holds what their visitors did too, each against a grant of its
// own; a visitor's holds their own only; and a choice of either while the engine
// works stops the answer.
func TestLinkedView(t *testing.T) {
	h := newHouse(t, "after")
	engine := &seer{}
	runner, err := run.New(run.Config{Declaration: h.d, Gate: h.gate, Views: h.state, Engines: []decide.Engine{engine}, Journal: h.journal, Now: time.Now})
	must(t, err)
	ids := []identity.Identifier{{Kind: identity.UserID, Value: "ada"}, {Kind: identity.AnonymousID, Value: "phone"}}
	tokens, err := h.keys.Ensure(t.Context(), []identity.Lookup{h.keys.Hasher().Lookup(ids[0]), h.keys.Hasher().Lookup(ids[1])})
	must(t, err)
	say := func(who identity.Token, s consent.State) {
		_, err := h.choices.Record(context.Background(), who, []consent.Choice{{Purpose: "personalization", State: s, Method: "api"}})
		must(t, err)
	}
	decideFor := func(who identity.Token) decide.Answer {
		a, err := runner.Decide(t.Context(), run.Subject{Named: true, Known: true, Token: who, Proof: identity.ByServer}, decide.Ask{Purpose: "personalization", N: 1})
		must(t, err)
		return a
	}
	for _, who := range tokens {
		say(who, consent.Given)
	}
	collector := collect.New(collect.Config{Declaration: h.d, Gate: h.gate, Book: h.book, Keys: h.keys, Log: h.log, State: h.state, Choices: h.choices, Now: time.Now})
	for i, name := range []string{"userId", "anonymousId"} {
		body := fmt.Sprintf(`{"event":"Product Viewed","%s":"%s","properties":{"product_id":"P%d"}}`, name, ids[i].Value, i)
		r, err := collector.Collect(t.Context(), collect.Request{Source: "web", Speaker: identity.Server(), Kind: "track", Body: []byte(body)})
		must(t, err)
		if r.Kept != 1 {
			t.Fatalf("%+v", r)
		}
	}
	h.folded()
	see := func(who identity.Token, want int) {
		t.Helper()
		if decideFor(who); engine.saw != want {
			t.Errorf("%d interactions, want %d", engine.saw, want)
		}
	}
	see(tokens[0], 1)
	must(t, h.choices.Link(t.Context(), tokens[1], tokens[0], "secret key", time.Now()))
	see(tokens[0], 2)
	see(tokens[1], 1)
	engine.during = func() { engine.during = nil; say(tokens[1], consent.Withdrawn) }
	if a := decideFor(tokens[0]); a.Personal || a.Receipt.Decision != "withdrawn" {
		t.Errorf("the visitor withdrew while the engine worked: %+v", a.Receipt)
	}
	must(t, h.choices.Unlink(t.Context(), tokens[1], tokens[0], "secret key"))
	say(tokens[0], consent.Given)
	engine.during = func() {
		engine.during = nil
		must(t, h.choices.Stop(context.Background(), consent.Stop{Kind: consent.StopSource, Name: "web", Why: "x"}))
	}
	a, err := runner.Decide(t.Context(), run.Subject{Named: true, Known: true, Token: tokens[0], Proof: identity.ByServer, Source: "web"}, decide.Ask{Purpose: "personalization", N: 1})
	must(t, err)
	if a.Personal || a.Receipt.Decision != "stopped" {
		t.Errorf("the source was stopped while the engine worked: %+v", a.Receipt)
	}
}
