// Package identity names people without naming them.
//
// A person is known inside Accord by a [Token]: sixteen random bytes that say
// nothing and that are found again only through a [Lookup], a keyed HMAC of an
// identifier (a user id, an anonymous id, an e-mail address). The identifier
// itself is never stored unless the declaration asks for it as an attribute.
//
// The package also says who speaks. A public write key sits in every browser,
// so what it claims about a person is a claim and no more; a [Speaker] carries
// the proof that came with a request, and [Speaker.Proves] tells whether it
// covers an identifier. Three proofs exist: a visitor token that this server
// issued for one anonymous id ([Visitors]), a token signed by the shop for one
// user id ([ShopKeys]), and a secret server key, which speaks for everybody.
//
// Promises kept here: 1 (unproven, nobody widens a consent or gets a personal
// answer) and part of 7 (destroying a lookup key forgets who was who).
//
// Non-goals: storing tokens (package vault does), joining two people into one.
package identity

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"hash"
	"sync"
)

// Controller is the brand that answers for the data: the GDPR's controller.
// It is a short identifier out of the declaration, such as "shop".
type Controller string

// Token is the random name of one person with one controller. The zero Token
// is nobody.
type Token [16]byte

// IsZero reports whether t is nobody.
func (t Token) IsZero() bool { return t == Token{} }

// String returns t in hexadecimal, 32 characters.
func (t Token) String() string { return hex.EncodeToString(t[:]) }

// Short returns the first 8 hexadecimal characters of t, for pages and logs
// where a person must be told apart from others but not be looked up.
func (t Token) Short() string { return hex.EncodeToString(t[:4]) }

// MarshalText writes t as String does.
func (t Token) MarshalText() ([]byte, error) { return hex.AppendEncode(nil, t[:]), nil }

// UnmarshalText reads what MarshalText wrote.
func (t *Token) UnmarshalText(text []byte) (err error) {
	*t, err = ParseToken(string(text))
	return err
}

// ParseToken reads what [Token.String] wrote.
func ParseToken(s string) (Token, error) {
	var t Token
	b, err := hex.DecodeString(s)
	if err != nil || len(b) != len(t) {
		return Token{}, errors.New("a subject token has 32 hexadecimal characters")
	}
	copy(t[:], b)
	return t, nil
}

// Slots is the number of hash slots that people are spread over. It never
// changes: growth moves slots between streams and never re-hashes a person.
const Slots = 1024

// Slot returns the hash slot of t, 0 ≤ slot < [Slots]. Tokens are random, so
// their first bits are the hash.
func (t Token) Slot() int { return int(t[0])<<2 | int(t[1])>>6 }

// Kind says what sort of identifier a value is.
type Kind uint8

// The kinds of identifier. The numbers are durable: they enter every Lookup.
const (
	UserID      Kind = 1
	AnonymousID Kind = 2
	Email       Kind = 3
)

// String returns the kind's name as the API spells it.
func (k Kind) String() string {
	switch k {
	case UserID:
		return "user_id"
	case AnonymousID:
		return "anonymous_id"
	case Email:
		return "email"
	}
	return "unknown"
}

// MaxIdentifier is the longest identifier in bytes that is accepted.
const MaxIdentifier = 512

// Identifier is what the outside world calls a person.
type Identifier struct {
	Kind  Kind
	Value string
}

// IsZero reports whether the identifier names nobody.
func (i Identifier) IsZero() bool { return i.Value == "" }

// Lookup is the keyed HMAC of an identifier: what an index may hold.
type Lookup [16]byte

// Hasher turns identifiers into lookups under one controller's secret.
// It is safe for concurrent use.
type Hasher struct {
	// macs keeps HMACs whose key is already mixed in, with their buffers: the
	// collector asks for two a message.
	macs sync.Pool
}

type mac struct {
	hash hash.Hash
	in   []byte
	sum  [sha256.Size]byte
}

// NewHasher returns a Hasher for key, which should be 32 random bytes.
func NewHasher(key []byte) *Hasher {
	key = append([]byte(nil), key...)
	h := &Hasher{}
	h.macs.New = func() any { return &mac{hash: hmac.New(sha256.New, key)} }
	return h
}

// Lookup returns the lookup of id: HMAC-SHA-256 over the kind and the value,
// cut to 128 bits.
func (h *Hasher) Lookup(id Identifier) Lookup { return Lookup(h.sum(byte(id.Kind), id.Value, "")) }

// Message returns the identity of a message that source sent as messageID: the
// same HMAC under separate prefixes. De-duplication and record ids use it, so an
// id that a client chose never reaches a disk.
//
// The shop's own messages are one space of ids, those of each person who was
// proved with a public key another, and those of whom nobody proved a third: a
// visitor cannot use up the ids of somebody else's messages.
func (h *Hasher) Message(source string, proof Proof, who Identifier, messageID string) [16]byte {
	switch proof {
	case ByServer:
		return h.sum('m', source, "", messageID)
	case ByShop:
		return h.sum('u', source, who.Value, messageID)
	case ByVisitor:
		return h.sum('v', source, who.Value, messageID)
	}
	return h.sum('?', source, "", messageID)
}

// sum returns the HMAC over a prefix and parts. The length of each part but the
// last keeps ("ab","c") apart from ("a","bc").
func (h *Hasher) sum(prefix byte, parts ...string) (out [16]byte) {
	m := h.macs.Get().(*mac)
	m.in = append(m.in[:0], prefix)
	for i, part := range parts {
		if i < len(parts)-1 {
			m.in = binary.BigEndian.AppendUint32(m.in, uint32(len(part)))
		}
		m.in = append(m.in, part...)
	}
	m.hash.Reset()
	m.hash.Write(m.in)
	copy(out[:], m.hash.Sum(m.sum[:0]))
	// Identifiers do not stay in memory that nobody looks after.
	clear(m.in)
	h.macs.Put(m)
	return out
}
