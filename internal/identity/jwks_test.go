package identity

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// jwks writes a key set of keys.
func jwks(keys ...map[string]string) []byte {
	b, err := json.Marshal(map[string]any{"keys": keys})
	if err != nil {
		panic(err)
	}
	return b
}

func text64(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

// published are the shop's keys as a key set holds them.
func (s *shop) published(t *testing.T) (ed, ec, rsa map[string]string) {
	t.Helper()
	point, err := s.ec.PublicKey.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	return map[string]string{"kty": "OKP", "crv": "Ed25519", "kid": "ed", "use": "sig", "alg": "EdDSA", "x": text64(s.ed[32:])},
		map[string]string{"kty": "EC", "crv": "P-256", "kid": "ec", "x": text64(point[1:33]), "y": text64(point[33:])},
		map[string]string{"kty": "RSA", "kid": "rsa", "alg": "RS256", "n": text64(s.rsa.N.Bytes()), "e": text64(big.NewInt(int64(s.rsa.E)).Bytes())}
}

func signAs(t *testing.T, kid string, method jwt.SigningMethod, key any) string {
	t.Helper()
	token := jwt.NewWithClaims(method, claims("42", noon, noon.Add(time.Hour)))
	if kid != "" {
		token.Header["kid"] = kid
	}
	out, err := token.SignedString(key)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestKeySetsProveByKid(t *testing.T) {
	s := newShop(t)
	ed, ec, rsa := s.published(t)
	keys := &ShopKeys{}
	if _, err := keys.Verify(signAs(t, "ed", jwt.SigningMethodEdDSA, s.ed), "shop", noon); err != ErrBadShop {
		t.Errorf("before a key set was read: %v", err)
	}
	other := map[string]string{"kty": "EC", "crv": "P-384", "kid": "384", "x": "AA", "y": "AA"}
	if err := keys.ReplaceJWKS(jwks(ed, ec, rsa, other), noon); err != nil {
		t.Fatal(err)
	}
	for kid, token := range map[string]string{
		"ed": signAs(t, "ed", jwt.SigningMethodEdDSA, s.ed), "ec": signAs(t, "ec", jwt.SigningMethodES256, s.ec), "rsa": signAs(t, "rsa", jwt.SigningMethodRS256, s.rsa),
	} {
		if user, err := keys.Verify(token, "shop", noon); err != nil || user != "42" {
			t.Errorf("%s: %q, %v", kid, user, err)
		}
	}
	for name, token := range map[string]string{
		"no kid":                   signAs(t, "", jwt.SigningMethodEdDSA, s.ed),
		"another key's kid":        signAs(t, "ec", jwt.SigningMethodEdDSA, s.ed),
		"an unknown kid":           signAs(t, "new", jwt.SigningMethodEdDSA, s.ed),
		"the public key as secret": signAs(t, "ed", jwt.SigningMethodHS256, []byte(s.ed[32:])),
	} {
		if _, err := keys.Verify(token, "shop", noon); err != ErrBadShop {
			t.Errorf("%s: %v", name, err)
		}
	}
	// Rotation: what the next set does not hold proves nothing any more.
	if err := keys.ReplaceJWKS(jwks(ec), noon); err != nil {
		t.Fatal(err)
	}
	if _, err := keys.Verify(signAs(t, "ed", jwt.SigningMethodEdDSA, s.ed), "shop", noon); err != ErrBadShop {
		t.Errorf("a key that was taken away: %v", err)
	}
	// The declaration's own keys hold beside it, whatever kid a token names.
	if err := s.all.ReplaceJWKS(jwks(ec), noon); err != nil {
		t.Fatal(err)
	}
	if _, err := s.all.Verify(signAs(t, "anything", jwt.SigningMethodEdDSA, s.ed), "shop", noon); err != nil {
		t.Errorf("a declared key beside a key set: %v", err)
	}
}

// A key set that is not read again proves nobody after a day; the declaration's own
// keys have no age.
func TestKeySetsGrowTooOld(t *testing.T) {
	s := newShop(t)
	ed, _, _ := s.published(t)
	keys := &ShopKeys{}
	if !keys.JWKSRead().IsZero() {
		t.Errorf("read at %s before there was one", keys.JWKSRead())
	}
	token := signAs(t, "ed", jwt.SigningMethodEdDSA, s.ed)
	for _, set := range []*ShopKeys{keys, s.all} {
		for age, holds := range map[time.Duration]bool{MaxJWKSAge - 1: true, MaxJWKSAge: set == s.all} {
			if err := set.ReplaceJWKS(jwks(ed), noon.Add(-age)); err != nil {
				t.Fatal(err)
			}
			if _, err := set.Verify(token, "shop", noon); (err == nil) != holds {
				t.Errorf("declared %v, %s old: %v", set == s.all, age, err)
			}
		}
	}
}

func TestBadKeySetsChangeNothing(t *testing.T) {
	s := newShop(t)
	ed, ec, rsa := s.published(t)
	with := func(k map[string]string, name, value string) map[string]string {
		k = maps.Clone(k)
		k[name] = value
		return k
	}
	keys := &ShopKeys{}
	if err := keys.ReplaceJWKS(jwks(ed), noon); err != nil {
		t.Fatal(err)
	}
	var many []map[string]string
	for i := range maxJWKSKeys + 1 {
		many = append(many, with(ed, "kid", fmt.Sprint(i)))
	}
	for name, set := range map[string][]byte{
		"no JSON":              []byte("<html>"),
		"nothing":              []byte(`{}`),
		"too large":            []byte(`{"keys":[]}` + strings.Repeat(" ", MaxJWKS)),
		"too many":             jwks(many...),
		"two of one kid":       jwks(ed, with(ec, "kid", "ed")),
		"a private key":        jwks(ed, with(ec, "d", "AA")),
		"a secret key":         jwks(map[string]string{"kty": "oct", "k": "AA", "kid": "ed"}),
		"for encryption":       jwks(with(ec, "use", "enc")),
		"no kid":               jwks(with(ec, "kid", "")),
		"of another algorithm": jwks(with(rsa, "alg", "PS256")),
		"short":                jwks(with(ed, "x", "AA")),
		"off the curve":        jwks(with(ec, "y", ec["x"])),
		"a small modulus":      jwks(with(rsa, "n", text64(s.rsa.N.Bytes()[:128]))),
		"an even exponent":     jwks(with(rsa, "e", text64([]byte{4}))),
		"no exponent":          jwks(with(rsa, "e", "")),
	} {
		if err := keys.ReplaceJWKS(set, noon); err == nil {
			t.Errorf("%s: taken", name)
		}
		if _, err := keys.Verify(signAs(t, "ed", jwt.SigningMethodEdDSA, s.ed), "shop", noon); err != nil {
			t.Errorf("%s: the keys of before do not hold any more", name)
		}
	}
}

func FuzzReplaceJWKS(f *testing.F) {
	f.Add([]byte(`{"keys":[{"kty":"OKP","crv":"Ed25519","kid":"a","x":"AA"}]}`))
	f.Add([]byte(`{"keys":[{"kty":"RSA","kid":"a","n":"AQAB","e":"AQAB"},{"kty":"EC","crv":"P-256","kid":"b","x":"","y":""}]}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		keys := &ShopKeys{}
		if err := keys.ReplaceJWKS(b, noon); (err == nil) != (keys.named.Load() != nil) {
			t.Errorf("error %v, and keys %v", err, keys.named.Load())
		}
	})
}
