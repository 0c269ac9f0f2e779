package consent

import (
	"math"
	"time"

	"accord/internal/declare"
	"accord/internal/law"
)

// Where is what a question about a person brings with it beside who they are. The
// zero Where is of nowhere known and without a signal.
type Where struct {
	// In are the regimes of the place that the request names or came from; none
	// where nobody knows. Those of the place that the person's own choices name are
	// added, so that the stricter counts; where neither is known, all count.
	In law.Regimes
	// Deny are the purposes that a signal of the request refuses.
	Deny declare.Set
}

// Where returns the place that a grant was asked for, for questions that follow from
// it.
func (g Grant) Where() Where { return Where{In: g.in} }

// NoLaw narrows nothing, whatever the place. It is for tests and tools that are about
// something else; a server has a code.
var NoLaw *law.Code

// status is what is noted of a person for the law.
type status struct {
	in   law.Regimes // of the place that the newest choice with one names
	said int64       // when that was made, in Unix milliseconds
	band uint8       // of age: see declare.Children.Band
}

// with returns what is noted of somebody who is both. Bands of age are sorted, the
// youngest first.
func (s status) with(o status) status {
	s.in |= o.in
	if s.band == 0 || o.band != 0 && o.band < s.band {
		s.band = o.band
	}
	return s
}

// lawful is what the law makes of each purpose while the same rules are in force.
type lawful struct {
	table    *law.Table
	all      law.Regimes
	from     int64 // Unix milliseconds, as until
	until    int64
	purposes []lawfulPurpose
	shows    []law.Regimes // by purpose, those that want a text shown
	texts    texts
}

// lawfulPurpose are the regimes that limit a purpose.
type lawfulPurpose struct {
	objection law.Regimes
	bounded   law.Regimes // that bound how long data is kept
	uses      declare.Uses
	bands     []limit // by band of age, the first for those of whom none is known
}

// limit is what a purpose is limited by for people of one band of age.
type limit struct{ consent, guardian, never law.Regimes }

// newLawful works out what a table makes of the purposes of a declaration, so that
// a question is answered by a few sets.
func newLawful(d *declare.Declaration, code *law.Code, table *law.Table) *lawful {
	l := &lawful{table: table, all: code.All(), from: millis(table.From), until: math.MaxInt64, purposes: make([]lawfulPurpose, len(d.Purposes))}
	l.shows = shows(d, table)
	if !table.Until.IsZero() {
		l.until = millis(table.Until)
	}
	var ages []declare.Band
	if d.Children != nil {
		ages = d.Children.Bands
	}
	for i := range d.Purposes {
		of := table.Limit(d.Purposes[i].Uses)
		bands := make([]limit, 1+len(ages))
		for b := range bands {
			bands[b] = limit{consent: of.Consent, never: of.Never}
			if b > 0 {
				age := ages[b-1].From
				bands[b].consent |= below(of.Young, age)
				bands[b].guardian |= below(of.Guardian, age)
				bands[b].never |= below(of.Barred, age)
			}
		}
		l.purposes[i] = lawfulPurpose{of.Objection, bounded(table, d.Purposes[i].Uses), d.Purposes[i].Uses, bands}
	}
	return l
}

// bounded returns the regimes with a longest retention for some uses.
func bounded(table *law.Table, uses declare.Uses) law.Regimes {
	return regimesWhere(table.All(), func(one law.Regimes) bool { return !table.Retention(uses, one).IsZero() })
}

// regimesWhere returns those of some regimes of which something holds.
func regimesWhere(all law.Regimes, holds func(one law.Regimes) bool) (in law.Regimes) {
	for rest := all; rest != 0; rest &= rest - 1 {
		if one := rest & -rest; holds(one) {
			in |= one
		}
	}
	return in
}

// oldest returns from when on data may be used where some regimes count, in Unix
// milliseconds; 0 is no limit beyond the declaration.
func (l *lawful) oldest(purpose declare.PurposeIndex, in law.Regimes, now int64) int64 {
	of := &l.purposes[purpose]
	if in&of.bounded == 0 {
		return 0
	}
	return millis(l.table.Retention(of.uses, in).Before(time.UnixMilli(now)))
}

// below returns the regimes with a rule for people of an age.
func below(rules []law.Below, age int) (in law.Regimes) {
	for _, r := range rules {
		if age < r.Age {
			in |= r.Regimes
		}
	}
	return in
}

// in returns the regimes that count for a person and a question.
func (l *lawful) in(where law.Regimes, who status) law.Regimes {
	if in := where | who.in; in != 0 {
		return in
	}
	return l.all
}

// reason returns why the law denies what the person's choice allows, or Allowed. p
// is what they said.
func (l *lawful) reason(purpose declare.PurposeIndex, basis declare.Basis, p *Present, in law.Regimes, band uint8) Reason {
	of := &l.purposes[purpose]
	limit := &of.bands[0]
	if int(band) < len(of.bands) {
		limit = &of.bands[band]
	}
	switch {
	case in&limit.never != 0:
		return DeniedLaw
	case in&limit.guardian != 0 && !(p.State == Given && p.Guardian):
		return DeniedGuardian
	case in&limit.consent != 0 && (p.State != Given || !narrowable(basis)):
		return DeniedLawConsent
	case in&limit.consent != 0:
		return noticeReasons[p.Notice]
	case in&of.objection != 0 && !narrowable(basis):
		return DeniedLawConsent
	}
	return Allowed
}

// law returns what the law makes of the purposes at a time, nil where the gate
// knows none.
func (g *Gate) law(now int64) *lawful {
	l := g.lawful.Load()
	if l == nil || now < l.until && now >= l.from {
		return l
	}
	l = newLawful(g.declaration, g.book.code, g.book.code.On(time.UnixMilli(now)))
	g.lawful.Store(l)
	return l
}
