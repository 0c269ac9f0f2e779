package bits

import mathbits "math/bits"

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
		r.Fail("a Fibonacci-coded number is greater than %d", maxFibonacci)
		return 0
	}
	r.pos += n + 1
	sum := uint32(0)
	for code := w >> (64 - n); code != 0; code &= code - 1 {
		sum += fibonacci[n-1-mathbits.TrailingZeros64(code)]
	}
	if sum > maxFibonacci {
		r.Fail("a Fibonacci-coded number is greater than %d", maxFibonacci)
		return 0
	}
	return int(sum)
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
