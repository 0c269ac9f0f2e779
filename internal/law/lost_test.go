package law

import (
	"slices"
	"strings"
	"testing"
	"testing/fstest"
)

// TestLost holds what is told of an operator's file: what ours narrows and it does not.
func TestLost(t *testing.T) {
	on := day(t, "2026-11-25")
	b, _ := Source("us-md")
	ours := string(b)
	for _, c := range []struct{ name, old, new, want string }{
		{"nothing", "", "", ""},
		{"a weaker need", "- needs: objection", "- needs: nothing", "targeted_advertising, sale, automated_decision: the person must be able to object"},
		{"a stricter need", "- needs: objection", "- needs: consent", ""},
		{"fewer uses", "uses: [sale, targeted_advertising, automated_decision]", "uses: [sale]", "targeted_advertising, automated_decision: the person must be able to object"},
		{"more uses", "uses: [sale, targeted_advertising, automated_decision]", "uses: [any]", ""},
		{"one more way out", "unless: [no_food]", "unless: [no_food, no_shop]", "personal_price: never (unless stated: no_food)"},
		{"no way out", "    unless: [no_food]\n", "", ""},
		{"a younger age", "barred_below: 18", "barred_below: 16", "targeted_advertising, sale: below 18 years never"},
		{"an older age", "guardian_below: 13", "guardian_below: 14", ""},
		{"barred in place of a guardian's consent", "guardian_below: 13", "barred_below: 18", ""},
		{"a longer deadline", "deadline: access\n    within: 45 days", "deadline: access\n    within: 60 days", "a request for access is answered: within 45 days, with reasons 45 days more"},
		{"a longer extension", "deadline: access\n    within: 45 days\n    extension: 45 days", "deadline: access\n    within: 45 days\n    extension: 2 months", "a request for access is answered: within 45 days, with reasons 45 days more"},
		{"a later regular end", "deadline: access\n    within: 45 days\n    extension: 45 days", "deadline: access\n    within: 60 days\n    extension: 30 days", "a request for access is answered: within 45 days, with reasons 45 days more"},
		{"a shorter deadline", "deadline: access\n    within: 45 days", "deadline: access\n    within: 1 month", ""},
		{"no signal", "- signal: gpc", "- owed: factors", "targeted_advertising, sale: the signal gpc is a valid objection"},
		{"what ended", "effective_from: 2026-10-01", "effective_from: 2026-10-01\n    until: 2026-11-25", "personal_price: never (unless stated: no_food)"},
		{"what is to come", "effective_from: 2026-10-01", "effective_from: 2026-11-26", "personal_price: never (unless stated: no_food)"},
	} {
		if !strings.Contains(ours, c.old) {
			t.Fatalf("%q is not in our file", c.old)
		}
		code, err := Load(fstest.MapFS{"us-md.yaml": {Data: []byte(strings.Replace(ours, c.old, c.new, 1))}})
		if err != nil {
			t.Fatalf("%s: %v", c.name, err)
		}
		var got []string
		for _, r := range code.Lost("us-md", on) {
			got = append(got, r.Says())
			if r.File != "rules/us-md.yaml" {
				t.Errorf("%s: a rule of %s", c.name, r.File)
			}
		}
		if strings.Join(got, "; ") != c.want {
			t.Errorf("%s: lost %q, want %q", c.name, got, c.want)
		}
		if lost := code.Lost("eu", on); len(lost) != 0 {
			t.Errorf("%s: our own file lost %v", c.name, lost)
		}
	}
	code, err := Load(fstest.MapFS{"ch.yaml": {Data: []byte("regime: ch\nname: N\nplaces: [CH]\nrules:\n" + aRule)}})
	if err != nil {
		t.Fatal(err)
	}
	if lost := code.Lost("ch", on); len(lost) != 0 {
		t.Errorf("a regime that we have no rules of lost %v", lost)
	}
	var own []string
	for _, r := range code.Regimes() {
		if r.Own() {
			own = append(own, r.ID)
		}
	}
	if !slices.Equal(own, []string{"ch"}) {
		t.Errorf("own: %v", own)
	}
}

// TestLostKinds holds the kinds that Maryland has no rules of.
func TestLostKinds(t *testing.T) {
	on := day(t, "2027-06-01")
	for _, c := range []struct{ regime, old, new, want string }{
		{"in", "retention: 3 years", "retention: 4 years", "any use: data is kept for at most 3 years (unless stated: fewer_than_20_million_users_in_india)"},
		{"in", "retention: 3 years", "retention: 2 years", ""},
		{"ca-qc", "- needs: nothing", "- owed: factors", ""},
		{"ru", "- localisation: RU", "- localisation: BY", "data must be kept in the country RU"},
		{"us-ny", "show: algorithmic_price", "show: price", `personal_price: show algorithmic_price: en "THIS PRICE WAS SET BY AN ALGORITHM USING YOUR PERSONAL DATA."`},
		{"cn", "owed: general_option", "owed: factors", "personalization, direct_marketing, targeted_advertising: a way without personal data must be offered"},
	} {
		b, _ := Source(c.regime)
		if !strings.Contains(string(b), c.old) {
			t.Fatalf("%q is not in our file", c.old)
		}
		code, err := Load(fstest.MapFS{c.regime + ".yaml": {Data: []byte(strings.Replace(string(b), c.old, c.new, 1))}})
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, r := range code.Lost(c.regime, on) {
			got = append(got, r.Says())
		}
		if strings.Join(got, "; ") != c.want {
			t.Errorf("%s: lost %q, want %q", c.new, got, c.want)
		}
	}
}
