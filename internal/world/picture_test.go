package world_test

import (
	"bytes"
	"encoding/xml"
	"io"
	"strings"
	"testing"

	"accord/internal/catalog"
	"accord/internal/world"
)

// checkPicture reads a picture as XML and refuses what would run or fetch.
func checkPicture(t *testing.T, p catalog.Product) []byte {
	t.Helper()
	b := world.Picture(p)
	if len(b) > 8<<10 {
		t.Errorf("%s: %d bytes", p.Title, len(b))
	}
	d := xml.NewDecoder(bytes.NewReader(b))
	d.Strict = true
	shapes, title := 0, ""
	for depth := 0; ; {
		token, err := d.Token()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatalf("%s: %v in %s", p.Title, err, b)
		}
		switch e := token.(type) {
		case xml.StartElement:
			if depth++; e.Name.Space != "http://www.w3.org/2000/svg" {
				t.Errorf("%s: element %v", p.Title, e.Name)
			}
			switch e.Name.Local {
			case "svg", "title", "g":
			case "rect", "circle", "ellipse", "path":
				shapes++
			default:
				t.Errorf("%s: element %s", p.Title, e.Name.Local)
			}
			for _, a := range e.Attr {
				if a.Name.Local == "xmlns" {
					continue
				}
				if strings.HasPrefix(a.Name.Local, "on") || a.Name.Local == "href" || a.Name.Local == "style" || strings.Contains(a.Value, "url(") || strings.Contains(a.Value, ":") || strings.Contains(a.Value, "NaN") || strings.Contains(a.Value, "#-") {
					t.Errorf("%s: attribute %v", p.Title, a)
				}
			}
		case xml.CharData:
			if depth == 2 {
				title += string(e)
			}
		case xml.EndElement:
			depth--
		}
	}
	if shapes < 6 || strings.ToValidUTF8(title, "") == "" {
		t.Errorf("%s: %d shapes and title %q", p.Title, shapes, title)
	}
	return b
}

// A picture is well-formed, needs nothing from elsewhere, and is always the same.
func TestPicture(t *testing.T) {
	seen := map[string]bool{}
	for _, p := range world.New(1, world.Options{Products: world.MaxProducts}).Products() {
		b := checkPicture(t, p)
		if !bytes.Equal(b, world.Picture(p)) {
			t.Errorf("%s: two pictures", p.Title)
		}
		if !bytes.Contains(b, []byte("<title>")) || p.Picture != "/pictures/"+p.ID+".svg" {
			t.Errorf("%s: picture at %s", p.Title, p.Picture)
		}
		_, drawn, _ := bytes.Cut(b, []byte("</title>"))
		seen[string(drawn)] = true
	}
	if len(seen) < world.MaxProducts/4 {
		t.Errorf("%d pictures for %d products", len(seen), world.MaxProducts)
	}
}

// Any product has a picture, whatever its title tries.
func TestPictureOfAnything(t *testing.T) {
	for _, p := range []catalog.Product{
		{},
		{ID: "85123A", Title: "WHITE HANGING HEART T-LIGHT HOLDER"},
		{ID: "x", Title: `</title><script>alert("1")</script><image href="https://evil.example/x"/>`, Category: "Black tea"},
		{ID: "y", Title: "caf\xe9\x00 & <b>", Category: "Cups & mugs"},
		{ID: "z", Title: strings.Repeat("long & wide ☕ ", 1500)},
	} {
		if p.Title == "" {
			p.Title = "untitled"
		}
		checkPicture(t, p)
	}
}

func FuzzPicture(f *testing.F) {
	f.Add("BT-01", "Assam, 100 g loose leaf", "Black tea")
	f.Add("", "x]]>", "")
	f.Fuzz(func(t *testing.T, id, title, category string) {
		checkPicture(t, catalog.Product{ID: id, Title: "t" + title, Category: category})
	})
}

func BenchmarkPicture(b *testing.B) {
	products := world.New(1, world.Options{}).Products()
	b.ReportAllocs()
	n := 0
	for b.Loop() {
		world.Picture(products[n%len(products)])
		n++
	}
}
