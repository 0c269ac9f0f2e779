package bench

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
)

// Limits of an answer. What is larger is an error, so a broken server cannot
// fill the generator's memory.
const (
	maxHeader = 64 << 10
	maxBody   = 16 << 20
)

var (
	errMalformed = errors.New("the answer is not HTTP/1.1")
	errTooLarge  = errors.New("the answer is larger than 16 MB, or its header than 64 KB")
	errUnasked   = errors.New("the server sent bytes after the end of its answer")
)

// answer is one response. The body is valid until the next read.
type answer struct {
	status  int
	version int // of HTTP/1: 0 or 1
	body    []byte
	// last says that the connection ends with this answer.
	last bool
}

// answers reads responses off a connection, one after the other, into buffers
// that it reuses.
type answers struct {
	from    io.Reader
	buf     []byte // buf[at:end] is read and not yet used
	at, end int
	chunks  []byte // the body of a chunked answer
	header  int    // bytes of the present header
}

func newAnswers(from io.Reader) *answers {
	return &answers{from: from, buf: make([]byte, 16<<10)}
}

// idle reports whether nothing is left of the answers so far.
func (a *answers) idle() bool { return a.at == a.end }

// read returns the next final response. It passes over interim (1xx) ones.
func (a *answers) read() (answer, error) {
	for {
		ans, head, err := a.head()
		switch {
		case err != nil:
			return ans, err
		case ans.status == 101:
			return ans, errMalformed
		case ans.status < 200:
			continue
		case ans.status == 204 || ans.status == 304:
			return ans, nil
		case head.chunked:
			ans.body, err = a.chunked()
		case head.length >= 0:
			ans.body, err = a.take(head.length)
		default:
			ans.last = true
			ans.body, err = a.rest()
		}
		return ans, err
	}
}

// framing is what the header says about the body.
type framing struct {
	length  int // -1 where it says none
	chunked bool
}

func (a *answers) head() (answer, framing, error) {
	a.header = 0
	f := framing{length: -1}
	line, err := a.line()
	if err != nil {
		return answer{}, f, err
	}
	ans, err := statusLine(line)
	if err != nil {
		return ans, f, err
	}
	for {
		line, err = a.line()
		if err != nil {
			return ans, f, unexpected(err)
		}
		if len(line) == 0 {
			break
		}
		if err := f.field(line, &ans); err != nil {
			return ans, f, err
		}
	}
	// Both at once is how answers are smuggled, and HTTP/1.0 knew no chunks; no
	// honest server sends either (RFC 9112 6.1).
	if f.chunked && (f.length >= 0 || ans.version == 0) {
		return ans, f, errMalformed
	}
	return ans, f, nil
}

// statusLine reads "HTTP/1.1 200 OK". HTTP/1.0 ends its connection unless a
// field says otherwise, which no server here does.
func statusLine(line []byte) (answer, error) {
	if len(line) < 12 || !bytes.HasPrefix(line, []byte("HTTP/1.")) || line[8] != ' ' || line[7] != '0' && line[7] != '1' {
		return answer{}, errMalformed
	}
	if len(line) > 12 && line[12] != ' ' {
		return answer{}, errMalformed
	}
	status := 0
	for _, c := range line[9:12] {
		if c < '0' || c > '9' {
			return answer{}, errMalformed
		}
		status = status*10 + int(c-'0')
	}
	if status < 100 {
		return answer{}, errMalformed
	}
	return answer{status: status, version: int(line[7] - '0'), last: line[7] == '0'}, nil
}

// field takes the three fields that matter and passes over the others without
// allocating.
func (f *framing) field(line []byte, ans *answer) error {
	name, value, ok := bytes.Cut(line, []byte{':'})
	if !ok || len(name) == 0 {
		return errMalformed
	}
	value = bytes.Trim(value, " \t")
	switch {
	case equalFold(name, "content-length"):
		n, ok := decimal(value)
		if !ok || f.length >= 0 && f.length != n {
			return errMalformed
		}
		if n > maxBody {
			return errTooLarge
		}
		f.length = n
	case equalFold(name, "transfer-encoding"):
		if f.chunked || !equalFold(value, "chunked") {
			return errMalformed
		}
		f.chunked = true
	case equalFold(name, "connection"):
		for token := range bytes.SplitSeq(value, []byte{','}) {
			if equalFold(bytes.Trim(token, " \t"), "close") {
				ans.last = true
			}
		}
	}
	return nil
}

// equalFold compares ASCII without regard to case; want is in lower case.
func equalFold(b []byte, want string) bool {
	return len(b) == len(want) && strings.EqualFold(string(b), want)
}

func decimal(b []byte) (n int, ok bool) {
	if len(b) == 0 || len(b) > 12 {
		return 0, false
	}
	for _, c := range b {
		if c < '0' || c > '9' {
			return 0, false
		}
		n = n*10 + int(c-'0')
	}
	return n, true
}

// chunked reads a chunked body and its trailer.
func (a *answers) chunked() ([]byte, error) {
	a.chunks = a.chunks[:0]
	for {
		a.header = 0
		line, err := a.line()
		if err != nil {
			return nil, unexpected(err)
		}
		size, _, _ := bytes.Cut(line, []byte{';'})
		n, err := strconv.ParseUint(string(bytes.TrimRight(size, " \t")), 16, 31)
		if err != nil {
			return nil, errMalformed
		}
		if n == 0 {
			return a.chunks, a.trailer()
		}
		if len(a.chunks)+int(n) > maxBody {
			return nil, errTooLarge
		}
		data, err := a.take(int(n))
		if err != nil {
			return nil, err
		}
		a.chunks = append(a.chunks, data...)
		end, err := a.take(2)
		if err != nil {
			return nil, err
		}
		if end[0] != '\r' || end[1] != '\n' {
			return nil, errMalformed
		}
	}
}

func (a *answers) trailer() error {
	for {
		line, err := a.line()
		if err != nil {
			return unexpected(err)
		}
		if len(line) == 0 {
			return nil
		}
	}
}

// line returns the next line without its end. An end of the stream before the
// first byte is io.EOF.
func (a *answers) line() ([]byte, error) {
	searched := 0
	for {
		if i := bytes.IndexByte(a.buf[a.at+searched:a.end], '\n'); i >= 0 {
			n := searched + i + 1
			if a.header += n; a.header > maxHeader {
				return nil, errTooLarge
			}
			line := a.buf[a.at : a.at+n-1]
			a.at += n
			return bytes.TrimSuffix(line, []byte{'\r'}), nil
		}
		searched = a.end - a.at
		if searched > maxHeader {
			return nil, errTooLarge
		}
		if err := a.fill(searched + 1); err != nil {
			if searched > 0 {
				err = unexpected(err)
			}
			return nil, err
		}
	}
}

// take returns the next n bytes. They are valid until the next call.
func (a *answers) take(n int) ([]byte, error) {
	if err := a.fill(n); err != nil {
		return nil, unexpected(err)
	}
	b := a.buf[a.at : a.at+n]
	a.at += n
	return b, nil
}

// rest returns what comes until the end of the stream.
func (a *answers) rest() ([]byte, error) {
	for {
		err := a.fill(a.end - a.at + 1)
		switch {
		case a.end-a.at > maxBody:
			return nil, errTooLarge
		case errors.Is(err, io.EOF):
			b := a.buf[a.at:a.end]
			a.at = a.end
			return b, nil
		case err != nil:
			return nil, err
		}
	}
}

// fill reads until n bytes are there. It moves or grows the buffer as needed.
func (a *answers) fill(n int) error {
	if a.at == a.end {
		a.at, a.end = 0, 0
	}
	if a.at+n > len(a.buf) {
		to := a.buf
		if n > len(a.buf) {
			to = make([]byte, max(n, 2*len(a.buf)))
		}
		a.end = copy(to, a.buf[a.at:a.end])
		a.at, a.buf = 0, to
	}
	for a.end-a.at < n {
		got, err := a.from.Read(a.buf[a.end:])
		a.end += got
		if err != nil && a.end-a.at < n {
			return err
		}
	}
	return nil
}

// unexpected turns an end of the stream in the middle of an answer into an
// error that says so.
func unexpected(err error) error {
	if errors.Is(err, io.EOF) {
		return fmt.Errorf("the connection ended in the middle of an answer: %w", io.ErrUnexpectedEOF)
	}
	return err
}
