package bench

import (
	"math/bits"
	"time"
)

// The histogram is log-linear, as HdrHistogram's: each power of two is cut into
// 128 equal buckets, so a bucket is at most 1/128 of its value wide.
const (
	subBits    = 7
	subBuckets = 1 << subBits
	// maxBits caps a value at 2^37 ns, about 137 s, longer than any request may
	// take.
	maxBits = 37
	buckets = (maxBits-subBits-1)*subBuckets + 2*subBuckets
)

// histogram counts durations. The zero value is empty. It is not safe for
// concurrent use: every worker has its own, and they are merged at the end.
type histogram struct {
	counts [buckets]uint64
	total  uint64
	max    uint64
}

// add counts d; a negative d counts as zero.
func (h *histogram) add(d time.Duration) {
	v := min(uint64(max(d, 0)), 1<<maxBits-1)
	h.counts[bucket(v)]++
	h.total++
	h.max = max(h.max, v)
}

// merge adds what o counted.
func (h *histogram) merge(o *histogram) {
	for i, n := range o.counts {
		h.counts[i] += n
	}
	h.total += o.total
	h.max = max(h.max, o.max)
}

// quantile returns a duration that a share q (0 to 1) of the counted ones did
// not exceed: the upper end of its bucket, at most 1/128 too high. An empty
// histogram gives 0.
func (h *histogram) quantile(q float64) time.Duration {
	if h.total == 0 {
		return 0
	}
	rank := min(max(uint64(q*float64(h.total)+0.5), 1), h.total)
	var seen uint64
	for i, n := range h.counts {
		if seen += n; seen >= rank {
			return time.Duration(min(upper(i), h.max))
		}
	}
	return time.Duration(h.max)
}

// bucket returns the bucket of v < 2^maxBits.
func bucket(v uint64) int {
	exp := max(bits.Len64(v)-subBits-1, 0)
	return exp*subBuckets + int(v>>exp)
}

// upper returns the largest value that falls into bucket i.
func upper(i int) uint64 {
	exp := max(i/subBuckets-1, 0)
	return uint64(i-exp*subBuckets+1)<<exp - 1
}
