package web

import (
	"context"
	"net/http"
	"os"
	"os/signal"
	"testing"
	"time"
)

// TestLook serves the page over a fake shop until it is interrupted, for
// somebody who works on it:
//
//	ACCORD_WEB_LOOK=127.0.0.1:8099 go test -run TestLook -timeout 0 ./internal/web
func TestLook(t *testing.T) {
	addr := os.Getenv("ACCORD_WEB_LOOK")
	if addr == "" {
		t.Skip("for people: set ACCORD_WEB_LOOK to an address to serve the page there")
	}
	c, _, feed := config(t)
	mux := http.NewServeMux()
	h := New(c)
	mux.Handle("/demo", h)
	mux.Handle("/demo/", h)
	srv := &http.Server{Addr: addr, Handler: mux, ReadHeaderTimeout: time.Second}
	srv.RegisterOnShutdown(feed.Close)
	ctx, stop := signal.NotifyContext(t.Context(), os.Interrupt)
	defer stop()
	go publish(ctx, feed)
	go func() {
		<-ctx.Done()
		srv.Shutdown(context.Background())
	}()
	if err := srv.ListenAndServe(); err != http.ErrServerClosed {
		t.Fatal(err)
	}
}

// publish keeps the fake shop busy.
func publish(ctx context.Context, feed *Feed) {
	tick := time.NewTicker(60 * time.Millisecond)
	defer tick.Stop()
	for n := 0; ; n++ {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			feed.Publish(activity(n))
		}
	}
}
