package consent

import (
	"cmp"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"accord/internal/declare"
	"accord/internal/identity"
)

// StopKind is what an emergency stop refuses for everyone.
type StopKind string

// The kinds of stop. The names are durable.
const (
	StopPurpose   StopKind = "purpose"   // nothing is used or kept for it
	StopAttribute StopKind = "attribute" // it is neither kept nor shown
	StopSource    StopKind = "source"    // it collects nothing and gets un-personal answers
	StopAll       StopKind = "all"       // nothing personal is used or kept
)

// Stop is an emergency stop, or the end of one. It destroys nothing.
type Stop struct {
	Kind   StopKind `json:"kind"`
	Name   string   `json:"name,omitempty"` // none for StopAll
	Resume bool     `json:"resume,omitempty"`
	Why    string   `json:"why"`
	By     string   `json:"by,omitempty"` // the source whose key was used
}

// StopsToken is the name under which stops lie among the choices. It is nobody's:
// tokens are random.
var StopsToken = identity.Token([]byte("accord's stops\x00\x01"))

// Check says why d knows nothing that a stop could be about.
func (s *Stop) Check(d *declare.Declaration) error {
	known := s.Name != ""
	switch s.Kind {
	case StopAll:
		if s.Name != "" {
			return fmt.Errorf("a stop of everything has no name")
		}
		known = true
	case StopPurpose:
		_, known = d.Purpose(declare.PurposeID(s.Name))
	case StopAttribute:
		_, known = d.Attribute(s.Name)
	case StopSource: // whatever keys name
	default:
		return fmt.Errorf("a stop is of a purpose, an attribute, a source or all")
	}
	if !known {
		return fmt.Errorf("there is no %s %.80q", s.Kind, s.Name)
	}
	if s.Why == "" {
		return fmt.Errorf("a stop says why")
	}
	return nil
}

// Stopped is a stop in force.
type Stopped struct {
	Stop
	Since time.Time
	// Doubtful is a stop of which nobody knows whether it is durable. It is in
	// force and may be gone after a restart, so it must be said again.
	Doubtful bool
}

// stops are the stops in force. What the gate reads is one pointer, nil while
// there is none: another pointer means that something changed.
type stops struct {
	mu       sync.Mutex
	sequence uint64
	list     []Stopped
	now      atomic.Pointer[stopped]
}

// stopped is the list, ready for questions. It never changes.
type stopped struct {
	purposes declare.Set
	fields   []declare.NameID
	sources  []string
}

func (s *stopped) denies(p declare.PurposeIndex) bool { return s != nil && s.purposes.Has(p) }

func (s *stopped) hides(f declare.NameID) bool { return s != nil && slices.Contains(s.fields, f) }

// stop puts a durable stop into force, or ends one.
func (b *Book) stop(r *Record) {
	b.stops.mu.Lock()
	defer b.stops.mu.Unlock()
	if r.Sequence <= b.stops.sequence {
		return
	}
	b.stops.sequence = r.Sequence
	b.setStop(Stopped{Stop: *r.Stop, Since: r.Accepted})
}

// doubtStop puts a stop into force that may be durable or not; the end of one
// waits for certainty.
func (b *Book) doubtStop(r *Record) {
	if r.Stop.Resume {
		return
	}
	b.stops.mu.Lock()
	defer b.stops.mu.Unlock()
	b.setStop(Stopped{Stop: *r.Stop, Since: r.Accepted, Doubtful: true})
}

func (b *Book) setStop(s Stopped) {
	b.stops.list = slices.DeleteFunc(slices.Clone(b.stops.list), func(o Stopped) bool { return o.Kind == s.Kind && o.Name == s.Name })
	if !s.Resume {
		b.stops.list = append(b.stops.list, s)
	}
	var now *stopped
	for _, s := range b.stops.list {
		now = cmp.Or(now, new(stopped))
		switch s.Kind {
		case StopAll:
			now.purposes = ^declare.Set(0)
		case StopPurpose:
			if p, ok := b.declaration.Purpose(declare.PurposeID(s.Name)); ok {
				now.purposes = now.purposes.With(p)
			}
		case StopAttribute:
			if f, ok := b.declaration.Attribute(s.Name); ok {
				now.fields = append(now.fields, f.ID)
			}
		case StopSource:
			now.sources = append(now.sources, s.Name)
		}
	}
	b.stops.now.Store(now)
}

// Stops returns the stops in force, the oldest first.
func (b *Book) Stops() []Stopped {
	b.stops.mu.Lock()
	defer b.stops.mu.Unlock()
	return slices.Clone(b.stops.list)
}

// Stops reports whether a source was stopped: it collects nothing and gets
// un-personal answers.
func (g *Gate) Stops(source string) bool {
	s := g.book.stops.now.Load()
	return s != nil && slices.Contains(s.sources, source)
}

// Hides reports whether a field was stopped: it is not kept.
func (g *Gate) Hides(f declare.NameID) bool { return g.book.stops.now.Load().hides(f) }

// Hides reports whether a field is not to be shown to whoever has the grant.
func (g Grant) Hides(f declare.NameID) bool { return g.stops.hides(f) }

// unstopped returns why a change of the stops since the grant forbids its
// release, or Allowed. What was read before an attribute was stopped may hold it,
// so any change makes the work be done again.
func (g *Gate) unstopped(grant *Grant) Reason {
	switch s := g.book.stops.now.Load(); {
	case s == grant.stops:
		return Allowed
	case s.denies(grant.purpose):
		return DeniedStopped
	}
	return DeniedChanged
}
