// Package choices is the one way in which a person's choice becomes durable and
// comes into force.
//
// A choice is sealed under the person's key for choices, appended to the choice
// stream as a message of its own, and applied to the book; only then does
// [Choices.Record] return. What lived for a purpose that the person ended is
// destroyed before it returns too: the keys of every class in which no purpose
// holds any more, and what the state holds of it.
//
//	c := choices.New(d, keys, log, book, gate, vault, now)
//	err := c.Replay(ctx) // before the gate opens
//	record, err := c.Record(ctx, token, []consent.Choice{{Purpose: "newsletter", State: consent.Withdrawn, At: now}})
//
// Old news never widens: a choice that gives and is older than the person's
// present choice about the purpose is left out of the record, so a queue of old
// events or a late import cannot revive what was withdrawn since. Old news that
// narrows is taken.
//
// Promises kept here: 1 and 3 (a withdrawal is durable and in force before it is
// acknowledged, and no choice is applied before it is durable), 5.
//
// Non-goals: who may choose for whom (packages api and collect), what a choice
// permits (package consent).
package choices

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"accord/internal/consent"
	"accord/internal/declare"
	"accord/internal/event"
	"accord/internal/identity"
	"accord/internal/vault"
)

// Keys seal choices and are destroyed by them. *vault.Keys do.
type Keys interface {
	Prepare(ctx context.Context, needs []vault.Need) error
	Seal(dst []byte, h *event.Header, plain []byte) ([]byte, error)
	Open(dst []byte, h *event.Header, sealed []byte) ([]byte, error)
	Destroy(ctx context.Context, t identity.Token, classes ...declare.ClassID) error
	Classes(t identity.Token) ([]declare.ClassID, error)
}

// Log is the choice stream. *eventlog.Log is one.
type Log interface {
	// AppendChoice returns the message's sequence when it is on disk.
	AppendChoice(ctx context.Context, m event.ChoiceMessage) (uint64, error)
	// Choices calls fn for what the stream holds after a sequence, in order.
	Choices(ctx context.Context, from uint64, fn func(event.ChoiceMessage) error) error
}

// State drops what was folded for a class. *vault.Vault is one.
type State interface {
	Drop(t identity.Token, c declare.ClassID) error
}

// stripes spread the locks that keep one person's choices in order.
const stripes = 1024

// Choices records choices. It is safe for concurrent use.
type Choices struct {
	declaration *declare.Declaration
	keys        Keys
	log         Log
	book        *consent.Book
	state       State
	now         func() time.Time

	// people keeps append and apply of one person's choices together: the book
	// ignores a sequence below the newest it knows.
	people [stripes]sync.Mutex

	mu     sync.RWMutex // guards places
	places map[identity.Token][]uint64
}

// New returns a Choices over its keepers. Call Replay before the gate opens.
func New(d *declare.Declaration, keys Keys, log Log, book *consent.Book, state State, now func() time.Time) *Choices {
	return &Choices{declaration: d, keys: keys, log: log, book: book, state: state, now: now, places: make(map[identity.Token][]uint64)}
}

// Replay applies every durable choice to the book. A choice whose key is gone
// belongs to an erased person and is passed over; one that cannot be read is an
// error, since it might be a withdrawal.
func (c *Choices) Replay(ctx context.Context) error {
	return c.log.Choices(ctx, 0, func(m event.ChoiceMessage) error {
		r, err := c.open(m)
		if errors.Is(err, vault.ErrNoKey) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("choice %d: %w", m.Sequence, err)
		}
		c.book.Apply(r)
		c.remember(m.Token, m.Sequence)
		return nil
	})
}

func (c *Choices) remember(t identity.Token, sequence uint64) {
	c.mu.Lock()
	c.places[t] = append(c.places[t], sequence)
	c.mu.Unlock()
}

// Record makes choices of one person durable and puts them into force. It
// returns the record as it was kept: without choices about purposes that the
// declaration does not have (an error), and without old news that would widen.
// When nothing is left to record, the record has no choices and Sequence 0.
func (c *Choices) Record(ctx context.Context, t identity.Token, cs []consent.Choice) (consent.Record, error) {
	for i := range cs {
		if _, ok := c.declaration.Purpose(cs[i].Purpose); !ok {
			return consent.Record{}, fmt.Errorf("the declaration has no purpose %q", cs[i].Purpose)
		}
		if cs[i].State < consent.Given || cs[i].State > consent.Objected {
			return consent.Record{}, errors.New("a choice is given, refused, withdrawn or objected")
		}
	}
	lock := &c.people[int(t[0])<<2&(stripes-1)|int(t[1])>>6]
	lock.Lock()
	defer lock.Unlock()
	r := consent.Record{Controller: c.declaration.Controller(), Token: t, Accepted: c.now().UTC().Truncate(time.Millisecond)}
	r.Choices = c.effective(t, cs, r.Accepted)
	if len(r.Choices) == 0 {
		return r, nil
	}
	m, err := c.seal(ctx, &r)
	if err != nil {
		return consent.Record{}, err
	}
	if r.Sequence, err = c.log.AppendChoice(ctx, m); err != nil {
		return consent.Record{}, fmt.Errorf("the choice is not recorded: %w", err)
	}
	c.book.Apply(r)
	c.remember(t, r.Sequence)
	if err := c.end(ctx, t, r); err != nil {
		// The choice is durable and in force, and the gate obeys it; only the
		// destruction is late. The caller hears of it and tries again.
		return r, fmt.Errorf("the choice is in force, but what it ends could not be destroyed: %w", err)
	}
	return r, nil
}

// effective returns the choices that may take effect, the times of the future
// brought down to now.
func (c *Choices) effective(t identity.Token, cs []consent.Choice, now time.Time) []consent.Choice {
	present, _ := c.book.Presents(t)
	out := make([]consent.Choice, 0, len(cs))
	for _, choice := range cs {
		if choice.At.IsZero() || choice.At.After(now) {
			choice.At = now
		}
		i, _ := c.declaration.Purpose(choice.Purpose)
		p := present[i]
		if choice.State == consent.Given && p.State != consent.Unset && choice.At.UnixMilli() < p.At {
			continue
		}
		out = append(out, choice)
	}
	return out
}

// end destroys what lived for purposes that the record ended.
func (c *Choices) end(ctx context.Context, t identity.Token, r consent.Record) error {
	var ended declare.Set
	for _, choice := range r.Choices {
		if i, ok := c.declaration.Purpose(choice.Purpose); ok && choice.State != consent.Given {
			ended = ended.With(i)
		}
	}
	if ended == 0 {
		return nil
	}
	living, err := c.keys.Classes(t)
	if err != nil {
		return err
	}
	holding := c.book.Holding(t, c.now())
	var doomed []declare.ClassID
	for _, id := range living {
		class, ok := c.declaration.Class(id)
		if ok && class.Purposes&ended != 0 && class.Purposes&holding == 0 {
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

// History returns all that a person chose, the oldest first.
func (c *Choices) History(ctx context.Context, t identity.Token) ([]consent.Record, error) {
	c.mu.RLock()
	places := append([]uint64(nil), c.places[t]...)
	c.mu.RUnlock()
	out := make([]consent.Record, 0, len(places))
	for _, sequence := range places {
		err := c.log.Choices(ctx, sequence-1, func(m event.ChoiceMessage) error {
			if m.Sequence != sequence || m.Token != t {
				return errFound
			}
			r, err := c.open(m)
			if err != nil {
				return err
			}
			out = append(out, r)
			return errFound
		})
		if err != nil && !errors.Is(err, errFound) {
			return nil, fmt.Errorf("reading a choice back: %w", err)
		}
	}
	return out, nil
}

// errFound ends a scan that has what it wants.
var errFound = errors.New("found")

// A sealed choice message is an id (16 bytes), the time of acceptance (8 bytes,
// Unix milliseconds, big endian) and the sealed JSON of the record. Both go into
// the associated data, beside the controller and the token.
const messageHead = 16 + 8

func (c *Choices) seal(ctx context.Context, r *consent.Record) (event.ChoiceMessage, error) {
	if err := c.keys.Prepare(ctx, []vault.Need{{Token: r.Token, Class: declare.ClassChoice}}); err != nil {
		return event.ChoiceMessage{}, err
	}
	body, err := json.Marshal(r)
	if err != nil {
		return event.ChoiceMessage{}, err
	}
	h := event.Header{Token: r.Token, Class: declare.ClassChoice, Accepted: r.Accepted.UnixMilli()}
	rand.Read(h.ID[:]) //nolint:errcheck // crypto/rand.Read never fails since Go 1.24
	out := append(make([]byte, 0, messageHead+len(body)+64), h.ID[:]...)
	out = binary.BigEndian.AppendUint64(out, uint64(h.Accepted))
	if out, err = c.keys.Seal(out, &h, body); err != nil {
		return event.ChoiceMessage{}, err
	}
	return event.ChoiceMessage{Token: r.Token, Sealed: out}, nil
}

func (c *Choices) open(m event.ChoiceMessage) (consent.Record, error) {
	if len(m.Sealed) < messageHead {
		return consent.Record{}, errors.New("the message is too short to be a choice")
	}
	h := event.Header{ID: event.ID(m.Sealed[:16]), Token: m.Token, Class: declare.ClassChoice, Accepted: int64(binary.BigEndian.Uint64(m.Sealed[16:]))}
	body, err := c.keys.Open(nil, &h, m.Sealed[messageHead:])
	if err != nil {
		return consent.Record{}, err
	}
	var r consent.Record
	if err := json.Unmarshal(body, &r); err != nil {
		return consent.Record{}, err
	}
	r.Token, r.Sequence = m.Token, m.Sequence
	return r, nil
}
