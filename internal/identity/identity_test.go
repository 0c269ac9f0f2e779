package identity

import (
	"bytes"
	"encoding/hex"
	"sync"
	"testing"

	"pgregory.net/rapid"
)

// TestLookupsAreDurable: an index on disk holds these values, so they must
// never change. The values are HMAC-SHA-256 over kind, length and value,
// computed with another tool.
func TestLookupsAreDurable(t *testing.T) {
	h := NewHasher(bytes.Repeat([]byte{7}, 32))
	for _, c := range []struct {
		got  [16]byte
		want string
	}{
		{h.Lookup(Identifier{UserID, "42"}), lookupUser42},
		{h.Lookup(Identifier{AnonymousID, "42"}), lookupAnonymous42},
		{h.Lookup(Identifier{Email, "ann@example.com"}), lookupEmail},
		{h.Message("web", ByServer, Identifier{UserID, "42"}, "m-1"), lookupMessage},
		{h.Message("web", ByShop, Identifier{UserID, "42"}, "m-1"), lookupMessage42},
	} {
		if got := hex.EncodeToString(c.got[:]); got != c.want {
			t.Errorf("%s, want %s", got, c.want)
		}
	}
}

func TestLookupsTellApart(t *testing.T) {
	h := NewHasher([]byte("a key of thirty-two bytes, or so"))
	seen := map[[16]byte]string{}
	add := func(name string, l [16]byte) {
		if other, ok := seen[l]; ok {
			t.Errorf("%s and %s have one lookup", name, other)
		}
		seen[l] = name
	}
	for _, k := range []Kind{UserID, AnonymousID, Email} {
		for _, v := range []string{"", "a", "A", "a ", "ab"} {
			add(k.String()+"/"+v, h.Lookup(Identifier{k, v}))
		}
	}
	for _, proof := range []Proof{Unproven, ByVisitor, ByShop, ByServer} {
		for _, m := range [][2]string{{"ab", "c"}, {"a", "bc"}, {"abc", ""}, {"", "abc"}} {
			add(proof.String()+" "+m[0]+"+"+m[1], h.Message(m[0], proof, Identifier{}, m[1]))
		}
	}
	// With a public key each person has ids of their own; the shop has one space.
	for _, proof := range []Proof{ByVisitor, ByShop} {
		for _, who := range []string{"a", "ab"} {
			add(proof.String()+" of "+who, h.Message("web", proof, Identifier{Value: who}, "m"))
		}
	}
	if h.Message("web", ByServer, Identifier{UserID, "a"}, "m") != h.Message("web", ByServer, Identifier{UserID, "b"}, "m") {
		t.Error("the shop's message is another one for another person")
	}
	add("another key", NewHasher([]byte("another")).Lookup(Identifier{UserID, "a"}))
}

func TestHasherIsSafeForManyAndKeepsItsKey(t *testing.T) {
	key := bytes.Repeat([]byte{7}, 32)
	h := NewHasher(key)
	want := h.Lookup(Identifier{UserID, "42"})
	clear(key) // the caller wipes its copy
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			for range 500 {
				if h.Lookup(Identifier{UserID, "42"}) != want {
					t.Error("a lookup changed")
					return
				}
				h.Message("source", ByShop, Identifier{UserID, "42"}, "another message")
			}
		})
	}
	all.Wait()
}

func TestTokens(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var token Token
		copy(token[:], rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "token"))
		if got, err := ParseToken(token.String()); err != nil || got != token {
			t.Fatalf("%v came back as %v, %v", token, got, err)
		}
		if s := token.Slot(); s < 0 || s >= Slots {
			t.Fatalf("slot %d", s)
		}
		if token.Short() != token.String()[:8] {
			t.Fatal("Short is not the beginning of String")
		}
	})
	if (Token{0xff, 0xff}).Slot() != Slots-1 || (Token{0, 0x40}).Slot() != 1 {
		t.Error("the slot is not the first ten bits: people would move to other streams")
	}
	for _, bad := range []string{"", "00", "zz" + Token{}.String()[2:], Token{}.String() + "00"} {
		if _, err := ParseToken(bad); err == nil {
			t.Errorf("%q was taken for a token", bad)
		}
	}
	if !(Token{}).IsZero() || (Token{15: 1}).IsZero() {
		t.Error("IsZero")
	}
}

func BenchmarkLookup(b *testing.B) {
	h := NewHasher(bytes.Repeat([]byte{7}, 32))
	id := Identifier{AnonymousID, "507f191e-810c-4197-ae51-1dfb3a1b5d4e"}
	b.ReportAllocs()
	for b.Loop() {
		h.Lookup(id)
	}
}

const (
	lookupUser42      = "ffc3d118cb4b89dd47ac266a4c394ca9"
	lookupAnonymous42 = "40441f982443d045b86cff1c189613b1"
	lookupEmail       = "497cc28c84cc324a67eaeccf4c942d83"
	lookupMessage     = "d1e4c273604e6ad2e4c59dcbe12a4509"
	lookupMessage42   = "6fe8606c95365448773a346c05bab519"
)
