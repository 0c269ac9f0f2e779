package api

import (
	"maps"
	"sync"
	"time"
)

// bucket bounds how often something may happen: rate a second, and burst at
// once. It is safe for concurrent use.
type bucket struct {
	rate, burst float64

	mu    sync.Mutex
	left  float64   // guarded by mu
	since time.Time // guarded by mu; zero until the first take
}

// take reports whether it may happen at now, n times at once. A bucket with
// something left gives all n and owes what it does not have, so that a batch of
// more than a burst passes and those after it wait.
func (b *bucket) take(n int, now time.Time) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.since.IsZero() {
		b.left = b.burst
	} else if d := now.Sub(b.since); d > 0 {
		b.left = min(b.burst, b.left+b.rate*d.Seconds())
	}
	b.since = now
	if b.left < 1 {
		return false
	}
	b.left -= float64(n)
	return true
}

// full reports whether nothing was taken for so long that the bucket is as new.
func (b *bucket) full(now time.Time) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.left+b.rate*now.Sub(b.since).Seconds() >= b.burst
}

// maxBuckets bounds how many buckets are remembered. Where so many are in use,
// a newcomer waits.
const maxBuckets = 1 << 14

// buckets are one bucket for each source or person, so that the flood of one
// does not stop another.
type buckets struct {
	rate, burst float64
	mu          sync.Mutex
	by          map[string]*bucket // guarded by mu
	swept       time.Time          // guarded by mu
}

func newBuckets(rate, burst float64) *buckets {
	return &buckets{rate: rate, burst: burst, by: map[string]*bucket{}}
}

func (b *buckets) take(who string, n int, now time.Time) bool {
	one := b.of(who, now)
	return one != nil && one.take(n, now)
}

// of returns a bucket, nil where there is no room for one.
func (b *buckets) of(who string, now time.Time) *bucket {
	b.mu.Lock()
	defer b.mu.Unlock()
	one := b.by[who]
	if one != nil {
		return one
	}
	if len(b.by) >= maxBuckets && now.Sub(b.swept) >= time.Second {
		b.swept = now
		maps.DeleteFunc(b.by, func(_ string, o *bucket) bool { return o.full(now) })
	}
	if len(b.by) >= maxBuckets {
		return nil
	}
	one = &bucket{rate: b.rate, burst: b.burst}
	b.by[who] = one
	return one
}
