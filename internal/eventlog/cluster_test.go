package eventlog

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"

	"accord/internal/event"
)

// cluster starts three NATS servers that replicate to each other.
func cluster(t *testing.T) (servers []*server.Server, address string) {
	t.Helper()
	var routes []*url.URL
	var ports []int
	for range 3 { // ports that were free a moment ago
		probe, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer probe.Close()
		ports = append(ports, probe.Addr().(*net.TCPAddr).Port)
		routes = append(routes, &url.URL{Scheme: "nats", Host: probe.Addr().String()})
		probe.Close()
	}
	var urls []string
	for i := range 3 {
		s, err := server.NewServer(&server.Options{
			ServerName: fmt.Sprintf("node%d", i), Host: "127.0.0.1", Port: server.RANDOM_PORT, NoSigs: true, NoLog: true,
			JetStream: true, StoreDir: t.TempDir(), SyncAlways: true,
			Cluster: server.ClusterOpts{Name: "test", Host: "127.0.0.1", Port: ports[i]}, Routes: routes,
		})
		if err != nil {
			t.Fatal(err)
		}
		s.Start()
		t.Cleanup(func() { s.Shutdown(); s.WaitForShutdown() })
		servers = append(servers, s)
	}
	for _, s := range servers {
		if !s.ReadyForConnections(20 * time.Second) {
			t.Fatal("a node does not start")
		}
		urls = append(urls, s.ClientURL())
	}
	until(t, "the cluster has a leader that sees everybody", func() bool {
		for _, s := range servers {
			if s.JetStreamIsLeader() && len(s.JetStreamClusterPeers()) == 3 {
				return true
			}
		}
		return false
	})
	return servers, strings.Join(urls, ",")
}

// On a cluster the log has three copies where nobody says otherwise, and survives
// the loss of a stream's leader: appends and the follower go on within Patience,
// nothing acknowledged is lost or doubled. It is nobody else's.
func TestClusterLosesALeader(t *testing.T) {
	if testing.Short() {
		t.Skip("elections take some seconds")
	}
	servers, address := cluster(t)
	l := open(t, Options{URL: address, Streams: 1, Identity: "one"})
	if s, err := l.js.Stream(t.Context(), "EV0"); err != nil || s.CachedInfo().Config.Replicas != 3 {
		t.Fatalf("the stream has not three copies: %v", err)
	}
	if _, err := Open(t.Context(), Options{URL: address, Streams: 1, Identity: "another"}); !errors.Is(err, ErrMismatch) {
		t.Errorf("another owner opens the same streams: %v", err)
	}
	var followed atomic.Uint64
	ended := make(chan error, 1)
	go func() {
		ended <- l.Follow(t.Context(), nil, func(f event.Frame) error {
			if !followed.CompareAndSwap(f.Sequence-1, f.Sequence) {
				return fmt.Errorf("frame %d after %d", f.Sequence, followed.Load())
			}
			return nil
		})
	}()
	var stop atomic.Bool
	var count atomic.Int64
	var wg sync.WaitGroup
	for who := range uint64(4) {
		wg.Go(func() {
			for n := uint64(0); !stop.Load(); n++ {
				if err := l.Append(t.Context(), []event.Record{record(who, n, forEver, 100)}); err != nil {
					t.Error(err)
					return
				}
				count.Add(1)
			}
		})
	}
	more := func() {
		want := count.Load() + 100
		until(t, "records are acknowledged", func() bool { return count.Load() >= want || t.Failed() })
	}
	more()
	for _, s := range servers {
		if s.JetStreamIsStreamLeader("$G", "EV0") {
			s.Shutdown()
			s.WaitForShutdown()
			break
		}
	}
	more()
	stop.Store(true)
	wg.Wait()
	times := map[event.ID]int{}
	for _, f := range collect(t, l, nil) {
		for _, r := range f.Records {
			times[r.ID]++
		}
	}
	if int64(len(times)) != count.Load() {
		t.Errorf("%d records were acknowledged, %d are there", count.Load(), len(times))
	}
	for id, n := range times {
		if n != 1 {
			t.Fatalf("record %x is there %d times", id, n)
		}
	}
	ends, err := l.Ends(deadline(t))
	if err != nil {
		t.Fatal(err)
	}
	until(t, "the follower has everything", func() bool { return followed.Load() == ends[0] })
	closeLog(t, l)
	if err := <-ended; err != ErrClosed {
		t.Errorf("Follow: %v", err)
	}
}
