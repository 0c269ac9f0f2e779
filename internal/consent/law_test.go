package consent

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"accord/internal/declare"
	"accord/internal/law"
)

// rules is a regime of the tests: the land XA, from 2020 on, and what its rules say.
const rules = `regime: xa
name: Land of the tests
places: [XA]
rules:
  - {needs: objection, uses: [direct_marketing], effective_from: 2020-01-01, source: s, dated: 2026-11-25, known: primary}
  - {needs: consent, uses: [analytics], effective_from: 2020-01-01, source: s, dated: 2026-11-25, known: primary}
  - {needs: consent, uses: [personalization], effective_from: 2026-12-01, source: s, dated: 2026-11-25, known: primary}
  - {needs: never, uses: [sale], effective_from: 2020-01-01, source: s, dated: 2026-11-25, known: primary}
  - {guardian_below: 13, uses: [analytics], effective_from: 2020-01-01, source: s, dated: 2026-11-25, known: primary}
  - {barred_below: 10, uses: [analytics], effective_from: 2020-01-01, source: s, dated: 2026-11-25, known: primary}
  - {own_consent_below: 16, uses: [personalization], effective_from: 2020-01-01, source: s, dated: 2026-11-25, known: primary}
  - {retention: 30 days, uses: [model_training], effective_from: 2020-01-01, source: s, dated: 2026-11-25, known: primary}
`

// free is a land without a rule that narrows.
const free = `regime: xb
name: Free land
places: [XB]
rules:
  - {needs: nothing, uses: [any], effective_from: 2020-01-01, source: s, dated: 2026-11-25, known: primary}
`

const lawful4 = `  count: {basis: legitimate_interest, text: x, use: [analytics]}
  ask: {basis: consent, text: x, use: [analytics]}
  suit: {basis: opt_out, text: x, use: [personalization]}
  mail: {basis: contract, text: x, use: [direct_marketing]}
  sell: {basis: consent, text: x, use: [sale]}
  serve: {basis: contract, text: x}
  learn: {basis: consent, text: x, use: [model_training]}
attributes:
  age_band: {type: string, category: c, retention: 1 year, purposes: [serve]}
  seen: {type: string, category: c, retention: 1 year, purposes: [learn]}
children: {attribute: age_band, bands: {child: [under_10]}, ages: {from_10: 10, from_13: 13, from_16: 16}, guardian: [ask]}
`

func code(tb testing.TB, files ...string) *law.Code {
	tb.Helper()
	dir := fstest.MapFS{}
	for _, f := range files {
		name := strings.TrimPrefix(f[:strings.Index(f, "\n")], "regime: ")
		dir[name+".yaml"] = &fstest.MapFile{Data: []byte(f)}
	}
	c, err := law.Load(dir)
	if err != nil {
		tb.Fatal(err)
	}
	return c
}

// court is a gate under the tests' law.
type court struct {
	tb       testing.TB
	d        *declare.Declaration
	code     *law.Code
	book     *Book
	gate     *Gate
	sequence uint64
	records  []Record
}

func newCourt(tb testing.TB) *court {
	tb.Helper()
	c := &court{tb: tb, d: declaration(tb, lawful4), code: code(tb, rules, free)}
	c.book = NewBook(c.d, AnyNotice, c.code)
	c.gate = NewGate(c.d, c.book)
	c.gate.Open()
	return c
}

func (c *court) say(r Record) {
	c.sequence++
	r.Sequence = c.sequence
	if r.Token.IsZero() {
		r.Token = ann
	}
	if r.Accepted.IsZero() {
		r.Accepted = noon
	}
	c.book.Apply(r)
	c.records = append(c.records, r)
}

func (c *court) give(id declare.PurposeID, place string, by By) {
	c.say(Record{Choices: []Choice{{Purpose: id, State: Given, At: noon, Jurisdiction: place, By: by}}})
}

func (c *court) ask(id declare.PurposeID, place law.Place, now time.Time) Reason {
	c.tb.Helper()
	p, ok := c.d.Purpose(id)
	if !ok {
		c.tb.Fatal(id)
	}
	where := Where{}
	if place != "" {
		where.In = c.code.In(place)
	}
	_, r := c.gate.Ask(ann, p, where, now)
	if holds := c.gate.Admit(ann, now, where, now).Holds.Has(p); holds != (r == Allowed) {
		c.tb.Errorf("%s in %q: asked %v, admitted %v", id, place, r, holds)
	}
	if why := c.gate.Why(ann, where, now)[p]; why != r {
		c.tb.Errorf("%s in %q: asked %v, told %v", id, place, r, why)
	}
	return r
}

// Law narrows what the declaration and the person allow, by the place of the request
// and of the person's choice, the stricter of both; nowhere known is everywhere.
func TestLawNarrows(t *testing.T) {
	c, later := newCourt(t), noon.AddDate(0, 1, 0)
	for _, try := range []struct {
		id    declare.PurposeID
		place law.Place
		now   time.Time
		want  Reason
	}{
		{"count", "XB", noon, Allowed},
		{"count", "XA", noon, DeniedLawConsent},
		{"count", "", noon, DeniedLawConsent},
		{"count", "XC", noon, DeniedLawConsent}, // governed by none: the strictest
		{"count", "nonsense", noon, DeniedLawConsent},
		{"suit", "XA", noon, Allowed},
		{"suit", "XA", later, DeniedLawConsent}, // from December on
		{"suit", "XB", later, Allowed},
		{"mail", "XA", noon, DeniedLawConsent}, // nobody can object to a contract
		{"mail", "XB", noon, Allowed},
		{"serve", "XA", noon, Allowed},
		{"serve", "", later, Allowed},
		{"ask", "XA", noon, DeniedNoChoice}, // the person's word comes first
	} {
		if got := c.ask(try.id, try.place, try.now); got != try.want {
			t.Errorf("%s in %q on %s: %v, want %v", try.id, try.place, day(try.now), got, try.want)
		}
	}
	c.give("sell", "", ByPerson)
	if a, b := c.ask("sell", "XB", noon), c.ask("sell", "XA", noon); a != Allowed || b != DeniedLaw {
		t.Errorf("a consent: %v, %v", a, b)
	}
	c.give("count", "", ByPerson)
	if r := c.ask("count", "XA", noon); r != Allowed {
		t.Errorf("with a consent: %v", r)
	}
	// Who chose in XA is there, wherever the request says it comes from.
	c.give("count", "XA", ByPerson)
	if r := c.ask("sell", "XB", noon); r != DeniedLaw {
		t.Errorf("chose in XA, asks from XB: %v", r)
	}
	c.give("count", "XB", ByPerson)
	if r := c.ask("sell", "XB", noon); r != Allowed {
		t.Errorf("moved to XB: %v", r)
	}
}

// Nobody moves a person to a milder law: neither who proved nothing, nor old news.
func TestPlaceOfAPerson(t *testing.T) {
	c := newCourt(t)
	c.give("sell", "XA", ByPerson)
	for name, choice := range map[string]Choice{
		"unproven": {Purpose: "ask", State: Refused, At: noon.Add(time.Hour), Jurisdiction: "XB", Proof: "unproven"},
		"old":      {Purpose: "ask", State: Refused, At: noon.Add(-time.Hour), Jurisdiction: "XB", Proof: "server key"},
	} {
		c.say(Record{Choices: []Choice{choice}})
		if r := c.ask("sell", "XB", noon.Add(2*time.Hour)); r != DeniedLaw {
			t.Errorf("%s: %v", name, r)
		}
	}
	c.say(Record{Choices: []Choice{{Purpose: "ask", State: Refused, At: noon.Add(time.Hour), Jurisdiction: "XB", Proof: "shop token"}}})
	if r := c.ask("sell", "XB", noon.Add(2*time.Hour)); r != Allowed {
		t.Errorf("the person moved: %v", r)
	}
	unknown := newCourt(t)
	unknown.give("count", "", ByPerson)
	unknown.say(Record{Choices: []Choice{{Purpose: "ask", State: Refused, At: noon, Jurisdiction: "XB", Proof: "unproven"}}})
	if r := unknown.ask("mail", "", noon); r != DeniedLawConsent {
		t.Errorf("of nowhere known: %v", r)
	}
}

func TestLawOfAges(t *testing.T) {
	for _, try := range []struct {
		band string
		by   By
		want Reason // of "ask", after a consent
		suit Reason // which nobody chose about
	}{
		{"", ByPerson, Allowed, Allowed},
		{"from_16", ByPerson, Allowed, Allowed},
		{"from_13", ByPerson, Allowed, DeniedLawConsent},
		{"from_10", ByPerson, DeniedGuardian, DeniedLawConsent},
		{"from_10", ByGuardian, Allowed, DeniedLawConsent},
		{"under_10", ByGuardian, DeniedLaw, DeniedLawConsent},
	} {
		c := newCourt(t)
		c.give("ask", "XA", try.by)
		if try.band != "" {
			c.say(Record{Age: try.band})
		}
		if ask, suit := c.ask("ask", "", noon), c.ask("suit", "", noon); ask != try.want || suit != try.suit {
			t.Errorf("%s by %q: %v and %v, want %v and %v", try.band, try.by, ask, suit, try.want, try.suit)
		}
	}
}

// A grant ends when another law comes into force, does not outlive the person's move,
// and reads nothing older than the law lets be kept.
func TestGrantUnderLaw(t *testing.T) {
	c := newCourt(t)
	suit, _ := c.d.Purpose("suit")
	before := time.Date(2026, 11, 30, 23, 59, 59, 500e6, time.UTC)
	grant, r := c.gate.Ask(ann, suit, Where{In: c.code.In("XA")}, before)
	if r != Allowed || !grant.Until().Equal(time.Date(2026, 12, 1, 0, 0, 0, 0, time.UTC)) {
		t.Errorf("%v until %v", r, grant.Until())
	}
	c.give("learn", "XB", ByPerson)
	learn, _ := c.d.Purpose("learn")
	seen, _ := c.d.Attribute("seen")
	grant, _ = c.gate.Ask(ann, learn, Where{In: c.code.In("XA")}, noon.AddDate(0, 3, 0))
	mask := seen.Class.Mask(declare.Set(0).With(learn))
	old, young := noon.AddDate(0, 1, 0).UnixMilli(), noon.AddDate(0, 2, 20).UnixMilli()
	if grant.Covers(seen.Class, mask, 1, old) || !grant.Covers(seen.Class, mask, 1, young) {
		t.Error("the law's retention does not bound what a grant covers")
	}
	c.give("count", "XA", ByPerson)
	if r := c.gate.Release(grant, noon.AddDate(0, 3, 0)); r != DeniedChanged {
		t.Errorf("the person moved, and the grant is released: %v", r)
	}
	if r := c.ask("count", "XB", noon); r != Allowed {
		t.Errorf("%v", r)
	}
	c.gate.InDoubt(true)
	if _, r := c.gate.Ask(ann, suit, Where{In: c.code.In("XB")}, noon); r != DeniedClosed {
		t.Errorf("in doubt: %v", r)
	}
}

// A signal of the request denies what a choice could end, and no contract.
func TestSignalDenies(t *testing.T) {
	c := newCourt(t)
	c.give("ask", "", ByPerson)
	for id, want := range map[declare.PurposeID]Reason{"ask": DeniedSignal, "serve": Allowed, "suit": DeniedSignal, "sell": DeniedNoChoice} {
		p, _ := c.d.Purpose(id)
		if _, r := c.gate.Ask(ann, p, Where{In: c.code.In("XB"), Deny: ^declare.Set(0)}, noon); r != want {
			t.Errorf("%s: %v, want %v", id, r, want)
		}
	}
}

// Of linked tokens the regimes of all count, and the youngest age.
func TestLawOfTheLinked(t *testing.T) {
	c := newCourt(t)
	c.give("ask", "XB", ByPerson)
	c.say(Record{Token: bob, Choices: []Choice{{Purpose: "serve", State: Unset, At: noon, Jurisdiction: "XA"}}, Age: "from_10"})
	if r := c.ask("ask", "XB", noon); r != Allowed {
		t.Fatalf("before: %v", r)
	}
	c.say(Record{Token: bob, Choices: []Choice{}, Link: &Link{Other: ann, At: noon}})
	if r := c.ask("ask", "XB", noon); r != DeniedGuardian {
		t.Errorf("linked with a child in XA: %v", r)
	}
}

// Explanations come to the gate's answer, and name what denies: over random people,
// places, times and choices.
func TestExplainAgrees(t *testing.T) {
	r := rand.New(rand.NewPCG(4, 4))
	states := []State{Given, Refused, Withdrawn, Objected}
	reasons := map[string]int{}
	for range 3000 {
		c := newCourt(t)
		for range r.IntN(4) {
			rec := Record{Accepted: noon.AddDate(0, 0, -r.IntN(40))}
			if r.IntN(4) == 0 {
				rec.Token = bob
			}
			p := c.d.Purposes[r.IntN(len(c.d.Purposes))].ID
			rec.Choices = []Choice{{Purpose: p, State: states[r.IntN(4)], At: rec.Accepted, Jurisdiction: []string{"", "XA", "XB"}[r.IntN(3)], By: []By{ByPerson, ByGuardian}[r.IntN(2)]}}
			if r.IntN(4) == 0 {
				rec.Age = []string{"under_10", "from_10", "from_13", "from_16"}[r.IntN(4)]
			}
			if r.IntN(6) == 0 {
				rec = Record{Token: bob, Accepted: rec.Accepted, Choices: []Choice{}, Link: &Link{Other: ann, At: noon, Undo: r.IntN(3) == 0}}
			}
			c.say(rec)
		}
		q := Asked{Purpose: declare.PurposeIndex(r.IntN(len(c.d.Purposes))), At: noon.AddDate(0, 0, r.IntN(20)), Token: ann, Records: c.records}
		if place := []law.Place{"", "XA", "XB", "XC"}[r.IntN(4)]; place != "" {
			q.Places = []law.Place{place}
		}
		if r.IntN(8) == 0 {
			q.Stops = []Stopped{{Stop: Stop{Kind: StopAll, Why: "w"}, Since: noon.AddDate(0, 0, -1)}}
			c.book.stops.mu.Lock()
			c.book.setStop(q.Stops[0])
			c.book.stops.mu.Unlock()
		}
		where := Where{}
		for _, p := range q.Places {
			where.In |= c.code.In(p)
		}
		_, want := c.gate.Ask(ann, q.Purpose, where, q.At)
		e := Explain(c.d, AnyNotice, c.code, q)
		denied := slices.ContainsFunc(e.Steps, func(s Step) bool { return s.Effect == Denies })
		if e.Reason != want.Code() || e.Allowed != (want == Allowed) || denied == e.Allowed {
			t.Fatalf("the gate says %s, and the explanation:\n%s", want.Code(), e)
		}
		reasons[e.Reason]++
	}
	for _, want := range []Reason{Allowed, DeniedNoChoice, DeniedObjected, DeniedLaw, DeniedLawConsent, DeniedGuardian, DeniedStopped} {
		if reasons[want.Code()] == 0 {
			t.Errorf("no case came to %s: %v", want.Code(), reasons)
		}
	}
}

// What came after the time that is asked about is as if it had not been.
func TestExplainThePast(t *testing.T) {
	c := newCourt(t)
	c.give("ask", "XB", ByPerson)
	c.say(Record{Accepted: noon.Add(time.Hour), Choices: []Choice{{Purpose: "ask", State: Withdrawn, At: noon.Add(time.Hour)}}})
	p, _ := c.d.Purpose("ask")
	for at, want := range map[time.Time]bool{noon.Add(-time.Minute): false, noon.Add(time.Minute): true, noon.Add(2 * time.Hour): false} {
		e := Explain(c.d, AnyNotice, c.code, Asked{Purpose: p, At: at, Token: ann, Records: c.records})
		if e.Allowed != want {
			t.Errorf("at %v:\n%s", at, e)
		}
	}
}

// BenchmarkGateAskLaw is BenchmarkGateAsk with all the law that comes with Accord, for
// people in two places at once.
func BenchmarkGateAskLaw(b *testing.B) {
	g, people := crowdUnder(b, law.Embedded())
	now := noon.Add(time.Minute)
	where := Where{In: law.Embedded().In("US-CA"), Deny: 1 << 40}
	b.ReportAllocs()
	for n := 0; b.Loop(); n++ {
		if _, r := g.Ask(people[visit(n)], declare.PurposeIndex(n%benchPurposes), where, now); r != Allowed {
			b.Fatal(r)
		}
	}
}
