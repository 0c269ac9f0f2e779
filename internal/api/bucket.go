package api

import (
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

// take reports whether it may happen at now.
func (b *bucket) take(now time.Time) bool {
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
	b.left--
	return true
}

// buckets are one bucket for each source, so that one source's flood does not
// stop another. Sources are names of keys, and so few.
type buckets struct {
	rate, burst float64
	mu          sync.Mutex
	by          map[string]*bucket // guarded by mu
}

func newBuckets(rate, burst float64) *buckets {
	return &buckets{rate: rate, burst: burst, by: map[string]*bucket{}}
}

func (b *buckets) take(source string, now time.Time) bool {
	b.mu.Lock()
	one := b.by[source]
	if one == nil {
		one = &bucket{rate: b.rate, burst: b.burst}
		b.by[source] = one
	}
	b.mu.Unlock()
	return one.take(now)
}
