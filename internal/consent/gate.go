package consent

import (
	"math"
	"sync/atomic"
	"time"

	"accord/internal/declare"
	"accord/internal/identity"
	"accord/internal/law"
)

// Reason is why the gate answered as it did. The zero Reason denies.
type Reason uint8

// The reasons. Only Allowed allows.
const (
	DeniedZero Reason = iota // no question was asked
	Allowed
	DeniedNobody         // the request names no person
	DeniedUnknownPerson  // nothing is held about the person
	DeniedUnproven       // the speaker did not prove to be the person
	DeniedUnknownPurpose // the declaration has no such purpose
	DeniedNoChoice       // consent is needed and was never given
	DeniedRefused
	DeniedWithdrawn
	DeniedExpired
	DeniedObjected
	DeniedChanged       // the choice changed while the answer was made
	DeniedStale         // the grant ran out before the answer was released
	DeniedClosed        // the gate is closed: starting, stopping or in doubt
	DeniedBefore        // the data is older than the consent
	DeniedNoticeChanged // more is done today than the notice said that was agreed to
	DeniedUnknownNotice // nobody can say which notice was agreed to
	DeniedUnsigned      // the consent lacks the person's signature, which the purpose needs
	DeniedGuardian      // the person is a child, and no guardian consented
	DeniedStopped       // the operator stopped it for everyone
	DeniedLaw           // the law where the person is forbids it
	DeniedLawConsent    // the law where the person is needs a consent, and there is none
	DeniedSignal        // a signal of the request refuses it
	reasons
)

// Reasons is the number of reasons, for tables of counters.
const Reasons = int(reasons)

// Code returns the reason's stable name for metrics, receipts and the API.
func (r Reason) Code() string {
	if r < reasons {
		return reasonTexts[r][0]
	}
	return "unknown"
}

// String returns the reason in plain words.
func (r Reason) String() string {
	if r < reasons {
		return reasonTexts[r][1]
	}
	return "unknown reason"
}

var reasonTexts = [reasons][2]string{
	DeniedZero:           {"not_asked", "no permission was asked for"},
	Allowed:              {"allowed", "a valid basis holds"},
	DeniedNobody:         {"nobody", "the request names no person"},
	DeniedUnknownPerson:  {"unknown_person", "nothing is held about this person"},
	DeniedUnproven:       {"unproven", "the speaker did not prove to be this person"},
	DeniedUnknownPurpose: {"unknown_purpose", "the declaration has no such purpose"},
	DeniedNoChoice:       {"no_choice", "consent is needed and was never given"},
	DeniedRefused:        {"refused", "the person refused"},
	DeniedWithdrawn:      {"withdrawn", "the person withdrew their consent"},
	DeniedExpired:        {"expired", "the consent has expired and must be asked again"},
	DeniedObjected:       {"objected", "the person objected"},
	DeniedChanged:        {"changed", "the person's choice changed while the answer was made"},
	DeniedStale:          {"stale", "the permission ran out before the answer could leave"},
	DeniedClosed:         {"closed", "the gate is closed while the server starts, stops or is in doubt"},
	DeniedBefore:         {"before_consent", "the data is older than the consent"},
	DeniedNoticeChanged:  {"notice_changed", "more is done today than the person agreed to, so they must be asked again"},
	DeniedUnknownNotice:  {"unknown_notice", "nobody can say what the person agreed to, so they must be asked again"},
	DeniedGuardian:       {"guardian_needed", "the person is a child, and no guardian has consented"},
	DeniedUnsigned:       {"unsigned", "the consent came without the person's own signature, which this purpose needs"},
	DeniedStopped:        {"stopped", "whoever runs this server stopped it for everyone"},
	DeniedLaw:            {"law_forbids", "the law where the person is forbids it"},
	DeniedLawConsent:     {"law_needs_consent", "the law where the person is allows it only with a consent, and none was given"},
	DeniedSignal:         {"signal", "a signal of the person's browser or device refuses it"},
}

// noticeReasons are the answers by what a notice covers.
var noticeReasons = [...]Reason{NoticeUnknown: DeniedUnknownNotice, NoticeChanged: DeniedNoticeChanged, NoticeCovered: Allowed}

// GrantLife is how long a Grant can be used. It bounds the work that a
// withdrawal may find under way, and so the declared time of promise 3.
const GrantLife = 2 * time.Second

// Gate is the one way to personal data. It opens when the choices were read
// and closes when the server stops or is in doubt; closed, it denies.
type Gate struct {
	declaration *declare.Declaration
	book        *Book
	bases       []declare.Basis // of the declaration's purposes, close together
	open        atomic.Bool
	doubt       atomic.Bool
	lawful      atomic.Pointer[lawful] // nil where there is no law
}

// NewGate returns a closed gate over book, under the law that book knows.
func NewGate(d *declare.Declaration, book *Book) *Gate {
	g := &Gate{declaration: d, book: book, bases: make([]declare.Basis, len(d.Purposes))}
	if book.code != nil {
		g.lawful.Store(newLawful(d, book.code, book.code.On(time.Time{})))
	}
	for i := range g.bases {
		g.bases[i] = d.Purposes[i].Basis
	}
	return g
}

// Open lets the gate answer. Call it when every durable choice was applied.
func (g *Gate) Open() { g.open.Store(true) }

// Close makes the gate deny everything from now on, releases included.
func (g *Gate) Close() { g.open.Store(false) }

// InDoubt says whether nobody knows what the time is. Then the gate gives and
// releases no grant, and admits data as always.
func (g *Gate) InDoubt(on bool) { g.doubt.Store(on) }

// Grant is the gate's permission to use one person's data for one purpose, for
// a short while. Its zero value denies.
type Grant struct {
	gate      *Gate
	token     identity.Token
	purpose   declare.PurposeIndex
	synthetic bool
	child     bool
	who       status      // as it was noted of the person
	in        law.Regimes // that counted
	last      uint64      // sequence of the newest choice about the purpose
	version   uint64      // of all that was in force for the person
	since     uint64      // records admitted before this sequence are not covered
	at        int64       // events older than this are not covered (ms); 0 is no limit
	until     int64       // Unix milliseconds
	stops     *stopped
}

// Valid reports whether the gate made g.
func (g Grant) Valid() bool { return g.gate != nil }

// Token returns the person.
func (g Grant) Token() identity.Token { return g.token }

// Controller returns the brand that answers for the data.
func (g Grant) Controller() identity.Controller { return g.gate.declaration.Controller() }

// Purpose returns the purpose, with the obligations that whoever uses the grant
// takes on (Show).
func (g Grant) Purpose() *declare.Purpose { return &g.gate.declaration.Purposes[g.purpose] }

// Choice returns the sequence of the choice that the grant stands on, 0 where
// the basis needs none.
func (g Grant) Choice() uint64 { return g.last }

// Synthetic reports whether the choice was simulated.
func (g Grant) Synthetic() bool { return g.synthetic }

// Until returns when the grant ends.
func (g Grant) Until() time.Time { return time.UnixMilli(g.until) }

// Class reports whether the grant's purpose is one of the class's.
func (g Grant) Class(c *declare.Class) bool { return g.gate != nil && c.Purposes.Has(g.purpose) }

// Covers reports whether the grant covers a record of class c that was admitted
// for the purposes of mask under the choice sequence, about a moment (Unix
// milliseconds).
func (g Grant) Covers(c *declare.Class, mask uint16, sequence uint64, moment int64) bool {
	return g.gate != nil && c.Set(mask).Has(g.purpose) && sequence >= g.since && (g.at == 0 || moment >= g.at)
}

// Purpose finds a purpose by name.
func (g *Gate) Purpose(id declare.PurposeID) (declare.PurposeIndex, bool) {
	return g.declaration.Purpose(id)
}

// Ask asks for a grant. It allocates nothing.
func (g *Gate) Ask(t identity.Token, purpose declare.PurposeIndex, where Where, now time.Time) (Grant, Reason) {
	if !g.open.Load() {
		return Grant{}, DeniedClosed
	}
	if t.IsZero() {
		return Grant{}, DeniedNobody
	}
	if int(purpose) >= len(g.bases) {
		return Grant{}, DeniedUnknownPurpose
	}
	stops := g.book.stops.now.Load()
	if stops.denies(purpose) {
		return Grant{}, DeniedStopped
	}
	basis := g.bases[purpose]
	var linked *group
	p, version, own := g.book.look(t, purpose)
	who := own
	if version&linkedBit != 0 {
		p, version, who, linked = g.book.lookLinked(t, purpose)
	}
	grant := Grant{gate: g, token: t, purpose: purpose, synthetic: p.Synthetic, child: p.Child, who: own, last: p.Last, version: version, until: millis(now.Add(GrantLife)), stops: stops}
	if r := g.allows(purpose, &p, where, who, millis(now), &grant); r != Allowed {
		return Grant{}, r
	}
	if g.doubt.Load() {
		return Grant{}, DeniedClosed
	}
	// A yes to a contract limits nothing: it held before, and a choice does not
	// end it.
	if p.State == Given && narrowable(basis) {
		grant.since, grant.at = p.Since, max(p.At, grant.at)
		if p.Until != 0 {
			grant.until = min(grant.until, p.Until)
		}
	}
	if linked != nil {
		return g.strict(grant, linked, basis, millis(now))
	}
	return grant, Allowed
}

// allows returns why a present choice, the law or a signal denies a purpose, or
// Allowed: what the person said comes first. It bounds the grant, if there is one,
// by the time until which the same law is in force.
func (g *Gate) allows(purpose declare.PurposeIndex, p *Present, where Where, who status, now int64, grant *Grant) Reason {
	basis := g.bases[purpose]
	if narrowable(basis) {
		if r := holds(basis, *p, now); r != Allowed {
			return r
		}
		if where.Deny.Has(purpose) {
			return DeniedSignal
		}
	}
	l := g.law(now)
	if l == nil {
		return Allowed
	}
	in := l.in(where.In, who)
	if grant != nil {
		grant.in, grant.until = in, min(grant.until, l.until)
		grant.at = l.oldest(purpose, in, now)
	}
	return l.reason(purpose, basis, p, in, who.band)
}

// Sequence returns the place of a person's newest choice among all choices, 0 if
// there is none. What is worked out under a grant that was asked for afterwards
// knows at least that choice.
func (g *Gate) Sequence(t identity.Token) uint64 { return g.book.Sequence(t) }

// Release is the final check before an answer leaves: the grant's choice must
// still be the newest one and still hold. It allocates nothing. An answer is
// released exactly when Release returns Allowed; from the moment Book.Apply has
// returned for a withdrawal, it never does (promise 3).
func (g *Gate) Release(grant Grant, now time.Time) Reason {
	switch {
	case grant.gate != g:
		return DeniedZero
	case !g.open.Load() || g.doubt.Load():
		return DeniedClosed
	case millis(now) >= grant.until:
		return DeniedStale
	}
	if !g.book.unchanged(&grant) {
		return DeniedChanged
	}
	return g.unstopped(&grant)
}

// Admission says for which purposes a new piece of data about a person may be
// kept.
type Admission struct {
	// Holds are the purposes with a valid basis.
	Holds declare.Set
	// Sequence is the person's newest choice, stamped on what is admitted.
	Sequence uint64
}

// Admit answers for data about a moment: every purpose whose basis holds now
// and did hold then. A consent covers nothing older than itself, so a queue of
// old events admits nothing. It allocates nothing. A closed gate admits nothing,
// and nothing is admitted about nobody.
func (g *Gate) Admit(t identity.Token, moment time.Time, where Where, now time.Time) (a Admission) {
	if !g.open.Load() || t.IsZero() {
		return a
	}
	a, linked := g.admitOwn(t, millis(moment), where, millis(now))
	if linked {
		a.Holds &^= g.book.narrowed(t, millis(now), nil)
		a.Holds = g.lawfulLinked(t, a.Holds, where, millis(now))
	}
	if stops := g.book.stops.now.Load(); stops != nil {
		a.Holds &^= stops.purposes
	}
	return a
}

// admitOwn is Admit by the token's own choices. It reports whether others count
// too.
func (g *Gate) admitOwn(t identity.Token, at int64, where Where, ms int64) (a Admission, linked bool) {
	s := g.book.shard(t)
	s.mu.RLock()
	defer s.mu.RUnlock()
	var presents []Present
	var who status
	if place := s.find(&t); place != 0 {
		a.Sequence, presents, who = s.head(place).sequence, s.choices(place), s.head(place).status
		linked = s.head(place).version&linkedBit != 0
	}
	for i, basis := range g.bases {
		var p Present
		if presents != nil {
			p = presents[i]
		}
		purpose := declare.PurposeIndex(i)
		if narrowable(basis) && p.State == Given && at < p.admits() || g.allows(purpose, &p, where, who, ms, nil) != Allowed {
			continue
		}
		a.Holds = a.Holds.With(purpose)
	}
	return a, linked
}

// Unasked returns the purposes that hold for somebody who never chose.
func (g *Gate) Unasked(where Where, now time.Time) (s declare.Set) {
	var nothing Present
	for i := range g.bases {
		if p := declare.PurposeIndex(i); g.allows(p, &nothing, where, status{}, millis(now), nil) == Allowed {
			s = s.With(p)
		}
	}
	return s
}

// lawfulLinked returns those of some purposes that the law allows for all tokens
// of a person together.
func (g *Gate) lawfulLinked(t identity.Token, held declare.Set, where Where, now int64) declare.Set {
	for i := range g.bases {
		purpose := declare.PurposeIndex(i)
		if !held.Has(purpose) {
			continue
		}
		if p, _, who, _ := g.book.lookLinked(t, purpose); g.allows(purpose, &p, where, who, now, nil) != Allowed {
			held = held.Without(purpose)
		}
	}
	return held
}

// admits returns the time from which a consent admits what happened, in Unix
// milliseconds: from when it was given, or given again to what had changed.
func (p *Present) admits() int64 {
	if from := max(p.At, p.again()); from != 0 {
		return from
	}
	return math.MinInt64 // no limit
}

// Still returns those of the purposes under which a record was admitted that
// hold for it now, or wait for the person's own word: what a fold may keep. What
// a view may show is the grant's to say.
func (g *Gate) Still(t identity.Token, admitted declare.Set, sequence uint64, now time.Time) (s declare.Set) {
	sh := g.book.shard(t)
	sh.mu.RLock()
	defer sh.mu.RUnlock()
	var presents []Present
	if place := sh.find(&t); place != 0 {
		presents = sh.choices(place)
	}
	ms := millis(now)
	for i, basis := range g.bases {
		p := declare.PurposeIndex(i)
		if !admitted.Has(p) {
			continue
		}
		var present Present
		if presents != nil {
			present = presents[i]
		}
		if !narrowable(basis) || keeps(basis, &present, sequence, ms) {
			s = s.With(p)
		}
	}
	return s
}

// keeps reports whether what was admitted under a sequence may be kept at now, in
// Unix milliseconds. What a person agreed to under a notice that covers too little
// today waits until they are asked again.
func keeps(basis declare.Basis, p *Present, sequence uint64, now int64) bool {
	if p.Suspended {
		return !p.lapsed(now) && sequence >= p.Since
	}
	if p.State == Given {
		return !p.lapsed(now) && sequence >= p.Since
	}
	return holds(basis, *p, now) == Allowed
}

// Why returns for each purpose of the declaration why it holds or does not for
// a person now.
func (g *Gate) Why(t identity.Token, where Where, now time.Time) []Reason {
	out := make([]Reason, len(g.declaration.Purposes))
	presents, _ := g.book.Strict(t, now)
	_, _, who, _ := g.book.lookLinked(t, 0)
	stops := g.book.stops.now.Load()
	for i := range out {
		out[i] = g.allows(declare.PurposeIndex(i), &presents[i], where, who, millis(now), nil)
		if stops.denies(declare.PurposeIndex(i)) {
			out[i] = DeniedStopped
		}
		if !g.open.Load() {
			out[i] = DeniedClosed
		}
	}
	return out
}
