package eventlog

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"golang.org/x/sync/errgroup"

	"accord/internal/event"
)

// followAhead and choicesAhead are how many messages Follow and Choices ask for
// ahead, and readBytes how many bytes in one request; a frame must fit.
const (
	followAhead  = 64
	choicesAhead = 2048
	readBytes    = event.MaxFrame + frameOverhead
)

// A reader's consumer lives on one node. heartbeat is how often an idle one says
// that it is alive, and when two are missed the reader makes another elsewhere:
// a node that dies costs a follower 4 s at most. JetStream wants a request to
// last two heartbeats or more.
const (
	heartbeat = 2 * time.Second
	requested = 10 * time.Second
)

// Follow calls fn with every frame after from, the last applied sequence of
// each stream (missing entries are 0), and then with every new one, until ctx
// ends, whose cause it returns. Each stream has a goroutine: fn sees the frames
// of one stream in order and one at a time, and may be called for several
// streams at once. Sequences may have holes where frames expired or were
// deleted. fn may keep the frame.
//
// Errors: ErrLogBehind before fn is called at all, fn's own, event.ErrCorrupt
// for a frame that does not decode, ErrClosed. Faults of the server or of the
// connection are not errors: Follow goes on where it was.
func (l *Log) Follow(ctx context.Context, from []uint64, fn func(event.Frame) error) error {
	if err := l.enter(&l.readers); err != nil {
		return err
	}
	defer l.readers.Done()
	ctx, cancel := l.within(ctx)
	defer cancel()
	starts, err := l.starts(ctx, from)
	if err != nil {
		return err
	}
	group, ctx := errgroup.WithContext(ctx)
	for i, s := range l.streams {
		group.Go(func() error {
			return l.read(ctx, s.name, starts[i], forever, func(seq uint64, data []byte) error {
				records, err := event.DecodeFrame(data)
				if err != nil {
					return fmt.Errorf("frame %d of stream %s: %w", seq, s.name, err)
				}
				return fn(event.Frame{Stream: i, Sequence: seq, Records: records})
			})
		})
	}
	return group.Wait()
}

// starts checks from against the log's ends and fills it up to all streams.
func (l *Log) starts(ctx context.Context, from []uint64) ([]uint64, error) {
	starts := make([]uint64, len(l.streams))
	for i, applied := range from {
		if i >= len(l.streams) {
			if applied > 0 {
				return nil, fmt.Errorf("%w: stream EV%d was applied up to %d and is not there", ErrLogBehind, i, applied)
			}
			continue
		}
		starts[i] = applied
	}
	for i, s := range l.streams {
		if err := l.notBehind(ctx, s.name, starts[i]); err != nil {
			return nil, err
		}
	}
	return starts, nil
}

// notBehind returns ErrLogBehind when a stream ends before applied.
func (l *Log) notBehind(ctx context.Context, name string, applied uint64) error {
	if applied == 0 {
		return nil
	}
	end, err := l.lastSequence(ctx, name)
	if err == nil && end < applied {
		err = fmt.Errorf("%w: stream %s ends at %d, applied was %d", ErrLogBehind, name, end, applied)
	}
	return err
}

// visit takes one message of a stream.
type visit func(seq uint64, data []byte) error

// way reads a stream through one consumer and advances *after with every
// message visited. done means that err is final.
type way func(ctx context.Context, c jetstream.Consumer, after *uint64, fn visit) (done bool, err error)

// read hands the messages of a stream after a sequence to fn by the way given.
// When the consumer fails it makes another one and goes on where it was.
func (l *Log) read(ctx context.Context, name string, after uint64, by way, fn visit) error {
	for failures := 0; ; failures++ {
		before := after
		done, err := l.readOnce(ctx, name, &after, by, fn)
		if done || ctx.Err() != nil {
			return reason(ctx, err)
		}
		if after > before {
			failures = 0
		}
		l.logger.Warn("event log: a reader starts again", "stream", name, "after", after, "error", err)
		select {
		case <-time.After(min(pause<<min(failures, 10), longPause)):
		case <-ctx.Done():
			return reason(ctx, nil)
		}
	}
}

// reason prefers why the context ended over what broke because of it.
func reason(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}

// readOnce makes a consumer that begins after *after and reads through it.
func (l *Log) readOnce(ctx context.Context, name string, after *uint64, by way, fn visit) (done bool, err error) {
	c, err := l.source.CreateConsumer(ctx, name, jetstream.ConsumerConfig{
		DeliverPolicy:     jetstream.DeliverByStartSequencePolicy,
		OptStartSeq:       *after + 1,
		AckPolicy:         jetstream.AckNonePolicy,
		InactiveThreshold: time.Minute,
		Replicas:          1,
		MemoryStorage:     true,
	})
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		return true, fmt.Errorf("%w: stream %s is gone", ErrLogBehind, name)
	}
	if err != nil {
		return false, err
	}
	defer l.dropConsumer(name, c.CachedInfo().Name)
	return by(ctx, c, after, fn)
}

// errGap is a message that the server sent and that did not arrive.
var errGap = errors.New("a message was lost on the way")

// deliver visits m, which must be the consumer's message number expected.
func deliver(m jetstream.Msg, expected uint64, after *uint64, fn visit) (done bool, err error) {
	meta, err := m.Metadata()
	if err != nil {
		return false, err
	}
	if meta.Sequence.Consumer != expected {
		return false, errGap
	}
	if err := fn(meta.Sequence.Stream, m.Data()); err != nil {
		return true, err
	}
	*after = meta.Sequence.Stream
	return false, nil
}

// forever is the way of Follow: what is there, then what comes.
func forever(ctx context.Context, c jetstream.Consumer, after *uint64, fn visit) (done bool, err error) {
	messages, err := c.Messages(jetstream.PullMaxMessagesWithBytesLimit(followAhead, readBytes),
		jetstream.PullExpiry(requested), jetstream.PullHeartbeat(heartbeat), jetstream.WithMessagesErrOnMissingHeartbeat(true))
	if err != nil {
		return false, err
	}
	defer messages.Stop()
	for n := uint64(1); ; n++ {
		m, err := messages.Next(jetstream.NextContext(ctx))
		if err != nil {
			return false, err
		}
		if done, err := deliver(m, n, after, fn); done || err != nil {
			return done, err
		}
	}
}

// upTo is the way of Choices: what is there up to a sequence, and no waiting
// for a message that was deleted.
func upTo(last uint64) way {
	return func(ctx context.Context, c jetstream.Consumer, after *uint64, fn visit) (done bool, err error) {
		for n := uint64(1); *after < last; {
			if ctx.Err() != nil {
				return true, ctx.Err()
			}
			fetched, err := c.FetchNoWait(choicesAhead)
			if err != nil {
				return false, err
			}
			some := false
			for m := range fetched.Messages() {
				if done || err != nil {
					continue // the channel must be emptied
				}
				done, err = deliver(m, n, after, fn)
				n, some = n+1, true
			}
			if done || err != nil {
				return done, err
			}
			if err := fetched.Error(); err != nil {
				return false, err
			}
			if some {
				continue
			}
			if info, err := c.Info(ctx); err != nil || info.NumPending == 0 {
				return err == nil, err
			}
		}
		return true, nil
	}
}

// dropConsumer frees a consumer early; the server would do it after a minute.
func (l *Log) dropConsumer(stream, consumer string) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	if err := l.source.DeleteConsumer(ctx, stream, consumer); err != nil {
		l.logger.Debug("event log: a consumer is left to expire", "stream", stream, "error", err)
	}
}

// Read returns one frame, or ErrNotFound when it expired or was deleted.
func (l *Log) Read(ctx context.Context, stream int, seq uint64) (event.Frame, error) {
	if stream < 0 || stream >= len(l.streams) || seq == 0 {
		return event.Frame{}, ErrNotFound
	}
	if err := l.enter(&l.readers); err != nil {
		return event.Frame{}, err
	}
	defer l.readers.Done()
	ctx, cancel := l.within(ctx)
	defer cancel()
	data, err := l.get(ctx, l.streams[stream].name, seq)
	if err != nil {
		return event.Frame{}, err
	}
	records, err := event.DecodeFrame(data)
	if err != nil {
		return event.Frame{}, fmt.Errorf("frame %d of stream %s: %w", seq, l.streams[stream].name, err)
	}
	return event.Frame{Stream: stream, Sequence: seq, Records: records}, nil
}

// get returns the payload of one message.
func (l *Log) get(ctx context.Context, name string, seq uint64) ([]byte, error) {
	handle, err := l.handle(ctx, name)
	if err != nil {
		return nil, err
	}
	m, err := handle.GetMsg(ctx, seq)
	if errors.Is(err, jetstream.ErrMsgNotFound) {
		return nil, ErrNotFound
	}
	if err != nil {
		return nil, fmt.Errorf("read message %d of stream %s: %w", seq, name, err)
	}
	return m.Data, nil
}

// handle returns the stream's handle for direct reads, asked for once.
func (l *Log) handle(ctx context.Context, name string) (jetstream.Stream, error) {
	if h, ok := l.handles.Load(name); ok {
		return h.(jetstream.Stream), nil
	}
	h, err := l.source.Stream(ctx, name)
	if err != nil {
		return nil, fmt.Errorf("open stream %s: %w", name, err)
	}
	l.handles.Store(name, h)
	return h, nil
}
