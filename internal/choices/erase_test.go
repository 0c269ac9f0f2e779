package choices

import (
	"context"
	"testing"

	"accord/internal/consent"
	"accord/internal/identity"
)

// An erasure leaves no key but that of the choices, without which the next start
// could not read that it was made; nobody is found by the id any more.
func TestErase(t *testing.T) {
	b := newBed(t)
	ada := b.person("ada")
	b.record(ada, "personalization", consent.Given, monday)
	b.makeKeys(ada)
	l := b.keys.Hasher().Lookup(identity.Identifier{Kind: identity.UserID, Value: "ada"})
	if kept, err := b.Erase(context.Background(), ada, l, "shop token"); err != nil || len(kept) != 0 {
		t.Fatalf("kept %v, %v", kept, err)
	}
	b = b.again()
	if left := b.living(ada); left != "" {
		t.Errorf("the keys of %q are left", left)
	}
	if _, known, err := b.keys.Find(l); known || err != nil {
		t.Errorf("the id leads to somebody: %v, %v", known, err)
	}
	if b.state(ada, "personalization") != consent.Withdrawn || b.state(ada, "stats") != consent.Objected {
		t.Error("the erasure did not end every choice")
	}
	if again := b.person("ada"); again == ada {
		t.Error("whoever comes with the id is not somebody new")
	}
}
