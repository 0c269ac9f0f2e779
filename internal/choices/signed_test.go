package choices

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"testing"
	"time"

	"accord/internal/consent"
	"accord/internal/declare"
	"accord/internal/identity"
)

func sign(t *testing.T, state consent.State, at time.Time) *consent.Signature {
	t.Helper()
	public, private, err := ed25519.GenerateKey(rand.Reader)
	check(t, err)
	der, err := x509.MarshalPKIXPublicKey(public)
	check(t, err)
	b64 := base64.RawURLEncoding
	text := consent.Statement{Controller: "shop", Person: identity.Identifier{Kind: identity.UserID, Value: "anna"},
		Choices: map[declare.PurposeID]consent.State{"personalization": state}, At: at, Nonce: "AAAAAAAAAAAAAAAAAAAAAA"}.String()
	return &consent.Signature{Algorithm: consent.Ed25519, Key: b64.EncodeToString(der), Value: b64.EncodeToString(ed25519.Sign(private, []byte(text))), Statement: text}
}

// TestSignedChoices: a signature is kept, counts once, and holds for its choices
// only; where one is required nothing widens without it, whoever records.
func TestSignedChoices(t *testing.T) {
	b := newBed(t)
	p, _ := b.d.Purpose("personalization")
	b.d.Purposes[p].Signed = true
	anna := b.person("anna")
	message := hex.EncodeToString([]byte("sixteen bytes ok"))
	say := func(s consent.State, m string) []consent.Choice {
		return []consent.Choice{{Purpose: "personalization", State: s, At: monday, Message: m}}
	}
	if _, err := b.Record(t.Context(), anna, say(consent.Given, "")); !errors.Is(err, ErrUnsigned) || !errors.Is(err, ErrInvalid) {
		t.Errorf("unsigned: %v", err)
	}
	if _, err := b.RecordSigned(t.Context(), anna, say(consent.Given, message), sign(t, consent.Refused, monday)); !errors.Is(err, consent.ErrSignature) {
		t.Errorf("signed as refused: %v", err)
	}
	if got := b.state(anna, "personalization"); got != consent.Unset {
		t.Fatalf("a choice that was refused is %v", got)
	}
	signature := sign(t, consent.Given, monday)
	_, err := b.RecordSigned(t.Context(), anna, say(consent.Given, message), signature)
	check(t, err)
	b.now = monday.Add(time.Minute)
	b.record(anna, "personalization", consent.Withdrawn, b.now)
	again, err := b.RecordSigned(t.Context(), anna, say(consent.Given, message), signature)
	check(t, err)
	if again.Sequence != 0 || b.state(anna, "personalization") != consent.Withdrawn {
		t.Errorf("the same signature counts twice: %+v", again)
	}
	b = b.again()
	history, err := b.History(t.Context(), anna)
	check(t, err)
	if len(history) != 2 || history[1].Signature != nil || *history[0].Signature != *signature {
		t.Errorf("%+v", history)
	}
}
