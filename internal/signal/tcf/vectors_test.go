package tcf

import (
	"bufio"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// vector is a public string, from the test suites and specifications that Source
// names, with the answers of the reference encoder: what it reads (JSON), what it
// writes for that if it is another text (Written; ? where its rules forbid it the
// content), or why it refuses (Refused). Where Go answers otherwise, Go says how and
// Note why: "refused: …" has a part of Go's error, "read" means that only the
// reference refuses, and "written: …" is the text that Go writes.
type vector struct {
	Source, Text     string
	JSON             json.RawMessage
	Written, Refused string
	Go, Note         string
}

func vectors(t *testing.T) (all []vector) {
	f, err := os.Open(filepath.Join("testdata", "vectors.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	scan := bufio.NewScanner(f)
	scan.Buffer(nil, 1<<20)
	for scan.Scan() {
		var v vector
		if err := json.Unmarshal(scan.Bytes(), &v); err != nil {
			t.Fatalf("%v in %.100s", err, scan.Text())
		}
		all = append(all, v)
	}
	return all
}

// TestVectors: every public string is read as the reference encoder reads it, or the
// file says why not.
func TestVectors(t *testing.T) {
	for _, v := range vectors(t) {
		got, err := Decode(v.Text)
		if why, refused := strings.CutPrefix(v.Go, "refused: "); refused || v.Go == "" && v.Refused != "" {
			if err == nil || !strings.Contains(err.Error(), why) {
				t.Errorf("%s: %s: %v, want a refusal, %q", v.Source, v.Text, err, why)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %s: %v", v.Source, v.Text, err)
			continue
		}
		if v.Go != "read" {
			want, err := FromJSON(v.JSON)
			if err != nil {
				t.Errorf("%s: %s: %v", v.Source, v.Text, err)
				continue
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%s: %s: (-reference +Go) %s", v.Source, v.Text, diff)
			}
		}
		want := v.Text
		if v.Written != "" {
			want = v.Written
		}
		if ours, ok := strings.CutPrefix(v.Go, "written: "); ok {
			want = ours
		}
		text, err := got.Encode()
		if err != nil || v.Written != "?" && v.Go != "read" && text != want {
			t.Errorf("%s: %s: Go writes\n%s, %v, want\n%s", v.Source, v.Text, text, err, want)
		}
	}
}

// TestVectorsAreExplained: where Go differs from the reference there is a reason.
func TestVectorsAreExplained(t *testing.T) {
	all := vectors(t)
	if len(all) < 40 {
		t.Fatalf("%d vectors", len(all))
	}
	for _, v := range all {
		if v.Source == "" || v.Go != "" && v.Note == "" {
			t.Errorf("%s: without its source or a reason", v.Text)
		}
	}
}
