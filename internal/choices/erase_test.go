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
