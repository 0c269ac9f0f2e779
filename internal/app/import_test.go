package app

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"accord/internal/collect"
	"accord/internal/event"
	"accord/internal/eventlog"
	"accord/internal/identity"
	"accord/internal/retail"
)

// tornLog is the log of an import that is killed while its batch gets there: it
// takes the records of some of the classes.
type tornLog struct{ *eventlog.Log }

var errTorn = errors.New("killed")

func (l tornLog) Append(ctx context.Context, records []event.Record) error {
	var some []event.Record
	for i, r := range records {
		if r.Class == records[0].Class || i%3 == 0 {
			some = append(some, r)
		}
	}
	if err := l.Log.Append(ctx, some); err != nil {
		return err
	}
	return errTorn
}

// Promise 5: an import that broke off goes on where it was, neither losing nor
// doubling a line, also when that is so much later that no message id of the
// first try is known any more.
func TestImportGoesOn(t *testing.T) {
	e := newEstate(t)
	const people, lines = 5, 40
	file := filepath.Join(t.TempDir(), "orders.csv")
	var text strings.Builder
	text.WriteString(retail.Header + "\n")
	for i := range lines {
		fmt.Fprintf(&text, "5363%02d,221%02d,A THING,%d,2010-12-01 08:26:00,2.55,1785%d,United Kingdom\n", i, i, 1+i%3, i%people)
	}
	if err := os.WriteFile(file, []byte(text.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	o := ImportOptions{File: file, Basis: "contract"}
	bought := func(h *House) (n int) {
		for u := range people {
			n += len(heldOrders(t, h, identity.Identifier{Kind: identity.UserID, Value: fmt.Sprintf("1785%d", u)}).Interactions())
		}
		return n
	}
	e.within(func(h *House) {
		h.collector = collect.New(collect.Config{Declaration: h.declaration, Gate: h.gate, Book: h.book, Keys: h.keys,
			Log: tornLog{h.log}, State: h.vault, Choices: h.choices, Now: h.clock.Now})
		if _, err := h.ImportRetail(t.Context(), o); !errors.Is(err, errTorn) {
			t.Fatal(err)
		}
	})
	trusting := e.config()
	trusting.TrustClock = true
	h, err := Open(t.Context(), trusting)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := h.Close(); err != nil {
			t.Error(err)
		}
	}()
	h.clock.start(time.Now().AddDate(0, 0, 5), true)
	for i := range 100 { // days later, in every stream
		e.buys(h, fmt.Sprint("somebody-", i), fmt.Sprint("m", i), "cup")
	}
	if err := h.CatchUp(t.Context()); err != nil {
		t.Fatal(err)
	}
	before := bought(h)
	if before == 0 || before == lines {
		t.Fatalf("%d lines were there after the crash, so nothing is shown", before)
	}
	for range 2 {
		if _, err := h.ImportRetail(t.Context(), o); err != nil {
			t.Fatal(err)
		}
		if got := bought(h); got != lines {
			t.Errorf("%d orders of %d", got, lines)
		}
	}
}
