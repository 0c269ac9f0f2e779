package api

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/prometheus/client_golang/prometheus"

	"accord/internal/auth"
	"accord/internal/choices"
	"accord/internal/consent"
)

func (s *server) registerStops(api huma.API) {
	huma.Register(api, s.operation(huma.Operation{
		Method: http.MethodPost, Path: "/v1/stops", OperationID: "post-stop", Tags: []string{"server"},
		Summary:     "Emergency stop",
		Description: "Refuses a purpose, an attribute, a source or everything for everyone, or ends that. When this answers it is on disk and in force, also for answers that were under way. A stop destroys nothing: what was kept waits. Needs a secret key.",
		Errors:      []int{401, 403, 503},
	}, withSecret), s.postStop)
	huma.Register(api, s.operation(huma.Operation{
		Method: http.MethodGet, Path: "/v1/stops", OperationID: "get-stops", Tags: []string{"server"},
		Summary: "The emergency stops in force", Description: "Needs a secret key.", Errors: []int{401, 403},
	}, withSecret), func(context.Context, *struct{}) (*stopsOutput, error) { return s.stops(), nil })
	s.Metrics.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "accord_stops", Help: "Emergency stops in force.",
	}, func() float64 { return float64(len(s.Book.Stops())) }))
}

type postStopInput struct {
	Body struct {
		Kind   string `json:"kind" enum:"purpose,attribute,source,all" doc:"What is refused: nothing is used or kept for a purpose; an attribute is neither kept nor shown; a source collects nothing and gets un-personal answers; all is everything personal"`
		Name   string `json:"name,omitempty" maxLength:"256" doc:"Its name, as the declaration or the API key spells it; none for all" example:"personalization"`
		Resume bool   `json:"resume,omitempty" doc:"End the stop"`
		Why    string `json:"why" minLength:"1" maxLength:"256" doc:"For whoever reads it later; names nobody" example:"complaint 17 is being looked into"`
	}
}

type stopsOutput struct {
	Body struct {
		Stops []stopBody `json:"stops" doc:"In force, the oldest first"`
	}
}

type stopBody struct {
	Kind     string    `json:"kind" enum:"purpose,attribute,source,all"`
	Name     string    `json:"name,omitempty"`
	Why      string    `json:"why"`
	By       string    `json:"by" doc:"The source whose key was used"`
	Since    time.Time `json:"since"`
	Doubtful bool      `json:"doubtful,omitzero" doc:"It is in force, but may be gone after a restart: say it again"`
}

func (s *server) postStop(ctx context.Context, in *postStopInput) (*stopsOutput, error) {
	stop := consent.Stop{Kind: consent.StopKind(in.Body.Kind), Name: in.Body.Name, Resume: in.Body.Resume, Why: in.Body.Why, By: of(ctx).key.Source}
	if stop.Resume && s.Gate.Stops(stop.By) {
		return nil, stopped // whoever has a key that leaked must not lift its stop
	}
	if stop.Kind == consent.StopAttribute {
		stop.Name = strings.TrimPrefix(stop.Name, "trait/") // as notices and receipts call it
	}
	if stop.Kind == consent.StopSource && !s.speaks(stop.Name) {
		return nil, unheardOf
	}
	if err := s.Choices.Stop(ctx, stop); errors.Is(err, choices.ErrInvalid) {
		return nil, unheardOf
	} else if err != nil {
		return nil, s.unrecorded(err)
	}
	return s.stops(), nil
}

var unheardOf = invalid("body.name", "is not known here: GET /v1/declaration lists purposes and attributes, `accord key list` the sources, and all has no name")

// speaks reports whether a source ever had a key, or is stopped.
func (s *server) speaks(source string) bool {
	return slices.ContainsFunc(s.Keys.List(), func(k auth.Key) bool { return k.Source == source }) ||
		slices.ContainsFunc(s.Book.Stops(), func(o consent.Stopped) bool { return o.Kind == consent.StopSource && o.Name == source })
}

func (s *server) stops() *stopsOutput {
	out := &stopsOutput{}
	out.Body.Stops = []stopBody{}
	for _, stop := range s.Book.Stops() {
		out.Body.Stops = append(out.Body.Stops, stopBody{Kind: string(stop.Kind), Name: stop.Name, Why: stop.Why, By: stop.By, Since: stop.Since.UTC(), Doubtful: stop.Doubtful})
	}
	return out
}
