package eventlog

import (
	"context"
	"fmt"
	"log/slog"
	"math"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
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
func startEngine(dir string, logger *slog.Logger) (_ *engine, err error) {
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
	log := &serverLog{Logger: logger}
	e.server.SetLoggerV2(log, false, false, false)
	// A server that listens nowhere is either complete when Start returns or has
	// given up and said why.
	e.server.Start()
	if !e.server.ReadyForConnections(time.Second) || !e.server.JetStreamEnabled() {
		return nil, fmt.Errorf("the embedded NATS server could not open its store (%s): check that the directory is writable and not full", log.reason())
	}
	return e, nil
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
type serverLog struct {
	*slog.Logger
	fatal atomic.Pointer[string] // why the server gave up
}

// reason returns why the server gave up.
func (s *serverLog) reason() string {
	if why := s.fatal.Load(); why != nil {
		return *why
	}
	return "it does not say why"
}

func (s *serverLog) say(level slog.Level, format string, v []any) {
	if s.Enabled(context.Background(), level) {
		s.Log(context.Background(), level, "nats: "+strings.TrimSpace(fmt.Sprintf(format, v...)))
	}
}

// Fatalf is what the server says before it gives up starting.
func (s *serverLog) Fatalf(f string, v ...any) {
	why := fmt.Sprintf(f, v...)
	s.fatal.CompareAndSwap(nil, &why)
	s.say(slog.LevelError, f, v)
}

func (s *serverLog) Noticef(f string, v ...any) { s.say(slog.LevelDebug, f, v) }
func (s *serverLog) Warnf(f string, v ...any)   { s.say(slog.LevelWarn, f, v) }
func (s *serverLog) Errorf(f string, v ...any)  { s.say(slog.LevelError, f, v) }
func (s *serverLog) Debugf(f string, v ...any)  { s.say(slog.LevelDebug, f, v) }
func (s *serverLog) Tracef(f string, v ...any)  { s.say(slog.LevelDebug, f, v) }
