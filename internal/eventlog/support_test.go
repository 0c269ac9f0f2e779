package eventlog

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"accord/internal/declare"
	"accord/internal/event"
	"accord/internal/identity"
)

func TestMain(m *testing.M) {
	if dir := os.Getenv(childDir); dir != "" {
		os.Exit(child(dir))
	}
	goleak.VerifyTestMain(m)
}

// Classes of the tests and how long they are kept.
const (
	forEver  = declare.ClassID(1)
	fourSecs = declare.ClassID(2)
	aYear    = declare.ClassID(3)
)

func retention(c declare.ClassID) time.Duration {
	return map[declare.ClassID]time.Duration{fourSecs: 3500 * time.Millisecond, aYear: 365 * 24 * time.Hour}[c]
}

// open opens a log and closes it with the test.
func open(t testing.TB, o Options) *Log {
	t.Helper()
	if o.Retention == nil {
		o.Retention = retention
	}
	l, err := Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { closeLog(t, l) })
	return l
}

func closeLog(t testing.TB, l *Log) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	if err := l.Close(ctx); err != nil {
		t.Error("Close:", err)
	}
}

// person returns the token of a person whose slot is spread by number.
func person(n uint64) (t identity.Token) {
	binary.BigEndian.PutUint64(t[:], n*0x9e3779b97f4a7c15)
	binary.BigEndian.PutUint64(t[8:], n)
	return t
}

// record returns record number n of a person, with a payload of size bytes.
func record(who, n uint64, c declare.ClassID, size int) event.Record {
	r := event.Record{Header: event.Header{Token: person(who), Class: c, Kind: event.KindPiece, Mask: 1, Choice: 7, Accepted: int64(n)}}
	binary.BigEndian.PutUint64(r.ID[:], who)
	binary.BigEndian.PutUint64(r.ID[8:], n)
	r.Sealed = make([]byte, size)
	for i := range r.Sealed {
		r.Sealed[i] = byte(n) + byte(i)
	}
	return r
}

// deadline returns a context that ends long after a healthy test has.
func deadline(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	return ctx
}

// errEnough ends a Follow from inside.
var errEnough = errors.New("enough")

// collect follows until every stream has reached its end and returns the frames.
func collect(t testing.TB, l *Log, from []uint64) []event.Frame {
	t.Helper()
	ctx := deadline(t)
	ends, err := l.Ends(ctx)
	if err != nil {
		t.Fatal(err)
	}
	at := make([]uint64, len(ends))
	copy(at, from)
	reached := func() bool {
		for i := range ends {
			if at[i] < ends[i] {
				return false
			}
		}
		return true
	}
	var mu sync.Mutex
	var frames []event.Frame
	if reached() {
		return nil
	}
	err = l.Follow(ctx, from, func(f event.Frame) error {
		mu.Lock()
		defer mu.Unlock()
		if f.Sequence <= at[f.Stream] {
			return fmt.Errorf("sequence %d of stream %d after %d", f.Sequence, f.Stream, at[f.Stream])
		}
		at[f.Stream] = f.Sequence
		frames = append(frames, f)
		if reached() {
			return errEnough
		}
		return nil
	})
	if !errors.Is(err, errEnough) {
		t.Fatal("Follow:", err)
	}
	return frames
}

// until polls until ok holds.
func until(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(30 * time.Second); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("never came true: " + what)
		}
	}
}
