// Package held tells what is held about a person now: how much of each declared
// field, since when and until when, and for what it is used. It tells no value.
//
// It is the right of access in its plainest form, so it needs no grant: a person
// may see also what nothing may use, such as data that waits for their own word
// after an end that nobody proved. Whoever calls must have a proof of the person.
//
// The state's profiles hold what engines can use. What is held is more: the sum of
// an order is in the log alone. So what is told is read from the log itself, by the
// vault's index of a person's frames, and each record is opened under its person's
// key. A record whose key was destroyed does not open, and is not told; neither is
// one that the log let go of.
//
//	r := held.New(declaration, gate, book, vault, log, keys, now)
//	report, err := r.Read(ctx, token, visitor)
//
// A read is bounded: the newest [MaxFrames] frames and [MaxBytes] bytes, a few
// people at a time; a frame of the embedded log costs about 20 µs. A person of whom
// there is more, or something that is damaged, gets a report that says so.
//
// Promises kept here: 7, of access the part that shows what there is.
//
// Non-goals: the values themselves, who may ask (package api), words (package
// notice).
package held

import (
	"context"
	"fmt"
	"time"

	"accord/internal/consent"
	"accord/internal/declare"
	"accord/internal/event"
	"accord/internal/identity"
	"accord/internal/vault"
)

// Bounds of one read.
const (
	MaxFrames = 4096
	MaxBytes  = 256 << 20
	// readers is how many reads run at once; others wait.
	readers = 4
)

// Index finds the frames that hold a person's records.
type Index interface {
	Frames(t identity.Token) ([]vault.Place, error)
}

// Log reads a frame back.
type Log interface {
	Read(ctx context.Context, stream int, sequence uint64) (event.Frame, error)
}

// Opener opens a record under its person's key.
type Opener interface {
	Open(dst []byte, h *event.Header, sealed []byte) ([]byte, error)
}

// Kept is how much of something is held. The zero Kept is nothing.
type Kept struct {
	Count int
	// Since is when the oldest of it was accepted.
	Since time.Time
	// Until is when the last of it is destroyed if nobody chooses anew; zero where
	// that has no date.
	Until time.Time
}

// add notes some more.
func (k *Kept) add(n int, since, until time.Time) {
	if k.Count == 0 || since.Before(k.Since) {
		k.Since = since
	}
	if k.Count == 0 || until.IsZero() || !k.Until.IsZero() && until.After(k.Until) {
		k.Until = until
	}
	k.Count += n
}

// Merge returns both together.
func (k Kept) Merge(other Kept) Kept {
	if other.Count > 0 {
		k.add(other.Count, other.Since, other.Until)
	}
	return k
}

// Values are the values of one declared field that are held for the same purposes.
type Values struct {
	Field *declare.Field
	Kept
	// For are the purposes that the values are kept for, Used those of them that may
	// use them now: none where a newer value of an attribute took their place.
	// Neither has any where the key lives on for something else, and nothing may use
	// these.
	For, Used declare.Set
}

// Report is what is held about a person.
type Report struct {
	Values   []Values // in no meaningful order
	Receipts Kept     // of answers that were made for the person
	// Undeclared are values of which the declaration no longer says anything: nothing
	// uses them until they are destroyed.
	Undeclared Kept
	// Partial means that there is more than a read takes, or something that is
	// damaged: the counts are the least.
	Partial bool
}

// Reader reads what is held. It is safe for concurrent use.
type Reader struct {
	declaration *declare.Declaration
	gate        *consent.Gate
	book        *consent.Book
	index       Index
	log         Log
	keys        Opener
	now         func() time.Time
	places      chan struct{} // one for each read that runs

	frames, bytes int // the bounds of a read
}

// New returns a Reader.
func New(d *declare.Declaration, gate *consent.Gate, book *consent.Book, index Index, log Log, keys Opener, now func() time.Time) *Reader {
	return &Reader{declaration: d, gate: gate, book: book, index: index, log: log, keys: keys, now: now,
		places: make(chan struct{}, readers), frames: MaxFrames, bytes: MaxBytes}
}

// Read reports what is held under the tokens of one person, as far as the index
// has come. Somebody of whom nothing is held has an empty report.
func (r *Reader) Read(ctx context.Context, people ...identity.Token) (Report, error) {
	select {
	case r.places <- struct{}{}:
		defer func() { <-r.places }()
	case <-ctx.Done():
		return Report{}, ctx.Err()
	}
	w := walk{reader: r, values: map[group]*Values{}, frames: r.frames, bytes: r.bytes, now: r.now()}
	for _, t := range people {
		if err := w.person(ctx, t); err != nil {
			return Report{}, fmt.Errorf("reading what is held: %w", err)
		}
	}
	for _, v := range w.values {
		w.report.Values = append(w.report.Values, *v)
	}
	return w.report, nil
}
