package vault

import (
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"

	"github.com/cockroachdb/pebble/v2"
)

// Errors of both stores.
var (
	// ErrInUse: another process has the directory open.
	ErrInUse = errors.New("the directory is in use by another Accord: stop that one first, or choose another --data")
	// ErrClosed: the store was closed.
	ErrClosed = errors.New("the vault is closed")
	// ErrNoKey: there is no living key for the person and class, since none was
	// prepared or since it was destroyed.
	ErrNoKey = errors.New("no key: it was never made, or the data was erased or its consent withdrawn")
	// ErrTampered: sealed bytes are not what was sealed under the living key.
	ErrTampered = errors.New("sealed data does not open under its key: it was damaged or moved")
	// ErrNoGrant: the gate did not make the grant, it has ended, or the choice
	// that it stands on changed. Ask the gate again.
	ErrNoGrant = errors.New("no valid grant: ask the gate again")
)

// fault is a store's first failed write. After it nothing changes any more.
type fault struct {
	what string // which store, for the error's text
	log  *slog.Logger
	err  atomic.Pointer[error]
	once sync.Once
	done chan struct{}
}

func newFault(what string, log *slog.Logger) *fault {
	return &fault{what: what, log: log, done: make(chan struct{})}
}

// Err returns the fault, or nil.
func (f *fault) Err() error {
	if p := f.err.Load(); p != nil {
		return *p
	}
	return nil
}

// failed returns a channel that is closed at the first fault.
func (f *fault) failed() <-chan struct{} { return f.done }

func (f *fault) tripped() bool { return f.err.Load() != nil }

// record keeps the first fault and tells everybody who waits on failed.
func (f *fault) record(cause error) {
	f.once.Do(func() {
		err := fmt.Errorf("writing the %s failed, nothing more is taken; mend or free the disk and start again, what was acknowledged is kept: %w", f.what, cause)
		f.err.Store(&err)
		close(f.done)
		f.log.Error("a write to disk failed", "store", f.what, "err", cause)
	})
}

// pebbleLogger keeps Pebble from ending the process: what it calls fatal is a
// fault, which the caller of the change gets.
type pebbleLogger struct{ fault *fault }

func (pebbleLogger) Infof(string, ...any) {}

func (l pebbleLogger) Errorf(format string, args ...any) {
	l.fault.log.Warn("the storage engine reports", "store", l.fault.what, "text", fmt.Sprintf(format, args...))
}

func (l pebbleLogger) Fatalf(format string, args ...any) {
	l.fault.record(fmt.Errorf(format, args...))
}

// listener records faults of flushes and compactions.
func (f *fault) listener() *pebble.EventListener {
	return &pebble.EventListener{
		BackgroundError: func(err error) {
			if !errors.Is(err, pebble.ErrCancelledCompaction) && !errors.Is(err, pebble.ErrClosed) {
				f.record(err)
			}
		},
		DataCorruption: func(info pebble.DataCorruptionInfo) { f.record(info.Details) },
	}
}
