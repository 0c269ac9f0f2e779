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

// TestAnAgeIsDurable: a child's mark is there after a restart, is written only where
// it changes something, and takes nothing from what waits for a guardian.
func TestAnAgeIsDurable(t *testing.T) {
	b := newBed(t)
	p, _ := b.d.Purpose("personalization")
	anna := b.person("anna")
	if err := b.Mark(t.Context(), anna, "under_13"); !errors.Is(err, ErrInvalid) {
		t.Errorf("without children declared: %v", err)
	}
	children := &declare.Children{Child: []string{"under_13"}, Guarded: declare.Set(0).With(p)}
	b.d.Children = children
	b.record(anna, "personalization", consent.Given, monday)
	b.record(anna, "model_training", consent.Given, monday)
	b.makeKeys(anna)
	for range 2 {
		check(t, b.Mark(t.Context(), anna, "under_13"))
	}
	living := b.living(anna)
	b.record(anna, "model_training", consent.Withdrawn, monday)
	if got := b.living(anna); got != living {
		t.Errorf("another purpose's end destroyed what waits for a guardian: %s of %s", got, living)
	}
	history, err := b.History(t.Context(), anna)
	check(t, err)
	if len(history) != 4 || history[2].Age != "under_13" || !b.Child(anna) {
		t.Errorf("%+v", history)
	}
	check(t, b.Mark(t.Context(), anna, "grown"))
	if b.Child(anna) {
		t.Error("still a child")
	}
}

// TestMarkInDoubt: a mark that the log may not have is in force, and said again it
// is durable.
func TestMarkInDoubt(t *testing.T) {
	b := newBed(t)
	p, _ := b.d.Purpose("personalization")
	children := &declare.Children{Child: []string{"under_13"}, Guarded: declare.Set(0).With(p)}
	b.d.Children = children
	anna := b.person("anna")
	b.Choices.log = &cut{Log: b.log}
	if err := b.Mark(t.Context(), anna, "under_13"); !errors.Is(err, errCut) || !b.Child(anna) {
		t.Fatalf("in doubt: %v, a child: %v", err, b.Child(anna))
	}
	b.Choices.log = b.log
	for range 2 {
		check(t, b.Mark(t.Context(), anna, "under_13"))
	}
	if n, err := b.log.LastChoice(t.Context()); err != nil || n != 1 {
		t.Errorf("%d records, %v", n, err)
	}
}

// TestSignedAgainAfterLate: a signature that comes again destroys what the first
// could not.
func TestSignedAgainAfterLate(t *testing.T) {
	b := newBed(t)
	anna := b.person("anna")
	b.record(anna, "personalization", consent.Given, monday)
	b.makeKeys(anna)
	choices := []consent.Choice{{Purpose: "personalization", State: consent.Withdrawn, At: monday, Message: hex.EncodeToString([]byte("sixteen bytes ok"))}}
	signature := sign(t, consent.Withdrawn, monday)
	b.Choices.keys = brokenKeys{b.keys}
	if _, err := b.RecordSigned(t.Context(), anna, choices, signature); !errors.Is(err, ErrLate) {
		t.Fatal(err)
	}
	b.Choices.keys = b.keys
	_, err := b.RecordSigned(t.Context(), anna, choices, signature)
	check(t, err)
	if left := b.living(anna); left != "cd" {
		t.Errorf("the keys of %q are left", left)
	}
}
