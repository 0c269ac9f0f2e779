package consent

import (
	"testing"
	"time"

	"accord/internal/declare"
	"accord/internal/identity"
)

// TestAChildNeedsAGuardian: the listed purposes hold for a child only under a
// guardian's choice, whatever their basis, and a grant does not outlive the mark.
func TestAChildNeedsAGuardian(t *testing.T) {
	d := declaration(t, `  ads: {basis: consent, text: x}
  stats: {basis: opt_out, text: x}
  other: {basis: consent, text: x}
attributes:
  age_band: {type: string, category: c, retention: 1 year, purposes: [stats]}
children: {attribute: age_band, bands: {child: [under_13]}, guardian: [ads, stats]}
`)
	book := NewBook(d, AnyNotice, NoLaw)
	gate := NewGate(d, book)
	gate.Open()
	ask := func(id declare.PurposeID) Reason {
		p, _ := d.Purpose(id)
		_, r := gate.Ask(ann, p, Where{}, noon.Add(time.Second))
		return r
	}
	sequence := uint64(0)
	say := func(age string, by By, ids ...declare.PurposeID) {
		sequence++
		r := Record{Token: ann, Sequence: sequence, Accepted: noon, Age: age}
		for _, id := range ids {
			r.Choices = append(r.Choices, Choice{Purpose: id, State: Given, At: noon, By: by})
		}
		book.Apply(r)
	}
	want := func(when string, ads, other, stats Reason) {
		t.Helper()
		if a, o, s := ask("ads"), ask("other"), ask("stats"); a != ads || o != other || s != stats {
			t.Errorf("%s: %v, %v, %v", when, a, o, s)
		}
	}
	say("", ByPerson, "ads", "other")
	want("before", Allowed, Allowed, Allowed)
	ads, _ := d.Purpose("ads")
	grant, _ := gate.Ask(ann, ads, Where{}, noon.Add(time.Second))
	say("under_13", ByPerson)
	if r := gate.Release(grant, noon.Add(time.Second)); r != DeniedChanged {
		t.Errorf("a grant from before is released: %v", r)
	}
	want("a child", DeniedGuardian, Allowed, DeniedGuardian)
	say("", ByAgent, "ads", "stats")
	want("an agent said yes", DeniedGuardian, Allowed, DeniedGuardian)
	say("", ByGuardian, "ads", "stats")
	want("a guardian said yes", Allowed, Allowed, Allowed)
	say("", ByPerson, "ads")
	want("the child said yes", DeniedGuardian, Allowed, Allowed)
	say("grown", ByPerson)
	want("grown", Allowed, Allowed, Allowed)

	guarded := identity.Token{7}
	// A child's visitor is the child, also where the child never chose.
	book.Apply(Record{Token: guarded, Sequence: sequence + 1, Accepted: noon, Age: "under_13"})
	book.Apply(Record{Token: ann, Sequence: sequence + 2, Accepted: noon, Link: &Link{Other: guarded, At: noon}})
	want("a child's visitor", DeniedGuardian, Allowed, DeniedGuardian)
	book.Apply(Record{Token: ann, Sequence: sequence + 3, Accepted: noon, Link: &Link{Other: guarded, Undo: true, At: noon}})
	want("nobody's visitor", Allowed, Allowed, Allowed)

	// A mark of which nobody knows whether it is on disk is in force.
	book.Doubt(Record{Token: bob, Accepted: noon, Age: "under_13"})
	stats, _ := d.Purpose("stats")
	if _, r := gate.Ask(bob, stats, Where{}, noon); r != DeniedGuardian {
		t.Errorf("in doubt: %v", r)
	}
}
