package vault

import (
	"context"
	"fmt"
	"slices"

	"github.com/cockroachdb/pebble/v2"

	"accord/internal/declare"
	"accord/internal/identity"
)

// Forget lets nobody be found by these lookups any more: whoever comes with one
// of them later is somebody new. What the tokens behind them name stays until its
// keys are destroyed. When it has returned the rows are gone from the disk's
// index; their bytes leave the files at the next scrub.
func (k *Keys) Forget(ctx context.Context, ls ...identity.Lookup) error {
	ls = slices.Clone(ls) // the minter may outlive the caller
	return k.order(ctx, func(r *round) error {
		for _, l := range ls {
			if _, fresh := r.tokens[l]; fresh {
				continue // made in this very round, by somebody who came after
			}
			r.forgotten = append(r.forgotten, l)
			if err := r.batch.Delete(appendLookupKey(nil, l), nil); err != nil {
				return err
			}
		}
		if len(r.forgotten) == 0 {
			return nil
		}
		return r.batch.Set(metaScrub, nil, nil)
	})
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

// Lookups returns the lookups that lead to some tokens. It reads those of
// everybody.
func (k *Keys) Lookups(ts ...identity.Token) (ls []identity.Lookup, err error) {
	if err := k.enter(); err != nil {
		return nil, err
	}
	defer k.leave()
	it, err := k.db.NewIter(&pebble.IterOptions{LowerBound: []byte{rowLookup}, UpperBound: []byte{rowLookup + 1}})
	if err != nil {
		return nil, fmt.Errorf("reading the key store: %w", err)
	}
	for it.First(); it.Valid(); it.Next() {
		if t := it.Value(); len(t) == len(identity.Token{}) && slices.Contains(ts, identity.Token(t)) {
			ls = append(ls, identity.Lookup(it.Key()[1:]))
		}
	}
	return ls, it.Close()
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
