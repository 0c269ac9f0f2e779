package app

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"accord/internal/identity"
)

// TestOfficialClients runs Segment's and RudderStack's own libraries against a
// real server, with nothing but the host changed, and finds every event again.
func TestOfficialClients(t *testing.T) {
	node, err := exec.LookPath("node")
	if err != nil {
		t.Skip("node is not installed: the official clients need it")
	}
	dir := filepath.Join("testdata", "clients")
	if _, err := os.Stat(filepath.Join(dir, "node_modules")); err != nil {
		t.Skip("the clients are not installed: run `npm install` in internal/app/testdata/clients")
	}
	const events = 120
	for _, client := range []string{"segment", "rudder"} {
		t.Run(client, func(t *testing.T) {
			c := newCrash(t)
			addr, kill := startServer(t, c.data)
			send := exec.CommandContext(t.Context(), node, "send.mjs", client, "http://"+addr, c.key, fmt.Sprint(events))
			send.Dir = dir
			if out, err := send.CombinedOutput(); err != nil {
				t.Fatalf("the client failed: %v\n%s", err, out)
			}
			kill() // what was acknowledged is on disk
			for n := range events {
				c.acked[fmt.Sprintf("%s-item-%d", client, n)] = fmt.Sprintf("%s-%d", client, n%7)
			}
			c.verifyPeople(identity.UserID, func(u int) string { return fmt.Sprintf("%s-%d", client, u) }, 7)
		})
	}
}
