package choices

import (
	"context"
	"encoding/hex"
	"fmt"
	"slices"
	"time"

	"accord/internal/consent"
	"accord/internal/declare"
	"accord/internal/event"
	"accord/internal/identity"
)

// said is what is remembered of one person beside the book.
type said struct {
	places []uint64 // sequences of the person's records
	marks
	heard  []heard // the oldest first
	erased bool
}

// marks tell choices that were made here from those that an event reported.
type marks struct {
	direct declare.Set // purposes with a choice that no preference may overrule
	ended  declare.Set // purposes whose newest choice ends them
	unread declare.Set // purposes whose newest choice is a yes that an event reported, to no notice
	// signalled are the purposes that a signal ended once, and knowing those of them to
	// which the person said yes since.
	signalled, knowing declare.Set
	// honoured are the purposes whose newest choice is a refusal that a signal made.
	honoured declare.Set
}

// note takes a choice into account. A preference that ends what is ended already
// takes nothing from the person's own word.
func (m *marks) note(p declare.PurposeIndex, c *consent.Choice) {
	m.signal(p, c)
	switch {
	case c.Method != MethodEvent:
		m.direct = m.direct.With(p)
	case !c.State.Ended() || !m.ended.Has(p):
		m.direct = m.direct.Without(p)
	}
	m.ended, m.unread, m.honoured = m.ended.Without(p), m.unread.Without(p), m.honoured.Without(p)
	if bySignal(c) {
		m.honoured = m.honoured.With(p)
	}
	if c.State.Ended() {
		m.ended = m.ended.With(p)
	} else if c.Method == MethodEvent && c.Notice == "" {
		m.unread = m.unread.With(p)
	}
}

// heard is what a message said about consent.
type heard struct {
	message      event.ID
	at           int64 // of acceptance, Unix milliseconds
	ended, given declare.Set
	alone        declare.Set // of them, what is written to no other token of the person
}

// Messages that are remembered of a person: the same id within a day is the same
// message.
const (
	heardFor  = 48 * time.Hour
	mostHeard = 32
)

// remember notes where a record is and what it says. A stop is nobody's and
// outlives every retention.
func (c *Choices) remember(r *consent.Record) {
	if r.Stop != nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	s := c.said[r.Token]
	s.places = append(s.places, r.Sequence)
	s.erased = s.erased || r.Erased
	recent := r.Accepted.Add(heardFor).After(c.now())
	for i := range r.Choices {
		choice := &r.Choices[i]
		p, ok := c.declaration.Purpose(choice.Purpose)
		if !ok {
			continue
		}
		s.note(p, choice)
		if recent && choice.Message != "" {
			s.hear(p, choice, r.Accepted.UnixMilli())
		}
	}
	c.said[r.Token] = s
}

// hear notes the message that brought a choice.
func (s *said) hear(p declare.PurposeIndex, c *consent.Choice, at int64) {
	var id event.ID
	if n, err := hex.Decode(id[:], []byte(c.Message)); err != nil || n != len(id) {
		return
	}
	i := slices.IndexFunc(s.heard, func(h heard) bool { return h.message == id })
	if i < 0 {
		if len(s.heard) == mostHeard {
			s.heard = slices.Delete(s.heard, 0, 1)
		}
		s.heard = append(s.heard, heard{message: id})
		i = len(s.heard) - 1
	}
	h := &s.heard[i]
	h.at, h.ended, h.given, h.alone = at, h.ended.Without(p), h.given.Without(p), h.alone.Without(p)
	if stays(c) {
		h.alone = h.alone.With(p)
	}
	if c.State.Ended() {
		h.ended = h.ended.With(p)
	} else {
		h.given = h.given.With(p)
	}
}

// Heard returns the purposes that a message of this id ended and gave when it
// came before, within the last two days. It is not to do so again: the person
// may have said something else since. What did not reach all that were linked with
// them then, since the log failed between two, is to be said again.
func (c *Choices) Heard(t identity.Token, message event.ID) (ended, given declare.Set) {
	first := c.heard(t, message)
	ended, given = first.ended, first.given
	user, isVisitor := c.book.User(t)
	for _, m := range c.book.Group(t)[1:] {
		visitor := m
		if isVisitor && m == user {
			visitor = t
		}
		if c.book.LinkSaid(visitor) > first.at {
			continue // linked since
		}
		h := c.heard(m, message)
		ended, given = ended&(h.ended|first.alone), given&(h.given|first.alone)
	}
	return ended, given
}

// heard is Heard of one token.
func (c *Choices) heard(t identity.Token, message event.ID) heard {
	c.mu.RLock()
	defer c.mu.RUnlock()
	for _, h := range c.said[t].heard {
		if h.message == message && time.UnixMilli(h.at).Add(heardFor).After(c.now()) {
			return h
		}
	}
	return heard{}
}

// forgetHeard forgets the messages that are too old to come again.
func (c *Choices) forgetHeard() {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := c.now()
	for t, s := range c.said {
		if len(s.heard) == 0 || time.UnixMilli(s.heard[0].at).Add(heardFor).After(now) {
			continue
		}
		s.heard = slices.DeleteFunc(s.heard, func(h heard) bool { return !time.UnixMilli(h.at).Add(heardFor).After(now) })
		if len(s.heard) == 0 {
			s.heard = nil
		}
		c.said[t] = s
	}
}

// Direct returns the purposes that a person decided about, under any of their
// tokens, otherwise than by an event's consent object (MethodEvent). A preference
// that an event reports must not overrule those.
func (c *Choices) Direct(t identity.Token) declare.Set {
	return c.ofAny(t, func(m *marks) declare.Set { return m.direct })
}

// ofAny returns the purposes that are marked under any of a person's tokens.
func (c *Choices) ofAny(t identity.Token, marked func(*marks) declare.Set) (s declare.Set) {
	group := c.book.Group(t)
	c.mu.RLock()
	defer c.mu.RUnlock()
	for _, m := range group {
		one := c.said[m].marks
		s |= marked(&one)
	}
	return s
}

// bySignal reports whether a signal made a refusal: a browser's, or one in an event. An
// event's consent object has no evidence beside itself.
func bySignal(c *consent.Choice) bool {
	return c.State.Ended() && (c.Method == MethodSignal || c.Method == MethodEvent && c.Evidence != "")
}

// Honoured returns the purposes that a signal refused for a person, under any of their
// tokens, and about which they said nothing since.
func (c *Choices) Honoured(t identity.Token) declare.Set {
	return c.ofAny(t, func(m *marks) declare.Set { return m.honoured })
}

// Unread returns the purposes to which a person said yes by an event's consent object
// that was too old to have been about the notice in force: nothing is done by it, and
// an event of now may say it again.
func (c *Choices) Unread(t identity.Token) declare.Set {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return c.said[t].unread
}

// isErased reports whether a person is erased, or the erasure was begun.
func (c *Choices) isErased(t identity.Token) bool {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return c.said[t].erased
}

// places returns the sequences of a person's records, a copy.
func (c *Choices) places(t identity.Token) []uint64 {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return slices.Clone(c.said[t].places)
}

// History returns what a person chose, the oldest first: the newest MaxHistory
// records. It reads each from the log.
func (c *Choices) History(ctx context.Context, t identity.Token) ([]consent.Record, error) {
	places := c.places(t)
	return c.read(ctx, t, places[max(0, len(places)-MaxHistory):])
}

// read reads records of a person back from the log.
func (c *Choices) read(ctx context.Context, t identity.Token, places []uint64) ([]consent.Record, error) {
	out := make([]consent.Record, 0, len(places))
	err := c.log.ChoicesAt(ctx, places, func(m event.ChoiceMessage) error {
		if m.Token != t {
			return nil
		}
		r, err := c.open(m)
		out = append(out, r)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("reading a choice back: %w", err)
	}
	return out, nil
}
