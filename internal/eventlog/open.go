package eventlog

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/nats-io/nuid"

	"accord/internal/event"
)

// choicesInFlight is how many choice messages may wait for the disk at once.
const choicesInFlight = 4096

// frameOverhead is more than the subject and headers of a frame take.
const frameOverhead = 4 << 10

// Open opens the log, making what is missing unless Options.Identity says that it
// was there. It returns ErrInUse when the directory is taken, ErrLogLost when the
// log is not the expected one, and ErrMismatch when it was made with another
// number of streams. The context bounds the opening only.
func Open(ctx context.Context, o Options) (_ *Log, err error) {
	o, err = o.withDefaults()
	if err != nil {
		return nil, err
	}
	l := &Log{
		options: o,
		logger:  o.Logger,
		choices: make(chan struct{}, choicesInFlight),
		probeID: nuid.Next(),
		closed:  make(chan struct{}),
		done:    make(chan struct{}),
	}
	l.life, l.end = context.WithCancel(context.Background())
	defer func() {
		if err != nil {
			l.end()
			l.disconnect()
		}
	}()
	if o.URL == "" {
		if err := o.present(); err != nil {
			return nil, err
		}
		if l.engine, err = startEngine(o.Dir, o.Logger); err != nil {
			return nil, err
		}
		l.space = space{dir: o.Dir, reserve: o.Reserve}
	}
	if err := l.connect(); err != nil {
		return nil, err
	}
	if err := l.prepareStreams(ctx); err != nil {
		return nil, err
	}
	for _, s := range l.streams {
		for range o.inFlight {
			l.writers.Go(func() { l.frame(s) })
		}
	}
	return l, nil
}

// present refuses a directory that is gone before an empty store is made there,
// which would be in the way of a copy that is put back.
func (o *Options) present() error {
	if !o.Made {
		return nil
	}
	if _, err := os.Stat(o.Dir); errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%w: there is no %s; %s", ErrLogLost, o.Dir, restoreLog)
	}
	return nil
}

// connect makes the two connections and learns how large a message may be.
func (l *Log) connect() (err error) {
	if l.writes, err = l.dial("accord writes"); err != nil {
		return err
	}
	if l.reads, err = l.dial("accord reads"); err != nil {
		return err
	}
	if l.js, err = jetstream.New(l.writes); err != nil {
		return fmt.Errorf("open JetStream: %w", err)
	}
	if l.source, err = jetstream.New(l.reads); err != nil {
		return fmt.Errorf("open JetStream: %w", err)
	}
	l.maxRecord = min(event.MaxFrame, int(l.writes.MaxPayload())-frameOverhead)
	if l.maxRecord < l.options.cut {
		return fmt.Errorf("%w: the NATS server takes messages of %d bytes only: set its max_payload to 8MB", ErrMismatch, l.writes.MaxPayload())
	}
	return nil
}

func (l *Log) dial(name string) (*nats.Conn, error) {
	options := []nats.Option{
		nats.Name(name),
		nats.MaxReconnects(-1),
		nats.ReconnectWait(250 * time.Millisecond),
		nats.Timeout(5 * time.Second),
		nats.ReconnectBufSize(-1), // what was not sent fails at once and is retried with its id
		nats.DisconnectErrHandler(func(_ *nats.Conn, err error) {
			if err != nil {
				l.logger.Warn("event log: connection to NATS lost, reconnecting", "connection", name, "error", err)
			}
		}),
		nats.ReconnectHandler(func(*nats.Conn) {
			l.logger.Info("event log: connected to NATS again", "connection", name)
		}),
		nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) {
			l.logger.Warn("event log: NATS reports a fault", "connection", name, "error", err)
		}),
	}
	if l.engine != nil {
		options = append(options, nats.InProcessServer(l.engine.server))
	}
	nc, err := nats.Connect(l.options.URL, options...)
	if err != nil {
		return nil, fmt.Errorf("connect to the NATS server (is --nats right, and is it running?): %w", withoutSecrets(err, l.options.URL))
	}
	return nc, nil
}

// withoutSecrets drops the text of an error that repeats the URL's password.
func withoutSecrets(err error, url string) error {
	for part := range strings.SplitSeq(url, ",") {
		_, rest, _ := strings.Cut(part, "://")
		if user, _, ok := strings.Cut(rest, "@"); ok && strings.Contains(err.Error(), user) {
			return errors.New("the server refused the connection")
		}
	}
	return err
}

// Close takes no more, waits until everything that was taken is on disk, ends
// the followers and shuts the embedded server down. When ctx ends first, those
// who still wait get ErrClosed and Close returns an error. A second Close waits
// for the first.
func (l *Log) Close(ctx context.Context) (err error) {
	l.closing.Do(func() {
		defer close(l.done)
		l.enterMu.Lock()
		close(l.closed)
		l.enterMu.Unlock()
		for _, s := range l.streams {
			s.close()
		}
		stop := context.AfterFunc(ctx, l.end)
		l.writers.Wait()
		if !stop() {
			err = fmt.Errorf("the event log was closed before everything was on disk: %w", context.Cause(ctx))
		}
		l.end()
		l.readers.Wait()
		l.disconnect()
	})
	<-l.done
	return err
}

// disconnect closes what connect and startEngine opened.
func (l *Log) disconnect() {
	for _, nc := range []*nats.Conn{l.writes, l.reads} {
		if nc != nil {
			nc.Close()
		}
	}
	if l.engine != nil {
		l.engine.stop()
	}
}
