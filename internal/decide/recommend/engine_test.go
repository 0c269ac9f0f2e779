package recommend

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
	"unsafe"

	"accord/internal/decide"
	"accord/internal/declare"
	"accord/internal/learn"
	"accord/internal/profile"
)

// pairs is a shop in which tea goes with cups, coffee with a mill, and bread
// with nothing, and in which people buy again.
func pairs(t testing.TB, o Options) *Model {
	t.Helper()
	var data Data
	for i := range 120 {
		var h History
		if i%3 > 0 {
			h.Items = append(h.Items, did("bread", 1+i%20), did("bread", 40+i%20))
		}
		if i%2 == 0 {
			h.Items = append(h.Items, did("tea", 10), did("cups", 12+i%7))
		} else {
			h.Items = append(h.Items, did("coffee", 11), did("mill", 15+i%7))
		}
		data = append(data, h)
	}
	o.Now, o.Lambda = now, 5
	m, err := Train(t.Context(), data, o)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func ids(items []decide.Item) (out []string) {
	for _, x := range items {
		out = append(out, x.ID)
	}
	return out
}

func ask(n int) decide.Ask {
	return decide.Ask{Purpose: "personalization", N: n, Moment: decide.Moment{Time: now}}
}

func decided(t testing.TB, e *Engine, a decide.Ask, v profile.View) decide.Result {
	t.Helper()
	r, err := e.Decide(t.Context(), a, v)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestAPersonGetsWhatGoesWithWhatTheyBought(t *testing.T) {
	e := New(nil)
	e.Swap(pairs(t, Options{Repeats: RepeatsNever}))
	r := decided(t, e, ask(3), granted(t, did("tea", 3), did("unheard of", 2)))
	if !r.Personal || r.Items[0].ID != "cups" {
		t.Fatalf("got %v, personal %v; want cups first, personal", ids(r.Items), r.Personal)
	}
	if want := []decide.Use{{Kind: "purchase", Count: 1}}; !slices.Equal(r.Used, want) {
		t.Errorf("used %v, want %v: what the model does not know is not used", r.Used, want)
	}
	because := r.Items[0].Reasons[0]
	if because.Code != "because_item" || because.Item != "tea" || because.Action != "purchase" || because.Share < 0.5 {
		t.Errorf("the first reason is %+v, want mostly because of the tea bought", because)
	}
	if r.Model != "ease-20261102T120000Z" {
		t.Errorf("model %q", r.Model)
	}
}

// "An engine receives a view already cut down to its grant" (promise 2).
func TestNobodyGetsWhatIsPopular(t *testing.T) {
	e := New(nil)
	e.Swap(pairs(t, Options{}))
	r := decided(t, e, ask(10), profile.View{})
	if r.Personal || len(r.Used) != 0 {
		t.Errorf("personal %v, used %v without a view", r.Personal, r.Used)
	}
	if len(r.Items) != 5 || r.Items[0].ID != "bread" {
		t.Errorf("got %v, want all five, bread first", ids(r.Items))
	}
	for _, x := range r.Items {
		if len(x.Reasons) != 1 || x.Reasons[0].Code != "popular" || x.Reasons[0].Share != 1 {
			t.Errorf("%s has the reasons %+v, want popular alone", x.ID, x.Reasons)
		}
	}
}

func TestAViewThatIsOfNoUseIsNotPersonal(t *testing.T) {
	e := New(nil)
	e.Swap(pairs(t, Options{}))
	if r := decided(t, e, ask(2), granted(t, did("unheard of", 1))); r.Personal || len(r.Used) != 0 {
		t.Errorf("personal %v, used %v from an unknown item", r.Personal, r.Used)
	}
	if r := decided(t, e, ask(2), granted(t)); r.Personal {
		t.Error("an empty view made the answer personal")
	}
}

func TestTheSessionCountsWithoutAPerson(t *testing.T) {
	e := New(nil)
	e.Swap(pairs(t, Options{}))
	a := ask(2)
	a.Moment.Session = []string{"coffee", "coffee", "unheard of"}
	r := decided(t, e, a, profile.View{})
	if r.Personal || len(r.Used) != 0 {
		t.Errorf("personal %v, used %v: a session names nobody", r.Personal, r.Used)
	}
	if r.Items[0].ID != "mill" || r.Items[0].Reasons[0].Code != "session" || r.Items[0].Reasons[0].Item != "coffee" {
		t.Errorf("first %+v, want the mill because of the session's coffee", r.Items[0])
	}
	if slices.Contains(ids(r.Items), "coffee") {
		t.Error("what the customer is looking at was answered")
	}
}

func TestRepeatsAreAnsweredWherePeopleBuyAgain(t *testing.T) {
	m := pairs(t, Options{})
	if m.RepeatRate() < 0.2 || m.NewOnly() {
		t.Fatalf("repeat rate %v, new only %v", m.RepeatRate(), m.NewOnly())
	}
	e := New(nil)
	e.Swap(pairs(t, Options{Repeats: RepeatsAlways}))
	v := granted(t, did("mill", 1), did("mill", 30), did("mill", 60))
	r := decided(t, e, ask(1), v)
	if r.Items[0].ID != "mill" || r.Items[0].Reasons[0].Item != "mill" || r.Items[0].Reasons[0].Action != "purchase" {
		t.Errorf("got %+v, want the mill because it was bought", r.Items[0])
	}
	e.SetNewOnly("discovery")
	a := ask(5)
	a.Purpose = "discovery"
	if got := ids(decided(t, e, a, v).Items); slices.Contains(got, "mill") || len(got) != 4 {
		t.Errorf("got %v for a purpose of new things only", got)
	}
	e.Swap(pairs(t, Options{Repeats: RepeatsNever}))
	if got := ids(decided(t, e, ask(5), v).Items); slices.Contains(got, "mill") {
		t.Errorf("got %v from a model without repeats", got)
	}
}

func TestTheDataSaysThatNobodyBuysAgain(t *testing.T) {
	var data Data
	for i := range 100 {
		var h History
		for j := range 6 {
			h.Items = append(h.Items, did(fmt.Sprintf("book-%d", (i*7+j*13)%60), 10*j))
		}
		data = append(data, h)
	}
	m, err := Train(t.Context(), data, Options{Now: now})
	if err != nil {
		t.Fatal(err)
	}
	if !m.NewOnly() || m.RepeatRate() != 0 {
		t.Errorf("new only %v at a repeat rate of %v, want true at 0", m.NewOnly(), m.RepeatRate())
	}
}

func TestWhatIsDislikedStaysAway(t *testing.T) {
	e := New(nil, "cups", "spoon")
	e.Swap(pairs(t, Options{}))
	r := decided(t, e, ask(10), granted(t, did("tea", 3), did("cups", 2, declare.Like), did("cups", 1, declare.Dislike)))
	if slices.Contains(ids(r.Items), "cups") {
		t.Errorf("%v holds what was disliked", ids(r.Items))
	}
	if !r.Personal || !slices.Contains(r.Used, decide.Use{Kind: "dislike", Count: 1}) {
		t.Errorf("personal %v, used %v: the dislike was used", r.Personal, r.Used)
	}
	r = decided(t, e, ask(10), granted(t, did("tea", 3), did("cups", 2, declare.Dislike), did("cups", 1, declare.Like)))
	if !slices.Contains(ids(r.Items), "cups") {
		t.Errorf("%v lacks what was liked after all", ids(r.Items))
	}
	r = decided(t, e, ask(10), granted(t, did("tea", 3), did("cups", 2, declare.Like), did("cups", 2, declare.Dislike)))
	if slices.Contains(ids(r.Items), "cups") {
		t.Errorf("%v holds what was disliked in the moment in which it was liked", ids(r.Items))
	}
}

func TestPopularityKnowsHourAndPlace(t *testing.T) {
	var data Data
	for i := range 200 {
		morning := now.UnixMilli() - 4*60*60*1000 - int64(7*(i%3))*day // Mondays, 8:00
		night := morning + 12*60*60*1000 - 7*day                       // Mondays, 20:00
		h := History{Place: "Paris", Items: []Interaction{{Item: "croissant", At: morning, Action: declare.Purchase}}}
		if i%2 == 0 {
			h = History{Place: "Rome", Items: []Interaction{{Item: "wine", At: night, Action: declare.Purchase}}}
		}
		if i < 5 {
			h.Place = "Hamlet"
		}
		data = append(data, h)
	}
	m, err := Train(t.Context(), data, Options{Now: now})
	if err != nil {
		t.Fatal(err)
	}
	first := func(at time.Time, place string) string {
		r := m.Answer(&Question{Ask: decide.Ask{N: 1, Moment: decide.Moment{Time: at, Place: place}}})
		return r.Items[0].ID
	}
	monday := now.Truncate(24 * time.Hour)
	if a, b := first(monday.Add(8*time.Hour), ""), first(monday.Add(20*time.Hour), ""); a != "croissant" || b != "wine" {
		t.Errorf("in the morning %s, in the evening %s", a, b)
	}
	if a, b := first(time.Time{}, "Paris"), first(time.Time{}, "Rome"); a != "croissant" || b != "wine" {
		t.Errorf("in Paris %s, in Rome %s", a, b)
	}
	if len(m.places) != 2 {
		t.Errorf("%d places are told apart; five people are no public", len(m.places))
	}
}

func TestBuckets(t *testing.T) {
	for at, want := range map[string]int{
		"1970-01-01T00:00:00Z": 1, // a Thursday
		"1970-01-03T23:59:59Z": 8, // a Saturday
		"1969-12-28T06:00:00Z": 6, // a Sunday before the epoch
		"2026-11-02T12:00:00Z": 3, // a Monday
	} {
		x, err := time.Parse(time.RFC3339, at)
		if err != nil {
			t.Fatal(err)
		}
		if got := bucket(x.UnixMilli()); got != want {
			t.Errorf("bucket of %s = %d, want %d", at, got, want)
		}
	}
}

func TestWithoutAModelTheFallbackIsAnswered(t *testing.T) {
	e := New(func(id string) bool { return id != "sold out" })
	if r := decided(t, e, ask(3), granted(t, did("tea", 1))); len(r.Items) != 0 || r.Items == nil || r.Model != "" || r.Personal {
		t.Errorf("an engine that knows nothing said %+v", r)
	}
	e.SetFallback([]string{"a", "sold out", "b", "c", "d", "e"})
	a := ask(3)
	a.Exclude, a.Moment.Session = []string{"a"}, []string{"c"}
	if got := ids(decided(t, e, a, profile.View{}).Items); !slices.Equal(got, []string{"b", "d", "e"}) {
		t.Errorf("got %v, want the fallback in order", got)
	}
	for _, x := range decided(t, e, a, profile.View{}).Items {
		if !slices.Equal(x.Reasons, []decide.Reason{{Code: "catalogue", Share: 1}}) {
			t.Errorf("%s has the reasons %+v, want its place in the catalogue", x.ID, x.Reasons)
		}
	}
	// Behind what a model knows, the fallback fills up.
	e.Swap(pairs(t, Options{}))
	got := ids(decided(t, e, ask(7), profile.View{}).Items)
	if len(got) != 7 || !slices.Equal(got[5:], []string{"a", "b"}) {
		t.Errorf("got %v, want five of the model and two of the fallback", got)
	}
	e.Swap(nil)
	if e.Model() != nil || decided(t, e, ask(1), profile.View{}).Model != "" {
		t.Error("a model that was taken away still answers")
	}
}

func TestTrainWithNothingToLearn(t *testing.T) {
	for name, data := range map[string]Data{
		"nobody":        nil,
		"empty":         {{}, {}},
		"dislikes only": {{Items: []Interaction{did("tea", 1, declare.Dislike)}}},
		"later":         {{Items: []Interaction{did("tea", -1)}}},
	} {
		m, err := Train(t.Context(), data, Options{Now: now})
		if err != nil || m.Items() != 0 {
			t.Errorf("%s: %d items, error %v", name, m.Items(), err)
			continue
		}
		e := New(nil, "x")
		e.Swap(m)
		a := ask(2)
		a.Moment.Session = []string{"tea"}
		if got := ids(decided(t, e, a, granted(t, did("tea", 1))).Items); !slices.Equal(got, []string{"x"}) {
			t.Errorf("%s: got %v", name, got)
		}
	}
	one, err := Train(t.Context(), Data{{Items: []Interaction{did("tea", 1)}}}, Options{Now: now})
	if err != nil || one.Items() != 1 || one.Weights() != 0 {
		t.Errorf("one item: %v, error %v", one, err)
	}
}

func TestOptionsAreChecked(t *testing.T) {
	b := DefaultBlend
	b.HalfLife = 0
	for name, o := range map[string]Options{
		"items":     {MaxItems: learn.MaxItems + 1},
		"weights":   {TopK: -1},
		"lambda":    {Lambda: -1},
		"half-life": {Blend: b},
		"blend":     {Blend: Blend{Popularity: math.NaN(), HalfLife: 1, RepeatHalfLife: 1}},
	} {
		if _, err := Train(t.Context(), shop(1, 20, 10, 4), o); err == nil {
			t.Errorf("%s: a wrong option was taken", name)
		}
	}
}

func TestMaxItemsKeepsTheMostFrequent(t *testing.T) {
	data := Data{}
	for i := range 10 {
		for j := range i + 1 {
			data = append(data, History{Items: []Interaction{did(fmt.Sprint("item-", i), j), did("all", 1)}})
		}
	}
	m, err := Train(t.Context(), data, Options{Now: now, MaxItems: 3})
	if err != nil {
		t.Fatal(err)
	}
	if want := []string{"all", "item-9", "item-8"}; !slices.Equal(m.items, want) {
		t.Errorf("kept %v, want %v", m.items, want)
	}
}

func TestALongHistoryIsBounded(t *testing.T) {
	data := shop(3, 300, 2000, 40)
	m, err := Train(t.Context(), data, Options{Now: now})
	if err != nil {
		t.Fatal(err)
	}
	var long []profile.Interaction
	for i, item := range m.items {
		long = append(long, profile.Interaction{Item: item, At: now.UnixMilli() - int64(i)*day, Action: declare.View})
	}
	r := m.Answer(&Question{Ask: ask(20), History: long})
	newest := map[string]bool{}
	for _, x := range long[:maxSources] {
		newest[x.Item] = true
	}
	for _, x := range r.Items {
		for _, why := range x.Reasons {
			if why.Code == "because_item" && !newest[why.Item] {
				t.Fatalf("%s is a reason, but not of the newest %d", why.Item, maxSources)
			}
		}
	}
	if len(r.Items) != 20 {
		t.Errorf("%d items", len(r.Items))
	}
}

func TestACancelledContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Train(ctx, shop(1, 50, 30, 5), Options{}); !errors.Is(err, context.Canceled) {
		t.Errorf("Train: %v", err)
	}
	if _, err := New(nil).Decide(ctx, ask(1), profile.View{}); !errors.Is(err, context.Canceled) {
		t.Errorf("Decide: %v", err)
	}
}

func TestModelsAreSwappedWhileAnswering(t *testing.T) {
	// Vocabularies of different sizes share the pooled scratch.
	var models []*Model
	for i, items := range []int{5, 300, 40} {
		m, err := Train(t.Context(), shop(uint64(i), 100, items, 8), Options{Now: now.Add(time.Duration(i) * time.Hour)})
		if err != nil {
			t.Fatal(err)
		}
		models = append(models, m)
	}
	e := New(nil)
	e.Swap(models[0])
	view := granted(t, did("item-0001", 1), did("item-0003", 2))
	want := map[string][]string{}
	for _, m := range models {
		e.Swap(m)
		want[m.version] = ids(decided(t, e, ask(5), view).Items)
	}
	var group sync.WaitGroup
	for range 4 {
		group.Go(func() {
			for range 300 {
				r, err := e.Decide(t.Context(), ask(5), view)
				if err != nil || !slices.Equal(ids(r.Items), want[r.Model]) {
					t.Errorf("%s answered %v, want %v (error %v)", r.Model, ids(r.Items), want[r.Model], err)
					return
				}
			}
		})
	}
	for i := range 300 {
		e.Swap(models[i%len(models)])
	}
	group.Wait()
}

// "Personal reports whether the view changed what was answered."
func TestAnUnchangedAnswerIsNotPersonal(t *testing.T) {
	e := New(nil)
	e.Swap(pairs(t, Options{}))
	all := ids(decided(t, e, ask(5), profile.View{}).Items)
	last := all[len(all)-1]
	r := decided(t, e, ask(1), granted(t, did(last, 1, declare.Dislike)))
	if r.Personal || len(r.Used) != 0 || r.Items[0].ID != all[0] {
		t.Errorf("personal %v, used %v: the answer is everybody's", r.Personal, r.Used)
	}
	if r := decided(t, e, ask(1), granted(t, did(all[0], 1, declare.Dislike))); !r.Personal || r.Items[0].ID == all[0] {
		t.Errorf("personal %v, got %v: the dislike took the first away", r.Personal, ids(r.Items))
	}
}

// What may not be shown makes room for what may, however much it is.
func TestWhatIsNotShownMakesRoom(t *testing.T) {
	data := shop(3, 400, 60, 8)
	m, err := Train(t.Context(), data, Options{})
	if err != nil {
		t.Fatal(err)
	}
	all := New(nil)
	all.Swap(m)
	order := ids(decided(t, all, ask(60), profile.View{}).Items)
	for _, hidden := range []int{0, 1, spare, spare + 1, 40} {
		e := New(func(id string) bool { return slices.Index(order, id) >= hidden })
		e.Swap(m)
		if got := ids(decided(t, e, ask(5), profile.View{}).Items); !slices.Equal(got, order[hidden:hidden+5]) {
			t.Errorf("%d hidden: got %v, want %v", hidden, got, order[hidden:hidden+5])
		}
	}
}

// A model keeps no piece of a text that held what one person did.
func TestAModelPinsNobody(t *testing.T) {
	var data Data
	owned := map[*byte]bool{}
	for range 40 {
		part := strings.Clone("teacups") // as a profile part, whose items are cut out of one text
		tea, cups := did(part[:3], 1), did(part[3:], 1)
		data = append(data, History{Items: []Interaction{tea, cups}})
		owned[unsafe.StringData(tea.Item)], owned[unsafe.StringData(cups.Item)] = true, true
	}
	m, err := Train(t.Context(), data, Options{Now: now})
	if err != nil {
		t.Fatal(err)
	}
	if len(m.items) != 2 {
		t.Fatalf("%d items", len(m.items))
	}
	for _, item := range m.items {
		if owned[unsafe.StringData(item)] {
			t.Errorf("%q lies in somebody's part", item)
		}
	}
	for item := range m.index {
		if owned[unsafe.StringData(item)] {
			t.Errorf("%q lies in somebody's part", item)
		}
	}
}
