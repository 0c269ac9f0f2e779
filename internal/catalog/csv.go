package catalog

import (
	"bufio"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"accord/internal/intake"
)

// columns are the names of the CSV form, and whether a file must have them.
var columns = []struct {
	name string
	must bool
}{
	{"id", true}, {"title", true}, {"category", false}, {"price", true},
	{"currency", true}, {"stock", false}, {"picture", false}, {"url", false},
}

func readCSV(in *intake.Reader, b *bufio.Reader) ([]Product, error) {
	g := newGather()
	c := csv.NewReader(b)
	c.ReuseRecord = true
	in.Next()
	header, err := c.Read()
	if err == io.EOF {
		return nil, errEmpty
	}
	if err != nil {
		return g.stop(lineOf(err, 1), plain(err))
	}
	place, err := places(header)
	if err != nil {
		return g.stop(1, err)
	}
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

// places finds each column's place in the header, -1 where it is absent.
func places(header []string) ([]int, error) {
	place := make([]int, len(columns))
	for i, c := range columns {
		place[i] = slices.Index(header, c.name)
		if place[i] < 0 && c.must {
			return nil, fmt.Errorf("the header lacks %q: expected %s; found %q", c.name, columnNames(), clip(strings.Join(header, ",")))
		}
	}
	for i, name := range header {
		known := slices.ContainsFunc(place, func(at int) bool { return at == i })
		switch {
		case slices.Contains(header[:i], name):
			return nil, fmt.Errorf("the header names %q twice", clip(name))
		case !known:
			return nil, fmt.Errorf("the header names %q, which is none of %s", clip(name), columnNames())
		}
	}
	return place, nil
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
	if p.Price, err = price(at(3), p.Currency); err != nil {
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
