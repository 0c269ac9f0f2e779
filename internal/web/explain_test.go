package web

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"accord/internal/consent"
	"accord/internal/decide"
	"accord/internal/declare"
)

func TestEveryReasonHasWords(t *testing.T) {
	for r := range consent.Reason(consent.Reasons) {
		if r == consent.DeniedZero {
			continue // no receipt holds it
		}
		if got := You.Reason(r.Code(), ""); got == "" {
			t.Errorf("%s has no words for the person", r.Code())
		}
		// "you refused" is nothing to say of somebody else.
		if got := They.Reason(r.Code(), ""); got == "" || strings.Contains(got, "you") {
			t.Errorf("%s reads %q of somebody else", r.Code(), got)
		}
	}
	if got := You.Reason("new_reason", "as the gate says"); got != "as the gate says" {
		t.Errorf("an unknown reason reads %q", got)
	}
}

// "Every purpose of the declaration has a switch in the declaration's own
// words", unless its basis is no choice.
func TestSwitches(t *testing.T) {
	d := &declare.Declaration{Purposes: []declare.Purpose{
		{ID: "analysis", Basis: declare.LegitimateInterest, Text: "We count."},
		{ID: "orders", Basis: declare.Contract, Text: "We deliver."},
		{ID: "personalization", Basis: declare.Consent, Text: "We suggest."},
		{ID: "taxes", Basis: declare.LegalObligation, Text: "We keep invoices."},
		{ID: "train-models", Basis: declare.Consent, Title: "Better for all", Text: "We learn."},
	}}
	at := time.Date(2026, 3, 5, 23, 30, 0, 0, time.UTC).UnixMilli()
	present := []consent.Present{
		{}, {}, {State: consent.Given, At: at, Synthetic: true}, {}, {State: consent.Given, At: at},
	}
	why := []consent.Reason{consent.Allowed, consent.Allowed, consent.Allowed, consent.Allowed, consent.DeniedExpired}
	want := []Switch{
		{Purpose: "personalization", Name: "Personalization", Text: "We suggest.", On: true, Note: "Allowed on 5 March 2026 (simulated)"},
		{Purpose: "analysis", Name: "Analysis", Text: "We count.", On: true, Note: "On until you object"},
		{Purpose: "train-models", Name: "Better for all", Text: "We learn.", Note: "Allowed on 5 March 2026; it has expired"},
		{Purpose: "orders", Name: "Orders", Text: "We deliver.", On: true, Fixed: fixed(declare.Contract)},
		{Purpose: "taxes", Name: "Taxes", Text: "We keep invoices.", On: true, Fixed: fixed(declare.LegalObligation)},
	}
	if diff := cmp.Diff(want, Switches(d, present, why, "personalization")); diff != "" {
		t.Error(diff)
	}
}

func TestExplain(t *testing.T) {
	titles := map[string]string{"P1": "Lunch bag", "P2": "Tins"}
	d := &declare.Declaration{Purposes: []declare.Purpose{{ID: "newsletter", Title: "News by e-mail"}}}
	got := Explain(d, decide.Answer{
		Personal: true,
		Items: []decide.Item{
			{ID: "P1", Reasons: []decide.Reason{{Code: "because_item", Item: "P2", Action: "purchase", Share: 0.617}, {Code: "session", Item: "P9", Share: 1}, {Code: "popular"}}},
			{ID: "P2", Reasons: []decide.Reason{{Code: "popular", Share: 0.6}, {Code: "because_item", Item: "P2", Action: "purchase", Share: 0.4}}},
			{ID: "P5", Reasons: []decide.Reason{{Code: "because_item", Item: "P1", Action: "cart", Share: 1}}},
			{ID: "P4", Reasons: []decide.Reason{{Code: "told", Category: "Kitchen", Share: 0.6}, {Code: "catalogue", Share: 1}}},
			{ID: "P3", Reasons: []decide.Reason{{Code: "popular", Share: 0.5}}},
		},
		Receipt: decide.Receipt{
			ID: "r1", Purpose: "personalization", Basis: "consent", Decision: "allowed", Choice: 42, Synthetic: true, Durable: "after",
			Used:    []decide.Use{{Kind: "purchase", Count: 1}, {Kind: "view", Count: 7}, {Kind: "trait:size", Count: 1}},
			Refused: []decide.Refusal{{Purpose: "newsletter", Reason: "no_choice", Why: "x"}}, Otherwise: "Switch it off.",
		},
	}, func(id string) string { return titles[id] })
	want := Answer{
		Personal: true,
		Items: []Item{
			{ID: "P1", Title: "Lunch bag", Reasons: []string{"because you bought Tins (62 %)", "because you are looking at P9"}},
			{ID: "P2", Title: "Tins", Reasons: []string{"because you bought it before (40 %)", "popular with everybody"}},
			{ID: "P5", Title: "P5", Reasons: []string{"because you put Lunch bag into the cart"}},
			{ID: "P4", Title: "P4", Reasons: []string{"because you told us that you like Kitchen (60 %)", "in the catalogue's order"}},
			{ID: "P3", Title: "P3", Reasons: []string{"popular with everybody"}},
		},
		Receipt: Receipt{
			ID: "r1", Used: []string{"1 purchase of yours", "7 product views of yours", "your size"},
			Choice:  "You allowed “Personalization” (choice no. 42). The choice is simulated: no human made it.",
			Refused: []string{"News by e-mail: you were never asked, so the answer is no"}, Otherwise: "Switch it off.", Kept: "kept on disk within a second",
		},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	for _, c := range []struct {
		receipt decide.Receipt
		want    string
	}{
		{decide.Receipt{Decision: "withdrawn"}, "None: you withdrew your consent."},
		{decide.Receipt{Decision: "allowed", Basis: "contract"}, "The contract with you; it needs no choice."},
		{decide.Receipt{Decision: "allowed", Basis: "opt_out", Purpose: "ads"}, "You have not objected to “Ads”."},
	} {
		if got := choice(d, &c.receipt); got != c.want {
			t.Errorf("%q, want %q", got, c.want)
		}
	}
}
