package app

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/pprof"
	"os"
	"runtime"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"accord/internal/api"
	"accord/internal/decide/run"
	"accord/internal/eventlog"
	"accord/internal/held"
	"accord/internal/web"
)

// ServeOptions are the server's own.
type ServeOptions struct {
	Config
	Listen          string // host:port; port 0 takes a free one
	TLSCert, TLSKey string // PEM files, both or neither
	// Profile is a loopback address for Go's profiler (/debug/pprof/), "" for
	// none.
	Profile string
}

// servingOn starts the line that says where the server is.
const servingOn = "Accord serves on "

// drain is how long requests under way may take when the server stops.
const drain = 10 * time.Second

// Serve opens the data directory and answers until ctx ends or the house fails.
// It stops in order: no new connections, requests under way answered, everything
// acknowledged on disk.
func Serve(ctx context.Context, o ServeOptions, talk io.Writer) (err error) {
	if (o.TLSCert == "") != (o.TLSKey == "") {
		return &UsageError{"--tls-cert and --tls-key go together"}
	}
	if o.TLSCert != "" {
		if _, err := tls.LoadX509KeyPair(o.TLSCert, o.TLSKey); err != nil {
			return fmt.Errorf("--tls-cert and --tls-key: %w", err)
		}
	}
	hideSyncs()
	h, err := Open(ctx, o.Config)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, h.Close()) }()
	handler, err := h.handler(h.access)
	if err != nil {
		return err
	}
	for _, f := range lint(h.declaration, h.notices) {
		h.logger.Warn("a text of the notice is harder to read than the declaration says; `accord notice lint` lists all", "purpose", f.Purpose, "language", f.Language, "grade", fmt.Sprintf("%.1f", f.Grade), "sentence", f.Sentence)
	}
	h.reportLaw()
	h.learner.run()
	endProfiler, err := serveProfiler(o.Profile)
	if err != nil {
		return err
	}
	defer endProfiler()
	if h.directory.Kind != Production {
		fmt.Fprintf(talk, "The directory is one of %s: choices in it may be simulated.\n", h.directory.Kind)
	}
	listener, err := listen(o.Listen)
	if err != nil {
		return err
	}
	return h.serve(ctx, o, listener, handler, talk)
}

// listen takes the address.
func listen(address string) (net.Listener, error) {
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return nil, fmt.Errorf("cannot listen on %s: %w; choose another address with --listen", address, err)
	}
	return listener, nil
}

// hideSyncs doubles GOMAXPROCS where nobody set it. A thread in fsync keeps its
// place among those that may run until the scheduler's monitor takes it away,
// and this server syncs all the time: on two cores, two places left a core idle
// while there was work (decide 7,800/s, ingest 45,000/s) and four did not
// (11,500/s and 51,500/s).
func hideSyncs() {
	if os.Getenv("GOMAXPROCS") == "" {
		runtime.GOMAXPROCS(2 * runtime.GOMAXPROCS(0))
	}
}

// serveProfiler serves Go's profiler on a loopback address: a profile shows what the
// process holds, so it is for the machine's own people only.
func serveProfiler(listen string) (end func(), err error) {
	if listen == "" {
		return func() {}, nil
	}
	host, _, err := net.SplitHostPort(listen)
	if ip := net.ParseIP(host); err != nil || ip == nil || !ip.IsLoopback() {
		return nil, &UsageError{"--profile takes a loopback address such as 127.0.0.1:6060"}
	}
	listener, err := net.Listen("tcp", listen)
	if err != nil {
		return nil, fmt.Errorf("cannot listen on %s: %w", listen, err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("/debug/pprof/", pprof.Index)
	mux.HandleFunc("/debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("/debug/pprof/trace", pprof.Trace)
	server := &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second}
	done := make(chan struct{})
	go func() { defer close(done); server.Serve(listener) }() //nolint:errcheck // ends with Close
	return func() { server.Close(); <-done }, nil
}

// serve answers on listener with handler until ctx ends or the house fails. What
// it answered without end (live feeds) is ended by feeds when it stops; all other
// requests under way are answered.
func (h *House) serve(ctx context.Context, o ServeOptions, listener net.Listener, handler http.Handler, talk io.Writer, feeds ...func()) error {
	if h.keySet != nil {
		h.keySet.run()
	}
	server := api.Server(handler, h.metrics, h.logger)
	for _, end := range feeds {
		server.RegisterOnShutdown(end)
	}
	ended := make(chan error, 1)
	go func() {
		if o.TLSCert != "" {
			ended <- server.ServeTLS(listener, o.TLSCert, o.TLSKey)
		} else {
			ended <- server.Serve(api.Listener(listener))
		}
	}()
	scheme := "http"
	if o.TLSCert != "" {
		scheme = "https"
	}
	fmt.Fprintf(talk, "%s%s://%s (stop with Ctrl-C)\n", servingOn, scheme, listener.Addr())
	var fault error
	select {
	case <-ctx.Done():
	case fault = <-h.fault:
	case err := <-ended:
		return err
	}
	stopping, cancel := context.WithTimeout(context.Background(), drain)
	defer cancel()
	if err := server.Shutdown(stopping); err != nil {
		fault = errors.Join(fault, fmt.Errorf("some requests did not end in time: %w", err), server.Close())
	}
	return fault
}

// handler returns the API over this house for callers with the given keys.
func (h *House) handler(keys api.Keys) (http.Handler, error) {
	h.metrics = prometheus.NewRegistry()
	h.observe(h.metrics)
	return api.New(api.Config{
		Declaration: h.declaration, Notices: h.notices, Gate: h.gate, Book: h.book,
		Keys: keys, People: h.keys, Collector: h.collector, Decider: h.runner, Receipts: h.journal, Views: h.vault, CaughtUp: h.CatchUp,
		Choices: h.choices, Held: held.New(h.declaration, h.gate, h.book, h.vault, h.log, h.keys, h.clock.Now), Catalog: shelf{h.catalog, h}, Visitors: h.visitors, Shop: h.shop,
		Probe: h.probe, Busy: busy, Pages: web.Faces(h.logger),
		ModelsWithin: h.learner.within(), ModelsUnder: trainingPurpose, Metrics: h.metrics, Logger: h.logger, Now: h.clock.Now,
		Law: h.law, Signals: h.signals, Attribution: h.postbacksOrNone(), Places: h.placesOrNone(), Proxies: h.config.Proxies,
	})
}

// placesOrNone returns the database of places, nil where there is none.
func (h *House) placesOrNone() api.Places {
	if h.places == nil {
		return nil
	}
	return h.places
}

// busy tells the errors that mean "later": the log, or what waits for it, has as
// much as it may hold.
func busy(err error) bool {
	return errors.Is(err, eventlog.ErrBusy) || errors.Is(err, run.ErrBehind) || errors.Is(err, run.ErrErased)
}
