package api

import (
	"context"
	"net"
	"net/http"
	"sync"
)

// Listener makes the connections of l ones on which a large answer leaves in one
// write. net/http has 4 KiB for what it writes, so an answer of 5 KiB takes two
// system calls and wakes its reader twice. It serves connections without TLS;
// others are as they were.
func Listener(l net.Listener) net.Listener { return wholeListener{l} }

type wholeListener struct{ net.Listener }

// Accept wraps the connection.
func (l wholeListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &wholeConn{Conn: c}, nil
}

// wholeConn holds an announced answer back until it is complete. It is written
// by the goroutine that serves the connection only.
type wholeConn struct {
	net.Conn
	want int     // bytes that are still to come at least
	held *[]byte // what came of them
}

var wholes = sync.Pool{New: func() any { b := make([]byte, 0, 8<<10); return &b }}

// Write sends b, or keeps it until the announced bytes are there.
func (c *wholeConn) Write(b []byte) (int, error) {
	if c.want == 0 {
		return c.Conn.Write(b)
	}
	if c.held == nil {
		c.held = wholes.Get().(*[]byte)
	}
	*c.held = append(*c.held, b...)
	if len(*c.held) < c.want {
		return len(b), nil
	}
	_, err := c.Conn.Write(*c.held)
	if cap(*c.held) <= keepBody {
		*c.held = (*c.held)[:0]
		wholes.Put(c.held)
	}
	c.want, c.held = 0, nil
	return len(b), err
}

type wholeKey struct{}

func connContext(ctx context.Context, c net.Conn) context.Context {
	if w, ok := c.(*wholeConn); ok {
		return context.WithValue(ctx, wholeKey{}, w)
	}
	return ctx
}

// announce tells the connection that an answer with a body of n bytes comes. The
// caller writes them all: the head of the answer makes up for nothing less.
func announce(r *http.Request, n int) {
	if w, ok := r.Context().Value(wholeKey{}).(*wholeConn); ok {
		w.want = n
	}
}
