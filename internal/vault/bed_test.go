package vault

import (
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"accord/internal/consent"
	"accord/internal/declare"
	"accord/internal/event"
	"accord/internal/identity"
	"accord/internal/profile"
)

const testDeclaration = `
version: 1
controller: {id: shop, name: Shop, contact: privacy@shop.example, country: DE}
receipts: {retention: 36 months}
purposes:
  orders: {basis: contract, text: To deliver what you order.}
  personalization: {basis: consent, text: To show you what you may like., valid: 24 months}
  newsletter: {basis: consent, text: To write to you.}
attributes:
  email: {type: string, category: contact, purposes: [orders, newsletter], retention: 2 years}
events:
  Product Viewed:
    action: view
    fields:
      product_id: {type: item, category: behaviour, purposes: [personalization], retention: 13 months}
  Banner Seen:
    action: view
    fields:
      product_id: {type: item, category: behaviour, purposes: [personalization], retention: 10 days}
  Order Completed:
    action: purchase
    fields:
      products[].product_id: {type: item, category: purchase, purposes: [orders, personalization], retention: 24 months}
      products[].quantity: {type: quantity, category: purchase, purposes: [orders, personalization], retention: 24 months}
`

// start is when the tests' clock starts: in the middle of a month.
var start = time.Date(2026, 5, 14, 12, 0, 0, 0, time.UTC)

// bed is a vault with all that stands around it, without a log.
type bed struct {
	t       testing.TB
	dir     string
	d       *declare.Declaration
	keys    *Keys
	book    *consent.Book
	gate    *consent.Gate
	vault   *Vault
	time    atomic.Int64 // the clock, Unix milliseconds
	choices uint64       // sequence of the last choice
	message uint64       // number of the last message
}

func newBed(t testing.TB) *bed {
	t.Helper()
	d, err := declare.Parse("accord.yaml", []byte(testDeclaration))
	if err != nil {
		t.Fatal(err)
	}
	b := &bed{t: t, dir: t.TempDir(), d: d}
	b.time.Store(start.UnixMilli())
	b.book = consent.NewBook(d, consent.AnyNotice, consent.NoLaw)
	b.gate = consent.NewGate(d, b.book)
	b.gate.Open()
	if b.keys, err = OpenKeys(filepath.Join(b.dir, "keys"), d); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := errors.Join(b.vault.Close(), b.keys.Close()); err != nil {
			t.Error(err)
		}
	})
	b.vault = b.open("state")
	return b
}

func (b *bed) now() time.Time { return time.UnixMilli(b.time.Load()) }

func (b *bed) pass(d time.Duration) { b.time.Add(d.Milliseconds()) }

func (b *bed) open(name string) *Vault {
	b.t.Helper()
	v, err := Open(filepath.Join(b.dir, name), b.d, b.keys, b.gate, b.now)
	if err != nil {
		b.t.Fatal(err)
	}
	return v
}

// reopen closes the vault and opens it again.
func (b *bed) reopen() {
	b.t.Helper()
	if err := b.vault.Close(); err != nil {
		b.t.Fatal(err)
	}
	b.vault = b.open("state")
}

func (b *bed) purpose(name declare.PurposeID) declare.PurposeIndex {
	b.t.Helper()
	p, ok := b.d.Purpose(name)
	if !ok {
		b.t.Fatalf("no purpose %s", name)
	}
	return p
}

func (b *bed) person(i int) identity.Token {
	b.t.Helper()
	return ensure(b.t, b.keys, lookup(i))[0]
}

func (b *bed) choose(token identity.Token, purpose declare.PurposeID, state consent.State) {
	b.choices++
	b.book.Apply(consent.Record{Controller: "shop", Token: token, Sequence: b.choices, Accepted: b.now(),
		Choices: []consent.Choice{{Purpose: purpose, State: state, At: b.now(), Method: "test"}}})
}

// withdraw does what package choices does: the choice, then the keys of classes
// in which nothing holds any more, then their state.
func (b *bed) withdraw(token identity.Token, purpose declare.PurposeID) {
	b.t.Helper()
	b.choose(token, purpose, consent.Withdrawn)
	holds := b.gate.Admit(token, b.now(), consent.Where{}, b.now()).Holds
	for i := range b.d.Classes {
		c := &b.d.Classes[i]
		if c.Purposes == 0 || c.Purposes&holds != 0 {
			continue
		}
		if err := b.keys.Destroy(context.Background(), token, c.ID); err != nil {
			b.t.Fatal(err)
		}
		if err := b.vault.Drop(token, c.ID); err != nil {
			b.t.Fatal(err)
		}
	}
}

type fieldValue struct {
	path  string
	index uint16
	value event.Value
}

func text(s string) event.Value { return event.Value{Kind: event.ValueString, Text: s} }

// records does what package collect does with a message: it splits it by class,
// admits, prepares and seals.
func (b *bed) records(token identity.Token, name string, at time.Time, fields ...fieldValue) []event.Record {
	b.t.Helper()
	b.message++
	var id event.ID
	binary.LittleEndian.PutUint64(id[:], b.message*0x9e3779b97f4a7c15)
	binary.LittleEndian.PutUint64(id[8:], b.message*0xff51afd7ed558ccd)
	return b.recordsOf(id, token, name, at, fields...)
}

func (b *bed) recordsOf(id event.ID, token identity.Token, name string, at time.Time, fields ...fieldValue) []event.Record {
	b.t.Helper()
	admitted := b.gate.Admit(token, at, consent.Where{}, b.now())
	pieces := map[*declare.Class]*event.Piece{}
	var order []*declare.Class
	for _, f := range fields {
		declared, ok := b.field(name, f.path)
		if !ok {
			b.t.Fatalf("%s has no field %s", name, f.path)
		}
		c := declared.Class
		if c.Purposes&admitted.Holds == 0 {
			continue
		}
		p := pieces[c]
		if p == nil {
			p = &event.Piece{At: at.UnixMilli()}
			if e, ok := b.d.Event(name); ok {
				p.Event = e.ID
			}
			pieces[c], order = p, append(order, c)
		}
		p.Fields = append(p.Fields, event.Field{ID: declared.ID, Index: f.index, Value: f.value})
	}
	var out []event.Record
	for _, c := range order {
		h := event.Header{ID: id, Token: token, Class: c.ID, Mask: c.Mask(admitted.Holds), Kind: event.KindPiece,
			Choice: admitted.Sequence, Accepted: b.now().UnixMilli()}
		prepare(b.t, b.keys, Need{token, c.ID})
		sealed, err := b.keys.Seal(nil, &h, event.AppendPiece(nil, pieces[c]))
		if err != nil {
			b.t.Fatal(err)
		}
		out = append(out, event.Record{Header: h, Sealed: sealed})
	}
	return out
}

func (b *bed) field(name, path string) (*declare.Field, bool) {
	if e, ok := b.d.Event(name); ok {
		return e.Field(path)
	}
	return b.d.Attribute(path)
}

func (b *bed) viewed(token identity.Token, item string) []event.Record {
	b.t.Helper()
	return b.records(token, "Product Viewed", b.now(), fieldValue{"product_id", 0, text(item)})
}

func (b *bed) ordered(token identity.Token, items ...string) []event.Record {
	b.t.Helper()
	var fields []fieldValue
	for i, item := range items {
		fields = append(fields, fieldValue{"products[].product_id", uint16(i), text(item)},
			fieldValue{"products[].quantity", uint16(i), event.Value{Kind: event.ValueInteger, Int: int64(i + 1)}})
	}
	return b.records(token, "Order Completed", b.now(), fields...)
}

func (b *bed) apply(v *Vault, frames ...event.Frame) {
	b.t.Helper()
	for _, f := range frames {
		if err := v.Apply(f); err != nil {
			b.t.Fatal(err)
		}
	}
}

func frame(stream int, seq uint64, records ...[]event.Record) event.Frame {
	return event.Frame{Stream: stream, Sequence: seq, Records: slices.Concat(records...)}
}

// view asks the gate and returns what the view holds as sorted text; "denied"
// where the gate denies.
func (b *bed) view(v *Vault, token identity.Token, purpose declare.PurposeID) []string {
	b.t.Helper()
	g, reason := b.gate.Ask(token, b.purpose(purpose), consent.Where{}, b.now())
	if reason != consent.Allowed {
		return []string{"denied"}
	}
	view, err := v.View(context.Background(), g)
	if err != nil {
		b.t.Fatal(err)
	}
	return describe(view)
}

func describe(view profile.View) []string {
	out := []string{}
	for _, x := range view.Interactions() {
		out = append(out, fmt.Sprintf("%s×%v@%d/%d", x.Item, x.Quantity, x.At, x.Action))
	}
	if email, ok := view.Trait("email"); ok {
		out = append(out, "email "+email.Text)
	}
	slices.Sort(out)
	return out
}

// items returns the items of a view, sorted.
func (b *bed) items(v *Vault, token identity.Token, purpose declare.PurposeID) []string {
	b.t.Helper()
	g, reason := b.gate.Ask(token, b.purpose(purpose), consent.Where{}, b.now())
	if reason != consent.Allowed {
		return []string{"denied"}
	}
	view, err := v.View(context.Background(), g)
	if err != nil {
		b.t.Fatal(err)
	}
	out := []string{}
	for _, x := range view.Interactions() {
		out = append(out, x.Item)
	}
	slices.SortFunc(out, cmp.Compare[string])
	return out
}
