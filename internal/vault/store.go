package vault

import (
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"syscall"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/bloom"
	"github.com/cockroachdb/pebble/v2/sstable"
	"github.com/cockroachdb/pebble/v2/vfs"
)

// store is a Pebble database that fails in order: see fault and fused.
type store struct {
	*fault
	db   *pebble.DB
	lock *pebble.Lock

	// alive is held for reading by everybody who reads or writes, so that
	// nobody meets a closed database, which Pebble answers with a panic.
	alive  sync.RWMutex
	closed bool
}

type storeOptions struct {
	what     string // for errors: "key store", "state"
	dir      string
	fs       vfs.FS
	log      *slog.Logger
	cache    int64  // bytes of blocks that are kept in memory
	memtable uint64 // bytes of the largest memory table
	format   uint32
	onFormat string // what to do about a format of another version
	// before runs when the lock is held and before the database is opened.
	before func(exists bool) error
}

// openStore locks the directory, opens its database and checks its format.
func openStore(o storeOptions) (*store, error) {
	if err := makeDir(o.fs, o.dir); err != nil {
		return nil, fmt.Errorf("making the directory of the %s: %w", o.what, err)
	}
	s := &store{fault: newFault(o.what, o.log)}
	files := &fused{FS: o.fs, fault: s.fault}
	var err error
	if s.lock, err = pebble.LockDirectory(o.dir, o.fs); err != nil {
		if inUse(err) {
			return nil, fmt.Errorf("%s: %w", o.dir, ErrInUse)
		}
		return nil, fmt.Errorf("locking %s: %w", o.dir, err)
	}
	if err := s.open(o, files); err != nil {
		if s.db != nil {
			err = errors.Join(err, s.db.Close())
		}
		return nil, errors.Join(err, s.lock.Close())
	}
	return s, nil
}

// makeDir makes a directory and those above it that are missing, each durable
// in the one above: a store that is synced in a directory that is not would be
// lost with it.
func makeDir(fs vfs.FS, dir string) error {
	if _, err := fs.Stat(dir); err == nil {
		return nil
	}
	above := fs.PathDir(dir)
	if above != dir {
		if err := makeDir(fs, above); err != nil {
			return err
		}
	}
	if err := fs.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	d, err := fs.OpenDir(above)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

func (s *store) open(o storeOptions, files vfs.FS) error {
	desc, err := pebble.Peek(o.dir, o.fs)
	if err != nil {
		return fmt.Errorf("reading %s: %w", o.dir, err)
	}
	if o.before != nil {
		if err := o.before(desc.Exists); err != nil {
			return err
		}
	}
	if s.db, err = openPebble(o, files, s); err != nil {
		return fmt.Errorf("opening the %s in %s: %w", o.what, o.dir, err)
	}
	if err := s.checkFormat(o); err != nil {
		return err
	}
	return s.Err() // a disk that was full from the start
}

func openPebble(o storeOptions, files vfs.FS, s *store) (db *pebble.DB, err error) {
	// Bytes on a disk can be anything; an engine that panics over them must not
	// end the process.
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("the storage engine gave up: %v", p)
		}
	}()
	options := &pebble.Options{
		FS: files, Lock: s.lock,
		// Pebble takes its memory tables (one written, one flushed) out of the
		// cache: without their share it would cache nothing.
		CacheSize: o.cache + 2*int64(o.memtable), MemTableSize: o.memtable,
		FormatMajorVersion: pebble.FormatTableFormatV6,
		Logger:             pebbleLogger{s.fault},
		EventListener:      s.listener(),
		MaxOpenFiles:       500,
		Cleaner:            pebble.ArchiveCleaner{}, // which fused turns into removal
	}
	for i := range options.Levels {
		// Sealed values and random keys do not compress.
		options.Levels[i].Compression = func() *sstable.CompressionProfile { return sstable.NoCompression }
		options.Levels[i].FilterPolicy = bloom.FilterPolicy(10)
	}
	return pebble.Open(o.dir, options)
}

// inUse tells a lock that somebody holds from one that cannot be made.
func inUse(err error) bool {
	return errors.Is(err, syscall.EAGAIN) || err.Error() == "lock held by current process"
}

func (s *store) checkFormat(o storeOptions) error {
	row, found, err := s.get(metaFormat)
	if err != nil {
		return err
	}
	if !found {
		b := s.db.NewBatch()
		defer b.Close()
		if err := b.Set(metaFormat, binary.BigEndian.AppendUint32(nil, o.format), nil); err != nil {
			return err
		}
		return s.commit(b, pebble.Sync)
	}
	if len(row) != 4 || binary.BigEndian.Uint32(row) != o.format {
		return fmt.Errorf("the %s in %s has format %x and this program reads %08x: %s", o.what, o.dir, row, o.format, o.onFormat)
	}
	return nil
}

// get returns a copy of a row. The caller holds alive or is opening.
func (s *store) get(key []byte) (row []byte, found bool, err error) {
	v, closer, err := s.db.Get(key)
	if errors.Is(err, pebble.ErrNotFound) {
		return nil, false, nil
	}
	if err != nil {
		return nil, false, fmt.Errorf("reading the %s: %w", s.what, err)
	}
	row = append([]byte(nil), v...)
	return row, true, closer.Close()
}

// commit applies a batch. It is done only when no fault was seen after it.
func (s *store) commit(b *pebble.Batch, o *pebble.WriteOptions) (err error) {
	if err := s.Err(); err != nil {
		return err
	}
	defer func() {
		if p := recover(); p != nil {
			s.record(fmt.Errorf("the storage engine gave up: %v", p))
			err = s.Err()
		}
	}()
	if err := b.Commit(o); err != nil {
		s.record(err)
	}
	return s.Err()
}

// enter keeps the database open until leave. It fails when it is closed.
func (s *store) enter() error {
	s.alive.RLock()
	if s.closed {
		s.alive.RUnlock()
		return ErrClosed
	}
	return nil
}

func (s *store) leave() { s.alive.RUnlock() }

// close waits for everybody who entered and closes the database. A second call
// does nothing.
func (s *store) close() (err error) {
	s.alive.Lock()
	defer s.alive.Unlock()
	if s.closed {
		return nil
	}
	s.closed = true
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("closing the %s: the storage engine gave up: %v", s.what, p)
		}
	}()
	err = s.db.Close()
	if s.tripped() {
		err = nil // the fault was told; what it left open is not news
	}
	return errors.Join(err, s.lock.Close())
}
