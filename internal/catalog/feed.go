package catalog

import (
	"bufio"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"accord/internal/intake"
)

const (
	feedSpace = "http://base.google.com/ns/1.0"
	atomSpace = "http://www.w3.org/2005/Atom"
	// maxDepth bounds how deeply a feed's elements may nest.
	maxDepth = 32
)

// feedNames are the names that are taken from a feed.
var feedNames = []string{"id", "title", "price", "availability", "image_link", "link", "product_type"}

// feedItem holds the texts of one item by name; the first of a name counts.
type feedItem map[string]string

func (f feedItem) set(name, value string) {
	if _, ok := f[name]; !ok && slices.Contains(feedNames, name) {
		f[name] = trimSpaces(value)
	}
}

func (f feedItem) product() (p Product, err error) {
	p = Product{ID: f["id"], Title: f["title"], Category: f["product_type"], Picture: f["image_link"], URL: f["link"]}
	amount, currency, ok := strings.Cut(f["price"], " ")
	if !ok {
		return p, fmt.Errorf("price %q lacks its currency: write it as in 12.99 GBP", clip(f["price"]))
	}
	p.Currency = currency
	if p.Price, err = price(amount, currency); err != nil {
		return p, err
	}
	switch strings.ReplaceAll(strings.ToLower(f["availability"]), " ", "_") {
	case "", "in_stock", "preorder", "backorder":
	case "out_of_stock":
		p.Stock = new(int)
	default:
		return p, fmt.Errorf("availability %q is none of in_stock, out_of_stock, preorder, backorder", clip(f["availability"]))
	}
	return p, nil
}

func readXML(in *intake.Reader, b *bufio.Reader) ([]Product, error) {
	g := newGather()
	d := xml.NewDecoder(b)
	d.CharsetReader = func(charset string, _ io.Reader) (io.Reader, error) {
		return nil, fmt.Errorf("the feed is written in %s: save it as UTF-8", clip(charset))
	}
	for depth, root := 0, false; ; {
		in.Next()
		token, err := d.Token()
		if err == io.EOF {
			return g.done()
		}
		line, _ := d.InputPos()
		if err != nil {
			return g.stop(line, sayXML(err))
		}
		switch t := token.(type) {
		case xml.StartElement:
			if !root && !slices.Contains([]string{"rss", "feed", "RDF"}, t.Name.Local) {
				return g.stop(line, fmt.Errorf("<%s> does not begin a feed: expected <rss> or <feed>", clip(t.Name.Local)))
			}
			root = true
			if t.Name.Local != "item" && t.Name.Local != "entry" {
				if depth++; depth > maxDepth {
					return g.stop(line, errDeep)
				}
				continue
			}
			item, err := readItem(d)
			if err != nil {
				at, _ := d.InputPos()
				return g.stop(at, sayXML(err))
			}
			p, err := item.product()
			if !g.add(line, p, err) {
				return g.done()
			}
		case xml.EndElement:
			depth--
		}
	}
}

var errDeep = fmt.Errorf("elements nest more than %d deep: this is not a merchant feed", maxDepth)

// readItem reads to the end of an item whose start was read.
func readItem(d *xml.Decoder) (feedItem, error) {
	item := feedItem{}
	var name string // of the element we are directly inside, "" for others
	var text strings.Builder
	for depth := 0; ; {
		token, err := d.Token()
		if err != nil {
			return nil, err
		}
		switch t := token.(type) {
		case xml.StartElement:
			if depth++; depth > maxDepth {
				return nil, errDeep
			}
			if depth == 1 {
				name = feedName(t.Name)
				text.Reset()
				atomLink(item, t)
			}
		case xml.CharData:
			if depth == 1 {
				text.Write(t)
			}
		case xml.EndElement:
			if depth == 0 {
				return item, nil
			}
			if depth == 1 && name != "" && strings.TrimSpace(text.String()) != "" {
				item.set(name, text.String())
			}
			depth--
		}
	}
}

// feedName returns an element's name where it has one of ours: the merchant
// namespace, one that was never declared ("g"), or that of RSS and Atom.
func feedName(n xml.Name) string {
	switch n.Space {
	case feedSpace, "g", "", atomSpace:
		return n.Local
	}
	return ""
}

// atomLink takes the address of <link href="…"/>.
func atomLink(item feedItem, t xml.StartElement) {
	if t.Name.Local != "link" || t.Name.Space != atomSpace {
		return
	}
	href := ""
	for _, a := range t.Attr {
		if a.Name.Local == "rel" && a.Value != "alternate" {
			return
		}
		if a.Name.Local == "href" {
			href = a.Value
		}
	}
	item.set("link", href)
}

// sayXML says a fault of the XML in a person's words.
func sayXML(err error) error {
	var syntax *xml.SyntaxError
	if errors.As(err, &syntax) {
		if strings.Contains(syntax.Msg, "unexpected EOF") {
			return errors.New("the feed ends too early; was the file cut off?")
		}
		return fmt.Errorf("not valid XML: %s", clip(syntax.Msg))
	}
	return err
}

// readTabs reads the tab-separated form. A field in quotation marks loses them.
func readTabs(in *intake.Reader, b *bufio.Reader) ([]Product, error) {
	g := newGather()
	s := bufio.NewScanner(b)
	s.Buffer(make([]byte, 0, 64<<10), MaxRecord)
	var header []string
	for line := 1; ; line++ {
		in.Next()
		if !s.Scan() {
			break
		}
		if strings.TrimSpace(s.Text()) == "" {
			continue
		}
		fields := strings.Split(strings.TrimSuffix(s.Text(), "\r"), "\t")
		if header == nil {
			var err error
			if header, err = tabHeader(fields); err != nil {
				return g.stop(line, err)
			}
			continue
		}
		if len(fields) > len(header) {
			if !g.add(line, Product{}, fmt.Errorf("has %d fields, but the header names %d", len(fields), len(header))) {
				break
			}
			continue
		}
		item := feedItem{}
		for i, f := range fields {
			item.set(header[i], unquote(f))
		}
		p, err := item.product()
		if !g.add(line, p, err) {
			break
		}
	}
	if err := s.Err(); errors.Is(err, bufio.ErrTooLong) {
		return nil, intake.ErrRecord
	} else if err != nil {
		return nil, err
	}
	return g.done()
}

func tabHeader(fields []string) ([]string, error) {
	header := make([]string, len(fields))
	for i, f := range fields {
		header[i] = strings.ReplaceAll(strings.ToLower(trimSpaces(unquote(f))), " ", "_")
		if slices.Contains(feedNames, header[i]) && slices.Contains(header[:i], header[i]) {
			return nil, fmt.Errorf("the header names %q twice", header[i])
		}
	}
	for _, must := range []string{"id", "title", "price"} {
		if !slices.Contains(header, must) {
			return nil, fmt.Errorf("the header lacks %q: expected tab-separated names such as id, title, price, availability, image_link, link, product_type; found %q", must, clip(strings.Join(header, ",")))
		}
	}
	return header, nil
}

func unquote(s string) string {
	if len(s) >= 2 && s[0] == '"' && s[len(s)-1] == '"' {
		return strings.ReplaceAll(s[1:len(s)-1], `""`, `"`)
	}
	return s
}
