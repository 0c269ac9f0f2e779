package identity

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/binary"
	"encoding/pem"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// Proof says how a speaker showed whom they speak for.
type Proof uint8

// The proofs, from none to all.
const (
	// Unproven speech may narrow a consent and nothing else.
	Unproven Proof = iota
	// ByVisitor is a token of this server for one anonymous id.
	ByVisitor
	// ByShop is a token signed by the shop for one user id.
	ByShop
	// ByServer is a secret server key: the shop itself speaks.
	ByServer
)

// String returns the proof's name as receipts and the debugger spell it.
func (p Proof) String() string {
	return [...]string{"unproven", "visitor token", "shop token", "server key"}[p&3]
}

// MaxProven is how many people of a kind one speaker may prove to be. A batch of a
// browser that several people used holds the proofs of each.
const MaxProven = 8

// Speaker is who sent a request and what they proved. The zero Speaker has
// proved nothing.
type Speaker struct {
	server          bool
	visitors, users [MaxProven]string // the rest are empty
}

// Server returns the speaker behind a secret server key.
func Server() Speaker { return Speaker{server: true} }

// WithVisitor returns s with one more proven anonymous id, as it is where it has
// MaxProven already.
func (s Speaker) WithVisitor(anonymousID string) Speaker {
	add(&s.visitors, anonymousID)
	return s
}

// WithUser returns s with one more proven user id, likewise.
func (s Speaker) WithUser(userID string) Speaker { add(&s.users, userID); return s }

func add(ids *[MaxProven]string, id string) {
	for i := range ids {
		if ids[i] == "" || ids[i] == id {
			ids[i] = id
			return
		}
	}
}

// Proves returns how s proved to speak for id, or Unproven.
func (s Speaker) Proves(id Identifier) Proof {
	switch {
	case id.IsZero():
		return Unproven
	case s.server:
		return ByServer
	case id.Kind == UserID && slices.Contains(s.users[:], id.Value):
		return ByShop
	case id.Kind == AnonymousID && slices.Contains(s.visitors[:], id.Value):
		return ByVisitor
	}
	return Unproven
}

// Errors of proofs that were presented and do not hold. A caller treats the
// speaker as unproven or refuses the request; it never guesses.
var (
	ErrBadVisitor = errors.New("the visitor token is not one that this server issued, or is older than 13 months: ask POST /v1/visitor for a new one")
	ErrBadShop    = errors.New("the shop token does not verify: sign it with a key of the declaration's shop_keys, or with one of shop_jwks whose kid it names, with sub, aud (\"accord\" or the controller's id), iat and exp set")
)

// Visitors issues and checks visitor tokens: "v1.<anonymous id>.<MAC>". They
// need no storage, since the MAC under the controller's key is the proof.
type Visitors struct{ key []byte }

// NewVisitors returns an issuer under key, which should be 32 random bytes and
// used for nothing else.
func NewVisitors(key []byte) *Visitors { return &Visitors{key: append([]byte(nil), key...)} }

var b64 = base64.RawURLEncoding

// Issue returns the visitor id and its token for 16 random bytes and the
// present time.
func (v *Visitors) Issue(random [16]byte, now time.Time) (anonymousID, token string) {
	raw := binary.BigEndian.AppendUint32(random[:len(random):len(random)], uint32(now.Unix()/86400))
	anonymousID = "v-" + b64.EncodeToString(raw)
	return anonymousID, "v1." + anonymousID + "." + b64.EncodeToString(v.mac(anonymousID))
}

// maxVisitorDays is how long a visitor token proves anything, 13 months, which is
// how long a browser may be recognised by most authorities. Then a visitor
// becomes somebody new.
const maxVisitorDays = 396

// Verify returns the anonymous id that token proves at now, or ErrBadVisitor.
func (v *Visitors) Verify(token string, now time.Time) (anonymousID string, err error) {
	rest, ok := strings.CutPrefix(token, "v1.")
	if !ok || len(token) > 200 {
		return "", ErrBadVisitor
	}
	anonymousID, sum, ok := strings.Cut(rest, ".")
	if !ok {
		return "", ErrBadVisitor
	}
	// The text is compared and not what it decodes to: base64 has several
	// spellings of the same bytes, and one token has one.
	if !hmac.Equal([]byte(sum), []byte(b64.EncodeToString(v.mac(anonymousID)))) {
		return "", ErrBadVisitor
	}
	raw, err := b64.DecodeString(strings.TrimPrefix(anonymousID, "v-"))
	if err != nil || len(raw) != 16+4 || now.Unix()/86400-int64(binary.BigEndian.Uint32(raw[16:])) > maxVisitorDays {
		return "", ErrBadVisitor
	}
	return anonymousID, nil
}

func (v *Visitors) mac(id string) []byte {
	m := hmac.New(sha256.New, v.key)
	m.Write([]byte("accord visitor v1\n" + id))
	return m.Sum(nil)
}

// ShopKeys are the public keys that the declaration names, and those of the key
// set that it names (see ReplaceJWKS); a token signed by one of them proves a user
// id. Accord holds no secret of the shop's. They are safe for concurrent use.
type ShopKeys struct {
	keys  []crypto.PublicKey
	named atomic.Pointer[keySet] // the newest one, nil before the first
}

// ParseShopKeys reads PEM blocks "PUBLIC KEY" (Ed25519, ECDSA P-256 or RSA of
// 2048 to 8192 bits), one in each text.
func ParseShopKeys(pems []string) (*ShopKeys, error) {
	s := &ShopKeys{}
	for i, text := range pems {
		block, rest := pem.Decode([]byte(text))
		if block == nil || block.Type != "PUBLIC KEY" {
			return nil, fmt.Errorf("shop key %d is not a PEM block \"PUBLIC KEY\"", i+1)
		}
		if strings.TrimSpace(string(rest)) != "" {
			return nil, fmt.Errorf("shop key %d has something after its PEM block: write each key as an entry of its own", i+1)
		}
		key, err := x509.ParsePKIXPublicKey(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("shop key %d: %w", i+1, err)
		}
		if !strong(key) {
			return nil, fmt.Errorf("shop key %d must be Ed25519, ECDSA on P-256, or RSA of 2048 to 8192 bits", i+1)
		}
		s.keys = append(s.keys, key)
	}
	return s, nil
}

// strong reports whether a key is of a sort and size that Verify relies on.
func strong(key crypto.PublicKey) bool {
	switch k := key.(type) {
	case ed25519.PublicKey:
		return true
	case *ecdsa.PublicKey:
		return k.Curve == elliptic.P256()
	case *rsa.PublicKey:
		return k.N.BitLen() >= 2048 && k.N.BitLen() <= 8192
	}
	return false
}

// maxShopToken bounds how long a shop token may live. A longer one is refused:
// a leaked token must not speak for a person for ever.
const maxShopToken = 24 * time.Hour

// Audience is what a shop token may name in "aud" instead of the controller.
const Audience = "accord"

// Verify returns the user id in the claim "sub" of a JWT signed with EdDSA,
// ES256 or RS256 by one of the keys, issued and not expired at now. Its "aud" must
// name the controller c or [Audience], so that what the shop signed for another
// service proves nothing here. The claims iat and exp are required and at most a
// day apart. Every failure is ErrBadShop: what exactly failed helps only a forger.
func (s *ShopKeys) Verify(token string, c Controller, now time.Time) (userID string, err error) {
	if s == nil || len(token) > 4096 {
		return "", ErrBadShop
	}
	parser := jwt.NewParser(
		jwt.WithValidMethods([]string{"EdDSA", "ES256", "RS256"}),
		jwt.WithExpirationRequired(), jwt.WithIssuedAt(), jwt.WithAudience(string(c), Audience),
		jwt.WithLeeway(30*time.Second),
		jwt.WithTimeFunc(func() time.Time { return now }),
	)
	for _, key := range s.keys {
		if user, ok := shopUser(parser, token, func(*jwt.Token) (any, error) { return key, nil }); ok {
			return user, nil
		}
	}
	if user, ok := shopUser(parser, token, func(t *jwt.Token) (any, error) {
		kid, _ := t.Header["kid"].(string)
		if key := s.named.Load().at(kid, now); key != nil {
			return key, nil
		}
		return nil, ErrBadShop
	}); ok {
		return user, nil
	}
	return "", ErrBadShop
}

// shopUser returns the user id of a token that holds under a key.
func shopUser(parser *jwt.Parser, token string, key jwt.Keyfunc) (string, bool) {
	var claims jwt.RegisteredClaims
	if _, err := parser.ParseWithClaims(token, &claims, key); err != nil {
		return "", false
	}
	if claims.Subject == "" || len(claims.Subject) > MaxIdentifier || claims.IssuedAt == nil || claims.ExpiresAt.Sub(claims.IssuedAt.Time) > maxShopToken {
		return "", false
	}
	return claims.Subject, true
}
