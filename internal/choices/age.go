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
// its own in the choice stream. A declaration that draws the bands anew counts from
// the next Mark on. Who may say so is for the caller to decide; that
// somebody is no child any more widens.
func (c *Choices) Mark(ctx context.Context, t identity.Token, band string) error {
	children := c.declaration.Children
	if t.IsZero() || children == nil || band == "" || len(band) > MaxText {
		return fmt.Errorf("%w: it names no age band that the declaration tells apart", ErrInvalid)
	}
	unlock, err := c.lock(ctx, t)
	if err != nil {
		return err
	}
	defer unlock()
	if c.Child(t) == children.IsChild(band) {
		return nil
	}
	r := consent.Record{Controller: c.declaration.Controller(), Token: t, Age: band, Accepted: c.now().UTC().Truncate(time.Millisecond)}
	return c.append(ctx, &r)
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
