package choices

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"accord/internal/consent"
	"accord/internal/declare"
	"accord/internal/identity"
)

// gpc is a signal that refuses these purposes.
func (b *bed) gpc(purposes ...declare.PurposeID) Signal {
	s := Signal{Evidence: "Sec-GPC: 1", Jurisdiction: "US-CA", Proof: "visitor token"}
	for _, id := range purposes {
		i, _ := b.d.Purpose(id)
		s.Refuses = s.Refuses.With(i)
	}
	return s
}

// honours says which purposes a signal refuses of a person.
func (b *bed) honours(t identity.Token, s Signal) string {
	b.t.Helper()
	denied, err := b.Honour(context.Background(), t, s, nil)
	check(b.t, err)
	var names []string
	for i, p := range b.d.Purposes {
		if denied.Has(declare.PurposeIndex(i)) {
			names = append(names, string(p.ID))
		}
	}
	return strings.Join(names, " ")
}

// records are how many records a person has.
func (b *bed) records(t identity.Token) int { return len(b.places(t)) }

// A signal is recorded once, as what it ends, however many requests bring it at once,
// also after a restart.
func TestSignalOnce(t *testing.T) {
	b := newBed(t)
	ada := b.person("ada")
	b.record(ada, "personalization", consent.Given, b.now)
	s := b.gpc("personalization", "model_training", "stats", "orders")
	var all sync.WaitGroup
	for range 50 {
		all.Go(func() { b.honours(ada, s) })
	}
	all.Wait()
	for _, c := range []struct {
		purpose declare.PurposeID
		want    consent.State
	}{{"personalization", consent.Withdrawn}, {"model_training", consent.Refused}, {"stats", consent.Objected}, {"orders", consent.Unset}} {
		if got := b.state(ada, c.purpose); got != c.want {
			t.Errorf("%s is %v, want %v", c.purpose, got, c.want)
		}
	}
	b = b.again()
	b.honours(ada, s)
	h, err := b.History(context.Background(), ada)
	check(t, err)
	if len(h) != 2 || len(h[1].Choices) != 3 || h[1].Choices[0].Method != MethodSignal || h[1].Choices[0].Evidence != "Sec-GPC: 1" || h[1].Choices[0].Jurisdiction != "US-CA" {
		t.Errorf("%+v", h)
	}
}

// A yes in knowledge of a signal goes before it: the person's own, after the signal was
// recorded, until their next no; also after a restart, and when old records are gone.
func TestSignalAndKnowledge(t *testing.T) {
	b := newBed(t)
	ada := b.person("ada")
	s := b.gpc("personalization")
	at := b.now
	say := func(state consent.State, method, proof string) {
		t.Helper()
		b.now = b.now.Add(time.Hour)
		_, err := b.Record(context.Background(), ada, []consent.Choice{{Purpose: "personalization", State: state, At: b.now, Method: method, Proof: proof}})
		check(t, err)
	}
	is := func(what, want string, records int) {
		t.Helper()
		if got := b.honours(ada, s); got != want || b.records(ada) != records {
			t.Errorf("%s: it refuses %q and there are %d records, want %q and %d", what, got, b.records(ada), want, records)
		}
	}
	say(consent.Given, "banner", "visitor token")
	is("a yes of before", "personalization", 2)
	is("again", "personalization", 2)
	say(consent.Given, MethodEvent, "server")
	is("an event's yes", "personalization", 4)
	say(consent.Given, "event:Segment Consent Preference Updated", "server")
	is("an event's act", "personalization", 6)
	say(consent.Given, "import", ProofImport)
	is("a file's yes", "personalization", 8)
	_, err := b.Record(context.Background(), ada, []consent.Choice{{Purpose: "personalization", State: consent.Given, At: at, Method: "banner"}})
	check(t, err)
	is("a yes that came late", "personalization", 9)
	say(consent.Given, "banner", "visitor token")
	is("a yes in knowledge", "", 10)
	now := b.now
	b = b.again()
	b.now = now
	is("after a restart", "", 10)
	b.now = now.AddDate(4, 0, 0)
	check(t, b.Pass(context.Background()))
	kept := b.records(ada)
	if kept >= 10 || kept < 2 {
		t.Errorf("%d records are left after years", kept)
	}
	is("when what is old is gone", "", kept)
	b = b.again()
	b.now = now.AddDate(4, 0, 0)
	is("and after a restart", "", kept)
	say(consent.Withdrawn, "portal", "visitor token")
	is("the next no", "personalization", kept+1)
	say(consent.Given, "portal", "visitor token")
	is("and yes", "", kept+2)
}

// Where it may not or cannot be recorded now, a signal refuses all the same.
func TestSignalUnrecorded(t *testing.T) {
	b := newBed(t)
	ada := b.person("ada")
	s := b.gpc("stats")
	asked := 0
	denied, err := b.Honour(context.Background(), ada, s, func() bool { asked++; return false })
	if err != nil || denied != s.Refuses || asked != 1 || b.records(ada) != 0 {
		t.Errorf("where it may not: %b, %v, asked %d times, %d records", denied, err, asked, b.records(ada))
	}
	log := b.Choices.log
	b.Choices.log = brokenLog{log}
	if denied, err = b.Honour(context.Background(), ada, s, nil); err == nil || denied != s.Refuses {
		t.Errorf("where it cannot: %b, %v", denied, err)
	}
	b.Choices.log = log
	ended, cancel := context.WithCancel(context.Background())
	cancel()
	b.signals[ada.Slot()] <- struct{}{}
	if denied, err = b.Honour(ended, ada, s, nil); !errors.Is(err, context.Canceled) || denied != s.Refuses {
		t.Errorf("whoever hangs up: %b, %v", denied, err)
	}
	<-b.signals[ada.Slot()]
	if got := b.honours(ada, s); got != "stats" || b.records(ada) != 1 {
		t.Errorf("then: %s, %d records", got, b.records(ada))
	}
	if got := fmt.Sprint(b.honours(ada, Signal{})); got != "" || b.records(ada) != 1 {
		t.Errorf("a silent one: %s, %d records", got, b.records(ada))
	}
}

// What goes before a signal is the person's own word, or the shop's with what shows
// it: a flag that a shop sends again is none.
func TestKnowingNeedsTheirWord(t *testing.T) {
	for _, try := range []struct {
		proof, evidence string
		want            bool
	}{
		{"visitor token", "", true}, {"shop token", "", true}, {"server key", "form 17", true},
		{"server key", "", false}, {"import", "form 17", false},
	} {
		b := newBed(t)
		ctx, ada := context.Background(), b.person("ada")
		p, _ := b.d.Purpose("personalization")
		_, err := b.Honour(ctx, ada, Signal{Refuses: declare.Set(0).With(p), Evidence: "Sec-GPC: 1", Proof: "shop token"}, nil)
		check(t, err)
		b.now = b.now.Add(time.Minute)
		_, err = b.Record(ctx, ada, []consent.Choice{{Purpose: "personalization", State: consent.Given, At: b.now, Method: "crm", Proof: try.proof, Evidence: try.evidence}})
		check(t, err)
		if got := b.Knowing(ada).Has(p); got != try.want {
			t.Errorf("%+v: %v", try, got)
		}
	}
}

// A refusal is shown as a signal's while it is the newest word, under any token of the
// person's and after a restart.
func TestSignalIsShown(t *testing.T) {
	b := newBed(t)
	ada := b.person("ada")
	i, _ := b.d.Purpose("stats")
	want := declare.Set(0).With(i)
	say := func(state consent.State, method, evidence string) declare.Set {
		t.Helper()
		b.now = b.now.Add(time.Hour)
		_, err := b.Record(context.Background(), ada, []consent.Choice{{Purpose: "stats", State: state, At: b.now, Method: method, Evidence: evidence}})
		check(t, err)
		return b.Honoured(ada)
	}
	if got := say(consent.Objected, MethodEvent, ""); got != 0 {
		t.Errorf("an event's consent object: %b", got)
	}
	if got := say(consent.Objected, MethodEvent, "att trackingStatus denied"); got != want {
		t.Errorf("a signal in an event: %b", got)
	}
	now := b.now
	b = b.again()
	b.now = now
	if got := b.Honoured(ada); got != want {
		t.Errorf("after a restart: %b", got)
	}
	if got := say(consent.Given, MethodEvent, "tcf purpose 5 consent"); got != 0 {
		t.Errorf("a yes: %b", got)
	}
	if b.honours(ada, b.gpc("stats")); b.Honoured(ada) != want {
		t.Errorf("a browser's signal: %b", b.Honoured(ada))
	}
	if got := say(consent.Objected, "portal", "button"); got != 0 {
		t.Errorf("the person's own word: %b", got)
	}
}
