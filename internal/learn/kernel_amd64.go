package learn

// fused reports whether the processor and the system have AVX2 and FMA.
var fused = hasFMA()

// kernel adds the product of two packed strips to a corner of c. The assembly
// is the difference between two seconds for 5,000 items and some twenty (so
// measured with gonum's LAPACK); kernelGo is what it is tested by.
func kernel(left, right, c []float64) {
	if !fused {
		kernelGo(left, right, c)
		return
	}
	_, _, _ = left[leftRows*tile-1], right[rightRows*tile-1], c[3*tile+rightRows-1]
	kernelFMA(tile, &left[0], &right[0], &c[0], tile)
}

// kernelFMA does kernelGo's work with AVX2 and FMA: steps is the length of the
// strips and stride the distance of c's rows, both in float64.
//
//go:noescape
func kernelFMA(steps int, left, right, c *float64, stride int)

// hasFMA asks the processor (CPUID) for FMA and AVX2, and the system (XGETBV)
// whether it saves their registers.
func hasFMA() bool
