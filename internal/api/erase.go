package api

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"accord/internal/declare"
	"accord/internal/identity"
)

func (s *server) registerErase(api huma.API) {
	huma.Register(api, withProofs(s.operation(huma.Operation{
		Method: http.MethodPost, Path: "/v1/erase", OperationID: "post-erase", Tags: []string{"consent"},
		Summary:     "Erase what is kept about a person",
		Description: "Ends every choice, destroys the keys of all that is kept about the person, receipts too, and forgets the id: whoever comes with it next is somebody new. What a law obliges the controller to keep stays until its time is over. Needs a proof of the person; of somebody who is not known there is nothing to erase.",
		Errors:      []int{400, 401, 403, 408, 413, 429, 503},
	}, withKey)), s.erase)
}

type eraseInput struct {
	Body struct {
		Person person `json:"person" doc:"Whose data it is"`
	}
}

type eraseOutput struct {
	Body struct {
		Erased time.Time           `json:"erased" doc:"When it was done"`
		Kept   []declare.PurposeID `json:"kept" doc:"The purposes for which a law obliges the controller to keep something"`
	}
}

func (s *server) erase(ctx context.Context, in *eraseInput) (*eraseOutput, error) {
	x := of(ctx)
	id, err := s.identifier(in.Body.Person, "body.person")
	if err != nil {
		return nil, err
	}
	proof := x.speaker.Proves(id)
	if proof == identity.Unproven {
		return nil, unproven
	}
	out := &eraseOutput{}
	out.Body.Kept = []declare.PurposeID{}
	t, known, err := s.find(id)
	if err != nil {
		return nil, err
	}
	if known {
		if !s.mayChoose(x, t, proof) {
			return nil, tooMany
		}
		kept, err := s.Choices.Erase(ctx, t, proof.String())
		if err != nil {
			return nil, s.unrecorded(err)
		}
		out.Body.Kept = append(out.Body.Kept, kept...)
	}
	out.Body.Erased = s.Now().UTC().Truncate(time.Millisecond)
	return out, nil
}
