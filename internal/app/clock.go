package app

import (
	"log/slog"
	"sync"
	"sync/atomic"
	"time"
)

// clock never runs backwards, not even across a restart, and never stands still:
// a consent that has expired stays expired when somebody sets the machine's clock
// back, and one that has not goes on towards its end. Its floor is the vault's
// high-water mark. While the machine's clock is behind, it goes on from there by
// the process's monotonic clock.
//
// A machine's clock that lies more than clockBound behind is in doubt: what time
// passed before this start, nobody knows. Then the gate grants nothing (promise
// 3), collecting goes on, and it ends when the machine's clock has come up, or
// with the operator's word.
type clock struct {
	// read returns the machine's clock (Unix nanoseconds) and the time since the
	// start, which no change of that clock touches.
	read func() (wall, run int64)
	// doubted is told when a doubt begins and ends.
	doubted func(bool)
	logger  *slog.Logger

	base      atomic.Int64 // the clock's time at the start, Unix nanoseconds; it only grows
	tolerated atomic.Int64 // how far the machine's clock may lie behind without doubt
	doubt     atomic.Bool
	mu        sync.Mutex // orders the changes of doubt
}

// clockBound is how far the machine's clock may lie behind: steps that small are
// a time server's.
const clockBound = time.Minute

func newClock(logger *slog.Logger) *clock {
	start := time.Now()
	c := &clock{logger: logger, doubted: func(bool) {}}
	c.read = func() (wall, run int64) {
		now := time.Now()
		return now.UnixNano(), int64(now.Sub(start))
	}
	c.tolerated.Store(int64(clockBound))
	return c
}

// Now returns the present time.
func (c *clock) Now() time.Time {
	wall, run := c.read()
	told := c.grow(wall-run) + run
	if told-wall > c.tolerated.Load() != c.doubt.Load() {
		c.settle()
	}
	return time.Unix(0, told)
}

// grow makes the base at least b and returns it.
func (c *clock) grow(b int64) int64 {
	for {
		old := c.base.Load()
		if b <= old {
			return old
		}
		if c.base.CompareAndSwap(old, b) {
			return b
		}
	}
}

// start makes floor the earliest time that the clock will tell. With trust it
// takes the operator's word that the machine's clock is right: as far as it lies
// behind now, it is no doubt. The clock goes on from its floor all the same, so
// what expires does so early and never late.
func (c *clock) start(floor time.Time, trust bool) {
	_, run := c.read()
	c.grow(floor.UnixNano() - run)
	if trust {
		c.tolerated.Store(int64(c.behind() + clockBound))
	}
	c.Now()
}

// behind returns how far the machine's clock lies behind this one.
func (c *clock) behind() time.Duration {
	wall, run := c.read()
	return time.Duration(max(c.base.Load()+run-wall, 0))
}

// settle begins or ends a doubt.
func (c *clock) settle() {
	c.mu.Lock()
	defer c.mu.Unlock()
	behind := c.behind()
	doubt := behind > time.Duration(c.tolerated.Load())
	if doubt == c.doubt.Load() {
		return
	}
	c.doubted(doubt)
	c.doubt.Store(doubt)
	if doubt {
		c.logger.Error("the machine's clock lies behind the time that was reached: answers are un-personal until it is set right; if it is right, start with --trust-clock", "behind", behind.Round(time.Second))
	} else {
		c.logger.Info("the machine's clock has come up: answers may be personal again")
	}
}
