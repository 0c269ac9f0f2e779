package retail

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/csv"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"strings"

	"accord/internal/intake"
)

var limits = intake.Limits{Total: MaxFile, Record: MaxRecord}

// ErrChanged says that the file was written to while it was read.
var ErrChanged = errors.New("the file changed while it was read: import it again when nobody writes to it")

// Read reads a file from its beginning and hands each sale to line, in order.
// An error of line ends the reading and is returned as it is. The summary holds
// what was done until then.
//
// It fails with a *HeaderError or an error of package intake (a truncated or
// damaged gzip) before line was called once, and with an error that names the
// first faults where too many lines are unreadable.
//
// progress, if not nil, is told how far the work is: done and total are bytes
// of the file, counted once for each of the two passes.
func Read(file io.ReadSeeker, line func(Line) error, progress func(done, total int64)) (Summary, error) {
	size, err := file.Seek(0, io.SeekEnd)
	if err != nil {
		return Summary{}, fmt.Errorf("the file must be one that can be read twice, not a pipe: %w", err)
	}
	if _, err := file.Seek(0, io.SeekStart); err != nil {
		return Summary{}, err
	}
	p := &counter{src: file, total: 2 * size, progress: progress}
	digest, err := prove(p)
	if err != nil {
		return Summary{}, err
	}
	if _, err := file.Seek(0, io.SeekStart); err != nil {
		return Summary{}, err
	}
	p.done = size
	r, err := newReader(p, "retail:"+digest)
	if err != nil {
		return Summary{}, err
	}
	if err := r.all(line); err != nil {
		return r.summary, err
	}
	if hex.EncodeToString(r.sum.Sum(nil)) != digest {
		return r.summary, ErrChanged
	}
	return r.summary, nil
}

// prove checks the header and reads the file to its end for the digest.
func prove(src io.Reader) (string, error) {
	in, err := intake.New(src, limits)
	if err != nil {
		return "", err
	}
	b := bufio.NewReaderSize(in, 64<<10)
	if err := checkHeader(b); err != nil {
		return "", err
	}
	sum := sha256.New()
	chunk := make([]byte, 64<<10)
	for {
		in.Next() // any content is right here, so no record is too long
		n, err := b.Read(chunk)
		sum.Write(chunk[:n])
		if err == io.EOF {
			return hex.EncodeToString(sum.Sum(nil)), nil
		}
		if err != nil {
			return "", err
		}
	}
}

// checkHeader looks at the first line without reading it.
func checkHeader(b *bufio.Reader) error {
	head, err := b.Peek(len(mark) + len(Header) + 2)
	if err != nil && err != io.EOF {
		return err
	}
	if len(head) == 0 {
		return &HeaderError{Found: "an empty file"}
	}
	head = bytes.TrimPrefix(head, []byte(mark))
	if rest, ok := bytes.CutPrefix(head, []byte(Header)); ok {
		if len(rest) == 0 || rest[0] == '\n' || bytes.HasPrefix(rest, []byte("\r\n")) {
			return nil
		}
	}
	long, err := b.Peek(512)
	if err != nil && err != io.EOF {
		return err
	}
	found, _, _ := bytes.Cut(bytes.TrimPrefix(long, []byte(mark)), []byte("\n"))
	return &HeaderError{Found: clip(strings.TrimSuffix(string(found), "\r"))}
}

// mark is the byte order mark that spreadsheets write.
const mark = "\uFEFF"

// reader is the second pass.
type reader struct {
	in      *intake.Reader
	csv     *csv.Reader
	sum     hash.Hash // of all that was read, to notice a change
	rows    *rows
	summary Summary
}

func newReader(src io.Reader, source string) (*reader, error) {
	in, err := intake.New(src, limits)
	if err != nil {
		return nil, err
	}
	sum := sha256.New()
	rows, err := newRows(source)
	if err != nil {
		return nil, err
	}
	c := csv.NewReader(bufio.NewReaderSize(io.TeeReader(in, sum), 64<<10))
	c.FieldsPerRecord = fields
	c.ReuseRecord = true
	return &reader{
		in: in, csv: c, sum: sum, rows: rows,
		summary: Summary{Source: source, Dropped: map[string]int{}},
	}, nil
}

// all hands out every sale. The header was checked in the first pass.
func (r *reader) all(line func(Line) error) error {
	if _, err := r.csv.Read(); err != nil {
		return err
	}
	for {
		r.in.Next()
		row, err := r.csv.Read()
		if err == io.EOF {
			return nil
		}
		var bad *csv.ParseError
		if err != nil && !errors.As(err, &bad) {
			return err
		}
		r.summary.Lines++
		if err != nil {
			if err := r.unreadable(bad.StartLine, sayCSV(bad)); err != nil {
				return err
			}
			continue
		}
		number, _ := r.csv.FieldPos(0)
		l, drop, fault := r.rows.parse(number, row)
		switch {
		case fault != "":
			if err := r.unreadable(number, fault); err != nil {
				return err
			}
		case drop != "":
			r.summary.Dropped[drop]++
		default:
			r.summary.Kept++
			if err := line(l); err != nil {
				return err
			}
		}
	}
}

// unreadable counts a line that cannot be read and fails where there are too
// many: then this is another sort of file.
func (r *reader) unreadable(number int, reason string) error {
	s := &r.summary
	s.Dropped[Unreadable]++
	if len(s.Faults) < maxFaults {
		s.Faults = append(s.Faults, Fault{Line: number, Reason: reason})
	}
	if n := s.Dropped[Unreadable]; n > MaxUnreadable && n > s.Lines/100 {
		told := make([]string, len(s.Faults))
		for i, f := range s.Faults {
			told[i] = f.String()
		}
		return fmt.Errorf("%d of the first %d lines cannot be read, so reading stopped; the first are:\n%s", n, s.Lines, strings.Join(told, "\n"))
	}
	return nil
}

func sayCSV(e *csv.ParseError) string {
	switch {
	case errors.Is(e.Err, csv.ErrFieldCount):
		return fmt.Sprintf("has not the %d fields of the header", fields)
	case e.Line > e.StartLine:
		return fmt.Sprintf("a quotation mark stands alone or is left open up to line %d", e.Line)
	}
	return "a quotation mark stands alone or is left open"
}

// counter tells how many bytes were read.
type counter struct {
	src         io.Reader
	done, total int64
	progress    func(done, total int64)
}

func (c *counter) Read(p []byte) (int, error) {
	n, err := c.src.Read(p)
	c.done += int64(n)
	if c.progress != nil && n > 0 {
		c.progress(min(c.done, c.total), c.total)
	}
	return n, err
}
