package world_test

import (
	"fmt"
	"math"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"accord/internal/world"
)

var noon = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

func history(w *world.World, days int) (out []world.Happening) {
	for h := range w.History(noon, days) {
		out = append(out, h)
	}
	return out
}

// A seed gives the same world on every run, another seed another one, and a
// history can be told again.
func TestDeterministic(t *testing.T) {
	a, b := world.New(7, world.Options{}), world.New(7, world.Options{})
	if d := cmp.Diff(a.Products(), b.Products()); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff(a.Customers(), b.Customers()); d != "" {
		t.Error(d)
	}
	first := history(a, 20)
	for name, again := range map[string][]world.Happening{"another world": history(b, 20), "told again": history(a, 20)} {
		if !reflect.DeepEqual(first, again) { // cmp.Diff takes a second for each
			t.Errorf("%s gave another history", name)
		}
	}
	if d := cmp.Diff(a.Step(noon.Add(time.Hour)), b.Step(noon.Add(time.Hour))); d != "" {
		t.Errorf("the step after it: %s", d)
	}
	other := world.New(8, world.Options{})
	if cmp.Equal(a.Customers(), other.Customers()) || reflect.DeepEqual(first, history(other, 20)) {
		t.Error("another seed gave the same world")
	}
}

// The shop is a believable one: distinct ids and titles, valid products in
// twelve categories, positive prices, little sold out.
func TestProducts(t *testing.T) {
	for _, n := range []int{0, 12, 100, world.MaxProducts, world.MaxProducts + 1} {
		products := world.New(1, world.Options{Products: n}).Products()
		want := min(n, world.MaxProducts)
		if n == 0 {
			want = 240
		}
		ids, titles, categories, out := map[string]bool{}, map[string]bool{}, map[string]bool{}, 0
		for _, p := range products {
			if err := p.Check(); err != nil {
				t.Error(err)
			}
			if p.Price <= 0 || p.Price > 10_000 || p.Currency != "GBP" {
				t.Errorf("%s costs %d %s", p.Title, p.Price, p.Currency)
			}
			if !p.Sellable() {
				out++
			}
			ids[p.ID], titles[p.Title], categories[p.Category] = true, true, true
		}
		if len(products) != want || len(ids) != want || len(titles) != want || len(categories) != 12 {
			t.Errorf("asked for %d: %d products, %d ids, %d titles, %d categories", n, len(products), len(ids), len(titles), len(categories))
		}
		if out > want/10+1 {
			t.Errorf("%d of %d are sold out", out, want)
		}
	}
}

// About 70 % consent to personalization when they sign up, which is the first
// thing that anybody does; withdrawals are occasional.
func TestChoices(t *testing.T) {
	for _, c := range []struct {
		consent, want float64
	}{{0, 0.7}, {0.3, 0.3}, {1, 1}, {-1, 0}} {
		w := world.New(3, world.Options{Customers: 2000, Consent: c.consent})
		people, given, turned, changed := map[string]bool{}, 0, 0, 0
		for h := range w.History(noon, 60) {
			if !people[h.Customer] {
				people[h.Customer] = true
				if h.Kind != world.Choice || len(h.Choices) != 3 {
					t.Fatalf("the first thing that %s did is %+v", h.Customer, h)
				}
				if h.Choices[world.Personalization] {
					given++
				}
				if h.Choices[world.ModelTraining] && !h.Choices[world.Personalization] {
					t.Errorf("%s gives model training alone", h.Customer)
				}
				continue
			}
			if h.Kind == world.Choice {
				if changed++; !h.Choices[world.Personalization] {
					turned++
				}
			}
		}
		n := float64(len(people))
		if share := float64(given) / n; math.Abs(share-c.want) > 4*math.Sqrt(c.want*(1-c.want)/n) {
			t.Errorf("consent %v: %.3f of %v consent", c.consent, share, n)
		}
		if c.want == 0.7 && (turned < 10 || turned > 400) {
			t.Errorf("%d of %v withdrew in 60 days", turned, n)
		}
		if len(people) < 1800 {
			t.Errorf("only %d of 2000 people came in 60 days", len(people))
		}
	}
}

// What happens is in order, within its time, of known things, and an order is of
// what was put into the basket.
func TestHistory(t *testing.T) {
	w := world.New(1, world.Options{})
	start := noon.AddDate(0, 0, -90)
	last := start
	ids, orders := map[string]bool{}, map[string]bool{}
	kinds := map[world.Kind]int{}
	carted := map[string]int{} // customer and item → pieces not bought yet
	prices := map[string]int64{}
	for _, p := range w.Products() {
		prices[p.ID] = p.Price
	}
	for h := range w.History(noon, 90) {
		if h.At.Before(last) || h.At.After(noon) || ids[h.ID] {
			t.Fatalf("%+v after %v", h, last)
		}
		last, ids[h.ID] = h.At, true
		kinds[h.Kind]++
		if (h.Kind == world.Order) != (h.Order != "") || (h.Kind == world.Choice) == (len(h.Items) > 0) || (h.Kind == world.Choice) != (len(h.Choices) > 0) {
			t.Fatalf("%+v", h)
		}
		for _, i := range h.Items {
			if i.Price != prices[i.ID] || i.Price == 0 || i.Quantity < 1 || i.Answered {
				t.Fatalf("%+v", h)
			}
			switch h.Kind {
			case world.Cart:
				carted[h.Customer+i.ID] += i.Quantity
			case world.Order:
				if carted[h.Customer+i.ID] -= i.Quantity; carted[h.Customer+i.ID] < 0 {
					t.Fatalf("%+v buys what was not in the basket", h)
				}
			}
		}
		if h.Kind == world.Order && orders[h.Order] {
			t.Fatalf("order %s is there twice", h.Order)
		}
		orders[h.Order] = true
	}
	t.Logf("90 days: %v", kinds)
	if kinds[world.View] < 10_000 || kinds[world.Order] < 500 || kinds[world.Cart] < kinds[world.Order] || kinds[world.View] < 3*kinds[world.Cart] {
		t.Errorf("not a believable shop: %v", kinds)
	}
}

// Taste shows: customers buy from the categories they are drawn to.
func TestTaste(t *testing.T) {
	w := world.New(5, world.Options{})
	category := map[string]string{}
	for _, p := range w.Products() {
		category[p.ID] = p.Category
	}
	favourite := map[string][]string{}
	for _, c := range w.Customers() {
		favourite[c.ID] = w.Tastes(c.ID)[:3]
	}
	bought, near := 0, 0
	for h := range w.History(noon, 90) {
		if h.Kind != world.Order {
			continue
		}
		for _, i := range h.Items {
			bought++
			if slices.Contains(favourite[h.Customer], category[i.ID]) {
				near++
			}
		}
	}
	// Three of twelve categories would be a quarter of all by chance.
	if share := float64(near) / float64(bought); share < 0.5 {
		t.Errorf("%.2f of %d purchases are from the customers' three categories, want half", share, bought)
	}
}

// What was shown raises the chance that it is viewed and bought, and the true
// value of an answer is what it brings in the mean.
func TestShown(t *testing.T) {
	var brought, expected, squares float64
	answers, viewed, without := 0, 0, 0
	for seed := range uint64(5) {
		w, control := world.New(seed, world.Options{Customers: 300}), world.New(seed, world.Options{Customers: 300})
		history(w, 30)
		history(control, 30)
		answer := map[string][]string{}
		value := map[string]float64{}
		for _, c := range w.Customers() {
			answer[c.ID] = w.Best(c.ID, 5)
			value[c.ID] = w.Value(c.ID, answer[c.ID])
			w.Shown(c.ID, answer[c.ID])
		}
		earned := map[string]float64{}
		came := map[string]bool{}
		// Long enough that everybody who comes has left again.
		now := noon
		for range 20 {
			now = now.AddDate(0, 0, 7)
			for _, h := range w.Step(now) {
				came[h.Customer] = true
				for _, i := range h.Items {
					switch {
					case i.Answered && !slices.Contains(answer[h.Customer], i.ID):
						t.Fatalf("%s was never shown %s", h.Customer, i.ID)
					case i.Answered && h.Kind == world.View:
						viewed++
					case i.Answered && h.Kind == world.Order:
						earned[h.Customer] += float64(i.Price) * float64(i.Quantity)
					}
				}
			}
			if now.Equal(noon.AddDate(0, 0, 7)) {
				without += viewsOf(control.Step(now), answer)
			}
		}
		for id := range came {
			answers++
			brought += earned[id]
			expected += value[id]
			squares += (earned[id] - value[id]) * (earned[id] - value[id])
		}
	}
	sd := math.Sqrt(squares)
	t.Logf("%d answers brought %.0f pence each, true value %.0f ± %.0f", answers, brought/float64(answers), expected/float64(answers), sd/float64(answers))
	if math.Abs(brought-expected) > 3.5*sd {
		t.Errorf("%.0f was earned, %.0f expected, standard deviation %.0f", brought, expected, sd)
	}
	if answers < 1200 || viewed < answers || viewed < 2*without {
		t.Errorf("%d answers led to %d views; in a week without them the same items had %d", answers, viewed, without)
	}
}

func viewsOf(hs []world.Happening, answer map[string][]string) (n int) {
	for _, h := range hs {
		if h.Kind == world.View && slices.Contains(answer[h.Customer], h.Items[0].ID) {
			n++
		}
	}
	return n
}

// Personal answers earn more than un-personal ones, by the truth.
func TestPersonalIsWorthMore(t *testing.T) {
	w := world.New(1, world.Options{})
	history(w, 30)
	total := map[string]float64{}
	var personal float64
	for _, c := range w.Customers() {
		best := w.Best(c.ID, 10)
		personal += w.Value(c.ID, best)
		for _, p := range w.Products() {
			total[p.ID] += w.Value(c.ID, []string{p.ID})
		}
	}
	general := slices.Collect(func(yield func(string) bool) {
		for _, p := range w.Products() {
			if !yield(p.ID) {
				return
			}
		}
	})
	slices.SortFunc(general, func(a, b string) int { return int(math.Copysign(1, total[b]-total[a])) })
	var same float64
	for _, c := range w.Customers() {
		same += w.Value(c.ID, general[:10])
	}
	t.Logf("the best personal answer is worth %.0f pence, the best general one %.0f", personal/400, same/400)
	if personal < 1.5*same {
		t.Errorf("personal %.0f, general %.0f: want half as much again", personal, same)
	}
}

// Nothing is better than the best answer, and nobody is known who is not there.
func TestTruth(t *testing.T) {
	w := world.New(1, world.Options{})
	best := w.Best("c0001", 5)
	top := w.Value("c0001", best)
	for _, p := range w.Products() {
		if w.Value("c0001", append([]string{p.ID}, best[:4]...)) > top+1e-9 || w.Value("c0001", append(slices.Clone(best[:4]), p.ID)) > top+1e-9 {
			t.Errorf("%s makes a better answer", p.ID)
		}
		look, buy := w.Chance("c0001", p.ID)
		if look <= 0 || look > 1 || buy < 0 || buy > 1 || !p.Sellable() && buy > 0 {
			t.Errorf("%s: look %v, buy %v", p.ID, look, buy)
		}
	}
	if twice := w.Value("c0001", append(slices.Clone(best), best...)); twice != top {
		t.Errorf("an answer said twice is worth %v, not %v", twice, top)
	}
	look, buy := w.Chance("nobody", best[0])
	if look+buy+w.Value("nobody", best) != 0 || w.Best("nobody", 5) != nil || w.Tastes("nobody") != nil || w.Value("c0001", []string{"nothing"}) != 0 {
		t.Error("somebody is known who is not there")
	}
	w.Shown("nobody", best)
	if got := w.Best("c0001", 1000); len(got) != 240 || len(w.Best("c0001", -1)) != 0 {
		t.Errorf("%d items of 240", len(got))
	}
}

// How Step's calls cut the time does not matter, and what is shown to one
// changes nothing for the rest.
func TestStep(t *testing.T) {
	whole, cut, shown := world.New(9, world.Options{Pace: 1000}), world.New(9, world.Options{Pace: 1000}), world.New(9, world.Options{Pace: 1000})
	for _, w := range []*world.World{whole, cut, shown} {
		history(w, 10)
	}
	shown.Shown("c0001", shown.Best("c0001", 10))
	const span = 5 * time.Minute
	want := whole.Step(noon.Add(span))
	var got []world.Happening
	for at := time.Duration(0); at <= span; at += 250 * time.Millisecond {
		got = append(got, cut.Step(noon.Add(at))...)
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	if len(want) < 300 || len(want) > 10_000 {
		t.Errorf("%d happenings in five minutes", len(want))
	}
	others := func(hs []world.Happening) []world.Happening {
		return slices.DeleteFunc(slices.Clone(hs), func(h world.Happening) bool { return h.Customer == "c0001" })
	}
	if d := cmp.Diff(others(want), others(shown.Step(noon.Add(span)))); d != "" {
		t.Errorf("the others: %s", d)
	}
	for _, h := range want {
		if h.At.Before(noon) || h.At.After(noon.Add(span)) {
			t.Fatalf("%+v is not within the step", h)
		}
	}
	if late := whole.Step(noon); late != nil {
		t.Errorf("a clock that stepped back told %d happenings", len(late))
	}
}

// Without a history the shop opens at the first Step; a long pause is told as a
// week.
func TestStepAlone(t *testing.T) {
	w := world.New(2, world.Options{})
	if got := w.Step(noon); len(got) != 0 {
		t.Errorf("%d happenings before anything could happen", len(got))
	}
	day := w.Step(noon.AddDate(0, 0, 1))
	if len(day) == 0 || day[0].Kind != world.Choice {
		t.Errorf("the first day: %d happenings", len(day))
	}
	year := w.Step(noon.AddDate(1, 0, 0))
	if len(year) < 4*len(day) || len(year) > 14*len(day) || year[0].At.Before(noon.AddDate(1, 0, -7)) {
		t.Errorf("a year: %d happenings from %v, a day: %d", len(year), year[0].At, len(day))
	}
}

// A world may be asked from many goroutines. Run with -race.
func TestConcurrent(t *testing.T) {
	w := world.New(1, world.Options{Pace: 1000})
	w.Step(noon)
	var asking sync.WaitGroup
	for i := range 4 {
		asking.Go(func() {
			for n := range 50 {
				id := fmt.Sprintf("c%04d", 1+i*50+n)
				best := w.Best(id, 5)
				w.Shown(id, best)
				if len(best) != 5 || w.Value(id, best) <= 0 {
					t.Errorf("%s: %v", id, best)
				}
			}
		})
	}
	told := 0
	for n := range 50 {
		told += len(w.Step(noon.Add(time.Duration(n) * time.Second)))
	}
	asking.Wait()
	if told == 0 {
		t.Error("nothing happened")
	}
}

// Customers are invented and their addresses belong to nobody.
func TestCustomers(t *testing.T) {
	customers := world.New(1, world.Options{Customers: 9999}).Customers()
	seen := map[string]bool{}
	for i, c := range customers {
		if c.ID != fmt.Sprintf("c%04d", i+1) || len(strings.Fields(c.Name)) != 2 || !strings.HasSuffix(c.Email, "@example.com") || len(c.Country) != 2 || seen[c.Email] {
			t.Fatalf("%+v", c)
		}
		seen[c.Email] = true
	}
	few := world.New(1, world.Options{Customers: 10}).Customers()
	if d := cmp.Diff(customers[:10], few); d != "" {
		t.Errorf("another number of people changes somebody: %s", d)
	}
}

func BenchmarkHistory(b *testing.B) {
	b.ReportAllocs()
	n := 0
	for b.Loop() {
		n += len(history(world.New(1, world.Options{}), 90))
	}
	b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "happenings/s")
}
