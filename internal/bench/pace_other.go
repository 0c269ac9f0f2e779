//go:build !linux

package bench

import (
	"context"
	"time"
)

// alarm wakes one goroutine at a moment, to within what the runtime's timers
// give: about a millisecond.
type alarm struct{ stop chan struct{} }

func newAlarm() (*alarm, error) { return &alarm{stop: make(chan struct{})}, nil }

// wait returns at the moment until, or earlier with the context's error.
func (a *alarm) wait(ctx context.Context, until time.Time) error {
	t := time.NewTimer(time.Until(until))
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-a.stop:
	case <-t.C:
	}
	return ctx.Err()
}

// interrupt ends the present wait and every later one at once. It is called at
// most once.
func (a *alarm) interrupt() { close(a.stop) }

func (a *alarm) close() {}
