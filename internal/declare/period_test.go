package declare

import (
	"encoding/json"
	"errors"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestParsePeriod(t *testing.T) {
	for text, want := range map[string]Period{
		"13 months": {Months: 13}, "1 month": {Months: 1}, "6 years": {Months: 72}, "1 year 6 months": {Months: 18},
		"30 days": {Days: 30}, "2 weeks": {Days: 14}, "2 weeks 1 day": {Days: 15}, "100 years": {Months: 1200}, " 1   day ": {Days: 1},
	} {
		if got, err := ParsePeriod(text); err != nil || got != want {
			t.Errorf("%q is %v, %v", text, got, err)
		}
	}
	for _, text := range []string{
		"", "months", "13", "13 moons", "-1 days", "+1 days", "1_0 days", "0 days", "0 months", "101 years", "100 years 1 month", "1 day 1 year",
		"1 day 1 day", "1 days 2 days", "9999999999999999999 days", "99999 days", "1.5 years", "1 year 1 month 1 week 1 day 1 day", "١ day", "1 day,",
	} {
		if got, err := ParsePeriod(text); err == nil {
			t.Errorf("%q was taken as %v", text, got)
		}
	}
}

func TestPeriodStringComesBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := Period{Months: rapid.IntRange(0, maxPeriodMonths).Draw(t, "months"), Days: rapid.IntRange(0, maxPeriodMonths*30).Draw(t, "days")}
		if p.IsZero() {
			return
		}
		if got, err := ParsePeriod(p.String()); err != nil || got != p {
			t.Fatalf("%v became %q and %v, %v", p, p.String(), got, err)
		}
	})
}

// TestDurationIsExact: a store that keeps by durations drops on the day on which
// the calendar does, never before and never on a later one.
func TestDurationIsExact(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := Period{Months: rapid.IntRange(0, maxPeriodMonths).Draw(t, "months"), Days: rapid.IntRange(0, maxPeriodMonths*30).Draw(t, "days")}
		from := time.Unix(rapid.Int64Range(0, 4e9).Draw(t, "from"), 0).UTC()
		if got, want := from.Add(p.Duration(from)), p.After(from); !got.Equal(want) {
			t.Fatalf("%v from %v ends %v, want %v", p, from, got, want)
		}
		// Day by day: the last ones of a month may all end on the last of a shorter
		// one, each at its own hour.
		day := from.Truncate(24 * time.Hour)
		if p.After(day.AddDate(0, 0, 1)).Before(p.After(day)) {
			t.Fatalf("%v: what came a day later ends sooner", p)
		}
	})
}

func TestAfterEndsOnTheLastDayOfAShortMonth(t *testing.T) {
	day := func(s string) time.Time {
		d, err := time.Parse(time.DateOnly, s)
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	for _, c := range []struct {
		from string
		p    Period
		want string
	}{
		{"2026-01-31", Period{Months: 1}, "2026-02-28"},
		{"2028-01-31", Period{Months: 1}, "2028-02-29"},
		{"2028-02-29", Period{Months: 12}, "2029-02-28"},
		{"2026-12-31", Period{Months: 2, Days: 1}, "2027-03-01"},
		{"2026-11-23", Period{Days: 30}, "2026-12-23"},
	} {
		if got := c.p.After(day(c.from)); !got.Equal(day(c.want)) {
			t.Errorf("%s and %v is %v, want %s", c.from, c.p, got, c.want)
		}
	}
}

func TestWordsComeBack(t *testing.T) {
	for b := Consent; b <= OptOut; b++ {
		if got, ok := ParseBasis(b.String()); !ok || got != b {
			t.Errorf("%v came back as %v", b, got)
		}
	}
	for _, bad := range []string{"", "Consent", "unknown"} {
		if _, ok := ParseBasis(bad); ok {
			t.Errorf("%q was taken for a basis", bad)
		}
	}
	if text, err := json.Marshal(LegalObligation); err != nil || string(text) != `"legal_obligation"` {
		t.Errorf("%s, %v", text, err)
	}
	if Basis(99).String() != "unknown" || NoAction.String() != "" || Like.String() != "like" || Money.String() != "money" || Special.String() != "special" || ReceiptBefore.String() != "before" {
		t.Error("a word is wrong")
	}
}

func TestPeriodLonger(t *testing.T) {
	for _, c := range []struct {
		p, q string
		want bool
	}{
		{"13 months", "1 year", true}, {"1 year", "13 months", false}, {"1 year", "12 months", false},
		{"1 year", "365 days", true}, {"366 days", "1 year", true}, {"8 days", "1 week", true},
		{"", "100 years", true}, {"100 years", "", false}, {"", "", false},
	} {
		var p, q Period
		if err := errors.Join(p.UnmarshalText([]byte(c.p)), q.UnmarshalText([]byte(c.q))); err != nil {
			t.Fatal(err)
		}
		if p.Longer(q) != c.want {
			t.Errorf("%q longer than %q: %v", c.p, c.q, !c.want)
		}
	}
	if new(Period).UnmarshalText([]byte("soon")) == nil {
		t.Error("soon is a period")
	}
}

func TestPeriodISO(t *testing.T) {
	for words, want := range map[string]string{"": "", "2 years": "P2Y", "13 months": "P1Y1M", "30 days": "P30D", "1 year 2 weeks": "P1Y14D"} {
		var p Period
		if err := p.UnmarshalText([]byte(words)); err != nil || p.ISO() != want {
			t.Errorf("%q is %q, %v; want %q", words, p.ISO(), err, want)
		}
	}
}
