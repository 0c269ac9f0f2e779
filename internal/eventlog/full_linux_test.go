package eventlog

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"accord/internal/event"
)

// smallDisk mounts a disk of 96 MiB, or skips where that is not allowed.
func smallDisk(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=96m"); err != nil {
		t.Skipf("a small disk cannot be mounted here (it needs root): %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, 0); err != nil {
			t.Error(err)
		}
	})
	return dir
}

// fill takes the disk's space but for left bytes and returns what frees it.
func fill(t *testing.T, dir string, left uint64) (free func()) {
	t.Helper()
	name := filepath.Join(dir, "ballast")
	if err := os.WriteFile(name, make([]byte, available(dir)-left), 0o600); err != nil {
		t.Fatal(err)
	}
	return func() {
		if err := os.Remove(name); err != nil {
			t.Fatal(err)
		}
	}
}

// "A disk is never filled to its last byte (ErrFull)", and when there is room
// again the log goes on by itself.
func TestDiskNearlyFull(t *testing.T) {
	dir := smallDisk(t)
	l := open(t, Options{Dir: filepath.Join(dir, "log"), Reserve: 16 << 20})
	add := func() error { return l.Append(deadline(t), []event.Record{record(1, 1, forEver, 1000)}) }
	if err := add(); err != nil {
		t.Fatal(err)
	}
	free := fill(t, dir, 8<<20)
	until(t, "the log refuses", func() bool { return errors.Is(add(), ErrFull) })
	if err := l.Probe(deadline(t)); !errors.Is(err, ErrFull) {
		t.Errorf("Probe: %v", err)
	}
	if _, err := l.AppendChoice(deadline(t), event.ChoiceMessage{}); !errors.Is(err, ErrFull) {
		t.Errorf("AppendChoice: %v", err)
	}
	if s := l.Stats(); s.Full < 2 || s.Refused+s.Failed != 0 {
		t.Errorf("what the full disk refused is not counted as such: %+v", s)
	}
	free()
	until(t, "the log goes on", func() bool { return add() == nil })
	if err := l.Probe(deadline(t)); err != nil {
		t.Errorf("Probe with room again: %v", err)
	}
}

// A disk that fills in spite of the reserve: nothing is acknowledged that is not
// there, callers get an error that says what to do, and after a restart with
// room everything acknowledged is there and the log goes on.
func TestDiskFull(t *testing.T) {
	dir := smallDisk(t)
	o := Options{Dir: filepath.Join(dir, "log"), Reserve: -1, Streams: 1, patience: time.Second}
	l := open(t, o)
	free := fill(t, dir, 2<<20)
	acknowledged := map[event.ID]bool{}
	var err error
	for n := uint64(0); err == nil; n++ {
		r := record(1, n, forEver, 100_000)
		if err = l.Append(deadline(t), []event.Record{r}); err == nil {
			acknowledged[r.ID] = true
		}
	}
	if !errors.Is(err, ErrUnavailable) && !errors.Is(err, ErrFull) {
		t.Errorf("on a full disk: %v", err)
	}
	t.Log("on a full disk:", err)
	if err := l.Probe(deadline(t)); err == nil {
		t.Error("Probe finds a full disk healthy")
	}
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	l.Close(ctx)
	free()
	l = open(t, o)
	for _, f := range collect(t, l, nil) {
		for _, r := range f.Records {
			delete(acknowledged, r.ID)
		}
	}
	if len(acknowledged) > 0 {
		t.Errorf("%d acknowledged records are lost", len(acknowledged))
	}
	if err := l.Append(deadline(t), []event.Record{record(2, 0, forEver, 100_000)}); err != nil {
		t.Error("after a restart with room:", err)
	}
}
