package choices

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"testing"
	"time"

	"accord/internal/consent"
	"accord/internal/event"
	"accord/internal/identity"
)

// cut is a log that is killed after so many messages: the next is on disk or not,
// and its writer hears an error.
type cut struct {
	Log
	left    int
	written bool
}

var errCut = errors.New("killed")

func (c *cut) AppendChoice(ctx context.Context, m event.ChoiceMessage) (uint64, error) {
	c.left--
	if c.left >= 0 {
		return c.Log.AppendChoice(ctx, m)
	}
	if c.left == -1 && c.written {
		if _, err := c.Log.AppendChoice(ctx, m); err != nil {
			return 0, err
		}
	}
	return 0, errCut
}

// The person's own signatures in linkedLife; a retry brings the very same ones.
type linkedWords struct{ give, withdraw *consent.Signature }

func newLinkedWords(t *testing.T) linkedWords {
	t.Helper()
	return linkedWords{sign(t, consent.Given, monday), sign(t, consent.Withdrawn, monday)}
}

// linkedLife is what one person does with a phone and a tablet, which somebody
// else uses too.
func linkedLife(b *bed, words linkedWords) []func() error {
	ctx := context.Background()
	ada, phone, tablet, bob := b.person("ada"), b.person("phone"), b.person("tablet"), b.person("bob")
	say := func(t identity.Token, s consent.State) func() error {
		return func() error {
			_, err := b.Record(ctx, t, []consent.Choice{{Purpose: "personalization", State: s, At: b.now, Method: "api"}})
			return err
		}
	}
	message := func(n int) event.ID { return event.ID(fmt.Appendf(nil, "message number %d", n)) }
	choice := func(s consent.State, n int) []consent.Choice {
		id := message(n)
		return []consent.Choice{{Purpose: "personalization", State: s, At: b.now, Method: "api", Message: hex.EncodeToString(id[:])}}
	}
	signed := func(t identity.Token, s consent.State, n int, signature *consent.Signature) func() error {
		return func() error {
			_, err := b.RecordSigned(ctx, t, choice(s, n), signature)
			return err
		}
	}
	// heard is a message that a queue may bring again.
	heard := func(t identity.Token, s consent.State, n int) func() error {
		return func() error {
			p, _ := b.d.Purpose("personalization")
			if ended, given := b.Heard(t, message(n)); (ended | given).Has(p) {
				return nil
			}
			_, err := b.Record(ctx, t, choice(s, n))
			return err
		}
	}
	return []func() error{
		say(ada, consent.Given),
		say(phone, consent.Refused),
		func() error { return b.Link(ctx, phone, ada, "secret key", b.now) }, // the refusal wins
		func() error { return b.Link(ctx, phone, ada, "secret key", b.now) },
		say(ada, consent.Given), // both
		func() error { return b.Link(ctx, tablet, ada, "secret key", b.now) },
		say(tablet, consent.Withdrawn), // all three
		say(phone, consent.Given),      // all three
		func() error { return b.Link(ctx, tablet, bob, "secret key", b.now) },
		say(bob, consent.Refused), // Bob and the tablet
		func() error { return b.Unlink(ctx, phone, ada, "visitor token") },
		say(ada, consent.Withdrawn), // Ada alone
		func() error { return b.Link(ctx, phone, ada, "secret key", b.now) },
		signed(ada, consent.Given, 1, words.give), // both
		heard(phone, consent.Withdrawn, 2),        // both
		signed(ada, consent.Given, 1, words.give), // comes again
		heard(phone, consent.Given, 3),            // both
		heard(phone, consent.Withdrawn, 2),        // comes again
		signed(phone, consent.Withdrawn, 4, words.withdraw),
		heard(ada, consent.Given, 3), // comes again, by whichever token
		signed(phone, consent.Given, 1, words.give),
	}
}

// standing is what the gate allows to each.
func standing(b *bed) string {
	out := ""
	p, _ := b.d.Purpose("personalization")
	for _, who := range []string{"ada", "phone", "tablet", "bob"} {
		_, r := b.gate.Ask(b.person(who), p, consent.Where{}, b.now)
		out += fmt.Sprint(who, " ", r == consent.Allowed, ", ")
	}
	return out
}

// Issue 3: links with crashes between every two steps. Whatever was on disk when
// the log was cut, after a restart nobody is allowed more than the step before or
// the one that was under way allows, and whoever repeats that and goes on comes to
// where an undisturbed run comes. A signature and a message that were cut count when
// they come again, and no more after that.
func TestLinkedLifeCut(t *testing.T) {
	steps := []string{}
	whole := newBed(t)
	words := newLinkedWords(t)
	for _, step := range linkedLife(whole, words) {
		check(t, step())
		steps = append(steps, standing(whole))
	}
	last, err := whole.log.LastChoice(context.Background())
	check(t, err)
	want := []string{
		2: "ada false, phone false, tablet false, bob false, ",
		4: "ada true, phone true, tablet false, bob false, ",
		5: "ada true, phone true, tablet false, bob false, ",
		6: "ada false, phone false, tablet false, bob false, ",
		7: "ada true, phone true, tablet true, bob false, ",
		// The tablet's consent narrows nobody, and gives Bob nothing.
		8:  "ada true, phone true, tablet true, bob false, ",
		9:  "ada true, phone true, tablet false, bob false, ",
		10: "ada true, phone true, tablet false, bob false, ",
		11: "ada false, phone true, tablet false, bob false, ",
		12: "ada false, phone false, tablet false, bob false, ",
		13: "ada true, phone true, tablet false, bob false, ",
		14: "ada false, phone false, tablet false, bob false, ",
		15: "ada false, phone false, tablet false, bob false, ",
		16: "ada true, phone true, tablet false, bob false, ",
		17: "ada true, phone true, tablet false, bob false, ",
		18: "ada false, phone false, tablet false, bob false, ",
		19: "ada false, phone false, tablet false, bob false, ",
		20: "ada false, phone false, tablet false, bob false, ",
	}
	for i, w := range want {
		if w != "" && steps[i] != w {
			t.Errorf("after step %d: %s, want %s", i, steps[i], w)
		}
	}
	for n := range int(last) {
		for _, written := range []bool{false, true} {
			linkedLifeCut(t, words, steps, n, written)
		}
	}
}

func linkedLifeCut(t *testing.T, words linkedWords, steps []string, n int, written bool) {
	b := newBed(t)
	b.Choices.log = &cut{Log: b.log, left: n, written: written}
	at := 0
	for i, step := range linkedLife(b, words) {
		if err := step(); errors.Is(err, errCut) {
			at = i
			break
		} else {
			check(t, err)
		}
	}
	b = b.again()
	defer b.close()
	before := "ada false, phone false, tablet false, bob false, "
	if at > 0 {
		before = steps[at-1]
	}
	// Between the steps of a choice of several tokens the stricter one decides, so
	// nobody has what neither state allows.
	if got := standing(b); got != before && got != steps[at] && !narrower(got, before, steps[at]) {
		t.Errorf("cut after %d messages (%v), in step %d: %s, between %s and %s", n, written, at, got, before, steps[at])
	}
	for i, step := range linkedLife(b, words)[at:] {
		check(t, step())
		if got := standing(b); got != steps[at+i] {
			t.Errorf("cut after %d messages (%v): repeated step %d comes to %s, want %s", n, written, at+i, got, steps[at+i])
		}
	}
}

// narrower reports whether got allows nobody what none of the others does.
func narrower(got string, others ...string) bool {
	var who, allowed [4]string
	scan := func(s string) {
		fmt.Sscanf(s, "%s %s %s %s %s %s %s %s", &who[0], &allowed[0], &who[1], &allowed[1], &who[2], &allowed[2], &who[3], &allowed[3])
	}
	may := [4]bool{}
	for _, o := range others {
		scan(o)
		for i := range allowed {
			may[i] = may[i] || allowed[i] == "true,"
		}
	}
	scan(got)
	for i := range allowed {
		if allowed[i] == "true," && !may[i] {
			return false
		}
	}
	return true
}

// A choice reaches every linked token, and what was kept for what it ends is
// destroyed under each; what nobody proved stays with the token that was named.
func TestChoiceReachesLinked(t *testing.T) {
	b := newBed(t)
	ctx := context.Background()
	ada, phone := b.person("ada"), b.person("phone")
	b.record(ada, "personalization", consent.Given, monday)
	b.record(phone, "personalization", consent.Given, monday)
	check(t, b.Link(ctx, phone, ada, "secret key", b.now))
	b.makeKeys(ada)
	b.makeKeys(phone)
	p, _ := b.d.Purpose("personalization")
	_, err := b.Record(ctx, phone, []consent.Choice{{Purpose: "personalization", State: consent.Refused, Proof: identity.Unproven.String()}})
	check(t, err)
	if _, r := b.gate.Ask(ada, p, consent.Where{}, b.now); r != consent.DeniedRefused || b.state(ada, "personalization") != consent.Given {
		t.Errorf("an unproven refusal: Ada is %v and has %v", r, b.state(ada, "personalization"))
	}
	if b.living(ada) != "abcd" || b.living(phone) != "abcd" {
		t.Errorf("an unproven refusal destroyed: %s %s", b.living(ada), b.living(phone))
	}
	if b.book.Certain(ada, p, true) {
		t.Error("Ada has not ended it yet")
	}
	b.record(ada, "personalization", consent.Withdrawn, monday)
	if b.state(phone, "personalization") != consent.Withdrawn || !b.book.Certain(phone, p, true) {
		t.Errorf("the phone has %v", b.state(phone, "personalization"))
	}
	for _, who := range []identity.Token{ada, phone} {
		if b.living(who) != "cd" {
			t.Errorf("after the withdrawal %s live", b.living(who))
		}
	}
	b = b.again()
	if u, ok := b.book.User(phone); !ok || u != ada {
		t.Error("the link is gone after a restart")
	}
	if err := b.Link(ctx, ada, phone, "", b.now); !errors.Is(err, ErrCrowded) {
		t.Errorf("a user as the visitor of a visitor: %v", err)
	}
	if err := b.Link(ctx, ada, ada, "", b.now); !errors.Is(err, ErrCrowded) {
		t.Errorf("a visitor of themselves: %v", err)
	}
	for i := 1; i < consent.MaxLinked-1; i++ {
		check(t, b.Link(ctx, b.person(fmt.Sprint("tablet ", i)), ada, "", b.now))
	}
	if err := b.Link(ctx, b.person("one more"), ada, "", b.now); !errors.Is(err, ErrCrowded) {
		t.Errorf("one visitor too many: %v", err)
	}
	b.record(ada, "stats", consent.Objected, monday)
	if b.state(b.person("tablet 62"), "stats") != consent.Objected {
		t.Error("the objection did not reach the last tablet")
	}
}

// Old links that decide nothing are pruned, and living ones are not.
func TestPruneLinks(t *testing.T) {
	b := newBed(t)
	ctx := context.Background()
	ada, bob, phone := b.person("ada"), b.person("bob"), b.person("phone")
	check(t, b.Link(ctx, phone, ada, "", b.now))
	check(t, b.Link(ctx, phone, bob, "", b.now))
	check(t, b.Unlink(ctx, phone, bob, ""))
	check(t, b.Link(ctx, phone, ada, "", b.now))
	b.now = b.now.AddDate(4, 0, 0)
	check(t, b.Pass(ctx))
	h, err := b.History(ctx, phone)
	check(t, err)
	if len(h) != 1 || h[0].Link == nil || h[0].Link.Other != ada {
		t.Errorf("left: %+v", h)
	}
	b = b.again()
	if u, _ := b.book.User(phone); u != ada {
		t.Error("a living link was pruned")
	}
}

// A stop is durable and in force when Stop returns; in doubt it is in force, and
// said again it is durable.
func TestStop(t *testing.T) {
	b := newBed(t)
	ctx := context.Background()
	ada := b.person("ada")
	b.record(ada, "personalization", consent.Given, monday)
	p, _ := b.d.Purpose("personalization")
	ask := func() consent.Reason { _, r := b.gate.Ask(ada, p, consent.Where{}, b.now); return r }
	stop := consent.Stop{Kind: consent.StopPurpose, Name: "personalization", Why: "a complaint"}
	for _, bad := range []consent.Stop{{}, {Kind: "all", Name: "x", Why: "x"}, {Kind: "purpose", Name: "x", Why: "x"}, {Kind: "all"}, {Kind: "source", Why: "x"}} {
		if err := b.Stop(ctx, bad); !errors.Is(err, ErrInvalid) {
			t.Errorf("%+v: %v", bad, err)
		}
	}
	b.Choices.log = &cut{Log: b.log}
	if err := b.Stop(ctx, stop); !errors.Is(err, errCut) || ask() != consent.DeniedStopped {
		t.Errorf("in doubt: %v, %v", err, ask())
	}
	b.Choices.log = b.log
	for range 2 {
		check(t, b.Stop(ctx, stop))
	}
	b.now = b.now.AddDate(9, 0, 0) // it outlives every retention
	check(t, b.Pass(ctx))
	b.now = monday
	b = b.again()
	if l := b.book.Stops(); len(l) != 1 || l[0].Why != "a complaint" || !l[0].Since.Equal(monday) || ask() != consent.DeniedStopped {
		t.Errorf("after a restart %+v, %v", l, ask())
	}
	stop.Resume = true
	check(t, b.Stop(ctx, stop))
	b = b.again()
	if ask() != consent.Allowed {
		t.Errorf("after its end: %v", ask())
	}
	if n, err := b.log.LastChoice(ctx); err != nil || n != 3 {
		t.Errorf("%d messages, %v: what is so already was recorded again", n, err)
	}
}

// Two tokens of one person choose at once, and are linked and unlinked meanwhile:
// nobody waits for ever, and afterwards a choice makes them agree.
func TestLinkedAtOnce(t *testing.T) {
	b := newBed(t)
	ctx := context.Background()
	ada, phone := b.person("ada"), b.person("phone")
	done := make(chan error, 3)
	say := func(who identity.Token) {
		for i := range 30 {
			s := []consent.State{consent.Given, consent.Withdrawn}[i%2]
			if _, err := b.Record(ctx, who, []consent.Choice{{Purpose: "personalization", State: s, At: b.now}}); err != nil {
				done <- err
				return
			}
		}
		done <- nil
	}
	go say(ada)
	go say(phone)
	go func() {
		for range 15 {
			if err := errors.Join(b.Link(ctx, phone, ada, "", b.now), b.Unlink(ctx, phone, ada, "")); err != nil {
				done <- err
				return
			}
		}
		done <- nil
	}()
	for range 3 {
		select {
		case err := <-done:
			check(t, err)
		case <-time.After(time.Minute):
			t.Fatal("they wait for each other")
		}
	}
	check(t, b.Link(ctx, phone, ada, "", b.now))
	b.record(ada, "personalization", consent.Given, monday)
	p, _ := b.d.Purpose("personalization")
	for _, who := range []identity.Token{ada, phone} {
		if _, r := b.gate.Ask(who, p, consent.Where{}, b.now); r != consent.Allowed {
			t.Errorf("%v", r)
		}
	}
}

// A visitor's yes is the visitor's alone; what the user gives reaches both, and so
// does what either ends.
func TestVisitorGivesForItself(t *testing.T) {
	b := newBed(t)
	ctx := context.Background()
	ada, phone := b.person("ada"), b.person("phone")
	p, _ := b.d.Purpose("personalization")
	say := func(who identity.Token, s consent.State, proof string) {
		b.now = b.now.Add(time.Second)
		_, err := b.Record(ctx, who, []consent.Choice{{Purpose: "personalization", State: s, Method: "api", Proof: proof}})
		check(t, err)
	}
	check(t, b.Link(ctx, phone, ada, "secret key", b.now))
	say(ada, consent.Refused, identity.ByShop.String())
	for _, proof := range []string{identity.ByVisitor.String(), "import: " + identity.ByVisitor.String()} {
		say(phone, consent.Given, proof)
		if b.state(ada, "personalization") != consent.Refused || b.state(phone, "personalization") != consent.Given {
			t.Errorf("%s: Ada has %v, the phone %v", proof, b.state(ada, "personalization"), b.state(phone, "personalization"))
		}
		for _, who := range []identity.Token{ada, phone} {
			if _, r := b.gate.Ask(who, p, consent.Where{}, b.now); r != consent.DeniedRefused {
				t.Errorf("%s: %v", proof, r)
			}
		}
	}
	say(ada, consent.Given, identity.ByShop.String())
	say(phone, consent.Withdrawn, identity.ByVisitor.String())
	if b.state(ada, "personalization") != consent.Withdrawn {
		t.Error("what the visitor ended did not reach Ada")
	}
	say(ada, consent.Given, identity.ByShop.String())
	if b.state(phone, "personalization") != consent.Given {
		t.Error("the user's yes did not reach the phone")
	}
}

// A message that a crash kept from one of the linked tokens is not taken for heard:
// it comes again and reaches the rest, then it is. A yes that is the visitor's alone
// is heard at once.
func TestHeardByAll(t *testing.T) {
	b := newBed(t)
	ctx := context.Background()
	ada, phone := b.person("ada"), b.person("phone")
	p, _ := b.d.Purpose("personalization")
	check(t, b.Link(ctx, phone, ada, "server key", b.now))
	b.record(ada, "personalization", consent.Given, b.now)
	withdraw := []consent.Choice{{Purpose: "personalization", State: consent.Withdrawn, Message: hex.EncodeToString([]byte("message number 1"))}}
	b.Choices.log = &cut{Log: b.log, left: 1}
	if _, err := b.Record(ctx, phone, withdraw); !errors.Is(err, errCut) {
		t.Fatal(err)
	}
	b = b.again()
	if ended, _ := b.Heard(phone, event.ID([]byte("message number 1"))); ended.Has(p) {
		t.Error("heard, and Ada's own choice is not ended")
	}
	_, err := b.Record(ctx, phone, withdraw)
	check(t, err)
	if ended, _ := b.Heard(phone, event.ID([]byte("message number 1"))); !ended.Has(p) || b.state(ada, "personalization") != consent.Withdrawn {
		t.Errorf("heard %b, and Ada has %v", ended, b.state(ada, "personalization"))
	}
	b.now = b.now.Add(time.Second)
	check(t, b.Link(ctx, b.person("tablet"), ada, "server key", b.now))
	if ended, _ := b.Heard(phone, event.ID([]byte("message number 1"))); !ended.Has(p) {
		t.Error("whoever is linked afterwards makes an old message new")
	}
	_, err = b.Record(ctx, phone, []consent.Choice{{Purpose: "personalization", State: consent.Given, Proof: identity.ByVisitor.String(), Message: hex.EncodeToString([]byte("message number 2"))}})
	check(t, err)
	if _, given := b.Heard(phone, event.ID([]byte("message number 2"))); !given.Has(p) {
		t.Error("the visitor's own yes is not heard")
	}
}
