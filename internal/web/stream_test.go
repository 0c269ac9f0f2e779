package web

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// "Publish never waits. A page that cannot follow loses activities, and is told
// how many."
func TestFeedIsBounded(t *testing.T) {
	f := NewFeed()
	ctx, cancel := context.WithCancel(t.Context())
	slow := f.Subscribe(ctx)
	for n := range queue + 100 {
		f.Publish(Activity{Time: time.Unix(int64(n), 0), Refusal: &Refusal{}})
	}
	for n := range queue {
		if a := <-slow; a.Time.Unix() != int64(n) || a.Missed != 0 {
			t.Fatalf("activity %d is %+v", n, a)
		}
	}
	f.Publish(Activity{Refusal: &Refusal{}})
	if a := <-slow; a.Missed != 100 {
		t.Errorf("told of %d missed, want 100", a.Missed)
	}
	f.Publish(Activity{Refusal: &Refusal{}})
	if a := <-slow; a.Missed != 0 {
		t.Errorf("told of %d missed twice", a.Missed)
	}
	cancel()
	for range slow { // closed when the context ends
		t.Error("something came after the end")
	}
	if f.Listening() {
		t.Error("the feed still counts the page that left")
	}
}

func TestFeedUnderRace(t *testing.T) {
	f := NewFeed()
	var publishers, pages sync.WaitGroup
	for range 4 {
		publishers.Go(func() {
			for n := range 500 {
				f.Publish(activity(n))
			}
		})
		pages.Go(func() {
			for n := range 20 {
				ctx, cancel := context.WithCancel(t.Context())
				ch := f.Subscribe(ctx)
				if n%2 == 0 {
					f.Publish(activity(n))
					<-ch
				}
				cancel()
				for range ch {
				}
			}
		})
	}
	publishers.Wait()
	pages.Wait()
	last := f.Subscribe(t.Context())
	f.Close()
	f.Close()
	if _, open := <-last; open || f.Listening() {
		t.Error("a subscription outlived the feed")
	}
	if _, open := <-f.Subscribe(t.Context()); open {
		t.Error("a closed feed takes subscriptions")
	}
}

// heard are the events of a stream, in order.
func heard(t *testing.T, body []byte) (names []string, data []map[string]any) {
	t.Helper()
	lines := bufio.NewScanner(bytes.NewReader(body))
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		if name, ok := strings.CutPrefix(lines.Text(), "event: "); ok {
			names = append(names, name)
		}
		if d, ok := strings.CutPrefix(lines.Text(), "data: "); ok {
			var v map[string]any
			if err := json.Unmarshal([]byte(d), &v); err != nil {
				t.Fatalf("%v in %q", err, d)
			}
			data = append(data, v)
		}
	}
	if len(names) != len(data) {
		t.Fatalf("%d names and %d data", len(names), len(data))
	}
	return names, data
}

func TestStream(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, _, feed := config(t)
		h := New(c)
		ctx, leave := context.WithCancel(t.Context())
		w := httptest.NewRecorder()
		done := make(chan struct{})
		go func() {
			defer close(done)
			h.ServeHTTP(w, httptest.NewRequest("GET", "/demo/events", nil).WithContext(ctx))
		}()
		synctest.Wait()
		for n := range 50 { // 30 events, 10 decisions, 10 refusals at once
			feed.Publish(activity(n))
		}
		feed.Publish(Activity{Time: time.Now(), Event: &Event{Name: hostile, Person: Person{Name: hostile, ID: hostile}}})
		time.Sleep(1100 * time.Millisecond)
		synctest.Wait()
		leave()
		<-done

		if got := w.Header().Get("Content-Type"); got != "text/event-stream" {
			t.Errorf("content type %s", got)
		}
		names, data := heard(t, w.Body.Bytes())
		if got := strings.Join(names, " "); got != "events decisions refusals counters" {
			t.Fatalf("the page heard %s", got)
		}
		for i, name := range names[:3] {
			html := data[i]["html"].(string)
			if n := strings.Count(html, "<li>"); n != rowsAtOnce {
				t.Errorf("%d rows of %s at once, want %d", n, name, rowsAtOnce)
			}
			if strings.Contains(html, "<script>") {
				t.Errorf("%s has a script: %s", name, html)
			}
		}
		if first := data[0]["html"].(string); !strings.HasPrefix(first, "<li>") || strings.Index(first, "&lt;script&gt;") > strings.Index(first, "Product Viewed") {
			t.Errorf("the newest is not first: %s", first)
		}
		counters := data[3]
		if counters["missed"] != float64(51-3*rowsAtOnce) {
			t.Errorf("%v not shown, want %d", counters["missed"], 51-3*rowsAtOnce)
		}
		if counters["events"] != "120" || counters["decisions"] != "14" || counters["share"] != "65 %" {
			t.Errorf("counters %v", counters)
		}
	})
}

func TestStreamEndsWithTheFeed(t *testing.T) {
	c, _, feed := config(t)
	srv := httptest.NewServer(New(c))
	defer srv.Close()
	resp, err := http.Get(srv.URL + "/demo/events")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	r := bufio.NewReader(resp.Body)
	if line, err := r.ReadString('\n'); err != nil || line != "retry: 2000\n" {
		t.Fatalf("%q, %v", line, err)
	}
	feed.Close()
	if _, err := r.WriteTo(&bytes.Buffer{}); err != nil {
		t.Errorf("the stream did not end well: %v", err)
	}
}

// A page stays open for longer than the server's answers may take: the stream
// moves its own deadline.
func TestStreamOutlivesTheServersDeadline(t *testing.T) {
	c, _, feed := config(t)
	srv := httptest.NewUnstartedServer(New(c))
	srv.Config.WriteTimeout = 100 * time.Millisecond
	srv.Start()
	defer srv.Close()
	defer feed.Close()
	resp, err := http.Get(srv.URL + "/demo/events")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	for lines := bufio.NewScanner(resp.Body); lines.Scan(); {
		if lines.Text() == "event: counters" { // after a second
			return
		}
	}
	t.Error("the stream ended before a second was over")
}

func TestStreamsAreLimited(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, _, _ := config(t)
		h := New(c)
		ctx, leave := context.WithCancel(t.Context())
		var open sync.WaitGroup
		for range maxStreams {
			open.Go(func() {
				h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", "/demo/events", nil).WithContext(ctx))
			})
		}
		synctest.Wait()
		if w := get(h, "/demo/events"); w.Code != 503 || w.Header().Get("Retry-After") == "" {
			t.Errorf("one too many: %d %v", w.Code, w.Header())
		}
		leave()
		open.Wait()
	})
}

func TestRates(t *testing.T) {
	var now Counters
	s := &stream{counters: func() Counters { return now }}
	s.past = append(s.past, now)
	for second := range 20 {
		now.Events += 12345
		now.Decisions += uint64(second % 2)
		if got := s.rates(); got.Events != "12\u202f345" {
			t.Fatalf("after %d s: %q events a second", second+1, got.Events)
		}
	}
	if got := s.rates().Decisions; got != "0.4" { // the last five seconds had two
		t.Errorf("%q decisions a second, want 0.4", got)
	}
	now.Events = 0 // a counter that was started anew
	if got := s.rates().Events; got != "0.0" {
		t.Errorf("%q events a second", got)
	}
	for n, want := range map[uint64]string{0: "0", 999: "999", 1000: "1\u202f000", 1234567: "1\u202f234\u202f567"} {
		if got := grouped(n); got != want {
			t.Errorf("%d is written %q", n, got)
		}
	}
}

func BenchmarkPublish(b *testing.B) {
	for name, pages := range map[string]int{"nobody listens": 0, "one page": 1} {
		b.Run(name, func(b *testing.B) {
			f := NewFeed()
			for range pages {
				f.Subscribe(b.Context())
			}
			a := activity(0)
			b.ReportAllocs()
			for b.Loop() {
				f.Publish(a)
			}
			f.Close()
		})
	}
}
