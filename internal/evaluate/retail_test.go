package evaluate

import (
	"bufio"
	"compress/gzip"
	"encoding/csv"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"accord/internal/decide/recommend"
	"accord/internal/declare"
)

// onlineRetail reads the UCI Online Retail file under the filter of the
// reference figures: codes that begin with five digits, no cancellations, a
// customer, positive quantities and prices. The test is skipped without it.
func onlineRetail(t testing.TB) recommend.Data {
	t.Helper()
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(filepath.Join(root, "../shared/data/online-retail/online-retail.csv.gz"))
	if err != nil {
		t.Skipf("the data is not here: %v", err)
	}
	defer f.Close()
	z, err := gzip.NewReader(bufio.NewReaderSize(f, 1<<20))
	if err != nil {
		t.Fatal(err)
	}
	r := csv.NewReader(z)
	r.ReuseRecord = true
	lines, err := readRetail(r)
	if err != nil {
		t.Fatal(err)
	}
	return lines
}

func readRetail(r *csv.Reader) (data recommend.Data, err error) {
	people := map[string]int{}
	if _, err := r.Read(); err != nil {
		return nil, err
	}
	for {
		line, err := r.Read()
		if err != nil {
			if err.Error() == "EOF" {
				return data, nil
			}
			return nil, err
		}
		quantity, _ := strconv.Atoi(line[3])
		price, _ := strconv.ParseFloat(line[5], 64)
		if strings.HasPrefix(line[0], "C") || line[6] == "" || quantity <= 0 || price <= 0 || !fiveDigits(line[1]) {
			continue
		}
		at, err := time.Parse(time.DateTime, line[4])
		if err != nil {
			return nil, err
		}
		i, ok := people[line[6]]
		if !ok {
			i = len(data)
			people[strings.Clone(line[6])] = i
			data = append(data, recommend.History{})
		}
		data[i].Items = append(data[i].Items, recommend.Interaction{
			Item: strings.Clone(line[1]), At: at.UnixMilli(), Action: declare.Purchase, Weight: float32(quantity),
		})
	}
}

func fiveDigits(code string) bool {
	if len(code) < 5 {
		return false
	}
	_, err := strconv.ParseUint(code[:5], 10, 32)
	return err == nil
}

func TestTune(t *testing.T) {
	data := onlineRetail(t)
	until := time.Date(2011, 11, 9, 0, 0, 0, 0, time.UTC)
	t0 := time.Now()
	r, err := Temporal(t.Context(), data, until, Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%v\n%s", time.Since(t0), r)
}
