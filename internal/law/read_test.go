package law

import (
	"errors"
	"strings"
	"testing"
	"testing/fstest"

	"accord/internal/declare"
	"accord/internal/strict"
)

// small is a file with one rule; the table of faults changes a line of it.
const small = `regime: xx
name: A law
places: [XX]
rules:
  - needs: consent
    uses: [sale]
    effective_from: 2026-01-01
    until: 2027-01-01
    source: An act
    dated: 2026-11-25
    known: primary
`

func faults(t *testing.T, text string) []*strict.Error {
	t.Helper()
	_, err := read("xx.yaml", []byte(text))
	if err == nil {
		return nil
	}
	var out []*strict.Error
	joined, ok := err.(interface{ Unwrap() []error })
	if !ok {
		t.Fatalf("%T: %v", err, err)
	}
	for _, e := range joined.Unwrap() {
		f, ok := errors.AsType[*strict.Error](e)
		if !ok {
			t.Fatalf("%T: %v", e, e)
		}
		out = append(out, f)
	}
	return out
}

func TestFaults(t *testing.T) {
	if got := faults(t, small); got != nil {
		t.Fatal(got)
	}
	for _, c := range []struct {
		name, old, new string
		line           int
		msg            string
	}{
		{"an unknown key", "    known:", "    nown:", 11, `no key "nown"`},
		{"another kind's key", "uses: [sale]", "uses: [sale]\n    within: 3 days", 7, `a rule about needs has no key "within"`},
		{"an unknown use", "[sale]", "[sales]", 6, `lists "sales"`},
		{"a service", "[sale]", "[service]", 6, "is not narrowed"},
		{"no use", "uses: [sale]", "uses: []", 6, "is empty"},
		{"no uses", "    uses: [sale]\n", "", 5, "has no uses"},
		{"a use twice", "[sale]", "[sale, sale]", 6, "twice"},
		{"no source", "    source: An act\n", "", 5, "has no source"},
		{"an empty source", "An act", `""`, 9, "is empty"},
		{"no known", "    known: primary\n", "", 5, "has no known"},
		{"another known", "known: primary", "known: well", 11, "unchecked, secondary, primary"},
		{"no date", "    dated: 2026-11-25\n", "", 5, "has no dated"},
		{"no day", "effective_from: 2026-01-01", "effective_from: soon", 7, "write a day such as 2026-01-31"},
		{"no such day", "effective_from: 2026-01-01", "effective_from: 2026-02-30", 7, "write a day"},
		{"a time", "effective_from: 2026-01-01", "effective_from: 2026-01-01T10:00:00Z", 7, "write a day"},
		{"an end before the start", "until: 2027-01-01", "until: 2025-01-01", 8, "is not after effective_from"},
		{"an end at the start", "until: 2027-01-01", "until: 2026-01-01", 8, "is not after effective_from"},
		{"another need", "needs: consent", "needs: permission", 5, "nothing, objection, consent, never"},
		{"two kinds", "needs: consent", "needs: consent\n    owed: factors", 5, "says two things, needs and owed"},
		{"no kind", "needs: consent\n    uses", "uses", 5, "says nothing"},
		{"a key twice", "    known: primary", "    known: primary\n    known: primary", 12, "twice"},
		{"an age that is none", "needs: consent", "guardian_below: sixteen", 5, "age in years"},
		{"an age in quotes", "needs: consent", `guardian_below: "16"`, 5, "age in years"},
		{"a great age", "needs: consent", "barred_below: 100", 5, "age in years"},
		{"a text without words", "needs: consent", "show: price", 5, "has no text"},
		{"a bad language", "needs: consent", "show: price\n    text: {English: hello}", 6, "short tag"},
		{"a bad code", "needs: consent", "show: The price\n    text: {en: hello}", 5, "small letters"},
		{"an unknown right", "needs: consent", "owed: money", 5, "human_review"},
		{"an unknown signal", "needs: consent", "signal: dnt", 5, "gpc"},
		{"a bad period", "needs: consent", "retention: long", 5, "a period is a number and a unit"},
		{"a bad link", "    known:", "    link: example.com\n    known:", 11, "https://"},
		{"a bad fact", "    known:", "    unless: [No food]\n    known:", 11, "such as no_food"},
		{"an anchor", "source: An act", "source: &a An act", 9, "anchor"},
		{"the name of another file", "regime: xx", "regime: yy", 1, `name it "yy.yaml"`},
		{"a bad place", "[XX]", "[Germany]", 3, "ISO 3166"},
		{"small letters", "[XX]", "[xx]", 3, "ISO 3166"},
		{"no places", "places: [XX]\n", "", 1, "has no places"},
		{"an empty list of places", "[XX]", "[]", 3, "is empty"},
		{"no YAML", "rules:", "rules: [", 5, "not the YAML"},
		{"no rules in the list", small[strings.Index(small, "rules:"):], "rules: []\n", 4, "write its rules"},
		{"no list", "  - needs: consent\n    uses: [sale]", "  needs: consent\n  uses: [sale]\n  x:", 5, "must be a list"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if !strings.Contains(small, c.old) {
				t.Fatalf("%q is not in the file", c.old)
			}
			got := faults(t, strings.Replace(small, c.old, c.new, 1))
			if len(got) == 0 {
				t.Fatal("taken")
			}
			for _, f := range got {
				if f.File == "xx.yaml" && f.Line == c.line && strings.Contains(f.Msg, c.msg) {
					return
				}
			}
			t.Errorf("want line %d: …%s…; got %v", c.line, c.msg, got)
		})
	}
}

func TestDeadlineFaults(t *testing.T) {
	const text = `regime: xx
name: A law
places: [XX]
rules:
  - deadline: access
    within: 45 days
    effective_from: 2026-01-01
    source: An act
    dated: "2026-11-25"
    known: primary
  - localisation: XX
    effective_from: 2026-01-01
    source: An act
    dated: 2026-11-25
    known: primary
`
	if got := faults(t, text); got != nil {
		t.Fatal(got)
	}
	for _, c := range []struct {
		old, new string
		line     int
		msg      string
	}{
		{"access", "answers", 5, "access, erasure, correction"},
		{"45 days", "6 weeks", 6, "a deadline is"},
		{"    within: 45 days\n", "", 5, "has no within"},
		{"    within: 45 days", "    within: 45 days\n    uses: [sale]", 7, `no key "uses"`},
		{"localisation: XX", "localisation: XX-YY", 11, "two capital letters"},
	} {
		got := faults(t, strings.Replace(text, c.old, c.new, 1))
		if len(got) != 1 || got[0].Line != c.line || !strings.Contains(got[0].Msg, c.msg) {
			t.Errorf("%s: %v", c.new, got)
		}
	}
}

// TestContradictions holds that a file which contradicts itself is refused with both
// lines, and what is no contradiction is taken.
func TestContradictions(t *testing.T) {
	rule := func(subject string) string {
		if !strings.Contains(subject, "effective_from") {
			subject += ", effective_from: 2026-01-01"
		}
		return "  - {" + subject + ", source: S, dated: 2026-11-25, known: primary}\n"
	}
	for _, c := range []struct{ name, a, b, about string }{
		{"needs", "needs: consent, uses: [sale, analytics]", "needs: objection, uses: [sale]", "needs of sale"},
		{"any use", "needs: consent, uses: [any]", "needs: nothing, uses: [analytics]", "needs of analytics"},
		{"ages", "guardian_below: 13, uses: [sale]", "guardian_below: 16, uses: [sale]", "guardian_below of sale"},
		{"texts", "show: price, uses: [personal_price], text: {en: A}", "show: price, uses: [personal_price], text: {en: B, de: A}", "show of personal_price"},
		{"deadlines", "deadline: access, within: 45 days", "deadline: access, within: 1 month", "deadline"},
		{"extensions", "deadline: access, within: 45 days", "deadline: access, within: 45 days, extension: 45 days", "deadline"},
		{"retention", "retention: 1 year, uses: [sale]", "retention: 2 years, uses: [sale]", "retention of sale"},
		{"localisation", "localisation: RU", "localisation: CN", "localisation"},
		{"one day", "needs: consent, uses: [sale], effective_from: 2026-01-01, until: 2026-02-02", "needs: never, uses: [sale], effective_from: 2026-02-01", "from 2026-02-01 on"},
		{"the same facts", "needs: consent, uses: [sale], unless: [b, a]", "needs: never, uses: [sale], unless: [a, b]", "needs of sale"},
	} {
		t.Run(c.name, func(t *testing.T) {
			const head = "regime: xx\nname: A law\nplaces: [XX]\nrules:\n"
			for _, text := range []string{head + rule(c.a) + rule(c.b), head + rule(c.b) + rule(c.a)} {
				got := faults(t, text)
				if len(got) != 1 || got[0].Line != 6 || !strings.Contains(got[0].Msg, "line 5") || !strings.Contains(got[0].Msg, c.about) {
					t.Errorf("%v", got)
				}
			}
		})
	}
	for _, c := range []struct{ name, a, b string }{
		{"another use", "needs: consent, uses: [sale]", "needs: objection, uses: [analytics]"},
		{"one after the other", "needs: consent, uses: [sale], effective_from: 2026-01-01, until: 2026-02-01", "needs: never, uses: [sale], effective_from: 2026-02-01"},
		{"another fact", "needs: consent, uses: [sale]", "needs: never, uses: [sale], unless: [no_food]"},
		{"the same twice", "needs: consent, uses: [sale]", "needs: consent, uses: [sale, analytics]"},
		{"another kind of age", "own_consent_below: 16, uses: [sale]", "guardian_below: 13, uses: [sale]"},
		{"another language", "show: price, uses: [sale], text: {en: A}", "show: price, uses: [sale], text: {de: B}"},
		{"another code", "show: price, uses: [sale], text: {en: A}", "show: reasons, uses: [sale], text: {en: B}"},
		{"another right", "owed: factors, uses: [sale]", "owed: human_review, uses: [sale]"},
		{"another deadline", "deadline: access, within: 45 days", "deadline: erasure, within: 1 month"},
	} {
		if got := faults(t, "regime: xx\nname: A law\nplaces: [XX]\nrules:\n"+rule(c.a)+rule(c.b)); got != nil {
			t.Errorf("%s: %v", c.name, got)
		}
	}
}

// aRule is a rule of the list of a file.
const aRule = "  - {needs: objection, uses: [sale], effective_from: 2020-01-01, source: S, dated: 2026-01-01, known: primary}\n"

func TestDirectories(t *testing.T) {
	file := func(regime, places string) *fstest.MapFile {
		return &fstest.MapFile{Data: []byte("regime: " + regime + "\nname: A law\nplaces: " + places + "\nrules:\n" + aRule)}
	}
	for name, c := range map[string]struct {
		dir  fstest.MapFS
		want string
	}{
		"a place of another regime":   {fstest.MapFS{"at.yaml": file("at", "[CH, AT]")}, "at.yaml:3: AT is governed by eu too (rules/eu.yaml:"},
		"a place of an earlier name":  {fstest.MapFS{"zz.yaml": file("zz", "[US-NY]")}, "zz.yaml:3: US-NY is governed by us-ny too (rules/us-ny.yaml:4)"},
		"two own files":               {fstest.MapFS{"aa.yaml": file("aa", "[CH]"), "bb.yaml": file("bb", "[CH]")}, "bb.yaml:3: CH is governed by aa too (aa.yaml:3)"},
		"an ending that is not read":  {fstest.MapFS{"eu.yml": file("eu", "[DE]")}, "eu.yml would not be read"},
		"a file with a fault":         {fstest.MapFS{"aa.yaml": file("aa", "[]")}, "aa.yaml:3: places is empty"},
		"a file that is too large":    {fstest.MapFS{"aa.yaml": {Data: make([]byte, strict.MaxFile+10)}}, "aa.yaml:1: the file is larger than"},
		"a regime in another's place": {fstest.MapFS{"eu.yaml": file("at", "[AT]")}, `eu.yaml:1: regime is "at" and the file is called "eu.yaml"`},
	} {
		if _, err := Load(c.dir); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %s", name, err, c.want)
		}
	}
	for id, want := range map[string]string{"at": "at eu", "zz": "eu zz"} {
		beside := file(id, "[AT]")
		beside.Data = append(beside.Data, "beside: [eu]\n"...)
		c, err := Load(fstest.MapFS{id + ".yaml": beside})
		if err != nil {
			t.Fatal(err)
		}
		if got := strings.Join(c.Names(c.In("AT")), " "); got != want {
			t.Errorf("Austria is in %s, want %s", got, want)
		}
	}
	many := fstest.MapFS{}
	for i := range MaxRegimes {
		id := "r" + string(rune('a'+i/26)) + string(rune('a'+i%26))
		many[id+".yaml"] = file(id, "[CH-"+strings.ToUpper(id[1:])+"]")
	}
	if _, err := Load(many); err == nil || !strings.Contains(err.Error(), "more than 64 regimes") {
		t.Errorf("%v", err)
	}
	var rules strings.Builder
	for range MaxRules + 1 {
		rules.WriteString("  - {localisation: XX, effective_from: 2026-01-01, source: S, dated: 2026-01-01, known: primary}\n")
	}
	if got := faults(t, "regime: xx\nname: A\nplaces: [XX]\nrules:\n"+rules.String()); len(got) != 1 || got[0].Line != 4+MaxRules+1 {
		t.Errorf("%v", got)
	}
}

// FuzzRead holds that whatever is in a file, it is read whole or refused with lines,
// and that what was read answers on every day.
func FuzzRead(f *testing.F) {
	f.Add([]byte(small))
	for _, r := range Embedded().Regimes() {
		b, _ := Source(r.ID)
		f.Add([]byte(strings.Replace(string(b), "regime: "+r.ID, "regime: xx", 1)))
	}
	f.Add([]byte("regime: xx\nrules: [{? [a] : b}, *x, &x !t {needs: {}}]\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := read("xx.yaml", b)
		if err != nil {
			for _, e := range err.(interface{ Unwrap() []error }).Unwrap() {
				fault, ok := errors.AsType[*strict.Error](e)
				if !ok || fault.Line < 1 || fault.File != "xx.yaml" || fault.Msg == "" {
					t.Fatalf("%v", e)
				}
			}
			return
		}
		c, err := together([]*Regime{r})
		if err != nil {
			t.Fatalf("one regime contradicts itself: %v", err)
		}
		if len(r.Places) == 0 {
			t.Fatal("no places")
		}
		for _, rule := range c.Rules(c.All()) {
			if rule.Source == "" || rule.Dated.IsZero() || rule.From.IsZero() || rule.Line < 1 || rule.Uses.Has(declare.Service) || rule.Kind.ofUses() != (rule.Uses != 0) || rule.Says() == "" || rule.Cite() == "" {
				t.Fatalf("%+v", rule)
			}
		}
		for _, at := range c.days {
			table := c.On(at)
			for u := range declare.Use(declare.NumUses) {
				table.Limit(uses(u))
				table.Shows(uses(u), table.All(), "en")
				table.Retention(uses(u), table.All())
			}
			for _, word := range deadlineWords {
				table.Deadline(word, table.All(), at)
			}
		}
	})
}
