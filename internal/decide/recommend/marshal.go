package recommend

import (
	"encoding/binary"
	"errors"
	"hash/crc32"
	"maps"
	"math"
	"slices"

	"accord/internal/learn"
)

// ErrCorrupt is returned by UnmarshalBinary for bytes that are no model.
var ErrCorrupt = errors.New("these bytes are no recommendation model, or were damaged; let the server learn a new one")

// ErrVersion is returned for a model of another version of this program.
var ErrVersion = errors.New("the model was written by another version of accord; let the server learn a new one")

const (
	magic         = "ACRM"
	formatVersion = 1
	maxID         = 512 // longest item or place in bytes
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// MarshalBinary returns m in a compact, versioned and checksummed form: about
// six bytes a weight. The same model gives the same bytes.
func (m *Model) MarshalBinary() ([]byte, error) {
	b := make([]byte, 0, 4096+6*len(m.weights.Values)+4*buckets*len(m.items)+32*len(m.items))
	b = append(b, magic...)
	b = append(b, formatVersion)
	b = appendText(b, m.version)
	b = binary.AppendUvarint(b, uint64(m.people))
	for _, v := range m.numbers() {
		b = binary.LittleEndian.AppendUint64(b, math.Float64bits(*v))
	}
	b = append(b, bit(m.newOnly))
	b = binary.AppendUvarint(b, uint64(len(m.items)))
	for _, item := range m.items {
		b = appendText(b, item)
	}
	for i := range m.items {
		targets, values := m.weights.Row(i)
		b = binary.AppendUvarint(b, uint64(len(targets)))
		for _, t := range targets {
			b = binary.LittleEndian.AppendUint16(b, t)
		}
		b = appendFloats(b, values)
	}
	for _, row := range m.prior {
		b = appendFloats(b, row)
	}
	b = binary.AppendUvarint(b, uint64(len(m.places)))
	for _, place := range slices.Sorted(maps.Keys(m.places)) {
		b = appendText(b, place)
		b = appendFloats(b, m.places[place])
	}
	return binary.LittleEndian.AppendUint32(b, crc32.Checksum(b, castagnoli)), nil
}

// numbers are the float64 of the header, in the order of their encoding.
func (m *Model) numbers() []*float64 {
	return []*float64{
		&m.blend.Popularity, &m.blend.Repeat, &m.blend.HalfLife, &m.blend.RepeatHalfLife,
		&m.repeatRate, &m.weights.Kept,
	}
}

// UnmarshalBinary reads what MarshalBinary wrote. It trusts no byte: sizes are
// checked against what is there before anything is allocated, and every number
// that indexes or scores is checked. After an error m is unchanged.
func (m *Model) UnmarshalBinary(b []byte) error {
	if len(b) < len(magic)+1+4 || string(b[:len(magic)]) != magic {
		return ErrCorrupt
	}
	if b[len(magic)] != formatVersion {
		return ErrVersion
	}
	body, sum := b[:len(b)-4], binary.LittleEndian.Uint32(b[len(b)-4:])
	if crc32.Checksum(body, castagnoli) != sum {
		return ErrCorrupt
	}
	r := &reader{b: body[len(magic)+1:]}
	read, ok := r.model()
	if !ok {
		return ErrCorrupt
	}
	*m = read
	return nil
}

// reader takes a model apart. After a fault it returns zeros and bad is true.
type reader struct {
	b   []byte
	bad bool
}

func (r *reader) model() (m Model, ok bool) {
	m.version = r.text()
	m.people = r.size(math.MaxInt32)
	for _, v := range m.numbers() {
		*v = math.Float64frombits(r.uint64())
		r.need(!math.IsNaN(*v) && !math.IsInf(*v, 0))
	}
	m.newOnly = r.byte() == 1
	n := r.size(min(learn.MaxItems, len(r.b)))
	r.need(n == 0 || m.blend.RepeatHalfLife > 0 && m.blend.Repeat >= 0)
	for range n {
		item := r.text()
		if r.need(item != ""); r.bad {
			return m, false
		}
		m.items = append(m.items, item)
	}
	r.need(m.reindex())
	m.weights.Starts = make([]uint32, 1, n+1)
	for i := range n {
		r.row(&m.weights, i, n)
	}
	if r.bad {
		return m, false
	}
	m.finder = newFinder(&m.weights)
	for i := range m.prior {
		m.prior[i] = r.floats(n)
		r.need(!slices.ContainsFunc(m.prior[i], func(v float32) bool { return v < 0 }))
	}
	m.places = map[string][]float32{}
	for places := r.size(maxPlaces); places > 0 && !r.bad; places-- {
		place := r.text()
		m.places[place] = r.floats(n)
	}
	return m, !r.bad && len(r.b) == 0
}

// row reads the weights of item i of n: ascending targets other than itself.
func (r *reader) row(s *learn.Sparse, i, n int) {
	k := r.size(n)
	last := -1
	targets := r.take(2 * k)
	for at := 0; at < len(targets); at += 2 {
		t := int(binary.LittleEndian.Uint16(targets[at:]))
		if r.need(t > last && t < n && t != i); r.bad {
			return
		}
		s.Targets = append(s.Targets, uint16(t))
		last = t
	}
	s.Values = append(s.Values, r.floats(k)...)
	s.Starts = append(s.Starts, uint32(len(s.Targets)))
}

func (r *reader) need(ok bool) { r.bad = r.bad || !ok }

func (r *reader) take(n int) []byte {
	if r.bad || n < 0 || n > len(r.b) {
		r.bad = true
		return nil
	}
	out := r.b[:n]
	r.b = r.b[n:]
	return out
}

func (r *reader) byte() byte {
	if b := r.take(1); b != nil {
		return b[0]
	}
	return 0
}

func (r *reader) uint64() uint64 {
	if b := r.take(8); b != nil {
		return binary.LittleEndian.Uint64(b)
	}
	return 0
}

// size reads a number of at most limit.
func (r *reader) size(limit int) int {
	v, n := binary.Uvarint(r.b)
	if r.bad || n <= 0 || v > uint64(limit) {
		r.bad = true
		return 0
	}
	r.b = r.b[n:]
	return int(v)
}

func (r *reader) text() string { return string(r.take(r.size(maxID))) }

// floats reads n finite numbers.
func (r *reader) floats(n int) []float32 {
	b := r.take(4 * n)
	if b == nil {
		return nil
	}
	out := make([]float32, n)
	for i := range out {
		out[i] = math.Float32frombits(binary.LittleEndian.Uint32(b[4*i:]))
		// No sum of such weights overflows to infinity, which would mean "never".
		r.need(out[i] >= -1e6 && out[i] <= 1e6)
	}
	return out
}

func appendText(b []byte, s string) []byte {
	return append(binary.AppendUvarint(b, uint64(min(len(s), maxID))), s[:min(len(s), maxID)]...)
}

func appendFloats(b []byte, values []float32) []byte {
	for _, v := range values {
		b = binary.LittleEndian.AppendUint32(b, math.Float32bits(v))
	}
	return b
}

func bit(v bool) byte {
	if v {
		return 1
	}
	return 0
}
