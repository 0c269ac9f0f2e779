package app

import (
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"accord/internal/collect"
	"accord/internal/consent"
	"accord/internal/declare"
	"accord/internal/eventlog"
	"accord/internal/identity"
)

// estate is a data directory that is opened, closed and damaged by turns.
type estate struct {
	t    *testing.T
	data string
}

// newEstate makes a directory with a purpose that holds until somebody objects.
func newEstate(t *testing.T) *estate {
	t.Helper()
	e := &estate{t: t, data: t.TempDir()}
	made, err := Init(e.data, Demonstration, "Estate")
	if err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(made.Declaration)
	if err != nil {
		t.Fatal(err)
	}
	changed := strings.Replace(string(b), "  newsletter:\n    basis: consent\n", "  newsletter:\n    basis: opt_out\n", 1)
	if changed == string(b) {
		t.Fatal("the template has no newsletter")
	}
	if err := os.WriteFile(made.Declaration, []byte(changed), 0o600); err != nil {
		t.Fatal(err)
	}
	return e
}

func (e *estate) config() Config { return Config{Data: e.data, Logger: quiet(), Learn: time.Hour} }

// within opens the house, does something and closes it in order.
func (e *estate) within(act func(h *House)) {
	e.t.Helper()
	h, err := Open(e.t.Context(), e.config())
	if err != nil {
		e.t.Fatal(err)
	}
	if err := h.CatchUp(e.t.Context()); err != nil {
		e.t.Fatal(err)
	}
	act(h)
	if err := h.CatchUp(e.t.Context()); err != nil {
		e.t.Fatal(err)
	}
	if err := h.Close(); err != nil {
		e.t.Fatal(err)
	}
}

// buys records an order, which needs no choice.
func (e *estate) buys(h *House, user, message, item string) {
	e.t.Helper()
	body, err := json.Marshal(track(user, message, item))
	if err != nil {
		e.t.Fatal(err)
	}
	r, err := h.collector.Collect(e.t.Context(), collect.Request{Source: "shop", Speaker: identity.Server(), Kind: "track", Body: body})
	if err != nil || r.Kept != 1 {
		e.t.Fatalf("%+v, %v", r, err)
	}
}

// chooses records a choice of Ada's.
func (e *estate) chooses(h *House, purpose string, s consent.State) {
	e.t.Helper()
	c := consent.Choice{Purpose: declare.PurposeID(purpose), State: s, Method: "api"}
	if err := h.recordOne(e.t.Context(), "ada", []consent.Choice{c}); err != nil {
		e.t.Fatal(err)
	}
}

// why returns why a purpose holds for Ada or does not.
func (e *estate) why(h *House, purpose string) consent.Reason {
	e.t.Helper()
	token, _, err := h.keys.Find(h.keys.Hasher().Lookup(identity.Identifier{Kind: identity.UserID, Value: "ada"}))
	if err != nil {
		e.t.Fatal(err)
	}
	i, _ := h.gate.Purpose(declare.PurposeID(purpose))
	_, reason := h.gate.Ask(token, i, consent.Where{}, h.clock.Now())
	return reason
}

func (e *estate) copy(from, to string) {
	e.t.Helper()
	if err := os.CopyFS(to, os.DirFS(from)); err != nil {
		e.t.Fatal(err)
	}
	// CopyFS widens the modes, which no backup does.
	for _, kek := range []string{"kek.json", "keys/kek.json"} {
		if err := os.Chmod(filepath.Join(to, kek), 0o600); err != nil && !errors.Is(err, fs.ErrNotExist) {
			e.t.Fatal(err)
		}
	}
}

func (e *estate) remove(path string) {
	e.t.Helper()
	found, err := filepath.Glob(filepath.Join(e.data, path))
	if err != nil || len(found) != 1 {
		e.t.Fatalf("%s: %v %v", path, found, err)
	}
	if err := os.RemoveAll(found[0]); err != nil {
		e.t.Fatal(err)
	}
}

// refuses wants every opening to fail, and to say what to do.
func (e *estate) refuses(want error, text string) {
	e.t.Helper()
	for range 2 {
		h, err := Open(e.t.Context(), e.config())
		if err == nil {
			e.t.Errorf("it opened; newsletter: %v", e.why(h, "newsletter"))
			h.Close() //nolint:errcheck // it was not to be open
			return
		}
		if want != nil && !errors.Is(err, want) || !strings.Contains(err.Error(), text) {
			e.t.Errorf("%v", err)
		}
	}
}

// Promise 3: "in doubt (… a recovering node) the answer is the un-personal one".
// A log or keys that were lost, or are not of the moment of the rest, are refused
// before the gate opens: an objection may be among what is missing.
func TestWhatIsLostIsRefused(t *testing.T) {
	const choiceFiles = "log/jetstream/*/streams/CHOICES"
	old := filepath.Join(t.TempDir(), "old")
	for _, c := range []struct {
		name string
		lose func(e *estate)
		want error
		text string
	}{
		{"the choices", func(e *estate) { e.remove(choiceFiles) }, eventlog.ErrLogLost, "CHOICES"},
		{"the choices and the state", func(e *estate) { e.remove(choiceFiles); e.remove("state") }, eventlog.ErrLogLost, "CHOICES"},
		{"the log", func(e *estate) { e.remove("log") }, eventlog.ErrLogLost, "put back"},
		{"the log and the state", func(e *estate) { e.remove("log"); e.remove("state") }, eventlog.ErrLogLost, "put back"},
		{"the newest part of the log", func(e *estate) { e.remove("log"); e.copy(old+"/log", e.data+"/log") }, eventlog.ErrLogBehind, "restore"},
		{"the newest part of the log, and the state", func(e *estate) {
			e.remove("log")
			e.remove("state")
			e.copy(old+"/log", e.data+"/log")
		}, eventlog.ErrLogBehind, "CHOICES"},
		{"the keys", func(e *estate) { e.remove("keys") }, nil, "put keys/ back"},
		{"the keys and the marks of the runs", func(e *estate) { e.remove("keys"); e.remove("run.json") }, nil, "put keys/ back"},
		{"the key store", func(e *estate) { e.remove("keys/store") }, nil, "put keys/ back"},
	} {
		t.Run(c.name, func(t *testing.T) {
			e := newEstate(t)
			e.within(func(h *House) { e.buys(h, "ada", "m1", "cup") })
			if err := os.RemoveAll(old); err != nil {
				t.Fatal(err)
			}
			e.copy(e.data, old)
			e.within(func(h *House) {
				e.chooses(h, "newsletter", consent.Objected)
				e.buys(h, "ada", "m2", "pot")
			})
			c.lose(e)
			e.refuses(c.want, c.text)
		})
	}
}

// A state that was lost is rebuilt from the log, and a directory that is put back
// whole goes on from its moment.
func TestWhatIsRestoredGoesOn(t *testing.T) {
	e := newEstate(t)
	e.within(func(h *House) {
		e.chooses(h, "newsletter", consent.Objected)
		e.buys(h, "ada", "m1", "cup")
	})
	holds := func(items int) {
		t.Helper()
		e.within(func(h *House) {
			if why := e.why(h, "newsletter"); why != consent.DeniedObjected {
				t.Errorf("newsletter: %v", why)
			}
			if got := heldOrders(t, h, identity.Identifier{Kind: identity.UserID, Value: "ada"}).Interactions(); len(got) != items {
				t.Errorf("%v, want %d orders", got, items)
			}
		})
	}
	e.remove("state")
	holds(1)
	old := filepath.Join(t.TempDir(), "old")
	e.copy(e.data, old)
	e.within(func(h *House) {
		e.chooses(h, "personalization", consent.Given)
		e.buys(h, "ada", "m2", "pot")
	})
	holds(2)
	for _, part := range []string{"keys", "log", "state"} {
		e.remove(part)
		e.copy(filepath.Join(old, part), filepath.Join(e.data, part))
	}
	holds(1)
}

// The log keeps what comes to the day that the declaration says, and not as many
// days as months could have.
func TestTheLogKeepsAsDeclared(t *testing.T) {
	e := newEstate(t)
	e.within(func(h *House) {
		now := h.clock.Now().UTC()
		for i := range h.declaration.Classes {
			c := &h.declaration.Classes[i]
			end, want := now.Add(h.retention(c.ID)), c.Retention.After(now)
			if end.Format(time.DateOnly) != want.Format(time.DateOnly) {
				t.Errorf("%v ends on %v, want %v", c.Retention, end, want)
			}
		}
	})
}

// Promise 6: "a gap after a crash is found and reported", by whatever opens the
// directory and for as long as nobody acknowledged it.
func TestGapsAreKept(t *testing.T) {
	e := newEstate(t)
	e.within(func(h *House) { e.buys(h, "ada", "m1", "cup") })
	file := filepath.Join(e.data, "run.json")
	crashed := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	gaps := func(want int) {
		t.Helper()
		e.within(func(h *House) {
			if len(h.run.Gaps) != want {
				t.Fatalf("%d gaps are reported, want %d", len(h.run.Gaps), want)
			}
			if want > 0 && (!h.run.Gaps[0].Started.Equal(crashed) || time.Since(h.run.Gaps[0].Reached).Abs() > time.Hour) {
				t.Errorf("%+v", h.run.Gaps[0])
			}
		})
	}
	gaps(0)
	for n := range 2 {
		mark, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var run runMark
		if err := json.Unmarshal(mark, &run); err != nil {
			t.Fatal(err)
		}
		run.Started, run.Clean = crashed, false // as kill -9 leaves it
		if err := (&Directory{Path: e.data}).mark(run); err != nil {
			t.Fatal(err)
		}
		gaps(n + 1)
		gaps(n + 1)
	}
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	gaps(0)

	// What did not get as far as an answer is no gap.
	models := filepath.Join(e.data, "models")
	if err := os.MkdirAll(filepath.Join(models, "recommend"), 0o700); err != nil {
		t.Fatal(err)
	}
	if h, err := Open(t.Context(), e.config()); err == nil {
		t.Error("it opened with a directory for a model")
		h.Close() //nolint:errcheck // it was not to be open
	}
	if err := os.RemoveAll(models); err != nil {
		t.Fatal(err)
	}
	gaps(0)

	// What cannot be read is not taken for a run that ended in order.
	if err := errors.Join(os.Remove(file), os.Mkdir(file, 0o700)); err != nil {
		t.Fatal(err)
	}
	e.refuses(nil, "last run")
	if err := errors.Join(os.Remove(file), os.WriteFile(file, []byte("{"), 0o600)); err != nil {
		t.Fatal(err)
	}
	e.within(func(h *House) {
		if len(h.run.Gaps) != 1 {
			t.Errorf("a damaged mark: %+v", h.run)
		}
	})
}
