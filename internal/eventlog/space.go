package eventlog

import (
	"math"
	"sync/atomic"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// spaceEvery is how old the last look at the disk may be.
const spaceEvery = int64(200 * time.Millisecond)

// space keeps the last bytes of the embedded store's disk free. JetStream
// answers a full disk by stopping for good; before that point the log can refuse
// and go on by itself when there is room again. The zero value watches nothing.
type space struct {
	dir     string
	reserve int64

	looked atomic.Int64 // Unix ns
	full   atomic.Bool
}

// check returns ErrFull when the disk has less than the reserve left.
func (s *space) check() error {
	if s.reserve <= 0 {
		return nil
	}
	now := time.Now().UnixNano()
	if last := s.looked.Load(); now-last > spaceEvery && s.looked.CompareAndSwap(last, now) {
		s.full.Store(available(s.dir) < uint64(s.reserve))
	}
	if s.full.Load() {
		return ErrFull
	}
	return nil
}

// exhausted reports whether the store's disk has no room for one more frame:
// the reserve was none, or something else took it too fast.
func (s *space) exhausted() bool {
	return s.dir != "" && available(s.dir) < enginePayload
}

// available returns the free bytes of a directory's disk, or plenty where the
// system does not tell.
func available(dir string) uint64 {
	usage, err := vfs.Default.GetDiskUsage(dir)
	if err != nil {
		return math.MaxUint64
	}
	return usage.AvailBytes
}
