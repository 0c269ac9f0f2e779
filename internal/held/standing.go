package held

import (
	"time"

	"accord/internal/consent"
	"accord/internal/declare"
	"accord/internal/event"
	"accord/internal/identity"
)

// standing is what a token's choices say at one moment.
type standing struct {
	presents []consent.Present
	holding  declare.Set
	grants   []consent.Grant // by purpose; zero where the gate denies
	now      time.Time
}

func (r *Reader) standing(t identity.Token, now time.Time) standing {
	s := standing{holding: r.book.Holding(t, now), grants: make([]consent.Grant, len(r.declaration.Purposes)), now: now}
	s.presents, _ = r.book.Presents(t)
	for i := range s.grants {
		s.grants[i], _ = r.gate.Ask(t, declare.PurposeIndex(i), consent.Where{}, now)
	}
	return s
}

// uses returns the purposes that may use a field of a record now.
func (s *standing) uses(c *declare.Class, r *event.Record, at int64, field declare.NameID) (set declare.Set) {
	for i := range s.grants {
		if g := &s.grants[i]; g.Covers(c, r.Mask, r.Choice, at) && !g.Hides(field) {
			set = set.With(declare.PurposeIndex(i))
		}
	}
	return set
}

// passes is how often package choices destroys what has run out.
const passes = 24 * time.Hour

// until returns when the last purpose of a class ends, and its key with it; zero
// where one has no end. It goes by what package choices destroys.
func (s *standing) until(c *declare.Class) (last time.Time) {
	over := false
	for i := range s.presents {
		purpose, p := declare.PurposeIndex(i), &s.presents[i]
		waits := p.Suspended || p.Child || p.State == consent.Given
		switch {
		case !c.Purposes.Has(purpose):
		case p.Over(s.now):
			over = true
		case !s.holding.Has(purpose) && !waits:
		case p.Until == 0:
			return time.Time{}
		default:
			if t := time.UnixMilli(p.Until).UTC(); t.After(last) {
				last = t
			}
		}
	}
	if over && last.IsZero() {
		return s.now.Add(passes).UTC() // it has run out and waits to be destroyed
	}
	return last
}
