package evaluate

import (
	"fmt"
	"testing"
	"time"
	"slices"
	"math"
	"accord/internal/decide/recommend"
	"accord/internal/learn"
)

func clip(data recommend.Data, end time.Time) recommend.Data {
	var out recommend.Data
	for _, h := range data {
		h.Items = slices.DeleteFunc(slices.Clone(h.Items), func(x recommend.Interaction) bool { return x.At >= end.UnixMilli() })
		if len(h.Items) > 0 { out = append(out, h) }
	}
	return out
}

func TestTune2(t *testing.T) {
	data := clip(onlineRetail(t), time.Date(2011, 11, 9, 0, 0, 0, 0, time.UTC))
	until := time.Date(2011, 10, 9, 0, 0, 0, 0, time.UTC)
	s := split(data, until.UnixMilli(), 8000)
	n := len(s.items)
	people := s.measured()
	recent := s.popularity(s.until - 30*24*time.Hour.Milliseconds())
	mx := slices.Max(recent)
	tr := &trial{sample: s, o: Options{K: 20}}
	for _, lambda := range []float64{200, 500, 1000} {
		full, err := learn.EASE(t.Context(), s.matrix, lambda)
		if err != nil { t.Fatal(err) }
		rows := make([][]float64, n)
		for i := range rows { rows[i] = make([]float64, n); full.Row(i, rows[i]) }
		eval := func(name string, sp *learn.Sparse, dbias []float64, alpha float64) {
			var ma, mb learn.Mean
			sc := make([]float64, n)
			for _, p := range people {
				for j := range sc { sc[j] = alpha * recent[j] / mx; if dbias != nil { sc[j] += dbias[j] * float64(len(p.items)) } }
				for _, i := range p.items {
					if sp == nil { for j, v := range rows[i] { sc[j] += v } } else {
						tg, v := sp.Row(i)
						for k, j := range tg { sc[j] += float64(v[k]) }
					}
				}
				ma.Add(learn.Judge(tr.best(sc), p.targets, 20))
				fr := map[string]bool{}
				for x := range p.targets { if !p.bought[x] { fr[x] = true } }
				if len(fr) == 0 { continue }
				for _, i := range p.items { sc[i] = math.Inf(-1) }
				mb.Add(learn.Judge(tr.best(sc), fr, 20))
			}
			fmt.Printf("λ %4.0f α %.2f %-20s a %.4f/%.4f b %.4f/%.4f\n", lambda, alpha, name, ma.Average().Recall, ma.Average().NDCG, mb.Average().Recall, mb.Average().NDCG)
		}
		for _, alpha := range []float64{0, 0.1, 0.2, 0.4} {
			eval("full", nil, nil, alpha)
			for _, k := range []int{100, 200, 400, 800} {
				sp, _ := full.Truncate(t.Context(), k)
				if alpha <= 0.1 { eval(fmt.Sprint("top ", k), sp, nil, alpha) }
				d := make([]float64, n)
				for i := range rows { 
					for j, v := range rows[i] { d[j] += v / float64(n) }
					tg, v := sp.Row(i)
					for k, j := range tg { d[j] -= float64(v[k]) / float64(n) }
				}
				if k <= 400 && alpha <= 0.1 { eval(fmt.Sprint("bias ", k), sp, d, alpha) }
				// weighted by item frequency
				if k<=400 {
				d = make([]float64, n); tot := 0.0
				cnt := make([]float64, n)
				for _, p := range s.people { for _, i := range p.items { cnt[i]++; tot++ } }
				for i := range rows {
					for j, v := range rows[i] { d[j] += v * cnt[i] / tot }
					tg, v := sp.Row(i)
					for k, j := range tg { d[j] -= float64(v[k]) * cnt[i] / tot }
				}
				eval(fmt.Sprint("wbias ", k), sp, d, alpha)
				}
			}
		}
	}
}
