package consent

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"accord/internal/declare"
	"accord/internal/identity"
	"accord/internal/law"
)

// Effect is what a step of an explanation does to the answer.
type Effect string

// The effects.
const (
	Tells  Effect = "tells"  // it is so, and decides nothing
	Allows Effect = "allows" // it asks for something, and that is there
	Denies Effect = "denies"
)

// Step is one rule that was looked at, in the order in which the gate looks.
type Step struct {
	Rule   string `json:"rule" doc:"What it is: declaration, stop, place, age, choice, linked, signal or law" example:"law"`
	Says   string `json:"says" doc:"What it says, in plain words"`
	Effect Effect `json:"effect" enum:"tells,allows,denies"`
	Source string `json:"source" doc:"Where that stands: the declaration, a record's number, a law and its paragraph with how well it is known"`
}

// Explanation is why the gate answers as it does.
type Explanation struct {
	Purpose declare.PurposeID `json:"purpose"`
	At      time.Time         `json:"at"`
	Allowed bool              `json:"allowed"`
	Reason  string            `json:"reason" doc:"The gate's answer: allowed, or why not" example:"law_needs_consent"`
	Why     string            `json:"why" doc:"The same in plain words"`
	Regimes []string          `json:"regimes" doc:"Whose law counted"`
	Steps   []Step            `json:"steps" doc:"The rules that were looked at, in order"`
}

// String returns the explanation as people read it: a line for each step, and its
// source below.
func (e Explanation) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s on %s: %s (%s)\n", e.Purpose, e.At.UTC().Format(time.RFC3339), map[bool]string{true: "ALLOWED", false: "DENIED"}[e.Allowed], e.Why)
	for i, s := range e.Steps {
		fmt.Fprintf(&b, "\n%2d. %-6s  %s\n            %s\n", i+1, s.Effect, s.Says, s.Source)
	}
	return b.String()
}

// Asked is what is to be explained: would the gate have allowed a purpose at a time?
type Asked struct {
	Purpose declare.PurposeIndex
	At      time.Time
	Token   identity.Token
	Records []Record  // of the person under all of their tokens, each token's in order
	Stops   []Stopped // in force
	Places  []law.Place
	Deny    declare.Set // what a signal of the request refuses, and
	Signals []Step      // which signals those are
}

// Explain answers with the very gate, over a book of what was said until then, and
// tells the rules that it looked at. A record that came after At is as if it had not
// been.
func Explain(d *declare.Declaration, notices Notices, code *law.Code, q Asked) Explanation {
	book := NewBook(d, notices, code)
	q.Records = slices.DeleteFunc(slices.Clone(q.Records), func(r Record) bool { return r.Accepted.After(q.At) })
	slices.SortStableFunc(q.Records, func(a, b Record) int { return int(a.Sequence) - int(b.Sequence) })
	for _, r := range q.Records {
		book.Apply(r)
	}
	for _, s := range q.Stops {
		if !s.Since.After(q.At) {
			book.stops.mu.Lock()
			book.setStop(s)
			book.stops.mu.Unlock()
		}
	}
	gate := NewGate(d, book)
	gate.Open()
	e := explainer{d: d, book: book, gate: gate, asked: &q, purpose: &d.Purposes[q.Purpose]}
	where := Where{Deny: q.Deny}
	for _, place := range q.Places {
		if code != nil {
			where.In |= code.In(place)
		}
	}
	out := Explanation{Purpose: e.purpose.ID, At: q.At, Regimes: []string{}, Steps: e.steps(where)}
	_, reason := gate.Ask(q.Token, q.Purpose, where, q.At)
	out.Allowed, out.Reason, out.Why = reason == Allowed, reason.Code(), reason.String()
	if e.lawful != nil {
		out.Regimes = e.lawful.table.Names(e.in)
	}
	return out
}

// explainer collects the steps.
type explainer struct {
	d       *declare.Declaration
	book    *Book
	gate    *Gate
	asked   *Asked
	purpose *declare.Purpose
	lawful  *lawful
	in      law.Regimes
	out     []Step
}

func (e *explainer) add(rule string, effect Effect, source, says string, args ...any) {
	e.out = append(e.out, Step{rule, fmt.Sprintf(says, args...), effect, source})
}

func (e *explainer) steps(where Where) []Step {
	q := e.asked
	e.add("declaration", Tells, "declaration "+e.d.Hash[:12], "%q rests on %s and uses data for: %s", e.purpose.ID, e.purpose.Basis, e.purpose.Uses)
	for _, s := range e.book.Stops() {
		if e.book.stops.now.Load().denies(q.Purpose) && (s.Kind == StopAll || s.Kind == StopPurpose && s.Name == string(e.purpose.ID)) {
			e.add("stop", Denies, "emergency stop of "+day(s.Since), "whoever runs the server stopped it for everyone: %s", s.Why)
		}
	}
	p, _, who, _ := e.book.lookLinked(q.Token, q.Purpose)
	e.choices(&p)
	e.out = append(e.out, q.Signals...)
	e.lawful = e.gate.law(millis(q.At))
	if e.lawful != nil {
		e.in = e.lawful.in(where.In, who)
		e.places(where, who)
		e.age(who)
		e.laws(&p, who)
	}
	return e.out
}

// choices tells what was said about the purpose, and what that comes to.
func (e *explainer) choices(p *Present) {
	q := e.asked
	if !narrowable(e.purpose.Basis) {
		e.add("choice", Allows, "declaration "+e.d.Hash[:12], "%s holds without a choice, and none ends it", e.purpose.Basis)
		return
	}
	for i := range q.Records {
		r := &q.Records[i]
		whose := "choice"
		if r.Token != q.Token {
			whose = "linked"
		}
		source := fmt.Sprintf("record %d of %s", r.Sequence, day(r.Accepted))
		if r.Link != nil && r.Token == q.Token || r.Link != nil && r.Link.Other == q.Token {
			e.add("linked", Tells, source, "%s", map[bool]string{false: "the visitor and the user were proven to be one person", true: "the visitor and the user were parted"}[r.Link.Undo])
		}
		for j, c := range slices.Concat(r.Choices, r.Late) {
			if c.Purpose == e.purpose.ID {
				e.add(whose, Tells, source, "%s", e.said(&c, r, j >= len(r.Choices)))
			}
		}
	}
	presents, _ := e.book.Strict(q.Token, q.At)
	strict, rule := presents[q.Purpose], "choice"
	if strict != *p {
		rule = "linked"
	}
	if reason := holds(e.purpose.Basis, strict, millis(q.At)); reason != Allowed {
		e.add(rule, Denies, "what the person chose", "%s", reason)
	} else if strict.State == Given {
		e.add(rule, Allows, "what the person chose", "a choice gives it")
	} else {
		e.add(rule, Allows, "what the person chose", "nobody objected, and %s holds until somebody does", e.purpose.Basis)
	}
}

// said tells of a choice.
func (e *explainer) said(c *Choice, r *Record, late bool) string {
	s := fmt.Sprintf("on %s: %s, by %s", day(c.At), c.State, c.Method)
	for _, more := range []struct {
		is   bool
		text string
	}{
		{c.By != ByPerson, "for the person by their " + string(c.By)},
		{c.State == Given && c.Notice == "", "without a notice"},
		{c.Jurisdiction != "", "in " + c.Jurisdiction},
		{c.Unproven(), "by somebody who proved nothing"},
		{r.Signature != nil, "signed"},
		{c.Synthetic, "simulated"},
		{late, "too late to count"},
	} {
		if more.is {
			s += ", " + more.text
		}
	}
	return s
}

// places tells which regimes count, and why.
func (e *explainer) places(where Where, who status) {
	for _, place := range e.asked.Places {
		e.add("place", Tells, "the request", "the person is in %s: %s", place, e.regimes(e.book.code.In(place)))
	}
	for i := range e.asked.Records {
		r := &e.asked.Records[i]
		for _, c := range r.Choices {
			if c.Places() && e.book.code.In(law.Place(c.Jurisdiction)) == who.in {
				e.add("place", Tells, fmt.Sprintf("record %d of %s", r.Sequence, day(r.Accepted)), "the person chose in %s: %s", c.Jurisdiction, e.regimes(who.in))
				who.in = 0 // once
			}
		}
	}
	if where.In == 0 && e.in == e.lawful.all {
		e.add("place", Tells, "nobody says where the person is", "every regime counts, so the strictest does")
	}
}

func (e *explainer) regimes(in law.Regimes) string {
	if in == e.lawful.all {
		return "no regime here governs it, so every one counts"
	}
	return strings.Join(e.lawful.table.Names(in), ", ")
}

func (e *explainer) age(who status) {
	if who.band == 0 {
		return
	}
	band := e.d.Children.Bands[who.band-1]
	e.add("age", Tells, "what was found of the person's age", "the person may be as young as %d (%s)", band.From, band.Name)
}

// laws tells what each rule that is in force says of the purpose, and whether that is
// so.
func (e *explainer) laws(p *Present, who status) {
	age, known := 0, who.band != 0
	if known {
		age = e.d.Children.Bands[who.band-1].From
	}
	for _, r := range e.lawful.table.Rules(e.purpose.Uses, e.in) {
		effect := Tells
		given, choosable := p.State == Given && narrowable(e.purpose.Basis), narrowable(e.purpose.Basis)
		switch {
		case r.Kind == law.Needs && r.Need == law.Never, r.Kind == law.BarredBelow && known && age < r.Age:
			effect = Denies
		case r.Kind == law.Needs && r.Need == law.Consent, r.Kind == law.OwnConsentBelow && known && age < r.Age:
			effect = allowsIf(given && p.Notice == NoticeCovered)
		case r.Kind == law.Needs && r.Need == law.Objection:
			effect = allowsIf(choosable)
		case r.Kind == law.GuardianBelow && known && age < r.Age:
			effect = allowsIf(p.State == Given && p.Guardian)
		}
		e.add("law", effect, sourceOf(&r), "%s: %s", r.Regime, r.Says())
	}
}

func allowsIf(so bool) Effect {
	if so {
		return Allows
	}
	return Denies
}

// sourceOf tells where a rule stands and how well it is known.
func sourceOf(r *law.Rule) string {
	known := r.Known.String()
	if r.Known == law.Unchecked {
		known = "UNCHECKED"
	}
	return fmt.Sprintf("%s, in force since %s (%s, looked up %s; %s:%d)", r.Source, day(r.From), known, day(r.Dated), r.File, r.Line)
}

func day(t time.Time) string { return t.UTC().Format(time.DateOnly) }
