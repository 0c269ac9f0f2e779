package eventlog

import (
	"context"
	"errors"
	"net"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"

	"accord/internal/event"
)

// outside starts a NATS server as an operator would: listening, with its own
// limits.
func outside(t *testing.T, dir string, port int) *server.Server {
	t.Helper()
	s, err := server.NewServer(&server.Options{
		ServerName: "outside", Host: "127.0.0.1", Port: port, NoSigs: true, NoLog: true,
		JetStream: true, StoreDir: dir, SyncAlways: true,
	})
	if err != nil {
		t.Fatal(err)
	}
	s.Start()
	if !s.ReadyForConnections(20 * time.Second) {
		t.Fatal("the outside server does not start")
	}
	t.Cleanup(func() { s.Shutdown(); s.WaitForShutdown() })
	return s
}

// "An existing cluster by URL; the code path is the same", and "a publish that
// is retried carries the same message id and is stored once": the server goes
// away under load and comes back, and no acknowledged record is lost or doubled.
func TestOutsideServerRestarts(t *testing.T) {
	dir := t.TempDir()
	s := outside(t, dir, server.RANDOM_PORT)
	l := open(t, Options{URL: s.ClientURL()})
	port := s.Addr().(*net.TCPAddr).Port
	var stop atomic.Bool
	var mu sync.Mutex
	acknowledged := map[event.ID]bool{}
	var wg sync.WaitGroup
	for who := range uint64(8) {
		wg.Go(func() {
			for n := uint64(0); !stop.Load(); n++ {
				r := record(who, n, forEver, 100)
				if err := l.Append(t.Context(), []event.Record{r}); err != nil {
					t.Error(err)
					return
				}
				mu.Lock()
				acknowledged[r.ID] = true
				mu.Unlock()
			}
		})
	}
	some := func(more int) {
		mu.Lock()
		want := len(acknowledged) + more
		mu.Unlock()
		until(t, "records are acknowledged", func() bool { mu.Lock(); defer mu.Unlock(); return len(acknowledged) >= want })
	}
	some(200)
	s.Shutdown()
	s.WaitForShutdown()
	until(t, "publishes are tried again", func() bool { return l.Stats().Retries > 0 })
	outside(t, dir, port)
	some(200)
	stop.Store(true)
	wg.Wait()
	times := map[event.ID]int{}
	for _, f := range collect(t, l, nil) {
		for _, r := range f.Records {
			times[r.ID]++
		}
	}
	for id := range acknowledged {
		if times[id] != 1 {
			t.Fatalf("acknowledged record %x is there %d times", id, times[id])
		}
	}
	if _, err := l.AppendChoice(deadline(t), event.ChoiceMessage{Token: person(1)}); err != nil {
		t.Error(err)
	}
	if err := l.Probe(deadline(t)); err != nil {
		t.Error(err)
	}
}

// "Bytes and records that wait are bounded (ErrBusy); nothing waits longer than
// Patience": the engine stops, callers fill the queue and no more, a context
// ends the waiting of its own caller, and patience everybody's.
func TestBusyAndUnavailable(t *testing.T) {
	l := open(t, Options{Dir: t.TempDir(), QueueRecords: 10, patience: 2 * time.Second})
	l.engine.server.Shutdown()
	l.engine.server.WaitForShutdown()
	var wg sync.WaitGroup
	errs := make(chan error, 10)
	for who := range uint64(10) {
		wg.Go(func() { errs <- l.Append(t.Context(), []event.Record{record(who, 0, forEver, 100)}) })
	}
	until(t, "the queue is full", func() bool { return l.Stats().QueuedRecords == 10 })
	for range 100 {
		if err := l.Append(t.Context(), []event.Record{record(1, 1, forEver, 100)}); !errors.Is(err, ErrBusy) {
			t.Fatalf("beyond the queue: %v", err)
		}
	}
	if s := l.Stats(); s.QueuedRecords > 10 || s.Refused != 100 {
		t.Errorf("stats %+v", s)
	}
	wg.Wait()
	for range 10 {
		if err := <-errs; !errors.Is(err, ErrUnavailable) {
			t.Errorf("after patience: %v", err)
		}
	}
	until(t, "the queue is empty", func() bool { s := l.Stats(); return s.QueuedRecords == 0 && s.QueuedBytes == 0 })
	if s := l.Stats(); s.Failed != 10 || s.Records != 0 {
		t.Errorf("stats %+v", s)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if err := l.Append(ctx, []event.Record{record(1, 2, forEver, 100)}); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a caller with a deadline: %v", err)
	}
	if _, err := l.AppendChoice(ctx, event.ChoiceMessage{Token: person(1)}); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a choice with a deadline: %v", err)
	}
	if err := l.Probe(t.Context()); !errors.Is(err, ErrUnavailable) {
		t.Errorf("Probe: %v", err)
	}
}

// Choices that wait are bounded too.
func TestBusyChoices(t *testing.T) {
	l := open(t, Options{Dir: t.TempDir()})
	for range choicesInFlight {
		l.choices <- struct{}{}
	}
	if _, err := l.AppendChoice(t.Context(), event.ChoiceMessage{}); !errors.Is(err, ErrBusy) {
		t.Errorf("beyond the limit: %v", err)
	}
	<-l.choices
	if _, err := l.AppendChoice(deadline(t), event.ChoiceMessage{}); err != nil {
		t.Errorf("with room: %v", err)
	}
}

// "The embedded server": every write is synced, and no port is open.
func TestEngine(t *testing.T) {
	l := open(t, Options{Dir: t.TempDir()})
	if c := l.engine.server.JetStreamConfig(); !c.SyncAlways {
		t.Error("writes are not synced")
	}
	if a := l.engine.server.Addr(); a != nil {
		t.Errorf("the embedded server listens on %s", a)
	}
}

// RawRate measures something, cleans up and respects the lock.
func TestRawRate(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "raw")
	for range 2 {
		frames, bytes, err := RawRate(deadline(t), dir, 64<<10, 2, 100*time.Millisecond)
		if err != nil || frames <= 0 || bytes != frames*(64<<10) {
			t.Fatalf("%.0f frames/s, %.0f bytes/s, %v", frames, bytes, err)
		}
	}
	open(t, Options{Dir: dir})
	if _, _, err := RawRate(deadline(t), dir, 100, 1, time.Millisecond); !errors.Is(err, ErrInUse) {
		t.Errorf("in a directory in use: %v", err)
	}
	if _, _, err := RawRate(deadline(t), dir, 0, 1, time.Second); err == nil {
		t.Error("frames of no bytes were accepted")
	}
}
