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
		before, err := s.logTotals(ctx)
		if err != nil {
			return bench.Report{}, err
		}
		result, err := s.load(ctx, next, 0, o.Duration, nil)
		if err != nil {
			return bench.Report{}, err
		}
		after, err := s.logTotals(ctx)
		if err != nil {
			return bench.Report{}, err
		}
		rss := bench.RSS(s.process.Process.Pid)
		raw, err := rawIngest(ctx, s.scratch, before, after, result.Requests*uint64(per))
		return result.Report(per, rss, raw), err
	})
}

// logTotals are what the server's log has taken.
type logTotals struct{ frames, records, bytes float64 }

// histories gives everybody some events.
func histories(perPerson int) func(bench.Ingest) (bench.Next, uint64) {
	return func(in bench.Ingest) (bench.Next, uint64) { return bench.Histories(in, perPerson) }
}

// rawIngest measures the engine alone with frames of the size that the server
// made, and returns how many events a second that would be.
func rawIngest(ctx context.Context, dir string, before, after logTotals, events uint64) (float64, error) {
	frames, bytes, records := after.frames-before.frames, after.bytes-before.bytes, after.records-before.records
	if frames < 1 || records < float64(events) {
		return 0, fmt.Errorf("the log took %.0f records in %.0f frames for %d events: something was not kept", records, frames, events)
	}
	perSecond, _, err := eventlog.RawRate(ctx, dir, int(bytes/frames), 4, 3*time.Second)
	if err != nil {
		return 0, err
	}
	return perSecond * float64(events) / frames, nil
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
		asks, check := bench.Decide{Key: s.key, People: o.People, Seed: o.Seed}, bench.CheckDecide(&personal)
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
		raw, err := rawDecide(ctx, filepath.Join(s.data, "models", "recommend"), o)
		report := full.Report(1, bench.RSS(s.process.Process.Pid), raw)
		report.P50MS, report.P99MS = calm.P50, calm.P99
		return report, err
	})
}

// rawDecide asks the engine alone, with the server's own model, on all cores.
func rawDecide(ctx context.Context, file string, o BenchOptions) (float64, error) {
	b, err := os.ReadFile(file)
	if err != nil {
		return 0, err
	}
	var m recommend.Model
	if err := m.UnmarshalBinary(b); err != nil {
		return 0, err
	}
	engine := recommend.New(nil)
	engine.Swap(&m)
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
	if err := s.start(ctx, time.Hour); err != nil {
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

// start runs `accord serve`, learning at an interval, and waits for the line
// that says where.
func (s *served) start(ctx context.Context, learn time.Duration) error {
	program, err := os.Executable()
	if err != nil {
		return err
	}
	s.process = exec.CommandContext(ctx, program, "serve", "--data", s.data, "--listen", "127.0.0.1:0", "--learn", learn.String(), "--profile", s.options.Profile)
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

func (s *served) stop() error {
	if err := s.process.Process.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	return s.process.Wait()
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

func (s *served) logTotals(ctx context.Context) (t logTotals, err error) {
	for name, to := range map[string]*float64{"accord_log_frames_total": &t.frames, "accord_log_records_total": &t.records, "accord_log_bytes_total": &t.bytes} {
		if *to, err = s.metric(ctx, name); err != nil {
			return t, err
		}
	}
	return t, nil
}

// learn lets the server learn from everybody, then starts it again, so that the
// measurement does not run beside a training.
func (s *served) learn(ctx context.Context) error {
	fmt.Fprintln(s.options.Talk, "learning the model …")
	if err := s.stop(); err != nil {
		return err
	}
	if err := s.start(ctx, time.Second); err != nil {
		return err
	}
	for {
		n, err := s.metric(ctx, "accord_model_people")
		if err != nil {
			return err
		}
		if n >= float64(s.options.People*9/10) {
			break
		}
		select {
		case <-time.After(500 * time.Millisecond):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	if err := s.stop(); err != nil {
		return err
	}
	return s.start(ctx, time.Hour)
}

// PrintBench writes a report as JSON or for people.
func PrintBench(out io.Writer, r bench.Report, unit string, asJSON bool) error {
	if asJSON {
		return json.NewEncoder(out).Encode(r)
	}
	_, err := io.WriteString(out, r.Text(unit))
	return err
}
