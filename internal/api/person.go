package api

import (
	"context"
	"net/http"
	"time"

	"accord/internal/identity"
)

// person names one person in a body.
type person struct {
	UserID      string `json:"user_id,omitempty" minLength:"1" maxLength:"512" doc:"The shop's id of a customer"`
	AnonymousID string `json:"anonymous_id,omitempty" minLength:"1" maxLength:"512" doc:"The id of a visitor who is not known"`
}

// identifier returns the one identifier, or says what is wrong.
func (p person) identifier(location string) (identity.Identifier, error) {
	id := identity.Identifier{Kind: identity.UserID, Value: p.UserID}
	switch {
	case p.UserID != "" && p.AnonymousID != "":
		return identity.Identifier{}, invalid(location, "names a person twice: send user_id or anonymous_id, not both")
	case p.UserID == "":
		id = identity.Identifier{Kind: identity.AnonymousID, Value: p.AnonymousID}
	}
	switch {
	case id.Value == "":
		return identity.Identifier{}, invalid(location, "names nobody: send user_id or anonymous_id")
	case len(id.Value) > identity.MaxIdentifier:
		return identity.Identifier{}, invalid(location, "is longer than 512 bytes")
	}
	return id, nil
}

// identifier returns the one identifier of a person, which must be of a sort that
// the declaration names.
func (s *server) identifier(p person, location string) (identity.Identifier, error) {
	id, err := p.identifier(location)
	if err == nil {
		err = s.declared(id, location)
	}
	return id, err
}

// declared refuses an identifier of a sort that the declaration does not name.
func (s *server) declared(id identity.Identifier, location string) error {
	if s.Declaration.Identifies(id.Kind) != 0 {
		return nil
	}
	return invalid(location, "names a person by "+id.Kind.String()+", by which the declaration knows nobody: see identifiers in GET /v1/declaration")
}

// find returns a person's token, and whether there is one.
func (s *server) find(id identity.Identifier) (identity.Token, bool, error) {
	t, ok, err := s.People.Find(s.People.Hasher().Lookup(id))
	if err != nil {
		return identity.Token{}, false, unavailable(err)
	}
	return t, ok, nil
}

// ensure returns a person's token, made if there was none. What was said at a time
// before an erasure is refused, since whoever has the id now is somebody new; the
// zero time is now. It finds the person before it asks, so that no erasure comes
// between the two.
func (s *server) ensure(ctx context.Context, id identity.Identifier, said time.Time) (identity.Token, error) {
	l := s.People.Hasher().Lookup(id)
	t, known, err := s.find(id)
	switch {
	case err != nil:
		return identity.Token{}, err
	case !said.IsZero() && s.People.ErasedSince(l, said.UnixMilli()):
		return identity.Token{}, erasedSince
	case known:
		return t, nil
	}
	ts, err := s.People.Ensure(ctx, []identity.Lookup{l})
	if err != nil {
		return identity.Token{}, unavailable(err)
	}
	return ts[0], nil
}

// erasedSince refuses what was said before an erasure.
var erasedSince = problem(http.StatusConflict, codeErased,
	"The person was erased after this was chosen, and what was erased does not come back: nothing was recorded. Ask them again, and send the choice that they make now.")

// unproven refuses what only the person may ask.
var unproven = problem(http.StatusForbidden, codeUnproven,
	"Only the person may ask this. Send a visitor token for an anonymous_id, the shop's signed token for a user_id, or a secret key from a server.")
