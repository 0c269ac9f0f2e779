package choices

import (
	"encoding/hex"
	"fmt"
	"slices"

	"accord/internal/consent"
	"accord/internal/event"
	"accord/internal/identity"
)

// ErrUnsigned is returned for a consent without the person's signature to a
// purpose that needs one; nothing is recorded.
var ErrUnsigned = fmt.Errorf("%w: a purpose needs the person's own signature under a consent, and there is none", ErrInvalid)

// signed checks the signature under choices, and that it is there where the
// declaration requires it.
func (c *Choices) signed(cs []consent.Choice, signature *consent.Signature) error {
	if signature != nil {
		_, err := signature.Holds(c.declaration.Controller(), cs)
		return err
	}
	for i := range cs {
		if p, ok := c.declaration.Purpose(cs[i].Purpose); ok && cs[i].State == consent.Given && c.declaration.Purposes[p].Signed {
			return ErrUnsigned
		}
	}
	return nil
}

// unheard returns the choices whose message did not bring them before: see Heard.
func (c *Choices) unheard(t identity.Token, cs []consent.Choice) []consent.Choice {
	return slices.DeleteFunc(slices.Clone(cs), func(choice consent.Choice) bool {
		var id event.ID
		if n, err := hex.Decode(id[:], []byte(choice.Message)); err != nil || n != len(id) {
			return false
		}
		ended, given := c.Heard(t, id)
		p, _ := c.declaration.Purpose(choice.Purpose)
		return (ended | given).Has(p)
	})
}
