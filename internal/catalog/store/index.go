package store

import (
	"slices"
	"sort"
	"strings"
	"sync"
	"unicode"

	"accord/internal/catalog"
)

// index is one state of the catalogue. It does not change.
type index struct {
	came     []catalog.Product // in the order in which they were first put
	products []catalog.Product // sorted by ID
	byID     map[string]int32  // place in products
	words    func() *words     // made at the first search
	// categories are made when they are first asked for.
	categories func() []named
}

// newIndex takes distinct products in the order in which they came.
func newIndex(came []catalog.Product) *index {
	products := slices.Clone(came)
	slices.SortFunc(products, func(a, b catalog.Product) int { return strings.Compare(a.ID, b.ID) })
	x := &index{came: came, products: products, byID: make(map[string]int32, len(products))}
	for i := range products {
		x.byID[products[i].ID] = int32(i)
	}
	x.words = sync.OnceValue(func() *words { return newWords(products) })
	x.categories = sync.OnceValue(func() []named { return categories(products) })
	return x
}

// with returns the products after a Put, in the order in which they came.
func (x *index) with(news []catalog.Product) []catalog.Product {
	all := slices.Clone(x.came)
	place := make(map[string]int, len(all)+len(news))
	for i := range all {
		place[all[i].ID] = i
	}
	for _, p := range news {
		if i, ok := place[p.ID]; ok {
			all[i] = p
		} else {
			place[p.ID] = len(all)
			all = append(all, p)
		}
	}
	return all
}

// without returns the products after a Delete, in the order in which they came.
func (x *index) without(ids []string) []catalog.Product {
	gone := make(map[string]bool, len(ids))
	for _, id := range ids {
		gone[id] = true
	}
	return slices.DeleteFunc(slices.Clone(x.came), func(p catalog.Product) bool { return gone[p.ID] })
}

// words finds products by the beginnings of their ids and of the words of their
// titles.
type words struct {
	ids    []int32  // products sorted by folded id
	folded []string // folded ids, in the order of products
	titles []string // folded titles, in the order of products
	starts []start  // sorted by the text that begins there
}

// start is the beginning of a word in a title.
type start struct {
	product int32
	offset  uint16 // a title has at most catalog.MaxTitle bytes; folding may double them
}

func newWords(products []catalog.Product) *words {
	w := &words{
		ids:    make([]int32, len(products)),
		folded: make([]string, len(products)),
		titles: make([]string, len(products)),
	}
	for i := range products {
		w.ids[i] = int32(i)
		w.folded[i] = strings.ToLower(products[i].ID)
		w.titles[i] = strings.ToLower(products[i].Title)
		w.starts = appendStarts(w.starts, int32(i), w.titles[i])
	}
	slices.SortFunc(w.ids, func(a, b int32) int { return strings.Compare(w.folded[a], w.folded[b]) })
	slices.SortFunc(w.starts, func(a, b start) int {
		if c := strings.Compare(w.text(a), w.text(b)); c != 0 {
			return c
		}
		return int(a.product - b.product)
	})
	return w
}

func appendStarts(starts []start, product int32, title string) []start {
	inside := false
	for i, r := range title {
		letter := unicode.IsLetter(r) || unicode.IsDigit(r)
		if letter && !inside {
			starts = append(starts, start{product, uint16(i)})
		}
		inside = letter
	}
	return starts
}

func (w *words) text(s start) string { return w.titles[s.product][s.offset:] }

func (x *index) find(prefix string, limit int) []catalog.Product {
	limit = min(limit, len(x.products))
	if limit <= 0 {
		return nil
	}
	prefix = strings.ToLower(strings.TrimSpace(prefix))
	if prefix == "" {
		return slices.Clone(x.products[:limit])
	}
	w := x.words()
	found := make([]catalog.Product, 0, min(limit, 64))
	taken := make(map[int32]bool)
	take := func(i int32) {
		if len(found) < limit && !taken[i] {
			taken[i] = true
			found = append(found, x.products[i])
		}
	}
	at := sort.Search(len(w.ids), func(i int) bool { return w.folded[w.ids[i]] >= prefix })
	for ; at < len(w.ids) && len(found) < limit && strings.HasPrefix(w.folded[w.ids[at]], prefix); at++ {
		take(w.ids[at])
	}
	first := sort.Search(len(w.starts), func(i int) bool { return w.text(w.starts[i]) >= prefix })
	for _, beginning := range []bool{true, false} {
		for at := first; at < len(w.starts) && len(found) < limit && strings.HasPrefix(w.text(w.starts[at]), prefix); at++ {
			if (w.starts[at].offset == 0) == beginning {
				take(w.starts[at].product)
			}
		}
	}
	return found
}
