package vault

import (
	"errors"
	"testing"
)

// The key store remembers its log, and how far the choices in it reached: with
// whatever it syncs next, and when it closes.
func TestLogMark(t *testing.T) {
	dir := t.TempDir()
	k := openKeys(t, dir)
	wants := func(k *Keys, identity string, choice uint64) {
		t.Helper()
		if i, c := k.Log(); i != identity || c != choice {
			t.Errorf("bound to %q up to choice %d, want %q and %d", i, c, identity, choice)
		}
	}
	wants(k, "", 0)
	if err := k.BindLog(t.Context(), "one"); err != nil {
		t.Fatal(err)
	}
	if err := k.BindLog(t.Context(), "two"); err == nil {
		t.Error("it was bound anew")
	}
	k.Chosen(7)
	k.Chosen(5)
	ensure(t, k, lookup(1)) // syncs
	onDisk := &Keys{store: k.store}
	if err := onDisk.loadMark(); err != nil {
		t.Fatal(err)
	}
	wants(onDisk, "one", 7)
	k.Chosen(9)
	if err := k.Close(); err != nil {
		t.Fatal(err)
	}
	wants(openKeys(t, dir), "one", 9)
}

// A state that another log was folded into does not open; one that was lost
// takes the log that is there.
func TestStateOfAnotherLog(t *testing.T) {
	b := newBed(t)
	for _, c := range []struct {
		dir, log string
		want     error
	}{{"/a", "one", nil}, {"/a", "one", nil}, {"/a", "two", ErrAnotherLog}, {"/b", "two", nil}} {
		v, err := Open(b.dir+c.dir, b.d, b.keys, b.gate, b.now, WithLog(c.log))
		if !errors.Is(err, c.want) {
			t.Errorf("%+v: %v", c, err)
		}
		if err == nil {
			if err := v.Close(); err != nil {
				t.Error(err)
			}
		}
	}
}
