package catalog_test

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"accord/internal/catalog"
	"accord/internal/intake"
)

const header = "id,title,category,price,currency,stock,picture,url\n"

var forms = map[string]string{
	"csv": header +
		"m-1,Blue mug,Kitchen > Mugs,12.99,GBP,5,/p/m-1.svg,https://shop.example/m-1\n" +
		"t-1,\"Tea, \"\"black\"\"\",,4.5,EUR,,,\n",
	"csv with semicolons and more columns": "ID;Title; category ;Price;Currency;Vendor;stock;picture;url\n" +
		"m-1;Blue mug;Kitchen > Mugs;12,99;GBP;X;5;/p/m-1.svg;https://shop.example/m-1\n" +
		"t-1;\"Tea, \"\"black\"\"\";;4,50;EUR;Y;;;\n",
	"csv in another order": "price,currency,id,title,category,stock,url,picture\n" +
		"12.99,GBP,m-1,Blue mug,Kitchen > Mugs,5,https://shop.example/m-1,/p/m-1.svg\n" +
		"4.5,EUR,t-1,\"Tea, \"\"black\"\"\",,,,\n",
	"json": `[{"id":"m-1","title":"Blue mug","category":"Kitchen > Mugs","price":12.99,"currency":"GBP","stock":5,"picture":"/p/m-1.svg","url":"https://shop.example/m-1"},
		{"id":"t-1","title":"Tea, \"black\"","price":"4.50","currency":"EUR","stock":null}]`,
	"json lines": `{"id":"m-1","title":"Blue mug","category":"Kitchen > Mugs","price":12.99,"currency":"GBP","stock":5,"picture":"/p/m-1.svg","url":"https://shop.example/m-1"}
{"id":"t-1","title":"Tea, \"black\"","price":"4.50","currency":"EUR"}
`,
}

var two = []catalog.Product{
	{ID: "m-1", Title: "Blue mug", Category: "Kitchen > Mugs", Price: 1299, Currency: "GBP", Stock: count(5), Picture: "/p/m-1.svg", URL: "https://shop.example/m-1"},
	{ID: "t-1", Title: `Tea, "black"`, Price: 450, Currency: "EUR"},
}

func zip(t testing.TB, s string) []byte {
	t.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	if _, err := z.Write([]byte(s)); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// Every form is found by its content, plain or gzipped.
func TestRead(t *testing.T) {
	for name, text := range forms {
		for _, file := range [][]byte{[]byte(text), zip(t, text), []byte("\uFEFF" + text), []byte(strings.ReplaceAll(text, "\n", "\r\n"))} {
			got, _, err := catalog.Read(bytes.NewReader(file))
			if err != nil {
				t.Errorf("%s: %v", name, err)
			} else if d := cmp.Diff(two, got); d != "" {
				t.Errorf("%s: %s", name, d)
			}
		}
	}
	if got, err := catalog.ReadCSV(strings.NewReader("id,title,price,currency\nm-1,Blue mug,12.99,GBP\n")); err != nil || !cmp.Equal(got, []catalog.Product{mug}) {
		t.Errorf("the four columns that must be there: %v, %v", got, err)
	}
}

// A fault is reported with its line and with what to do, and nothing is taken.
func TestFaults(t *testing.T) {
	const good = "m-1,Blue mug,,12.99,GBP,,,\n"
	for _, c := range []struct{ name, file, want string }{
		{"empty", "", "empty"},
		{"white", " \n\n", "empty"},
		{"only a header", header, "empty"},
		{"lacking", "id,title,category\n", `line 1: the header lacks "price": expected id,title,category,price,currency,stock,picture,url; found "id,title,category"`},
		{"twice", "id,id,title,price,currency\n", `line 1: the header names "id" twice`},
		{"fields", header + good + "x,y\n", "line 3: has more or fewer fields"},
		{"quote", header + good + "x,\"y\"z,,1,GBP,,,\n", "line 3: a quotation mark stands alone"},
		{"open quote", header + good + "\"x,y,,1,GBP,,,\n", "line 3: a quotation mark stands alone"},
		{"comma", header + "x,y,,\"1,015\",GBP,,,\n", `line 2: price "1,015" is not a price: write digits with a point`},
		{"no currency", header + "x,y,,1,,,,\n", "line 2: the currency is missing"},
		{"fine", header + "x,y,,12.999,GBP,,,\n", `line 2: price "12.999" is finer`},
		{"negative", header + "x,y,,-1,GBP,,,\n", "line 2: price of"},
		{"currency", header + "x,y,,1,pounds,,,\n", `line 2: currency "pounds" is none`},
		{"stock", header + "x,y,,1,GBP,many,,\n", `line 2: stock "many" is not a whole number`},
		{"bytes", header + "x,caf\xe9,,1,GBP,,,\n", "line 2: title is not valid UTF-8"},
		{"again", header + good + "\n" + good, `line 4: id "m-1" was there before, in line 2`},
		{"script", header + "x,y,,1,GBP,,,javascript:alert(1)\n", "line 2: url"},
		{"json unknown", "[\n{\"id\":\"x\",\"colour\":1}]", `line 2: the name "colour" is none of`},
		{"json twice", `{"id":"x","id":"y"}`, "line 1: not valid JSON: duplicate"},
		{"json type", "\n\n{\"id\":1}", `line 3: "id" is of the wrong type`},
		{"json long", "[\n{\n\"id\":\n1}]", `line 2: "id" is of the wrong type`},
		{"json value", "[\n1]", "line 2: a product is a JSON object"},
		{"json price", `{"id":"x","title":"y","currency":"GBP"}`, "line 1: price is missing"},
		{"json price true", `{"id":"x","title":"y","currency":"GBP","price":true}`, "line 1: price is missing"},
		{"json power", `{"id":"x","title":"y","currency":"GBP","price":1e3}`, `line 1: price "1e3" is not a price`},
		{"json stock", `{"id":"x","title":"y","currency":"GBP","price":1,"stock":1.5}`, `line 1: "stock" is of the wrong type`},
		{"json cut", "[\n{\"id\":\"x\",", "the JSON ends too early"},
		{"json syntax", "{\"id\"\n\"x\"}", "not valid JSON"},
		{"json more", `[{"id":"m-1","title":"y","currency":"GBP","price":1}] {}`, "more after the end"},
	} {
		got, _, err := catalog.Read(strings.NewReader(c.file))
		if err == nil || !strings.Contains(err.Error(), c.want) || got != nil {
			t.Errorf("%s: %d products, error %v; want %q", c.name, len(got), err, c.want)
		}
	}
	var fault *catalog.Error
	if _, _, err := catalog.Read(strings.NewReader(header + "x\n")); !errors.As(err, &fault) || fault.Line != 2 {
		t.Errorf("%v is not an *Error with its line", err)
	}
	if _, _, err := catalog.Read(bytes.NewReader(zip(t, forms["csv"])[:60])); !errors.Is(err, intake.ErrTruncated) {
		t.Errorf("cut gzip: %v", err)
	}
	_, _, err := catalog.Read(strings.NewReader(header + strings.Repeat("x\n", 100)))
	if err == nil || strings.Count(err.Error(), "line ") != 10 {
		t.Errorf("a hundred faults gave %v, want ten lines", err)
	}
}

// Columns that are none of ours are passed over and named: one may be mistyped.
func TestPassedOver(t *testing.T) {
	got, passed, err := catalog.Read(strings.NewReader("id,title,price,currency,stok,Vendor,Vendor\nm-1,Blue mug,12.99,GBP,5,X,Y\n"))
	if err != nil || !cmp.Equal(got, []catalog.Product{mug}) || !cmp.Equal(passed, []string{"stok", "Vendor", "Vendor"}) {
		t.Errorf("%v, passed %q, %v", got, passed, err)
	}
}

// A price as a spreadsheet writes it is read where it has one meaning only.
func TestSpreadsheetPrices(t *testing.T) {
	for text, want := range map[string]int64{
		"12.99": 1299, "12,99": 1299, "12,9": 1290, "1,015.00": 101500, "1.015,00": 101500, "1,234,567": 123456700,
		"1,015": -1, "1,01.00": -1, "1,,015.0": -1, "1.015,0.0": -1, ",99": -1, "12,": -1,
	} {
		got, err := catalog.ReadCSV(strings.NewReader("id,title,price,currency\nx,y,\"" + text + "\",GBP\n"))
		if want < 0 && err == nil || want >= 0 && (err != nil || got[0].Price != want) {
			t.Errorf("%s: %v, %v; want %d", text, got, err, want)
		}
	}
}

// A line and the number of products are bounded.
func TestBounds(t *testing.T) {
	for _, start := range []string{header + "\"", "[{\"id\":\"", "<rss><item><g:id>", "<rss><!--", "id\ttitle\tprice\nx"} {
		in := io.MultiReader(strings.NewReader(start), endless{})
		if got, _, err := catalog.Read(in); !errors.Is(err, intake.ErrRecord) || got != nil {
			t.Errorf("%q without an end: %d products, %v", start, len(got), err)
		}
	}
	if testing.Short() {
		t.Skip("a million products take seconds")
	}
	r, w := io.Pipe()
	go func() {
		_, err := io.WriteString(w, "id,title,price,currency\n")
		for i := 0; err == nil && i <= catalog.MaxProducts; i++ {
			_, err = fmt.Fprintf(w, "p%d,x,1,GBP\n", i)
		}
		w.CloseWithError(io.EOF)
	}()
	got, _, err := catalog.Read(r)
	_ = r.Close()
	if err == nil || !strings.Contains(err.Error(), "line 1000002: a catalogue holds at most 1000000 products") || got != nil {
		t.Errorf("a million and one: %d products, %v", len(got), err)
	}
}

// endless is a text without an end.
type endless struct{}

func (endless) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = 'x'
	}
	return len(p), nil
}

// Whatever the bytes are, what is read is valid and distinct.
func FuzzRead(f *testing.F) {
	for _, text := range forms {
		f.Add([]byte(text))
		f.Add(zip(f, text))
	}
	for _, text := range feeds {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, file []byte) {
		got, _, err := catalog.Read(bytes.NewReader(file))
		if (err == nil) == (len(got) == 0) {
			t.Fatalf("%d products and error %v", len(got), err)
		}
		seen := map[string]bool{}
		for i := range got {
			if err := got[i].Check(); err != nil || seen[got[i].ID] {
				t.Fatalf("product %+v: %v", got[i], err)
			}
			seen[got[i].ID] = true
		}
	})
}
