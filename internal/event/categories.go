package event

import (
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Limits of a value of the type categories.
const (
	MaxCategories = 20
	MaxCategory   = 300 // bytes of one, as in the catalogue
)

// CategoriesValue returns a list of the catalogue's categories as one value. The
// empty list is a value too: it takes the place of what was told before. It is
// false for a list that is too long and for what can be no category.
func CategoriesValue(list []string) (Value, bool) {
	if len(list) > MaxCategories {
		return Value{}, false
	}
	kept := make([]string, 0, len(list))
	for _, c := range list {
		c = strings.TrimSpace(c)
		if c == "" || len(c) > MaxCategory || !utf8.ValidString(c) || strings.ContainsFunc(c, unicode.IsControl) {
			return Value{}, false
		}
		if !slices.Contains(kept, c) {
			kept = append(kept, c)
		}
	}
	return Value{Kind: ValueString, Text: strings.Join(kept, "\n")}, true
}

// Categories returns the list that CategoriesValue made a value of.
func (v Value) Categories() []string {
	if v.Kind != ValueString || v.Text == "" {
		return nil
	}
	return strings.Split(v.Text, "\n")
}
