package app

import (
	"sync"
	"testing"
	"time"

	"accord/internal/consent"
	"accord/internal/identity"
)

// steered is a machine's clock that a test steps and lets run.
type steered struct {
	*clock
	mu        sync.Mutex
	wall, run time.Duration
}

func steer(start time.Time) *steered {
	s := &steered{clock: newClock(quiet()), wall: time.Duration(start.UnixNano())}
	s.read = func() (int64, int64) {
		s.mu.Lock()
		defer s.mu.Unlock()
		return int64(s.wall), int64(s.run)
	}
	return s
}

// pass lets time pass; step sets the machine's clock besides.
func (s *steered) pass(d, step time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.run += d
	s.wall += d + step
}

var noon = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

// A clock that steps back neither takes time back nor makes it stand still.
func TestClockStepsBack(t *testing.T) {
	s := steer(noon)
	var doubts []bool
	s.doubted = func(on bool) { doubts = append(doubts, on) }
	wants := func(after time.Duration, doubt bool) {
		t.Helper()
		if got := s.Now().Sub(noon); got != after {
			t.Errorf("after %v it is %v", after, got)
		}
		if s.doubt.Load() != doubt {
			t.Errorf("after %v the doubt is %v", after, !doubt)
		}
	}
	s.start(time.Time{}, false)
	wants(0, false)
	s.pass(time.Second, -clockBound)
	wants(time.Second, false)
	s.pass(time.Second, -time.Hour)
	wants(2*time.Second, true)
	s.pass(time.Minute, 0)
	wants(62*time.Second, true)
	s.pass(time.Second, time.Hour) // set right again, but for the first step
	wants(63*time.Second, false)
	s.pass(time.Second, time.Hour) // and far ahead
	wants(64*time.Second+time.Hour-clockBound, false)
	if len(doubts) != 2 || !doubts[0] || doubts[1] {
		t.Errorf("it told of %v", doubts)
	}
}

// A start whose machine's clock lies behind the last run goes on from there, in
// doubt until somebody who knows says that the clock is right.
func TestClockStartsBehind(t *testing.T) {
	floor := noon.AddDate(1, 0, 0)
	for _, trust := range []bool{false, true} {
		s := steer(noon)
		s.start(floor, trust)
		s.pass(time.Hour, 0)
		if got := s.Now(); !got.Equal(floor.Add(time.Hour)) || s.doubt.Load() == trust {
			t.Errorf("trust %v: it is %v, in doubt %v", trust, got, s.doubt.Load())
		}
		if got := s.behind(); got != floor.Sub(noon) {
			t.Errorf("it is behind by %v", got)
		}
		s.pass(0, -2*clockBound)
		if s.Now(); !s.doubt.Load() {
			t.Errorf("trust %v: a further step back is no doubt", trust)
		}
	}
}

// Many who ask at once never see the time go back.
func TestClockOfMany(t *testing.T) {
	s := steer(noon)
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			last := s.Now()
			for range 2000 {
				now := s.Now()
				if now.Before(last) {
					t.Errorf("%v after %v", now, last)
				}
				last = now
			}
		})
	}
	for i := range 2000 {
		s.pass(time.Millisecond, time.Duration(i%7-3)*time.Second)
	}
	all.Wait()
}

// Promise 3: "in doubt (… a clock that stepped back) the answer is the
// un-personal one"; what happens is collected all the same.
func TestDoubtOfTheClock(t *testing.T) {
	e := newEstate(t)
	e.within(func(h *House) {
		e.chooses(h, "personalization", consent.Given)
		if why := e.why(h, "personalization"); why != consent.Allowed {
			t.Fatal(why)
		}
		grant := heldOrders(t, h, identity.Identifier{Kind: identity.UserID, Value: "ada"}).Grant()
		h.clock.start(time.Now().Add(time.Hour), false) // the machine's clock steps back an hour
		if why := e.why(h, "personalization"); why != consent.DeniedClosed {
			t.Errorf("asked in doubt: %v", why)
		}
		if why := h.gate.Release(grant, h.clock.Now()); why != consent.DeniedClosed {
			t.Errorf("released in doubt: %v", why)
		}
		e.buys(h, "ada", "m1", "cup")
		e.chooses(h, "newsletter", consent.Objected)
	})
	h, err := Open(t.Context(), e.config())
	if err != nil {
		t.Fatal(err)
	}
	if why := e.why(h, "personalization"); why != consent.DeniedClosed {
		t.Errorf("after a restart: %v", why)
	}
	if err := h.Close(); err != nil {
		t.Fatal(err)
	}
	trusting := e.config()
	trusting.TrustClock = true
	if h, err = Open(t.Context(), trusting); err != nil {
		t.Fatal(err)
	}
	if why := e.why(h, "personalization"); why != consent.Allowed {
		t.Errorf("with the operator's word: %v", why)
	}
	if err := h.Close(); err != nil {
		t.Fatal(err)
	}
}
