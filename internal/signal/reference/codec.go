package reference

import (
	"bufio"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// Codec is a codec that is tested: S is what it reads a text as.
type Codec[S interface{ Encode() (string, error) }] struct {
	Decode   func(text string) (S, error)
	FromJSON func(b []byte) (S, error)
	// MaxLength is the longest text in characters, Long the error for one that would be
	// longer.
	MaxLength int
	Long      error
}

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

// Vectors holds the codec to testdata/vectors.jsonl, of at least so many lines: every
// public string is read as the reference encoder reads it, or the file says why not.
func (c Codec[S]) Vectors(t *testing.T, least int) {
	f, err := os.Open(filepath.Join("testdata", "vectors.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	scan := bufio.NewScanner(f)
	scan.Buffer(nil, 1<<20)
	n := 0
	for ; scan.Scan(); n++ {
		var v vector
		if err := json.Unmarshal(scan.Bytes(), &v); err != nil {
			t.Fatalf("%v in %.100s", err, scan.Text())
		}
		if v.Source == "" || v.Go != "" && v.Note == "" {
			t.Errorf("%s: without its source or a reason", v.Text)
		}
		c.vector(t, &v)
	}
	if scan.Err() != nil || n < least {
		t.Fatalf("%d vectors, %v", n, scan.Err())
	}
}

func (c Codec[S]) vector(t *testing.T, v *vector) {
	got, err := c.Decode(v.Text)
	if why, refused := strings.CutPrefix(v.Go, "refused: "); refused || v.Go == "" && v.Refused != "" {
		if err == nil || !strings.Contains(err.Error(), why) {
			t.Errorf("%s: %s: %v, want a refusal, %q", v.Source, v.Text, err, why)
		}
		return
	}
	if err != nil {
		t.Errorf("%s: %s: %v", v.Source, v.Text, err)
		return
	}
	if v.Go != "read" {
		want, err := c.FromJSON(v.JSON)
		if err != nil {
			t.Errorf("%s: %s: %v", v.Source, v.Text, err)
			return
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

// Reread is the body of a fuzz target: reading never panics, and what is read is
// written to a text, and to JSON, that reads as the same.
func (c Codec[S]) Reread(t *testing.T, text string) {
	s, err := c.Decode(text)
	if err != nil {
		return
	}
	if len(text) > c.MaxLength {
		t.Fatalf("%d characters were read", len(text))
	}
	canonical, err := s.Encode()
	if errors.Is(err, c.Long) {
		return
	}
	if err != nil {
		t.Fatalf("%s cannot be written again: %v", text, err)
	}
	again, err := c.Decode(canonical)
	if err != nil {
		t.Fatalf("%s was written as %s: %v", text, canonical, err)
	}
	if diff := cmp.Diff(s, again); diff != "" {
		t.Fatalf("%s was written as %s: %s", text, canonical, diff)
	}
	if twice, err := again.Encode(); err != nil || twice != canonical {
		t.Fatalf("%s and then %s, %v", canonical, twice, err)
	}
	b, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	if read, err := c.FromJSON(b); err != nil || !cmp.Equal(s, read) {
		t.Fatalf("%s as JSON: %s, %v", text, b, err)
	}
}
