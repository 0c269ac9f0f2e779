package collect

import (
	"context"
	"encoding/hex"
	"fmt"
	"time"

	"accord/internal/choices"
	"accord/internal/consent"
	"accord/internal/declare"
	"accord/internal/event"
	"accord/internal/identity"

	"golang.org/x/sync/errgroup"
)

// people finds out whom each message is about. A person who is not known yet is
// made only if something of theirs will be kept.
func (b *batch) people(ctx context.Context) error {
	var newcomers []int
	for i := range b.messages {
		m := &b.messages[i]
		b.when(m)
		b.subject(m)
		b.identity(m)
		if m.who.IsZero() {
			continue
		}
		if err := b.look(i); err != nil {
			return fmt.Errorf("finding a person: %w", err)
		}
		if b.c.Keys.ErasedSince(m.lookup, m.at) {
			m.outlived()
			continue
		}
		if m.prefs.allow != 0 && b.c.Keys.ErasedSince(m.lookup, m.prefs.dated) {
			m.prefs.allow = 0 // whoever agreed was erased since
		}
		if !m.known && b.wanted(m) {
			newcomers = append(newcomers, i)
		}
	}
	if len(newcomers) == 0 {
		return nil
	}
	lookups := make([]identity.Lookup, len(newcomers))
	for i, at := range newcomers {
		lookups[i] = b.messages[at].lookup
	}
	tokens, err := b.c.Keys.Ensure(ctx, lookups)
	if err != nil {
		return fmt.Errorf("naming a person: %w", err)
	}
	made := make(map[identity.Lookup]identity.Token, len(tokens))
	for i, l := range lookups {
		made[l] = tokens[i]
	}
	// Other messages of the batch may be about the same newcomer.
	for i := range b.messages {
		if m := &b.messages[i]; !m.known && !m.who.IsZero() {
			m.token, m.known = made[m.lookup], made[m.lookup] != identity.Token{}
		}
	}
	return nil
}

// outlived drops a message as a whole: whom it is about was erased since, and
// whoever has the id now is somebody new.
func (m *message) outlived() {
	if m.erased = true; m.reason == NoReason {
		m.reason = Erased
	}
}

// names are the identifiers in a message; those that it does not have are zero.
func (m *message) names() [2]identity.Identifier {
	return [...]identity.Identifier{{Kind: identity.UserID, Value: m.user}, {Kind: identity.AnonymousID, Value: m.anonymous}}
}

// unproven counts the people for whom the batch refuses something without a
// proof, known or not.
func (b *batch) unproven() int {
	var people map[identity.Identifier]struct{}
	for i := range b.messages {
		m := &b.messages[i]
		if m.prefs.deny == 0 {
			continue
		}
		for _, id := range m.names() {
			if id.IsZero() || b.speaker.Proves(id) != identity.Unproven {
				continue
			}
			if people == nil {
				people = make(map[identity.Identifier]struct{})
			}
			people[id] = struct{}{}
		}
	}
	return len(people)
}

// subject sets whom the speaker proved the message to be about: the user, else
// the visitor, else nobody. An identifier that is not declared names nobody.
func (b *batch) subject(m *message) {
	why := Unproven
	for _, id := range m.names() {
		p := b.speaker.Proves(id)
		if p == identity.Unproven {
			continue
		}
		if b.c.Declaration.Identifies(id.Kind) == 0 {
			why = OtherIdentifier
			continue
		}
		m.who, m.proof = id, p
		return
	}
	if m.reason == NoReason {
		m.reason = why
	}
}

// look finds the token of message i. Messages about the same person tend to
// follow each other.
func (b *batch) look(i int) (err error) {
	m := &b.messages[i]
	if i > 0 {
		if last := &b.messages[i-1]; last.who == m.who {
			m.lookup, m.token, m.known = last.lookup, last.token, last.known
			return nil
		}
	}
	m.lookup = b.c.hasher.Lookup(m.who)
	m.token, m.known, err = b.c.Keys.Find(m.lookup)
	return err
}

// wanted reports whether a person who is not known is to be made: a choice of
// theirs would count, or a value be kept without one.
func (b *batch) wanted(m *message) bool {
	p := b.c.plan
	spoken, signalled := b.gives(m)
	if (m.prefs.deny|m.prefs.gpc)&p.objections != 0 || (spoken|signalled)&p.consents != 0 {
		return true
	}
	if m.reason != NoReason {
		return false
	}
	holds := b.c.Gate.Unasked(b.at(m), b.now) & b.mayKeep(m) &^ m.prefs.deny &^ m.withheld
	for i := m.from; i < m.to; i++ {
		if b.values[i].node.class.Purposes&holds != 0 {
			return true
		}
	}
	return false
}

// gives returns the purposes that a message gives, and apart from them those that a
// signal in it alone gives. What is no event gives nothing, nor does one beside which a
// refusal may stand that cannot be read.
func (b *batch) gives(m *message) (spoken, signalled declare.Set) {
	if m.bad || b.shared.unread || b.stopped {
		return 0, 0
	}
	spoken, signalled = b.c.plan.gives(&m.prefs)
	no := m.withheld | m.prefs.gpc
	return spoken &^ no, signalled &^ no
}

// Methods of choices that come with events.
const (
	// methodEvent is a standing preference that an event reported.
	methodEvent = choices.MethodEvent
	// methodAct is the event by which a person chose.
	methodAct = "event:" + preferenceUpdated
)

// saying is what one message says about consent for one person.
type saying struct {
	token   identity.Token
	message event.ID       // zero where the client sent no id
	choice  consent.Choice // without purpose, state, proof and time
	at      time.Time
	proof   identity.Proof
	deny    declare.Set
	give    declare.Set
	// signalled are those of give that a signal alone gives: they are dated as its
	// string is, and never now.
	signalled declare.Set
	from      *message
	act       bool
}

// given returns when a purpose was given.
func (s *saying) given(p declare.PurposeIndex) time.Time {
	if s.signalled.Has(p) {
		return time.UnixMilli(s.from.prefs.dated).UTC()
	}
	return s.at
}

// proven reports whether the person speaks, or the shop for them.
func (s *saying) proven() bool { return s.proof != identity.Unproven }

// choosing bounds how many people's choices are made durable at once.
const choosing = 32

// choose makes the choices that the messages bring durable and puts them into
// force. Those of one person keep their order; those of several wait for the
// disk together.
func (b *batch) choose(ctx context.Context) error {
	said, err := b.sayings()
	if err != nil || len(said) == 0 {
		return err
	}
	order := make([]identity.Token, 0, len(said))
	people := make(map[identity.Token][]saying, len(said))
	for _, s := range said {
		if len(people[s.token]) == 0 {
			order = append(order, s.token)
		}
		people[s.token] = append(people[s.token], s)
	}
	work, ctx := errgroup.WithContext(ctx)
	work.SetLimit(choosing)
	for _, t := range order {
		work.Go(func() error {
			for _, s := range people[t] {
				if err := b.say(ctx, &s); err != nil {
					return err
				}
			}
			return nil
		})
	}
	return work.Wait()
}

// sayings lists what the messages say about consent, in their order.
func (b *batch) sayings() (said []saying, err error) {
	for i := range b.messages {
		m := &b.messages[i]
		if m.prefs.deny == 0 && m.prefs.allow == 0 && m.prefs.yes == (preferences{}).yes {
			continue
		}
		spoken, signalled := b.gives(m)
		s := saying{token: m.token, at: time.UnixMilli(m.at).UTC(), proof: m.proof, deny: m.prefs.deny, give: spoken | signalled, signalled: signalled, from: m, act: m.act}
		s.choice.Method = methodEvent
		if m.act {
			s.choice.Method = methodAct
		}
		if !m.assigned {
			s.message, s.choice.Message = m.id, hex.EncodeToString(m.id[:])
		}
		if m.known && !m.erased && s.deny|s.give != 0 {
			said = append(said, s)
		}
		if s.deny == 0 {
			continue
		}
		if said, err = b.refusals(said, m, s); err != nil {
			return nil, fmt.Errorf("finding a person: %w", err)
		}
	}
	return said, nil
}

// refusals adds what a message refuses for everybody else whom it names and who is
// known here, proven or not: it can only narrow. What somebody proven refused
// before they were erased is theirs no more; whoever proves nothing sets no time.
func (b *batch) refusals(said []saying, m *message, s saying) ([]saying, error) {
	for _, id := range m.names() {
		if id.IsZero() || id == m.who {
			continue
		}
		l := b.c.hasher.Lookup(id)
		t, found, err := b.c.Keys.Find(l)
		if err != nil {
			return nil, err
		}
		s.token, s.give, s.proof = t, 0, b.speaker.Proves(id)
		if found && !(s.proven() && b.c.Keys.ErasedSince(l, m.at)) {
			said = append(said, s)
		}
	}
	return said, nil
}

// say records what a saying changes. Where that is nothing it sees to it that
// what an earlier one left is done.
func (b *batch) say(ctx context.Context, s *saying) error {
	cs := b.changes(s)
	if len(cs) > 0 && s.proven() && b.mayChoose != nil && !b.mayChoose(s.token, s.proof) {
		return ErrTooOften
	}
	_, err := b.c.Choices.Record(ctx, s.token, cs)
	if err == nil && len(cs) > 0 && !s.proven() {
		b.c.totals.unproven.Add(1)
	}
	return err
}

// mark notes who is a child by the trait that the declaration names for it, before
// their data is admitted. An event makes nobody older: it may be old.
func (b *batch) mark(ctx context.Context) error {
	children := b.c.Declaration.Children
	if children == nil {
		return nil
	}
	for i := range b.messages {
		m := &b.messages[i]
		if m.verb != identify || m.bad || !m.known || m.erased {
			continue
		}
		for _, v := range b.values[m.from:m.to] {
			if v.node.path != children.Attribute || !children.IsChild(v.Text) {
				continue
			}
			if err := b.c.Choices.Mark(ctx, m.token, v.Text); err != nil {
				return fmt.Errorf("noting an age: %w", err)
			}
		}
	}
	return nil
}

// changes returns the choices that a saying brings. A message that comes again
// brings none: the person may have said something else since.
func (b *batch) changes(s *saying) (cs []consent.Choice) {
	ended, given := b.c.Choices.Heard(s.token, s.message)
	deny, give := s.deny&^ended, s.give&^given
	// A yes is judged by the strictest word of all that are this person.
	strict, _ := b.c.Book.Strict(s.token, time.UnixMilli(b.received))
	for i := range b.c.Declaration.Purposes {
		purpose := declare.PurposeIndex(i)
		if !(deny | give).Has(purpose) {
			continue
		}
		state := consent.Unset
		if deny.Has(purpose) {
			// An act counts each time: it makes a preference the person's own word.
			if s.act && s.proven() || !b.c.Book.Certain(s.token, purpose, s.proven()) {
				state = b.c.plan.refusal(purpose, b.c.Book.Present(s.token, purpose).State)
			}
		} else if b.mayGive(s, purpose, strict[i]) {
			state = consent.Given
		}
		if state != consent.Unset {
			c := s.choice
			c.Purpose, c.State, c.Proof, c.At = b.c.Declaration.Purposes[i].ID, state, s.proof.String(), s.at
			if state == consent.Given {
				c.At = s.given(purpose)
			}
			if state != consent.Given || s.signalled.Has(purpose) {
				b.evidence(&c, s, &b.c.Declaration.Purposes[i])
			}
			if !s.proven() {
				c.At = time.UnixMilli(b.received).UTC() // whoever proves nothing sets no time
			}
			cs = append(cs, c)
		}
	}
	return cs
}

// mayGive reports whether a proven true changes the present choice, the strictest of
// the person's, to given.
func (b *batch) mayGive(s *saying, purpose declare.PurposeIndex, present consent.Present) bool {
	newer := s.given(purpose).UnixMilli() > present.At
	switch {
	case present.State == consent.Unset:
		return b.c.plan.consents.Has(purpose)
	case s.act:
		return newer
	case present.State == consent.Given && !b.firstRead(s, purpose, present):
		return false // it stands, or it expired and must be asked again
	}
	return newer && !b.c.Choices.Direct(s.token).Has(purpose)
}

// firstRead reports whether a preference of now repeats one that came before out of a
// queue, too old for the notice in force, so that nothing is done by it yet.
func (b *batch) firstRead(s *saying, purpose declare.PurposeIndex, present consent.Present) bool {
	recent := b.received-s.given(purpose).UnixMilli() < choices.ReadWithin.Milliseconds()
	return recent && present.Notice == consent.NoticeUnknown && b.c.Choices.Unread(s.token).Has(purpose)
}
