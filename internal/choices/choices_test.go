package choices

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"accord/internal/consent"
	"accord/internal/declare"
	"accord/internal/event"
	"accord/internal/eventlog"
	"accord/internal/identity"
	"accord/internal/vault"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const shopYAML = `
version: 1
controller: {id: shop, name: Shop, contact: privacy@example.com, country: DE}
receipts: {retention: 36 months}
purposes:
  orders: {basis: contract, text: To deliver.}
  personalization: {basis: consent, text: To suggest.}
  model_training: {basis: consent, text: To learn., valid: 24 months}
  stats: {basis: opt_out, text: To count.}
events:
  Thing:
    fields:
      a: {type: string, category: x, purposes: [personalization, model_training], retention: 1 months}
      b: {type: string, category: x, purposes: [personalization], retention: 1 months}
      c: {type: string, category: x, purposes: [orders, personalization], retention: 1 months}
      d: {type: string, category: x, purposes: [stats], retention: 1 months}
`

var monday = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

// bed is the choices on a real log, key store and state.
type bed struct {
	*Choices
	t     *testing.T
	d     *declare.Declaration
	dir   string
	now   time.Time
	log   *eventlog.Log
	keys  *vault.Keys
	vault *vault.Vault
	gate  *consent.Gate
	close func()
}

func newBed(t *testing.T) *bed { return openBed(t, t.TempDir()) }

func openBed(t *testing.T, dir string) *bed {
	t.Helper()
	d, err := declare.Parse("shop.yaml", []byte(shopYAML))
	check(t, err)
	return openBedOf(t, dir, d, consent.AnyNotice)
}

func openBedOf(t *testing.T, dir string, d *declare.Declaration, notices consent.Notices) *bed {
	t.Helper()
	b := &bed{t: t, d: d, dir: dir, now: monday}
	now := func() time.Time { return b.now }
	var err error
	b.keys, err = vault.OpenKeys(filepath.Join(dir, "keys"), d)
	check(t, err)
	b.log, err = eventlog.Open(context.Background(), eventlog.Options{Dir: filepath.Join(dir, "log")})
	check(t, err)
	book := consent.NewBook(d, notices, consent.NoLaw)
	b.gate = consent.NewGate(d, book)
	b.vault, err = vault.Open(filepath.Join(dir, "state"), d, b.keys, b.gate, now)
	check(t, err)
	b.Choices = New(d, b.keys, b.log, book, b.vault, now)
	b.close = sync.OnceFunc(func() {
		check(t, b.log.Close(context.Background()))
		check(t, b.vault.Close())
		check(t, b.keys.Close())
	})
	t.Cleanup(b.close)
	check(t, b.Replay(context.Background()))
	b.gate.Open()
	return b
}

func (b *bed) again() *bed {
	b.t.Helper()
	b.close()
	return openBed(b.t, b.dir)
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func (b *bed) person(id string) identity.Token {
	b.t.Helper()
	ts, err := b.keys.Ensure(context.Background(), []identity.Lookup{b.keys.Hasher().Lookup(identity.Identifier{Kind: identity.UserID, Value: id})})
	check(b.t, err)
	return ts[0]
}

func (b *bed) record(t identity.Token, purpose declare.PurposeID, s consent.State, at time.Time) consent.Record {
	b.t.Helper()
	r, err := b.Record(context.Background(), t, []consent.Choice{{Purpose: purpose, State: s, At: at, Method: "api"}})
	check(b.t, err)
	return r
}

func (b *bed) state(t identity.Token, purpose declare.PurposeID) consent.State {
	i, _ := b.d.Purpose(purpose)
	return b.book.Present(t, i).State
}

// class returns the class of a field of the event Thing.
func (b *bed) class(field string) declare.ClassID {
	e, _ := b.d.Event("Thing")
	f, ok := e.Field(field)
	if !ok {
		b.t.Fatalf("no field %s", field)
	}
	return f.Class.ID
}

// living returns which of the fields' classes have a key, as their names.
func (b *bed) living(t identity.Token) string {
	b.t.Helper()
	classes, err := b.keys.Classes(t)
	check(b.t, err)
	out := ""
	for _, f := range []string{"a", "b", "c", "d"} {
		if slices.Contains(classes, b.class(f)) {
			out += f
		}
	}
	return out
}

func (b *bed) makeKeys(t identity.Token) {
	b.t.Helper()
	var needs []vault.Need
	for _, f := range []string{"a", "b", "c", "d"} {
		needs = append(needs, vault.Need{Token: t, Class: b.class(f)})
	}
	check(b.t, b.keys.Prepare(context.Background(), needs))
}

// Promise 3: a choice is durable and in force before Record returns, and after a
// restart it is in force before the gate opens.
func TestDurable(t *testing.T) {
	b := newBed(t)
	ada := b.person("ada-lovelace")
	r, err := b.Record(context.Background(), ada, []consent.Choice{
		{Purpose: "personalization", State: consent.Given, At: monday.Add(-time.Hour), Method: "banner", Notice: "notice-seven", Language: "de", Proof: "visitor token"},
		{Purpose: "stats", State: consent.Objected, Method: "banner"},
	})
	check(t, err)
	if r.Sequence != 1 || len(r.Choices) != 2 || len(r.Late) != 0 || r.Controller != "shop" || r.Token != ada || !r.Choices[1].At.Equal(monday) {
		t.Errorf("%+v", r)
	}
	for _, when := range []string{"at once", "after a restart"} {
		if s := b.state(ada, "personalization"); s != consent.Given {
			t.Errorf("%s: %v", when, s)
		}
		if s := b.state(ada, "stats"); s != consent.Objected {
			t.Errorf("%s: %v", when, s)
		}
		h, err := b.History(context.Background(), ada)
		check(t, err)
		if diff := cmp.Diff([]consent.Record{r}, h); diff != "" {
			t.Errorf("%s: history (-recorded +read):\n%s", when, diff)
		}
		b = b.again()
	}
	if h, err := b.History(context.Background(), b.person("bob")); err != nil || len(h) != 0 {
		t.Errorf("somebody else's history: %v, %v", h, err)
	}
	b.close()
	check(t, filepath.WalkDir(b.dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		body, err := os.ReadFile(path)
		for _, text := range []string{"ada-lovelace", "notice-seven", "personalization"} {
			if bytes.Contains(body, []byte(text)) {
				t.Errorf("%s holds %q in the clear", path, text)
			}
		}
		return err
	}))
}

// A withdrawal destroys exactly what lived for it; what is held under another
// purpose that holds, or under a contract, stays.
func TestEnds(t *testing.T) {
	for _, c := range []struct {
		name   string
		given  []declare.PurposeID
		ended  declare.PurposeID
		state  consent.State
		living string
	}{
		{"both run, one ends", []declare.PurposeID{"personalization", "model_training"}, "personalization", consent.Withdrawn, "acd"},
		{"the only one ends", []declare.PurposeID{"personalization"}, "personalization", consent.Withdrawn, "cd"},
		{"the other one ends", []declare.PurposeID{"personalization"}, "model_training", consent.Refused, "abcd"},
		{"an objection", nil, "stats", consent.Objected, "abc"},
		{"a refusal of what never held", nil, "personalization", consent.Refused, "cd"},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := newBed(t)
			ada, bob := b.person("ada"), b.person("bob")
			for _, p := range c.given {
				b.record(ada, p, consent.Given, monday)
			}
			b.makeKeys(ada)
			b.makeKeys(bob)
			b.record(ada, c.ended, c.state, monday)
			if got := b.living(ada); got != c.living {
				t.Errorf("keys of %q live, want %q", got, c.living)
			}
			if got := b.living(bob); got != "abcd" {
				t.Errorf("of somebody else, keys of %q live", got)
			}
			if h, err := b.History(context.Background(), ada); err != nil || len(h) != len(c.given)+1 {
				t.Errorf("the proof of the choices is gone: %v, %v", h, err)
			}
		})
	}
}

// Old news never widens.
func TestLate(t *testing.T) {
	hour := func(n int) time.Time { return monday.Add(time.Duration(n) * time.Hour) }
	const given, refused, withdrawn = consent.Given, consent.Refused, consent.Withdrawn
	for _, c := range []struct {
		name    string
		said    []consent.Choice // one record each; the last one is tried
		state   consent.State
		late    bool
		covered int // the hour from which events are covered
	}{
		{"given, then given earlier", []consent.Choice{{State: given, At: hour(-2)}, {State: given, At: hour(-4)}}, given, true, -2},
		{"withdrawn, then given earlier", []consent.Choice{{State: given, At: hour(-9)}, {State: withdrawn, At: hour(-2)}, {State: given, At: hour(-4)}}, withdrawn, true, 0},
		{"refused, then given earlier", []consent.Choice{{State: refused, At: hour(-2)}, {State: given, At: hour(-4)}}, refused, true, 0},
		{"withdrawn, then given at the same time", []consent.Choice{{State: withdrawn, At: hour(-2)}, {State: given, At: hour(-2)}}, given, false, -2},
		{"given, then withdrawn earlier: narrows", []consent.Choice{{State: given, At: hour(-2)}, {State: withdrawn, At: hour(-4)}}, withdrawn, false, 0},
		{"withdrawn, then refused earlier, then given in between", []consent.Choice{{State: given, At: hour(-60)}, {State: withdrawn, At: hour(-1)}, {State: refused, At: hour(-50)}, {State: given, At: hour(-40)}}, refused, true, 0},
		{"renewed, then an older renewal", []consent.Choice{{State: given, At: hour(-9)}, {State: given, At: hour(-1)}, {State: given, At: hour(-5)}}, given, true, -9},
		{"of the future", []consent.Choice{{State: given, At: hour(1000)}}, given, false, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := newBed(t)
			ada := b.person("ada")
			var last consent.Record
			for _, choice := range c.said {
				choice.Purpose = "model_training"
				var err error
				last, err = b.Record(context.Background(), ada, []consent.Choice{choice})
				check(t, err)
			}
			if late := len(last.Late) == 1 && len(last.Choices) == 0; late != c.late {
				t.Errorf("%+v", last)
			}
			for range 2 {
				if s := b.state(ada, "model_training"); s != c.state {
					t.Errorf("%v, want %v", s, c.state)
				}
				i, _ := b.d.Purpose("model_training")
				if p := b.book.Present(ada, i); c.state == given {
					if !time.UnixMilli(p.At).Equal(hour(c.covered)) {
						t.Errorf("covered from %v, want %v", time.UnixMilli(p.At).UTC(), hour(c.covered))
					}
					newest := c.said[0].At
					for _, s := range c.said {
						if s.At.After(newest) {
							newest = s.At
						}
					}
					if newest.After(monday) {
						newest = monday
					}
					if until := b.d.Purposes[i].Valid.After(newest).UnixMilli(); p.Until != until {
						t.Errorf("until %v, want %v", time.UnixMilli(p.Until).UTC(), time.UnixMilli(until).UTC())
					}
				}
				h, err := b.History(context.Background(), ada)
				check(t, err)
				if len(h) != len(c.said) {
					t.Errorf("%d records kept as evidence, want %d", len(h), len(c.said))
				}
				b = b.again()
			}
		})
	}
	t.Run("within one record", func(t *testing.T) {
		b := newBed(t)
		ada := b.person("ada")
		r, err := b.Record(context.Background(), ada, []consent.Choice{
			{Purpose: "personalization", State: withdrawn, At: hour(-2)}, {Purpose: "personalization", State: given, At: hour(-4)},
		})
		check(t, err)
		if len(r.Late) != 1 || b.state(ada, "personalization") != withdrawn {
			t.Errorf("%+v", r)
		}
		bob := b.person("bob")
		b.record(bob, "personalization", withdrawn, hour(-1))
		r, err = b.Record(context.Background(), bob, []consent.Choice{
			{Purpose: "personalization", State: refused, At: hour(-50)}, {Purpose: "personalization", State: given, At: hour(-40)},
		})
		check(t, err)
		if len(r.Late) != 1 || b.state(bob, "personalization") != refused {
			t.Errorf("%+v", r)
		}
	})
}

func TestInvalid(t *testing.T) {
	b := newBed(t)
	ada := b.person("ada")
	for _, c := range []struct {
		name   string
		who    identity.Token
		choice consent.Choice
	}{
		{"nobody", identity.Token{}, consent.Choice{Purpose: "stats", State: consent.Given}},
		{"no such purpose", ada, consent.Choice{Purpose: "nonsense", State: consent.Given}},
		{"a contract", ada, consent.Choice{Purpose: "orders", State: consent.Withdrawn}},
		{"unset", ada, consent.Choice{Purpose: "stats"}},
		{"no such state", ada, consent.Choice{Purpose: "stats", State: 9}},
		{"long", ada, consent.Choice{Purpose: "stats", State: consent.Given, Notice: strings.Repeat("x", MaxText+1)}},
		{"no time", ada, consent.Choice{Purpose: "stats", State: consent.Given, At: time.Date(12000, 1, 1, 0, 0, 0, 0, time.UTC)}},
	} {
		if _, err := b.Record(context.Background(), c.who, []consent.Choice{c.choice}); !errors.Is(err, ErrInvalid) {
			t.Errorf("%s: %v", c.name, err)
		}
	}
	many := slices.Repeat([]consent.Choice{{Purpose: "stats", State: consent.Given}}, MaxChoices+1)
	if _, err := b.Record(context.Background(), ada, many); !errors.Is(err, ErrInvalid) {
		t.Errorf("too many: %v", err)
	}
	if r, err := b.Record(context.Background(), ada, nil); err != nil || r.Sequence != 0 {
		t.Errorf("nothing: %+v, %v", r, err)
	}
	if h, err := b.History(context.Background(), ada); err != nil || len(h) != 0 {
		t.Errorf("%v, %v", h, err)
	}
}

// brokenKeys cannot destroy.
type brokenKeys struct{ Keys }

var errBroken = errors.New("broken")

func (brokenKeys) Destroy(context.Context, identity.Token, ...declare.ClassID) error {
	return errBroken
}

// A crash between the choice and the destruction is made good at the next start.
func TestDestroysAtStart(t *testing.T) {
	b := newBed(t)
	ada := b.person("ada")
	b.record(ada, "personalization", consent.Given, monday)
	b.makeKeys(ada)
	b.Choices.keys = brokenKeys{b.keys}
	r, err := b.Record(context.Background(), ada, []consent.Choice{{Purpose: "personalization", State: consent.Withdrawn, At: monday}})
	if !errors.Is(err, ErrLate) || !errors.Is(err, errBroken) || r.Sequence != 2 {
		t.Fatalf("%+v, %v", r, err)
	}
	if i, _ := b.d.Purpose("personalization"); b.state(ada, "personalization") != consent.Withdrawn {
		t.Error("the choice is not in force")
	} else if _, why := b.gate.Ask(ada, i, consent.Where{}, monday); why != consent.DeniedWithdrawn {
		t.Errorf("the gate says %v", why)
	}
	if got := b.living(ada); got != "abcd" {
		t.Fatalf("keys of %q live", got)
	}
	// Who says it again waits until it is done, and is told that it is not.
	if _, err := b.Record(context.Background(), ada, nil); !errors.Is(err, ErrLate) {
		t.Errorf("said again: %v", err)
	}
	b.Choices.keys = b.keys
	if _, err := b.Record(context.Background(), ada, nil); err != nil || b.living(ada) != "cd" {
		t.Errorf("said again: %v, keys of %q live", err, b.living(ada))
	}
	b.makeKeys(ada)
	b = b.again()
	if got := b.living(ada); got != "cd" {
		t.Errorf("after a restart, keys of %q live", got)
	}
}

// brokenLog takes no choice.
type brokenLog struct{ Log }

func (brokenLog) AppendChoice(context.Context, event.ChoiceMessage) (uint64, error) {
	return 0, errBroken
}

// Nobody who hangs up leaves a choice on disk that is not in force.
func TestHangsUp(t *testing.T) {
	b := newBed(t)
	ada := b.person("ada")
	b.record(ada, "personalization", consent.Given, monday)
	for range 25 {
		ctx, cancel := context.WithCancel(context.Background())
		go cancel()
		_, err := b.Record(ctx, ada, []consent.Choice{{Purpose: "personalization", State: consent.Withdrawn, At: monday}})
		if s := b.state(ada, "personalization"); (err == nil) != (s == consent.Withdrawn) {
			t.Fatalf("%v: %v is in force", err, s)
		}
		h, err := b.History(context.Background(), ada)
		check(t, err)
		if last := h[len(h)-1].Choices[0].State; last != b.state(ada, "personalization") {
			t.Fatalf("%v is on disk, %v in force", last, b.state(ada, "personalization"))
		}
		b.record(ada, "personalization", consent.Given, monday)
	}
}

// No choice that widens is in force before it is durable; one that narrows is
// when nobody knows.
func TestLogFails(t *testing.T) {
	b := newBed(t)
	ada := b.person("ada")
	b.Choices.log = brokenLog{b.log}
	if _, err := b.Record(context.Background(), ada, []consent.Choice{{Purpose: "personalization", State: consent.Given, At: monday}}); !errors.Is(err, errBroken) {
		t.Errorf("%v", err)
	}
	if s := b.state(ada, "personalization"); s != consent.Unset {
		t.Errorf("%v", s)
	}
	if _, err := b.Record(context.Background(), ada, []consent.Choice{{Purpose: "stats", State: consent.Objected, At: monday}}); !errors.Is(err, errBroken) {
		t.Errorf("%v", err)
	}
	if s := b.state(ada, "stats"); s != consent.Objected {
		t.Errorf("an objection that may be durable: %v", s)
	}
	b.Choices.log = b.log
	b.record(ada, "stats", consent.Given, monday)
	if s := b.state(ada, "stats"); s != consent.Given {
		t.Errorf("the next choice: %v", s)
	}
}

// Choices of one person at once come into force in the order of their sequences:
// what is in force is what a replay makes of the stream.
func TestAtOnce(t *testing.T) {
	b := newBed(t)
	people := []identity.Token{b.person("a"), b.person("b"), b.person("c")}
	var group sync.WaitGroup
	for w := range 12 {
		group.Go(func() {
			for i := range 8 {
				p := people[(w+i)%len(people)]
				state := []consent.State{consent.Given, consent.Withdrawn}[(w+i/3)%2]
				_, err := b.Record(context.Background(), p, []consent.Choice{{Purpose: "personalization", State: state, At: monday}})
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	group.Wait()
	before := fmt.Sprint(b.presents(people))
	b = b.again()
	if after := fmt.Sprint(b.presents(people)); after != before {
		t.Errorf("in force: %s\nreplayed: %s", before, after)
	}
}

func (b *bed) presents(people []identity.Token) (out [][]consent.Present) {
	for _, p := range people {
		presents, _ := b.book.Presents(p)
		out = append(out, presents)
	}
	return out
}

// Direct tells choices made here from those that events report.
func TestDirect(t *testing.T) {
	b := newBed(t)
	ada := b.person("ada")
	personalization, _ := b.d.Purpose("personalization")
	stats, _ := b.d.Purpose("stats")
	b.record(ada, "personalization", consent.Withdrawn, monday)
	_, err := b.Record(context.Background(), ada, []consent.Choice{{Purpose: "stats", State: consent.Objected, Method: MethodEvent}})
	check(t, err)
	for range 2 {
		if d := b.Direct(ada); !d.Has(personalization) || d.Has(stats) {
			t.Errorf("%b", d)
		}
		b = b.again()
	}
	// A preference that ends what is ended takes nothing from the person's word;
	// one that gives does.
	event := func(state consent.State) {
		_, err := b.Record(context.Background(), ada, []consent.Choice{{Purpose: "personalization", State: state, Method: MethodEvent}})
		check(t, err)
	}
	event(consent.Refused)
	if d := b.Direct(ada); !d.Has(personalization) {
		t.Errorf("%b", d)
	}
	event(consent.Given)
	event(consent.Withdrawn)
	for range 2 {
		if d := b.Direct(ada); d != 0 {
			t.Errorf("%b", d)
		}
		b = b.again()
	}
}

// A choice that cannot be read keeps the server from starting, since it might be
// a withdrawal: one that was tampered with, one whose key is gone.
func TestReplay(t *testing.T) {
	b := newBed(t)
	ada, bob := b.person("ada"), b.person("bob")
	b.record(ada, "personalization", consent.Given, monday)
	b.record(bob, "personalization", consent.Given, monday)
	r := consent.Record{Controller: "shop", Token: bob, Accepted: monday, Choices: []consent.Choice{{Purpose: "stats", State: consent.Objected}}}
	m, err := b.seal(context.Background(), &r)
	check(t, err)
	m.Sealed[20]++ // its time of acceptance
	_, err = b.log.AppendChoice(context.Background(), m)
	check(t, err)
	fresh := New(b.d, b.keys, b.log, consent.NewBook(b.d, consent.AnyNotice, consent.NoLaw), b.vault, time.Now)
	if err := fresh.Replay(context.Background()); !errors.Is(err, vault.ErrTampered) {
		t.Errorf("%v, want ErrTampered", err)
	}
	check(t, b.keys.Destroy(context.Background(), ada, declare.ClassChoice))
	fresh = New(b.d, b.keys, b.log, consent.NewBook(b.d, consent.AnyNotice, consent.NoLaw), b.vault, time.Now)
	if err := fresh.Replay(context.Background()); !errors.Is(err, vault.ErrNoKey) {
		t.Errorf("%v, want ErrNoKey", err)
	}
}

// Record waits for the person's lock no longer than its context.
func TestGivesUp(t *testing.T) {
	b := newBed(t)
	ada := b.person("ada")
	unlock, err := b.lock(context.Background(), ada)
	check(t, err)
	defer unlock()
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := b.Record(ctx, ada, []consent.Choice{{Purpose: "stats", State: consent.Objected}}); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
}
