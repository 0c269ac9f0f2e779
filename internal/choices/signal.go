package choices

import (
	"context"
	"strings"
	"time"

	"accord/internal/consent"
	"accord/internal/declare"
	"accord/internal/identity"
)

// MethodSignal is the method of a choice that a signal of the person's browser or
// device made, such as Global Privacy Control.
const MethodSignal = "signal"

// Signal is what a signal of a request refuses for the person who speaks.
type Signal struct {
	Refuses declare.Set // purposes that a choice can end
	// Evidence is the signal as it came, Jurisdiction where the request is from and
	// Proof how the speaker proved to be the person.
	Evidence, Jurisdiction, Proof string
	// At is when it was seen; the zero time is now.
	At time.Time
}

// Honour returns the purposes that a signal refuses for a person now, and sees to it
// that they are recorded as ended: once, and again only where something other than
// the person's own word gave them since. What the person chose in knowledge of a
// signal goes before it: a yes that came directly (no event's, no file's) after a
// signal about the purpose was recorded. may, unless it is nil, is asked before
// anything is recorded; where it says no, or there is an error, the refusals hold for
// this request and are recorded with a later one.
func (c *Choices) Honour(ctx context.Context, t identity.Token, s Signal, may func() bool) (declare.Set, error) {
	denied, fresh := c.signalled(t, s.Refuses)
	if fresh == 0 {
		return denied, nil
	}
	unlock, err := take(ctx, c.signals[t.Slot()])
	if err != nil {
		return denied, err
	}
	defer unlock()
	if denied, fresh = c.signalled(t, s.Refuses); fresh == 0 || may != nil && !may() {
		return denied, nil
	}
	if s.At.IsZero() {
		s.At = c.now()
	}
	var cs []consent.Choice
	for i := range c.declaration.Purposes {
		if !fresh.Has(declare.PurposeIndex(i)) {
			continue
		}
		p := &c.declaration.Purposes[i]
		state := consent.End(p.Basis, c.stated(t, declare.PurposeIndex(i)))
		if state == consent.Unset {
			continue
		}
		cs = append(cs, consent.Choice{Purpose: p.ID, State: state, At: s.At.UTC().Truncate(time.Millisecond), Method: MethodSignal,
			Proof: s.Proof, Jurisdiction: s.Jurisdiction, Evidence: s.Evidence})
	}
	_, err = c.Record(ctx, t, cs)
	return denied, err
}

// stated returns what a signal meets about a purpose: a yes of any token of the
// person's, since it ends that too, else the token's own word.
func (c *Choices) stated(t identity.Token, purpose declare.PurposeIndex) consent.State {
	for _, m := range c.book.Group(t) {
		if s := c.book.Present(m, purpose).State; s == consent.Given {
			return s
		}
	}
	return c.book.Present(t, purpose).State
}

// signalled returns which of some purposes a signal refuses for a person, and which of
// them are still to be recorded.
func (c *Choices) signalled(t identity.Token, refused declare.Set) (denied, fresh declare.Set) {
	refused &^= c.Knowing(t)
	c.mu.RLock()
	recorded := c.said[t].signalled
	c.mu.RUnlock()
	for i := range c.declaration.Purposes {
		p := declare.PurposeIndex(i)
		if refused.Has(p) && !(recorded.Has(p) && c.book.Certain(t, p, true)) {
			fresh = fresh.With(p)
		}
	}
	return refused, fresh
}

// Knowing returns the purposes that a person gave directly, under any of their tokens,
// after a signal had refused them.
func (c *Choices) Knowing(t identity.Token) declare.Set {
	return c.ofAny(t, func(m *marks) declare.Set { return m.knowing })
}

// signal takes a choice into account for what a signal may refuse. A shop's own word
// that the person said yes needs what shows it: a flag that is only sent again each
// night is none.
func (m *marks) signal(p declare.PurposeIndex, c *consent.Choice) {
	switch {
	case c.State.Ended():
		m.knowing = m.knowing.Without(p)
		if c.Method == MethodSignal {
			m.signalled = m.signalled.With(p)
		}
	case direct(c) && m.signalled.Has(p) && (c.Proof != identity.ByServer.String() || c.Evidence != ""):
		m.knowing = m.knowing.With(p)
	}
}

// direct reports whether a choice is the person's own word to this server.
func direct(c *consent.Choice) bool {
	return !strings.HasPrefix(c.Method, MethodEvent) && !strings.HasPrefix(c.Proof, ProofImport) && !c.Synthetic
}
