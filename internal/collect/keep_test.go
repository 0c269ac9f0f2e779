package collect

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"accord/internal/consent"
	"accord/internal/declare"
	"accord/internal/event"
	"accord/internal/identity"
	"accord/internal/vault"
)

func orders(source, prefix string, n int) string {
	events := make([]string, n)
	for i := range events {
		events[i] = ev(ordered, `"userId":"u`+fmt.Sprint(i%7)+`"`, id(prefix+fmt.Sprint(i)), `"properties":{"order_id":"`+source+fmt.Sprint(i)+`"}`)
	}
	return batchOf(events...)
}

// A retry sends the same batch with the same message ids: nothing is doubled,
// at once, after the fold, and after a restart.
func TestOnce(t *testing.T) {
	b := newBed(t)
	body := orders("o", "m", 20)
	if r := b.send("batch", body); r.Kept != 20 {
		t.Errorf("%+v", r)
	}
	if r := b.send("batch", body); r.Duplicate != 20 {
		t.Errorf("at once: %+v", r)
	}
	b.catchUp()
	b = b.again()
	if r := b.send("batch", body); r.Duplicate != 20 {
		t.Errorf("after a restart: %+v", r)
	}
	// Scoped to the source; and within one batch.
	r, err := b.Collect(context.Background(), Request{Source: "app", Speaker: server(), Kind: "batch", Body: []byte(orders("p", "m", 1))})
	if err != nil || r.Kept != 1 {
		t.Errorf("another source: %+v, %v", r, err)
	}
	e := ev(ordered, ada, id("twice"), `"properties":{"order_id":"twice"}`)
	if r := b.send("batch", batchOf(e, e)); r.Kept != 1 || r.Duplicate != 1 {
		t.Errorf("twice in a batch: %+v", r)
	}
	e = ev(ordered, ada, `"properties":{"order_id":"no id"}`)
	if r := b.send("batch", batchOf(e, e)); r.Kept != 2 {
		t.Errorf("without ids: %+v", r)
	}
	if n := len(b.held()); n != 20+1+1+2 {
		t.Errorf("%d values held, want 24", n)
	}
}

// Two pieces of one message are both kept and folded, and both are duplicates
// when the message comes again.
func TestPieces(t *testing.T) {
	b := newBed(t)
	token := b.user("ada")
	b.chooses(token, "personalization", consent.Given, b.clock.Now())
	b.clock.pass(time.Second)
	e := ev(ordered, ada, id("1"), order)
	b.send("track", e)
	b.catchUp()
	if r := b.send("track", e); r.Duplicate != 1 {
		t.Errorf("%+v", r)
	}
	if n := b.views(token, "personalization"); n != 2 {
		t.Errorf("%d interactions, want 2", n)
	}
	if s := b.vault.Stats(); s.Folded != 2 || s.Duplicates != 0 {
		t.Errorf("%+v", s)
	}
}

// halfLog is the real log at an instant in which a kill or a full disk comes
// between the frames of two classes: it takes the records of the first only.
type halfLog struct {
	Log
	half bool
}

var errHalf = errors.New("the second frame did not get there")

func (l *halfLog) Append(ctx context.Context, records []event.Record) error {
	if !l.half {
		return l.Log.Append(ctx, records)
	}
	l.half = false
	var some []event.Record
	for _, r := range records {
		if r.Class == records[0].Class {
			some = append(some, r)
		}
	}
	if err := l.Log.Append(ctx, some); err != nil {
		return err
	}
	return errHalf
}

// Promise 5: of a message of which some pieces were on disk when its first try
// failed, the others are kept when it comes again. Only then is it a duplicate.
func TestHalfKept(t *testing.T) {
	want := []string{"order_id#0=o1 for orders", "total#0=5 for orders", "products[].product_id#0=mug for orders+personalization"}
	type outcome struct{ kept, duplicate int }
	tries := map[string]func(b *bed) (outcome, error){
		"event": func(b *bed) (outcome, error) {
			r, err := b.Collect(context.Background(), Request{Source: "web", Speaker: server(), Kind: "track",
				Body: []byte(ev(ordered, ada, id("1"), `"properties":{"order_id":"o1","total":5,"products":[{"product_id":"mug"}]}`))})
			return outcome{r.Kept, r.Duplicate}, err
		},
		"import": func(b *bed) (outcome, error) {
			r, err := b.Import(context.Background(), []Line{line(1, "ada", monday)}, 0)
			return outcome{r.Kept, r.Duplicate}, err
		},
	}
	for name, try := range tries {
		t.Run(name, func(t *testing.T) {
			b := newBed(t)
			b.chooses(b.user("ada"), "personalization", consent.Given, monday.Add(-time.Hour))
			b.Log = &halfLog{Log: b.log, half: true}
			if _, err := try(b); !errors.Is(err, errHalf) {
				t.Fatal(err)
			}
			b.catchUp()
			b = b.again() // what this process remembers of the message is gone
			if got, err := try(b); err != nil || got != (outcome{kept: 1}) {
				t.Errorf("the second try: %+v, %v", got, err)
			}
			same(t, "held", b.held(), want)
			if n := b.views(b.user("ada"), "personalization"); n != 1 {
				t.Errorf("%d interactions, want 1", n)
			}
			b = b.again()
			if got, err := try(b); err != nil || got != (outcome{duplicate: 1}) {
				t.Errorf("the third try: %+v, %v", got, err)
			}
			same(t, "held", b.held(), want)
		})
	}
}

// slowLog is the real log behind a gate that the test opens.
type slowLog struct {
	Log
	enter chan struct{}
	leave chan error
}

func (l *slowLog) Append(ctx context.Context, records []event.Record) error {
	l.enter <- struct{}{}
	if err := <-l.leave; err != nil {
		return err
	}
	return l.Log.Append(ctx, records)
}

// A message that another request has under way is a duplicate only when that
// request has it on disk: acknowledged is durable (promise 5).
func TestInFlight(t *testing.T) {
	b := newBed(t)
	slow := &slowLog{Log: b.log, enter: make(chan struct{}), leave: make(chan error)}
	b.Log = slow
	full := errors.New("full")
	body := []byte(ev(ordered, ada, id("1"), `"properties":{"order_id":"1"}`))
	collect := func() (Result, error) {
		return b.Collect(context.Background(), Request{Source: "web", Speaker: server(), Kind: "track", Body: body})
	}
	for _, c := range []struct {
		first, second error
		duplicate     int
	}{{full, ErrRetry, 0}, {nil, nil, 1}} {
		var firstErr, secondErr error
		var second Result
		var group sync.WaitGroup
		group.Go(func() { _, firstErr = collect() })
		<-slow.enter
		group.Go(func() { second, secondErr = collect() })
		// The second has come upon the first when it waits for it; should it be
		// slower than that, it finds what the first left, which is as right.
		slow.leave <- c.first
		group.Go(func() {
			if c.first != nil {
				select {
				case <-slow.enter:
					slow.leave <- full
				case <-time.After(100 * time.Millisecond):
				}
			}
		})
		group.Wait()
		if firstErr != c.first || second.Duplicate != c.duplicate || (secondErr == nil) != (c.second == nil) {
			t.Errorf("first %v: %v, second %+v %v", c.first, firstErr, second, secondErr)
		}
	}
	if got := b.held(); len(got) != 1 {
		t.Errorf("held %q", got)
	}
}

// keysAt calls before when keys are about to be prepared, and after when they
// have been.
type keysAt struct {
	Keys
	before, after func()
}

func (k *keysAt) Prepare(ctx context.Context, needs []vault.Need) error {
	if k.before != nil {
		k.before()
	}
	err := k.Keys.Prepare(ctx, needs)
	if k.after != nil {
		k.after()
	}
	return err
}

// A withdrawal that comes while an event is on its way wins: nothing of the
// event opens afterwards, and no key of the class lives on.
func TestWithdrawalOvertakes(t *testing.T) {
	for _, c := range []struct {
		name string
		set  func(k *keysAt, withdraw func())
	}{
		{"before the keys", func(k *keysAt, withdraw func()) { k.before = withdraw }},
		{"after the keys", func(k *keysAt, withdraw func()) { k.after = withdraw }},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := newBed(t)
			token := b.user("ada")
			b.chooses(token, "personalization", consent.Given, b.clock.Now())
			b.clock.pass(time.Second)
			keys := &keysAt{Keys: b.keys}
			b.Keys = keys
			c.set(keys, func() { b.chooses(token, "personalization", consent.Withdrawn, b.clock.Now()) })
			r := b.send("track", ev(viewed, ada, id("1"), `"properties":{"product_id":"x","secs":1}`))
			if r.Kept != 1 {
				t.Errorf("what runs on another basis was lost: %+v", r)
			}
			same(t, "held", b.held(), []string{"secs#0=1 for stats"})
			living, err := b.keys.Classes(token)
			if err != nil {
				t.Fatal(err)
			}
			personalization, _ := b.Declaration.Purpose("personalization")
			for _, id := range living {
				if class, _ := b.Declaration.Class(id); class.Purposes == declare.Set(0).With(personalization) {
					t.Error("a key of a withdrawn class lives")
				}
			}
			if n := b.Counts()["field:changed"]; n != 1 {
				t.Errorf("changed counted %d times: %v", n, b.Counts())
			}
		})
	}
}

// Promise 5: what the log does not take is not acknowledged, and can be sent
// again.
func TestLogFails(t *testing.T) {
	b := newBed(t)
	good := b.Log
	b.Log = brokenLog{good}
	body := []byte(ev(ordered, ada, id("1"), `"properties":{"order_id":"1"}`))
	r := Request{Source: "web", Speaker: server(), Kind: "track", Body: body}
	if _, err := b.Collect(context.Background(), r); err != errBroken {
		t.Fatalf("%v", err)
	}
	b.Log = good
	if res, err := b.Collect(context.Background(), r); err != nil || res.Kept != 1 {
		t.Errorf("%+v, %v", res, err)
	}
}

var errBroken = errors.New("broken")

type brokenLog struct{ Log }

func (brokenLog) Append(context.Context, []event.Record) error { return errBroken }

// Requests at once: everything is kept once.
func TestConcurrent(t *testing.T) {
	b := newBed(t)
	var group sync.WaitGroup
	for w := range 8 {
		group.Go(func() {
			for i := range 5 {
				// Every batch is sent by two workers.
				body := orders("o", fmt.Sprintf("w%d-%d-", w/2, i), 20)
				if _, err := b.Collect(context.Background(), Request{Source: "web", Speaker: server(), Kind: "batch", Body: []byte(body)}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	group.Wait()
	if n := len(b.held()); n != 4*5*20 {
		t.Errorf("%d values held, want %d", n, 4*5*20)
	}
	if n := b.Counts()["event:duplicate"]; n != 4*5*20 {
		t.Errorf("%d duplicates, want %d", n, 4*5*20)
	}
}

// The debugger shows the last events of a source with what was kept, dropped and
// why, without their values.
func TestDebug(t *testing.T) {
	b := newBed(t)
	var seen []Activity
	b.Observe = func(a Activity) { seen = append(seen, a) }
	const value, person = "value-that-must-not-show", "person-that-must-not-show"
	b.user(person)
	b.send("batch", batchOf(
		ev(ordered, `"userId":"`+person+`"`, `"properties":{"order_id":"`+value+`","note":"`+value+`","total":"`+value+`"}`),
		ev(viewed, `"userId":"`+person+`"`, `"properties":{"product_id":"`+value+`"}`),
		ev(viewed, `"name":"`+strings.Repeat("ä", 80)+`"`),
	))
	traces := b.Debug("web")
	if len(traces) != 3 {
		t.Fatalf("%d traces, want 3", len(traces))
	}
	slices.Reverse(traces)
	if got := traces[0]; got.Type != "track" || got.Event != "Order Completed" || !slices.Equal(got.Kept, []string{"order_id"}) ||
		len(got.Dropped) != 2 || got.Dropped[0].Field != "note" || got.Dropped[0].Reason != "undeclared" || got.Dropped[1].Reason != "type" {
		t.Errorf("%+v", got)
	}
	if got := traces[1]; got.Reason != "no_choice" || len(got.Dropped) != 1 || got.Dropped[0].Field != "product_id" || got.Dropped[0].Why == "" {
		t.Errorf("%+v", got)
	}
	if got := traces[2]; got.Reason != "no_identity" {
		t.Errorf("%+v", got)
	}
	if text := fmt.Sprintf("%+v %+v", traces, seen); strings.Contains(text, value) || strings.Contains(text, person) {
		t.Errorf("a value shows: %s", text)
	}
	if len(seen) != 3 || seen[0].Person != b.user(person).Short() || seen[2].Bad != "no_identity" || seen[0].Bad != "" {
		t.Errorf("%+v", seen)
	}
	if b.Debug("other") != nil {
		t.Error("a source that sent nothing has traces")
	}
	b.Observe = nil
	for range 3 {
		b.clock.pass(time.Second)
		b.send("batch", orders("x", fmt.Sprint(b.clock.Now().Unix()), 90))
	}
	if n := len(b.Debug("web")); n != maxTraces {
		t.Errorf("%d traces, want %d", n, maxTraces)
	}
	for i := range 2 * maxSources {
		_, _ = b.Collect(context.Background(), Request{Source: fmt.Sprint("s", i), Kind: "track", Body: []byte(`{}`)})
	}
	if n := len(b.debug.sources); n != maxSources {
		t.Errorf("%d sources are remembered, want %d", n, maxSources)
	}
}

func line(n int, user string, at time.Time) Line {
	return Line{
		Source: "digest", ID: fmt.Sprint(n), User: identity.Identifier{Kind: identity.UserID, Value: user}, Event: "Order Completed", At: at,
		Fields: []NamedValue{
			{Path: "order_id", Value: event.Value{Kind: event.ValueString, Text: fmt.Sprint("o", n)}},
			{Path: "total", Value: event.Value{Kind: event.ValueInteger, Int: 5}},
			{Path: "products[].product_id", Value: event.Value{Kind: event.ValueString, Text: "mug"}},
			{Path: "products[].quantity", Value: event.Value{Kind: event.ValueString, Text: "many"}},
			{Path: "country", Value: event.Value{Kind: event.ValueString, Text: "DE"}},
		},
	}
}

// A repeat of the import changes nothing; equal lines are two; what no basis
// covers is dropped.
func TestImport(t *testing.T) {
	b := newBed(t)
	past := monday.Add(-10 * 365 * 24 * time.Hour)
	b.chooses(b.user("ada"), "personalization", consent.Given, past)
	lines := []Line{line(1, "ada", past.Add(time.Hour)), line(2, "ada", past.Add(-time.Hour)), line(3, "bob", past), line(4, "bob", past), line(5, "", past), line(6, "bob", monday.Add(48*time.Hour))}
	lines[3].Event = "Unheard Of"
	r, err := b.Import(context.Background(), lines, 0)
	if err != nil || r.Kept != 3 || r.Duplicate != 0 || r.Lines["undeclared_event"] != 1 || r.Lines["no_identity"] != 1 || r.Lines["future"] != 1 {
		t.Fatalf("%+v, %v", r, err)
	}
	same(t, "held", b.held(), []string{
		"order_id#0=o1 for orders", "total#0=5 for orders", "products[].product_id#0=mug for orders+personalization",
		"order_id#0=o2 for orders", "total#0=5 for orders", "products[].product_id#0=mug for orders",
		"order_id#0=o3 for orders", "total#0=5 for orders", "products[].product_id#0=mug for orders",
	})
	if n := b.views(b.user("ada"), "personalization"); n != 1 {
		t.Errorf("%d interactions, want the one after the consent", n)
	}
	b = b.again()
	r2, err := b.Import(context.Background(), lines, 0)
	if err != nil || r2.Kept != 0 || r2.Duplicate != 3 {
		t.Errorf("again: %+v, %v", r2, err)
	}
	want := []bool{true, true, true, false, false, false}
	if !slices.Equal(r.Durable, want) || !slices.Equal(r2.Durable, want) {
		t.Errorf("durable are %v, then %v; want %v", r.Durable, r2.Durable, want)
	}
	if c := b.Counts(); c["field:undeclared"] != 3 || c["field:type"] != 3 {
		t.Errorf("%v", c)
	}
}

// An import on one basis keeps only what that basis covers.
func TestImportBasis(t *testing.T) {
	b := newBed(t)
	b.chooses(b.user("ada"), "personalization", consent.Given, monday.Add(-time.Hour))
	r, err := b.Import(context.Background(), []Line{line(1, "ada", monday)}, declare.Contract)
	if err != nil || r.Kept != 1 {
		t.Fatalf("%+v, %v", r, err)
	}
	same(t, "held", b.held(), []string{"order_id#0=o1 for orders", "total#0=5 for orders", "products[].product_id#0=mug for orders"})
	r, err = b.Import(context.Background(), []Line{line(2, "ada", monday)}, declare.LegitimateInterest)
	if err != nil || r.Kept != 0 || r.Lines["other_basis"] != 1 {
		t.Errorf("%+v, %v", r, err)
	}
}
