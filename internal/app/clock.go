package app

import (
	"sync/atomic"
	"time"
)

// clock never runs backwards, not even across a restart: a consent that has
// expired stays expired when somebody sets the machine's clock back. Its floor
// is the vault's high-water mark.
type clock struct{ high atomic.Int64 } // Unix nanoseconds

// raise makes t the earliest time that the clock will tell.
func (c *clock) raise(t time.Time) {
	for {
		old := c.high.Load()
		if t.UnixNano() <= old || c.high.CompareAndSwap(old, t.UnixNano()) {
			return
		}
	}
}

// Now returns the present time, or the floor while the machine's clock is
// behind it.
func (c *clock) Now() time.Time {
	now := time.Now()
	if high := c.high.Load(); now.UnixNano() < high {
		return time.Unix(0, high)
	}
	c.high.Store(now.UnixNano())
	return now
}
