// Package bits reads and writes the bit strings of IAB TCF and IAB GPP: big-endian
// integers, booleans, bit fields, Fibonacci-coded integers and ranges of vendor
// ids, in base64url as these specifications use it.
//
// Their base64url has six bits a character and no padding characters, and any
// number of characters is legal: a string of 5 characters is 30 bits. What follows
// the last field must be zero bits, however many.
//
// A Reader never fails in the middle: the first fault sticks, everything after it
// reads as zero, and Close tells it. Its work and memory are bounded by the length
// of the text, for which the callers have a limit, and ids stay in the form in
// which they came (see IDs), so a range of 65,535 ids costs as much as one id.
package bits

import (
	"encoding/binary"
	"errors"
	"fmt"
	mathbits "math/bits"
	"time"
)

// alphabet is RFC 4648's base64url.
const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"

// foreign marks bytes that are not in the alphabet.
const foreign = 0x80

var values = func() (v [256]byte) {
	for i := range v {
		v[i] = foreign
	}
	for i := range len(alphabet) {
		v[alphabet[i]] = byte(i)
	}
	return v
}()

// The faults of a bit string. Messages name places and limits, never content.
var (
	ErrEmpty    = errors.New("the text is empty")
	ErrForeign  = errors.New("the text has a character that is not base64url (A–Z, a–z, 0–9, - and _)")
	ErrShort    = errors.New("the text ends in the middle of a field: was it cut off?")
	ErrTrailing = errors.New("bits follow the last field: the text is of another version, or damaged")
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

// maxFibonacci is the largest Fibonacci-coded integer: the ids of both frameworks
// have 16 bits.
const maxFibonacci = 65535

// fibonacci are the weights of a code's bits: 1, 2, 3, 5 …
var fibonacci = func() (f [24]uint32) {
	f[0], f[1] = 1, 2
	for i := 2; i < len(f); i++ {
		f[i] = f[i-1] + f[i-2]
	}
	return f
}()

// shortCode is a code that ends within the bits that are the index of shortCodes; it
// has no bits where none does. Most codes are short, and the worst texts have nothing
// but the shortest.
type shortCode struct {
	value uint16
	bits  uint8
}

const shortBits = 10

var shortCodes = func() (all [1 << shortBits]shortCode) {
	for v := 1; ; v++ {
		code, n := fibonacciCode(v)
		if n > shortBits {
			return all
		}
		for rest := range 1 << (shortBits - n) {
			all[int(code)<<(shortBits-n)|rest] = shortCode{uint16(v), uint8(n)}
		}
	}
}()

// Fibonacci reads a Fibonacci-coded integer, 1 to 65,535.
func (r *Reader) Fibonacci() int {
	if r.err != nil || r.pos >= r.end {
		r.fail(ErrShort)
		return 0
	}
	w := r.window()
	if c := shortCodes[w>>(64-shortBits)]; c.bits != 0 && int(c.bits) <= r.end-r.pos {
		r.pos += int(c.bits)
		return int(c.value)
	}
	n := mathbits.LeadingZeros64(w&(w<<1)) + 1 // weights before the closing bit
	if n >= r.end-r.pos {
		r.fail(ErrShort)
		return 0
	}
	if n > len(fibonacci) {
		r.fail(fmt.Errorf("a Fibonacci-coded number is greater than %d", maxFibonacci))
		return 0
	}
	r.pos += n + 1
	sum := uint32(0)
	for code := w >> (64 - n); code != 0; code &= code - 1 {
		sum += fibonacci[n-1-mathbits.TrailingZeros64(code)]
	}
	if sum > maxFibonacci {
		r.fail(fmt.Errorf("a Fibonacci-coded number is greater than %d", maxFibonacci))
		return 0
	}
	return int(sum)
}

// Writer writes the fields of one text in order. The zero value is ready. Like a
// Reader it keeps the first fault, which Text returns.
type Writer struct {
	buf   []byte
	n     int // in bits
	items int // Fibonacci-coded, so far
	err   error
}

// Spend notes Fibonacci-coded items that another part of the text took.
func (w *Writer) Spend(items int) { w.items += items }

// Spent is how many items there are so far.
func (w *Writer) Spent() int { return w.items }

// Fail notes a fault: a value that has no place in its field.
func (w *Writer) Fail(format string, args ...any) {
	if w.err == nil {
		w.err = fmt.Errorf(format, args...)
	}
}

// Uint writes an integer of n bits, 1 to 57.
func (w *Writer) Uint(v uint64, n int) {
	if v>>n != 0 {
		w.Fail("%d does not fit in %d bits: at most %d", v, n, uint64(1)<<n-1)
		return
	}
	for n > 0 {
		free := 8 - w.n&7
		if free == 8 {
			w.buf = append(w.buf, 0)
		}
		take := min(free, n)
		part := byte(v>>(n-take)) & (1<<take - 1)
		w.buf[len(w.buf)-1] |= part << (free - take)
		w.n += take
		n -= take
	}
}

// Int writes a named field from a struct.
func (w *Writer) Int(name string, v, n int) {
	if v < 0 || v >= 1<<n {
		w.Fail("%s is %d: it must be from 0 to %d", name, v, 1<<n-1)
		return
	}
	w.Uint(uint64(v), n)
}

// Bool writes one bit.
func (w *Writer) Bool(v bool) {
	if v {
		w.Uint(1, 1)
	} else {
		w.Uint(0, 1)
	}
}

// Field writes a named bit field of n bits, 0 to 64.
func (w *Writer) Field(name string, f Field, n int) {
	if f.Max() > n {
		w.Fail("%s has the id %d: it ends at %d", name, f.Max(), n)
		return
	}
	for i := 0; i < n && w.err == nil; i++ {
		w.Bool(f.Has(i + 1))
	}
}

// Letters writes a named code of n letters, A to Z.
func (w *Writer) Letters(name, code string, n int) {
	if len(code) != n {
		w.Fail("%s has %d letters: it must have %d, such as EN", name, len(code), n)
		return
	}
	for i := range n {
		if code[i] < 'A' || code[i] > 'Z' {
			w.Fail("%s must have letters from A to Z, in capitals", name)
			return
		}
		w.Uint(uint64(code[i]-'A'), 6)
	}
}

// Time writes a named time; what is below a tenth of a second is cut off.
func (w *Writer) Time(name string, t time.Time) {
	if ms := t.UnixMilli(); ms < 0 || ms/100 >= 1<<timeBits {
		w.Fail("%s is outside of the years 1970 to 2187", name)
	} else {
		w.Uint(uint64(ms/100), timeBits)
	}
}

// Fibonacci writes a Fibonacci-coded integer, 1 to 65,535.
func (w *Writer) Fibonacci(v int) {
	if v < 1 || v > maxFibonacci {
		w.Fail("%d has no Fibonacci code here: it must be from 1 to %d", v, maxFibonacci)
		return
	}
	code, n := fibonacciCode(v)
	w.Uint(code, n)
}

// fibonacciCode returns the code's bits, the closing one included, and how many.
func fibonacciCode(v int) (code uint64, n int) {
	top := len(fibonacci) - 1
	for fibonacci[top] > uint32(v) {
		top--
	}
	rest := uint32(v)
	for i := top; i >= 0; i-- {
		if fibonacci[i] <= rest {
			rest -= fibonacci[i]
			code |= 1 << (top - i)
		}
	}
	return code<<1 | 1, top + 2
}

// Padding is how a text is filled up with zero bits.
type Padding int

const (
	// Full fills up to a multiple of 24 bits, which both reference encoders do for
	// TCF.
	Full Padding = iota
	// Short fills up to a multiple of 8 bits and then of 6, which the GPP reference
	// encoder does for the header and all sections but TCF's.
	Short
)

// Text returns the base64url text or the first fault.
func (w *Writer) Text(p Padding) (string, error) {
	if w.err != nil {
		return "", w.err
	}
	n := (w.n + 23) / 24 * 24
	if p == Short {
		n = ((w.n+7)/8*8 + 5) / 6 * 6
	}
	out := make([]byte, n/6)
	buf := append(w.buf, 0, 0, 0, 0)
	for i := range out {
		at := 6 * i
		pair := uint16(buf[at>>3])<<8 | uint16(buf[at>>3+1])
		out[i] = alphabet[pair>>(10-at&7)&63]
	}
	return string(out), nil
}
