package api

import (
	"context"
	"errors"
	"net/http"
	"reflect"

	"github.com/danielgtaylor/huma/v2"

	"accord/internal/attribution"
)

// Attribution counts postbacks of Apple's AdAttributionKit. *attribution.Receiver does.
type Attribution interface {
	// Verify reads a postback and tells whether it was counted before; it writes nothing.
	Verify(body []byte) (p attribution.Postback, seen bool, err error)
	// Take counts one, durably; first is false for one that came before.
	Take(p attribution.Postback) (first bool, err error)
	Counts() []attribution.Count
}

// pathPostback is where Apple's devices send postbacks to: they put it behind the
// AttributionCopyEndpoint of the app.
const pathPostback = "/.well-known/appattribution/report-attribution"

// How many postbacks are kept a second, and at once: each waits for the disk. They come
// from devices all over the world, of which nothing is known, so the bound is on all
// together. What Apple did not sign, and what was counted before, takes nothing of it, so
// that nobody can use it up; what that costs is bounded by the size, by how many are
// verified at once, in the order in which they came, and by a bound of its own beyond
// which the connection is closed.
const (
	postbackRate   = 50
	postbackBurst  = 500
	verifiedAtOnce = 1
	junkRate       = 50
	junkBurst      = 500
)

type attributionOutput struct {
	Body struct {
		Counts []attribution.Count `json:"counts" doc:"Each report with how often it came, the most frequent first. The values from value on are not signed by Apple"`
	}
}

func (s *server) registerAttribution(api huma.API) {
	for _, end := range []string{"", "/{$}"} {
		s.handle("POST "+pathPostback+end, func(x *exchange, r *http.Request) {
			if err := s.postback(x, r); err != nil {
				x.fail(err)
				return
			}
			x.Header()["Content-Type"] = hJSON
			x.Write(success) //nolint:errcheck // the device is gone, and the postback is kept
		})
	}
	s.describe(api, huma.Operation{
		Method: http.MethodPost, Path: pathPostback, OperationID: "report-attribution", Tags: []string{"collect"},
		Summary:     "A postback of Apple's AdAttributionKit",
		Description: "Devices send it, and nobody else needs to. It is verified with Apple's key, counts once by its identifier, and names no person; no address is kept. Only for the apps of attribution.yaml; without that file nothing is taken. 500 makes the device send it again.",
	}, public, reflect.TypeFor[postbackBody](), reflect.TypeFor[segmentAnswer](), 400, 404, 408, 413, 500, 503)
	huma.Register(api, s.operation(huma.Operation{
		Method: http.MethodGet, Path: "/v1/attribution", OperationID: "get-attribution", Tags: []string{"server"},
		Summary: "What postbacks told, counted", Description: "Needs a secret key. Nothing in it is about a person.",
		Errors: []int{401, 403, 404},
	}, withSecret), func(context.Context, *struct{}) (*attributionOutput, error) {
		if s.Attribution == nil {
			return nil, noPostbacks
		}
		out := &attributionOutput{}
		out.Body.Counts = s.Attribution.Counts()
		return out, nil
	})
}

// postbackBody describes what Apple sends.
type postbackBody struct {
	_ struct{} `additionalProperties:"true"`

	JWS         string `json:"jws-string" doc:"What Apple signed, as a compact JWS (ES256)"`
	Value       *int   `json:"conversion-value,omitempty" minimum:"0" maximum:"63"`
	Coarse      string `json:"coarse-conversion-value,omitempty" enum:"low,medium,high"`
	Interaction string `json:"ad-interaction-type,omitempty" enum:"view,click"`
	Country     string `json:"country-code,omitempty"`
}

var noPostbacks = problem(http.StatusNotFound, codeNotFound,
	"No postbacks are taken here: whoever runs the server lists the App Store ids to count in attribution.yaml in the data directory.")

func (s *server) postback(x *exchange, r *http.Request) error {
	if s.Attribution == nil {
		return noPostbacks
	}
	b, err := x.body(r, attribution.MaxBody)
	if err != nil {
		return err
	}
	defer b.release()
	result, err := s.takePostback(r, b.bytes)
	if result != "counted" && result != "failed" && result != "" && !s.junk.take(1, s.Now()) {
		x.Header().Set("Connection", "close")
	}
	if result != "" {
		s.metrics.postbacks.WithLabelValues(result).Inc()
	}
	return err
}

// takePostback verifies a postback and keeps it if it is new, and returns what became of
// it, "" where it is put off.
func (s *server) takePostback(r *http.Request, body []byte) (result string, err error) {
	ctx, cancel := s.within(r)
	defer cancel()
	select {
	case s.verifying <- struct{}{}:
	case <-ctx.Done():
		return "", s.postbackLater()
	}
	p, seen, err := s.Attribution.Verify(body)
	<-s.verifying
	switch {
	case errors.Is(err, attribution.ErrOtherApp):
		return "other_app", problem(http.StatusNotFound, codeNotFound, "Postbacks about this app are not counted here: attribution.yaml does not list it.")
	case err != nil:
		return "bad", problem(http.StatusBadRequest, codeSignature, "This is not counted: "+err.Error()+".")
	case seen:
		return "again", nil
	case !s.postbacks.take(1, s.Now()):
		return "", s.postbackLater()
	}
	first, err := s.Attribution.Take(p)
	switch {
	case err != nil:
		return "failed", problem(http.StatusInternalServerError, codeUnavailable, "The postback could not be kept. The device sends it again.").because(err)
	case !first:
		return "again", nil
	}
	return "counted", nil
}

// postbackLater puts a postback off, with the status that makes the device send it again.
func (s *server) postbackLater() error {
	s.metrics.limited.Inc()
	return problem(http.StatusInternalServerError, codeTooMany, "Too many postbacks come at once. The device sends it again.").later(60)
}
