package app

import (
	"testing"
	"time"

	"accord/internal/consent"
)

// A stream that waits without progress is told from one that is busy, from one
// whose first frame has just come, and from its neighbours.
func TestFoldWatch(t *testing.T) {
	var w foldWatch
	start := time.Unix(1_800_000_000, 0)
	for _, step := range []struct {
		after         time.Duration
		applied, ends []uint64
		well          bool
	}{
		{0, []uint64{5, 5}, []uint64{5, 5}, true},
		{time.Hour, []uint64{5, 5}, []uint64{5, 6}, true},                                     // a frame came just now
		{time.Hour + foldPatience, []uint64{6, 5}, []uint64{9, 6}, true},                      // as long as it may
		{time.Hour + foldPatience + time.Second, []uint64{7, 5}, []uint64{9, 6}, false},       // stream 1 stands still, stream 0 does not
		{time.Hour + foldPatience + 2*time.Second, []uint64{8, 6}, []uint64{20, 9}, true},     // and goes on
		{time.Hour + 2*foldPatience, []uint64{9, 7}, []uint64{30, 9}, true},                   // busy
		{time.Hour + 3*foldPatience + time.Second, []uint64{9, 9}, []uint64{30, 9}, false},    // stream 0 stands still
		{time.Hour + 4*foldPatience + time.Second, []uint64{30, 9}, []uint64{30, 9}, true},    // all done
		{9 * time.Hour, []uint64{30, 9}, []uint64{31, 10}, true},                              // asked seldom
		{9*time.Hour + foldPatience/2, []uint64{30, 9}, []uint64{31, 10}, true},               // still within
		{9*time.Hour + foldPatience + time.Second, []uint64{30, 10}, []uint64{31, 10}, false}, // no longer
	} {
		if err := w.look(step.applied, step.ends, start.Add(step.after)); (err == nil) != step.well {
			t.Errorf("after %s, %d of %d: %v", step.after, step.applied, step.ends, err)
		}
	}
}

// A server whose fold has stopped is not healthy, although its log takes all that
// it is sent.
func TestUnhealthyWithoutAFold(t *testing.T) {
	l := newLearning(t)
	l.must(l.CatchUp(t.Context()))
	if err := l.probe(t.Context()); err != nil || l.lag() != 0 {
		t.Fatalf("a healthy server: %v, %v frames behind", err, l.lag())
	}
	l.stop() // the fold
	l.work.Wait()
	l.choose(consent.Given)
	l.buy("u0", "m-unfolded", "P9")
	l.must(l.probe(t.Context()))
	for i := range l.folds.since {
		if !l.folds.since[i].IsZero() {
			l.folds.since[i] = l.folds.since[i].Add(-2 * foldPatience)
		}
	}
	if err := l.probe(t.Context()); err == nil || l.lag() == 0 {
		t.Errorf("the fold has stopped: %v, %v frames behind", err, l.lag())
	}
}
