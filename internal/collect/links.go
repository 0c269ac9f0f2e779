package collect

import (
	"context"
	"errors"
	"fmt"
	"time"

	"accord/internal/choices"
	"accord/internal/identity"
)

// join links the visitors and users of whom the speaker proved to be both: by an
// identify call, or an alias. Without both proofs there is no link, and an old
// call joins nobody whom a newer one parted.
func (b *batch) join(ctx context.Context) error {
	if b.stopped {
		return nil
	}
	for i := range b.messages {
		m := &b.messages[i]
		if m.bad || m.verb != identify && m.verb != alias || !b.provesBoth(m) {
			continue
		}
		if err := b.joinOne(ctx, m); err != nil {
			return fmt.Errorf("linking a visitor: %w", err)
		}
	}
	return nil
}

func (b *batch) provesBoth(m *message) bool {
	for _, id := range m.names() {
		if id.IsZero() || b.speaker.Proves(id) == identity.Unproven || b.c.Declaration.Identifies(id.Kind) == 0 {
			return false
		}
	}
	return true
}

// joinOne links a message's visitor with its user, if either is known: of two
// strangers there is nothing to join.
func (b *batch) joinOne(ctx context.Context, m *message) error {
	names := m.names()
	var lookups [len(names)]identity.Lookup
	var tokens [len(names)]identity.Token
	known, at := 0, min(m.at, b.received)
	for i, id := range names {
		var found bool
		var err error
		lookups[i] = b.c.hasher.Lookup(id)
		if tokens[i], found, err = b.c.Keys.Find(lookups[i]); err != nil {
			return err
		}
		if found {
			known++
		}
		if b.c.Keys.ErasedSince(lookups[i], at) {
			return nil // one of them was somebody else then
		}
	}
	if known == 0 {
		return nil
	}
	user, linked := b.c.Book.User(tokens[1])
	if known == len(names) && linked && user == tokens[0] {
		return nil
	}
	proof := b.speaker.Proves(names[0])
	if b.mayChoose != nil && !b.mayChoose(tokens[0], proof) {
		return ErrTooOften
	}
	if known < len(names) {
		made, err := b.c.Keys.Ensure(ctx, lookups[:])
		if err != nil {
			return err
		}
		copy(tokens[:], made)
	}
	err := b.c.Choices.Link(ctx, tokens[1], tokens[0], proof.String(), time.UnixMilli(at))
	if errors.Is(err, choices.ErrCrowded) {
		return nil // one visitor too many stays somebody else
	}
	return err
}
