package gpp

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"strings"
	"testing"
	"time"

	"accord/internal/signal/bits"
	"accord/internal/signal/tcf"
)

// hostile are the worst inputs there are: the longest that are looked at, for each
// of the format's parts, and longer ones, which are not looked at.
func hostile(t testing.TB) map[string]string {
	cut := func(text string) string { return text[:min(len(text), MaxLength)] }
	var unknown, states []uint16
	for id := range uint16(MaxSections) {
		unknown = append(unknown, 1000+2*id)
	}
	for id := uint16(7); id <= 27; id++ {
		states = append(states, id)
	}
	canada := func(end func(*bits.Writer)) string {
		s := &TCFCA{Version: 1, Created: time.Unix(0, 0), LastUpdated: time.Unix(0, 0), ConsentLanguage: "EN"}
		w := &bits.Writer{}
		s.fixed(w)
		end(w)
		return cut(head(t, idTCFCA) + "~" + must(t, w))
	}
	disclosed := &bits.Writer{}
	disclosed.Uint(caDisclosed, 3)
	runs(disclosed, 1024)
	random := rand.New(rand.NewPCG(5, 6))
	all := &String{}
	for _, id := range states {
		u := randomUS(random, layouts[int(id)])
		u.sub = len(u.layout.sub) > 0
		all.Sections = append(all.Sections, Section{ID: int(id), US: u})
	}
	text, err := all.Encode()
	if err != nil {
		t.Fatal(err)
	}
	_, sections, _ := strings.Cut(text, "~")
	eu := restricted(t)
	return map[string]string{
		"64 KiB":                          strings.Repeat("D", 64<<10),
		"64 KiB of tildes":                strings.Repeat("~", 64<<10),
		"64 KiB, two long TCF sections":   head(t, 2, 5) + "~" + strings.Repeat("C", 32<<10) + "~" + strings.Repeat("B", 32<<10),
		"a header of one bits":            "DB" + strings.Repeat("_", MaxLength-2),
		"a header of zero bits":           "DB" + strings.Repeat("A", MaxLength-2),
		"a header of all ids":             "DBAB" + "4AAAAAYA",
		"as many unknown sections as may": cut(head(t, unknown...) + strings.Repeat("~"+strings.Repeat("A", 120), MaxSections)),
		"all US sections":                 text,
		"all US sections and a long TCF":  cut(head(t, append([]uint16{2}, states...)...) + "~" + eu + "~" + sections),
		"a US section that is too long":   head(t, 7) + "~C" + strings.Repeat("A", MaxLength-20),
		"1,024 ids in Fibonacci codes":    canada(func(w *bits.Writer) { singles(w, 512); singles(w, 256); w.Uint(1, 12); w.Uint(0, 8); singles(w, 256) }),
		"more ids in Fibonacci codes": canada(func(w *bits.Writer) {
			singles(w, 2048)
			singles(w, 4095)
			w.Uint(1, 12)
			w.Uint(0, 8)
			singles(w, 4095)
		}),
		"1,024 runs in Fibonacci codes": canada(func(w *bits.Writer) { runs(w, 1024); w.Uint(0, 17); w.Uint(0, 12) }),
		"and 1,024 disclosed runs":      canada(func(w *bits.Writer) { runs(w, 1024); w.Uint(0, 17); w.Uint(0, 12) }) + "." + must(t, disclosed),
		"1,024 long codes":              canada(func(w *bits.Writer) { long(w, 1024) }),
		"Range(Int) for Canada": canada(func(w *bits.Writer) {
			w.Uint(65535, 16)
			w.Bool(true)
			w.Uint(2600, 12)
			ints(w, 2600)
			w.Uint(0, 17)
			w.Uint(0, 12)
		}),
		"256 restrictions for Canada":      canada(func(w *bits.Writer) { w.Uint(0, 34); w.Uint(256, 12); many(w, 256, 4) }),
		"256 bit fields for Canada":        canada(func(w *bits.Writer) { w.Uint(0, 34); w.Uint(256, 12); fields(w, 256, 150) }),
		"a long code":                      canada(func(w *bits.Writer) { w.Uint(65535, 16); w.Bool(true); w.Uint(4095, 12) }) + strings.Repeat("A", 8000),
		"restrictions in the EU's section": cut(head(t, idTCFEU) + "~" + eu),
	}
}

// head is the header of sections.
func head(t testing.TB, ids ...uint16) string {
	w := &bits.Writer{}
	w.Uint(headerType, 6)
	w.Uint(headerVersion, 6)
	w.FibonacciRanges(bits.IDsOf(ids...))
	return must(t, w)
}

func must(t testing.TB, w *bits.Writer) string {
	text, err := w.Text(bits.Short)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// singles are n ids in the shortest codes, one after the other, which the encoder
// would write as one run.
func singles(w *bits.Writer, n int) {
	w.Uint(uint64(n), 16)
	w.Bool(true)
	w.Uint(uint64(n), 12)
	for range n {
		w.Uint(0b011, 3)
	}
}

func runs(w *bits.Writer, n int) {
	w.Uint(uint64(2*n), 16)
	w.Bool(true)
	w.Uint(uint64(n), 12)
	for range n {
		w.Uint(0b11111, 5)
	}
}

// long are n codes of 16 bits and more with many set bits.
func long(w *bits.Writer, n int) {
	w.Uint(uint64(65535), 16)
	w.Bool(true)
	w.Uint(uint64(n), 12)
	for range n {
		w.Bool(false)
		w.Fibonacci(31)
	}
}

func fields(w *bits.Writer, restrictions, ids int) {
	for i := range restrictions {
		w.Uint(uint64(i), 8)
		w.Uint(uint64(ids), 16)
		w.Bool(false)
		for range ids {
			w.Uint(uint64(ids)&1, 1)
		}
	}
}

func ints(w *bits.Writer, n int) {
	for i := range n {
		w.Uint(uint64(i+1), 17)
	}
}

func many(w *bits.Writer, restrictions, ids int) {
	for i := range restrictions {
		w.Uint(uint64(i), 8)
		singles(w, ids)
	}
}

// restricted is a TCF section with 256 restrictions of eight vendors.
func restricted(t testing.TB) string {
	s := &tcf.String{Version: 2, Created: time.Unix(0, 0), LastUpdated: time.Unix(0, 0), ConsentLanguage: "EN", PublisherCC: "DE"}
	for i := range 256 {
		s.PubRestrictions = append(s.PubRestrictions, tcf.PubRestriction{PurposeId: i / 4, RestrictionType: i % 4, VendorIds: bits.IDsOf(1, 3, 5, 7, 9, 11, 13, 15)})
	}
	text, err := s.EncodeSection()
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// BenchmarkHostile: an answer takes 50 µs at most, whatever comes.
func BenchmarkHostile(b *testing.B) {
	for name, text := range hostile(b) {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			_, err := Decode(text)
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
		const runs, most = 50, 128 << 10
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
	for text, want := range map[string]string{
		strings.Repeat("D", MaxLength+1):             fmt.Sprint(MaxLength),
		"DBAA" + strings.Repeat("~A", MaxSections+1): fmt.Sprint(MaxSections),
	} {
		if _, err := Decode(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.20s…: %v, want %s", text, err, want)
		}
	}
}
