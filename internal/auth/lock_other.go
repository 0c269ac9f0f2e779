//go:build !unix

package auth

import (
	"errors"
	"io/fs"
	"os"
	"time"
)

// lock waits until no other process changes the keys. Where the system has no
// advisory locks, the file itself is the lock; one that a dead process left is
// taken over after a minute.
func lock(file string) (unlock func(), err error) {
	for range 3000 {
		f, err := os.OpenFile(file, os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o600)
		if err == nil {
			f.Close()
			return func() { os.Remove(file) }, nil
		}
		if !errors.Is(err, fs.ErrExist) {
			return nil, err
		}
		if info, err := os.Stat(file); err == nil && time.Since(info.ModTime()) > time.Minute {
			os.Remove(file)
		}
		time.Sleep(20 * time.Millisecond)
	}
	return nil, errors.New("another process changes the API keys for a minute now: try again when it has ended")
}

// syncDirectory does nothing: these systems cannot sync a directory, and make
// renames durable by themselves.
func syncDirectory(string) error { return nil }
