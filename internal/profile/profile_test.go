package profile

import (
	"bytes"
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"accord/internal/consent"
	"accord/internal/declare"
	"accord/internal/event"
	"accord/internal/identity"
)

const shop = `version: 1
controller: {id: shop, name: Shop, contact: privacy@example.com, country: DE}
receipts: {retention: 36 months}
purposes:
  orders: {basis: contract, text: x}
  taste: {basis: consent, text: x}
  letters: {basis: consent, text: x}
attributes:
  size: {type: string, category: c, retention: 1 year, purposes: [taste]}
  country: {type: string, category: c, retention: 1 year, purposes: [orders, taste]}
  email: {type: string, category: c, retention: 1 year, purposes: [letters]}
  likes: {type: categories, category: c, retention: 1 year, purposes: [taste]}
events:
  Viewed:
    action: view
    fields:
      id: {type: item, category: c, retention: 1 year, purposes: [taste]}
  Ordered:
    action: purchase
    fields:
      products[].id: {type: item, category: c, retention: 1 year, purposes: [orders, taste]}
      products[].quantity: {type: quantity, category: c, retention: 1 year, purposes: [orders, taste]}
      total: {type: money, category: c, retention: 1 year, purposes: [orders, taste]}
  Signed Up:
    fields:
      id: {type: item, category: c, retention: 1 year, purposes: [taste]}
context:
  country: {type: string, category: c, retention: 1 year, purposes: [taste]}
`

var (
	noon = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	ann  = identity.Token{1}
)

func parse(tb testing.TB, text string) *declare.Declaration {
	tb.Helper()
	d, err := declare.Parse("accord.yaml", []byte(text))
	if err != nil {
		tb.Fatal(err)
	}
	return d
}

// grants asks for every purpose for Ann, who consented at noon with sequence 5.
func grants(tb testing.TB, d *declare.Declaration) map[declare.PurposeID]consent.Grant {
	tb.Helper()
	book := consent.NewBook(d, consent.AnyNotice, consent.NoLaw)
	r := consent.Record{Token: ann, Sequence: 5, Accepted: noon}
	for i := range d.Purposes {
		r.Choices = append(r.Choices, consent.Choice{Purpose: d.Purposes[i].ID, State: consent.Given, At: noon})
	}
	book.Apply(r)
	gate := consent.NewGate(d, book)
	gate.Open()
	out := map[declare.PurposeID]consent.Grant{}
	for i := range d.Purposes {
		g, reason := gate.Ask(ann, declare.PurposeIndex(i), consent.Where{}, noon)
		if reason != consent.Allowed {
			tb.Fatal(reason)
		}
		out[d.Purposes[i].ID] = g
	}
	return out
}

// field returns the number of a field by event ("" for traits) and path.
func field(tb testing.TB, d *declare.Declaration, name, path string) *declare.Field {
	tb.Helper()
	f, ok := d.Attribute(path)
	if name != "" {
		e, _ := d.Event(name)
		f, ok = e.Field(path)
	}
	if !ok {
		tb.Fatalf("no field %s %s", name, path)
	}
	return f
}

func text(s string) event.Value { return event.Value{Kind: event.ValueString, Text: s} }

func happening(tb testing.TB, d *declare.Declaration, name string, at int64, fields ...event.Field) *event.Piece {
	tb.Helper()
	e, ok := d.Event(name)
	if !ok {
		tb.Fatalf("no event %s", name)
	}
	return &event.Piece{Event: e.ID, At: at, Fields: fields}
}

func TestFoldReadsWhatIsDeclared(t *testing.T) {
	d := parse(t, shop)
	id, quantity := field(t, d, "Ordered", "products[].id").ID, field(t, d, "Ordered", "products[].quantity").ID
	stamp := Stamp{Mask: 3, Choice: 9}
	var p Part
	changed := p.Fold(d, happening(t, d, "Ordered", 77,
		event.Field{ID: id, Index: 0, Value: text("a")},
		event.Field{ID: id, Index: 1, Value: text("b")},
		event.Field{ID: id, Index: 2, Value: text("c")},
		event.Field{ID: id, Index: 3, Value: text("")},
		event.Field{ID: quantity, Index: 1, Value: event.Value{Kind: event.ValueInteger, Int: 6}},
		event.Field{ID: quantity, Index: 2, Value: event.Value{Kind: event.ValueNumber, Num: 0.5}},
		event.Field{ID: 12345, Index: 0, Value: text("undeclared")},
	), stamp)
	want := []Interaction{
		{At: 77, Item: "a", Action: declare.Purchase, Quantity: 1, Stamp: stamp},
		{At: 77, Item: "b", Action: declare.Purchase, Quantity: 6, Stamp: stamp},
		{At: 77, Item: "c", Action: declare.Purchase, Quantity: 0.5, Stamp: stamp},
	}
	if !changed || !slices.Equal(p.Interactions, want) || len(p.Traits) != 0 {
		t.Errorf("%+v", p)
	}
	viewed := field(t, d, "Viewed", "id").ID
	for name, piece := range map[string]*event.Piece{
		"an event without an action": happening(t, d, "Signed Up", 1, event.Field{ID: field(t, d, "Signed Up", "id").ID, Value: text("a")}),
		"an undeclared event":        {Event: 99, Fields: []event.Field{{ID: viewed, Value: text("a")}}},
		"an undeclared field":        happening(t, d, "Viewed", 1, event.Field{ID: 99, Value: text("a")}),
		"an undeclared trait":        {Fields: []event.Field{{ID: 99, Value: text("a")}}},
		"nothing":                    {},
	} {
		if p.Fold(d, piece, stamp) || len(p.Interactions) != 3 || len(p.Traits) != 0 {
			t.Errorf("%s was folded (promise 4): %+v", name, p)
		}
	}
}

// drawPieces draws what one person did, with many at the same moment.
func drawPieces(t *rapid.T, tb testing.TB, d *declare.Declaration) (pieces []*event.Piece, stamps []Stamp) {
	item := rapid.SampledFrom([]string{"a", "b", "c"})
	for range rapid.IntRange(0, 12).Draw(t, "pieces") {
		at := rapid.Int64Range(0, 4).Draw(t, "at")
		var p *event.Piece
		switch rapid.IntRange(0, 2).Draw(t, "kind") {
		case 0:
			p = happening(tb, d, "Viewed", at, event.Field{ID: field(tb, d, "Viewed", "id").ID, Value: text(item.Draw(t, "item"))})
		case 1:
			p = happening(tb, d, "Ordered", at,
				event.Field{ID: field(tb, d, "Ordered", "products[].id").ID, Value: text(item.Draw(t, "item"))},
				event.Field{ID: field(tb, d, "Ordered", "products[].quantity").ID, Value: event.Value{Kind: event.ValueInteger, Int: rapid.Int64Range(1, 3).Draw(t, "quantity")}})
		default:
			path := rapid.SampledFrom([]string{"size", "country", "email"}).Draw(t, "trait")
			p = &event.Piece{At: at, Fields: []event.Field{{ID: field(tb, d, "", path).ID, Value: text(rapid.SampledFrom([]string{"x", "y", "z"}).Draw(t, "value"))}}}
		}
		pieces = append(pieces, p)
		stamps = append(stamps, Stamp{Mask: uint16(rapid.IntRange(1, 3).Draw(t, "mask")), Choice: rapid.Uint64Range(4, 6).Draw(t, "choice")})
	}
	return pieces, stamps
}

// TestFoldDoesNotDependOnOrder: a frame that a sweep has rewritten, or that
// came late, makes the same profile.
func TestFoldDoesNotDependOnOrder(t *testing.T) {
	d := parse(t, shop)
	rapid.Check(t, func(rt *rapid.T) {
		pieces, stamps := drawPieces(rt, t, d)
		order := make([]int, len(pieces))
		for i := range order {
			order[i] = i
		}
		var one, two Part
		for _, i := range order {
			one.Fold(d, pieces[i], stamps[i])
		}
		for _, i := range rapid.Permutation(order).Draw(rt, "order") {
			two.Fold(d, pieces[i], stamps[i])
		}
		if a, b := canonical(one), canonical(two); a != b {
			rt.Fatalf("one order makes\n%s\nanother\n%s", a, b)
		}
	})
}

func canonical(p Part) string {
	p.Interactions, p.Traits = slices.Clone(p.Interactions), slices.Clone(p.Traits)
	slices.SortFunc(p.Interactions, func(a, b Interaction) int { return cmp.Compare(fmt.Sprint(a), fmt.Sprint(b)) })
	slices.SortFunc(p.Traits, func(a, b Trait) int { return cmp.Compare(a.Field, b.Field) })
	return fmt.Sprint(p)
}

func TestAPartIsBoundedAndKeepsTheNewest(t *testing.T) {
	d := parse(t, shop)
	id := field(t, d, "Viewed", "id").ID
	const n = MaxInteractions + 3
	for name, at := range map[string]func(i int) int64{
		"rising": func(i int) int64 { return int64(i) }, "falling": func(i int) int64 { return int64(n - 1 - i) },
	} {
		var p Part
		for i := range n {
			p.Fold(d, happening(t, d, "Viewed", at(i), event.Field{ID: id, Value: text("a")}), Stamp{})
		}
		oldest := slices.MinFunc(p.Interactions, func(a, b Interaction) int { return cmp.Compare(a.At, b.At) })
		if len(p.Interactions) != MaxInteractions || oldest.At != 3 {
			t.Errorf("%s: %d are left, the oldest of %d", name, len(p.Interactions), oldest.At)
		}
	}
}

// TestCutShowsNothingBeyondItsGrant holds promise 2 against a plain reading of
// every value on the shelves.
func TestCutShowsNothingBeyondItsGrant(t *testing.T) {
	d := parse(t, shop)
	all := grants(t, d)
	rapid.Check(t, func(rt *rapid.T) {
		var shelves []Shelf
		for i := range d.Classes {
			c := &d.Classes[i]
			for range rapid.IntRange(0, 2).Draw(rt, "months") {
				shelves = append(shelves, Shelf{Class: c, Part: drawPart(rt, d)})
			}
		}
		purpose := rapid.SampledFrom([]declare.PurposeID{"orders", "taste", "letters"}).Draw(rt, "purpose")
		index, _ := d.Purpose(purpose)
		view := Cut(d, all[purpose], shelves)
		if !view.Personal() || view.Grant().Token() != ann {
			rt.Fatal("the view does not know its grant")
		}
		// The consent runs from sequence 5 and noon; a contract has no beginning.
		may := func(c *declare.Class, s Stamp, at int64) bool {
			return c.Set(s.Mask).Has(index) && (purpose == "orders" || s.Choice >= 5 && at >= noon.UnixMilli())
		}
		var interactions []Interaction
		newest := map[declare.NameID]int64{}
		for _, s := range shelves {
			for _, x := range s.Part.Interactions {
				declared := x.Action == declare.Purchase && purpose != "letters" || x.Action == declare.View && purpose == "taste"
				if declared && may(s.Class, x.Stamp, x.At) {
					interactions = append(interactions, x)
				}
			}
			for _, x := range s.Part.Traits {
				f, ok := d.FieldByID(x.Field)
				if ok && f.Class.Purposes.Has(index) && may(s.Class, x.Stamp, x.At) {
					newest[x.Field] = max(newest[x.Field], x.At)
				}
			}
		}
		if got := view.Interactions(); !slices.Equal(got, interactions) {
			rt.Fatalf("%s shows %v, and may show %v", purpose, got, interactions)
		}
		if view.Traits() != len(newest) {
			rt.Fatalf("%s shows %d traits, and may show %d", purpose, view.Traits(), len(newest))
		}
		for i := range view.traits {
			if at, ok := newest[view.traits[i].Field]; !ok || at != view.traits[i].At {
				rt.Fatalf("%s shows %+v; the newest that it may show is of %d", purpose, view.traits[i], at)
			}
		}
		if zero := Cut(d, consent.Grant{}, shelves); zero.Personal() || len(zero.Interactions()) != 0 || zero.Traits() != 0 {
			rt.Fatal("the zero grant shows something")
		}
	})
}

func drawPart(t *rapid.T, d *declare.Declaration) *Part {
	p := &Part{}
	stamp := func() (Stamp, int64) {
		return Stamp{Mask: uint16(rapid.IntRange(0, 7).Draw(t, "mask")), Choice: rapid.Uint64Range(3, 7).Draw(t, "choice")},
			noon.UnixMilli() + rapid.Int64Range(-2, 2).Draw(t, "at")
	}
	for range rapid.IntRange(0, 3).Draw(t, "interactions") {
		s, at := stamp()
		p.Interactions = append(p.Interactions, Interaction{At: at, Item: "a", Action: rapid.SampledFrom([]declare.Action{declare.View, declare.Purchase, declare.Like, 200}).Draw(t, "action"), Quantity: 1, Stamp: s})
	}
	for i := range d.Attributes {
		if rapid.Bool().Draw(t, "has") {
			s, at := stamp()
			p.Traits = append(p.Traits, Trait{Field: d.Attributes[i].ID, At: at, Value: text("x"), Stamp: s})
		}
	}
	if rapid.Bool().Draw(t, "undeclared") {
		s, at := stamp()
		p.Traits = append(p.Traits, Trait{Field: 99, At: at, Value: text("undeclared"), Stamp: s})
	}
	return p
}

func TestViewsGiveTheNewestTraitByPath(t *testing.T) {
	d := parse(t, shop)
	country := field(t, d, "", "country")
	stamp := Stamp{Mask: country.Class.Mask(country.Class.Purposes), Choice: 5}
	at := noon.UnixMilli()
	month := func(at int64, value string) Shelf {
		return Shelf{Class: country.Class, Part: &Part{Traits: []Trait{{Field: country.ID, At: at, Value: text(value), Stamp: stamp}}}}
	}
	for name, shelves := range map[string][]Shelf{
		"rising": {month(at, "DE"), month(at+1, "FR")}, "falling": {month(at+1, "FR"), month(at, "DE")},
		"at once": {month(at, "FR"), month(at, "DE")}, "at once, turned": {month(at, "DE"), month(at, "FR")},
	} {
		v := Cut(d, grants(t, d)["taste"], shelves)
		if got, ok := v.Trait("country"); !ok || got.Text != "FR" || v.Traits() != 1 {
			t.Errorf("%s: %v of %d", name, got, v.Traits())
		}
		for _, path := range []string{"email", "size", "", "products[].id"} {
			if _, ok := v.Trait(path); ok {
				t.Errorf("the view has a trait %q", path)
			}
		}
	}
	var zero View
	if _, ok := zero.Trait("country"); ok || zero.Personal() || zero.Traits() != 0 || len(zero.Interactions()) != 0 {
		t.Error("the zero view knows something")
	}
}

// TestADeclarationThatNarrowsHidesWhatWasKept: a field that left a purpose is
// not shown for it, though its old class lives on.
func TestADeclarationThatNarrowsHidesWhatWasKept(t *testing.T) {
	before := parse(t, shop)
	country := field(t, before, "", "country")
	part := &Part{Traits: []Trait{{Field: country.ID, At: noon.UnixMilli(), Value: text("DE"), Stamp: Stamp{Mask: 3, Choice: 5}}}}
	narrowed := bytes.Replace([]byte(shop), []byte("country: {type: string, category: c, retention: 1 year, purposes: [orders, taste]}"),
		[]byte("country: {type: string, category: c, retention: 1 year, purposes: [orders]}"), 1)
	now := parse(t, string(narrowed))
	class, ok := now.Class(country.Class.ID)
	if !ok {
		t.Fatal("the class of the orders is gone; the test shows nothing")
	}
	shelves := []Shelf{{Class: class, Part: part}}
	if _, ok := Cut(now, grants(t, now)["taste"], shelves).Trait("country"); ok {
		t.Error("shown for a purpose that the declaration took from it")
	}
	if _, ok := Cut(now, grants(t, now)["orders"], shelves).Trait("country"); !ok {
		t.Error("hidden from a purpose that it still has")
	}
}

// The items of an event are hidden in the same way, while the quantity beside
// them keeps their class alive.
func TestADeclarationThatNarrowsHidesItems(t *testing.T) {
	class := field(t, parse(t, shop), "Ordered", "products[].id").Class.ID
	part := &Part{Interactions: []Interaction{{At: noon.UnixMilli(), Item: "cup", Action: declare.Purchase, Stamp: Stamp{Mask: 3, Choice: 5}}}}
	now := parse(t, strings.Replace(shop, "products[].id: {type: item, category: c, retention: 1 year, purposes: [orders, taste]}",
		"products[].id: {type: item, category: c, retention: 1 year, purposes: [orders]}", 1))
	old, ok := now.Class(class)
	if !ok {
		t.Fatal("the class of the items is gone; the test shows nothing")
	}
	for purpose, want := range map[declare.PurposeID]int{"taste": 0, "orders": 1} {
		if got := Cut(now, grants(t, now)[purpose], []Shelf{{Class: old, Part: part}}).Interactions(); len(got) != want {
			t.Errorf("%s sees %v", purpose, got)
		}
	}
}

func history(n int) *Part {
	p := &Part{}
	for i := range n {
		p.Interactions = append(p.Interactions, Interaction{At: noon.UnixMilli() + int64(i), Item: fmt.Sprintf("item-%04d", i), Action: declare.View, Quantity: 1, Stamp: Stamp{math.MaxUint16, 7}})
	}
	return p
}

func BenchmarkCut30(b *testing.B) {
	d := parse(b, shop)
	g := grants(b, d)["taste"]
	shelves := []Shelf{{Class: field(b, d, "Viewed", "id").Class, Part: history(30)}}
	b.ReportAllocs()
	for b.Loop() {
		if v := Cut(d, g, shelves); len(v.Interactions()) != 30 {
			b.Fatal(len(v.Interactions()))
		}
	}
}

// The newest list counts across the months that hold one, and an empty one takes
// back what was told.
func TestCategoriesOfAView(t *testing.T) {
	d := parse(t, shop)
	f, _ := d.Attribute("likes")
	stamp := Stamp{Mask: f.Class.Mask(^declare.Set(0)), Choice: 5}
	told := func(at time.Time, list ...string) *Part {
		v, ok := event.CategoriesValue(list)
		if !ok {
			t.Fatal(list)
		}
		p := &Part{}
		p.Fold(d, &event.Piece{At: at.UnixMilli(), Fields: []event.Field{{ID: f.ID, Value: v}}}, stamp)
		return p
	}
	first, second, third := told(noon, "Tea", "Mugs"), told(noon.Add(time.Second), "Mugs"), told(noon.Add(time.Minute))
	grant := grants(t, d)["taste"]
	for _, c := range []struct {
		parts []*Part
		want  []string
	}{
		{[]*Part{first}, []string{"Tea", "Mugs"}},
		{[]*Part{second, first}, []string{"Mugs"}},
		{[]*Part{first, third, second}, nil},
	} {
		var shelves []Shelf
		for _, p := range c.parts {
			shelves = append(shelves, Shelf{f.Class, p})
		}
		if got := Cut(d, grant, shelves).Categories("likes"); !slices.Equal(got, c.want) {
			t.Errorf("%q, want %q", got, c.want)
		}
	}
	view := Cut(d, grant, []Shelf{{f.Class, first}})
	if got := view.Categories("country"); got != nil {
		t.Errorf("the country has the categories %q", got)
	}
	if got := (View{}).Categories("likes"); got != nil {
		t.Errorf("nobody likes %q", got)
	}
	if got := Cut(d, grants(t, d)["orders"], []Shelf{{f.Class, first}}).Categories("likes"); got != nil {
		t.Errorf("another purpose sees %q", got)
	}
}

// Merge shows what two views show, of a trait the newer value, and changes neither.
func TestMerge(t *testing.T) {
	d := parse(t, shop)
	g := grants(t, d)["taste"]
	size := field(t, d, "", "size")
	view := func(item, value string, at int64) View {
		stamp := Stamp{Mask: 0xffff, Choice: 5}
		p := Part{Traits: []Trait{{Field: size.ID, At: at, Value: text(value), Stamp: stamp}}}
		p.Interactions = []Interaction{{At: at, Item: item, Action: declare.View, Quantity: 1, Stamp: stamp}}
		return Cut(d, g, []Shelf{{Class: size.Class, Part: &p}})
	}
	at := noon.UnixMilli()
	a, b := view("a", "S", at+2), view("b", "M", at+1)
	for _, m := range []View{Merge(a, b), Merge(b, a)} {
		if v, _ := m.Trait("size"); v.Text != "S" || len(m.Interactions()) != 2 || m.Grant() != g {
			t.Errorf("%v, %v", v, m.Interactions())
		}
	}
	if v, _ := b.Trait("size"); v.Text != "M" || len(b.Interactions()) != 1 {
		t.Error("a view was changed")
	}
}

// A stopped attribute is not shown.
func TestCutStopped(t *testing.T) {
	d := parse(t, shop)
	book := consent.NewBook(d, consent.AnyNotice, consent.NoLaw)
	gate := consent.NewGate(d, book)
	gate.Open()
	book.Apply(consent.Record{Token: consent.StopsToken, Sequence: 1, Stop: &consent.Stop{Kind: consent.StopAttribute, Name: "country"}})
	orders, _ := d.Purpose("orders")
	g, _ := gate.Ask(ann, orders, consent.Where{}, noon)
	country := field(t, d, "", "country")
	p := Part{Traits: []Trait{{Field: country.ID, At: 1, Value: text("DE"), Stamp: Stamp{Mask: 0xffff}}}}
	if v := Cut(d, g, []Shelf{{Class: country.Class, Part: &p}}); v.Traits() != 0 {
		t.Error("a stopped attribute is shown")
	}
}
