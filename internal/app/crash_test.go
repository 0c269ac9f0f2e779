package app

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"accord/internal/identity"
	"accord/internal/profile"
)

// The crash test is promise 5 and 3 by force: a real server process is killed
// with SIGKILL at random instants under load, and afterwards no acknowledged
// event is lost, none is doubled, and no personal answer was released after an
// acknowledged withdrawal. ACCORD_CRASH_ROUNDS sets the rounds (default 12).

const serveEnv = "ACCORD_TEST_SERVE"

func TestMain(m *testing.M) {
	if data := os.Getenv(serveEnv); data != "" {
		logger := slog.New(slog.NewTextHandler(os.Stderr, nil))
		err := Serve(context.Background(), ServeOptions{Config: Config{Data: data, Logger: logger, Learn: 300 * time.Millisecond}, Listen: "127.0.0.1:0"}, os.Stderr)
		fmt.Fprintln(os.Stderr, "serve:", err)
		os.Exit(1)
	}
	os.Exit(m.Run())
}

func TestKill9(t *testing.T) {
	if testing.Short() {
		t.Skip("kills a server many times: not with -short")
	}
	rounds := 12
	if s := os.Getenv("ACCORD_CRASH_ROUNDS"); s != "" {
		var err error
		if rounds, err = strconv.Atoi(s); err != nil {
			t.Fatal("ACCORD_CRASH_ROUNDS:", err)
		}
	}
	c := newCrash(t)
	random := rand.New(rand.NewPCG(1, uint64(rounds)))
	for round := range rounds {
		c.round(round, time.Duration(20+random.IntN(400))*time.Millisecond)
		if t.Failed() {
			return
		}
	}
	c.verify()
	t.Logf("%d kills: %d events acknowledged, %d withdrawals acknowledged, %d personal and %d un-personal answers checked",
		rounds, len(c.acked), c.withdrawals, c.personal, c.unpersonal)
	if len(c.acked) == 0 || c.withdrawals == 0 || c.personal == 0 || c.unpersonal == 0 {
		t.Error("the load did not reach every part, so the test showed nothing")
	}
}

// crash is the state that outlives the killed servers.
type crash struct {
	t    *testing.T
	data string
	key  string

	mu          sync.Mutex
	acked       map[string]string // item (one an event) → user
	next        int
	withdrawn   bool // the last acknowledged choice is a withdrawal and no other was sent since
	withdrawals int
	personal    int
	unpersonal  int
}

const shifter = "the-one-who-changes"

func newCrash(t *testing.T) *crash {
	c := &crash{t: t, data: t.TempDir(), acked: map[string]string{}}
	if _, err := Init(c.data, Demonstration, "Crash"); err != nil {
		t.Fatal(err)
	}
	var err error
	if c.key, _, err = MakeKey(c.data, "secret", "crash", nil); err != nil {
		t.Fatal(err)
	}
	return c
}

// round starts a server, loads it, kills it after d of load, and checks on the
// next start what must hold at once.
func (c *crash) round(round int, d time.Duration) {
	addr, kill := startServer(c.t, c.data)
	base := "http://" + addr
	if round == 0 {
		c.prepare(base)
	}
	c.checkAfterStart(base)
	ctx, cancel := context.WithCancel(context.Background())
	var work sync.WaitGroup
	for w := range 4 {
		work.Go(func() { c.sendEvents(ctx, base, w) })
	}
	work.Go(func() { c.changeMind(ctx, base) })
	time.Sleep(d) // the random instant itself, not a wait for something
	kill()
	cancel()
	work.Wait()
}

// startServer starts this test binary as a server and returns its address and
// how to kill it.
func startServer(t *testing.T, data string) (addr string, kill func()) {
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

// refusal is an answer other than 200. Whoever was killed gives no answer.
type refusal struct {
	status int
	text   string
}

// Error returns what was asked and answered.
func (r *refusal) Error() string { return r.text }

// ask sends one request. The error is a *refusal when the server answered.
func (c *crash) ask(ctx context.Context, method, url string, body any) (map[string]any, error) {
	b, err := json.Marshal(body)
	if err != nil {
		return nil, err
	}
	req, err := http.NewRequestWithContext(ctx, method, url, bytes.NewReader(b))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Authorization", "Bearer "+c.key)
	req.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode != 200 {
		return nil, &refusal{resp.StatusCode, fmt.Sprintf("%s %s: %d %s", method, url, resp.StatusCode, answer)}
	}
	var out map[string]any
	return out, json.Unmarshal(answer, &out)
}

// prepare gives a few people histories that a model can learn from.
func (c *crash) prepare(base string) {
	ctx := context.Background()
	var batch []map[string]any
	for u := range 8 {
		user := "regular-" + strconv.Itoa(u)
		if u == 0 {
			user = shifter
		}
		if _, err := c.ask(ctx, "PUT", base+"/v1/consent", choice(user, "given")); err != nil {
			c.t.Fatal(err)
		}
		for i := range 4 {
			batch = append(batch, track(user, fmt.Sprintf("seed-%d-%d", u, i), fmt.Sprintf("P%d", (u+i)%6)))
		}
	}
	if _, err := c.ask(ctx, "POST", base+"/v1/batch", map[string]any{"batch": batch}); err != nil {
		c.t.Fatal(err)
	}
	for end := time.Now().Add(30 * time.Second); ; {
		answer, err := c.decide(ctx, base)
		if err != nil {
			c.t.Fatal(err)
		}
		if answer {
			return
		}
		if time.Now().After(end) {
			c.t.Fatal("no personal answer within 30 s of a consent and a history")
		}
		time.Sleep(20 * time.Millisecond) // polling a real server
	}
}

func choice(user, state string) map[string]any {
	return map[string]any{"person": map[string]any{"user_id": user}, "choices": map[string]any{"personalization": state, trainingPurpose: state}, "method": "api"}
}

func track(user, message, item string) map[string]any {
	return map[string]any{"type": "track", "event": importEvent, "userId": user, "messageId": message,
		"properties": map[string]any{"product_id": item, "quantity": 1, "order_id": message, "price": 1.5}}
}

func (c *crash) decide(ctx context.Context, base string) (personal bool, err error) {
	answer, err := c.ask(ctx, "POST", base+"/v1/decide", map[string]any{"person": map[string]any{"user_id": shifter}, "n": 3})
	if err != nil {
		return false, err
	}
	personal, ok := answer["personal"].(bool)
	if !ok {
		return false, fmt.Errorf("an answer without personal: %v", answer)
	}
	return personal, nil
}

// sendEvents sends batches; every event is one item, so that it can be found
// again and counted. A batch that was not acknowledged is sent once more with
// the same message ids by the next server, as a client would.
func (c *crash) sendEvents(ctx context.Context, base string, worker int) {
	for ctx.Err() == nil {
		c.mu.Lock()
		first := c.next
		c.next += 10
		c.mu.Unlock()
		var batch []map[string]any
		users := map[string]string{}
		for i := range 10 {
			item := fmt.Sprintf("item-%d", first+i)
			user := fmt.Sprintf("user-%d", (first+i)%50)
			users[item] = user
			batch = append(batch, track(user, "m-"+item, item))
		}
		body := map[string]any{"batch": batch}
		for try := 0; try < 2; try++ { // the second sends the same ids again, acknowledged or not
			if _, err := c.ask(ctx, "POST", base+"/v1/batch", body); err != nil {
				return
			}
			c.mu.Lock()
			for item, user := range users {
				c.acked[item] = user
			}
			c.mu.Unlock()
			if worker != 0 {
				break
			}
		}
	}
}

// changeMind withdraws and consents by turns and asks in between.
func (c *crash) changeMind(ctx context.Context, base string) {
	for ctx.Err() == nil {
		if _, err := c.ask(ctx, "PUT", base+"/v1/consent", choice(shifter, "withdrawn")); err != nil {
			return
		}
		c.mu.Lock()
		c.withdrawn = true
		c.withdrawals++
		c.mu.Unlock()
		var work sync.WaitGroup
		for range 3 {
			work.Go(func() { c.mustBeUnpersonal(ctx, base) })
		}
		work.Wait()
		c.mu.Lock()
		c.withdrawn = false
		c.mu.Unlock()
		if _, err := c.ask(ctx, "PUT", base+"/v1/consent", choice(shifter, "given")); err != nil {
			return
		}
		item := fmt.Sprintf("P%d", c.withdrawals%6)
		if _, err := c.ask(ctx, "POST", base+"/v1/track", track(shifter, fmt.Sprintf("again-%d", c.withdrawals), item)); err != nil {
			return
		}
		for try := 0; try < 50 && ctx.Err() == nil; try++ { // until the fold has the event
			if personal, err := c.decide(ctx, base); err != nil {
				return
			} else if personal {
				c.mu.Lock()
				c.personal++
				c.mu.Unlock()
				break
			}
		}
	}
}

func (c *crash) mustBeUnpersonal(ctx context.Context, base string) {
	personal, err := c.decide(ctx, base)
	if err != nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if personal {
		c.t.Error("promise 3: a personal answer was released after an acknowledged withdrawal")
	}
	c.unpersonal++
}

// checkAfterStart asks the new server before anything else was said to it.
func (c *crash) checkAfterStart(base string) {
	if c.withdrawn {
		c.mustBeUnpersonal(context.Background(), base)
	}
}

// verify counts what is held of every acknowledged event.
func (c *crash) verify() { c.verifyUsers(func(u int) string { return fmt.Sprintf("user-%d", u) }, 50) }

// verifyUsers opens the directory and compares what is held of some users with
// what was acknowledged.
func (c *crash) verifyUsers(name func(int) string, users int) {
	c.t.Helper()
	h, err := Open(c.t.Context(), Config{Data: c.data, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		c.t.Fatal(err)
	}
	defer func() {
		if err := h.Close(); err != nil {
			c.t.Error(err)
		}
	}()
	if err := h.CatchUp(c.t.Context()); err != nil {
		c.t.Fatal(err)
	}
	held := map[string]int{}
	for u := range users {
		user := name(u)
		for _, x := range heldOrders(c.t, h, user).Interactions() {
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

// heldOrders is what is held about a user under the contract.
func heldOrders(t *testing.T, h *House, user string) profile.View {
	t.Helper()
	token, ok, err := h.keys.Find(h.keys.Hasher().Lookup(identity.Identifier{Kind: identity.UserID, Value: user}))
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
	grant, reason := h.gate.Ask(token, purpose, h.clock.Now())
	if !grant.Valid() {
		t.Fatal("orders:", reason)
	}
	view, err := h.vault.View(t.Context(), grant)
	if err != nil {
		t.Fatal(err)
	}
	return view
}
