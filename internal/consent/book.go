package consent

import (
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
	// milliseconds; an event older than it is not covered. 0 is no limit: the
	// purpose held before the person said anything.
	At int64
	// Until is when the consent expires, in Unix milliseconds; 0 is never.
	Until int64
	// Last is the sequence of the newest choice about this purpose.
	Last uint64
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
		b.shards[i].stride = len(d.Purposes)
	}
	return b
}

func (b *Book) shard(t identity.Token) *shard { return &b.shards[int(t[15])%shards] }

// Apply puts a durable record into force. A record that was applied before is
// ignored, so a replay changes nothing; so are one that is not durable yet
// (Sequence 0) and purposes that the declaration does not name.
func (b *Book) Apply(r Record) {
	if r.Sequence == 0 {
		return
	}
	s := b.shard(r.Token)
	s.mu.Lock()
	defer s.mu.Unlock()
	head, presents := s.person(&r.Token)
	if r.Sequence <= head.sequence {
		return
	}
	head.sequence = r.Sequence
	s.touch(head)
	for _, c := range r.Choices {
		i, ok := b.declaration.Purpose(c.Purpose)
		if !ok {
			continue
		}
		presents[i] = after(presents[i], c, r, &b.declaration.Purposes[i])
	}
}

// Doubt puts into force what narrows in a record that may be durable or not: the
// log did not say. What widens waits for certainty. The next record of the
// person, or the next start, settles it.
func (b *Book) Doubt(r Record) {
	s := b.shard(r.Token)
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range r.Choices {
		i, ok := b.declaration.Purpose(c.Purpose)
		if !ok || c.State == Given || !narrowable(b.declaration.Purposes[i].Basis) {
			continue
		}
		head, presents := s.person(&r.Token)
		s.touch(head)
		r.Sequence = head.sequence + 1 // wherever it lies, it is later than what was applied
		presents[i] = after(presents[i], c, r, &b.declaration.Purposes[i])
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
	if unbroken(old, r, purpose.Basis) {
		// The first time stands: a renewal that claims an earlier one widens
		// nothing.
		now.Since, now.At = old.Since, old.At
	}
	return now
}

// unbroken reports whether a purpose held until the record, so that what was
// kept before it stays covered: a consent that is renewed before it lapsed, or a
// yes to what held without one, which takes nothing away.
func unbroken(old Present, r Record, basis declare.Basis) bool {
	if old.State == Given {
		return old.Until == 0 || r.Accepted.UnixMilli() < old.Until
	}
	return holdsUnasked(basis) && old.Last == 0
}

// Forget drops all that a person said. Erasure calls it after the keys are gone.
func (b *Book) Forget(t identity.Token) {
	s := b.shard(t)
	s.mu.Lock()
	s.remove(&t)
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
	place := s.find(&t)
	if place == 0 {
		return out, 0
	}
	copy(out, s.choices(place))
	return out, s.head(place).sequence
}

// Present returns a person's present choice about one purpose of the
// declaration. It allocates nothing.
func (b *Book) Present(t identity.Token, purpose declare.PurposeIndex) Present {
	p, _ := b.look(t, purpose)
	return p
}

// look returns a present choice and the version of all that is in force for the
// person.
func (b *Book) look(t identity.Token, purpose declare.PurposeIndex) (Present, uint64) {
	s := b.shard(t)
	s.mu.RLock()
	p, version := s.present(&t, purpose)
	s.mu.RUnlock()
	return p, version
}

// unchanged reports whether a person said nothing about a purpose since the
// grant. Mostly they said nothing at all, which the head tells alone.
func (b *Book) unchanged(g *Grant) bool {
	s := b.shard(g.token)
	s.mu.RLock()
	defer s.mu.RUnlock()
	place := s.find(&g.token)
	if place == 0 {
		return g.last == 0
	}
	return s.head(place).version == g.version || s.choices(place)[g.purpose].Last == g.last
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
		n += s.people
		s.mu.RUnlock()
	}
	return n
}

// holds tells whether a purpose whose basis a choice can end holds for a person
// at now, in Unix milliseconds. What it does not know denies: an unknown basis,
// and a state that a later Accord may have written.
func holds(basis declare.Basis, p Present, now int64) Reason {
	switch p.State {
	case Given:
		if p.Until != 0 && now >= p.Until {
			return DeniedExpired
		}
		return Allowed
	case Refused:
		return DeniedRefused
	case Withdrawn:
		return DeniedWithdrawn
	case Objected:
		return DeniedObjected
	}
	if p.Last == 0 && holdsUnasked(basis) {
		return Allowed
	}
	return DeniedNoChoice
}

// holdsUnasked reports whether a basis that a choice can end holds until one
// does.
func holdsUnasked(basis declare.Basis) bool {
	return basis == declare.LegitimateInterest || basis == declare.OptOut
}

// narrowable reports whether a person's choice can end a basis. A contract and
// a legal obligation are ended by rights (erasure, restriction), not by choice.
func narrowable(basis declare.Basis) bool {
	return basis != declare.Contract && basis != declare.LegalObligation
}

func millis(t time.Time) int64 { return t.UnixMilli() }
