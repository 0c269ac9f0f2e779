package learn

import (
	"cmp"
	"context"
	"errors"
	"math"
	"slices"
)

// Linear is a learnt linear item model with all its weights. It does not change.
type Linear struct {
	inverse *Symmetric // (XᵀX + λI)⁻¹
	scale   []float64  // −1/P[j][j]
}

// EASE learns the model in closed form from the rows of m with the ridge
// lambda > 0 (100 to 1,000 suits thousands of people). It takes 4·items² bytes
// beside m.
func EASE(ctx context.Context, m *Matrix, lambda float64) (*Linear, error) {
	if !(lambda > 0) || math.IsInf(lambda, 1) {
		return nil, errors.New("lambda must be a positive number")
	}
	if m.Pairs() == 0 {
		return nil, ErrEmpty
	}
	p, err := m.Gram(ctx)
	if err != nil {
		return nil, err
	}
	for i := range p.n {
		p.Set(i, i, p.At(i, i)+lambda)
	}
	if err := p.Invert(ctx); err != nil {
		return nil, err
	}
	l := &Linear{inverse: p, scale: make([]float64, p.n)}
	for j := range l.scale {
		l.scale[j] = -1 / p.At(j, j)
	}
	return l, nil
}

// Items returns the number of items.
func (l *Linear) Items() int { return l.inverse.n }

// Row writes the weights of item i on every item into dst, which has Items
// values: what having i adds to each score.
func (l *Linear) Row(i int, dst []float64) {
	l.inverse.Row(i, dst)
	for j := range dst {
		dst[j] *= l.scale[j]
	}
	dst[i] = 0
}

// Score writes the scores of every item for a history into dst, which has Items
// values.
func (l *Linear) Score(history []int, dst []float64) {
	clear(dst)
	row := make([]float64, len(dst))
	for _, i := range history {
		l.Row(i, row)
		for j, v := range row {
			dst[j] += v
		}
	}
}

// Truncate keeps of each item the k weights of largest magnitude, k ≥ 1.
func (l *Linear) Truncate(ctx context.Context, k int) (*Sparse, error) {
	n := l.Items()
	k = min(k, n-1)
	rows := make([][]Weight, n)
	kept, all := make([]float64, n), make([]float64, n)
	err := parallel(ctx, n, func(i int, row []float64) {
		l.Row(i, row)
		rows[i] = largest(row, k)
		for _, v := range row {
			all[i] += v * v
		}
		for _, w := range rows[i] {
			kept[i] += float64(w.Value) * float64(w.Value)
		}
	}, n)
	if err != nil {
		return nil, err
	}
	s := &Sparse{Starts: make([]uint32, 1, n+1)}
	for _, row := range rows {
		for _, w := range row {
			s.Targets = append(s.Targets, w.Target)
			s.Values = append(s.Values, w.Value)
		}
		s.Starts = append(s.Starts, uint32(len(s.Targets)))
	}
	s.Kept = ratio(sum(kept), sum(all))
	return s, nil
}

// Weight is what having one item adds to the score of the item Target.
type Weight struct {
	Target uint16
	Value  float32
}

// largest returns the k values of largest magnitude, sorted by target. Of equal
// ones the first stay.
func largest(row []float64, k int) []Weight {
	all := make([]Weight, 0, len(row))
	for j, v := range row {
		if w := float32(v); w != 0 {
			all = append(all, Weight{Target: uint16(j), Value: w})
		}
	}
	if len(all) > k {
		slices.SortFunc(all, func(a, b Weight) int {
			return cmp.Or(cmp.Compare(abs(b.Value), abs(a.Value)), cmp.Compare(a.Target, b.Target))
		})
		all = slices.Clone(all[:k])
		slices.SortFunc(all, func(a, b Weight) int { return cmp.Compare(a.Target, b.Target) })
	}
	return all
}

// Sparse is a linear item model in compressed rows, as it is served: item i adds
// Values[Starts[i]:Starts[i+1]] to the scores of the items in the same range of
// Targets, which are in ascending order.
type Sparse struct {
	Starts  []uint32
	Targets []uint16
	Values  []float32
	// Kept is the part of the sum of squared weights that truncation left, 0 to 1.
	Kept float64
}

// Items returns the number of items.
func (s *Sparse) Items() int { return len(s.Starts) - 1 }

// Row returns what item i adds to which items. It must not be changed.
func (s *Sparse) Row(i int) (targets []uint16, values []float32) {
	from, to := s.Starts[i], s.Starts[i+1]
	return s.Targets[from:to], s.Values[from:to]
}

func abs(v float32) float32 {
	if v < 0 {
		return -v
	}
	return v
}

func sum(values []float64) (total float64) {
	for _, v := range values {
		total += v
	}
	return total
}

func ratio(part, whole float64) float64 {
	if whole == 0 {
		return 1
	}
	return part / whole
}
