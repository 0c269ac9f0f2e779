package bits

import (
	"fmt"
	"time"
)

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
