package choices

import (
	"context"
	"fmt"
	"slices"
	"time"

	"accord/internal/consent"
)

// Stop makes an emergency stop durable and puts it into force for everyone, or
// ends one. What is so already is not recorded again. After an error of the log a
// stop is in force and may be gone after a restart: say it again.
func (c *Choices) Stop(ctx context.Context, s consent.Stop) error {
	if err := s.Check(c.declaration); err != nil && !(s.Resume && c.stopped(&s) != nil) {
		return fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	if max(len(s.Name), len(s.Why), len(s.By)) > MaxText {
		return fmt.Errorf("%w: the name and the reason of a stop have at most %d bytes each", ErrInvalid, MaxText)
	}
	unlock, err := c.lock(ctx, consent.StopsToken)
	if err != nil {
		return err
	}
	defer unlock()
	if old := c.stopped(&s); s.Resume && old == nil || !s.Resume && old != nil && !old.Doubtful {
		return nil
	}
	r := consent.Record{Controller: c.declaration.Controller(), Token: consent.StopsToken, Accepted: c.now().UTC().Truncate(time.Millisecond), Choices: []consent.Choice{}, Stop: &s}
	if err := c.append(ctx, &r); err != nil {
		return fmt.Errorf("the stop is not recorded: %w", err)
	}
	return nil
}

// stopped returns the stop in force of what s is about, or nil.
func (c *Choices) stopped(s *consent.Stop) *consent.Stopped {
	list := c.book.Stops()
	i := slices.IndexFunc(list, func(o consent.Stopped) bool { return o.Kind == s.Kind && o.Name == s.Name })
	if i < 0 {
		return nil
	}
	return &list[i]
}
