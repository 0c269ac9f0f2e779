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
// people at a time. A person of whom there is more, or something that is damaged,
// gets a report that says so.
//
// Promises kept here: 7, of access the part that shows what there is.
//
// Non-goals: the values themselves, who may ask (package api), words (package
// notice).
package held

import (
	"context"
	"errors"
	"fmt"
	"time"

	"accord/internal/consent"
	"accord/internal/declare"
	"accord/internal/event"
	"accord/internal/eventlog"
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
	// use them now. Neither has any where the key lives on for something else, and
	// nothing may use these.
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

// walk is one read.
type walk struct {
	reader *Reader
	report Report
	values map[group]*Values
	now    time.Time
	frames int // how many more may be read
	bytes  int

	// Of the person who is read now.
	standing standing
	seen     map[record]struct{}
	plain    []byte
	piece    event.Piece
}

// group is what is told as one.
type group struct {
	field     declare.NameID
	kept, use declare.Set
}

// record is what may be in the log twice, and is held once.
type record struct {
	id    event.ID
	class declare.ClassID
}

// person reads the frames of one token, the newest first.
func (w *walk) person(ctx context.Context, t identity.Token) error {
	places, err := w.reader.index.Frames(t)
	if err != nil {
		return err
	}
	w.standing, w.seen = w.reader.standing(t, w.now), map[record]struct{}{}
	for i := len(places) - 1; i >= 0; i-- {
		if w.frames == 0 || w.bytes <= 0 {
			w.report.Partial = true
			return nil
		}
		w.frames--
		frame, err := w.reader.log.Read(ctx, places[i].Stream, places[i].Sequence)
		if errors.Is(err, eventlog.ErrNotFound) {
			continue // its time is over
		}
		if err != nil {
			return err
		}
		for j := range frame.Records {
			w.bytes -= frame.Records[j].Size()
			if frame.Records[j].Token != t {
				continue
			}
			switch err := w.record(&frame.Records[j]); {
			case errors.Is(err, vault.ErrTampered), errors.Is(err, event.ErrCorrupt):
				w.report.Partial = true // it is damaged, and keeps nobody from seeing the rest
			case err != nil:
				return err
			}
		}
	}
	return nil
}

// record counts one record, if it still opens.
func (w *walk) record(r *event.Record) (err error) {
	key := record{r.ID, r.Class}
	if _, again := w.seen[key]; again {
		return nil
	}
	w.seen[key] = struct{}{}
	w.plain, err = w.reader.keys.Open(w.plain[:0], &r.Header, r.Sealed)
	if errors.Is(err, vault.ErrNoKey) {
		return nil
	}
	if err != nil {
		return err
	}
	defer clear(w.plain)
	accepted := time.UnixMilli(r.Accepted).UTC()
	class, known := w.reader.declaration.Class(r.Class)
	switch {
	case r.Kind == event.KindReceipt:
		w.report.Receipts.add(1, accepted, w.reader.declaration.ReceiptRetention.After(accepted))
	case r.Kind != event.KindPiece:
	case !known:
		return w.undeclared(r, accepted)
	default:
		if until := end(class, accepted, w.standing.until(class)); until.IsZero() || until.After(w.now) {
			return w.counted(r, class, accepted, until)
		}
	}
	return nil
}

// undeclared counts the values of a class that the declaration no longer has.
func (w *walk) undeclared(r *event.Record, accepted time.Time) error {
	if err := event.DecodePiece(w.plain, &w.piece); err != nil {
		return err
	}
	w.report.Undeclared.add(len(w.piece.Fields), accepted, time.Time{})
	clear(w.piece.Fields)
	return nil
}

// counted counts the values of a record, each under its field.
func (w *walk) counted(r *event.Record, class *declare.Class, accepted, until time.Time) error {
	if err := event.DecodePiece(w.plain, &w.piece); err != nil {
		return err
	}
	defer clear(w.piece.Fields)
	kept := w.reader.gate.Still(r.Token, class.Set(r.Mask), r.Choice, w.now)
	for i := range w.piece.Fields {
		field, ok := w.reader.declaration.FieldByID(w.piece.Fields[i].ID)
		if !ok {
			w.report.Undeclared.add(1, accepted, until)
			continue
		}
		// The declaration may have taken the field out of a purpose since.
		g := group{field.ID, kept & field.Class.Purposes, 0}
		g.use = w.standing.uses(class, r, w.piece.At, field.ID) & g.kept
		if w.values[g] == nil {
			w.values[g] = &Values{Field: field, For: g.kept, Used: g.use}
		}
		w.values[g].add(1, accepted, until)
	}
	return nil
}

// end returns when a record of a class is destroyed: when its retention is over,
// or before that, with the last purpose that its key lives for.
func end(c *declare.Class, accepted, key time.Time) time.Time {
	if c.Retention.IsZero() {
		return key
	}
	until := c.Retention.After(accepted)
	if !key.IsZero() && key.Before(until) {
		return key
	}
	return until
}
