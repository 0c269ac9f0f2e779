package vault

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"path/filepath"
	"slices"
	"sync/atomic"
	"syscall"
	"testing"

	"accord/internal/consent"
	"accord/internal/event"
	"accord/internal/identity"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
)

var quiet = WithLogger(slog.New(slog.NewTextHandler(io.Discard, nil)))

// fullDisk is a disk in memory on which, from the n-th change on, nothing fits.
// Sync and what was synced before behave as on a real disk.
type fullDisk struct {
	memory *vfs.MemFS
	vfs.FS
	left atomic.Int64
}

func newFullDisk(changes int) *fullDisk {
	d := &fullDisk{memory: vfs.NewCrashableMem()}
	d.left.Store(int64(changes))
	d.FS = errorfs.Wrap(d.memory, errorfs.InjectorFunc(func(op errorfs.Op) error {
		if op.Kind.ReadOrWrite() == errorfs.OpIsWrite && op.Kind != errorfs.OpFileClose && op.Kind != errorfs.OpLock && d.left.Add(-1) < 0 {
			return syscall.ENOSPC
		}
		return nil
	}))
	return d
}

// crash returns the disk as a power cut now would leave it.
func (d *fullDisk) crash() *vfs.MemFS { return d.memory.CrashClone(vfs.CrashCloneCfg{}) }

// Promise 5: acknowledged is durable, on a disk that fills up at any moment. The
// store says so, ends without a panic, and what it had acknowledged is there
// after a power cut.
func TestKeysOnAFullDisk(t *testing.T) {
	dir := t.TempDir() // for kek.json
	for changes := 0; changes < 400; changes += 1 + changes/8 {
		disk := newFullDisk(changes)
		k, err := OpenKeys(dir, shop(), withFS(disk, 64<<10), quiet)
		if err != nil {
			if !errors.Is(err, syscall.ENOSPC) {
				t.Fatalf("after %d changes: open: %v", changes, err)
			}
			continue
		}
		acknowledged := map[identity.Lookup]identity.Token{}
		gone := map[identity.Token]bool{}
		for i := 0; err == nil && i < 2000; i++ {
			var ts []identity.Token
			if ts, err = k.Ensure(t.Context(), []identity.Lookup{lookup(i)}); err != nil {
				break
			}
			acknowledged[lookup(i)] = ts[0]
			if err = k.Prepare(t.Context(), []Need{{ts[0], 7}}); err == nil && i%3 == 0 {
				if err = k.Destroy(t.Context(), ts[0], 7); err == nil {
					gone[ts[0]] = true
				}
			}
		}
		if !errors.Is(err, syscall.ENOSPC) || !errors.Is(k.Err(), syscall.ENOSPC) {
			t.Fatalf("after %d changes: %v, Err %v", changes, err, k.Err())
		}
		select {
		case <-k.Failed():
		default:
			t.Fatal("Failed is not told")
		}
		if _, err := k.Ensure(t.Context(), []identity.Lookup{{99}}); !errors.Is(err, syscall.ENOSPC) {
			t.Fatalf("a change after the fault: %v", err)
		}
		after := disk.crash()
		if err := k.Close(); err != nil {
			t.Fatalf("after %d changes: close: %v", changes, err)
		}
		checkAfterCrash(t, dir, after, acknowledged, gone)
	}
}

func checkAfterCrash(t *testing.T, dir string, disk vfs.FS, tokens map[identity.Lookup]identity.Token, gone map[identity.Token]bool) {
	t.Helper()
	k, err := OpenKeys(dir, shop(), withFS(disk, 64<<10), quiet)
	if err != nil {
		t.Fatalf("open after the crash: %v", err)
	}
	defer k.Close()
	for l, want := range tokens {
		if got, ok, err := k.Find(l); err != nil || !ok || got != want {
			t.Fatalf("an acknowledged token: %v %v %v", got, ok, err)
		}
		if gone[want] {
			if _, err := k.Seal(nil, header(want, 7, 1), nil); !errors.Is(err, ErrNoKey) {
				t.Fatalf("a destroyed key: %v", err)
			}
		}
	}
}

// A state whose disk fills up says so, ends without a panic, and after a power
// cut continues from where it was: with the log's tail it is whole again.
func TestStateOnAFullDisk(t *testing.T) {
	b := newBed(t)
	ann := b.person(1)
	b.choose(ann, "personalization", consent.Given)
	var frames []event.Frame
	var items []string
	for i := range 300 {
		items = append(items, fmt.Sprintf("item-%03d", i))
		frames = append(frames, frame(0, uint64(i+1), b.viewed(ann, items[i]), b.ordered(b.person(i%7+2), "x")))
	}
	for changes := 0; changes < 400; changes += 1 + changes/4 {
		disk := newFullDisk(changes)
		v, err := Open("state", b.d, b.keys, b.gate, b.now, withFS(disk, 64<<10), quiet)
		if err != nil {
			if !errors.Is(err, syscall.ENOSPC) {
				t.Fatalf("after %d changes: open: %v", changes, err)
			}
			continue
		}
		for i := range frames {
			if err = v.Apply(frames[i]); err != nil {
				break
			}
			if i%50 == 49 {
				_ = v.db.Flush() // tables and compactions meet the full disk, too
			}
		}
		if err == nil {
			_ = v.db.Flush()
			err = v.Err()
		}
		if err != nil && !errors.Is(err, syscall.ENOSPC) {
			t.Fatalf("after %d changes: %v", changes, err)
		}
		after := disk.crash()
		if err := v.Close(); err != nil && !errors.Is(err, syscall.ENOSPC) {
			t.Fatalf("after %d changes: close: %v", changes, err)
		}
		v, err = Open("state", b.d, b.keys, b.gate, b.now, withFS(after, 64<<10), quiet)
		if err != nil {
			t.Fatalf("after %d changes: open after the crash: %v", changes, err)
		}
		for _, f := range frames[v.Applied()[0]:] {
			b.apply(v, f)
		}
		b.wants(b.items(v, ann, "personalization"), items...)
		if err := v.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// A data directory that cannot be made or read is an error that names it.
func TestBadDirectories(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := writeDurably(file, []byte("x")); err != nil {
		t.Fatal(err)
	}
	if _, err := OpenKeys(filepath.Join(file, "keys"), shop()); err == nil {
		t.Error("a directory below a file was opened")
	}
	dir := t.TempDir()
	k, err := OpenKeys(dir, shop())
	if err != nil {
		t.Fatal(err)
	}
	if err := k.Close(); err != nil {
		t.Fatal(err)
	}
	manifests, err := filepath.Glob(filepath.Join(dir, "store", "MANIFEST-*"))
	if err != nil || len(manifests) == 0 {
		t.Fatal(manifests, err)
	}
	slices.Sort(manifests)
	if err := writeDurably(manifests[len(manifests)-1], []byte("this is no manifest")); err != nil {
		t.Fatal(err)
	}
	if k, err := OpenKeys(dir, shop(), quiet); err == nil {
		k.Close()
		t.Error("a damaged store was opened")
	}
}
