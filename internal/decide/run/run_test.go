package run_test

import (
	"context"
	"errors"
	"log/slog"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"accord/internal/choices"
	"accord/internal/consent"
	"accord/internal/decide"
	"accord/internal/decide/run"
	"accord/internal/declare"
	"accord/internal/event"
	"accord/internal/eventlog"
	"accord/internal/identity"
	"accord/internal/profile"
	"accord/internal/vault"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// house is the real path: keys, log, vault, gate, choices, runner. Only the
// engine is the test's own.
type house struct {
	t       *testing.T
	d       *declare.Declaration
	gate    *consent.Gate
	choices *choices.Choices
	book    *consent.Book
	keys    *vault.Keys
	state   *vault.Vault
	journal *run.Journal
	runner  *run.Runner
	token   identity.Token
	during  func() // what happens while the engine works
	failing error
	log     *slowLog
	unclean bool // the test has the journal lose receipts
}

// slowLog is the real log behind a door: while it is shut, appends wait as they
// do for a disk that hangs.
type slowLog struct {
	*eventlog.Log
	full atomic.Bool // appends fail at once, as on a full disk

	mu   sync.Mutex // guards door
	door chan struct{}
}

// Append waits at the door.
func (l *slowLog) Append(ctx context.Context, records []event.Record) error {
	l.mu.Lock()
	door := l.door
	l.mu.Unlock()
	if l.full.Load() {
		return eventlog.ErrFull
	}
	if door != nil {
		select {
		case <-door:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return l.Log.Append(ctx, records)
}

func (l *slowLog) shut() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.door = make(chan struct{})
}

func (l *slowLog) open() {
	l.mu.Lock()
	defer l.mu.Unlock()
	close(l.door)
	l.door = nil
}

// Name is the engine's.
func (h *house) Name() string { return "recommend" }

// Decide answers with one item, personally for a view that stands on a grant.
func (h *house) Decide(_ context.Context, _ decide.Ask, v profile.View) (decide.Result, error) {
	if h.during != nil {
		h.during()
	}
	r := decide.Result{Items: []decide.Item{{ID: "P1", Score: 1}}, Personal: v.Personal(), Model: "test"}
	if v.Personal() {
		r.Used = []decide.Use{{Kind: "purchase", Count: 1}}
	}
	return r, h.failing
}

func newHouse(t *testing.T, receipt string) *house {
	t.Helper()
	dir := t.TempDir()
	text := strings.Replace(string(declare.Template("Test")), "receipt: after", "receipt: "+receipt, 1)
	d, err := declare.Parse("accord.yaml", []byte(text))
	must(t, err)
	h := &house{t: t, d: d}
	keys, err := vault.OpenKeys(dir+"/keys", d)
	must(t, err)
	log, err := eventlog.Open(t.Context(), eventlog.Options{Dir: dir + "/log"})
	must(t, err)
	h.log = &slowLog{Log: log}
	book := consent.NewBook(d, consent.AnyNotice, consent.NoLaw)
	h.gate, h.book, h.keys = consent.NewGate(d, book), book, keys
	state, err := vault.Open(dir+"/state", d, keys, h.gate, time.Now)
	must(t, err)
	h.choices, h.state = choices.New(d, keys, log, book, state, time.Now), state
	h.gate.Open()
	h.journal = run.NewJournal(h.log, state, keys, make([]byte, 32), time.Now, slog.New(slog.DiscardHandler))
	h.runner, err = run.New(run.Config{Declaration: d, Gate: h.gate, Views: state, Engines: []decide.Engine{h}, Journal: h.journal, Now: time.Now})
	must(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	followed := make(chan error, 1)
	go func() { followed <- log.Follow(ctx, state.Applied(), state.Apply) }()
	t.Cleanup(func() {
		if err := h.journal.Close(); !h.unclean {
			must(t, err)
		}
		cancel()
		<-followed
		must(t, errors.Join(state.Close(), log.Close(context.Background()), keys.Close()))
	})
	tokens, err := keys.Ensure(t.Context(), []identity.Lookup{{1}})
	must(t, err)
	h.token = tokens[0]
	return h
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func (h *house) choose(s consent.State) {
	h.t.Helper()
	_, err := h.choices.Record(context.Background(), h.token, []consent.Choice{{Purpose: "personalization", State: s, At: time.Now(), Method: "api"}})
	must(h.t, err)
}

func (h *house) ask() decide.Answer {
	h.t.Helper()
	a, err := h.runner.Decide(h.t.Context(), h.subject(), decide.Ask{Purpose: "personalization", N: 1})
	must(h.t, err)
	return a
}

// folded waits until all that is in the log was folded.
func (h *house) folded() {
	h.t.Helper()
	ends, err := h.log.Ends(h.t.Context())
	must(h.t, err)
	for deadline := time.Now().Add(20 * time.Second); ; runtime.Gosched() {
		behind := false
		for i, applied := range h.state.Applied()[:len(ends)] {
			behind = behind || applied < ends[i]
		}
		if !behind {
			return
		}
		if time.Now().After(deadline) {
			h.t.Fatal("the fold does not follow")
		}
	}
}

func (h *house) subject() run.Subject {
	return run.Subject{Named: true, Known: true, Token: h.token, Proof: identity.ByServer}
}

// Promise 1: the answer is personal only for a person who said so, and says why.
func TestWhoGetsAPersonalAnswer(t *testing.T) {
	h := newHouse(t, "after")
	if a := h.ask(); a.Personal || a.Receipt.Decision != "no_choice" || len(a.Receipt.Used) != 0 {
		t.Errorf("before any choice: %+v", a.Receipt)
	}
	h.choose(consent.Given)
	if a := h.ask(); !a.Personal || a.Receipt.Decision != "allowed" || len(a.Receipt.Used) != 1 || a.Receipt.Choice == 0 {
		t.Errorf("after consent: %+v", a.Receipt)
	}
	for name, c := range map[string]struct {
		who  run.Subject
		want string
	}{
		"nobody":   {run.Subject{}, "nobody"},
		"unproven": {run.Subject{Named: true, Known: true, Token: h.token}, "unproven"},
		"unknown":  {run.Subject{Named: true, Proof: identity.ByServer}, "unknown_person"},
	} {
		a, err := h.runner.Decide(t.Context(), c.who, decide.Ask{Purpose: "personalization", N: 1})
		must(t, err)
		if a.Personal || a.Receipt.Decision != c.want || a.Receipt.Durable != "no" {
			t.Errorf("%s: %+v", name, a.Receipt)
		}
	}
	h.gate.Close()
	if a := h.ask(); a.Personal || a.Receipt.Decision != "closed" {
		t.Errorf("a closed gate: %+v", a.Receipt)
	}
}

// Promise 3: a withdrawal that is acknowledged while the engine works stops the
// answer at the fence.
func TestFence(t *testing.T) {
	for _, receipt := range []string{"after", "before"} {
		h := newHouse(t, receipt)
		h.choose(consent.Given)
		h.during = func() { h.during = nil; h.choose(consent.Withdrawn) }
		a := h.ask()
		if a.Personal || a.Receipt.Decision != "withdrawn" {
			t.Errorf("receipt %s: a personal answer passed an acknowledged withdrawal: %+v", receipt, a.Receipt)
		}
		if receipt == "before" && a.Receipt.Supersedes == "" {
			t.Error("the receipt does not name the one that was written and never released")
		}
		if n := h.runner.Counts().Redone; n != 1 {
			t.Errorf("redone %d times, want 1", n)
		}
	}
}

// Promise 3 when the log is slow: an answer that waits for its receipt is checked
// after the wait, so a withdrawal that was acknowledged during it counts.
func TestFenceAfterAWait(t *testing.T) {
	h := newHouse(t, "before")
	h.choose(consent.Given)
	h.log.shut()
	worked := make(chan struct{})
	h.during = func() { h.during = nil; close(worked) }
	answer := make(chan decide.Answer)
	go func() { answer <- h.ask() }()
	<-worked // from here the answer waits for its receipt only
	h.choose(consent.Withdrawn)
	h.log.open()
	if a := <-answer; a.Personal || a.Receipt.Decision != "withdrawn" {
		t.Errorf("after an acknowledged withdrawal: %+v", a.Receipt)
	}
}

// Promise 6, "elsewhere within a second": while the log does not take receipts no
// answer about a known person leaves, and whoever asks hears it at once; when it
// takes them again, all that left are kept.
func TestNoAnswerLeavesWithoutAReceipt(t *testing.T) {
	for name, c := range map[string]struct{ stop, goOn func(*slowLog) }{
		"a log that hangs":   {(*slowLog).shut, (*slowLog).open},
		"a log that refuses": {func(l *slowLog) { l.full.Store(true) }, func(l *slowLog) { l.full.Store(false) }},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHouse(t, "after")
			h.choose(consent.Given)
			c.stop(h.log)
			left := h.askUntil(func(err error) bool { return errors.Is(err, run.ErrBehind) })
			if left == 0 || left > 1000 {
				t.Errorf("%d answers left while no receipt could be written", left)
			}
			if a, err := h.runner.Decide(t.Context(), run.Subject{}, decide.Ask{Purpose: "personalization", N: 1}); err != nil || a.Personal {
				t.Errorf("an answer for nobody, which has no receipt to keep: %v", err)
			}
			c.goOn(h.log)
			left += h.askUntil(func(err error) bool { return err == nil })
			must(t, h.journal.Close())
			if s := h.journal.Stats(); s.Written != uint64(left) || s.Refused == 0 {
				t.Errorf("%d answers left, %+v", left, s)
			}
		})
	}
}

// askUntil asks every few milliseconds until what came back is as wanted, and
// returns how many answers left.
func (h *house) askUntil(want func(error) bool) (left int) {
	h.t.Helper()
	for end := time.Now().Add(30 * time.Second); time.Now().Before(end); time.Sleep(5 * time.Millisecond) { // polls the journal
		a, err := h.runner.Decide(h.t.Context(), h.subject(), decide.Ask{Purpose: "personalization", N: 1})
		if err == nil {
			left++
			if !a.Personal {
				h.t.Fatalf("%+v", a.Receipt)
			}
		}
		if want(err) {
			return left
		}
	}
	h.t.Fatal("30 s of asking did not bring it about")
	return left
}

// The end of the journal is bounded even when the log hangs, and says what is
// lost.
func TestClosingOnAHangingLog(t *testing.T) {
	h := newHouse(t, "after")
	h.unclean = true
	h.choose(consent.Given)
	h.log.shut()
	h.ask()
	closed := make(chan error, 1)
	go func() { closed <- h.journal.Close() }()
	select {
	case err := <-closed:
		if err == nil || h.journal.Stats().Lost != 1 {
			t.Errorf("one receipt is lost, the end says %v and %+v", err, h.journal.Stats())
		}
	case <-time.After(9 * time.Second): // one try to append takes ten
		t.Error("the journal does not end")
		h.log.open()
		<-closed
	}
}

// No receipt of an answer that left is lost when the journal ends, and no answer
// leaves after it.
func TestClosingKeepsReceipts(t *testing.T) {
	h := newHouse(t, "after")
	h.choose(consent.Given)
	var left atomic.Uint64
	var work sync.WaitGroup
	for range 4 {
		work.Go(func() {
			for {
				if _, err := h.runner.Decide(context.Background(), h.subject(), decide.Ask{Purpose: "personalization", N: 1}); err != nil {
					if !errors.Is(err, run.ErrClosing) {
						t.Error(err)
					}
					return
				}
				left.Add(1)
			}
		})
	}
	for left.Load() < 100 {
		time.Sleep(time.Millisecond) // lets the askers work
	}
	must(t, h.journal.Close())
	work.Wait()
	if s := h.journal.Stats(); s.Written != left.Load() || s.Lost != 0 {
		t.Errorf("%d answers left, %+v", left.Load(), s)
	}
}

// A person who keeps changing their mind gets the un-personal answer in the end.
func TestChangingWithoutEnd(t *testing.T) {
	h := newHouse(t, "after")
	h.choose(consent.Given)
	h.during = func() { h.choose(consent.Withdrawn); h.choose(consent.Given) }
	if a := h.ask(); a.Personal || a.Receipt.Decision != "changed" {
		t.Errorf("%+v", a.Receipt)
	}
}

// Promise 6: the receipt is durable, is the very bytes of the answer, and its
// MAC shows every change of them.
func TestReceipt(t *testing.T) {
	for _, mode := range []string{"before", "after"} {
		h := newHouse(t, mode)
		h.choose(consent.Given)
		a := h.ask()
		if a.Receipt.Durable != mode || !h.journal.Verify(a.ReceiptJSON) {
			t.Fatalf("%s: %s", mode, a.ReceiptJSON)
		}
		for i := range a.ReceiptJSON {
			forged := append([]byte(nil), a.ReceiptJSON...)
			forged[i] ^= 1
			if h.journal.Verify(forged) {
				t.Fatalf("%s: a change of byte %d is not noticed", mode, i)
			}
		}
		var body []byte
		var who identity.Token
		var err error
		for end := time.Now().Add(10 * time.Second); time.Now().Before(end); time.Sleep(time.Millisecond) { // polls the fold
			if body, who, err = h.journal.Read(t.Context(), a.Receipt.ID); !errors.Is(err, run.ErrNoReceipt) {
				break
			}
		}
		must(t, err)
		if string(body) != string(a.ReceiptJSON) || who != h.token {
			t.Errorf("%s: kept %s\nanswered %s", mode, body, a.ReceiptJSON)
		}
	}
}

func TestBadAsks(t *testing.T) {
	h := newHouse(t, "after")
	for _, purpose := range []declare.PurposeID{"orders", "nonsense"} {
		var wrong *run.PurposeError
		if _, err := h.runner.Decide(t.Context(), h.subject(), decide.Ask{Purpose: purpose, N: 1}); !errors.As(err, &wrong) {
			t.Errorf("%s: %v, want a PurposeError: orders kept under a contract must not become recommendations", purpose, err)
		} else if !strings.Contains(wrong.Error(), `"personalization"`) {
			t.Errorf("%s: %q does not say what can be asked for", purpose, wrong)
		}
	}
	for _, id := range []string{"", "zz", strings.Repeat("0", 31), strings.Repeat("0", 32), strings.Repeat("0", 64)} {
		if _, _, err := h.journal.Read(t.Context(), id); !errors.Is(err, run.ErrNoReceipt) {
			t.Errorf("receipt %q: %v", id, err)
		}
	}
	h.failing = errors.New("broken engine")
	if _, err := h.runner.Decide(t.Context(), h.subject(), decide.Ask{Purpose: "personalization", N: 1}); err == nil {
		t.Error("a broken engine answered")
	}
}
