package app

import (
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
)

// A NATS server that is somebody else's holds one directory's log: the directory
// finds its own again, and another is refused.
func TestOneDirectoryOnACluster(t *testing.T) {
	s, err := server.NewServer(&server.Options{Host: "127.0.0.1", Port: server.RANDOM_PORT, NoSigs: true, NoLog: true, JetStream: true, StoreDir: t.TempDir(), SyncAlways: true})
	if err != nil {
		t.Fatal(err)
	}
	s.Start()
	defer func() { s.Shutdown(); s.WaitForShutdown() }()
	if !s.ReadyForConnections(20 * time.Second) {
		t.Fatal("the NATS server does not start")
	}
	open := func(data string) error {
		h, err := Open(t.Context(), Config{Data: data, NATS: s.ClientURL(), Logger: quiet()})
		if err != nil {
			return err
		}
		return h.Close()
	}
	one, other := newCrash(t).data, newCrash(t).data
	for range 2 {
		if err := open(one); err != nil {
			t.Fatal(err)
		}
	}
	if err := open(other); err == nil || !strings.Contains(err.Error(), "another data directory") {
		t.Errorf("a second directory on the same server: %v", err)
	}
}
