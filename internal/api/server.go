package api

import (
	"context"
	"crypto/rand"
	"net/http"
	"sync"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"accord/internal/collect"
	"accord/internal/declare"
)

func (s *server) registerVisitor(api huma.API) {
	huma.Register(api, s.operation(huma.Operation{
		Method: http.MethodPost, Path: "/v1/visitor", OperationID: "post-visitor", Tags: []string{"collect"},
		Summary:     "Become a visitor",
		Description: "Gives a new anonymous id and the token that proves it. Nothing is kept about it here. Send the token as Accord-Visitor.",
		Errors:      []int{401, 403, 429},
	}, withKey), s.visitor)
}

type visitorOutput struct {
	Body struct {
		AnonymousID string `json:"anonymous_id" doc:"A new id, which nobody else has"`
		Token       string `json:"token" doc:"Proves the id; keep it with the visitor and tell nobody else"`
	}
}

func (s *server) visitor(ctx context.Context, _ *struct{}) (*visitorOutput, error) {
	now := s.Now()
	if !s.visits.take(of(ctx).key.Source, 1, now) {
		s.metrics.limited.Inc()
		return nil, tooMany
	}
	var random [16]byte
	rand.Read(random[:])
	out := &visitorOutput{}
	out.Body.AnonymousID, out.Body.Token = s.Visitors.Issue(random, now)
	return out, nil
}

func (s *server) registerDebug(api huma.API) {
	huma.Register(api, s.operation(huma.Operation{
		Method: http.MethodGet, Path: "/v1/debug/{source}", OperationID: "get-debug", Tags: []string{"collect"},
		Summary:     "The last events of a source",
		Description: "What of each event was kept and what was dropped and why, without values. Needs a secret key. A source that sent nothing has no events.",
		Errors:      []int{401, 403},
	}, withSecret), s.debug)
}

type debugInput struct {
	Source string `path:"source" maxLength:"64" doc:"The name of a key's source"`
}

type debugOutput struct {
	Body struct {
		Events []collect.Trace `json:"events" doc:"The newest first"`
	}
}

func (s *server) debug(_ context.Context, in *debugInput) (*debugOutput, error) {
	out := &debugOutput{}
	if out.Body.Events = s.Collector.Debug(in.Source); out.Body.Events == nil {
		out.Body.Events = []collect.Trace{}
	}
	return out, nil
}

func (s *server) registerDeclaration(api huma.API) {
	huma.Register(api, s.operation(huma.Operation{
		Method: http.MethodGet, Path: "/v1/declaration", OperationID: "get-declaration", Tags: []string{"consent"},
		Summary:     "What is collected here and why",
		Description: "The declaration that the gate enforces: who answers for the data, every purpose with its legal basis and its text, how people are known, every field with its purposes and how long it is kept, and what the server itself keeps. Public. The notice that people read is written from it: GET /v1/notice.",
	}, public), func(context.Context, *struct{}) (*declarationOutput, error) {
		return &declarationOutput{Body: declaration(s.Declaration, s.signalled())}, nil
	})
}

type declarationOutput struct{ Body declarationBody }

type declarationBody struct {
	Version     string            `json:"version" doc:"The hash of the declaration"`
	Controllers []controllerBody  `json:"controllers" doc:"Who answers for the data; the first is the default"`
	Purposes    []purposeBody     `json:"purposes"`
	Identifiers []identifierBody  `json:"identifiers" doc:"How people may be known. The ids themselves are not kept: each is found again by a keyed HMAC"`
	Fields      []declarationItem `json:"fields" doc:"All that may be kept; what is not here is not kept"`
	System      []systemBody      `json:"system" doc:"What the server itself keeps about people, sealed, to account for what it did"`
}

type controllerBody struct {
	ID      string `json:"id"`
	Name    string `json:"name"`
	Contact string `json:"contact" doc:"Where a person writes to"`
	Country string `json:"country" doc:"ISO 3166-1 alpha-2"`
}

type purposeBody struct {
	ID         string   `json:"id"`
	Basis      string   `json:"basis" enum:"consent,contract,legal_obligation,legitimate_interest,opt_out"`
	Text       string   `json:"text" doc:"What it is, in plain words"`
	Title      string   `json:"title,omitempty" doc:"A few words, as beside a switch"`
	Without    string   `json:"without,omitempty" doc:"What changes for a person without it"`
	Recipients []string `json:"recipients" doc:"Who receives the data beside the controller"`
	Choosable  bool     `json:"choosable" doc:"Whether a person's choice decides it"`
	Valid      string   `json:"valid,omitempty" doc:"How long a consent lasts; absent: until withdrawn" example:"24 months"`
	Categories []string `json:"categories" doc:"The names under which consent managers know it"`
	Signal     bool     `json:"signal,omitzero" doc:"Whether a browser's privacy signal (Global Privacy Control) refuses it"`
	// Show is absent where nothing must be shown.
	Show []declare.Obligation `json:"show,omitempty" doc:"Texts that are shown with every answer for it"`
}

type identifierBody struct {
	Kind      string   `json:"kind" enum:"user_id,anonymous_id"`
	Category  string   `json:"category" doc:"What sort of data it is"`
	Purposes  []string `json:"purposes" doc:"For which of them a person may be known by it"`
	Retention string   `json:"retention" example:"6 years"`
	Text      string   `json:"text" doc:"What it is, in plain words"`
	Kept      string   `json:"kept" enum:"hmac" doc:"The form in which it is kept: HMAC-SHA-256 under a secret key"`
}

type systemBody struct {
	What      string `json:"what" enum:"choices,receipts"`
	Text      string `json:"text" doc:"What it is, in plain words"`
	Retention string `json:"retention" example:"36 months"`
}

type declarationItem struct {
	Where     string   `json:"where" enum:"trait,event,context" doc:"Where the field comes from"`
	Event     string   `json:"event,omitempty" doc:"The event it belongs to"`
	Path      string   `json:"path" example:"products[].price"`
	Category  string   `json:"category" doc:"What sort of data it is"`
	Special   bool     `json:"special,omitzero" doc:"Of a special category (GDPR Art. 9)"`
	Purposes  []string `json:"purposes"`
	Retention string   `json:"retention" example:"13 months"`
	Text      string   `json:"text,omitempty"`
}

func declaration(d *declare.Declaration, signalled declare.Set) declarationBody {
	kept := d.ReceiptRetention.String()
	out := declarationBody{
		Version: d.Hash, Controllers: []controllerBody{}, Purposes: []purposeBody{}, Identifiers: []identifierBody{}, Fields: []declarationItem{},
		System: []systemBody{
			{"choices", "What you chose and when; a choice that still decides something is kept longer", kept},
			{"receipts", "What each answer made for you used, and why", kept},
		},
	}
	for _, c := range d.Controllers {
		out.Controllers = append(out.Controllers, controllerBody{ID: string(c.ID), Name: c.Name, Contact: c.Contact, Country: c.Country})
	}
	for i := range d.Purposes {
		p := &d.Purposes[i]
		b := purposeBody{
			ID: string(p.ID), Basis: p.Basis.String(), Text: p.Text, Title: p.Title, Without: p.Without, Recipients: append([]string{}, p.Recipients...), Categories: append([]string{}, p.Categories...),
			Show: p.Show, Choosable: p.Basis != declare.Contract && p.Basis != declare.LegalObligation,
			Signal: signalled.Has(declare.PurposeIndex(i)),
		}
		if !p.Valid.IsZero() {
			b.Valid = p.Valid.String()
		}
		out.Purposes = append(out.Purposes, b)
	}
	for _, id := range d.Identifiers {
		out.Identifiers = append(out.Identifiers, identifierBody{
			Kind: id.Kind.String(), Category: id.Category, Purposes: purposeNames(id.Purposes), Retention: id.Retention.String(), Text: id.Text, Kept: "hmac",
		})
	}
	add := func(where, event string, fields []declare.Field) {
		for i := range fields {
			f := &fields[i]
			item := declarationItem{Where: where, Event: event, Path: f.Path, Category: f.Category, Special: f.Sensitivity == declare.Special, Retention: f.Retention.String(), Text: f.Text, Purposes: purposeNames(f.Purposes)}
			out.Fields = append(out.Fields, item)
		}
	}
	add("trait", "", d.Attributes)
	for i := range d.Events {
		add("event", d.Events[i].Name, d.Events[i].Fields)
	}
	add("context", "", d.Context)
	return out
}

func purposeNames(ids []declare.PurposeID) []string {
	out := make([]string, len(ids))
	for i, id := range ids {
		out[i] = string(id)
	}
	return out
}

// basisWords names a basis within a sentence.
func basisWords(b declare.Basis) string {
	switch b {
	case declare.Contract:
		return "a contract"
	case declare.LegalObligation:
		return "a legal obligation"
	}
	return "its own basis"
}

// health remembers what the last probe found.
type health struct {
	mu   sync.Mutex
	at   time.Time // guarded by mu
	err  error     // guarded by mu
	made bool      // guarded by mu
}

// probeEvery is how long a finding holds, and probeWithin how long a probe may
// take.
const (
	probeEvery  = time.Second
	probeWithin = 3 * time.Second
)

// check returns what a real write found a second ago at most. Whoever asks
// while a probe runs waits for it.
func (s *server) check(ctx context.Context) error {
	h := &s.health
	h.mu.Lock()
	defer h.mu.Unlock()
	now := s.Now()
	if since := now.Sub(h.at); h.made && since >= 0 && since < probeEvery {
		return h.err
	}
	// The probe is everybody's, so it does not end with the one who asked.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), probeWithin)
	defer cancel()
	h.err = s.Probe(ctx)
	h.at, h.made = s.Now(), true
	if h.err != nil {
		s.Logger.Error("the server is not healthy", "error", h.err)
	}
	return h.err
}

type healthBody struct {
	Status string `json:"status" enum:"ok"`
}

func (s *server) registerHealth(api huma.API) {
	huma.Register(api, s.operation(huma.Operation{
		Method: http.MethodGet, Path: "/healthz", OperationID: "get-health", Tags: []string{"server"},
		Summary: "Whether the server can keep what it is sent", Description: "Found by a real write, a second ago at most.",
		Errors: []int{503},
	}, public), func(ctx context.Context, _ *struct{}) (*struct{ Body healthBody }, error) {
		if err := s.check(ctx); err != nil {
			return nil, problem(http.StatusServiceUnavailable, codeUnavailable, "The server cannot write to its log, so it takes nothing and promises nothing. Its own log has the cause.").later(5)
		}
		return &struct{ Body healthBody }{healthBody{Status: "ok"}}, nil
	})
	figures := problems(api.OpenAPI().Components.Schemas, 401, 403)
	figures["200"] = &huma.Response{Description: "Prometheus' text format", Content: map[string]*huma.MediaType{"text/plain": {Schema: &huma.Schema{Type: "string"}}}}
	api.OpenAPI().AddOperation(&huma.Operation{
		Method: http.MethodGet, Path: "/metrics", OperationID: "get-metrics", Tags: []string{"server"},
		Summary:     "Figures for Prometheus",
		Description: "Needs a secret key, since some figures move with what is known about people. Prometheus sends it as the user of basic_auth, or as a bearer token.",
		Security:    []map[string][]string{{"key": {}}, {"basic": {}}},
		Responses:   figures,
	})
}
