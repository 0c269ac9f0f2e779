package store

import (
	"cmp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"accord/internal/catalog"
)

// named is a category with its name in small letters.
type named struct {
	catalog.Category
	folded string
}

// categories counts the products of each category, and of each that it lies in,
// sorted by name.
func categories(products []catalog.Product) []named {
	counts := map[string]int{}
	for i := range products {
		for name := products[i].Category; name != ""; {
			counts[name]++
			name = name[:max(0, strings.LastIndex(name, catalog.Below))]
		}
	}
	all := make([]named, 0, len(counts))
	for name, n := range counts {
		all = append(all, named{catalog.Category{Name: name, Items: n}, strings.ToLower(name)})
	}
	slices.SortFunc(all, func(a, b named) int { return cmp.Compare(a.Name, b.Name) })
	return all
}

// Categories returns at most limit categories of which a word begins with prefix, in
// any case of letters, sorted, and whether there are more.
func (s *Store) Categories(prefix string, limit int) (found []catalog.Category, more bool) {
	prefix = strings.ToLower(strings.TrimSpace(prefix))
	for _, c := range s.index.Load().categories() {
		if !begins(c.folded, prefix) {
			continue
		}
		if len(found) >= limit {
			return found, true
		}
		found = append(found, c.Category)
	}
	return found, false
}

// begins reports whether a word of name begins with prefix.
func begins(name, prefix string) bool {
	for at := 0; ; {
		next := strings.Index(name[at:], prefix)
		if next < 0 {
			return false
		}
		at += next
		before, _ := utf8.DecodeLastRuneInString(name[:at])
		if at == 0 || !unicode.IsLetter(before) && !unicode.IsDigit(before) {
			return true
		}
		_, size := utf8.DecodeRuneInString(name[at:])
		at += size
	}
}
