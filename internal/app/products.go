package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"

	"accord/internal/catalog"
	"accord/internal/catalog/store"
	"accord/internal/vault"
)

// CatalogReport is what an import of products did.
type CatalogReport struct {
	Products int `json:"products"` // added, or put in the place of others
	// PassedOver are the columns of a CSV file that the catalogue has no use for.
	PassedOver []string `json:"passed_over,omitempty"`
}

// Write writes the report for people.
func (r CatalogReport) Write(out io.Writer) error {
	_, err := fmt.Fprintf(out, "%s put into the catalogue.\n", counted(r.Products, "product"))
	return err
}

// catalogPart is how many products one request brings to a running server.
const catalogPart = 1000

// ImportCatalog puts the products of a file into the catalogue: of a running
// server when one is named, else of a data directory that no server has.
func ImportCatalog(ctx context.Context, c Config, at Server, file string) (report CatalogReport, err error) {
	f, err := os.Open(file)
	if err != nil {
		return report, err
	}
	defer f.Close()
	products, passed, err := catalog.Read(f)
	if err != nil {
		return report, fmt.Errorf("%s: %w", file, err)
	}
	report = CatalogReport{Products: len(products), PassedOver: passed}
	if at.URL == "" {
		return report, orServer(putCatalog(c, products))
	}
	client, err := NewClient(at)
	if err != nil {
		return report, err
	}
	taken := 0
	for part := range slices.Chunk(products, catalogPart) {
		if err := client.Do(ctx, "PUT", "/v1/catalog", sent(part), io.Discard); err != nil {
			return report, fmt.Errorf("%d of %d products were taken, then: %w", taken, len(products), err)
		}
		taken += len(part)
	}
	return report, nil
}

// putCatalog owns the directory while it changes the catalogue: a server that
// has it would never see the change, and would write the file without it.
func putCatalog(c Config, products []catalog.Product) (err error) {
	d, err := OpenDirectory(c.Data, "")
	if err != nil {
		return err
	}
	declaration, err := d.declaration(c.Config)
	if err != nil {
		return err
	}
	keys, err := vault.OpenKeys(d.file("keys"), declaration)
	if err != nil {
		return inUse(err, vault.ErrInUse, c.Data)
	}
	defer func() { err = errors.Join(err, keys.Close()) }()
	s, err := store.Open(d.file("catalog.json"))
	if err != nil {
		return err
	}
	return s.Put(products)
}

// shelf is the catalogue of an open house: what is put into it is answered at
// once.
type shelf struct {
	*store.Store
	house *House
}

// Put adds products.
func (s shelf) Put(products []catalog.Product) error {
	err := s.Store.Put(products)
	if err == nil {
		s.house.showCatalog()
	}
	return err
}

// sentProduct is a product as PUT /v1/catalog takes it.
type sentProduct struct {
	ID       string `json:"id"`
	Title    string `json:"title"`
	Category string `json:"category,omitempty"`
	Price    string `json:"price"`
	Currency string `json:"currency"`
	Stock    *int   `json:"stock,omitempty"`
	Picture  string `json:"picture,omitempty"`
	URL      string `json:"url,omitempty"`
}

func sent(products []catalog.Product) []sentProduct {
	out := make([]sentProduct, len(products))
	for i, p := range products {
		out[i] = sentProduct{
			ID: p.ID, Title: p.Title, Category: p.Category, Price: catalog.FormatPrice(p.Price, p.Currency),
			Currency: p.Currency, Stock: p.Stock, Picture: p.Picture, URL: p.URL,
		}
	}
	return out
}
