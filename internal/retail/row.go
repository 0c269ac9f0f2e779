package retail

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"accord/internal/catalog"
)

// The columns, in the order of the header.
const (
	colInvoice = iota
	colCode
	colDescription
	colQuantity
	colDate
	colPrice
	colCustomer
	colCountry
	fields
)

// dateForm is how InvoiceDate is written.
const dateForm = "2006-01-02 15:04:05"

// rows turns rows into lines.
type rows struct {
	source string
	london *time.Location
	// The lines of an invoice have one date, so the last is remembered.
	dateText string
	date     time.Time
}

func newRows(source string) (*rows, error) {
	london, err := time.LoadLocation("Europe/London")
	if err != nil {
		return nil, err
	}
	return &rows{source: source, london: london}, nil
}

// parse returns the line, or the reason to drop it, or what makes it unreadable.
func (r *rows) parse(number int, row []string) (l Line, drop, fault string) {
	for i := range row {
		row[i] = strings.TrimSpace(row[i])
		if fault := checkField(row[i]); fault != "" {
			return l, "", fault
		}
	}
	for _, i := range [...]int{colInvoice, colCode, colCustomer} {
		if len(row[i]) > MaxCode {
			return l, "", fmt.Sprintf("a number of %d bytes; at most %d are allowed", len(row[i]), MaxCode)
		}
	}
	quantity, err := strconv.Atoi(row[colQuantity])
	if err != nil || quantity > MaxQuantity || quantity < -MaxQuantity {
		return l, "", fmt.Sprintf("quantity %q is not a whole number up to %d", clip(row[colQuantity]), MaxQuantity)
	}
	at, ok := r.parseDate(row[colDate])
	if !ok {
		return l, "", fmt.Sprintf("date %q is not written as 2010-12-01 08:26:00", clip(row[colDate]))
	}
	price, err := catalog.ParsePrice(row[colPrice], 2)
	fine := errors.Is(err, catalog.ErrPriceFine)
	if err != nil && !fine {
		return l, "", fmt.Sprintf("price %q %v", clip(row[colPrice]), err)
	}
	positive := price > 0 || fine && price == 0 && row[colPrice][0] != '-'
	l = Line{
		Source: r.source, Number: number,
		Invoice: row[colInvoice], Code: row[colCode], Description: row[colDescription],
		Quantity: quantity, At: at, Price: price,
		Customer: customerNumber(row[colCustomer]), Country: row[colCountry],
	}
	switch {
	case strings.HasPrefix(l.Invoice, "C"):
		return l, Cancellation, ""
	case quantity <= 0:
		return l, Return, ""
	case l.Customer == "":
		return l, NoCustomer, ""
	case !positive:
		return l, BadPrice, ""
	case !isProduct(l.Code):
		return l, NotAProduct, ""
	case fine:
		return l, BadPrice, ""
	}
	return l, "", ""
}

func checkField(s string) string {
	if len(s) > MaxField {
		return fmt.Sprintf("a field of %d bytes; at most %d are allowed", len(s), MaxField)
	}
	plain := true
	for i := range len(s) {
		plain = plain && s[i] >= ' ' && s[i] < 0x7f
	}
	switch {
	case plain:
		return ""
	case !utf8.ValidString(s):
		return "not valid UTF-8: save the file as UTF-8"
	case strings.ContainsFunc(s, unicode.IsControl):
		return "a field with a control character in it"
	}
	return ""
}

// customerNumber drops what a spreadsheet adds to a number.
func customerNumber(s string) string {
	whole, ok := strings.CutSuffix(s, ".0")
	if ok && whole != "" && onlyDigits(whole) {
		return whole
	}
	return s
}

// isProduct reports whether a stock code begins with five digits.
func isProduct(code string) bool { return len(code) >= 5 && onlyDigits(code[:5]) }

func onlyDigits(s string) bool {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return true
}

func (r *rows) parseDate(s string) (time.Time, bool) {
	if s == r.dateText && s != "" {
		return r.date, true
	}
	t, err := time.ParseInLocation(dateForm, s, r.london)
	if err != nil || len(s) != len(dateForm) {
		return time.Time{}, false
	}
	r.dateText, r.date = s, t
	return t, true
}
