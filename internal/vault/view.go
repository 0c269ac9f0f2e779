package vault

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"sync"
	"time"

	"accord/internal/consent"
	"accord/internal/declare"
	"accord/internal/identity"
	"accord/internal/profile"

	"github.com/cockroachdb/pebble/v2"
)

// horizon says for one day which parts are too old to show, class by class.
// Retention ends at a midnight (UTC), so it holds for the whole day.
type horizon struct {
	day     uint16
	classes map[declare.ClassID]shelfLife
}

type shelfLife struct {
	class  *declare.Class
	oldest uint16 // the first bucket that is not outlived
	newest uint16 // the present bucket
}

// horizonAt returns the horizon of the day of now.
func (v *Vault) horizonAt(now time.Time) *horizon {
	day := dayOf(now.UnixMilli())
	if h := v.horizon.Load(); h != nil && h.day == day {
		return h
	}
	h := &horizon{day: day, classes: make(map[declare.ClassID]shelfLife, len(v.declaration.Classes))}
	for i := range v.declaration.Classes {
		c := &v.declaration.Classes[i]
		h.classes[c.ID] = shelfLife{class: c, oldest: oldestBucket(c, now), newest: bucketOf(c, now.UnixMilli())}
	}
	v.horizon.Store(h)
	return h
}

// View returns what is known about the grant's person, cut to the grant: only
// classes of its purpose are read, and only what their retention still covers.
// The retention counts from the first instant of the month in which a record
// was accepted (of the day, in classes that are kept less than three months).
// It fails with ErrNoGrant when the grant is zero, another gate's, at its end,
// or no longer the person's choice; then ask the gate again. A person of whom
// nothing is known has an empty view.
func (v *Vault) View(ctx context.Context, g consent.Grant) (profile.View, error) {
	if err := ctx.Err(); err != nil {
		return profile.View{}, err
	}
	now := v.clock()
	if reason := v.gate.Release(g, now); reason != consent.Allowed {
		return profile.View{}, fmt.Errorf("%w: %s", ErrNoGrant, reason)
	}
	if err := v.enter(); err != nil {
		return profile.View{}, err
	}
	defer v.leave()
	r := readers.Get().(*reader)
	defer readers.Put(r)
	t := g.Token()
	r.bound = append(append(r.bound[:0], rowPart), t[:]...)
	low := len(r.bound)
	r.bound = appendAfter(r.bound, r.bound)
	it, err := v.db.NewIter(&pebble.IterOptions{LowerBound: r.bound[:low], UpperBound: r.bound[low:]})
	if err != nil {
		return profile.View{}, fmt.Errorf("reading the state: %w", err)
	}
	view, err := v.read(r, it, g, now)
	return view, errors.Join(err, it.Close())
}

// reader holds the buffers of a read.
type reader struct {
	key, aad, bound []byte
	parts           []profile.Part
	shelves         []profile.Shelf
}

// wipe clears what the last read saw: one part more than there are shelves where
// that one did not open.
func (r *reader) wipe() {
	for i := range r.parts[:min(len(r.parts), len(r.shelves)+1)] {
		clear(r.parts[i].Interactions)
		clear(r.parts[i].Traits)
	}
}

var readers = sync.Pool{New: func() any { return new(reader) }}

// appendAfter appends the upper bound of a prefix that begins with a letter.
func appendAfter(b, prefix []byte) []byte {
	n := len(b)
	b = append(b, prefix...)
	for i := len(b) - 1; i >= n; i-- {
		if b[i]++; b[i] != 0 {
			return b[:i+1]
		}
	}
	return b[:n]
}

// read reads the grant's person through it and cuts.
func (v *Vault) read(r *reader, it *pebble.Iterator, g consent.Grant, now time.Time) (profile.View, error) {
	h := v.horizonAt(now)
	used := 0
	r.shelves = r.shelves[:0]
	defer r.wipe()
	for i := range v.declaration.Classes {
		if !g.Class(&v.declaration.Classes[i]) {
			continue
		}
		life := h.classes[v.declaration.Classes[i].ID]
		var err error
		if used, err = v.readClass(r, it, keyRef{g.Token(), life.class.ID}, life, used); err != nil {
			return profile.View{}, err
		}
	}
	// The parts are addressed only now: reading may have moved them.
	for i := range r.shelves {
		r.shelves[i].Part = &r.parts[i]
	}
	return profile.Cut(v.declaration, g, r.shelves), nil
}

// readClass reads the parts of one class into r.parts from used on.
func (v *Vault) readClass(r *reader, it *pebble.Iterator, ref keyRef, life shelfLife, used int) (int, error) {
	r.key = appendPartKey(r.key[:0], ref, life.oldest)
	prefix := r.key[:len(r.key)-2]
	if !it.SeekGE(r.key) {
		return used, it.Error()
	}
	if !hasPrefix(it.Key(), prefix) {
		return used, nil
	}
	key, err := v.keys.dataKey(ref)
	if errors.Is(err, ErrNoKey) {
		return used, nil
	}
	if err != nil {
		return used, err
	}
	s, err := key.sealer()
	if err != nil {
		return used, err
	}
	for more := true; more && hasPrefix(it.Key(), prefix); {
		value, err := it.ValueAndErr()
		if err != nil {
			return used, fmt.Errorf("reading the state: %w", err)
		}
		if used == len(r.parts) {
			r.parts = append(r.parts, profile.Part{})
		}
		row := it.Key()
		r.aad = appendPartAAD(r.aad[:0], v.keys.controller, row)
		err = openPart(&s, value, r.aad, &r.parts[used])
		if err == nil {
			r.shelves = append(r.shelves, profile.Shelf{Class: life.class})
			used++
		} else if !errors.Is(err, ErrNoKey) { // sealed before the person left and came back
			return used, err
		}
		// Nothing follows the present bucket, and to find that out would mean
		// to step over all that the row was before.
		_, bucket, ok := readPartKey(row)
		more = ok && bucket < life.newest && it.Next()
	}
	return used, it.Error()
}

func hasPrefix(b, prefix []byte) bool {
	return len(b) >= len(prefix) && string(b[:len(prefix)]) == string(prefix)
}

// eachChunk is how many people Each reads ahead.
const eachChunk = 64

// Each calls fn with the view of every person of whom the state knows something
// that the gate allows to use for the purpose, in no meaningful order. Each view
// is released at the moment that fn gets it. An error of fn ends it and is
// returned. People who come while it runs may be missed.
func (v *Vault) Each(ctx context.Context, purpose declare.PurposeIndex, fn func(profile.View) error) error {
	var next identity.Token
	var views []profile.View
	for more := true; more; {
		var err error
		if views, next, more, err = v.chunk(ctx, purpose, next, views[:0]); err != nil {
			return err
		}
		for _, view := range views {
			if v.gate.Release(view.Grant(), v.clock()) != consent.Allowed {
				g, reason := v.gate.Ask(view.Grant().Token(), purpose, consent.Where{}, v.clock())
				if reason != consent.Allowed {
					continue
				}
				if view, err = v.View(ctx, g); errors.Is(err, ErrNoGrant) {
					continue
				} else if err != nil {
					return err
				}
			}
			if err := fn(view); err != nil {
				return err
			}
		}
		clear(views)
	}
	return ctx.Err()
}

// chunk reads the views of some people from the token next on.
func (v *Vault) chunk(ctx context.Context, purpose declare.PurposeIndex, next identity.Token, views []profile.View) (_ []profile.View, _ identity.Token, more bool, err error) {
	if err := v.enter(); err != nil {
		return nil, next, false, err
	}
	defer v.leave()
	it, err := v.db.NewIter(&pebble.IterOptions{LowerBound: []byte{rowPart}, UpperBound: []byte{rowPart + 1}})
	if err != nil {
		return nil, next, false, fmt.Errorf("reading the state: %w", err)
	}
	defer func() { err = errors.Join(err, it.Close()) }()
	r := readers.Get().(*reader)
	defer readers.Put(r)
	for range eachChunk {
		if err := ctx.Err(); err != nil {
			return nil, next, false, err
		}
		if !it.SeekGE(append([]byte{rowPart}, next[:]...)) {
			return views, next, false, it.Error()
		}
		ref, _, ok := readPartKey(it.Key())
		if !ok {
			return nil, next, false, errDamaged
		}
		now := v.clock()
		if g, reason := v.gate.Ask(ref.token, purpose, consent.Where{}, now); reason == consent.Allowed {
			view, err := v.read(r, it, g, now)
			if err != nil {
				return nil, next, false, err
			}
			if len(view.Interactions()) > 0 || view.Traits() > 0 {
				views = append(views, view)
			}
		}
		if next, ok = following(ref.token); !ok {
			return views, next, false, nil
		}
	}
	return views, next, true, nil
}

// following returns the token after t; false after the last one.
func following(t identity.Token) (identity.Token, bool) {
	high, low := binary.BigEndian.Uint64(t[:8]), binary.BigEndian.Uint64(t[8:])
	if low++; low == 0 {
		if high++; high == 0 {
			return t, false
		}
	}
	binary.BigEndian.PutUint64(t[:8], high)
	binary.BigEndian.PutUint64(t[8:], low)
	return t, true
}
