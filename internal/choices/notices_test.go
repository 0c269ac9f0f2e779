package choices

import (
	"context"
	"strings"
	"testing"
	"time"

	"accord/internal/consent"
	"accord/internal/declare"
	"accord/internal/identity"
	"accord/internal/notice"
)

// shop returns the shop's declaration, changed, and the registry of its notices
// and those of the past.
func shop(t *testing.T, old, new string, past ...*notice.Notice) (*declare.Declaration, *notice.Registry) {
	t.Helper()
	d, err := declare.Parse("shop.yaml", []byte(strings.Replace(shopYAML, old, new, 1)))
	check(t, err)
	r, err := notice.NewRegistry(d, past...)
	check(t, err)
	return d, r
}

// TestMaterialChangeAsksAgain: a material change of the notice denies until the
// person's own new choice, destroys nothing, and is lifted neither by old news nor
// by a preference that is said again. A wording change does nothing.
func TestMaterialChangeAsksAgain(t *testing.T) {
	dir, ctx := t.TempDir(), context.Background()
	d, r := shop(t, "", "")
	past := r.Present()
	b := openBedOf(t, dir, d, r)
	ada := b.person("ada")
	b.makeKeys(ada)
	b.record(ada, "personalization", consent.Given, time.Time{})
	ask := func(b *bed) consent.Reason {
		p, _ := b.d.Purpose("personalization")
		_, reason := b.gate.Ask(ada, p, consent.Where{}, b.now)
		return reason
	}
	history, err := b.History(ctx, ada)
	check(t, err)
	if got := history[0].Choices[0].Notice; got != r.Version("en") || ask(b) != consent.Allowed {
		t.Fatalf("the choice names the notice %q, want the one in force, %s; the gate says %v", got, r.Version("en"), ask(b))
	}
	b.close()

	d, r = shop(t, "To suggest.", "To suggest products.", past...)
	b = openBedOf(t, dir, d, r)
	if got := ask(b); got != consent.Allowed {
		t.Errorf("after a wording change the gate says %v", got)
	}
	b.close()

	d, r = shop(t, "text: To suggest.", "text: To suggest., recipients: [An agency]", past...)
	b = openBedOf(t, dir, d, r)
	b.now = monday.Add(3 * time.Hour)
	say := func(c consent.Choice) {
		c.Purpose, c.State = "personalization", consent.Given
		_, err := b.Record(ctx, ada, []consent.Choice{c})
		check(t, err)
	}
	if got := ask(b); got != consent.DeniedNoticeChanged {
		t.Errorf("after a material change the gate says %v", got)
	}
	check(t, b.Pass(ctx))
	check(t, b.Settle(ctx, ada))
	say(consent.Choice{At: b.now.Add(-time.Hour), Method: "api"}) // a queue
	if got := ask(b); got == consent.Allowed {
		t.Error("a consent from before the change, said late, lifts it")
	}
	say(consent.Choice{At: b.now, Method: MethodEvent})
	if got := ask(b); got == consent.Allowed {
		t.Error("a preference that is said again lifts the change")
	}
	say(consent.Choice{At: b.now, Method: "api", Notice: past[0].Version})
	if got := ask(b); got != consent.DeniedNoticeChanged {
		t.Errorf("a new yes to the old notice: the gate says %v", got)
	}
	say(consent.Choice{At: b.now, Method: "api", Notice: "v7"})
	if got := ask(b); got != consent.DeniedUnknownNotice {
		t.Errorf("a yes to nobody knows what: the gate says %v", got)
	}
	// Another's end may destroy nothing of what waits.
	b.record(ada, "model_training", consent.Refused, b.now)
	if living := b.living(ada); !strings.Contains(living, "a") || !strings.Contains(living, "b") {
		t.Errorf("what waits for the person's word was destroyed, only %q lives", living)
	}
	say(consent.Choice{At: b.now, Method: "api"})
	if got := ask(b); got != consent.Allowed {
		t.Errorf("after the person's new yes the gate says %v", got)
	}
}

// TestNoEvidenceIsMadeUp: only an act of now is taken for one about the notice in
// force. A choice of the past or out of a file that names none stays without, unless
// it is marked as simulated.
func TestNoEvidenceIsMadeUp(t *testing.T) {
	d, r := shop(t, "", "")
	b := openBedOf(t, t.TempDir(), d, r)
	now := r.Version("en")
	for _, c := range []struct {
		name, want string
		choice     consent.Choice
	}{
		{"ada", now, consent.Choice{At: b.now, Method: "api", Proof: "visitor token"}},
		{"ben", "", consent.Choice{At: b.now.Add(-time.Hour), Method: "api", Proof: "secret key"}},
		{"cyd", "", consent.Choice{At: b.now, Method: "till", Proof: ProofImport}},
		{"dee", now, consent.Choice{At: b.now.Add(-time.Hour), Method: "simulated", Synthetic: true}},
		{"eve", now, consent.Choice{At: b.now.Add(-ReadWithin + time.Millisecond), Method: MethodEvent}},
		{"fay", "", consent.Choice{At: b.now.Add(-ReadWithin), Method: MethodEvent}},
		{"gus", "", consent.Choice{At: b.now.AddDate(-2, 0, 0), Method: MethodEvent}},
	} {
		c.choice.Purpose, c.choice.State = "personalization", consent.Given
		person := b.person(c.name)
		b.makeKeys(person)
		record, err := b.Record(t.Context(), person, []consent.Choice{c.choice})
		check(t, err)
		p, _ := d.Purpose("personalization")
		if _, reason := b.gate.Ask(person, p, consent.Where{}, b.now); record.Choices[0].Notice != c.want || (reason == consent.Allowed) != (c.want != "") {
			t.Errorf("%s: the notice %q, want %q; the gate says %v", c.name, record.Choices[0].Notice, c.want, reason)
		}
	}
}

// TestUnread: a preference out of a queue that was too old for any notice may be said
// again by an event of now, also after a restart; what a person said themselves, or
// agreed to before it changed, may not.
func TestUnread(t *testing.T) {
	d, r := shop(t, "", "")
	dir := t.TempDir()
	b := openBedOf(t, dir, d, r)
	p, _ := d.Purpose("personalization")
	give := func(who identity.Token, at time.Time, method string) {
		_, err := b.Record(t.Context(), who, []consent.Choice{{Purpose: "personalization", State: consent.Given, At: at, Method: method}})
		check(t, err)
	}
	queue, till := b.person("queue"), b.person("till")
	old := b.now.Add(-time.Hour)
	give(queue, old, MethodEvent)
	give(till, old, "till")
	b.close()
	b = openBedOf(t, dir, d, r)
	for _, who := range []identity.Token{queue, till} {
		if got := b.Unread(who).Has(p); got != (who == queue) {
			t.Errorf("unread: %v", got)
		}
		give(who, b.now, MethodEvent)
		_, reason := b.gate.Ask(who, p, consent.Where{}, b.now)
		if (reason == consent.Allowed) != (who == queue) || who == queue && b.Unread(who) != 0 {
			t.Errorf("the preference said again by an event of now: %v, unread %v", reason, b.Unread(who))
		}
	}
}
