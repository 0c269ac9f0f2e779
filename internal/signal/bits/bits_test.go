package bits

import (
	"encoding/json"
	"errors"
	"math/rand/v2"
	"strings"
	"testing"
)

// write returns what f wrote.
func write(t *testing.T, p Padding, f func(*Writer)) string {
	t.Helper()
	w := &Writer{}
	f(w)
	text, err := w.Text(p)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// TestSpecification: the examples that the GPP specification spells out in bits.
func TestSpecification(t *testing.T) {
	for v, code := range map[int]string{1: "11", 2: "011", 3: "0011", 4: "1011", 5: "00011", 6: "10011", 7: "01011"} {
		text := write(t, Short, func(w *Writer) { w.Fibonacci(v) })
		want := write(t, Short, func(w *Writer) {
			for _, bit := range code {
				w.Bool(bit == '1')
			}
		})
		if text != want {
			t.Errorf("%d is %s, want %s", v, text, want)
		}
	}
	for text, ids := range map[string][]uint16{"DBABM": {2}, "DBACNY": {2, 6}, "DBABjw": {5, 6}} {
		r := NewReader(text)
		if r.Int(6) != 3 || r.Int(6) != 1 || !r.FibonacciRanges().Equal(IDsOf(ids...)) || r.Close() != nil {
			t.Errorf("%s: %v", text, r.Err())
		}
	}
	example := IDsOf(3, 5, 6, 7, 8)
	ints := write(t, Short, func(w *Writer) { w.IDRanges(example) })
	bitwise := write(t, Short, func(w *Writer) { w.Uint(2, 12); w.Uint(3, 17); w.Uint(1<<32|5<<16|8, 33) })
	if ints != bitwise {
		t.Errorf("Range(Int) is %s, want %s", ints, bitwise)
	}
	codes := write(t, Short, func(w *Writer) { w.FibonacciRanges(example) })
	bitwise = write(t, Short, func(w *Writer) { w.Uint(2, 12); w.Uint(0b0_0011_1_011_0011, 13) })
	if codes != bitwise {
		t.Errorf("Range(Fibonacci) is %s, want %s", codes, bitwise)
	}
}

// TestFibonacci: every number that there is, and the first that there is not.
func TestFibonacci(t *testing.T) {
	for v := 1; v <= maxFibonacci; v++ {
		text := write(t, Short, func(w *Writer) { w.Fibonacci(v) })
		if got := NewReader(text).Fibonacci(); got != v {
			t.Fatalf("%d reads as %d", v, got)
		}
	}
	for _, v := range []int{0, -1, maxFibonacci + 1} {
		w := &Writer{}
		if w.Fibonacci(v); w.err == nil {
			t.Errorf("%d was written", v)
		}
	}
	for _, n := range []int{25, 30} { // 23 zero bits and 11 are 75,025
		r := NewReader(write(t, Short, func(w *Writer) { w.Uint(0b11, n) }))
		if v := r.Fibonacci(); r.Err() == nil || errors.Is(r.Err(), ErrShort) {
			t.Errorf("%d bits are %d, %v", n, v, r.Err())
		}
	}
	r := NewReader("AAAAAAAAAAAAAAAA")
	if r.Fibonacci(); r.Err() == nil {
		t.Error("96 zero bits are a number")
	}
}

// TestReader: what is wrong with a text is told, and nothing after it is read.
func TestReader(t *testing.T) {
	for text, want := range map[string]error{"": ErrEmpty, "A!": ErrForeign, "AA=": ErrForeign, "A\n": ErrForeign, "ü": ErrForeign, "A": ErrShort} {
		r := NewReader(text)
		if v := r.Uint(7); v != 0 || !errors.Is(r.Err(), want) || !errors.Is(r.Close(), want) {
			t.Errorf("%q: %d, %v, want %v", text, v, r.Err(), want)
		}
	}
	r := NewReader("AB")
	if r.Uint(6); !errors.Is(r.Close(), ErrTrailing) {
		t.Errorf("a bit after the end: %v", r.Err())
	}
	if r := NewReader("AAAAAAAAAAAAAAAAAAAAAAAA"); r.Close() != nil {
		t.Errorf("zero bits after the end: %v", r.Err())
	}
	for name, text := range map[string]string{
		"downwards":   write(t, Full, func(w *Writer) { w.Uint(9, 16); w.Bool(true); w.Uint(1, 12); w.Uint(1<<32|9<<16|8, 33) }),
		"id 0":        write(t, Full, func(w *Writer) { w.Uint(9, 16); w.Bool(true); w.Uint(1, 12); w.Uint(0, 17) }),
		"above":       write(t, Full, func(w *Writer) { w.Uint(9, 16); w.Bool(true); w.Uint(1, 12); w.Uint(10, 17) }),
		"cut off":     write(t, Full, func(w *Writer) { w.Uint(9, 16); w.Bool(true); w.Uint(4095, 12) }),
		"field ended": write(t, Full, func(w *Writer) { w.Uint(65535, 16); w.Bool(false) }),
	} {
		r := NewReader(text)
		if s := r.Optimized(); r.Err() == nil || !s.Empty() {
			t.Errorf("%s: %v, %v", name, s, r.Err())
		}
	}
}

// TestBudget: a text has so many Fibonacci-coded items and no more, in reading and in
// writing.
func TestBudget(t *testing.T) {
	few := write(t, Short, func(w *Writer) {
		w.Uint(MaxItems, 12)
		for range MaxItems {
			w.Uint(0b011, 3)
		}
		w.Uint(1, 12)
		w.Uint(0b011, 3)
	})
	r := NewReader(few)
	if s := r.FibonacciRanges(); r.Err() != nil || s.Max() != MaxItems {
		t.Fatalf("%d, %v", s.Max(), r.Err())
	}
	if r.FibonacciRanges(); r.Err() == nil {
		t.Error("one more was read")
	}
	var ids []uint16
	for id := uint16(1); len(ids) < MaxItems; id += 20 {
		ids = append(ids, id)
	}
	w := &Writer{}
	w.OptimizedFibonacci(IDsOf(ids...))
	if w.Spent() != MaxItems {
		t.Fatalf("%d items", w.Spent())
	}
	w.OptimizedFibonacci(IDsOf(60000)) // as a bit field, since no range has room
	text, err := w.Text(Short)
	if err != nil {
		t.Fatal(err)
	}
	r = NewReader(text)
	if a, b := r.OptimizedFibonacci(), r.OptimizedFibonacci(); r.Close() != nil || !a.Equal(IDsOf(ids...)) || !b.Equal(IDsOf(60000)) {
		t.Errorf("%v", r.Err())
	}
}

// TestWriter: what has no place in its field is named.
func TestWriter(t *testing.T) {
	for want, f := range map[string]func(*Writer){
		"CmpId is 4096: it must be from 0 to 4095": func(w *Writer) { w.Int("CmpId", 4096, 12) },
		"CmpId is -1":                           func(w *Writer) { w.Int("CmpId", -1, 12) },
		"8 does not fit in 3 bits: at most 7":   func(w *Writer) { w.Uint(8, 3) },
		"Purposes has the id 25: it ends at 24": func(w *Writer) { w.Field("Purposes", FieldOf(1, 25), 24) },
		"Language has 3 letters":                func(w *Writer) { w.Letters("Language", "ENG", 2) },
		"Language must have letters":            func(w *Writer) { w.Letters("Language", "en", 2) },
	} {
		w := &Writer{}
		f(w)
		if _, err := w.Text(Full); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %s", err, want)
		}
	}
}

// TestIDs: both forms of a set answer alike, and every way to write it reads as it.
func TestIDs(t *testing.T) {
	random := rand.New(rand.NewPCG(7, 8))
	for range 300 {
		top := 1 + random.IntN(400)
		var ids []uint16
		has := map[uint16]bool{}
		for range random.IntN(top + 1) {
			id := uint16(1 + random.IntN(top))
			ids, has[id] = append(ids, id), true
		}
		set := IDsOf(ids...)
		for name, text := range map[string]string{
			"field":  write(t, Full, func(w *Writer) { w.optimized(set, func([]Range, int) bool { return false }, w.IDRanges) }),
			"ranges": write(t, Full, func(w *Writer) { w.optimized(set, func([]Range, int) bool { return true }, w.IDRanges) }),
			"one":    write(t, Full, func(w *Writer) { w.Optimized(set, Shorter) }),
			"other":  write(t, Full, func(w *Writer) { w.Optimized(set, Shortish) }),
		} {
			r := NewReader(text)
			got := r.Optimized()
			if r.Close() != nil || !got.Equal(set) || got.Max() != set.Max() || got.Empty() != (len(has) == 0) {
				t.Fatalf("%s: %v, want %v: %v", name, got.Ranges(), set.Ranges(), r.Err())
			}
			for id := uint16(0); int(id) <= top+70; id++ {
				if got.Has(id) != has[id] {
					t.Fatalf("%s: %d: %v", name, id, got.Has(id))
				}
			}
			n := 0
			for id := range got.All() {
				if n++; !has[id] {
					t.Fatalf("%d is not in the set", id)
				}
			}
			if n != len(has) {
				t.Fatalf("%d ids of %d", n, len(has))
			}
		}
		r := NewReader(write(t, Short, func(w *Writer) { w.OptimizedFibonacci(set) }))
		if got := r.OptimizedFibonacci(); r.Close() != nil || !got.Equal(set) {
			t.Fatalf("%v, want %v: %v", got.Ranges(), set.Ranges(), r.Err())
		}
	}
	if s := IDsOf(1, 64, 65, 128, 65535); !s.Has(65535) || s.Has(65534) || s.Has(0) || s.Max() != 65535 {
		t.Error(s)
	}
}

// TestJSON: ids and runs, and nothing else.
func TestJSON(t *testing.T) {
	var s IDs
	if err := json.Unmarshal([]byte(`[9,"3-5",4,"65534-65535",1]`), &s); err != nil {
		t.Fatal(err)
	}
	if b, err := json.Marshal(s); err != nil || string(b) != `[1,"3-5",9,"65534-65535"]` {
		t.Errorf("%s, %v", b, err)
	}
	for _, bad := range []string{`null`, `{}`, `[0]`, `[65536]`, `["5-3"]`, `["3"]`, `[3.5]`, `[-1]`, `["a-b"]`, `[null]`, `[[1]]`, `["1-2-3"]`} {
		if err := json.Unmarshal([]byte(bad), &s); err == nil {
			t.Errorf("%s was read as %v", bad, s.Ranges())
		}
	}
	var f Field
	if err := json.Unmarshal([]byte(`[3,1,64]`), &f); err != nil || f != FieldOf(1, 3, 64) || f.Max() != 64 || f.Has(2) || !f.Has(64) {
		t.Errorf("%b, %v", f, err)
	}
	if b, err := json.Marshal(f); err != nil || string(b) != `[1,3,64]` {
		t.Errorf("%s, %v", b, err)
	}
	for _, bad := range []string{`null`, `[0]`, `[65]`, `"1"`, `[1.5]`} {
		if err := json.Unmarshal([]byte(bad), &f); err == nil {
			t.Errorf("%s was read as %b", bad, f)
		}
	}
}
