package bench

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/iotest"
)

func TestAnswers(t *testing.T) {
	for name, c := range map[string]struct {
		wire   string
		status int
		body   string
		last   bool
	}{
		"length":         {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", 200, "hello", false},
		"any case":       {"HTTP/1.1 200\r\nCONTENT-length:5 \r\n\r\nhello", 200, "hello", false},
		"empty":          {"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", 200, "", false},
		"chunked":        {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3;ext=1\r\nhel\r\n2\r\nlo\r\n0\r\nTrailer: x\r\n\r\n", 200, "hello", false},
		"interim":        {"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 503 Busy\r\nContent-Length: 1\r\n\r\n!", 503, "!", false},
		"no content":     {"HTTP/1.1 204 No Content\r\n\r\n", 204, "", false},
		"until the end":  {"HTTP/1.1 200 OK\r\n\r\nhello", 200, "hello", true},
		"old":            {"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok", 200, "ok", true},
		"closing":        {"HTTP/1.1 200 OK\r\nConnection: x, Close\r\nContent-Length: 2\r\n\r\nok", 200, "ok", true},
		"bare line ends": {"HTTP/1.1 200 OK\nContent-Length: 2\n\nok", 200, "ok", false},
		"large":          {"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n" + strings.Repeat("x", 100000), 200, strings.Repeat("x", 100000), false},
	} {
		t.Run(name, func(t *testing.T) {
			for _, from := range []io.Reader{strings.NewReader(c.wire), iotest.OneByteReader(strings.NewReader(c.wire)), iotest.DataErrReader(strings.NewReader(c.wire))} {
				a := newAnswers(from)
				got, err := a.read()
				if err != nil {
					t.Fatal(err)
				}
				if got.status != c.status || string(got.body) != c.body || got.last != c.last || !a.idle() {
					t.Fatalf("got %d %.40q last=%v idle=%v", got.status, got.body, got.last, a.idle())
				}
			}
		})
	}
}

func TestAnswersInARow(t *testing.T) {
	one := "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\none"
	two := "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\ntwo\r\n0\r\n\r\n"
	a := newAnswers(strings.NewReader(strings.Repeat(one+two, 1000)))
	for i := range 2000 {
		got, err := a.read()
		if err != nil || string(got.body) != [2]string{"one", "two"}[i%2] {
			t.Fatalf("answer %d: %q, %v", i, got.body, err)
		}
	}
	if _, err := a.read(); !errors.Is(err, io.EOF) {
		t.Fatalf("after the last answer: %v, want io.EOF", err)
	}
}

func TestAnswersRefuse(t *testing.T) {
	for name, c := range map[string]struct {
		wire string
		want error
	}{
		"not HTTP":          {"SSH-2.0-OpenSSH_9.6\r\n\r\n", errMalformed},
		"HTTP/2":            {"HTTP/2.0 200 OK\r\n\r\n", errMalformed},
		"bad status":        {"HTTP/1.1 2x0 OK\r\n\r\n", errMalformed},
		"long status":       {"HTTP/1.1 2000 OK\r\n\r\n", errMalformed},
		"no colon":          {"HTTP/1.1 200 OK\r\nnonsense\r\n\r\n", errMalformed},
		"two lengths":       {"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab", errMalformed},
		"negative length":   {"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n", errMalformed},
		"both framings":     {"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", errMalformed},
		"old chunks":        {"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", errMalformed},
		"other coding":      {"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n", errMalformed},
		"bad chunk":         {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", errMalformed},
		"chunk without end": {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nabc", errMalformed},
		"switch":            {"HTTP/1.1 101 Switching Protocols\r\n\r\n", errMalformed},
		"huge":              {"HTTP/1.1 200 OK\r\nContent-Length: 999999999\r\n\r\n", errTooLarge},
		"huge chunk":        {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n7fffffff\r\n", errTooLarge},
		"huge header":       {"HTTP/1.1 200 OK\r\n" + strings.Repeat("a: b\r\n", 20000) + "\r\n", errTooLarge},
		"endless line":      {"HTTP/1.1 200 OK\r\na: " + strings.Repeat("b", 100000), errTooLarge},
		"nothing":           {"", io.EOF},
		"cut status":        {"HTTP/1.1 2", io.ErrUnexpectedEOF},
		"cut header":        {"HTTP/1.1 200 OK\r\n", io.ErrUnexpectedEOF},
		"cut body":          {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhel", io.ErrUnexpectedEOF},
		"cut chunks":        {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n", io.ErrUnexpectedEOF},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := newAnswers(strings.NewReader(c.wire)).read(); !errors.Is(err, c.want) {
				t.Fatalf("got %v, want %v", err, c.want)
			}
		})
	}
}

// FuzzAnswers: no bytes of a server's make the reader panic, read without bound,
// or understand another body than net/http does.
func FuzzAnswers(f *testing.F) {
	f.Add([]byte("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"))
	f.Add([]byte("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n0\r\n\r\n"))
	f.Add([]byte("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.0 404 Not Found\r\nConnection: close\r\n\r\nx"))
	f.Fuzz(func(t *testing.T, wire []byte) {
		got, err := newAnswers(bytes.NewReader(wire)).read()
		if err != nil {
			return
		}
		if got.status < 200 || got.status > 999 || len(got.body) > maxBody {
			t.Fatalf("status %d with %d bytes", got.status, len(got.body))
		}
		want, err := http.ReadResponse(bufio.NewReader(bytes.NewReader(wire)), nil)
		if err != nil || want.StatusCode < 200 {
			return // net/http refuses more, and hands interim answers out
		}
		body, err := io.ReadAll(want.Body)
		if err == nil && (want.StatusCode != got.status || !bytes.Equal(body, got.body)) {
			t.Fatalf("net/http read %d %q, this reader %d %q", want.StatusCode, body, got.status, got.body)
		}
	})
}
