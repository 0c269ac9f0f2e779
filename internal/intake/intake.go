// Package intake reads a file that came from outside within bounds.
//
// It finds gzip by its first bytes, whatever the file is called, and bounds how
// many bytes a file may unfold to and how many one record of it may take, so
// that neither a gzip bomb nor a quote that is never closed can fill the
// memory. Its errors say what is wrong with the file in words for the person
// who brought it.
//
//	r, err := intake.New(file, intake.Limits{Total: 1 << 30, Record: 1 << 20})
//	for {
//		r.Next() // a new record may take 1 MiB
//		… parse one record from r …
//	}
//
// Non-goals: what the bytes mean (packages catalog and retail).
package intake

import (
	"bufio"
	"errors"
	"io"

	"github.com/klauspost/compress/flate"
	"github.com/klauspost/compress/gzip"
)

// What can be wrong with a file before its content is looked at.
var (
	ErrTruncated = errors.New("the gzip file ends too early: it was cut off on its way; fetch it again")
	ErrCorrupt   = errors.New("the gzip file is damaged: its checksum or structure does not hold; fetch it again")
	ErrTooLarge  = errors.New("the file is larger than can be read at once; split it")
	ErrRecord    = errors.New("one record is far too long; is a quotation mark left open, or is this another sort of file?")
)

// buffer is how far the reader may look ahead of the record that is parsed.
const buffer = 64 << 10

// Limits bound a file. Both must be positive.
type Limits struct {
	Total  int64 // bytes, unfolded
	Record int   // bytes of one record
}

// Reader gives the unfolded bytes of a file. It is not for concurrent use.
type Reader struct {
	src    io.Reader
	gzip   bool
	total  int64
	record int
	left   int
}

// New returns a reader of src, which is plain or gzipped. It reads the first
// bytes at once; its errors are those of src and the ones of this package.
func New(src io.Reader, l Limits) (*Reader, error) {
	b := bufio.NewReaderSize(src, buffer)
	r := &Reader{src: b, total: l.Total, record: l.Record}
	r.Next()
	head, err := b.Peek(2)
	if err != nil && err != io.EOF {
		return nil, err
	}
	if len(head) < 2 || head[0] != 0x1f || head[1] != 0x8b {
		return r, nil
	}
	z, err := gzip.NewReader(b)
	if err != nil {
		return nil, explain(err)
	}
	r.src, r.gzip = z, true
	return r, nil
}

// Gzip reports whether the file is gzipped.
func (r *Reader) Gzip() bool { return r.gzip }

// Next begins a record: from here on Limits.Record bytes may be read, and what
// a buffer above this reader takes ahead.
func (r *Reader) Next() { r.left = r.record + buffer }

// Read reads unfolded bytes. When a bound is passed it fails with ErrTooLarge
// or ErrRecord, and a broken gzip with ErrTruncated or ErrCorrupt.
func (r *Reader) Read(p []byte) (int, error) {
	if r.left <= 0 {
		return 0, ErrRecord
	}
	if r.total <= 0 {
		return 0, r.atLimit()
	}
	if int64(len(p)) > r.total {
		p = p[:r.total]
	}
	if len(p) > r.left {
		p = p[:r.left]
	}
	n, err := r.src.Read(p)
	r.total -= int64(n)
	r.left -= n
	if err != nil && err != io.EOF && r.gzip {
		err = explain(err)
	}
	return n, err
}

// atLimit tells a file that ends exactly at the limit from one that goes on.
func (r *Reader) atLimit() error {
	var one [1]byte
	n, err := io.ReadFull(r.src, one[:])
	switch {
	case n > 0:
		return ErrTooLarge
	case err == io.EOF:
		return io.EOF
	case r.gzip:
		return explain(err)
	}
	return err
}

// explain turns what the decompressor says into words. Errors of the source
// itself (a disk, a network) pass through.
func explain(err error) error {
	if errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) {
		return ErrTruncated
	}
	var corrupt flate.CorruptInputError
	if errors.Is(err, gzip.ErrHeader) || errors.Is(err, gzip.ErrChecksum) || errors.As(err, &corrupt) {
		return ErrCorrupt
	}
	return err
}
