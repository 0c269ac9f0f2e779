package held

import (
	"testing"

	"accord/internal/consent"
)

// BenchmarkRead is the read of somebody with as many frames as a read takes.
func BenchmarkRead(b *testing.B) {
	bed := newBed(b)
	bed.choose("personalization", consent.Given)
	for range MaxFrames {
		bed.append(bed.viewed())
	}
	b.ReportAllocs()
	for b.Loop() {
		if r := bed.read(); r.Partial || r.of("product_id").Count != MaxFrames {
			b.Fatalf("%+v", r)
		}
	}
}
