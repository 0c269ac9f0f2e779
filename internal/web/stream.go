package web

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"time"
)

const (
	// flushEvery is how often a page gets news: often enough to feel live, and
	// seldom enough that a busy shop does not busy the browser.
	flushEvery = 250 * time.Millisecond
	// rowsAtOnce is how many rows of a panel a person can take in between two
	// flushes; of more, the newest are shown and the others counted.
	rowsAtOnce = 3
	// countEvery flushes the counters are sent; rates are means over rateOver
	// of those.
	countEvery = 4
	rateOver   = 5
	// writeTime is how long a page may take to read what was sent.
	writeTime = 10 * time.Second
)

// panels are the live lists of the page: the names of their templates and of
// the stream's events.
var panels = [...]string{"events", "decisions", "refusals"}

func (a *Activity) panel() int {
	switch {
	case a.Event != nil:
		return 0
	case a.Decision != nil:
		return 1
	case a.Refusal != nil:
		return 2
	}
	return -1
}

// events answers GET /demo/events with a stream of server-sent events until the
// page or the feed is closed.
func (s *server) events(w http.ResponseWriter, r *http.Request) {
	select {
	case s.streams <- struct{}{}:
		defer func() { <-s.streams }()
	default:
		w.Header().Set("Retry-After", "5")
		fail(w, http.StatusServiceUnavailable, "Too many demo pages are open. Close one and try again.")
		return
	}
	h := w.Header()
	h.Set("Content-Type", "text/event-stream")
	h.Set("X-Accel-Buffering", "no") // a proxy must not hold it back
	st := &stream{w: w, control: http.NewResponseController(w), counters: s.Counters}
	if err := st.open(); err != nil {
		return
	}
	news := s.Feed.Subscribe(r.Context())
	tick := time.NewTicker(flushEvery)
	defer tick.Stop()
	for {
		select {
		case <-r.Context().Done():
			return
		case a, ok := <-news:
			if !ok {
				return
			}
			st.take(a)
		case <-tick.C:
			if st.flush() != nil {
				return
			}
		}
	}
}

// stream is one open page.
type stream struct {
	w        http.ResponseWriter
	control  *http.ResponseController
	counters func() Counters

	waiting [len(panels)][]Activity // at most rowsAtOnce each
	missed  uint64                  // not shown, since the page was opened
	ticks   int
	past    []Counters // one a second, the newest last
	out     bytes.Buffer
}

// open sends the header and says how soon to come back after a break.
func (s *stream) open() error {
	s.past = append(s.past, s.counters())
	s.out.WriteString("retry: 2000\n\n")
	return s.send()
}

func (s *stream) take(a Activity) {
	s.missed += a.Missed
	p := a.panel()
	if p < 0 {
		return
	}
	if len(s.waiting[p]) == rowsAtOnce {
		copy(s.waiting[p], s.waiting[p][1:])
		s.waiting[p] = s.waiting[p][:rowsAtOnce-1]
		s.missed++
	}
	s.waiting[p] = append(s.waiting[p], a)
}

// flush sends what waits, and once a second the counters, which keep an idle
// stream alive too.
func (s *stream) flush() error {
	for p, list := range s.waiting {
		if len(list) == 0 {
			continue
		}
		var html strings.Builder
		for i := len(list) - 1; i >= 0; i-- { // the newest first
			if err := templates.ExecuteTemplate(&html, panels[p], list[i]); err != nil {
				return err
			}
		}
		clear(list)
		s.waiting[p] = list[:0]
		if err := s.event(panels[p], map[string]string{"html": html.String()}); err != nil {
			return err
		}
	}
	if s.ticks++; s.ticks%countEvery == 0 {
		if err := s.event("counters", s.rates()); err != nil {
			return err
		}
	}
	if s.out.Len() == 0 {
		return nil
	}
	return s.send()
}

// strip is the counter strip as the script gets it.
type strip struct {
	Events    string `json:"events"`
	Decisions string `json:"decisions"`
	Refused   string `json:"refused"`
	Share     string `json:"share"`
	Missed    uint64 `json:"missed"`
}

func (s *stream) rates() strip {
	now := s.counters()
	before, seconds := s.past[0], float64(len(s.past))*countEvery*flushEvery.Seconds()
	if s.past = append(s.past, now); len(s.past) > rateOver {
		s.past = s.past[1:]
	}
	return strip{
		Events: rate(before.Events, now.Events, seconds), Decisions: rate(before.Decisions, now.Decisions, seconds),
		Refused: grouped(now.Refused), Share: now.Share(), Missed: s.missed,
	}
}

func rate(before, now uint64, seconds float64) string {
	// A counter that went back was started anew.
	r := float64(now-min(before, now)) / seconds
	if r < 10 {
		return fmt.Sprintf("%.1f", r)
	}
	return grouped(uint64(r + 0.5))
}

// grouped writes a number with its thousands apart.
func grouped(n uint64) string {
	s := fmt.Sprint(n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "\u202f" + s[i:]
	}
	return s
}

// event adds one server-sent event. JSON has no line ends, so it is one line.
func (s *stream) event(name string, v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return err
	}
	fmt.Fprintf(&s.out, "event: %s\ndata: %s\n\n", name, b)
	return nil
}

func (s *stream) send() error {
	// Not every writer has deadlines (a recorder in a test has none).
	_ = s.control.SetWriteDeadline(time.Now().Add(writeTime))
	_, err := s.w.Write(s.out.Bytes())
	s.out.Reset()
	if err != nil {
		return err
	}
	return s.control.Flush()
}
