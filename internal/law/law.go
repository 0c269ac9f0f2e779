// Package law holds what the law of each place makes of a use of personal data:
// dated rules with their sources, in files that a person who is no programmer can
// read and mend (rules/*.yaml; docs/law.md says how).
//
// A [Code] is all rules, of every date. [Code.On] gives the [Table] of the rules
// that are in force on a day. A place is one or several [Regimes]; who is nowhere
// known is in all of them, so that the strictest counts. Law only narrows what a
// declaration allows: what no rule speaks of is as the declaration says.
//
//	code := law.Embedded() // or law.Load(os.DirFS("law")), with the operator's own files
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
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"accord/internal/strict"
)

// Limits of a Code.
const (
	// MaxRegimes is how many regimes there may be: Regimes is 64 bits.
	MaxRegimes = 64
	// MaxRules is how many rules one file may have.
	MaxRules = 500
)

// Place is where a person is for the law, as ISO 3166 spells it: a country (DE) or
// a part of one (US-CA). "" is unknown.
type Place string

// Valid reports whether a place has the form of ISO 3166, in capital letters. It knows
// the form, not the list.
func (p Place) Valid() bool { return isPlace([]byte(p)) }

// Regimes is a set of regimes of one Code, a bit each.
type Regimes uint64

// Regime is one law, or all that a place has of them: one file of rules.
type Regime struct {
	ID     string // the name of its file, such as "us-ca"
	Name   string // for people
	Places []Place
	File   string // where its rules come from

	beside     []string // regimes with which it shares places
	rules      []*Rule  // in the order of the file
	line       int      // of the key regime
	placeLines []int
}

// Own reports whether the regime's rules are an operator's and not ours.
func (r *Regime) Own() bool { return r.File != EmbeddedFile(r.ID) }

// Code is all rules of all regimes, of every date. It does not change.
type Code struct {
	regimes []*Regime // sorted by ID; bit i of Regimes is regimes[i]
	places  map[Place]Regimes
	given   []string // facts that the operator answers for
	days    []time.Time
	tables  []func() *Table // tables[i] holds from days[i-1] until days[i]
}

// newCode puts regimes that were read and checked together, less the rules that do
// not apply since a fact is given.
func newCode(regimes []*Regime, given []string) *Code {
	c := &Code{regimes: regimes, places: map[Place]Regimes{}, given: given}
	for i, r := range regimes {
		for _, p := range r.Places {
			c.places[p] |= 1 << i
		}
		for _, rule := range r.rules {
			c.days = append(c.days, rule.From)
			if !rule.Until.IsZero() {
				c.days = append(c.days, rule.Until)
			}
		}
	}
	slices.SortFunc(c.days, time.Time.Compare)
	c.days = slices.CompactFunc(c.days, time.Time.Equal)
	for i := range len(c.days) + 1 {
		c.tables = append(c.tables, sync.OnceValue(func() *Table { return c.table(i) }))
	}
	return c
}

// On returns the rules that are in force on the UTC day of a time. The table is
// made once and shared.
func (c *Code) On(at time.Time) *Table {
	i, _ := slices.BinarySearchFunc(c.days, at, func(day, at time.Time) int {
		if day.After(at) {
			return 1
		}
		return -1
	})
	return c.tables[i]()
}

// Regimes returns all regimes, sorted by their ids.
func (c *Code) Regimes() []Regime {
	out := make([]Regime, len(c.regimes))
	for i, r := range c.regimes {
		out[i] = *r
	}
	return out
}

// All returns the set of all regimes: what counts for a person of whom no place is
// known.
func (c *Code) All() Regimes {
	return 1<<len(c.regimes) - 1
}

// Regime returns the set of one regime, and false if there is none with that id.
func (c *Code) Regime(id string) (Regimes, bool) {
	i := slices.IndexFunc(c.regimes, func(r *Regime) bool { return r.ID == id })
	if i < 0 {
		return 0, false
	}
	return 1 << i, true
}

// Names returns the ids of a set's regimes, sorted.
func (c *Code) Names(in Regimes) (ids []string) {
	for i, r := range c.regimes {
		if in>>i&1 == 1 {
			ids = append(ids, r.ID)
		}
	}
	return ids
}

// In returns the regimes that govern a place: those of the country and those of the
// part. A place that is unknown, malformed or governed by none is in all of them. It
// does not allocate.
func (c *Code) In(place Place) Regimes {
	if in := c.governing(place); in != 0 {
		return in
	}
	return c.All()
}

// governing is In without the strictest: no regime for a place that has none. Small
// letters are as good as capitals.
func (c *Code) governing(place Place) Regimes {
	var spelled [maxPlace]byte
	if len(place) > maxPlace {
		return 0
	}
	for i := range len(place) {
		spelled[i] = place[i]
		if b := place[i]; 'a' <= b && b <= 'z' {
			spelled[i] = b - 'a' + 'A'
		}
	}
	whole := spelled[:len(place)]
	if !isPlace(whole) {
		return 0
	}
	return c.places[Place(whole)] | c.places[Place(whole[:2])]
}

// Rules returns every rule of some regimes, of every date, in the order of the
// regimes and of their files.
func (c *Code) Rules(in Regimes) (out []Rule) {
	for i, r := range c.regimes {
		if in>>i&1 == 1 {
			for _, rule := range r.rules {
				out = append(out, *rule)
			}
		}
	}
	return out
}

// Facts returns what an operator may state of itself by [Code.Given], sorted: the
// words that stand below unless in the rules.
func (c *Code) Facts() (facts []string) {
	for _, r := range c.regimes {
		for _, rule := range r.rules {
			facts = append(facts, rule.Unless...)
		}
	}
	slices.Sort(facts)
	return slices.Compact(facts)
}

// Given returns the code for an operator who answers for some facts, such as that it
// sells no food: rules that do not apply then are not in its tables. The regimes'
// bits stay. A fact that no rule asks for is an error, since it would do nothing.
func (c *Code) Given(facts ...string) (*Code, error) {
	known := c.Facts()
	for _, f := range facts {
		if !slices.Contains(known, f) {
			return nil, fmt.Errorf("no rule of law asks whether %s; what can be stated: %s", strict.Quote(f), strings.Join(known, ", "))
		}
	}
	return newCode(c.regimes, facts), nil
}

// maxPlace is the length of the longest place, such as US-CA or GB-ENG.
const maxPlace = 6

// isPlace reports whether b is a country of ISO 3166-1, in two capital letters, or a
// part of one of ISO 3166-2, behind a hyphen. It knows their form, not their list.
func isPlace(b []byte) bool {
	upper := func(c byte) bool { return 'A' <= c && c <= 'Z' }
	if len(b) != 2 && (len(b) < 4 || len(b) > maxPlace || b[2] != '-') || !upper(b[0]) || !upper(b[1]) {
		return false
	}
	for _, c := range b[min(3, len(b)):] {
		if !upper(c) && (c < '0' || c > '9') {
			return false
		}
	}
	return true
}
