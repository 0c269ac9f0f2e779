package retail_test

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"accord/internal/intake"
	"accord/internal/retail"
)

const sample = retail.Header + `
536365,85123A,WHITE HANGING HEART T-LIGHT HOLDER,6,2010-12-01 08:26:00,2.55,17850.0,United Kingdom
536366,22633,"HAND WARMER ""UNION"" JACK, RED",2,2011-07-01 09:02:00,1.8500,17851,France
`

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

func read(t testing.TB, file []byte) ([]retail.Line, retail.Summary, error) {
	t.Helper()
	var lines []retail.Line
	s, err := retail.Read(bytes.NewReader(file), func(l retail.Line) error {
		lines = append(lines, l)
		return nil
	}, nil)
	return lines, s, err
}

// What the columns mean: London's time, exact pence, the customer's number
// without what a spreadsheet adds. Plain and gzipped are the same lines.
func TestRead(t *testing.T) {
	london, err := time.LoadLocation("Europe/London")
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256([]byte(sample))
	source := "retail:" + hex.EncodeToString(sum[:])
	want := []retail.Line{
		{
			Source: source, Number: 2, Invoice: "536365", Code: "85123A", Description: "WHITE HANGING HEART T-LIGHT HOLDER",
			Quantity: 6, At: time.Date(2010, 12, 1, 8, 26, 0, 0, london), Price: 255, Customer: "17850", Country: "United Kingdom",
		},
		{
			Source: source, Number: 3, Invoice: "536366", Code: "22633", Description: `HAND WARMER "UNION" JACK, RED`,
			Quantity: 2, At: time.Date(2011, 7, 1, 9, 2, 0, 0, london), Price: 185, Customer: "17851", Country: "France",
		},
	}
	for name, file := range map[string][]byte{"plain": []byte(sample), "gzip": zip(t, sample)} {
		lines, s, err := read(t, file)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if d := cmp.Diff(want, lines, cmp.Comparer(func(a, b time.Time) bool { return a.Equal(b) })); d != "" {
			t.Errorf("%s: %s", name, d)
		}
		if s.Source != source || s.Lines != 2 || s.Kept != 2 || len(s.Dropped) != 0 || len(s.Faults) != 0 {
			t.Errorf("%s: summary %+v", name, s)
		}
	}
	// 09:02 in July is summer time.
	if got := want[1].At.UTC().Hour(); got != 8 {
		t.Errorf("09:02 in July is %d:02 UTC, want 8:02", got)
	}
	// Windows line ends and a byte order mark change the digest and nothing else.
	lines, _, err := read(t, []byte("\uFEFF"+strings.ReplaceAll(sample, "\n", "\r\n")))
	if err != nil || len(lines) != 2 || lines[1].Customer != "17851" || lines[1].Country != "France" {
		t.Errorf("with a byte order mark: %d lines, %v", len(lines), err)
	}
}

// A line is dropped for the first of the documented reasons that holds.
func TestReasons(t *testing.T) {
	for _, c := range []struct{ row, want string }{
		{"C536379,D,Discount,-1,2010-12-01 09:41:00,0,,United Kingdom", retail.Cancellation},
		{"536379,D,Discount,-1,2010-12-01 09:41:00,0,,United Kingdom", retail.Return},
		{"536379,D,Discount,0,2010-12-01 09:41:00,0,1,United Kingdom", retail.Return},
		{"536379,D,Discount,1,2010-12-01 09:41:00,0,,United Kingdom", retail.NoCustomer},
		{"536379,D,Discount,1,2010-12-01 09:41:00,0.00,1,United Kingdom", retail.BadPrice},
		{"A536379,B,Bad debt,1,2010-12-01 09:41:00,-11062.06,1,United Kingdom", retail.BadPrice},
		{"536379,POST,POSTAGE,1,2010-12-01 09:41:00,18.00,1,France", retail.NotAProduct},
		{"536379,8512,SHORT,1,2010-12-01 09:41:00,18.00,1,France", retail.NotAProduct},
		{"536379,PADS,PADS,1,2010-12-01 09:41:00,0.001,1,France", retail.NotAProduct},
		{"536379,85123A,CHEAP,1,2010-12-01 09:41:00,0.001,1,France", retail.BadPrice},
		{"536379,85123A,CHEAP,1,2010-12-01 09:41:00,-0.001,1,France", retail.BadPrice},
		{"536379,85123A,MUG,1,2010-12-01 09:41:00,1,1", retail.Unreadable},
		{"536379,85123A,MUG,1,2010-12-01 09:41:00,1,1,UK,more", retail.Unreadable},
		{"536379,85123A,MUG,one,2010-12-01 09:41:00,1,1,UK", retail.Unreadable},
		{"536379,85123A,MUG,1,01/12/2010 09:41,1,1,UK", retail.Unreadable},
		{"536379,85123A,MUG,1,2010-02-30 09:41:00,1,1,UK", retail.Unreadable},
		{`536379,85123A,MUG,1,2010-12-01 09:41:00,"1,50",1,UK`, retail.Unreadable},
		{"536379,85123A,MUG,1,2010-12-01 09:41:00,,1,UK", retail.Unreadable},
		{"536379,85123A,MUG,99999999999999999999,2010-12-01 09:41:00,1,1,UK", retail.Unreadable},
		{"536379,85123A,M\xffG,1,2010-12-01 09:41:00,1,1,UK", retail.Unreadable},
		{"536379,85123A,M\x00G,1,2010-12-01 09:41:00,1,1,UK", retail.Unreadable},
		{`536379,85123A,M"G,1,2010-12-01 09:41:00,1,1,UK`, retail.Unreadable},
		{"536379,85123A," + strings.Repeat("M", 501) + ",1,2010-12-01 09:41:00,1,1,UK", retail.Unreadable},
	} {
		lines, s, err := read(t, []byte(retail.Header+"\n"+c.row+"\n"+strings.SplitN(sample, "\n", 2)[1]))
		if err != nil {
			t.Errorf("%q: %v", c.row, err)
			continue
		}
		if want := map[string]int{c.want: 1}; !maps.Equal(s.Dropped, want) || len(lines) != 2 || s.Kept != 2 || s.Lines != 3 {
			t.Errorf("%q: %+v with %d lines, want %s", c.row, s, len(lines), c.want)
		}
		if c.want == retail.Unreadable && (len(s.Faults) != 1 || s.Faults[0].Line != 2 || s.Faults[0].Reason == "") {
			t.Errorf("%q: faults %v", c.row, s.Faults)
		}
	}
}

// A wrong header is an error that names what was expected and what was found.
func TestWrongHeader(t *testing.T) {
	for _, file := range []string{
		"", "\n", "Invoice,StockCode\n1,2\n", retail.Header + ",Extra\n", strings.ToLower(retail.Header) + "\n",
		strings.Repeat("x", 1<<20), retail.Header[:20], "\uFEFF",
	} {
		lines, s, err := read(t, []byte(file))
		var header *retail.HeaderError
		if !errors.As(err, &header) || !strings.Contains(err.Error(), retail.Header) {
			t.Errorf("%.40q: %v, want the expected header", file, err)
			continue
		}
		if len(lines) != 0 || s.Lines != 0 || len(err.Error()) > 600 {
			t.Errorf("%.40q: %d lines and an error of %d bytes", file, len(lines), len(err.Error()))
		}
	}
	_, _, err := read(t, []byte("Invoice,StockCode\n1,2\n"))
	if err == nil || !strings.Contains(err.Error(), "Invoice,StockCode") {
		t.Errorf("%v does not name what was found", err)
	}
}

// A truncated gzip is a clear error, and nothing of it is handed out.
func TestTruncated(t *testing.T) {
	whole := zip(t, sample)
	for cut := 2; cut < len(whole); cut++ {
		lines, s, err := read(t, whole[:cut])
		if !errors.Is(err, intake.ErrTruncated) || len(lines) != 0 || s.Lines != 0 {
			t.Fatalf("cut at %d of %d: %d lines, %v", cut, len(whole), len(lines), err)
		}
	}
	broken := bytes.Clone(whole)
	broken[len(broken)-5] ^= 0xff
	if lines, _, err := read(t, broken); !errors.Is(err, intake.ErrCorrupt) || len(lines) != 0 {
		t.Errorf("wrong checksum: %d lines, %v", len(lines), err)
	}
}

// Bad rows are not fatal up to a bound.
func TestTooManyUnreadable(t *testing.T) {
	bad := strings.Repeat("not a row\n", retail.MaxUnreadable)
	_, s, err := read(t, []byte(retail.Header+"\n"+bad))
	if err != nil || s.Dropped[retail.Unreadable] != retail.MaxUnreadable || len(s.Faults) != 10 {
		t.Errorf("at the bound: %+v, %v", s, err)
	}
	_, s, err = read(t, []byte(retail.Header+"\n"+bad+"one more\n"))
	if err == nil || !strings.Contains(err.Error(), "line 2: has not the 8 fields") || s.Lines != retail.MaxUnreadable+1 {
		t.Errorf("beyond the bound: %+v, %v", s, err)
	}
	good := strings.SplitAfter(sample, "\n")[1]
	many := strings.Repeat(good, 200*retail.MaxUnreadable) + bad + bad
	if _, s, err = read(t, []byte(retail.Header+"\n"+many)); err != nil {
		t.Errorf("two thousand of 202,000 ended the reading: %v", err)
	}
}

// A quotation mark that is never closed does not fill the memory.
func TestOpenQuote(t *testing.T) {
	_, _, err := read(t, []byte(retail.Header+"\n536365,\""+strings.Repeat("endless,\n", 100_000)))
	if !errors.Is(err, intake.ErrRecord) {
		t.Errorf("%v, want ErrRecord", err)
	}
	_, s, err := read(t, []byte(sample+"536365,\"short\nand open"))
	if err != nil || s.Kept != 2 || len(s.Faults) != 1 || s.Faults[0].Line != 4 {
		t.Errorf("%+v, %v", s, err)
	}
}

// Lines that repeat exactly are real sales, and each has its own number.
func TestRepeats(t *testing.T) {
	row := strings.SplitAfter(sample, "\n")[1]
	lines, _, err := read(t, []byte(retail.Header+"\n"+row+row+row))
	if err != nil || len(lines) != 3 {
		t.Fatalf("%d lines, %v", len(lines), err)
	}
	for i, l := range lines {
		if l.Number != i+2 {
			t.Errorf("line %d has number %d", i+2, l.Number)
		}
	}
}

// An error of the caller ends the reading and comes back as it is.
func TestCallerStops(t *testing.T) {
	full := errors.New("disk full")
	calls := 0
	s, err := retail.Read(strings.NewReader(sample), func(retail.Line) error { calls++; return full }, nil)
	if err != full || calls != 1 || s.Kept != 1 {
		t.Errorf("%d calls, %+v, %v", calls, s, err)
	}
}

// The progress reaches its total and never goes back.
func TestProgress(t *testing.T) {
	file := zip(t, retail.Header+"\n"+strings.Repeat(strings.SplitAfter(sample, "\n")[1], 5000))
	var last, end int64
	_, err := retail.Read(bytes.NewReader(file), func(retail.Line) error { return nil }, func(done, total int64) {
		if done < last || done > total || total != 2*int64(len(file)) {
			t.Errorf("%d of %d after %d", done, total, last)
		}
		last, end = done, total
	})
	if err != nil || last != end || end == 0 {
		t.Errorf("ended at %d of %d, %v", last, end, err)
	}
}

// A file that is written to while it is read is noticed.
func TestChanged(t *testing.T) {
	f := &switching{first: sample, then: strings.Replace(sample, "2.55", "2.56", 1)}
	_, err := retail.Read(f, func(retail.Line) error { return nil }, nil)
	if !errors.Is(err, retail.ErrChanged) {
		t.Errorf("%v, want ErrChanged", err)
	}
}

// switching is a file with another content from the third seek on.
type switching struct {
	first, then string
	seeks       int
	now         *strings.Reader
}

func (s *switching) Seek(offset int64, whence int) (int64, error) {
	s.seeks++
	s.now = strings.NewReader(s.first)
	if s.seeks > 2 {
		s.now = strings.NewReader(s.then)
	}
	return s.now.Seek(offset, whence)
}

func (s *switching) Read(p []byte) (int, error) { return s.now.Read(p) }

// Whatever the bytes are, the sums hold and every line is as documented.
func FuzzRead(f *testing.F) {
	f.Add([]byte(sample))
	f.Add(zip(f, sample))
	f.Add(zip(f, sample)[:40])
	f.Add([]byte(retail.Header + "\n\"\n\n,,,,,,,\n"))
	f.Fuzz(func(t *testing.T, file []byte) {
		last := 1
		kept := 0
		s, err := retail.Read(bytes.NewReader(file), func(l retail.Line) error {
			kept++
			if l.Number <= last || l.Quantity < 1 || l.Price < 1 || l.Customer == "" || len(l.Code) < 5 || l.At.IsZero() {
				return fmt.Errorf("line %+v after %d", l, last)
			}
			last = l.Number
			return nil
		}, nil)
		dropped := 0
		for _, n := range s.Dropped {
			dropped += n
		}
		if s.Kept != kept || s.Lines != kept+dropped {
			t.Fatalf("%+v with %d kept", s, kept)
		}
		if err != nil && strings.HasPrefix(err.Error(), "line {") {
			t.Fatal(err)
		}
	})
}

var _ io.ReadSeeker = (*switching)(nil)
