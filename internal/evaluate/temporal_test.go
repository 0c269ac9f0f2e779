package evaluate

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"accord/internal/decide/recommend"
	"accord/internal/declare"
)

var until = time.Date(2026, 6, 1, 0, 0, 0, 0, time.UTC)

func bought(item string, days int) recommend.Interaction {
	return recommend.Interaction{Item: item, At: until.AddDate(0, 0, days).UnixMilli(), Action: declare.Purchase, Weight: 1}
}

func history(items ...recommend.Interaction) recommend.History {
	return recommend.History{Items: items}
}

// village is four people. Bread is the most popular by all time, jam by thirty
// days; Ann buys bread again and jam anew, Ben tea again, Cid comes no more, and
// Dan was not there before.
func village() recommend.Data {
	return recommend.Data{
		history(bought("bread", -90), bought("tea", -80), bought("bread", 1), bought("jam", 2)),
		history(bought("bread", -70), bought("tea", -60), bought("tea", -10), bought("jam", -9), bought("tea", 0)),
		history(bought("bread", -50), bought("jam", -5)),
		history(bought("bread", 3)),
	}
}

func TestTheProtocolByHand(t *testing.T) {
	r, err := Temporal(t.Context(), village(), until, Options{K: 1})
	if err != nil {
		t.Fatal(err)
	}
	if r.People != 3 || r.Items != 3 || r.Pairs != 7 {
		t.Errorf("learnt from %d people, %d items, %d pairs; want 3, 3, 7", r.People, r.Items, r.Pairs)
	}
	// (a) Ann's targets are bread and jam, Ben's tea. All time: bread first, a hit
	// for Ann alone. Thirty days: jam (2) before tea (1), a hit for Ann alone.
	// Repeats: Ben's tea has two days, a hit. Ann's bread and tea have one day each,
	// and of those tea had somebody in the last thirty days, a miss.
	for name, want := range map[string]float64{Popularity: .5, Popularity30: .5, Repeats: .5} {
		if f := r.Figures[name]; f.Users != 2 || f.NDCG != want || f.HR != want || f.Recall != want {
			t.Errorf("%s: %+v, want %v for 2 people", name, f, want)
		}
	}
	if f := r.Figures[Popularity]; math.Abs(f.HRSE-.5) > 1e-12 {
		t.Errorf("standard error %v of {1, 0}, want 0.5", f.HRSE)
	}
	// (b) Ann alone has a new target, jam, and it is all that she has not bought.
	for _, name := range []string{Popularity, Popularity30, Full, Truncated, Accord} {
		if f := r.Figures[name+NewItems]; f.Users != 1 || f.NDCG != 1 {
			t.Errorf("%s: %+v, want 1 for 1 person", name+NewItems, f)
		}
	}
	if _, ok := r.Figures[Repeats+NewItems]; ok {
		t.Error("repeats cannot be measured on new items")
	}
}

func TestTheFutureIsNotLearnt(t *testing.T) {
	before, err := Temporal(t.Context(), village(), until, Options{K: 2})
	if err != nil {
		t.Fatal(err)
	}
	data := village()
	// What Dan, who is not measured, buys later must change nothing.
	for range 50 {
		data = append(data, history(bought("tea", 4), bought("gold", 5)))
	}
	after, err := Temporal(t.Context(), data, until, Options{K: 2})
	if err != nil {
		t.Fatal(err)
	}
	if !before.Equal(after) {
		t.Errorf("the future changed the figures:\n%s\n%s", before, after)
	}
}

func TestReportAsJSONAndAsTable(t *testing.T) {
	r, err := Temporal(t.Context(), village(), until, Options{})
	if err != nil {
		t.Fatal(err)
	}
	b, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	var got map[string]map[string]float64
	if err := json.Unmarshal(b, &got); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{Popularity, Popularity30, Repeats, Full, Truncated, AccordFull, Accord, Accord + NewItems} {
		f := r.Figures[name]
		for key, want := range map[string]float64{
			"hr@20": f.HR, "recall@20": f.Recall, "ndcg@20": f.NDCG,
			"hr@20_se": f.HRSE, "recall@20_se": f.RecallSE, "ndcg@20_se": f.NDCGSE, "users": float64(f.Users),
		} {
			if v, ok := got[name][key]; !ok || v != want {
				t.Errorf("%s of %s is %v, want %v", key, name, v, want)
			}
		}
		if len(got[name]) != 7 {
			t.Errorf("%s has the keys %v", name, got[name])
		}
	}
	table := r.String()
	for _, want := range []string{"3 people, 3 items, 7 pairs", "(a) all items, 2 people", "(b) items new to the person, 1 people", "NDCG@20", "ease-truncated", "Truncation to 300 weights", "accord-full"} {
		if !strings.Contains(table, want) {
			t.Errorf("the table lacks %q:\n%s", want, table)
		}
	}
	// Simulated consents show wherever the figures do.
	if strings.Contains(table, "SYNTHETIC") {
		t.Errorf("nobody's consent is simulated:\n%s", table)
	}
	r.Synthetic = 2
	b, err = json.Marshal(r)
	if err != nil || !strings.Contains(string(b), `"synthetic_people":2`) || !strings.Contains(r.String(), "SYNTHETIC: the consents of 2 people") {
		t.Errorf("two simulated consents do not show: %s %v\n%s", b, err, r)
	}
}

func TestWhatCannotBeEvaluated(t *testing.T) {
	_, err := Temporal(t.Context(), recommend.Data{history(bought("a", -3), bought("b", -1))}, until, Options{})
	if first := until.AddDate(0, 0, -3).Format(time.DateOnly); err == nil || !strings.Contains(err.Error(), first) {
		t.Errorf("%v does not say that what is on record begins on %s", err, first)
	}
	for name, data := range map[string]recommend.Data{
		"nobody":        nil,
		"no past":       {history(bought("a", 1))},
		"no future":     {history(bought("a", -1))},
		"views to come": {history(bought("a", -1), recommend.Interaction{Item: "a", At: until.UnixMilli(), Action: declare.View})},
	} {
		if _, err := Temporal(t.Context(), data, until, Options{}); !errors.Is(err, ErrNobody) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := Temporal(t.Context(), village(), until, Options{K: 101}); err == nil {
		t.Error("lists of 101 items were measured")
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Temporal(ctx, village(), until, Options{}); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}

func TestSplit(t *testing.T) {
	data := recommend.Data{history(bought("a", -100)), history(bought("b", 0), bought("c", -50))}
	if got := Split(data, .9); !got.Equal(until.AddDate(0, 0, -10)) {
		t.Errorf("split at %v", got)
	}
	if got := Split(nil, .9); !got.IsZero() {
		t.Errorf("nothing was split at %v", got)
	}
}

func ExampleTemporal() {
	data := recommend.Data{
		history(bought("tea", -9), bought("tea", -8), bought("tea", 1)),
		history(bought("tea", -7), bought("cups", -6)),
	}
	r, err := Temporal(context.Background(), data, until, Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	f := r.Figures[Accord]
	fmt.Printf("NDCG@20 %.2f of %d person\n", f.NDCG, f.Users)
	// Output: NDCG@20 1.00 of 1 person
}
