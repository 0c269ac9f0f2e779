package profile

import (
	"cmp"
	"encoding/binary"
	"errors"
	"math"
	"slices"

	"accord/internal/declare"
	"accord/internal/event"
)

// ErrCorrupt is returned for bytes that are no part.
var ErrCorrupt = errors.New("corrupt profile part")

const partVersion = 1

// Append appends the encoding of p to b: a version, the interactions, then the
// traits as an event piece each.
func (p *Part) Append(b []byte) []byte {
	b = append(b, partVersion)
	b = binary.AppendUvarint(b, uint64(len(p.Interactions)))
	for i := range p.Interactions {
		x := &p.Interactions[i]
		b = binary.AppendVarint(b, x.At)
		b = append(b, byte(x.Action))
		b = binary.LittleEndian.AppendUint32(b, math.Float32bits(x.Quantity))
		b = appendStamp(b, x.Stamp)
		b = binary.AppendUvarint(b, uint64(len(x.Item)))
		b = append(b, x.Item...)
	}
	b = binary.AppendUvarint(b, uint64(len(p.Traits)))
	var piece event.Piece
	for i := range p.Traits {
		t := &p.Traits[i]
		b = appendStamp(b, t.Stamp)
		piece.At = t.At
		piece.Fields = append(piece.Fields[:0], event.Field{ID: t.Field, Value: t.Value})
		at := len(b)
		b = binary.LittleEndian.AppendUint32(b, 0)
		b = event.AppendPiece(b, &piece)
		binary.LittleEndian.PutUint32(b[at:], uint32(len(b)-at-4))
	}
	return b
}

func appendStamp(b []byte, s Stamp) []byte {
	b = binary.LittleEndian.AppendUint16(b, s.Mask)
	return binary.AppendUvarint(b, s.Choice)
}

// minInteraction is how few bytes an interaction takes: what a count claims is
// believed only as far as the bytes can hold it.
const minInteraction = 1 + 5 + 2 + 1 + 1

// Decode reads what Append wrote into p, reusing its slices. It allocates in
// proportion to b, whatever b claims. After an error p must not be used.
func (p *Part) Decode(b []byte) error {
	if len(b) == 0 || b[0] != partVersion {
		return ErrCorrupt
	}
	// One string for all items, which are cut out of it: a part is read often,
	// and an allocation an interaction would cost more than the reading.
	text := string(b)
	r := reader{b: b[1:]}
	n := r.uvarint()
	if n > MaxInteractions || n > uint64(len(r.b)/minInteraction) {
		return ErrCorrupt
	}
	p.Interactions = slices.Grow(p.Interactions[:0], int(n))
	for ; n > 0 && !r.bad; n-- {
		x := Interaction{At: r.varint()}
		if head := r.take(5); head != nil {
			x.Action = declare.Action(head[0])
			x.Quantity = math.Float32frombits(binary.LittleEndian.Uint32(head[1:]))
		}
		x.Stamp = r.stamp()
		item := r.take(int(min(r.uvarint(), math.MaxInt32)))
		end := len(text) - len(r.b)
		x.Item = text[end-len(item) : end]
		p.Interactions = append(p.Interactions, x)
	}
	p.Traits = p.Traits[:0]
	var piece event.Piece
	for n = r.uvarint(); n > 0 && !r.bad; n-- {
		t := Trait{Stamp: r.stamp()}
		size := r.take(4)
		if size == nil {
			break
		}
		body := r.take(int(min(binary.LittleEndian.Uint32(size), math.MaxInt32)))
		if event.DecodePiece(body, &piece) != nil || piece.Event != 0 || len(piece.Fields) != 1 || piece.Fields[0].Index != 0 {
			return ErrCorrupt
		}
		t.At, t.Field, t.Value = piece.At, piece.Fields[0].ID, piece.Fields[0].Value
		p.Traits = append(p.Traits, t)
	}
	if r.bad || len(r.b) != 0 {
		return ErrCorrupt
	}
	return nil
}

// dropOldest removes the n oldest interactions. Those of one moment have an
// order too, so that what is left does not depend on the order of the folds.
func (p *Part) dropOldest(n int) {
	slices.SortFunc(p.Interactions, func(a, b Interaction) int {
		return cmp.Or(
			cmp.Compare(a.At, b.At),
			cmp.Compare(a.Item, b.Item),
			cmp.Compare(a.Action, b.Action),
			cmp.Compare(a.Quantity, b.Quantity),
			cmp.Compare(a.Stamp.Choice, b.Stamp.Choice),
			cmp.Compare(a.Stamp.Mask, b.Stamp.Mask),
		)
	})
	p.Interactions = slices.Delete(p.Interactions, 0, n)
}

type reader struct {
	b   []byte
	bad bool
}

func (r *reader) take(n int) []byte {
	if r.bad || n < 0 || n > len(r.b) {
		r.bad = true
		return nil
	}
	out := r.b[:n]
	r.b = r.b[n:]
	return out
}

func (r *reader) uvarint() uint64 {
	v, n := binary.Uvarint(r.b)
	if r.bad || n <= 0 {
		r.bad = true
		return 0
	}
	r.b = r.b[n:]
	return v
}

func (r *reader) varint() int64 {
	v, n := binary.Varint(r.b)
	if r.bad || n <= 0 {
		r.bad = true
		return 0
	}
	r.b = r.b[n:]
	return v
}

func (r *reader) stamp() (s Stamp) {
	if m := r.take(2); m != nil {
		s.Mask = binary.LittleEndian.Uint16(m)
	}
	s.Choice = r.uvarint()
	return s
}
