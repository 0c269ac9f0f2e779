package app

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"accord/internal/bench"
	"accord/internal/catalog"
	"accord/internal/catalog/store"
	"accord/internal/decide"
	"accord/internal/decide/recommend"
	"accord/internal/eventlog"
	"accord/internal/profile"
)

// BenchOptions size a measurement. The server is this same program, started as
// a process of its own on a temporary directory; the load comes from here.
type BenchOptions struct {
	People      int
	Items       int
	History     int // events a person, decide only
	Batch       int // events a request; 1 is single /v1/track calls
	NewShare    float64
	Connections int
	Duration    time.Duration
	Seed        uint64
	Profile     string // passed to the server's --profile
	Talk        io.Writer
}

// BenchIngest measures how fast events are taken and made durable, beside the
// rate at which the engine underneath syncs frames of the same size.
func BenchIngest(ctx context.Context, o BenchOptions) (bench.Report, error) {
	return o.with(ctx, func(s *served) (bench.Report, error) {
		in := bench.Ingest{
			Key: s.key, Batch: o.Batch, People: o.People, Items: o.Items, NewShare: o.NewShare, Seed: o.Seed,
			Run: uint64(time.Now().UnixNano()), Consent: []string{"personalization", trainingPurpose},
		}
		if err := s.enrol(ctx, in); err != nil {
			return bench.Report{}, err
		}
		in.Consent = nil
		in.Run++
		// Who is not new has been here before.
		first := in
		first.Batch = 500
		if err := s.seed(ctx, "a first event of", first, histories(1)); err != nil {
			return bench.Report{}, err
		}
		in.Run++
		next, per := bench.IngestBatch(in), o.Batch
		if o.Batch == 1 {
			next = bench.IngestSingle(in)
		}
		if _, err := s.folded(ctx); err != nil { // what came before is no part of it
			return bench.Report{}, err
		}
		before, err := s.totals(ctx)
		if err != nil {
			return bench.Report{}, err
		}
		result, err := s.load(ctx, next, 0, o.Duration, nil)
		if err != nil {
			return bench.Report{}, err
		}
		// The fold is part of taking an event: the clock runs until it is done.
		behind, err := s.folded(ctx)
		if err != nil {
			return bench.Report{}, err
		}
		result.Seconds += behind.Seconds()
		result.RatePerS = float64(result.Requests) / result.Seconds
		after, err := s.totals(ctx)
		if err != nil {
			return bench.Report{}, err
		}
		took := after.minus(before)
		if err := took.allKept(float64(result.Requests) * float64(per)); err != nil {
			return bench.Report{}, err
		}
		rss := bench.RSS(s.process.Process.Pid)
		raw, err := rawIngest(ctx, s.scratch, took)
		return result.Report(per, rss, raw), err
	})
}

// totals are what the server has taken.
type totals struct {
	events, kept                float64 // by the collector
	frames, records, bytes      float64 // made durable by the log
	folded, duplicates, skipped float64 // records by the fold
}

func (t totals) minus(o totals) totals {
	return totals{
		events: t.events - o.events, kept: t.kept - o.kept, frames: t.frames - o.frames, records: t.records - o.records,
		bytes: t.bytes - o.bytes, folded: t.folded - o.folded, duplicates: t.duplicates - o.duplicates, skipped: t.skipped - o.skipped,
	}
}

// allKept returns an error unless exactly the events that were sent were kept, in
// the log and in the state.
func (t totals) allKept(sent float64) error {
	if t.frames < 1 || t.events != sent || t.kept != sent || t.records < sent || t.folded != t.records || t.duplicates+t.skipped != 0 {
		return fmt.Errorf("%.0f events were sent; the server took %.0f and kept %.0f, in %.0f records of which %.0f were folded, %.0f were there before and %.0f were passed over: something was lost or doubled",
			sent, t.events, t.kept, t.records, t.folded, t.duplicates, t.skipped)
	}
	return nil
}

// histories gives everybody some events.
func histories(perPerson int) func(bench.Ingest) (bench.Next, uint64) {
	return func(in bench.Ingest) (bench.Next, uint64) { return bench.Histories(in, perPerson) }
}

// rawIngest measures the engine alone with frames of the size that the server
// made, and returns how many events a second that would be.
func rawIngest(ctx context.Context, dir string, took totals) (float64, error) {
	perSecond, _, err := eventlog.RawRate(ctx, dir, int(took.bytes/took.frames), 4, 3*time.Second)
	if err != nil {
		return 0, err
	}
	return perSecond * took.events / took.frames, nil
}

// BenchDecide measures decisions over HTTP: the saturated rate, then latencies
// at a tenth of it, beside the engine alone.
func BenchDecide(ctx context.Context, o BenchOptions) (bench.Report, error) {
	return o.with(ctx, func(s *served) (bench.Report, error) {
		in := bench.Ingest{
			Key: s.key, Batch: 500, People: o.People, Items: o.Items, Seed: o.Seed,
			Run: uint64(time.Now().UnixNano()), Consent: []string{"personalization", trainingPurpose},
		}
		if err := s.enrol(ctx, in); err != nil {
			return bench.Report{}, err
		}
		in.Consent = nil
		in.Run++
		if err := s.seed(ctx, "giving histories to", in, histories(o.History)); err != nil {
			return bench.Report{}, err
		}
		if err := s.learn(ctx); err != nil {
			return bench.Report{}, err
		}
		personal := true
		asks, check := bench.Decide{Key: s.key, People: o.People, N: benchItems, Seed: o.Seed}, bench.CheckDecide(benchItems, &personal)
		everybody := func(bench.Ingest) (bench.Next, uint64) { return asks.Everybody() }
		if err := s.seed(ctx, "answering each of", in, everybody); err != nil { // the caches fill
			return bench.Report{}, err
		}
		next := asks.Requests()
		full, err := s.load(ctx, next, 0, o.Duration, check)
		if err != nil {
			return bench.Report{}, err
		}
		calm, err := s.load(ctx, next, full.RatePerS/10, o.Duration, check)
		if err != nil {
			return bench.Report{}, err
		}
		if calm.Behind > calm.Requests/100 {
			return bench.Report{}, fmt.Errorf("at a tenth of its rate the server left %d requests unsent beside %d: the latencies mean nothing, raise --connections or quieten the machine", calm.Behind, calm.Requests)
		}
		if err := s.receipts(ctx, float64(o.People)+float64(full.Requests+calm.Requests)); err != nil {
			return bench.Report{}, err
		}
		rss := bench.RSS(s.process.Process.Pid)
		if err := s.stop(); err != nil { // its directory is needed
			return bench.Report{}, err
		}
		raw, err := rawDecide(ctx, s.data, o)
		report := full.Report(1, rss, raw)
		report.P50MS, report.P99MS = calm.P50, calm.P99
		return report, err
	})
}

// benchItems is how many items an answer has.
const benchItems = 10

// rawDecide asks the engine alone, with the server's own model, on all cores.
func rawDecide(ctx context.Context, data string, o BenchOptions) (_ float64, err error) {
	h, err := Open(ctx, Config{Data: data})
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, h.Close()) }()
	if h.engine.Model() == nil {
		return 0, errors.New("the server left no model")
	}
	engine := recommend.New(nil)
	engine.Swap(h.engine.Model())
	ask := decide.Ask{Purpose: "personalization", N: BenchAnswer, Moment: decide.Moment{Time: time.Now()}}
	for i := range o.History {
		ask.Moment.Session = append(ask.Moment.Session, bench.ItemID((i*131+int(o.Seed))%o.Items))
	}
	var mu sync.Mutex
	var work sync.WaitGroup
	var total uint64
	var fault error
	began := time.Now()
	for range runtime.GOMAXPROCS(0) {
		work.Go(func() {
			n, err := askFor(ctx, engine, ask, 2*time.Second)
			mu.Lock()
			total, fault = total+n, errors.Join(fault, err)
			mu.Unlock()
		})
	}
	work.Wait()
	return float64(total) / time.Since(began).Seconds(), fault
}

// askFor asks an engine again and again for a while.
func askFor(ctx context.Context, e decide.Engine, ask decide.Ask, d time.Duration) (n uint64, err error) {
	for end := time.Now().Add(d); time.Now().Before(end) && ctx.Err() == nil; n++ {
		r, err := e.Decide(ctx, ask, profile.View{})
		if err != nil {
			return n, err
		}
		if len(r.Items) != ask.N {
			return n, fmt.Errorf("the engine gave %d items, not %d", len(r.Items), ask.N)
		}
	}
	return n, nil
}

// served is a server under test.
type served struct {
	options       BenchOptions
	data, scratch string
	addr, key     string
	process       *exec.Cmd
}

// with starts a server on a temporary directory, measures, and stops it.
func (o BenchOptions) with(ctx context.Context, measure func(*served) (bench.Report, error)) (report bench.Report, err error) {
	dir, err := os.MkdirTemp("", "accord-bench-")
	if err != nil {
		return report, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	s := &served{options: o, data: filepath.Join(dir, "data"), scratch: filepath.Join(dir, "raw")}
	if _, err := Init(s.data, Demonstration, "Bench"); err != nil {
		return report, err
	}
	if s.key, _, err = MakeKey(s.data, "secret", "bench", nil); err != nil {
		return report, err
	}
	if err := s.stock(); err != nil {
		return report, err
	}
	if err := s.start(ctx); err != nil {
		return report, err
	}
	defer func() { err = errors.Join(err, s.stop()) }()
	return measure(s)
}

// stock fills the catalogue, so that answers are products.
func (s *served) stock() error {
	catalogue, err := store.Open(filepath.Join(s.data, "catalog.json"))
	if err != nil {
		return err
	}
	products := make([]catalog.Product, s.options.Items)
	for i := range products {
		id := bench.ItemID(i)
		products[i] = catalog.Product{ID: id, Title: "Product " + id, Category: fmt.Sprintf("Part %d", i%50), Price: int64(100 + i), Currency: "EUR"}
	}
	return catalogue.Put(products)
}

// start runs `accord serve`, which learns at its start and not again, and waits
// for the line that says where.
func (s *served) start(ctx context.Context) error {
	program, err := os.Executable()
	if err != nil {
		return err
	}
	s.process = exec.CommandContext(ctx, program, "serve", "--data", s.data, "--listen", "127.0.0.1:0", "--learn", "24h", "--profile", s.options.Profile)
	s.process.Cancel = func() error { return s.process.Process.Signal(syscall.SIGTERM) }
	s.process.WaitDelay = 20 * time.Second
	talk, err := s.process.StderrPipe()
	if err != nil {
		return err
	}
	if err := s.process.Start(); err != nil {
		return err
	}
	lines := bufio.NewScanner(talk)
	for lines.Scan() {
		if _, rest, ok := strings.Cut(lines.Text(), servingOn); ok {
			s.addr = strings.TrimPrefix(strings.Fields(rest)[0], "http://")
			go func() { // until the server closes its end
				for lines.Scan() {
					if strings.Contains(lines.Text(), "level=ERROR") {
						fmt.Fprintln(s.options.Talk, "server:", lines.Text())
					}
				}
			}()
			return nil
		}
	}
	return errors.Join(fmt.Errorf("the server did not start"), s.process.Wait())
}

// stop ends the server in order; one that was stopped stays so.
func (s *served) stop() error {
	process := s.process
	if s.process = nil; process == nil {
		return nil
	}
	if err := process.Process.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	return process.Wait()
}

// enrol lets everybody consent. A choice is a message and a sync of its own, so
// few go into one request: it has its time limit too.
func (s *served) enrol(ctx context.Context, in bench.Ingest) error {
	in.Batch = 10
	return s.seed(ctx, "enrolling", in, bench.Enrol)
}

// seed sends a bounded number of requests that prepare the measurement.
func (s *served) seed(ctx context.Context, what string, in bench.Ingest, make func(bench.Ingest) (bench.Next, uint64)) error {
	next, count := make(in)
	fmt.Fprintf(s.options.Talk, "%s %d people …\n", what, in.People)
	load := bench.Load{Addr: s.addr, Connections: s.options.Connections, Count: count, Next: next}
	if _, err := load.Run(ctx); err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	return nil
}

func (s *served) load(ctx context.Context, next bench.Next, rate float64, d time.Duration, check func(int, []byte) error) (bench.Result, error) {
	if rate == 0 {
		fmt.Fprintf(s.options.Talk, "loading with %d connections for %s …\n", s.options.Connections, d)
	} else {
		fmt.Fprintf(s.options.Talk, "loading with %.0f requests/s for %s …\n", rate, d)
	}
	return bench.Load{Addr: s.addr, Connections: s.options.Connections, Rate: rate, Duration: d, Next: next, Check: check, CheckEvery: 100}.Run(ctx)
}

// metric reads one number from the server's metrics.
func (s *served) metric(ctx context.Context, name string) (float64, error) {
	req, err := http.NewRequestWithContext(ctx, "GET", "http://"+s.addr+"/metrics", nil)
	if err != nil {
		return 0, err
	}
	req.SetBasicAuth(s.key, "")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	for lines := bufio.NewScanner(io.LimitReader(resp.Body, 1<<20)); lines.Scan(); {
		if rest, ok := strings.CutPrefix(lines.Text(), name+" "); ok {
			return strconv.ParseFloat(rest, 64)
		}
	}
	return 0, fmt.Errorf("the server has no metric %s", name)
}

func (s *served) totals(ctx context.Context) (t totals, err error) {
	outcomes := map[string]*float64{"folded": &t.folded, "duplicate": &t.duplicates}
	for _, skipped := range []string{"erased", "withdrawn", "outlived", "undeclared", "damaged"} {
		outcomes[skipped] = &t.skipped
	}
	reads := map[string]*float64{
		`accord_collect_total{outcome="events"}`: &t.events, `accord_collect_total{outcome="kept"}`: &t.kept,
		"accord_log_frames_total": &t.frames, "accord_log_records_total": &t.records, "accord_log_bytes_total": &t.bytes,
	}
	for outcome, to := range outcomes {
		reads[fmt.Sprintf("accord_fold_records_total{outcome=%q}", outcome)] = to
	}
	for name, to := range reads {
		n, err := s.metric(ctx, name)
		if err != nil {
			return t, err
		}
		*to += n
	}
	return t, nil
}

// until polls a metric until it is as wanted, for a time at the most.
func (s *served) until(ctx context.Context, name string, want func(float64) bool, most time.Duration) error {
	for end := time.Now().Add(most); ; {
		n, err := s.metric(ctx, name)
		if err != nil || want(n) {
			return err
		}
		if time.Now().After(end) {
			return fmt.Errorf("%s is %.0f still after %s", name, n, most)
		}
		select {
		case <-time.After(20 * time.Millisecond):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// folded waits until the state has all that the log has, and returns for how long.
func (s *served) folded(ctx context.Context) (time.Duration, error) {
	began := time.Now()
	err := s.until(ctx, "accord_fold_lag_frames", func(n float64) bool { return n == 0 }, 5*time.Minute)
	return time.Since(began), err
}

// receipts checks that as many receipts are durable as answers left since the
// server's start, within a second of the last (and another for a busy machine).
func (s *served) receipts(ctx context.Context, answers float64) error {
	if err := s.until(ctx, "accord_receipts_written_total", func(n float64) bool { return n >= answers }, 2*time.Second); err != nil {
		return fmt.Errorf("%.0f answers left, and not all have a durable receipt: %w", answers, err)
	}
	n, err := s.metric(ctx, "accord_receipts_written_total")
	if err == nil && n != answers {
		err = fmt.Errorf("%.0f answers left, and there are %.0f receipts", answers, n)
	}
	return err
}

// learn lets the server learn from everybody, which it does at a start without a
// model, and starts it again, so that the measurement does not run in what a
// training left behind.
func (s *served) learn(ctx context.Context) error {
	fmt.Fprintln(s.options.Talk, "learning the model …")
	if err := s.again(ctx); err != nil {
		return err
	}
	if err := s.until(ctx, "accord_model_people", func(n float64) bool { return n == float64(s.options.People) }, 10*time.Minute); err != nil {
		return err
	}
	return s.again(ctx)
}

// again stops the server and starts it anew.
func (s *served) again(ctx context.Context) error {
	if err := s.stop(); err != nil {
		return err
	}
	return s.start(ctx)
}

// PrintBench writes a report as JSON or for people.
func PrintBench(out io.Writer, r bench.Report, unit string, asJSON bool) error {
	if asJSON {
		return json.NewEncoder(out).Encode(r)
	}
	_, err := io.WriteString(out, r.Text(unit))
	return err
}
