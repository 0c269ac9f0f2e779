package choices

import (
	"context"
	"encoding/hex"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"accord/internal/consent"
	"accord/internal/declare"
	"accord/internal/event"
	"accord/internal/identity"
)

func day(n int) time.Time { return monday.AddDate(0, 0, n) }

// pass moves the clock and does what Run does every day.
func (b *bed) pass(now time.Time) {
	b.t.Helper()
	b.now = now
	check(b.t, b.Pass(context.Background()))
}

func (b *bed) unproven(t identity.Token, purpose declare.PurposeID, s consent.State) {
	b.t.Helper()
	_, err := b.Record(context.Background(), t, []consent.Choice{{Purpose: purpose, State: s, Method: "api", Proof: identity.Unproven.String()}})
	check(b.t, err)
}

// What somebody said who proved nothing closes the gate and destroys nothing; the
// person decides, or a month that passes.
func TestUnprovenWaits(t *testing.T) {
	for _, c := range []struct {
		name    string
		then    func(b *bed, ada identity.Token)
		living  string
		allowed bool
		covered bool
	}{
		{"nothing", func(*bed, identity.Token) {}, "abcd", false, false},
		{"almost a month", func(b *bed, _ identity.Token) { b.pass(day(29)) }, "abcd", false, false},
		{"a month", func(b *bed, _ identity.Token) { b.pass(day(31)) }, "cd", false, false},
		{"the person refuses", func(b *bed, ada identity.Token) { b.record(ada, "personalization", consent.Withdrawn, b.now) }, "cd", false, false},
		{"another purpose ends", func(b *bed, ada identity.Token) { b.record(ada, "model_training", consent.Refused, b.now) }, "abcd", false, false},
		{"the person agrees", func(b *bed, ada identity.Token) { b.record(ada, "personalization", consent.Given, b.now) }, "abcd", true, true},
		{"the person agrees too late", func(b *bed, ada identity.Token) {
			b.now = day(31)
			b.record(ada, "personalization", consent.Given, b.now)
		}, "cd", true, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := newBed(t)
			ada := b.person("ada")
			b.record(ada, "personalization", consent.Given, monday)
			b.makeKeys(ada)
			b.unproven(ada, "personalization", consent.Withdrawn)
			c.then(b, ada)
			for range 2 {
				if got := b.living(ada); got != c.living {
					t.Errorf("keys of %q live, want %q", got, c.living)
				}
				i, _ := b.d.Purpose("personalization")
				grant, why := b.gate.Ask(ada, i, consent.Where{}, b.now)
				e, _ := b.d.Event("Thing")
				f, _ := e.Field("b")
				if (why == consent.Allowed) != c.allowed || grant.Covers(f.Class, 1, 1, monday.UnixMilli()) != c.covered {
					t.Errorf("the gate says %v, and what was kept before is covered: %v", why, !c.covered)
				}
				now := b.now
				b.close()
				b = openBed(t, b.dir)
				b.now = now
			}
		})
	}
}

// A consent that runs out destroys what lived for it, and who gives it again
// before anybody looked finds nothing of the old.
func TestRunsOut(t *testing.T) {
	b := newBed(t)
	ada, bob := b.person("ada"), b.person("bob")
	for _, who := range []identity.Token{ada, bob} {
		b.record(who, "model_training", consent.Given, monday)
		b.makeKeys(who)
	}
	b.pass(monday.AddDate(1, 0, 0))
	if got := b.living(ada); got != "abcd" {
		t.Errorf("while it holds, keys of %q live", got)
	}
	b.now = monday.AddDate(2, 0, 0)
	b.record(bob, "model_training", consent.Given, b.now)
	if got := b.living(bob); got != "bcd" {
		t.Errorf("given again, keys of %q live", got)
	}
	b.pass(b.now)
	if got := b.living(ada); got != "bcd" {
		t.Errorf("run out, keys of %q live", got)
	}
}

// What a choice left is destroyed by the next pass.
func TestPassFinishes(t *testing.T) {
	b := newBed(t)
	ada := b.person("ada")
	b.record(ada, "personalization", consent.Given, monday)
	b.makeKeys(ada)
	b.Choices.keys = brokenKeys{b.keys}
	if _, err := b.Record(context.Background(), ada, []consent.Choice{{Purpose: "personalization", State: consent.Withdrawn}}); !errors.Is(err, ErrLate) {
		t.Fatal(err)
	}
	if err := b.Pass(context.Background()); !errors.Is(err, errBroken) {
		t.Errorf("%v", err)
	}
	b.Choices.keys = b.keys
	b.pass(monday)
	if got := b.living(ada); got != "cd" {
		t.Errorf("keys of %q live", got)
	}
}

// Records that are older than receipts are kept go when nothing stands on them;
// what is in force, and since when, stays the same.
func TestPrune(t *testing.T) {
	b := newBed(t)
	ada, bob := b.person("ada"), b.person("bob")
	b.record(ada, "personalization", consent.Given, day(-9))     // 1: goes
	b.record(ada, "personalization", consent.Withdrawn, day(-8)) // 2: goes
	b.record(ada, "personalization", consent.Refused, day(-7))   // 3: goes
	b.record(ada, "personalization", consent.Given, day(-6))     // 4: the consent begins
	b.record(ada, "personalization", consent.Given, day(-5))     // 5: goes; it begins with 4 and was renewed by 9
	b.record(ada, "stats", consent.Objected, day(-4))            // 6: without it, 7 would reach back
	b.record(ada, "stats", consent.Given, day(-4))               // 7
	b.record(bob, "stats", consent.Objected, day(-4))            // 8: the only one
	b.now = day(1)
	b.record(ada, "personalization", consent.Given, day(1)) // 9
	places := func() (out []uint64) {
		t.Helper()
		for _, who := range []identity.Token{ada, bob} {
			h, err := b.History(context.Background(), who)
			check(t, err)
			for _, r := range h {
				out = append(out, r.Sequence)
			}
		}
		return out
	}
	before, direct := b.presents([]identity.Token{ada, bob}), b.Direct(ada)
	b.pass(monday.AddDate(3, 0, -1))
	if got := places(); len(got) != 9 {
		t.Errorf("younger than receipts are kept, and %v are left", got)
	}
	for range 2 {
		b.pass(monday.AddDate(3, 0, 0))
		if got, want := places(), []uint64{4, 6, 7, 9, 8}; !slices.Equal(got, want) {
			t.Errorf("%v are left, want %v", got, want)
		}
		now := b.now
		b = b.again()
		b.now = now
	}
	for i, p := range b.presents([]identity.Token{ada, bob}) {
		if !slices.Equal(p, before[i]) {
			t.Errorf("in force before: %+v\nafter: %+v", before[i], p)
		}
	}
	if b.Direct(ada) != direct {
		t.Errorf("direct: %b, before %b", b.Direct(ada), direct)
	}
}

// Heard knows for two days what a message said, also after a restart, and what it
// said last where an id is used again.
func TestHeard(t *testing.T) {
	b := newBed(t)
	ada := b.person("ada")
	p, _ := b.d.Purpose("personalization")
	say := func(id byte, s consent.State) {
		t.Helper()
		message := event.ID{id}
		_, err := b.Record(context.Background(), ada, []consent.Choice{{Purpose: "personalization", State: s, Message: hex.EncodeToString(message[:])}})
		check(t, err)
	}
	say(1, consent.Refused)
	say(2, consent.Given)
	say(3, consent.Withdrawn)
	say(3, consent.Given)
	for range 2 {
		for id, want := range map[byte][2]bool{0: {}, 1: {true, false}, 2: {false, true}, 3: {false, true}} {
			ended, given := b.Heard(ada, event.ID{id})
			if ended.Has(p) != want[0] || given.Has(p) != want[1] {
				t.Errorf("message %d ended %b and gave %b", id, ended, given)
			}
		}
		b = b.again()
	}
	for id := range byte(2 * mostHeard) {
		say(10+id, consent.Refused)
	}
	if n := len(b.said[ada].heard); n != mostHeard {
		t.Errorf("%d messages are remembered", n)
	}
	b.pass(monday.Add(heardFor))
	if ended, given := b.Heard(ada, event.ID{9 + 2*mostHeard}); ended|given != 0 || b.said[ada].heard != nil {
		t.Error("after two days a message is still remembered")
	}
}

// memory keeps keys and choices where a test with a clock of its own can have
// them: it has neither disk nor goroutines.
type memory struct {
	Keys
	Log
	mu     sync.Mutex // guards the fields below
	living []declare.ClassID
	looks  int
	broken bool
}

func (m *memory) Classes(identity.Token) ([]declare.ClassID, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.living), nil
}

func (m *memory) Destroy(_ context.Context, _ identity.Token, classes ...declare.ClassID) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.broken {
		return errBroken
	}
	m.living = slices.DeleteFunc(m.living, func(c declare.ClassID) bool { return slices.Contains(classes, c) })
	return nil
}

func (m *memory) Choices(context.Context, uint64, func(event.ChoiceMessage) error) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.looks++
	return nil
}

func (m *memory) breaks(yes bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.broken = yes
}

func (*memory) Drop(identity.Token, declare.ClassID) error { return nil }

// Run looks at the start, every day, and an hour after a fault, and ends with its
// context.
func TestRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, err := declare.Parse("shop.yaml", []byte(shopYAML))
		check(t, err)
		e, _ := d.Event("Thing")
		f, _ := e.Field("a")
		book, m := consent.NewBook(d, consent.AnyNotice, consent.NoLaw), &memory{living: []declare.ClassID{f.Class.ID}}
		c := New(d, m, m, book, m, time.Now)
		start := time.Now()
		book.Apply(consent.Record{Token: identity.Token{1}, Sequence: 1, Accepted: start, Choices: []consent.Choice{
			{Purpose: "model_training", State: consent.Given, At: start.AddDate(-2, 0, 2)}, // two days are left
		}})
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() { defer close(ended); c.Run(ctx, slog.New(slog.DiscardHandler)) }()
		at := func(after time.Duration, looks, living int) {
			t.Helper()
			time.Sleep(time.Until(start.Add(after + time.Second)))
			synctest.Wait()
			m.mu.Lock()
			defer m.mu.Unlock()
			if m.looks != looks || len(m.living) != living {
				t.Errorf("after %v: looked %d times, %d keys live", after, m.looks, len(m.living))
			}
		}
		at(0, 1, 1)
		at(passEvery, 2, 1)
		m.breaks(true)
		at(2*passEvery, 3, 1)
		m.breaks(false)
		at(2*passEvery+passAgain, 4, 0)
		at(3*passEvery, 4, 0)
		at(3*passEvery+passAgain, 5, 0)
		cancel()
		<-ended
	})
}
