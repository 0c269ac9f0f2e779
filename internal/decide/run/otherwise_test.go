package run

import (
	"strings"
	"testing"

	"accord/internal/consent"
	"accord/internal/declare"
)

// TestAHintNamesThePurposeAsThePersonReadsIt, by its title where it has one.
func TestAHintNamesThePurposeAsThePersonReadsIt(t *testing.T) {
	p := declare.Purpose{ID: "ads", Basis: declare.Consent}
	for title, want := range map[string]string{"": `"ads"`, "Products that suit you": `"Products that suit you"`} {
		p.Title = title
		for _, r := range []consent.Reason{consent.Allowed, consent.DeniedNoChoice, consent.DeniedNoticeChanged, consent.DeniedObjected} {
			if got := otherwise(&p, r, true); !strings.Contains(got, want) {
				t.Errorf("%v: %q lacks %s", r, got, want)
			}
		}
	}
}
