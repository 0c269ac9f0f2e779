package declare

import (
	"errors"
	"strconv"
	"strings"
	"time"
)

// Period is a length of time as the declaration writes it: "13 months",
// "10 years", "30 days". The zero Period is no limit where one is optional.
type Period struct {
	Months int
	Days   int
}

// maxPeriodMonths bounds a period: nothing is kept for more than a century, and
// no sum of times can overflow.
const maxPeriodMonths = 100 * 12

var errPeriod = errors.New(`a period is a number and a unit, such as "13 months", "6 years" or "30 days", from 1 day to 100 years`)

// ParsePeriod reads a period: one or more pairs of a number and a unit, the
// longest unit first ("2 years", "1 year 6 months", "2 weeks"). The units are
// years, months, weeks and days, each at most once.
func ParsePeriod(s string) (Period, error) {
	words := strings.Fields(s)
	if len(words) == 0 || len(words)%2 != 0 || len(words) > 8 {
		return Period{}, errPeriod
	}
	var p Period
	last := -1
	for i := 0; i < len(words); i += 2 {
		// At most five digits, and none of the signs and underscores that
		// strconv would take.
		if len(words[i]) > 5 || strings.Trim(words[i], "0123456789") != "" {
			return Period{}, errPeriod
		}
		n, err := strconv.Atoi(words[i])
		if err != nil {
			return Period{}, errPeriod
		}
		unit := unitOf(words[i+1])
		if unit <= last {
			return Period{}, errPeriod
		}
		last = unit
		switch unit {
		case years:
			p.Months += 12 * n
		case months:
			p.Months += n
		case weeks:
			p.Days += 7 * n
		case days:
			p.Days += n
		}
	}
	if p.IsZero() || p.Months > maxPeriodMonths || p.Days > maxPeriodMonths*30 {
		return Period{}, errPeriod
	}
	return p, nil
}

const (
	years = iota
	months
	weeks
	days
)

func unitOf(word string) int {
	switch word {
	case "year", "years":
		return years
	case "month", "months":
		return months
	case "week", "weeks":
		return weeks
	case "day", "days":
		return days
	}
	return -1
}

// IsZero reports whether p is no period.
func (p Period) IsZero() bool { return p == Period{} }

// String returns the period in the words that ParsePeriod reads, in whole years
// where it is some, and "" for the zero Period.
func (p Period) String() string {
	var parts []string
	switch {
	case p.Months != 0 && p.Months%12 == 0:
		parts = append(parts, count(p.Months/12, "year"))
	case p.Months != 0:
		parts = append(parts, count(p.Months, "month"))
	}
	if p.Days != 0 {
		parts = append(parts, count(p.Days, "day"))
	}
	return strings.Join(parts, " ")
}

// ISO returns the period as a duration of ISO 8601 and XML Schema, such as P2Y, and
// "" for the zero Period.
func (p Period) ISO() string {
	if p.IsZero() {
		return ""
	}
	out := "P"
	for _, part := range []struct {
		n    int
		unit string
	}{{p.Months / 12, "Y"}, {p.Months % 12, "M"}, {p.Days, "D"}} {
		if part.n != 0 {
			out += strconv.Itoa(part.n) + part.unit
		}
	}
	return out
}

func count(n int, unit string) string {
	if n == 1 {
		return "1 " + unit
	}
	return strconv.Itoa(n) + " " + unit + "s"
}

// MarshalText returns String.
func (p Period) MarshalText() ([]byte, error) { return []byte(p.String()), nil }

// UnmarshalText reads what MarshalText wrote.
func (p *Period) UnmarshalText(b []byte) (err error) {
	if *p = (Period{}); len(b) == 0 {
		return nil
	}
	*p, err = ParsePeriod(string(b))
	return err
}

// Longer reports whether p is longer than q, a month counted as the mean of a
// calendar's; of two zero Periods, which mean no limit, neither is, and no limit
// is longer than any.
func (p Period) Longer(q Period) bool {
	if p.IsZero() || q.IsZero() {
		return p.IsZero() && !q.IsZero()
	}
	hours := func(p Period) int { return p.Months*730 + p.Months/2 + p.Days*24 } // 730.5 a month
	return hours(p) > hours(q)
}

// Duration returns how long the period is from t's day on (UTC), which is the same
// all that day: what a store with durations keeps by. Nothing that came on the day
// leaves before After says.
func (p Period) Duration(t time.Time) time.Duration {
	day := t.UTC().Truncate(24 * time.Hour)
	return p.After(day).Sub(day)
}

// Before returns t less the period, in t's own zone.
func (p Period) Before(t time.Time) time.Time { return t.AddDate(0, -p.Months, -p.Days) }

// After returns t plus the period in t's own zone. A month that lacks the day
// ends on its last day.
func (p Period) After(t time.Time) time.Time {
	y, m, d := t.Date()
	first := time.Date(y, m+time.Month(p.Months), 1, t.Hour(), t.Minute(), t.Second(), t.Nanosecond(), t.Location())
	last := first.AddDate(0, 1, -1).Day()
	return first.AddDate(0, 0, min(d, last)-1+p.Days)
}
