package learn

import (
	"context"
	"errors"
	"math"
)

// tile is the side of a stored block: a multiple of both sides of the kernel's
// register block. 144² float64 are 166 kB, so that three of them stay in a
// second-level cache.
const tile = 144

// ErrNotPositive is returned by Invert for a matrix that is not positive
// definite as far as float64 can tell.
var ErrNotPositive = errors.New("the matrix is not positive definite; use a larger lambda")

// Symmetric is a symmetric matrix of float64. Only the tiles of the lower
// triangle are kept, each contiguous, so n rows take about 4n² bytes. Rows and
// columns beyond n fill the last tiles and hold the identity.
type Symmetric struct {
	n, side int       // side: tiles along an edge
	data    []float64 // tile (I, J), I ≥ J, is number I(I+1)/2+J
}

// NewSymmetric returns the zero matrix of n rows, 1 ≤ n ≤ [MaxItems].
func NewSymmetric(n int) (*Symmetric, error) {
	switch {
	case n < 1:
		return nil, ErrEmpty
	case n > MaxItems:
		return nil, ErrTooManyItems
	}
	side := (n + tile - 1) / tile
	s := &Symmetric{n: n, side: side, data: make([]float64, side*(side+1)/2*tile*tile)}
	for i := n; i < side*tile; i++ {
		s.tile(i/tile, i/tile)[i%tile*(tile+1)] = 1
	}
	return s, nil
}

// Len returns the number of rows.
func (s *Symmetric) Len() int { return s.n }

// Bytes returns the size of the values in bytes.
func (s *Symmetric) Bytes() int { return 8 * len(s.data) }

// At returns the value of row i, column j.
func (s *Symmetric) At(i, j int) float64 {
	i, j = max(i, j), min(i, j)
	return s.tile(i/tile, j/tile)[i%tile*tile+j%tile]
}

// Set sets the value of row i, column j, and of row j, column i.
func (s *Symmetric) Set(i, j int, v float64) {
	i, j = max(i, j), min(i, j)
	s.tile(i/tile, j/tile)[i%tile*tile+j%tile] = v
}

// Row writes row i into dst, which has n values.
func (s *Symmetric) Row(i int, dst []float64) {
	block, in := i/tile, i%tile
	for b := range block {
		copy(dst[b*tile:], s.tile(block, b)[in*tile:(in+1)*tile])
	}
	copy(dst[block*tile:i+1], s.tile(block, block)[in*tile:])
	for j := i + 1; j < s.n; {
		t := s.tile(j/tile, block)
		for end := min(s.n, (j/tile+1)*tile); j < end; j++ {
			dst[j] = t[j%tile*tile+in]
		}
	}
}

// setRow sets the first len(values) columns of row i, at most i+1.
func (s *Symmetric) setRow(i int, values []float64) {
	for from := 0; from < len(values); from += tile {
		copy(s.tile(i/tile, from/tile)[i%tile*tile:(i%tile+1)*tile], values[from:min(from+tile, len(values))])
	}
}

func (s *Symmetric) tile(i, j int) []float64 {
	at := (i*(i+1)/2 + j) * tile * tile
	return s.data[at : at+tile*tile : at+tile*tile]
}

// Invert replaces a positive definite matrix by its inverse. After an error the
// content is undefined.
//
// It is the symmetric Gauss-Jordan sweep by tiles. For a tile column k with
// pivot D = A[k][k]:
//
//	W       = A[·][k] · D⁻¹
//	A[i][j] = A[i][j] − W[i] · A[j][k]ᵀ     i, j ≠ k
//	A[·][k] = W,   A[k][k] = −D⁻¹
//
// which ends with −A⁻¹ after all columns. Every pivot is a Schur complement of
// a positive definite matrix, so no pivoting is needed. It costs n³ multiply-adds
// like a Cholesky factor and its inverse, but nearly all of them are one
// independent product per tile.
func (s *Symmetric) Invert(ctx context.Context) error {
	w := newSweep(s)
	for k := range s.side {
		if err := w.step(ctx, k); err != nil {
			return err
		}
	}
	for i := range s.data {
		s.data[i] = -s.data[i]
	}
	return nil
}

// sweep is the scratch of Invert: one tile column, as it was and multiplied by
// the inverse of the pivot, in the kernel's packed forms.
type sweep struct {
	s       *Symmetric
	old     []float64 // A[·][k], rows packed as the right factor
	left    []float64 // A[·][k], rows packed as the left factor
	minus   []float64 // −W, rows packed as the left factor
	product []float64 // W, tiles by row
	pivot   []float64 // D, then D⁻¹, by row
	inverse []float64 // D⁻¹ packed as the right factor
}

func newSweep(s *Symmetric) *sweep {
	column := func() []float64 { return make([]float64, s.side*tile*tile) }
	return &sweep{
		s: s, old: column(), left: column(), minus: column(), product: column(),
		pivot: make([]float64, tile*tile), inverse: make([]float64, tile*tile),
	}
}

func (w *sweep) step(ctx context.Context, k int) error {
	s := w.s
	copy(w.pivot, s.tile(k, k))
	if !invertSmall(w.pivot) {
		return ErrNotPositive
	}
	packRight(w.inverse, w.pivot)
	err := parallel(ctx, s.side, func(i int, turned []float64) {
		if i == k {
			return
		}
		a := turned
		if i > k {
			a = s.tile(i, k)
		} else {
			transpose(turned, s.tile(k, i))
		}
		packRight(block(w.old, i), a)
		packLeft(block(w.left, i), a, 1)
		p := block(w.product, i)
		clear(p)
		multiply(p, block(w.left, i), w.inverse)
		packLeft(block(w.minus, i), p, -1)
	}, tile*tile)
	if err != nil {
		return err
	}
	err = parallel(ctx, s.side, func(i int, turned []float64) {
		if i == k {
			return
		}
		for j := range i + 1 {
			if j != k {
				multiply(s.tile(i, j), block(w.minus, i), block(w.old, j))
			}
		}
		if i > k {
			copy(s.tile(i, k), block(w.product, i))
		} else {
			transpose(s.tile(k, i), block(w.product, i))
		}
	}, 0)
	if err != nil {
		return err
	}
	for i, v := range w.pivot {
		s.tile(k, k)[i] = -v
	}
	return nil
}

func block(column []float64, i int) []float64 {
	return column[i*tile*tile : (i+1)*tile*tile]
}

// invertSmall inverts one tile, of which it reads the lower triangle, by the
// same sweep a column at a time. It reports whether all pivots were positive.
func invertSmall(a []float64) bool {
	var old, scaled [tile]float64
	for k := range tile {
		d := a[k*tile+k]
		if !(d > 0) || math.IsInf(d, 1) {
			return false
		}
		for i := range tile {
			old[i] = a[max(i, k)*tile+min(i, k)]
			scaled[i] = old[i] / d
		}
		for i := range tile {
			f, row := scaled[i], a[i*tile:i*tile+i+1]
			for j := range row {
				row[j] -= f * old[j]
			}
		}
		for i := range tile {
			a[max(i, k)*tile+min(i, k)] = scaled[i]
		}
		a[k*tile+k] = -1 / d
	}
	for i := range tile {
		for j := range i + 1 {
			v := -a[i*tile+j]
			a[i*tile+j], a[j*tile+i] = v, v
		}
	}
	return true
}

func transpose(dst, src []float64) {
	for i := range tile {
		for j := range tile {
			dst[j*tile+i] = src[i*tile+j]
		}
	}
}
