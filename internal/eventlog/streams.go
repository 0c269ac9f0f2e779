package eventlog

import (
	"context"
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

// streamsKey is the metadata under which EV0 remembers how many streams there
// are. Another number would lead a person's slot to another stream.
const streamsKey = "accord-streams"

// ownerKey is the metadata under which the streams name their owner.
const ownerKey = "accord-owner"

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
func (l *Log) prepareStreams(ctx context.Context) error {
	metadata := map[string]string{streamsKey: strconv.Itoa(l.options.Streams)}
	for i := range l.options.Streams {
		name := streamName(i)
		err := l.prepare(ctx, jetstream.StreamConfig{
			Name: name, Subjects: []string{frameSubjects(i)},
			Description: "sealed records of people, many in a message", AllowMsgTTL: true, Metadata: metadata,
		})
		if err != nil {
			return err
		}
		l.streams = append(l.streams, newStream(i, name))
	}
	if err := l.prepare(ctx, jetstream.StreamConfig{
		Name: choiceStream, Subjects: []string{"choice.*"},
		Description: "sealed choices of people, one in a message",
	}); err != nil {
		return err
	}
	return l.prepare(ctx, jetstream.StreamConfig{
		Name: probeStream, Subjects: []string{"probe.*"}, Description: "proofs of health by writing",
		MaxMsgsPerSubject: 1, MaxMsgs: 64, MaxBytes: 1 << 20, MaxAge: time.Hour, Discard: jetstream.DiscardOld,
	})
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
	if c.Metadata != nil && l.options.Owner != "" {
		c.Metadata[ownerKey] = l.options.Owner
	}
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
	case c.Metadata[streamsKey] != is.Metadata[streamsKey]:
		return fmt.Errorf("%w: it has %s streams and %s were asked for; a log keeps the number it was made with", ErrMismatch, is.Metadata[streamsKey], c.Metadata[streamsKey])
	case c.Metadata[ownerKey] != is.Metadata[ownerKey]:
		return fmt.Errorf("%w: the streams of this NATS server belong to another data directory; give each its own server, cluster or account, since two that share one would drop each other's data", ErrMismatch)
	case is.Storage != c.Storage || is.Retention != c.Retention || is.PersistMode == jetstream.AsyncPersistMode ||
		c.AllowMsgTTL && !is.AllowMsgTTL || is.Duplicates < c.Duplicates || !is.AllowDirect:
		return fmt.Errorf("%w: stream %s needs file storage, limits retention, synced writes, allow_direct, a duplicate window of %s and, for EV streams, allow_msg_ttl", ErrMismatch, c.Name, c.Duplicates)
	}
	return nil
}
