package learn

import (
	"context"
	"errors"
	"math"
)

// Linear is a learnt linear item model with all its weights. It does not change.
type Linear struct {
	inverse *Symmetric // (XᵀX + λI)⁻¹
	scale   []float64  // −1/P[j][j]
	people  []float64  // who have each item
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
	l := &Linear{inverse: p, scale: make([]float64, p.n), people: make([]float64, p.n)}
	for i := range p.n {
		l.people[i] = p.At(i, i)
		p.Set(i, i, l.people[i]+lambda)
	}
	if err := p.Invert(ctx); err != nil {
		return nil, err
	}
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

// scored is how many histories share one reading of the weights.
const scored = 64

// Scores returns the scores of every item for each history of item numbers. It
// takes 8 bytes a score, so pass many histories in parts.
func (l *Linear) Scores(ctx context.Context, histories [][]int) ([][]float64, error) {
	out := make([][]float64, len(histories))
	err := parallel(ctx, (len(histories)+scored-1)/scored, func(part int, row []float64) {
		from, to := part*scored, min((part+1)*scored, len(histories))
		having := make([][]int, l.Items()) // item → histories that have it
		for h := from; h < to; h++ {
			out[h] = make([]float64, l.Items())
			for _, i := range histories[h] {
				having[i] = append(having[i], h)
			}
		}
		for i, list := range having {
			if len(list) == 0 {
				continue
			}
			l.Row(i, row)
			for _, h := range list {
				for j, v := range row {
					out[h][j] += v
				}
			}
		}
	}, l.Items())
	if err != nil {
		return nil, err
	}
	return out, nil
}

// Truncate keeps of each item the k weights, k ≥ 1, of the largest magnitude
// times the fourth root of how many people have the target: the root favours what
// is likely to be answered at all. On Online Retail, k = 300 of 3,617 then loses
// 0.3 % of NDCG@20 (mean of five samples of 70 % of the customers), k = 200 0.8 %.
func (l *Linear) Truncate(ctx context.Context, k int) (*Sparse, error) {
	n := l.Items()
	if k < 1 {
		return nil, errors.New("an item must keep one weight at least")
	}
	k = min(k, n)
	rows := make([][]weight, n)
	kept, all := make([]float64, n), make([]float64, n)
	favour := make([]float64, n)
	for j, c := range l.people {
		favour[j] = math.Sqrt(math.Sqrt(c + 1))
	}
	err := parallel(ctx, n, func(i int, scratch []float64) {
		row := scratch[:n]
		l.Row(i, row)
		rows[i] = largest(row, favour, scratch[n:], k)
		for _, v := range row {
			all[i] += v * v
		}
		for _, w := range rows[i] {
			kept[i] += float64(w.value) * float64(w.value)
		}
	}, 2*n)
	if err != nil {
		return nil, err
	}
	s := &Sparse{Starts: make([]uint32, 1, n+1)}
	for _, row := range rows {
		for _, w := range row {
			s.Targets = append(s.Targets, w.target)
			s.Values = append(s.Values, w.value)
		}
		s.Starts = append(s.Starts, uint32(len(s.Targets)))
	}
	s.Kept = ratio(sum(kept), sum(all))
	return s, nil
}

// weight is what having one item adds to the score of the item target.
type weight struct {
	target uint16
	value  float32
}

// largest returns the k values of largest magnitude times favour, sorted by
// target, without zeros. Of equal ones the first stay. ranks is scratch as long
// as row.
func largest(row, favour, ranks []float64, k int) []weight {
	for j, v := range row {
		ranks[j] = math.Abs(v) * favour[j]
	}
	least := nth(ranks, k)
	above := 0
	for j, v := range row {
		if math.Abs(v)*favour[j] > least {
			above++
		}
	}
	equal := k - above // how many that equal the least have a place
	out := make([]weight, 0, k)
	for j, v := range row {
		rank := math.Abs(v) * favour[j]
		if rank == least {
			equal--
		}
		if w := float32(v); w != 0 && (rank > least || rank == least && equal >= 0) {
			out = append(out, weight{uint16(j), w})
		}
	}
	return out
}

// nth returns the k-th largest value, 1 ≤ k ≤ len(values), and reorders the
// values (Hoare's selection with the median of three).
func nth(values []float64, k int) float64 {
	low, high, want := 0, len(values)-1, len(values)-k
	for low < high {
		a, b, c := values[low], values[(low+high)/2], values[high]
		pivot := max(min(a, b), min(max(a, b), c))
		i, j := low, high
		for i <= j {
			for values[i] < pivot {
				i++
			}
			for values[j] > pivot {
				j--
			}
			if i <= j {
				values[i], values[j] = values[j], values[i]
				i++
				j--
			}
		}
		switch {
		case want <= j:
			high = j
		case want >= i:
			low = i
		default:
			return values[want]
		}
	}
	return values[want]
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
