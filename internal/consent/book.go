package consent

import (
	"time"

	"accord/internal/declare"
	"accord/internal/identity"
	"accord/internal/law"
)

// Present is a person's present choice about one purpose.
type Present struct {
	State     State
	Synthetic bool
	// Doubtful is a choice of which nobody knows whether it is durable: it is in
	// force and may be gone after a restart, so it must be said again.
	Doubtful bool
	// Suspended is an end that nobody proved, of what held until then: the gate is
	// closed, and what was kept waits for the person's own word until Until.
	Suspended bool
	// Notice is whether what the person had read when they gave covers what is done
	// today; of what is suspended, whether it can be taken back without giving anew.
	// It decides where consent is the basis.
	Notice Coverage
	// Unsigned is a consent that does not count, since it came without the person's
	// signature and the purpose needs one.
	Unsigned bool
	// Child is a purpose to which only a guardian may consent for the person, and
	// Guardian a choice that one made.
	Child, Guardian bool
	// Since is the sequence of the choice from which an unbroken consent runs, or
	// ran when it was suspended. A record admitted under an earlier sequence is not
	// covered: what came before a consent never follows it.
	Since uint64
	// At is when the person made the choice that Since names, in Unix
	// milliseconds; an event older than it is not covered. 0 is no limit: the
	// purpose held before the person said anything. Of an end it is the latest
	// time that was claimed; no choice that gives and is older counts.
	At int64
	// Until is when the consent expires, or the suspension of one ends, in Unix
	// milliseconds; 0 is never.
	Until int64
	// Last is the sequence of the newest choice about this purpose.
	Last uint64
	// Held is the At of what was suspended. Of a consent that was given anew, since
	// its notice did not cover what was done, it is when that was: what was kept
	// before is covered again, but nothing that happened before is admitted. 0 is
	// never.
	Held int64
}

// Suspension is how long what an unproven end closed waits for the person's own
// word before it is destroyed.
const Suspension = 30 * 24 * time.Hour

// Certain reports whether the purpose is ended and saying so again would change
// nothing: the end is durable and, to somebody who proved to be the person,
// final.
func (p *Present) Certain(proven bool) bool {
	return p.State.Ended() && !p.Doubtful && !(proven && p.Suspended)
}

// Over reports whether what was kept for the purpose alone is to be destroyed at
// now: it was ended, or it has run out.
func (p *Present) Over(now time.Time) bool {
	if p.Suspended || p.State == Given {
		return p.lapsed(millis(now))
	}
	return p.State.Ended()
}

// Shown returns the state as people read it at now: Expired for a consent that ran
// out.
func (p *Present) Shown(now time.Time) State {
	if p.State == Given && p.lapsed(millis(now)) {
		return Expired
	}
	return p.State
}

func (p *Present) lapsed(now int64) bool { return p.Until != 0 && now >= p.Until }

// Book holds the present choices of everybody. It is safe for concurrent use:
// when Apply has returned, no later read sees the older choice.
type Book struct {
	declaration *declare.Declaration
	notices     Notices
	code        *law.Code // or NoLaw
	shards      [shards]shard
	links       links
	stops       stops
}

// NewBook returns an empty Book for the purposes of d, what people read of them,
// and the law.
func NewBook(d *declare.Declaration, notices Notices, code *law.Code) *Book {
	b := &Book{declaration: d, notices: notices, code: code}
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
	switch {
	case r.Sequence == 0:
	case r.Stop != nil:
		b.stop(&r)
	case b.apply(&r) && r.Link != nil:
		b.link(r.Token, r.Link)
	}
}

// apply puts a record's choices into force, and reports whether it was new.
func (b *Book) apply(r *Record) bool {
	s := b.shard(r.Token)
	s.mu.Lock()
	defer s.mu.Unlock()
	head, presents := s.person(&r.Token)
	if r.Sequence <= head.sequence {
		return false
	}
	head.sequence = r.Sequence
	s.touch(head)
	b.fold(presents, r)
	b.note(&head.status, r)
	b.links.touch(&r.Token)
	return true
}

// Fold returns what one person's durable records put into force, in their order.
func (b *Book) Fold(rs []Record) []Present {
	presents := make([]Present, len(b.declaration.Purposes))
	for i := range rs {
		b.fold(presents, &rs[i])
	}
	return presents
}

func (b *Book) fold(presents []Present, r *Record) {
	d := b.declaration
	if r.Age != "" {
		mark(presents, d, d.Children.IsChild(r.Age))
	}
	for i := range r.Choices {
		p, ok := d.Purpose(r.Choices[i].Purpose)
		switch {
		case !ok:
		case d.Purposes[p].Signed && r.Choices[i].State == Given && r.Signature == nil:
			presents[p].Unsigned = true // what was said before stands
		default:
			presents[p] = b.after(presents[p], &r.Choices[i], r, p)
		}
	}
}

// note takes from a record what the law asks of a person. Where they are stands in
// the newest choice that says so, by when it was made; what nobody proved moves them
// nowhere, since it might be to a milder law.
func (b *Book) note(s *status, r *Record) {
	if r.Age != "" {
		s.band = uint8(b.declaration.Children.Band(r.Age))
	}
	for i := range r.Choices {
		if c := &r.Choices[i]; c.Places() && b.code != nil && c.At.UnixMilli() >= s.said {
			s.in, s.said = b.code.In(law.Place(c.Jurisdiction)), c.At.UnixMilli()
		}
	}
}

// mark notes of the purposes that need a guardian whether the person is a child.
func mark(presents []Present, d *declare.Declaration, child bool) {
	for i := range presents {
		presents[i].Child = child && d.Children.Guarded.Has(declare.PurposeIndex(i))
	}
}

// Doubt puts into force what narrows in a record that may be durable or not: the
// log did not say. What widens waits for certainty. The next choice about the
// purpose, or the next start, settles it; until then it is Doubtful.
func (b *Book) Doubt(r Record) {
	if r.Stop != nil {
		b.doubtStop(&r)
		return
	}
	s := b.shard(r.Token)
	s.mu.Lock()
	defer s.mu.Unlock()
	if b.declaration.Children.IsChild(r.Age) {
		head, presents := s.person(&r.Token)
		s.touch(head)
		mark(presents, b.declaration, true)
		b.note(&head.status, &Record{Age: r.Age})
		b.links.touch(&r.Token)
	}
	for j := range r.Choices {
		c := &r.Choices[j]
		i, ok := b.declaration.Purpose(c.Purpose)
		if !ok || c.State == Given || !narrowable(b.declaration.Purposes[i].Basis) {
			continue
		}
		head, presents := s.person(&r.Token)
		s.touch(head)
		r.Sequence = head.sequence + 1 // wherever it lies, it is later than what was applied
		presents[i] = b.after(presents[i], c, &r, i)
		presents[i].Doubtful = true
		b.links.touch(&r.Token)
	}
}

// after returns what a choice makes of the one before it.
func (b *Book) after(old Present, c *Choice, r *Record, i declare.PurposeIndex) Present {
	purpose := &b.declaration.Purposes[i]
	now := Present{State: c.State, Synthetic: c.Synthetic, Since: r.Sequence, At: c.At.UnixMilli(), Last: r.Sequence,
		Child: old.Child, Guardian: c.By == ByGuardian}
	held := unbroken(&old, r, purpose.Basis)
	if c.State != Given {
		// Old news moves no mark back: else a stale yes would revive what was ended
		// after it.
		now.At = max(now.At, old.At)
		if held && c.Unproven() {
			now.suspend(&old, r.Accepted)
		}
		return now
	}
	now.Notice = b.coverage(c.Notice, i)
	if !purpose.Valid.IsZero() {
		now.Until = purpose.Valid.After(c.At).UnixMilli()
	}
	if held {
		// The first time stands: a renewal that claims an earlier one widens
		// nothing.
		now.Since, now.At, now.Held = old.Since, old.from(), old.again()
		if purpose.Basis == declare.Consent && old.Notice != NoticeCovered {
			now.Held = max(now.Held, c.At.UnixMilli())
		}
	}
	return now
}

// suspend makes an end one that nobody proved. Whatever it closed would have run
// out by itself still does.
func (p *Present) suspend(old *Present, accepted time.Time) {
	p.Suspended, p.Since, p.Held = true, old.Since, old.from()
	if p.Notice = old.Notice; old.again() != 0 {
		p.Notice = NoticeChanged // Held has no room for it: whoever takes this back gives anew
	}
	p.Until = accepted.Add(Suspension).UnixMilli()
	if old.Until != 0 {
		p.Until = min(p.Until, old.Until)
	}
}

// from returns the time from which a consent covers, or did when it was
// suspended.
func (p *Present) from() int64 {
	if p.Suspended {
		return p.Held
	}
	return p.At
}

// again returns when a consent was given anew, 0 for never.
func (p *Present) again() int64 {
	if p.State == Given {
		return p.Held
	}
	return 0
}

// unbroken reports whether a purpose held until the record, so that what was
// kept before it stays covered: a consent that is renewed before it lapsed, one
// whose end nobody proved, or a yes to what held without one, which takes nothing
// away.
func unbroken(old *Present, r *Record, basis declare.Basis) bool {
	if old.State == Given || old.Suspended {
		return !old.lapsed(r.Accepted.UnixMilli())
	}
	return holdsUnasked(basis) && old.Last == 0
}

// Forget drops all that a person said, and the links of theirs. Erasure calls it
// after the keys are gone.
func (b *Book) Forget(t identity.Token) {
	b.unlinkAll(t)
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

// Sequence returns the sequence of the newest record that was applied for a
// person, 0 for somebody who never chose. It allocates nothing.
func (b *Book) Sequence(t identity.Token) uint64 {
	s := b.shard(t)
	s.mu.RLock()
	defer s.mu.RUnlock()
	if place := s.find(&t); place != 0 {
		return s.head(place).sequence
	}
	return 0
}

// Present returns a person's present choice about one purpose of the
// declaration. It allocates nothing.
func (b *Book) Present(t identity.Token, purpose declare.PurposeIndex) Present {
	p, _, _ := b.look(t, purpose)
	return p
}

// look returns a present choice, the version of all that is in force for the
// person, and what is noted of them for the law. Of somebody who never chose all
// are zero.
func (b *Book) look(t identity.Token, purpose declare.PurposeIndex) (p Present, version uint64, who status) {
	s := b.shard(t)
	s.mu.RLock()
	if place := s.find(&t); place != 0 {
		head := s.head(place)
		p, version, who = s.present(place, purpose), head.version, head.status
	}
	s.mu.RUnlock()
	return p, version, who
}

// unchanged reports whether a person said nothing about a purpose since the
// grant. Mostly they said nothing at all, which the head tells alone.
func (b *Book) unchanged(g *Grant) bool {
	s := b.shard(g.token)
	s.mu.RLock()
	defer s.mu.RUnlock()
	place := s.find(&g.token)
	if place == 0 {
		return g.last == 0 && g.version&linkedBit == 0
	}
	if v := s.head(place).version; (v|g.version)&linkedBit != 0 {
		return b.unchangedLinked(g, v)
	}
	head, p := s.head(place), &s.choices(place)[g.purpose]
	return head.version == g.version || p.Last == g.last && p.Child == g.child && head.status == g.who
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

// Lapsed returns the people of whom a consent, or the suspension of one, has run
// out at now.
func (b *Book) Lapsed(now time.Time) (out []identity.Token) {
	for i := range b.shards {
		out = b.shards[i].lapsed(out, millis(now))
	}
	return out
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

// needsGuardian reports whether nobody who may has consented for a child.
func (p *Present) needsGuardian() bool { return p.Child && !p.Guardian }

// holds tells whether a purpose whose basis a choice can end holds for a person
// at now, in Unix milliseconds. What it does not know denies: an unknown basis,
// and a state that a later Accord may have written.
func holds(basis declare.Basis, p Present, now int64) Reason {
	switch p.State {
	case Given:
		if p.lapsed(now) {
			return DeniedExpired
		}
		if p.needsGuardian() {
			return DeniedGuardian
		}
		if basis == declare.Consent {
			return noticeReasons[p.Notice]
		}
		return Allowed
	case Refused:
		return DeniedRefused
	case Withdrawn:
		return DeniedWithdrawn
	case Objected:
		return DeniedObjected
	}
	if p.Unsigned {
		return DeniedUnsigned
	}
	if p.needsGuardian() {
		return DeniedGuardian
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
