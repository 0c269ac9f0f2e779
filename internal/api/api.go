// Package api is the server's HTTP face.
//
// Two sorts of route stand on one net/http mux. Accord's own (decide, consent,
// preferences, receipts, visitors, catalogue, debugger, declaration) are described by huma
// and refuse what they do not know. Segment's tracking routes take what
// Segment's and RudderStack's clients really send, whatever its labels, and one
// bad event never fails a batch. All are in the OpenAPI document at
// /openapi.json.
//
//	handler, err := api.New(api.Config{…})
//	server := api.Server(handler, registry, logger)
//	server.Addr = "127.0.0.1:8080"
//	err = server.ListenAndServe()
//
// # Who speaks
//
// Every request but the public ones carries an API key, as "Authorization:
// Bearer KEY", as the user of Basic, or for Segment's routes as "writeKey" in
// the body. A secret key speaks for everybody. A write key is public and proves
// nothing; with it may come a visitor token of this server (Accord-Visitor) and
// a token that the shop signed (Accord-Shop-Token), which Segment's clients can
// put into context.accord.visitor and context.accord.shop_token. A proof that
// does not hold is refused with 401, except on Segment's routes, where a 401
// would lose the whole batch: there it counts as no proof. A batch may hold several
// proofs; the last eight of each kind count, each for its own person.
//
// Without a proof nobody gets a personal answer, reads a choice or a receipt, or
// widens a consent. They can narrow one, since that protects the person, and
// neither the answer nor its time says whether the person is known: it is bounded
// by the source before anybody is looked up, and answered on a grid of 100 ms.
// That holds as long as the log takes a choice within a tick; where it is slower,
// full or away, the narrowing of somebody known takes a tick more or fails, and
// that of somebody unknown does not. A secret key is needed for the figures at
// /metrics, some of which move with what is known.
//
// A choice may carry the person's signature under a statement (see PUT
// /v1/consent). It shows that the holder of a key made the choice, and proves
// nothing about who speaks: a proof is needed besides. A signature that comes again
// records nothing, and its statement counts as of its own time, so what was chosen
// since stands.
//
// # The browser's signal
//
// "Sec-GPC: 1" with a public key refuses, for that request, what the table of signals
// says. Of a person who is known and proven it is recorded once, as a choice with the
// method signal; what they choose here in knowledge of it goes before it.
//
// # Bounds
//
// Visitors are bounded by the source. Public keys are bounded, secret ones are
// not: unproven refusals by the source, choices and reading them back by the
// person, bodies in flight by their bytes. What is refused so is answered 429 or
// 503 with Retry-After.
//
// # Errors
//
// All errors are problem details (RFC 9457) made in one place, say what to do,
// and carry a request id under which the log has the cause. They never repeat
// what was sent. Each is counted by its code in accord_http_problems_total; what
// is wrong with one event of many, with the events (accord_collect_total).
//
// Promises kept here: 1 (unproven, nobody widens a consent or gets a personal
// answer), 3 in part (answers are never cached: Cache-Control: no-store;
// their state says what a page that keeps one must keep it under), 5 (a
// 200 is sent after the log has it), 6 (the receipt leaves with the answer, byte
// for byte as it was written down).
//
// Non-goals: deciding anything, pages for people (package web), TLS.
package api

import (
	"context"
	"errors"
	"io"
	"log"
	"log/slog"
	"net/http"
	"net/netip"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"golang.org/x/sync/semaphore"

	"accord/internal/consent"
	"accord/internal/decide/run"
	"accord/internal/declare"
	"accord/internal/identity"
	"accord/internal/law"
	"accord/internal/notice"
	"accord/internal/signal"
)

// Config is what the API needs. What is not marked optional is required.
type Config struct {
	Declaration *declare.Declaration
	Notices     *notice.Registry
	Gate        *consent.Gate
	Book        *consent.Book

	Keys      Keys
	People    People
	Collector Collector
	Decider   Decider
	Receipts  Receipts
	Views     run.Views
	Choices   Choices
	Held      Held
	Catalog   Catalog // optional: without one, items have ids only
	// Attribution is optional: without, no postback is taken.
	Attribution Attribution

	Law     *law.Code      // that the gate and the book know; nil for none
	Places  Places         // optional: without, an address is of nowhere known
	Signals *signal.Table  // optional: without, no signal of a browser is heard
	Proxies []netip.Prefix // whose X-Forwarded-For is believed

	Visitors *identity.Visitors
	Shop     *identity.ShopKeys // optional: without, no shop token holds

	// Probe checks the health by a real write. It is asked once a second at
	// most.
	Probe func(context.Context) error
	// CaughtUp waits until all that was collected shows in answers. Optional: a told
	// preference then counts a moment after its answer.
	CaughtUp func(context.Context) error
	// Busy tells the errors that mean "later": the log's queue is full.
	Busy func(error) bool
	// ModelsWithin is how long after a withdrawal of ModelsUnder, the purpose that
	// shared models are learnt under, they may still know the person; it is answered
	// with the withdrawal as a moment.
	ModelsWithin time.Duration
	ModelsUnder  declare.PurposeID
	// Metrics takes the API's metrics and is served at /metrics.
	Metrics *prometheus.Registry
	Logger  *slog.Logger

	// Pages are what people see in a browser, by pattern. Optional.
	Pages map[string]http.Handler

	Now     func() time.Time // optional: time.Now
	Timeout time.Duration    // optional: how long a request may take, 10 s
	// VisitorRate is how many visitor tokens a source may get a second, and
	// twice as many at once. Optional: 500.
	VisitorRate float64
	// NarrowRate is how many unproven refusals a source may send a second, and
	// twice as many at once. Optional: 50.
	NarrowRate float64
	// Bodies is how many bytes of bodies may be in memory at once for callers
	// without a secret key in the header, each counted as the most that its route
	// takes. Optional: 256 MiB.
	Bodies int64
	// ChoiceRate is how many choices a person may make a second with a public key,
	// and twenty times as many at once; they may read five times as many back, and
	// fifty times at once. Optional: 1.
	ChoiceRate float64
}

// server is the API.
type server struct {
	Config
	mux     *http.ServeMux
	needs   map[string]access // of huma's routes, by pattern
	metrics *metrics
	health  health
	visits  *buckets
	narrows *buckets
	chooses *buckets
	reads   *buckets // of what a person chose: each reads all of it from the log
	bodies  *semaphore.Weighted
	// postbacks bounds how many are kept, junk how many of those that are not are heard
	// on one connection, and verifying how many are verified at once.
	postbacks, junk bucket
	verifying       chan struct{}
	// complaints bounds how many faults are logged as errors.
	complaints bucket
	openapi    []byte
}

// New returns the API's handler. It fails when a required part of c is missing.
func New(c Config) (http.Handler, error) {
	s := &server{Config: c, mux: http.NewServeMux(), needs: map[string]access{}, complaints: bucket{rate: 10, burst: 50}, postbacks: bucket{rate: postbackRate, burst: postbackBurst},
		junk: bucket{rate: junkRate, burst: junkBurst}, verifying: make(chan struct{}, verifiedAtOnce)}
	if err := s.complete(); err != nil {
		return nil, err
	}
	s.metrics = newMetrics(s.Metrics)
	s.visits = newBuckets(s.VisitorRate, 2*s.VisitorRate)
	s.narrows = newBuckets(s.NarrowRate, 2*s.NarrowRate)
	s.bodies = semaphore.NewWeighted(s.Bodies)
	s.reads = newBuckets(5*s.ChoiceRate, 50*s.ChoiceRate)
	s.chooses = newBuckets(s.ChoiceRate, 20*s.ChoiceRate)
	api := humago.New(humaMux{s}, s.humaConfig())
	api.UseMiddleware(s.bound)
	s.registerConsent(api)
	s.registerErase(api)
	s.registerExplain(api)
	s.registerHeld(api)
	s.registerPreferences(api)
	s.registerLinks(api)
	s.registerStops(api)
	s.registerVisitor(api)
	s.registerDebug(api)
	s.registerCatalog(api)
	s.registerDeclaration(api)
	s.registerNotice(api)
	s.registerDecide(api)
	s.registerReceipts(api)
	s.registerSegment(api)
	s.registerHealth(api)
	s.registerSignals(api)
	s.registerAttribution(api)
	if err := s.serveOpenAPI(api); err != nil {
		return nil, err
	}
	metrics := promhttp.HandlerFor(s.Metrics, promhttp.HandlerOpts{ErrorHandling: promhttp.HTTPErrorOnError})
	s.handle("GET /metrics", func(x *exchange, r *http.Request) {
		if err := x.enter(r, withSecret); err != nil {
			x.fail(err)
			return
		}
		metrics.ServeHTTP(x, r)
	})
	s.handle("/", s.other)
	for pattern, page := range s.Pages {
		s.mux.Handle(pattern, page)
	}
	return s.mux, nil
}

// complete checks what is required and fills in what is not.
func (s *server) complete() error {
	for name, missing := range map[string]bool{
		"Declaration": s.Declaration == nil, "Notices": s.Notices == nil, "Gate": s.Gate == nil, "Book": s.Book == nil, "Keys": s.Keys == nil,
		"People": s.People == nil, "Collector": s.Collector == nil, "Decider": s.Decider == nil,
		"Receipts": s.Receipts == nil, "Choices": s.Choices == nil, "Held": s.Held == nil, "Views": s.Views == nil, "Visitors": s.Visitors == nil,
		"Probe": s.Probe == nil, "Busy": s.Busy == nil, "Metrics": s.Metrics == nil, "Logger": s.Logger == nil,
		"ModelsWithin": s.ModelsWithin <= 0,
	} {
		if missing {
			return errors.New("api: Config." + name + " is required")
		}
	}
	if s.Now == nil {
		s.Now = time.Now
	}
	if s.Timeout <= 0 {
		s.Timeout = 10 * time.Second
	}
	if s.VisitorRate <= 0 {
		s.VisitorRate = 500
	}
	if s.NarrowRate <= 0 {
		s.NarrowRate = 50
	}
	if s.Bodies <= 0 {
		s.Bodies = 256 << 20
	}
	if s.ChoiceRate <= 0 {
		s.ChoiceRate = 1
	}
	return nil
}

// Server returns an http.Server for handler with every wait bounded: a handler
// that answers for longer moves its own write deadline. What the server itself
// complains of is counted in metrics, and faults of the program go to logger.
// Set its Addr or give it a listener.
func Server(handler http.Handler, metrics prometheus.Registerer, logger *slog.Logger) *http.Server {
	return &http.Server{
		Handler:           handler,
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       30 * time.Second,
		WriteTimeout:      time.Minute,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    32 << 10,
		ConnContext:       connContext,
		ErrorLog:          log.New(newErrorLog(metrics, logger), "", 0),
	}
}

// humaConfig describes the API to huma. Bodies are read strictly: a name that
// comes twice and bytes that are not UTF-8 are errors.
func (s *server) humaConfig() huma.Config {
	format := huma.Format{Marshal: func(w io.Writer, v any) error { return marshal(w, v) }, Unmarshal: unmarshal}
	c := huma.Config{
		OpenAPI: &huma.OpenAPI{
			OpenAPI: "3.1.0",
			Info: &huma.Info{
				Title: "Accord", Version: "1",
				Description: "A personalization server that the customer, too, would choose: events in, personal answers out, each through one gate and with a receipt.",
			},
			Components: &huma.Components{
				Schemas: huma.NewMapRegistry("#/components/schemas/", huma.DefaultSchemaNamer),
				SecuritySchemes: map[string]*huma.SecurityScheme{
					"key":   {Type: "http", Scheme: "bearer", Description: "A secret key (sk_…), which speaks for everybody, or a write key (wk_…), which proves nothing by itself."},
					"basic": {Type: "http", Scheme: "basic", Description: "The same key as the user, with an empty password."},
				},
			},
			Tags: []*huma.Tag{
				{Name: "decide", Description: "Personal answers and their receipts"},
				{Name: "consent", Description: "What people choose"},
				{Name: "collect", Description: "Segment's HTTP tracking API"},
				{Name: "catalogue", Description: "The products that answers are made of"},
				{Name: "server", Description: "About the server itself"},
			},
		},
		Formats:                      map[string]huma.Format{"application/json": format, "json": format},
		DefaultFormat:                "application/json",
		RejectUnknownQueryParameters: true,
		Transformers:                 []huma.Transformer{stampHuma},
	}
	return c
}

// humaMux is the mux as huma sees it: every route is let through [server.handle]
// and, before huma reads anything, through the question who calls.
type humaMux struct{ *server }

type exchangeKey struct{}

// HandleFunc registers one of huma's routes.
func (m humaMux) HandleFunc(pattern string, handler func(http.ResponseWriter, *http.Request)) {
	need, ok := m.needs[pattern]
	if !ok {
		need = withSecret // default deny: a route that forgot to say
	}
	m.handle(pattern, func(x *exchange, r *http.Request) {
		if err := x.enter(r, need); err != nil {
			x.fail(err)
			return
		}
		// Bodies are JSON whatever they are called, as on the other routes: curl -d
		// calls everything a form.
		r.Header.Set("Content-Type", "application/json")
		handler(x, r.WithContext(context.WithValue(r.Context(), exchangeKey{}, x)))
	})
}

// ServeHTTP is for huma's tests.
func (m humaMux) ServeHTTP(w http.ResponseWriter, r *http.Request) { m.mux.ServeHTTP(w, r) }

// of returns the exchange of a request that huma handles.
func of(ctx context.Context) *exchange { return ctx.Value(exchangeKey{}).(*exchange) }

// bound ends huma's requests in time.
func (s *server) bound(ctx huma.Context, next func(huma.Context)) {
	c, cancel := context.WithTimeout(ctx.Context(), s.Timeout)
	defer cancel()
	next(huma.WithContext(ctx, c))
}

// operation describes one of our own routes, and what it asks of its caller.
func (s *server) operation(op huma.Operation, need access) huma.Operation {
	s.needs[op.Method+" "+op.Path] = need
	if need != public {
		op.Security = []map[string][]string{{"key": {}}, {"basic": {}}}
	}
	if op.MaxBodyBytes == 0 {
		op.MaxBodyBytes = maxConsent
	}
	op.BodyReadTimeout = 15 * time.Second
	return op
}

// other answers what no route takes: a browser's question before a request, a
// wrong method, a wrong path.
func (s *server) other(x *exchange, r *http.Request) {
	if r.Method == http.MethodOptions {
		x.preflight(r)
		return
	}
	if allowed := s.allowed(r); allowed != "" {
		x.Header().Set("Allow", allowed)
		x.fail(problem(http.StatusMethodNotAllowed, codeMethod, "This route takes "+allowed+"."))
		return
	}
	x.fail(problem(http.StatusNotFound, codeNotFound, "There is nothing at this path. /openapi.json lists what there is."))
}

// allowed lists the methods under which the path of r has a route.
func (s *server) allowed(r *http.Request) (list string) {
	for _, method := range []string{http.MethodGet, http.MethodPut, http.MethodPost} {
		try := &http.Request{Method: method, URL: r.URL, Host: r.Host}
		if _, pattern := s.mux.Handler(try); methodOf(pattern) != "" {
			if list != "" {
				list += ", "
			}
			list += method
		}
	}
	return list
}
