package api

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"accord/internal/consent"
	"accord/internal/identity"
	"accord/internal/records"
)

// ldJSON is the type of what linked-data tools read.
const ldJSON = "application/ld+json"

func (s *server) registerRecord(api huma.API) {
	huma.Register(api, withProofs(s.operation(huma.Operation{
		Method: http.MethodGet, Path: "/v1/consent/record", OperationID: "get-consent-record", Tags: []string{"consent"},
		Summary:     "A person's consent receipt, to take away",
		Description: "One JSON-LD document with the fields of ISO/IEC TS 27560 and the terms of W3C's Data Privacy Vocabulary 2.3: what each purpose is and what holds now, and every choice with what shows it. Another Accord takes it in with `accord consent import --format 27560`. It is about one id: a linked one has its own, and what is denied under that is denied in this one too. Needs a proof of the person, and of somebody who chose nothing there is none.",
		Errors:      []int{401, 403, 404, 429, 503},
		Responses: map[string]*huma.Response{"200": {Description: "The receipt",
			Content: map[string]*huma.MediaType{ldJSON: {Schema: &huma.Schema{Type: huma.TypeObject, AdditionalProperties: true}}}}},
	}, withKey)), s.getRecord)
}

type getRecordOutput struct {
	ContentType string `header:"Content-Type"`
	Body        []byte
}

// getRecord writes the receipt of one id, also of a user who has visitors: whoever
// takes it in gives each choice to the receipt's one person, so a visitor's yes
// among a user's would allow there what it does not here. What the others deny is
// in it, see narrowedElsewhere; each has a receipt of its own by its own proof.
func (s *server) getRecord(ctx context.Context, in *getConsentInput) (*getRecordOutput, error) {
	id, t, history, _, err := s.chosen(ctx, in)
	if err != nil {
		return nil, err
	}
	x := of(ctx)
	for i := range history {
		if signature := history[i].Signature; signature != nil && !x.named(signature) {
			history[i].Signature = nil
		}
	}
	presents, _ := s.Book.Presents(t)
	elsewhere, err := s.narrowedElsewhere(ctx, t, presents)
	if err != nil {
		return nil, err
	}
	if history = append(history, elsewhere...); len(history) == 0 {
		return nil, problem(http.StatusNotFound, codeNotFound, "This person has chosen nothing here, so there is no receipt. GET /v1/consent says what holds for them.")
	}
	body, err := records.Write(s.Declaration, records.Subject{Person: id, Records: history}, presents, s.Now())
	if err != nil {
		return nil, err
	}
	return &getRecordOutput{ContentType: ldJSON, Body: append(body, '\n')}, nil
}

// narrowedElsewhere returns what a linked token of the person denies as records, and
// sets it in presents: a receipt that is taken elsewhere brings no link along, and
// must not allow there what the stricter choice denies here.
func (s *server) narrowedElsewhere(ctx context.Context, t identity.Token, presents []consent.Present) (rs []consent.Record, err error) {
	if t.IsZero() {
		return nil, nil
	}
	now := s.Now().UTC().Truncate(time.Millisecond)
	strict, sequence := s.Book.Strict(t, now)
	r := consent.Record{Controller: s.Declaration.Controller(), Token: t, Sequence: sequence + 1, Accepted: now}
	young := false
	for i := range strict {
		switch {
		case strict[i] == presents[i]:
			continue
		case strict[i].State == consent.Unset || strict[i].Child && !strict[i].State.Ended():
			young = true // nobody ended it: a guardian may consent there as here
			continue
		}
		presents[i] = strict[i]
		if !presents[i].State.Ended() { // a consent that no longer counts: it must be asked for again
			presents[i].State = consent.Withdrawn
		}
		r.Choices = append(r.Choices, consent.Choice{
			Purpose: s.Declaration.Purposes[i].ID, State: presents[i].State, At: time.UnixMilli(strict[i].At).UTC(), Method: "linked",
			Evidence: "denied under another id that is linked with this one",
		})
	}
	if len(r.Choices) > 0 {
		rs = append(rs, r)
	}
	if young {
		r.Choices = []consent.Choice{}
		if r.Age, err = s.bandElsewhere(ctx, t); r.Age != "" {
			rs = append(rs, r)
		}
	}
	return rs, err
}

// bandElsewhere returns the child's age band that a linked token of the person was
// last found to be in.
func (s *server) bandElsewhere(ctx context.Context, t identity.Token) (band string, err error) {
	for _, m := range s.Book.Group(t)[1:] {
		if !s.Choices.Child(m) {
			continue
		}
		history, err := s.Choices.History(ctx, m)
		if err != nil {
			return "", unavailable(err)
		}
		for _, r := range history {
			if s.Declaration.Children.IsChild(r.Age) {
				band = r.Age
			}
		}
	}
	return band, nil
}
