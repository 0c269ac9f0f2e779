package catalog_test

import (
	"strings"
	"testing"

	"accord/internal/catalog"
)

func count(n int) *int { return &n }

var mug = catalog.Product{ID: "m-1", Title: "Blue mug", Price: 1299, Currency: "GBP"}

// What could not be shown, sold or safely linked to is not a product.
func TestCheck(t *testing.T) {
	for _, c := range []struct {
		name string
		edit func(*catalog.Product)
		want string // in the error; "" is no error
	}{
		{"as it is", func(*catalog.Product) {}, ""},
		{"all fields", func(p *catalog.Product) {
			p.Category, p.Stock, p.Picture, p.URL = "Kitchen > Mugs", count(0), "/p/m-1.svg", "https://shop.example/m-1?a=b"
		}, ""},
		{"free", func(p *catalog.Product) { p.Price = 0 }, ""},
		{"no id", func(p *catalog.Product) { p.ID = "" }, "needs an id"},
		{"no title", func(p *catalog.Product) { p.Title = "" }, "needs a title"},
		{"long id", func(p *catalog.Product) { p.ID = strings.Repeat("x", 129) }, "id is 129 bytes long"},
		{"long title", func(p *catalog.Product) { p.Title = strings.Repeat("x", 501) }, "title is 501 bytes long"},
		{"bytes", func(p *catalog.Product) { p.Title = "caf\xe9" }, "not valid UTF-8"},
		{"space", func(p *catalog.Product) { p.ID = "m-1 " }, "white space"},
		{"line", func(p *catalog.Product) { p.Title = "Blue\nmug" }, "control character"},
		{"negative", func(p *catalog.Product) { p.Price = -1 }, "price of"},
		{"dear", func(p *catalog.Product) { p.Price = catalog.MaxPrice + 1 }, "price of"},
		{"currency", func(p *catalog.Product) { p.Currency = "gbp" }, "ISO 4217"},
		{"stock", func(p *catalog.Product) { p.Stock = count(-1) }, "stock of"},
		{"script", func(p *catalog.Product) { p.URL = "javascript:alert(1)" }, "url"},
		{"data", func(p *catalog.Product) { p.Picture = "data:image/svg+xml,<svg/>" }, "picture"},
		{"other host", func(p *catalog.Product) { p.Picture = "//evil.example/x" }, "picture"},
		{"other slash", func(p *catalog.Product) { p.Picture = `/\evil.example/x` }, "picture"},
		{"relative", func(p *catalog.Product) { p.URL = "page.html" }, "url"},
		{"ftp", func(p *catalog.Product) { p.URL = "ftp://a.example/x" }, "url"},
		{"no host", func(p *catalog.Product) { p.URL = "https:///x" }, "url"},
	} {
		p := mug
		c.edit(&p)
		err := p.Check()
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", c.name, err, c.want)
		}
	}
}

// Stock that is not known counts as enough.
func TestSellable(t *testing.T) {
	for _, c := range []struct {
		stock *int
		want  bool
	}{{nil, true}, {count(1), true}, {count(0), false}} {
		p := mug
		p.Stock = c.stock
		if p.Sellable() != c.want {
			t.Errorf("stock %v: sellable %v", c.stock, !c.want)
		}
	}
}
