package recommend

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"accord/internal/decide"
	"accord/internal/declare"
	"accord/internal/profile"
)

// shop draws people with histories of about mean purchases over a year; people
// of one taste buy from the same shelf of items.
func shop(seed uint64, people, items, mean int) Data {
	r := rand.New(rand.NewPCG(seed, 2))
	end := time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC).UnixMilli()
	data := make(Data, people)
	for i := range data {
		taste := r.IntN(20)
		for range mean/2 + r.IntN(mean) {
			n := int(float64(items) * r.Float64() * r.Float64())
			if r.IntN(3) > 0 {
				n = n/20*20 + taste
			}
			data[i].Items = append(data[i].Items, Interaction{
				Item: fmt.Sprintf("item-%04d", min(n, items-1)), At: end - r.Int64N(365*day),
				Action: declare.Purchase, Weight: 1,
			})
		}
	}
	return data
}

func interactions(h History) []profile.Interaction {
	out := make([]profile.Interaction, len(h.Items))
	for i, x := range h.Items {
		out[i] = profile.Interaction{At: x.At, Item: x.Item, Action: x.Action, Quantity: x.Weight}
	}
	return out
}

func BenchmarkDecide(b *testing.B) {
	data := shop(1, 8000, 5000, 30)
	m, err := Train(b.Context(), data, Options{})
	if err != nil {
		b.Fatal(err)
	}
	e := New(func(id string) bool { return id != "" })
	e.Swap(m)
	var histories [][]profile.Interaction
	for _, h := range data {
		if len(h.Items) == 30 {
			histories = append(histories, interactions(h))
		}
	}
	ask := decide.Ask{Purpose: "personalization", N: 20, Moment: decide.Moment{Time: time.Date(2026, 11, 2, 9, 0, 0, 0, time.UTC)}}
	b.Logf("%d items, %d weights", m.Items(), m.Weights())
	for _, n := range []int{10, 20} {
		b.Run(fmt.Sprintf("personal/n=%d", n), func(b *testing.B) {
			ask.N = n
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				e.decide(&Question{Ask: ask, History: histories[i%len(histories)]})
			}
		})
	}
	b.Run("anonymous", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			e.decide(&Question{Ask: ask})
		}
	})
}

func BenchmarkTrain(b *testing.B) {
	data := shop(1, 8000, 5000, 30)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Train(b.Context(), data, Options{}); err != nil {
			b.Fatal(err)
		}
	}
}
