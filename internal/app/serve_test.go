package app

import (
	"accord/internal/consent"
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"accord/internal/identity"
)

// inProcess runs a server in this process and returns its address and what stops
// it in order, as a signal would.
func inProcess(t *testing.T, run func(ctx context.Context, talk io.Writer) error) (addr string, stop func() error) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	read, talk := io.Pipe()
	done := make(chan error, 1)
	go func() {
		err := run(ctx, talk)
		talk.CloseWithError(io.EOF)
		done <- err
	}()
	stop = sync.OnceValue(func() error { cancel(); return <-done })
	t.Cleanup(func() { stop() }) //nolint:errcheck // the test looked at it
	lines := bufio.NewScanner(read)
	for lines.Scan() {
		if _, rest, ok := strings.Cut(lines.Text(), servingOn); ok {
			go io.Copy(io.Discard, read) //nolint:errcheck // ends with the pipe
			return strings.TrimPrefix(strings.Fields(rest)[0], "http://"), stop
		}
	}
	t.Fatalf("it did not start: %v", stop())
	return "", nil
}

func quiet() *slog.Logger { return slog.New(slog.NewTextHandler(io.Discard, nil)) }

func serveIn(data string) func(ctx context.Context, talk io.Writer) error {
	return func(ctx context.Context, talk io.Writer) error {
		return Serve(ctx, ServeOptions{Config: Config{Data: data, Logger: quiet(), Learn: time.Hour}, Listen: "127.0.0.1:0"}, talk)
	}
}

// A stop under load refuses no request that was taken and loses none that was
// acknowledged; while a server runs, nobody else gets its directory.
func TestServeStopsInOrder(t *testing.T) {
	c := newCrash(t)
	addr, stop := inProcess(t, serveIn(c.data))
	if err := c.ask(t.Context(), "PUT", "http://"+addr+"/v1/consent", choice("user-0", "given"), nil); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(t.Context(), Config{Data: c.data, Logger: quiet()}); err == nil || !strings.Contains(err.Error(), "in use") {
		t.Errorf("a second opening of the directory: %v", err)
	}
	var mu sync.Mutex
	acked := 0
	var work sync.WaitGroup
	for w := range 4 {
		work.Go(func() {
			for i := 0; ; i++ {
				err := c.ask(context.Background(), "POST", "http://"+addr+"/v1/batch",
					map[string]any{"batch": []any{track("user-0", fmt.Sprintf("m-%d-%d", w, i), fmt.Sprintf("P-%d-%d", w, i))}}, nil)
				if no, ok := errors.AsType[*refused](err); ok {
					t.Error("a request that was taken was refused:", no)
				}
				if err != nil {
					return // the server has stopped
				}
				mu.Lock()
				acked++
				mu.Unlock()
			}
		})
	}
	time.Sleep(300 * time.Millisecond) // a real server under a real load
	if err := stop(); err != nil {
		t.Fatal("stopping:", err)
	}
	work.Wait()
	if acked == 0 {
		t.Fatal("nothing was acknowledged, so nothing was shown")
	}
	h, err := Open(t.Context(), Config{Data: c.data, Logger: quiet()})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := h.Close(); err != nil {
			t.Error(err)
		}
	}()
	if err := h.CatchUp(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := len(seen(t, h, "user-0")); got < acked {
		t.Errorf("%d events were acknowledged and %d are there", acked, got)
	}
}

// A request that was begun before the stop is answered, although its body comes
// after it.
func TestServeAnswersWhatWasBegun(t *testing.T) {
	c := newCrash(t)
	addr, stop := inProcess(t, serveIn(c.data))
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	body := `{"person":{"user_id":"user-0"},"purpose":"personalization","n":1}`
	fmt.Fprintf(conn, "POST /v1/decide HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\nExpect: 100-continue\r\nContent-Length: %d\r\n\r\n", c.key, len(body))
	from := bufio.NewReader(conn)
	if line, err := from.ReadString('\n'); err != nil || !strings.Contains(line, " 100 ") {
		t.Fatalf("%q %v", line, err)
	}
	stopped := make(chan error, 1)
	go func() { stopped <- stop() }()
	for { // until the server takes no more connections
		more, err := net.Dial("tcp", addr)
		if err != nil {
			break
		}
		more.Close()
		time.Sleep(time.Millisecond) // polls a real server
	}
	fmt.Fprint(conn, body)
	if line, err := from.ReadString('\n'); err != nil || strings.TrimSpace(line) != "" {
		t.Fatalf("after the interim answer: %q %v", line, err)
	}
	resp, err := http.ReadResponse(from, nil)
	if err != nil {
		t.Fatal(err)
	}
	if answer, err := io.ReadAll(resp.Body); err != nil || resp.StatusCode != http.StatusOK {
		t.Errorf("%d %s %v", resp.StatusCode, answer, err)
	}
	if err := <-stopped; err != nil {
		t.Error("stopping:", err)
	}
}

// seen are the items that the state knows of a user who consented.
func seen(t *testing.T, h *House, user string) map[string]bool {
	t.Helper()
	token, _, err := h.keys.Find(h.keys.Hasher().Lookup(identity.Identifier{Kind: identity.UserID, Value: user}))
	if err != nil {
		t.Fatal(err)
	}
	purpose, _ := h.gate.Purpose("personalization")
	grant, reason := h.gate.Ask(token, purpose, consent.Where{}, h.clock.Now())
	if !grant.Valid() {
		t.Fatal("no grant:", reason)
	}
	view, err := h.vault.View(t.Context(), grant)
	if err != nil {
		t.Fatal(err)
	}
	items := map[string]bool{}
	for _, x := range view.Interactions() {
		items[x.Item] = true
	}
	return items
}

func TestServeRefusesHalfOfTLS(t *testing.T) {
	err := Serve(t.Context(), ServeOptions{Config: Config{Data: t.TempDir()}, TLSCert: "cert.pem"}, io.Discard)
	if _, ok := errors.AsType[*UsageError](err); !ok {
		t.Errorf("a certificate without its key: %v", err)
	}
}

// The demonstration answers its page, and flipping the switch of the customer on
// it turns their next answer from personal to un-personal at once.
func TestDemo(t *testing.T) {
	addr, stop := inProcess(t, func(ctx context.Context, talk io.Writer) error {
		return Demo(ctx, DemoOptions{Data: t.TempDir(), Listen: "127.0.0.1:0", Seed: 1, Logger: quiet()}, io.Discard, talk)
	})
	page := get(t, "http://"+addr+"/demo/")
	if !strings.Contains(page, badgePersonal) || strings.Contains(page, badgeGeneral) {
		t.Fatal("the first answer on the page is not personal")
	}
	_, rest, _ := strings.Cut(page, `name="customer" value="`)
	customer, _, ok := strings.Cut(rest, `"`)
	if !ok || customer == "" {
		t.Fatal("the page names no customer")
	}
	off := flip(t, addr, customer, "false")
	if !strings.Contains(off, badgeGeneral) {
		t.Error("after the withdrawal the answer is not un-personal")
	}
	if same := slices.DeleteFunc(items(off), func(id string) bool { return !slices.Contains(items(page), id) }); len(same) > demoAnswer/4 {
		t.Errorf("%v of the first customer's answer stay without their data: that shows little", same)
	}
	if on := flip(t, addr, customer, "true"); !strings.Contains(on, `name="on" value="false"`) || strings.Contains(on, `Withdrawn on`) {
		t.Error("the consent is not given again")
	}
	live, err := http.Get("http://" + addr + "/demo/events") // an open page does not hold the stop up
	if err != nil {
		t.Fatal(err)
	}
	defer live.Body.Close()
	if err := stop(); err != nil {
		t.Error("stopping:", err)
	}
}

// items are the products on a page.
func items(page string) (ids []string) {
	for _, part := range strings.Split(page, `data-item="`)[1:] {
		id, _, _ := strings.Cut(part, `"`)
		ids = append(ids, id)
	}
	return ids
}

// A demonstration keeps its seed, since the names of another shop do not belong
// to the data of this one.
func TestDemoKeepsItsSeed(t *testing.T) {
	data := t.TempDir()
	for _, step := range []struct{ asked, want uint64 }{{9, 9}, {0, 9}, {9, 9}} {
		if got, err := demoSeed(DemoOptions{Data: data, Seed: step.asked}); got != step.want || err != nil {
			t.Errorf("asked for %d: %d, %v", step.asked, got, err)
		}
	}
	if _, err := demoSeed(DemoOptions{Data: data, Seed: 1}); err == nil || !strings.Contains(err.Error(), "has the seed 9") {
		t.Errorf("another shop in the same directory: %v", err)
	}
	if got, err := demoSeed(DemoOptions{Data: t.TempDir()}); got != 1 || err != nil {
		t.Errorf("a new demonstration has the seed %d, %v", got, err)
	}
}

// Where the address is taken, a demonstration says so and nothing else: no key,
// no address that answers for another program, no directory.
func TestDemoOnATakenAddress(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	var out, talk strings.Builder
	data := filepath.Join(t.TempDir(), "demo")
	err = Demo(t.Context(), DemoOptions{Data: data, Listen: taken.Addr().String(), Logger: quiet()}, &out, &talk)
	if err == nil || !strings.Contains(err.Error(), "--listen") || out.Len()+talk.Len() > 0 || exists(data) {
		t.Errorf("%v; it said %q and %q", err, &out, &talk)
	}
}

const (
	badgePersonal = `class="badge personal"`
	badgeGeneral  = `class="badge general"`
)

func flip(t *testing.T, addr, customer, on string) string {
	t.Helper()
	form := strings.NewReader("customer=" + customer + "&purpose=personalization&on=" + on)
	resp, err := http.Post("http://"+addr+"/demo/choice", "application/x-www-form-urlencoded", form)
	return body(t, resp, err)
}

func get(t *testing.T, url string) string {
	t.Helper()
	resp, err := http.Get(url)
	return body(t, resp, err)
}

func body(t *testing.T, resp *http.Response, err error) string {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	if resp.StatusCode != http.StatusOK {
		t.Fatalf("%s: %d %s", resp.Request.URL, resp.StatusCode, b)
	}
	return string(b)
}
