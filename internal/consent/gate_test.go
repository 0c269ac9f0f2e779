package consent

import (
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"accord/internal/declare"
	"accord/internal/identity"
)

// TestGateDefaultDeny holds promise 1: where no basis holds, nothing personal is
// kept or used. Every basis meets every state, known or not.
func TestGateDefaultDeny(t *testing.T) {
	const never = State(255) // nothing was ever said
	for _, c := range []struct {
		basis declare.PurposeID
		state State
		want  Reason
	}{
		{"consent", never, DeniedNoChoice},
		{"consent", Unset, DeniedNoChoice},
		{"consent", Given, Allowed},
		{"consent", Refused, DeniedRefused},
		{"consent", Withdrawn, DeniedWithdrawn},
		{"consent", Objected, DeniedObjected},
		{"consent", 5, DeniedNoChoice}, // a state of a later Accord
		{"consent", 200, DeniedNoChoice},
		{"legitimate_interest", never, Allowed},
		{"legitimate_interest", Unset, DeniedNoChoice}, // something was said, and it is not yes
		{"legitimate_interest", Given, Allowed},
		{"legitimate_interest", Refused, DeniedRefused},
		{"legitimate_interest", Withdrawn, DeniedWithdrawn},
		{"legitimate_interest", Objected, DeniedObjected},
		{"legitimate_interest", 5, DeniedNoChoice},
		{"opt_out", never, Allowed},
		{"opt_out", Unset, DeniedNoChoice},
		{"opt_out", Given, Allowed},
		{"opt_out", Refused, DeniedRefused},
		{"opt_out", Withdrawn, DeniedWithdrawn},
		{"opt_out", Objected, DeniedObjected},
		{"opt_out", 5, DeniedNoChoice},
		{"contract", never, Allowed},
		{"contract", Given, Allowed},
		{"contract", Refused, Allowed}, // ended by rights, not by a choice
		{"contract", Withdrawn, Allowed},
		{"contract", Objected, Allowed},
		{"legal_obligation", never, Allowed},
		{"legal_obligation", Withdrawn, Allowed},
		{"legal_obligation", Objected, Allowed},
	} {
		d := newDesk(t)
		if c.state != never {
			d.say(1, c.basis, c.state, noon)
		}
		p, now := d.purpose(c.basis), noon.Add(time.Second)
		grant, got := d.ask(c.basis, now)
		if got != c.want || grant.Valid() != (c.want == Allowed) {
			t.Errorf("%s after %v: Ask says %v, want %v", c.basis, c.state, got, c.want)
		}
		if holds := d.gate.Admit(ann, now, Where{}, now).Holds.Has(p); holds != (c.want == Allowed) {
			t.Errorf("%s after %v: Admit says %v", c.basis, c.state, holds)
		}
		if still := d.gate.Still(ann, ^declare.Set(0), 9, now).Has(p); still != (c.want == Allowed) {
			t.Errorf("%s after %v: Still says %v", c.basis, c.state, still)
		}
		if holding := d.book.Holding(ann, now).Has(p); holding != (c.want == Allowed) {
			t.Errorf("%s after %v: Holding says %v", c.basis, c.state, holding)
		}
		if why := d.gate.Why(ann, Where{}, now)[p]; why != c.want {
			t.Errorf("%s after %v: Why says %v", c.basis, c.state, why)
		}
	}
}

func TestZeroValuesDeny(t *testing.T) {
	d := newDesk(t)
	var zero Grant
	if zero.Valid() || zero.Class(d.all) || zero.Covers(d.all, 0xffff, 1<<60, 1<<60) {
		t.Error("the zero grant covers something (promise 2)")
	}
	if r := d.gate.Release(zero, noon); r != DeniedZero {
		t.Errorf("the zero grant is released: %v", r)
	}
	if r := Reason(0); r == Allowed || r.Code() != "not_asked" {
		t.Error("the zero reason does not deny")
	}
	if holds(0, Present{}, 0) == Allowed {
		t.Error("an unknown basis holds")
	}
	if _, r := d.gate.Ask(identity.Token{}, d.purpose("contract"), Where{}, noon); r != DeniedNobody {
		t.Errorf("nobody: %v", r)
	}
	if a := d.gate.Admit(identity.Token{}, noon, Where{}, noon); a != (Admission{}) {
		t.Errorf("data about nobody is admitted: %v", a)
	}
	if _, r := d.gate.Ask(ann, 6, Where{}, noon); r != DeniedUnknownPurpose {
		t.Errorf("a purpose that is not declared: %v", r)
	}
	if _, r := d.gate.Ask(ann, 255, Where{}, noon); r != DeniedUnknownPurpose {
		t.Errorf("a purpose that is not declared: %v", r)
	}
}

func TestAClosedGateDeniesEverything(t *testing.T) {
	d := newDesk(t)
	d.say(1, "consent", Given, noon)
	grant, _ := d.ask("consent", noon)
	d.gate.Close()
	if _, r := d.ask("contract", noon); r != DeniedClosed {
		t.Errorf("Ask: %v", r)
	}
	if r := d.gate.Release(grant, noon); r != DeniedClosed {
		t.Errorf("Release: %v", r)
	}
	if a := d.gate.Admit(ann, noon, Where{}, noon); a != (Admission{}) {
		t.Errorf("Admit: %v", a)
	}
	for _, r := range d.gate.Why(ann, Where{}, noon) {
		if r != DeniedClosed {
			t.Errorf("Why: %v", r)
		}
	}
	if NewGate(d.declaration, d.book).open.Load() {
		t.Error("a new gate is open before the choices were read")
	}
}

func TestAGrantOfAnotherGateIsNotReleased(t *testing.T) {
	d, other := newDesk(t), newDesk(t)
	d.say(1, "consent", Given, noon)
	other.say(1, "consent", Given, noon)
	grant, _ := other.ask("consent", noon)
	if r := d.gate.Release(grant, noon); r != DeniedZero {
		t.Errorf("released: %v", r)
	}
}

// TestAWithdrawalIsAFence holds promise 3 step by step; TestReleaseAgainstApply
// holds it against the clock.
func TestAWithdrawalIsAFence(t *testing.T) {
	d := newDesk(t)
	d.say(1, "consent", Given, noon)
	grant, _ := d.ask("consent", noon)
	if r := d.gate.Release(grant, noon.Add(GrantLife-time.Millisecond)); r != Allowed {
		t.Fatalf("the grant is not released: %v", r)
	}
	d.say(2, "opt_out", Objected, noon)
	if r := d.gate.Release(grant, noon); r != Allowed {
		t.Errorf("a choice about another purpose stopped it: %v", r)
	}
	if r := d.gate.Release(grant, noon.Add(GrantLife)); r != DeniedStale {
		t.Errorf("a grant outlived its life: %v", r)
	}
	d.say(3, "consent", Withdrawn, noon)
	if r := d.gate.Release(grant, noon); r != DeniedChanged {
		t.Errorf("released after the withdrawal: %v", r)
	}
	d.say(4, "consent", Given, noon)
	if r := d.gate.Release(grant, noon); r != DeniedChanged {
		t.Errorf("a new consent revived a grant from before the withdrawal: %v", r)
	}
}

func TestAGrantEndsWithItsConsent(t *testing.T) {
	d := newDesk(t)
	d.say(1, "short", Given, noon)
	end := noon.AddDate(0, 0, 30)
	grant, r := d.ask("short", end.Add(-time.Millisecond))
	if r != Allowed || !grant.Until().Equal(end) {
		t.Fatalf("%v until %v, want %v", r, grant.Until(), end)
	}
	if r := d.gate.Release(grant, end); r != DeniedStale {
		t.Errorf("released when the consent had expired: %v", r)
	}
	if _, r := d.ask("short", end); r != DeniedExpired {
		t.Errorf("asked when it had expired: %v", r)
	}
	if d.gate.Admit(ann, end, Where{}, end).Holds.Has(d.purpose("short")) {
		t.Error("admitted when it had expired")
	}
}

// TestAConsentCoversNothingOlder: what was kept, and what happened, before a
// consent never follows it.
func TestAConsentCoversNothingOlder(t *testing.T) {
	d := newDesk(t)
	all := d.all.Mask(^declare.Set(0))
	d.say(5, "consent", Refused, noon.Add(-time.Hour))
	d.say(7, "consent", Given, noon)
	grant, _ := d.ask("consent", noon)
	for _, c := range []struct {
		name     string
		mask     uint16
		sequence uint64
		moment   time.Time
		want     bool
	}{
		{"kept under it", all, 7, noon, true},
		{"kept under a later choice", all, 9, noon.Add(time.Second), true},
		{"kept under the refusal", all, 5, noon.Add(time.Second), false},
		{"kept before anything was said", all, 0, noon.Add(time.Second), false},
		{"happened a moment earlier", all, 7, noon.Add(-time.Millisecond), false},
		{"kept for other purposes", d.all.Mask(declare.Set(0).With(d.purpose("contract"))), 7, noon, false},
		{"kept for no purpose", 0, 7, noon, false},
	} {
		if got := grant.Covers(d.all, c.mask, c.sequence, c.moment.UnixMilli()); got != c.want {
			t.Errorf("%s: %v", c.name, got)
		}
	}
	if grant.Class(d.some) || grant.Covers(d.some, 0xffff, 7, noon.UnixMilli()) {
		t.Error("a class without the purpose is covered (promise 2)")
	}
	if d.gate.Admit(ann, noon.Add(-time.Millisecond), Where{}, noon).Holds.Has(d.purpose("consent")) {
		t.Error("an event from before the consent was admitted for it")
	}
	if d.gate.Still(ann, ^declare.Set(0), 6, noon).Has(d.purpose("consent")) {
		t.Error("a record from before the consent may be folded for it")
	}
}

func TestRenewals(t *testing.T) {
	p := declare.PurposeID("short")
	day := func(n int) time.Time { return noon.AddDate(0, 0, n) }
	d := newDesk(t)
	d.say(1, p, Given, day(0))
	d.say(2, p, Given, day(20)) // before it lapsed: covers what the first did
	grant, r := d.ask(p, day(49))
	if r != Allowed || grant.since != 1 || grant.at != day(0).UnixMilli() || grant.Choice() != 2 {
		t.Errorf("renewed: %v, %+v", r, grant)
	}
	d.say(3, p, Given, day(51)) // a day too late: a new beginning
	if grant, r = d.ask(p, day(52)); r != Allowed || grant.since != 3 || grant.at != day(51).UnixMilli() {
		t.Errorf("given again after it had lapsed: %v, %+v", r, grant)
	}
	// A renewal that claims an earlier time widens nothing and lasts no longer.
	d.book.Apply(Record{Token: ann, Sequence: 4, Accepted: day(53), Choices: []Choice{{Purpose: p, State: Given, At: day(40)}}})
	if grant, r = d.ask(p, day(54)); r != Allowed || grant.since != 3 || grant.at != day(51).UnixMilli() {
		t.Errorf("an old time widened the consent: %v, %+v", r, grant)
	}
	if _, r = d.ask(p, day(70)); r != DeniedExpired {
		t.Errorf("an old time made the consent last longer: %v", r)
	}
}

// TestAYesTakesNothingAway: who says yes to what held without one does not hide
// what was kept before.
func TestAYesTakesNothingAway(t *testing.T) {
	for _, id := range []declare.PurposeID{"legitimate_interest", "opt_out", "contract", "legal_obligation"} {
		d := newDesk(t)
		d.say(8, id, Given, noon)
		grant, r := d.ask(id, noon)
		if r != Allowed || !grant.Covers(d.all, 0xffff, 0, noon.AddDate(-60, 0, 0).UnixMilli()) {
			t.Errorf("%s: %v, and what was kept before is hidden", id, r)
		}
		if !d.gate.Admit(ann, noon.AddDate(-60, 0, 0), Where{}, noon).Holds.Has(d.purpose(id)) {
			t.Errorf("%s: an event from before is not admitted", id)
		}
	}
	for _, id := range []declare.PurposeID{"legitimate_interest", "opt_out"} {
		d := newDesk(t)
		d.say(8, id, Objected, noon)
		d.say(9, id, Given, noon)
		if grant, r := d.ask(id, noon); r != Allowed || grant.Covers(d.all, 0xffff, 8, noon.UnixMilli()) {
			t.Errorf("%s: %v; what was kept before the objection came back", id, r)
		}
	}
}

func TestReplayChangesNothing(t *testing.T) {
	d := newDesk(t)
	given := Record{Token: ann, Sequence: 3, Accepted: noon, Choices: []Choice{{Purpose: "consent", State: Given, At: noon}}}
	d.book.Apply(given)
	d.say(4, "consent", Withdrawn, noon)
	before, sequence := d.book.Presents(ann)
	d.book.Apply(given)
	d.book.Apply(Record{Token: ann, Sequence: 4, Accepted: noon, Choices: []Choice{{Purpose: "consent", State: Given, At: noon}}})
	d.book.Apply(Record{Token: ann, Sequence: 0, Accepted: noon, Choices: []Choice{{Purpose: "consent", State: Given, At: noon}}})
	after, again := d.book.Presents(ann)
	if !slices.Equal(before, after) || sequence != 4 || again != 4 {
		t.Errorf("%v at %d became %v at %d", before, sequence, after, again)
	}
	d.book.Apply(Record{Token: bob, Choices: []Choice{{Purpose: "consent", State: Given, At: noon}}})
	if d.book.Count() != 1 {
		t.Error("a record that is not durable was applied")
	}
	d.book.Apply(Record{Token: ann, Sequence: 5, Accepted: noon, Choices: []Choice{{Purpose: "gone", State: Given, At: noon}}})
	if presents, sequence := d.book.Presents(ann); !slices.Equal(presents, after) || sequence != 5 {
		t.Error("a purpose that is not declared changed something")
	}
}

func TestForget(t *testing.T) {
	d := newDesk(t)
	d.say(1, "consent", Given, noon)
	d.book.Apply(Record{Token: bob, Sequence: 2, Accepted: noon, Choices: []Choice{{Purpose: "consent", State: Given, At: noon}}})
	grant, _ := d.ask("consent", noon)
	d.book.Forget(ann)
	d.book.Forget(ann)
	if _, r := d.ask("consent", noon); r != DeniedNoChoice {
		t.Errorf("forgotten, and %v", r)
	}
	if r := d.gate.Release(grant, noon); r != DeniedChanged {
		t.Errorf("released after the person was forgotten: %v", r)
	}
	if _, r := d.gate.Ask(bob, d.purpose("consent"), Where{}, noon); r != Allowed || d.book.Count() != 1 {
		t.Errorf("Bob was forgotten too: %v", r)
	}
}

// TestReleaseAgainstApply holds promise 3 under the race detector: no Release
// that begins after Apply returned for a withdrawal is Allowed.
func TestReleaseAgainstApply(t *testing.T) {
	d := newDesk(t)
	sequence := uint64(0)
	for range 300 {
		sequence++
		d.say(sequence, "consent", Given, noon)
		grant, r := d.ask("consent", noon)
		if r != Allowed {
			t.Fatal(r)
		}
		var acknowledged atomic.Bool
		var late, fresh atomic.Int64
		var all sync.WaitGroup
		for range 3 {
			all.Go(func() {
				for {
					done := acknowledged.Load()
					released := d.gate.Release(grant, noon)
					_, asked := d.ask("consent", noon)
					if !done {
						continue
					}
					if released == Allowed {
						late.Add(1)
					}
					if asked == Allowed {
						fresh.Add(1)
					}
					return
				}
			})
		}
		sequence++
		d.say(sequence, "consent", Withdrawn, noon)
		acknowledged.Store(true)
		all.Wait()
		if late.Load() != 0 || fresh.Load() != 0 {
			t.Fatalf("after the withdrawal was acknowledged, %d answers were released and %d asks allowed", late.Load(), fresh.Load())
		}
	}
}

// TestManyAtOnce lets everything run at once for the race detector, with people
// who come and go in one shard.
func TestManyAtOnce(t *testing.T) {
	d := newDesk(t)
	const people = 400
	var all sync.WaitGroup
	for w := range 4 {
		all.Go(func() {
			for i := range people {
				who := identity.Token{0: byte(i), 1: byte(w), 2: byte(i >> 8), 15: 1}
				d.book.Apply(Record{Token: who, Sequence: 1, Accepted: noon, Choices: []Choice{{Purpose: "consent", State: Given, At: noon}}})
				if g, r := d.gate.Ask(who, d.purpose("consent"), Where{}, noon); r != Allowed || d.gate.Release(g, noon) != Allowed {
					t.Errorf("worker %d, person %d: %v", w, i, r)
				}
				d.gate.Admit(who, noon, Where{}, noon)
				if i%4 == 0 {
					d.book.Forget(who)
				}
			}
		})
	}
	all.Wait()
	if got := d.book.Count(); got != 4*300 {
		t.Errorf("%d people are left, want %d", got, 4*300)
	}
	for w := range 4 {
		for i := range people {
			who := identity.Token{0: byte(i), 1: byte(w), 2: byte(i >> 8), 15: 1}
			_, r := d.gate.Ask(who, d.purpose("consent"), Where{}, noon)
			if want := i%4 != 0; (r == Allowed) != want {
				t.Fatalf("worker %d, person %d: %v", w, i, r)
			}
		}
	}
}

func TestReasonsHaveWords(t *testing.T) {
	codes := map[string]bool{}
	for r := range Reason(Reasons) {
		if r.Code() == "" || r.String() == "" || codes[r.Code()] {
			t.Errorf("reason %d: %q, %q", r, r.Code(), r.String())
		}
		codes[r.Code()] = true
	}
	if Reason(250).Code() != "unknown" {
		t.Error("an unknown reason has a code")
	}
	for s := Given; s <= Objected; s++ {
		if got, ok := ParseState(s.String()); !ok || got != s {
			t.Errorf("%v came back as %v", s, got)
		}
	}
	for _, bad := range []string{"unset", "", "Given"} {
		if _, ok := ParseState(bad); ok {
			t.Errorf("%q is no state that a person can choose", bad)
		}
	}
}

// TestMarks: an old end moves no mark back, so what gives and lies between is
// still old news.
func TestMarks(t *testing.T) {
	d := newDesk(t)
	day := func(n int) time.Time { return noon.AddDate(0, 0, n) }
	say := func(sequence uint64, s State, at time.Time) Present {
		d.book.Apply(Record{Token: ann, Sequence: sequence, Accepted: noon, Choices: []Choice{{Purpose: "consent", State: s, At: at}}})
		return d.book.Present(ann, d.purpose("consent"))
	}
	say(1, Given, day(-60))
	say(2, Withdrawn, day(-1))
	if p := say(3, Refused, day(-50)); p.At != day(-1).UnixMilli() || p.State != Refused {
		t.Errorf("%+v", p)
	}
	if p := say(4, Given, day(0)); p.At != day(0).UnixMilli() || p.Since != 4 {
		t.Errorf("%+v", p)
	}
}

// TestDoubtful: an end that may not be durable is in force and must be said again.
func TestDoubtful(t *testing.T) {
	d := newDesk(t)
	d.say(1, "consent", Given, noon)
	withdrawal := Record{Token: ann, Accepted: noon, Choices: []Choice{{Purpose: "consent", State: Withdrawn, At: noon}}}
	d.book.Doubt(withdrawal)
	p := d.book.Present(ann, d.purpose("consent"))
	if _, r := d.ask("consent", noon); r != DeniedWithdrawn || !p.Doubtful || p.Certain(false) || p.Certain(true) {
		t.Errorf("%v, %+v", r, p)
	}
	d.say(2, "opt_out", Objected, noon)
	if p := d.book.Present(ann, d.purpose("consent")); !p.Doubtful {
		t.Error("a choice about something else made it certain")
	}
	d.say(3, "consent", Withdrawn, noon)
	if p := d.book.Present(ann, d.purpose("consent")); p.Doubtful || !p.Certain(false) || !p.Certain(true) {
		t.Errorf("said again: %+v", p)
	}
}

// TestSuspended: an end that nobody proved closes the gate and ends nothing for
// good until the person speaks or the suspension is over.
func TestSuspended(t *testing.T) {
	day := func(n int) time.Time { return noon.AddDate(0, 0, n) }
	for _, c := range []struct {
		name    string
		purpose declare.PurposeID
		given   bool // at noon
		after   *Choice
		now     time.Time
		over    bool
		lapsed  int
		covered bool // whether a grant covers what was kept before the end
	}{
		{name: "it waits", purpose: "consent", given: true, now: day(29)},
		{name: "for a month", purpose: "consent", given: true, now: day(31), over: true, lapsed: 1},
		{name: "no longer than the consent", purpose: "short", given: true, now: day(30), over: true, lapsed: 1},
		{name: "an objection that nobody proved", purpose: "opt_out", now: day(29)},
		{name: "of what never held there is nothing to keep", purpose: "consent", now: day(1), over: true},
		{name: "a proven yes lifts it", purpose: "consent", given: true, after: &Choice{State: Given, At: day(2)}, now: day(3), covered: true},
		{name: "also an objection", purpose: "opt_out", after: &Choice{State: Given, At: day(2)}, now: day(3), covered: true},
		{name: "a proven yes that comes too late", purpose: "consent", given: true, after: &Choice{State: Given, At: day(40)}, now: day(41)},
		{name: "a proven no ends it", purpose: "consent", given: true, after: &Choice{State: Withdrawn, At: day(2)}, now: day(2), over: true},
		{name: "another unproven no changes nothing", purpose: "consent", given: true, after: &Choice{State: Refused, At: day(20), Proof: "unproven"}, now: day(31), over: true, lapsed: 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := newDesk(t)
			if c.given {
				d.say(1, c.purpose, Given, noon)
			}
			d.book.Apply(Record{Token: ann, Sequence: 2, Accepted: day(1), Choices: []Choice{{Purpose: c.purpose, State: Withdrawn, At: day(1), Proof: "unproven"}}})
			if _, r := d.ask(c.purpose, day(1)); r != DeniedWithdrawn {
				t.Fatalf("the gate says %v", r)
			}
			if c.after != nil {
				c.after.Purpose = c.purpose
				d.book.Apply(Record{Token: ann, Sequence: 3, Accepted: c.after.At, Choices: []Choice{*c.after}})
			}
			p := d.book.Present(ann, d.purpose(c.purpose))
			if p.Over(c.now) != c.over {
				t.Errorf("over: %v; %+v", !c.over, p)
			}
			if got := d.book.Lapsed(c.now); len(got) != c.lapsed {
				t.Errorf("lapsed of %v, want %d people", got, c.lapsed)
			}
			if still := d.gate.Still(ann, declare.Set(0).With(d.purpose(c.purpose)), 1, c.now) != 0; still != (p.Suspended && !c.over || c.covered) {
				t.Errorf("a fold may keep what was there before: %v", still)
			}
			if grant, _ := d.ask(c.purpose, c.now); grant.Covers(d.all, 0xffff, 1, noon.UnixMilli()) != c.covered {
				t.Errorf("what was kept before is covered: %v", !c.covered)
			}
		})
	}
}
