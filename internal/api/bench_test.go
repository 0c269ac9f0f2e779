package api

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"
	"github.com/prometheus/client_golang/prometheus"

	"accord/internal/auth"
	"accord/internal/collect"
	"accord/internal/consent"
	"accord/internal/decide"
	"accord/internal/decide/run"
	"accord/internal/identity"
)

// trivial answers at once, so that what is measured is the API.
type trivial struct{ answer decide.Answer }

func (d *trivial) Decide(context.Context, run.Subject, decide.Ask) (decide.Answer, error) {
	return d.answer, nil
}

func trivialAnswer() decide.Answer {
	a := decide.Answer{Personal: true, ReceiptJSON: []byte(`{"id":"00112233445566778899aabbccddeeff","controller":"shop","time":"2026-11-23T10:00:00Z","purpose":"personalization","basis":"consent","personal":true,"decision":"allowed","why":"a valid basis holds","choice":7,"declaration":"` + strings.Repeat("0", 64) + `","engine":"recommend","model":"ease","used":[{"kind":"purchase","count":30}],"refused":[],"items":["i0","i1","i2","i3","i4","i5","i6","i7","i8","i9"],"durable":"after","mac":"` + strings.Repeat("A", 43) + `"}`)}
	for range 10 {
		a.Items = append(a.Items, decide.Item{ID: "85123A", Score: 0.4231, Reasons: []decide.Reason{{Code: "because_item", Item: "71053", Action: "purchase", Share: 0.61}, {Code: "because_item", Item: "84406B", Action: "purchase", Share: 0.2}}})
	}
	a.Receipt.Used = []decide.Use{{Kind: "purchase", Count: 30}}
	return a
}

// people is a People that knows everybody.
type people struct{ hasher *identity.Hasher }

func (p people) Hasher() *identity.Hasher { return p.hasher }
func (p people) Find(l identity.Lookup) (identity.Token, bool, error) {
	return identity.Token(l), true, nil
}
func (p people) ErasedSince(identity.Lookup, int64) bool { return false }
func (p people) Ensure(_ context.Context, ls []identity.Lookup) ([]identity.Token, error) {
	return make([]identity.Token, len(ls)), nil
}

// quick is a collector that does nothing.
type quick struct{}

func (quick) Collect(context.Context, collect.Request) (collect.Result, error) {
	return collect.Result{}, nil
}
func (quick) Debug(string) []collect.Trace { return nil }

func benchHandler(b *testing.B) (handler http.Handler, write, secret string) {
	b.Helper()
	d, notices := template(b)
	keys, err := auth.Open(filepath.Join(b.TempDir(), "access.json"))
	must(b, err)
	write, _, err = keys.Make(auth.Write, "web", nil)
	must(b, err)
	secret, _, err = keys.Make(auth.Secret, "backend", nil)
	must(b, err)
	book := consent.NewBook(d, notices, consent.NoLaw)
	none := struct {
		Receipts
		Choices
		run.Views
	}{}
	handler, err = New(Config{
		Declaration: d, Notices: notices, Gate: consent.NewGate(d, book), Book: book, Keys: keys, People: people{identity.NewHasher(make([]byte, 32))},
		Collector: quick{}, Decider: &trivial{trivialAnswer()}, Receipts: none, Choices: none, Held: struct{ Held }{}, Views: none,
		Visitors: identity.NewVisitors(make([]byte, 32)), Probe: func(context.Context) error { return nil }, Busy: func(error) bool { return false },
		ModelsWithin: time.Hour, Metrics: prometheus.NewRegistry(), Logger: slog.New(slog.DiscardHandler),
	})
	must(b, err)
	return handler, write, secret
}

// discard is a ResponseWriter that keeps nothing.
type discard struct {
	header http.Header
	status int
}

func (d *discard) Header() http.Header         { return d.header }
func (d *discard) Write(b []byte) (int, error) { return len(b), nil }
func (d *discard) WriteHeader(status int)      { d.status = status }

// serve measures one request without the network: what is left is the API.
func serve(b *testing.B, handler http.Handler, path, body, key string) {
	b.Helper()
	r, err := http.NewRequest("POST", path, nil)
	must(b, err)
	r.Header.Set("Authorization", key)
	r.Header.Set("Content-Type", "application/json")
	r.ContentLength = int64(len(body))
	raw := []byte(body)
	reader := bytes.NewReader(raw)
	w := &discard{header: http.Header{}}
	b.ReportAllocs()
	b.SetBytes(int64(len(body)))
	for b.Loop() {
		reader.Reset(raw)
		r.Body = io.NopCloser(reader)
		clear(w.header)
		w.status = 0
		handler.ServeHTTP(w, r)
		if w.status != 0 && w.status != 200 {
			b.Fatal(w.status)
		}
	}
}

const benchQuestion = `{"person":{"user_id":"customer-000000000042"},"purpose":"personalization","n":10}`

func BenchmarkDecide(b *testing.B) {
	handler, _, secret := benchHandler(b)
	serve(b, handler, "/v1/decide", benchQuestion, "Bearer "+secret)
}

// BenchmarkDecideByHuma is the same route as huma would serve it, without keys,
// counting and the receipt's own bytes: why it is served by hand.
func BenchmarkDecideByHuma(b *testing.B) {
	s := &server{}
	mux := http.NewServeMux()
	api := humago.New(mux, s.humaConfig())
	answer := trivialAnswer()
	type output struct{ Body decideAnswer }
	huma.Register(api, huma.Operation{Method: "POST", Path: "/v1/decide"}, func(_ context.Context, in *struct{ Body decideQuestion }) (*output, error) {
		out := &output{Body: decideAnswer{Personal: true, Used: answer.Receipt.Used, Receipt: decide.Receipt{ID: "00", Items: []string{"i0", "i1", "i2", "i3", "i4", "i5", "i6", "i7", "i8", "i9"}}}}
		for _, i := range answer.Items {
			out.Body.Items = append(out.Body.Items, decidedItem{ID: i.ID, Title: "x", Price: "1.20", Score: i.Score, Reasons: i.Reasons})
		}
		return out, nil
	})
	serve(b, mux, "/v1/decide", benchQuestion, "Bearer x")
}

func benchBatch(n int) string {
	item := `{"type":"track","messageId":"ajs-0123456789abcdef0123456789abcdef","userId":"customer-000000000042","event":"Product Viewed","timestamp":"2026-11-23T10:00:00.000Z","context":{"library":{"name":"analytics-node","version":"2.1.0"}},"properties":{"product_id":"85123A","quantity":1}}`
	return `{"batch":[` + strings.Repeat(item+",", n-1) + item + `],"sentAt":"2026-11-23T10:00:00.000Z"`
}

func BenchmarkCollectBatch(b *testing.B) {
	handler, write, secret := benchHandler(b)
	basicKey := func(k string) string {
		r := httptest.NewRequest("GET", "/", nil)
		r.SetBasicAuth(k, "")
		return r.Header.Get("Authorization")
	}
	plain := benchBatch(100) + `}`
	b.Run("secret key in the header", func(b *testing.B) { serve(b, handler, "/v1/batch", plain, basicKey(secret)) })
	b.Run("write key in the header", func(b *testing.B) { serve(b, handler, "/v1/batch", plain, basicKey(write)) })
	b.Run("key in the body", func(b *testing.B) {
		serve(b, handler, "/v1/batch", benchBatch(100)+`,"writeKey":"`+write+`"}`, "")
	})
	b.Run("proofs in the body", func(b *testing.B) {
		serve(b, handler, "/v1/batch", benchBatch(100)+`,"context":{"accord":{"visitor":"x"}}}`, basicKey(write))
	})
	b.Run("gzip", func(b *testing.B) { serve(b, handler, "/v1/batch", zipped(b, plain), basicKey(secret)) })
}

func BenchmarkCollectTrack(b *testing.B) {
	handler, _, secret := benchHandler(b)
	serve(b, handler, "/v1/track", `{"messageId":"ajs-0123456789abcdef0123456789abcdef","userId":"customer-000000000042","event":"Product Viewed","properties":{"product_id":"85123A"}}`, "Bearer "+secret)
}
