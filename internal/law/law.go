// Package law holds what the law of each place makes of a use of personal data:
// dated rules with their sources, in files that a person who is no programmer can
// read and mend.
//
// A [Code] is all rules, of every date. [Code.On] gives the [Table] of the rules
// that are in force on a day. A place is one or several [Regimes]; who is nowhere
// known is in all of them, so that the strictest counts. Law only narrows what a
// declaration allows: what no rule speaks of is as the declaration says.
//
//	code := law.Embedded()
//	table := code.On(now)
//	in := table.Regimes("US-CA") // table.All() where nobody knows
//	limit := table.Limit(purpose.Uses)
//	if limit.Consent&in != 0 { … only a consent will do … }
//
// Promises kept here: 1 (law only narrows), 9 (where a personal price is forbidden
// or must be disclosed).
//
// Non-goals: what a person chose (package consent), what a browser's signal says
// (package signal), legal advice.
package law

import (
	"time"

	"accord/internal/declare"
)

// Place is where a person is for the law, as ISO 3166 spells it: a country (DE) or
// a part of one (US-CA). "" is unknown.
type Place string

// Regimes is a set of regimes of one Code, a bit each.
type Regimes uint64

// Limit is what the regimes of a Table make of a purpose, by its uses. A regime
// stands in a set if a rule of it says so for one of the uses at least.
type Limit struct {
	Objection Regimes // the person must be able to object: no use without that
	Consent   Regimes // only with the person's consent
	Never     Regimes // not at all
	// By the youngest age of a person's band, in years: below the age the set's
	// regimes need a consent of their own, a guardian's consent, or forbid it.
	Young, Guardian, Barred []Below
	// Review and General are owed where the set's regimes are: a human who looks
	// again, and a way without personal data.
	Review, General Regimes
}

// Below is a rule for everybody younger than an age.
type Below struct {
	Age     int
	Regimes Regimes
}

// Table is the rules in force from From until Until. It does not change.
type Table struct {
	From, Until time.Time // [From, Until); a zero Until is for ever
	// and its rules
}

// Limit returns what the rules make of some uses.
func (t *Table) Limit(uses declare.Uses) Limit { panic("not yet") }

// Code is all rules.
type Code struct{}

// On returns the rules in force at a time.
func (c *Code) On(t time.Time) *Table { panic("not yet") }

// Regimes returns the regimes of a place.
func (c *Code) Regimes(p Place) Regimes { panic("not yet") }

// All returns all regimes.
func (c *Code) All() Regimes { panic("not yet") }
