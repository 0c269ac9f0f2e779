package api

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"accord/internal/consent"
	"accord/internal/declare"
	"accord/internal/identity"
	"accord/internal/law"
	"accord/internal/signal"
)

func (s *server) registerExplain(api huma.API) {
	huma.Register(api, s.operation(huma.Operation{
		Method: http.MethodGet, Path: "/v1/explain", OperationID: "explain", Tags: []string{"consent"},
		Summary:     "Why a purpose is allowed for a person, or not",
		Description: "The gate's answer for a person, a purpose, a place and a time, of today, of the past or of the future, with every rule that was looked at, in order, and where it stands: the declaration, what was chosen, the law. Of the past it knows the choices that are still kept, and the links and stops of today. Needs a secret key.",
		Errors:      []int{401, 403, 422, 503},
	}, withSecret), s.explain)
}

type explainInput struct {
	UserID       string    `query:"user_id" maxLength:"512" doc:"The shop's id of a customer"`
	AnonymousID  string    `query:"anonymous_id" maxLength:"512" doc:"The id of a visitor"`
	Purpose      string    `query:"purpose" required:"true" maxLength:"64" doc:"A purpose of the declaration"`
	At           time.Time `query:"at" doc:"The time that is asked about; now if absent"`
	Jurisdiction string    `query:"jurisdiction" maxLength:"6" doc:"Where the request is from, ISO 3166" example:"US-CA"`
	GPC          bool      `query:"gpc" doc:"Whether the browser sends Global Privacy Control with the request"`
	TCF          string    `query:"tcf" maxLength:"8192" doc:"A TC string that comes with it"`
	GPP          string    `query:"gpp" maxLength:"8192" doc:"A GPP string that comes with it"`
}

type explainOutput struct{ Body consent.Explanation }

func (s *server) explain(ctx context.Context, in *explainInput) (*explainOutput, error) {
	if s.Gate.Stops(of(ctx).key.Source) {
		return nil, stopped
	}
	id, err := s.identifier(person{UserID: in.UserID, AnonymousID: in.AnonymousID}, "query")
	if err != nil {
		return nil, err
	}
	asked := consent.Asked{At: in.At, Stops: s.Book.Stops()}
	if asked.At.IsZero() {
		asked.At = s.Now()
	}
	var ok bool
	if asked.Purpose, ok = s.Declaration.Purpose(declare.PurposeID(in.Purpose)); !ok {
		return nil, problem(http.StatusUnprocessableEntity, codePurpose, "The declaration has no purpose of this name. GET /v1/declaration lists what it has.")
	}
	if in.Jurisdiction != "" {
		asked.Places = append(asked.Places, law.Place(in.Jurisdiction))
	}
	if asked.Token, asked.Records, err = s.allSaid(ctx, id); err != nil {
		return nil, err
	}
	s.hear(in, &asked)
	return &explainOutput{consent.Explain(s.Declaration, s.Notices, s.Law, asked)}, nil
}

// hear adds to a question what the signals say that come with the request. What
// the person chose in knowledge of their browser's signal goes before it.
func (s *server) hear(in *explainInput, asked *consent.Asked) {
	if s.Signals == nil || s.Law == nil {
		return
	}
	var where law.Regimes
	for _, place := range asked.Places {
		where |= s.Law.In(place)
	}
	sent := signal.Signals{GPC: in.GPC, At: asked.At}
	if in.TCF != "" {
		sent.ReadTCF(in.TCF)
	}
	if in.GPP != "" {
		sent.ReadGPP(in.GPP)
	}
	knowing := s.Choices.Knowing(asked.Token)
	for _, row := range s.Signals.Fired(where, &sent) {
		if row.Uses&s.Declaration.Purposes[asked.Purpose].Uses == 0 {
			continue
		}
		step := consent.Step{Rule: "signal", Effect: consent.Tells, Says: row.Text(), Source: row.Cited()}
		switch refused := signal.Refused(s.Declaration, row.Uses); {
		case row.Says == signal.Yes || !refused.Has(asked.Purpose):
		case row.Kind == signal.KindGPC && knowing.Has(asked.Purpose):
			step.Says += ", and the person chose otherwise since, knowing of it"
		default:
			step.Effect, asked.Deny = consent.Denies, asked.Deny.With(asked.Purpose)
		}
		asked.Signals = append(asked.Signals, step)
	}
}

// allSaid returns all that a person chose, under every token of theirs. Of somebody
// who is not known it is nothing, under a token that is nobody's.
func (s *server) allSaid(ctx context.Context, id identity.Identifier) (t identity.Token, all []consent.Record, err error) {
	t, known, err := s.find(id)
	if err != nil {
		return t, nil, err
	}
	if !known {
		return nobody, nil, nil
	}
	for _, m := range s.Book.Group(t) {
		records, err := s.Choices.History(ctx, m)
		if err != nil {
			return t, nil, unavailable(err)
		}
		all = append(all, records...)
	}
	return t, all, nil
}

// nobody is a token that was never given to anybody: tokens are random.
var nobody = identity.Token([]byte("accord's nobody\x01"))
