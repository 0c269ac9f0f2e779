package vault

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cockroachdb/pebble/v2"

	"accord/internal/declare"
	"accord/internal/identity"
)

// Forget lets nobody be found any more by the lookups that lead to these people:
// whoever comes with one of them later is somebody new. What the tokens name stays
// until its keys are destroyed. With the rows that it deletes, in the same synced
// batch, it writes when each lookup was erased: see ErasedSince. It reads the
// lookups of everybody. The rows' bytes leave the files at the next scrub.
func (k *Keys) Forget(ctx context.Context, at time.Time, people ...identity.Token) error {
	people = slices.Clone(people) // the minter may outlive the caller
	ls, err := k.lookups(people)
	if err != nil || len(people) == 0 {
		return err
	}
	// Where there are none, another Forget may have deleted them that is still under
	// way in memory: this one returns after it.
	return k.order(ctx, func(r *round) error {
		for _, l := range ls {
			if err := r.forget(l, at, people); err != nil {
				return err
			}
		}
		return nil
	})
}

// forget deletes a lookup's row, unless another Forget was faster and the lookup
// is somebody's who came after.
func (r *round) forget(l identity.Lookup, at time.Time, people []identity.Token) error {
	row, found, err := r.k.get(appendLookupKey(nil, l))
	if err != nil {
		return err
	}
	theirs := found && len(row) == len(identity.Token{}) && slices.Contains(people, identity.Token(row))
	if !theirs || slices.Contains(r.forgotten, l) {
		return nil
	}
	ms := max(at.UnixMilli(), 1)
	if err := errors.Join(
		r.batch.Delete(appendLookupKey(nil, l), nil),
		r.batch.Set(appendGoneKey(nil, l), binary.BigEndian.AppendUint64(nil, uint64(ms)), nil),
		r.batch.Set(metaScrub, nil, nil),
	); err != nil {
		return err
	}
	r.forgotten = append(r.forgotten, l)
	r.k.destroyed.Add(1)
	// Known before it is on disk: nobody may find the lookup gone and not be told.
	r.k.gone.add(l, ms)
	return nil
}

// Erase is Destroy for good: with the keys it destroys goes, durably, that the
// person ever gets one again, but that of their choices. What was on its way in
// finds no key, and Seal says ErrNoKey.
func (k *Keys) Erase(ctx context.Context, t identity.Token, classes ...declare.ClassID) error {
	classes = slices.Clone(classes)
	return k.order(ctx, func(r *round) error {
		r.erased = append(r.erased, t)
		if err := r.batch.Set(appendErasedKey(nil, t), nil, nil); err != nil {
			return err
		}
		for _, c := range classes {
			if err := r.destroy(keyRef{t, c}); err != nil {
				return err
			}
		}
		return nil
	})
}

// isErased reports whether a key is not to be made, since its person was erased.
func (r *round) isErased(ref keyRef) (bool, error) {
	if ref.class == declare.ClassChoice {
		return false, nil
	}
	_, found, err := r.k.get(appendErasedKey(nil, ref.token))
	return found || slices.Contains(r.erased, ref.token), err
}

// lookups returns the lookups that lead to some tokens. It reads those of
// everybody.
func (k *Keys) lookups(ts []identity.Token) (ls []identity.Lookup, err error) {
	err = k.each(rowLookup, func(key, value []byte) {
		if len(value) == len(identity.Token{}) && slices.Contains(ts, identity.Token(value)) {
			ls = append(ls, identity.Lookup(key[1:]))
		}
	})
	return ls, err
}

// each calls fn for every row of a sort. fn must not keep what it gets.
func (k *Keys) each(row byte, fn func(key, value []byte)) error {
	if err := k.enter(); err != nil {
		return err
	}
	defer k.leave()
	it, err := k.db.NewIter(&pebble.IterOptions{LowerBound: []byte{row}, UpperBound: []byte{row + 1}})
	if err != nil {
		return fmt.Errorf("reading the key store: %w", err)
	}
	for it.First(); it.Valid(); it.Next() {
		fn(it.Key(), it.Value())
	}
	return it.Close()
}

// publishForgotten takes out of memory what the round took off the disk. A lookup
// that got a new token in the same round is published with that.
func (r *round) publishForgotten() {
	for _, l := range r.forgotten {
		if _, fresh := r.tokens[l]; !fresh {
			r.k.tokens.remove(l)
		}
	}
	if len(r.forgotten) > 0 {
		r.k.wantScrub()
	}
}

// ErasedSince reports whether whoever had a lookup was erased at a time (Unix
// milliseconds) or after it: what was said or happened then is not to come back,
// also where somebody new has the lookup now. Ask it after Find, so that no erasure
// comes between the two. For what is younger than the last erasure of anybody it
// costs the comparison of two numbers.
func (k *Keys) ErasedSince(l identity.Lookup, at int64) bool { return k.gone.since(l, at) }

// gone is the suppression list in memory, about 50 bytes for each lookup that was
// erased.
type gone struct {
	newest atomic.Int64 // the last erasure of all, Unix milliseconds; 0: there was none
	mu     sync.RWMutex // guards when
	when   map[identity.Lookup]int64
}

func (g *gone) add(l identity.Lookup, ms int64) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.when == nil {
		g.when = make(map[identity.Lookup]int64)
	}
	g.when[l] = max(g.when[l], ms)
	g.newest.Store(max(g.newest.Load(), ms))
}

func (g *gone) since(l identity.Lookup, at int64) bool {
	if at > g.newest.Load() {
		return false
	}
	g.mu.RLock()
	defer g.mu.RUnlock()
	ms, erased := g.when[l]
	return erased && at <= ms
}

// loadGone reads the suppression list.
func (k *Keys) loadGone() (err error) {
	damaged := false
	err = k.each(rowGone, func(key, value []byte) {
		if len(key) != 1+len(identity.Lookup{}) || len(value) != 8 {
			damaged = true
			return
		}
		k.gone.add(identity.Lookup(key[1:]), int64(binary.BigEndian.Uint64(value)))
	})
	if damaged {
		err = errors.Join(err, errors.New("the key store holds a damaged row about somebody who was erased: restore it from a backup"))
	}
	return err
}
