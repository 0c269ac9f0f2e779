package consent

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"strings"
	"testing"
	"time"

	"accord/internal/declare"
	"accord/internal/identity"
)

// sign signs a text as a browser does.
func sign(tb testing.TB, algorithm, text string) *Signature {
	tb.Helper()
	var public any
	value := make([]byte, 64)
	if algorithm == Ed25519 {
		key, private, err := ed25519.GenerateKey(rand.Reader)
		if err != nil {
			tb.Fatal(err)
		}
		public, value = key, ed25519.Sign(private, []byte(text))
	} else {
		private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			tb.Fatal(err)
		}
		sum := sha256.Sum256([]byte(text))
		r, s, err := ecdsa.Sign(rand.Reader, private, sum[:])
		if err != nil {
			tb.Fatal(err)
		}
		r.FillBytes(value[:32])
		s.FillBytes(value[32:])
		public = &private.PublicKey
	}
	der, err := x509.MarshalPKIXPublicKey(public)
	if err != nil {
		tb.Fatal(err)
	}
	return &Signature{Algorithm: algorithm, Key: b64.EncodeToString(der), Value: b64.EncodeToString(value), Statement: text}
}

func statement() Statement {
	return Statement{
		Controller: "shop", Person: identity.Identifier{Kind: identity.AnonymousID, Value: "v-1\"\u2028é"},
		Choices: map[declare.PurposeID]State{"newsletter": Refused, "ads": Given},
		Notice:  "n1", Language: "en", At: noon, Nonce: "AAAAAAAAAAAAAAAAAAAAAA",
	}
}

// The text is part of the API: a browser writes the same.
func TestAStatementsText(t *testing.T) {
	want := `{"accord":"choice/1","controller":"shop","person":{"anonymous_id":"v-1\"` + "\u2028" + `é"},"choices":{"ads":"given","newsletter":"refused"},"notice":"n1","language":"en","at":"2026-11-23T12:00:00.000Z","nonce":"AAAAAAAAAAAAAAAAAAAAAA"}`
	if got := statement().String(); got != want {
		t.Errorf("\n%s, want\n%s", got, want)
	}
	if _, err := ParseStatement(want); err != nil {
		t.Error(err)
	}
}

// TestASignatureHoldsForWhatItSays: with a signature a brand cannot invent a
// consent.
func TestASignatureHoldsForWhatItSays(t *testing.T) {
	for _, algorithm := range []string{ES256, Ed25519} {
		good := sign(t, algorithm, statement().String())
		if s, err := good.Verify(); err != nil || s.String() != good.Statement {
			t.Fatalf("%s: %v", algorithm, err)
		}
		if len(good.Thumbprint()) != 43 {
			t.Errorf("the thumbprint is %q", good.Thumbprint())
		}
		other := sign(t, algorithm, good.Statement)
		for name, forge := range map[string]func(*Signature){
			"another statement":    func(s *Signature) { s.Statement = strings.Replace(s.Statement, "refused", "given", 1) },
			"another key":          func(s *Signature) { s.Key = other.Key },
			"another value":        func(s *Signature) { s.Value = other.Value },
			"no value":             func(s *Signature) { s.Value = "" },
			"zeros":                func(s *Signature) { s.Value = b64.EncodeToString(make([]byte, 64)) },
			"no key":               func(s *Signature) { s.Key = "" },
			"padding":              func(s *Signature) { s.Key += "=" },
			"more than the key":    func(s *Signature) { s.Key += "AAAA" },
			"another algorithm":    func(s *Signature) { s.Algorithm = "none" },
			"the other algorithm":  func(s *Signature) { s.Algorithm = map[string]string{ES256: Ed25519, Ed25519: ES256}[s.Algorithm] },
			"a statement in vain":  func(s *Signature) { s.Statement = "" },
			"white space about it": func(s *Signature) { s.Statement += " " },
		} {
			s := *good
			forge(&s)
			if _, err := s.Verify(); !errors.Is(err, ErrSignature) {
				t.Errorf("%s, %s: %v", algorithm, name, err)
			}
		}
	}
}

func TestASignatureIsOfTheseChoices(t *testing.T) {
	s := sign(t, ES256, statement().String())
	choice := func(p declare.PurposeID, state State, at time.Time, notice string) []Choice {
		return []Choice{{Purpose: p, State: state, At: at, Notice: notice, Language: "en"}}
	}
	good := choice("ads", Given, noon, "n1")
	if _, err := s.Holds("shop", good); err != nil {
		t.Error(err)
	}
	bad := map[string][]Choice{
		"another purpose": choice("prices", Given, noon, "n1"),
		"another state":   choice("newsletter", Given, noon, "n1"),
		"another time":    choice("ads", Given, noon.Add(SignedWithin+1), "n1"),
		"another notice":  choice("ads", Given, noon, "n2"),
	}
	for name, cs := range bad {
		if _, err := s.Holds("shop", cs); !errors.Is(err, ErrSignature) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := s.Holds("other", good); !errors.Is(err, ErrSignature) {
		t.Errorf("another controller: %v", err)
	}
}

func FuzzParseStatement(f *testing.F) {
	f.Add(statement().String())
	f.Add(`{"accord":"choice/1"}`)
	f.Add(`{"accord":"choice/1","controller":"","person":{"user_id":"\u0000"},"choices":{"":"given"},"notice":"","language":"","at":"2026-11-23T12:00:00.000Z","nonce":"AAAAAAAAAAAAAAAAAAAAAA"}`)
	f.Fuzz(func(t *testing.T, text string) {
		if s, err := ParseStatement(text); err == nil && s.String() != text {
			t.Errorf("%q is read as %q", text, s.String())
		}
	})
}

func FuzzSignature(f *testing.F) {
	for _, algorithm := range []string{ES256, Ed25519} {
		s := sign(f, algorithm, statement().String())
		f.Add(s.Algorithm, s.Key, s.Value, s.Statement)
	}
	f.Fuzz(func(t *testing.T, algorithm, key, value, text string) {
		s := Signature{algorithm, key, value, text}
		if _, err := s.Verify(); err == nil && (len(s.Thumbprint()) != 43 || algorithm != ES256 && algorithm != Ed25519) {
			t.Errorf("%+v holds", s)
		}
	})
}

// TestASignedPurposeNeedsASignature: what came without one is not there.
func TestASignedPurposeNeedsASignature(t *testing.T) {
	d := declaration(t, "  signed: {basis: consent, text: x, signed: required}\n")
	book := NewBook(d, AnyNotice, NoLaw)
	gate := NewGate(d, book)
	gate.Open()
	say := func(sequence uint64, s State, signature *Signature) {
		book.Apply(Record{Token: ann, Sequence: sequence, Accepted: noon, Choices: []Choice{{Purpose: "signed", State: s, At: noon}}, Signature: signature})
	}
	for i, step := range []struct {
		state     State
		signature *Signature
		want      Reason
	}{
		{Given, nil, DeniedUnsigned}, {Given, &Signature{}, Allowed}, {Given, nil, Allowed},
		{Withdrawn, nil, DeniedWithdrawn}, {Given, nil, DeniedWithdrawn}, {Given, &Signature{}, Allowed},
	} {
		say(uint64(i+1), step.state, step.signature)
		if _, got := gate.Ask(ann, 0, Where{}, noon.Add(time.Second)); got != step.want {
			t.Errorf("step %d: %v, want %v", i, got, step.want)
		}
	}
}

// TestAnExpiredConsentIsShownAsOne, and is nothing that anybody chooses.
func TestAnExpiredConsentIsShownAsOne(t *testing.T) {
	d := newDesk(t)
	d.say(1, "short", Given, noon)
	p := d.book.Present(ann, d.purpose("short"))
	if got := p.Shown(noon.AddDate(0, 0, 29)); got != Given {
		t.Errorf("before: %v", got)
	}
	if got := p.Shown(noon.AddDate(0, 0, 30)); got != Expired || got.String() != "expired" {
		t.Errorf("after: %v", got)
	}
	if _, ok := ParseState("expired"); ok {
		t.Error("expired can be chosen")
	}
}
