package signal

import (
	"strconv"
	"strings"
	"time"

	"accord/internal/declare"
	"accord/internal/law"
)

// maxEvidence is how many bytes of evidence there are at most: what a record of a
// choice takes.
const maxEvidence = 1 << 10

// Evidence tells by what signals say something about some uses, for the record of a
// choice, "" where none does:
//
//	tcf purpose 3 none, purpose 4 none (CMP 10, last updated 2026-11-23)
//	gpp_us SaleOptOut 1 (usnat)
//
// It has the values that were sent and not the whole string, which may name the vendors
// that somebody chose among. What is beyond 1 KiB is left out.
func (t *Table) Evidence(in law.Regimes, says Says, uses declare.Uses, all ...*Signals) string {
	var b strings.Builder
	for _, s := range all {
		if s == nil {
			continue
		}
		for kind := range Kind(numKinds) {
			if said := t.said(in, kind, says, uses, s); said != "" && b.Len()+len("; ")+len(said) <= maxEvidence {
				if b.Len() > 0 {
					b.WriteString("; ")
				}
				b.WriteString(said)
			}
		}
	}
	return b.String()
}

// said is Evidence of the rows of one kind.
func (t *Table) said(in law.Regimes, kind Kind, says Says, uses declare.Uses, s *Signals) string {
	var terms []string
	for i := range t.rows {
		r := &t.rows[i]
		if r.Kind != kind || r.Says != says || r.Uses&uses == 0 || !r.fires(in, []*Signals{s}) {
			continue
		}
		for _, one := range r.terms {
			for _, value := range one.values {
				if alone := (term{one.key, one.purpose, one.publisher, []string{value}}); s.holds(kind, []term{alone}) {
					terms = append(terms, one.key+" "+value)
				}
			}
		}
	}
	if len(terms) == 0 {
		return ""
	}
	out := kind.String() + " " + strings.Join(terms, ", ")
	if from := s.from(kind); from != "" {
		out += " (" + from + ")"
	}
	return out
}

// GPCEvidence tells in which sections of GPP strings a page saw Global Privacy Control,
// "" where in none.
func GPCEvidence(all ...*Signals) string {
	var names []string
	for _, s := range all {
		if s != nil {
			if name := s.from(KindGPC); name != "" {
				names = append(names, name)
			}
		}
	}
	if len(names) == 0 {
		return ""
	}
	return "Gpc: 1 (" + strings.Join(names, "; ") + ")"
}

// from names the string that a kind of signal comes out of, as far as there is one.
func (s *Signals) from(kind Kind) string {
	var names []string
	by := func(cmp int, updated time.Time) {
		names = append(names, "CMP "+strconv.Itoa(cmp)+", last updated "+updated.UTC().Format(time.DateOnly))
	}
	if kind == KindTCF && s.TCF != nil {
		by(s.TCF.CmpId, s.TCF.LastUpdated)
	}
	if s.GPP == nil {
		return strings.Join(names, "; ")
	}
	for i := range s.GPP.Sections {
		section := &s.GPP.Sections[i]
		switch {
		case kind == KindTCF && section.TCFEU != nil:
			by(section.TCFEU.CmpId, section.TCFEU.LastUpdated)
		case kind == KindTCFCanada && section.TCFCA != nil:
			by(section.TCFCA.CmpId, section.TCFCA.LastUpdated)
		case kind == KindGPC:
			if set, _ := section.US.Gpc(); set {
				names = append(names, section.Name())
			}
		case kind == KindUS && section.US != nil, kind == KindUSP && section.USP != nil:
			names = append(names, section.Name())
		}
	}
	return strings.Join(names, "; ")
}
