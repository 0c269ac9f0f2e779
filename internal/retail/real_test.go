package retail_test

import (
	"maps"
	"os"
	"path/filepath"
	"testing"
	"time"

	"accord/internal/retail"
)

// realFile returns the UCI file beside the repository, or skips.
func realFile(tb testing.TB) *os.File {
	tb.Helper()
	f, err := os.Open(filepath.FromSlash("../../../shared/data/online-retail/online-retail.csv.gz"))
	if err != nil {
		tb.Skipf("the UCI Online Retail file is not beside the repository: %v", err)
	}
	tb.Cleanup(func() { _ = f.Close() })
	return f
}

// 541,909 lines; the counts were checked against an independent reading of the
// file with another CSV reader. The 5,268 lines that repeat exactly are counted
// as the sales that they are.
func TestRealFile(t *testing.T) {
	type key struct {
		invoice, code, description, customer string
		quantity                             int
		price                                int64
		at                                   time.Time
	}
	seen := map[key]bool{}
	customers, invoices := map[string]bool{}, map[string]bool{}
	var products retail.Products
	repeats := 0
	var revenue int64
	s, err := retail.Read(realFile(t), func(l retail.Line) error {
		k := key{l.Invoice, l.Code, l.Description, l.Customer, l.Quantity, l.Price, l.At}
		if seen[k] {
			repeats++
		}
		seen[k] = true
		customers[l.Customer], invoices[l.Invoice] = true, true
		revenue += l.Price * int64(l.Quantity)
		products.Add(l)
		return nil
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]int{
		retail.Cancellation: 9288, retail.Return: 1336, retail.NoCustomer: 133_361,
		retail.BadPrice: 40, retail.NotAProduct: 1547,
	}
	if s.Lines != 541_909 || s.Kept != 396_337 || !maps.Equal(s.Dropped, want) {
		t.Errorf("%+v, want 541,909 lines, 396,337 kept and %v", s, want)
	}
	if repeats != 5187 {
		t.Errorf("%d of the sales repeat an earlier line exactly, want 5,187 (of the file's 5,268)", repeats)
	}
	if len(customers) != 4334 || len(invoices) != 18_402 || products.Len() != 3659 {
		t.Errorf("%d customers, %d invoices, %d products; want 4,334, 18,402 and 3,659", len(customers), len(invoices), products.Len())
	}
	named := 0
	for _, p := range products.Products() {
		if err := p.Check(); err != nil || p.Price < 1 {
			t.Errorf("product %+v: %v", p, err)
		}
		if p.Category != "" {
			named++
		}
	}
	if named < products.Len()*2/3 {
		t.Errorf("%d of %d products have a category, want two thirds", named, products.Len())
	}
	t.Logf("revenue %d pence, %d of %d products with a category", revenue, named, products.Len())
}

func BenchmarkRealFile(b *testing.B) {
	f := realFile(b)
	b.ReportAllocs()
	lines := 0
	for b.Loop() {
		s, err := retail.Read(f, func(retail.Line) error { return nil }, nil)
		if err != nil {
			b.Fatal(err)
		}
		lines += s.Lines
	}
	b.ReportMetric(float64(lines)/b.Elapsed().Seconds(), "lines/s")
}
