package api

import (
	"bytes"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"sync"

	"github.com/klauspost/compress/gzip"

	"accord/internal/auth"
)

// What a body may take, unfolded, in bytes. The first two are Segment's.
const (
	maxSingle  = 32 << 10
	maxBatch   = 500 << 10
	maxDecide  = 128 << 10
	maxConsent = 32 << 10
	maxCatalog = 16 << 20
)

// body is a buffer for one request's body and all that reading it needs. It is
// used again, so what is kept of it must be copied.
type body struct {
	bytes  []byte
	folded bytes.Reader
	gzip   *gzip.Reader
}

var bodies = sync.Pool{New: func() any { return new(body) }}

// keepBody bounds what the pool holds on to.
const keepBody = 1 << 20

func (b *body) release() {
	if cap(b.bytes) > keepBody {
		return
	}
	b.folded.Reset(nil)
	bodies.Put(b)
}

// crowded refuses a body before any of it is read.
var crowded = problem(http.StatusServiceUnavailable, codeBusy,
	"Too many bodies are on their way in just now. Send the same request again after the seconds that Retry-After names; nothing was kept of it.").later(1)

// body reads a body of at most limit bytes where there is room for it. Whoever
// has a public key, or none yet, shares the room, so that no flood of theirs
// takes the memory, and none of it keeps the shop's own servers out.
func (x *exchange) body(r *http.Request, limit int) (*body, error) {
	if x.key.Kind != auth.Secret {
		if !x.server.bodies.TryAcquire(int64(limit)) {
			x.server.metrics.limited.Inc()
			return nil, crowded
		}
		x.held = int64(limit) // until the exchange ends
	}
	return readBody(r, limit)
}

// readBody reads and unfolds a body of at most limit bytes. Gzip is known by its
// first bytes, whatever the labels say. The caller releases the body.
func readBody(r *http.Request, limit int) (*body, error) {
	if r.ContentLength > int64(limit) {
		return nil, tooLarge(limit)
	}
	b := bodies.Get().(*body)
	var err error
	if b.bytes, err = readAll(b.bytes[:0], r.Body, limit, int(r.ContentLength)); err == nil && len(b.bytes) >= 2 && b.bytes[0] == 0x1f && b.bytes[1] == 0x8b {
		err = b.unfold(limit)
	}
	if err != nil {
		b.release()
		return nil, bodyProblem(err, limit)
	}
	return b, nil
}

// unfold replaces the bytes by what they are when unzipped.
func (b *body) unfold(limit int) error {
	folded := bodies.Get().(*body)
	defer folded.release()
	folded.bytes, b.bytes = b.bytes, folded.bytes[:0]
	b.folded.Reset(folded.bytes)
	var err error
	if b.gzip == nil {
		b.gzip, err = gzip.NewReader(&b.folded)
	} else {
		err = b.gzip.Reset(&b.folded)
	}
	if err != nil {
		return errGzip
	}
	b.bytes, err = readAll(b.bytes, b.gzip, limit, 4*len(folded.bytes))
	if err != nil && !errors.Is(err, errTooLarge) {
		return errGzip
	}
	return err
}

var (
	errTooLarge = errors.New("too large")
	errGzip     = errors.New("not a whole gzip stream")
)

// readAll appends all of r to dst, at most limit bytes. Expect is how many bytes
// will come, as far as is known; it only saves growing.
func readAll(dst []byte, r io.Reader, limit, expect int) ([]byte, error) {
	// One byte more than is expected, so that the end is seen without growing.
	// What a client promises to send is believed up to 64 KiB only.
	if want := min(max(expect, 512), limit, 64<<10) + 1; cap(dst) < want {
		dst = make([]byte, 0, want)
	}
	for {
		if len(dst) == cap(dst) {
			dst = append(dst, 0)[:len(dst)]
		}
		room := dst[len(dst):min(cap(dst), limit+1)]
		n, err := r.Read(room)
		dst = dst[:len(dst)+n]
		switch {
		case len(dst) > limit:
			return dst, errTooLarge
		case err == io.EOF:
			return dst, nil
		case err != nil:
			return dst, err
		}
	}
}

func tooLarge(limit int) *Problem {
	p := problem(http.StatusRequestEntityTooLarge, codeTooLarge, "The body is larger than this route takes, which is "+size(limit)+" when it is unzipped. Send it in smaller parts.")
	return p
}

func size(n int) string {
	var b []byte
	switch {
	case n >= 1<<20:
		b = appendInt(b, int64(n>>20))
		return string(append(b, " MiB"...))
	default:
		b = appendInt(b, int64(n>>10))
		return string(append(b, " KiB"...))
	}
}

func bodyProblem(err error, limit int) error {
	switch {
	case errors.Is(err, errTooLarge):
		return tooLarge(limit)
	case errors.Is(err, errGzip):
		return problem(http.StatusBadRequest, codeBadGzip, "The body begins like gzip and is not a whole gzip stream. It may have been cut off; send it again.")
	case errors.Is(err, os.ErrDeadlineExceeded), isTimeout(err):
		return problem(http.StatusRequestTimeout, codeUnreadable, "The body did not arrive in time. Send it again.")
	}
	return problem(http.StatusBadRequest, codeUnreadable, "The body ended before all of it arrived. Send it again.")
}

func isTimeout(err error) bool {
	n, ok := errors.AsType[net.Error](err)
	return ok && n.Timeout()
}
