package vault

import (
	"path/filepath"
	"testing"

	"accord/internal/declare"
	"accord/internal/identity"
)

// "Destroying a lookup forgets who was who": whoever comes with it later is
// somebody new, also after a restart.
func TestForget(t *testing.T) {
	b := newBed(t)
	anna := b.keys.Hasher().Lookup(identity.Identifier{Kind: identity.UserID, Value: "anna"})
	ben := b.keys.Hasher().Lookup(identity.Identifier{Kind: identity.UserID, Value: "ben"})
	before, err := b.keys.Ensure(t.Context(), []identity.Lookup{anna, ben})
	if err != nil {
		t.Fatal(err)
	}
	if err := b.keys.Forget(t.Context(), anna); err != nil {
		t.Fatal(err)
	}
	if _, known, err := b.keys.Find(anna); known || err != nil {
		t.Errorf("after it was forgotten the lookup is known: %v, %v", known, err)
	}
	if err := b.keys.Close(); err != nil {
		t.Fatal(err)
	}
	if b.keys, err = OpenKeys(filepath.Join(b.dir, "keys"), b.d); err != nil {
		t.Fatal(err)
	}
	if _, known, err := b.keys.Find(anna); known || err != nil {
		t.Errorf("after a restart the lookup is known: %v, %v", known, err)
	}
	after, err := b.keys.Ensure(t.Context(), []identity.Lookup{anna, ben})
	if err != nil {
		t.Fatal(err)
	}
	if after[0] == before[0] || after[1] != before[1] {
		t.Errorf("the tokens were %v and are %v", before, after)
	}
}

// A lookup that is asked for in the round that forgets it gets a new token, which
// stays.
func TestForgetAndEnsureInOneRound(t *testing.T) {
	b := newBed(t)
	anna := b.keys.Hasher().Lookup(identity.Identifier{Kind: identity.UserID, Value: "anna"})
	before, err := b.keys.Ensure(t.Context(), []identity.Lookup{anna})
	if err != nil {
		t.Fatal(err)
	}
	var inRound identity.Token
	err = b.keys.order(t.Context(), func(r *round) (err error) {
		r.forgotten = append(r.forgotten, anna)
		if err := r.batch.Delete(appendLookupKey(nil, anna), nil); err != nil {
			return err
		}
		inRound, err = r.token(anna)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if got, known, err := b.keys.Find(anna); !known || err != nil || got != inRound || got == before[0] {
		t.Errorf("the lookup leads to %v (%v, %v), want %v", got, known, err, inRound)
	}
}

// Whoever was erased gets no key any more, in the same round and after a restart,
// but that of their choices.
func TestEraseIsForGood(t *testing.T) {
	b := newBed(t)
	anna := b.keys.Hasher().Lookup(identity.Identifier{Kind: identity.UserID, Value: "anna"})
	ts, err := b.keys.Ensure(t.Context(), []identity.Lookup{anna})
	if err != nil {
		t.Fatal(err)
	}
	if ls, err := b.keys.Lookups(ts...); err != nil || len(ls) != 1 || ls[0] != anna {
		t.Errorf("the lookups are %v, %v", ls, err)
	}
	needs := []Need{{ts[0], declare.ClassReceipt}, {ts[0], declare.ClassChoice}}
	if err := b.keys.Prepare(t.Context(), needs); err != nil {
		t.Fatal(err)
	}
	if err := b.keys.Erase(t.Context(), ts[0], declare.ClassReceipt); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := b.keys.Prepare(t.Context(), needs); err != nil {
			t.Fatal(err)
		}
		if left, err := b.keys.Classes(ts[0]); err != nil || len(left) != 1 || left[0] != declare.ClassChoice {
			t.Errorf("the keys of %v live, %v", left, err)
		}
		if err := b.keys.Close(); err != nil {
			t.Fatal(err)
		}
		if b.keys, err = OpenKeys(filepath.Join(b.dir, "keys"), b.d); err != nil {
			t.Fatal(err)
		}
	}
}
