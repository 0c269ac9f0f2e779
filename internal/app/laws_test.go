package app

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"

	"accord/internal/law"
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

// stopOnTalk ends a server when it says that it serves.
type stopOnTalk struct{ stop context.CancelFunc }

func (s stopOnTalk) Write(b []byte) (int, error) {
	if strings.Contains(string(b), servingOn) {
		s.stop()
	}
	return len(b), nil
}

// TestServeReportsLaw holds the server's one line about the law: which regimes are the
// operator's own, and a warning where they narrow less than ours.
func TestServeReportsLaw(t *testing.T) {
	c := newCrash(t)
	serve := func() (line string) {
		var log bytes.Buffer
		ctx, stop := context.WithCancel(t.Context())
		defer stop()
		o := ServeOptions{Config: Config{Data: c.data, Logger: slog.New(slog.NewTextHandler(&log, nil)), Learn: time.Hour}, Listen: "127.0.0.1:0"}
		if err := Serve(ctx, o, stopOnTalk{stop}); err != nil {
			t.Fatal(err)
		}
		for l := range strings.Lines(log.String()) {
			if strings.Contains(l, "the rules of law") {
				line += l
			}
		}
		return line
	}
	rules := law.Embedded().Rules(law.Embedded().All())
	counts := fmt.Sprintf(" rules=%d unchecked=%d ", len(rules), knownAs(rules, law.Unchecked))
	if line := serve(); !strings.Contains(line, "level=INFO") || !strings.Contains(line, counts+`own="" narrows_less_than_ours=""`) || strings.Count(line, "\n") != 1 {
		t.Errorf("%s; want %s", line, counts)
	}
	if err := os.Mkdir(filepath.Join(c.data, "law"), 0o755); err != nil {
		t.Fatal(err)
	}
	for _, own := range []struct{ regime, old, new string }{{"us-md", "- needs: objection", "- needs: nothing"}, {"us-ca", "", ""}} {
		b, _ := law.Source(own.regime)
		if err := os.WriteFile(filepath.Join(c.data, "law", own.regime+".yaml"), []byte(strings.Replace(string(b), own.old, own.new, 1)), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if line := serve(); !strings.Contains(line, "level=WARN") || !strings.Contains(line, `own="us-ca us-md" narrows_less_than_ours=us-md`) {
		t.Error(line)
	}
}

// TestLawMetric holds the gauge of how well the rules are known.
func TestLawMetric(t *testing.T) {
	r := prometheus.NewRegistry()
	(&House{law: law.Embedded()}).observeLaw(r)
	families, err := r.Gather()
	if err != nil || len(families) != 1 || families[0].GetName() != "accord_law_rules" {
		t.Fatal(families, err)
	}
	rules := law.Embedded().Rules(law.Embedded().All())
	sum := 0.0
	for _, m := range families[0].GetMetric() {
		n := m.GetGauge().GetValue()
		sum += n
		if known := m.GetLabel()[0].GetValue(); known == "unchecked" && n != float64(knownAs(rules, law.Unchecked)) || n == 0 {
			t.Errorf("%s: %v", known, n)
		}
	}
	if sum != float64(len(rules)) || len(families[0].GetMetric()) != 3 {
		t.Errorf("%v of %d rules, in %v", sum, len(rules), families[0])
	}
}
