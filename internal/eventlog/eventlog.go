// Package eventlog is the durable, partitioned log of everything that was
// accepted: an append returns when the disk has it.
//
// The log lies on NATS JetStream, embedded in the process by default (no port
// is opened) or an existing cluster by URL; the code path is the same. People
// are spread by their token's slot over the streams EV0 … EVn-1. Records travel
// in frames: whatever waits for one stream with one retention becomes one
// message and so one fsync, and while a frame is being synced the next one
// fills. Under load a frame holds hundreds of records, alone it holds one, and
// no timer delays anybody. Choices have a stream of their own, a message each.
//
//	log, err := eventlog.Open(ctx, eventlog.Options{Dir: "data/log", Retention: retention})
//	if err != nil { … }
//	defer log.Close(ctx)
//	err = log.Append(ctx, records)             // nil: on disk
//	go log.Follow(ctx, applied, vault.Apply)   // in order, stream by stream
//
// Promises kept here:
//
//   - 5 (acknowledged is durable). A nil error of Append and AppendChoice means
//     that every record is on disk and survives a kill or a power cut. An error
//     means "not acknowledged": the record may or may not be there, so the
//     sender repeats it and the record's ID makes the repetition harmless. The
//     promise rests on SyncAlways, which the embedded server sets; whoever
//     brings a cluster must set sync_interval: always there.
//   - Order. Records of one person and one retention are followed in the order
//     in which Append took them, choices in the order of their sequences. After
//     a failure and a retry neighbouring frames may change places; folds do not
//     depend on it.
//   - Once. A publish that is retried carries the same message id and is stored
//     once.
//   - Retention. A frame carries its class's retention as its time to live and
//     leaves the log when that is over. Choices never expire by themselves: an
//     objection that was forgotten would widen what may be done. Package choices
//     deletes those on which nothing stands any more.
//   - Bounds. Bytes and records that wait are bounded ([ErrBusy]); nothing waits
//     longer than [Patience] for a server that does not answer; a disk is never
//     filled to its last byte ([ErrFull]), since JetStream stops for good there.
//   - A log that is not the one that was here, or ends before what was already
//     applied, is refused ([ErrLogLost], [ErrLogBehind]): it was lost or restored
//     from an older copy. Each log has a random identity in its streams' metadata,
//     which its owner keeps and gives to [Open].
//
// Cost: an idle log holds about 10 MB. Under load the embedded server keeps what
// was written in the last ten seconds in memory, which no option changes: five
// seconds of 107,000 records of 357 bytes a second left 196 MB of live heap.
//
// Non-goals: opening what is sealed, de-duplicating records, secure deletion of
// single frames, an index by person (package vault has it).
package eventlog

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"accord/internal/declare"
	"accord/internal/identity"
)

// Defaults and limits of Options.
const (
	DefaultStreams      = 4
	MaxStreams          = 64
	DefaultQueueBytes   = 32 << 20
	DefaultQueueRecords = 1 << 16
	DefaultReserve      = 64 << 20
)

// Patience is how long a publish is retried before its waiters get
// [ErrUnavailable]. A cluster that lost a leader needs 5–8 s.
const Patience = 15 * time.Second

// Errors of the log. Those that Append and AppendChoice return all mean that
// nothing was acknowledged.
var (
	// ErrBusy: too much waits for the disk. Answer 429 or 503 with Retry-After.
	ErrBusy = errors.New("the event log has as much waiting as it may hold: send again in a second")
	// ErrInUse: another process, or another Log of this one, has the directory.
	ErrInUse = errors.New("the event log's directory is in use by another process: stop that one or choose another --data")
	// ErrFull: the disk is nearly full and nothing more is written.
	ErrFull = errors.New("the event log's disk is full: free some space, writing resumes by itself")
	// ErrUnavailable: the store did not take a message within Patience.
	ErrUnavailable = errors.New("the event log's store does not take messages: see the server's messages")
	// ErrClosed: the log is closed or closing.
	ErrClosed = errors.New("the event log is closed")
	// ErrTooLarge: a record does not fit a frame, or one call does not fit the
	// queue. To try again does not help.
	ErrTooLarge = errors.New("too large for the event log")
	// ErrNotFound: no such frame, or it has expired or was deleted.
	ErrNotFound = errors.New("no such frame in the event log: it expired or was deleted")
	// ErrLogBehind: the log ends before what was already applied. It was lost or
	// restored from an older copy; state and log must be restored together.
	ErrLogBehind = errors.New("the event log ends before what was already applied: it was lost or restored from an older copy, so restore the state of the same moment or rebuild it")
	// ErrLogLost: the log that Options.Identity names is not there, or not whole.
	ErrLogLost = errors.New("the event log that was here is lost")
	// ErrMismatch: what is stored was made with other options.
	ErrMismatch = errors.New("the event log was made differently")
)

// Options say where the log lies and how it behaves.
type Options struct {
	// Dir is the directory of the embedded store; it is made if need be. With a
	// URL it is not used.
	Dir string
	// URL of an existing NATS server or cluster ("nats://a:4222,nats://b:4222");
	// empty for the embedded one.
	URL string
	// Replicas of each stream on a cluster, 1 to 5; 0 is 3 where the cluster tells
	// of three nodes or more, else 1. Streams that exist keep what they have.
	Replicas int
	// Streams is how many streams people are spread over, 1 to MaxStreams; 0 is
	// DefaultStreams. An existing log keeps the number it was made with, and
	// another one is ErrMismatch.
	Streams int
	// Identity names the log in its streams, so that two do not write into one on
	// somebody else's server: streams of another name are ErrMismatch. Empty takes
	// the name of what is there, or makes one.
	Identity string
	// Made says that the log was made before: a stream that is missing, or of
	// another name, is ErrLogLost then, and is not made.
	Made bool
	// Retention says how long records of a class are kept, to the second, rounded
	// up; 0 is for ever. Nil keeps everything. It is called for every record and
	// must be fast and safe for concurrent use.
	Retention func(declare.ClassID) time.Duration
	// QueueBytes and QueueRecords bound what waits; 0 is the default.
	QueueBytes, QueueRecords int64
	// Reserve is how many bytes of the embedded store's disk are left free; 0 is
	// DefaultReserve, below 0 is none.
	Reserve int64
	// Logger takes the log's and the embedded server's messages; nil is silent.
	Logger *slog.Logger

	inFlight int           // frames in flight per stream; 0 is the measured default
	cut      int           // bytes at which a frame is cut; 0 is the measured default
	patience time.Duration // 0 is Patience
}

// withDefaults returns o with every zero replaced, or what is wrong with it.
func (o Options) withDefaults() (Options, error) {
	set := func(p *int64, n int64) {
		if *p == 0 {
			*p = n
		}
	}
	set(&o.QueueBytes, DefaultQueueBytes)
	set(&o.QueueRecords, DefaultQueueRecords)
	set(&o.Reserve, DefaultReserve)
	if o.Streams == 0 {
		o.Streams = DefaultStreams
	}
	if o.Retention == nil {
		o.Retention = func(declare.ClassID) time.Duration { return 0 }
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.inFlight == 0 {
		o.inFlight = framesInFlight
	}
	if o.cut == 0 {
		o.cut = frameCut
	}
	if o.patience == 0 {
		o.patience = Patience
	}
	switch {
	case o.Streams < 1 || o.Streams > MaxStreams:
		return o, fmt.Errorf("the event log may have 1 to %d streams, not %d", MaxStreams, o.Streams)
	case o.Replicas < 0 || o.Replicas > 5:
		return o, fmt.Errorf("a stream may have 1 to 5 replicas, not %d", o.Replicas)
	case o.QueueBytes < 0 || o.QueueRecords < 0:
		return o, errors.New("the event log's queue needs room for at least one record")
	case o.Dir == "" && o.URL == "":
		return o, errors.New("the event log needs a directory or the URL of a NATS server")
	}
	return o, nil
}

// Log is an open event log. It is safe for concurrent use.
type Log struct {
	options Options
	engine  *engine // nil when the server is somebody else's
	logger  *slog.Logger

	writes *nats.Conn // appends; reads have their own, so that a replay does not delay them
	reads  *nats.Conn
	js     jetstream.JetStream // on writes
	source jetstream.JetStream // on reads

	handles sync.Map // stream name → jetstream.Stream on reads

	identity  string
	streams   []*stream
	maxRecord int
	space     space
	choices   chan struct{} // a slot for each choice message in flight
	probeID   string

	queuedBytes, queuedRecords atomic.Int64
	totals                     totals

	life    context.Context // ends when Close gives up waiting or is done
	end     context.CancelFunc
	closing sync.Once
	closed  chan struct{}  // closed when Close begins
	done    chan struct{}  // closed when Close is done
	enterMu sync.Mutex     // orders Add on the groups below against Close's Wait
	writers sync.WaitGroup // framers and AppendChoice: Close lets them finish
	readers sync.WaitGroup // Follow, Read, Probe, …: Close ends them
}

// Stats are the log's counters since Open and what waits now.
type Stats struct {
	Frames  uint64 // frames on disk
	Records uint64 // records in them
	Bytes   uint64 // bytes of those frames
	Choices uint64 // choice messages on disk
	Retries uint64 // publishes that were tried again
	Refused uint64 // records and choices refused with ErrBusy
	Full    uint64 // records and choices not taken with ErrFull
	Failed  uint64 // records and choices not acknowledged for another reason

	QueuedRecords int64 // records that wait or are being synced
	QueuedBytes   int64
}

type totals struct {
	frames, records, bytes, choices, retries, refused, full, failed atomic.Uint64
}

// missed counts n records or choices that were not acknowledged because of err.
func (t *totals) missed(err error, n int) {
	switch {
	case errors.Is(err, ErrBusy):
		t.refused.Add(uint64(n))
	case errors.Is(err, ErrFull):
		t.full.Add(uint64(n))
	default:
		t.failed.Add(uint64(n))
	}
}

// Stats returns the counters.
func (l *Log) Stats() Stats {
	t := &l.totals
	return Stats{
		Frames: t.frames.Load(), Records: t.records.Load(), Bytes: t.bytes.Load(), Choices: t.choices.Load(),
		Retries: t.retries.Load(), Refused: t.refused.Load(), Full: t.full.Load(), Failed: t.failed.Load(),
		QueuedRecords: l.queuedRecords.Load(), QueuedBytes: l.queuedBytes.Load(),
	}
}

// StreamOf returns the stream that holds the frames of t.
func (l *Log) StreamOf(t identity.Token) int { return t.Slot() * len(l.streams) / identity.Slots }

// Streams returns how many streams the log has.
func (l *Log) Streams() int { return len(l.streams) }

// Identity returns the random name that the log got when it was made.
func (l *Log) Identity() string { return l.identity }

// LastChoice returns the sequence of the newest choice message, 0 where there
// never was one.
func (l *Log) LastChoice(ctx context.Context) (uint64, error) {
	if err := l.enter(&l.readers); err != nil {
		return 0, err
	}
	defer l.readers.Done()
	ctx, cancel := l.within(ctx)
	defer cancel()
	return l.lastSequence(ctx, choiceStream)
}

// Reaches returns ErrLogBehind when a stream ends before what was applied of it
// (missing entries are 0), or the choice stream before choice.
func (l *Log) Reaches(ctx context.Context, applied []uint64, choice uint64) error {
	if err := l.enter(&l.readers); err != nil {
		return err
	}
	defer l.readers.Done()
	ctx, cancel := l.within(ctx)
	defer cancel()
	if _, err := l.starts(ctx, applied); err != nil {
		return err
	}
	return l.notBehind(ctx, choiceStream, choice)
}

// Ends returns the sequence of the last frame that is in each stream; 0 where
// there is none. Frames that expired at the end do not count: no follower sees
// them.
func (l *Log) Ends(ctx context.Context) ([]uint64, error) {
	if err := l.enter(&l.readers); err != nil {
		return nil, err
	}
	defer l.readers.Done()
	ctx, cancel := l.within(ctx)
	defer cancel()
	ends := make([]uint64, len(l.streams))
	for i, s := range l.streams {
		var err error
		if ends[i], err = l.lastFrame(ctx, s); err != nil {
			return nil, err
		}
	}
	return ends, nil
}

func (l *Log) lastFrame(ctx context.Context, s *stream) (uint64, error) {
	handle, err := l.source.Stream(ctx, s.name)
	if err != nil {
		return 0, fmt.Errorf("ask for the end of stream %s: %w", s.name, err)
	}
	state := &handle.CachedInfo().State
	if state.Msgs > 0 && state.NumDeleted == 0 {
		return state.LastSeq, nil
	}
	m, err := handle.GetLastMsgForSubject(ctx, frameSubjects(s.number))
	if errors.Is(err, jetstream.ErrMsgNotFound) {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("ask for the end of stream %s: %w", s.name, err)
	}
	return m.Sequence, nil
}

func (l *Log) lastSequence(ctx context.Context, name string) (uint64, error) {
	s, err := l.source.Stream(ctx, name)
	if err != nil {
		return 0, fmt.Errorf("ask for the end of stream %s: %w", name, err)
	}
	return s.CachedInfo().State.LastSeq, nil
}

// enter registers a call in one of the groups that Close waits for. The caller
// calls Done on the group when it leaves.
func (l *Log) enter(group *sync.WaitGroup) error {
	l.enterMu.Lock()
	defer l.enterMu.Unlock()
	select {
	case <-l.closed:
		return ErrClosed
	default:
	}
	group.Add(1)
	return nil
}

// within returns a context that ends with ctx or with the log.
func (l *Log) within(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(ctx)
	stop := context.AfterFunc(l.life, func() { cancel(ErrClosed) })
	return ctx, func() { stop(); cancel(nil) }
}
