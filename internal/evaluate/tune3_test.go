package evaluate

import (
	"fmt"
	"testing"
	"time"
	"slices"
	"math"
	"accord/internal/learn"
)

func TestTune3(t *testing.T) {
	data := clip(onlineRetail(t), time.Date(2011, 11, 9, 0, 0, 0, 0, time.UTC))
	until := time.Date(2011, 10, 9, 0, 0, 0, 0, time.UTC)
	s := split(data, until.UnixMilli(), 8000)
	n := len(s.items)
	people := s.measured()
	tr := &trial{sample: s, o: Options{K: 20}}
	pop := func(half float64) []float64 {
		out := make([]float64, n)
		for i := range s.people {
			best := map[string]float64{}
			for _, x := range s.people[i].past { best[x.Item] = max(best[x.Item], math.Exp2(-float64(s.until-x.At)/86400e3/half)) }
			for it, v := range best { out[s.index[it]] += v }
		}
		m := slices.Max(out)
		for i := range out { out[i] /= m }
		return out
	}
	// repeats by person: form(half)
	type rep struct{ item int; v float64 }
	reps := func(half float64, days bool) [][]rep {
		out := make([][]rep, len(people))
		for k, p := range people {
			newest := int64(0)
			for _, x := range p.past { newest = max(newest, x.At) }
			acc := map[int]float64{}
			seen := map[[2]int64]bool{}
			for _, x := range p.past {
				i := s.index[x.Item]
				key := [2]int64{int64(i), x.At / 86400000}
				if days && seen[key] { continue }
				seen[key] = true
				acc[i] += math.Exp2(-float64(newest-x.At) / 86400e3 / half)
			}
			for i, v := range acc { out[k] = append(out[k], rep{i, v}) }
		}
		return out
	}
	run := func(base [][]float64, pp []float64, alpha float64, rs [][]rep, beta float64, form int) (a, b learn.Quality) {
		var ma, mb learn.Mean
		sc := make([]float64, n)
		for k, p := range people {
			for j := range sc { sc[j] = base[k][j] + alpha*pp[j] }
			for _, r := range rs[k] { v := r.v
				switch form { case 0: v = v/(v+1); case 1: v = math.Log1p(v)/2; case 2: v=v/(v+3)*1.5 }
				sc[r.item] += beta * v }
			ma.Add(learn.Judge(tr.best(sc), p.targets, 20))
			fr := map[string]bool{}
			for x := range p.targets { if !p.bought[x] { fr[x] = true } }
			if len(fr) == 0 { continue }
			for _, i := range p.items { sc[i] = math.Inf(-1) }
			mb.Add(learn.Judge(tr.best(sc), fr, 20))
		}
		return ma.Average(), mb.Average()
	}
	bases := func(lambda float64, k int) [][]float64 {
		full, err := learn.EASE(t.Context(), s.matrix, lambda)
		if err != nil { t.Fatal(err) }
		sp, _ := full.Truncate(t.Context(), k)
		out := make([][]float64, len(people))
		for q, p := range people {
			out[q] = make([]float64, n)
			for _, i := range p.items { tg, v := sp.Row(i); for k, j := range tg { out[q][j] += float64(v[k]) } }
		}
		return out
	}
	b300 := bases(300, 300)
	p14 := pop(14)
	fmt.Println("-- forms & half lives")
	for _, days := range []bool{false, true} {
	for _, half := range []float64{60, 120, 240, 1e6} {
		rs := reps(half, days)
		for form := range 3 { for _, beta := range []float64{0.5, 1, 2, 4} {
			a, b := run(b300, p14, 0.1, rs, beta, form)
			fmt.Printf("T3 days %v half %.0f form %d β %.2f a %.4f/%.4f/%.4f b %.4f/%.4f\n", days, half, form, beta, a.HR, a.Recall, a.NDCG, b.Recall, b.NDCG)
		}}
	}}
	fmt.Println("-- popularity")
	rs := reps(120, true)
	for _, half := range []float64{5,7,10, 14, 21, 30} { pp := pop(half); for _, alpha := range []float64{.05, .1, .2, .3} {
		a, b := run(b300, pp, alpha, rs, 2, 1)
		fmt.Printf("T3 pop half %.0f α %.2f a %.4f/%.4f/%.4f b %.4f/%.4f\n", half, alpha, a.HR, a.Recall, a.NDCG, b.Recall, b.NDCG)
	}}
	fmt.Println("-- λ, K")
	for _, lambda := range []float64{100, 200, 400, 800} { for _, k := range []int{50, 100, 200, 300, 4000} {
		bb := bases(lambda, k)
		a, b := run(bb, p14, .1, rs, 2, 1)
		fmt.Printf("T3 λ %.0f K %d a %.4f/%.4f/%.4f b %.4f/%.4f\n", lambda, k, a.HR, a.Recall, a.NDCG, b.Recall, b.NDCG)
	}}
}
