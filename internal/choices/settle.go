package choices

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"time"

	"accord/internal/consent"
	"accord/internal/declare"
	"accord/internal/event"
	"accord/internal/identity"
)

// Settle destroys the keys of those of a person's classes in which no purpose
// holds since one of them was ended or ran out, and what the state holds of them.
// Record does so by itself; whoever made a key for data that a withdrawal
// overtook calls it again.
func (c *Choices) Settle(ctx context.Context, t identity.Token) error {
	unlock, err := c.lock(ctx, t)
	if err != nil {
		return err
	}
	defer unlock()
	return c.settle(ctx, t)
}

// settle is Settle under the person's lock: no choice that gives comes between
// its look at the book and the destruction. What it could not do is left to
// finish.
func (c *Choices) settle(ctx context.Context, t identity.Token) error {
	err := c.destroy(ctx, t)
	c.mu.Lock()
	defer c.mu.Unlock()
	if err != nil {
		c.late[t] = struct{}{}
	} else {
		delete(c.late, t)
	}
	return err
}

func (c *Choices) destroy(ctx context.Context, t identity.Token) error {
	now := c.now()
	presents, _ := c.book.Presents(t)
	holding := c.book.Holding(t, now)
	var over declare.Set
	for i := range presents {
		switch p := &presents[i]; {
		case p.Over(now):
			over = over.With(declare.PurposeIndex(i))
		case p.Suspended || p.Child || p.State == consent.Given:
			// Nobody knows yet whether it is over, or what was agreed to has changed and
			// the person is asked again.
			holding = holding.With(declare.PurposeIndex(i))
		}
	}
	if over == 0 {
		return nil
	}
	living, err := c.keys.Classes(t)
	if err != nil {
		return err
	}
	var doomed []declare.ClassID
	for _, id := range living {
		class, ok := c.declaration.Class(id)
		if ok && class.Purposes&over != 0 && class.Purposes&holding == 0 {
			doomed = append(doomed, id)
		}
	}
	if err := c.keys.Destroy(ctx, t, doomed...); err != nil {
		return err
	}
	for _, id := range doomed {
		if err := c.state.Drop(t, id); err != nil {
			return err
		}
	}
	return nil
}

// finish destroys what an earlier choice of the person left, under any of their
// tokens. That there is nothing costs one look into a map for each.
func (c *Choices) finish(ctx context.Context, t identity.Token) error {
	for _, t := range c.book.Group(t) {
		c.mu.RLock()
		_, late := c.late[t]
		c.mu.RUnlock()
		if !late {
			continue
		}
		if err := c.Settle(ctx, t); err != nil {
			return fmt.Errorf("%w: %w", ErrLate, err)
		}
	}
	return nil
}

// revives reports whether a record gives what has run out and may not have been
// destroyed yet.
func (c *Choices) revives(r *consent.Record) bool {
	return slices.ContainsFunc(r.Choices, func(choice consent.Choice) bool {
		i, _ := c.declaration.Purpose(choice.Purpose)
		p := c.book.Present(r.Token, i)
		return choice.State == consent.Given && p.Until != 0 && p.Over(r.Accepted)
	})
}

// How often Run looks for what has run out, and how soon again after a fault.
const (
	passEvery = 24 * time.Hour
	passAgain = time.Hour
)

// Run destroys what runs out, now and every day, until ctx ends.
func (c *Choices) Run(ctx context.Context, logger *slog.Logger) {
	for {
		wait := passEvery
		if err := c.Pass(ctx); err != nil && ctx.Err() == nil {
			wait = passAgain
			logger.Error("not all that has run out could be destroyed; the next try is in an hour", "error", err)
		}
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return
		}
	}
}

// Pass does once what Run does every day. A fault with one person keeps nobody
// else's data.
func (c *Choices) Pass(ctx context.Context) (err error) {
	people := c.book.Lapsed(c.now())
	c.mu.RLock()
	people = slices.AppendSeq(people, maps.Keys(c.late))
	c.mu.RUnlock()
	for _, t := range people {
		if e := c.Settle(ctx, t); e != nil {
			err = e
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
	c.forgetHeard()
	return errors.Join(err, c.prune(ctx))
}

// errYoung ends the scan for old choices.
var errYoung = errors.New("the rest is younger")

// prune deletes the records of choices that are older than receipts are kept and
// on which nothing stands.
func (c *Choices) prune(ctx context.Context) error {
	people := make(map[identity.Token]struct{})
	err := c.log.Choices(ctx, 0, func(m event.ChoiceMessage) error {
		if !c.old(accepted(m)) {
			return errYoung
		}
		if len(c.places(m.Token)) > 1 {
			people[m.Token] = struct{}{}
		}
		return nil
	})
	if err != nil && !errors.Is(err, errYoung) {
		return fmt.Errorf("looking for old choices: %w", err)
	}
	for t := range people {
		if err := c.pruneOne(ctx, t); err != nil {
			return fmt.Errorf("deleting old choices: %w", err)
		}
	}
	return nil
}

func (c *Choices) old(accepted time.Time) bool {
	return !c.declaration.ReceiptRetention.After(accepted).After(c.now())
}

// pruneOne deletes those old records of a person without which a replay gives the
// very same: a record that still carries anything stays, since its loss could
// widen what may be done.
func (c *Choices) pruneOne(ctx context.Context, t identity.Token) error {
	unlock, err := c.lock(ctx, t)
	if err != nil {
		return err
	}
	defer unlock()
	records, err := c.read(ctx, t, c.places(t))
	if err != nil {
		return err
	}
	for i := 0; i < len(records) && c.old(records[i].Accepted); {
		rest := slices.Concat(records[:i], records[i+1:])
		if !c.same(records, rest) {
			i++
			continue
		}
		if err := c.log.DeleteChoice(ctx, records[i].Sequence); err != nil {
			return err
		}
		c.unplace(t, records[i].Sequence)
		records = rest
	}
	return nil
}

// same reports whether two lists of one person's records come to the same.
func (c *Choices) same(a, b []consent.Record) bool {
	return slices.Equal(c.book.Fold(a), c.book.Fold(b)) && c.marksOf(a) == c.marksOf(b) && edges(a) == edges(b) && forLaw(a) == forLaw(b)
}

// facts are what the law asks of a person.
type facts struct {
	place, age string
	said       int64 // when the place was
}

// forLaw returns the facts that records come to.
func forLaw(rs []consent.Record) (f facts) {
	for i := range rs {
		f.age = cmp.Or(rs[i].Age, f.age)
		for j := range rs[i].Choices {
			if c := &rs[i].Choices[j]; c.Places() && c.At.UnixMilli() >= f.said {
				f.place, f.said = c.Jurisdiction, c.At.UnixMilli()
			}
		}
	}
	return f
}

func (c *Choices) marksOf(rs []consent.Record) (m marks) {
	for i := range rs {
		for j := range rs[i].Choices {
			choice := &rs[i].Choices[j]
			if p, ok := c.declaration.Purpose(choice.Purpose); ok {
				m.note(p, choice)
			}
		}
	}
	return m
}

// unplace forgets where a record was.
func (c *Choices) unplace(t identity.Token, sequence uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := c.said[t]
	s.places = slices.DeleteFunc(s.places, func(p uint64) bool { return p == sequence })
	c.said[t] = s
}
