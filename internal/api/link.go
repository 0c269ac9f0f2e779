package api

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"accord/internal/choices"
	"accord/internal/identity"
)

func (s *server) registerLinks(api huma.API) {
	huma.Register(api, withProofs(s.operation(huma.Operation{
		Method: http.MethodPost, Path: "/v1/link", OperationID: "link", Tags: []string{"consent"},
		Summary:     "This visitor is this user",
		Description: "Needs a proof of both: the visitor's token and the shop's, or a secret key. From then on the stricter choice of the two counts for each purpose, until they choose again, and a choice of either is written to both. Nothing that was kept is changed by it. A visitor is one user's at a time: whoever signed in last. Asking again changes nothing.",
		Errors:      []int{400, 401, 403, 409, 429, 503},
	}, withKey)), s.link)
	huma.Register(api, withProofs(s.operation(huma.Operation{
		Method: http.MethodPost, Path: "/v1/unlink", OperationID: "unlink", Tags: []string{"consent"},
		Summary:     "This visitor is not this user",
		Description: "For signing out, for a shared device and for \"this is not me\". Needs a proof of one of the two, and the answer is the same whether they were linked or not. What each chose stays.",
		Errors:      []int{400, 401, 403, 429, 503},
	}, withKey)), s.unlink)
}

type unlinkInput struct {
	Body struct {
		UserID      string `json:"user_id,omitempty" minLength:"1" maxLength:"512" doc:"The shop's id of a customer. Absent: whoever the visitor is linked with, which only the visitor's own proof can part"`
		AnonymousID string `json:"anonymous_id" minLength:"1" maxLength:"512" doc:"The id of the visitor"`
	}
}

type linkInput struct {
	Body struct {
		UserID      string `json:"user_id" minLength:"1" maxLength:"512" doc:"The shop's id of a customer"`
		AnonymousID string `json:"anonymous_id" minLength:"1" maxLength:"512" doc:"The id of the visitor"`
	}
}

type linkOutput struct {
	Body struct {
		Linked bool `json:"linked" doc:"Whether they are one person now"`
	}
}

// linking is who is to be linked or parted, and how the speaker proved to be each.
type linking struct {
	user, visitor             identity.Identifier
	provenUser, provenVisitor identity.Proof
}

func (s *server) linkingOf(x *exchange, in *linkInput) (l linking, err error) {
	if l.user, err = s.identifier(person{UserID: in.Body.UserID}, "body.user_id"); err != nil {
		return l, err
	}
	if l.visitor, err = s.identifier(person{AnonymousID: in.Body.AnonymousID}, "body.anonymous_id"); err != nil {
		return l, err
	}
	l.provenUser, l.provenVisitor = x.speaker.Proves(l.user), x.speaker.Proves(l.visitor)
	return l, nil
}

func (s *server) link(ctx context.Context, in *linkInput) (*linkOutput, error) {
	x := of(ctx)
	l, err := s.linkingOf(x, in)
	if err != nil {
		return nil, err
	}
	if l.provenUser == identity.Unproven || l.provenVisitor == identity.Unproven {
		return nil, unproven
	}
	if s.Gate.Stops(x.key.Source) {
		return nil, stopped
	}
	hasher := s.People.Hasher()
	visitor, user := hasher.Lookup(l.visitor), hasher.Lookup(l.user)
	// Asked before anybody is made.
	if !s.mayChoose(x, identity.Token(user), l.provenUser) {
		return nil, tooMany
	}
	ts, err := s.People.Ensure(ctx, []identity.Lookup{visitor, user})
	if err != nil {
		return nil, unavailable(err)
	}
	if err := s.Choices.Link(ctx, ts[0], ts[1], l.provenUser.String(), time.Time{}); errors.Is(err, choices.ErrCrowded) {
		return nil, problem(http.StatusConflict, codeCrowded, "A user has at most 63 visitors at a time. Unlink those that are not used any more.")
	} else if err != nil {
		return nil, s.unrecorded(err)
	}
	out := &linkOutput{}
	out.Body.Linked = true
	return out, nil
}

func (s *server) unlink(ctx context.Context, in *unlinkInput) (*linkOutput, error) {
	x := of(ctx)
	l, err := s.partingOf(x, in)
	if err != nil {
		return nil, err
	}
	proof, speaker := l.provenVisitor, l.visitor
	if proof == identity.Unproven {
		proof, speaker = l.provenUser, l.user
	}
	if proof == identity.Unproven {
		return nil, unproven
	}
	// Asked before anybody is looked up, so that it does not tell who is known.
	if !s.mayChoose(x, identity.Token(s.People.Hasher().Lookup(speaker)), proof) {
		return nil, tooMany
	}
	visitor, known, err := s.find(l.visitor)
	if err != nil || !known {
		return &linkOutput{}, err
	}
	user, known := s.Book.User(visitor)
	if l.user.Value != "" {
		user, known, err = s.find(l.user)
	}
	if err != nil || !known {
		return &linkOutput{}, err
	}
	if err := s.Choices.Unlink(ctx, visitor, user, proof.String()); err != nil {
		return nil, s.unrecorded(err)
	}
	return &linkOutput{}, nil
}

// partingOf is linkingOf where the user may be left out.
func (s *server) partingOf(x *exchange, in *unlinkInput) (l linking, err error) {
	if in.Body.UserID != "" {
		both := &linkInput{}
		both.Body.UserID, both.Body.AnonymousID = in.Body.UserID, in.Body.AnonymousID
		return s.linkingOf(x, both)
	}
	l.visitor, err = s.identifier(person{AnonymousID: in.Body.AnonymousID}, "body.anonymous_id")
	l.provenVisitor = x.speaker.Proves(l.visitor)
	return l, err
}
