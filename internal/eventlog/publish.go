package eventlog

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// attempt is how long one publish may take before it is tried again. The waits
// between two grow from pause to longPause.
const (
	attempt   = 5 * time.Second
	pause     = 50 * time.Millisecond
	longPause = time.Second
)

// publishFrame puts a batch on disk.
func (l *Log) publishFrame(s *stream, b *batch, prefix string, n int) error {
	m := nats.NewMsg("ev." + strconv.Itoa(s.number) + "." + retentionName(b.retention))
	m.Data = b.frame
	m.Header.Set(jetstream.MsgIDHeader, prefix+"-"+strconv.Itoa(n))
	if b.retention > 0 {
		m.Header.Set(jetstream.MsgTTLHeader, retentionName(b.retention))
	}
	_, err := l.publish(l.life, m, func() bool { return b.waiters.Load() > 0 })
	return err
}

// publish sends m until it is acknowledged and returns its sequence. It gives
// up when ctx ends, when nobody is interested any more, when patience is over
// and at once when trying again cannot help. The message id makes a repetition
// of a stored message harmless.
func (l *Log) publish(ctx context.Context, m *nats.Msg, interested func() bool) (uint64, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, l.options.patience, errImpatient)
	defer cancel()
	for tries := 0; ; tries++ {
		if err := l.space.check(); err != nil {
			return 0, err
		}
		once, cancel := context.WithTimeout(ctx, attempt)
		ack, err := l.js.PublishMsg(once, m, jetstream.WithRetryAttempts(0))
		cancel()
		if err == nil {
			return ack.Sequence, nil
		}
		if final := l.final(ctx, err); final != nil {
			return 0, final
		}
		if !interested() {
			return 0, fmt.Errorf("%w, and nobody waits any more (%w)", ErrUnavailable, err)
		}
		l.totals.retries.Add(1)
		if tries == 0 {
			l.logger.Warn("event log: a publish is tried again", "subject", m.Subject, "error", err)
		}
		select {
		case <-time.After(min(pause<<min(tries, 10), longPause)):
		case <-ctx.Done():
			return 0, l.final(ctx, err)
		}
	}
}

// errImpatient is why a publish's own context ends.
var errImpatient = errors.New("patience is over")

// final returns the error to give up with after err, or nil when another try
// may help.
func (l *Log) final(ctx context.Context, err error) error {
	var api *jetstream.APIError
	switch {
	case l.life.Err() != nil:
		return ErrClosed
	case context.Cause(ctx) == errImpatient && l.space.exhausted():
		return fmt.Errorf("%w: its disk ran full; free some space and restart", ErrUnavailable)
	case context.Cause(ctx) == errImpatient:
		return fmt.Errorf("%w (%w)", ErrUnavailable, err)
	case ctx.Err() != nil:
		return fmt.Errorf("the event log did not acknowledge in time: %w", context.Cause(ctx))
	case errors.Is(err, nats.ErrMaxPayload):
		return fmt.Errorf("%w: the NATS server takes less than it did at the start", ErrTooLarge)
	case errors.Is(err, nats.ErrConnectionClosed):
		return ErrClosed
	case errors.As(err, &api):
		return refusal(api)
	}
	return nil
}

// refusal sorts what JetStream itself answered.
func refusal(api *jetstream.APIError) error {
	const accountExceeded, storageExceeded, storeFailed = 10002, 10047, 10077
	switch {
	case api.ErrorCode == accountExceeded, api.ErrorCode == storageExceeded,
		api.ErrorCode == storeFailed && strings.HasPrefix(api.Description, "maximum"):
		// A limit of the server, the account or the stream.
		return fmt.Errorf("%w (%w)", ErrFull, api)
	case api.Code == 503, api.Code == 408, api.Code == 409:
		return nil // no leader, not ready, busy, or the try before is still under way
	}
	return fmt.Errorf("%w (%w)", ErrUnavailable, api)
}
