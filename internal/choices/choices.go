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
// A record names the notice that was read: where a choice of now does not, it is
// the one in force, in the choice's language. A choice of the past, or out of a file,
// that names none stays without, and gives nothing that needs a consent.
//
// Old news never widens: a choice that gives and is older than what the person
// has said since is kept as evidence ([consent.Record.Late]) and does not count,
// so a queue of old events or a late import cannot revive what was withdrawn.
// Old news that narrows counts, and the newer time stays the one that a yes must
// pass. A choice of the future becomes one of now.
//
// A choice may carry the person's own signature ([Choices.RecordSigned]), which is
// checked, kept and counted once. [Choices.Mark] notes who is a child.
//
// An end that nobody proved destroys nothing for [consent.Suspension]: a proven
// choice decides before. [Choices.Run] looks every day for consents and
// suspensions that have run out and destroys what they leave, and deletes the
// records of choices that are older than receipts are kept and on which nothing
// stands any more.
//
// A visitor and a user of whom somebody proved to be both are linked by a record
// of the visitor's ([Choices.Link]): from then on a choice of either is written to
// all of them, but a visitor's yes to the visitor alone. An emergency stop
// ([Choices.Stop]) is a record too, of nobody.
//
// What a signal of the person's browser refuses is recorded once ([Choices.Honour]),
// and what they chose in knowledge of it goes before it.
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
	"slices"
	"strings"
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
	// Erase destroys keys, and lets the person get none any more but that of their
	// choices.
	Erase(ctx context.Context, t identity.Token, classes ...declare.ClassID) error
	// Forget lets nobody be found any more by what leads to these people, and notes
	// when.
	Forget(ctx context.Context, at time.Time, people ...identity.Token) error
}

// Log is the choice stream. *eventlog.Log is one.
type Log interface {
	// AppendChoice returns the message's sequence when it is on disk.
	AppendChoice(ctx context.Context, m event.ChoiceMessage) (uint64, error)
	// Choices calls fn for what the stream holds after a sequence, in order.
	Choices(ctx context.Context, from uint64, fn func(event.ChoiceMessage) error) error
	// ChoicesAt calls fn for those of these sequences that the stream holds.
	ChoicesAt(ctx context.Context, sequences []uint64, fn func(event.ChoiceMessage) error) error
	// DeleteChoice removes a message for good.
	DeleteChoice(ctx context.Context, sequence uint64) error
}

// State drops what was folded for a class. *vault.Vault is one.
type State interface {
	Drop(t identity.Token, c declare.ClassID) error
}

// MethodEvent is the method of a choice that an event's consent object reported:
// a preference that stands somewhere else, not an act of the person towards this
// server.
const MethodEvent = "event"

// ProofImport is the proof of a choice out of a file, for which the operator
// vouches: alone, or before what the file says of its proof.
const ProofImport = "import"

// Limits of a record.
const (
	MaxChoices = 512 // in one record
	MaxText    = 256 // bytes of a method, notice, language, proof, jurisdiction or message
	MaxHistory = 1000
	// MaxEvidence is how many bytes of evidence a choice may have.
	MaxEvidence = 1 << 10
)

// ErrInvalid is returned for choices that cannot be made; nothing is recorded.
var ErrInvalid = errors.New("this is no choice that can be recorded")

// ErrLate is returned with a record that is durable and in force, when what it
// ends could not be destroyed yet. The gate obeys the choice already; the next
// Record of the person, Run or the next start destroys what is left.
var ErrLate = errors.New("the choice is in force, but what it ends could not be destroyed yet")

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
	// Each is a lock that a caller can stop waiting for.
	people [stripes]chan struct{}
	// signals keep a signal from being recorded twice by requests that come at once.
	// Whoever has one may take a lock of people, and not the other way round.
	signals [stripes]chan struct{}

	mu     sync.RWMutex // guards said, late and unsure
	said   map[identity.Token]said
	late   map[identity.Token]struct{} // people of whom something is left to destroy
	unsure map[identity.Token]struct{} // people whose newest age band may not be durable
}

// New returns a Choices over its keepers. Call Replay before the gate opens.
func New(d *declare.Declaration, keys Keys, log Log, book *consent.Book, state State, now func() time.Time) *Choices {
	c := &Choices{declaration: d, keys: keys, log: log, book: book, state: state, now: now,
		said: make(map[identity.Token]said), late: make(map[identity.Token]struct{}), unsure: make(map[identity.Token]struct{})}
	for i := range c.people {
		c.people[i], c.signals[i] = make(chan struct{}, 1), make(chan struct{}, 1)
	}
	return c
}

// Replay applies every durable choice to the book, and destroys what a choice
// ended when a crash came between the two. One that cannot be read is an error,
// since it might be a withdrawal: it was tampered with, or the key store is not
// of the same moment as the log.
func (c *Choices) Replay(ctx context.Context) error {
	narrowed := make(map[identity.Token]struct{})
	err := c.log.Choices(ctx, 0, func(m event.ChoiceMessage) error {
		r, err := c.open(m)
		if errors.Is(err, vault.ErrNoKey) {
			return fmt.Errorf("choice %d: %w: the key store was lost or is older than the log, so restore the one of the same moment", m.Sequence, err)
		}
		if err != nil {
			return fmt.Errorf("choice %d: %w", m.Sequence, err)
		}
		c.book.Apply(r)
		c.remember(&r)
		if c.ended(r.Choices) != 0 {
			narrowed[m.Token] = struct{}{}
		}
		return nil
	})
	for t := range narrowed {
		if err == nil {
			err = c.Settle(ctx, t)
		}
	}
	return err
}

// lock takes the lock of a person's choices and returns what gives it back.
func (c *Choices) lock(ctx context.Context, t identity.Token) (unlock func(), err error) {
	return take(ctx, c.people[t.Slot()])
}

// take takes a lock, unless ctx ends before.
func take(ctx context.Context, stripe chan struct{}) (unlock func(), err error) {
	select {
	case stripe <- struct{}{}:
		return func() { <-stripe }, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// Record makes choices of one person durable and puts them into force, for each
// of the tokens that are linked: the one that was named first, so that after a
// crash between two the stricter one still decides. What a visitor alone gives,
// and what nobody proved, is for the named one. It returns the named token's
// record as it was kept, with old news that would widen in Late. Where there is
// nothing to record it has Sequence 0, and what an ErrLate left is destroyed.
//
// Errors are ErrInvalid, ErrLate, or those of the log and the keys. After one of
// the log's the choices may be durable or not: what narrows is in force until the
// person's next choice or the next start, and what widens is not. After all
// others but ErrLate nothing is.
func (c *Choices) Record(ctx context.Context, t identity.Token, cs []consent.Choice) (consent.Record, error) {
	return c.RecordSigned(ctx, t, cs, nil)
}

// RecordSigned is Record with the person's signature under the choices, nil where
// there is none. What was signed once is recorded once: a signature that comes
// again within two days, with choices that have the Message of the first, records
// nothing. A signature that does not hold is a consent.ErrSignature.
func (c *Choices) RecordSigned(ctx context.Context, t identity.Token, cs []consent.Choice, signature *consent.Signature) (consent.Record, error) {
	if err := c.check(t, cs); err != nil {
		return consent.Record{}, err
	}
	if err := c.signed(cs, signature); err != nil {
		return consent.Record{}, err
	}
	r := consent.Record{Controller: c.declaration.Controller(), Token: t, Signature: signature}
	if len(cs) == 0 {
		return r, c.finish(ctx, t)
	}
	group, unlock, err := c.lockGroups(ctx, t)
	if err != nil {
		return consent.Record{}, err
	}
	unlock = sync.OnceFunc(unlock)
	defer unlock()
	if signature != nil {
		if cs = c.unheard(t, cs); len(cs) == 0 {
			unlock()
			return r, c.finish(ctx, t)
		}
	}
	if c.isErased(t) {
		return r, nil
	}
	group = slices.DeleteFunc(group, c.isErased)
	return c.recordEach(ctx, group, cs, r)
}

// recordEach is RecordSigned for each of some tokens that are linked, under their
// locks, in records like the one given.
func (c *Choices) recordEach(ctx context.Context, group []identity.Token, cs []consent.Choice, like consent.Record) (r consent.Record, late error) {
	r = like
	for i, member := range group {
		if i == 1 {
			cs = reaching(cs)
		}
		if len(cs) == 0 && !like.Erased {
			break
		}
		one, err := c.recordOne(ctx, member, cs, like)
		if errors.Is(err, ErrLate) {
			late = err
		} else if err != nil {
			return consent.Record{}, err
		}
		if i == 0 {
			r = one
		}
	}
	return r, late
}

// recordOne is recordEach for one token.
func (c *Choices) recordOne(ctx context.Context, t identity.Token, cs []consent.Choice, r consent.Record) (consent.Record, error) {
	r.Token, r.Accepted = t, c.now().UTC().Truncate(time.Millisecond)
	c.sort(&r, cs)
	if c.revives(&r) {
		// The keys must not live on under the new yes.
		if err := c.settle(ctx, t); err != nil {
			return consent.Record{}, fmt.Errorf("the choice is not recorded: %w", err)
		}
	}
	if err := c.append(ctx, &r); err != nil {
		return consent.Record{}, fmt.Errorf("the choice is not recorded: %w", err)
	}
	if c.ended(r.Choices) == 0 {
		return r, nil
	}
	// The choice is in force: nobody who hangs up stops what follows from it.
	if err := c.settle(context.WithoutCancel(ctx), t); err != nil {
		return r, fmt.Errorf("%w: %w", ErrLate, err)
	}
	return r, nil
}

// append makes a record durable and puts it into force, under the person's lock.
// After an error of the log it may be durable or not: see [consent.Book.Doubt].
func (c *Choices) append(ctx context.Context, r *consent.Record) error {
	m, err := c.seal(ctx, r)
	if err != nil {
		return err
	}
	// Nobody who hangs up leaves it open whether the choice was made; the log's
	// own patience bounds the wait.
	if r.Sequence, err = c.log.AppendChoice(context.WithoutCancel(ctx), m); err != nil {
		c.book.Doubt(*r)
		return err
	}
	c.book.Apply(*r)
	c.remember(r)
	return nil
}

// check refuses what is no choice. Its errors name purposes and no person.
func (c *Choices) check(t identity.Token, cs []consent.Choice) error {
	if t.IsZero() {
		return fmt.Errorf("%w: it is nobody's", ErrInvalid)
	}
	if len(cs) > MaxChoices {
		return fmt.Errorf("%w: a record has at most %d choices", ErrInvalid, MaxChoices)
	}
	for i := range cs {
		choice := &cs[i]
		p, ok := c.declaration.Purpose(choice.Purpose)
		if !ok {
			return fmt.Errorf("%w: the declaration has no purpose %.80q", ErrInvalid, choice.Purpose)
		}
		if basis := c.declaration.Purposes[p].Basis; basis == declare.Contract || basis == declare.LegalObligation {
			return fmt.Errorf("%w: the purpose %q rests on %s, which no choice gives or ends", ErrInvalid, choice.Purpose, basis)
		}
		if choice.State < consent.Given || choice.State > consent.Objected {
			return fmt.Errorf("%w: a choice is given, refused, withdrawn or objected", ErrInvalid)
		}
		if max(len(choice.Method), len(choice.Notice), len(choice.Language), len(choice.Proof), len(choice.Jurisdiction), len(choice.Message)) > MaxText {
			return fmt.Errorf("%w: method, notice, language, proof, jurisdiction and message have at most %d bytes each", ErrInvalid, MaxText)
		}
		if len(choice.Evidence) > MaxEvidence || !choice.By.Known() {
			return fmt.Errorf("%w: evidence has at most %d bytes, and whoever chose is the person, a guardian or an agent", ErrInvalid, MaxEvidence)
		}
		if y := choice.At.Year(); y > 9999 {
			return fmt.Errorf("%w: its time is none", ErrInvalid)
		}
	}
	return nil
}

// sort puts each choice where it belongs: among those that count, or among the
// late ones. Choices of one record about one purpose follow each other.
func (c *Choices) sort(r *consent.Record, cs []consent.Choice) {
	presents, _ := c.book.Presents(r.Token)
	unread := c.Unread(r.Token)
	r.Choices = make([]consent.Choice, 0, len(cs))
	for _, choice := range cs {
		if choice.At.IsZero() || choice.At.After(r.Accepted) {
			choice.At = r.Accepted
		}
		choice.At = choice.At.UTC().Truncate(time.Millisecond)
		i, _ := c.declaration.Purpose(choice.Purpose)
		p := &presents[i]
		if choice.Notice == "" && mayHaveRead(p, &choice, r.Accepted, c.declaration.Purposes[i].Basis, unread.Has(i)) {
			choice.Notice = c.book.Notice(choice.Language)
		}
		if choice.State == consent.Given && late(p, &choice, &c.declaration.Purposes[i]) {
			r.Late = append(r.Late, choice)
			continue
		}
		if choice.State != consent.Given || p.State != consent.Given {
			*p = consent.Present{State: choice.State, At: max(p.At, choice.At.UnixMilli())}
		}
		r.Choices = append(r.Choices, choice)
	}
}

// ReadWithin is how old a choice that names no notice may be to be taken for one
// about the notice in force. When a notice came into force is not known, and it may
// have been a moment ago, so the time is no longer than an event needs that is sent
// as it happens. What waited in a queue for longer stays without; the next event of
// now brings the same preference again, see [Choices.Unread].
const ReadWithin = time.Minute

// mayHaveRead reports whether a choice that names no notice may be taken for one
// about the notice in force: an act of now may, and no choice of the past or out of
// a file, since what is noted is evidence. What an event of now reports may, and what
// was simulated, which is marked, but not where a person must be asked again: a
// preference that is only said again knows nothing of what has changed. It does no
// harm that the same preference came before out of a queue, and was unread.
func mayHaveRead(p *consent.Present, choice *consent.Choice, accepted time.Time, basis declare.Basis, unread bool) bool {
	recent := accepted.Sub(choice.At) < ReadWithin
	switch {
	case choice.Synthetic || choice.Method == MethodEvent:
		asked := basis != declare.Consent || p.State != consent.Given && !p.Suspended || p.Notice == consent.NoticeCovered || unread
		return asked && (recent || choice.Synthetic)
	case strings.HasPrefix(choice.Proof, ProofImport):
		return false
	}
	return recent
}

// late reports whether a choice that gives is older than the present one: it
// would let in what happened before the present consent, revive what was ended
// since, or shorten what was renewed since.
func late(p *consent.Present, choice *consent.Choice, purpose *declare.Purpose) bool {
	if p.State == consent.Unset {
		return false
	}
	if choice.At.UnixMilli() < p.At {
		return true
	}
	return p.State == consent.Given && p.Until != 0 && purpose.Valid.After(choice.At).UnixMilli() < p.Until
}

// ended returns the purposes that choices end.
func (c *Choices) ended(cs []consent.Choice) (s declare.Set) {
	for _, choice := range cs {
		if i, ok := c.declaration.Purpose(choice.Purpose); ok && choice.State.Ended() {
			s = s.With(i)
		}
	}
	return s
}

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
	h := event.Header{Token: r.Token, Class: declare.ClassChoice, Kind: event.KindChoice, Accepted: r.Accepted.UnixMilli()}
	rand.Read(h.ID[:]) // never fails
	out := append(make([]byte, 0, messageHead+len(body)+64), h.ID[:]...)
	out = binary.BigEndian.AppendUint64(out, uint64(h.Accepted))
	if out, err = c.keys.Seal(out, &h, body); err != nil {
		return event.ChoiceMessage{}, err
	}
	return event.ChoiceMessage{Token: r.Token, Sealed: out}, nil
}

// accepted returns when a message was accepted, as it says of itself: only open
// proves it.
func accepted(m event.ChoiceMessage) time.Time {
	if len(m.Sealed) < messageHead {
		return time.Time{}
	}
	return time.UnixMilli(int64(binary.BigEndian.Uint64(m.Sealed[16:]))).UTC()
}

func (c *Choices) open(m event.ChoiceMessage) (consent.Record, error) {
	if len(m.Sealed) < messageHead {
		return consent.Record{}, errors.New("the message is too short to be a choice")
	}
	h := event.Header{ID: event.ID(m.Sealed[:16]), Token: m.Token, Class: declare.ClassChoice, Kind: event.KindChoice, Accepted: int64(binary.BigEndian.Uint64(m.Sealed[16:]))}
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
