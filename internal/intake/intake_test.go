package intake_test

import (
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"accord/internal/intake"
)

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

var wide = intake.Limits{Total: 1 << 20, Record: 1 << 20}

// It finds gzip by its first bytes, whatever the file is called.
func TestFindsGzip(t *testing.T) {
	for _, text := range []string{"", "a", "hello", strings.Repeat("long ", 50_000)} {
		for _, c := range []struct {
			name string
			file []byte
			gzip bool
		}{{"plain", []byte(text), false}, {"gzip", zip(t, text), true}} {
			r, err := intake.New(iotest.HalfReader(bytes.NewReader(c.file)), wide)
			if err != nil {
				t.Fatalf("%s: %v", c.name, err)
			}
			var got []byte
			for chunk := make([]byte, 4096); ; {
				r.Next()
				n, err := r.Read(chunk)
				got = append(got, chunk[:n]...)
				if err == io.EOF {
					break
				}
				if err != nil {
					t.Fatalf("%s: %v", c.name, err)
				}
			}
			if string(got) != text || r.Gzip() != c.gzip {
				t.Errorf("%s: %d bytes and gzip %v, want %d and %v", c.name, len(got), r.Gzip(), len(text), c.gzip)
			}
		}
	}
}

// A broken gzip is an error in words, wherever it is broken.
func TestBrokenGzip(t *testing.T) {
	whole := zip(t, strings.Repeat("some line of some file\n", 1000))
	for cut := 2; cut < len(whole); cut++ {
		if err := drain(whole[:cut], wide); !errors.Is(err, intake.ErrTruncated) {
			t.Fatalf("cut at %d of %d: %v, want ErrTruncated", cut, len(whole), err)
		}
	}
	wrong := bytes.Clone(whole)
	wrong[len(wrong)-6] ^= 1 // in the checksum
	if err := drain(wrong, wide); !errors.Is(err, intake.ErrCorrupt) {
		t.Errorf("wrong checksum: %v, want ErrCorrupt", err)
	}
	wrong = bytes.Clone(whole)
	wrong[10] |= 6 // a block type that does not exist
	if err := drain(wrong, wide); !errors.Is(err, intake.ErrCorrupt) {
		t.Errorf("wrong block: %v, want ErrCorrupt", err)
	}
}

// An error of the disk stays what it is.
func TestSourceError(t *testing.T) {
	disk := errors.New("input/output error")
	r, err := intake.New(io.MultiReader(strings.NewReader("hello"), iotest.ErrReader(disk)), wide)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadAll(r); !errors.Is(err, disk) {
		t.Errorf("%v, want the disk's error", err)
	}
}

// Neither a gzip bomb nor a record without an end can fill the memory.
func TestBounds(t *testing.T) {
	bomb := zip(t, strings.Repeat("\x00", 1<<20))
	for _, c := range []struct {
		name   string
		file   []byte
		limits intake.Limits
		want   error
	}{
		{"exactly the total", []byte("12345"), intake.Limits{Total: 5, Record: 10}, nil},
		{"one more than the total", []byte("123456"), intake.Limits{Total: 5, Record: 10}, intake.ErrTooLarge},
		{"bomb", bomb, intake.Limits{Total: 1 << 18, Record: 1 << 20}, intake.ErrTooLarge},
		{"record", bomb, intake.Limits{Total: 1 << 30, Record: 1 << 10}, intake.ErrRecord},
	} {
		if err := drain(c.file, c.limits); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", c.name, err, c.want)
		}
	}
}

func drain(file []byte, l intake.Limits) error {
	r, err := intake.New(bytes.NewReader(file), l)
	if err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, r)
	return err
}
