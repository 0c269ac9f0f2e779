package held

import (
	"context"
	"errors"
	"time"

	"accord/internal/declare"
	"accord/internal/event"
	"accord/internal/eventlog"
	"accord/internal/identity"
	"accord/internal/vault"
)

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
	traits   []trait
	plain    []byte
	piece    event.Piece
}

// group is what is told as one.
type group struct {
	field     declare.NameID
	kept, use declare.Set
}

// trait is a value of an attribute. Only the newest is used: what it took the place
// of is held until its time is over.
type trait struct {
	group
	at              int64
	choice          uint64
	accepted, until time.Time
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
	w.standing, w.seen, w.traits = w.reader.standing(t, w.now), map[record]struct{}{}, w.traits[:0]
	defer w.countTraits()
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
		if w.piece.Event == 0 {
			w.traits = append(w.traits, trait{g, w.piece.At, r.Choice, accepted, until})
			continue
		}
		w.add(g, accepted, until)
	}
	return nil
}

func (w *walk) add(g group, accepted, until time.Time) {
	if w.values[g] == nil {
		field, _ := w.reader.declaration.FieldByID(g.field)
		w.values[g] = &Values{Field: field, For: g.kept, Used: g.use}
	}
	w.values[g].add(1, accepted, until)
}

// countTraits counts the attributes of a token, the newest value of each as the one
// that is used.
func (w *walk) countTraits() {
	newest := map[declare.NameID]int{}
	for i := range w.traits {
		t := &w.traits[i]
		if j, ok := newest[t.field]; !ok || t.newer(&w.traits[j]) {
			newest[t.field] = i
		}
	}
	for i := range w.traits {
		t := &w.traits[i]
		if newest[t.field] != i {
			t.use = 0
		}
		w.add(t.group, t.accepted, t.until)
	}
}

func (t *trait) newer(old *trait) bool {
	return t.at > old.at || t.at == old.at && t.choice > old.choice
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
