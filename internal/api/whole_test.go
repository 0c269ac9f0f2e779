package api

import (
	"bytes"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
)

// counted counts the writes of its connections.
type counted struct {
	net.Listener
	writes *atomic.Int64
}

func (l counted) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	return countedConn{c, l.writes}, err
}

type countedConn struct {
	net.Conn
	writes *atomic.Int64
}

func (c countedConn) Write(b []byte) (int, error) {
	c.writes.Add(1)
	return c.Conn.Write(b)
}

// An announced answer of any size leaves in one write, and what is not announced
// leaves as it comes.
func TestAnnouncedAnswersLeaveWhole(t *testing.T) {
	for _, size := range []int{1, 3000, 5000, 100_000} {
		for _, announced := range []bool{true, false} {
			body := []byte(strings.Repeat("x", size))
			var writes atomic.Int64
			plain, err := net.Listen("tcp", "127.0.0.1:0")
			must(t, err)
			s := Server(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Content-Length", strconv.Itoa(len(body)))
				if announced {
					announce(r, len(body))
				}
				w.Write(body) //nolint:errcheck // the client tells
			}), prometheus.NewRegistry(), slog.New(slog.DiscardHandler))
			go s.Serve(Listener(counted{plain, &writes})) //nolint:errcheck // ends with Close
			client := &http.Client{Transport: &http.Transport{}}
			for range 3 { // on the same connection
				before := writes.Load()
				answer, err := client.Get("http://" + plain.Addr().String())
				must(t, err)
				got, err := io.ReadAll(answer.Body)
				must(t, err)
				answer.Body.Close()
				if !bytes.Equal(got, body) {
					t.Fatalf("%d bytes came, want %d", len(got), len(body))
				}
				if n := writes.Load() - before; announced && n != 1 {
					t.Errorf("%d bytes in %d writes", size, n)
				}
			}
			client.CloseIdleConnections()
			must(t, s.Close())
		}
	}
}
