package recommend

import (
	"accord/internal/declare"
	"accord/internal/event"
	"accord/internal/profile"
)

// Data is what a model is learnt from: one history a person. Nothing in it
// names the person.
type Data []History

// History is what one person did.
type History struct {
	// Place is where the person usually is, where that is known: it only counts
	// towards what is popular there.
	Place string
	Items []Interaction
}

// Interaction is one thing that a person did with one product.
type Interaction struct {
	Item   string
	At     int64 // Unix milliseconds
	Action declare.Action
	Weight float32 // the quantity; 0 counts as 1
}

// HistoryOf returns the history that a view holds. Its place is the declared
// attribute "place" or else "country", if the view has one of them.
func HistoryOf(v profile.View) History {
	seen := v.Interactions()
	h := History{Items: make([]Interaction, len(seen))}
	for i := range seen {
		x := &seen[i]
		h.Items[i] = Interaction{Item: x.Item, At: x.At, Action: x.Action, Weight: x.Quantity}
	}
	for _, path := range [...]string{"place", "country"} {
		if t, ok := v.Trait(path); ok && t.Kind == event.ValueString && t.Text != "" {
			h.Place = t.Text
			break
		}
	}
	return h
}

// strength is how much an action says about what a person will buy. The zero
// strength says nothing, or the opposite.
func strength(a declare.Action) float32 {
	switch a {
	case declare.Purchase, declare.Like:
		return 1
	case declare.Cart:
		return 0.7
	case declare.View:
		return 0.4
	}
	return 0
}

// actions are the names of the actions as the declaration writes them.
var actions = [...]string{
	declare.NoAction: "", declare.View: "view", declare.Cart: "cart",
	declare.Purchase: "purchase", declare.Like: "like", declare.Dislike: "dislike",
}
