package app

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"accord/internal/consent"
	"accord/internal/identity"
	"accord/internal/profile"
)

const serveEnv = "ACCORD_TEST_SERVE"

// TestMain lets this test binary be the server that the tests kill.
func TestMain(m *testing.M) {
	if data := os.Getenv(serveEnv); data != "" {
		logger := slog.New(slog.NewTextHandler(os.Stderr, nil))
		err := Serve(context.Background(), ServeOptions{Config: Config{Data: data, Logger: logger, Learn: 2 * time.Second}, Listen: "127.0.0.1:0"}, os.Stderr)
		fmt.Fprintln(os.Stderr, "serve:", err)
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// crash is a data directory that outlives the servers on it, and what they have
// acknowledged.
type crash struct {
	t    *testing.T
	data string
	key  string
	// shopToken, if set, proves who asks.
	shopToken string

	mu    sync.Mutex
	acked map[string]string // item (one an event) → user; guarded by mu
}

func newCrash(t *testing.T) *crash {
	c := &crash{t: t, data: t.TempDir(), acked: map[string]string{}}
	if _, err := Init(c.data, Demonstration, "Crash"); err != nil {
		t.Fatal(err)
	}
	var err error
	if c.key, _, err = MakeKey(c.data, "secret", crashSource, nil); err != nil {
		t.Fatal(err)
	}
	return c
}

// crashSource is the source that the messages of the tests come from.
const crashSource = "crash"

// startServer starts this test binary as a server and returns its address and
// how to kill it.
func startServer(t *testing.T, data string) (addr string, kill func()) {
	t.Helper()
	talk, kill := launch(t, data)
	var said strings.Builder
	for lines := bufio.NewScanner(talk); lines.Scan(); {
		if _, rest, ok := strings.Cut(lines.Text(), servingOn); ok {
			go io.Copy(io.Discard, talk) //nolint:errcheck // ends with the process
			return strings.TrimPrefix(strings.Fields(rest)[0], "http://"), kill
		}
		said.WriteString(lines.Text() + "\n")
	}
	kill()
	t.Fatalf("the server did not start:\n%s", said.String())
	return "", nil
}

// refused is an answer other than 200. Whoever was killed gives no answer.
type refused struct {
	status int
	text   string
}

// Error returns what was asked and answered.
func (r *refused) Error() string { return r.text }

// ask sends one request and reads its answer into out, if that is not nil. The
// error is a *refused when the server answered.
func (c *crash) ask(ctx context.Context, method, url string, body, out any) error {
	b, err := json.Marshal(body)
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, method, url, bytes.NewReader(b))
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", "Bearer "+c.key)
	if c.shopToken != "" {
		req.Header.Set("Accord-Shop-Token", c.shopToken)
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	if resp.StatusCode != 200 {
		return &refused{resp.StatusCode, fmt.Sprintf("%s %s: %d %s", method, url, resp.StatusCode, answer)}
	}
	if out == nil {
		return nil
	}
	return json.Unmarshal(answer, out)
}

func choice(user, state string) map[string]any {
	return map[string]any{"person": map[string]any{"user_id": user}, "choices": map[string]any{"personalization": state, trainingPurpose: state}, "method": "api"}
}

func track(user, message, item string) map[string]any {
	return map[string]any{"type": "track", "event": importEvent, "userId": user, "messageId": message,
		"properties": map[string]any{"product_id": item, "quantity": 1, "order_id": message, "price": 1.5}}
}

// launch starts a server process and returns what it says and how to kill it.
func launch(t *testing.T, data string) (talk io.Reader, kill func()) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), serveEnv+"="+data)
	talk, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	kill = sync.OnceFunc(func() {
		cmd.Process.Kill() //nolint:errcheck // it may be gone already
		cmd.Wait()         //nolint:errcheck // killed
	})
	t.Cleanup(kill)
	return talk, kill
}

// verifyPeople opens the directory and compares what is held of some people with
// what was acknowledged.
func (c *crash) verifyPeople(kind identity.Kind, name func(int) string, people int) {
	c.t.Helper()
	h := c.open()
	defer c.close(h)
	c.verifyHeld(h, kind, name, people)
}

// open opens the directory, with all that is in the log folded.
func (c *crash) open() *House {
	c.t.Helper()
	h, err := Open(c.t.Context(), Config{Data: c.data, Logger: quiet()})
	if err != nil {
		c.t.Fatal(err)
	}
	if err := h.CatchUp(c.t.Context()); err != nil {
		c.t.Fatal(err)
	}
	return h
}

func (c *crash) close(h *House) {
	c.t.Helper()
	if err := h.Close(); err != nil {
		c.t.Error(err)
	}
}

// verifyHeld compares what the state holds of some people's purchases with what
// was acknowledged.
func (c *crash) verifyHeld(h *House, kind identity.Kind, name func(int) string, people int) {
	c.t.Helper()
	held := map[string]int{}
	for u := range people {
		user := name(u)
		for _, x := range heldOrders(c.t, h, identity.Identifier{Kind: kind, Value: user}).Interactions() {
			held[user+" "+x.Item]++
		}
	}
	lost := 0
	for item, user := range c.acked {
		if held[user+" "+item] == 0 {
			lost++
		}
	}
	doubled := 0
	for _, n := range held {
		if n > 1 {
			doubled++
		}
	}
	if lost > 0 || doubled > 0 {
		c.t.Errorf("promise 5: of %d acknowledged events %d are lost, and %d are doubled", len(c.acked), lost, doubled)
	}
}

// heldOrders is what is held about a person under the contract.
func heldOrders(t *testing.T, h *House, id identity.Identifier) profile.View {
	t.Helper()
	token, ok, err := h.keys.Find(h.keys.Hasher().Lookup(id))
	if err != nil {
		t.Fatal(err)
	}
	if !ok {
		return profile.View{}
	}
	purpose, ok := h.gate.Purpose("orders")
	if !ok {
		t.Fatal("the template has no purpose orders")
	}
	grant, reason := h.gate.Ask(token, purpose, consent.Where{}, h.clock.Now())
	if !grant.Valid() {
		t.Fatal("orders:", reason)
	}
	view, err := h.vault.View(t.Context(), grant)
	if err != nil {
		t.Fatal(err)
	}
	return view
}
