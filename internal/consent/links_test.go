package consent

import (
	"slices"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"accord/internal/declare"
	"accord/internal/identity"
)

var (
	phone  = identity.Token{0: 11, 15: 1} // of Ann's shard
	tablet = identity.Token{0: 12, 15: 2}
)

// linking drives a book with links against plain reading.
type linking struct {
	*machine
	// owner is whose visitor a token is, by the last record that says so.
	owner map[identity.Token]identity.Token
	waits []linkedGrant
}

type linkedGrant struct {
	grant  Grant
	asked  time.Time
	until  time.Time
	record int // how many records there were
}

var (
	users    = []identity.Token{ann, bob}
	visitors = []identity.Token{phone, tablet, {0: 13, 15: 3}}
)

// group is everybody who is one person with t, by plain reading.
func (m *linking) group(t identity.Token) (out []identity.Token) {
	user := t
	if o, ok := m.owner[t]; ok {
		user = o
	}
	out = append(out, user)
	for _, v := range visitors {
		if m.owner[v] == user {
			out = append(out, v)
		}
	}
	return out
}

// strict is whether a purpose is allowed: it is for t, and nobody of the group
// who chose about it denies it.
func (m *linking) strict(t identity.Token, p int, now time.Time) bool {
	for _, who := range m.group(t) {
		said := len(m.model.about(who, p)) > 0
		if (who == t || said) && !m.model.allows(who, p, now) {
			return false
		}
	}
	return true
}

func (m *linking) apply(r Record) {
	m.records = append(m.records, r)
	m.book.Apply(r)
	m.model.apply(r)
}

func (m *linking) anybody(t *rapid.T) identity.Token {
	return rapid.SampledFrom(slices.Concat(users, visitors)).Draw(t, "who")
}

// TestLinksAgainstModel: links change what is allowed as a plain reading of the
// records says, whatever was linked, undone, chosen and replayed before, and an
// answer never leaves after a member or the group has changed (promise 3).
func TestLinksAgainstModel(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		m := &linking{machine: newMachine(t), owner: map[identity.Token]identity.Token{}}
		rt.Repeat(map[string]func(*rapid.T){
			"say": func(t *rapid.T) {
				m.sequence++
				r := m.record(t)
				r.Token = m.anybody(t)
				m.apply(r)
			},
			"say to all": func(t *rapid.T) {
				r := m.record(t)
				for _, who := range m.group(m.anybody(t)) {
					m.sequence++
					r.Token, r.Sequence = who, m.sequence
					m.apply(r)
				}
			},
			"link":    m.link,
			"wait":    m.wait,
			"ask":     m.askLinked,
			"release": m.releaseLinked,
			"restart": m.restart,
			"":        m.checkLinked,
		})
	})
}

func (m *linking) link(t *rapid.T) {
	m.sequence++
	visitor := rapid.SampledFrom(visitors).Draw(t, "visitor")
	l := &Link{Other: rapid.SampledFrom(users).Draw(t, "user"), Undo: rapid.Bool().Draw(t, "undo")}
	m.apply(Record{Token: visitor, Sequence: m.sequence, Accepted: m.now, Link: l})
	switch {
	case !l.Undo:
		m.owner[visitor] = l.Other
	case m.owner[visitor] == l.Other:
		delete(m.owner, visitor)
	}
}

// restart reads everything into a new book.
func (m *linking) restart(t *rapid.T) {
	m.book = NewBook(m.declaration, library{}, NoLaw)
	for _, r := range m.records {
		m.book.Apply(r)
	}
	m.gate, m.waits = NewGate(m.declaration, m.book), nil
	m.gate.Open()
}

func (m *linking) askLinked(t *rapid.T) {
	p := rapid.IntRange(0, len(m.declaration.Purposes)-1).Draw(t, "purpose")
	grant, reason := m.gate.Ask(m.anybody(t), declare.PurposeIndex(p), Where{}, m.now)
	if reason == Allowed {
		m.waits = append(m.waits, linkedGrant{grant, m.now, grant.Until(), len(m.records)})
	}
}

func (m *linking) releaseLinked(t *rapid.T) {
	if len(m.waits) == 0 {
		t.Skip("nothing waits")
	}
	w := rapid.SampledFrom(m.waits).Draw(t, "waiting")
	got := m.gate.Release(w.grant, m.now) == Allowed
	if got && !m.strict(w.grant.Token(), int(w.grant.purpose), m.now) {
		t.Fatalf("an answer left for %s although it is not allowed any more", w.grant.Purpose().ID)
	}
	if !got && len(m.records) == w.record && m.now.Before(w.until) {
		t.Fatal("nothing changed, and the answer may not leave")
	}
}

func (m *linking) checkLinked(t *rapid.T) {
	for _, who := range slices.Concat(users, visitors) {
		group := m.book.Group(who)
		if group[0] != who || !sameTokens(group, m.group(who)) {
			t.Fatalf("the group of %v is %v, want %v", who, group, m.group(who))
		}
		why, admitted := m.gate.Why(who, Where{}, m.now), m.gate.Admit(who, m.now, Where{}, m.now)
		for p := range m.declaration.Purposes {
			want := m.strict(who, p, m.now)
			_, reason := m.gate.Ask(who, declare.PurposeIndex(p), Where{}, m.now)
			if (reason == Allowed) != want || (why[p] == Allowed) != want || admitted.Holds.Has(declare.PurposeIndex(p)) != want {
				t.Fatalf("%s: the gate says %v, why %v, admits %v, and the model %v", m.declaration.Purposes[p].ID, reason, why[p], admitted.Holds, want)
			}
		}
	}
}

func sameTokens(a, b []identity.Token) bool {
	less := func(x, y identity.Token) int { return slices.Compare(x[:], y[:]) }
	return slices.Equal(slices.SortedFunc(slices.Values(a), less), slices.SortedFunc(slices.Values(b), less))
}

// What came before a consent never follows it through a link: each token's data
// is covered by its own choices only.
func TestLinkWidensNothing(t *testing.T) {
	d := newDesk(t)
	d.say(1, "consent", Given, noon)
	d.book.Apply(Record{Token: phone, Sequence: 9, Accepted: noon, Choices: []Choice{{Purpose: "consent", State: Given, At: noon.Add(time.Hour)}}})
	d.book.Apply(Record{Token: phone, Sequence: 10, Accepted: noon, Link: &Link{Other: ann}})
	g, reason := d.gate.Ask(phone, d.purpose("consent"), Where{}, noon.Add(2*time.Hour))
	if reason != Allowed || g.Covers(d.all, 0xffff, 8, 0) || g.Covers(d.all, 0xffff, 9, noon.UnixMilli()) {
		t.Errorf("%v, and what came before the phone's consent is covered", reason)
	}
	tabletAsks := func() Reason {
		_, r := d.gate.Ask(tablet, d.purpose("consent"), Where{}, noon.Add(2*time.Hour))
		return r
	}
	d.book.Apply(Record{Token: tablet, Sequence: 11, Accepted: noon, Link: &Link{Other: ann}})
	if r := tabletAsks(); r != DeniedNoChoice {
		t.Errorf("the tablet never chose: %v", r)
	}
	if _, r := d.ask("consent", noon.Add(2*time.Hour)); r != Allowed {
		t.Errorf("a tablet that never chose narrows its user: %v", r)
	}
	// What somebody refused on it does.
	d.book.Apply(Record{Token: tablet, Sequence: 12, Accepted: noon, Choices: []Choice{{Purpose: "consent", State: Refused, At: noon}}})
	if _, r := d.ask("consent", noon.Add(2*time.Hour)); r != DeniedRefused {
		t.Errorf("the stricter choice does not win: %v", r)
	}
	// What had been allowed by then does not leave.
	d.book.Apply(Record{Token: tablet, Sequence: 13, Accepted: noon, Choices: []Choice{{Purpose: "consent", State: Given, At: noon}}})
	waits, r := d.ask("consent", noon.Add(time.Hour))
	d.book.Doubt(Record{Token: tablet, Choices: []Choice{{Purpose: "consent", State: Withdrawn, At: noon}}})
	if got := d.gate.Release(waits, noon.Add(time.Hour)); r != Allowed || got != DeniedChanged {
		t.Errorf("%v, and released %v after a withdrawal that may be durable", r, got)
	}
	// And somebody who signs in there after takes it over; the first is free of it.
	d.book.Apply(Record{Token: tablet, Sequence: 14, Accepted: noon, Link: &Link{Other: bob}})
	if _, r := d.ask("consent", noon.Add(2*time.Hour)); r != Allowed {
		t.Errorf("somebody else signed in at the tablet: %v", r)
	}
	if u, ok := d.book.User(tablet); !ok || u != bob {
		t.Errorf("the tablet is %v's", u)
	}
	d.book.Forget(bob)
	if g := d.book.Group(tablet); len(g) != 1 {
		t.Errorf("linked with somebody who was forgotten: %v", g)
	}
	d.book.Forget(tablet)
	if d.book.LinkSaid(tablet) != 0 || len(d.book.links.said) != 1 || len(d.book.links.groups) != 2 {
		t.Errorf("something of the forgotten is left: %v, %v", d.book.links.said, d.book.links.groups)
	}
}

// Promise 3 with links: from the moment Apply returned for a withdrawal of any
// member, no grant of another one is released. Run it under the race detector.
func TestLinkedFence(t *testing.T) {
	d := newDesk(t)
	d.say(1, "consent", Given, noon)
	d.book.Apply(Record{Token: tablet, Sequence: 2, Accepted: noon, Link: &Link{Other: ann}})
	now := noon.Add(time.Second)
	var work sync.WaitGroup
	var mu sync.Mutex
	withdrawn := false
	sequence := uint64(2)
	for range 4 {
		work.Go(func() {
			for range 2000 {
				g, _ := d.gate.Ask(ann, d.purpose("consent"), Where{}, now)
				mu.Lock()
				if withdrawn && d.gate.Release(g, now) == Allowed {
					t.Error("released after the tablet's withdrawal")
				}
				mu.Unlock()
			}
		})
	}
	work.Go(func() {
		for i := range 2000 {
			s := []State{Withdrawn, Given}[i%2]
			mu.Lock()
			sequence++
			d.book.Apply(Record{Token: tablet, Sequence: sequence, Accepted: noon, Choices: []Choice{{Purpose: "consent", State: s, At: noon}}})
			withdrawn = s == Withdrawn
			mu.Unlock()
		}
	})
	work.Wait()
}

// A stop refuses for everyone, at once, also what waits to leave, and its end
// gives back what held before.
func TestStops(t *testing.T) {
	d := newDesk(t)
	d.say(1, "consent", Given, noon)
	field, _ := d.declaration.Attribute("all")
	at := uint64(1)
	set := func(s Stop) {
		at++
		d.book.Apply(Record{Token: StopsToken, Sequence: at, Accepted: noon, Stop: &s})
	}
	for _, c := range []struct {
		stop            Stop
		asked, released Reason
		admits          bool
	}{
		{Stop{Kind: StopPurpose, Name: "consent"}, DeniedStopped, DeniedStopped, false},
		{Stop{Kind: StopPurpose, Name: "contract"}, Allowed, DeniedChanged, true},
		{Stop{Kind: StopAttribute, Name: "all"}, Allowed, DeniedChanged, true},
		{Stop{Kind: StopSource, Name: "web"}, Allowed, DeniedChanged, true},
		{Stop{Kind: StopAll}, DeniedStopped, DeniedStopped, false},
	} {
		waits, _ := d.ask("consent", noon)
		set(c.stop)
		g, asked := d.ask("consent", noon)
		if r := d.gate.Release(waits, noon); asked != c.asked || r != c.released {
			t.Errorf("%+v: asked %v, what waited %v", c.stop, asked, r)
		}
		if asked == Allowed && d.gate.Release(g, noon) != Allowed {
			t.Errorf("%+v: what was asked for since is not released", c.stop)
		}
		if got := d.gate.Admit(ann, noon, Where{}, noon).Holds.Has(d.purpose("consent")); got != c.admits {
			t.Errorf("%+v: admits %v", c.stop, got)
		}
		if d.gate.Why(ann, Where{}, noon)[d.purpose("consent")] != c.asked {
			t.Errorf("%+v: Why says %v", c.stop, d.gate.Why(ann, Where{}, noon))
		}
		if hides := c.stop.Kind == StopAttribute; d.gate.Hides(field.ID) != hides || asked == Allowed && g.Hides(field.ID) != hides {
			t.Errorf("%+v: hides %v", c.stop, d.gate.Hides(field.ID))
		}
		if d.gate.Stops("web") != (c.stop.Kind == StopSource) || d.gate.Stops("app") {
			t.Errorf("%+v: stops a source", c.stop)
		}
		if l := d.book.Stops(); len(l) != 1 || l[0].Stop != c.stop {
			t.Errorf("in force: %+v", l)
		}
		again := c.stop
		again.Resume = true
		set(again)
		if l := d.book.Stops(); len(l) != 0 || d.book.stops.now.Load() != nil {
			t.Errorf("%+v is in force after its end", l)
		}
	}
	// A replay changes nothing, and one that may be durable is in force.
	d.book.Apply(Record{Token: StopsToken, Sequence: 2, Stop: &Stop{Kind: StopAll}})
	if len(d.book.Stops()) != 0 {
		t.Error("an old stop came back")
	}
	d.book.doubtStop(&Record{Stop: &Stop{Kind: StopAll}})
	d.book.doubtStop(&Record{Stop: &Stop{Kind: StopAll, Resume: true}})
	if l := d.book.Stops(); len(l) != 1 || !l[0].Doubtful {
		t.Errorf("%+v", l)
	}
	if d.book.Count() != 1 {
		t.Error("the stops count as a person")
	}
}
