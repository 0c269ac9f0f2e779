package recommend

import (
	"strings"
	"testing"
	"time"

	"accord/internal/consent"
	"accord/internal/declare"
	"accord/internal/identity"
	"accord/internal/profile"
)

// now is when the tests happen: a Monday at noon.
var now = time.Date(2026, 11, 2, 12, 0, 0, 0, time.UTC)

// did is a purchase some days ago, unless another action is named.
func did(item string, days int, action ...declare.Action) Interaction {
	x := Interaction{Item: item, At: now.UnixMilli() - int64(days)*day, Action: declare.Purchase, Weight: 1}
	if len(action) > 0 {
		x.Action = action[0]
	}
	return x
}

const disliked = `  Product Disliked:
    action: dislike
    fields:
      product_id: {type: item, category: interest, purposes: [personalization], retention: 13 months}
`

// granted returns a view of a history under a real grant for personalization.
func granted(t testing.TB, items ...Interaction) profile.View {
	t.Helper()
	// The template declares no dislike, and what is not declared is not shown.
	text := strings.Replace(string(declare.Template("shop")), "\nevents:\n", "\nevents:\n"+disliked, 1)
	d, err := declare.Parse("accord.yaml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	book := consent.NewBook(d, consent.AnyNotice, consent.NoLaw)
	gate := consent.NewGate(d, book)
	gate.Open()
	token := identity.Token{1, 2, 3}
	book.Apply(consent.Record{
		Controller: d.Controller(), Token: token, Sequence: 1, Accepted: now,
		Choices: []consent.Choice{{Purpose: "personalization", State: consent.Given, At: now.AddDate(-1, 0, 0), Method: "test"}},
	})
	purpose, _ := d.Purpose("personalization")
	grant, reason := gate.Ask(token, purpose, consent.Where{}, now)
	if reason != consent.Allowed {
		t.Fatalf("the gate refused: %s", reason)
	}
	e, _ := d.Event("Product Viewed")
	f, ok := e.Field("product_id")
	if !ok {
		t.Fatal("the template has no product_id")
	}
	part := &profile.Part{}
	for _, x := range items {
		part.Interactions = append(part.Interactions, profile.Interaction{
			At: x.At, Item: x.Item, Action: x.Action, Quantity: x.Weight,
			Stamp: profile.Stamp{Mask: f.Class.Mask(declare.Set(0).With(purpose)), Choice: 1},
		})
	}
	view := profile.Cut(d, grant, []profile.Shelf{{Class: f.Class, Part: part}})
	if got := len(view.Interactions()); got != len(items) {
		t.Fatalf("the view holds %d interactions of %d", got, len(items))
	}
	return view
}
