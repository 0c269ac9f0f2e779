package vault

import (
	"errors"
	"path/filepath"
	"testing"
	"time"

	"accord/internal/declare"
	"accord/internal/identity"
)

// What was forgotten leads to nobody, also after a restart: whoever comes with it
// later is somebody new. That and when it was erased is all that is known of it.
func TestForget(t *testing.T) {
	b := newBed(t)
	at := time.UnixMilli(1_000_000)
	anna, ben := lookup(1), lookup(2)
	before := ensure(t, b.keys, anna, ben)
	if b.keys.ErasedSince(anna, 1) {
		t.Error("nobody was erased yet")
	}
	if err := b.keys.Forget(t.Context(), at, before[0]); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if _, known, err := b.keys.Find(anna); known || err != nil {
			t.Errorf("after it was forgotten the lookup is known: %v, %v", known, err)
		}
		for _, c := range []struct {
			lookup identity.Lookup
			at     int64
			want   bool
		}{{anna, 1, true}, {anna, at.UnixMilli(), true}, {anna, at.UnixMilli() + 1, false}, {ben, 1, false}} {
			if got := b.keys.ErasedSince(c.lookup, c.at); got != c.want {
				t.Errorf("erased since %d: %v, want %v", c.at, got, c.want)
			}
		}
		b.reopenKeys()
	}
	after := ensure(t, b.keys, anna, ben)
	if after[0] == before[0] || after[1] != before[1] {
		t.Errorf("the tokens were %v and are %v", before, after)
	}
	if !b.keys.ErasedSince(anna, 1) {
		t.Error("somebody new has the lookup, and what is older than the erasure is theirs")
	}
	// Another try of the same erasure takes nothing from who came after.
	if err := b.keys.Forget(t.Context(), at.Add(time.Hour), before[0]); err != nil {
		t.Fatal(err)
	}
	if got, known, err := b.keys.Find(anna); !known || err != nil || got != after[0] || b.keys.ErasedSince(anna, at.UnixMilli()+1) {
		t.Errorf("the lookup leads to %v (%v, %v), want %v", got, known, err, after[0])
	}
}

func (b *bed) reopenKeys() {
	b.t.Helper()
	if err := b.keys.Close(); err != nil {
		b.t.Fatal(err)
	}
	var err error
	if b.keys, err = OpenKeys(filepath.Join(b.dir, "keys"), b.d); err != nil {
		b.t.Fatal(err)
	}
}

// A lookup that is asked for in the round that forgets it gets a new token, which
// stays.
func TestForgetAndEnsureInOneRound(t *testing.T) {
	b := newBed(t)
	anna := lookup(1)
	before := ensure(t, b.keys, anna)
	var inRound identity.Token
	err := b.keys.order(t.Context(), func(r *round) (err error) {
		for range 2 { // two tries of one erasure
			if err := r.forget(anna, time.UnixMilli(5), before); err != nil {
				return err
			}
			if inRound, err = r.token(anna); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	// And a third try that had found the lookup when it was still theirs.
	if err := b.keys.order(t.Context(), func(r *round) error { return r.forget(anna, time.UnixMilli(9), before) }); err != nil {
		t.Fatal(err)
	}
	if got, known, err := b.keys.Find(anna); !known || err != nil || got != inRound || got == before[0] {
		t.Errorf("the lookup leads to %v (%v, %v), want %v", got, known, err, inRound)
	}
}

// On a disk that fills up at any moment a lookup is never forgotten without the
// note of it, which no power cut takes away.
func TestForgetOnAFullDisk(t *testing.T) {
	dir, tried := t.TempDir(), 0 // for kek.json
	for changes := 0; changes < 300; changes += 1 + changes/8 {
		disk := newFullDisk(changes)
		k, err := OpenKeys(dir, shop(), withFS(disk, 64<<10), quiet)
		if err != nil {
			continue
		}
		tokens, forgotten := map[int]identity.Token{}, map[int]bool{}
		for i := 0; err == nil && i < 2000; i++ {
			var ts []identity.Token
			if ts, err = k.Ensure(t.Context(), []identity.Lookup{lookup(i)}); err != nil {
				break
			}
			tokens[i] = ts[0]
			err = k.Forget(t.Context(), time.UnixMilli(1000), ts[0])
			forgotten[i] = err == nil
		}
		after := disk.crash()
		if err := k.Close(); err != nil {
			t.Fatal(err)
		}
		if k, err = OpenKeys(dir, shop(), withFS(after, 64<<10), quiet); err != nil {
			t.Fatalf("open after the crash: %v", err)
		}
		for i := range tokens {
			tried++
			_, known, err := k.Find(lookup(i))
			if err != nil || known == k.ErasedSince(lookup(i), 1000) || known && forgotten[i] {
				t.Errorf("after %d changes, lookup %d: known %v (%v), noted as erased %v, acknowledged %v", changes, i, known, err, k.ErasedSince(lookup(i), 1000), forgotten[i])
			}
		}
		if err := k.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if tried < 100 {
		t.Errorf("only %d were tried", tried)
	}
}

// What a scrub leaves behind holds nothing of where a forgotten lookup led.
func TestScrubForgotten(t *testing.T) {
	dir := t.TempDir()
	k := openKeys(t, dir)
	ts := ensure(t, k, lookup(1), lookup(2))
	if !inFiles(t, dir, ts[0][:]) {
		t.Fatal("the token is in no file to begin with")
	}
	if err := errors.Join(k.Forget(t.Context(), time.UnixMilli(5), ts[0]), k.Scrub(t.Context())); err != nil {
		t.Fatal(err)
	}
	// Old files are removed in the background.
	for deadline := time.Now().Add(20 * time.Second); inFiles(t, dir, ts[0][:]); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the token is still in a file")
		}
	}
	if !inFiles(t, dir, ts[1][:]) {
		t.Error("somebody else's row is gone")
	}
}

// Whoever was erased gets no key any more, in the same round and after a restart,
// but that of their choices.
func TestEraseIsForGood(t *testing.T) {
	b := newBed(t)
	ts := ensure(t, b.keys, lookup(1))
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
		b.reopenKeys()
	}
}
