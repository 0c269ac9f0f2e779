package collect

import (
	"sync"

	"accord/internal/event"
)

// flight is a request on its way to the disk.
type flight struct {
	done   chan struct{} // closed when it has ended
	failed bool          // set before done is closed
}

const (
	claimShards = 64
	// claimed is how many ids a generation of a shard holds. Two generations are
	// kept: at 100,000 events a second, the last second or more, which is longer
	// than the vault needs to know them.
	claimed = 1024
)

// claims remembers the ids of messages under way and of the last ones that were
// acknowledged. Its memory is bounded; what it forgets, the vault finds.
type claims struct {
	shards [claimShards]claimShard
}

type claimShard struct {
	mu         sync.Mutex
	young, old map[event.ID]*flight
}

// claim takes an id for f and returns nil, or the flight that has it.
func (c *claims) claim(id event.ID, f *flight) *flight {
	s := &c.shards[id[0]%claimShards]
	s.mu.Lock()
	defer s.mu.Unlock()
	if other := s.young[id]; other != nil {
		return other
	}
	if other := s.old[id]; other != nil {
		return other
	}
	if len(s.young) >= claimed || s.young == nil {
		s.young, s.old = s.old, s.young
		clear(s.young)
		if s.young == nil {
			s.young = make(map[event.ID]*flight, claimed)
		}
	}
	s.young[id] = f
	return nil
}

// drop gives an id back if f has it.
func (c *claims) drop(id event.ID, f *flight) {
	s := &c.shards[id[0]%claimShards]
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, m := range [...]map[event.ID]*flight{s.young, s.old} {
		if m[id] == f {
			delete(m, id)
		}
	}
}
