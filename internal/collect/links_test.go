package collect

import (
	"testing"
	"time"

	"accord/internal/consent"
	"accord/internal/identity"
)

const both = `"userId":"ada","anonymousId":"phone"`

func adaAndPhone() identity.Speaker {
	return identity.Speaker{}.WithVisitor("phone").WithUser("ada")
}

// linked reports whether the phone is Ada's.
func (b *bed) linked() bool {
	phone, _ := b.find(identity.AnonymousID, "phone")
	user, ok := b.book.User(phone)
	return ok && user == b.user("ada")
}

// Without both proofs there is no link; with them there is one, and the stricter
// choice counts at once.
func TestIdentifyLinks(t *testing.T) {
	for name, c := range map[string]struct {
		speaker    identity.Speaker
		kind, body string
		want       bool
	}{
		"both proofs":          {adaAndPhone(), "identify", ev(both), true},
		"the shop's server":    {server(), "identify", ev(both), true},
		"an alias":             {adaAndPhone(), "alias", ev(ada, `"previousId":"phone"`), true},
		"the user alone":       {identity.Speaker{}.WithUser("ada"), "identify", ev(both), false},
		"the visitor alone":    {identity.Speaker{}.WithVisitor("phone"), "identify", ev(both), false},
		"another's phone":      {identity.Speaker{}.WithUser("ada").WithVisitor("tablet"), "identify", ev(both), false},
		"another user":         {identity.Speaker{}.WithUser("bob").WithVisitor("phone"), "alias", ev(ada, `"previousId":"phone"`), false},
		"nobody":               {identity.Speaker{}, "identify", ev(both), false},
		"an event":             {adaAndPhone(), "track", ev(viewed, both), false},
		"a message that fails": {adaAndPhone(), "identify", ev(both, `"timestamp":"never"`), false},
	} {
		b := newBed(t)
		b.chooses(b.user("ada"), "personalization", consent.Given, monday)
		phone := b.visitor("phone")
		b.chooses(phone, "personalization", consent.Refused, monday)
		b.sendAs(c.speaker, c.kind, c.body)
		p, _ := b.Declaration.Purpose("personalization")
		_, why := b.gate.Ask(b.user("ada"), p, consent.Where{}, monday)
		if b.linked() != c.want || (why == consent.DeniedRefused) != c.want {
			t.Errorf("%s: linked %v, and Ada is %v", name, b.linked(), why)
		}
		b.close()
	}
}

func (b *bed) visitor(id string) identity.Token {
	b.t.Helper()
	b.send("track", ev(ordered, `"anonymousId":"`+id+`"`, `"properties":{"order_id":"1"}`))
	t, ok := b.find(identity.AnonymousID, id)
	if !ok {
		b.t.Fatal("no visitor")
	}
	return t
}

// A queue of old events links nobody again whom a newer word parted, and nobody
// is made for a link of two strangers.
func TestOldIdentify(t *testing.T) {
	b := newBed(t)
	b.send("identify", ev(both))
	if _, ok := b.find(identity.AnonymousID, "phone"); ok {
		t.Error("a link of strangers made somebody")
	}
	b.chooses(b.user("ada"), "personalization", consent.Given, monday)
	said := at(b.clock.Now())
	b.sendAs(adaAndPhone(), "identify", ev(both, said))
	if !b.linked() {
		t.Fatal("not linked")
	}
	phone, _ := b.find(identity.AnonymousID, "phone")
	b.clock.pass(time.Minute)
	if err := b.choices.Unlink(t.Context(), phone, b.user("ada"), "visitor token"); err != nil {
		t.Fatal(err)
	}
	b.clock.pass(time.Minute)
	for range 2 {
		b.sendAs(adaAndPhone(), "identify", ev(both, said))
		if b.linked() {
			t.Error("an old call linked again")
		}
		b = b.again()
	}
	b.sendAs(adaAndPhone(), "identify", ev(both, at(b.clock.Now())))
	if !b.linked() {
		t.Error("whoever signs in again is not linked")
	}
}

// What was stopped is not kept: a purpose, an attribute, a source, everything. A
// refusal still counts, and afterwards all is as before.
func TestStopped(t *testing.T) {
	for _, c := range []struct {
		stop        consent.Stop
		kept, after int
	}{
		{consent.Stop{Kind: consent.StopPurpose, Name: "orders", Why: "x"}, 0, 2},
		{consent.Stop{Kind: consent.StopAttribute, Name: "email", Why: "x"}, 1, 2},
		{consent.Stop{Kind: consent.StopSource, Name: "web", Why: "x"}, 0, 2},
		{consent.Stop{Kind: consent.StopSource, Name: "app", Why: "x"}, 2, 2},
		{consent.Stop{Kind: consent.StopAll, Why: "x"}, 0, 2},
	} {
		b := newBed(t)
		send := func() int {
			order := b.send("track", ev(ordered, ada, `"properties":{"order_id":"1"}`)).Kept
			return order + b.send("identify", ev(ada, `"traits":{"email":"a@example.com"}`)).Kept
		}
		if err := b.choices.Stop(t.Context(), c.stop); err != nil {
			t.Fatal(err)
		}
		if got := send(); got != c.kept {
			t.Errorf("%+v: %d kept, want %d", c.stop, got, c.kept)
		}
		if n := b.Counts()["event:stopped"]; n != uint64(2-c.kept) {
			t.Errorf("%+v: %d counted as stopped", c.stop, n)
		}
		b.send("track", ev(ordered, ada, `"context":{"consent":{"categoryPreferences":{"stats":false,"personalization":true}}}`))
		if b.state(b.user("ada"), "stats") != consent.Objected {
			t.Errorf("%+v: an objection did not count", c.stop)
		}
		if gave := b.state(b.user("ada"), "personalization") == consent.Given; gave != (c.stop.Name != "web") {
			t.Errorf("%+v: gives %v", c.stop, gave)
		}
		c.stop.Resume = true
		if err := b.choices.Stop(t.Context(), c.stop); err != nil {
			t.Fatal(err)
		}
		if got := send(); got != c.after {
			t.Errorf("%+v: %d kept after its end", c.stop, got)
		}
		b.close()
	}
}

// A stop that comes while an event is on its way wins, as a withdrawal does, and
// so does what nobody proved about another token of the person.
func TestStopOvertakes(t *testing.T) {
	for name, during := range map[string]func(b *bed) error{
		"a purpose": func(b *bed) error {
			return b.choices.Stop(t.Context(), consent.Stop{Kind: "purpose", Name: "personalization", Why: "x"})
		},
		"an attribute": func(b *bed) error {
			return b.choices.Stop(t.Context(), consent.Stop{Kind: "attribute", Name: "size", Why: "x"})
		},
		"a source": func(b *bed) error {
			return b.choices.Stop(t.Context(), consent.Stop{Kind: "source", Name: "web", Why: "x"})
		},
		"everything": func(b *bed) error { return b.choices.Stop(t.Context(), consent.Stop{Kind: "all", Why: "x"}) },
		"another token's refusal": func(b *bed) error {
			phone, _ := b.find(identity.AnonymousID, "phone")
			_, err := b.choices.Record(t.Context(), phone, []consent.Choice{{Purpose: "personalization", State: consent.Refused, Proof: identity.Unproven.String()}})
			return err
		},
	} {
		b := newBed(t)
		b.chooses(b.user("ada"), "personalization", consent.Given, monday)
		b.send("identify", ev(both))
		b.clock.pass(time.Second)
		b.Keys = &keysAt{Keys: b.keys, after: func() {
			if err := during(b); err != nil {
				t.Error(err)
			}
		}}
		if r := b.send("identify", ev(ada, `"traits":{"size":38}`)); r.Kept != 0 || len(b.held()) != 0 {
			t.Errorf("%s: %+v, held %q", name, r, b.held())
		}
		b.close()
	}
}

// A preference that an event reports with the visitor's proof alone does not
// overturn what the user said, nor does one with the user's proof what was said on
// the visitor's own account.
func TestPreferenceOfALinkedVisitor(t *testing.T) {
	b := newBed(t)
	phone := b.visitor("phone")
	p, _ := b.Declaration.Purpose("personalization")
	b.clock.pass(time.Minute)
	b.chooses(b.user("ada"), "personalization", consent.Refused, b.clock.Now())
	if err := b.choices.Link(t.Context(), phone, b.user("ada"), "server key", b.clock.Now()); err != nil {
		t.Fatal(err)
	}
	consents := `"context":{"consent":{"categoryPreferences":{"personalization":true}}}`
	for name, try := range map[string]struct {
		speaker identity.Speaker
		who     string
	}{
		"the visitor": {identity.Speaker{}.WithVisitor("phone"), `"anonymousId":"phone"`},
		"the user":    {identity.Speaker{}.WithUser("ada"), ada},
	} {
		b.clock.pass(time.Minute)
		b.sendAs(try.speaker, "track", ev(viewed, try.who, consents, at(b.clock.Now())))
		for _, who := range []identity.Token{phone, b.user("ada")} {
			if _, why := b.gate.Ask(who, p, consent.Where{}, b.clock.Now()); why == consent.Allowed {
				t.Errorf("%s: %v", name, why)
			}
		}
		if err := b.choices.Unlink(t.Context(), phone, b.user("ada"), ""); err != nil {
			t.Fatal(err)
		}
		if _, why := b.gate.Ask(b.user("ada"), p, consent.Where{}, b.clock.Now()); why == consent.Allowed {
			t.Errorf("%s, after the unlink: %v", name, why)
		}
		if err := b.choices.Link(t.Context(), phone, b.user("ada"), "server key", b.clock.Now()); err != nil {
			t.Fatal(err)
		}
	}
}
