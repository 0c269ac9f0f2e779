package collect

import (
	"context"
	"testing"
	"time"

	"accord/internal/consent"
	"accord/internal/declare"
	"accord/internal/event"
	"accord/internal/identity"
)

// erase erases a user and their visitors, and lets a minute pass.
func (b *bed) erase(t identity.Token) {
	b.t.Helper()
	if _, err := b.choices.Erase(context.Background(), t, "shop token"); err != nil {
		b.t.Fatal(err)
	}
	b.clock.pass(time.Minute)
}

// What happened before an erasure is dropped whole when it comes later, also after
// a restart, on whatever basis it would be kept, for the user and for the visitors
// who were erased with them. What happens after it makes somebody new.
func TestErasedStaysErased(t *testing.T) {
	b := newBed(t)
	b.chooses(b.user("ada"), "personalization", consent.Given, monday)
	b.sendAs(adaAndPhone(), "identify", ev(both, at(monday)))
	if !b.linked() {
		t.Fatal("not linked")
	}
	before := at(monday)
	b.erase(b.user("ada"))
	after := at(b.clock.Now())

	order := `"properties":{"order_id":"1"}`
	past := []string{
		ev(viewed, ada, before, id("m1"), `"properties":{"product_id":"P-1","secs":3}`),
		ev(ordered, ada, before, id("m2"), order),
		ev(ordered, `"anonymousId":"phone"`, before, id("m3"), order),
		ev(ordered, ada, `"originalTimestamp":"2026-11-22T12:00:00Z"`, after, id("m4"), order),
		// Sent an hour after it happened, by a clock that is wrong by years.
		ev(ordered, ada, `"timestamp":"2020-01-01T00:00:00Z","sentAt":"2020-01-01T01:00:00Z"`, id("m5"), order),
		ev(`"type":"identify"`, ada, before, id("m6"), `"traits":{"email":"a@example.com"}`),
		ev(viewed, ada, before, id("m7"), `"context":{"consent":{"categoryPreferences":{"functional":true,"personal":true}}}`),
		ev(viewed, ada, before, id("m8"), `"context":{"consent":{"categoryPreferences":{"personal":false}}}`),
		ev(`"type":"track","event":"Segment Consent Preference Updated"`, ada, before, id("m9"), `"context":{"consent":{"categoryPreferences":{"functional":true,"personal":true}}}`),
	}
	for range 2 {
		if r := b.send("batch", batchOf(past...)); r.Kept != 0 || r.Dropped != len(past) {
			t.Errorf("the past came to %+v", r)
		}
		// One of them is no declared event either.
		if n := b.Counts()["event:erased"]; n != uint64(len(past)-1) {
			t.Errorf("%d are counted as erased, want %d: %v", n, len(past)-1, b.Counts())
		}
		for kind, name := range map[identity.Kind]string{identity.UserID: "ada", identity.AnonymousID: "phone"} {
			if _, known := b.find(kind, name); known {
				t.Errorf("the past made somebody of %s", name)
			}
		}
		b = b.again()
	}
	if held := b.held(); len(held) != 0 {
		t.Errorf("held: %q", held)
	}

	// What has no time is of now, and a clock that is wrong is put right.
	news := []string{
		ev(ordered, ada, id("n1"), order),
		ev(ordered, `"anonymousId":"phone"`, after, id("n2"), order),
		ev(ordered, ada, `"timestamp":"2020-01-01T00:00:00Z","sentAt":"2020-01-01T00:00:01Z"`, id("n3"), order),
	}
	if r := b.send("batch", batchOf(news...)); r.Kept != len(news) {
		t.Errorf("what came after came to %+v, %v", r, b.Counts())
	}
	// Somebody new is there, and the past is still not theirs.
	b.chooses(b.user("ada"), "personalization", consent.Given, b.clock.Now())
	if r := b.send("batch", batchOf(past...)); r.Dropped != len(past) {
		t.Errorf("the past of somebody new came to %+v", r)
	}
	if b.state(b.user("ada"), "personalization") != consent.Given {
		t.Error("what was said before the erasure changed what somebody new chose")
	}
	b.clock.pass(time.Minute)
	if r := b.send("track", ev(viewed, ada, id("n4"), `"properties":{"product_id":"P-2"}`)); r.Kept != 1 || b.views(b.user("ada"), "personalization") != 1 {
		t.Errorf("somebody new: %+v", r)
	}
}

// Who was erased stays known to nobody: an unproven refusal in an old event is of
// now, as ever, and the other people of an event keep what they said.
func TestErasedAndOthers(t *testing.T) {
	b := newBed(t)
	ben, tablet := b.user("ben"), b.visitor("tablet")
	b.chooses(ben, "personalization", consent.Given, monday)
	b.chooses(tablet, "personalization", consent.Given, monday)
	b.erase(ben)
	ben = b.user("ben")
	b.chooses(ben, "personalization", consent.Given, b.clock.Now())
	no := `"context":{"consent":{"categoryPreferences":{"personal":false}}}`
	b.send("track", ev(viewed, `"userId":"ben","anonymousId":"tablet"`, at(monday), id("a"), no))
	if got := [...]consent.State{b.state(ben, "personalization"), b.state(tablet, "personalization")}; got != [...]consent.State{consent.Given, consent.Withdrawn} {
		t.Errorf("Ben and the tablet have %v", got)
	}
	b.sendAs(identity.Speaker{}, "track", ev(viewed, `"userId":"ben"`, at(monday), id("b"), no))
	p, _ := b.Declaration.Purpose("personalization")
	if _, why := b.gate.Ask(ben, p, consent.Where{}, b.clock.Now()); why != consent.DeniedWithdrawn {
		t.Errorf("an unproven refusal: Ben is %v", why)
	}
	// Of two who are proven, the one who was erased is not the other's past.
	ada := b.user("ada")
	b.chooses(ada, "personalization", consent.Given, monday)
	b.erase(tablet)
	tablet = b.visitor("tablet")
	b.chooses(tablet, "personalization", consent.Given, b.clock.Now())
	b.send("track", ev(viewed, `"userId":"ada","anonymousId":"tablet"`, at(monday), id("c"), no))
	if got := [...]consent.State{b.state(ada, "personalization"), b.state(tablet, "personalization")}; got != [...]consent.State{consent.Withdrawn, consent.Given} {
		t.Errorf("Ada and the tablet have %v", got)
	}
}

// A link of before either was erased makes no edge, and nobody.
func TestErasedLinks(t *testing.T) {
	for _, who := range []string{"ada", "phone"} {
		b := newBed(t)
		b.visitor("phone")
		b.chooses(b.user("ada"), "personalization", consent.Given, monday)
		erased, _ := b.find(identity.AnonymousID, "phone")
		if who == "ada" {
			erased = b.user("ada")
		}
		b.erase(erased)
		for kind, body := range map[string]string{"identify": ev(both, at(monday)), "alias": ev(ada, `"previousId":"phone"`, at(monday))} {
			b.sendAs(adaAndPhone(), kind, body)
		}
		_, user := b.find(identity.UserID, "ada")
		_, visitor := b.find(identity.AnonymousID, "phone")
		if user == (who == "ada") || visitor == (who == "phone") {
			t.Errorf("%s was erased, and afterwards the user is known: %v, the visitor: %v", who, user, visitor)
		}
		b.visitor("phone")
		b.chooses(b.user("ada"), "personalization", consent.Given, b.clock.Now())
		b.sendAs(adaAndPhone(), "identify", ev(both, at(monday)))
		if b.linked() {
			t.Errorf("%s was erased, and a link of before holds", who)
		}
		if b.sendAs(adaAndPhone(), "identify", ev(both)); !b.linked() {
			t.Errorf("%s was erased, and whoever signs in now is not linked", who)
		}
		b.close()
	}
}

// An import of old orders brings nobody back, whatever basis it names.
func TestErasedImport(t *testing.T) {
	b := newBed(t)
	b.chooses(b.user("ada"), "personalization", consent.Given, monday.Add(-24*time.Hour))
	b.erase(b.user("ada"))
	text := func(s string) event.Value { return event.Value{Kind: event.ValueString, Text: s} }
	lines := make([]Line, 0, 2)
	for i, when := range []time.Time{monday.Add(-time.Hour), b.clock.Now()} {
		lines = append(lines, Line{Source: "file", ID: string(rune('1' + i)), User: identity.Identifier{Kind: identity.UserID, Value: "ada"}, Event: "Order Completed", At: when,
			Fields: []NamedValue{{Path: "order_id", Value: text("o")}}})
	}
	for _, basis := range []declare.Basis{declare.Contract, 0} {
		r, err := b.Import(t.Context(), lines[:1], basis)
		if err != nil || r.Kept != 0 || r.Lines["erased"] != 1 || r.Durable[0] {
			t.Errorf("%v: %+v, %v", basis, r, err)
		}
	}
	if _, known := b.find(identity.UserID, "ada"); known {
		t.Error("the import made somebody")
	}
	if r, err := b.Import(t.Context(), lines, declare.Contract); err != nil || r.Kept != 1 || r.Lines["erased"] != 1 {
		t.Errorf("with an order of after it: %+v, %v", r, err)
	}
}
