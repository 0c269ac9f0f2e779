package api

import (
	"context"
	"encoding/hex"
	"net/http"
	"strings"

	"accord/internal/auth"
	"accord/internal/consent"
	"accord/internal/identity"
)

// signatureBody is a person's signature on its way in and out.
type signatureBody struct {
	Algorithm string `json:"algorithm" enum:"ES256,Ed25519" doc:"ES256 is ECDSA on P-256 with SHA-256"`
	Key       string `json:"key" maxLength:"200" doc:"The public key: SubjectPublicKeyInfo in base64url without padding"`
	Value     string `json:"value" maxLength:"100" doc:"The signature's 64 bytes in base64url without padding; for ES256, r and s as WebCrypto writes them"`
	Statement string `json:"statement" maxLength:"16384" doc:"The very text that was signed: one JSON object without white space, with accord (choice/1), controller, person, choices (sorted), notice, language, at (in UTC with milliseconds) and nonce (16 random bytes in base64url), in this order. It says what the request says; at is within 5 minutes, or older with a secret key" example:"{\"accord\":\"choice/1\",\"controller\":\"shop\",\"person\":{\"user_id\":\"42\"},\"choices\":{\"personalization\":\"given\"},\"notice\":\"\",\"language\":\"en\",\"at\":\"2026-11-24T12:00:00.000Z\",\"nonce\":\"AAAAAAAAAAAAAAAAAAAAAA\"}"`
}

type historySignature struct {
	signatureBody
	Thumbprint string `json:"thumbprint" doc:"Names the key: the SHA-256 of its SubjectPublicKeyInfo in base64url"`
}

func signatureOf(s *consent.Signature) *historySignature {
	if s == nil {
		return nil
	}
	return &historySignature{signatureBody(*s), s.Thumbprint()}
}

// signed checks the signature that came with choices, and that it came where a
// purpose needs one. What was signed was chosen at the time that was signed, and
// counts once: the choices get both from the statement.
func (s *server) signed(x *exchange, in *putConsentInput, id identity.Identifier, cs []consent.Choice) (*consent.Signature, error) {
	if in.Body.Signature == nil {
		return nil, s.mayLackSignature(cs)
	}
	signature := consent.Signature(*in.Body.Signature)
	statement, err := signature.Verify()
	if err != nil {
		return nil, badSignature(strings.TrimPrefix(err.Error(), consent.ErrSignature.Error()+": "))
	}
	now := s.Now()
	old := now.Sub(statement.At) > consent.SignedWithin
	switch {
	case statement.Person != id:
		return nil, badSignature("its statement names another person than the request")
	case len(statement.Choices) != len(cs), statement.Notice != in.Body.Notice, statement.Language != in.Body.Language:
		return nil, badSignature("its statement and the request differ in choices, notice or language")
	case !in.Body.At.IsZero() && !in.Body.At.Equal(statement.At):
		return nil, badSignature("its statement and the request differ in the time: leave at out of the request")
	case statement.At.Sub(now) > consent.SignedWithin, old && x.key.Kind != auth.Secret, statement.At.Year() < 1990:
		return nil, badSignature("its statement is not of the last 5 minutes: sign again; only a secret key brings older ones")
	}
	message := s.People.Hasher().Message("signature", identity.ByServer, id, statement.Nonce)
	for i := range cs {
		cs[i].At, cs[i].Message = statement.At, hex.EncodeToString(message[:])
	}
	if _, err := signature.Holds(s.Declaration.Controller(), cs); err != nil {
		return nil, badSignature(strings.TrimPrefix(err.Error(), consent.ErrSignature.Error()+": "))
	}
	return &signature, nil
}

func badSignature(why string) error {
	return problem(http.StatusUnprocessableEntity, codeSignature, "The signature does not hold, and nothing was recorded: "+why+".")
}

// mayLackSignature refuses an unsigned yes to what needs a signed one.
func (s *server) mayLackSignature(cs []consent.Choice) error {
	for i := range cs {
		if p, ok := s.Declaration.Purpose(cs[i].Purpose); ok && cs[i].State == consent.Given && s.Declaration.Purposes[p].Signed {
			return problem(http.StatusUnprocessableEntity, codeUnsigned, "The purpose \""+string(cs[i].Purpose)+"\" needs the person's own signature under a consent. Send signature: {algorithm, key, value, statement}.")
		}
	}
	return nil
}

// mark notes a person's age band before what they choose counts. Whoever is known to
// be a child is one until the shop says otherwise.
func (s *server) mark(ctx context.Context, x *exchange, t identity.Token, band string) error {
	child := s.Declaration.Children.IsChild(band)
	switch {
	case band == "" || !child && !s.Choices.Child(t):
		return nil
	case !child && x.key.Kind != auth.Secret:
		return secretOnly
	}
	if err := s.Choices.Mark(ctx, t, band); err != nil {
		return s.unrecorded(err)
	}
	return nil
}
