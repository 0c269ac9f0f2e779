package choices

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"accord/internal/consent"
	"accord/internal/declare"
	"accord/internal/event"
	"accord/internal/identity"
	"accord/internal/vault"
)

// An erasure leaves no key but that of the choices, without which the next start
// could not read that it was made; nobody is found by the id any more.
func TestErase(t *testing.T) {
	b := newBed(t)
	ada := b.person("ada")
	b.record(ada, "personalization", consent.Given, monday)
	b.makeKeys(ada)
	l := b.keys.Hasher().Lookup(identity.Identifier{Kind: identity.UserID, Value: "ada"})
	if kept, err := b.Erase(context.Background(), ada, "shop token"); err != nil || len(kept) != 0 {
		t.Fatalf("kept %v, %v", kept, err)
	}
	b = b.again()
	if left := b.living(ada); left != "" {
		t.Errorf("the keys of %q are left", left)
	}
	if _, known, err := b.keys.Find(l); known || err != nil {
		t.Errorf("the id leads to somebody: %v, %v", known, err)
	}
	if b.state(ada, "personalization") != consent.Withdrawn || b.state(ada, "stats") != consent.Objected {
		t.Error("the erasure did not end every choice")
	}
	past := 0
	check(t, b.log.Choices(context.Background(), 0, func(m event.ChoiceMessage) error {
		past++
		return nil
	}))
	if h, err := b.History(context.Background(), ada); past != 1 || len(h) != 1 || h[0].Choices[0].Method != MethodErasure || err != nil {
		t.Errorf("%d messages are left, and the history is %+v (%v)", past, h, err)
	}
	if again := b.person("ada"); again == ada {
		t.Error("whoever comes with the id is not somebody new")
	}
}

// Erasing a user erases their visitors, and parts them; erasing a visitor erases
// nobody else. A key that was on its way in is not made again.
func TestEraseLinked(t *testing.T) {
	for _, who := range []string{"ada", "phone"} {
		b := newBed(t)
		ctx := context.Background()
		tokens := map[string]identity.Token{"ada": b.person("ada"), "phone": b.person("phone")}
		for _, token := range tokens {
			b.record(token, "personalization", consent.Given, monday)
			b.makeKeys(token)
		}
		check(t, b.Link(ctx, tokens["phone"], tokens["ada"], "server key", b.now))
		_, err := b.Erase(ctx, tokens[who], "token")
		check(t, err)
		b.makeKeysLate(tokens["phone"])
		b = b.again()
		for name, token := range tokens {
			gone := name == who || who == "ada"
			if left := b.living(token); (left == "") != gone {
				t.Errorf("%s erased: of %s the keys of %q are left", who, name, left)
			}
			if (b.person(name) != token) != gone || (b.state(token, "personalization") == consent.Withdrawn) != gone {
				t.Errorf("%s erased: %s has %v", who, name, b.state(token, "personalization"))
			}
			if len(b.book.Group(token)) != 1 {
				t.Errorf("%s erased: %s is still linked", who, name)
			}
		}
		b.close()
	}
}

// makeKeysLate is what a batch does that was under way.
func (b *bed) makeKeysLate(t identity.Token) {
	b.t.Helper()
	check(b.t, b.keys.Prepare(context.Background(), []vault.Need{{Token: t, Class: declare.ClassReceipt}}))
}

// broken are keepers of which one change fails, the left-th from now: it happens or
// not, and nobody hears of it.
type broken struct {
	Keys
	Log
	State
	left int
	done bool
}

func (k *broken) change(f func() error) error {
	k.left--
	if k.left == 0 && !k.done {
		return errCut
	}
	if err := f(); err != nil || k.left != 0 {
		return err
	}
	return errCut
}

func (k *broken) AppendChoice(ctx context.Context, m event.ChoiceMessage) (n uint64, err error) {
	err = k.change(func() error {
		n, err = k.Log.AppendChoice(ctx, m)
		return err
	})
	return n, err
}

func (k *broken) DeleteChoice(ctx context.Context, sequence uint64) error {
	return k.change(func() error { return k.Log.DeleteChoice(ctx, sequence) })
}

func (k *broken) Destroy(ctx context.Context, t identity.Token, classes ...declare.ClassID) error {
	return k.change(func() error { return k.Keys.Destroy(ctx, t, classes...) })
}

func (k *broken) Erase(ctx context.Context, t identity.Token, classes ...declare.ClassID) error {
	return k.change(func() error { return k.Keys.Erase(ctx, t, classes...) })
}

func (k *broken) Forget(ctx context.Context, at time.Time, people ...identity.Token) error {
	return k.change(func() error { return k.Keys.Forget(ctx, at, people...) })
}

func (k *broken) Drop(t identity.Token, c declare.ClassID) error {
	return k.change(func() error { return k.State.Drop(t, c) })
}

// An erasure that fails between any two of its steps, with the step done or not,
// comes to its end when it is asked for again, at once or after a restart: no key,
// no id and no word of before is left of the user or of their visitors.
func TestEraseGoesOn(t *testing.T) {
	for _, c := range []struct{ done, restart bool }{{false, false}, {false, true}, {true, true}} {
		n := 1
		for eraseGoesOn(t, n, c.done, c.restart) {
			n++
		}
		if n < 20 {
			t.Errorf("only %d steps failed", n)
		}
	}
}

// eraseGoesOn breaks the n-th change, and reports whether there was one.
func eraseGoesOn(t *testing.T, n int, done, restart bool) bool {
	ctx, what := context.Background(), fmt.Sprintf("change %d fails (done %v, restart %v)", n, done, restart)
	b := newBed(t)
	defer func() { b.close() }()
	names := []string{"ada", "phone", "tablet"}
	var people []identity.Token
	for _, name := range names {
		people = append(people, b.person(name))
	}
	bob := b.person("bob")
	check(t, b.Link(ctx, people[2], bob, "server key", b.now))
	for _, token := range people[1:] {
		b.record(token, "personalization", consent.Given, monday)
		check(t, b.Link(ctx, token, people[0], "server key", b.now))
	}
	b.record(people[0], "personalization", consent.Given, monday)
	for _, token := range people {
		b.makeKeys(token)
	}
	broken := &broken{b.keys, b.log, b.vault, n, done}
	b.Choices.keys, b.Choices.log, b.Choices.state = broken, broken, broken
	if _, err := b.Erase(ctx, people[0], "token"); err == nil {
		return false
	} else if !errors.Is(err, errCut) {
		t.Fatal(err)
	}
	if restart {
		b = b.again()
	}
	b.now = b.now.Add(time.Hour)
	for range 2 { // a second repetition finds nobody
		ada, known, err := b.keys.Find(b.lookup("ada"))
		check(t, err)
		if known {
			_, err = b.Erase(ctx, ada, "token")
			check(t, err)
		}
	}
	if !restart {
		b = b.again()
	}
	for i, token := range people {
		if left := b.living(token); left != "" {
			t.Errorf("%s: of %s the keys of %q live", what, names[i], left)
		}
		if _, known, err := b.keys.Find(b.lookup(names[i])); known || err != nil || !b.keys.ErasedSince(b.lookup(names[i]), monday.UnixMilli()) {
			t.Errorf("%s: %s is known: %v, %v", what, names[i], known, err)
		}
		h, err := b.History(ctx, token)
		check(t, err)
		for _, r := range h {
			if r.Link != nil && !r.Link.Undo || r.Link == nil && r.Choices[0].Method != MethodErasure {
				t.Errorf("%s: %s is left of what %s said", what, fmt.Sprintf("%+v", r), names[i])
			}
		}
		// An end that was written and of which nobody heard may stay beside the last.
		if len(h) == 0 || len(h) > 3 || len(b.book.Group(token)) != 1 || b.state(token, "personalization") != consent.Withdrawn {
			t.Errorf("%s: %s has %d records and %v", what, names[i], len(h), b.state(token, "personalization"))
		}
	}
	return true
}

func (b *bed) lookup(id string) identity.Lookup {
	return b.keys.Hasher().Lookup(identity.Identifier{Kind: identity.UserID, Value: id})
}

// What was under way when somebody was erased does not come after it, also not
// after a restart.
func TestErasedSayNothing(t *testing.T) {
	b := newBed(t)
	ctx := context.Background()
	ada, phone := b.person("ada"), b.person("phone")
	b.record(phone, "personalization", consent.Given, monday)
	_, err := b.Erase(ctx, ada, "token")
	check(t, err)
	for range 2 {
		if r := b.record(ada, "personalization", consent.Given, b.now); r.Sequence != 0 || b.state(ada, "personalization") != consent.Withdrawn {
			t.Errorf("a yes counts: %+v", r)
		}
		check(t, b.Link(ctx, phone, ada, "", b.now))
		if _, linked := b.book.User(phone); linked {
			t.Error("a visitor is linked with somebody who was erased")
		}
		if h, err := b.History(ctx, ada); err != nil || len(h) != 1 || !h[0].Erased {
			t.Errorf("%+v, %v", h, err)
		}
		b = b.again()
	}
}

// entering tells when a message is on its way to the log.
type entering struct {
	Log
	entered chan struct{}
}

func (e entering) AppendChoice(ctx context.Context, m event.ChoiceMessage) (uint64, error) {
	close(e.entered)
	return e.Log.AppendChoice(ctx, m)
}

// Whoever erases a visitor does not erase the user with whom the visitor is being
// linked at that moment.
func TestEraseVisitorWhileLinked(t *testing.T) {
	b := newBed(t)
	ctx := context.Background()
	for i := range 20 {
		bob, phone := b.person(fmt.Sprint("bob ", i)), b.person(fmt.Sprint("phone ", i))
		b.record(bob, "personalization", consent.Given, monday)
		entered, done := make(chan struct{}), make(chan error)
		linking := New(b.d, b.keys, entering{b.log, entered}, b.book, b.vault, func() time.Time { return b.now })
		linking.people = b.Choices.people
		go func() { done <- linking.Link(ctx, phone, bob, "", b.now) }()
		<-entered
		_, err := b.Erase(ctx, phone, "visitor token")
		check(t, errors.Join(err, <-done))
		if b.state(bob, "personalization") != consent.Given || b.person(fmt.Sprint("bob ", i)) != bob {
			t.Fatalf("round %d: the user was erased too", i)
		}
	}
}

// Of two erasures at once neither is done while the id still leads to the person.
func TestEraseTwiceAtOnce(t *testing.T) {
	b := newBed(t)
	for i := range 30 {
		id := fmt.Sprint("ada ", i)
		ada := b.person(id)
		l := b.keys.Hasher().Lookup(identity.Identifier{Kind: identity.UserID, Value: id})
		done := make(chan error, 2)
		for range 2 {
			go func() {
				_, err := b.Erase(context.Background(), ada, "token")
				if token, known, e := b.keys.Find(l); known || e != nil {
					err = errors.Join(err, fmt.Errorf("round %d: the id leads to %v, %v", i, token, e))
				}
				done <- err
			}()
		}
		check(t, errors.Join(<-done, <-done))
	}
}
