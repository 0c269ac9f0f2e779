package catalog

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"accord/internal/intake"
)

// entry is a product as the JSON form writes it.
type entry struct {
	ID       string         `json:"id"`
	Title    string         `json:"title"`
	Category string         `json:"category"`
	Price    jsontext.Value `json:"price"`
	Currency string         `json:"currency"`
	Stock    *int           `json:"stock"`
	Picture  string         `json:"picture"`
	URL      string         `json:"url"`
}

func (e *entry) product() (p Product, err error) {
	p = Product{
		ID: e.ID, Title: trimSpaces(e.Title), Category: trimSpaces(e.Category),
		Currency: e.Currency, Stock: e.Stock, Picture: e.Picture, URL: e.URL,
	}
	text := string(e.Price)
	switch e.Price.Kind() {
	case '0':
	case '"':
		if err := json.Unmarshal(e.Price, &text); err != nil {
			return p, errors.New("price is not a string that can be read")
		}
	default:
		return p, errors.New("price is missing: write it as a number or a string, as in 12.99")
	}
	p.Price, err = price(text, p.Currency)
	return p, err
}

func readJSON(in *intake.Reader, b *bufio.Reader) ([]Product, error) {
	g := newGather()
	lines := &lineCounter{src: b, line: 1}
	d := jsontext.NewDecoder(lines)
	in.Next()
	list := d.PeekKind() == '['
	if list {
		if _, err := d.ReadToken(); err != nil {
			return g.stop(1, sayJSON(err))
		}
	}
	for {
		in.Next()
		kind := d.PeekKind()
		if list && kind == ']' {
			if _, err := d.ReadToken(); err != nil {
				return g.stop(lines.at(d.InputOffset()), sayJSON(err))
			}
			if _, err := d.ReadToken(); err != io.EOF {
				return g.stop(lines.at(d.InputOffset()), errors.New("there is more after the end of the list"))
			}
			return g.done()
		}
		value, err := d.ReadValue()
		if err == io.EOF && !list {
			return g.done()
		}
		line := lines.at(d.InputOffset())
		if err != nil {
			return g.stop(line, sayJSON(err))
		}
		line -= bytes.Count(value, []byte("\n")) // where the product begins
		var e entry
		var p Product
		if err = json.Unmarshal(value, &e, json.RejectUnknownMembers(true)); err == nil {
			p, err = e.product()
		} else {
			err = sayJSON(err)
		}
		if !g.add(line, p, err) {
			return g.done()
		}
	}
}

// sayJSON shortens an error of the JSON package to its cause.
func sayJSON(err error) error {
	var syntax *jsontext.SyntacticError
	var semantic *json.SemanticError
	switch {
	case errors.Is(err, io.ErrUnexpectedEOF):
		return errors.New("the JSON ends too early; was the file cut off?")
	case errors.As(err, &syntax):
		return fmt.Errorf("not valid JSON: %w", syntax.Err)
	case errors.As(err, &semantic) && errors.Is(err, json.ErrUnknownName):
		return fmt.Errorf("the name %q is none of %s", clip(semantic.JSONPointer.LastToken()), columnNames())
	case errors.As(err, &semantic) && semantic.JSONPointer == "":
		return errors.New("a product is a JSON object with the names " + columnNames())
	case errors.As(err, &semantic):
		return fmt.Errorf("%q is of the wrong type", clip(semantic.JSONPointer.LastToken()))
	}
	return err
}

// lineCounter tells the line of an offset that a decoder has reached. It
// remembers line ends only as far as the decoder reads ahead.
type lineCounter struct {
	src  io.Reader
	read int64   // bytes given out
	line int     // the line of the last offset asked for
	ends []int64 // offsets of line ends after it
}

func (l *lineCounter) Read(p []byte) (int, error) {
	n, err := l.src.Read(p)
	for i, c := range p[:n] {
		if c == '\n' {
			l.ends = append(l.ends, l.read+int64(i))
		}
	}
	l.read += int64(n)
	return n, err
}

// at returns the line of an offset, which must not shrink from call to call.
func (l *lineCounter) at(offset int64) int {
	passed := 0
	for passed < len(l.ends) && l.ends[passed] < offset {
		passed++
	}
	l.ends = append(l.ends[:0], l.ends[passed:]...)
	l.line += passed
	return l.line
}
