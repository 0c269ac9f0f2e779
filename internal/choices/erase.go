package choices

import (
	"context"
	"fmt"
	"slices"

	"accord/internal/consent"
	"accord/internal/declare"
	"accord/internal/identity"
)

// MethodErasure is the method of the choices that an erasure makes.
const MethodErasure = "erasure"

// Erase ends all that a person chose, destroys the keys of all that is kept about
// them, receipts too, and forgets the lookup by which they were found: whoever
// comes with it next is somebody new. It returns the purposes for which the law
// obliges the controller to keep something; that alone stays readable.
//
// Of a user it erases their visitors too. A visitor is parted from their user
// first, and erases themselves alone: whoever has a browser did not prove to be the
// user who signed in there.
//
// The record of what it ended is the proof that it was done. It stays under a
// token that nobody's id leads to; what the person said before is deleted. What was
// said before the erasure and comes later, out of a file or a queue, is refused by
// whoever takes it: see [vault.Keys.ErasedSince].
//
// An Erase that fails may be called again, also after a restart, and does what is
// left. For that the user's own id is forgotten last of all, and each visitor's link
// is the last of their past that goes.
func (c *Choices) Erase(ctx context.Context, t identity.Token, proof string) (kept []declare.PurposeID, err error) {
	group, err := c.endAll(ctx, t, proof)
	if err != nil {
		return nil, err
	}
	// Nobody who hangs up stops what was begun.
	ctx = context.WithoutCancel(ctx)
	for _, member := range group {
		of, err := c.obliterate(ctx, member)
		if err != nil {
			return nil, err
		}
		kept = append(kept, of...)
	}
	visitors := group[1:]
	if err := c.keys.Forget(ctx, c.now(), visitors...); err != nil {
		return nil, err
	}
	for _, visitor := range visitors {
		if err := c.forgetPast(ctx, visitor); err != nil {
			return nil, err
		}
		if err := c.Unlink(ctx, visitor, t, proof); err != nil {
			return nil, err
		}
	}
	if err := c.forgetPast(ctx, t); err != nil {
		return nil, err
	}
	if err := c.keys.Forget(ctx, c.now(), t); err != nil {
		return nil, err
	}
	slices.Sort(kept)
	return slices.Compact(kept), nil
}

// forgetPast deletes all records of an erased person, in which their ids and words
// may stand, but the newest that says they were erased. Links go last, the oldest
// first: as long as anything else is left, a retry finds the person by theirs.
func (c *Choices) forgetPast(ctx context.Context, t identity.Token) error {
	unlock, err := c.lock(ctx, t)
	if err != nil {
		return err
	}
	defer unlock()
	past, err := c.read(ctx, t, c.places(t))
	if err != nil {
		return err
	}
	for i := len(past) - 1; i >= 0; i-- {
		if past[i].Erased {
			past = slices.Delete(past, i, i+1)
			break
		}
	}
	for _, links := range []bool{false, true} {
		for i := range past {
			if (past[i].Link != nil) != links {
				continue
			}
			if err := c.log.DeleteChoice(ctx, past[i].Sequence); err != nil {
				return err
			}
			c.unplace(t, past[i].Sequence)
		}
	}
	return nil
}

// endAll ends all that a person chose, a user's visitors too, and returns whose
// choices these were. A visitor is parted under the same locks: else a link that
// came between the two would have their user erased.
func (c *Choices) endAll(ctx context.Context, t identity.Token, proof string) ([]identity.Token, error) {
	if t.IsZero() {
		return nil, fmt.Errorf("%w: it is nobody's", ErrInvalid)
	}
	group, unlock, err := c.lockGroups(ctx, t)
	if err != nil {
		return nil, err
	}
	defer unlock()
	if user, linked := c.book.User(t); linked {
		if err := c.setLink(ctx, t, consent.Link{Other: user, Undo: true, Proof: proof, At: c.now()}); err != nil {
			return nil, err
		}
		group = group[:1]
	}
	_, err = c.recordEach(ctx, group, c.ends(proof), consent.Record{Controller: c.declaration.Controller(), Erased: true})
	return group, err
}

// ends are choices that end every purpose that a choice can end.
func (c *Choices) ends(proof string) (cs []consent.Choice) {
	for i := range c.declaration.Purposes {
		p := &c.declaration.Purposes[i]
		choice := consent.Choice{Purpose: p.ID, State: consent.Objected, At: c.now().UTC(), Method: MethodErasure, Proof: proof}
		switch p.Basis {
		case declare.Contract, declare.LegalObligation:
			continue
		case declare.Consent:
			choice.State = consent.Withdrawn
		}
		cs = append(cs, choice)
	}
	return cs
}

// obliterate destroys the keys of all of a person's classes but that of their
// choices, without which the next start could not read the erasure, and those
// that the law obliges the controller to keep.
func (c *Choices) obliterate(ctx context.Context, t identity.Token) (kept []declare.PurposeID, err error) {
	unlock, err := c.lock(ctx, t)
	if err != nil {
		return nil, err
	}
	defer unlock()
	living, err := c.keys.Classes(t)
	if err != nil {
		return nil, err
	}
	var doomed []declare.ClassID
	var obliged declare.Set
	for _, id := range living {
		class, _ := c.declaration.Class(id)
		switch must := class.Purposes & c.obligations(); {
		case id == declare.ClassChoice:
		case must != 0:
			obliged |= must
		default:
			doomed = append(doomed, id)
		}
	}
	if err := c.keys.Erase(ctx, t, doomed...); err != nil {
		return nil, err
	}
	for _, id := range doomed {
		if err := c.state.Drop(t, id); err != nil {
			return nil, err
		}
	}
	for i := range c.declaration.Purposes {
		if obliged.Has(declare.PurposeIndex(i)) {
			kept = append(kept, c.declaration.Purposes[i].ID)
		}
	}
	return kept, nil
}

// obligations are the purposes that rest on a duty of law.
func (c *Choices) obligations() (s declare.Set) {
	for i := range c.declaration.Purposes {
		if c.declaration.Purposes[i].Basis == declare.LegalObligation {
			s = s.With(declare.PurposeIndex(i))
		}
	}
	return s
}
