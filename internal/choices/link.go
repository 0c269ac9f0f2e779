package choices

import (
	"context"
	"fmt"
	"slices"
	"time"

	"accord/internal/consent"
	"accord/internal/identity"
)

// ErrCrowded is returned for a link beyond those that one person can have, or
// between tokens that cannot be a visitor and a user; nothing is recorded.
var ErrCrowded = fmt.Errorf("these two cannot be linked: a user has at most %d visitors", consent.MaxLinked-1)

// Link makes it durable and puts into force that a visitor is a user's, after
// somebody proved to be both. What holds already is not recorded again. A visitor
// who was another user's is theirs no more. What was said before the newest link
// or its end changes nothing: at is when it was said. What either chose stays as it is: see
// [consent.Link]. Whoever is erased is linked with nobody any more.
func (c *Choices) Link(ctx context.Context, visitor, user identity.Token, proof string, at time.Time) error {
	return c.relink(ctx, visitor, consent.Link{Other: user, Proof: proof, At: at})
}

// Unlink takes a link away: "this is not me". Where there is none it does nothing.
func (c *Choices) Unlink(ctx context.Context, visitor, user identity.Token, proof string) error {
	return c.relink(ctx, visitor, consent.Link{Other: user, Undo: true, Proof: proof, At: c.now()})
}

func (c *Choices) relink(ctx context.Context, visitor identity.Token, l consent.Link) error {
	if visitor.IsZero() || l.Other.IsZero() || len(l.Proof) > MaxText {
		return fmt.Errorf("%w: a link joins a visitor and a user", ErrInvalid)
	}
	_, unlock, err := c.lockGroups(ctx, visitor, l.Other)
	if err != nil {
		return err
	}
	defer unlock()
	if !l.Undo && (c.isErased(visitor) || c.isErased(l.Other)) {
		return nil
	}
	return c.setLink(ctx, visitor, l)
}

// setLink is relink under the locks.
func (c *Choices) setLink(ctx context.Context, visitor identity.Token, l consent.Link) error {
	if user, linked := c.book.User(visitor); l.Undo != (linked && user == l.Other) {
		return nil
	}
	r := consent.Record{Controller: c.declaration.Controller(), Token: visitor, Accepted: c.now().UTC().Truncate(time.Millisecond), Choices: []consent.Choice{}, Link: &l}
	if l.At = l.At.UTC().Truncate(time.Millisecond); l.At.IsZero() || l.At.After(r.Accepted) {
		l.At = r.Accepted
	}
	if !l.Undo && l.At.UnixMilli() < c.book.LinkSaid(visitor) {
		return nil
	}
	if !c.book.MayLink(visitor, l) {
		return ErrCrowded
	}
	if err := c.append(ctx, &r); err != nil {
		return fmt.Errorf("the link is not recorded: %w", err)
	}
	return nil
}

// groups returns the tokens with all that are linked to them, each once.
func (c *Choices) groups(ts []identity.Token) (out []identity.Token) {
	for _, t := range ts {
		for _, m := range c.book.Group(t) {
			if !slices.Contains(out, m) {
				out = append(out, m)
			}
		}
	}
	return out
}

// lockGroups takes the locks of some tokens and of all that are linked to them,
// and returns those with what gives the locks back.
func (c *Choices) lockGroups(ctx context.Context, ts ...identity.Token) (group []identity.Token, unlock func(), err error) {
	for {
		group = c.groups(ts)
		if unlock, err = c.lockEach(ctx, group); err != nil {
			return nil, nil, err
		}
		// Who is linked may have changed while this waited.
		if slices.Equal(group, c.groups(ts)) {
			return group, unlock, nil
		}
		unlock()
	}
}

// lockEach takes the locks of some people in one order for all, so that no two
// callers wait for each other.
func (c *Choices) lockEach(ctx context.Context, ts []identity.Token) (unlock func(), err error) {
	if len(ts) == 1 {
		return c.lock(ctx, ts[0])
	}
	ts = slices.SortedFunc(slices.Values(ts), func(a, b identity.Token) int { return a.Slot() - b.Slot() })
	ts = slices.CompactFunc(ts, func(a, b identity.Token) bool { return a.Slot() == b.Slot() })
	var held []func()
	unlock = func() {
		for _, f := range held {
			f()
		}
	}
	for _, t := range ts {
		one, err := c.lock(ctx, t)
		if err != nil {
			unlock()
			return nil, err
		}
		held = append(held, one)
	}
	return unlock, nil
}

// reaching returns those of some choices about one token that are written to the
// others of the person too, so that they agree afterwards.
func reaching(cs []consent.Choice) []consent.Choice {
	return slices.DeleteFunc(slices.Clone(cs), func(choice consent.Choice) bool { return stays(&choice) })
}

// stays reports whether a choice is written to no token but the one that was
// named: what nobody proved, which narrows the others as long as they are linked
// and does not destroy their keys, and a visitor's yes, since whoever has a browser
// did not prove to be the user who signed in there.
func stays(choice *consent.Choice) bool {
	return choice.Unproven() || choice.State == consent.Given && choice.ByVisitor()
}

// edge is whose visitor a person is, and when something was last said about that.
type edge struct {
	user identity.Token
	said int64
}

// edges returns the edge of a person after the last of their records.
func edges(rs []consent.Record) (e edge) {
	for i := range rs {
		l := rs[i].Link
		if l == nil {
			continue
		}
		e.said = max(e.said, l.At.UnixMilli())
		switch {
		case !l.Undo:
			e.user = l.Other
		case e.user == l.Other:
			e.user = identity.Token{}
		}
	}
	return e
}
