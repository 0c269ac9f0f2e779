package eventlog

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"accord/internal/event"
)

// BenchmarkAppend appends 300-byte records from many goroutines, one record or
// a hundred a call, and reports records, frames and records a frame. One
// operation is one record.
func BenchmarkAppend(b *testing.B) {
	for _, c := range []struct{ callers, batch, inFlight, cut int }{
		{64, 1, 1, 0}, {64, 1, 2, 0}, {512, 1, 1, 0},
		{64, 100, 1, 256 << 10}, {64, 100, 1, 512 << 10}, {64, 100, 1, 1 << 20},
		{64, 100, 2, 256 << 10}, {64, 100, 2, 512 << 10},
	} {
		b.Run(fmt.Sprintf("callers=%d/batch=%d/inflight=%d/cut=%dk", c.callers, c.batch, c.inFlight, c.cut>>10), func(b *testing.B) {
			l := open(b, Options{Dir: b.TempDir(), inFlight: c.inFlight, cut: c.cut})
			records := make([][]event.Record, c.callers)
			for i := range records {
				for n := range c.batch {
					records[i] = append(records[i], record(uint64(i*c.batch+n), uint64(n), forEver, 300))
				}
			}
			b.ReportAllocs()
			b.ResetTimer()
			began := time.Now()
			var next atomic.Int64
			var wg sync.WaitGroup
			for i := range c.callers {
				wg.Go(func() {
					for next.Add(int64(c.batch)) <= int64(b.N+c.batch-1) {
						if err := l.Append(b.Context(), records[i]); err != nil {
							b.Error(err)
							return
						}
					}
				})
			}
			wg.Wait()
			took := time.Since(began).Seconds()
			s := l.Stats()
			b.ReportMetric(float64(s.Records)/took, "records/s")
			b.ReportMetric(float64(s.Frames)/took, "frames/s")
			b.ReportMetric(float64(s.Records)/float64(s.Frames), "records/frame")
		})
	}
}

// BenchmarkAppendChoice appends choices from many goroutines at once.
func BenchmarkAppendChoice(b *testing.B) {
	l := open(b, Options{Dir: b.TempDir()})
	sealed := make([]byte, 200)
	b.ReportAllocs()
	b.SetParallelism(32)
	began := time.Now()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if _, err := l.AppendChoice(b.Context(), event.ChoiceMessage{Token: person(1), Sealed: sealed}); err != nil {
				b.Error(err)
			}
		}
	})
	b.ReportMetric(float64(l.Stats().Choices)/time.Since(began).Seconds(), "choices/s")
}
