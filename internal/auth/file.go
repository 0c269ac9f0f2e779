package auth

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"
)

// document is the file.
type document struct {
	Version int      `json:"version"`
	Keys    []*entry `json:"keys"`
}

// look is how often Run looks at the file. A change is in force within it and
// the time of one read.
const look = 500 * time.Millisecond

// Run takes over what other processes change in the file, until ctx ends. A file
// that cannot be read changes nothing: the keys of before stay in force, and the
// Logger hears of it once. A file that was removed means no keys.
func (k *Keys) Run(ctx context.Context) {
	tick := time.NewTicker(look)
	defer tick.Stop()
	var last string
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		now := ""
		if err := k.refresh(); err != nil {
			now = err.Error()
		}
		if now != "" && now != last && k.Logger != nil {
			k.Logger.Error("the file of the API keys cannot be read; the keys of before stay in force", "error", now)
		}
		last = now
	}
}

// refresh reads the file again if it is another one than before.
func (k *Keys) refresh() error {
	info, err := os.Stat(k.file)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err != nil {
		info = nil
	}
	if same(info, k.table.Load().seen) {
		return nil
	}
	k.change.Lock()
	defer k.change.Unlock()
	t, err := read(k.file)
	if err != nil {
		return err
	}
	k.use(t)
	return nil
}

// same reports whether two looks saw the same file: every change replaces it, so
// its inode tells even where the clock of the disk is coarse.
func same(a, b os.FileInfo) bool {
	if a == nil || b == nil {
		return a == nil && b == nil
	}
	return os.SameFile(a, b) && a.ModTime().Equal(b.ModTime()) && a.Size() == b.Size()
}

// update changes the file under the lock that all processes share, starting from
// what is in it now.
func (k *Keys) update(change func(entries []*entry, now time.Time) ([]*entry, error)) error {
	k.change.Lock()
	defer k.change.Unlock()
	unlock, err := lock(k.file + ".lock")
	if err != nil {
		return err
	}
	defer unlock()
	t, err := read(k.file)
	if err != nil {
		return err
	}
	// The entries were read for this change and are nobody else's.
	entries, err := change(t.entries, time.Now().UTC().Truncate(time.Second))
	if err != nil {
		return err
	}
	if len(entries) > MaxKeys {
		return fmt.Errorf("there are %d keys already, which is the most", MaxKeys)
	}
	b, err := json.MarshalIndent(document{Version: 1, Keys: entries}, "", "  ")
	if err != nil {
		return err
	}
	if err := replace(k.file, append(b, '\n')); err != nil {
		return err
	}
	if t, err = read(k.file); err != nil {
		return err
	}
	k.use(t)
	return nil
}

// read reads and checks the file. A file that is not there has no keys.
func read(file string) (*table, error) {
	f, err := os.Open(file)
	if errors.Is(err, fs.ErrNotExist) {
		return &table{index: map[[8]byte][]*entry{}}, nil
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	b, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return nil, err
	}
	t, err := parse(b)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	t.seen = info
	return t, nil
}

// parse reads a document strictly and indexes it.
func parse(b []byte) (*table, error) {
	if len(b) > maxFile {
		return nil, errors.New("the file is too large to be a file of API keys")
	}
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.DisallowUnknownFields()
	var d document
	if err := dec.Decode(&d); err != nil {
		return nil, fmt.Errorf("this is not a file of API keys: %w", err)
	}
	if _, err := dec.Token(); err != io.EOF {
		return nil, errors.New("something follows the end of the document")
	}
	if d.Version != 1 {
		return nil, fmt.Errorf("the file has version %d and this program knows version 1", d.Version)
	}
	t := &table{entries: d.Keys, index: make(map[[8]byte][]*entry, len(d.Keys))}
	ids := make(map[string]bool, len(d.Keys))
	for i, e := range d.Keys {
		if e == nil {
			return nil, fmt.Errorf("key %d is null", i+1)
		}
		sum, err := hex.DecodeString(e.Hash)
		if err != nil || len(sum) != sha256.Size {
			return nil, fmt.Errorf("key %d: sha256 has 64 hexadecimal characters", i+1)
		}
		if err := e.check(); err != nil {
			return nil, fmt.Errorf("key %d: %w", i+1, err)
		}
		if e.ID == "" || ids[e.ID] {
			return nil, fmt.Errorf("key %d: its id is empty or another key has it", i+1)
		}
		ids[e.ID] = true
		e.sum = [sha256.Size]byte(sum)
		e.Origins = slices.Clip(e.Origins)
		head := [8]byte(sum[:8])
		t.index[head] = append(t.index[head], e)
	}
	return t, nil
}

// replace puts b in the place of file so that after a power cut there is either
// the old content or the new.
func replace(file string, b []byte) (err error) {
	dir := filepath.Dir(file)
	f, err := os.CreateTemp(dir, filepath.Base(file)+".new-*") // mode 0600
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			os.Remove(f.Name())
		}
	}()
	_, err = f.Write(b)
	if err == nil {
		err = f.Sync()
	}
	if e := f.Close(); err == nil {
		err = e
	}
	if err != nil {
		return err
	}
	if err = os.Rename(f.Name(), file); err != nil {
		return err
	}
	return syncDirectory(dir)
}
