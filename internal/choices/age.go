package choices

import (
	"context"
	"fmt"
	"time"

	"accord/internal/consent"
	"accord/internal/identity"
)

// Mark notes durably in which age band a person is, a value of the attribute that
// declare.Children names, where that changes whether they are a child: a record of
// its own in the choice stream, for each of the tokens that are linked. A declaration that draws the bands anew counts from
// the next Mark on. Who may say so is for the caller to decide; that
// somebody is no child any more widens.
func (c *Choices) Mark(ctx context.Context, t identity.Token, band string) error {
	children := c.declaration.Children
	if t.IsZero() || children == nil || band == "" || len(band) > MaxText {
		return fmt.Errorf("%w: it names no age band that the declaration tells apart", ErrInvalid)
	}
	group, unlock, err := c.lockGroups(ctx, t)
	if err != nil {
		return err
	}
	defer unlock()
	for _, member := range group {
		if c.isErased(member) || c.Child(member) == children.IsChild(band) && !c.isUnsure(member) {
			continue
		}
		r := consent.Record{Controller: c.declaration.Controller(), Token: member, Age: band, Accepted: c.now().UTC().Truncate(time.Millisecond)}
		err := c.append(ctx, &r)
		c.setUnsure(member, err != nil)
		if err != nil {
			return fmt.Errorf("the age band is not recorded: %w", err)
		}
	}
	return nil
}

// isUnsure reports whether a person's newest age band may not be durable: it is in
// force, and must be said again.
func (c *Choices) isUnsure(t identity.Token) bool {
	c.mu.RLock()
	defer c.mu.RUnlock()
	_, ok := c.unsure[t]
	return ok
}

func (c *Choices) setUnsure(t identity.Token, unsure bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if delete(c.unsure, t); unsure {
		c.unsure[t] = struct{}{}
	}
}

// Child reports whether a person is known to be a child.
func (c *Choices) Child(t identity.Token) bool {
	presents, _ := c.book.Presents(t)
	for i := range presents {
		if presents[i].Child {
			return true
		}
	}
	return false
}
