package app

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"accord/internal/consent"
)

// file writes a file for a test and returns its name.
func file(t *testing.T, name, text string) string {
	t.Helper()
	name = filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

// Promise 5: products that were acknowledged are there. While a server has the
// directory nobody else changes its catalogue, and what is brought to the server
// is answered at once and survives it.
func TestImportCatalogBesideAServer(t *testing.T) {
	c := newCrash(t)
	products := file(t, "products.csv", "id,title,price,currency,stock\nZ1,Mug,12.99,GBP,\nA1,Tea,4,GBP,3\n")
	addr, stop := inProcess(t, serveIn(c.data))
	_, err := ImportCatalog(t.Context(), Config{Data: c.data}, Server{}, products)
	if err == nil || !strings.Contains(err.Error(), "in use") || !strings.Contains(err.Error(), "--server") {
		t.Errorf("an import into a directory that a server has: %v", err)
	}
	at := Server{URL: "http://" + addr, Key: c.key}
	report, err := ImportCatalog(t.Context(), Config{}, at, products)
	if err != nil || report.Products != 2 {
		t.Fatal(report, err)
	}
	var out strings.Builder
	if err := Decide(t.Context(), Config{}, at, map[string]any{"purpose": "personalization", "n": 2}, &out); err != nil {
		t.Fatal(err)
	}
	if z, a := strings.Index(out.String(), `"Z1"`), strings.Index(out.String(), `"A1"`); z < 0 || a < z {
		t.Errorf("the new products are not answered in the catalogue's order: %s", &out)
	}
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	if _, err := ImportCatalog(t.Context(), Config{Data: c.data}, Server{}, file(t, "one.csv", "id,title,price,currency\nB1,Pot,9,GBP\n")); err != nil {
		t.Fatal(err)
	}
	h, err := Open(t.Context(), Config{Data: c.data, Logger: quiet()})
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close() //nolint:errcheck // the test is about what is there
	if p, _ := h.catalog.Get("A1"); h.catalog.Len() != 3 || p.Price != 400 || *p.Stock != 3 {
		t.Errorf("%d products, A1 is %+v", h.catalog.Len(), p)
	}
}

// A receipt's MAC is about its bytes, so the client changes nothing but the
// white space.
func TestClientKeepsTheBytes(t *testing.T) {
	const receipt = `{"z":1.50,"a":["<&>",9007199254740993],"mac":"x"}`
	c := &Client{http: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, receipt) })}
	var out, compact bytes.Buffer
	if err := c.Do(t.Context(), "GET", "/", nil, &out); err != nil {
		t.Fatal(err)
	}
	if err := json.Compact(&compact, out.Bytes()); err != nil || strings.TrimSpace(compact.String()) != receipt {
		t.Errorf("%q came, %q left (%v)", receipt, compact.String(), err)
	}
}

// Promise 3, without a server: a model that has served its time is learnt anew
// before it answers, so that nobody who withdrew stays in it.
func TestDecideLearnsWhenTheModelHasServed(t *testing.T) {
	l := newLearning(t)
	l.must(l.learner.learn(t.Context()))
	l.choose(consent.Withdrawn)
	l.dated(time.Hour, 90*time.Minute) // due, and short of its deadline
	l.close()
	config := Config{Data: l.data, Logger: quiet()}
	var out strings.Builder
	if err := Decide(t.Context(), config, Server{}, map[string]any{"purpose": "personalization", "n": 3}, &out); err != nil || strings.Contains(out.String(), `"model"`) || exists(l.learner.file()) {
		t.Errorf("the old model still answers: %v %s", err, &out)
	}
	l.open(time.Hour)
}

const orders = `InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID,Country
1,85123A,HEART,6,2010-12-01 08:26:00,2.55,17850,United Kingdom
2,22139,TEA SET,1,2010-12-01 09:26:00,4.25,17850,United Kingdom
3,22139,TEA SET,1,2010-12-02 09:26:00,4.25,14527,United Kingdom
`

// What one import could not keep, the next one may: a line is passed over only
// where something of it is durable.
func TestImportAgainOnAnotherBasis(t *testing.T) {
	data := t.TempDir()
	name := file(t, "orders.csv", orders)
	consents := file(t, "consents.csv", "customer_id,purpose,state,at,method,notice\n14527,personalization,given,2010-12-01T00:00:00Z,till,\n")
	for _, step := range []struct {
		o              ImportOptions
		kept, repeated int
	}{
		{ImportOptions{Basis: "legitimate_interest"}, 0, 0},
		{ImportOptions{Basis: "contract"}, 3, 0},
		{ImportOptions{Consents: consents}, 0, 3},
	} {
		step.o.File = name
		report, err := ImportRetail(t.Context(), Config{Data: data, Kind: Evaluation, Logger: quiet()}, step.o, new(strings.Builder))
		if err != nil || report.Kept != step.kept || report.Repeated != step.repeated {
			t.Errorf("%+v: %+v, %v", step.o, report, err)
		}
	}
}

// Every step of an import is shown to its end.
func TestImportProgress(t *testing.T) {
	h, err := Open(t.Context(), Config{Data: t.TempDir(), Kind: Evaluation, Logger: quiet()})
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close() //nolint:errcheck // the test is about what was told
	last := map[string][2]int64{}
	_, err = h.ImportRetail(t.Context(), ImportOptions{
		File: file(t, "orders.csv", orders), Simulate: 1,
		Progress: func(step string, done, total int64) { last[step] = [2]int64{done, total} },
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, step := range []string{"customers", "choices", "orders"} {
		if at := last[step]; at[0] != at[1] || at[1] == 0 {
			t.Errorf("%s ended at %d of %d", step, at[0], at[1])
		}
	}
}

// The bits of a file's lines are there again when it is opened anew.
func TestImports(t *testing.T) {
	d, err := OpenDirectory(t.TempDir(), Evaluation)
	if err != nil {
		t.Fatal(err)
	}
	for _, lines := range [][]int{{9, 2, 70}, {}, {3000, 71}} {
		j, err := d.imports("retail:abc")
		if err != nil {
			t.Fatal(err)
		}
		if j.doubts([]int{1}) {
			t.Error("an import that ended in order is doubted")
		}
		if err := errors.Join(j.add(lines, 80), j.end(), j.close()); err != nil {
			t.Fatal(err)
		}
	}
	j, err := d.imports("retail:abc")
	if err != nil {
		t.Fatal(err)
	}
	defer j.close() //nolint:errcheck // it was only read
	var got []int
	for line := range 4000 {
		if j.has(line) {
			got = append(got, line)
		}
	}
	if fmt.Sprint(got) != "[2 9 70 71 3000]" {
		t.Errorf("lines %v are noted", got)
	}
}

// After an import that broke off, the lines of a batch behind what it had done
// are looked for, whatever was left out before them.
func TestBrokenImportsAreDoubted(t *testing.T) {
	d, err := OpenDirectory(t.TempDir(), Evaluation)
	if err != nil {
		t.Fatal(err)
	}
	breaks := func(done int) *imports {
		j, err := d.imports("retail:abc")
		if err == nil && done > 0 {
			err = errors.Join(j.add(nil, done), j.close())
		}
		if err != nil {
			t.Fatal(err)
		}
		return j
	}
	breaks(5000)
	breaks(100) // the next one broke off before it was there
	j := breaks(0)
	defer j.close() //nolint:errcheck // it was only read
	batch := func(first, n int) (lines []int) {
		for i := range n {
			lines = append(lines, first+i)
		}
		return lines
	}
	for _, c := range []struct {
		lines []int
		want  bool
	}{
		{batch(1000, importBatch), false},
		{append(batch(4000, 100), batch(5001, importBatch-100)...), true},
		{batch(9000, importBatch), true}, // the last 100 of the torn batch
		{batch(20000, importBatch), false},
	} {
		if got := j.doubts(c.lines); got != c.want {
			t.Errorf("lines from %d: doubted %v", c.lines[0], got)
		}
	}
}
