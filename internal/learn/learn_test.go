package learn

import (
	"cmp"
	"context"
	"errors"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"gonum.org/v1/gonum/mat"
	"pgregory.net/rapid"
)

// histories draws people with some items each, the smaller numbers more often.
func histories(seed uint64, people, items, mean int) *Matrix {
	r := rand.New(rand.NewPCG(seed, 1))
	m := NewMatrix(items)
	row := make([]int, 0, 2*mean)
	for range people {
		row = row[:0]
		for range 1 + r.IntN(2*mean) {
			row = append(row, int(float64(items)*r.Float64()*r.Float64()))
		}
		m.Append(row)
	}
	return m
}

// dense returns XᵀX + λI by gonum: the oracle.
func dense(m *Matrix, lambda float64) *mat.SymDense {
	x := mat.NewDense(m.Rows(), m.Items(), nil)
	for r := range m.Rows() {
		for _, c := range m.Row(r) {
			x.Set(r, int(c), 1)
		}
	}
	var g mat.SymDense
	g.SymOuterK(1, x.T())
	for i := range m.Items() {
		g.SetSym(i, i, g.At(i, i)+lambda)
	}
	return &g
}

func TestEASEByHand(t *testing.T) {
	// Two items. Three people have both, one has the first only:
	// G + I = |5 3|, its inverse is |4 −3| / 11, so B[0][1] = 3/5 and
	//         |3 4|                 |−3 5|           B[1][0] = 3/4.
	m := NewMatrix(2)
	for range 3 {
		m.Append([]int{1, 0, 1})
	}
	m.Append([]int{0})
	m.Append(nil)
	l, err := EASE(t.Context(), m, 1)
	if err != nil {
		t.Fatal(err)
	}
	row := make([]float64, 2)
	for i, want := range [][]float64{{0, 0.6}, {0.75, 0}} {
		l.Row(i, row)
		for j := range want {
			if math.Abs(row[j]-want[j]) > 1e-15 {
				t.Errorf("B[%d][%d] = %v, want %v", i, j, row[j], want[j])
			}
		}
	}
}

func TestEASEThreeByHand(t *testing.T) {
	// X = {0,1}, {0,1}, {1,2}, λ = 1: G + λI = |3 2 0|
	//                                         |2 4 1|
	//                                         |0 1 2|, determinant 13.
	// Cofactors: P·13 = |7 −4 2; −4 6 −3; 2 −3 8|.
	m := NewMatrix(3)
	m.Append([]int{0, 1})
	m.Append([]int{0, 1})
	m.Append([]int{1, 2})
	l, err := EASE(t.Context(), m, 1)
	if err != nil {
		t.Fatal(err)
	}
	want := [3][3]float64{{0, 4. / 6, -2. / 8}, {4. / 7, 0, 3. / 8}, {-2. / 7, 3. / 6, 0}}
	row := make([]float64, 3)
	for i := range 3 {
		l.Row(i, row)
		for j := range 3 {
			if math.Abs(row[j]-want[i][j]) > 1e-14 {
				t.Errorf("B[%d][%d] = %v, want %v", i, j, row[j], want[i][j])
			}
		}
	}
	scores, err := l.Scores(t.Context(), [][]int{{}, {0, 2}})
	if err != nil {
		t.Fatal(err)
	}
	for j := range 3 {
		if w := want[0][j] + want[2][j]; scores[0][j] != 0 || math.Abs(scores[1][j]-w) > 1e-14 {
			t.Errorf("scores of %d = %v and %v, want 0 and %v", j, scores[0][j], scores[1][j], w)
		}
	}
	s, err := l.Truncate(t.Context(), 1)
	if err != nil {
		t.Fatal(err)
	}
	for i, to := range []uint16{1, 0, 1} {
		targets, values := s.Row(i)
		if len(targets) != 1 || targets[0] != to || values[0] != float32(want[i][to]) {
			t.Errorf("row %d truncated to %v %v, want item %d", i, targets, values, to)
		}
	}
	kept := 16./36 + 16./49 + 9./36
	if all := kept + 4./64 + 9./64 + 4./49; math.Abs(s.Kept-kept/all) > 1e-7 {
		t.Errorf("kept %v of the squared weights, want %v", s.Kept, kept/all)
	}
}

func TestGramAndInverseAgreeWithGonum(t *testing.T) {
	// Sizes around the edges of a tile, and of several.
	for _, n := range []int{1, 2, 13, tile - 1, tile, tile + 1, 2*tile + 7, 431} {
		m := histories(uint64(n), 3*n, n, 6)
		want := dense(m, 3)
		got, err := m.Gram(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for i := range n {
			got.Set(i, i, got.At(i, i)+3)
		}
		row := make([]float64, n)
		for i := range n {
			got.Row(i, row)
			for j := range n {
				if row[j] != want.At(i, j) || got.At(i, j) != want.At(i, j) {
					t.Fatalf("n=%d: Gram[%d][%d] = %v, want %v", n, i, j, row[j], want.At(i, j))
				}
			}
		}
		if err := got.Invert(t.Context()); err != nil {
			t.Fatal(err)
		}
		var c mat.Cholesky
		var inverse mat.SymDense
		if !c.Factorize(want) || c.InverseTo(&inverse) != nil {
			t.Fatal("the oracle could not invert")
		}
		for i := range n {
			got.Row(i, row)
			for j := range n {
				if math.Abs(row[j]-inverse.At(i, j)) > 1e-12 {
					t.Fatalf("n=%d: P[%d][%d] = %v, want %v", n, i, j, row[j], inverse.At(i, j))
				}
			}
		}
	}
}

func TestKernelsAgree(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 7))
	draw := func() []float64 {
		a := make([]float64, tile*tile)
		for i := range a {
			a[i] = r.NormFloat64()
		}
		return a
	}
	a, b, c := draw(), draw(), draw()
	left, right := make([]float64, tile*tile), make([]float64, tile*tile)
	packLeft(left, a, -1)
	packRight(right, b)
	want := append([]float64(nil), c...)
	for i := 0; i < tile; i += leftRows {
		for j := 0; j < tile; j += rightRows {
			kernelGo(left[i*tile:], right[j*tile:], want[i*tile+j:])
		}
	}
	naive := mat.NewDense(tile, tile, append([]float64(nil), c...))
	var product mat.Dense
	product.Mul(mat.NewDense(tile, tile, a), mat.NewDense(tile, tile, b).T())
	naive.Sub(naive, &product)
	multiply(c, left, right)
	for i := range c {
		if math.Abs(c[i]-naive.RawMatrix().Data[i]) > 1e-11 || math.Abs(want[i]-naive.RawMatrix().Data[i]) > 1e-11 {
			t.Fatalf("value %d: kernel %v, in Go %v, naive %v", i, c[i], want[i], naive.RawMatrix().Data[i])
		}
	}
}

func TestScoresDoNotDependOnTheOrderOfPeople(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(2, 12).Draw(t, "items")
		rows := rapid.SliceOfN(rapid.SliceOf(rapid.IntRange(0, n-1)), 1, 20).Draw(t, "rows")
		rows = append(rows, []int{0, 1})
		order := rapid.Permutation(rows).Draw(t, "order")
		learn := func(rows [][]int) *Sparse {
			m := NewMatrix(n)
			for _, r := range rows {
				m.Append(r)
			}
			l, err := EASE(context.Background(), m, 2)
			if err != nil {
				t.Fatal(err)
			}
			s, err := l.Truncate(context.Background(), 3)
			if err != nil {
				t.Fatal(err)
			}
			return s
		}
		a, b := learn(rows), learn(order)
		for i := range n {
			ta, va := a.Row(i)
			tb, vb := b.Row(i)
			for k := range ta {
				if ta[k] != tb[k] || va[k] != vb[k] {
					t.Fatalf("row %d differs: %v %v and %v %v", i, ta, va, tb, vb)
				}
			}
		}
	})
}

func TestSelection(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		row := rapid.SliceOfN(rapid.Float64Range(-3, 3), 1, 40).Draw(t, "row")
		for j := range row {
			row[j] = math.Round(row[j]) // ties and zeros
		}
		k := rapid.IntRange(1, len(row)).Draw(t, "k")
		favour := make([]float64, len(row))
		for j := range favour {
			favour[j] = float64(1 + j%2)
		}
		order := make([]int, len(row))
		for j := range order {
			order[j] = j
		}
		slices.SortStableFunc(order, func(a, b int) int {
			return cmp.Compare(math.Abs(row[b])*favour[b], math.Abs(row[a])*favour[a])
		})
		want := order[:k]
		slices.Sort(want)
		want = slices.DeleteFunc(want, func(j int) bool { return row[j] == 0 })
		got := largest(row, favour, make([]float64, len(row)), k)
		if len(got) != len(want) {
			t.Fatalf("kept %v of %v, want items %v", got, row, want)
		}
		for i, w := range got {
			if int(w.target) != want[i] || w.value != float32(row[want[i]]) {
				t.Fatalf("kept %v of %v, want items %v", got, row, want)
			}
		}
	})
}

func TestWhatCannotBeLearnt(t *testing.T) {
	one := NewMatrix(2)
	one.Append([]int{0, 1})
	for name, c := range map[string]struct {
		m      *Matrix
		lambda float64
		want   error
	}{
		"no items":           {NewMatrix(0), 1, ErrEmpty},
		"no people":          {NewMatrix(3), 1, ErrEmpty},
		"too many items":     {&Matrix{items: MaxItems + 1, starts: []int{0, 1}, column: []uint16{0}}, 1, ErrTooManyItems},
		"no ridge":           {one, 0, nil},
		"ridge below 0":      {one, -1, nil},
		"ridge not a number": {one, math.NaN(), nil},
	} {
		_, err := EASE(t.Context(), c.m, c.lambda)
		if err == nil || c.want != nil && !errors.Is(err, c.want) {
			t.Errorf("%s: error %v, want %v", name, err, c.want)
		}
	}
	s, err := NewSymmetric(2)
	if err != nil {
		t.Fatal(err)
	}
	s.Set(0, 0, 1)
	s.Set(0, 1, 2)
	s.Set(1, 1, 1)
	if err := s.Invert(t.Context()); !errors.Is(err, ErrNotPositive) {
		t.Errorf("an indefinite matrix: error %v, want %v", err, ErrNotPositive)
	}
}

func TestACancelledContextStops(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := EASE(ctx, histories(1, 50, 20, 4), 1); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v, want %v", err, context.Canceled)
	}
	l, err := EASE(t.Context(), histories(1, 50, 20, 4), 1)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := l.Truncate(ctx, 3); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v, want %v", err, context.Canceled)
	}
}

func benchmarkEASE(b *testing.B, items int) {
	m := histories(1, 8000, items, 30)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := EASE(b.Context(), m, 200); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkEASE3600(b *testing.B) { benchmarkEASE(b, 3600) }
func BenchmarkEASE5000(b *testing.B) { benchmarkEASE(b, 5000) }

func BenchmarkKernel(b *testing.B) {
	left, right, c := make([]float64, tile*tile), make([]float64, tile*tile), make([]float64, tile*tile)
	b.SetBytes(0)
	for b.Loop() {
		multiply(c, left, right)
	}
	b.ReportMetric(2*float64(tile*tile*tile)*float64(b.N)/b.Elapsed().Seconds()/1e9, "GFlop/s")
}
