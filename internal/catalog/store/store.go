// Package store keeps the catalogue: all products in memory, in one snapshot
// file on disk.
//
// Readers never wait: they follow one pointer to an index that does not change,
// so a [Store] may be asked for every item of every answer. A change builds a
// new index, writes the whole snapshot beside the old one, makes it durable,
// puts it in the old one's place, and only then lets readers see it. So a crash
// leaves either the old catalogue or the new one, and a failed write changes
// nothing.
//
//	s, err := store.Open("catalog.json")
//	err = s.Put(products) // durable when it returns
//	p, ok := s.Get("85123A")
//	for _, p := range s.Find("mug", 10) { … }
//
// A change costs time in proportion to the whole catalogue, so products are
// put many at a time. One process owns the file; the data directory's lock, and
// not this package, keeps a second one away: take it before Open, which clears
// away what a crash left half-written.
//
// Promises kept here: 5 (what Put acknowledged survives a kill and a power cut).
//
// Non-goals: personal data (there is none here), stock that changes with every
// sale, history.
package store

import (
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"os"
	"sync"
	"sync/atomic"

	"accord/internal/catalog"
)

// Store is a catalogue on disk and in memory. It is safe for concurrent use.
type Store struct {
	file  string
	index atomic.Pointer[index]
	write sync.Mutex // held while a change is made
}

// Open reads the catalogue from file; one that does not exist is empty. It fails
// where the file is not a catalogue, or was damaged.
func Open(file string) (*Store, error) {
	s := &Store{file: file}
	products, err := load(file)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("catalogue %s: %w", file, err)
	}
	// What a crash left half-written was never acknowledged.
	if err := os.Remove(file + temporary); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("catalogue %s: %w", file, err)
	}
	s.index.Store(newIndex(products))
	return s, nil
}

// Put adds products, each in place of the one that had its id. When it returns
// nil they are durable and visible; otherwise nothing changed. It fails where a
// product is not valid, where the catalogue would grow beyond
// catalog.MaxProducts, or where the disk does not take it. Of two products with
// one id the later counts. The products must not be changed afterwards.
func (s *Store) Put(products []catalog.Product) error {
	if len(products) == 0 {
		return nil
	}
	for i := range products {
		if err := products[i].Check(); err != nil {
			return err
		}
	}
	s.write.Lock()
	defer s.write.Unlock()
	return s.replace(s.index.Load().with(products))
}

// Delete removes products; ids that are not there are passed over. When it
// returns nil the change is durable and visible, otherwise nothing changed.
func (s *Store) Delete(ids ...string) error {
	s.write.Lock()
	defer s.write.Unlock()
	old := s.index.Load()
	left := old.without(ids)
	if len(left) == len(old.came) {
		return nil
	}
	return s.replace(left)
}

// replace makes the catalogue durable, then visible. The caller holds write.
func (s *Store) replace(products []catalog.Product) error {
	if len(products) > catalog.MaxProducts {
		return fmt.Errorf("the catalogue would hold %d products; at most %d are allowed", len(products), catalog.MaxProducts)
	}
	if err := save(s.file, products); err != nil {
		return fmt.Errorf("catalogue %s was not changed: %w", s.file, err)
	}
	s.index.Store(newIndex(products))
	return nil
}

// Get returns a product by its id.
func (s *Store) Get(id string) (catalog.Product, bool) {
	x := s.index.Load()
	i, ok := x.byID[id]
	if !ok {
		return catalog.Product{}, false
	}
	return x.products[i], true
}

// Sellable reports whether a product is there and may be shown: its stock is
// above zero or not known.
func (s *Store) Sellable(id string) bool {
	x := s.index.Load()
	i, ok := x.byID[id]
	return ok && x.products[i].Sellable()
}

// Len returns how many products there are.
func (s *Store) Len() int { return len(s.index.Load().products) }

// All returns the products in the order in which they were first put, as they
// were when All was called. It is the shop's own order: what stands first in its
// files comes first.
func (s *Store) All() iter.Seq[catalog.Product] {
	x := s.index.Load()
	return func(yield func(catalog.Product) bool) {
		for i := range x.came {
			if !yield(x.came[i]) {
				return
			}
		}
	}
}

// Find returns at most limit products whose id, or a word of whose title, begins
// with prefix, in any case of letters: first those by id, then those whose title
// itself begins so, then the rest, each sorted. An empty prefix finds the first
// products by id.
func (s *Store) Find(prefix string, limit int) []catalog.Product {
	return s.index.Load().find(prefix, limit)
}
