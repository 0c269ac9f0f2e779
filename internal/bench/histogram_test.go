package bench

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

// "Latencies have a relative error below 1 %."
func TestHistogramErrorBelowOnePercent(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	var h, other histogram
	var all []float64
	for i := range 20000 {
		d := time.Duration(math.Exp(r.Float64() * 24)) // 1 ns to 26 s
		all = append(all, float64(d))
		if i%2 == 0 {
			h.add(d)
		} else {
			other.add(d)
		}
	}
	h.merge(&other)
	slices.Sort(all)
	for _, q := range []float64{0.001, 0.1, 0.5, 0.9, 0.99, 0.999, 1} {
		want := all[max(int(q*float64(len(all))+0.5), 1)-1]
		if got := float64(h.quantile(q)); got < want || got > want*1.01 {
			t.Errorf("quantile %v: %v, want %v to within 1 %%", q, got, want)
		}
	}
	if got := float64(h.quantile(1)); got != all[len(all)-1] {
		t.Errorf("the greatest is %v, want exactly %v", got, all[len(all)-1])
	}
}

func TestHistogramEdges(t *testing.T) {
	var h histogram
	if h.quantile(0.5) != 0 {
		t.Error("an empty histogram has a median")
	}
	h.add(-time.Second)
	h.add(math.MaxInt64)
	if got := h.quantile(0.5); got != 0 {
		t.Errorf("a negative duration counts as %v", got)
	}
	if got := h.quantile(1); got != 1<<maxBits-1 {
		t.Errorf("an endless duration counts as %v", got)
	}
	for v := uint64(0); v < 1<<maxBits; v = v*9/8 + 1 {
		if i := bucket(v); upper(i) < v || i > 0 && upper(i-1) >= v {
			t.Fatalf("%d is in bucket %d, whose values are %d to %d", v, i, upper(i-1)+1, upper(i))
		}
	}
}
