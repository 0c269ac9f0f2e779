package identity

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

var noon = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

// TestWhoProvesWhat holds promise 1: an unproven speaker speaks for nobody, and
// a proof speaks for the one identifier that it names.
func TestWhoProvesWhat(t *testing.T) {
	user, visitor, mail := Identifier{UserID, "42"}, Identifier{AnonymousID, "v-1"}, Identifier{Email, "42"}
	for _, c := range []struct {
		name    string
		speaker Speaker
		id      Identifier
		want    Proof
	}{
		{"nobody for a user", Speaker{}, user, Unproven},
		{"nobody for a visitor", Speaker{}, visitor, Unproven},
		{"nobody for nobody", Speaker{}, Identifier{}, Unproven},
		{"nobody for an empty user", Speaker{}, Identifier{Kind: UserID}, Unproven},
		{"a user for themselves", Speaker{}.WithUser("42"), user, ByShop},
		{"a user for another", Speaker{}.WithUser("43"), user, Unproven},
		{"a user for a visitor of the same name", Speaker{}.WithUser("v-1"), visitor, Unproven},
		{"a user for an address of the same name", Speaker{}.WithUser("42"), mail, Unproven},
		{"a user in other letters", Speaker{}.WithUser("ANN"), Identifier{UserID, "ann"}, Unproven},
		{"an empty user", Speaker{}.WithUser(""), Identifier{Kind: UserID}, Unproven},
		{"a visitor for themselves", Speaker{}.WithVisitor("v-1"), visitor, ByVisitor},
		{"a visitor for another", Speaker{}.WithVisitor("v-2"), visitor, Unproven},
		{"a visitor for a user of the same name", Speaker{}.WithVisitor("42"), user, Unproven},
		{"a visitor for an address", Speaker{}.WithVisitor("42"), mail, Unproven},
		{"both, for the user", Speaker{}.WithVisitor("v-1").WithUser("42"), user, ByShop},
		{"both, for the visitor", Speaker{}.WithVisitor("v-1").WithUser("42"), visitor, ByVisitor},
		{"two users, for the first", Speaker{}.WithUser("42").WithUser("43"), user, ByShop},
		{"two users, for the second", Speaker{}.WithUser("43").WithUser("42"), user, ByShop},
		{"two users, for a third", Speaker{}.WithUser("43").WithUser("44"), user, Unproven},
		{"two visitors, for one", Speaker{}.WithVisitor("v-2").WithVisitor("v-1"), visitor, ByVisitor},
		{"one too many", crowd(MaxProven).WithUser("42"), user, Unproven},
		{"the last of as many as fit", crowd(MaxProven - 1).WithUser("42"), user, ByShop},
		{"the same one over and over", crowd(MaxProven - 1).WithUser("0").WithUser("42"), user, ByShop},
		{"an unknown kind", Speaker{}.WithVisitor("42").WithUser("42"), Identifier{9, "42"}, Unproven},
		{"the shop for a user", Server(), user, ByServer},
		{"the shop for a visitor", Server(), visitor, ByServer},
		{"the shop for an address", Server(), mail, ByServer},
		{"the shop for nobody", Server(), Identifier{}, Unproven},
	} {
		if got := c.speaker.Proves(c.id); got != c.want {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
	s := Speaker{}
	_ = s.WithUser("42")
	if s.Proves(user) != Unproven {
		t.Error("WithUser changed the speaker that it was called on")
	}
}

// crowd is a speaker who proved to be n users, "0" and so on.
func crowd(n int) (s Speaker) {
	for i := range n {
		s = s.WithUser(strconv.Itoa(i))
	}
	return s
}

// A visitor token proves its id for 13 months.
func TestVisitorTokensEnd(t *testing.T) {
	v := NewVisitors([]byte("a key of thirty-two bytes, or so"))
	id, token := v.Issue([16]byte{1}, noon)
	for _, now := range []time.Time{noon.AddDate(0, 0, -1), noon, noon.AddDate(0, 13, -1)} {
		if got, err := v.Verify(token, now); err != nil || got != id {
			t.Errorf("on %v: %q, %v", now, got, err)
		}
	}
	for _, now := range []time.Time{noon.AddDate(0, 13, 2), noon.AddDate(50, 0, 0)} {
		if got, err := v.Verify(token, now); err != ErrBadVisitor {
			t.Errorf("on %v: %q, %v", now, got, err)
		}
	}
}

func TestVisitorTokens(t *testing.T) {
	v := NewVisitors([]byte("a key of thirty-two bytes, or so"))
	id, token := v.Issue([16]byte{1, 2, 3}, noon)
	if got, err := v.Verify(token, noon); err != nil || got != id {
		t.Fatalf("%q, %v", got, err)
	}
	again, _ := v.Issue([16]byte{1, 2, 3}, noon)
	other, otherToken := v.Issue([16]byte{1, 2, 4}, noon)
	if id != again || id == other {
		t.Error("the visitor id is not that of its random bytes")
	}
	if _, err := NewVisitors([]byte("another key")).Verify(token, noon); !errors.Is(err, ErrBadVisitor) {
		t.Error("a token of another server was taken")
	}
	parts, otherParts := strings.Split(token, "."), strings.Split(otherToken, ".")
	for name, forged := range map[string]string{
		"empty":                 "",
		"only a version":        "v1.",
		"no MAC":                parts[0] + "." + parts[1],
		"an empty MAC":          parts[0] + "." + parts[1] + ".",
		"an empty id":           "v1.." + parts[2],
		"another's MAC":         "v1." + parts[1] + "." + otherParts[2],
		"another's id":          "v1." + otherParts[1] + "." + parts[2],
		"another version":       "v2." + parts[1] + "." + parts[2],
		"a longer id":           "v1." + parts[1] + "x." + parts[2],
		"a dot in the id":       "v1." + parts[1] + ".x." + parts[2],
		"a line break":          token + "\n",
		"a line break inside":   "v1." + parts[1] + "." + parts[2][:9] + "\r\n" + parts[2][9:],
		"padding":               token + "=",
		"too long":              token + strings.Repeat("A", 200),
		"a user's chosen id":    "v1.42." + parts[2],
		"the other last letter": token[:len(token)-1] + string(rune(token[len(token)-1]^1)),
	} {
		if got, err := v.Verify(forged, noon); !errors.Is(err, ErrBadVisitor) {
			t.Errorf("%s: taken for %q, %v", name, got, err)
		}
	}
	for n := range len(token) {
		if _, err := v.Verify(token[:n], noon); err == nil {
			t.Errorf("the first %d bytes were taken", n)
		}
		for bit := range 8 {
			b := []byte(token)
			b[n] ^= 1 << bit
			if _, err := v.Verify(string(b), noon); err == nil {
				t.Errorf("byte %d with bit %d turned was taken", n, bit)
			}
		}
	}
}

// shop is a shop's three keys and their server side.
type shop struct {
	ed  ed25519.PrivateKey
	ec  *ecdsa.PrivateKey
	rsa *rsa.PrivateKey
	all *ShopKeys
}

func public(t testing.TB, key crypto.PublicKey) string {
	t.Helper()
	der, err := x509.MarshalPKIXPublicKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
}

func newShop(t testing.TB) *shop {
	t.Helper()
	s := &shop{ed: ed25519.NewKeyFromSeed(make([]byte, 32))}
	var err error
	if s.ec, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err != nil {
		t.Fatal(err)
	}
	if s.rsa, err = rsa.GenerateKey(rand.Reader, 2048); err != nil {
		t.Fatal(err)
	}
	if s.all, err = ParseShopKeys([]string{public(t, s.ed.Public()), public(t, s.ec.Public()), public(t, s.rsa.Public())}); err != nil {
		t.Fatal(err)
	}
	return s
}

func sign(t testing.TB, method jwt.SigningMethod, key any, claims jwt.MapClaims) string {
	t.Helper()
	token, err := jwt.NewWithClaims(method, claims).SignedString(key)
	if err != nil {
		t.Fatal(err)
	}
	return token
}

func claims(sub string, iat, exp time.Time) jwt.MapClaims {
	return jwt.MapClaims{"sub": sub, "aud": Audience, "iat": iat.Unix(), "exp": exp.Unix()}
}

func TestShopTokensOfEveryKindOfKey(t *testing.T) {
	s := newShop(t)
	good := claims("42", noon, noon.Add(time.Hour))
	for name, token := range map[string]string{
		"EdDSA": sign(t, jwt.SigningMethodEdDSA, s.ed, good),
		"ES256": sign(t, jwt.SigningMethodES256, s.ec, good),
		"RS256": sign(t, jwt.SigningMethodRS256, s.rsa, good),
	} {
		if user, err := s.all.Verify(token, "shop", noon.Add(time.Minute)); err != nil || user != "42" {
			t.Errorf("%s: %q, %v", name, user, err)
		}
	}
	for name, aud := range map[string]any{"the controller": "shop", "one of several": []string{"mail", "shop"}, "accord": []string{"accord"}} {
		c := claims("42", noon, noon.Add(time.Hour))
		c["aud"] = aud
		if user, err := s.all.Verify(sign(t, jwt.SigningMethodEdDSA, s.ed, c), "shop", noon); err != nil || user != "42" {
			t.Errorf("for %s: %q, %v", name, user, err)
		}
	}
	day := sign(t, jwt.SigningMethodEdDSA, s.ed, claims("42", noon, noon.Add(24*time.Hour)))
	if _, err := s.all.Verify(day, "shop", noon.Add(23*time.Hour)); err != nil {
		t.Errorf("a token of a day: %v", err)
	}
}

// TestShopTokenForgeries holds promise 1: every forgery leaves the speaker
// unproven, and every refusal reads the same.
func TestShopTokenForgeries(t *testing.T) {
	s := newShop(t)
	hour := noon.Add(time.Hour)
	good := claims("42", noon, hour)
	ed := sign(t, jwt.SigningMethodEdDSA, s.ed, good)
	stranger := ed25519.NewKeyFromSeed([]byte("0123456789abcdef0123456789abcdef"))
	strangerEC, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	parts := strings.Split(ed, ".")
	other := strings.Split(sign(t, jwt.SigningMethodEdDSA, s.ed, claims("43", noon, hour)), ".")
	without := func(key string) jwt.MapClaims {
		c := claims("42", noon, hour)
		delete(c, key)
		return c
	}
	with := func(key string, value any) jwt.MapClaims {
		c := claims("42", noon, hour)
		c[key] = value
		return c
	}
	edDSA := func(c jwt.MapClaims) string { return sign(t, jwt.SigningMethodEdDSA, s.ed, c) }
	rsaDER, _ := x509.MarshalPKIXPublicKey(s.rsa.Public())
	for name, token := range map[string]string{
		"empty":                         "",
		"no token":                      "hello",
		"alg none":                      sign(t, jwt.SigningMethodNone, jwt.UnsafeAllowNoneSignatureType, good),
		"HS256 with the RSA PEM":        sign(t, jwt.SigningMethodHS256, []byte(public(t, s.rsa.Public())), good),
		"HS256 with the RSA DER":        sign(t, jwt.SigningMethodHS256, rsaDER, good),
		"HS256 with the Ed25519 key":    sign(t, jwt.SigningMethodHS256, []byte(s.ed.Public().(ed25519.PublicKey)), good),
		"HS256 with the Ed25519 PEM":    sign(t, jwt.SigningMethodHS256, []byte(public(t, s.ed.Public())), good),
		"HS256 with an empty key":       sign(t, jwt.SigningMethodHS256, []byte{}, good),
		"RS512, which is not agreed":    sign(t, jwt.SigningMethodRS512, s.rsa, good),
		"PS256, which is not agreed":    sign(t, jwt.SigningMethodPS256, s.rsa, good),
		"a stranger's Ed25519 key":      sign(t, jwt.SigningMethodEdDSA, stranger, good),
		"a stranger's ECDSA key":        sign(t, jwt.SigningMethodES256, strangerEC, good),
		"another's signature":           parts[0] + "." + parts[1] + "." + other[2],
		"another's claims":              parts[0] + "." + other[1] + "." + parts[2],
		"no signature":                  parts[0] + "." + parts[1] + ".",
		"two parts":                     parts[0] + "." + parts[1],
		"four parts":                    ed + "." + parts[2],
		"no exp":                        edDSA(without("exp")),
		"no iat":                        edDSA(without("iat")),
		"no sub":                        edDSA(without("sub")),
		"no aud":                        edDSA(without("aud")),
		"for another service":           edDSA(with("aud", "warehouse")),
		"for several other services":    edDSA(with("aud", []string{"warehouse", "mail", ""})),
		"for another controller":        edDSA(with("aud", "shop-2")),
		"aud as a number":               edDSA(with("aud", 1)),
		"an empty sub":                  edDSA(with("sub", "")),
		"a number as sub":               edDSA(with("sub", 42)),
		"a list as sub":                 edDSA(with("sub", []string{"42"})),
		"expired":                       edDSA(claims("42", noon.Add(-2*time.Hour), noon.Add(-time.Hour))),
		"of the future":                 edDSA(claims("42", hour, hour.Add(time.Hour))),
		"not before later":              edDSA(with("nbf", hour.Unix())),
		"too long a life":               edDSA(claims("42", noon, noon.Add(24*time.Hour+time.Second))),
		"for ever":                      edDSA(with("exp", 1e300)),
		"older than the universe":       edDSA(with("iat", -1e300)),
		"exp as text":                   edDSA(with("exp", "tomorrow")),
		"too long":                      edDSA(with("x", strings.Repeat("x", 5000))),
		"a user id longer than allowed": edDSA(with("sub", strings.Repeat("4", MaxIdentifier+1))),
	} {
		if user, err := s.all.Verify(token, "shop", noon); err != ErrBadShop || user != "" {
			t.Errorf("%s: taken for %q, %v", name, user, err)
		}
	}
	if _, err := s.all.Verify(ed, "shop", hour.Add(31*time.Second)); err != ErrBadShop {
		t.Errorf("a token is good after its end: %v", err)
	}
	for name, keys := range map[string]*ShopKeys{"no keys": {}, "nil": nil} {
		if _, err := keys.Verify(ed, "shop", noon); err != ErrBadShop {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestHeadersDoNotChooseTheKey: a token signed by one key does not verify under
// another kind, whatever its header says.
func TestHeadersDoNotChooseTheKey(t *testing.T) {
	s := newShop(t)
	only, err := ParseShopKeys([]string{public(t, s.ed.Public())})
	if err != nil {
		t.Fatal(err)
	}
	token := jwt.NewWithClaims(jwt.SigningMethodES256, claims("42", noon, noon.Add(time.Hour)))
	token.Header["jwk"] = map[string]string{"kty": "EC"}
	token.Header["jku"] = "https://attacker.example/keys"
	token.Header["kid"] = "../../dev/null"
	signed, err := token.SignedString(s.ec)
	if err != nil {
		t.Fatal(err)
	}
	if user, err := only.Verify(signed, "shop", noon); err != ErrBadShop {
		t.Errorf("taken for %q, %v", user, err)
	}
}

func TestParseShopKeysTakesStrongPublicKeysOnly(t *testing.T) {
	s := newShop(t)
	p384, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	good := public(t, s.ed.Public())
	private, err := x509.MarshalPKCS8PrivateKey(s.ed)
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"nothing":         "",
		"a text":          "secret",
		"P-384":           public(t, p384.Public()),
		"RSA of 1024":     weakRSA,
		"a private key":   string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private})),
		"a certificate":   strings.ReplaceAll(good, "PUBLIC KEY", "CERTIFICATE"),
		"two in one":      good + good,
		"something after": good + "hello",
		"damaged":         strings.Replace(good, "MC", "MD", 1),
	} {
		if _, err := ParseShopKeys([]string{good, text}); err == nil {
			t.Errorf("%s was taken", name)
		} else if !strings.Contains(err.Error(), "shop key 2") {
			t.Errorf("%s: %v does not say which key", name, err)
		}
	}
	if keys, err := ParseShopKeys(nil); err != nil || keys == nil {
		t.Errorf("no keys: %v", err)
	}
}

// FuzzVisitorVerify: no text panics, and only issued tokens verify.
func FuzzVisitorVerify(f *testing.F) {
	v := NewVisitors([]byte("a key of thirty-two bytes, or so"))
	_, token := v.Issue([16]byte{1}, noon)
	f.Add(token)
	f.Add("v1..")
	f.Add("v1." + strings.Repeat("A", 43))
	f.Fuzz(func(t *testing.T, text string) {
		if id, err := v.Verify(text, noon); err == nil && text != token {
			t.Fatalf("%q proves %q", text, id)
		}
	})
}

// FuzzShopVerify: no text panics, and only the shop's signatures verify.
func FuzzShopVerify(f *testing.F) {
	s := newShop(f)
	good := claims("42", noon, noon.Add(time.Hour))
	known := map[string]bool{}
	for _, token := range []string{
		sign(f, jwt.SigningMethodEdDSA, s.ed, good),
		sign(f, jwt.SigningMethodES256, s.ec, good),
	} {
		known[payload(token)] = true
		f.Add(token)
	}
	f.Add("..")
	f.Add("eyJhbGciOiJub25lIn0.eyJzdWIiOiI0MiJ9.")
	f.Fuzz(func(t *testing.T, text string) {
		if user, err := s.all.Verify(text, "shop", noon); err == nil && !known[payload(text)] {
			t.Fatalf("%q proves %q", text, user)
		}
	})
}

// payload is what a signature covers.
func payload(token string) string { return token[:max(strings.LastIndexByte(token, '.'), 0)] }

func BenchmarkVisitorVerify(b *testing.B) {
	v := NewVisitors([]byte("a key of thirty-two bytes, or so"))
	_, token := v.Issue([16]byte{1}, noon)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := v.Verify(token, noon); err != nil {
			b.Fatal(err)
		}
	}
}

// weakRSA is the public half of a key of 1024 bits.
const weakRSA = `-----BEGIN PUBLIC KEY-----
MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDTESGPtY5if8IoN7MAXLW2c0pH
/ISoW9JznesmuicHHqtSttsUg1m4E1IfYP15Ln58V7G2bZyw+WRjhITdNw6VZxWK
Rrm/2PyEpCDlOg+YbKQv5MFhGjN+tdoOagWyWQ+tEVw2T4CNYx96J6gf4sSJhy20
V2Lk3ODT4LCEyYtfNQIDAQAB
-----END PUBLIC KEY-----
`
