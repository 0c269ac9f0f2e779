package catalog_test

import (
	"errors"
	"testing"

	"pgregory.net/rapid"

	"accord/internal/catalog"
)

// Prices never pass through a floating-point number.
func TestParsePrice(t *testing.T) {
	for _, c := range []struct {
		text   string
		digits int
		want   int64
		err    error
	}{
		{"12.99", 2, 1299, nil},
		{"12.9", 2, 1290, nil},
		{"12", 2, 1200, nil},
		{"0.29", 2, 29, nil}, // 0.29*100 is 28.999… in floating point
		{"1.1500", 2, 115, nil},
		{"007", 2, 700, nil},
		{"-3.50", 2, -350, nil},
		{"1500", 0, 1500, nil},
		{"1500.00", 0, 1500, nil},
		{"1.234", 3, 1234, nil},
		{"10000000000.00", 2, catalog.MaxPrice, nil},
		{"0.001", 2, 0, catalog.ErrPriceFine},
		{"2.999", 2, 299, catalog.ErrPriceFine},
		{"1.5", 0, 1, catalog.ErrPriceFine},
		{"10000000000.01", 2, 0, catalog.ErrPriceSize},
		{"99999999999999999999999999", 2, 0, catalog.ErrPriceSize},
		{"", 2, 0, catalog.ErrPriceForm},
		{"-", 2, 0, catalog.ErrPriceForm},
		{".5", 2, 0, catalog.ErrPriceForm},
		{"5.", 2, 0, catalog.ErrPriceForm},
		{"12,99", 2, 0, catalog.ErrPriceForm},
		{"1.2.3", 2, 0, catalog.ErrPriceForm},
		{"1e3", 2, 0, catalog.ErrPriceForm},
		{"+1", 2, 0, catalog.ErrPriceForm},
		{"--1", 2, 0, catalog.ErrPriceForm},
		{"£5", 2, 0, catalog.ErrPriceForm},
		{"0.00x", 2, 0, catalog.ErrPriceForm},
		{"NaN", 2, 0, catalog.ErrPriceForm},
		{"٣", 2, 0, catalog.ErrPriceForm},
	} {
		got, err := catalog.ParsePrice(c.text, c.digits)
		if got != c.want || !errors.Is(err, c.err) {
			t.Errorf("ParsePrice(%q, %d) = %d, %v; want %d, %v", c.text, c.digits, got, err, c.want, c.err)
		}
	}
	if n := testing.AllocsPerRun(100, func() { _, _ = catalog.ParsePrice("1234.56", 2) }); n != 0 {
		t.Errorf("ParsePrice allocates %v times", n)
	}
}

// FormatPrice writes a price as ParsePrice reads it.
func TestPriceRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		currency := rapid.SampledFrom([]string{"GBP", "JPY", "KWD", "CLF", "EUR"}).Draw(t, "currency")
		minor := rapid.Int64Range(-catalog.MaxPrice, catalog.MaxPrice).Draw(t, "minor")
		digits, _ := catalog.MinorDigits(currency)
		text := catalog.FormatPrice(minor, currency)
		if got, err := catalog.ParsePrice(text, digits); err != nil || got != minor {
			t.Fatalf("%d %s is written %q and read %d, %v", minor, currency, text, got, err)
		}
	})
	for want, c := range map[string]struct {
		minor    int64
		currency string
	}{"0.05": {5, "GBP"}, "12.99": {1299, "GBP"}, "-0.50": {-50, "EUR"}, "1500": {1500, "JPY"}, "0.005": {5, "KWD"}} {
		if got := catalog.FormatPrice(c.minor, c.currency); got != want {
			t.Errorf("%d %s is %q, want %q", c.minor, c.currency, got, want)
		}
	}
}
