package eventlog

import (
	"bytes"
	"context"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/nats-io/nuid"
)

// probeMemory is how long a stream that failed makes the log unhealthy when
// nothing was written to it since.
const probeMemory = 30 * time.Second

// Probe returns nil when the log is healthy: a small message is written, synced
// and read back, and no stream's last publish failed within half a minute. The
// stream's information alone would look well on a store that takes nothing.
// Errors as Append's.
func (l *Log) Probe(ctx context.Context) error {
	if err := l.enter(&l.writers); err != nil {
		return err
	}
	defer l.writers.Done()
	ctx, cancel := l.within(ctx)
	defer cancel()
	for _, s := range l.streams {
		if at := s.failed.Load(); at > 0 && time.Since(time.Unix(0, at)) < probeMemory {
			return fmt.Errorf("%w: stream %s did not take its last frame", ErrUnavailable, s.name)
		}
	}
	id := nuid.Next()
	m := nats.NewMsg("probe." + l.probeID)
	m.Data = []byte(id)
	m.Header.Set(jetstream.MsgIDHeader, id)
	seq, err := l.publish(ctx, m, func() bool { return true })
	if err != nil {
		return fmt.Errorf("write a probe: %w", err)
	}
	got, err := l.get(ctx, probeStream, seq)
	if err != nil {
		return fmt.Errorf("read the probe back: %w", err)
	}
	if !bytes.Equal(got, m.Data) {
		return fmt.Errorf("%w: a probe came back changed", ErrUnavailable)
	}
	return nil
}
