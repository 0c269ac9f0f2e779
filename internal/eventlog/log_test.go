package eventlog

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/nats-io/nats.go/jetstream"

	"accord/internal/declare"
	"accord/internal/event"
)

// "A nil error of Append means that every record is on disk": what was appended
// comes back whole, from the right stream, and after a reopening too.
func TestRoundTrip(t *testing.T) {
	dir := t.TempDir()
	l := open(t, Options{Dir: dir})
	var all []event.Record
	for i := range uint64(200) {
		all = append(all, record(i, i, []declare.ClassID{forEver, aYear}[i%2], int(i)))
	}
	if err := l.Append(deadline(t), all); err != nil {
		t.Fatal(err)
	}
	check := func(l *Log) {
		t.Helper()
		left := map[event.ID]event.Record{}
		for _, r := range all {
			left[r.ID] = r
		}
		for _, f := range collect(t, l, nil) {
			for _, r := range f.Records {
				if l.StreamOf(r.Token) != f.Stream {
					t.Errorf("record %x lies in stream %d", r.ID, f.Stream)
				}
				if d := cmp.Diff(left[r.ID], r, cmp.Transformer("", func(b []byte) string { return string(b) })); d != "" {
					t.Errorf("record changed or doubled: %s", d)
				}
				delete(left, r.ID)
			}
			again, err := l.Read(deadline(t), f.Stream, f.Sequence)
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(f, again); d != "" {
				t.Errorf("Read differs from Follow: %s", d)
			}
		}
		if len(left) != 0 {
			t.Errorf("%d records are missing", len(left))
		}
	}
	check(l)
	if s := l.Stats(); s.Records != 200 || s.Frames != 8 || s.QueuedBytes != 0 || s.QueuedRecords != 0 {
		t.Errorf("stats %+v, want 200 records in 8 frames (4 streams, 2 retentions) and an empty queue", s)
	}
	closeLog(t, l)
	check(open(t, Options{Dir: dir}))
}

// "Records of one person and one retention are followed in the order in which
// Append took them", and a Follow from the middle goes on exactly there.
func TestOrderAndResumption(t *testing.T) {
	l := open(t, Options{Dir: t.TempDir(), cut: 2000})
	const people, each = 8, 100
	var writers sync.WaitGroup
	for who := range uint64(people) {
		writers.Go(func() {
			for n := range uint64(each) {
				if err := l.Append(t.Context(), []event.Record{record(who, n, forEver, 50)}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	writers.Wait()
	frames := collect(t, l, nil)
	next := map[uint64]uint64{}
	for _, f := range frames {
		for _, r := range f.Records {
			who, n := uint64(r.ID[7]), uint64(r.ID[15])
			if n != next[who] {
				t.Fatalf("record %d of person %d came when %d was due", n, who, next[who])
			}
			next[who]++
		}
	}
	if len(next) != people {
		t.Fatalf("%d people came back", len(next))
	}
	ends, err := l.Ends(deadline(t))
	if err != nil {
		t.Fatal(err)
	}
	from := []uint64{ends[0] / 2, ends[1], 0, ends[3] - 1}
	want := ends[0] - from[0] + ends[2] + 1
	if got := collect(t, l, from); uint64(len(got)) != want {
		t.Errorf("from %v to %v came %d frames, want %d", from, ends, len(got), want)
	}
}

// "Under load a frame holds hundreds of records": concurrent callers share
// fsyncs, and none is left without its answer.
func TestGroupCommit(t *testing.T) {
	l := open(t, Options{Dir: t.TempDir()})
	const callers, each = 200, 20
	var wg sync.WaitGroup
	for who := range uint64(callers) {
		wg.Go(func() {
			for n := range uint64(each) {
				if err := l.Append(t.Context(), []event.Record{record(who, n, forEver, 200)}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	s := l.Stats()
	if s.Records != callers*each {
		t.Errorf("%d records on disk, want %d", s.Records, callers*each)
	}
	if per := float64(s.Records) / float64(s.Frames); per < 2 {
		t.Errorf("%.1f records a frame: callers do not share the way to the disk", per)
	}
}

// A lone append costs one fsync and no waiting; a record at the limit fits, one
// beyond it and a call beyond the queue are refused and take no room.
func TestSizes(t *testing.T) {
	l := open(t, Options{Dir: t.TempDir(), QueueBytes: 6 << 20, QueueRecords: 100})
	largest := record(1, 1, forEver, event.MaxFrame-100)
	if err := l.Append(deadline(t), []event.Record{largest}); err != nil {
		t.Fatal("the largest record:", err)
	}
	if err := l.Append(deadline(t), []event.Record{record(1, 2, forEver, event.MaxFrame)}); !errors.Is(err, ErrTooLarge) {
		t.Errorf("a record beyond a frame: %v", err)
	}
	if err := l.Append(deadline(t), make([]event.Record, 101)); !errors.Is(err, ErrTooLarge) {
		t.Errorf("a call beyond the queue: %v", err)
	}
	if err := l.Append(deadline(t), nil); err != nil {
		t.Errorf("nothing: %v", err)
	}
	frames := collect(t, l, nil)
	if len(frames) != 1 || len(frames[0].Records) != 1 || !bytes.Equal(frames[0].Records[0].Sealed, largest.Sealed) {
		t.Error("the largest record did not come back")
	}
	if s := l.Stats(); s.QueuedBytes != 0 || s.QueuedRecords != 0 {
		t.Errorf("the queue keeps %d bytes of %d records", s.QueuedBytes, s.QueuedRecords)
	}
}

// "A frame carries its class's retention as its time to live and leaves the log
// when that is over"; what follows it stays, and Follow steps over the hole.
func TestRetention(t *testing.T) {
	l := open(t, Options{Dir: t.TempDir(), Streams: 1})
	for n, c := range []declare.ClassID{forEver, fourSecs, aYear, fourSecs, forEver} {
		if err := l.Append(deadline(t), []event.Record{record(1, uint64(n), c, 20)}); err != nil {
			t.Fatal(err)
		}
	}
	s, err := l.js.Stream(t.Context(), "EV0")
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []struct{ subject, ttl string }{{"ev.0.ever", ""}, {"ev.0.4s", "4s"}, {"ev.0.31536000s", "31536000s"}} {
		m, err := s.GetMsg(t.Context(), uint64(i+1))
		if err != nil {
			t.Fatal(err)
		}
		if got := m.Header.Get(jetstream.MsgTTLHeader); m.Subject != want.subject || got != want.ttl {
			t.Errorf("frame %d: subject %q, time to live %q; want %q, %q", i+1, m.Subject, got, want.subject, want.ttl)
		}
	}
	until(t, "the short frames expire", func() bool {
		_, err := l.Read(deadline(t), 0, 4)
		return errors.Is(err, ErrNotFound)
	})
	var got []uint64
	for _, f := range collect(t, l, []uint64{1}) {
		got = append(got, f.Sequence)
	}
	if d := cmp.Diff([]uint64{3, 5}, got); d != "" {
		t.Errorf("after frame 1 and with 2 and 4 expired: %s", d)
	}
}

// "Sequences may have holes": a log whose beginning or end was deleted is
// followed without an error, and goes on with what is new.
func TestHoles(t *testing.T) {
	l := open(t, Options{Dir: t.TempDir(), Streams: 1})
	s, err := l.js.Stream(t.Context(), "EV0")
	if err != nil {
		t.Fatal(err)
	}
	add := func(n uint64) {
		t.Helper()
		if err := l.Append(deadline(t), []event.Record{record(1, n, forEver, 20)}); err != nil {
			t.Fatal(err)
		}
	}
	for n := range uint64(10) {
		add(n)
	}
	if err := s.Purge(t.Context(), jetstream.WithPurgeSequence(4)); err != nil {
		t.Fatal(err)
	}
	for _, seq := range []uint64{6, 9, 10} {
		if err := s.SecureDeleteMsg(t.Context(), seq); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := l.Read(deadline(t), 0, 6); !errors.Is(err, ErrNotFound) {
		t.Errorf("Read of a deleted frame: %v", err)
	}
	if ends, err := l.Ends(deadline(t)); err != nil || ends[0] != 8 {
		t.Errorf("the last frame that is there is %v (%v), want 8", ends, err)
	}
	got := make(chan uint64, 10)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		ended <- l.Follow(ctx, []uint64{2}, func(f event.Frame) error { got <- f.Sequence; return nil })
	}()
	for _, want := range []uint64{4, 5, 7, 8} {
		if seq := <-got; seq != want {
			t.Fatalf("frame %d came, want %d", seq, want)
		}
	}
	add(11)
	if seq := <-got; seq != 11 {
		t.Fatalf("frame %d came, want the new one, 11", seq)
	}
	cancel()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("Follow ended with %v", err)
	}
}

// "A log that ends before what was already applied is refused."
func TestLogBehind(t *testing.T) {
	l := open(t, Options{Dir: t.TempDir()})
	if err := l.Append(deadline(t), []event.Record{record(0, 0, forEver, 20)}); err != nil {
		t.Fatal(err)
	}
	called := func(event.Frame) error { t.Error("a frame was delivered"); return nil }
	for _, from := range [][]uint64{{2}, {0, 1}, {0, 0, 0, 0, 9}} {
		if err := l.Follow(deadline(t), from, called); !errors.Is(err, ErrLogBehind) {
			t.Errorf("from %v: %v", from, err)
		}
	}
	if err := l.Choices(deadline(t), 1, nil); !errors.Is(err, ErrLogBehind) {
		t.Errorf("choices: %v", err)
	}
}

// Follow resumes by itself when its consumer is taken away, losing and doubling
// nothing.
func TestFollowSurvivesItsConsumer(t *testing.T) {
	l := open(t, Options{Dir: t.TempDir(), Streams: 1})
	var seen atomic.Uint64
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		ended <- l.Follow(ctx, nil, func(f event.Frame) error {
			if !seen.CompareAndSwap(f.Sequence-1, f.Sequence) {
				return fmt.Errorf("frame %d after %d", f.Sequence, seen.Load())
			}
			return nil
		})
	}()
	for round := range uint64(3) {
		if err := l.Append(deadline(t), []event.Record{record(1, round, forEver, 20)}); err != nil {
			t.Fatal(err)
		}
		until(t, "the frame comes", func() bool { return seen.Load() == round+1 })
		s, err := l.js.Stream(t.Context(), "EV0")
		if err != nil {
			t.Fatal(err)
		}
		for name := range s.ConsumerNames(t.Context()).Name() {
			if err := s.DeleteConsumer(t.Context(), name); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := l.Append(deadline(t), []event.Record{record(1, 9, forEver, 20)}); err != nil {
		t.Fatal(err)
	}
	until(t, "the last frame comes", func() bool { return seen.Load() == 4 })
	cancel()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Error("Follow:", err)
	}
}

// fn's error ends Follow at once, and a foreign message in a stream is a fault,
// never skipped.
func TestFollowErrors(t *testing.T) {
	l := open(t, Options{Dir: t.TempDir(), Streams: 2})
	if err := l.Append(deadline(t), []event.Record{record(0, 0, forEver, 20), record(1, 0, forEver, 20)}); err != nil {
		t.Fatal(err)
	}
	if err := l.Follow(deadline(t), nil, func(event.Frame) error { return errEnough }); !errors.Is(err, errEnough) {
		t.Errorf("fn's error: %v", err)
	}
	ack, err := l.js.Publish(t.Context(), "ev.1.ever", []byte("no frame"))
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Follow(deadline(t), nil, func(event.Frame) error { return nil }); !errors.Is(err, event.ErrCorrupt) || !strings.Contains(err.Error(), "EV1") {
		t.Errorf("a foreign message: %v", err)
	}
	if _, err := l.Read(deadline(t), 1, ack.Sequence); !errors.Is(err, event.ErrCorrupt) {
		t.Errorf("Read of a foreign message: %v", err)
	}
}

// ErrInUse, ErrMismatch and wrong options each say what is wrong.
func TestOpenErrors(t *testing.T) {
	dir := t.TempDir()
	l := open(t, Options{Dir: dir, Streams: 2})
	if _, err := Open(t.Context(), Options{Dir: dir, Streams: 2}); !errors.Is(err, ErrInUse) {
		t.Errorf("a second log in the directory: %v", err)
	}
	closeLog(t, l)
	if _, err := Open(t.Context(), Options{Dir: dir, Streams: 4}); !errors.Is(err, ErrMismatch) || !strings.Contains(err.Error(), "has 2 streams") {
		t.Errorf("another number of streams: %v", err)
	}
	for _, o := range []Options{{}, {Dir: dir, Streams: 65}, {Dir: dir, Replicas: 6}, {Dir: dir, QueueBytes: -1}} {
		if _, err := Open(t.Context(), o); err == nil {
			t.Errorf("options %+v were accepted", o)
		}
	}
	_, err := Open(t.Context(), Options{URL: "nats://user:hunter2@127.0.0.1:1"})
	if err == nil || strings.Contains(err.Error(), "hunter2") {
		t.Errorf("an unreachable server: %v", err)
	}
	open(t, Options{Dir: dir, Streams: 2}) // and every failure freed the directory
}

// A log that was there and is gone, in whole or in part, is refused, and nothing
// is made in its place.
func TestLogLost(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "log")
	l := open(t, Options{Dir: dir, Streams: 2})
	identity := l.Identity()
	if identity == "" {
		t.Fatal("a log without an identity")
	}
	closeLog(t, l)
	l = open(t, Options{Dir: dir, Streams: 2, Identity: identity, Made: true})
	if got := l.Identity(); got != identity {
		t.Errorf("the identity became %q", got)
	}
	if err := l.Append(deadline(t), []event.Record{record(0, 0, forEver, 20)}); err != nil {
		t.Fatal(err)
	}
	if _, err := l.AppendChoice(deadline(t), event.ChoiceMessage{Token: person(0)}); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		applied []uint64
		choice  uint64
		behind  bool
	}{{nil, 0, false}, {[]uint64{1}, 1, false}, {[]uint64{2}, 0, true}, {nil, 2, true}, {[]uint64{0, 0, 1}, 0, true}} {
		if err := l.Reaches(deadline(t), c.applied, c.choice); errors.Is(err, ErrLogBehind) != c.behind {
			t.Errorf("%v and choice %d: %v", c.applied, c.choice, err)
		}
	}
	if last, err := l.LastChoice(deadline(t)); err != nil || last != 1 {
		t.Errorf("the last choice is %d, %v", last, err)
	}
	if err := l.js.DeleteStream(t.Context(), choiceStream); err != nil {
		t.Fatal(err)
	}
	closeLog(t, l)
	if _, err := Open(t.Context(), Options{Dir: dir, Streams: 2, Identity: identity, Made: true}); !errors.Is(err, ErrLogLost) || !strings.Contains(err.Error(), "CHOICES") {
		t.Errorf("without the choice stream: %v", err)
	}
	if _, err := Open(t.Context(), Options{Dir: dir, Streams: 2, Identity: "another", Made: true}); !errors.Is(err, ErrLogLost) {
		t.Errorf("another log: %v", err)
	}
	gone := filepath.Join(t.TempDir(), "log")
	if _, err := Open(t.Context(), Options{Dir: gone, Identity: identity, Made: true}); !errors.Is(err, ErrLogLost) {
		t.Errorf("without the log: %v", err)
	}
	if _, err := os.Stat(gone); !errors.Is(err, fs.ErrNotExist) {
		t.Error("a directory was made where the copy goes")
	}
}

// Starting and stopping a healthy log is nobody's news.
func TestQuietStart(t *testing.T) {
	var out bytes.Buffer
	l := open(t, Options{Dir: t.TempDir(), Logger: slog.New(slog.NewTextHandler(&out, nil))})
	if err := l.Probe(deadline(t)); err != nil {
		t.Error(err)
	}
	closeLog(t, l)
	if out.Len() > 0 {
		t.Errorf("the log says at level info and above:\n%s", &out)
	}
}

// After Close everything answers ErrClosed, and what Close found waiting was
// written: "Close takes no more, waits until everything taken is on disk".
func TestCloseDrains(t *testing.T) {
	dir := t.TempDir()
	l := open(t, Options{Dir: dir})
	var acknowledged atomic.Int64
	var wg sync.WaitGroup
	for who := range uint64(32) {
		wg.Go(func() {
			for n := uint64(0); ; n++ {
				err := l.Append(context.Background(), []event.Record{record(who, n, forEver, 100)})
				if errors.Is(err, ErrClosed) {
					return
				}
				if err != nil {
					t.Error(err)
					return
				}
				acknowledged.Add(1)
			}
		})
	}
	followed := make(chan error, 1)
	go func() { followed <- l.Follow(context.Background(), nil, func(event.Frame) error { return nil }) }()
	until(t, "some are on disk", func() bool { return acknowledged.Load() > 100 })
	closeLog(t, l)
	wg.Wait()
	if err := <-followed; !errors.Is(err, ErrClosed) {
		t.Errorf("Follow ended with %v", err)
	}
	if err := l.Probe(t.Context()); !errors.Is(err, ErrClosed) {
		t.Errorf("Probe: %v", err)
	}
	if _, err := l.AppendChoice(t.Context(), event.ChoiceMessage{}); !errors.Is(err, ErrClosed) {
		t.Errorf("AppendChoice: %v", err)
	}
	var stored int64
	for _, f := range collect(t, open(t, Options{Dir: dir}), nil) {
		stored += int64(len(f.Records))
	}
	if stored < acknowledged.Load() {
		t.Errorf("%d records were acknowledged, %d are there", acknowledged.Load(), stored)
	}
	closeLog(t, l) // a second Close is harmless
}

// Probe writes for real, and again and again leaves nothing behind.
func TestProbe(t *testing.T) {
	l := open(t, Options{Dir: t.TempDir()})
	for range 20 {
		if err := l.Probe(deadline(t)); err != nil {
			t.Fatal(err)
		}
	}
	s, err := l.js.Stream(t.Context(), probeStream)
	if err != nil {
		t.Fatal(err)
	}
	if st := s.CachedInfo().State; st.Msgs != 1 || st.LastSeq != 20 {
		t.Errorf("%d messages, last %d; want 1 and 20", st.Msgs, st.LastSeq)
	}
	l.streams[2].failed.Store(time.Now().UnixNano())
	if err := l.Probe(deadline(t)); !errors.Is(err, ErrUnavailable) || !strings.Contains(err.Error(), "EV2") {
		t.Errorf("with a stream that failed just now: %v", err)
	}
}
