package law

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"accord/internal/declare"
)

// The questions that the cells of the table of laws answer, each as a word or two.
type question func(t *Table, in Regimes) string

func needs(u declare.Use) question {
	return func(t *Table, in Regimes) string { return need(t.Limit(uses(u)), in).String() }
}

func ages(u declare.Use) question {
	return func(t *Table, in Regimes) string {
		l := t.Limit(uses(u))
		return fmt.Sprintf("own %d guardian %d barred %d", youngest(l.Young, in), youngest(l.Guardian, in), youngest(l.Barred, in))
	}
}

// within asks for a deadline's regular and last day, from Monday 2026-03-02 on.
func within(words ...string) question {
	asked := time.Date(2026, 3, 2, 0, 0, 0, 0, time.UTC)
	return func(t *Table, in Regimes) string {
		var all []string
		for _, word := range words {
			d, ok := t.Deadline(word, in, asked)
			s := "none"
			if ok {
				s = fmt.Sprint(d.By.Sub(asked).Hours())
				if !d.Latest.Equal(d.By) {
					s += fmt.Sprint(" to ", d.Latest.Sub(asked).Hours())
				}
			}
			if !slices.Contains(all, s) {
				all = append(all, s)
			}
		}
		return strings.Join(all, " / ")
	}
}

func gpc(t *Table, in Regimes) string {
	return fmt.Sprint(t.Signal(GPC, uses(declare.Sale))&in != 0)
}

func shows(u declare.Use) question {
	return func(t *Table, in Regimes) string {
		var codes []string
		for _, o := range t.Shows(uses(u), in) {
			codes = append(codes, o.Code)
		}
		return strings.Join(codes, " ")
	}
}

func owed(u declare.Use) question {
	return func(t *Table, in Regimes) string { return strings.Join(t.Owed(uses(u), in), " ") }
}

// cell is one cell of the table of laws: what is asked in a place, the first day on
// which it holds, and the answer on the day before, on that day and a year later.
type cell struct {
	name, place        string
	ask                question
	from               string
	before, then, next string
}

const (
	rights  = "744"          // one month after March 2, in hours
	longest = "744 to 2208"  // and two more
	us      = "1080 to 2160" // 45 days, and 45 more
)

func cells() []cell {
	all := []cell{
		// EU
		{"EU, marketing by a profile", "FR", needs(declare.Personalization), "2018-05-25", "nothing", "consent", "consent"},
		{"EU, sale", "FR", needs(declare.Sale), "2018-05-25", "nothing", "consent", "consent"},
		{"EU, advertising", "FR", needs(declare.TargetedAdvertising), "2011-05-25", "nothing", "consent", "consent"},
		{"EU, messages", "FR", needs(declare.DirectMarketing), "2003-10-31", "nothing", "consent", "consent"},
		{"EU, an objection acts at once", "FR", within(OptOut), "2018-05-25", "none", "0", "0"},
		{"EU, child", "FR", ages(declare.Personalization), "2018-05-25", "own 0 guardian 0 barred 0", "own 0 guardian 16 barred 0", "own 0 guardian 16 barred 0"},
		{"EU, access and erasure", "FR", within(Access, Erasure), "2018-05-25", "none", longest, longest},
		{"EU, breach", "FR", within(BreachAuthority), "2018-05-25", "none", "72", "72"},
		{"EU, automated decisions", "FR", owed(declare.AutomatedDecision), "2018-05-25", "", "factors human_review", "factors human_review"},
		{"EU, personal price", "FR", shows(declare.PersonalPrice), "2022-05-28", "", "personal_price", "personal_price"},
		// UK
		{"UK, marketing by a profile", "GB", needs(declare.Personalization), "2021-01-01", "nothing", "consent", "consent"},
		{"UK, low-risk cookies", "GB", needs(declare.Analytics), "2026-02-05", "consent", "objection", "objection"},
		{"UK, child", "GB", ages(declare.Personalization), "2018-05-25", "own 0 guardian 0 barred 0", "own 0 guardian 13 barred 0", "own 0 guardian 13 barred 0"},
		{"UK, access and erasure", "GB", within(Access, Erasure), "2021-01-01", "none", longest, longest},
		{"UK, breach", "GB", within(BreachAuthority), "2021-01-01", "none", "72", "72"},
		// California
		{"California, sale", "US-CA", needs(declare.Sale), "2020-01-01", "nothing", "objection", "objection"},
		{"California, sharing", "US-CA", needs(declare.TargetedAdvertising), "2023-01-01", "nothing", "objection", "objection"},
		{"California, GPC", "US-CA", gpc, "2023-01-01", "false", "true", "true"},
		{"California, that it is honoured", "US-CA", shows(declare.Sale), "2026-01-01", "", "opt_out_honored", "opt_out_honored"},
		{"California, child", "US-CA", ages(declare.Sale), "2020-01-01", "own 0 guardian 0 barred 0", "own 16 guardian 13 barred 0", "own 16 guardian 13 barred 0"},
		{"California, access and erasure", "US-CA", within(Access, Erasure), "2020-01-01", "none", us, us},
		{"California, opt-out", "US-CA", within(OptOut), "2020-08-14", "none", "504", "504"},
		{"California, breach", "US-CA", within(BreachPerson), "2026-01-01", "none", "720", "720"},
		// India
		{"India, uses", "IN", needs(declare.Personalization), "2027-05-13", "nothing", "consent", "consent"},
		{"India, child, tracking", "IN", ages(declare.TargetedAdvertising), "2027-05-13", "own 0 guardian 0 barred 0", "own 0 guardian 18 barred 18", "own 0 guardian 18 barred 18"},
		{"India, child, anything", "IN", ages(declare.ModelTraining), "2027-05-13", "own 0 guardian 0 barred 0", "own 0 guardian 18 barred 0", "own 0 guardian 18 barred 0"},
		{"India, access and erasure", "IN", within(Access, Erasure), "2027-05-13", "none", "2160", "2160"},
		{"India, breach", "IN", within(BreachPerson, BreachAuthority), "2027-05-13", "none", "0 / 72", "0 / 72"},
		// Brazil
		{"Brazil, uses", "BR", needs(declare.Personalization), "2020-09-18", "nothing", "objection", "objection"},
		{"Brazil, child", "BR", ages(declare.Personalization), "2020-09-18", "own 0 guardian 0 barred 0", "own 0 guardian 12 barred 0", "own 0 guardian 12 barred 0"},
		{"Brazil, advertising to minors", "BR", ages(declare.TargetedAdvertising), "2026-03-17", "own 0 guardian 12 barred 0", "own 0 guardian 12 barred 18", "own 0 guardian 12 barred 18"},
		{"Brazil, access and erasure", "BR", within(Access, Erasure), "2020-09-18", "none", "360", "360"},
		{"Brazil, breach", "BR", within(BreachAuthority, BreachPerson), "2024-04-26", "none", "72", "72"},
		// Quebec
		{"Quebec, profiling", "CA-QC", needs(declare.Personalization), "2023-09-22", "nothing", "consent", "consent"},
		{"Quebec, inform first", "CA-QC", shows(declare.Personalization), "2023-09-22", "", "profiling", "profiling"},
		{"Quebec, child", "CA-QC", ages(declare.Personalization), "2023-09-22", "own 0 guardian 0 barred 0", "own 0 guardian 14 barred 0", "own 0 guardian 14 barred 0"},
		{"Quebec, access and erasure", "CA-QC", within(Access, Erasure), "2023-09-22", "none", "720", "720"},
		{"Quebec, breach", "CA-QC", within(BreachAuthority), "2022-09-22", "none", "0", "0"},
		{"Quebec, decisions", "CA-QC", owed(declare.AutomatedDecision), "2023-09-22", "", "factors human_review", "factors human_review"},
		{"Quebec, decisions are told", "CA-QC", shows(declare.AutomatedDecision), "2023-09-22", "", "automated_decision", "automated_decision"},
		// China
		{"China, easy refusal", "CN", needs(declare.Personalization), "2021-11-01", "nothing", "objection", "objection"},
		{"China, a way without a profile", "CN", owed(declare.Personalization), "2021-11-01", "", "general_option", "general_option"},
		{"China, child", "CN", ages(declare.Personalization), "2021-11-01", "own 0 guardian 0 barred 0", "own 0 guardian 14 barred 0", "own 0 guardian 14 barred 0"},
		{"China, access and erasure", "CN", within(Access, Erasure), "2021-11-01", "none", "504", "504"},
		{"China, breach", "CN", within(BreachAuthority), "2021-11-01", "none", "0", "0"},
		{"China, personal price", "CN", needs(declare.PersonalPrice), "2021-11-01", "nothing", "never", "never"},
		// Russia
		{"Russia, advertising", "RU", needs(declare.DirectMarketing), "2007-01-26", "nothing", "consent", "consent"},
		{"Russia, a separate document", "RU", owed(declare.DirectMarketing), "2025-09-01", "", "separate_consent", "separate_consent"},
		{"Russia, data stays", "RU", func(t *Table, _ Regimes) string {
			var s string
			for _, r := range t.Localisation("RU") {
				s += r.Word
			}
			return s
		}, "2015-09-01", "", "RU", "RU"},
		{"Russia, child", "RU", ages(declare.DirectMarketing), "2007-01-26", "own 0 guardian 0 barred 0", "own 0 guardian 18 barred 0", "own 0 guardian 18 barred 0"},
		{"Russia, access", "RU", within(Access), "2022-09-01", "none", "336 to 504", "336 to 504"},
		{"Russia, erasure", "RU", within(Erasure), "2011-07-27", "none", "720", "720"},
		{"Russia, breach", "RU", within(BreachAuthority), "2022-09-01", "none", "24", "24"},
		// Prices of states
		{"New York, price", "US-NY", shows(declare.PersonalPrice), "2025-11-10", "", "algorithmic_price", "algorithmic_price"},
		{"Maryland, food prices", "US-MD", needs(declare.PersonalPrice), "2026-10-01", "nothing", "never", "never"},
		// States whose law is about some businesses or some data
		{"Florida, opt-out", "US-FL", needs(declare.Sale), "2024-07-01", "nothing", "objection", "objection"},
		{"Florida, sensitive data", "US-FL", needs(declare.SensitiveData), "2024-07-01", "nothing", "consent", "consent"},
		{"Florida, child", "US-FL", ages(declare.Sale), "2024-07-01", "own 0 guardian 0 barred 0", "own 18 guardian 13 barred 0", "own 18 guardian 13 barred 0"},
		{"Florida, rights", "US-FL", within(Access, Correction, Erasure, OptOut), "2024-07-01", "none", "1080 to 1440", "1080 to 1440"},
		{"Florida, breach", "US-FL", within(BreachPerson, BreachAuthority), "2014-07-01", "none", "720", "720"},
		{"Nevada, sale", "US-NV", needs(declare.Sale), "2019-10-01", "nothing", "objection", "objection"},
		{"Nevada, opt-out", "US-NV", within(OptOut), "2019-10-01", "none", "1440 to 2160", "1440 to 2160"},
		{"Nevada, health", "US-NV", needs(declare.SensitiveData), "2024-03-31", "nothing", "consent", "consent"},
		{"Nevada, access and erasure", "US-NV", within(Access, Erasure), "2024-03-31", "none", us + " / 720", us + " / 720"},
		{"Washington, health", "US-WA", needs(declare.SensitiveData), "2024-03-31", "nothing", "consent", "consent"},
		{"Washington, access and erasure", "US-WA", within(Access, Erasure), "2024-03-31", "none", us, us},
		{"Washington, breach", "US-WA", within(BreachPerson, BreachAuthority), "2020-03-01", "none", "720", "720"},
		{"Utah, correction", "US-UT", within(Correction), "2026-07-01", "none", us, us},
	}
	// The states whose law binds to GPC, and since when it is in force at all.
	for _, s := range []struct{ place, law, signal, before, child string }{
		{"US-CO", "2023-07-01", "2024-07-01", "own 0 guardian 0 barred 0", "own 0 guardian 13 barred 0"},
		{"US-CT", "2023-07-01", "2025-01-01", "own 0 guardian 0 barred 0", "own 16 guardian 13 barred 0"},
		{"US-DE", "2025-01-01", "2026-01-01", "own 0 guardian 0 barred 0", "own 18 guardian 13 barred 0"},
		{"US-MD", "2025-10-01", "2025-10-01", "own 0 guardian 0 barred 0", "own 0 guardian 13 barred 18"},
		{"US-MN", "2025-07-31", "2025-07-31", "own 0 guardian 0 barred 0", "own 16 guardian 13 barred 0"},
		{"US-MT", "2024-10-01", "2025-01-01", "own 0 guardian 0 barred 0", "own 16 guardian 13 barred 0"},
		{"US-NE", "2025-01-01", "2025-01-01", "own 0 guardian 0 barred 0", "own 0 guardian 13 barred 0"},
		{"US-NH", "2025-01-01", "2025-01-01", "own 0 guardian 0 barred 0", "own 16 guardian 13 barred 0"},
		{"US-NJ", "2025-01-15", "2025-07-15", "own 0 guardian 0 barred 0", "own 17 guardian 13 barred 0"},
		{"US-OR", "2024-07-01", "2026-01-01", "own 0 guardian 0 barred 0", "own 16 guardian 13 barred 0"},
		{"US-TX", "2024-07-01", "2025-01-01", "own 0 guardian 0 barred 0", "own 0 guardian 13 barred 0"},
	} {
		next := s.child
		all = append(all,
			cell{s.place + ", opt-out", s.place, needs(declare.Sale), s.law, "nothing", "objection", "objection"},
			cell{s.place + ", GPC", s.place, gpc, s.signal, "false", "true", "true"},
			cell{s.place + ", child", s.place, ages(declare.Sale), s.law, s.before, s.child, next},
			cell{s.place + ", access and erasure", s.place, within(Access, Erasure), s.law, "none", us, us},
		)
	}
	// The other states' laws, in force or to come.
	for place, law := range map[string]string{
		"US-IN": "2026-01-01", "US-KY": "2026-01-01", "US-RI": "2026-01-01", "US-TN": "2025-07-01", "US-UT": "2023-12-31", "US-VA": "2023-01-01",
		"US-OK": "2027-01-01", "US-LA": "2027-01-01", "US-AL": "2027-05-01", "US-VT": "2028-01-01",
	} {
		all = append(all,
			cell{place + ", opt-out", place, needs(declare.Sale), law, "nothing", "objection", "objection"},
			cell{place + ", access and erasure", place, within(Access, Erasure), law, "none", us, us},
		)
	}
	return append(all, cell{"Iowa, access", "US-IA", within(Access), "2025-01-01", "none", "2160 to 3240", "2160 to 3240"})
}

// TestCells answers each cell of the table of laws on three days: before it held, on
// its first day and a year later.
func TestCells(t *testing.T) {
	c := Embedded()
	for _, x := range cells() {
		t.Run(x.name, func(t *testing.T) {
			from := day(t, x.from)
			for _, a := range []struct {
				on   time.Time
				want string
			}{{from.Add(-time.Nanosecond), x.before}, {from, x.then}, {from.AddDate(1, 0, 0), x.next}} {
				table := c.On(a.on)
				if got := x.ask(table, table.Regimes(Place(x.place))); got != a.want {
					t.Errorf("on %v: %q, want %q", a.on, got, a.want)
				}
			}
		})
	}
}

// TestLaterChanges holds the changes of a cell that come later than a year.
func TestLaterChanges(t *testing.T) {
	c := Embedded()
	for _, x := range []struct {
		place, on string
		ask       question
		want      string
	}{
		{"US-CT", "2024-10-01", ages(declare.Sale), "own 18 guardian 13 barred 0"},
		{"US-CT", "2026-06-30", ages(declare.Sale), "own 18 guardian 13 barred 0"},
		{"US-CT", "2026-07-01", ages(declare.Sale), "own 0 guardian 13 barred 18"},
		{"US-CT", "2026-10-01", shows(declare.PersonalPrice), "algorithmic_price"},
		{"US-CO", "2025-10-01", ages(declare.Sale), "own 18 guardian 13 barred 0"},
		{"US-OR", "2026-01-01", ages(declare.Sale), "own 0 guardian 13 barred 16"},
		{"US-NE", "2026-01-01", ages(declare.TargetedAdvertising), "own 0 guardian 13 barred 18"},
		{"US-CA", "2026-12-31", needs(declare.AutomatedDecision), "nothing"},
		{"US-CA", "2027-01-01", needs(declare.AutomatedDecision), "objection"},
		{"US-NY", "2026-11-25", ages(declare.Personalization), "own 18 guardian 13 barred 0"},
	} {
		table := c.On(day(t, x.on))
		if got := x.ask(table, table.Regimes(Place(x.place))); got != x.want {
			t.Errorf("%s on %s: %q, want %q", x.place, x.on, got, x.want)
		}
	}
	india := c.On(day(t, "2027-05-13"))
	if got := india.Retention(uses(declare.Personalization), india.Regimes("IN")); got != (declare.Period{Months: 36}) {
		t.Errorf("India keeps for %v", got)
	}
	if got := india.Retention(uses(declare.Personalization), india.Regimes("DE")); !got.IsZero() {
		t.Errorf("Germany keeps for %v", got)
	}
}
