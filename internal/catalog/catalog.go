// Package catalog holds what a shop sells: the product, and the readers of the
// files that bring products.
//
// Three forms are read, plain or gzipped, found by their content and not by
// their name:
//
//   - CSV with a header of the names id, title, category, price, currency,
//     stock, picture and url in any order, with commas or semicolons between
//     the fields ([ReadCSV]);
//   - JSON with the same names, as one array or one object after another
//     ([ReadJSON]);
//   - the merchant feed that shops write for search engines, as RSS, Atom or
//     tab-separated text ([ReadFeed]).
//
// A file is taken whole or not at all: the first faults are reported together,
// each with its line, and nothing is returned beside them.
//
//	products, passed, err := catalog.Read(file)
//	if err != nil {
//		return err // line 7: price "1,015" is not a price: write digits with a point, as in 12.99
//	}
//
// Prices are whole numbers of the currency's smallest unit and never pass
// through a floating-point number: see [ParsePrice] and [FormatPrice].
//
// Non-goals: keeping products (package catalog/store), prices that change with
// the person (never here), images, variants of one product, reduced prices of a
// feed (g:sale_price), which hold only for a time.
package catalog

import (
	"fmt"
	"net/url"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Limits of a catalogue and its products. Lengths are in bytes.
const (
	MaxProducts = 1_000_000
	MaxID       = 128
	MaxTitle    = 500
	MaxCategory = 300
	MaxURL      = 2048
	MaxStock    = 1_000_000_000
)

// Product is something that a shop sells.
type Product struct {
	// ID is the shop's own code, the one that events name.
	ID    string `json:"id" doc:"The shop's own code of the product"`
	Title string `json:"title" doc:"What it is called"`
	// Category is a name or a path such as "Kitchen > Mugs"; "" is not known.
	Category string `json:"category,omitempty" doc:"A name, or a path such as Kitchen > Mugs"`
	// Price is in the currency's smallest unit: 1299 with GBP is £12.99.
	Price int64 `json:"price_minor" doc:"Price in the currency's smallest unit: 1299 with GBP is £12.99"`
	// Currency is the ISO 4217 code.
	Currency string `json:"currency" doc:"ISO 4217 code"`
	// Stock is how many there are; nil is not known, which counts as enough.
	Stock *int `json:"stock,omitempty" doc:"How many there are; absent where it is not known"`
	// Picture and URL are http or https addresses, or paths that begin with a
	// single slash; "" is none.
	Picture string `json:"picture,omitempty" doc:"Address of a picture"`
	URL     string `json:"url,omitempty" doc:"Address of the product's page"`
}

// Below stands between the names of a category's path.
const Below = " > "

// Category is a category of the catalogue.
type Category struct {
	Name string // the whole path
	// Items is how many products it has, those of the categories below it too.
	Items int
}

// Sellable reports whether the product may be shown: its stock is not known or
// above zero.
func (p *Product) Sellable() bool { return p.Stock == nil || *p.Stock > 0 }

// Check returns what is wrong with a product, or nil. Every reader and the
// store apply it.
func (p *Product) Check() error {
	if p.ID == "" {
		return fmt.Errorf("a product needs an id")
	}
	for _, f := range []struct {
		name, value string
		most        int
	}{
		{"id", p.ID, MaxID}, {"title", p.Title, MaxTitle}, {"category", p.Category, MaxCategory},
		{"picture", p.Picture, MaxURL}, {"url", p.URL, MaxURL},
	} {
		if err := checkText(f.value, f.most); err != nil {
			return fmt.Errorf("%s %s", f.name, err)
		}
	}
	if p.Title == "" {
		return fmt.Errorf("product %q needs a title", p.ID)
	}
	if p.Price < 0 || p.Price > MaxPrice {
		return fmt.Errorf("price of %q must be between 0 and %d", p.ID, int64(MaxPrice))
	}
	if err := checkCurrency(p.Currency); err != nil {
		return err
	}
	if p.Stock != nil && (*p.Stock < 0 || *p.Stock > MaxStock) {
		return fmt.Errorf("stock of %q must be between 0 and %d", p.ID, MaxStock)
	}
	if err := checkAddress(p.Picture); err != nil {
		return fmt.Errorf("picture %s", err)
	}
	if err := checkAddress(p.URL); err != nil {
		return fmt.Errorf("url %s", err)
	}
	return nil
}

// checkText refuses what could not be shown on one line as it is.
func checkText(s string, most int) error {
	switch {
	case len(s) > most:
		return fmt.Errorf("is %d bytes long; at most %d are allowed", len(s), most)
	case !utf8.ValidString(s):
		return fmt.Errorf("is not valid UTF-8: save the file as UTF-8")
	case strings.TrimSpace(s) != s:
		return fmt.Errorf("%q begins or ends with white space", clip(s))
	case strings.ContainsFunc(s, unicode.IsControl):
		return fmt.Errorf("%q contains a control character", clip(s))
	}
	return nil
}

// checkAddress allows what a browser may be sent to, and nothing that it would
// run: no "javascript:", no "data:", no address of another scheme.
func checkAddress(s string) error {
	if s == "" {
		return nil
	}
	u, err := url.Parse(s)
	path := err == nil && u.Scheme == "" && u.Host == "" && strings.HasPrefix(s, "/") &&
		!strings.HasPrefix(s, "//") && !strings.Contains(s, `\`)
	web := err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.Host != ""
	if !path && !web {
		return fmt.Errorf("%q is neither an http or https address nor a path that begins with a slash", clip(s))
	}
	return nil
}

// clip shortens what an error repeats of a file.
func clip(s string) string {
	const most = 60
	if len(s) <= most {
		return s
	}
	cut := most
	for cut > 0 && !utf8.RuneStart(s[cut]) {
		cut--
	}
	return s[:cut] + "…"
}
