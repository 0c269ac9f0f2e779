package collect

import (
	"strings"
	"sync"
	"time"
)

// Trace shows what became of one message. It has names and no values.
type Trace struct {
	Time  time.Time `json:"time" doc:"When the message was received"`
	Type  string    `json:"type" doc:"track, identify, page, screen, group or alias; empty if it is unknown"`
	Event string    `json:"event,omitempty" doc:"The event's name as it was sent"`
	// Kept and Dropped are paths of the declaration, or names as they were sent.
	Kept      []string `json:"kept" doc:"The fields that were kept"`
	Dropped   []Drop   `json:"dropped" doc:"The fields that were dropped and why"`
	Duplicate bool     `json:"duplicate,omitempty" doc:"The message was kept before"`
	// Reason is why nothing was kept, "" if something was.
	Reason string `json:"reason,omitempty" doc:"Why nothing of the message was kept"`
	Why    string `json:"why,omitempty" doc:"The same in plain words"`
}

// Drop is a field that was not kept.
type Drop struct {
	Field  string `json:"field" doc:"The field's path"`
	Reason string `json:"reason" doc:"The reason's code" example:"no_choice"`
	Why    string `json:"why" doc:"The same in plain words"`
}

// Activity tells an observer of one message.
type Activity struct {
	Time   time.Time
	Source string
	Person string // short, "" if nobody is known
	Type   string
	Event  string
	Bad    string // the code of what is wrong with the message, or ""
	Trace  Trace
}

// Limits of the debugger.
const (
	maxTraces  = 100 // messages that are remembered of a source
	maxSources = 256 // sources that are remembered
	maxDrops   = 100 // fields that are named in one trace, each of kept and dropped
	maxShown   = 80  // bytes that are shown of a name that a client made up
	// tracePause is how long the debugger looks away when a source has filled its
	// memory: it shows a busy source's samples, and costs it nothing.
	tracePause = 100 * time.Millisecond
)

// debug remembers the last messages of each source.
type debug struct {
	mu      sync.Mutex
	sources map[string]*ring
}

type ring struct {
	traces [maxTraces]Trace
	next   int // where the next one goes
	count  int
	since  time.Time // when the present pause began
	left   int       // messages to be traced until the next pause
}

// budget returns how many messages of a source are to be traced now.
func (d *debug) budget(source string, now time.Time) int {
	d.mu.Lock()
	defer d.mu.Unlock()
	r := d.sources[source]
	if r == nil {
		if len(d.sources) >= maxSources {
			return 0
		}
		if d.sources == nil {
			d.sources = make(map[string]*ring)
		}
		r = &ring{}
		d.sources[strings.Clone(source)] = r
	}
	if pause := now.Sub(r.since); pause >= tracePause || pause < 0 {
		r.since, r.left = now, maxTraces
	}
	return r.left
}

func (d *debug) add(source string, traces []tracing) {
	d.mu.Lock()
	defer d.mu.Unlock()
	r := d.sources[source]
	if r == nil {
		return
	}
	for i := range traces {
		if r.left <= 0 {
			return
		}
		r.left--
		r.traces[r.next] = traces[i].Trace
		r.next = (r.next + 1) % maxTraces
		r.count = min(r.count+1, maxTraces)
	}
}

// Debug returns the last messages of a source, the newest first: at most 100,
// and of a busy source a sample.
func (c *Collector) Debug(source string) []Trace {
	c.debug.mu.Lock()
	defer c.debug.mu.Unlock()
	r := c.debug.sources[source]
	if r == nil {
		return nil
	}
	out := make([]Trace, 0, r.count)
	for i := range r.count {
		out = append(out, r.traces[(r.next-1-i+2*maxTraces)%maxTraces])
	}
	return out
}

// tracing is a trace in the making.
type tracing struct {
	message int
	Trace
}

// startTrace begins to trace message i, if the budget allows.
func (b *batch) startTrace(i int) {
	b.open = -1
	if b.budget > 0 {
		b.budget--
		b.open = len(b.traces)
		b.traces = append(b.traces, tracing{message: i})
	}
}

func (b *batch) endTrace() { b.open = -1 }

// note adds a dropped field to the open trace.
func (b *batch) note(path string, r Reason) {
	b.traces[b.open].drop(path, r)
}

func (t *Trace) drop(path string, r Reason) {
	if len(t.Dropped) < maxDrops {
		t.Dropped = append(t.Dropped, Drop{Field: shown(path), Reason: r.Code(), Why: r.String()})
	}
}

// shown returns a name in the form in which it may be shown: short, and without
// keeping the request that it came from alive.
func shown(name string) string {
	if len(name) > maxShown {
		name = strings.ToValidUTF8(name[:maxShown], "") + "…"
	}
	return strings.Clone(strings.ToValidUTF8(name, "�"))
}

// show finishes the traces and hands them out.
func (b *batch) show() {
	for i := range b.traces {
		b.finish(&b.traces[i])
	}
	b.c.debug.add(b.source, b.traces)
	if b.c.Observe == nil {
		return
	}
	for i := range b.traces {
		t := &b.traces[i]
		m := &b.messages[t.message]
		a := Activity{Time: t.Time, Source: b.source, Type: t.Type, Event: t.Event, Trace: t.Trace}
		if m.known {
			a.Person = m.token.Short()
		}
		if m.bad {
			a.Bad = m.reason.Code()
		}
		b.c.Observe(a)
	}
}

func (b *batch) finish(t *tracing) {
	m := &b.messages[t.message]
	t.Time = time.UnixMilli(b.received).UTC()
	t.Type, t.Event, t.Duplicate = verbNames[m.verb], shown(m.name), m.reason == AlreadyKept
	if m.kept == 0 {
		t.Reason, t.Why = m.why().Code(), m.why().String()
	}
	if t.Duplicate {
		return
	}
	for i := m.from; i < m.to; i++ {
		v := &b.values[i]
		switch {
		case v.gone != NoReason:
			t.drop(v.node.path, v.gone)
		case len(t.Kept) < maxDrops:
			t.Kept = append(t.Kept, v.node.path)
		}
	}
}
