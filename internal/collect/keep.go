package collect

import (
	"context"
	"errors"
	"fmt"
	"time"

	"accord/internal/consent"
	"accord/internal/declare"
	"accord/internal/event"
	"accord/internal/vault"
)

// keep admits, seals and appends what may be kept, and returns when it is on
// disk.
func (b *batch) keep(ctx context.Context) error {
	if err := b.admit(); err != nil {
		return b.release(err)
	}
	if len(b.pieces) > 0 {
		if err := b.c.Keys.Prepare(ctx, b.needs); err != nil {
			return b.release(fmt.Errorf("making keys: %w", err))
		}
		if err := b.sealAll(ctx); err != nil {
			return b.release(err)
		}
	}
	if len(b.records) > 0 {
		if err := b.c.Log.Append(ctx, b.records); err != nil {
			return b.release(err)
		}
	}
	_ = b.release(nil)
	return b.await(ctx)
}

// admit asks the gate about every value and plans the pieces.
func (b *batch) admit() error {
	for i := range b.messages {
		m := &b.messages[i]
		if m.reason != NoReason {
			b.lost(m, m.reason)
			continue
		}
		b.judge(m)
		if m.kept == 0 {
			continue
		}
		if b.again(m) {
			m.reason, m.kept = AlreadyKept, 0
			continue
		}
		if err := b.plan(i); err != nil {
			return err
		}
	}
	return nil
}

// lost drops all values of a message.
func (b *batch) lost(m *message, r Reason) {
	for i := m.from; i < m.to; i++ {
		if v := &b.values[i]; v.gone == NoReason {
			v.gone = r
			b.drop(m, r)
		}
	}
}

// judge admits a message's values: a value is kept if a purpose of its class
// holds for the person and the moment, and the message itself does not deny it.
func (b *batch) judge(m *message) {
	admission := b.c.Gate.Admit(m.token, time.UnixMilli(m.at), b.at(m), b.now)
	m.sequence = admission.Sequence
	m.holds = admission.Holds & b.mayKeep(m) &^ m.prefs.deny &^ m.withheld
	if !m.known {
		// Nobody is held here, and nothing that needs no choice was brought.
		m.holds = 0
	}
	for i := m.from; i < m.to; i++ {
		v := &b.values[i]
		if v.node.class.Purposes&m.holds != 0 && !b.c.Gate.Hides(v.node.field.ID) {
			m.kept++
			continue
		}
		v.gone = b.denied(m, v.node.class)
		if b.c.Gate.Hides(v.node.field.ID) {
			v.gone = Denied(consent.DeniedStopped)
		}
		b.drop(m, v.gone)
		if m.reason == NoReason {
			m.reason = v.gone
		}
	}
	if m.kept > 0 {
		m.reason = NoReason
	}
}

// mayKeep returns the purposes for which something of a message may be kept,
// whatever the gate says.
func (b *batch) mayKeep(m *message) declare.Set {
	s := b.allowed & b.c.Declaration.Identifies(m.who.Kind)
	if b.stopped {
		s = 0
	}
	if b.shared.unread {
		s &^= b.c.plan.consents | b.c.plan.objections
	}
	return s
}

// denied returns why no purpose of a class holds: that the event is older than
// a consent which holds now, or else the reason of the first purpose.
func (b *batch) denied(m *message, class *declare.Class) Reason {
	purposes := class.Purposes & b.mayKeep(m)
	switch {
	case b.stopped:
		return Denied(consent.DeniedStopped)
	case class.Purposes&b.allowed == 0:
		return OtherBasis
	case class.Purposes&b.c.Declaration.Identifies(m.who.Kind) == 0:
		return OtherIdentifier
	case purposes == 0:
		return BadContext
	case m.prefs.deny&purposes != 0:
		return Denied(consent.DeniedRefused)
	case m.withheld&purposes != 0:
		return Denied(consent.DeniedSignal)
	case !m.known:
		return Denied(consent.DeniedNoChoice)
	}
	var why Reason
	for ; purposes != 0; purposes = purposes.Without(first(purposes)) {
		_, r := b.c.Gate.Ask(m.token, first(purposes), b.at(m), b.now)
		if r == consent.Allowed {
			return Denied(consent.DeniedBefore)
		}
		if why == NoReason {
			why = Denied(r)
		}
	}
	return why
}

// plan lists the pieces of a message, one for each class that is kept and not
// held already.
func (b *batch) plan(i int) error {
	m := &b.messages[i]
	m.firstPiece = len(b.pieces)
	for j := m.from; j < m.to; j++ {
		if v := &b.values[j]; v.gone == NoReason && !b.planned(m, v.node.class) {
			b.pieces = append(b.pieces, piece{message: i, class: v.node.class})
		}
	}
	if err := b.strike(m); err != nil {
		return err
	}
	for _, p := range b.pieces[m.firstPiece:] {
		b.needs = append(b.needs, vault.Need{Token: m.token, Class: p.class.ID})
	}
	return nil
}

// strike takes those pieces of a message off the list that are held. Pieces of
// different retention become durable apart, so of a message that was not
// acknowledged some may be there: the others are still to be kept, and only when
// all are held is the message a duplicate.
func (b *batch) strike(m *message) error {
	if m.assigned {
		return nil
	}
	stream := b.c.Log.StreamOf(m.token)
	fresh := b.pieces[:m.firstPiece]
	for _, p := range b.pieces[m.firstPiece:] {
		held, err := b.c.State.Seen(stream, m.id, p.class.ID)
		if err != nil {
			return fmt.Errorf("looking for a message: %w", err)
		}
		if held {
			m.kept -= b.count(m, p.class)
		} else {
			fresh = append(fresh, p)
		}
	}
	b.pieces = fresh
	if m.kept == 0 {
		m.reason = AlreadyKept
	}
	return nil
}

// count returns how many values of a class a message has.
func (b *batch) count(m *message, class *declare.Class) (n int) {
	for i := m.from; i < m.to; i++ {
		if v := &b.values[i]; v.gone == NoReason && v.node.class == class {
			n++
		}
	}
	return n
}

func (b *batch) planned(m *message, class *declare.Class) bool {
	for _, p := range b.pieces[m.firstPiece:] {
		if p.class == class {
			return true
		}
	}
	return false
}

// sealAll encodes and seals the planned pieces.
//
// A withdrawal may have come since the gate was asked, and may have destroyed
// keys before Prepare made them again. So the gate is asked a second time now
// that the keys exist: what it no longer admits is not sealed, and the keys that
// came back are destroyed. A withdrawal from here on destroys the keys under
// which the pieces are sealed.
func (b *batch) sealAll(ctx context.Context) error {
	if b.closed() {
		return ErrClosed
	}
	for i := 0; i < len(b.pieces); {
		m := &b.messages[b.pieces[i].message]
		if err := b.confirm(ctx, m); err != nil {
			return err
		}
		for at := b.pieces[i].message; i < len(b.pieces) && b.pieces[i].message == at; i++ {
			if err := b.seal(m, b.pieces[i].class); err != nil {
				return err
			}
		}
	}
	// The sealed bytes lie in one buffer, which may have moved while it grew.
	start := 0
	for i, end := range b.spans {
		b.records[i].Sealed = b.sealed[start:end:end]
		start = end
	}
	return nil
}

// confirm asks the gate again for a message.
func (b *batch) confirm(ctx context.Context, m *message) error {
	now := b.c.Gate.Admit(m.token, time.UnixMilli(m.at), b.at(m), b.now)
	b.stop(m, &now)
	if now.Sequence == m.sequence {
		m.holds &= now.Holds // another token's choice, or a stop
		return nil
	}
	m.sequence = now.Sequence
	// A choice that gives may have come as well. It did not count when this
	// message was judged, and what was dropped stays dropped.
	m.holds &= now.Holds
	return b.c.Choices.Settle(ctx, m.token)
}

// stop takes from a message what an emergency stop overtook.
func (b *batch) stop(m *message, now *consent.Admission) {
	if b.c.Gate.Stops(b.source) {
		now.Holds = 0
	}
	for i := m.from; i < m.to; i++ {
		if v := &b.values[i]; v.gone == NoReason && b.c.Gate.Hides(v.node.field.ID) {
			v.gone = Denied(consent.DeniedStopped)
			b.drop(m, v.gone)
			if m.kept--; m.kept == 0 {
				m.reason = v.gone
			}
		}
	}
}

// seal makes a record of a message's values of one class.
func (b *batch) seal(m *message, class *declare.Class) error {
	mask := class.Mask(m.holds)
	if mask == 0 {
		b.unkeep(m, class)
		return nil
	}
	b.piece.At, b.piece.Event, b.piece.Fields = m.at, 0, b.piece.Fields[:0]
	if m.plan != nil {
		b.piece.Event = m.plan.id
	}
	for i := m.from; i < m.to; i++ {
		if v := &b.values[i]; v.gone == NoReason && v.node.class == class {
			b.piece.Fields = append(b.piece.Fields, event.Field{ID: v.node.field.ID, Index: v.index, Value: v.Value})
		}
	}
	if len(b.piece.Fields) == 0 {
		return nil
	}
	b.plain = event.AppendPiece(b.plain[:0], &b.piece)
	b.records = append(b.records, event.Record{Header: event.Header{
		ID: m.id, Token: m.token, Class: class.ID, Mask: mask, Kind: event.KindPiece,
		Choice: m.sequence, Accepted: b.now.UnixMilli(),
	}})
	sealed, err := b.c.Keys.Seal(b.sealed, &b.records[len(b.records)-1].Header, b.plain)
	if errors.Is(err, vault.ErrNoKey) {
		b.records = b.records[:len(b.records)-1]
		b.unkeep(m, class)
		return nil
	}
	if err != nil {
		return fmt.Errorf("sealing: %w", err)
	}
	b.sealed = sealed
	b.spans = append(b.spans, len(sealed))
	b.kept += len(b.piece.Fields)
	return nil
}

// unkeep drops what a withdrawal overtook.
func (b *batch) unkeep(m *message, class *declare.Class) {
	for i := m.from; i < m.to; i++ {
		if v := &b.values[i]; v.gone == NoReason && v.node.class == class {
			v.gone = Denied(consent.DeniedChanged)
			b.drop(m, v.gone)
			m.kept--
		}
	}
	if m.kept == 0 {
		m.reason = Denied(consent.DeniedChanged)
	}
}

// again claims a message, and reports whether this request or another one has
// it.
func (b *batch) again(m *message) bool {
	if m.assigned {
		return false
	}
	if b.flight == nil {
		b.flight = &flight{done: make(chan struct{})}
	}
	switch other := b.c.claims.claim(m.id, b.flight); other {
	case nil:
		return false
	case b.flight:
	default:
		b.others = append(b.others, other)
	}
	return true
}

// release ends the claims of the batch and returns err. When the messages are
// not on disk, the next who sends them may try.
func (b *batch) release(err error) error {
	if b.flight == nil {
		return err
	}
	if err != nil {
		for i := range b.messages {
			if m := &b.messages[i]; !m.assigned && m.id != (event.ID{}) {
				b.c.claims.drop(m.id, b.flight)
			}
		}
	}
	b.flight.failed = err != nil
	close(b.flight.done)
	return err
}

// await waits until the messages that other requests have under way are on disk:
// only then are they duplicates.
func (b *batch) await(ctx context.Context) error {
	for _, other := range b.others {
		select {
		case <-other.done:
			if other.failed {
				return ErrRetry
			}
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}
