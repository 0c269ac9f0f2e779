package app

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"accord/internal/identity"
)

// clients is where the official clients are installed, or skips.
func clients(t *testing.T) string {
	dir := filepath.Join("testdata", "clients")
	if _, err := os.Stat(filepath.Join(dir, "node_modules")); err != nil {
		t.Skip("the clients are not installed: run `npm install` in internal/app/testdata/clients")
	}
	return dir
}

// TestOfficialClients runs Segment's and RudderStack's own libraries against a
// real server, with nothing but the host changed, and finds every event again.
func TestOfficialClients(t *testing.T) {
	node, err := exec.LookPath("node")
	if err != nil {
		t.Skip("node is not installed: the official clients need it")
	}
	dir := clients(t)
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

// TestOfficialClientInABrowser does the same with Segment's own library on a
// page of another origin, with a public key and a visitor's proof, event by event
// and in batches.
func TestOfficialClientInABrowser(t *testing.T) {
	dir := clients(t)
	library := filepath.Join(dir, "node_modules", "@segment", "analytics-next", "dist", "umd", "index.js")
	if _, err := os.Stat(library); err != nil {
		t.Skip("the client for browsers is not installed: run `npm install` in internal/app/testdata/clients")
	}
	page := http.NewServeMux()
	page.HandleFunc("GET /{$}", func(w http.ResponseWriter, r *http.Request) { http.ServeFile(w, r, filepath.Join(dir, "page.html")) })
	page.HandleFunc("GET /analytics.js", func(w http.ResponseWriter, r *http.Request) { http.ServeFile(w, r, library) })
	shop := httptest.NewServer(page)
	defer shop.Close()
	browser := browser(t)

	c := newCrash(t)
	key, _, err := MakeKey(c.data, "write", "web", []string{shop.URL})
	if err != nil {
		t.Fatal(err)
	}
	addr, kill := startServer(t, c.data)
	const events = 40
	var visitors []string
	for strategy, path := range map[string]string{"standard": "/v1/t", "batching": "/v1/b"} {
		query := url.Values{"host": {addr}, "key": {key}, "strategy": {strategy}, "count": {fmt.Sprint(events)}}
		if err := chromedp.Do(browser, chromedp.Navigate(shop.URL+"/?"+query.Encode())); err != nil {
			t.Fatal(err)
		}
		done := fmt.Sprintf("window.taken && taken[%q] === %d", path, events)
		if _, err := chromedp.Run(browser, chromedp.Poll[bool](done, chromedp.WithPollingTimeout(20*time.Second))); err != nil {
			said, _ := chromedp.Run(browser, chromedp.Evaluate[string]("JSON.stringify(window.taken)"))
			t.Fatalf("%s: not all events were acknowledged, only %s: %v", strategy, said, err)
		}
		visitor, err := chromedp.Run(browser, chromedp.Evaluate[string]("visitor"))
		if err != nil {
			t.Fatal(err)
		}
		visitors = append(visitors, visitor)
		for n := range events {
			c.acked[fmt.Sprintf("%s-item-%d", strategy, n)] = visitor
		}
	}
	kill()
	c.verifyPeople(identity.AnonymousID, func(v int) string { return visitors[v] }, len(visitors))
}

// browser opens a headless browser, or skips.
func browser(t *testing.T) context.Context {
	t.Helper()
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome", "headless-shell"} {
		path, err := exec.LookPath(name)
		if err != nil {
			continue
		}
		ctx, end := context.WithTimeout(context.Background(), 2*time.Minute)
		t.Cleanup(end)
		ctx, end = chromedp.NewExecAllocator(ctx, chromedp.ExecPath(path), chromedp.Headless, chromedp.NoSandbox, chromedp.DisableGPU,
			chromedp.NoFirstRun, chromedp.Flag("disable-background-networking", true), chromedp.UserDataDir(t.TempDir()))
		t.Cleanup(end)
		ctx, end = chromedp.NewContext(ctx)
		t.Cleanup(func() {
			if err := chromedp.Cancel(ctx); err != nil {
				t.Log("the browser did not end well:", err)
			}
			end()
		})
		return ctx
	}
	t.Skip("no Chromium on this machine; what people see, and Segment's client for browsers, is not tested")
	return nil
}
