package web

import (
	"context"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"errors"
	"io/fs"
	"log/slog"
	"net/http"
	"net/url"
	"path"
	"strings"
)

// Limits of the page.
const (
	maxForm    = 4 << 10
	maxStreams = 64
)

// policy lets the page load what this server sends, and nothing inline.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; " +
	"form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

// picturePolicy disarms an SVG that is opened by itself: it may draw and do
// nothing else.
const picturePolicy = "default-src 'none'; style-src 'unsafe-inline'; sandbox"

// Config is what the page needs from the house.
type Config struct {
	Demo Demo
	// Feed is what the live part shows; [Feed] is one.
	Feed interface {
		Subscribe(ctx context.Context) <-chan Activity
	}
	// Counters is asked once a second for each open page.
	Counters func() Counters
	// Picture returns a product's drawing as an SVG document.
	Picture func(id string) (svg []byte, ok bool)
	// Logger gets what the page does not show; nil is slog.Default.
	Logger *slog.Logger
}

type server struct {
	Config
	streams chan struct{} // a place for each open stream
}

//go:embed static languages
var static embed.FS

// New returns the demo page and all below it; mount it at /demo and /demo/.
func New(c Config) http.Handler {
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	s := &server{Config: c, streams: make(chan struct{}, maxStreams)}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /demo", func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "/demo/", http.StatusMovedPermanently)
	})
	mux.HandleFunc("GET /demo/{$}", s.page)
	mux.HandleFunc("POST /demo/show", s.show)
	mux.HandleFunc("POST /demo/choice", s.choice)
	mux.HandleFunc("GET /demo/events", s.events)
	mux.HandleFunc("GET /demo/picture/{file}", s.picture)
	for _, name := range []string{"demo.css", "demo.js", "icon.svg"} {
		mux.Handle("GET /demo/static/"+name, asset(name))
	}
	// Browsers say where a request comes from (Sec-Fetch-Site, Origin); a page
	// of another site cannot make them lie.
	guard := http.NewCrossOriginProtection()
	guard.SetDenyHandler(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		fail(w, http.StatusForbidden, "Another site sent this request, so nothing was changed. Open the demo page itself and try there.")
	}))
	return headers(guard.Handler(mux))
}

func headers(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", policy)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("Cache-Control", "no-store")
		next.ServeHTTP(w, r)
	})
}

// fail answers with a sentence for the person in front of the page.
func fail(w http.ResponseWriter, status int, say string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write([]byte(say + "\n"))
}

// failure answers an error of the Demo without leaking what is inside it.
func (s *server) failure(w http.ResponseWriter, r *http.Request, err error) {
	switch {
	case errors.Is(err, ErrNoCustomer):
		fail(w, http.StatusNotFound, ErrNoCustomer.Error())
	case errors.Is(err, ErrNoSwitch):
		fail(w, http.StatusConflict, ErrNoSwitch.Error())
	case r.Context().Err() != nil:
		// The page is gone; nobody reads an answer.
	default:
		s.Logger.ErrorContext(r.Context(), "the demo page could not answer", "path", r.URL.Path, "error", err)
		fail(w, http.StatusInternalServerError, "Something went wrong; nothing is known to have changed. The server's log says more. Try again.")
	}
}

// asset serves an embedded file. The page names it with its version, so it may
// be kept for ever.
func asset(name string) http.Handler {
	body := part(name)
	kind := map[string]string{".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".svg": "image/svg+xml"}[path.Ext(name)]
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", kind)
		if r.URL.Query().Get("v") == version {
			w.Header().Set("Cache-Control", "public, max-age=31536000, immutable")
		}
		_, _ = w.Write(body)
	})
}

// version changes when an embedded file does.
var version = func() string {
	h := sha256.New()
	err := fs.WalkDir(static, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := static.ReadFile(name)
		h.Write(b)
		return err
	})
	if err != nil {
		panic(err) // the files are part of the program
	}
	return hex.EncodeToString(h.Sum(nil)[:6])
}()

// placeholder stands for a product without a picture.
const placeholder = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 48 48"><rect width="48" height="48" rx="6" fill="#8a97a6" opacity=".25"/></svg>`

func (s *server) picture(w http.ResponseWriter, r *http.Request) {
	id, ok := strings.CutSuffix(r.PathValue("file"), ".svg")
	var body []byte
	if ok && s.Picture != nil {
		body, ok = s.Picture(id)
	}
	w.Header().Set("Content-Type", "image/svg+xml")
	w.Header().Set("Content-Security-Policy", picturePolicy)
	if !ok || body == nil {
		w.WriteHeader(http.StatusNotFound)
		_, _ = w.Write([]byte(placeholder))
		return
	}
	w.Header().Set("Cache-Control", "private, max-age=3600")
	_, _ = w.Write(body)
}

// Picture is where the page finds the item's picture.
func (i Item) Picture() string { return "/demo/picture/" + url.PathEscape(i.ID) + ".svg" }
