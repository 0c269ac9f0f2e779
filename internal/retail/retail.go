// Package retail reads a shop's past orders in the layout of the UCI Online
// Retail data, and the choices that customers made meanwhile.
//
// The file is CSV, plain or gzipped (found by its first bytes), with exactly
// this header:
//
//	InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID,Country
//
// A line's identity is the SHA-256 of the file's unfolded content and the line's
// number in it, so that a repeated import is known line by line, whether the
// file came gzipped or not, and lines that repeat exactly stay the real sales
// that they are. So [Read] reads the file twice: once for the digest, which
// also proves that the file is whole before anything is taken from it, and once
// for the lines.
//
//	f, err := os.Open("online-retail.csv.gz")
//	summary, err := retail.Read(f, func(l retail.Line) error {
//		… l.Source, l.Number, l.Customer, l.Code, l.Quantity, l.Price …
//		return nil
//	}, nil)
//
// What the columns mean:
//
//   - InvoiceDate is written 2010-12-01 08:26:00 and is local time in London.
//     The zone's rules are built in, so they do not depend on the machine.
//   - UnitPrice is in pounds and becomes whole pence, exactly.
//   - CustomerID may end in ".0", as spreadsheets write it: 17850.0 is 17850.
//   - White space around a field is dropped.
//
// A line is dropped for the first of these reasons that holds, and counted:
//
//  1. "unreadable": not eight fields, not UTF-8, a field too long, or a
//     quantity, date or price that is none. More than MaxUnreadable of them,
//     and more than one in a hundred, end the reading.
//  2. "cancellation": the invoice number begins with C.
//  3. "return": the quantity is zero or less.
//  4. "no customer": the customer's number is empty.
//  5. "bad price": the price is zero or less.
//  6. "not a product": the stock code does not begin with five digits. These
//     are postage, fees, manual entries and samples.
//  7. "bad price" again: the price of a product is not a whole number of pence.
//
// Non-goals: which lines may be kept about whom (packages collect and consent),
// other layouts, other currencies.
package retail

import (
	"fmt"
	"strings"
	"time"

	_ "time/tzdata" // London's summer time, on machines without a zone database
)

// Header is the first line of a file.
const Header = "InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID,Country"

// Currency of every price.
const Currency = "GBP"

// Limits of a file.
const (
	MaxFile       = 16 << 30 // bytes, unfolded
	MaxRecord     = 64 << 10 // bytes of one line
	MaxField      = 500      // bytes of one field
	MaxCode       = 64       // bytes of an invoice number, a stock code, a customer's number
	MaxQuantity   = 10_000_000
	MaxUnreadable = 1000
	// maxFaults is how many unreadable lines are told one by one.
	maxFaults = 10
)

// The reasons for which a line is dropped, as Summary.Dropped names them.
const (
	Unreadable   = "unreadable"
	Cancellation = "cancellation"
	Return       = "return"
	NoCustomer   = "no customer"
	BadPrice     = "bad price"
	NotAProduct  = "not a product"
)

// Line is one sold product of one invoice.
type Line struct {
	// Source names the file: "retail:" and the SHA-256 of its unfolded content
	// in hexadecimal. Source and Number together identify the line for ever.
	Source string
	// Number is the line's number in the file, where the header is 1. Of a
	// record that spans lines it is the first.
	Number int

	Invoice     string
	Code        string // the product's stock code
	Description string // may be empty
	Quantity    int    // at least 1
	At          time.Time
	Price       int64  // of one piece, in pence, at least 1
	Customer    string // never empty
	Country     string
}

// Fault is a line that could not be read.
type Fault struct {
	Line   int
	Reason string
}

// String returns "line 7: …".
func (f Fault) String() string { return fmt.Sprintf("line %d: %s", f.Line, f.Reason) }

// Summary says what became of a file's lines. Lines is Kept and all of Dropped.
type Summary struct {
	Source  string         // as Line.Source
	Lines   int            // without the header
	Kept    int            // handed to the caller
	Dropped map[string]int // by reason; a reason that never held is absent
	Faults  []Fault        // the first unreadable lines
}

// HeaderError says that a file is not in this layout.
type HeaderError struct{ Found string }

// Error names the header that was expected and what was found.
func (e *HeaderError) Error() string {
	return fmt.Sprintf("line 1: this is not a file in the Online Retail layout: expected the header %s; found %q", Header, e.Found)
}

// clip shortens what an error repeats of a file.
func clip(s string) string {
	const most = 120
	if len(s) > most {
		s = s[:most] + "…"
	}
	return strings.ToValidUTF8(s, "\uFFFD")
}
