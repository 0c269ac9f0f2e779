package event

import (
	"encoding/binary"
	"errors"
	"math"

	"accord/internal/declare"
	"accord/internal/identity"
)

// Limits of what a decoder will read.
const (
	// MaxFrame is the largest frame in bytes.
	MaxFrame = 4 << 20
	// MaxFields is how many fields a piece may have.
	MaxFields = 4096
)

// ErrCorrupt is returned for bytes that are no frame or no piece. The caller
// must not use any part of what was decoded.
var ErrCorrupt = errors.New("corrupt record")

const (
	frameVersion = 1
	headerSize   = 16 + 16 + 4 + 2 + 1 + 8 + 8
)

func (h *Header) append(b []byte) []byte {
	b = append(b, h.ID[:]...)
	b = append(b, h.Token[:]...)
	b = binary.LittleEndian.AppendUint32(b, uint32(h.Class))
	b = binary.LittleEndian.AppendUint16(b, h.Mask)
	b = append(b, byte(h.Kind))
	b = binary.LittleEndian.AppendUint64(b, h.Choice)
	return binary.LittleEndian.AppendUint64(b, uint64(h.Accepted))
}

func (h *Header) read(b []byte) {
	h.ID = ID(b[0:16])
	h.Token = identity.Token(b[16:32])
	h.Class = declare.ClassID(binary.LittleEndian.Uint32(b[32:]))
	h.Mask = binary.LittleEndian.Uint16(b[36:])
	h.Kind = Kind(b[38])
	h.Choice = binary.LittleEndian.Uint64(b[39:])
	h.Accepted = int64(binary.LittleEndian.Uint64(b[47:]))
}

// Size returns how many bytes the record takes in a frame, or a little more.
func (r *Record) Size() int { return headerSize + binary.MaxVarintLen32 + len(r.Sealed) }

// AppendFrameHead appends the start of a frame: its version. Records follow.
func AppendFrameHead(b []byte) []byte { return append(b, frameVersion) }

// AppendRecord appends a record to a frame.
func AppendRecord(b []byte, r *Record) []byte {
	b = r.Header.append(b)
	b = binary.AppendUvarint(b, uint64(len(r.Sealed)))
	return append(b, r.Sealed...)
}

// DecodeFrame reads the records of a frame. They alias b.
func DecodeFrame(b []byte) ([]Record, error) {
	if len(b) == 0 || len(b) > MaxFrame || b[0] != frameVersion {
		return nil, ErrCorrupt
	}
	b = b[1:]
	records := make([]Record, 0, len(b)/(headerSize+64)+1)
	for len(b) > 0 {
		if len(b) < headerSize+1 {
			return nil, ErrCorrupt
		}
		var r Record
		r.Header.read(b)
		b = b[headerSize:]
		n, w := binary.Uvarint(b)
		if w <= 0 || n > uint64(len(b)-w) {
			return nil, ErrCorrupt
		}
		r.Sealed = b[w : w+int(n) : w+int(n)]
		b = b[w+int(n):]
		records = append(records, r)
	}
	return records, nil
}

// AppendPiece appends the canonical encoding of p to b.
func AppendPiece(b []byte, p *Piece) []byte {
	b = binary.LittleEndian.AppendUint32(b, uint32(p.Event))
	b = binary.AppendVarint(b, p.At)
	b = binary.AppendUvarint(b, uint64(len(p.Fields)))
	for i := range p.Fields {
		f := &p.Fields[i]
		b = binary.LittleEndian.AppendUint32(b, uint32(f.ID))
		b = binary.AppendUvarint(b, uint64(f.Index))
		b = append(b, byte(f.Value.Kind))
		switch f.Value.Kind {
		case ValueString:
			b = binary.AppendUvarint(b, uint64(len(f.Value.Text)))
			b = append(b, f.Value.Text...)
		case ValueNumber:
			b = binary.LittleEndian.AppendUint64(b, math.Float64bits(f.Value.Num))
		default:
			b = binary.AppendVarint(b, f.Value.Int)
		}
	}
	return b
}

// DecodePiece reads what AppendPiece wrote into p, reusing p.Fields. Trailing
// bytes are an error.
func DecodePiece(b []byte, p *Piece) error {
	d := decoder{b: b}
	p.Event = declare.NameID(d.uint32())
	p.At = d.varint()
	n := d.uvarint()
	if n > MaxFields {
		return ErrCorrupt
	}
	p.Fields = p.Fields[:0]
	for ; n > 0 && !d.bad; n-- {
		f := Field{ID: declare.NameID(d.uint32())}
		index := d.uvarint()
		if index > math.MaxUint16 {
			return ErrCorrupt
		}
		f.Index = uint16(index)
		f.Value.Kind = ValueKind(d.byte())
		switch f.Value.Kind {
		case ValueString:
			f.Value.Text = d.text()
		case ValueNumber:
			f.Value.Num = math.Float64frombits(d.uint64())
		case ValueInteger, ValueBoolean, ValueTime:
			f.Value.Int = d.varint()
		default:
			return ErrCorrupt
		}
		p.Fields = append(p.Fields, f)
	}
	if d.bad || len(d.b) != 0 {
		return ErrCorrupt
	}
	return nil
}

// decoder takes values off the front of b; after a fault it is bad and yields
// zeros.
type decoder struct {
	b   []byte
	bad bool
}

func (d *decoder) take(n int) []byte {
	if d.bad || n < 0 || n > len(d.b) {
		d.bad = true
		return nil
	}
	out := d.b[:n]
	d.b = d.b[n:]
	return out
}

func (d *decoder) byte() byte {
	if b := d.take(1); b != nil {
		return b[0]
	}
	return 0
}

func (d *decoder) uint32() uint32 {
	if b := d.take(4); b != nil {
		return binary.LittleEndian.Uint32(b)
	}
	return 0
}

func (d *decoder) uint64() uint64 {
	if b := d.take(8); b != nil {
		return binary.LittleEndian.Uint64(b)
	}
	return 0
}

func (d *decoder) uvarint() uint64 {
	v, n := binary.Uvarint(d.b)
	if d.bad || n <= 0 {
		d.bad = true
		return 0
	}
	d.b = d.b[n:]
	return v
}

func (d *decoder) varint() int64 {
	v, n := binary.Varint(d.b)
	if d.bad || n <= 0 {
		d.bad = true
		return 0
	}
	d.b = d.b[n:]
	return v
}

func (d *decoder) text() string {
	n := d.uvarint()
	if n > uint64(len(d.b)) {
		d.bad = true
		return ""
	}
	return string(d.take(int(n)))
}
