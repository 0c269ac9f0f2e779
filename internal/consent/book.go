package consent

import (
	"sync"
	"time"

	"accord/internal/declare"
	"accord/internal/identity"
)

// Present is a person's present choice about one purpose.
type Present struct {
	State     State
	Synthetic bool
	// Since is the sequence of the choice from which an unbroken consent runs.
	// A record admitted under an earlier sequence is not covered: what came
	// before a consent never follows it.
	Since uint64
	// At is when the person made the choice that Since names, in Unix
	// milliseconds; an event older than it is not covered.
	At int64
	// Until is when the consent expires, in Unix milliseconds; 0 is never.
	Until int64
	// Last is the sequence of the newest choice about this purpose.
	Last uint64
}

// standing is all that one person has said. It is guarded by its shard.
type standing struct {
	sequence uint64 // of the newest record applied
	present  []Present
}

const shards = 256

type shard struct {
	mu     sync.RWMutex // guards people and every standing in it
	people map[identity.Token]*standing
}

// Book holds the present choices of everybody. It is safe for concurrent use:
// when Apply has returned, no later read sees the older choice.
type Book struct {
	declaration *declare.Declaration
	shards      [shards]shard
}

// NewBook returns an empty Book for the purposes of d.
func NewBook(d *declare.Declaration) *Book {
	b := &Book{declaration: d}
	for i := range b.shards {
		b.shards[i].people = make(map[identity.Token]*standing)
	}
	return b
}

func (b *Book) shard(t identity.Token) *shard { return &b.shards[t[15]] }

// Apply puts a durable record into force. A record that was applied before is
// ignored, so a replay changes nothing; purposes that the declaration does not
// name are ignored too.
func (b *Book) Apply(r Record) {
	s := b.shard(r.Token)
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.people[r.Token]
	if p == nil {
		p = &standing{present: make([]Present, len(b.declaration.Purposes))}
		s.people[r.Token] = p
	}
	if r.Sequence <= p.sequence {
		return
	}
	p.sequence = r.Sequence
	for _, c := range r.Choices {
		i, ok := b.declaration.Purpose(c.Purpose)
		if !ok {
			continue
		}
		p.present[i] = after(p.present[i], c, r, &b.declaration.Purposes[i])
	}
}

// after returns what a choice makes of the one before it.
func after(old Present, c Choice, r Record, purpose *declare.Purpose) Present {
	now := Present{State: c.State, Synthetic: c.Synthetic, Since: r.Sequence, At: c.At.UnixMilli(), Last: r.Sequence}
	if c.State != Given {
		return now
	}
	if !purpose.Valid.IsZero() {
		now.Until = purpose.Valid.After(c.At).UnixMilli()
	}
	// A renewal of a consent that never lapsed keeps what the first one covered.
	unbroken := old.State == Given && (old.Until == 0 || r.Accepted.UnixMilli() < old.Until)
	if unbroken {
		now.Since, now.At = old.Since, min(old.At, now.At)
	}
	return now
}

// Forget drops all that a person said. Erasure calls it after the keys are gone.
func (b *Book) Forget(t identity.Token) {
	s := b.shard(t)
	s.mu.Lock()
	delete(s.people, t)
	s.mu.Unlock()
}

// Presents returns a copy of a person's present choices, one for each purpose
// of the declaration, and the sequence of the newest record; a person who never
// chose has zero values.
func (b *Book) Presents(t identity.Token) ([]Present, uint64) {
	out := make([]Present, len(b.declaration.Purposes))
	s := b.shard(t)
	s.mu.RLock()
	defer s.mu.RUnlock()
	p := s.people[t]
	if p == nil {
		return out, 0
	}
	copy(out, p.present)
	return out, p.sequence
}

// Holding returns the purposes with a valid basis for a person at now. It says
// what the choices say, whether the gate is open or not: what a withdrawal
// destroys must not depend on a server that happens to stop.
func (b *Book) Holding(t identity.Token, now time.Time) (s declare.Set) {
	presents, _ := b.Presents(t)
	for i := range presents {
		basis := b.declaration.Purposes[i].Basis
		if !narrowable(basis) || holds(basis, presents[i], millis(now)) == Allowed {
			s = s.With(declare.PurposeIndex(i))
		}
	}
	return s
}

// Count returns how many people have made a choice.
func (b *Book) Count() (n int) {
	for i := range b.shards {
		s := &b.shards[i]
		s.mu.RLock()
		n += len(s.people)
		s.mu.RUnlock()
	}
	return n
}

// holds tells whether a purpose has a valid basis for a person, and from which
// sequence and time on.
func holds(basis declare.Basis, p Present, now int64) Reason {
	switch p.State {
	case Refused:
		return DeniedRefused
	case Withdrawn:
		return DeniedWithdrawn
	case Objected:
		return DeniedObjected
	}
	if basis == declare.Consent {
		switch {
		case p.State == Unset:
			return DeniedNoChoice
		case p.Until != 0 && now >= p.Until:
			return DeniedExpired
		}
	}
	return Allowed
}

// narrowable reports whether a person's choice can end a basis. A contract and
// a legal obligation are ended by rights (erasure, restriction), not by choice.
func narrowable(basis declare.Basis) bool {
	return basis != declare.Contract && basis != declare.LegalObligation
}

func millis(t time.Time) int64 { return t.UnixMilli() }
