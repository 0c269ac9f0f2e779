package collect

import (
	"bytes"
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"accord/internal/choices"
	"accord/internal/consent"
	"accord/internal/declare"
	"accord/internal/event"
	"accord/internal/eventlog"
	"accord/internal/identity"
	"accord/internal/law"
	"accord/internal/signal"
	"accord/internal/vault"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// shopYAML has a purpose of every sort, and events whose fields part ways.
const shopYAML = `
version: 1
controller: {id: shop, name: Shop, contact: privacy@example.com, country: DE}
receipts: {retention: 36 months}
purposes:
  orders: {basis: contract, text: To deliver.}
  personalization: {basis: consent, text: To suggest., use: [personalization], categories: [functional, personal], engines: [recommend]}
  model_training: {basis: consent, text: To learn., use: [model_training], valid: 24 months}
  stats: {basis: legitimate_interest, text: To count., use: [analytics, targeted_advertising]}
identifiers:
  user_id: {category: account, purposes: [orders, personalization, model_training, stats], retention: 6 years, text: Your account.}
  anonymous_id: {category: device, purposes: [orders, personalization, model_training, stats], retention: 6 years, text: Your browser.}
attributes:
  email: {type: string, category: contact, purposes: [orders], retention: 24 months}
  likes: {type: categories, category: taste, purposes: [personalization], retention: 24 months}
  size: {type: integer, category: taste, purposes: [personalization], retention: 24 months}
events:
  Product Viewed:
    action: view
    fields:
      product_id: {type: item, category: interest, purposes: [personalization, model_training], retention: 13 months}
      secs: {type: number, category: interest, purposes: [stats], retention: 13 months}
      new: {type: boolean, category: interest, purposes: [personalization], retention: 13 months}
      since: {type: time, category: interest, purposes: [personalization], retention: 13 months}
  Order Completed:
    action: purchase
    fields:
      order_id: {type: string, category: purchase, purposes: [orders], retention: 6 years}
      total: {type: money, category: purchase, purposes: [orders], retention: 6 years}
      "products[].product_id": {type: item, category: purchase, purposes: [orders, personalization], retention: 24 months}
      "products[].quantity": {type: quantity, category: purchase, purposes: [orders, personalization], retention: 24 months}
  Page Viewed:
    fields:
      path: {type: string, category: use, purposes: [personalization], retention: 13 months}
context:
  device.type: {type: string, category: device, purposes: [personalization], retention: 13 months}
`

func declaration(t testing.TB) *declare.Declaration {
	t.Helper()
	d, err := declare.Parse("shop.yaml", []byte(shopYAML))
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func signals(t testing.TB) *signal.Table {
	t.Helper()
	table, err := signal.Embedded(law.Embedded())
	if err != nil {
		t.Fatal(err)
	}
	return table
}

// clock is the time of a test.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) pass(d time.Duration) time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
	return c.now
}

// bed is the house as far as an event sees it, on a real log and a real vault.
type bed struct {
	*Collector
	t       testing.TB
	dir     string
	clock   *clock
	keys    *vault.Keys
	log     *eventlog.Log
	vault   *vault.Vault
	book    *consent.Book
	gate    *consent.Gate
	choices *choices.Choices
	close   func()
}

var monday = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

func newBed(t testing.TB) *bed {
	return openBed(t, t.TempDir(), &clock{now: monday})
}

func openBed(t testing.TB, dir string, clock *clock) *bed {
	t.Helper()
	ctx := context.Background()
	d := declaration(t)
	b := &bed{t: t, dir: dir, clock: clock}
	var err error
	check := func() {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	b.keys, err = vault.OpenKeys(filepath.Join(dir, "keys"), d)
	check()
	b.log, err = eventlog.Open(ctx, eventlog.Options{Dir: filepath.Join(dir, "log")})
	check()
	b.book = consent.NewBook(d, consent.AnyNotice, consent.NoLaw)
	b.gate = consent.NewGate(d, b.book)
	b.vault, err = vault.Open(filepath.Join(dir, "state"), d, b.keys, b.gate, clock.Now)
	check()
	b.choices = choices.New(d, b.keys, b.log, b.book, b.vault, clock.Now)
	err = b.choices.Replay(ctx)
	check()
	b.gate.Open()
	b.Collector = New(Config{Declaration: d, Gate: b.gate, Book: b.book, Keys: b.keys, Log: b.log, State: b.vault, Choices: b.choices, Now: clock.Now,
		Law: law.Embedded(), Signals: signals(t)})
	follow, stop := context.WithCancel(ctx)
	var owned sync.WaitGroup
	owned.Go(func() {
		if err := b.log.Follow(follow, b.vault.Applied(), b.vault.Apply); err != nil && follow.Err() == nil {
			t.Errorf("follow: %v", err)
		}
	})
	b.close = sync.OnceFunc(func() {
		stop()
		owned.Wait()
		for _, err := range []error{b.log.Close(ctx), b.vault.Close(), b.keys.Close()} {
			if err != nil {
				t.Errorf("close: %v", err)
			}
		}
	})
	t.Cleanup(b.close)
	return b
}

// again closes the bed and opens it on the same directory.
func (b *bed) again() *bed {
	b.t.Helper()
	b.close()
	return openBed(b.t, b.dir, b.clock)
}

// catchUp waits until everything that is in the log is folded.
func (b *bed) catchUp() {
	b.t.Helper()
	ends, err := b.log.Ends(context.Background())
	if err != nil {
		b.t.Fatal(err)
	}
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(2 * time.Millisecond) {
		behind := false
		for i, applied := range b.vault.Applied()[:len(ends)] {
			behind = behind || applied < ends[i]
		}
		if !behind {
			return
		}
		if time.Now().After(deadline) {
			b.t.Fatalf("the fold does not reach %v", ends)
		}
	}
}

func server() identity.Speaker { return identity.Server() }

// send collects a body with the shop's own word.
func (b *bed) send(kind, body string) Result {
	b.t.Helper()
	return b.sendAs(server(), kind, body)
}

func (b *bed) sendAs(who identity.Speaker, kind, body string) Result {
	b.t.Helper()
	r, err := b.Collect(context.Background(), Request{Source: "web", Speaker: who, Kind: kind, Received: b.clock.Now(), Body: []byte(body)})
	if err != nil {
		b.t.Fatalf("%s %.200s: %v", kind, body, err)
	}
	if r.Accepted != r.Kept+r.Dropped+r.Duplicate+r.Bad {
		b.t.Errorf("%+v: the parts are not the sum", r)
	}
	return r
}

func (b *bed) find(kind identity.Kind, id string) (identity.Token, bool) {
	b.t.Helper()
	t, ok, err := b.keys.Find(b.keys.Hasher().Lookup(identity.Identifier{Kind: kind, Value: id}))
	if err != nil {
		b.t.Fatal(err)
	}
	return t, ok
}

// user returns the token of a user, made if there is none.
func (b *bed) user(id string) identity.Token {
	b.t.Helper()
	ts, err := b.keys.Ensure(context.Background(), []identity.Lookup{b.keys.Hasher().Lookup(identity.Identifier{Kind: identity.UserID, Value: id})})
	if err != nil {
		b.t.Fatal(err)
	}
	return ts[0]
}

// chooses records a choice as the privacy page does.
func (b *bed) chooses(t identity.Token, purpose declare.PurposeID, s consent.State, at time.Time) {
	b.t.Helper()
	if _, err := b.choices.Record(context.Background(), t, []consent.Choice{{Purpose: purpose, State: s, At: at, Method: "api"}}); err != nil {
		b.t.Fatal(err)
	}
}

func (b *bed) state(t identity.Token, purpose declare.PurposeID) consent.State {
	b.t.Helper()
	i, ok := b.Declaration.Purpose(purpose)
	if !ok {
		b.t.Fatalf("no purpose %s", purpose)
	}
	return b.book.Present(t, i).State
}

// held returns every value in the log that opens, as "path[index]=value", with
// the purposes that admitted it.
func (b *bed) held() (out []string) {
	b.t.Helper()
	b.catchUp()
	ends, err := b.log.Ends(context.Background())
	if err != nil {
		b.t.Fatal(err)
	}
	for stream, end := range ends {
		for seq := uint64(1); seq <= end; seq++ {
			f, err := b.log.Read(context.Background(), stream, seq)
			if err != nil {
				b.t.Fatal(err)
			}
			for i := range f.Records {
				out = append(out, b.values(&f.Records[i])...)
			}
		}
	}
	return out
}

func (b *bed) values(r *event.Record) (out []string) {
	b.t.Helper()
	plain, err := b.keys.Open(nil, &r.Header, r.Sealed)
	if err == vault.ErrNoKey {
		return nil
	}
	if err != nil {
		b.t.Fatal(err)
	}
	var p event.Piece
	if err := event.DecodePiece(plain, &p); err != nil {
		b.t.Fatal(err)
	}
	class, _ := b.Declaration.Class(r.Class)
	for _, f := range p.Fields {
		field, ok := b.Declaration.FieldByID(f.ID)
		if !ok || field.Class != class {
			b.t.Errorf("a piece of class %d holds field %d", r.Class, f.ID)
			continue
		}
		v := f.Value.Text
		switch f.Value.Kind {
		case event.ValueNumber:
			v = fmt.Sprint(f.Value.Num)
		case event.ValueInteger, event.ValueBoolean, event.ValueTime:
			v = fmt.Sprint(f.Value.Int)
		}
		var purposes []string
		for i, purpose := range b.Declaration.Purposes {
			if class.Set(r.Mask).Has(declare.PurposeIndex(i)) {
				purposes = append(purposes, string(purpose.ID))
			}
		}
		out = append(out, fmt.Sprintf("%s#%d=%s for %s", field.Path, f.Index, v, strings.Join(purposes, "+")))
	}
	return out
}

// views returns how many interactions an engine would see.
func (b *bed) views(t identity.Token, purpose declare.PurposeID) int {
	b.t.Helper()
	b.catchUp()
	i, _ := b.Declaration.Purpose(purpose)
	grant, why := b.gate.Ask(t, i, consent.Where{}, b.clock.Now())
	if why != consent.Allowed {
		return 0
	}
	v, err := b.vault.View(context.Background(), grant)
	if err != nil {
		b.t.Fatal(err)
	}
	return len(v.Interactions())
}

// onDisk reports whether any file of the bed holds the text.
func (b *bed) onDisk(text string) bool {
	b.t.Helper()
	found := false
	err := filepath.WalkDir(b.dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		body, err := os.ReadFile(path)
		found = found || bytes.Contains(body, []byte(text))
		return err
	})
	if err != nil {
		b.t.Fatal(err)
	}
	return found
}

// event writes a JSON event: parts are members.
func ev(parts ...string) string { return "{" + strings.Join(parts, ",") + "}" }

func batchOf(events ...string) string { return `{"batch":[` + strings.Join(events, ",") + `]}` }

const (
	viewed  = `"type":"track","event":"Product Viewed"`
	ordered = `"type":"track","event":"Order Completed"`
	ada     = `"userId":"ada"`
)

func id(s string) string { return `"messageId":"` + s + `"` }

func at(t time.Time) string { return `"timestamp":"` + t.Format(time.RFC3339Nano) + `"` }
