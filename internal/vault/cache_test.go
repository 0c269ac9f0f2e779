package vault

import (
	"encoding/binary"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"accord/internal/declare"
	"accord/internal/event"
	"accord/internal/identity"

	"github.com/cockroachdb/pebble/v2/vfs"
	"pgregory.net/rapid"
)

func newTestCache(entries int) *cache[uint64, [32]byte] {
	return newCache[uint64, [32]byte](entries, func(k uint64) uint64 { return k * 0x9e3779b97f4a7c15 })
}

func TestCacheIsBounded(t *testing.T) {
	c := newTestCache(1024)
	for k := range uint64(100_000) {
		c.publish(k, [32]byte{1})
	}
	n := 0
	for k := range uint64(100_000) {
		if c.has(k) {
			n++
		}
	}
	if n == 0 || n > 1024 {
		t.Errorf("%d entries where 1024 are allowed", n)
	}
}

// An entry lives its lifetime and no more than an eighth longer, and then it is
// wiped, not only passed over.
func TestCacheLifetime(t *testing.T) {
	c := newTestCache(1024)
	c.publish(1, [32]byte{7})
	for range cacheAges {
		c.sweep()
		if !c.has(1) {
			t.Fatal("the entry died before its time")
		}
	}
	c.sweep()
	if c.has(1) {
		t.Fatal("the entry outlived its time")
	}
	if wiped(c) != true {
		t.Error("the value is still in memory")
	}
}

func TestCacheWipes(t *testing.T) {
	c := newTestCache(64)
	c.publish(1, [32]byte{7})
	c.remove(1)
	if c.has(1) || !wiped(c) {
		t.Error("remove leaves the value in memory")
	}
	c.publish(2, [32]byte{7})
	slots := c.shards[0].slots
	for i := range c.shards {
		if c.shards[i].slots != nil {
			slots = c.shards[i].slots
		}
	}
	c.close()
	for _, s := range slots {
		if s.val != [32]byte{} {
			t.Error("close leaves a value in memory")
		}
	}
	if c.publish(3, [32]byte{7}); c.has(3) || c.has(2) {
		t.Error("a closed cache keeps values")
	}
}

func wiped(c *cache[uint64, [32]byte]) bool {
	for i := range c.shards {
		for _, s := range c.shards[i].slots {
			if s.val != [32]byte{} {
				return false
			}
		}
	}
	return true
}

func TestCacheHidesWhatIsNotDurable(t *testing.T) {
	c := newTestCache(64)
	c.hide(1)
	if got := c.fill(1, [32]byte{}, c.epoch(1)); got != filledHidden || c.has(1) || !c.isHidden(1) {
		t.Errorf("a hidden key was filled: %v", got)
	}
	c.publish(1, [32]byte{7})
	if v, ok := c.get(1); !ok || v[0] != 7 || c.isHidden(1) {
		t.Error("a published key is not seen")
	}
	epoch := c.epoch(1)
	c.remove(1)
	if got := c.fill(1, [32]byte{7}, epoch); got != filledStale || c.has(1) {
		t.Errorf("a reader from before the removal brought the key back: %v", got)
	}
}

func TestCacheHitsAllocateNothing(t *testing.T) {
	k := openKeys(t, t.TempDir())
	token := ensure(t, k, lookup(1))[0]
	needs := []Need{{token, 7}, {token, 8}}
	prepare(t, k, needs...)
	if n := testing.AllocsPerRun(100, func() {
		if _, ok, err := k.Find(lookup(1)); !ok || err != nil {
			t.Error(ok, err)
		}
		if err := k.Prepare(t.Context(), needs); err != nil {
			t.Error(err)
		}
		if _, err := k.dataKey(keyRef{token, 7}); err != nil {
			t.Error(err)
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// slowSync is a file system whose syncs wait when they are told to.
type slowSync struct {
	vfs.FS
	hold    atomic.Bool
	waiting chan struct{} // a sync waits
	release chan struct{}
}

type slowFile struct {
	vfs.File
	fs *slowSync
}

func (s *slowSync) Create(name string, c vfs.DiskWriteCategory) (vfs.File, error) {
	f, err := s.FS.Create(name, c)
	return &slowFile{f, s}, err
}

func (f *slowFile) SyncData() error {
	if f.fs.hold.Load() {
		f.fs.waiting <- struct{}{}
		<-f.fs.release
	}
	return f.File.SyncData()
}

// Promise 5: acknowledged is durable. A token or a key is seen by nobody before
// it is on disk, although the store has its row already.
func TestNothingIsSeenBeforeItIsDurable(t *testing.T) {
	disk := &slowSync{FS: vfs.NewMem(), waiting: make(chan struct{}), release: make(chan struct{})}
	k := openKeys(t, t.TempDir(), withFS(disk, 1<<20))
	token := ensure(t, k, lookup(1))[0]

	during := func(change func() error, look func()) {
		t.Helper()
		disk.hold.Store(true)
		done := make(chan error)
		go func() { done <- change() }()
		<-disk.waiting
		look()
		disk.hold.Store(false)
		close(disk.release)
		if err := <-done; err != nil {
			t.Fatal(err)
		}
		disk.release = make(chan struct{})
	}
	rowIsThere := func(row []byte) {
		t.Helper()
		// The sync waits and the row is applied on two goroutines.
		for deadline := time.Now().Add(10 * time.Second); ; {
			if _, found, err := k.read(row); err != nil || found {
				return
			}
			if time.Now().After(deadline) {
				t.Fatal("the row is not there: this test shows nothing")
			}
			time.Sleep(time.Millisecond)
		}
	}

	during(func() error { _, err := k.Ensure(t.Context(), []identity.Lookup{lookup(2)}); return err }, func() {
		rowIsThere(appendLookupKey(nil, lookup(2)))
		if _, ok, err := k.Find(lookup(2)); ok || err != nil {
			t.Errorf("Find before the sync: %v %v", ok, err)
		}
	})
	if _, ok, err := k.Find(lookup(2)); !ok || err != nil {
		t.Errorf("Find after the sync: %v %v", ok, err)
	}
	during(func() error { return k.Prepare(t.Context(), []Need{{token, 7}}) }, func() {
		rowIsThere(appendDataKey(nil, keyRef{token, 7}))
		if _, err := k.Seal(nil, header(token, 7, 1), nil); !errors.Is(err, ErrNoKey) {
			t.Errorf("Seal before the sync: %v", err)
		}
		if cs, err := k.Classes(token); len(cs) != 0 || err != nil {
			t.Errorf("Classes before the sync: %v %v", cs, err)
		}
	})
	if _, err := k.Seal(nil, header(token, 7, 1), nil); err != nil {
		t.Errorf("Seal after the sync: %v", err)
	}
}

// The filter never says "new" of an id that was added, in memory that is
// bounded, and seldom says "perhaps" of one that was not.
func TestFilter(t *testing.T) {
	id := func(i int) (id event.ID) {
		binary.LittleEndian.PutUint64(id[:], uint64(i)*0x9e3779b97f4a7c15)
		binary.LittleEndian.PutUint64(id[8:], uint64(i)*0xc2b2ae3d27d4eb4f^uint64(i)<<17)
		return id
	}
	w := &window{today: &filter{}, before: &filter{}}
	const n = 300_000 // several parts
	for i := range n {
		w.add(id(i), 5)
	}
	for i := range n {
		if !w.maybe(id(i), 5) {
			t.Fatalf("id %d was added and is called new", i)
		}
	}
	perhaps := 0
	for i := range n {
		if w.maybe(id(n+i), 5) {
			perhaps++
		}
		if w.maybe(id(i), 6) {
			perhaps++
		}
	}
	if perhaps > n/50 {
		t.Errorf("%d of %d new ids are called perhaps seen", perhaps, 2*n)
	}
	w.before.any.Store(true)
	if !w.maybe(id(-1), 5) {
		t.Error("a filter that was not read whole says new")
	}
}

// The oldest bucket that a view may show is where the retention ends: no bucket
// from it on is outlived, none before it is not.
func TestOldestBucket(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := &declare.Class{Retention: declare.Period{
			Months: rapid.IntRange(0, 130).Draw(t, "months"), Days: rapid.IntRange(0, 400).Draw(t, "days")}}
		now := time.UnixMilli(rapid.Int64Range(0, 4e12).Draw(t, "now")).UTC()
		oldest := oldestBucket(c, now)
		if oldest > 0 && !outlived(c, oldest-1, now) {
			t.Errorf("bucket %d is not outlived, and not shown", oldest-1)
		}
		newest := bucketOf(c, now.UnixMilli())
		for b := oldest; b <= newest && b < oldest+3; b++ {
			if outlived(c, b, now) {
				t.Errorf("bucket %d is outlived, and shown", b)
			}
		}
		if !c.Retention.IsZero() && c.Retention.After(now).After(now) && outlived(c, newest, now) && c.Retention.Months*30+c.Retention.Days > 1 {
			t.Errorf("what came just now is outlived, with a retention of %v", c.Retention)
		}
		if start := bucketStart(c, newest); start.After(now) || bucketOf(c, start.UnixMilli()) != newest {
			t.Errorf("bucket %d starts at %v", newest, start)
		}
	})
}

func TestRowsReadBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var token identity.Token
		copy(token[:], rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "token"))
		ref := keyRef{token, declare.ClassID(rapid.Uint32().Draw(t, "class"))}
		bucket := rapid.Uint16().Draw(t, "bucket")
		got, b, ok := readPartKey(appendPartKey(nil, ref, bucket))
		if !ok || got != ref || b != bucket {
			t.Errorf("%v %v %v", got, b, ok)
		}
		raw := rapid.SliceOf(rapid.Byte()).Draw(t, "bytes")
		if r, b, ok := readPartKey(raw); ok && string(appendPartKey(nil, r, b)) != string(raw) {
			t.Errorf("%x is read as another row", raw)
		}
		next, ok := following(token)
		if ok && string(next[:]) <= string(token[:]) {
			t.Errorf("after %v comes %v", token, next)
		}
	})
}
