package api

import (
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// metrics are what the API counts. No label holds anything that a client sent.
type metrics struct {
	requests *prometheus.CounterVec
	latency  *prometheus.HistogramVec

	badKeys, badOrigins   prometheus.Counter
	badVisitors, badShops prometheus.Counter
	limited, panics       prometheus.Counter
	problems              *prometheus.CounterVec
	unproven              prometheus.Counter

	signals, unrecordedSignals prometheus.Counter
	postbacks                  *prometheus.CounterVec
}

// The labels of a proof that does not hold.
const (
	proofVisitor = "visitor"
	proofShop    = "shop"
)

func newMetrics(r prometheus.Registerer) *metrics {
	refused := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "accord_http_auth_failures_total", Help: "Requests without a right to what they asked, by reason.",
	}, []string{"reason"})
	proofs := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "accord_http_bad_proofs_total", Help: "Proofs of who speaks that came and do not hold, by kind.",
	}, []string{"proof"})
	m := &metrics{
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "accord_http_requests_total", Help: "Requests by route and status.",
		}, []string{"route", "code"}),
		latency: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "accord_http_request_seconds", Help: "How long requests took, by route.",
			Buckets: []float64{.0001, .00025, .0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 10},
		}, []string{"route"}),
		limited: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "accord_http_limited_total", Help: "Requests refused because a source asked too often, or too many bodies were on their way.",
		}),
		unproven: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "accord_http_unproven_refusals_total", Help: "Choices by which somebody who proved nothing suspended what a person had given; those of events are in accord_collect_total.",
		}),
		postbacks: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "accord_http_postbacks_total", Help: "Postbacks of Apple's AdAttributionKit by what became of them: counted, again, bad, other_app, failed.",
		}, []string{"result"}),
		signals: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "accord_http_signals_total", Help: "Requests with a public key and a browser's privacy signal (Sec-GPC: 1), which was honoured.",
		}),
		unrecordedSignals: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "accord_http_signals_unrecorded_total", Help: "Privacy signals that held for their request and could not be recorded as a choice; a later request tries again.",
		}),
		panics: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "accord_http_panics_total", Help: "Requests that hit a fault of the program.",
		}),
	}
	m.problems = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "accord_http_problems_total", Help: "Requests that were answered with a problem, by the problem's code.",
	}, []string{"code"})
	m.badKeys, m.badOrigins = refused.WithLabelValues("key"), refused.WithLabelValues("origin")
	m.badVisitors, m.badShops = proofs.WithLabelValues(proofVisitor), proofs.WithLabelValues(proofShop)
	r.MustRegister(m.requests, m.latency, refused, proofs, m.limited, m.unproven, m.panics, m.problems, m.signals, m.unrecordedSignals, m.postbacks)
	return m
}

// routeMetrics are the metrics of one route, found once.
type routeMetrics struct {
	name    string
	all     *metrics
	latency prometheus.Observer
	codes   [600]atomic.Pointer[prometheus.Counter] // by status
}

func (m *metrics) route(pattern string) *routeMetrics {
	name := pattern
	if name == "/" {
		name = "other"
	}
	return &routeMetrics{name: name, all: m, latency: m.latency.WithLabelValues(name)}
}

// done counts one request.
func (m *routeMetrics) done(status int, took time.Duration) {
	if status == 0 {
		status = http.StatusOK // the handler wrote nothing, so net/http says 200
	}
	status = min(max(status, 0), len(m.codes)-1)
	c := m.codes[status].Load()
	if c == nil {
		made := m.all.requests.WithLabelValues(m.name, strconv.Itoa(status))
		c = &made
		m.codes[status].Store(c)
	}
	(*c).Inc()
	m.latency.Observe(took.Seconds())
}

// errorLog takes what net/http logs about connections. Most of it names the
// address of a caller, which is personal data, so it is counted by kind and
// dropped; only faults of the program and of the listener are told.
type errorLog struct {
	kinds  *prometheus.CounterVec
	logger *slog.Logger
}

func newErrorLog(r prometheus.Registerer, logger *slog.Logger) *errorLog {
	c := &errorLog{logger: logger, kinds: prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "accord_http_server_errors_total", Help: "What the HTTP server complained of outside of requests, by kind.",
	}, []string{"kind"})}
	r.MustRegister(c.kinds)
	return c
}

// Write takes one line.
func (c *errorLog) Write(line []byte) (int, error) {
	kind, text := "other", ""
	switch s := strings.TrimSpace(string(line)); {
	case strings.HasPrefix(s, "http: TLS handshake error"):
		kind = "tls"
	case strings.HasPrefix(s, "http: Accept error"):
		kind, text = "accept", s // names our own address only
	case strings.HasPrefix(s, "http: panic serving "):
		kind = "panic"
		_, text, _ = strings.Cut(s, ": panic serving ")
		_, text, _ = strings.Cut(text, ": ") // after the caller's address
	}
	c.kinds.WithLabelValues(kind).Inc()
	if text != "" {
		c.logger.Error("the HTTP server complained", "kind", kind, "error", text)
	}
	return len(line), nil
}

// methodOf returns the method of a mux pattern, "" for one that takes all.
func methodOf(pattern string) string {
	method, _, ok := strings.Cut(pattern, " ")
	if !ok {
		return ""
	}
	return method
}
