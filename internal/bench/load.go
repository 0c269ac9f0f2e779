package bench

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// Limits of a run.
const (
	// MaxConnections is how many connections a load may open.
	MaxConnections = 4096
	// maxErrors ends a run: the figure is lost already, and a server that is
	// gone must not be dialled for ever.
	maxErrors = 100
	// dialTimeout and requestTimeout bound one connection and one request.
	dialTimeout    = 5 * time.Second
	requestTimeout = 30 * time.Second
)

// Load describes a run against one server.
type Load struct {
	// Addr is the server's host:port.
	Addr string
	// Connections is how many requests are under way at once, 1 to
	// [MaxConnections].
	Connections int
	// Rate is the requests that are due in a second. 0 is the closed loop:
	// every connection asks again as soon as it is answered.
	Rate float64
	// Duration and Count end the run, whichever comes first; 0 is no limit, and
	// one of them must be set. A request that was sent is always awaited.
	Duration time.Duration
	Count    uint64
	// Next appends the bytes of request i to buf[:0] and returns them. i counts
	// up from 0 over all workers; worker is 0 to Connections-1. It is called
	// from several goroutines at once, each with a buf of its own.
	Next func(worker int, i uint64, buf []byte) []byte
	// Check looks at the body of every CheckEvery-th answer of a connection,
	// the first included (0 and 1: at every one). An error counts as a wrong
	// answer. The body is valid during the call only. Nil checks the status
	// alone, which must be 200 in any case.
	Check      func(status int, body []byte) error
	CheckEvery int

	// dial and wait are other than the real ones in tests with a clock of
	// their own.
	dial func(ctx context.Context, addr string) (net.Conn, error)
	wait func(ctx context.Context, until time.Time) error
}

// Result is what a run showed.
type Result struct {
	// Requests were answered rightly.
	Requests uint64
	// Seconds from the start to the last answer.
	Seconds float64
	// RatePerS is Requests / Seconds.
	RatePerS float64
	// Latencies in milliseconds: from when a request was due (open loop) or
	// sent (closed loop) to the last byte of its answer.
	P50, P99, P999, Max float64
	// Behind are requests that were due in Duration and not sent, since every
	// connection was waiting. Where it is not small, the server cannot do Rate.
	Behind uint64
	// Errors are failed connections, unreadable answers, wrong statuses and
	// answers that Check refused.
	Errors uint64
}

// Run opens the connections, loads the server and returns what it measured.
// The error says the first thing that went wrong, if anything did; the Result
// holds what was measured even so. When ctx ends, Run gives up what is under way and
// returns the context's error.
func (l Load) Run(ctx context.Context) (Result, error) {
	if err := l.complete(); err != nil {
		return Result{}, err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	r := &run{Load: l, cancel: cancel}
	workers := make([]*worker, l.Connections)
	defer func() {
		for _, w := range workers {
			w.tearDown()
		}
	}()
	for i := range workers {
		workers[i] = &worker{run: r, number: i}
		if err := workers[i].setUp(ctx); err != nil {
			return Result{}, err
		}
	}
	r.start = time.Now()
	var all sync.WaitGroup
	for _, w := range workers {
		all.Go(func() { w.work(ctx) })
	}
	all.Wait()
	return r.result(ctx, workers, time.Since(r.start))
}

// complete checks the load and fills in what was left out.
func (l *Load) complete() error {
	switch {
	case l.Next == nil:
		return errors.New("bench: a load needs Next")
	case l.Connections < 1 || l.Connections > MaxConnections:
		return fmt.Errorf("bench: connections must be 1 to %d, not %d", MaxConnections, l.Connections)
	case !(l.Rate >= 0 && l.Rate <= 1e7):
		return fmt.Errorf("bench: the rate must be 0 (saturated) to 10,000,000 requests a second, not %v", l.Rate)
	case l.Duration < 0 || l.Duration == 0 && l.Count == 0:
		return errors.New("bench: a load needs a duration or a count")
	}
	l.CheckEvery = max(l.CheckEvery, 1)
	if l.dial == nil {
		l.dial = dialTCP
	}
	return nil
}

func dialTCP(ctx context.Context, addr string) (net.Conn, error) {
	d := net.Dialer{Timeout: dialTimeout}
	return d.DialContext(ctx, "tcp", addr)
}

// run is what the workers of a run share.
type run struct {
	Load
	start  time.Time
	next   atomic.Uint64 // the next request's number
	cancel context.CancelFunc
	failed atomic.Uint64
	once   sync.Once
	first  error // the first failure
}

func (r *run) fail(err error) {
	r.once.Do(func() { r.first = err })
	if r.failed.Add(1) >= maxErrors {
		r.cancel()
	}
}

// due returns when request i should be sent.
func (r *run) due(i uint64) time.Time {
	return r.start.Add(time.Duration(float64(i) / r.Rate * float64(time.Second)))
}

// scheduled is how many requests an open loop owes by its end; a closed loop
// owes none.
func (r *run) scheduled() uint64 {
	switch {
	case r.Rate == 0:
		return 0
	case r.Duration == 0:
		return r.Count
	}
	// Request i is due at i/Rate, so those below Rate × Duration are owed.
	n := uint64(math.Ceil(r.Rate * r.Duration.Seconds()))
	if r.Count > 0 {
		n = min(n, r.Count)
	}
	return n
}

func (r *run) result(ctx context.Context, workers []*worker, took time.Duration) (Result, error) {
	var h histogram
	var sent uint64
	for _, w := range workers {
		h.merge(&w.latency)
		sent += w.sent
	}
	ms := func(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
	res := Result{
		Requests: h.total, Seconds: took.Seconds(), Errors: r.failed.Load(),
		P50: ms(h.quantile(0.5)), P99: ms(h.quantile(0.99)), P999: ms(h.quantile(0.999)), Max: ms(time.Duration(h.max)),
	}
	if res.Seconds > 0 {
		res.RatePerS = float64(res.Requests) / res.Seconds
	}
	if owed := r.scheduled(); owed > sent {
		res.Behind = owed - sent
	}
	switch {
	case res.Errors >= maxErrors:
		return res, fmt.Errorf("bench: ended after %d failures in %d requests; the first: %w", res.Errors, sent, r.first)
	case ctx.Err() != nil:
		return res, fmt.Errorf("bench: the run was stopped: %w", ctx.Err())
	case res.Errors > 0:
		return res, fmt.Errorf("bench: %d of %d requests failed; the first: %w", res.Errors, sent, r.first)
	case res.Requests == 0:
		return res, errors.New("bench: not one request was sent; raise the duration or the rate")
	}
	return res, nil
}

// worker is one connection and the goroutine that owns it.
type worker struct {
	*run
	number  int
	conn    net.Conn
	answers *answers
	request []byte
	latency histogram
	sent    uint64
	seen    uint64      // answers read
	unstop  func() bool // ends the connection's watch over the context
	alarm   *alarm      // in the open loop only
	unalarm func() bool // ends the alarm's watch over the context
	limit   time.Time   // the connection's present deadline
}

func (w *worker) connect(ctx context.Context) error {
	conn, err := w.dial(ctx, w.Addr)
	if err != nil {
		return err
	}
	w.conn, w.answers, w.limit = conn, newAnswers(conn), time.Time{}
	// When the run is stopped, what is under way returns at once.
	w.unstop = context.AfterFunc(ctx, func() { conn.SetDeadline(time.Unix(1, 0)) })
	return nil
}

// setUp opens what the worker needs, before the clock starts.
func (w *worker) setUp(ctx context.Context) error {
	if w.Rate > 0 && w.wait == nil {
		a, err := newAlarm()
		if err != nil {
			return fmt.Errorf("bench: %w", err)
		}
		w.alarm, w.unalarm = a, context.AfterFunc(ctx, a.interrupt)
	}
	if err := w.connect(ctx); err != nil {
		return fmt.Errorf("bench: no connection to %s: %w; start the server, or name its address", w.Addr, err)
	}
	return nil
}

func (w *worker) tearDown() {
	if w == nil {
		return
	}
	w.hangUp()
	if w.alarm != nil {
		w.unalarm()
		w.alarm.close()
	}
}

func (w *worker) hangUp() {
	if w.conn != nil {
		w.unstop()
		w.conn.Close()
		w.conn = nil
	}
}

// work sends requests until the run is over.
func (w *worker) work(ctx context.Context) {
	for ctx.Err() == nil {
		i := w.next.Add(1) - 1
		if w.Count > 0 && i >= w.Count {
			return
		}
		from := time.Now()
		if w.Rate > 0 {
			from = w.due(i)
			if w.over(from) {
				return
			}
			if err := w.await(ctx, from); err != nil {
				w.stumble(ctx, err)
				return
			}
		}
		if w.over(time.Now()) {
			return
		}
		w.sent++
		if err := w.exchange(ctx, i); err != nil {
			w.hangUp()
			w.stumble(ctx, err)
			continue
		}
		w.latency.add(time.Since(from))
	}
}

// await returns when a request is due.
func (w *worker) await(ctx context.Context, due time.Time) error {
	if w.wait != nil {
		return w.wait(ctx, due)
	}
	return w.alarm.wait(ctx, due)
}

// stumble counts a failure, unless it is only that the run was stopped.
func (w *worker) stumble(ctx context.Context, err error) {
	if ctx.Err() == nil {
		w.fail(err)
	}
}

// over reports whether nothing may be sent any more at t.
func (w *worker) over(t time.Time) bool {
	return w.Duration > 0 && t.Sub(w.start) >= w.Duration
}

// exchange sends request i and reads its answer.
func (w *worker) exchange(ctx context.Context, i uint64) error {
	if w.conn == nil {
		if err := w.connect(ctx); err != nil {
			return err
		}
	}
	if err := w.extend(ctx); err != nil {
		return err
	}
	w.request = w.Next(w.number, i, w.request[:0])
	if _, err := w.conn.Write(w.request); err != nil {
		return err
	}
	ans, err := w.answers.read()
	if errors.Is(err, io.EOF) {
		return errors.New("the server closed the connection instead of answering")
	}
	if err != nil {
		return err
	}
	if !w.answers.idle() {
		return errUnasked
	}
	err = w.check(ans)
	if ans.last {
		w.hangUp()
	}
	return err
}

// extend gives the request its time. It moves the deadline once a second, since
// moving it costs more than a look at the clock.
func (w *worker) extend(ctx context.Context) error {
	now := time.Now()
	if w.limit.Sub(now) > requestTimeout-time.Second {
		return nil
	}
	w.limit = now.Add(requestTimeout)
	if err := w.conn.SetDeadline(w.limit); err != nil {
		return err
	}
	// The watch may have ended the connection just before: do not undo it.
	return ctx.Err()
}

// check judges an answer.
func (w *worker) check(ans answer) error {
	if ans.status != 200 {
		return fmt.Errorf("status %d instead of 200: %.300q", ans.status, ans.body)
	}
	w.seen++
	if w.Check == nil || (w.seen-1)%uint64(w.CheckEvery) != 0 {
		return nil
	}
	return w.Check(ans.status, ans.body)
}
