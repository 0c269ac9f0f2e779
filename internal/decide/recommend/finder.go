package recommend

import (
	"math/bits"

	"accord/internal/learn"
)

// finder finds the weight of one item on another in a model's rows without
// reading the row: 16 bytes for 64 pairs, n²/4 bytes for n items (6 MB for 5,000).
// Reasons ask for a few hundred such weights an answer.
type finder struct {
	side  int // words a row
	words []word
}

// word says which of 64 targets a row has, and how many come before them.
type word struct {
	has    uint64
	before uint32 // position of the first in the model's values
}

func newFinder(s *learn.Sparse) *finder {
	n := s.Items()
	f := &finder{side: (n + 63) / 64}
	f.words = make([]word, n*f.side)
	for i := range n {
		row := f.words[i*f.side : (i+1)*f.side]
		targets, _ := s.Row(i)
		for _, t := range targets {
			row[t/64].has |= 1 << (t % 64)
		}
		before := s.Starts[i]
		for w := range row {
			row[w].before = before
			before += uint32(bits.OnesCount64(row[w].has))
		}
	}
	return f
}

// find returns the position in the values of source's weight on target.
func (f *finder) find(source, target uint16) (at uint32, ok bool) {
	w := &f.words[int(source)*f.side+int(target/64)]
	bit := uint64(1) << (target % 64)
	return w.before + uint32(bits.OnesCount64(w.has&(bit-1))), w.has&bit != 0
}
