package store

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"
	"path/filepath"

	"github.com/go-json-experiment/json"

	"accord/internal/catalog"
)

// The snapshot is lines of text: a head, a JSON object a product in the order in
// which they came, and a foot with the SHA-256 of all before it, by which a file that was cut or
// changed is known.
const (
	head      = `{"accord_catalog":1}`
	temporary = ".new"
	// maxLine bounds a product's line: its fields, every byte escaped.
	maxLine = 64 << 10
)

type foot struct {
	SHA256   string `json:"sha256"`
	Products int    `json:"products"`
}

var errDamaged = errors.New("the file is damaged or was changed by hand: restore it from a backup, or move it away and import the products again")

// save writes a snapshot in place of the file's present one.
func save(file string, products []catalog.Product) (err error) {
	f, err := os.OpenFile(file+temporary, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = f.Close() // closed already where closing failed
			_ = os.Remove(f.Name())
		}
	}()
	if err := write(f, products); err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	if err := os.Rename(f.Name(), file); err != nil {
		return err
	}
	return syncDirectory(filepath.Dir(file))
}

// syncDirectory makes a rename durable.
func syncDirectory(name string) error {
	d, err := os.Open(name)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

func write(w io.Writer, products []catalog.Product) error {
	sum := sha256.New()
	b := bufio.NewWriterSize(io.MultiWriter(w, sum), 256<<10)
	line := []byte(head + "\n")
	for i := range products {
		if _, err := b.Write(line); err != nil {
			return err
		}
		text, err := json.Marshal(&products[i])
		if err != nil {
			return err
		}
		line = append(append(line[:0], text...), '\n')
	}
	if _, err := b.Write(line); err != nil {
		return err
	}
	if err := b.Flush(); err != nil {
		return err
	}
	end, err := json.Marshal(foot{SHA256: hex.EncodeToString(sum.Sum(nil)), Products: len(products)})
	if err != nil {
		return err
	}
	_, err = w.Write(append(end, '\n'))
	return err
}

// load reads a snapshot whole and proves it, or fails.
func load(file string) ([]catalog.Product, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return read(f)
}

func read(r io.Reader) ([]catalog.Product, error) {
	s := bufio.NewScanner(r)
	s.Buffer(make([]byte, 0, 64<<10), maxLine)
	if !s.Scan() || s.Text() != head {
		if s.Err() != nil && !errors.Is(s.Err(), bufio.ErrTooLong) {
			return nil, s.Err()
		}
		return nil, fmt.Errorf("the file is not a catalogue of Accord: its first line is not %s", head)
	}
	sum := sha256.New()
	hashLine(sum, s.Bytes())
	var products []catalog.Product
	seen := map[string]bool{}
	for s.Scan() {
		if bytes.HasPrefix(s.Bytes(), []byte(`{"sha256":`)) {
			return prove(s, sum, products)
		}
		var p catalog.Product
		if len(products) == catalog.MaxProducts || json.Unmarshal(s.Bytes(), &p) != nil || p.Check() != nil {
			return nil, errDamaged
		}
		if seen[p.ID] {
			return nil, errDamaged
		}
		seen[p.ID] = true
		products = append(products, p)
		hashLine(sum, s.Bytes())
	}
	if err := s.Err(); err != nil && !errors.Is(err, bufio.ErrTooLong) {
		return nil, err
	}
	return nil, errDamaged // no foot
}

// prove checks the foot, which must be the last line.
func prove(s *bufio.Scanner, sum hash.Hash, products []catalog.Product) ([]catalog.Product, error) {
	var end foot
	if err := json.Unmarshal(s.Bytes(), &end, json.RejectUnknownMembers(true)); err != nil {
		return nil, errDamaged
	}
	if end.SHA256 != hex.EncodeToString(sum.Sum(nil)) || end.Products != len(products) || s.Scan() {
		return nil, errDamaged
	}
	return products, s.Err()
}

func hashLine(h hash.Hash, line []byte) {
	h.Write(line)
	h.Write([]byte{'\n'})
}
