package bench

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func ping(_ int, i uint64, buf []byte) []byte {
	return fmt.Appendf(buf, "GET /%d HTTP/1.1\r\nHost: localhost\r\n\r\n", i)
}

func server(t *testing.T, h http.HandlerFunc) string {
	t.Helper()
	s := httptest.NewUnstartedServer(h)
	s.Config.ErrorLog = nil
	s.Start()
	t.Cleanup(s.Close)
	return s.Listener.Addr().String()
}

// "Every answer was read to its end and had status 200."
func TestLoadAgainstNetHTTP(t *testing.T) {
	for name, answer := range map[string]http.HandlerFunc{
		"length":  func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, r.URL.Path) },
		"chunked": func(w http.ResponseWriter, r *http.Request) { w.(http.Flusher).Flush(); io.WriteString(w, r.URL.Path) },
		"closing": func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Connection", "close")
			io.WriteString(w, r.URL.Path)
		},
		"large": func(w http.ResponseWriter, r *http.Request) {
			io.WriteString(w, r.URL.Path+strings.Repeat(" ", 100_000))
		},
	} {
		t.Run(name, func(t *testing.T) {
			var seen sync.Map
			addr := server(t, func(w http.ResponseWriter, r *http.Request) {
				if _, twice := seen.LoadOrStore(r.URL.Path, true); twice {
					w.WriteHeader(http.StatusConflict)
				}
				answer(w, r)
			})
			var checked atomic.Uint64
			res, err := Load{
				Addr: addr, Connections: 4, Count: 200, Duration: time.Minute, Next: ping,
				Check: func(status int, body []byte) error {
					checked.Add(1)
					if status != 200 || len(body) == 0 || body[0] != '/' {
						return fmt.Errorf("body %.20q", body)
					}
					return nil
				},
			}.Run(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if res.Requests != 200 || res.Errors != 0 || checked.Load() != 200 {
				t.Errorf("%+v with %d checked, want 200 of each and no error", res, checked.Load())
			}
			if res.RatePerS <= 0 || res.P50 <= 0 || res.P50 > res.P99 || res.P99 > res.P999 || res.P999 > res.Max {
				t.Errorf("figures out of order: %+v", res)
			}
		})
	}
}

// "A run with a single wrong answer returns an error, whatever its rate."
func TestLoadFailsOnOneWrongAnswer(t *testing.T) {
	for name, wrong := range map[string]struct {
		answer http.HandlerFunc
		says   string
	}{
		"status": {func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "no", http.StatusServiceUnavailable) }, "status 503"},
		"hijack": {func(w http.ResponseWriter, _ *http.Request) { panic(http.ErrAbortHandler) }, "closed the connection"},
		"body":   {func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "bad") }, "bad body"},
		"cut": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "10")
			io.WriteString(w, "abc")
		}, "middle of an answer"},
	} {
		t.Run(name, func(t *testing.T) {
			addr := server(t, func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Path == "/57" {
					wrong.answer(w, r)
				}
			})
			res, err := Load{
				Addr: addr, Connections: 3, Count: 100, Next: ping,
				Check: func(_ int, body []byte) error {
					if string(body) == "bad" {
						return errors.New("bad body")
					}
					return nil
				},
			}.Run(t.Context())
			if err == nil || !strings.Contains(err.Error(), wrong.says) {
				t.Errorf("error %v, want one that says %q", err, wrong.says)
			}
			if res.Errors != 1 || res.Requests != 99 {
				t.Errorf("%d errors and %d answers, want 1 and 99", res.Errors, res.Requests)
			}
		})
	}
}

func TestLoadSamplesChecks(t *testing.T) {
	addr := server(t, func(http.ResponseWriter, *http.Request) {})
	var checked atomic.Uint64
	_, err := Load{
		Addr: addr, Connections: 1, Count: 100, Next: ping, CheckEvery: 30,
		Check: func(int, []byte) error { checked.Add(1); return nil },
	}.Run(t.Context())
	if err != nil || checked.Load() != 4 {
		t.Errorf("checked %d of 100, every 30th; want 4 (%v)", checked.Load(), err)
	}
}

func TestLoadGivesUpOnADeadServer(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			c.Close()
		}
	}()
	defer l.Close()
	res, err := Load{Addr: l.Addr().String(), Connections: 2, Duration: time.Minute, Next: ping}.Run(t.Context())
	if err == nil || !strings.Contains(err.Error(), "ended after") || res.Errors < maxErrors || res.Errors > maxErrors+2 {
		t.Errorf("%d errors, %v; want to end at %d", res.Errors, err, maxErrors)
	}
}

func TestLoadRefuses(t *testing.T) {
	good := Load{Addr: "127.0.0.1:1", Connections: 1, Count: 1, Next: ping}
	for name, spoil := range map[string]func(*Load){
		"needs Next":      func(l *Load) { l.Next = nil },
		"connections":     func(l *Load) { l.Connections = 0 },
		"the rate":        func(l *Load) { l.Rate = -1 },
		"duration":        func(l *Load) { l.Count = 0 },
		"no connection":   func(l *Load) {},
		"start the serve": func(l *Load) {},
	} {
		l := good
		spoil(&l)
		if _, err := l.Run(t.Context()); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%q: error %v", name, err)
		}
	}
}

func TestLoadStopsWithItsContext(t *testing.T) {
	arrived := make(chan struct{}, 10)
	release := make(chan struct{})
	addr := server(t, func(http.ResponseWriter, *http.Request) {
		arrived <- struct{}{}
		<-release
	})
	defer close(release)
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		<-arrived
		cancel()
	}()
	res, err := Load{Addr: addr, Connections: 2, Duration: time.Hour, Next: ping}.Run(ctx)
	if !errors.Is(err, context.Canceled) || res.Requests != 0 || res.Errors != 0 {
		t.Errorf("%+v, %v; want nothing but context.Canceled", res, err)
	}
}

// The real clock, without a claim about time: every request that is owed is
// sent, and the load stops at once while it waits for the next one.
func TestOpenLoopOnTheRealClock(t *testing.T) {
	addr := server(t, func(http.ResponseWriter, *http.Request) {})
	res, err := Load{Addr: addr, Connections: 4, Rate: 2000, Count: 300, Next: ping}.Run(t.Context())
	if err != nil || res.Requests != 300 || res.Seconds < 299.0/2000 {
		t.Errorf("%+v, %v; want 300 requests in no less than 149.5 ms", res, err)
	}
	arrived := make(chan struct{}, 10)
	addr = server(t, func(http.ResponseWriter, *http.Request) { arrived <- struct{}{} })
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		<-arrived
		cancel()
	}()
	if _, err := (Load{Addr: addr, Connections: 2, Rate: 1e-6, Duration: 1e6 * time.Hour, Next: ping}).Run(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("%v, want context.Canceled", err)
	}
}

// pipes dials an in-memory server whose time is the test's, so rates and
// latencies are exact.
func pipes(t *testing.T, serve func(i int)) func(context.Context, string) (net.Conn, error) {
	var n atomic.Int64
	return func(context.Context, string) (net.Conn, error) {
		client, srv := net.Pipe()
		go func() {
			defer srv.Close()
			buf := make([]byte, 4096)
			for {
				if _, err := srv.Read(buf); err != nil {
					return
				}
				serve(int(n.Add(1) - 1))
				if _, err := io.WriteString(srv, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"); err != nil {
					return
				}
			}
		}()
		return client, nil
	}
}

func virtualWait(ctx context.Context, until time.Time) error {
	time.Sleep(time.Until(until))
	return ctx.Err()
}

// "In the open loop the k-th request is due at start + k/Rate."
func TestOpenLoopKeepsItsRate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		res, err := Load{
			Connections: 8, Rate: 500, Duration: 10 * time.Second, Next: ping,
			dial: pipes(t, func(int) { time.Sleep(3 * time.Millisecond) }), wait: virtualWait,
		}.Run(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if res.Requests != 5000 || res.Behind != 0 {
			t.Errorf("%d requests, %d behind; want 5000 and 0", res.Requests, res.Behind)
		}
		if res.P50 < 3 || res.Max > 3.03 {
			t.Errorf("latencies %v to %v ms, want 3", res.P50, res.Max)
		}
	})
}

// "A server that stalls is charged for every request that should have come
// meanwhile."
func TestOpenLoopHidesNoStall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		res, err := Load{
			Connections: 1, Rate: 100, Duration: 10 * time.Second, Next: ping,
			dial: pipes(t, func(i int) {
				if i == 100 {
					time.Sleep(2 * time.Second)
				}
			}), wait: virtualWait,
		}.Run(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		// One request of 1000 met the stall; 200 were due during it, so the 99th
		// percentile is far up in it.
		if res.Requests != 1000 || res.P99 < 1890 || res.P99 > 1920 || res.P50 > 0.001 {
			t.Errorf("%+v; want p99 of about 1900 ms and p50 of 0", res)
		}
	})
}

// "Those that were due and never sent are reported as Behind."
func TestOpenLoopReportsWhatItCouldNotSend(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		res, err := Load{
			Connections: 1, Rate: 100, Duration: 10 * time.Second, Next: ping,
			dial: pipes(t, func(int) { time.Sleep(40 * time.Millisecond) }), wait: virtualWait,
		}.Run(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if res.Requests != 250 || res.Behind != 750 {
			t.Errorf("%d sent and %d behind, want 250 and 750", res.Requests, res.Behind)
		}
	})
}

func TestClosedLoopEndsInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		res, err := Load{
			Connections: 2, Duration: time.Second, Next: ping,
			dial: pipes(t, func(int) { time.Sleep(10 * time.Millisecond) }), wait: virtualWait,
		}.Run(t.Context())
		if err != nil || res.Requests != 200 || res.Seconds != 1 || res.RatePerS != 200 {
			t.Errorf("%+v, %v; want 200 requests in 1 s", res, err)
		}
	})
}

func TestReportKeys(t *testing.T) {
	r := Result{RatePerS: 500, P50: 1, P99: 2}.Report(100, 300_000_000, 100_000)
	b, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	want := `{"rate_per_s":50000,"p50_ms":1,"p99_ms":2,"rss_mb":300,"raw_rate_per_s":100000,"ratio":0.5}`
	if diff := cmp.Diff(want, string(b)); diff != "" {
		t.Error(diff)
	}
	text := r.Text("events")
	for _, part := range []string{"50000 events/s", "1.000 ms", "2.000 ms", "300 MB", "100000 events/s", "0.50"} {
		if !strings.Contains(text, part) {
			t.Errorf("the text lacks %q:\n%s", part, text)
		}
	}
	if got := (Result{}).Report(1, 0, 0); got.Ratio != 0 {
		t.Errorf("ratio %v to nothing", got.Ratio)
	}
}

func TestRSS(t *testing.T) {
	if _, err := os.Stat("/proc/self/statm"); err != nil {
		t.Skip("no /proc on this system:", err)
	}
	if got := RSS(os.Getpid()); got < 1<<20 || got > 1<<34 {
		t.Errorf("this process has %d bytes resident", got)
	}
	if got := RSS(-1); got != 0 {
		t.Errorf("no process has %d bytes", got)
	}
}

// BenchmarkLoad is what the generator alone can push at a server that does
// nothing, in one process with it: the ceiling of every figure it measures.
func BenchmarkLoad(b *testing.B) {
	for name, next := range map[string]Next{
		"decide": Decide{Key: "k"}.Requests(),
		"batch":  IngestBatch(Ingest{Key: "k"}),
	} {
		b.Run(name, func(b *testing.B) {
			s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.Copy(io.Discard, r.Body) }))
			defer s.Close()
			b.ReportAllocs()
			var requests, seconds float64
			for b.Loop() {
				res, err := Load{Addr: s.Listener.Addr().String(), Connections: 16, Count: 5000, Next: next}.Run(b.Context())
				if err != nil {
					b.Fatal(err)
				}
				requests, seconds = requests+float64(res.Requests), seconds+res.Seconds
			}
			b.ReportMetric(requests/seconds, "requests/s")
		})
	}
}
