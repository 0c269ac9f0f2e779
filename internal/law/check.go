package law

import (
	"errors"
	"slices"
	"strings"
	"time"

	"accord/internal/strict"
)

// contradictions refuses two rules of one regime that say different things about the
// same at the same time. Rules that ask for different facts (unless) are about
// different cases: of those the stricter counts.
func (s *source) contradictions(rules []*Rule) {
	for i, b := range rules {
		for _, a := range rules[:i] {
			from := a.From
			if b.From.After(from) {
				from = b.From
			}
			if a.Kind != b.Kind || a.Kind.ofUses() && a.Uses&b.Uses == 0 || !slices.Equal(a.Unless, b.Unless) || !a.InForce(from) || !b.InForce(from) || a.agrees(b) {
				continue
			}
			about := a.Kind.String()
			if a.Kind.ofUses() {
				about += " of " + (a.Uses & b.Uses).String()
			}
			s.FaultAt(b.Line, "this rule contradicts the one in line %d from %s on, about %s: here %s; there %s. Mend one, or end the older with until", a.Line, from.Format(time.DateOnly), about, strict.Quote(b.says()), strict.Quote(a.says()))
		}
	}
}

// agrees reports whether two rules of the same kind about the same say the same, as
// far as they speak of one thing.
func (r *Rule) agrees(o *Rule) bool {
	switch r.Kind {
	case Needs:
		return r.Need == o.Need
	case OwnConsentBelow, GuardianBelow, BarredBelow:
		return r.Age == o.Age
	case Show:
		if r.Word != o.Word {
			return true
		}
		for language, text := range r.Texts {
			if other, ok := o.Texts[language]; ok && other != text {
				return false
			}
		}
		return true
	case Deadline:
		return r.Word != o.Word || r.Within == o.Within && r.Extension == o.Extension
	case Retention:
		return r.Keep == o.Keep
	case Localisation:
		return r.Word == o.Word
	}
	return true // of what is owed and of signals there may be several
}

// claims refuses a place that two regimes govern of which neither names the other
// below beside.
func claims(regimes []*Regime) error {
	var faults []error
	for i, b := range regimes {
		for _, a := range regimes[:i] {
			if slices.Contains(a.beside, b.ID) || slices.Contains(b.beside, a.ID) {
				continue
			}
			for j, p := range b.Places {
				if k := slices.Index(a.Places, p); k >= 0 {
					faults = append(faults, claim(p, b, b.placeLines[j], a, a.placeLines[k]))
				}
			}
		}
	}
	return errors.Join(faults...)
}

// claim is the fault of a place that two regimes govern, in the file that the
// operator can mend.
func claim(p Place, r *Regime, line int, other *Regime, otherLine int) error {
	if r.File == EmbeddedFile(r.ID) {
		r, line, other, otherLine = other, otherLine, r, line
	}
	s := strict.New(r.File)
	s.FaultAt(line, "%s is governed by %s too (%s:%d): take it out of one, or write \"beside: [%s]\" where both laws count there", p, other.ID, other.File, otherLine, other.ID)
	return s.Err()
}

// together checks regimes that make one code. They are sorted by their ids.
func together(regimes []*Regime) (*Code, error) {
	slices.SortFunc(regimes, func(a, b *Regime) int { return strings.Compare(a.ID, b.ID) })
	if len(regimes) > MaxRegimes {
		last := regimes[MaxRegimes]
		s := strict.New(last.File)
		s.FaultAt(last.line, "there are more than %d regimes", MaxRegimes)
		return nil, s.Err()
	}
	if err := claims(regimes); err != nil {
		return nil, err
	}
	return newCode(regimes, nil), nil
}
