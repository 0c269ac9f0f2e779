package law

import (
	"slices"
	"time"

	"accord/internal/declare"
)

// Lost returns what our rules of a regime narrow on the UTC day of a time and the
// code's, which an operator wrote in their place, do not: our rules, in the order of
// their file, each with those of its uses that are lost. It is empty for a regime whose
// rules are ours and for one that we have no rules of.
func (c *Code) Lost(regime string, on time.Time) (lost []Rule) {
	ours, theirs := rulesOf(Embedded(), regime, on), rulesOf(c, regime, on)
	for _, r := range ours {
		if r.Kind == Needs && r.Need == Nothing {
			continue
		}
		kept := func(u declare.Use) bool {
			return slices.ContainsFunc(theirs, func(o Rule) bool {
				return (!r.Kind.ofUses() || o.Uses.Has(u)) && o.asStrict(&r, on)
			})
		}
		if !r.Kind.ofUses() {
			if !kept(0) {
				lost = append(lost, r)
			}
			continue
		}
		var uses declare.Uses
		for u := range declare.Use(declare.NumUses) {
			if r.Uses.Has(u) && !kept(u) {
				uses = uses.With(u)
			}
		}
		if r.Uses = uses; uses != 0 {
			lost = append(lost, r)
		}
	}
	return lost
}

// rulesOf returns the rules of a regime that are in force.
func rulesOf(c *Code, regime string, on time.Time) []Rule {
	in, _ := c.Regime(regime)
	return slices.DeleteFunc(c.Rules(in), func(r Rule) bool { return !r.InForce(on) })
}

// asStrict reports whether r narrows at least what o does, for every operator for whom
// o counts. Of a text that must be shown the code decides, not the words.
func (r *Rule) asStrict(o *Rule, on time.Time) bool {
	for _, fact := range r.Unless {
		if !slices.Contains(o.Unless, fact) {
			return false
		}
	}
	if r.Kind == BarredBelow && (o.Kind == OwnConsentBelow || o.Kind == GuardianBelow) {
		return r.Age >= o.Age
	}
	if r.Kind != o.Kind {
		return false
	}
	switch r.Kind {
	case Needs:
		return r.Need >= o.Need
	case OwnConsentBelow, GuardianBelow, BarredBelow:
		return r.Age >= o.Age
	case Retention:
		return !r.Keep.Longer(o.Keep)
	case Deadline:
		by, others := r.Within.After(on), o.Within.After(on)
		return r.Word == o.Word && !by.After(others) && !r.Extension.After(by).After(o.Extension.After(others))
	}
	return r.Word == o.Word
}
