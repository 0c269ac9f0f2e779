package identity

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"time"
)

// Bounds of a JSON Web Key Set.
const (
	MaxJWKS     = 64 << 10 // bytes
	maxJWKSKeys = 64
	// MaxJWKSAge is how long a key set proves anything after it was read. A shop
	// takes a key that leaked off its set, so what cannot be read any more must not
	// count for ever.
	MaxJWKSAge = 24 * time.Hour
)

// keySet are the keys of a set by kid, and when they were read.
type keySet struct {
	keys map[string]crypto.PublicKey
	read time.Time
}

// at returns the key that proves the tokens of a kid at now, or nil.
func (s *keySet) at(kid string, now time.Time) crypto.PublicKey {
	if s == nil || now.Sub(s.read) >= MaxJWKSAge {
		return nil
	}
	return s.keys[kid]
}

// jwk is a JSON Web Key (RFC 7517, 7518 and 8037) as far as it is read.
type jwk struct {
	Kty string `json:"kty"`
	Kid string `json:"kid"`
	Use string `json:"use"`
	Alg string `json:"alg"`
	Crv string `json:"crv"`
	X   string `json:"x"`
	Y   string `json:"y"`
	N   string `json:"n"`
	E   string `json:"e"`
	D   string `json:"d"` // of a private key
	K   string `json:"k"` // of a secret one
}

// ReplaceJWKS puts the keys of a JSON Web Key Set that was read at now in place of
// those of the last one, for [MaxJWKSAge]. A key proves only the tokens that name
// its kid. Keys for other uses, and of sorts that Verify does not take, are passed
// over. After an error the keys of before stay, for the rest of their time: a set
// without a usable key, with a private one, with two of one kid, or that is too
// large.
func (s *ShopKeys) ReplaceJWKS(b []byte, now time.Time) error {
	if len(b) > MaxJWKS {
		return fmt.Errorf("the key set is larger than %d bytes", MaxJWKS)
	}
	var set struct {
		Keys []jwk `json:"keys"`
	}
	if err := json.Unmarshal(b, &set); err != nil {
		return errors.New("this is not a JSON Web Key Set: an object with a list of keys")
	}
	if len(set.Keys) > maxJWKSKeys {
		return fmt.Errorf("the key set has more than %d keys", maxJWKSKeys)
	}
	named := map[string]crypto.PublicKey{}
	for i := range set.Keys {
		k := &set.Keys[i]
		if k.D != "" || k.K != "" {
			return errors.New("the key set holds private keys, which everybody can read there: publish the public parts only, and make new keys")
		}
		key := k.public()
		if key == nil || k.Kid == "" || k.Use != "" && k.Use != "sig" {
			continue
		}
		if named[k.Kid] != nil {
			return errors.New("the key set has two keys of one kid")
		}
		named[k.Kid] = key
	}
	if len(named) == 0 {
		return errors.New("the key set has no key that can be used: one for signatures, with a kid, that is Ed25519, ECDSA on P-256, or RSA of 2048 to 8192 bits")
	}
	s.named.Store(&keySet{keys: named, read: now})
	return nil
}

// JWKSRead returns when the newest key set was read, the zero time before the first.
func (s *ShopKeys) JWKSRead() time.Time {
	if set := s.named.Load(); set != nil {
		return set.read
	}
	return time.Time{}
}

// public returns the key, or nil for one of another sort or size.
func (k *jwk) public() crypto.PublicKey {
	var key crypto.PublicKey
	var alg string
	switch {
	case k.Kty == "OKP" && k.Crv == "Ed25519":
		if x, err := b64.DecodeString(k.X); err == nil && len(x) == ed25519.PublicKeySize {
			key, alg = ed25519.PublicKey(x), "EdDSA"
		}
	case k.Kty == "EC" && k.Crv == "P-256":
		x, errX := b64.DecodeString(k.X)
		y, errY := b64.DecodeString(k.Y)
		if errX != nil || errY != nil || len(x) != 32 || len(y) != 32 {
			return nil
		}
		point, err := ecdsa.ParseUncompressedPublicKey(elliptic.P256(), append(append([]byte{4}, x...), y...))
		if err == nil {
			key, alg = point, "ES256"
		}
	case k.Kty == "RSA":
		n, errN := b64.DecodeString(k.N)
		e, errE := b64.DecodeString(k.E)
		if errN != nil || errE != nil || len(e) > 4 {
			return nil
		}
		exponent := new(big.Int).SetBytes(e).Int64()
		if exponent >= 3 && exponent < 1<<31 && exponent&1 == 1 {
			key, alg = &rsa.PublicKey{N: new(big.Int).SetBytes(n), E: int(exponent)}, "RS256"
		}
	}
	if key == nil || !strong(key) || k.Alg != "" && k.Alg != alg {
		return nil
	}
	return key
}
