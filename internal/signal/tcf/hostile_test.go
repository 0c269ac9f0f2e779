package tcf

import (
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"

	"accord/internal/signal/bits"
)

// hostile are the worst inputs there are: the longest that are looked at, for each
// of the format's parts, and longer ones, which are not looked at.
func hostile(t testing.TB) map[string]string {
	inputs := map[string]string{
		"64 KiB":                strings.Repeat("C", 64<<10),
		"64 KiB of dots":        strings.Repeat(".", 64<<10),
		"as long as may be: A":  "C" + strings.Repeat("A", MaxLength-1),
		"as long as may be: _":  "C" + strings.Repeat("_", MaxLength-1),
		"as long as may be: .":  base(t, nil) + strings.Repeat(".", MaxLength-100),
		"a foreign end":         "C" + strings.Repeat("A", MaxLength-2) + "!",
		"alternating bit field": base(t, func(w *bits.Writer) { vendors(w, alternating(40000)); vendors(w, bits.IDs{}); w.Uint(0, 12) }),
		"2,700 single vendors": base(t, func(w *bits.Writer) {
			rangesOf(w, 2700, false)
			vendors(w, bits.IDs{})
			w.Uint(0, 12)
		}),
		"1,400 runs of all vendors": base(t, func(w *bits.Writer) {
			rangesOf(w, 1400, true)
			vendors(w, bits.IDs{})
			w.Uint(0, 12)
		}),
		"256 restrictions": base(t, func(w *bits.Writer) {
			vendors(w, bits.IDs{})
			vendors(w, bits.IDs{})
			w.Uint(256, 12)
			for i := range 256 {
				w.Uint(uint64(i), 8)
				w.Uint(9, 12)
				for range 9 {
					w.Uint(1, 17)
				}
			}
		}),
		"256 restrictions of all vendors": base(t, func(w *bits.Writer) {
			vendors(w, bits.IDs{})
			vendors(w, bits.IDs{})
			w.Uint(256, 12)
			for i := range 256 {
				w.Uint(uint64(i), 8)
				w.Uint(5, 12)
				for range 5 {
					w.Uint(1<<32|1<<16|65535, 33)
				}
			}
		}),
		"4,095 restrictions announced": base(t, func(w *bits.Writer) {
			vendors(w, bits.IDs{})
			vendors(w, bits.IDs{})
			w.Uint(4095, 12)
			for range 1000 {
				w.Uint(0, 20)
			}
		}),
		"4,095 items announced": base(t, func(w *bits.Writer) {
			w.Uint(65535, 16)
			w.Bool(true)
			w.Uint(4095, 12)
		}),
	}
	return inputs
}

// base is a string whose core ends as the function says, cut to the longest that is
// looked at.
func base(t testing.TB, end func(*bits.Writer)) string {
	s := &String{Version: 2, Created: time.Unix(0, 0), LastUpdated: time.Unix(0, 0), ConsentLanguage: "EN", PublisherCC: "DE"}
	w := &bits.Writer{}
	if end == nil {
		end = func(w *bits.Writer) { vendors(w, bits.IDs{}); vendors(w, bits.IDs{}); w.Uint(0, 12) }
	}
	s.fixed(w)
	end(w)
	text, err := w.Text(bits.Full)
	if err != nil {
		t.Fatal(err)
	}
	return text[:min(len(text), MaxLength)]
}

func vendors(w *bits.Writer, s bits.IDs) {
	w.Optimized(s, func([]bits.Range, int) bool { return false })
}

func alternating(top int) bits.IDs {
	var ids []uint16
	for id := 1; id <= top; id += 2 {
		ids = append(ids, uint16(id))
	}
	return bits.IDsOf(ids...)
}

func rangesOf(w *bits.Writer, n int, runs bool) {
	w.Uint(65535, 16)
	w.Bool(true)
	w.Uint(uint64(n), 12)
	for i := range n {
		w.Bool(runs)
		if runs {
			w.Uint(1<<16|65535, 32)
		} else {
			w.Uint(uint64(2*i+1), 16)
		}
	}
}

// BenchmarkHostile: an answer takes 50 µs at most, whatever comes.
func BenchmarkHostile(b *testing.B) {
	for name, text := range hostile(b) {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			_, err := Decode(text)
			b.ReportMetric(float64(len(text)), "chars")
			for b.Loop() {
				if _, again := Decode(text); (again == nil) != (err == nil) {
					b.Fatal(again)
				}
			}
		})
	}
}

// TestHostile: the memory of an answer is bounded, and so is its time, for which the
// test leaves a loaded machine ten times what the benchmark shows.
func TestHostile(t *testing.T) {
	for name, text := range hostile(t) {
		const runs, most = 50, 64 << 10
		best := time.Hour
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		for range runs {
			start := time.Now()
			Decode(text)
			best = min(best, time.Since(start))
		}
		runtime.ReadMemStats(&after)
		if best > 500*time.Microsecond {
			t.Errorf("%s: %v", name, best)
		}
		if got := (after.TotalAlloc - before.TotalAlloc) / runs; got > most {
			t.Errorf("%s: %d bytes allocated, more than %d", name, got, most)
		}
	}
	_, err := Decode(strings.Repeat("C", MaxLength+1))
	if err == nil || !strings.Contains(err.Error(), fmt.Sprint(MaxLength)) {
		t.Errorf("one character too many: %v", err)
	}
}
