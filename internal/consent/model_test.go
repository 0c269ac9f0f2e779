package consent

import (
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"accord/internal/declare"
	"accord/internal/identity"
)

// model is what a person said, as a list, and the answers of plain reading: no
// state is kept that could be wrong.
type model struct {
	purposes []declare.Purpose
	said     map[identity.Token][]said
	newest   map[identity.Token]uint64
}

type said struct {
	sequence uint64
	accepted time.Time
	choice   Choice
}

func (m *model) apply(r Record) {
	if r.Sequence <= m.newest[r.Token] {
		return
	}
	m.newest[r.Token] = r.Sequence
	for _, c := range r.Choices {
		m.said[r.Token] = append(m.said[r.Token], said{r.Sequence, r.Accepted, c})
	}
}

// about returns what a person said about a purpose, in order.
func (m *model) about(who identity.Token, p int) (out []said) {
	for _, s := range m.said[who] {
		if s.choice.Purpose == m.purposes[p].ID {
			out = append(out, s)
		}
	}
	return out
}

// ends returns when a yes runs out, or the end of all times.
func (m *model) ends(p int, s said) time.Time {
	if m.purposes[p].Valid.IsZero() {
		return time.UnixMilli(1 << 50)
	}
	return m.purposes[p].Valid.After(s.choice.At)
}

func (m *model) allows(who identity.Token, p int, now time.Time) bool {
	switch m.purposes[p].Basis {
	case declare.Contract, declare.LegalObligation:
		return true
	}
	list := m.about(who, p)
	if len(list) == 0 {
		return m.purposes[p].Basis != declare.Consent
	}
	last := list[len(list)-1]
	return last.choice.State == Given && now.Before(m.ends(p, last)) && m.read(p, last)
}

// read reports whether what the person had read covers what is done.
func (m *model) read(p int, s said) bool {
	return m.purposes[p].Basis != declare.Consent || library{}.covers(s.choice.Notice, m.purposes[p].ID)
}

// admits reports whether something about a moment may be kept from now on where
// the purpose is allowed: not what happened before a yes that was said anew, since
// the one before it was to less; once that was so, taking back a suspension counts
// as said anew.
func (m *model) admits(who identity.Token, p int, moment time.Time) bool {
	list := m.about(who, p)
	if len(list) == 0 || m.purposes[p].Basis != declare.Consent {
		return true
	}
	anew := false
	for i := m.first(p, list, len(list)-1); i < len(list); {
		next := i + 1
		for next < len(list) && list[next].choice.State != Given {
			next++
		}
		if next < len(list) && (!m.read(p, list[i]) || anew && next > i+1) {
			anew = true
			if moment.Before(list[next].choice.At) {
				return false
			}
		}
		i = next
	}
	return true
}

// covers reports whether what was kept under a sequence, about a moment, may be
// used where the purpose is allowed.
func (m *model) covers(who identity.Token, p int, sequence uint64, moment time.Time) bool {
	list := m.about(who, p)
	switch m.purposes[p].Basis {
	case declare.Contract, declare.LegalObligation:
		return true
	}
	if len(list) == 0 {
		return true
	}
	first := m.first(p, list, len(list)-1)
	if first < 0 {
		return true // a yes to what held anyway
	}
	return sequence >= list[first].sequence && !moment.Before(list[first].choice.At)
}

// first returns the place of the yes from which the one at i runs unbroken, -1 if
// that is from before anything was said. Ends that nobody proved break nothing if
// the yes after them comes in time.
func (m *model) first(p int, list []said, i int) int {
	before := i - 1
	for before >= 0 && list[before].choice.State != Given && list[before].choice.Unproven() {
		before--
	}
	switch {
	case before >= 0 && list[before].choice.State != Given:
		return i
	case before < 0 && m.purposes[p].Basis == declare.Consent:
		return i
	}
	ends := time.UnixMilli(1 << 50)
	if before >= 0 {
		ends = m.ends(p, list[before])
	}
	for _, s := range list[before+1 : i+1] {
		if !s.accepted.Before(ends) {
			return i
		}
		if until := s.accepted.Add(Suspension); s.choice.State != Given && until.Before(ends) {
			ends = until
		}
	}
	if before < 0 {
		return -1
	}
	return m.first(p, list, before)
}

// pending is a grant that was given, and what must hold for its release.
type pending struct {
	grant   Grant
	who     identity.Token
	purpose int
	asked   time.Time
	ends    time.Time
	count   int // how much had been said about the purpose
}

// machine drives the book and its gate against the model.
type machine struct {
	*desk
	model    *model
	now      time.Time
	sequence uint64
	people   []identity.Token
	records  []Record
	pending  []pending
}

func newMachine(t testing.TB) *machine {
	d := newDeskWith(t, library{})
	return &machine{
		desk: d, now: noon,
		model:  &model{purposes: d.declaration.Purposes, said: map[identity.Token][]said{}, newest: map[identity.Token]uint64{}},
		people: []identity.Token{ann, bob, {7}},
	}
}

// TestGateAgainstModel holds promises 1, 2 and 3: the gate never allows,
// releases or covers what a plain reading of everything said denies, nor the
// other way round.
func TestGateAgainstModel(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		m := newMachine(t)
		rt.Repeat(map[string]func(*rapid.T){
			"say":     m.say,
			"doubt":   m.doubt,
			"replay":  m.replay,
			"wait":    m.wait,
			"ask":     m.askFor,
			"release": m.release,
			"admit":   m.admit,
			"forget":  m.forget,
			"":        m.check,
		})
	})
}

func (m *machine) person(t *rapid.T) identity.Token {
	return rapid.SampledFrom(m.people).Draw(t, "who")
}

func (m *machine) say(t *rapid.T) {
	m.sequence++
	r := m.record(t)
	m.records = append(m.records, r)
	m.book.Apply(r)
	m.model.apply(r)
}

// doubt is a record of which nobody knows whether it is durable: what narrows
// counts, and what widens does not.
func (m *machine) doubt(t *rapid.T) {
	r := m.record(t)
	m.book.Doubt(r)
	for _, c := range r.Choices {
		if i, _ := m.declaration.Purpose(c.Purpose); c.State != Given && narrowable(m.declaration.Purposes[i].Basis) {
			m.model.said[r.Token] = append(m.model.said[r.Token], said{m.model.newest[r.Token] + 1, r.Accepted, c})
		}
	}
}

func (m *machine) record(t *rapid.T) Record {
	r := Record{Token: m.person(t), Sequence: m.sequence, Accepted: m.now}
	for range rapid.IntRange(1, 3).Draw(t, "choices") {
		back := rapid.SampledFrom([]time.Duration{0, 0, time.Millisecond, time.Hour, 24 * time.Hour, 40 * 24 * time.Hour}).Draw(t, "back")
		r.Choices = append(r.Choices, Choice{
			Purpose: rapid.SampledFrom(m.declaration.Purposes).Draw(t, "purpose").ID,
			State:   State(rapid.SampledFrom([]int{1, 1, 1, 2, 3, 4, 9}).Draw(t, "state")),
			At:      m.now.Add(-back),
			Proof:   rapid.SampledFrom([]string{"", "unproven"}).Draw(t, "proof"),
			Notice:  rapid.SampledFrom([]string{"now", "now", "older", "lost"}).Draw(t, "notice"),
		})
	}
	return r
}

func (m *machine) replay(t *rapid.T) {
	if len(m.records) == 0 {
		t.Skip("nothing was said")
	}
	r := rapid.SampledFrom(m.records).Draw(t, "record")
	if r.Sequence > m.model.newest[r.Token] {
		t.Skip("the person was forgotten; what keeps records away then is the destroyed key")
	}
	before, _ := m.book.Presents(r.Token)
	m.book.Apply(r)
	if after, _ := m.book.Presents(r.Token); !slices.Equal(before, after) {
		t.Fatalf("a replay changed %v to %v", before, after)
	}
}

func (m *machine) wait(t *rapid.T) {
	m.now = m.now.Add(rapid.SampledFrom([]time.Duration{time.Millisecond, time.Second, GrantLife, time.Hour, 12 * 24 * time.Hour, 31 * 24 * time.Hour}).Draw(t, "for"))
}

func (m *machine) askFor(t *rapid.T) {
	who, p := m.person(t), rapid.IntRange(0, len(m.declaration.Purposes)-1).Draw(t, "purpose")
	grant, reason := m.gate.Ask(who, declare.PurposeIndex(p), Where{}, m.now)
	if want := m.model.allows(who, p, m.now); (reason == Allowed) != want || grant.Valid() != want {
		t.Fatalf("%s: the gate says %v, the model %v", m.declaration.Purposes[p].ID, reason, want)
	}
	if reason != Allowed {
		return
	}
	sequence := rapid.Uint64Range(0, m.sequence+1).Draw(t, "sequence")
	moment := m.now.Add(-time.Duration(rapid.Int64Range(0, int64(60*24*time.Hour)).Draw(t, "ago"))).Truncate(time.Millisecond)
	if got, want := grant.Covers(m.all, 0xffff, sequence, moment.UnixMilli()), m.model.covers(who, p, sequence, moment); got != want {
		t.Fatalf("%s: what was kept under %d about %v is covered: %v, the model says %v", m.declaration.Purposes[p].ID, sequence, moment, got, want)
	}
	list := m.model.about(who, p)
	ends := m.now.Add(GrantLife)
	if basis := m.declaration.Purposes[p].Basis; basis == declare.Consent && m.model.ends(p, list[len(list)-1]).Before(ends) {
		ends = m.model.ends(p, list[len(list)-1])
	}
	m.pending = append(m.pending, pending{grant, who, p, m.now, ends, len(list)})
}

func (m *machine) release(t *rapid.T) {
	if len(m.pending) == 0 {
		t.Skip("nothing waits")
	}
	p := rapid.SampledFrom(m.pending).Draw(t, "pending")
	got := m.gate.Release(p.grant, m.now)
	want := m.now.Before(p.ends) && len(m.model.about(p.who, p.purpose)) == p.count
	if (got == Allowed) != want {
		t.Fatalf("released: %v, the model says %v", got, want)
	}
	if got == Allowed && !m.model.allows(p.who, p.purpose, m.now) {
		t.Fatalf("an answer left for %s although it is not allowed any more (promise 3)", m.declaration.Purposes[p.purpose].ID)
	}
}

func (m *machine) admit(t *rapid.T) {
	who := m.person(t)
	ago := rapid.SampledFrom([]time.Duration{0, time.Millisecond, time.Hour, 24 * time.Hour, 50 * 24 * time.Hour}).Draw(t, "ago")
	moment := m.now.Add(-ago)
	a := m.gate.Admit(who, moment, Where{}, m.now)
	if a.Sequence != m.model.newest[who] {
		t.Fatalf("stamped with %d, want %d", a.Sequence, m.model.newest[who])
	}
	for p, r := range m.gate.Why(who, Where{}, m.now) {
		// What must be asked again waits: nothing of it is dropped.
		if waits := r == DeniedNoticeChanged || r == DeniedUnknownNotice; waits && !m.gate.Still(who, declare.Set(0).With(declare.PurposeIndex(p)), a.Sequence, m.now).Has(declare.PurposeIndex(p)) {
			t.Fatalf("%s: what was kept is dropped although the person is only to be asked again", m.declaration.Purposes[p].ID)
		}
	}
	still := m.gate.Still(who, a.Holds, a.Sequence, m.now)
	if still != a.Holds {
		t.Fatalf("admitted for %b, and at once only %b may be folded", a.Holds, still)
	}
	for p := range m.declaration.Purposes {
		want := m.model.allows(who, p, m.now) && m.model.covers(who, p, a.Sequence, moment) && m.model.admits(who, p, moment)
		if a.Holds.Has(declare.PurposeIndex(p)) != want {
			t.Fatalf("%s: admitted %v, the model says %v", m.declaration.Purposes[p].ID, !want, want)
		}
	}
}

func (m *machine) forget(t *rapid.T) {
	who := m.person(t)
	m.book.Forget(who)
	delete(m.model.said, who)
	delete(m.model.newest, who)
	// Grants of a person who is erased are outside this model.
	m.pending = slices.DeleteFunc(m.pending, func(p pending) bool { return p.who == who })
}

func (m *machine) check(t *rapid.T) {
	for _, who := range m.people {
		why, holding := m.gate.Why(who, Where{}, m.now), m.book.Holding(who, m.now)
		for p := range m.declaration.Purposes {
			want := m.model.allows(who, p, m.now)
			if (why[p] == Allowed) != want || holding.Has(declare.PurposeIndex(p)) != want {
				t.Fatalf("%s: Why says %v and Holding %v, the model %v", m.declaration.Purposes[p].ID, why[p], !want, want)
			}
		}
	}
}

// TestPeopleAgainstMap: the hash table of a shard finds whom a map finds, through
// growth and removal, also where many share a home.
func TestPeopleAgainstMap(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		s := &shard{stride: 2}
		want := map[identity.Token]uint64{}
		token := rapid.Custom(func(t *rapid.T) identity.Token {
			// Few bytes vary, so that people come back and collide.
			return identity.Token{0: byte(rapid.IntRange(0, 40).Draw(t, "a")), 8: byte(rapid.IntRange(0, 3).Draw(t, "b"))}
		})
		rt.Repeat(map[string]func(*rapid.T){
			"put": func(t *rapid.T) {
				who, n := token.Draw(t, "who"), rapid.Uint64().Draw(t, "n")
				place := s.find(&who)
				if (place != 0) != has(want, who) {
					t.Fatalf("%v found: %v", who, place != 0)
				}
				if place == 0 {
					place = s.add(&who)
					if p := s.choices(place); p[0] != (Present{}) || p[1] != (Present{}) {
						t.Fatalf("a new person has the choices of another: %v", p)
					}
				}
				s.head(place).version, s.choices(place)[1].Last, want[who] = n, n, n
			},
			"remove": func(t *rapid.T) {
				who := token.Draw(t, "who")
				s.remove(&who)
				delete(want, who)
			},
			"": func(t *rapid.T) {
				if s.people != len(want) {
					t.Fatalf("%d people, want %d", s.people, len(want))
				}
				for who, n := range want {
					place := s.find(&who)
					if place == 0 || s.head(place).version != n || s.present(place, 1).Last != n || s.choices(place)[1] != s.present(place, 1) {
						t.Fatalf("%v is lost", who)
					}
				}
			},
		})
	})
}

func has(m map[identity.Token]uint64, t identity.Token) bool { _, ok := m[t]; return ok }
