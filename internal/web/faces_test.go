package web

import (
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
)

func faces() http.Handler {
	mux := http.NewServeMux()
	for pattern, h := range Faces(slog.New(slog.DiscardHandler)) {
		mux.Handle(pattern, h)
	}
	return mux
}

func load(t *testing.T, path string, header ...string) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequest("GET", path, nil)
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	faces().ServeHTTP(w, r)
	return w
}

// Every language says everything: a text that is missing in one would be an empty
// button.
func TestLanguagesSayTheSame(t *testing.T) {
	english := keys("", languages["en"])
	if len(languages) < 2 || len(english) < 50 {
		t.Fatalf("%d languages, %d texts", len(languages), len(english))
	}
	for code, w := range languages {
		if got := keys("", w); !slices.Equal(got, english) {
			t.Errorf("%s has %v", code, got)
		}
	}
}

// keys are the texts' names with the places that are filled in.
func keys(at string, v map[string]any) (out []string) {
	for _, k := range slices.Sorted(maps.Keys(v)) {
		switch v := v[k].(type) {
		case map[string]any:
			out = append(out, keys(at+k+".", v)...)
		case string:
			if strings.TrimSpace(v) == "" {
				out = append(out, at+k+" is empty")
			}
			_, place, _ := strings.Cut(v, "{")
			place, _, _ = strings.Cut(place, "}")
			out = append(out, at+k+" "+place)
		default:
			out = append(out, fmt.Sprintf("%s%s is no text", at, k))
		}
	}
	return out
}

// Any page may load accord.js; it is kept for ever by its version, and else asked
// for again by its tag.
func TestScript(t *testing.T) {
	w := load(t, "/accord.js")
	if w.Code != 200 || w.Header().Get("Access-Control-Allow-Origin") != "*" || !strings.HasPrefix(w.Header().Get("Content-Type"), "text/javascript") {
		t.Fatalf("%d %v", w.Code, w.Header())
	}
	if body := w.Body.String(); !strings.Contains(body, "Отказаться") || strings.Contains(body, "const WORDS = {};") {
		t.Error("the words are not in it")
	} else if !strings.Contains(body, "prefers-color-scheme: dark") || strings.Contains(body, `const STYLE = "";`) {
		t.Error("the banner's style is not in it")
	}
	if w := load(t, "/accord.js", "If-None-Match", w.Header().Get("ETag")); w.Code != http.StatusNotModified {
		t.Errorf("asked for again: %d", w.Code)
	}
	if w := load(t, "/accord.js?v="+version); !strings.Contains(w.Header().Get("Cache-Control"), "immutable") {
		t.Errorf("by its version: %v", w.Header())
	}
}

// The page holds nobody's data and no inline code, in the language that was asked
// for.
func TestMe(t *testing.T) {
	for _, try := range []struct{ path, accept, language string }{
		{"/me", "", "en"}, {"/me", "de-DE, ru;q=0.8, en;q=0.5", "ru"}, {"/me?language=ru", "en", "ru"}, {"/me?language=xx", "", "en"}, {"/me?language=en-GB", "ru", "en"},
	} {
		w := load(t, try.path, "Accept-Language", try.accept)
		body := w.Body.String()
		if w.Code != 200 || !strings.Contains(body, `<html lang="`+try.language+`">`) {
			t.Errorf("%+v: %d %.80s", try, w.Code, body)
		}
		if w.Header().Get("Content-Security-Policy") != policy || strings.Contains(body, "<style") || strings.Contains(body, " style=") || strings.Contains(body, " onclick=") {
			t.Errorf("%+v: %v", try, w.Header())
		}
	}
}
