package eventlog

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/nats-io/nats-server/v2/server"
)

// Sizes of the embedded server.
const (
	// enginePayload is the largest message: a whole frame with room to spare.
	enginePayload = 8 << 20
	// engineMemory bounds JetStream's memory streams, of which there are none.
	engineMemory = 16 << 20
	// engineStore is no limit of its own: the disk is, and space watches it.
	engineStore = math.MaxInt64 / 2
)

// engine is the embedded NATS server and the lock on its directory.
type engine struct {
	server *server.Server
	lock   *os.File
}

// startEngine locks dir and starts a server in it that listens nowhere.
func startEngine(ctx context.Context, dir string, logger *slog.Logger) (_ *engine, err error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("make the event log's directory: %w", err)
	}
	e := &engine{}
	defer func() {
		if err != nil {
			e.stop()
		}
	}()
	if e.lock, err = lockFile(filepath.Join(dir, "lock")); err != nil {
		return nil, err
	}
	e.server, err = server.NewServer(&server.Options{
		ServerName:             "accord",
		DontListen:             true,
		NoSigs:                 true,
		MaxPayload:             enginePayload,
		JetStream:              true,
		JetStreamMaxMemory:     engineMemory,
		JetStreamMaxStore:      engineStore,
		DisableJetStreamBanner: true,
		StoreDir:               dir,
		SyncAlways:             true,
	})
	if err != nil {
		return nil, fmt.Errorf("set up the embedded NATS server: %w", err)
	}
	e.server.SetLoggerV2(serverLog{logger}, false, false, false)
	e.server.Start()
	return e, e.ready(ctx)
}

// ready waits until the server and its JetStream answer.
func (e *engine) ready(ctx context.Context) error {
	for !e.server.ReadyForConnections(100 * time.Millisecond) {
		if !e.server.Running() {
			return errors.New("the embedded NATS server did not start: see the log")
		}
		if ctx.Err() != nil {
			return fmt.Errorf("the embedded NATS server is not ready: %w", ctx.Err())
		}
	}
	if !e.server.JetStreamEnabled() {
		return errors.New("the embedded NATS server could not open its store: see the log, and check that the directory is writable and not full")
	}
	return nil
}

// stop ends the server and frees the directory.
func (e *engine) stop() {
	if e.server != nil {
		e.server.Shutdown()
		e.server.WaitForShutdown()
	}
	if e.lock != nil {
		e.lock.Close() // closing releases the lock
	}
}

// serverLog passes the embedded server's messages on. What it calls a notice
// tells of every start and stop, which is nobody's news but a debugger's.
type serverLog struct{ *slog.Logger }

func (s serverLog) say(level slog.Level, format string, v []any) {
	if s.Enabled(context.Background(), level) {
		s.Log(context.Background(), level, "nats: "+strings.TrimSpace(fmt.Sprintf(format, v...)))
	}
}

func (s serverLog) Noticef(f string, v ...any) { s.say(slog.LevelDebug, f, v) }
func (s serverLog) Warnf(f string, v ...any)   { s.say(slog.LevelWarn, f, v) }
func (s serverLog) Errorf(f string, v ...any)  { s.say(slog.LevelError, f, v) }
func (s serverLog) Fatalf(f string, v ...any)  { s.say(slog.LevelError, f, v) }
func (s serverLog) Debugf(f string, v ...any)  { s.say(slog.LevelDebug, f, v) }
func (s serverLog) Tracef(f string, v ...any)  { s.say(slog.LevelDebug, f, v) }
