package learn

// The kernel multiplies strips of packed tiles: leftRows rows of the left factor
// by rightRows rows of the right one (which is used transposed), all sums in
// registers. 4 × 12 float64 are the twelve registers of 256 bits that AVX2
// leaves beside the operands.
const (
	leftRows  = 4
	rightRows = 12
)

// packLeft packs a tile, times sign, as the left factor of multiply: strips of
// leftRows rows, in a strip column by column.
func packLeft(dst, src []float64, sign float64) {
	at := 0
	for from := 0; from < tile; from += leftRows {
		for p := range tile {
			for r := range leftRows {
				dst[at] = sign * src[(from+r)*tile+p]
				at++
			}
		}
	}
}

// packRight packs a tile as the right factor: strips of rightRows rows, in a
// strip column by column.
func packRight(dst, src []float64) {
	at := 0
	for from := 0; from < tile; from += rightRows {
		for p := range tile {
			for r := range rightRows {
				dst[at] = src[(from+r)*tile+p]
				at++
			}
		}
	}
}

// multiply adds left · rightᵀ to the tile c; both factors are packed.
func multiply(c, left, right []float64) {
	_, _, _ = c[tile*tile-1], left[tile*tile-1], right[tile*tile-1]
	for j := 0; j < tile; j += rightRows {
		for i := 0; i < tile; i += leftRows {
			kernel(left[i*tile:(i+leftRows)*tile], right[j*tile:(j+rightRows)*tile], c[i*tile+j:])
		}
	}
}

// kernelGo adds the product of two packed strips to the leftRows × rightRows
// corner of c, whose rows are tile apart.
func kernelGo(left, right, c []float64) {
	for half := 0; half < rightRows; half += 2 {
		var a0, a1, b0, b1, c0, c1, d0, d1 float64
		for p := range tile {
			l := left[p*leftRows : p*leftRows+leftRows : p*leftRows+leftRows]
			r := right[p*rightRows+half : p*rightRows+half+2 : p*rightRows+half+2]
			a0 += l[0] * r[0]
			a1 += l[0] * r[1]
			b0 += l[1] * r[0]
			b1 += l[1] * r[1]
			c0 += l[2] * r[0]
			c1 += l[2] * r[1]
			d0 += l[3] * r[0]
			d1 += l[3] * r[1]
		}
		c[half] += a0
		c[half+1] += a1
		c[tile+half] += b0
		c[tile+half+1] += b1
		c[2*tile+half] += c0
		c[2*tile+half+1] += c1
		c[3*tile+half] += d0
		c[3*tile+half+1] += d1
	}
}
