package web

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io/fs"
	"log/slog"
	"net/http"
	"path"
	"slices"
	"strings"
	"time"
)

// Faces returns what a brand's pages load and its customers open, by pattern:
//
//   - /accord.js, the banner and the client for the brand's own pages;
//   - /me, where a person sees what may be used, changes it, and reads why they
//     saw what they saw.
//
// Both speak to the API as any page does, with a public key and the person's own
// proof. The server learns nothing from serving them.
func Faces(logger *slog.Logger) map[string]http.Handler {
	s := &server{Config: Config{Logger: logger}}
	faces := map[string]http.Handler{
		"GET /accord.js": script,
		"GET /me":        headers(http.HandlerFunc(s.me)),
	}
	for _, name := range []string{"me.css", "me.js", "icon.svg"} {
		faces["GET /me/"+name] = headers(asset(name))
	}
	return faces
}

// words are the texts of the banner and of /me in one language: a file of
// languages/. A new file is a new language.
type words map[string]any

var languages = func() map[string]words {
	all := map[string]words{}
	files, err := fs.Glob(static, "languages/*.json")
	if err != nil {
		panic(err) // the pattern is part of the program
	}
	for _, name := range files {
		b, err := static.ReadFile(name)
		w := words{}
		if err == nil {
			err = json.Unmarshal(b, &w)
		}
		if err != nil {
			panic(name + ": " + err.Error()) // the file is part of the program
		}
		all[strings.TrimSuffix(path.Base(name), ".json")] = w
	}
	return all
}()

// script serves accord.js with the words of all languages and the banner's style in
// it: one file is all that a page loads. Pages of any origin may load it, also with
// an integrity attribute.
var script = func() http.Handler {
	body := part("accord.js")
	for place, value := range map[string]any{"const WORDS = {};": languages, `const STYLE = "";`: string(part("accord.css"))} {
		text, err := json.Marshal(value) // escapes what could end a script
		if err != nil || bytes.Count(body, []byte(place)) != 1 {
			panic("accord.js has no place for " + place)
		}
		name, _, _ := strings.Cut(place, "=")
		body = bytes.Replace(body, []byte(place), fmt.Appendf(nil, "%s= %s;", name, text), 1)
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Type", "text/javascript; charset=utf-8")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Access-Control-Allow-Origin", "*")
		h.Set("Cross-Origin-Resource-Policy", "cross-origin")
		h.Set("ETag", `"`+version+`"`)
		h.Set("Cache-Control", "public, max-age=300")
		if r.URL.Query().Get("v") == version {
			h.Set("Cache-Control", "public, max-age=31536000, immutable")
		}
		http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(body))
	})
}()

// part is a file of static/.
func part(name string) []byte {
	b, err := static.ReadFile("static/" + name)
	if err != nil {
		panic(err) // the file is part of the program
	}
	return b
}

// meView is what me.html shows.
type meView struct {
	Version, Language string
	W                 words
	Languages         []language
}

type language struct{ Code, Name string }

// me serves the page without anything about anybody: who it is about stays in
// the browser.
func (s *server) me(w http.ResponseWriter, r *http.Request) {
	v := meView{Version: version, Language: speak(r)}
	v.W = languages[v.Language]
	for code, w := range languages {
		v.Languages = append(v.Languages, language{code, w["name"].(string)})
	}
	slices.SortFunc(v.Languages, func(a, b language) int { return strings.Compare(a.Code, b.Code) })
	w.Header().Set("Vary", "Accept-Language")
	s.render(w, r, http.StatusOK, "me", v)
}

// speak is the language that was asked for, by the address or by the browser's
// first preference that there is, or English.
func speak(r *http.Request) string {
	asked := append([]string{r.URL.Query().Get("language")}, strings.Split(r.Header.Get("Accept-Language"), ",")...)
	for _, tag := range asked {
		tag, _, _ = strings.Cut(strings.TrimSpace(tag), ";")
		tag, _, _ = strings.Cut(strings.ToLower(tag), "-")
		if _, ok := languages[tag]; ok {
			return tag
		}
	}
	return "en"
}
