package recommend

import (
	"context"
	"math"
	"slices"
	"testing"

	"accord/internal/decide"
	"accord/internal/declare"
	"accord/internal/profile"
	"pgregory.net/rapid"
)

// drawHistory draws interactions with items of shop, and some unknown ones.
func drawHistory(t *rapid.T, m *Model, label string) []profile.Interaction {
	items := append(slices.Clone(m.items), "unknown")
	return rapid.SliceOfN(rapid.Custom(func(t *rapid.T) profile.Interaction {
		return profile.Interaction{
			Item:   rapid.SampledFrom(items).Draw(t, "item"),
			At:     now.UnixMilli() - int64(rapid.IntRange(0, 300).Draw(t, "age"))*day,
			Action: declare.Action(rapid.IntRange(0, 6).Draw(t, "action")),
		}
	}), 0, 40).Draw(t, label)
}

// drawn is the category of a product in the properties' catalogue.
func drawn(id string) string { return categories[int(id[len(id)-1])%len(categories)] }

// drawTold draws what somebody told.
func drawTold(t *rapid.T) Told {
	return Told{
		Likes:  rapid.SliceOfN(rapid.SampledFrom(categories), 0, 3).Draw(t, "likes"),
		Avoids: rapid.SliceOfN(rapid.SampledFrom(categories), 0, 3).Draw(t, "avoids"),
	}
}

func trained(t testing.TB) *Model {
	m, err := Train(context.Background(), shop(5, 400, 60, 12), Options{Now: now, TopK: 20})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// "What was used … why": the reasons are the parts that made the score (promise 6).
func TestReasonsAreTheWeights(t *testing.T) {
	m := trained(t)
	rapid.Check(t, func(t *rapid.T) {
		history := drawHistory(t, m, "history")
		session := rapid.SliceOfN(rapid.SampledFrom(append(slices.Clone(m.items), "unknown")), 0, 5).Draw(t, "session")
		q := Question{Ask: ask(rapid.IntRange(1, 100).Draw(t, "n")), History: history}
		q.Moment.Session = session
		q.Told, q.shelves = drawTold(t), shelve(m, nil, drawn)
		r := m.Answer(&q)
		for i, x := range r.Items {
			if i > 0 && x.Score > r.Items[i-1].Score {
				t.Fatalf("item %d scores more than the one before", i)
			}
			sum, last := 0.0, 1.0
			for _, why := range x.Reasons {
				if why.Share < 0 || why.Share > last {
					t.Fatalf("shares of %s are not in order: %+v", x.ID, x.Reasons)
				}
				sum, last = sum+why.Share, why.Share
				if got := part(m, &q, x.ID, why); math.Abs(got-why.Share) > 2e-4 {
					t.Fatalf("%s: %+v, but its part is %v", x.ID, why, got)
				}
			}
			if sum > 1 {
				t.Fatalf("the shares of %s sum to %v", x.ID, sum)
			}
		}
	})
}

// part works a reason's share out from the dense definition of the score.
func part(m *Model, q *Question, id string, why decide.Reason) float64 {
	target := m.index[id]
	prior := float64(m.prior[bucket(q.Moment.Time.UnixMilli())][target])
	mass, share := prior, 0.0
	if why.Code == "popular" {
		share = prior
	}
	for _, c := range q.Told.Likes {
		if within(drawn(id), c) {
			mass += likedScore
			if why.Code == "told" {
				share = likedScore
			}
		}
	}
	newest := int64(math.MinInt64)
	for _, x := range q.History {
		newest = max(newest, x.At)
	}
	for source, item := range m.items {
		weight, repeats, like, dislike := 0.0, 0.0, int64(0), int64(0)
		if slices.Contains(q.Moment.Session, item) {
			weight = 1
		}
		for _, x := range q.History {
			if x.Item != item {
				continue
			}
			weight = max(weight, float64(strength(x.Action)))
			switch x.Action {
			case declare.Purchase:
				repeats += math.Exp2(-float64(newest-x.At) / day / m.blend.RepeatHalfLife)
			case declare.Like:
				like = max(like, x.At)
			case declare.Dislike:
				dislike = max(dislike, x.At)
			}
		}
		if dislike > 0 && dislike >= like {
			continue
		}
		v := 0.0
		if targets, values := m.weights.Row(source); slices.Contains(targets, target) {
			v = weight * float64(values[slices.Index(targets, target)])
		}
		if source == int(target) {
			v = m.blend.Repeat * math.Log1p(repeats)
		}
		mass += max(v, 0)
		if why.Item == item {
			share = v
		}
	}
	return share / mass
}

func TestWhatIsExcludedIsNeverAnswered(t *testing.T) {
	m := trained(t)
	known := append(slices.Clone(m.items), "unknown", "fallback-1", "fallback-2")
	rapid.Check(t, func(t *rapid.T) {
		a := ask(rapid.IntRange(-1, 120).Draw(t, "n"))
		a.Exclude = rapid.SliceOfN(rapid.SampledFrom(known), 0, 30).Draw(t, "exclude")
		a.Moment.Session = rapid.SliceOfN(rapid.SampledFrom(known), 0, 5).Draw(t, "session")
		hidden := rapid.SliceOfN(rapid.SampledFrom(known), 0, 30).Draw(t, "hidden")
		e := New(func(id string) bool { return !slices.Contains(hidden, id) }, "fallback-1", "fallback-2", m.items[0])
		e.Swap(m)
		e.SetNewOnly("discovery")
		if rapid.Bool().Draw(t, "discovery") {
			a.Purpose = "discovery"
		}
		history := drawHistory(t, m, "history")
		e.SetCategories(drawn)
		r := e.decide(&Question{Ask: a, History: history, Told: drawTold(t)})
		if len(r.Items) > max(0, min(a.N, decide.MaxItems)) {
			t.Fatalf("%d items for n = %d", len(r.Items), a.N)
		}
		seen := map[string]bool{}
		for _, x := range r.Items {
			bought := slices.ContainsFunc(history, func(y profile.Interaction) bool {
				return y.Item == x.ID && y.Action == declare.Purchase
			})
			if seen[x.ID] || slices.Contains(a.Exclude, x.ID) || slices.Contains(a.Moment.Session, x.ID) ||
				slices.Contains(hidden, x.ID) || a.Purpose == "discovery" && bought {
				t.Fatalf("%s was answered", x.ID)
			}
			seen[x.ID] = true
		}
	})
}

func TestTheOrderOfAHistoryDoesNotMatter(t *testing.T) {
	m := trained(t)
	rapid.Check(t, func(t *rapid.T) {
		history := drawHistory(t, m, "history")
		order := rapid.Permutation(history).Draw(t, "order")
		score := func(h []profile.Interaction) map[string]float64 {
			out := map[string]float64{}
			for _, x := range m.Answer(&Question{Ask: ask(100), History: h}).Items {
				out[x.ID] = x.Score
			}
			return out
		}
		a, b := score(history), score(order)
		if len(a) != len(b) {
			t.Fatalf("%d and %d items", len(a), len(b))
		}
		for id, v := range a {
			if math.Abs(v-b[id]) > 1e-5 {
				t.Fatalf("%s scores %v and %v", id, v, b[id])
			}
		}
	})
}

func TestTheOrderOfPeopleDoesNotMatter(t *testing.T) {
	data := shop(6, 200, 40, 10)
	a, err := Train(t.Context(), data, Options{Now: now})
	if err != nil {
		t.Fatal(err)
	}
	slices.Reverse(data)
	b, err := Train(t.Context(), data, Options{Now: now})
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(a.items, b.items) || !slices.Equal(a.weights.Values, b.weights.Values) {
		t.Error("the weights depend on the order of people")
	}
	for i := range a.prior {
		for j, v := range a.prior[i] {
			if math.Abs(float64(v-b.prior[i][j])) > 1e-6 {
				t.Errorf("prior %d of %s: %v and %v", i, a.items[j], v, b.prior[i][j])
			}
		}
	}
}
