package learn

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
)

// MaxItems is the largest number of items that a model may have: 16,384 items
// need 1.1 GB while they are learnt. Item numbers fit 16 bits.
const MaxItems = 16384

// ErrTooManyItems is returned for a matrix of more than [MaxItems] items.
var ErrTooManyItems = fmt.Errorf("more than %d items cannot be learnt at once; keep the most frequent ones", MaxItems)

// ErrEmpty is returned where there is nothing to learn from.
var ErrEmpty = errors.New("there are no interactions to learn from")

// Matrix is a binary matrix of people × items in compressed rows.
type Matrix struct {
	items  int
	starts []int // row r is columns[starts[r]:starts[r+1]]
	column []uint16
}

// NewMatrix returns a matrix without rows for items numbered 0 ≤ i < items.
func NewMatrix(items int) *Matrix { return &Matrix{items: items, starts: []int{0}} }

// Append adds a person's row: the numbers of their items in any order. Repeats
// count once, and numbers outside the matrix are passed over.
func (m *Matrix) Append(items []int) {
	from := len(m.column)
	for _, i := range items {
		if i >= 0 && i < m.items && i < MaxItems {
			m.column = append(m.column, uint16(i))
		}
	}
	slices.Sort(m.column[from:])
	m.column = m.column[:from+len(slices.Compact(m.column[from:]))]
	m.starts = append(m.starts, len(m.column))
}

// Rows returns the number of people.
func (m *Matrix) Rows() int { return len(m.starts) - 1 }

// Items returns the number of items.
func (m *Matrix) Items() int { return m.items }

// Pairs returns the number of ones.
func (m *Matrix) Pairs() int { return len(m.column) }

// Row returns the sorted items of a person. It must not be changed.
func (m *Matrix) Row(r int) []uint16 { return m.column[m.starts[r]:m.starts[r+1]] }

// Gram returns XᵀX: how many people have both of two items.
func (m *Matrix) Gram(ctx context.Context) (*Symmetric, error) {
	s, err := NewSymmetric(m.items)
	if err != nil {
		return nil, err
	}
	starts, people := m.transpose()
	// Every row of the result is one goroutine's, so the sums need no lock and
	// their order does not depend on the number of processors.
	err = parallel(ctx, m.items, func(i int, sums []float64) {
		for _, person := range people[starts[i]:starts[i+1]] {
			for _, j := range m.Row(int(person)) {
				if int(j) > i {
					break
				}
				sums[j]++
			}
		}
		s.setRow(i, sums[:i+1])
		clear(sums[:i+1])
	}, m.items)
	if err != nil {
		return nil, err
	}
	return s, nil
}

// transpose returns for each item the people who have it: item i's are
// people[starts[i]:starts[i+1]].
func (m *Matrix) transpose() (starts []int, people []int32) {
	starts = make([]int, m.items+1)
	for _, c := range m.column {
		starts[c+1]++
	}
	for i := range m.items {
		starts[i+1] += starts[i]
	}
	people = make([]int32, len(m.column))
	next := slices.Clone(starts[:m.items])
	for r := range m.Rows() {
		for _, c := range m.Row(r) {
			people[next[c]] = int32(r)
			next[c]++
		}
	}
	return starts, people
}

// parallel calls do for 0 ≤ i < n on all processors, the largest i first since
// those are the longest rows of a triangle. Each goroutine has a zeroed scratch
// of its own. It returns the context's error if that ended first.
func parallel(ctx context.Context, n int, do func(i int, scratch []float64), scratch int) error {
	var left atomic.Int64
	left.Store(int64(n))
	var group sync.WaitGroup
	for range min(runtime.GOMAXPROCS(0), n) {
		group.Go(func() {
			own := make([]float64, scratch)
			for ctx.Err() == nil {
				i := left.Add(-1)
				if i < 0 {
					return
				}
				do(int(i), own)
			}
		})
	}
	group.Wait()
	return ctx.Err()
}
