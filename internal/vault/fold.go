package vault

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"time"

	"accord/internal/declare"
	"accord/internal/event"
	"accord/internal/identity"
	"accord/internal/profile"

	"github.com/cockroachdb/pebble/v2"
)

// errDamaged is returned when the state itself does not read.
var errDamaged = errors.New("the state is damaged: stop, move its directory away and start again, it is rebuilt from the log")

// Apply folds a frame into the state, all of it or nothing. A frame that was
// applied before changes nothing, and neither does a record whose id was seen
// within the last one to two days of the stream. Records that nobody may use any
// more (their key destroyed, their purposes withdrawn, their retention over) are
// passed over and counted. Call it from one goroutine a stream, in order; for
// different streams at once. An error means that the frame is not applied.
func (v *Vault) Apply(f event.Frame) error {
	if f.Stream < 0 || f.Stream >= MaxStreams {
		return fmt.Errorf("stream %d: the state follows streams 0 to %d", f.Stream, MaxStreams-1)
	}
	if err := v.enter(); err != nil {
		return err
	}
	defer v.leave()
	if err := v.Err(); err != nil {
		return err
	}
	s := &v.streams[f.Stream]
	s.mu.Lock()
	defer s.mu.Unlock()
	if f.Sequence <= s.applied.Load() {
		return nil
	}
	v.fence.RLock()
	defer v.fence.RUnlock()
	if s.folder == nil {
		s.folder = &folder{v: v}
	}
	return s.folder.apply(f, s)
}

// folder applies the frames of one stream and keeps its buffers between them.
type folder struct {
	v       *Vault
	batch   *pebble.Batch
	horizon *horizon
	now     time.Time
	stats   Stats

	entries  []entry
	notes    []note
	written  []written
	piece    event.Piece
	part     profile.Part
	key, aad []byte
	plain    []byte
}

// note is a record that is seen from now on.
type note struct {
	id    event.ID
	class declare.ClassID
	day   uint16
}

// written is a part that the batch sets.
type written struct {
	ref    partRef
	sealed []byte
}

// entry is a record on its way into a part; entries sort by part.
type entry struct {
	high, low uint64 // the token
	class     *declare.Class
	bucket    uint16
	at        int32 // in the frame
}

func (a *entry) compare(b *entry) int {
	switch {
	case a.high != b.high:
		return cmp.Compare(a.high, b.high)
	case a.low != b.low:
		return cmp.Compare(a.low, b.low)
	case a.class != b.class:
		return cmp.Compare(a.class.ID, b.class.ID)
	case a.bucket != b.bucket:
		return cmp.Compare(a.bucket, b.bucket)
	}
	return cmp.Compare(a.at, b.at)
}

func (a *entry) sameKey(b *entry) bool {
	return a.high == b.high && a.low == b.low && a.class == b.class
}

func (f *folder) apply(frame event.Frame, s *stream) error {
	f.now = f.v.clock()
	f.horizon = f.v.horizonAt(f.now)
	f.stats = Stats{Frames: 1}
	f.batch = f.v.db.NewBatch()
	defer func() { f.batch.Close(); f.batch = nil; f.wipe() }()
	if err := f.sift(frame, s); err != nil {
		return err
	}
	if err := f.foldAll(frame.Records); err != nil {
		return err
	}
	if err := f.index(frame); err != nil {
		return err
	}
	if err := f.finish(frame, s); err != nil {
		return err
	}
	s.applied.Store(frame.Sequence)
	f.keep()
	f.count()
	return nil
}

// sift finds the records that are new and may enter a part, and notes what it
// has seen.
func (f *folder) sift(frame event.Frame, s *stream) error {
	f.entries, f.notes, f.written = f.entries[:0], f.notes[:0], f.written[:0]
	for i := range frame.Records {
		r := &frame.Records[i]
		switch r.Kind {
		case event.KindPiece:
		case event.KindReceipt:
			if err := f.receipt(frame, r); err != nil {
				return err
			}
			continue
		default:
			f.stats.Undeclared++
			continue
		}
		h, ok := f.horizon.classes[r.Class]
		if !ok {
			f.stats.Undeclared++
			continue
		}
		known, err := f.seen(frame, i, s)
		if err != nil {
			return err
		}
		if known {
			f.stats.Duplicates++
			continue
		}
		bucket := bucketOf(h.class, r.Accepted)
		if bucket < h.oldest {
			f.stats.Outlived++
			continue
		}
		f.entries = append(f.entries, entry{
			high: binary.BigEndian.Uint64(r.Token[:8]), low: binary.BigEndian.Uint64(r.Token[8:]),
			class: h.class, bucket: bucket, at: int32(i),
		})
	}
	slices.SortFunc(f.entries, func(a, b entry) int { return a.compare(&b) })
	return f.remember(frame.Stream)
}

func (f *folder) receipt(frame event.Frame, r *event.Record) error {
	f.stats.Receipts++
	f.key = appendReceiptKey(f.key[:0], r.ID)
	var row [11]byte
	row[0] = byte(frame.Stream)
	binary.BigEndian.PutUint64(row[1:], frame.Sequence)
	binary.BigEndian.PutUint16(row[9:], monthOf(r.Accepted))
	return f.batch.Set(f.key, row[:], nil)
}

// seen reports whether the record's id was folded before, and notes it. What is
// then withdrawn or erased is noted too, so that a replay decides alike.
func (f *folder) seen(frame event.Frame, i int, s *stream) (bool, error) {
	r := &frame.Records[i]
	w, moved := s.seen.at(dayOf(r.Accepted))
	if moved && w.day > 1 {
		low, high := appendSeenDay(nil, frame.Stream, 0), appendSeenDay(nil, frame.Stream, w.day-1)
		if err := f.batch.DeleteRange(low, high, nil); err != nil {
			return false, err
		}
	}
	if w.maybe(r.ID, r.Class) {
		for j := range frame.Records[:i] {
			if o := &frame.Records[j]; o.ID == r.ID && o.Class == r.Class && o.Kind == event.KindPiece {
				return true, nil
			}
		}
		known, err := f.v.seenBefore(frame.Stream, w, r.ID, r.Class, f.key)
		if known || err != nil {
			return known, err
		}
	}
	w.add(r.ID, r.Class)
	f.notes = append(f.notes, note{r.ID, r.Class, w.day})
	return false, nil
}

// remember writes the notes, sorted, which the engine takes twice as fast.
func (f *folder) remember(stream int) error {
	slices.SortFunc(f.notes, func(a, b note) int {
		return cmp.Or(cmp.Compare(a.day, b.day), bytes.Compare(a.id[:], b.id[:]), cmp.Compare(a.class, b.class))
	})
	for i := range f.notes {
		n := &f.notes[i]
		f.key = appendSeenKey(f.key[:0], stream, n.day, n.id, n.class)
		if err := f.batch.Set(f.key, nil, nil); err != nil {
			return err
		}
	}
	return nil
}

// foldAll folds the sifted records, one key at a time.
func (f *folder) foldAll(records []event.Record) error {
	for rest := f.entries; len(rest) > 0; {
		n := 1
		for n < len(rest) && rest[n].sameKey(&rest[0]) {
			n++
		}
		if err := f.foldKey(records, rest[:n]); err != nil {
			return err
		}
		rest = rest[n:]
	}
	return nil
}

// foldKey folds the records of one person and class.
func (f *folder) foldKey(records []event.Record, entries []entry) error {
	ref := keyRef{records[entries[0].at].Token, entries[0].class.ID}
	key, err := f.v.keys.dataKey(ref)
	if errors.Is(err, ErrNoKey) {
		f.stats.Erased += uint64(len(entries))
		return nil
	}
	if err != nil {
		return err
	}
	s, err := key.sealer()
	if err != nil {
		return err
	}
	for len(entries) > 0 {
		n := 1
		for n < len(entries) && entries[n].bucket == entries[0].bucket {
			n++
		}
		if err := f.foldPart(records, entries[:n], ref, &s); err != nil {
			return err
		}
		entries = entries[n:]
	}
	return nil
}

// foldPart folds the records of one part. The part is read at the first record
// that may enter it, and written when it changed.
func (f *folder) foldPart(records []event.Record, entries []entry, ref keyRef, s *sealer) error {
	class, loaded, changed := entries[0].class, false, false
	for i := range entries {
		r := &records[entries[i].at]
		still := f.v.gate.Still(r.Token, class.Set(r.Mask), r.Choice, f.now)
		if still == 0 {
			f.stats.Withdrawn++
			continue
		}
		f.aad = r.Header.AppendAAD(f.aad[:0], f.v.keys.controller)
		plain, err := s.open(r.Sealed, f.aad)
		if errors.Is(err, ErrNoKey) {
			f.stats.Erased++
			continue
		}
		if err != nil || event.DecodePiece(plain, &f.piece) != nil {
			f.stats.Damaged++
			continue
		}
		if !loaded {
			f.key = appendPartKey(f.key[:0], ref, entries[0].bucket)
			if err := f.load(partRef{ref, entries[0].bucket}, s); err != nil {
				return err
			}
			loaded = true
		}
		stamp := profile.Stamp{Mask: class.Mask(still), Choice: r.Choice}
		changed = f.part.Fold(f.v.declaration, &f.piece, stamp) || changed
		f.stats.Folded++
	}
	if !changed {
		return nil
	}
	return f.save(partRef{ref, entries[0].bucket}, s)
}

// load reads the part at f.key into f.part; one that is not there, or was sealed
// under a key that is gone, is empty.
func (f *folder) load(ref partRef, s *sealer) error {
	f.part.Interactions, f.part.Traits = f.part.Interactions[:0], f.part.Traits[:0]
	f.aad = appendPartAAD(f.aad[:0], f.v.keys.controller, f.key)
	if sealed, ok := f.v.parts.get(ref); ok {
		return ignoreNoKey(openPart(s, sealed, f.aad, &f.part))
	}
	value, closer, err := f.v.db.Get(f.key)
	if errors.Is(err, pebble.ErrNotFound) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("reading the state: %w", err)
	}
	err = ignoreNoKey(openPart(s, value, f.aad, &f.part))
	return errors.Join(err, closer.Close())
}

func ignoreNoKey(err error) error {
	if errors.Is(err, ErrNoKey) {
		return nil
	}
	return err
}

// save seals f.part into the batch at f.key.
func (f *folder) save(ref partRef, s *sealer) error {
	f.plain = f.part.Append(f.plain[:0])
	f.aad = appendPartAAD(f.aad[:0], f.v.keys.controller, f.key)
	sealed, err := s.seal(nil, f.plain, f.aad)
	if err != nil {
		return err
	}
	f.written = append(f.written, written{ref, sealed})
	return f.batch.Set(f.key, sealed, nil)
}

// The cache of sealed parts: 26 MB where people did a few things in a month, and
// at most 106 MB.
const (
	cachedParts = 1 << 17
	cachedPart  = 768 // bytes; larger ones are read from the state
)

// keep updates the cache with what was committed, and with nothing else.
func (f *folder) keep() {
	for i := range f.written {
		if w := &f.written[i]; len(w.sealed) <= cachedPart {
			f.v.parts.publish(w.ref, w.sealed)
		} else {
			f.v.parts.remove(w.ref)
		}
	}
	clear(f.written)
}

// forget takes the parts of a key out of the cache. No Apply runs.
func (v *Vault) forget(ref keyRef) error {
	prefix := ref.append([]byte{rowPart})
	it, err := v.db.NewIter(&pebble.IterOptions{LowerBound: prefix, UpperBound: after(prefix)})
	if err != nil {
		return fmt.Errorf("reading the state: %w", err)
	}
	for it.First(); it.Valid(); it.Next() {
		if ref, bucket, ok := readPartKey(it.Key()); ok {
			v.parts.remove(partRef{ref, bucket})
		}
	}
	return it.Close()
}

// appendPartAAD appends what binds a part to its controller and row.
func appendPartAAD(b []byte, c identity.Controller, row []byte) []byte {
	b = append(b, "accord part v1\x00"...)
	b = append(b, c...)
	b = append(b, 0)
	return append(b, row...)
}

// openPart opens a row's value into p: ErrNoKey when a destroyed key sealed it,
// another error when it is damaged.
func openPart(s *sealer, value, aad []byte, p *profile.Part) error {
	plain, err := s.open(value, aad)
	if errors.Is(err, ErrNoKey) {
		return err
	}
	if err != nil || p.Decode(plain) != nil {
		return errDamaged
	}
	return nil
}

// index notes for each person of the frame that it holds records of theirs.
func (f *folder) index(frame event.Frame) error {
	tokens := f.entries[:0]
	for i := range frame.Records {
		t := &frame.Records[i].Token
		tokens = append(tokens, entry{high: binary.BigEndian.Uint64(t[:8]), low: binary.BigEndian.Uint64(t[8:]), bucket: monthOf(frame.Records[i].Accepted), at: int32(i)})
	}
	f.entries = tokens
	slices.SortFunc(tokens, func(a, b entry) int { return a.compare(&b) })
	place := Place{Stream: frame.Stream, Sequence: frame.Sequence}
	for i := range tokens {
		// Of the records of one person the last has the latest month.
		if i+1 < len(tokens) && tokens[i].high == tokens[i+1].high && tokens[i].low == tokens[i+1].low {
			continue
		}
		f.key = appendFrameKey(f.key[:0], frame.Records[tokens[i].at].Token, place)
		var month [2]byte
		binary.BigEndian.PutUint16(month[:], tokens[i].bucket)
		if err := f.batch.Set(f.key, month[:], nil); err != nil {
			return err
		}
	}
	return nil
}

// finish adds the applied sequence and the clock, and commits.
func (f *folder) finish(frame event.Frame, s *stream) error {
	var row [10]byte
	binary.BigEndian.PutUint64(row[:], frame.Sequence)
	if w := s.seen.window.Load(); w != nil {
		binary.BigEndian.PutUint16(row[8:], w.day)
	}
	f.key = appendAppliedKey(f.key[:0], frame.Stream)
	if err := f.batch.Set(f.key, row[:], nil); err != nil {
		return err
	}
	if err := f.v.addClock(f.batch); err != nil {
		return err
	}
	return f.v.commit(f.batch, pebble.NoSync)
}

func (f *folder) count() {
	c, s := &f.v.counts, &f.stats
	c.frames.Add(s.Frames)
	c.folded.Add(s.Folded)
	c.duplicates.Add(s.Duplicates)
	c.erased.Add(s.Erased)
	c.withdrawn.Add(s.Withdrawn)
	c.outlived.Add(s.Outlived)
	c.undeclared.Add(s.Undeclared)
	c.receipts.Add(s.Receipts)
	if s.Damaged > 0 {
		c.damaged.Add(s.Damaged)
		f.v.log.Warn("records did not open under their key and were passed over", "count", s.Damaged)
	}
}

// wipe clears the plain values: they do not wait in buffers for the next frame.
func (f *folder) wipe() {
	if cap(f.part.Interactions) > 1024 {
		f.part, f.plain = profile.Part{}, nil
	}
	clear(f.plain[:cap(f.plain)])
	clear(f.part.Interactions[:cap(f.part.Interactions)])
	clear(f.part.Traits[:cap(f.part.Traits)])
	clear(f.piece.Fields[:cap(f.piece.Fields)])
}
