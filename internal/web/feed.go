package web

import (
	"context"
	"sync"
	"sync/atomic"
)

// queue is how many activities may wait for one page.
const queue = 256

// Feed spreads activities to the open pages. It never makes a publisher wait
// and holds at most a short queue for each subscriber. It is safe for
// concurrent use.
type Feed struct {
	listening atomic.Int32 // so that Publish costs nothing when no page is open

	mu          sync.RWMutex // guards what follows and every send to a subscriber
	subscribers map[*subscriber]struct{}
	closed      bool
}

type subscriber struct {
	to     chan Activity
	missed atomic.Uint64
}

// NewFeed returns a feed that nobody listens to.
func NewFeed() *Feed { return &Feed{subscribers: make(map[*subscriber]struct{})} }

// Listening reports whether a page is open. A publisher may ask before it
// makes an activity that is dear to make.
func (f *Feed) Listening() bool { return f.listening.Load() > 0 }

// Publish hands a to every subscriber that has room and counts it as missed
// for the others. It never waits.
func (f *Feed) Publish(a Activity) {
	if !f.Listening() {
		return
	}
	f.mu.RLock()
	defer f.mu.RUnlock()
	for s := range f.subscribers {
		a.Missed = s.missed.Swap(0)
		select {
		case s.to <- a:
		default:
			s.missed.Add(a.Missed + 1)
		}
	}
}

// Subscribe returns what is published from now on. The channel is closed when
// ctx ends or the feed is closed.
func (f *Feed) Subscribe(ctx context.Context) <-chan Activity {
	s := &subscriber{to: make(chan Activity, queue)}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed {
		close(s.to)
		return s.to
	}
	f.subscribers[s] = struct{}{}
	f.listening.Add(1)
	context.AfterFunc(ctx, func() { f.leave(s) })
	return s.to
}

func (f *Feed) leave(s *subscriber) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if _, ok := f.subscribers[s]; ok {
		delete(f.subscribers, s)
		f.listening.Add(-1)
		close(s.to)
	}
}

// Close ends every subscription, so that a server can shut down while pages are
// open. What is published afterwards reaches nobody.
func (f *Feed) Close() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.closed = true
	for s := range f.subscribers {
		delete(f.subscribers, s)
		f.listening.Add(-1)
		close(s.to)
	}
}
