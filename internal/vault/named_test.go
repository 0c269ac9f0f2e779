package vault

import (
	"errors"
	"testing"
)

// What is sealed under a name opens under it alone, also after a restart, and no
// changed byte does.
func TestNamed(t *testing.T) {
	b := newBed(t)
	plain := []byte("learnt from many")
	sealed, err := b.keys.SealNamed("model", plain)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := b.keys.OpenNamed("model", sealed); err != nil || string(got) != string(plain) {
		t.Errorf("%q, %v", got, err)
	}
	if _, err := b.keys.OpenNamed("another", sealed); !errors.Is(err, ErrTampered) {
		t.Errorf("under another name: %v", err)
	}
	for i := range sealed {
		forged := append([]byte(nil), sealed...)
		forged[i] ^= 1
		if _, err := b.keys.OpenNamed("model", forged); !errors.Is(err, ErrTampered) {
			t.Fatalf("with byte %d changed: %v", i, err)
		}
	}
	for _, junk := range [][]byte{nil, plain[:3], plain} {
		if _, err := b.keys.OpenNamed("model", junk); !errors.Is(err, ErrTampered) {
			t.Errorf("%q: %v", junk, err)
		}
	}
}
