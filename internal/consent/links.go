package consent

import (
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"accord/internal/declare"
	"accord/internal/identity"
)

// Link is an edge between two tokens: the person of the record is a visitor, and
// Other the user whose visitor it is. A visitor is one user's at a time: a newer
// link takes the place of the older, so that whoever signs in at a shared device
// is not joined with whoever did before. Nothing is rewritten by it; Undo takes it
// away again.
type Link struct {
	Other identity.Token `json:"other"`
	Undo  bool           `json:"undo,omitempty"`
	// At is when it was said. What is older than the newest that was said about a
	// visitor says nothing: a queue of old events links nobody again.
	At time.Time `json:"at"`
	// Proof is how the speaker proved to be both, or one of them to undo it.
	Proof string `json:"proof,omitempty"`
}

// MaxLinked bounds the tokens of one person: a user and their visitors.
const MaxLinked = 64

// Versions of a linked person have the first bit set, and those of a group both:
// so none is ever taken for another.
const (
	linkedBit = 1 << 63
	groupBits = linkedBit | 1<<62
)

// links are the living edges. Nobody who holds mu takes the lock of a shard.
type links struct {
	changing sync.Mutex // held over one change
	mu       sync.RWMutex
	groups   map[identity.Token]*group // by each of its members
	said     map[identity.Token]int64  // by visitor, the time of the newest edge or its end, in Unix milliseconds
	versions atomic.Uint64
}

// group is a user with their visitors: one person, as far as it was proven. For
// them a purpose holds only if no member ended it.
type group struct {
	members []identity.Token // the user first; never changed
	version atomic.Uint64    // another one with every change of a member or of the members
}

func (l *links) of(t *identity.Token) *group {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return l.groups[*t]
}

// touch tells the group of t, if there is one, that something changed. The caller
// has the lock of t's shard: so whoever reads the new version reads the change.
func (l *links) touch(t *identity.Token) {
	if g := l.of(t); g != nil {
		g.version.Store(l.next())
	}
}

func (l *links) next() uint64 { return l.versions.Add(1) | groupBits }

// link puts an edge into force, or takes it away. What it changes is first seen
// in the groups and then in the flags of the heads: whoever sees a flag without a
// group meets a person who is just being unlinked.
func (b *Book) link(visitor identity.Token, l *Link) {
	b.links.changing.Lock()
	defer b.links.changing.Unlock()
	if !b.links.may(&visitor, l) {
		return
	}
	b.links.note(visitor, l.At)
	old := b.links.of(&visitor)
	changed := []identity.Token{visitor, l.Other}
	if old != nil {
		changed = append(changed, old.members...)
		b.links.set(old.members, slices.DeleteFunc(slices.Clone(old.members), func(m identity.Token) bool { return m == visitor }))
	}
	if !l.Undo {
		members := []identity.Token{l.Other}
		if g := b.links.of(&l.Other); g != nil {
			members = g.members
		}
		b.links.set(members, append(slices.Clone(members), visitor))
	}
	b.flag(changed)
}

// may reports whether an edge can be: who has visitors is none, and a visitor has
// none. There is nothing to undo where there is no such edge.
func (l *links) may(visitor *identity.Token, link *Link) bool {
	from, to := l.of(visitor), l.of(&link.Other)
	if link.Undo {
		return from != nil && from.members[0] == link.Other && link.Other != *visitor
	}
	return *visitor != link.Other && (from == nil || from.members[0] != *visitor) && (to == nil || to.members[0] == link.Other)
}

// MayLink reports whether visitor can become one of user's, or be one no more:
// see [Link].
func (b *Book) MayLink(visitor identity.Token, l Link) bool {
	if !b.links.may(&visitor, &l) {
		return false
	}
	return l.Undo || len(b.Group(l.Other)) < MaxLinked
}

func (l *links) note(visitor identity.Token, at time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.said == nil {
		l.said = make(map[identity.Token]int64)
	}
	l.said[visitor] = max(l.said[visitor], millis(at))
}

// LinkSaid returns when the newest thing was said about whose visitor t is, in
// Unix milliseconds; 0 is never.
func (b *Book) LinkSaid(t identity.Token) int64 {
	b.links.mu.RLock()
	defer b.links.mu.RUnlock()
	return b.links.said[t]
}

// set makes some people a group in place of the one that they were.
func (l *links) set(old, members []identity.Token) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, m := range old {
		delete(l.groups, m)
	}
	if len(members) < 2 {
		return
	}
	if l.groups == nil {
		l.groups = make(map[identity.Token]*group)
	}
	g := &group{members: members}
	g.version.Store(l.next())
	for _, m := range members {
		l.groups[m] = g
	}
}

// flag notes in the heads of some people whether they are linked.
func (b *Book) flag(people []identity.Token) {
	for i := range people {
		linked := b.links.of(&people[i]) != nil
		s := b.shard(people[i])
		s.mu.Lock()
		if linked || s.find(&people[i]) != 0 {
			head, _ := s.person(&people[i])
			head.version &^= linkedBit
			if linked {
				head.version |= linkedBit
			}
			s.touch(head)
		}
		s.mu.Unlock()
	}
}

// unlinkAll takes away every edge of a person.
func (b *Book) unlinkAll(t identity.Token) {
	if g := b.links.of(&t); g != nil {
		for _, m := range g.members[1:] {
			if m == t || t == g.members[0] {
				b.link(m, &Link{Other: g.members[0], Undo: true})
			}
		}
	}
	b.links.mu.Lock()
	delete(b.links.said, t)
	b.links.mu.Unlock()
}

// Group returns all tokens of the person of t, t itself first: only t where
// nothing is linked.
func (b *Book) Group(t identity.Token) []identity.Token {
	out := []identity.Token{t}
	if g := b.links.of(&t); g != nil {
		for _, m := range g.members {
			if m != t {
				out = append(out, m)
			}
		}
	}
	return out
}

// Visitors returns the visitors of a user.
func (b *Book) Visitors(t identity.Token) []identity.Token {
	if g := b.links.of(&t); g != nil && g.members[0] == t {
		return g.members[1:]
	}
	return nil
}

// User returns the user whose visitor t is.
func (b *Book) User(t identity.Token) (user identity.Token, ok bool) {
	if g := b.links.of(&t); g != nil && g.members[0] != t {
		return g.members[0], true
	}
	return identity.Token{}, false
}

// narrows returns why a linked token denies a purpose to the others, or Allowed.
// Who never chose about a purpose narrows nobody: there is no choice to be the
// stricter one. For its own data the token needs its own choice all the same. A
// child narrows unasked, where nobody who may has consented.
func narrows(basis declare.Basis, p *Present, now int64) Reason {
	if p.Last == 0 && !p.needsGuardian() || !narrowable(basis) {
		return Allowed
	}
	return holds(basis, *p, now)
}

// lookLinked is look for a person who is flagged as linked: the group comes first, so
// that what is read afterwards is not older than the version.
func (b *Book) lookLinked(t identity.Token, purpose declare.PurposeIndex) (p Present, version uint64, who status, g *group) {
	if g = b.links.of(&t); g != nil {
		version = g.version.Load()
		p, _, who = b.look(t, purpose)
		return p, version, b.statusOf(g, who), g
	}
	p, version, who = b.look(t, purpose)
	return p, version, who, nil
}

// statusOf returns what is noted for the law of a person with several tokens: they
// are wherever one of them says, and as young as the youngest.
func (b *Book) statusOf(g *group, who status) status {
	for _, m := range g.members {
		_, _, other := b.look(m, 0)
		who = who.with(other)
	}
	return who
}

// unchangedLinked reports whether nobody of the grant's group said anything since
// the grant, and the group is the same. The caller has the lock of the shard.
func (b *Book) unchangedLinked(grant *Grant, version uint64) bool {
	if g := b.links.of(&grant.token); g != nil {
		version = g.version.Load()
	}
	return version == grant.version
}

// Linked reports whether the grant's person has other tokens. Their data needs
// grants of its own: see [Gate.Visitors].
func (g Grant) Linked() bool { return g.version&linkedBit != 0 }

// Visitors returns the tokens of the visitors who were proven to be the grant's
// user. A visitor's own grant has none: whoever proved to have a browser did not
// prove to be the user who signed in there.
func (g *Gate) Visitors(grant Grant) []identity.Token { return g.book.Visitors(grant.token) }

// strict narrows a grant to what every other token of the person allows.
func (g *Gate) strict(grant Grant, members *group, basis declare.Basis, now int64) (Grant, Reason) {
	for _, m := range members.members {
		if m == grant.token {
			continue
		}
		p, _, _ := g.book.look(m, grant.purpose)
		if r := narrows(basis, &p, now); r != Allowed {
			return Grant{}, r
		}
		if p.State == Given && narrowable(basis) {
			grant.synthetic = grant.synthetic || p.Synthetic
			if p.Until != 0 {
				grant.until = min(grant.until, p.Until)
			}
		}
	}
	return grant, Allowed
}

// narrowed returns the purposes that other tokens of a person deny at now. If
// by is given, it gets the present choices that do.
func (b *Book) narrowed(t identity.Token, now int64, by []Present) (s declare.Set) {
	g := b.links.of(&t)
	if g == nil {
		return 0
	}
	for _, m := range g.members {
		if m != t {
			s |= b.narrowedBy(m, now, by)
		}
	}
	return s
}

func (b *Book) narrowedBy(t identity.Token, now int64, by []Present) (s declare.Set) {
	shard := b.shard(t)
	shard.mu.RLock()
	defer shard.mu.RUnlock()
	place := shard.find(&t)
	if place == 0 {
		return 0
	}
	presents := shard.choices(place)
	for i := range presents {
		if narrows(b.declaration.Purposes[i].Basis, &presents[i], now) == Allowed {
			continue
		}
		s = s.With(declare.PurposeIndex(i))
		if by != nil {
			by[i] = presents[i]
		}
	}
	return s
}

// Strict is Presents with the strictest choice of all tokens of the person: where
// another one denies what t allows, that one's.
func (b *Book) Strict(t identity.Token, now time.Time) ([]Present, uint64) {
	presents, sequence := b.Presents(t)
	by := make([]Present, len(presents))
	narrowed := b.narrowed(t, millis(now), by)
	for i := range presents {
		if narrowed.Has(declare.PurposeIndex(i)) && narrows(b.declaration.Purposes[i].Basis, &presents[i], millis(now)) == Allowed {
			presents[i] = by[i]
		}
	}
	return presents, sequence
}

// Certain reports whether a purpose is ended for a person, and saying so again
// would change nothing: see [Present.Certain]. What is proven reaches every token
// of theirs.
func (b *Book) Certain(t identity.Token, purpose declare.PurposeIndex, proven bool) bool {
	people := []identity.Token{t}
	if proven {
		people = b.Group(t)
	}
	return !slices.ContainsFunc(people, func(m identity.Token) bool {
		p := b.Present(m, purpose)
		return !p.Certain(proven)
	})
}
