package held

import (
	"context"
	"errors"
	"log/slog"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"accord/internal/choices"
	"accord/internal/consent"
	"accord/internal/declare"
	"accord/internal/event"
	"accord/internal/eventlog"
	"accord/internal/identity"
	"accord/internal/vault"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const declaration = `
version: 1
controller: {id: shop, name: Shop, contact: privacy@shop.example, country: DE}
receipts: {retention: 36 months}
purposes:
  orders: {basis: contract, text: To deliver what you order.}
  personalization: {basis: consent, text: To show you what you may like., valid: 6 months}
  statistics: {basis: consent, text: To count.}
attributes:
  email: {type: string, category: contact, purposes: [orders], retention: 2 years}
events:
  Product Viewed:
    action: view
    fields:
      product_id: {type: item, category: behaviour, purposes: [personalization, statistics], retention: 13 months}
      color: {type: string, category: behaviour, purposes: [personalization, statistics], retention: 13 months}
`

// bed is a reader over real keepers.
type bed struct {
	t       testing.TB
	d       *declare.Declaration
	keys    *vault.Keys
	log     *eventlog.Log
	state   *vault.Vault
	gate    *consent.Gate
	book    *consent.Book
	choices *choices.Choices
	reader  *Reader
	token   identity.Token
	skew    time.Duration // of the reader's clock
	records int
}

func parse(t testing.TB, text string) *declare.Declaration {
	t.Helper()
	d, err := declare.Parse("accord.yaml", []byte(text))
	must(t, err)
	return d
}

func newBed(t testing.TB) *bed {
	t.Helper()
	dir := t.TempDir()
	b := &bed{t: t, d: parse(t, declaration)}
	var err error
	b.keys, err = vault.OpenKeys(filepath.Join(dir, "keys"), b.d)
	must(t, err)
	b.log, err = eventlog.Open(t.Context(), eventlog.Options{Dir: filepath.Join(dir, "log"), Logger: slog.New(slog.DiscardHandler)})
	must(t, err)
	b.book = consent.NewBook(b.d, consent.AnyNotice, consent.NoLaw)
	b.gate = consent.NewGate(b.d, b.book)
	b.state, err = vault.Open(filepath.Join(dir, "state"), b.d, b.keys, b.gate, time.Now)
	must(t, err)
	b.choices = choices.New(b.d, b.keys, b.log, b.book, b.state, time.Now)
	b.gate.Open()
	ctx, stop := context.WithCancel(context.Background())
	followed := make(chan error, 1)
	go func() { followed <- b.log.Follow(ctx, b.state.Applied(), b.state.Apply) }()
	t.Cleanup(func() {
		stop()
		<-followed
		must(t, errors.Join(b.state.Close(), b.log.Close(context.Background()), b.keys.Close()))
	})
	tokens, err := b.keys.Ensure(t.Context(), []identity.Lookup{{1}})
	must(t, err)
	b.token = tokens[0]
	b.reader = New(b.d, b.gate, b.book, b.state, b.log, b.keys, b.now)
	return b
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func (b *bed) now() time.Time { return time.Now().Add(b.skew) }

func (b *bed) choose(purpose declare.PurposeID, s consent.State) {
	b.t.Helper()
	_, err := b.choices.Record(b.t.Context(), b.token, []consent.Choice{{Purpose: purpose, State: s, At: time.Now(), Method: "api"}})
	must(b.t, err)
}

// seal makes a record that was admitted now for what holds now.
func (b *bed) seal(class declare.ClassID, kind event.Kind, piece *event.Piece) event.Record {
	b.t.Helper()
	now := time.Now()
	a := b.gate.Admit(b.token, now, consent.Where{}, now)
	r := event.Record{Header: event.Header{Token: b.token, Class: class, Kind: kind, Choice: a.Sequence, Accepted: now.UnixMilli()}}
	if c, ok := b.d.Class(class); ok {
		r.Mask = c.Mask(a.Holds & c.Purposes)
	}
	b.records++
	r.ID[0], r.ID[1] = byte(b.records), byte(b.records>>8)
	must(b.t, b.keys.Prepare(b.t.Context(), []vault.Need{{Token: b.token, Class: class}}))
	plain := []byte(`{}`)
	if piece != nil {
		plain = event.AppendPiece(nil, piece)
	}
	var err error
	r.Sealed, err = b.keys.Seal(nil, &r.Header, plain)
	must(b.t, err)
	return r
}

func (b *bed) append(records ...event.Record) {
	b.t.Helper()
	must(b.t, b.log.Append(b.t.Context(), records))
	ends, err := b.log.Ends(b.t.Context())
	must(b.t, err)
	for behind := true; behind; runtime.Gosched() {
		must(b.t, b.t.Context().Err())
		behind = false
		for i, applied := range b.state.Applied()[:len(ends)] {
			behind = behind || applied < ends[i]
		}
	}
}

// viewed is somebody's look at a product.
func (b *bed) viewed() event.Record {
	e := &b.d.Events[0]
	f, _ := e.Field("product_id")
	c, _ := e.Field("color")
	piece := event.Piece{Event: e.ID, At: time.Now().UnixMilli(), Fields: []event.Field{
		{ID: f.ID, Value: event.Value{Kind: event.ValueString, Text: "P-1"}}, {ID: c.ID, Value: event.Value{Kind: event.ValueString, Text: "red"}}}}
	slices.SortFunc(piece.Fields, func(a, b event.Field) int { return int(int64(a.ID) - int64(b.ID)) })
	return b.seal(f.Class.ID, event.KindPiece, &piece)
}

func (b *bed) read() (r Report) {
	b.t.Helper()
	r, err := b.reader.Read(b.t.Context(), b.token)
	must(b.t, err)
	return r
}

// of returns what is told of a field, as it stands first.
func (r Report) of(path string) Values {
	for _, v := range r.Values {
		if v.Field.Path == path {
			return v
		}
	}
	return Values{}
}

// A record is counted once however often it is in the log, with all its fields;
// receipts are counted by themselves.
func TestEachRecordCountsOnce(t *testing.T) {
	b := newBed(t)
	b.choose("personalization", consent.Given)
	one := b.viewed()
	b.append(one)
	b.append(one, b.viewed())
	b.append(b.seal(declare.ClassReceipt, event.KindReceipt, nil))
	r := b.read()
	if p, c := r.of("product_id"), r.of("color"); p.Count != 2 || c.Count != 2 || p.Until.IsZero() || r.Partial || len(r.Values) != 2 {
		t.Errorf("%+v", r)
	}
	if r.Receipts.Count != 1 || r.Undeclared.Count != 0 {
		t.Errorf("receipts %+v", r.Receipts)
	}
	if r, err := b.reader.Read(t.Context(), identity.Token{9}); err != nil || len(r.Values) != 0 {
		t.Errorf("of somebody else: %+v, %v", r, err)
	}
}

// A consent that ends before the retention ends what lives for it alone, and not
// what something else keeps.
func TestUntilWhen(t *testing.T) {
	b := newBed(t)
	b.choose("personalization", consent.Given)
	b.append(b.viewed())
	months := func() int {
		v := b.read().of("product_id")
		return int(v.Until.Sub(v.Since).Hours()/24/30 + 0.5)
	}
	if got := months(); got != 6 {
		t.Errorf("with one consent of six months it is held for %d months", got)
	}
	b.skew = 200 * 24 * time.Hour
	if v := b.read().of("product_id"); v.Count != 1 || v.Used != 0 || v.Until.Sub(b.now()).Round(time.Hour) != passes {
		t.Errorf("with a consent that has run out, before the daily pass: %+v", v)
	}
	b.skew = 0
	b.choose("statistics", consent.Given)
	if got := months(); got != 13 {
		t.Errorf("with one that does not end, for %d months", got)
	}
	b.skew = 14 * 31 * 24 * time.Hour
	if v := b.read().of("product_id"); v.Count != 0 {
		t.Errorf("after its retention: %+v", v)
	}
}

// What nothing may use and what the declaration no longer names is there, and is
// told as that.
func TestWhatNothingUses(t *testing.T) {
	b := newBed(t)
	b.choose("personalization", consent.Given)
	b.append(b.viewed())
	b.choose("statistics", consent.Given) // keeps the key, and reaches nothing of before
	b.choose("personalization", consent.Withdrawn)
	v := b.read().of("product_id")
	if v.Count != 1 || v.For != 0 || v.Used != 0 {
		t.Errorf("with a living key and no purpose: %+v", v)
	}
	b.append(b.viewed())
	without := parse(t, strings.Replace(declaration, "      color: {type: string, category: behaviour, purposes: [personalization, statistics], retention: 13 months}\n", "", 1))
	r, err := New(without, b.gate, b.book, b.state, b.log, b.keys, b.now).Read(t.Context(), b.token)
	must(t, err)
	if r.Undeclared.Count != 2 || len(r.Values) == 0 {
		t.Errorf("without one field: %+v", r)
	}
	gone := parse(t, strings.ReplaceAll(declaration, "13 months", "12 months"))
	r, err = New(gone, b.gate, b.book, b.state, b.log, b.keys, b.now).Read(t.Context(), b.token)
	must(t, err)
	if r.Undeclared.Count != 4 || len(r.Values) != 0 {
		t.Errorf("without the class: %+v", r)
	}
	c, _ := b.d.Events[0].Field("product_id")
	must(t, b.keys.Destroy(t.Context(), b.token, c.Class.ID))
	if r = b.read(); len(r.Values) != 0 {
		t.Errorf("with its key destroyed: %+v", r.Values)
	}
}

// Of an attribute only the newest value is used; those of before are held all the same.
func TestWhatANewerValueReplaced(t *testing.T) {
	b := newBed(t)
	f, _ := b.d.Attribute("email")
	at := time.Now()
	for _, minutes := range []time.Duration{2, 3, 1} {
		b.append(b.seal(f.Class.ID, event.KindPiece, &event.Piece{At: at.Add(minutes * time.Minute).UnixMilli(), Fields: []event.Field{{ID: f.ID, Value: event.Value{Kind: event.ValueString, Text: "a"}}}}))
	}
	counts := map[bool]int{}
	for _, v := range b.read().Values {
		counts[v.Used != 0] += v.Count
	}
	if counts[true] != 1 || counts[false] != 2 {
		t.Errorf("used and not: %v", counts)
	}
	must(t, b.choices.Stop(t.Context(), consent.Stop{Kind: consent.StopAttribute, Name: "email", Why: "test"}))
	for _, v := range b.read().Values {
		if v.Used != 0 || v.For == 0 {
			t.Errorf("of a stopped attribute: %+v", v)
		}
	}
}

// A read is bounded and says so, and what is damaged keeps nobody from the rest.
func TestWhatIsNotCountedIsSaid(t *testing.T) {
	b := newBed(t)
	b.choose("personalization", consent.Given)
	for range 3 {
		b.append(b.viewed())
	}
	b.reader.frames = 2
	if r := b.read(); !r.Partial || r.of("product_id").Count != 2 {
		t.Errorf("of three frames two: %+v", r)
	}
	b.reader.frames, b.reader.bytes = MaxFrames, 1
	if r := b.read(); !r.Partial || r.of("product_id").Count != 1 {
		t.Errorf("of many bytes one: %+v", r)
	}
	b.reader.bytes = MaxBytes
	bad := b.viewed()
	bad.Sealed[len(bad.Sealed)-1] ^= 1
	b.append(bad)
	if r := b.read(); !r.Partial || r.of("product_id").Count != 3 {
		t.Errorf("with a damaged record: %+v", r)
	}
	for range readers {
		b.reader.places <- struct{}{}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := b.reader.Read(ctx, b.token); !errors.Is(err, context.Canceled) {
		t.Errorf("while others read: %v", err)
	}
}
