package collect

import (
	"context"
	"errors"
	"sync"
	"time"

	"accord/internal/consent"
	"accord/internal/declare"
	"accord/internal/event"
	"accord/internal/identity"
	"accord/internal/law"
	"accord/internal/signal"
	"accord/internal/vault"
)

// Limits of what is taken.
const (
	MaxEvent  = 32 << 10  // bytes of one event
	MaxBatch  = 500 << 10 // bytes of one batch
	MaxEvents = 2500      // events of one batch
	MaxDepth  = 32        // levels of nesting inside an event's properties, traits or context
	// MaxAhead is how far in the future an event may lie.
	MaxAhead = 24 * time.Hour
)

// Errors that concern a whole request. Nothing of it was kept.
var (
	// ErrBadJSON: the body is no JSON, or not of the shape that its route takes.
	ErrBadJSON = errors.New("the body is not the JSON that this route takes: a batch is {\"batch\": [event, …]}, every other route takes one event")
	// ErrTooLarge: the body or the number of events is above the limits.
	ErrTooLarge = errors.New("the body is too large: an event has at most 32 KiB, a batch 500 KiB and 2,500 events; send it in parts")
	// ErrKind: Request.Kind names no route.
	ErrKind = errors.New("no such route: the kinds are batch, track, identify, page, screen, group and alias")
	// ErrClosed: the gate is closed, so nothing can be admitted and nothing is
	// dropped for it. Answer 503 with Retry-After.
	ErrClosed = errors.New("the server is starting or stopping: send again in a few seconds")
	// ErrTooOften: Request.MayDeny or MayChoose said no. Answer 429 with
	// Retry-After.
	ErrTooOften = errors.New("choices come too often: send again in a second")
	// ErrRetry: another request holds messages of this one and did not get them
	// on disk. Answer 503 with Retry-After.
	ErrRetry = errors.New("the same messages were sent twice at once and the first try failed: send again")
)

// Keys name people and seal what is about them. *vault.Keys do.
type Keys interface {
	Hasher() *identity.Hasher
	Find(l identity.Lookup) (identity.Token, bool, error)
	// ErasedSince reports whether whoever had the lookup was erased at this time (Unix
	// milliseconds) or later.
	ErasedSince(l identity.Lookup, at int64) bool
	Ensure(ctx context.Context, ls []identity.Lookup) ([]identity.Token, error)
	Prepare(ctx context.Context, needs []vault.Need) error
	Seal(dst []byte, h *event.Header, plain []byte) ([]byte, error)
}

// Log makes records durable. *eventlog.Log does. It must not keep the records.
type Log interface {
	Append(ctx context.Context, records []event.Record) error
	// StreamOf returns the stream that a person's records go to.
	StreamOf(t identity.Token) int
}

// State knows which records were folded. *vault.Vault does.
type State interface {
	Seen(stream int, id event.ID, class declare.ClassID) (bool, error)
}

// Choices make choices durable. *choices.Choices do.
type Choices interface {
	// Record of no choice finishes what an earlier one could not destroy.
	Record(ctx context.Context, t identity.Token, cs []consent.Choice) (consent.Record, error)
	// Mark notes durably in which age band a person is.
	Mark(ctx context.Context, t identity.Token, band string) error
	// Link makes it durable that a visitor is a user's.
	Link(ctx context.Context, visitor, user identity.Token, proof string, at time.Time) error
	// Settle destroys the keys of a person's classes in which no purpose holds
	// since one of them was ended or ran out.
	Settle(ctx context.Context, t identity.Token) error
	// Direct returns the purposes that the person decided about elsewhere than by
	// an event's consent object.
	Direct(t identity.Token) declare.Set
	// Unread returns the purposes to which an event said yes that was too old to have
	// been about the notice in force.
	Unread(t identity.Token) declare.Set
	// Heard returns the purposes that a message of this id ended and gave when it
	// came before.
	Heard(t identity.Token, message event.ID) (ended, given declare.Set)
}

// Config is what a Collector stands on. Law, Signals and Observe may be nil; all else
// is needed.
type Config struct {
	Declaration *declare.Declaration
	Gate        *consent.Gate
	Book        *consent.Book
	Keys        Keys
	Log         Log
	State       State
	Choices     Choices
	Now         func() time.Time
	// Law tells the regimes of the place that a message names, and Signals what the
	// signals in it say; without them neither is read.
	Law     *law.Code
	Signals *signal.Table
	// Observe, if set, is told of every message after it was acknowledged to be
	// durable. It must not block.
	Observe func(Activity)
}

// Collector takes events. It is safe for concurrent use and owns no goroutine
// between requests.
type Collector struct {
	Config
	plan    *plan
	hasher  *identity.Hasher
	claims  claims
	debug   debug
	totals  totals
	batches sync.Pool
}

// New returns a Collector.
func New(config Config) *Collector {
	c := &Collector{Config: config, plan: newPlan(config.Declaration), hasher: config.Keys.Hasher()}
	c.batches.New = func() any { return &batch{c: c} }
	return c
}

// Request is one body of the tracking API.
type Request struct {
	// Source names the write key's source: message ids are its own, and the
	// debugger shows its events.
	Source  string
	Speaker identity.Speaker
	// Where is what the request tells the gate beside its messages.
	Where consent.Where
	// Kind is the route: "batch", "track", "identify", "page", "screen", "group"
	// or "alias".
	Kind string
	// MayDeny is asked once, before anybody is looked up, where the request
	// refuses something for people whom the speaker did not prove to be, with how
	// many it names; false fails the request with ErrTooOften. So whether it is
	// taken does not depend on who is known. Nil bounds nothing.
	MayDeny func(people int) bool
	// MayChoose is asked before a choice of somebody proven that changes something
	// is recorded; false fails the request with ErrTooOften. Nil bounds nothing. It
	// is called by several goroutines.
	MayChoose func(identity.Token, identity.Proof) bool
	// Place is where the request is from, "" where nobody knows.
	Place law.Place
	// Honour returns what the signals of the request and of a message refuse for
	// somebody who is known and proven, in the place of Where.Deny and of what was
	// heard, and sees to it that it is recorded. Nil leaves both as they are. It is
	// asked where there is something.
	Honour func(context.Context, identity.Token, identity.Proof, Heard) declare.Set
	// Received is when the request came; the zero time is now.
	Received time.Time
	Body     []byte // JSON, not compressed; it is not kept
}

// Result counts the messages of a request:
// Accepted = Kept + Dropped + Duplicate + Bad.
type Result struct {
	Accepted  int
	Kept      int // something of it is durable now
	Dropped   int // nothing of it may be kept
	Duplicate int // it was kept before
	Bad       int // it is no event
}

// Collect takes one request and returns when what is kept of it is on disk. The
// errors of this package concern the body; ErrClosed, ErrRetry, ErrTooOften and the
// errors of the log (eventlog.ErrBusy and others) mean that nothing was acknowledged and
// the sender may send the same again.
func (c *Collector) Collect(ctx context.Context, r Request) (Result, error) {
	b := c.batch(r.Source, r.Speaker)
	b.where = r.Where
	defer c.put(b)
	if !r.Received.IsZero() {
		b.received = r.Received.UnixMilli()
	}
	b.mayDeny, b.mayChoose, b.honour, b.place = r.MayDeny, r.MayChoose, r.Honour, r.Place
	b.budget = c.debug.budget(r.Source, b.now)
	if c.Observe != nil {
		b.budget = MaxEvents
	}
	if err := b.parse(r.Kind, r.Body); err != nil {
		c.totals.rejected.Add(1)
		return Result{}, err
	}
	if err := b.run(ctx); err != nil {
		return Result{}, err
	}
	return b.result, nil
}

func (c *Collector) batch(source string, speaker identity.Speaker) *batch {
	b := c.batches.Get().(*batch)
	b.source, b.speaker, b.now, b.open = source, speaker, c.Now(), -1
	b.received = b.now.UnixMilli()
	b.allowed = ^declare.Set(0)
	b.stopped = c.Gate.Stops(source)
	c.totals.requests.Add(1)
	return b
}

func (c *Collector) put(b *batch) {
	b.reset()
	c.batches.Put(b)
}

// run takes the parsed messages from who they are about to the disk.
func (b *batch) run(ctx context.Context) error {
	if b.closed() {
		return ErrClosed
	}
	b.judgeSignals()
	if n := b.unproven(); n > 0 && b.mayDeny != nil && !b.mayDeny(n) {
		return ErrTooOften
	}
	if err := b.people(ctx); err != nil {
		return err
	}
	if err := b.join(ctx); err != nil {
		return err
	}
	b.honourSignal(ctx)
	if err := b.choose(ctx); err != nil {
		return err
	}
	if err := b.mark(ctx); err != nil {
		return err
	}
	if err := b.keep(ctx); err != nil {
		return err
	}
	b.account()
	return nil
}

// closed reports whether the gate is closed. What it denies then must not be
// dropped: the sender sends it again.
func (b *batch) closed() bool {
	_, r := b.c.Gate.Ask(identity.Token{}, 0, consent.Where{}, b.now)
	return r == consent.DeniedClosed
}

// account adds the batch to the totals and shows its messages to whoever looks.
func (b *batch) account() {
	t := &b.c.totals
	for i := range b.messages {
		m := &b.messages[i]
		b.result.Accepted++
		switch {
		case m.bad:
			b.result.Bad++
		case m.reason == AlreadyKept:
			b.result.Duplicate++
		case m.kept > 0:
			b.result.Kept++
		default:
			b.result.Dropped++
		}
		if m.kept == 0 {
			t.notKept[m.why()].Add(1)
		}
	}
	for r, n := range b.dropped {
		if n > 0 {
			t.dropped[r].Add(uint64(n))
		}
	}
	t.events.Add(uint64(b.result.Accepted))
	t.kept.Add(uint64(b.result.Kept))
	t.records.Add(uint64(len(b.records)))
	t.values.Add(uint64(b.kept))
	b.show()
}

// why returns why nothing of a message was kept.
func (m *message) why() Reason {
	if m.reason != NoReason {
		return m.reason
	}
	return Undeclared // it had no declared value at all
}
