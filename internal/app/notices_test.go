package app

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestNoticesStay: what people read is kept across declarations, and a file that
// was changed is refused, since somebody chose by it.
func TestNoticesStay(t *testing.T) {
	data := t.TempDir()
	if _, err := Init(data, Demonstration, "Shop"); err != nil {
		t.Fatal(err)
	}
	versions := func() []string {
		files, err := filepath.Glob(filepath.Join(data, "notices", "*.json"))
		if err != nil {
			t.Fatal(err)
		}
		return files
	}
	open := func() error { return within(t.Context(), Config{Data: data}, func(*House) error { return nil }) }
	if err := open(); err != nil || len(versions()) != 2 {
		t.Fatalf("%v, %v", err, versions())
	}
	old := versions()[0]
	declaration := filepath.Join(data, "accord.yaml")
	b, err := os.ReadFile(declaration)
	if err != nil {
		t.Fatal(err)
	}
	b = bytes.Replace(b, []byte("privacy@example.com"), []byte("hello@example.com"), 1)
	if err := os.WriteFile(declaration, b, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := open(); err != nil || len(versions()) != 4 {
		t.Fatalf("%v, %v", err, versions())
	}
	// The old one is still served.
	var out bytes.Buffer
	version := strings.TrimSuffix(filepath.Base(old), ".json")
	if err := Ask(t.Context(), Config{Data: data}, Server{}, "GET", "/v1/notice/"+version, nil, &out); err != nil {
		t.Fatal(err)
	}
	var got struct{ Version string }
	if err := json.Unmarshal(out.Bytes(), &got); err != nil || got.Version != version {
		t.Errorf("%v: %s", err, out.String())
	}
	text, err := os.ReadFile(old)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(old, bytes.Replace(text, []byte("13 months"), []byte("99 months"), 1), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := open(); err == nil || !strings.Contains(err.Error(), "is not the notice that it was") {
		t.Errorf("a notice that was changed is taken: %v", err)
	}
}

// TestServeWarnsOfHardTexts: who serves hears which text is too hard.
func TestServeWarnsOfHardTexts(t *testing.T) {
	data := t.TempDir()
	d := "version: 1\nreading: {grade: 3}\ncontroller: {id: a, name: A, contact: x@example.com, country: DE}\nreceipts: {retention: 1 year}\npurposes: {ads: {basis: consent, text: Notwithstanding everything considerable advertisements materialize.}}\n"
	if err := os.WriteFile(filepath.Join(data, "accord.yaml"), []byte(d), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Init(data, Demonstration, "A"); err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	// The address is none, so that it ends where it would begin to serve.
	err := Serve(t.Context(), ServeOptions{Config: Config{Data: data, Logger: slog.New(slog.NewTextHandler(&log, nil))}, Listen: "nowhere:-1"}, &bytes.Buffer{})
	if err == nil || !strings.Contains(log.String(), "purpose=ads") {
		t.Errorf("%v; the log says %s", err, log.String())
	}
}
