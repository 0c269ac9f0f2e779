package recommend

import (
	"slices"
	"testing"
	"time"

	"accord/internal/consent"
	"accord/internal/decide"
	"accord/internal/declare"
	"accord/internal/event"
	"accord/internal/identity"
	"accord/internal/profile"
)

var categories = []string{"", "Kitchen", "Kitchen > Mugs", "Food > Tea", "Food"}

// category is the catalogue of the items that pairs knows, and of one more.
func category(id string) string {
	return map[string]string{"tea": "Food > Tea", "coffee": "Food > Coffee", "bread": "Food", "cups": "Kitchen > Mugs", "mill": "Kitchen", "lamp": "Home"}[id]
}

// telling is one call of identify.
type telling struct {
	at            time.Time
	under         []declare.PurposeID // the purposes that held when it came
	likes, avoids []string
}

// viewOf returns a view under a grant for purpose, of somebody who gave all
// consents long ago and told this.
func viewOf(t testing.TB, purpose declare.PurposeID, tellings ...telling) profile.View {
	t.Helper()
	d, err := declare.Parse("accord.yaml", declare.Template("shop"))
	if err != nil {
		t.Fatal(err)
	}
	book := consent.NewBook(d, consent.AnyNotice, consent.NoLaw)
	gate := consent.NewGate(d, book)
	gate.Open()
	r := consent.Record{Controller: d.Controller(), Token: identity.Token{1}, Sequence: 1, Accepted: now}
	for _, p := range []declare.PurposeID{"personalization", "told_preferences", "model_training"} {
		r.Choices = append(r.Choices, consent.Choice{Purpose: p, State: consent.Given, At: now.AddDate(-1, 0, 0), Method: "test"})
	}
	book.Apply(r)
	p, _ := d.Purpose(purpose)
	grant, reason := gate.Ask(r.Token, p, consent.Where{}, now)
	if reason != consent.Allowed {
		t.Fatalf("the gate refused: %s", reason)
	}
	likes, _ := d.Attribute(declare.Likes)
	avoids, _ := d.Attribute(declare.Avoids)
	part := &profile.Part{}
	for _, x := range tellings {
		var held declare.Set
		for _, id := range x.under {
			p, _ := d.Purpose(id)
			held = held.With(p)
		}
		piece := &event.Piece{At: x.at.UnixMilli()}
		for f, list := range map[*declare.Field][]string{likes: x.likes, avoids: x.avoids} {
			if list != nil {
				v, ok := event.CategoriesValue(list)
				if !ok {
					t.Fatal(list)
				}
				piece.Fields = append(piece.Fields, event.Field{ID: f.ID, Value: v})
			}
		}
		part.Fold(d, piece, profile.Stamp{Mask: likes.Class.Mask(held), Choice: 1})
	}
	return profile.Cut(d, grant, []profile.Shelf{{Class: likes.Class, Part: part}})
}

var both = []declare.PurposeID{"personalization", "told_preferences"}

func tellingEngine(t testing.TB) *Engine {
	e := New(nil, "lamp")
	e.SetCategories(category)
	e.Swap(pairs(t, Options{}))
	return e
}

// "What a person says they like … weighs in decisions from the next answer on."
func TestWhatAPersonToldChangesTheAnswer(t *testing.T) {
	e := tellingEngine(t)
	everybody := ids(decided(t, e, ask(6), profile.View{}).Items)
	if everybody[0] != "bread" || everybody[5] != "lamp" {
		t.Fatalf("everybody gets %v", everybody)
	}
	for _, purpose := range both {
		r := decided(t, e, ask(6), viewOf(t, purpose, telling{at: now, under: both, likes: []string{"Kitchen", "Nothing here"}}))
		if got := ids(r.Items[:2]); !r.Personal || !slices.Contains(got, "cups") || !slices.Contains(got, "mill") {
			t.Errorf("%s: %v, personal %v; want the kitchen first", purpose, ids(r.Items), r.Personal)
		}
		if why := r.Items[0].Reasons[0]; why.Code != "told" || why.Category != "Kitchen" || why.Item != "" || why.Share < 0.5 || why.Share > 1 {
			t.Errorf("%s: because %+v", purpose, why)
		}
		if want := []decide.Use{{Kind: "trait:likes", Count: 1}}; !slices.Equal(r.Used, want) {
			t.Errorf("%s: used %v, want %v: the catalogue has one of the two", purpose, r.Used, want)
		}
	}
}

// "Purpose-bound reads": what was told while only one purpose held serves no other.
func TestWhatAPersonToldServesThePurposesThatHeld(t *testing.T) {
	e := tellingEngine(t)
	everybody := ids(decided(t, e, ask(6), profile.View{}).Items)
	x := telling{at: now, under: []declare.PurposeID{"told_preferences"}, likes: []string{"Kitchen"}}
	if r := decided(t, e, ask(6), viewOf(t, "told_preferences", x)); !r.Personal {
		t.Error("it is not used under its own purpose")
	}
	for _, purpose := range []declare.PurposeID{"personalization", "model_training"} {
		r := decided(t, e, ask(6), viewOf(t, purpose, x))
		if r.Personal || len(r.Used) != 0 || !slices.Equal(ids(r.Items), everybody) {
			t.Errorf("%s: %v, used %v", purpose, ids(r.Items), r.Used)
		}
	}
	if h := HistoryOf(viewOf(t, "model_training", telling{at: now, under: both, likes: []string{"Kitchen"}})); len(h.Items) != 0 || h.Place != "" {
		t.Errorf("%+v is learnt from", h)
	}
}

func TestTellingOtherwiseIsTakenBack(t *testing.T) {
	e := tellingEngine(t)
	everybody := decided(t, e, ask(6), profile.View{})
	x := telling{at: now.Add(-time.Hour), under: both, likes: []string{"Kitchen"}, avoids: []string{"Food"}}
	r := decided(t, e, ask(6), viewOf(t, "personalization", x, telling{at: now, under: both, likes: []string{}, avoids: []string{}}))
	if r.Personal || len(r.Used) != 0 || !slices.Equal(ids(r.Items), ids(everybody.Items)) {
		t.Errorf("%v, used %v after all was taken back", ids(r.Items), r.Used)
	}
	r = decided(t, e, ask(6), viewOf(t, "personalization", x, telling{at: now, under: both, likes: []string{"Food > Tea"}, avoids: []string{}}))
	if r.Items[0].ID != "tea" || r.Items[0].Reasons[0].Category != "Food > Tea" {
		t.Errorf("%+v is first, want what was told last", r.Items[0])
	}
}

func TestWhatAPersonAvoidsComesLast(t *testing.T) {
	e := tellingEngine(t)
	r := decided(t, e, ask(5), viewOf(t, "personalization", telling{at: now, under: both, avoids: []string{"Food"}}))
	if got := ids(r.Items); !r.Personal || slices.Contains(got[:2], "bread") || slices.Contains(got[:2], "tea") {
		t.Errorf("%v, personal %v", got, r.Personal)
	}
	if want := []decide.Use{{Kind: "trait:avoids", Count: 1}}; !slices.Equal(r.Used, want) {
		t.Errorf("used %v, want %v", r.Used, want)
	}
	// What changes nothing is not personal.
	if r := decided(t, e, ask(6), viewOf(t, "personalization", telling{at: now, under: both, avoids: []string{"Home"}})); r.Personal {
		t.Error("what is last anyway was avoided, and that makes it personal")
	}
}

func TestWhatAPersonToldOrdersTheFallback(t *testing.T) {
	e := New(nil, "bread", "lamp", "cups", "mill", "tea")
	e.SetCategories(category)
	x := telling{at: now, under: both, likes: []string{"Kitchen", "Food"}, avoids: []string{"Food > Tea"}}
	r := decided(t, e, ask(5), viewOf(t, "told_preferences", x))
	if got := ids(r.Items); !r.Personal || !slices.Equal(got, []string{"bread", "cups", "mill", "lamp", "tea"}) {
		t.Errorf("%v, personal %v", got, r.Personal)
	}
	if want := []decide.Reason{{Code: "told", Category: "Kitchen", Share: 1}}; !slices.Equal(r.Items[1].Reasons, want) {
		t.Errorf("because %+v", r.Items[1].Reasons)
	}
	// The catalogue may change beneath it.
	e.SetCategories(func(string) string { return "" })
	if r := decided(t, e, ask(5), viewOf(t, "told_preferences", x)); r.Personal || r.Items[1].ID != "lamp" {
		t.Errorf("%v, personal %v in a catalogue without categories", ids(r.Items), r.Personal)
	}
}

func TestWithin(t *testing.T) {
	for _, c := range []struct {
		category, outer string
		want            bool
	}{
		{"Kitchen", "Kitchen", true}, {"Kitchen > Mugs", "Kitchen", true}, {"Kitchen > Mugs > Big", "Kitchen > Mugs", true},
		{"Kitchenware", "Kitchen", false}, {"Kitchen", "Kitchen > Mugs", false}, {"", "", false}, {"Kitchen", "", false},
	} {
		if got := within(c.category, c.outer); got != c.want {
			t.Errorf("%q within %q: %v", c.category, c.outer, got)
		}
		var all []string
		eachWithin(c.category, func(outer string) { all = append(all, outer) })
		if got := slices.Contains(all, c.outer); got != c.want {
			t.Errorf("%q is on the shelves %q", c.category, all)
		}
	}
}
