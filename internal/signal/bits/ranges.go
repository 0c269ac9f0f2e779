package bits

// The forms in which the specifications write a set of ids. Every one begins with
// an item count of 12 bits or with a greatest id of 16.
const (
	idBits    = 16
	countBits = 12
	maxItems  = 1<<countBits - 1
)

// room says whether n items of at least size bits each can still come, and refuses
// before anything is reserved for them.
func (r *Reader) room(n, size int) bool {
	if r.err == nil && n*size > r.Rest() {
		r.fail(ErrShort)
	}
	return r.err == nil
}

// reserve takes n elements from spare. Small sets share what is made at once, since a
// text may bring hundreds of them; more than could still come is not made.
func reserve[T any](spare *[]T, n, still int) []T {
	if len(*spare) < n {
		*spare = make([]T, max(n, min(256, still)))
	}
	taken := (*spare)[:n:n]
	*spare = (*spare)[n:]
	return taken
}

// IDField reads a bit field of n bits.
func (r *Reader) IDField(n int) IDs {
	if n == 0 || !r.room(n, 1) {
		return IDs{}
	}
	words := reserve(&r.words, (n+63)/64, r.Rest()/64)
	for i := range words {
		words[i] = uint64(r.Field(min(64, n-64*i)))
	}
	return IDs{field: words}
}

// IDRanges reads Range(Int): a count, and for each item a bit that says whether it
// is a run, and one id or two. The items may come in any order.
func (r *Reader) IDRanges() IDs {
	n := r.Int(countBits)
	if n == 0 || !r.room(n, 1+idBits) {
		return IDs{}
	}
	ranges := reserve(&r.spare, n, r.Rest()/(1+idBits))
	for i := range ranges {
		var item Range
		if head := r.Uint(1 + idBits); head>>idBits == 0 {
			item = Range{uint16(head), uint16(head)}
		} else {
			item = Range{uint16(head), uint16(r.Uint(idBits))}
		}
		if r.err == nil && (item.From == 0 || item.To < item.From) {
			r.Fail("a range of ids goes from %d to %d: it must go upwards and begin at 1 or above", item.From, item.To)
		}
		if r.err != nil {
			return IDs{}
		}
		ranges[i] = item
	}
	return IDs{ranges: ranges}
}

// FibonacciRanges reads Range(Fibonacci): a count, and for each item a bit that
// says whether it is a run, the distance from the last id, and for a run how many
// ids follow its first. They are sorted by their nature.
func (r *Reader) FibonacciRanges() IDs {
	n := r.Int(countBits)
	if n == 0 || !r.room(n, 3) {
		return IDs{}
	}
	if r.items -= n; r.items < 0 {
		r.Fail("there are %d items or more too many in ranges", -r.items)
		return IDs{}
	}
	ranges := reserve(&r.spare, n, r.items+n)
	last := 0
	for i := range ranges {
		run := r.Bool()
		from := last + r.Fibonacci()
		last = from
		if run {
			last += r.Fibonacci()
		}
		if r.err == nil && last > 1<<idBits-1 {
			r.Fail("an id is greater than %d", 1<<idBits-1)
		}
		if r.err != nil {
			return IDs{}
		}
		ranges[i] = Range{uint16(from), uint16(last)}
	}
	return IDs{ranges: ranges}
}

// Optimized reads a greatest id, a bit, and then Range(Int) (1) or a bit field of
// that length (0). An id above the greatest is a fault.
func (r *Reader) Optimized() IDs {
	top := r.Int(idBits)
	if !r.Bool() {
		return r.IDField(top)
	}
	s := r.IDRanges()
	if m := int(s.Max()); r.err == nil && m > top {
		r.Fail("a range has the id %d, above the greatest that was announced, %d", m, top)
		return IDs{}
	}
	return s
}

// OptimizedFibonacci is the same with Range(Fibonacci), whose last id must be the
// greatest. (The GPP specification's OptimizedRange has no greatest id before
// ranges; its reference encoder writes one, and this follows it.)
func (r *Reader) OptimizedFibonacci() IDs {
	top := r.Int(idBits)
	if !r.Bool() {
		return r.IDField(top)
	}
	s := r.FibonacciRanges()
	if m := int(s.Max()); r.err == nil && m != top {
		r.Fail("the last range ends at %d, and the greatest id that was announced is %d", m, top)
		return IDs{}
	}
	return s
}

// IDField writes a bit field of n bits.
func (w *Writer) IDField(s IDs, n int) {
	next := 1
	for _, run := range s.Ranges() {
		w.fill(0, int(run.From)-next)
		w.fill(1, int(run.To)-int(run.From)+1)
		next = int(run.To) + 1
	}
	w.fill(0, n-next+1)
}

// fill writes n equal bits.
func (w *Writer) fill(bit uint64, n int) {
	for ; n > 0; n -= 32 {
		take := min(n, 32)
		w.Uint(bit*(1<<take-1), take)
	}
}

// IDRanges writes Range(Int).
func (w *Writer) IDRanges(s IDs) {
	ranges := s.Ranges()
	w.count(len(ranges))
	for _, run := range ranges {
		w.Bool(run.From != run.To)
		w.Uint(uint64(run.From), idBits)
		if run.From != run.To {
			w.Uint(uint64(run.To), idBits)
		}
	}
}

// FibonacciRanges writes Range(Fibonacci).
func (w *Writer) FibonacciRanges(s IDs) {
	ranges := s.Ranges()
	w.count(len(ranges))
	if w.items += len(ranges); w.items > MaxItems {
		w.Fail("the sets of ids fall into %d runs: a text has %d at most", w.items, MaxItems)
	}
	last := uint16(0)
	for _, run := range ranges {
		w.Bool(run.From != run.To)
		w.Fibonacci(int(run.From - last))
		if run.From != run.To {
			w.Fibonacci(int(run.To - run.From))
		}
		last = run.To
	}
}

func (w *Writer) count(n int) {
	if n > maxItems {
		w.Fail("a set of ids falls into %d runs: a range has %d at most", n, maxItems)
		return
	}
	w.Uint(uint64(n), countBits)
}

// Choice says in which form a set of ids is written: as ranges or as a bit field
// of top bits.
type Choice func(ranges []Range, top int) (asRanges bool)

// Shorter chooses Range(Int) where it is not longer than the bit field: the choice
// of the GPP reference encoder.
func Shorter(ranges []Range, top int) bool {
	size := countBits
	for _, run := range ranges {
		size += 1 + idBits
		if run.From != run.To {
			size += idBits
		}
	}
	return len(ranges) <= maxItems && size <= top
}

// shorterFibonacci is the same with Range(Fibonacci).
func shorterFibonacci(ranges []Range, top int) bool {
	size := countBits
	last := uint16(0)
	for _, run := range ranges {
		_, n := fibonacciCode(int(run.From - last))
		size += 1 + n
		if run.From != run.To {
			_, n = fibonacciCode(int(run.To - run.From))
			size += n
		}
		last = run.To
	}
	return len(ranges) <= maxItems && size <= top
}

// Shortish is the choice of the TCF reference encoder. It counts as it walks and
// leaves out the bit before a single id and the end of the last item, so it takes
// ranges a little before they are shorter; and below 46 ids never.
func Shortish(ranges []Range, top int) bool {
	const shortest = 2*idBits + 1 + countBits
	size := countBits
	for i, run := range ranges {
		if run.From != run.To {
			size += 1 + idBits
		}
		if i < len(ranges)-1 {
			size += idBits
		}
	}
	return len(ranges) <= maxItems && top > shortest && size < top
}

// Optimized writes the greatest id, a bit, and Range(Int) or a bit field, as choose
// says.
func (w *Writer) Optimized(s IDs, choose Choice) { w.optimized(s, choose, w.IDRanges) }

// OptimizedFibonacci writes the greatest id, a bit, and Range(Fibonacci) where it is
// not longer than a bit field and its items still have room.
func (w *Writer) OptimizedFibonacci(s IDs) {
	choose := func(ranges []Range, top int) bool {
		return w.items+len(ranges) <= MaxItems && shorterFibonacci(ranges, top)
	}
	w.optimized(s, choose, w.FibonacciRanges)
}

func (w *Writer) optimized(s IDs, choose Choice, write func(IDs)) {
	s = s.normal()
	top := int(s.Max())
	w.Uint(uint64(top), idBits)
	asRanges := choose(s.ranges, top)
	w.Bool(asRanges)
	if asRanges {
		write(s)
	} else {
		w.IDField(s, top)
	}
}
