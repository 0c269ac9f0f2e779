package vault

import (
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"accord/internal/consent"
	"accord/internal/declare"
	"accord/internal/event"
	"accord/internal/identity"

	"github.com/cockroachdb/pebble/v2"
)

// Vault is the state: what the log folds into. It is safe for concurrent use.
type Vault struct {
	*store
	declaration *declare.Declaration
	keys        *Keys
	gate        *consent.Gate
	now         func() time.Time
	high        atomic.Int64 // the latest time seen, Unix milliseconds
	stored      atomic.Int64 // the part of it that is in the state

	// fence lets a Drop in between two Applies, never into one: an Apply holds
	// it for reading.
	fence   sync.RWMutex
	streams [MaxStreams]stream
	counts  counts
	// parts are sealed parts as they are in the state, for Apply, which reads
	// and writes the parts of the same people again and again.
	parts   *cache[partRef, []byte]
	horizon atomic.Pointer[horizon]

	quit  chan struct{}
	stop  sync.Once
	owned sync.WaitGroup // the daily sweep
}

// stream is the state of one stream of the log.
type stream struct {
	mu      sync.Mutex // held by the Apply of the stream; guards folder
	applied atomic.Uint64
	folder  *folder // made at the first frame
	seen    seen
}

// Place is where records are: a message of a stream.
type Place struct {
	Stream   int
	Sequence uint64
}

// Stats counts what Apply did with records since Open.
type Stats struct {
	Frames     uint64 // frames applied
	Folded     uint64 // records that entered a profile part
	Duplicates uint64 // records that had been seen
	Erased     uint64 // records whose key is gone: erased, withdrawn
	Withdrawn  uint64 // records that no purpose covers any more
	Outlived   uint64 // records older than their class's retention
	Undeclared uint64 // records of a class or kind that this version does not know
	Damaged    uint64 // records that do not open or decode under their living key
	Receipts   uint64 // receipts indexed
}

type counts struct {
	frames, folded, duplicates, erased, withdrawn, outlived, undeclared, damaged, receipts atomic.Uint64
}

// Open opens the state in dir, made if it is not there: then Applied returns
// zeros and the log is folded from its start. It fails with ErrInUse when
// another process has the directory. The keys must outlive the vault. now is the
// app's clock; a clock that steps back is not believed (see HighWater).
func Open(dir string, d *declare.Declaration, keys *Keys, gate *consent.Gate, now func() time.Time, opts ...Option) (*Vault, error) {
	o := readOptions(opts)
	s, err := openStore(storeOptions{
		what: "state", dir: dir, fs: o.fs, log: o.log,
		cache: 64 << 20, memtable: cmp.Or(o.memtable, 32<<20), format: stateFormat,
		onFormat: "run the version of Accord that wrote it, or move the directory away: the state is rebuilt from the log",
	})
	if err != nil {
		return nil, err
	}
	v := &Vault{store: s, declaration: d, keys: keys, gate: gate, now: now, quit: make(chan struct{})}
	v.parts = newCache[partRef, []byte](cachedParts, partRef.hash)
	if err := v.load(); err != nil {
		return nil, errors.Join(err, v.Close())
	}
	if o.identity != "" {
		if err := v.bind(o.identity); err != nil {
			return nil, errors.Join(err, v.Close())
		}
	}
	v.owned.Go(v.daily)
	return v, nil
}

// load reads the clock, the applied sequences and the message ids of the last
// days.
func (v *Vault) load() error {
	row, found, err := v.get(metaClock)
	if err != nil {
		return err
	}
	if found && len(row) == 8 {
		v.high.Store(int64(binary.BigEndian.Uint64(row)))
		v.stored.Store(v.high.Load())
	}
	for i := range v.streams {
		row, found, err := v.get(appendAppliedKey(nil, i))
		if err != nil {
			return err
		}
		if !found {
			continue
		}
		if len(row) != 10 {
			return errors.New("the state is damaged: move its directory away, it is rebuilt from the log")
		}
		v.streams[i].applied.Store(binary.BigEndian.Uint64(row))
		day := binary.BigEndian.Uint16(row[8:])
		if err := v.loadSeen(i, day); err != nil {
			return err
		}
	}
	return nil
}

// clock returns the present, which never steps back, not even over a restart.
func (v *Vault) clock() time.Time {
	ms := v.now().UnixMilli()
	for {
		high := v.high.Load()
		if ms <= high {
			return time.UnixMilli(high)
		}
		if v.high.CompareAndSwap(high, ms) {
			return time.UnixMilli(ms)
		}
	}
}

// HighWater returns the latest time that the vault has seen, in this run or an
// earlier one; the zero time in a new state. The app must not run with a clock
// behind it: that would revive what has expired.
func (v *Vault) HighWater() time.Time {
	if ms := v.high.Load(); ms != 0 {
		return time.UnixMilli(ms)
	}
	return time.Time{}
}

// Applied returns the last sequence that was applied, for each of MaxStreams
// streams: from where Follow continues.
func (v *Vault) Applied() []uint64 {
	out := make([]uint64, MaxStreams)
	for i := range out {
		out[i] = v.streams[i].applied.Load()
	}
	return out
}

// Stats returns what Apply has counted since Open.
func (v *Vault) Stats() Stats {
	c := &v.counts
	return Stats{
		Frames: c.frames.Load(), Folded: c.folded.Load(), Duplicates: c.duplicates.Load(), Erased: c.erased.Load(),
		Withdrawn: c.withdrawn.Load(), Outlived: c.outlived.Load(), Undeclared: c.undeclared.Load(),
		Damaged: c.damaged.Load(), Receipts: c.receipts.Load(),
	}
}

// Err returns the write fault that stopped the store, or nil.
func (v *Vault) Err() error { return v.store.Err() }

// Failed returns a channel that is closed when a write failed: stop serving, in
// order, and report Err.
func (v *Vault) Failed() <-chan struct{} { return v.failed() }

// Frames returns where all records of a person are, those included that are no
// longer in a profile: what access, portability and erasure go by.
func (v *Vault) Frames(t identity.Token) (places []Place, err error) {
	if err := v.enter(); err != nil {
		return nil, err
	}
	defer v.leave()
	prefix := append([]byte{rowFrame}, t[:]...)
	it, err := v.db.NewIter(&pebble.IterOptions{LowerBound: prefix, UpperBound: after(prefix)})
	if err != nil {
		return nil, fmt.Errorf("reading the state: %w", err)
	}
	for it.First(); it.Valid(); it.Next() {
		if row := it.Key(); len(row) == frameKeySize {
			places = append(places, Place{Stream: int(row[17]), Sequence: binary.BigEndian.Uint64(row[18:])})
		}
	}
	return places, it.Close()
}

// Receipt returns where the record of a receipt is.
func (v *Vault) Receipt(id event.ID) (Place, bool, error) {
	if err := v.enter(); err != nil {
		return Place{}, false, err
	}
	defer v.leave()
	row, found, err := v.get(appendReceiptKey(nil, id))
	if err != nil || !found || len(row) != 11 {
		return Place{}, false, err
	}
	return Place{Stream: int(row[0]), Sequence: binary.BigEndian.Uint64(row[1:])}, true, nil
}

// Drop deletes what the state holds about a person in a class. Call it after
// Keys.Destroy: then no Apply can bring it back. The index of frames stays,
// since erasure needs it.
func (v *Vault) Drop(t identity.Token, c declare.ClassID) error {
	if err := v.enter(); err != nil {
		return err
	}
	defer v.leave()
	v.fence.Lock()
	defer v.fence.Unlock()
	if err := v.forget(keyRef{t, c}); err != nil {
		return err
	}
	prefix := keyRef{t, c}.append([]byte{rowPart})
	b := v.db.NewBatch()
	defer b.Close()
	if err := b.DeleteRange(prefix, after(prefix), nil); err != nil {
		return err
	}
	// Unsynced: should a power cut undo it, the parts that return are sealed
	// under a key that is gone.
	return v.commit(b, pebble.NoSync)
}

// Close ends the state; its keys are closed by their owner. A second Close does
// nothing.
func (v *Vault) Close() error {
	v.stop.Do(func() { close(v.quit) })
	v.owned.Wait()
	v.parts.close()
	err := v.saveClock()
	if errors.Is(err, ErrClosed) {
		err = nil
	}
	return errors.Join(err, v.store.close())
}

// saveClock makes the high-water clock durable.
func (v *Vault) saveClock() error {
	if err := v.enter(); err != nil {
		return err
	}
	defer v.leave()
	if v.tripped() {
		return nil // told already
	}
	b := v.db.NewBatch()
	defer b.Close()
	if err := v.addClock(b); err != nil {
		return err
	}
	return v.commit(b, pebble.Sync)
}

// addClock adds the clock to a batch where it has moved.
func (v *Vault) addClock(b *pebble.Batch) error {
	high := v.high.Load()
	if high <= v.stored.Load() {
		return nil
	}
	v.stored.Store(high)
	var row [8]byte
	binary.BigEndian.PutUint64(row[:], uint64(high))
	return b.Set(metaClock, row[:], nil)
}
