package app

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/url"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"accord/internal/auth"
	"accord/internal/collect"
	"accord/internal/decide"
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
	if _, err := o.basis(); err != nil {
		return report, err
	}
	p := newProgress(ctx, talk)
	defer p.close()
	o.Progress = p.at
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
	row := func(n int, what string) { fmt.Fprintf(table, "%d\t  %s\n", n, what) }
	row(r.Lines, noun(r.Lines, "line")+" read")
	row(r.Kept, "kept")
	if r.Repeated > 0 {
		row(r.Repeated, "were here already: an earlier import brought them")
	}
	for _, reason := range sorted(r.Dropped) {
		row(r.Dropped[reason], "dropped: "+words(reason))
	}
	for _, reason := range sorted(r.Fields) {
		row(r.Fields[reason], noun(r.Fields[reason], "field")+" of kept lines dropped: "+words(reason))
	}
	if r.Customers > 0 {
		what := noun(r.Customers, "customer") + " with choices"
		if r.Synthetic {
			what += " — SYNTHETIC: simulated, no human made them"
		}
		row(r.Customers, what)
	}
	if r.Unread > 0 {
		row(r.Unread, noun(r.Unread, "consent")+" "+unreadWords)
	}
	if r.Erased > 0 {
		row(r.Erased, noun(r.Erased, "choice")+" "+erasedWords)
	}
	row(r.Products, noun(r.Products, "product")+" that the catalogue lacked")
	if len(r.Faults) > 0 {
		fmt.Fprintf(table, "\nThe first lines that cannot be read:\n%s\n", strings.Join(r.Faults, "\n"))
	}
	return table.Flush()
}

// words says a reason as people do: the collector's own have codes, those of
// package retail are words already.
func words(reason string) string {
	if s := collect.Words(reason); s != "" {
		return s
	}
	return reason
}

// counted writes a number with what it counts.
func counted(n int, what string) string { return fmt.Sprintf("%d %s", n, noun(n, what)) }

// noun is what n of something are called.
func noun(n int, what string) string {
	if n == 1 {
		return what
	}
	return what + "s"
}

func sorted(m map[string]int) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.SortFunc(keys, func(a, b string) int { return m[b] - m[a] })
	return keys
}

// Evaluate opens a data directory and evaluates on it.
func Evaluate(ctx context.Context, c Config, until time.Time) (report evaluate.Report, err error) {
	err = within(ctx, c, func(h *House) error {
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

// Limits that a command line is checked against.
const (
	MaxItems    = decide.MaxItems   // of one answer
	MaxEvents   = collect.MaxEvents // of one batch
	BenchAnswer = 10                // items of an answer that `bench decide` asks for
)

// Ask sends one request to the API, of a running server when one is named, else
// of the data directory opened in this process.
func Ask(ctx context.Context, c Config, at Server, method, path string, body any, out io.Writer) error {
	return speak(ctx, c, at, func(client *Client) error { return client.Do(ctx, method, path, body, out) })
}

// speak lets act speak to the API, of a running server when one is named, else of
// the data directory opened in this process, where all that was taken counts.
func speak(ctx context.Context, c Config, at Server, act func(*Client) error) error {
	if at.URL != "" {
		client, err := NewClient(at)
		if err != nil {
			return err
		}
		return act(client)
	}
	return orServer(within(ctx, c, func(h *House) error {
		if err := h.CatchUp(ctx); err != nil {
			return err
		}
		client, err := h.client()
		if err != nil {
			return err
		}
		return act(client)
	}))
}

// Decide asks for one answer, as Ask does. A data directory whose model was never
// learnt, or has served its time, learns one first: nobody else would, and the
// old one may rest on somebody who has withdrawn.
func Decide(ctx context.Context, c Config, at Server, body any, out io.Writer) error {
	const path = "/v1/decide"
	if at.URL != "" {
		return Ask(ctx, c, at, "POST", path, body, out)
	}
	return orServer(within(ctx, c, func(h *House) error {
		if err := h.CatchUp(ctx); err != nil {
			return err
		}
		if h.engine.Model() == nil || h.learner.wait() == 0 {
			if err := h.learner.learn(ctx); err != nil {
				return err
			}
		}
		return h.ask(ctx, "POST", path, body, out)
	}))
}

// ask sends one request to the house's own API.
func (h *House) ask(ctx context.Context, method, path string, body any, out io.Writer) error {
	client, err := h.client()
	if err != nil {
		return err
	}
	return client.Do(ctx, method, path, body, out)
}

// orServer adds the other way where a directory is in use, for the commands that
// have it.
func orServer(err error) error {
	if _, ok := errors.AsType[inUseError](err); ok {
		return fmt.Errorf("%w, or talk to it with --server URL and --key", err)
	}
	return err
}

// ownKey is a secret key that only this process knows, for a command that opens
// a data directory and speaks to its own API. The directory's keys are listed, and
// none of them counts.
type ownKey struct {
	*auth.Keys
	plain string
}

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
	key := ownKey{h.access, "sk_" + base64.RawURLEncoding.EncodeToString(random)}
	handler, err := h.handler(key)
	if err != nil {
		return nil, err
	}
	return &Client{key: key.plain, http: handler}, nil
}
