package consent

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math/big"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"accord/internal/declare"
	"accord/internal/identity"
)

// Signature is what a person signed about their choices with a key that only they
// hold, so that a brand cannot invent a consent. Whoever has it can check it with
// nothing but the statement and the key.
type Signature struct {
	// Algorithm is ES256 (ECDSA on P-256 with SHA-256) or Ed25519.
	Algorithm string `json:"algorithm"`
	// Key is the public key: SubjectPublicKeyInfo in base64url without padding.
	Key string `json:"key"`
	// Value is the signature in base64url without padding: r and s of 32 bytes each
	// for ES256, as WebCrypto makes it, or the 64 bytes of Ed25519.
	Value string `json:"value"`
	// Statement is the very text that was signed: see [Statement].
	Statement string `json:"statement"`
}

// The algorithms.
const (
	ES256   = "ES256"
	Ed25519 = "Ed25519"
)

// Statement is what a signature says. Its text is one JSON object with these
// members in this order, no white space, the choices sorted by name, and strings
// written as JSON.stringify writes them:
//
//	{"accord":"choice/1","controller":"shop","person":{"anonymous_id":"v-…"},
//	"choices":{"personalization":"given"},"notice":"…","language":"en",
//	"at":"2026-11-24T12:00:00.000Z","nonce":"22 characters of base64url"}
type Statement struct {
	Controller       identity.Controller
	Person           identity.Identifier
	Choices          map[declare.PurposeID]State
	Notice, Language string
	At               time.Time
	Nonce            string
}

// Limits of a signature.
const (
	MaxStatement  = 16 << 10 // bytes
	nonceLength   = 22       // 16 bytes in base64url
	statementTime = "2006-01-02T15:04:05.000Z"
	// SignedWithin is how far the time of a statement may be from that of its
	// acceptance, and from that of the choices that are said to rest on it.
	SignedWithin = 5 * time.Minute
)

// ErrSignature is returned for a signature that does not hold, or that says
// something else than the choices that it came with.
var ErrSignature = errors.New("the signature does not hold")

func badSignature(why string) error { return fmt.Errorf("%w: %s", ErrSignature, why) }

var b64 = base64.RawURLEncoding.Strict()

// Verify checks the signature and returns what it says, or ErrSignature.
func (s *Signature) Verify() (Statement, error) {
	statement, err := ParseStatement(s.Statement)
	if err != nil {
		return Statement{}, err
	}
	key, err := s.key()
	if err != nil {
		return Statement{}, err
	}
	value, err := b64.DecodeString(s.Value)
	if err != nil || len(value) != 64 {
		return Statement{}, badSignature("its value must be 64 bytes in base64url without padding")
	}
	ok := false
	switch key := key.(type) {
	case *ecdsa.PublicKey:
		sum := sha256.Sum256([]byte(s.Statement))
		ok = s.Algorithm == ES256 && key.Curve == elliptic.P256() &&
			ecdsa.Verify(key, sum[:], new(big.Int).SetBytes(value[:32]), new(big.Int).SetBytes(value[32:]))
	case ed25519.PublicKey:
		ok = s.Algorithm == Ed25519 && ed25519.Verify(key, []byte(s.Statement), value)
	}
	if !ok {
		return Statement{}, badSignature("sign exactly the bytes of the statement with the key's own algorithm, ES256 on P-256 or Ed25519")
	}
	return statement, nil
}

// maxKey is longer than a key of either sort.
const maxKey = 200

// key reads the public key, which has one spelling only, so that its thumbprint
// names it.
func (s *Signature) key() (any, error) {
	bad := badSignature("its key must be a SubjectPublicKeyInfo in base64url without padding")
	if len(s.Key) > maxKey {
		return nil, bad
	}
	der, err := b64.DecodeString(s.Key)
	if err != nil {
		return nil, bad
	}
	key, err := x509.ParsePKIXPublicKey(der)
	if err != nil {
		return nil, bad
	}
	if again, err := x509.MarshalPKIXPublicKey(key); err != nil || !bytes.Equal(der, again) {
		return nil, bad
	}
	return key, nil
}

// Thumbprint names the key: the SHA-256 of its SubjectPublicKeyInfo in base64url.
func (s *Signature) Thumbprint() string {
	der, err := b64.DecodeString(s.Key)
	if err != nil {
		return ""
	}
	sum := sha256.Sum256(der)
	return b64.EncodeToString(sum[:])
}

// Holds verifies the signature as that of choices of one record. A record may hold
// fewer choices than were signed, and none that was not.
func (s *Signature) Holds(c identity.Controller, cs []Choice) (Statement, error) {
	statement, err := s.Verify()
	if err != nil {
		return Statement{}, err
	}
	if statement.Controller != c {
		return Statement{}, badSignature("its statement names another controller")
	}
	for i := range cs {
		c := &cs[i]
		switch {
		case statement.Choices[c.Purpose] != c.State:
			return Statement{}, badSignature("its statement says something else about a purpose")
		case statement.Notice != "" && statement.Notice != c.Notice, statement.Language != "" && statement.Language != c.Language:
			return Statement{}, badSignature("its statement names another notice or language")
		case statement.At.Sub(c.At).Abs() > SignedWithin:
			return Statement{}, badSignature("its statement is of another time")
		}
	}
	return statement, nil
}

// statementText is a statement on its way in. What it reads is written again and
// compared, so that the order, the spelling and the lack of anything else are
// checked at once.
type statementText struct {
	Accord     string `json:"accord"`
	Controller string `json:"controller"`
	Person     struct {
		UserID      string `json:"user_id"`
		AnonymousID string `json:"anonymous_id"`
	} `json:"person"`
	Choices  map[string]string `json:"choices"`
	Notice   string            `json:"notice"`
	Language string            `json:"language"`
	At       string            `json:"at"`
	Nonce    string            `json:"nonce"`
}

// ParseStatement reads the text of a statement, which must be spelt exactly as
// [Statement.String] spells it.
func ParseStatement(text string) (s Statement, err error) {
	var in statementText
	if len(text) > MaxStatement || !utf8.ValidString(text) || json.Unmarshal([]byte(text), &in) != nil {
		return s, badSignature("its statement is no JSON object of a choice")
	}
	s = Statement{Controller: identity.Controller(in.Controller), Notice: in.Notice, Language: in.Language, Nonce: in.Nonce,
		Person:  identity.Identifier{Kind: identity.UserID, Value: in.Person.UserID},
		Choices: make(map[declare.PurposeID]State, len(in.Choices))}
	if in.Person.UserID == "" {
		s.Person = identity.Identifier{Kind: identity.AnonymousID, Value: in.Person.AnonymousID}
	}
	for name, word := range in.Choices {
		state, ok := ParseState(word)
		if !ok {
			return Statement{}, badSignature("its statement has a choice that is not given, refused, withdrawn or objected")
		}
		s.Choices[declare.PurposeID(name)] = state
	}
	if s.At, err = time.Parse(statementTime, in.At); err != nil {
		return Statement{}, badSignature("its statement's time is not spelt as in 2026-11-24T12:00:00.000Z")
	}
	if raw, err := b64.DecodeString(in.Nonce); err != nil || len(in.Nonce) != nonceLength || len(raw) != 16 {
		return Statement{}, badSignature("its statement's nonce must be 16 random bytes in base64url without padding")
	}
	if s.Person.IsZero() || len(s.Choices) == 0 || s.String() != text {
		return Statement{}, badSignature("its statement is not spelt as the API describes it: these members in this order, no white space, choices sorted")
	}
	return s, nil
}

// String returns the text that is signed.
func (s Statement) String() string {
	var b strings.Builder
	member := func(name, value string) {
		quote(&b, name)
		b.WriteByte(':')
		quote(&b, value)
	}
	b.WriteByte('{')
	member("accord", "choice/1")
	b.WriteByte(',')
	member("controller", string(s.Controller))
	b.WriteString(`,"person":{`)
	member(s.Person.Kind.String(), s.Person.Value)
	b.WriteString(`},"choices":{`)
	for i, name := range slices.Sorted(maps.Keys(s.Choices)) {
		if i > 0 {
			b.WriteByte(',')
		}
		member(string(name), s.Choices[name].String())
	}
	b.WriteString(`},`)
	member("notice", s.Notice)
	b.WriteByte(',')
	member("language", s.Language)
	b.WriteByte(',')
	member("at", s.At.UTC().Format(statementTime))
	b.WriteByte(',')
	member("nonce", s.Nonce)
	b.WriteByte('}')
	return b.String()
}

// quote writes a string as JSON.stringify does, which encoding/json does not: it
// escapes U+2028 and U+2029.
func quote(b *strings.Builder, s string) {
	short := map[rune]string{'"': `\"`, '\\': `\\`, '\b': `\b`, '\f': `\f`, '\n': `\n`, '\r': `\r`, '\t': `\t`}
	b.WriteByte('"')
	for _, r := range s {
		switch escape, ok := short[r]; {
		case ok:
			b.WriteString(escape)
		case r < ' ':
			fmt.Fprintf(b, `\u%04x`, r)
		default:
			b.WriteRune(r)
		}
	}
	b.WriteByte('"')
}
