package vault

import (
	"encoding/binary"
	"fmt"
	"sync/atomic"

	"accord/internal/declare"
	"accord/internal/event"

	"github.com/cockroachdb/pebble/v2"
)

// seen tells new message ids of a stream from those of the last two days with
// which it has been fed. It answers "new" for certain or "perhaps seen", which
// the rows of the state then decide: nearly every id is new, and costs no read.
type seen struct{ window atomic.Pointer[window] }

// window is the stream's latest day of acceptance and the filters of that day
// and of the one before.
type window struct {
	day           uint16
	today, before *filter
}

// at returns the window for a record accepted on day, opened if the stream has
// reached a new day. Called by the stream's Apply only.
func (s *seen) at(day uint16) (w *window, moved bool) {
	w = s.window.Load()
	if w != nil && day <= w.day {
		return w, false
	}
	next := &window{day: day, today: &filter{}, before: &filter{}}
	if w != nil && day == w.day+1 {
		next.before = w.today
	}
	s.window.Store(next)
	return next, true
}

// mix makes the hash under which a record (an id in a class) is found. Ids are
// keyed hashes already.
func mix(id event.ID, class declare.ClassID) (a, b uint64) {
	a, b = binary.LittleEndian.Uint64(id[:8]), binary.LittleEndian.Uint64(id[8:])
	x := uint64(class) * 0x9e3779b97f4a7c15
	return (a ^ x) * 0xff51afd7ed558ccd, b ^ x
}

// maybe reports whether the id may have been seen in the class.
func (w *window) maybe(id event.ID, class declare.ClassID) bool {
	a, b := mix(id, class)
	return w.today.maybe(a, b) || w.before.maybe(a, b)
}

// add notes a record.
func (w *window) add(id event.ID, class declare.ClassID) { w.today.add(mix(id, class)) }

// filter is a chain of Bloom filters, each four times the size of the last, so
// that a quiet shop pays 64 kB and a busy one is bounded: 22 MB for filterRoom
// records a day and stream, so 180 MB with four streams on two such days. Beyond
// that it says "perhaps" ever more often, which is slower and as right. One
// writer; any number of readers.
type filter struct {
	parts [filterParts]atomic.Pointer[bloomPart]
	last  int         // the part that is filled
	any   atomic.Bool // say "perhaps" always: not all rows were read
}

const (
	filterParts = 5
	firstBlocks = 1 << 10 // of 64 bytes
	// blockLoad is how many hashes a block of 512 bits takes: 16 bits each, so
	// that one in a thousand new ids costs a read.
	blockLoad = 32
	// filterRoom is how many records a filter is made for: eleven million.
	filterRoom = blockLoad * firstBlocks * (1<<(2*filterParts) - 1) / 3
)

// bloomPart is a blocked Bloom filter: a hash sets six bits of one cache line.
type bloomPart struct {
	blocks [][8]atomic.Uint64
	free   int // hashes that it still takes
}

func (f *filter) maybe(a, b uint64) bool {
	if f.any.Load() {
		return true
	}
	for i := range f.parts {
		p := f.parts[i].Load()
		if p == nil {
			return false
		}
		if p.has(a, b) {
			return true
		}
	}
	return false
}

func (p *bloomPart) block(a uint64) *[8]atomic.Uint64 {
	return &p.blocks[a&uint64(len(p.blocks)-1)]
}

func (p *bloomPart) has(a, b uint64) bool {
	block := p.block(a)
	for range 6 {
		if block[b>>6&7].Load()>>(b&63)&1 == 0 {
			return false
		}
		b >>= 9
	}
	return true
}

func (f *filter) add(a, b uint64) {
	p := f.parts[f.last].Load()
	if p == nil || p.free == 0 && f.last < filterParts-1 {
		if p != nil {
			f.last++
		}
		n := firstBlocks << (2 * f.last)
		p = &bloomPart{blocks: make([][8]atomic.Uint64, n), free: n * blockLoad}
		f.parts[f.last].Store(p)
	}
	p.free = max(0, p.free-1)
	block := p.block(a)
	for range 6 {
		block[b>>6&7].Or(1 << (b & 63))
		b >>= 9
	}
}

// loadSeen fills the window of a stream from its rows. A day with more rows than
// filterRoom gets a filter that says "perhaps" always.
func (v *Vault) loadSeen(stream int, day uint16) error {
	w := &window{day: day, today: &filter{}, before: &filter{}}
	v.streams[stream].seen.window.Store(w)
	if err := v.loadDay(stream, day, w.today); err != nil {
		return err
	}
	if day == 0 {
		return nil
	}
	return v.loadDay(stream, day-1, w.before)
}

func (v *Vault) loadDay(stream int, day uint16, f *filter) error {
	prefix := appendSeenDay(nil, stream, day)
	it, err := v.db.NewIter(&pebble.IterOptions{LowerBound: prefix, UpperBound: after(prefix)})
	if err != nil {
		return fmt.Errorf("reading the state: %w", err)
	}
	n := 0
	for it.First(); it.Valid(); it.Next() {
		row := it.Key()
		if len(row) != seenKeySize {
			continue
		}
		if n++; n > filterRoom {
			f.any.Store(true)
			break
		}
		f.add(mix(event.ID(row[4:20]), declare.ClassID(binary.BigEndian.Uint32(row[20:]))))
	}
	return it.Close()
}

// seenBefore reports for certain whether a record of the stream is in the rows.
func (v *Vault) seenBefore(stream int, w *window, id event.ID, class declare.ClassID, key []byte) (bool, error) {
	for back := uint16(0); back < 2 && back <= w.day; back++ {
		_, closer, err := v.db.Get(appendSeenKey(key[:0], stream, w.day-back, id, class))
		if err == nil {
			return true, closer.Close()
		}
		if err != pebble.ErrNotFound {
			return false, fmt.Errorf("reading the state: %w", err)
		}
	}
	return false, nil
}

// Seen reports whether a record of this id and class was folded within the last
// 24 to 48 hours of the stream.
func (v *Vault) Seen(stream int, id event.ID, class declare.ClassID) (bool, error) {
	w := v.streams[stream].seen.window.Load()
	if w == nil || !w.maybe(id, class) {
		return false, nil
	}
	if err := v.enter(); err != nil {
		return false, err
	}
	defer v.leave()
	return v.seenBefore(stream, w, id, class, nil)
}
