package api

import (
	"crypto/subtle"
	"errors"
	"net/http"
	"reflect"

	"github.com/danielgtaylor/huma/v2"

	"accord/internal/auth"
	"accord/internal/decide"
	"accord/internal/decide/run"
	"accord/internal/identity"
)

// noReceipt is the answer for a receipt that is not there and for one that is
// somebody else's: they look the same.
var noReceipt = problem(http.StatusNotFound, codeNotFound,
	"There is no such receipt for whoever asks. A receipt is for the person it is about, who proves who they are, and for a secret key; one that was made a moment ago may take a second.")

// maxReceiptID is how long a receipt's id is.
const maxReceiptID = 32

func (s *server) registerReceipts(api huma.API) {
	s.handle("GET /v1/receipts/{id}", func(x *exchange, r *http.Request) {
		body, err := s.receipt(x, r)
		if err != nil {
			x.fail(err)
			return
		}
		x.Header()["Content-Type"] = hJSON
		x.Write(body) //nolint:errcheck // the client is gone
	})
	s.describe(api, huma.Operation{
		Method: http.MethodGet, Path: "/v1/receipts/{id}", OperationID: "get-receipt", Tags: []string{"decide"},
		Summary:     "Why an answer was what it was",
		Description: "The receipt as it left with the answer, byte for byte. For the person it is about, and for a secret key.",
		Parameters:  []*huma.Param{{Name: "id", In: "path", Required: true, Description: "The receipt's id", Schema: &huma.Schema{Type: "string"}}},
	}, withKey, nil, reflect.TypeFor[decide.Receipt](), 401, 403, 404, 500, 503)
}

func (s *server) receipt(x *exchange, r *http.Request) ([]byte, error) {
	if err := x.enter(r, withKey); err != nil {
		return nil, err
	}
	if x.key.Kind == auth.Secret && s.Gate.Stops(x.key.Source) {
		return nil, stopped
	}
	mine := x.proved()
	if x.key.Kind != auth.Secret && len(mine) == 0 {
		return nil, noReceipt
	}
	id := r.PathValue("id")
	if len(id) > maxReceiptID {
		return nil, noReceipt
	}
	ctx, cancel := s.within(r)
	defer cancel()
	body, about, err := s.Receipts.Read(ctx, id)
	switch {
	case errors.Is(err, run.ErrNoReceipt):
		return nil, noReceipt
	case err != nil:
		return nil, unavailable(err)
	case x.key.Kind == auth.Secret:
		return body, nil
	}
	ok, err := s.isOne(about, mine)
	if err != nil {
		return nil, err
	}
	if !ok {
		return nil, noReceipt
	}
	return body, nil
}

// isOne reports whether a token is of one of these people.
func (s *server) isOne(t identity.Token, people []identity.Identifier) (bool, error) {
	if t.IsZero() {
		return false, nil
	}
	for _, id := range people {
		one, known, err := s.find(id)
		if err != nil {
			return false, err
		}
		if known && subtle.ConstantTimeCompare(one[:], t[:]) == 1 {
			return true, nil
		}
	}
	return false, nil
}
