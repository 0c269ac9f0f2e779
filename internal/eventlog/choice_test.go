package eventlog

import (
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/nats-io/nats.go/jetstream"

	"accord/internal/event"
)

// Choices come back in the order of their sequences, each as it was sealed, from
// any place on, and without waiting for deleted ones.
func TestChoices(t *testing.T) {
	l := open(t, Options{Dir: t.TempDir()})
	read := func(from uint64) (seqs []uint64) {
		t.Helper()
		err := l.Choices(deadline(t), from, func(m event.ChoiceMessage) error {
			seqs = append(seqs, m.Sequence)
			if want := fmt.Sprintf("choice %d", m.Sequence); string(m.Sealed) != want || m.Token != person(m.Sequence) {
				t.Errorf("choice %d holds %q of %s", m.Sequence, m.Sealed, m.Token)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		return seqs
	}
	if got := read(0); got != nil {
		t.Errorf("an empty stream gave %v", got)
	}
	for n := uint64(1); n <= 6; n++ {
		seq, err := l.AppendChoice(deadline(t), event.ChoiceMessage{Token: person(n), Sealed: fmt.Appendf(nil, "choice %d", n)})
		if err != nil || seq != n {
			t.Fatalf("choice %d got sequence %d, %v", n, seq, err)
		}
	}
	for _, seq := range []uint64{2, 5, 6, 2} { // the second time it is gone, which is no error
		if err := l.DeleteChoice(deadline(t), seq); err != nil {
			t.Fatal(err)
		}
	}
	for from, want := range map[uint64][]uint64{0: {1, 3, 4}, 1: {3, 4}, 3: {4}, 4: nil, 6: nil} {
		if d := cmp.Diff(want, read(from)); d != "" {
			t.Errorf("from %d: %s", from, d)
		}
	}
	var at []uint64
	err := l.ChoicesAt(deadline(t), []uint64{4, 2, 1, 9}, func(m event.ChoiceMessage) error {
		at = append(at, m.Sequence)
		if want := fmt.Sprintf("choice %d", m.Sequence); string(m.Sealed) != want || m.Token != person(m.Sequence) {
			t.Errorf("choice %d, read by itself, holds %q of %s", m.Sequence, m.Sealed, m.Token)
		}
		return nil
	})
	if d := cmp.Diff([]uint64{4, 1}, at); d != "" || err != nil {
		t.Errorf("read by themselves: %v %s", err, d)
	}
	if err := l.ChoicesAt(deadline(t), []uint64{1}, func(event.ChoiceMessage) error { return errEnough }); !errors.Is(err, errEnough) {
		t.Errorf("fn's error: %v", err)
	}
	if err := l.Choices(deadline(t), 0, func(event.ChoiceMessage) error { return errEnough }); !errors.Is(err, errEnough) {
		t.Errorf("fn's error: %v", err)
	}
	if _, err := l.js.Publish(t.Context(), "choice.0", []byte("no choice")); err != nil {
		t.Fatal(err)
	}
	if err := l.Choices(deadline(t), 4, func(event.ChoiceMessage) error { return nil }); !errors.Is(err, event.ErrCorrupt) {
		t.Errorf("a foreign message: %v", err)
	}
	if err := l.ChoicesAt(deadline(t), []uint64{7}, func(event.ChoiceMessage) error { return nil }); !errors.Is(err, event.ErrCorrupt) {
		t.Errorf("a foreign message, read by itself: %v", err)
	}
	if _, err := l.AppendChoice(deadline(t), event.ChoiceMessage{Sealed: make([]byte, event.MaxFrame)}); !errors.Is(err, ErrTooLarge) {
		t.Errorf("a choice beyond the limit: %v", err)
	}
}

// Many callers at once each get the sequence under which their own choice lies.
func TestConcurrentChoices(t *testing.T) {
	l := open(t, Options{Dir: t.TempDir()})
	var mu sync.Mutex
	mine := map[uint64]string{}
	var wg sync.WaitGroup
	for who := range 64 {
		wg.Go(func() {
			for n := range 10 {
				text := fmt.Sprintf("%d of %d", n, who)
				seq, err := l.AppendChoice(t.Context(), event.ChoiceMessage{Token: person(uint64(who)), Sealed: []byte(text)})
				if err != nil {
					t.Error(err)
					return
				}
				mu.Lock()
				mine[seq] = text
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	stored := map[uint64]string{}
	if err := l.Choices(deadline(t), 0, func(m event.ChoiceMessage) error { stored[m.Sequence] = string(m.Sealed); return nil }); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(mine, stored); d != "" {
		t.Error(d)
	}
}

// A start replays the whole choice stream, so reading it is fast. Storing the
// choices first takes some ten seconds.
func BenchmarkChoices(b *testing.B) {
	const stored = 50_000
	l := open(b, Options{Dir: b.TempDir()})
	js, err := jetstream.New(l.writes, jetstream.WithPublishAsyncMaxPending(4096))
	if err != nil {
		b.Fatal(err)
	}
	payload := appendChoice(nil, &event.ChoiceMessage{Token: person(1), Sealed: make([]byte, 250)})
	for range stored {
		if _, err := js.PublishAsync("choice.1", payload, jetstream.WithStallWait(time.Minute)); err != nil {
			b.Fatal(err)
		}
	}
	<-js.PublishAsyncComplete()
	b.ReportAllocs()
	began := time.Now()
	read := 0
	for b.Loop() {
		n := 0
		if err := l.Choices(b.Context(), 0, func(event.ChoiceMessage) error { n++; return nil }); err != nil || n != stored {
			b.Fatalf("read %d choices: %v", n, err)
		}
		read += n
	}
	b.ReportMetric(float64(read)/time.Since(began).Seconds(), "choices/s")
}
