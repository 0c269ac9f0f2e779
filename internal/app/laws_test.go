package app

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write the golden files anew")

// TestLawShow holds what a lawyer reads of a regime, on the day it is named by.
func TestLawShow(t *testing.T) {
	for _, c := range []struct{ regime, on string }{{"us-ca", "2026-11-25"}, {"uk", "2026-02-04"}, {"ru", "2026-11-25"}, {"in", "2027-05-13"}} {
		on, err := time.Parse(time.DateOnly, c.on)
		if err != nil {
			t.Fatal(err)
		}
		var b bytes.Buffer
		if err := LawShow("", c.regime, on, &b); err != nil {
			t.Fatal(err)
		}
		name := filepath.Join("testdata", "law", c.regime+"_"+c.on+".txt")
		if *update {
			if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(name, b.Bytes(), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(want), b.String()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}
