package signal

import (
	"time"

	"accord/internal/signal/tcf"
)

// What a string with a time may be as a whole. One that is too old, of another service,
// or without the segments that its time demands is neither.
const (
	stringValid  = "valid"
	stringFuture = "future"
	stringOther  = "other"
)

// validMonths is how long what a person said stands: TCF wants them asked again after 13
// months at the latest.
const validMonths = 13

// disclosed is since when a TC string must say which vendors were disclosed (TCF 2.3).
var disclosed = time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)

// day is the day of a string's time. The formats want whole days, so the hour, where
// there is one, is not believed.
func day(t time.Time) time.Time { return t.UTC().Truncate(24 * time.Hour) }

// valid returns what a string is that was last updated on a day and came at a time.
func valid(updated, at time.Time) string {
	switch updated = day(updated); {
	case at.IsZero():
		return stringOther
	case updated.After(at):
		return stringFuture
	case updated.Before(at.AddDate(0, -validMonths, 0)):
		return stringOther
	}
	return stringValid
}

func validTCF(s *tcf.String, at time.Time) string {
	if !s.IsServiceSpecific || s.DisclosedVendors == nil && !s.LastUpdated.Before(disclosed) {
		if v := valid(s.LastUpdated, at); v != stringValid {
			return v
		}
		return stringOther
	}
	return valid(s.LastUpdated, at)
}

// Dated returns the day on which the oldest of the strings that can say yes was last
// updated, the zero time where there is none: what they give was not said later.
func Dated(all ...*Signals) (oldest time.Time) {
	note := func(updated time.Time) {
		if updated = day(updated); oldest.IsZero() || updated.Before(oldest) {
			oldest = updated
		}
	}
	for _, s := range all {
		if s == nil {
			continue
		}
		if s.TCF != nil {
			note(s.TCF.LastUpdated)
		}
		if s.GPP == nil {
			continue
		}
		for i := range s.GPP.Sections {
			if section := &s.GPP.Sections[i]; section.TCFEU != nil {
				note(section.TCFEU.LastUpdated)
			} else if section.TCFCA != nil {
				note(section.TCFCA.LastUpdated)
			}
		}
	}
	return oldest
}
