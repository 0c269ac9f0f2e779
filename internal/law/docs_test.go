package law

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"accord/internal/declare"
)

// TestFactsAreDocumented holds that the table of docs/law.md has every fact that can be
// stated, in their order, with the places of the rules that ask for it, and no other.
func TestFactsAreDocumented(t *testing.T) {
	b, err := os.ReadFile("../../docs/law.md")
	if err != nil {
		t.Fatal(err)
	}
	_, text, _ := strings.Cut(string(b), "| fact |")
	text, _, _ = strings.Cut(text, "\n\n")
	c := Embedded()
	short := map[string]string{"eu": "EU", "uk": "UK", "in": "India", "us-md": "Maryland", "us-fl": "Florida", "cn": "China"}
	var listed []string
	for _, row := range regexp.MustCompile("(?m)^\\| `([a-z0-9_]+)` \\| (.*?) \\| (.+) \\|$").FindAllStringSubmatch(text, -1) {
		listed = append(listed, row[1])
		var where []string
		for _, r := range c.Rules(c.All()) {
			if slices.Contains(r.Unless, row[1]) && !slices.Contains(where, short[r.Regime]) {
				where = append(where, short[r.Regime])
			}
		}
		slices.Sort(where)
		if got := strings.Join(where, ", "); got != row[2] {
			t.Errorf("%s is asked for in %s, and docs/law.md says %s", row[1], got, row[2])
		}
	}
	if !slices.Equal(listed, c.Facts()) {
		t.Errorf("docs/law.md lists %v, and what can be stated is %v", listed, c.Facts())
	}
}

// TestUnknownPlaceIsDocumented holds what docs/law.md says of an unknown place: which
// uses are forbidden there, and by which facts they no longer are.
func TestUnknownPlaceIsDocumented(t *testing.T) {
	on := day(t, "2026-11-25")
	never := func(c *Code) (s string) {
		for u := range declare.Use(declare.NumUses) {
			if need(c.On(on).Limit(uses(u)), c.In("")) == Never {
				s += u.String() + " "
			}
		}
		return s
	}
	c := Embedded()
	for facts, want := range map[string]string{
		"":        "personal_price sensitive_data ",
		"no_food": "personal_price sensitive_data ",
		"no_food price_differences_are_reasonable": "sensitive_data ",
		"sensitive_data_is_strictly_necessary":     "personal_price ",
	} {
		given, err := c.Given(strings.Fields(facts)...)
		if err != nil {
			t.Fatal(err)
		}
		if got := never(given); got != want {
			t.Errorf("with %q, forbidden in an unknown place: %s, want %s", facts, got, want)
		}
	}
}
