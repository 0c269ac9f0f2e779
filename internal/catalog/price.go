package catalog

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// MaxPrice is the largest price, in the currency's smallest unit.
const MaxPrice = 1_000_000_000_000

// What can be wrong with the text of a price.
var (
	ErrPriceForm = errors.New("is not a price: write digits with a point, as in 12.99")
	ErrPriceFine = errors.New("is finer than the currency's smallest unit")
	ErrPriceSize = errors.New("is larger than any price")
)

// unusual lists the currencies of ISO 4217 whose smallest unit is not a
// hundredth.
var unusual = map[string]int{
	"BIF": 0, "CLP": 0, "DJF": 0, "GNF": 0, "ISK": 0, "JPY": 0, "KMF": 0, "KRW": 0, "PYG": 0,
	"RWF": 0, "UGX": 0, "UYI": 0, "VND": 0, "VUV": 0, "XAF": 0, "XOF": 0, "XPF": 0,
	"BHD": 3, "IQD": 3, "JOD": 3, "KWD": 3, "LYD": 3, "OMR": 3, "TND": 3, "CLF": 4, "UYW": 4,
}

// MinorDigits returns how many decimal digits a currency has: 2 for GBP, 0 for
// JPY. It reports false where the code is not three capital letters.
func MinorDigits(currency string) (int, bool) {
	if len(currency) != 3 {
		return 0, false
	}
	for i := range currency {
		if currency[i] < 'A' || currency[i] > 'Z' {
			return 0, false
		}
	}
	if n, ok := unusual[currency]; ok {
		return n, true
	}
	return 2, true
}

// ParsePrice reads a decimal number exactly, such as "12.99" or "-3", into
// units of which 10^digits make one: ParsePrice("12.99", 2) is 1299. Zeros
// beyond the digits are allowed. Its errors are ErrPriceForm, ErrPriceFine and
// ErrPriceSize; with ErrPriceFine the number is returned as well, cut towards
// zero. It does not allocate.
func ParsePrice(s string, digits int) (int64, error) {
	negative := strings.HasPrefix(s, "-")
	if negative {
		s = s[1:]
	}
	whole, fraction, point := strings.Cut(s, ".")
	if whole == "" || point && fraction == "" {
		return 0, ErrPriceForm
	}
	n, fine := int64(0), false
	for i := range len(whole) + max(len(fraction), digits) {
		var c byte = '0' // zeros that the text leaves out
		switch {
		case i < len(whole):
			c = whole[i]
		case i-len(whole) < len(fraction):
			c = fraction[i-len(whole)]
		}
		switch {
		case c < '0' || c > '9':
			return 0, ErrPriceForm
		case i-len(whole) >= digits:
			fine = fine || c != '0'
		default:
			if n = 10*n + int64(c-'0'); n > MaxPrice {
				return 0, ErrPriceSize
			}
		}
	}
	if negative {
		n = -n
	}
	if fine {
		return n, ErrPriceFine
	}
	return n, nil
}

// FormatPrice writes a price as ParsePrice reads it: FormatPrice(1299, "GBP")
// is "12.99". A code that is no currency counts as one with two digits.
func FormatPrice(minor int64, currency string) string {
	digits, ok := MinorDigits(currency)
	if !ok {
		digits = 2
	}
	sign := ""
	if minor < 0 {
		sign = "-"
	}
	s := strings.TrimPrefix(strconv.FormatInt(minor, 10), "-")
	if digits == 0 {
		return sign + s
	}
	if len(s) <= digits {
		s = strings.Repeat("0", digits+1-len(s)) + s
	}
	return sign + s[:len(s)-digits] + "." + s[len(s)-digits:]
}

// pointed rewrites a number as spreadsheets write it, 1,015.00 or 1.015,00 or
// 12,99, with a point. A mark that may be either is left as it is, and a comma is
// then refused: nobody should have to guess whether 1,015 is about one or a
// thousand.
func pointed(s string) string {
	comma, point := strings.LastIndexByte(s, ','), strings.LastIndexByte(s, '.')
	if comma < 0 {
		return s
	}
	mark, groups := max(comma, point), ","
	if comma > point {
		groups = "."
	}
	if point < 0 && strings.Count(s, ",") > 1 {
		mark, groups = len(s), "," // several commas alone can only be groups
	} else if point < 0 && len(s)-comma == 4 {
		return s
	}
	parts := strings.Split(s[:mark], groups)
	for i, p := range parts {
		if i > 0 && len(p) != 3 || len(parts) > 1 && len(p) > 3 {
			return s
		}
	}
	whole := strings.Join(parts, "")
	if mark == len(s) {
		return whole
	}
	return whole + "." + s[mark+1:]
}

// checkCurrency says what a currency looks like.
func checkCurrency(currency string) error {
	if currency == "" {
		return errors.New("the currency is missing: write the three capital letters of ISO 4217, as in GBP")
	}
	if _, ok := MinorDigits(currency); !ok {
		return fmt.Errorf("currency %q is none: write the three capital letters of ISO 4217, as in GBP", clip(currency))
	}
	return nil
}

// price reads the price of a file whose currency is known.
func price(s, currency string) (int64, error) {
	if err := checkCurrency(currency); err != nil {
		return 0, err
	}
	digits, _ := MinorDigits(currency)
	n, err := ParsePrice(s, digits)
	if err != nil {
		return 0, fmt.Errorf("price %q %w", clip(s), err)
	}
	return n, nil
}
