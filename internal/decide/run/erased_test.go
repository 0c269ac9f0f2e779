package run_test

import (
	"errors"
	"testing"
	"time"

	"accord/internal/consent"
	"accord/internal/decide"
	"accord/internal/decide/run"
	"accord/internal/identity"
)

// Receipts of whoever was erased before they were written are gone with all else of
// theirs: they hold up nothing, also where the log refused them before, and of the
// others none is lost.
func TestErasedBeforeTheReceiptIsWritten(t *testing.T) {
	for name, refuses := range map[string]bool{"a log that takes them": false, "a log that refused them": true} {
		t.Run(name, func(t *testing.T) {
			h := newHouse(t, "after")
			ada := h.token
			tokens, err := h.keys.Ensure(t.Context(), []identity.Lookup{{2}})
			must(t, err)
			ben := tokens[0]
			ask := func(token identity.Token) string {
				h.token = token
				return h.ask().Receipt.ID
			}
			for _, h.token = range []identity.Token{ada, ben} {
				h.choose(consent.Given)
			}
			h.log.full.Store(refuses)
			gone := []string{ask(ada), ask(ada)}
			kept := []string{ask(ben)}
			_, err = h.choices.Erase(t.Context(), ada, "shop token")
			must(t, err)
			if refuses {
				h.askUntil(func(err error) bool { return errors.Is(err, run.ErrBehind) })
				h.log.full.Store(false)
				h.askUntil(func(err error) bool { return err == nil })
			}
			kept = append(kept, ask(ben))
			for end := time.Now().Add(20 * time.Second); h.journal.Stats().Waited > 0 || h.journal.Stats().Queued > 0; time.Sleep(5 * time.Millisecond) { // polls the journal
				if time.Now().After(end) {
					t.Fatalf("receipts wait: %+v", h.journal.Stats())
				}
			}
			must(t, h.journal.Close())
			if s := h.journal.Stats(); s.Lost != 0 || s.Written < uint64(len(kept)) {
				t.Errorf("%+v", s)
			}
			h.folded()
			for _, id := range gone {
				if body, _, err := h.journal.Read(t.Context(), id); !errors.Is(err, run.ErrNoReceipt) {
					t.Errorf("a receipt of whoever was erased: %s, %v", body, err)
				}
			}
			for _, id := range kept {
				if _, who, err := h.journal.Read(t.Context(), id); err != nil || who != ben {
					t.Errorf("somebody else's receipt: %v, of %v", err, who)
				}
			}
		})
	}
}

// A batch of nobody else than whoever was erased ends as well.
func TestErasedAlone(t *testing.T) {
	h := newHouse(t, "after")
	h.choose(consent.Given)
	h.ask()
	_, err := h.choices.Erase(t.Context(), h.token, "shop token")
	must(t, err)
	must(t, h.journal.Close())
	if s := h.journal.Stats(); s.Lost != 0 || s.Written != 0 {
		t.Errorf("%+v", s)
	}
}

// Promise 6: where a receipt must be durable before, no answer leaves for whom none
// can be kept any more.
func TestErasedWhileAnswered(t *testing.T) {
	h := newHouse(t, "before")
	h.choose(consent.Given)
	h.during = func() {
		h.during = nil
		_, err := h.choices.Erase(t.Context(), h.token, "shop token")
		must(t, err)
	}
	if a, err := h.runner.Decide(t.Context(), h.subject(), decide.Ask{Purpose: "personalization", N: 1}); !errors.Is(err, run.ErrErased) {
		t.Errorf("%+v left with %v", a.Receipt, err)
	}
}
