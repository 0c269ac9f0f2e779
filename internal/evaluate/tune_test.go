package evaluate

import (
	"fmt"
	"testing"
	"time"
	"slices"
	"math"
	"math/rand/v2"
	"accord/internal/decide/recommend"
	"accord/internal/learn"
)

func TestTune5(t *testing.T) {
	all := onlineRetail(t)
	type key struct { k int; what string }
	diffs := map[key][]float64{}
	base := map[string][]float64{}
	var order []key
	// validation periods only: 2011-09-09 and 2011-10-09, each with three samples
	for _, month := range []time.Month{9, 10} { for seed := range uint64(3) {
		end := time.Date(2011, month+1, 9, 0, 0, 0, 0, time.UTC)
		until := time.Date(2011, month, 9, 0, 0, 0, 0, time.UTC)
		r := rand.New(rand.NewPCG(seed, uint64(month)))
		var data recommend.Data
		for _, h := range all {
			if seed > 0 && r.Float64() >= .7 { continue }
			h.Items = slices.DeleteFunc(slices.Clone(h.Items), func(x recommend.Interaction) bool { return x.At >= end.UnixMilli() })
			if len(h.Items) > 0 { data = append(data, h) }
		}
		s := split(data, until.UnixMilli(), 8000)
		n := len(s.items)
		people := s.measured()
		tr := &trial{sample: s, o: Options{K: 20}}
		full, err := learn.EASE(t.Context(), s.matrix, 300)
		if err != nil { t.Fatal(err) }
		pp := make([]float64, n)
		for i := range s.people {
			best := map[string]float64{}
			for _, x := range s.people[i].past { best[x.Item] = max(best[x.Item], math.Exp2(-float64(s.until-x.At)/86400e3/10)) }
			for it, v := range best { pp[s.index[it]] += v }
		}
		mm := slices.Max(pp)
		for i := range pp { pp[i] /= mm }
		ref := map[string][]float64{}
		for _, k := range []int{4000, 100, 200, 300, 400, 600, 800} {
			sp, _ := full.Truncate(t.Context(), k)
			got := map[string][]float64{}
			sc, bl := make([]float64, n), make([]float64, n)
			for _, p := range people {
				clear(sc)
				for _, i := range p.items { tg, v := sp.Row(i); for k, j := range tg { sc[j] += float64(v[k]) } }
				for q := range bl { bl[q] = sc[q] + .2*pp[q] }
				newest := int64(0)
				for _, x := range p.past { newest = max(newest, x.At) }
				for _, x := range p.past { _ = x }
				acc := map[int]float64{}
				for _, x := range p.past { acc[s.index[x.Item]] += math.Exp2(-float64(newest-x.At) / 86400e3 / 120) }
				for i, v := range acc { bl[i] += math.Log1p(v) }
				got["a"] = append(got["a"], learn.Judge(tr.best(sc), p.targets, 20).NDCG)
				got["A"] = append(got["A"], learn.Judge(tr.best(bl), p.targets, 20).NDCG)
				fr := map[string]bool{}
				for x := range p.targets { if !p.bought[x] { fr[x] = true } }
				if len(fr) == 0 { continue }
				for _, i := range p.items { sc[i], bl[i] = math.Inf(-1), math.Inf(-1) }
				got["b"] = append(got["b"], learn.Judge(tr.best(sc), fr, 20).NDCG)
				got["B"] = append(got["B"], learn.Judge(tr.best(bl), fr, 20).NDCG)
			}
			for _, w := range []string{"a", "b", "A", "B"} {
				if k == 4000 { ref[w] = got[w]; base[w] = append(base[w], got[w]...); continue }
				kk := key{k, w}
				if diffs[kk] == nil { order = append(order, kk) }
				for i := range got[w] { diffs[kk] = append(diffs[kk], ref[w][i]-got[w][i]) }
			}
		}
	}}
	mean := func(v []float64) (m, se float64) { for _, x := range v { m += x }; m /= float64(len(v)); for _, x := range v { se += (x-m)*(x-m) }; return m, math.Sqrt(se)/float64(len(v)) }
	for _, k := range order { b, _ := mean(base[k.what]); m, se := mean(diffs[k]); fmt.Printf("T5 K %d %s full %.4f lost %.2f %% ± %.2f\n", k.k, k.what, b, 100*m/b, 100*se/b) }
}
