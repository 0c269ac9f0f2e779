package run

import (
	"sync/atomic"

	"accord/internal/consent"
)

// Counts are totals since the start, for metrics.
type Counts struct {
	Personal   uint64                  // personal answers released
	Unpersonal [consent.Reasons]uint64 // un-personal answers by the gate's reason
	Redone     uint64                  // attempts thrown away at the fence
	Doubts     uint64                  // views that could not be opened
}

type counters struct {
	personal   atomic.Uint64
	unpersonal [consent.Reasons]atomic.Uint64
	redone     atomic.Uint64
	doubts     atomic.Uint64
}

func (c *counters) count(personal bool, reason consent.Reason) {
	if personal {
		c.personal.Add(1)
		return
	}
	c.unpersonal[reason].Add(1)
}

// Counts returns the totals.
func (r *Runner) Counts() Counts {
	out := Counts{Personal: r.counts.personal.Load(), Redone: r.counts.redone.Load(), Doubts: r.counts.doubts.Load()}
	for i := range out.Unpersonal {
		out.Unpersonal[i] = r.counts.unpersonal[i].Load()
	}
	return out
}
