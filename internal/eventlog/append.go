package eventlog

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nuid"

	"accord/internal/event"
)

// Chosen by BenchmarkAppend on two cores and a disk that syncs 4,800 times a
// second (records of 300 bytes, 4 streams, 64 callers with 100 records each):
// one frame in flight a stream took 756k records/s in frames of up to 512 KiB,
// two took 128k to 546k and made frames smaller; 256 KiB took 640k, 1 MiB 799k
// for twice the buffers.
const (
	framesInFlight = 1
	frameCut       = 512 << 10
)

// stream is one of EV0 … EVn-1 and what waits for it.
type stream struct {
	number int
	name   string

	mu      sync.Mutex // guards the fields below
	more    *sync.Cond // on mu: pending or closing changed
	pending []*batch   // in the order they were begun; framers take the first
	open    []*batch   // those of pending that still take records, one a retention
	closing bool

	failed atomic.Int64 // Unix ns of the last publish if it failed, else 0
}

func newStream(number int, name string) *stream {
	s := &stream{number: number, name: name}
	s.more = sync.NewCond(&s.mu)
	return s
}

// batch becomes one frame. Records are encoded as they come, so nothing of the
// caller's is kept.
type batch struct {
	retention time.Duration
	frame     []byte // guarded by stream.mu until a framer takes the batch
	records   int
	bytes     int           // reserved in the queue
	waiters   atomic.Int32  // callers that still wait
	done      chan struct{} // closed when err is set
	err       error
}

// buffers holds frame buffers between batches.
var buffers = sync.Pool{New: func() any { return new([]byte) }}

// Append returns nil when every record is on disk. The records may be reused by
// the caller when it returns, whatever it returns.
//
// Errors: ErrBusy and ErrFull (nothing was taken, try later), ErrTooLarge
// (nothing was taken), ErrUnavailable, ErrClosed and the context's (not
// acknowledged: some may be stored, and sending them again is harmless).
func (l *Log) Append(ctx context.Context, records []event.Record) error {
	if len(records) == 0 {
		return ctx.Err()
	}
	streams, size, err := l.weigh(records)
	if err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := l.reserve(int64(len(records)), int64(size)); err != nil {
		l.totals.missed(err, len(records))
		return err
	}
	var few [8]*batch
	waits := few[:0]
	for i, s := range l.streams {
		if streams>>i&1 == 0 {
			continue
		}
		var taken bool
		if waits, taken = l.put(s, records, waits); !taken {
			err = ErrClosed
			l.release(l.weighStream(i, records))
		}
	}
	for _, b := range waits {
		if e := b.wait(ctx); e != nil && err == nil {
			err = e
		}
	}
	return err
}

// weigh returns the set of streams that the records go to and their size.
func (l *Log) weigh(records []event.Record) (streams uint64, size int, err error) {
	for i := range records {
		n := records[i].Size()
		if n > l.maxRecord {
			return 0, 0, fmt.Errorf("%w: a record of %d bytes, a frame holds %d", ErrTooLarge, n, l.maxRecord)
		}
		size += n
		streams |= 1 << l.StreamOf(records[i].Token)
	}
	if int64(size) > l.options.QueueBytes || int64(len(records)) > l.options.QueueRecords {
		return 0, 0, fmt.Errorf("%w: %d records of %d bytes at once, the queue holds %d of %d", ErrTooLarge, len(records), size, l.options.QueueRecords, l.options.QueueBytes)
	}
	return streams, size, nil
}

// weighStream returns count and size of those records that go to stream i.
func (l *Log) weighStream(i int, records []event.Record) (count, size int64) {
	for r := range records {
		if l.StreamOf(records[r].Token) == i {
			count++
			size += int64(records[r].Size())
		}
	}
	return count, size
}

// reserve takes room in the queue for all records of a call or for none.
func (l *Log) reserve(records, bytes int64) error {
	if err := l.space.check(); err != nil {
		return err
	}
	nb, nr := l.queuedBytes.Add(bytes), l.queuedRecords.Add(records)
	if nb > l.options.QueueBytes || nr > l.options.QueueRecords {
		l.release(records, bytes)
		return ErrBusy
	}
	return nil
}

func (l *Log) release(records, bytes int64) {
	l.queuedRecords.Add(-records)
	l.queuedBytes.Add(-bytes)
}

// put encodes those records that belong to s and adds the batches they went to
// to waits. It takes none when the stream is closing.
func (l *Log) put(s *stream, records []event.Record, waits []*batch) ([]*batch, bool) {
	first := len(waits)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closing {
		return waits, false
	}
	for i := range records {
		r := &records[i]
		if l.StreamOf(r.Token) != s.number {
			continue
		}
		b := s.batchFor(l.options.Retention(r.Class), r.Size(), l.options.cut)
		b.frame = event.AppendRecord(b.frame, r)
		b.records++
		b.bytes += r.Size()
		if !contains(waits[first:], b) {
			b.waiters.Add(1)
			waits = append(waits, b)
		}
	}
	s.more.Broadcast()
	return waits, true
}

// contains looks from the end, where the batch of the record before is.
func contains(batches []*batch, b *batch) bool {
	for i := len(batches) - 1; i >= 0; i-- {
		if batches[i] == b {
			return true
		}
	}
	return false
}

// batchFor returns the open batch of a retention with room for size more bytes,
// beginning one if need be. The caller holds s.mu.
func (s *stream) batchFor(retention time.Duration, size, cut int) *batch {
	if retention > 0 {
		retention = (retention + time.Second - 1).Truncate(time.Second)
	} else {
		retention = 0
	}
	fresh := func() *batch {
		b := &batch{retention: retention, done: make(chan struct{})}
		b.frame = event.AppendFrameHead((*buffers.Get().(*[]byte))[:0])
		s.pending = append(s.pending, b)
		return b
	}
	for i, b := range s.open {
		if b.retention != retention {
			continue
		}
		if len(b.frame)+size > cut {
			s.open[i] = fresh()
		}
		return s.open[i]
	}
	b := fresh()
	s.open = append(s.open, b)
	return b
}

// wait returns when the batch is on disk or failed, or ctx ends.
func (b *batch) wait(ctx context.Context) error {
	defer b.waiters.Add(-1)
	select {
	case <-b.done:
		return b.err
	case <-ctx.Done():
		return fmt.Errorf("the event log did not acknowledge in time: %w", context.Cause(ctx))
	}
}

// take waits for the next batch and closes it to further records. It returns
// nil when the stream is closing and nothing waits any more.
func (s *stream) take() *batch {
	s.mu.Lock()
	defer s.mu.Unlock()
	for len(s.pending) == 0 {
		if s.closing {
			return nil
		}
		s.more.Wait()
	}
	b := s.pending[0]
	s.pending[0] = nil
	s.pending = s.pending[1:]
	for i, o := range s.open {
		if o == b {
			s.open = append(s.open[:i], s.open[i+1:]...)
			break
		}
	}
	return b
}

// close makes the stream take no more; framers end when it is empty.
func (s *stream) close() {
	s.mu.Lock()
	s.closing = true
	s.mu.Unlock()
	s.more.Broadcast()
}

// frame publishes one batch after the other until the stream is closed and
// empty. While it waits for the disk the next batch fills.
func (l *Log) frame(s *stream) {
	prefix, n := nuid.Next(), 0
	for {
		b := s.take()
		if b == nil {
			return
		}
		n++
		b.err = l.publishFrame(s, b, prefix, n)
		l.settle(s, b)
	}
}

// settle counts a batch and lets its waiters go.
func (l *Log) settle(s *stream, b *batch) {
	if b.err == nil {
		s.failed.Store(0)
		l.totals.frames.Add(1)
		l.totals.records.Add(uint64(b.records))
		l.totals.bytes.Add(uint64(len(b.frame)))
	} else {
		s.failed.Store(time.Now().UnixNano())
		l.totals.missed(b.err, b.records)
		l.logger.Error("event log: a frame was not acknowledged", "stream", s.name, "records", b.records, "bytes", len(b.frame), "error", b.err)
	}
	l.release(int64(b.records), int64(b.bytes))
	buffer := b.frame
	b.frame = nil
	if cap(buffer) <= 2*l.options.cut {
		buffers.Put(&buffer)
	}
	close(b.done)
}
