package api

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/prometheus/client_golang/prometheus"

	"accord/internal/auth"
	"accord/internal/catalog"
	"accord/internal/catalog/store"
	"accord/internal/choices"
	"accord/internal/collect"
	"accord/internal/consent"
	"accord/internal/decide"
	"accord/internal/decide/run"
	"accord/internal/declare"
	"accord/internal/eventlog"
	"accord/internal/held"
	"accord/internal/identity"
	"accord/internal/law"
	"accord/internal/notice"
	"accord/internal/profile"
	"accord/internal/signal"
	"accord/internal/vault"
)

// house is a real server with real keepers. Only the engine is the tests' own:
// it says what it was given.
type house struct {
	t        *testing.T
	http     *httptest.Server
	access   *auth.Keys
	keys     *vault.Keys
	gate     *consent.Gate
	book     *consent.Book
	notices  *notice.Registry
	choices  *choices.Choices
	vault    *vault.Vault
	visitors *identity.Visitors
	shopKey  ed25519.PrivateKey
	registry *prometheus.Registry
	log      *lockedBuffer
	engine   *engine
	config   Config

	write, secret, other string // plain keys
}

// engine answers item-1 … item-N, personally if it was given a view.
type engine struct {
	mu   sync.Mutex
	last decide.Ask // guarded by mu
	err  error      // guarded by mu
	boom bool       // guarded by mu
}

func (*engine) Name() string { return "recommend" }

func (e *engine) Decide(_ context.Context, ask decide.Ask, view profile.View) (decide.Result, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.last = ask
	if e.boom {
		panic("engine secret internals")
	}
	out := decide.Result{Personal: view.Personal(), Model: "test"}
	for i := range ask.N {
		item := decide.Item{ID: "item-" + string(rune('1'+i%9)), Score: 1 / float64(i+1), Reasons: []decide.Reason{{Code: "popular", Share: 1}}}
		if view.Personal() {
			item.Reasons = []decide.Reason{{Code: "because_item", Item: "item-9", Action: "purchase", Share: 1}}
		}
		out.Items = append(out.Items, item)
	}
	if view.Personal() {
		out.Used = []decide.Use{{Kind: "purchase", Count: 3}}
	}
	return out, e.err
}

func (e *engine) set(f func(e *engine)) {
	e.mu.Lock()
	defer e.mu.Unlock()
	f(e)
}

// template returns the declaration that `accord init` writes, and its notices.
func template(tb testing.TB) (*declare.Declaration, *notice.Registry) {
	tb.Helper()
	const show = `receipt: after
    show: [{code: human_contact, text: "Questions? \"Ask\" Anna: 030 123"}]`
	d, err := declare.Parse("accord.yaml", []byte(strings.Replace(string(declare.Template("shop")), "receipt: after", show, 1)))
	must(tb, err)
	const shown = "\nshow:\n  personalization:\n    human_contact: Вопросы? Анна, 030 123\n"
	must(tb, d.Translate("ru", "accord.ru.yaml", append(declare.TemplateTranslations()["ru"], shown...)))
	notices, err := notice.NewRegistry(d)
	must(tb, err)
	return d, notices
}

func newHouse(t *testing.T, change ...func(*Config)) *house {
	t.Helper()
	h := &house{t: t, log: &lockedBuffer{}, engine: &engine{}, registry: prometheus.NewRegistry()}
	dir := t.TempDir()
	var d *declare.Declaration
	d, h.notices = template(t)
	var err error
	h.access, err = auth.Open(filepath.Join(dir, "access.json"))
	must(t, err)
	h.write, _, err = h.access.Make(auth.Write, "web", []string{"https://shop.example"})
	must(t, err)
	h.secret, _, err = h.access.Make(auth.Secret, "backend", nil)
	must(t, err)
	h.other, _, err = h.access.Make(auth.Write, "app", nil)
	must(t, err)

	h.keys, err = vault.OpenKeys(filepath.Join(dir, "keys"), d)
	must(t, err)
	t.Cleanup(func() { must(t, h.keys.Close()) })
	log, err := eventlog.Open(t.Context(), eventlog.Options{Dir: filepath.Join(dir, "log"), Streams: 1, Logger: slog.New(slog.DiscardHandler),
		Retention: func(id declare.ClassID) time.Duration { c, _ := d.Class(id); return c.Retention.Duration(time.Now()) }})
	must(t, err)
	t.Cleanup(func() { must(t, log.Close(context.Background())) })
	h.book = consent.NewBook(d, h.notices, law.Embedded())
	h.gate = consent.NewGate(d, h.book)
	state, err := vault.Open(filepath.Join(dir, "state"), d, h.keys, h.gate, time.Now)
	must(t, err)
	h.vault = state
	t.Cleanup(func() { must(t, state.Close()) })
	h.choices = choices.New(d, h.keys, log, h.book, state, time.Now)
	h.gate.Open()
	ctx, stop := context.WithCancel(context.Background())
	var fold sync.WaitGroup
	fold.Go(func() { log.Follow(ctx, state.Applied(), state.Apply) }) //nolint:errcheck // ends with ctx
	t.Cleanup(func() { stop(); fold.Wait() })

	receiptKey, err := h.keys.Secret("receipt")
	must(t, err)
	journal := run.NewJournal(log, state, h.keys, receiptKey, time.Now, slog.New(slog.DiscardHandler))
	t.Cleanup(func() { must(t, journal.Close()) })
	signals, err := signal.Embedded(law.Embedded())
	must(t, err)
	runner, err := run.New(run.Config{Declaration: d, Gate: h.gate, Views: state, Engines: []decide.Engine{h.engine}, Journal: journal, Now: time.Now, Signals: signals})
	must(t, err)
	products, err := store.Open(filepath.Join(dir, "catalog.json"))
	must(t, err)
	must(t, products.Put([]catalog.Product{{ID: "item-1", Title: "Mug <b>", Category: "Kitchen", Price: 1299, Currency: "GBP", URL: "/p/1"}}))
	visitorKey, err := h.keys.Secret("visitor")
	must(t, err)
	h.visitors = identity.NewVisitors(visitorKey)
	shop, private := shopKeys(t)
	h.shopKey = private

	collector := collect.New(collect.Config{Law: law.Embedded(), Signals: signals, Declaration: d, Gate: h.gate, Book: h.book, Keys: h.keys, Log: log, State: state, Choices: h.choices, Now: time.Now})
	h.config = Config{
		Declaration: d, Notices: h.notices, Gate: h.gate, Book: h.book, Keys: h.access, People: h.keys, Collector: &sink{Collector: collector},
		Decider: runner, Receipts: journal, Views: state, CaughtUp: func(ctx context.Context) error { return caughtUp(ctx, log, state) }, Choices: h.choices, Held: held.New(d, h.gate, h.book, state, log, h.keys, time.Now), Catalog: products, Visitors: h.visitors, Shop: shop,
		Probe: log.Probe, Busy: func(err error) bool { return errors.Is(err, eventlog.ErrBusy) },
		Law: law.Embedded(), Signals: signals, ModelsWithin: 24 * time.Hour, ModelsUnder: "model_training", Metrics: h.registry, Logger: slog.New(slog.NewTextHandler(h.log, nil)),
	}
	for _, f := range change {
		f(&h.config)
	}
	handler, err := New(h.config)
	must(t, err)
	h.http = httptest.NewUnstartedServer(nil)
	h.http.Config = Server(handler, h.registry, h.config.Logger)
	h.http.Start()
	t.Cleanup(h.http.Close)
	return h
}

// caughtUp waits until all that is in the log was folded.
func caughtUp(ctx context.Context, log *eventlog.Log, state *vault.Vault) error {
	ends, err := log.Ends(ctx)
	for err == nil && slices.Compare(state.Applied(), ends) < 0 { // one stream
		err = ctx.Err()
		runtime.Gosched()
	}
	return err
}

func shopKeys(t *testing.T) (*identity.ShopKeys, ed25519.PrivateKey) {
	t.Helper()
	public, private, err := ed25519.GenerateKey(nil)
	must(t, err)
	der, err := x509.MarshalPKIXPublicKey(public)
	must(t, err)
	keys, err := identity.ParseShopKeys([]string{string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))})
	must(t, err)
	return keys, private
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// shopToken is a token that the shop signed for a user.
func (h *house) shopToken(user string) string {
	return signed(h.t, h.shopKey, user, time.Now(), time.Now().Add(time.Hour))
}

func signed(t testing.TB, key ed25519.PrivateKey, user string, from, to time.Time) string {
	t.Helper()
	token, err := jwt.NewWithClaims(jwt.SigningMethodEdDSA, jwt.RegisteredClaims{
		Subject: user, Audience: jwt.ClaimStrings{identity.Audience}, IssuedAt: jwt.NewNumericDate(from), ExpiresAt: jwt.NewNumericDate(to),
	}).SignedString(key)
	must(t, err)
	return token
}

// visitor is a new visitor with their token.
func (h *house) visitor() (id, token string) {
	a := h.do("POST", "/v1/visitor", "", key(h.write))
	a.status(200)
	return a.text("anonymous_id"), a.text("token")
}

// An option changes a request.
type option func(*http.Request)

func key(k string) option { return header("Authorization", "Bearer "+k) }

func basic(k string) option { return func(r *http.Request) { r.SetBasicAuth(k, "") } }

func visitor(token string) option { return header(headerVisitor, token) }

func shopToken(token string) option { return header(headerShop, token) }

func header(name, value string) option { return func(r *http.Request) { r.Header.Set(name, value) } }

// answer is what came back.
type answer struct {
	t      *testing.T
	what   string
	code   int
	header http.Header
	body   string
	json   map[string]any
	closed bool // the server closes the connection
}

func (h *house) do(method, path, body string, options ...option) *answer {
	h.t.Helper()
	return h.send(method, path, strings.NewReader(body), options...)
}

func (h *house) send(method, path string, body io.Reader, options ...option) *answer {
	h.t.Helper()
	r, err := http.NewRequestWithContext(h.t.Context(), method, h.http.URL+path, body)
	must(h.t, err)
	for _, o := range options {
		o(r)
	}
	res, err := h.http.Client().Do(r)
	must(h.t, err)
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	must(h.t, err)
	a := &answer{t: h.t, what: method + " " + path, code: res.StatusCode, header: res.Header, body: string(b), closed: res.Close}
	json.Unmarshal(b, &a.json) //nolint:errcheck // not every answer is JSON
	return a
}

func (a *answer) status(want int) *answer {
	a.t.Helper()
	if a.code != want {
		a.t.Fatalf("%s: %d, want %d: %s", a.what, a.code, want, a.body)
	}
	return a
}

// problem checks that the answer is a whole problem of this kind.
func (a *answer) problem(status int, code string) *answer {
	a.t.Helper()
	a.status(status)
	if got := a.header.Get("Content-Type"); got != "application/problem+json" {
		a.t.Errorf("%s: the problem's type is %q", a.what, got)
	}
	if a.text("code") != code {
		a.t.Errorf("%s: the code is %q, want %q: %s", a.what, a.text("code"), code, a.body)
	}
	if a.text("type") != "about:blank" || a.text("title") != http.StatusText(status) || a.json["status"] != float64(status) || a.text("detail") == "" {
		a.t.Errorf("%s: not a whole problem: %s", a.what, a.body)
	}
	if a.text("request_id") == "" || a.header.Get("X-Request-Id") != a.text("request_id") {
		a.t.Errorf("%s: the request id is %q and %q", a.what, a.text("request_id"), a.header.Get("X-Request-Id"))
	}
	return a
}

// without checks that none of the texts is in the answer.
func (a *answer) without(texts ...string) *answer {
	a.t.Helper()
	for _, s := range texts {
		if strings.Contains(a.body, s) {
			a.t.Errorf("%s: the answer has %q, which it must not: %s", a.what, s, a.body)
		}
	}
	return a
}

// members checks that the answer has exactly these members.
func (a *answer) members(names ...string) *answer {
	a.t.Helper()
	got := slices.Sorted(maps.Keys(a.json))
	slices.Sort(names)
	if !slices.Equal(got, names) {
		a.t.Errorf("%s: the answer has %v, want %v", a.what, got, names)
	}
	return a
}

// at follows a path of names.
func (a *answer) at(path ...string) any {
	var v any = a.json
	for _, p := range path {
		m, _ := v.(map[string]any)
		v = m[p]
	}
	return v
}

func (a *answer) text(path ...string) string {
	s, _ := a.at(path...).(string)
	return s
}

// give records a person's consent the way a shop's server does.
func (h *house) give(user string) {
	h.t.Helper()
	h.do("PUT", "/v1/consent", `{"person":{"user_id":"`+user+`"},"choices":{"personalization":"given"}}`, key(h.secret)).status(200)
}

// metric returns the sum of a counter over the labels that are given.
func (h *house) metric(name string, labels ...string) (sum float64) {
	h.t.Helper()
	return metric(h.t, h.registry, name, labels...)
}

func metric(t *testing.T, registry *prometheus.Registry, name string, labels ...string) (sum float64) {
	t.Helper()
	families, err := registry.Gather()
	must(t, err)
	for _, f := range families {
		if f.GetName() != name {
			continue
		}
	next:
		for _, m := range f.GetMetric() {
			for i := 0; i+1 < len(labels); i += 2 {
				ok := false
				for _, l := range m.GetLabel() {
					ok = ok || l.GetName() == labels[i] && l.GetValue() == labels[i+1]
				}
				if !ok {
					continue next
				}
			}
			sum += m.GetCounter().GetValue() + m.GetGauge().GetValue()
		}
	}
	return sum
}

// sink is the collector, and keeps what it was asked.
type sink struct {
	*collect.Collector
	mu   sync.Mutex
	err  error             // guarded by mu
	last collect.Request   // guarded by mu; its body is a copy
	all  []collect.Request // guarded by mu
}

func (s *sink) Collect(ctx context.Context, r collect.Request) (collect.Result, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	body := r.Body
	r.Body = bytes.Clone(r.Body)
	s.last, s.all = r, append(s.all, r)
	if s.err != nil {
		return collect.Result{}, s.err
	}
	r.Body = body
	return s.Collector.Collect(ctx, r)
}

func (s *sink) fail(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.err = err
}

func (s *sink) seen() collect.Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.last
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// eventually waits for what happens on its own.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("not within 20 s: %s", what)
		}
	}
}
