package law

import (
	"errors"
	"strconv"
	"strings"
	"time"

	"accord/internal/declare"
)

// Span is the length of a deadline as laws count it: so many of one unit. The zero
// Span is no time at all: at once.
type Span struct {
	Count int
	Unit  Unit
}

// Unit is what a Span counts.
type Unit uint8

// The units.
const (
	Hours Unit = iota
	Days
	WorkingDays // Monday to Friday: holidays are not known, so a deadline may come early and never late
	Months
)

var unitWords = []string{"hour", "day", "working day", "month"}

// maxSpan is the largest count of a unit.
const maxSpan = 1000

const atOnce = "at once"

var errSpan = errors.New(`a deadline is "at once", or a number with a unit: "72 hours", "45 days", "15 working days" or "1 month"`)

// ParseSpan reads what String wrote.
func ParseSpan(s string) (Span, error) {
	if s == atOnce {
		return Span{}, nil
	}
	number, unit, _ := strings.Cut(s, " ")
	n, err := strconv.Atoi(number)
	if err != nil || n < 1 || n > maxSpan || strconv.Itoa(n) != number {
		return Span{}, errSpan
	}
	for u, word := range unitWords {
		if unit == word || unit == word+"s" {
			return Span{n, Unit(u)}, nil
		}
	}
	return Span{}, errSpan
}

// IsZero reports whether s is no time at all.
func (s Span) IsZero() bool { return s.Count == 0 }

// String returns "at once", or the number and the unit, such as "15 working days".
func (s Span) String() string {
	switch {
	case s.IsZero():
		return atOnce
	case s.Count == 1:
		return "1 " + unitWords[s.Unit]
	}
	return strconv.Itoa(s.Count) + " " + unitWords[s.Unit] + "s"
}

func (s Span) within() string {
	if s.IsZero() {
		return atOnce
	}
	return "within " + s.String()
}

// After returns the end of the span that begins at t, in UTC.
func (s Span) After(t time.Time) time.Time {
	t = t.UTC()
	switch s.Unit {
	case Hours:
		return t.Add(time.Duration(s.Count) * time.Hour)
	case Days:
		return t.AddDate(0, 0, s.Count)
	case Months:
		return declare.Period{Months: s.Count}.After(t)
	}
	for left := s.Count; left > 0; {
		t = t.AddDate(0, 0, 1)
		if day := t.Weekday(); day != time.Saturday && day != time.Sunday {
			left--
		}
	}
	return t
}
