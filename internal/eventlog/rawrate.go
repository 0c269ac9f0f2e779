package eventlog

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"golang.org/x/sync/errgroup"
)

// RawRate measures the engine underneath alone: an embedded server in a new
// directory below dir, with synced writes; messages of frameBytes random bytes
// are published to each stream, as many in flight as the log has, for the time
// d. It returns messages and payload bytes a second. What it wrote is removed at
// the end. ErrInUse when dir is taken.
func RawRate(ctx context.Context, dir string, frameBytes, streams int, d time.Duration) (framesPerSecond, bytesPerSecond float64, err error) {
	if frameBytes < 1 || frameBytes > enginePayload-frameOverhead || streams < 1 || streams > MaxStreams || d <= 0 {
		return 0, 0, fmt.Errorf("a raw measurement needs frames of 1 to %d bytes, 1 to %d streams and some time", enginePayload-frameOverhead, MaxStreams)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return 0, 0, err
	}
	lock, err := lockFile(filepath.Join(dir, "lock"))
	if err != nil {
		return 0, 0, err
	}
	defer lock.Close()
	// A new place each time: a server that stopped may still be removing what it
	// was told to delete, under the feet of the next one.
	place, err := os.MkdirTemp(dir, "raw-")
	if err != nil {
		return 0, 0, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(place)) }()
	e, err := startEngine(place, slog.New(slog.DiscardHandler))
	if err != nil {
		return 0, 0, err
	}
	defer e.stop()
	nc, err := nats.Connect("", nats.InProcessServer(e.server))
	if err != nil {
		return 0, 0, fmt.Errorf("connect to the embedded NATS server: %w", err)
	}
	defer nc.Close()
	js, err := jetstream.New(nc)
	if err != nil {
		return 0, 0, fmt.Errorf("open JetStream: %w", err)
	}
	for i := range streams {
		name := rawName(i)
		if _, err := js.CreateOrUpdateStream(ctx, jetstream.StreamConfig{Name: name, Subjects: []string{name}, Storage: jetstream.FileStorage}); err != nil {
			return 0, 0, fmt.Errorf("make stream %s: %w", name, err)
		}
	}
	began := time.Now()
	frames, err := rawPublish(ctx, js, frameBytes, streams, d)
	took := time.Since(began).Seconds()
	return float64(frames) / took, float64(frames) * float64(frameBytes) / took, err
}

func rawName(i int) string { return "RAW" + strconv.Itoa(i) }

// rawPublish publishes to all streams at once for the time d and counts.
func rawPublish(ctx context.Context, js jetstream.JetStream, frameBytes, streams int, d time.Duration) (int64, error) {
	payload := make([]byte, frameBytes)
	if _, err := io.ReadFull(rand.Reader, payload); err != nil {
		return 0, err
	}
	var frames atomic.Int64
	group, ctx := errgroup.WithContext(ctx)
	end := time.Now().Add(d)
	for i := range streams * framesInFlight {
		group.Go(func() error {
			for time.Now().Before(end) {
				if _, err := js.Publish(ctx, rawName(i%streams), payload); err != nil {
					return fmt.Errorf("publish: %w", err)
				}
				frames.Add(1)
			}
			return nil
		})
	}
	err := group.Wait()
	return frames.Load(), err
}
