package vault

import (
	"context"
	"slices"

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
