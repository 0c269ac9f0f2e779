package consent

import (
	"testing"
	"time"
)

// read applies a yes of Ann's about consent under a version of the notice.
func (d *desk) read(sequence uint64, notice string, at time.Time) {
	d.book.Apply(Record{Controller: "shop", Token: ann, Sequence: sequence, Accepted: at,
		Choices: []Choice{{Purpose: "consent", State: Given, At: at, Notice: notice}}})
}

// TestNoticeDecides: promise 1, a consent to less than is done today, and one to
// nobody knows what, permits nothing, and the reason says which.
func TestNoticeDecides(t *testing.T) {
	for notice, want := range map[string]Reason{"now": Allowed, "older": DeniedNoticeChanged, "lost": DeniedUnknownNotice, "": DeniedUnknownNotice} {
		d := newDeskWith(t, library{})
		d.read(1, notice, noon)
		if grant, r := d.ask("consent", noon.Add(time.Hour)); r != want || grant.Valid() != (want == Allowed) {
			t.Errorf("%q: %v, want %v", notice, r, want)
		}
		if a := d.gate.Admit(ann, noon.Add(time.Hour), Where{}, noon.Add(time.Hour)); a.Holds.Has(d.purpose("consent")) != (want == Allowed) {
			t.Errorf("%q: admitted %v", notice, want != Allowed)
		}
		for _, id := range everyPurpose {
			p := d.purpose(id)
			if id == "consent" || d.declaration.Purposes[p].Basis.String() == "consent" {
				continue
			}
			if _, r := d.ask(id, noon); r != Allowed {
				t.Errorf("%q: %s rests on no consent and is denied: %v", notice, id, r)
			}
		}
	}
}

// TestAskedAgain: until the person is asked again what was kept waits; with their
// yes it is covered again, and what happened in between is not.
func TestAskedAgain(t *testing.T) {
	d := newDeskWith(t, library{})
	p := d.purpose("consent")
	d.read(1, "older", noon)
	now := noon.Add(48 * time.Hour)
	if !d.gate.Still(ann, 1<<p, 1, now).Has(p) {
		t.Fatal("what was kept is dropped while the person is to be asked again")
	}
	if present := d.book.Present(ann, p); present.Over(now) {
		t.Fatal("what was kept is destroyed while the person is to be asked again")
	}
	d.read(2, "now", now)
	grant, r := d.ask("consent", now)
	if r != Allowed || !grant.Covers(d.all, 0xffff, 1, noon.UnixMilli()) {
		t.Fatalf("what was kept is not covered again: %v", r)
	}
	if d.gate.Admit(ann, now.Add(-time.Minute), Where{}, now).Holds.Has(p) {
		t.Error("what happened before the person was asked again is admitted")
	}
	if !d.gate.Admit(ann, now, Where{}, now).Holds.Has(p) {
		t.Error("what happens now is not admitted")
	}
	// Somebody who is not the person ends it, and the person takes that back.
	d.book.Apply(Record{Token: ann, Sequence: 3, Accepted: now.Add(time.Hour), Choices: []Choice{{Purpose: "consent", State: Withdrawn, At: now.Add(time.Hour), Proof: "unproven"}}})
	d.read(4, "now", now.Add(2*time.Hour))
	if d.gate.Admit(ann, now.Add(-time.Minute), Where{}, now.Add(2*time.Hour)).Holds.Has(p) {
		t.Error("a suspension lets in what happened before the person was asked again")
	}
	if !d.gate.Admit(ann, now.Add(2*time.Hour), Where{}, now.Add(2*time.Hour)).Holds.Has(p) {
		t.Error("what happens after a suspension is not admitted")
	}
}
