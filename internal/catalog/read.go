package catalog

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"accord/internal/intake"
)

// Limits of a file.
const (
	// MaxFile is how many bytes a file may unfold to.
	MaxFile = 2 << 30
	// MaxRecord is how many bytes one product may take in a file.
	MaxRecord = 1 << 20
	// maxFaults is how many faults are reported before reading stops.
	maxFaults = 10
)

var limits = intake.Limits{Total: MaxFile, Record: MaxRecord}

// Error is a fault of a file.
type Error struct {
	Line int // 1 is the first; 0 is the file as a whole
	Err  error
}

// Error returns "line 7: …", or the fault alone.
func (e *Error) Error() string {
	if e.Line == 0 {
		return e.Err.Error()
	}
	return "line " + strconv.Itoa(e.Line) + ": " + e.Err.Error()
}

// Unwrap returns the fault without its line.
func (e *Error) Unwrap() error { return e.Err }

// Read reads a catalogue in any of the forms, found by its first bytes. passed
// are the columns of a CSV file that are none of ours, so that a name that was
// mistyped is seen.
func Read(r io.Reader) (products []Product, passed []string, err error) {
	in, err := intake.New(r, limits)
	if err != nil {
		return nil, nil, err
	}
	b := bufio.NewReaderSize(in, 64<<10)
	skipMark(b)
	head, err := b.Peek(64 << 10)
	if err != nil && err != io.EOF {
		return nil, nil, err
	}
	first := bytes.TrimLeft(head, " \t\r\n")
	line, _, _ := bytes.Cut(first, []byte("\n"))
	switch {
	case len(first) == 0:
		err = errEmpty
	case first[0] == '<':
		products, err = readXML(in, b)
	case first[0] == '{' || first[0] == '[':
		products, err = readJSON(in, b)
	case bytes.Contains(line, []byte("\t")):
		products, err = readTabs(in, b)
	default:
		return readCSV(in, b)
	}
	return products, nil, err
}

// ReadCSV reads the CSV form, plain or gzipped. Its header must name id, title,
// price and currency, and may name category, stock, picture and url, in any
// order; other columns are passed over. The fields are separated by commas, or
// by semicolons where the header has no comma. A price is written 12.99; where it
// is not to be mistaken, 12,99 and 1,015.00 are read as well.
func ReadCSV(r io.Reader) ([]Product, error) {
	return read(r, func(in *intake.Reader, b *bufio.Reader) ([]Product, error) {
		products, _, err := readCSV(in, b)
		return products, err
	})
}

// ReadJSON reads the JSON form, plain or gzipped: one array of objects, or
// objects one after another. The names are those of the CSV form; price is a
// number or a string in whole units of the currency (12.99), and stock a number
// or null. A name that is not known, or is there twice, is an error.
func ReadJSON(r io.Reader) ([]Product, error) { return read(r, readJSON) }

// ReadFeed reads a merchant feed, plain or gzipped: RSS or Atom with the names
// of http://base.google.com/ns/1.0, or tab-separated text with a header. It
// takes id, title, price ("12.99 GBP"), availability, image_link, link and
// product_type, and passes over the rest. "in_stock", "preorder" and
// "backorder" leave the stock unknown, "out_of_stock" makes it 0.
func ReadFeed(r io.Reader) ([]Product, error) {
	return read(r, func(in *intake.Reader, b *bufio.Reader) ([]Product, error) {
		head, err := b.Peek(512)
		if err != nil && err != io.EOF {
			return nil, err
		}
		if bytes.HasPrefix(bytes.TrimLeft(head, " \t\r\n"), []byte("<")) {
			return readXML(in, b)
		}
		return readTabs(in, b)
	})
}

var errEmpty = errors.New("the file is empty: there are no products in it")

func read(r io.Reader, form func(*intake.Reader, *bufio.Reader) ([]Product, error)) ([]Product, error) {
	in, err := intake.New(r, limits)
	if err != nil {
		return nil, err
	}
	b := bufio.NewReaderSize(in, 64<<10)
	skipMark(b)
	return form(in, b)
}

// skipMark passes over the byte order mark that spreadsheets write.
func skipMark(b *bufio.Reader) {
	if mark, _ := b.Peek(3); string(mark) == "\uFEFF" {
		_, _ = b.Discard(3) // three bytes that were peeked are there
	}
}

// gather collects a file's products and faults.
type gather struct {
	products []Product
	lines    map[string]int // where each id was
	faults   []error
}

func newGather() *gather { return &gather{lines: make(map[string]int)} }

// add takes a product, or the fault that kept it from being read. It reports
// whether reading may go on.
func (g *gather) add(line int, p Product, err error) bool {
	if err == nil {
		err = p.Check()
	}
	if err == nil {
		if before := g.lines[p.ID]; before != 0 {
			err = fmt.Errorf("id %q was there before, in line %d", p.ID, before)
		}
	}
	if err != nil {
		g.faults = append(g.faults, &Error{Line: line, Err: err})
		return len(g.faults) < maxFaults
	}
	if len(g.products) == MaxProducts {
		g.faults = append(g.faults, &Error{Line: line, Err: fmt.Errorf("a catalogue holds at most %d products; leave out what is not sold", MaxProducts)})
		return false
	}
	g.lines[p.ID] = line
	g.products = append(g.products, p)
	return true
}

// stop ends with a fault after which nothing more can be read.
func (g *gather) stop(line int, err error) ([]Product, error) {
	g.faults = append(g.faults, &Error{Line: line, Err: err})
	return g.done()
}

// done returns the products, or the faults where there are any.
func (g *gather) done() ([]Product, error) {
	if len(g.faults) > 0 {
		if len(g.faults) >= maxFaults {
			g.faults = append(g.faults, errors.New("and perhaps more; nothing was taken from this file"))
		}
		return nil, errors.Join(g.faults...)
	}
	if len(g.products) == 0 {
		return nil, errEmpty
	}
	return g.products, nil
}

// parseStock reads a stock, where "" is not known.
func parseStock(s string) (*int, error) {
	if s == "" {
		return nil, nil
	}
	n, err := strconv.Atoi(s)
	if err != nil || n < 0 || n > MaxStock {
		return nil, fmt.Errorf("stock %q is not a whole number between 0 and %d", clip(s), MaxStock)
	}
	return &n, nil
}

// trimSpaces makes one space of every run of white space and drops the outer
// ones: feeds and spreadsheets are full of them.
func trimSpaces(s string) string { return strings.Join(strings.Fields(s), " ") }
