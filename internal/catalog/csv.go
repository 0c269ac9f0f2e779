package catalog

import (
	"bufio"
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"accord/internal/intake"
)

// column is a name of the CSV form, and whether a file must have it.
type column struct {
	name string
	must bool
}

var columns = []column{
	{"id", true}, {"title", true}, {"category", false}, {"price", true},
	{"currency", true}, {"stock", false}, {"picture", false}, {"url", false},
}

// readCSV reads the CSV form. The columns that are none of ours are passed over,
// as a shop's own export is full of them, and their names returned.
func readCSV(in *intake.Reader, b *bufio.Reader) (products []Product, passed []string, err error) {
	g := newGather()
	c := csv.NewReader(b)
	c.ReuseRecord = true
	c.Comma = separator(b)
	in.Next()
	header, err := c.Read()
	if err == io.EOF {
		return nil, nil, errEmpty
	}
	if err != nil {
		_, err = g.stop(lineOf(err, 1), plain(err))
		return nil, nil, err
	}
	place, passed, err := places(header)
	if err != nil {
		_, err = g.stop(1, err)
		return nil, nil, err
	}
	products, err = readRows(in, c, g, place)
	return products, passed, err
}

// separator is the semicolon where the header has one and no comma, as
// spreadsheets write it in countries whose decimal mark is the comma.
func separator(b *bufio.Reader) rune {
	head, _ := b.Peek(4 << 10) // a fault shows when it is read
	line, _, _ := bytes.Cut(head, []byte("\n"))
	if bytes.ContainsRune(line, ';') && !bytes.ContainsRune(line, ',') {
		return ';'
	}
	return ','
}

func readRows(in *intake.Reader, c *csv.Reader, g *gather, place []int) ([]Product, error) {
	for line := 1; ; {
		in.Next()
		row, err := c.Read()
		if err == io.EOF {
			return g.done()
		}
		var bad *csv.ParseError
		switch {
		case err == nil:
			line, _ = c.FieldPos(0)
			p, err := fromRow(row, place)
			if !g.add(line, p, err) {
				return g.done()
			}
		case errors.As(err, &bad):
			line = bad.Line
			if !g.add(bad.StartLine, Product{}, plain(err)) {
				return g.done()
			}
		default:
			return g.stop(line+1, err)
		}
	}
}

// places finds each column's place in the header, in any case of letters, -1
// where it is absent; passed are the columns that are none of ours.
func places(header []string) (place []int, passed []string, err error) {
	names := make([]string, len(header))
	for i, name := range header {
		names[i] = strings.ToLower(strings.TrimSpace(name))
	}
	place = make([]int, len(columns))
	for i, c := range columns {
		place[i] = slices.Index(names, c.name)
		if place[i] < 0 && c.must {
			return nil, nil, fmt.Errorf("the header lacks %q: expected %s; found %q", c.name, columnNames(), clip(strings.Join(header, ",")))
		}
	}
	for i, name := range names {
		switch known := slices.ContainsFunc(columns, func(c column) bool { return c.name == name }); {
		case known && slices.Contains(names[:i], name):
			return nil, nil, fmt.Errorf("the header names %q twice", name)
		case !known:
			passed = append(passed, strings.Clone(clip(header[i])))
		}
	}
	return place, passed, nil
}

func columnNames() string {
	names := make([]string, len(columns))
	for i, c := range columns {
		names[i] = c.name
	}
	return strings.Join(names, ",")
}

func fromRow(row []string, place []int) (p Product, err error) {
	at := func(column int) string {
		if place[column] < 0 {
			return ""
		}
		// The reader's memory is used again for the next row.
		return strings.Clone(strings.TrimSpace(row[place[column]]))
	}
	p = Product{ID: at(0), Title: at(1), Category: at(2), Currency: at(4), Picture: at(6), URL: at(7)}
	if p.Price, err = price(pointed(at(3)), p.Currency); err != nil {
		return p, err
	}
	p.Stock, err = parseStock(at(5))
	return p, err
}

// plain says a CSV fault in our words and leaves other errors as they are.
func plain(err error) error {
	switch {
	case errors.Is(err, csv.ErrFieldCount):
		return errors.New("has more or fewer fields than the header; is a comma missing its quotation marks?")
	case errors.Is(err, csv.ErrQuote), errors.Is(err, csv.ErrBareQuote):
		return errors.New(`a quotation mark stands alone: put the field in quotation marks and double the mark inside, as in "6"" plate"`)
	}
	return err
}

// lineOf returns the line that a CSV fault names.
func lineOf(err error, otherwise int) int {
	var bad *csv.ParseError
	if errors.As(err, &bad) {
		return bad.StartLine
	}
	return otherwise
}
