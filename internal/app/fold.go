package app

import (
	"context"
	"fmt"
	"math"
	"sync"
	"time"
)

// foldPatience is how long a stream may wait for the fold without any progress
// before the server is unhealthy: what people choose still holds then, but what
// they do no longer counts.
const foldPatience = 30 * time.Second

// foldWatch tells a fold that stands still from one that has much to do. It looks
// when it is asked and owns no goroutine.
type foldWatch struct {
	mu      sync.Mutex
	applied []uint64    // guarded by mu: by stream, at the last look
	since   []time.Time // guarded by mu: since when a stream waits at that sequence; zero: it does not
}

// look compares what was applied with the log's ends, and returns an error when a
// stream has waited for longer than foldPatience without progress.
func (w *foldWatch) look(applied, ends []uint64, now time.Time) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.since == nil {
		w.applied, w.since = make([]uint64, len(ends)), make([]time.Time, len(ends))
	}
	var err error
	for i, end := range ends {
		switch {
		case applied[i] >= end:
			w.since[i] = time.Time{}
		case w.since[i].IsZero() || applied[i] != w.applied[i]:
			w.since[i] = now
		case now.Sub(w.since[i]) > foldPatience:
			err = fmt.Errorf("the fold stands still: stream %d waits at %d of %d since %s", i, applied[i], end, w.since[i].UTC().Format(time.RFC3339))
		}
		w.applied[i] = applied[i]
	}
	return err
}

// probe finds out by a real write whether the log takes what it is sent, and
// whether the fold follows.
func (h *House) probe(ctx context.Context) error {
	if err := h.log.Probe(ctx); err != nil {
		return err
	}
	applied := h.vault.Applied() // before the ends, which only grow
	ends, err := h.log.Ends(ctx)
	if err != nil {
		return err
	}
	return h.folds.look(applied, ends, time.Now())
}

// lag returns how many frames of the log are not folded yet; NaN where the log
// does not tell.
func (h *House) lag() float64 {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	ends, err := h.log.Ends(ctx)
	if err != nil {
		return math.NaN()
	}
	var frames uint64
	for i, applied := range h.vault.Applied() {
		if i < len(ends) && applied < ends[i] {
			frames += ends[i] - applied
		}
	}
	return float64(frames)
}
