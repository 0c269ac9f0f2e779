package vault

import "sync"

const (
	cacheShards = 64
	cacheWays   = 8
	// cacheAges is how many times a cache is swept during an entry's lifetime:
	// an entry lives between lifetime and lifetime·(1+1/cacheAges).
	cacheAges = 8
)

// cache is a bounded map of fixed memory: each key has cacheWays places in its
// shard, and the oldest of them makes room. A hit takes a read lock of one
// shard and allocates nothing. Entries are wiped when they are removed, when
// they are old and when the cache is closed.
//
// It also keeps what is not yet durable from being seen: see hide.
type cache[K comparable, V any] struct {
	hash   func(K) uint64 // of keys that are already uniformly random
	shards [cacheShards]cacheShard[K, V]
}

type cacheShard[K comparable, V any] struct {
	mu sync.RWMutex // guards all below
	// slots are sets of cacheWays entries; made at the first entry.
	slots []cacheSlot[K, V]
	sets  uint64
	// hidden are keys whose rows are written and not yet synced.
	hidden map[K]struct{}
	// epoch counts removals: what was read before one is not cached after it.
	epoch  uint64
	age    uint32 // the present sweep
	closed bool
}

type cacheSlot[K comparable, V any] struct {
	key  K
	used bool
	age  uint32
	val  V
}

func newCache[K comparable, V any](entries int, hash func(K) uint64) *cache[K, V] {
	c := &cache[K, V]{hash: hash}
	for i := range c.shards {
		c.shards[i].sets = uint64(max(1, entries/(cacheShards*cacheWays)))
		c.shards[i].hidden = make(map[K]struct{})
	}
	return c
}

func (c *cache[K, V]) shard(key K) (*cacheShard[K, V], uint64) {
	h := c.hash(key)
	return &c.shards[h%cacheShards], h / cacheShards
}

// set returns the places that a key may have. The caller holds mu.
func (s *cacheShard[K, V]) set(h uint64) []cacheSlot[K, V] {
	if s.slots == nil {
		return nil
	}
	at := (h % s.sets) * cacheWays
	return s.slots[at : at+cacheWays : at+cacheWays]
}

func (c *cache[K, V]) get(key K) (v V, ok bool) {
	s, h := c.shard(key)
	s.mu.RLock()
	set := s.set(h)
	for i := range set {
		if set[i].used && set[i].key == key {
			v, ok = set[i].val, true
			break
		}
	}
	s.mu.RUnlock()
	return v, ok
}

func (c *cache[K, V]) has(key K) (ok bool) {
	s, h := c.shard(key)
	s.mu.RLock()
	set := s.set(h)
	for i := range set {
		if set[i].used && set[i].key == key {
			ok = true
			break
		}
	}
	s.mu.RUnlock()
	return ok
}

// epoch returns the shard's count of removals, for fill.
func (c *cache[K, V]) epoch(key K) uint64 {
	s, _ := c.shard(key)
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.epoch
}

type filled uint8

const (
	filledIn     filled = iota
	filledHidden        // the row is not durable yet: it does not exist
	filledStale         // something was removed meanwhile: read again
)

// fill caches what a reader found in the store after it had read epoch.
func (c *cache[K, V]) fill(key K, v V, epoch uint64) filled {
	s, h := c.shard(key)
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, hidden := s.hidden[key]; hidden {
		return filledHidden
	}
	if s.epoch != epoch {
		return filledStale
	}
	s.put(key, h, v)
	return filledIn
}

// put stores an entry in the place of the key, an empty one or the oldest.
func (s *cacheShard[K, V]) put(key K, h uint64, v V) {
	if s.closed {
		return
	}
	if s.slots == nil {
		s.slots = make([]cacheSlot[K, V], s.sets*cacheWays)
	}
	set := s.set(h)
	place := 0
	for i := range set {
		if set[i].used && set[i].key == key {
			place = i
			break
		}
		if older(&set[i], &set[place]) {
			place = i
		}
	}
	set[place] = cacheSlot[K, V]{key: key, used: true, age: s.age, val: v}
}

func older[K comparable, V any](a, b *cacheSlot[K, V]) bool {
	return b.used && (!a.used || a.age < b.age)
}

// hide marks a key whose row is about to be written: readers who find the row
// before it is synced must not use it.
func (c *cache[K, V]) hide(key K) {
	s, _ := c.shard(key)
	s.mu.Lock()
	s.hidden[key] = struct{}{}
	s.mu.Unlock()
}

// publish lets a hidden key be seen: its row is durable.
func (c *cache[K, V]) publish(key K, v V) {
	s, h := c.shard(key)
	s.mu.Lock()
	delete(s.hidden, key)
	s.put(key, h, v)
	s.mu.Unlock()
}

// isHidden reports whether a key's row is not durable yet.
func (c *cache[K, V]) isHidden(key K) bool {
	s, _ := c.shard(key)
	s.mu.RLock()
	defer s.mu.RUnlock()
	_, hidden := s.hidden[key]
	return hidden
}

// remove wipes a key. No reader who began before can bring it back.
func (c *cache[K, V]) remove(key K) {
	s, h := c.shard(key)
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.hidden, key)
	s.epoch++
	set := s.set(h)
	for i := range set {
		if set[i].used && set[i].key == key {
			set[i] = cacheSlot[K, V]{}
		}
	}
}

// sweep ages the entries by one and wipes those that have lived their life.
func (c *cache[K, V]) sweep() {
	for i := range c.shards {
		s := &c.shards[i]
		s.mu.Lock()
		s.age++
		for j := range s.slots {
			if slot := &s.slots[j]; slot.used && s.age-slot.age > cacheAges {
				*slot = cacheSlot[K, V]{}
			}
		}
		s.mu.Unlock()
	}
}

// close wipes everything and keeps nothing from then on.
func (c *cache[K, V]) close() {
	for i := range c.shards {
		s := &c.shards[i]
		s.mu.Lock()
		clear(s.slots)
		s.slots, s.closed = nil, true
		s.mu.Unlock()
	}
}
