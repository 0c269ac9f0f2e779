package app

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// imports is what is known of one file that was imported: of every line, whether
// it is durable. Such a line is never taken again, however long ago that was; one
// that was durable when a crash came, and is not noted here yet, is known by its
// message id. A line of which nothing was kept is looked at again by the next
// import, since a consent or another basis may cover it then.
//
// It is a file of one bit a line, changed in place: a bit only ever goes from 0
// to 1, and only when its line is on disk, so whatever a crash leaves is true.
type imports struct {
	file *os.File
	bits []byte
}

// imports opens what is known of the file with the given digest.
func (d *Directory) imports(source string) (*imports, error) {
	name := d.file(filepath.Join("imports", strings.ReplaceAll(source, ":", "-")))
	if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
		return nil, err
	}
	bits, err := os.ReadFile(name)
	if err != nil && !os.IsNotExist(err) {
		return nil, err
	}
	f, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	return &imports{file: f, bits: bits}, errors.Join(syncDirectory(filepath.Dir(name)), syncDirectory(d.Path))
}

// has reports whether a line is noted.
func (j *imports) has(line int) bool {
	return line/8 < len(j.bits) && j.bits[line/8]>>(line%8)&1 == 1
}

// add notes durably that lines are durable.
func (j *imports) add(lines []int) error {
	if len(lines) == 0 {
		return nil
	}
	first, last := lines[0]/8, 0
	for _, line := range lines {
		first, last = min(first, line/8), max(last, line/8)
		if missing := line/8 + 1 - len(j.bits); missing > 0 {
			j.bits = append(j.bits, make([]byte, missing)...)
		}
		j.bits[line/8] |= 1 << (line % 8)
	}
	if _, err := j.file.WriteAt(j.bits[first:last+1], int64(first)); err != nil {
		return fmt.Errorf("noting what was imported: %w", err)
	}
	return j.file.Sync()
}

func (j *imports) close() error {
	if j == nil {
		return nil
	}
	return j.file.Close()
}
