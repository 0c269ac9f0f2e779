package api

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"net/http"
	"runtime/debug"
	"sync"
	"time"

	"accord/internal/auth"
	"accord/internal/declare"
	"accord/internal/identity"
	"accord/internal/law"
)

// exchange is one request on its way through: the response writer of the route's
// handler, and who speaks.
type exchange struct {
	http.ResponseWriter
	server *server
	route  *route
	ctx    context.Context // of the request, for the log

	status int    // 0 until the header was written
	id     string // made when first asked for

	held int64 // of the server's bodies

	key     auth.Key
	speaker identity.Speaker
	// visitor and user are the ids that the speaker proved, as they are in
	// speaker, for the questions that name nobody.
	visitor, user string
	// place is where the request is from, "" where nobody knows; located whether its
	// address told; and in the regimes that count for it.
	place   law.Place
	located bool
	in      law.Regimes
	// refuses are the purposes that the browser's signal refuses, as it is for somebody
	// who said nothing else.
	refuses declare.Set
}

var exchanges = sync.Pool{New: func() any { return new(exchange) }}

// WriteHeader notes the status.
func (x *exchange) WriteHeader(status int) {
	if x.status == 0 {
		x.status = status
	}
	x.ResponseWriter.WriteHeader(status)
}

// Write notes the status.
func (x *exchange) Write(b []byte) (int, error) {
	if x.status == 0 {
		x.status = http.StatusOK
	}
	return x.ResponseWriter.Write(b)
}

// Unwrap is for http.ResponseController.
func (x *exchange) Unwrap() http.ResponseWriter { return x.ResponseWriter }

// requestID returns the request's name in the log. Most requests need none.
func (x *exchange) requestID() string {
	if x.id == "" {
		var b [8]byte
		rand.Read(b[:])
		x.id = hex.EncodeToString(b[:])
	}
	return x.id
}

// proved returns whom the speaker proved to be: the user before the visitor.
func (x *exchange) proved() []identity.Identifier {
	var out []identity.Identifier
	if x.user != "" {
		out = append(out, identity.Identifier{Kind: identity.UserID, Value: x.user})
	}
	if x.visitor != "" {
		out = append(out, identity.Identifier{Kind: identity.AnonymousID, Value: x.visitor})
	}
	return out
}

// The header fields that every answer has. The slices are shared and only read.
var (
	hNosniff  = []string{"nosniff"}
	hNoStore  = []string{"no-store"}
	hPolicy   = []string{"default-src 'none'; frame-ancestors 'none'"}
	hReferrer = []string{"no-referrer"}
	hJSON     = []string{"application/json"}
	hOrigin   = []string{"Origin"}
)

// route is one pattern of the mux and what is counted for it.
type route struct {
	pattern string
	metrics *routeMetrics
}

// handle puts a handler on the mux, with all that every route has: header
// fields, recovery, counting.
func (s *server) handle(pattern string, handler func(x *exchange, r *http.Request)) {
	rt := &route{pattern: pattern, metrics: s.metrics.route(pattern)}
	s.mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
		x := exchanges.Get().(*exchange)
		*x = exchange{ResponseWriter: w, server: s, route: rt, ctx: r.Context()}
		begun := time.Now()
		h := w.Header()
		h["X-Content-Type-Options"] = hNosniff
		h["Cache-Control"] = hNoStore
		h["Content-Security-Policy"] = hPolicy
		h["Referrer-Policy"] = hReferrer
		defer func() {
			if x.held > 0 {
				s.bodies.Release(x.held)
			}
			x.recovered(recover())
			rt.metrics.done(x.status, time.Since(begun))
			*x = exchange{}
			exchanges.Put(x)
		}()
		handler(x, r)
	})
}

// recovered turns a panic into a 500, or cuts the connection if an answer is
// already on its way.
func (x *exchange) recovered(fault any) {
	switch {
	case fault == nil:
		return
	case fault == http.ErrAbortHandler:
		panic(fault)
	}
	started := x.status != 0
	x.server.metrics.panics.Inc()
	err := fmt.Errorf("panic: %v\n%s", fault, debug.Stack())
	if !started {
		x.fail(problem(http.StatusInternalServerError, codeInternal, "The server failed at this request. Give the request id to whoever runs it.").because(err))
		return
	}
	x.server.Logger.Error("a request failed while it was answered", "request_id", x.requestID(), "route", x.route.pattern, "error", err)
	x.route.metrics.done(http.StatusInternalServerError, 0)
	panic(http.ErrAbortHandler)
}

// within returns the request's context with the bound on how long it may take.
func (s *server) within(r *http.Request) (context.Context, context.CancelFunc) {
	return context.WithTimeout(r.Context(), s.Timeout)
}
