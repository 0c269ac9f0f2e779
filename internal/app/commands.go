package app

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"slices"
	"text/tabwriter"
	"time"

	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"

	"accord/internal/auth"
	"accord/internal/catalog"
	"accord/internal/catalog/store"
	"accord/internal/evaluate"
)

// within opens a house, does one thing, and closes it.
func within(ctx context.Context, c Config, act func(*House) error) (err error) {
	h, err := Open(ctx, c)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, h.Close()) }()
	return act(h)
}

// ImportRetail imports a file into a data directory and shows how far it is on
// talk.
func ImportRetail(ctx context.Context, c Config, o ImportOptions, talk io.Writer) (report ImportReport, err error) {
	info, err := os.Stat(o.File)
	if err != nil {
		return report, err
	}
	progress := mpb.NewWithContext(ctx, mpb.WithOutput(talk), mpb.WithWidth(48))
	bar := progress.AddBar(info.Size(),
		mpb.PrependDecorators(decor.Name("import ")),
		mpb.AppendDecorators(decor.Percentage(), decor.Name("  "), decor.AverageETA(decor.ET_STYLE_GO)))
	o.Progress = func(done, total int64) { bar.SetTotal(total, false); bar.SetCurrent(done) }
	defer func() {
		if err != nil {
			bar.Abort(false)
		} else {
			bar.SetTotal(-1, true)
		}
		progress.Wait()
	}()
	err = within(ctx, c, func(h *House) error {
		var err error
		report, err = h.ImportRetail(ctx, o)
		return err
	})
	return report, err
}

// Write writes the summary for people.
func (r ImportReport) Write(out io.Writer) error {
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	row := func(n int, what string) { fmt.Fprintf(table, "%d\t  %s\t\n", n, what) }
	row(r.Lines, "lines read")
	row(r.Kept, "kept")
	if r.Repeated > 0 {
		row(r.Repeated, "were here already: an earlier import brought them")
	}
	for _, reason := range sorted(r.Dropped) {
		row(r.Dropped[reason], "dropped: "+reason)
	}
	for _, reason := range sorted(r.Fields) {
		row(r.Fields[reason], "fields of kept lines dropped: "+reason)
	}
	if r.Customers > 0 {
		what := "customers with choices"
		if r.Synthetic {
			what += " — SYNTHETIC: simulated, no human made them"
		}
		row(r.Customers, what)
	}
	row(r.Products, "products in the catalogue from this file")
	return table.Flush()
}

func sorted(m map[string]int) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.SortFunc(keys, func(a, b string) int { return m[b] - m[a] })
	return keys
}

// ImportCatalog puts the products of a file into the catalogue and returns how
// many it has then.
func ImportCatalog(c Config, file string) (int, error) {
	d, err := OpenDirectory(c.Data, c.Kind)
	if err != nil {
		return 0, err
	}
	f, err := os.Open(file)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	products, _, err := catalog.Read(f)
	if err != nil {
		return 0, fmt.Errorf("%s: %w", file, err)
	}
	s, err := store.Open(d.file("catalog.json"))
	if err != nil {
		return 0, err
	}
	if err := s.Put(products); err != nil {
		return 0, err
	}
	return s.Len(), nil
}

// Evaluate opens a data directory and evaluates on it.
func Evaluate(ctx context.Context, c Config, until time.Time, talk io.Writer) (report evaluate.Report, err error) {
	err = within(ctx, c, func(h *House) error {
		if h.Synthetic() {
			fmt.Fprintf(talk, "The directory is one of %s: consents in it may be simulated.\n", h.directory.Kind)
		}
		var err error
		report, err = h.Evaluate(ctx, until)
		return err
	})
	return report, err
}

// PersonQuery is the query that names a person.
func PersonQuery(user, anonymous string) (string, error) {
	switch {
	case (user == "") == (anonymous == ""):
		return "", &UsageError{"name the person with --user or with --anonymous"}
	case user != "":
		return url.Values{"user_id": {user}}.Encode(), nil
	}
	return url.Values{"anonymous_id": {anonymous}}.Encode(), nil
}

// Ask sends one request to the API, of a running server when one is named, else
// of the data directory opened in this process.
func Ask(ctx context.Context, c Config, server, key, method, path string, body any, out io.Writer) error {
	if server != "" {
		client, err := NewClient(server, key)
		if err != nil {
			return err
		}
		return client.Do(ctx, method, path, body, out)
	}
	return within(ctx, c, func(h *House) error {
		if err := h.CatchUp(ctx); err != nil {
			return err
		}
		if h.engine.Model() == nil {
			if err := h.learner.learn(ctx); err != nil {
				return err
			}
		}
		client, err := h.client()
		if err != nil {
			return err
		}
		return client.Do(ctx, method, path, body, out)
	})
}

// ownKey is a secret key that only this process knows, for a command that opens
// a data directory and speaks to its own API.
type ownKey struct{ plain string }

// Check knows the one key.
func (k ownKey) Check(plain string, _ time.Time) (auth.Key, bool) {
	return auth.Key{ID: "command", Kind: auth.Secret, Source: "command-line"}, plain == k.plain
}

// Allows opens the key to no web page.
func (ownKey) Allows(string, time.Time) bool { return false }

// client returns a client of this house.
func (h *House) client() (*Client, error) {
	random := make([]byte, 32)
	rand.Read(random) //nolint:errcheck // crypto/rand.Read never fails since Go 1.24
	key := ownKey{"sk_" + base64.RawURLEncoding.EncodeToString(random)}
	handler, err := h.handler(key)
	if err != nil {
		return nil, err
	}
	return &Client{key: key.plain, http: handler}, nil
}
