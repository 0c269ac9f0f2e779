package consent

import (
	"testing"
	"time"

	"accord/internal/declare"
	"accord/internal/identity"
)

var (
	noon = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	ann  = identity.Token{0: 1, 15: 1}
	bob  = identity.Token{0: 2, 15: 1} // of Ann's shard
)

// declaration returns one with those purposes (YAML below "purposes:").
func declaration(tb testing.TB, purposes string) *declare.Declaration {
	tb.Helper()
	d, err := declare.Parse("accord.yaml", []byte(`version: 1
controller: {id: shop, name: Shop, contact: privacy@example.com, country: DE}
receipts: {retention: 36 months}
purposes:
`+purposes))
	if err != nil {
		tb.Fatal(err)
	}
	return d
}

// Every basis, and consents that run out: purpose ids are those of the bases.
const everyBasis = `  consent: {basis: consent, text: x}
  short: {basis: consent, text: x, valid: 30 days}
  contract: {basis: contract, text: x}
  legal_obligation: {basis: legal_obligation, text: x}
  legitimate_interest: {basis: legitimate_interest, text: x}
  opt_out: {basis: opt_out, text: x}
attributes:
  all: {type: string, category: c, retention: 1 year, purposes: [consent, short, contract, legal_obligation, legitimate_interest, opt_out]}
  some: {type: string, category: c, retention: 1 year, purposes: [contract]}
`

// library knows two versions of the notice of everyBasis: "now", and "older",
// which said less of consent.
type library struct{}

func (library) covers(version string, p declare.PurposeID) bool {
	return version == "now" || version == "older" && p != "consent"
}

// The purposes in the order of their bits.
var everyPurpose = []declare.PurposeID{"consent", "contract", "legal_obligation", "legitimate_interest", "opt_out", "short"}

func (l library) Covered(version string) (s declare.Set, known bool) {
	for i, p := range everyPurpose {
		if l.covers(version, p) {
			s = s.With(declare.PurposeIndex(i))
		}
	}
	return s, version == "now" || version == "older"
}

func (library) Version(string) string { return "now" }

// desk is a book with its gate and the class of all purposes.
type desk struct {
	declaration *declare.Declaration
	book        *Book
	gate        *Gate
	all, some   *declare.Class
}

func newDesk(tb testing.TB) *desk { return newDeskWith(tb, AnyNotice) }

func newDeskWith(tb testing.TB, notices Notices) *desk {
	tb.Helper()
	d := declaration(tb, everyBasis)
	all, _ := d.Attribute("all")
	some, _ := d.Attribute("some")
	book := NewBook(d, notices, NoLaw)
	gate := NewGate(d, book)
	gate.Open()
	return &desk{declaration: d, book: book, gate: gate, all: all.Class, some: some.Class}
}

func (d *desk) purpose(id declare.PurposeID) declare.PurposeIndex {
	p, ok := d.declaration.Purpose(id)
	if !ok {
		panic("no purpose " + id)
	}
	return p
}

// say applies one choice of Ann's that was made when it was accepted.
func (d *desk) say(sequence uint64, id declare.PurposeID, s State, at time.Time) {
	d.book.Apply(Record{Controller: "shop", Token: ann, Sequence: sequence, Accepted: at,
		Choices: []Choice{{Purpose: id, State: s, At: at}}})
}

// ask asks for Ann.
func (d *desk) ask(id declare.PurposeID, now time.Time) (Grant, Reason) {
	return d.gate.Ask(ann, d.purpose(id), Where{}, now)
}
