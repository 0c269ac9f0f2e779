package vault

import (
	"errors"
	"io"
	"io/fs"
	"os"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// fused is a file system that blows like a fuse. Pebble panics, in places where
// nobody can recover, when a write to its log fails. So the first failed change
// is recorded as the store's fault and reported as success, and so is every
// change after it, without touching the disk: the files stay as a crash at that
// instant would have left them, which Pebble recovers from. Nobody is told a
// lie, since a commit counts only when the fault is still nil after it.
//
// It also sees to it that files that are done with are removed. Pebble by itself
// keeps old logs to write over, and deleted rows would live on in them. With its
// archiving cleaner it does not, and what it moves to the archive is removed.
type fused struct {
	vfs.FS
	fault *fault
}

// change runs a change of the file system, or pretends to.
func (f *fused) change(run func() error) error {
	if f.fault.tripped() {
		return nil
	}
	err := run()
	if err == nil || errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrExist) {
		return err
	}
	f.fault.record(err)
	return nil
}

// open opens a file for writing; after a fault, one that swallows.
func (f *fused) open(run func() (vfs.File, error)) (vfs.File, error) {
	var file vfs.File
	err := f.change(func() (err error) { file, err = run(); return err })
	switch {
	case err != nil:
		return nil, err
	case file == nil:
		return swallow{}, nil
	}
	return &fusedFile{File: file, fs: f}, nil
}

func (f *fused) Create(name string, c vfs.DiskWriteCategory) (vfs.File, error) {
	return f.open(func() (vfs.File, error) { return f.FS.Create(name, c) })
}

func (f *fused) OpenReadWrite(name string, c vfs.DiskWriteCategory, o ...vfs.OpenOption) (vfs.File, error) {
	return f.open(func() (vfs.File, error) { return f.FS.OpenReadWrite(name, c, o...) })
}

func (f *fused) ReuseForWrite(oldname, newname string, c vfs.DiskWriteCategory) (vfs.File, error) {
	if err := f.Remove(oldname); err != nil {
		return nil, err
	}
	return f.Create(newname, c)
}

func (f *fused) OpenDir(name string) (vfs.File, error) {
	file, err := f.FS.OpenDir(name)
	if err != nil {
		return nil, err
	}
	return &fusedFile{File: file, fs: f}, nil
}

func (f *fused) Link(oldname, newname string) error {
	return f.change(func() error { return f.FS.Link(oldname, newname) })
}

func (f *fused) Remove(name string) error {
	return f.change(func() error { return f.FS.Remove(name) })
}

func (f *fused) RemoveAll(name string) error {
	return f.change(func() error { return f.FS.RemoveAll(name) })
}

func (f *fused) archive(dir string) bool { return f.PathBase(dir) == "archive" }

func (f *fused) Rename(oldname, newname string) error {
	if f.archive(f.PathDir(newname)) {
		return f.Remove(oldname)
	}
	return f.change(func() error { return f.FS.Rename(oldname, newname) })
}

func (f *fused) MkdirAll(dir string, perm os.FileMode) error {
	if f.archive(dir) {
		return nil
	}
	return f.change(func() error { return f.FS.MkdirAll(dir, perm) })
}

func (f *fused) Unwrap() vfs.FS { return f.FS }

type fusedFile struct {
	vfs.File
	fs *fused
}

func (f *fusedFile) Write(p []byte) (int, error) {
	err := f.fs.change(func() error { _, err := f.File.Write(p); return err })
	return len(p), err
}

func (f *fusedFile) WriteAt(p []byte, at int64) (int, error) {
	err := f.fs.change(func() error { _, err := f.File.WriteAt(p, at); return err })
	return len(p), err
}

// Preallocate is a hint: the write that follows meets the full disk.
func (f *fusedFile) Preallocate(offset, length int64) error {
	if !f.fs.fault.tripped() {
		_ = f.File.Preallocate(offset, length)
	}
	return nil
}

func (f *fusedFile) Sync() error     { return f.fs.change(f.File.Sync) }
func (f *fusedFile) SyncData() error { return f.fs.change(f.File.SyncData) }

func (f *fusedFile) SyncTo(length int64) (full bool, err error) {
	err = f.fs.change(func() (err error) { full, err = f.File.SyncTo(length); return err })
	return full, err
}

// Close always closes: a failed store must not leak its files.
func (f *fusedFile) Close() error {
	if err := f.File.Close(); err != nil {
		f.fs.fault.record(err)
	}
	return nil
}

// swallow is a file that was opened for writing after the fault.
type swallow struct{}

func (swallow) Close() error                           { return nil }
func (swallow) Read([]byte) (int, error)               { return 0, io.EOF }
func (swallow) ReadAt([]byte, int64) (int, error)      { return 0, io.EOF }
func (swallow) Write(p []byte) (int, error)            { return len(p), nil }
func (swallow) WriteAt(p []byte, _ int64) (int, error) { return len(p), nil }
func (swallow) Preallocate(int64, int64) error         { return nil }
func (swallow) Stat() (vfs.FileInfo, error)            { return nil, fs.ErrNotExist }
func (swallow) Sync() error                            { return nil }
func (swallow) SyncTo(int64) (bool, error)             { return false, nil }
func (swallow) SyncData() error                        { return nil }
func (swallow) Prefetch(int64, int64) error            { return nil }
func (swallow) Fd() uintptr                            { return vfs.InvalidFd }
