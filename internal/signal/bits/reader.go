package bits

import (
	"encoding/binary"
	"fmt"
	mathbits "math/bits"
	"time"
)

// Reader reads the fields of one text in order.
type Reader struct {
	buf []byte // with eight zero bytes after the end
	pos int    // in bits
	end int    // in bits
	err error

	items int      // Fibonacci-coded items that may still come
	spare []Range  // for the sets that follow
	words []uint64 // the same, for bit fields
}

// MaxItems is how many items the Fibonacci-coded ranges of one text may have in all.
// Such an item can have 3 bits, so the length of a text is no bound on the work. A
// set with more is shorter as a bit field, unless its ids go beyond 4,000.
const MaxItems = 1024

// First is the value of a text's first character, 0 to 63, or -1.
func First(text string) int {
	if text == "" || values[text[0]] == foreign {
		return -1
	}
	return int(values[text[0]])
}

// NewReader decodes the text; its cost is in proportion to the text, so bound that
// before.
func NewReader(text string) *Reader {
	r := &Reader{end: 6 * len(text), items: MaxItems}
	if text == "" {
		r.err = ErrEmpty
		return r
	}
	r.buf = make([]byte, (r.end+7)/8+8)
	var seen byte
	at := 0
	for ; len(text) >= 4; text, at = text[4:], at+3 {
		a, b, c, d := values[text[0]], values[text[1]], values[text[2]], values[text[3]]
		seen |= a | b | c | d
		binary.BigEndian.PutUint32(r.buf[at:], uint32(a)<<26|uint32(b)<<20|uint32(c)<<14|uint32(d)<<8)
	}
	var last uint32
	for i := range len(text) {
		v := values[text[i]]
		seen |= v
		last |= uint32(v) << (26 - 6*i)
	}
	binary.BigEndian.PutUint32(r.buf[at:], last)
	if seen&foreign != 0 {
		r.fail(ErrForeign)
	}
	return r
}

// Fail notes a fault of a value: what was read fits no rule of its format.
func (r *Reader) Fail(format string, args ...any) { r.fail(fmt.Errorf(format, args...)) }

// fail keeps the first fault and ends the text.
func (r *Reader) fail(err error) {
	if r.err == nil {
		r.err = err
	}
	r.pos = r.end
}

// Err is the first fault so far.
func (r *Reader) Err() error { return r.err }

// Limit lowers the number of Fibonacci-coded items that the text may have.
func (r *Reader) Limit(items int) { r.items = min(r.items, items) }

// Items is how many may still come.
func (r *Reader) Items() int { return r.items }

// Rest is how many bits are left.
func (r *Reader) Rest() int { return r.end - r.pos }

// Close returns the first fault; that something but zero bits is left is one.
func (r *Reader) Close() error {
	for r.err == nil && r.pos < r.end {
		if r.Uint(min(57, r.Rest())) != 0 {
			r.fail(ErrTrailing)
		}
	}
	return r.err
}

// window is the next 57 bits or more, at the top of a word.
func (r *Reader) window() uint64 {
	return binary.BigEndian.Uint64(r.buf[r.pos>>3:]) << (r.pos & 7)
}

// Uint reads an integer of n bits, 1 to 57.
func (r *Reader) Uint(n int) uint64 {
	if r.err != nil || n > r.end-r.pos {
		r.fail(ErrShort)
		return 0
	}
	v := r.window() >> (64 - n)
	r.pos += n
	return v
}

// Int is Uint for the small fields that structs hold as int; n is at most 57.
func (r *Reader) Int(n int) int { return int(r.Uint(n)) }

// Bool reads one bit; 1 is true. (The GPP specification's table of types prints
// "0=true", and every encoder and every vector says otherwise.)
func (r *Reader) Bool() bool { return r.Uint(1) == 1 }

// Field reads a bit field of n bits, 0 to 64, whose first bit is for id 1.
func (r *Reader) Field(n int) Field {
	if n == 0 {
		return 0
	}
	low := min(n, 32)
	f := mathbits.Reverse64(r.Uint(low)) >> (64 - low)
	if n > low {
		f |= mathbits.Reverse64(r.Uint(n-low)) >> (64 - (n - low)) << low
	}
	return Field(f)
}

// Letters reads n letters of six bits each, where A is 0.
func (r *Reader) Letters(n int) string {
	b := make([]byte, n)
	for i := range b {
		v := r.Uint(6)
		if v > 'Z'-'A' {
			r.fail(fmt.Errorf("a language or country code has the letter number %d of 26", v+1))
			v = 0
		}
		b[i] = byte('A' + v)
	}
	return string(b)
}

// timeBits is a time's width: tenths of a second since 1970, in UTC.
const timeBits = 36

// Time reads a time.
func (r *Reader) Time() time.Time { return time.UnixMilli(int64(r.Uint(timeBits)) * 100).UTC() }
