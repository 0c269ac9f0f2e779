package eventlog

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// The streams beside EV0 … EVn-1.
const (
	choiceStream = "CHOICES"
	probeStream  = "PROBE"
)

// duplicates is how long JetStream remembers message ids. It is longer than the
// last try of a publish can reach, and no longer: every id remembered costs
// about 150 bytes of memory.
const duplicates = 2 * Patience

// streamsKey is the metadata under which the EV streams remember how many they
// are: another number would lead a person's slot to another stream. identityKey
// is the one under which they and the choice stream remember which log they are
// of, so that one that was lost and made anew is not taken for it.
const (
	streamsKey  = "accord-streams"
	identityKey = "accord-log"
)

// restoreLog ends the errors of a log that is lost.
const restoreLog = "put back the copy of it that was made with these keys and this state, choices included"

func streamName(i int) string { return "EV" + strconv.Itoa(i) }

// frameSubjects is what the subjects of a stream's frames have in common.
func frameSubjects(i int) string { return "ev." + strconv.Itoa(i) + ".*" }

// retentionName is the last part of a frame's subject: "ever", or the retention
// in seconds such as "34300800s".
func retentionName(d time.Duration) string {
	if d <= 0 {
		return "ever"
	}
	return strconv.FormatInt(int64(d/time.Second), 10) + "s"
}

// prepareStreams makes the streams that are missing and checks those that are
// there.
func (l *Log) prepareStreams(ctx context.Context) (err error) {
	if l.identity, err = l.identify(ctx); err != nil {
		return err
	}
	for i := range l.options.Streams {
		name := streamName(i)
		err := l.prepare(ctx, jetstream.StreamConfig{
			Name: name, Subjects: []string{frameSubjects(i)},
			Description: "sealed records of people, many in a message", AllowMsgTTL: true,
			Metadata: map[string]string{identityKey: l.identity, streamsKey: strconv.Itoa(l.options.Streams)},
		})
		if err != nil {
			return err
		}
		l.streams = append(l.streams, newStream(i, name))
	}
	if err := l.prepare(ctx, jetstream.StreamConfig{
		Name: choiceStream, Subjects: []string{"choice.*"},
		Description: "sealed choices of people, one in a message",
		Metadata:    map[string]string{identityKey: l.identity},
	}); err != nil {
		return err
	}
	return l.prepare(ctx, jetstream.StreamConfig{
		Name: probeStream, Subjects: []string{"probe.*"}, Description: "proofs of health by writing",
		MaxMsgsPerSubject: 1, MaxMsgs: 64, MaxBytes: 1 << 20, MaxAge: time.Hour, Discard: jetstream.DiscardOld,
	})
}

// identify returns the identity that the streams must have: the expected one,
// else that of the first stream, else a new one.
func (l *Log) identify(ctx context.Context) (string, error) {
	if l.options.Identity != "" {
		return l.options.Identity, nil
	}
	first, err := l.js.Stream(ctx, streamName(0))
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		return rand.Text(), nil
	}
	if err != nil {
		return "", fmt.Errorf("open stream %s: %w", streamName(0), err)
	}
	return first.CachedInfo().Config.Metadata[identityKey], nil
}

// copies is how many replicas a new stream gets.
func (l *Log) copies() int {
	switch {
	case l.options.Replicas > 0:
		return l.options.Replicas
	case l.engine != nil:
		return 1
	case l.writes.ConnectedClusterName() != "" && len(l.writes.Servers()) >= 3:
		return 3
	}
	l.logger.Warn("event log: a new stream gets one copy, since the NATS server does not tell of a cluster of three: to lose its disk is to lose the data")
	return 1
}

// prepare finds or makes one stream. What an operator changed in one that
// exists (replicas, placement) stays; what the promises rest on must be there.
func (l *Log) prepare(ctx context.Context, c jetstream.StreamConfig) error {
	c.Storage = jetstream.FileStorage
	c.Retention = jetstream.LimitsPolicy
	c.AllowDirect = true
	c.Duplicates = duplicates
	if c.MaxMsgs == 0 {
		// A limit that somebody sets later must refuse what is new, never drop
		// what was acknowledged.
		c.Discard = jetstream.DiscardNew
	}
	found, err := l.js.Stream(ctx, c.Name)
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		if l.options.Made && c.Metadata != nil {
			return fmt.Errorf("%w: stream %s is missing; %s", ErrLogLost, c.Name, restoreLog)
		}
		c.Replicas = l.copies()
		if found, err = l.js.CreateStream(ctx, c); err != nil {
			return fmt.Errorf("make stream %s: %w", c.Name, err)
		}
	}
	if err != nil {
		return fmt.Errorf("open stream %s: %w", c.Name, err)
	}
	is := found.CachedInfo().Config
	switch {
	case c.Metadata[identityKey] != is.Metadata[identityKey] && !l.options.Made:
		return fmt.Errorf("%w: stream %s belongs to another data directory or to keys that are gone: put keys/ back that it was made with, or give this directory a NATS server, cluster or account of its own", ErrMismatch, c.Name)
	case c.Metadata[identityKey] != is.Metadata[identityKey]:
		return fmt.Errorf("%w: stream %s is of another log; %s", ErrLogLost, c.Name, restoreLog)
	case c.Metadata[streamsKey] != is.Metadata[streamsKey]:
		return fmt.Errorf("%w: it has %s streams and %s were asked for; a log keeps the number it was made with", ErrMismatch, is.Metadata[streamsKey], c.Metadata[streamsKey])
	case is.Storage != c.Storage || is.Retention != c.Retention || is.PersistMode == jetstream.AsyncPersistMode ||
		c.AllowMsgTTL && !is.AllowMsgTTL || is.Duplicates < c.Duplicates || !is.AllowDirect:
		return fmt.Errorf("%w: stream %s needs file storage, limits retention, synced writes, allow_direct, a duplicate window of %s and, for EV streams, allow_msg_ttl", ErrMismatch, c.Name, c.Duplicates)
	}
	return nil
}
