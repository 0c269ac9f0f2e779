package law

import (
	"slices"
	"testing"
	"testing/fstest"
	"time"

	"accord/internal/declare"
)

func day(t testing.TB, s string) time.Time {
	t.Helper()
	d, err := time.Parse(time.DateOnly, s)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func uses(all ...declare.Use) (s declare.Uses) {
	for _, u := range all {
		s = s.With(u)
	}
	return s
}

// need returns the strictest need of a use in some regimes, as a Limit has it.
func need(l Limit, in Regimes) Need {
	switch {
	case l.Never&in != 0:
		return Never
	case l.Consent&in != 0:
		return Consent
	case l.Objection&in != 0:
		return Objection
	}
	return Nothing
}

// youngest returns the greatest age of a list in some regimes; 0 for none.
func youngest(list []Below, in Regimes) (age int) {
	for _, b := range list {
		if b.Regimes&in != 0 {
			age = max(age, b.Age)
		}
	}
	return age
}

func TestEmbeddedRulesAreSourced(t *testing.T) {
	c := Embedded()
	rules := c.Rules(c.All())
	if len(rules) < 300 {
		t.Errorf("%d rules", len(rules))
	}
	gathered := day(t, "2026-11-25")
	for _, r := range rules {
		where := r.File
		switch {
		case r.Source == "" || r.Dated.IsZero() || r.File != EmbeddedFile(r.Regime):
			t.Errorf("%s:%d: a rule without a source, a date or its file: %+v", where, r.Line, r)
		case r.Known == Primary && r.Link == "":
			t.Errorf("%s:%d: read in the law, and nobody can see where", where, r.Line)
		case r.Dated.Before(gathered):
			t.Errorf("%s:%d: looked up %v", where, r.Line, r.Dated)
		}
	}
	for _, r := range c.Regimes() {
		if b, ok := Source(r.ID); !ok || len(b) == 0 {
			t.Errorf("no text of %s", r.ID)
		}
	}
	if _, ok := Source("../rules/eu"); ok {
		t.Error("a path is taken for a regime")
	}
}

func TestPlaces(t *testing.T) {
	c := Embedded()
	for place, want := range map[Place][]string{
		"DE": {"eu"}, "de": {"eu"}, "DE-BY": {"eu"}, "NO": {"eu"}, "RE": {"eu"},
		"GB": {"uk"}, "GB-SCT": {"uk"}, "US-CA": {"us-ca"}, "us-ny": {"us-ny"},
		"CA-QC": {"ca-qc"}, "IN": {"in"}, "BR-SP": {"br"}, "CN": {"cn"}, "RU": {"ru"},
	} {
		if got := c.Names(c.In(place)); !slices.Equal(got, want) {
			t.Errorf("%s is in %v, want %v", place, got, want)
		}
	}
	for _, place := range []Place{"", "US", "US-WY", "CA", "CA-ON", "CH", "XX", "Germany", "D", "DE-", "DE_BY", "日本", "US-CAL", "US-CALI", "US-CA\x00"} {
		if got := c.In(place); got != c.All() {
			t.Errorf("%q is in %v, want all", place, c.Names(got))
		}
	}
	table := c.On(day(t, "2026-11-25"))
	if n := testing.AllocsPerRun(100, func() {
		_ = c.On(table.From).Regimes("us-ca") | table.Regimes("DE-BY") | table.Regimes("nowhere") | table.All()
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// TestStrictest holds that an unknown place is as strict as the strictest of all, for
// every use and on every day on which something changes.
func TestStrictest(t *testing.T) {
	c := Embedded()
	for _, on := range append(c.days, day(t, "1900-01-01")) {
		table := c.On(on)
		for u := range declare.Use(declare.NumUses) {
			l := table.Limit(uses(u))
			var most Need
			var young, guardian, barred int
			for i := range len(c.regimes) {
				in := Regimes(1) << i
				most = max(most, need(l, in))
				young, guardian, barred = max(young, youngest(l.Young, in)), max(guardian, youngest(l.Guardian, in)), max(barred, youngest(l.Barred, in))
			}
			in := table.Regimes("")
			if got := need(l, in); got != most {
				t.Errorf("%v on %v: %v, want %v", u, on, got, most)
			}
			if got := []int{youngest(l.Young, in), youngest(l.Guardian, in), youngest(l.Barred, in)}; !slices.Equal(got, []int{young, guardian, barred}) {
				t.Errorf("%v on %v: ages %v", u, on, got)
			}
			if u == declare.Service && (most != Nothing || young+guardian+barred != 0 || len(table.Rules(uses(u), in)) != 0) {
				t.Errorf("on %v a service is narrowed", on)
			}
		}
		asked := on.Add(13 * time.Hour)
		for _, word := range deadlineWords {
			all, any := table.Deadline(word, table.All(), asked)
			for i := range len(c.regimes) {
				one, ok := table.Deadline(word, 1<<i, asked)
				if ok && (!any || all.By.After(one.By) || all.Latest.After(one.Latest)) {
					t.Errorf("%s on %v: by %v, though %s says %v", word, on, all.By, c.regimes[i].ID, one.By)
				}
			}
			if any && all.Latest.Before(all.By) {
				t.Errorf("%s on %v: at the latest %v, before %v", word, on, all.Latest, all.By)
			}
		}
	}
	now := c.On(day(t, "2026-11-25"))
	for u, want := range map[declare.Use]Need{
		declare.Service: Nothing, declare.Analytics: Consent, declare.Personalization: Consent, declare.DirectMarketing: Consent,
		declare.TargetedAdvertising: Consent, declare.Sale: Consent, declare.PersonalPrice: Never, declare.AutomatedDecision: Consent,
		declare.ModelTraining: Consent, declare.SensitiveData: Never,
	} {
		if got := need(now.Limit(uses(u)), now.Regimes("nowhere")); got != want {
			t.Errorf("%v in an unknown place needs %v, want %v", u, got, want)
		}
	}
	if got := now.Localisation(""); len(got) != 0 {
		t.Errorf("nobody can keep data everywhere: %v", got)
	}
}

func TestLimitOfSeveralUses(t *testing.T) {
	table := Embedded().On(day(t, "2026-11-25"))
	one := table.Limit(uses(declare.Sale))
	both := table.Limit(uses(declare.Sale, declare.Personalization, declare.AutomatedDecision))
	if both.Consent&one.Consent != one.Consent || both.Review == 0 || both.General == 0 {
		t.Errorf("%+v of %+v", both, one)
	}
	for _, list := range [][]Below{both.Young, both.Guardian, both.Barred} {
		for i, b := range list {
			if b.Regimes == 0 || i > 0 && list[i-1].Age >= b.Age {
				t.Errorf("%+v is not one entry an age, the youngest first", list)
			}
		}
	}
	if again := table.Limit(uses(declare.Sale)); !slices.Equal(again.Young, one.Young) || again.Consent != one.Consent {
		t.Error("asking changed the table")
	}
}

// TestDays holds that a table ends where the next begins, and is made once.
func TestDays(t *testing.T) {
	c := Embedded()
	at := day(t, "1990-01-01")
	for n := 0; ; n++ {
		table := c.On(at)
		if table != c.On(at.Add(time.Hour)) || !table.From.IsZero() && !table.From.Equal(at) {
			t.Fatalf("%v: [%v, %v)", at, table.From, table.Until)
		}
		if table.Until.IsZero() {
			if n != len(c.days) {
				t.Errorf("%d tables of %d", n, len(c.days))
			}
			break
		}
		if last := table.Until.Add(-time.Nanosecond); c.On(last) != table {
			t.Errorf("%v is not in [%v, %v)", last, table.From, table.Until)
		}
		at = table.Until
	}
	zone := time.FixedZone("east", 9*3600)
	if midnight := time.Date(2026, 10, 1, 0, 0, 0, 0, zone); c.On(midnight).Until.IsZero() || !c.On(midnight).Until.Equal(day(t, "2026-10-01")) {
		t.Error("a day begins by UTC and not by the place")
	}
}

func TestGiven(t *testing.T) {
	c := Embedded()
	price := uses(declare.PersonalPrice)
	in := c.In("US-MD")
	if got := need(c.On(day(t, "2026-10-01")).Limit(price), in); got != Never {
		t.Errorf("who does not say what it sells: %v", got)
	}
	without, err := c.Given("no_food")
	if err != nil {
		t.Fatal(err)
	}
	if got := need(without.On(day(t, "2026-10-01")).Limit(price), in); got != Nothing {
		t.Errorf("who sells no food: %v", got)
	}
	if got := need(without.On(day(t, "2026-10-01")).Limit(price), c.In("CN")); got != Never {
		t.Errorf("another fact than the one given: %v", got)
	}
	// Florida's law binds few, and its rule about who sells sensitive data binds all.
	florida, now := uses(declare.Sale), day(t, "2026-11-25")
	small, err := c.Given("no_large_platform_in_florida")
	if err != nil {
		t.Fatal(err)
	}
	if got := need(small.On(now).Limit(florida), c.In("US-FL")); got != Nothing {
		t.Errorf("a small shop in Florida: %v", got)
	}
	if got := need(small.On(now).Limit(uses(declare.SensitiveData)), c.In("US-FL")); got != Consent {
		t.Errorf("a small shop in Florida that may sell sensitive data: %v", got)
	}
	small, err = c.Given("no_large_platform_in_florida", "sells_no_sensitive_data")
	if err != nil {
		t.Fatal(err)
	}
	if got := need(small.On(now).Limit(uses(declare.SensitiveData)), c.In("US-FL")); got != Nothing {
		t.Errorf("a small shop in Florida that sells no sensitive data: %v", got)
	}
	if _, err := c.Given("no_foot"); err == nil {
		t.Error("a fact that no rule asks for is taken")
	}
}

func TestShows(t *testing.T) {
	table := Embedded().On(day(t, "2026-11-25"))
	price := uses(declare.PersonalPrice)
	const exact = "THIS PRICE WAS SET BY AN ALGORITHM USING YOUR PERSONAL DATA."
	got := table.Shows(price, table.Regimes("US-NY"), "ru")
	if len(got) != 1 || got[0] != (declare.Obligation{Code: "algorithmic_price", Text: exact}) {
		t.Errorf("%v", got)
	}
	got = table.Shows(price, table.Regimes("DE")|table.Regimes("US-NY"), "de-AT", "en")
	if len(got) != 2 || got[0].Text != exact || got[1].Code != "personal_price" || got[1].Text[:11] != "Dieser Prei" {
		t.Errorf("%v", got)
	}
	if got := table.Shows(price, table.Regimes("DE"), "it"); len(got) != 1 || got[0].Text[:10] != "This price" {
		t.Errorf("no Italian text, so English: %v", got)
	}
	if got := table.Shows(uses(declare.Sale), table.Regimes("DE")); len(got) != 0 {
		t.Errorf("%v", got)
	}
	show := func(id, place string) *fstest.MapFile {
		return &fstest.MapFile{Data: []byte("regime: " + id + "\nname: N\nplaces: [" + place + "]\nrules:\n  - {show: price, uses: [sale], text: {xx: T}, effective_from: 2020-01-01, source: S, dated: 2026-01-01, known: primary}\n")}
	}
	c, err := Load(fstest.MapFS{"ch.yaml": show("ch", "CH"), "jp.yaml": show("jp", "JP")})
	if err != nil {
		t.Fatal(err)
	}
	if got := c.On(day(t, "2026-01-01")).Shows(uses(declare.Sale), c.In("CH")|c.In("JP")); len(got) != 1 || got[0].Text != "T" {
		t.Errorf("the same text of two regimes, in a language that nobody asked for: %v", got)
	}
	if table.Signal("dnt", uses(declare.Sale)) != 0 || table.Signal(GPC, uses(declare.Analytics)) != 0 {
		t.Error("a signal binds of which no rule speaks")
	}
}

func TestSpans(t *testing.T) {
	friday := time.Date(2026, 11, 27, 15, 0, 0, 0, time.UTC)
	for text, want := range map[string]string{
		"at once": "2026-11-27T15", "72 hours": "2026-11-30T15", "45 days": "2027-01-11T15",
		"1 working day": "2026-11-30T15", "15 working days": "2026-12-18T15", "1 month": "2026-12-27T15", "3 months": "2027-02-27T15",
	} {
		s, err := ParseSpan(text)
		if err != nil || s.String() != text {
			t.Errorf("%s: %v, %v", text, s, err)
		}
		if got := s.After(friday).Format("2006-01-02T15"); got != want {
			t.Errorf("%s after Friday ends %s, want %s", text, got, want)
		}
	}
	for _, text := range []string{"", "1", "days", "0 days", "-1 days", "1001 days", "01 days", "+1 day", "1  day", "1 year", "1.5 days"} {
		if s, err := ParseSpan(text); err == nil {
			t.Errorf("%q is %v", text, s)
		}
	}
	if got := (Span{1, Months}).After(time.Date(2027, 1, 31, 0, 0, 0, 0, time.UTC)); got.Day() != 28 {
		t.Errorf("a month after January 31 is %v", got)
	}
}

// TestOperator holds how an operator's directory lies on top of ours.
func TestOperator(t *testing.T) {
	const head = "regime: us-ca\nname: Mine\nplaces: [US-CA]\nrules:\n"
	const rule = "  - {needs: never, uses: [sale], effective_from: 2020-01-01, source: S, dated: 2026-01-01, known: primary}\n"
	c, err := Load(fstest.MapFS{
		"us-ca.yaml":   {Data: []byte(head + rule)},
		"ch.yaml":      {Data: []byte("regime: ch\nname: Switzerland\nplaces: [CH]\nrules:\n" + aRule)},
		"README.txt":   {Data: []byte("notes")},
		"old/eu.yaml":  {Data: []byte("not read")},
		"us-ca.yaml.1": {Data: []byte("not read")},
	})
	if err != nil {
		t.Fatal(err)
	}
	now := c.On(day(t, "2026-11-25"))
	if l := now.Limit(uses(declare.Sale)); need(l, now.Regimes("US-CA")) != Never || need(l, now.Regimes("DE")) != Consent {
		t.Error("the own file does not count, or another does not any more")
	}
	if got := now.Signal(GPC, uses(declare.Sale)) & now.Regimes("US-CA"); got != 0 {
		t.Error("rules of the file that was replaced still count")
	}
	if got := c.Names(now.Regimes("CH")); !slices.Equal(got, []string{"ch"}) {
		t.Errorf("the new regime: %v", got)
	}
	if got := c.Rules(now.Regimes("US-CA")); len(got) != 1 || got[0].File != "us-ca.yaml" || got[0].Line != 5 {
		t.Errorf("%+v", got)
	}
	ours, err := Load(nil)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := len(ours.Rules(ours.All())), len(Embedded().Rules(Embedded().All())); got != want || ours.In("CH") != ours.All() || len(ours.Rules(ours.In("US-CA"))) < 2 {
		t.Errorf("our own rules changed: %d, not %d", got, want)
	}
}

// TestRules holds the order in which a person is told why: by regime, then as in the
// file, and nothing that was not in force.
func TestRules(t *testing.T) {
	c := Embedded()
	table := c.On(day(t, "2026-01-15"))
	rules := table.Rules(uses(declare.Analytics, declare.AutomatedDecision), table.Regimes("GB")|table.Regimes("DE")|table.Regimes("US-CA"))
	var got []string
	for i, r := range rules {
		got = append(got, r.Regime+" "+r.Kind.String())
		if i > 0 && rules[i-1].Regime == r.Regime && rules[i-1].Line >= r.Line {
			t.Errorf("%s:%d comes behind line %d", r.File, r.Line, rules[i-1].Line)
		}
	}
	want := []string{"eu needs", "eu needs", "eu guardian_below", "eu owed", "eu owed", "uk needs", "uk needs", "uk guardian_below", "uk owed"}
	if !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
	if says := rules[0].Says(); says != "analytics, targeted_advertising: only with the person's consent" {
		t.Error(says)
	}
	if cite := rules[0].Cite(); cite != "Directive 2002/58/EC Art. 5(3), as changed by Directive 2009/136/EC (read in an account of the law on 2026-11-25; rules/eu.yaml:11)" {
		t.Error(cite)
	}
	rules[0].Source = "changed"
	if table.Rules(uses(declare.Analytics), table.Regimes("DE"))[0].Source == "changed" {
		t.Error("a rule that was given away changes the table's")
	}
}
