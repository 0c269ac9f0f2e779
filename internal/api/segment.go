package api

import (
	"errors"
	"maps"
	"net/http"
	"reflect"
	"slices"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"accord/internal/auth"
	"accord/internal/collect"
	"accord/internal/identity"
)

// kinds are Segment's calls, each at /v1/KIND.
var kinds = []string{"identify", "track", "page", "screen", "group", "alias", "batch"}

// aliases are what official clients call the same routes: analytics.js in the
// browser and the mobile clients by letters, those for Ruby and Java import.
var aliases = map[string]string{
	"t": "track", "i": "identify", "p": "page", "s": "screen", "g": "group", "a": "alias", "b": "batch", "import": "batch",
}

// success is Segment's answer.
var success = []byte(`{"success":true}`)

// collect returns the handler of one of Segment's routes.
func (s *server) collect(kind string) func(x *exchange, r *http.Request) {
	limit := maxSingle
	if kind == "batch" {
		limit = maxBatch
	}
	return func(x *exchange, r *http.Request) {
		if err := s.collectOne(x, r, kind, limit); err != nil {
			x.fail(s.asSegment(err))
			return
		}
		x.Header()["Content-Type"] = hJSON
		x.Write(success) //nolint:errcheck // the client is gone, and the events are kept
	}
}

func (s *server) collectOne(x *exchange, r *http.Request, kind string, limit int) error {
	received := s.Now()
	// A key in the header is checked before anything is read for it.
	plain := credentials(r)
	if plain != "" {
		if err := x.admit(r, plain); err != nil {
			return err
		}
	}
	b, err := x.body(r, limit)
	if err != nil {
		return err
	}
	defer b.release()
	var said claims
	if plain == "" || x.key.Kind == auth.Write {
		var ok bool
		if said, ok = scan(b.bytes, plain == ""); !ok && plain == "" {
			return badJSON
		}
	}
	if plain == "" {
		if err := x.admit(r, said.writeKey); err != nil {
			return err
		}
	}
	visitors, shops := proofs(r)
	if len(visitors) == 0 {
		visitors = said.visitors
	}
	if len(shops) == 0 {
		shops = said.shops
	}
	// A proof that does not hold is counted and proves nothing. To refuse it
	// would lose the whole batch, since clients do not send it again.
	x.prove(visitors, shops) //nolint:errcheck
	ctx, cancel := s.within(r)
	defer cancel()
	begun, denies := time.Now(), false
	_, err = s.Collector.Collect(ctx, collect.Request{
		Source: x.key.Source, Speaker: x.speaker, Where: x.where(""), Place: x.place, Kind: kind, Received: received, Body: b.bytes,
		MayDeny:   func(people int) bool { denies = true; return s.mayDeny(x, people) },
		MayChoose: func(t identity.Token, p identity.Proof) bool { return s.mayChoose(x, t, p) },
		Honour:    s.honouring(x),
	})
	if denies {
		level(ctx, begun)
	}
	return err
}

var badJSON = problem(http.StatusBadRequest, codeBadJSON,
	"The body is not one JSON object in UTF-8. Nothing of it was kept.")

// asSegment gives errors the statuses by which Segment's clients know what to
// do: 400 is never sent again, 429 and 5xx are.
func (s *server) asSegment(err error) error {
	p, ok := errors.AsType[*Problem](err)
	switch {
	case ok && p.Status == http.StatusRequestEntityTooLarge:
		q := *p
		q.Status, q.Title = http.StatusBadRequest, http.StatusText(http.StatusBadRequest)
		return &q
	case ok:
		return err
	case errors.Is(err, collect.ErrTooLarge):
		return problem(http.StatusBadRequest, codeTooLarge, "The batch holds more than a batch may: 2,500 events and 500 KiB. Send it in smaller parts; nothing of it was kept.")
	case errors.Is(err, collect.ErrBadJSON):
		return badJSON
	case s.Busy(err):
		return err
	case errors.Is(err, collect.ErrTooOften):
		return tooMany
	case errors.Is(err, collect.ErrClosed), errors.Is(err, collect.ErrRetry):
		return unavailable(nil) // in order, so nothing for the log
	}
	return unavailable(err)
}

// registerSegment puts Segment's routes on the mux and describes them by hand:
// huma would refuse what real clients send.
func (s *server) registerSegment(api huma.API) {
	registry := api.OpenAPI().Components.Schemas
	event := registry.Schema(reflect.TypeFor[segmentEvent](), true, "SegmentEvent")
	batch := registry.Schema(reflect.TypeFor[segmentBatch](), true, "SegmentBatch")
	for _, kind := range kinds {
		in, limit := event, "32 KiB"
		if kind == "batch" {
			in, limit = batch, "500 KiB and 2,500 events"
		}
		s.handle("POST /v1/"+kind, s.collect(kind))
		s.describeSegment(api, kind, "Segment's "+kind, in,
			"Takes what Segment's and RudderStack's clients send: JSON, plain or gzipped, whatever its labels, of at most "+limit+
				" unzipped. The key comes as Basic, as Bearer, or as writeKey in the body. Each field that is declared and has a valid basis is kept, all else is dropped and counted; one bad event does not fail its batch. A 200 is sent when all that is kept is on disk. 429 and 503 carry Retry-After, and nothing was kept.")
	}
	names := []any{}
	for _, short := range slices.Sorted(maps.Keys(aliases)) {
		s.handle("POST /v1/"+short, s.collect(aliases[short]))
		names = append(names, short)
	}
	s.handle("POST /v1/import/{$}", s.collect("batch")) // as analytics-java spells it
	op := s.describeSegment(api, "{short}", "The same calls by the names that some clients use", &huma.Schema{OneOf: []*huma.Schema{event, batch}},
		"What the browser's, the mobile and some servers' clients call the routes: t is track, i identify, p page, s screen, g group, a alias; b and import are batch.")
	op.OperationID = "segment-short"
	op.Parameters = append(op.Parameters, &huma.Param{Name: "short", In: "path", Required: true, Schema: &huma.Schema{Type: "string", Enum: names}})
}

func (s *server) describeSegment(api huma.API, path, summary string, in *huma.Schema, description string) *huma.Operation {
	registry := api.OpenAPI().Components.Schemas
	answer := registry.Schema(reflect.TypeFor[segmentAnswer](), true, "SegmentAnswer")
	op := &huma.Operation{
		Method: http.MethodPost, Path: "/v1/" + path, OperationID: "segment-" + path, Tags: []string{"collect"},
		Summary: summary, Description: description,
		Security:    []map[string][]string{{"key": {}}, {"basic": {}}, {}},
		Parameters:  proofParameters(),
		RequestBody: &huma.RequestBody{Required: true, Content: map[string]*huma.MediaType{"application/json": {Schema: in}, "text/plain": {Schema: in}, "application/x-www-form-urlencoded": {Schema: in}}},
		Responses:   responses(registry, "Taken", answer, 400, 401, 403, 408, 429, 500, 503),
	}
	api.OpenAPI().AddOperation(op)
	return op
}

type segmentAnswer struct {
	Success bool `json:"success" doc:"Always true"`
}

type segmentEvent struct {
	_ struct{} `additionalProperties:"true"`

	WriteKey    string         `json:"writeKey,omitempty" doc:"The API key, where no Authorization field comes"`
	Type        string         `json:"type,omitempty" doc:"track, identify, page, screen, group or alias; needed in a batch, elsewhere the route says it"`
	MessageID   string         `json:"messageId,omitempty" doc:"The same id within a day is the same message"`
	UserID      string         `json:"userId,omitempty"`
	AnonymousID string         `json:"anonymousId,omitempty"`
	PreviousID  string         `json:"previousId,omitempty" doc:"Of alias: the visitor who is the user, if the speaker proved to be both"`
	Event       string         `json:"event,omitempty" doc:"The event's name; needed by track"`
	Name        string         `json:"name,omitempty" doc:"The name of a page or a screen"`
	Properties  map[string]any `json:"properties,omitempty"`
	Traits      map[string]any `json:"traits,omitempty"`
	Context     map[string]any `json:"context,omitempty" doc:"context.consent is honoured; context.accord.visitor and context.accord.shop_token prove who speaks"`
	Timestamp   string         `json:"timestamp,omitempty" format:"date-time" doc:"When it happened"`
	Original    string         `json:"originalTimestamp,omitempty" format:"date-time" doc:"When it happened, where timestamp is absent"`
	SentAt      string         `json:"sentAt,omitempty" format:"date-time" doc:"When it was sent, by the same clock"`
}

type segmentBatch struct {
	_ struct{} `additionalProperties:"true"`

	WriteKey string         `json:"writeKey,omitempty" doc:"The API key, where no Authorization field comes"`
	Batch    []segmentEvent `json:"batch" doc:"Events, each with its type"`
	Context  map[string]any `json:"context,omitempty" doc:"Merged into the context of each event"`
	SentAt   string         `json:"sentAt,omitempty" format:"date-time"`
}
