package signal

import (
	"fmt"
	"math/bits"
	"time"

	"accord/internal/declare"
	"accord/internal/law"
)

// Says is what a row makes of its uses.
type Says uint8

// What a row can say.
const (
	No    Says = iota // the person refuses
	Doubt             // it may be a no: for what came with the signal it is one
	Yes               // the person agreed elsewhere
)

var saysWords = [...]string{"no", "doubt", "yes"}

// String returns no, doubt or yes.
func (s Says) String() string { return saysWords[s] }

// Row is one line of the table.
type Row struct {
	Kind   Kind
	Says   Says
	Uses   declare.Uses
	In     []string // names of regimes, none for everywhere
	Group  string   // what the table calls them together, or ""
	Source string
	Line   int // in table.yaml

	terms []term
	in    law.Regimes // all of them, for everywhere
}

// Text returns what the row says, in words.
func (r *Row) Text() string { return fmt.Sprintf("%s: %s says %s", r.Uses, r.Kind, r.Says) }

// Cited returns the row's source and its line.
func (r *Row) Cited() string { return fmt.Sprintf("%s (table.yaml:%d)", r.Source, r.Line) }

// Table is which signal says what. It does not change.
type Table struct {
	// Dated is the day on which the table was last looked over.
	Dated time.Time

	rows  []Row
	shown map[string]string // by language
}

// Rows returns the rows in the order of the file.
func (t *Table) Rows() []Row { return append([]Row(nil), t.rows...) }

// Verdict is what signals say of uses. No use is in two of the sets.
type Verdict struct {
	Deny  declare.Uses // refused
	Doubt declare.Uses // perhaps refused
	Allow declare.Uses // agreed to elsewhere
}

// Judge returns what signals say together to whoever is in some regimes; the zero
// Regimes are of nowhere known, and all count. A no of one goes before a yes of
// another. It does not allocate.
func (t *Table) Judge(in law.Regimes, all ...*Signals) (v Verdict) {
	for i := range t.rows {
		if r := &t.rows[i]; r.fires(in, all) {
			switch r.Says {
			case No:
				v.Deny |= r.Uses
			case Doubt:
				v.Doubt |= r.Uses
			case Yes:
				v.Allow |= r.Uses
			}
		}
	}
	v.Doubt &^= v.Deny
	v.Allow &^= v.Deny | v.Doubt
	return v
}

// Fired returns the rows that a judgement comes from, in the order of the table.
func (t *Table) Fired(in law.Regimes, all ...*Signals) (rows []Row) {
	for i := range t.rows {
		if r := &t.rows[i]; r.fires(in, all) {
			rows = append(rows, *r)
		}
	}
	return rows
}

func (r *Row) fires(in law.Regimes, all []*Signals) bool {
	if !r.counts(in) {
		return false
	}
	for _, s := range all {
		if s != nil && s.has(r.Kind) && s.holds(r.Kind, r.terms) {
			return true
		}
	}
	return false
}

// counts reports whether a row counts in some regimes: what narrows in one of them,
// and what widens only in all.
func (r *Row) counts(in law.Regimes) bool {
	switch {
	case len(r.In) == 0:
		return true
	case in == 0:
		return r.Says != Yes // of nowhere known
	case r.Says == Yes:
		return in&^r.in == 0
	}
	return in&r.in != 0
}

// Shown returns what is shown to somebody whose signal was honoured, where the law
// has no words for it: in the first of the languages that there is, else in English.
func (t *Table) Shown(languages ...string) string {
	for _, tag := range languages {
		if len(tag) >= 2 {
			if text, ok := t.shown[string([]byte{tag[0] | 0x20, tag[1] | 0x20})]; ok && (len(tag) == 2 || tag[2] == '-') {
				return text
			}
		}
	}
	return t.shown["en"]
}

// Refused returns the purposes of a declaration that a refusal of some uses ends: each
// that has one of them, and that a choice can end.
func Refused(d *declare.Declaration, uses declare.Uses) (s declare.Set) {
	for i := range d.Purposes {
		if p := &d.Purposes[i]; p.Uses&uses != 0 && choosable(p.Basis) {
			s = s.With(declare.PurposeIndex(i))
		}
	}
	return s
}

// Given returns the purposes of a declaration to which an agreement to some uses is
// one: all of the purpose's uses are among them.
func Given(d *declare.Declaration, uses declare.Uses) (s declare.Set) {
	for i := range d.Purposes {
		if p := &d.Purposes[i]; p.Uses != 0 && p.Uses&^uses == 0 && choosable(p.Basis) {
			s = s.With(declare.PurposeIndex(i))
		}
	}
	return s
}

func choosable(b declare.Basis) bool { return b != declare.Contract && b != declare.LegalObligation }

// count is how many uses a set has.
func count(u declare.Uses) int { return bits.OnesCount16(uint16(u)) }
