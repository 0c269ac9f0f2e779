//go:build unix

package vault

import (
	"context"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"accord/internal/consent"
	"accord/internal/declare"
	"accord/internal/event"
	"accord/internal/identity"
)

// crowd makes people with consent and keys, without the tests' slow way.
func crowd(b *bed, people int) []identity.Token {
	b.t.Helper()
	ls := make([]identity.Lookup, people)
	for i := range ls {
		ls[i] = lookup(i)
	}
	tokens := ensure(b.t, b.keys, ls...)
	var needs []Need
	for _, t := range tokens {
		b.choose(t, "personalization", consent.Given)
		for _, path := range []string{"Product Viewed product_id", "Order Completed products[].product_id"} {
			needs = append(needs, Need{t, fieldOf(b, path).Class.ID})
		}
	}
	prepare(b.t, b.keys, needs...)
	return tokens
}

func fieldOf(b *bed, path string) *declare.Field {
	b.t.Helper()
	if f, ok := b.field("Product Viewed", "product_id"); ok && path == "Product Viewed product_id" {
		return f
	}
	f, ok := b.field("Order Completed", "products[].product_id")
	if !ok {
		b.t.Fatal("no field")
	}
	return f
}

// stock makes frames of sealed views of products by people drawn at random.
type stock struct {
	b      *bed
	tokens []identity.Token
	rng    *rand.Rand
	id     uint64
	seq    [MaxStreams]uint64
}

func (s *stock) frame(records int) event.Frame {
	field := fieldOf(s.b, "Product Viewed product_id")
	e, _ := s.b.d.EventByID(mustEvent(s.b, "Product Viewed").ID)
	f := event.Frame{Stream: 0, Records: make([]event.Record, records)}
	s.seq[0]++
	f.Sequence = s.seq[0]
	var plain []byte
	for i := range f.Records {
		s.id++
		r := &f.Records[i]
		r.Token = s.tokens[s.rng.IntN(len(s.tokens))]
		binary.LittleEndian.PutUint64(r.ID[:], s.rng.Uint64())
		binary.LittleEndian.PutUint64(r.ID[8:], s.rng.Uint64())
		r.Class, r.Kind, r.Choice = field.Class.ID, event.KindPiece, s.b.choices
		r.Mask = field.Class.Mask(^declare.Set(0))
		r.Accepted = s.b.now().UnixMilli()
		plain = event.AppendPiece(plain[:0], &event.Piece{Event: e.ID, At: r.Accepted,
			Fields: []event.Field{{ID: field.ID, Value: text(fmt.Sprint("product-", s.rng.IntN(5000)))}}})
		var err error
		if r.Sealed, err = s.b.keys.Seal(nil, &r.Header, plain); err != nil {
			s.b.t.Fatal(err)
		}
	}
	return f
}

func mustEvent(b *bed, name string) *declare.Event {
	b.t.Helper()
	e, ok := b.d.Event(name)
	if !ok {
		b.t.Fatalf("no event %s", name)
	}
	return e
}

// BenchmarkApply folds frames of 500 records over 50,000 people; an op is a
// record. Sealing the records is not counted.
func BenchmarkApply(b *testing.B) {
	bed := newBed(b)
	s := &stock{b: bed, tokens: crowd(bed, 50_000), rng: rand.New(rand.NewPCG(1, 2))}
	const size = 500
	frames := make([]event.Frame, 400)
	for i := range frames {
		frames[i] = s.frame(size)
	}
	b.ReportAllocs()
	next, done := 0, 0
	var spent time.Duration
	for b.Loop() {
		if done%size == 0 {
			if next == len(frames) {
				b.StopTimer()
				for i := range frames {
					frames[i] = s.frame(size)
				}
				next = 0
				b.StartTimer()
			}
			before := cpu(b)
			if err := bed.vault.Apply(frames[next]); err != nil {
				b.Fatal(err)
			}
			spent += cpu(b) - before
			next++
		}
		done++
	}
	b.ReportMetric(float64(done)/b.Elapsed().Seconds(), "records/s")
	b.ReportMetric(float64(spent.Nanoseconds())/float64(done), "cpu-ns/op")
	if st := bed.vault.Stats(); st.Folded == 0 || st.Erased+st.Duplicates+st.Damaged+st.Withdrawn+st.Outlived != 0 {
		b.Fatalf("%+v", st)
	}
}

// BenchmarkApplyStreams folds 300,000 records of two streams at once. Run it
// with -benchtime 1x: what was applied once is not applied again.
func BenchmarkApplyStreams(b *testing.B) {
	bed := newBed(b)
	tokens := crowd(bed, 50_000)
	const size, frames = 500, 300
	var stocks [2][]event.Frame
	for i := range stocks {
		s := &stock{b: bed, tokens: tokens[i*25_000 : (i+1)*25_000], rng: rand.New(rand.NewPCG(1, uint64(i)))}
		for range frames {
			f := s.frame(size)
			f.Stream = i
			stocks[i] = append(stocks[i], f)
		}
	}
	b.ReportAllocs()
	b.ResetTimer()
	before := cpu(b)
	var both sync.WaitGroup
	for i := range stocks {
		both.Go(func() {
			for j := range stocks[i] {
				if err := bed.vault.Apply(stocks[i][j]); err != nil {
					b.Error(err)
				}
			}
		})
	}
	both.Wait()
	b.ReportMetric(2*frames*size/b.Elapsed().Seconds(), "records/s")
	b.ReportMetric(float64((cpu(b)-before).Nanoseconds())/(2*frames*size), "cpu-ns/record")
}

// cpu returns the processor time of the process, background work included: a
// measure that a busy machine does not disturb as much as the clock.
func cpu(b *testing.B) time.Duration {
	var r syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &r); err != nil {
		b.Fatal(err)
	}
	return time.Duration(r.Utime.Nano() + r.Stime.Nano())
}

// BenchmarkView reads people with 30 interactions in one month.
func BenchmarkView(b *testing.B) {
	bed := newBed(b)
	s := &stock{b: bed, tokens: crowd(bed, 5000), rng: rand.New(rand.NewPCG(1, 2))}
	for range 300 {
		if err := bed.vault.Apply(s.frame(500)); err != nil {
			b.Fatal(err)
		}
	}
	purpose := bed.purpose("personalization")
	b.Run("memory", func(b *testing.B) { benchView(b, bed, s.tokens, purpose) })
	if err := bed.vault.db.Flush(); err != nil {
		b.Fatal(err)
	}
	b.Run("tables", func(b *testing.B) { benchView(b, bed, s.tokens, purpose) })
}

func benchView(b *testing.B, bed *bed, tokens []identity.Token, purpose declare.PurposeIndex) {
	b.ReportAllocs()
	n, total := 0, 0
	before := cpu(b)
	for b.Loop() {
		g, reason := bed.gate.Ask(tokens[n%len(tokens)], purpose, consent.Where{}, bed.now())
		if reason != consent.Allowed {
			b.Fatal(reason)
		}
		view, err := bed.vault.View(context.Background(), g)
		if err != nil {
			b.Fatal(err)
		}
		total += len(view.Interactions())
		n++
	}
	b.ReportMetric(float64(total)/float64(n), "interactions/op")
	b.ReportMetric(float64((cpu(b)-before).Nanoseconds())/float64(n), "cpu-ns/op")
}

func BenchmarkSeal(b *testing.B) {
	bed := newBed(b)
	tokens := crowd(bed, 50_000)
	class := fieldOf(bed, "Product Viewed product_id").Class.ID
	plain, dst := make([]byte, 60), make([]byte, 0, 200)
	h := header(tokens[0], class, 1)
	b.ReportAllocs()
	n := 0
	for b.Loop() {
		h.Token = tokens[n%len(tokens)]
		if _, err := bed.keys.Seal(dst, h, plain); err != nil {
			b.Fatal(err)
		}
		n++
	}
}

func BenchmarkOpen(b *testing.B) {
	bed := newBed(b)
	tokens := crowd(bed, 50_000)
	class := fieldOf(bed, "Product Viewed product_id").Class.ID
	sealed := make([][]byte, len(tokens))
	h := header(tokens[0], class, 1)
	for i, t := range tokens {
		h.Token = t
		s, err := bed.keys.Seal(nil, h, make([]byte, 60))
		if err != nil {
			b.Fatal(err)
		}
		sealed[i] = s
	}
	dst := make([]byte, 0, 200)
	b.ReportAllocs()
	n := 0
	for b.Loop() {
		h.Token = tokens[n%len(tokens)]
		if _, err := bed.keys.Open(dst, h, sealed[n%len(tokens)]); err != nil {
			b.Fatal(err)
		}
		n++
	}
}

// BenchmarkEnsure asks for 100 lookups at once: all known, or five of them new.
func BenchmarkEnsure(b *testing.B) {
	for name, fresh := range map[string]int{"known": 0, "5new": 5} {
		b.Run(name, func(b *testing.B) {
			k := openKeys(b, b.TempDir())
			ls := make([]identity.Lookup, 100)
			for i := range ls {
				ls[i] = lookup(i)
			}
			ensure(b, k, ls...)
			next := len(ls)
			b.ReportAllocs()
			for b.Loop() {
				for i := range fresh {
					ls[i] = lookup(next)
					next++
				}
				if _, err := k.Ensure(context.Background(), ls); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkEnsureTogether has 64 callers who each ask for a new person.
func BenchmarkEnsureTogether(b *testing.B) {
	k := openKeys(b, b.TempDir())
	var next atomic.Int64
	b.ReportAllocs()
	b.SetParallelism(32)
	b.RunParallel(func(pb *testing.PB) {
		ls := make([]identity.Lookup, 1)
		for pb.Next() {
			ls[0] = lookup(int(next.Add(1)))
			if _, err := k.Ensure(context.Background(), ls); err != nil {
				b.Error(err)
				return
			}
		}
	})
}

// BenchmarkPrepare asks for 100 keys that all exist.
func BenchmarkPrepare(b *testing.B) {
	bed := newBed(b)
	tokens := crowd(bed, 1000)
	class := fieldOf(bed, "Product Viewed product_id").Class.ID
	needs := make([]Need, 100)
	for i := range needs {
		needs[i] = Need{tokens[i*7], class}
	}
	b.ReportAllocs()
	for b.Loop() {
		if err := bed.keys.Prepare(context.Background(), needs); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkSeen asks for ids of which nearly none was seen.
func BenchmarkSeen(b *testing.B) {
	bed := newBed(b)
	s := &stock{b: bed, tokens: crowd(bed, 1000), rng: rand.New(rand.NewPCG(1, 2))}
	for range 100 {
		if err := bed.vault.Apply(s.frame(500)); err != nil {
			b.Fatal(err)
		}
	}
	var id event.ID
	class := fieldOf(bed, "Product Viewed product_id").Class.ID
	b.ReportAllocs()
	for b.Loop() {
		binary.LittleEndian.PutUint64(id[:], s.rng.Uint64())
		binary.LittleEndian.PutUint64(id[8:], s.rng.Uint64())
		if seen, err := bed.vault.Seen(0, id, class); err != nil || seen {
			b.Fatal(seen, err)
		}
	}
}
