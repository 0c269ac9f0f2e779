// Package declare holds the declaration: the one file that says what a brand
// collects about people and why.
//
// The file (accord.yaml) names the controller, the purposes with their legal
// basis and their text in plain words, the identifiers by which people may be
// known, and every attribute and event field with its category, purposes,
// retention and sensitivity. [Parse] reads it strictly:
// an unknown key, a purpose without a text, a field without a purpose or a
// retention is an error that names the line. What is not declared is not kept.
//
// From the fields the package derives classes. A [Class] is all data with the
// same purposes and the same retention; it is the unit of sealing (one key per
// person and class), of framing and of expiry, so that the end of a purpose
// destroys exactly what lived for it.
//
//	d, err := declare.Parse("accord.yaml", text) // every fault with its line
//	e, ok := d.Event("Order Completed")
//	f, ok := e.Field("products[].price")
//	f.Class.Purposes // why it is kept; f.Class.Retention: how long
//
// Two classes belong to the system and stand in every declaration: [ClassChoice]
// and [ClassReceipt].
//
// Promises kept here: 4 (nothing undeclared is kept) and 10 (one declaration,
// four faces).
//
// Non-goals: deciding whether a basis holds for a person (package consent).
package declare

import (
	"slices"

	"accord/internal/identity"
)

// Limits of a declaration.
const (
	// MaxPurposes is how many purposes a declaration may have: a Set is 64 bits.
	MaxPurposes = 64
	// MaxClassPurposes is how many purposes one field may have: the purposes
	// that admitted a record are 16 bits of its header.
	MaxClassPurposes = 16
)

// Declaration is a parsed, checked and indexed accord.yaml. It does not change
// after Parse, so it is shared freely.
type Declaration struct {
	// Hash is the SHA-256 of the canonical content, in hexadecimal: the version
	// of the declaration. The notices written from it have versions of their own.
	Hash string

	// Languages in which the notice is written, BCP 47; the first is the one that
	// the file is written in. Grade is the school grade that every text of the
	// notice is meant to be readable at.
	Languages []string
	Grade     float64

	Controllers []ControllerInfo // at least one; the first is the default
	Purposes    []Purpose        // sorted by ID; a Set's bit i is Purposes[i]
	Identifiers []Identifier     // how people may be known, sorted by Kind
	Attributes  []Field          // traits of a person, sorted by Path
	Events      []Event          // sorted by Name
	Context     []Field          // fields below "context" that any event may keep, sorted by Path
	Classes     []Class          // derived, sorted by ID; the two of the system are among them
	ShopKeys    []string         // PEM public keys that sign the shop's tokens
	ShopJWKS    string           // where the shop publishes more of them, a JSON Web Key Set: an https address or a file; "" for nowhere

	// ReceiptRetention is how long receipts and choices are kept. The records
	// that prove a choice have the legal obligation to account for it as basis.
	ReceiptRetention Period

	// Facts are what the brand states of itself and no law can know, sorted: rules that
	// do not apply then do not count. See law.Code.Given for what can be stated.
	Facts []string

	Children *Children // nil where the declaration tells no ages apart

	index index
	texts map[string]Texts // by language; see Translate
}

// ControllerInfo is a brand that answers for the data.
type ControllerInfo struct {
	ID      identity.Controller
	Name    string
	Contact string // where a person writes to
	Country string // ISO 3166-1 alpha-2
}

// Children say who is a child, and what only a guardian may consent to for one.
type Children struct {
	Attribute string      // that holds a person's age band
	Child     []string    // its values that are a child's, sorted
	Bands     []Band      // its values of which an age is known, the youngest first
	Guardian  []PurposeID // sorted
	// Guarded is Guardian as a set.
	Guarded Set `json:"-"`
}

// Band is a value of an age band's attribute, and the youngest age in it: whoever
// may be a child under the law of a place counts as one.
type Band struct {
	Name string
	From int // years
}

// MaxBands is how many bands of age can be told apart.
const MaxBands = 14

// Band returns 1 + the position of a value of the attribute in Bands; 0 for one
// that says nothing of an age.
func (c *Children) Band(value string) int {
	if c == nil {
		return 0
	}
	return 1 + slices.IndexFunc(c.Bands, func(b Band) bool { return b.Name == value })
}

// IsChild reports whether a value of the attribute is a child's.
func (c *Children) IsChild(band string) bool {
	return c != nil && slices.Contains(c.Child, band)
}

// PurposeID is a purpose's name in the declaration, such as "personalization".
type PurposeID string

// Basis is the legal basis of a purpose.
type Basis uint8

// The legal bases. Consent needs a choice that gives; OptOut and
// LegitimateInterest hold until a choice objects; Contract and LegalObligation
// hold without a choice.
const (
	Consent Basis = iota + 1
	Contract
	LegalObligation
	LegitimateInterest
	OptOut
)

// ReceiptMode says when the receipt of a decision must be durable.
type ReceiptMode uint8

const (
	// ReceiptAfter: within a second of the answer.
	ReceiptAfter ReceiptMode = iota
	// ReceiptBefore: before the answer leaves. Always so where money or rights
	// are at stake.
	ReceiptBefore
)

// Purpose is what data is used for.
type Purpose struct {
	ID      PurposeID
	Basis   Basis
	Text    string // what the person reads, in plain words
	Title   string // a few words, as on a switch; "" where none is declared
	Without string // what changes for the person without it, or ""
	// Recipients are who receives the data beside the controller, as the notice
	// names them, sorted.
	Recipients []string
	Receipt    ReceiptMode // when a decision's receipt is durable
	// Categories are names under which consent managers speak of this purpose
	// (Segment's context.consent.categoryPreferences). The purpose's own ID is
	// always one. All of them must be true.
	Categories []string
	// Engines names the decision engines that may answer for this purpose, such
	// as "recommend". A purpose that names none cannot be decided on: data kept
	// under a contract must not turn into recommendations by asking differently.
	Engines []string
	// Valid is how long a consent lasts before it must be asked again. The zero
	// Period means until withdrawn.
	Valid Period
	// Show are the texts that go with every answer for this purpose, personal or
	// not, in the order of the file: whoever shows the answer shows them too. See
	// Declaration.Obligations for other languages.
	Show []Obligation
	// Signed says that only a consent with the person's own signature counts.
	Signed bool
	// Uses is how the data is used, as laws and signals tell uses apart.
	Uses Uses
}

// Obligation is a text that must be shown with an answer, such as how a price was
// made or how to reach a human.
type Obligation struct {
	Code string `json:"code" doc:"The obligation's name in the declaration" example:"human_contact"`
	Text string `json:"text" doc:"What to show, in plain words"`
}

// PurposeIndex is a purpose's position in Declaration.Purposes.
type PurposeIndex uint8

// Set is a set of purposes of one declaration, a bit each.
type Set uint64

// Has reports whether p is in s.
func (s Set) Has(p PurposeIndex) bool { return s>>p&1 == 1 }

// With returns s and p.
func (s Set) With(p PurposeIndex) Set { return s | 1<<p }

// Without returns s less p.
func (s Set) Without(p PurposeIndex) Set { return s &^ (1 << p) }

// NameID is the durable number of an event's or field's name: FNV-1a, 32 bits.
// Parse refuses a declaration in which two names collide. A number that the
// present declaration does not know cannot be read: it is undeclared.
type NameID uint32

// Type is the type of a field's value.
type Type uint8

// The types a field may have. Item is a product's id and Money an amount; both
// tell the profile what the value means. Categories are some of the catalogue's,
// a list that is one value: what a person says that they like or would rather not
// see. Only the attributes [Likes] and [Avoids] are of it.
const (
	String Type = iota + 1
	Number
	Integer
	Boolean
	Timestamp
	Item
	Quantity
	Money
	Categories
)

// The attributes by which a person tells what they prefer: categories of the
// catalogue that answers should hold more of, and less.
const (
	Likes  = "likes"
	Avoids = "avoids"
)

// Sensitivity of a field, as the notice and the law table ask for it.
type Sensitivity uint8

// Ordinary data, and the special categories of GDPR Art. 9.
const (
	Ordinary Sensitivity = iota
	Special
)

// Field is one declared value: a trait, or a value inside an event.
type Field struct {
	// Path is the field's place below "traits", "properties" or "context", such
	// as "order_id", "products[].price" or "device.type".
	Path        string
	ID          NameID // of "<event>/<path>", "trait/<path>" or "context/<path>"
	Type        Type
	Category    string // what sort of data it is: "purchase", "contact", …
	Sensitivity Sensitivity
	Purposes    []PurposeID
	Retention   Period
	Text        string // optional plain words for the notice
	Class       *Class // derived
}

// Identifier is a sort of id by which people may be known. What is not declared
// finds nobody. The id itself is never kept: it is found again by a keyed HMAC.
type Identifier struct {
	Kind      identity.Kind
	Category  string      // what sort of data it is
	Purposes  []PurposeID // for which of them a person may be known by it
	Retention Period
	Text      string // plain words for the notice
}

// Action is what an event means to a profile.
type Action uint8

// The actions. Other events are kept in the log but change no history.
const (
	NoAction Action = iota
	View
	Cart
	Purchase
	Like
	Dislike
)

// Event is a declared event: a Segment track, page or screen call by name.
type Event struct {
	Name   string
	ID     NameID
	Action Action
	Fields []Field // sorted by Path

	fields map[string]*Field // by Path
}

// ClassID names a class durably: FNV-1a of its sorted purposes and retention.
type ClassID uint32

// The classes of the system's own records. They stand in every declaration, are
// kept for Declaration.ReceiptRetention and name no purpose, so that no grant
// reads them. A brand cannot declare a field into them.
const (
	// ClassChoice seals what people chose. FNV-1a of "system/choice".
	ClassChoice ClassID = 0x2695a13a
	// ClassReceipt seals the receipts of decisions. FNV-1a of "system/receipt".
	ClassReceipt ClassID = 0x5b21e137
)

// Class is all data with the same purposes and retention.
type Class struct {
	ID        ClassID
	Purposes  Set
	Retention Period
	// order lists the class's purposes sorted by ID: bit i of a durable mask is
	// order[i], which stays true when the declaration gains other purposes.
	order []PurposeIndex
}

// Mask returns the durable form of those purposes in s that the class has.
func (c *Class) Mask(s Set) (mask uint16) {
	for i, p := range c.order {
		if s.Has(p) {
			mask |= 1 << i
		}
	}
	return mask
}

// Set returns the purposes that a durable mask stands for.
func (c *Class) Set(mask uint16) (s Set) {
	for i, p := range c.order {
		if mask>>i&1 == 1 {
			s = s.With(p)
		}
	}
	return s
}

// index finds parts of a declaration by name.
type index struct {
	purposes   map[PurposeID]PurposeIndex
	categories map[string]Set
	events     map[string]*Event
	eventIDs   map[NameID]*Event
	fields     map[NameID]*Field
	attributes map[string]*Field
	context    map[string]*Field
	classes    map[ClassID]*Class
	identifies map[identity.Kind]Set
}

// Purpose returns the position of a purpose.
func (d *Declaration) Purpose(id PurposeID) (PurposeIndex, bool) {
	p, ok := d.index.purposes[id]
	return p, ok
}

// Category returns the purposes that a consent manager's category belongs to.
func (d *Declaration) Category(name string) Set { return d.index.categories[name] }

// Event returns a declared event by name.
func (d *Declaration) Event(name string) (*Event, bool) {
	e, ok := d.index.events[name]
	return e, ok
}

// EventByID returns a declared event by its durable number.
func (d *Declaration) EventByID(id NameID) (*Event, bool) {
	e, ok := d.index.eventIDs[id]
	return e, ok
}

// Field returns a declared field of the event by its path, such as
// "products[].price".
func (e *Event) Field(path string) (*Field, bool) {
	f, ok := e.fields[path]
	return f, ok
}

// Attribute returns a declared trait by its path.
func (d *Declaration) Attribute(path string) (*Field, bool) {
	f, ok := d.index.attributes[path]
	return f, ok
}

// ContextField returns a declared field of the context by its path.
func (d *Declaration) ContextField(path string) (*Field, bool) {
	f, ok := d.index.context[path]
	return f, ok
}

// FieldByID returns a declared field by its durable number.
func (d *Declaration) FieldByID(id NameID) (*Field, bool) {
	f, ok := d.index.fields[id]
	return f, ok
}

// Class returns a class by its durable number.
func (d *Declaration) Class(id ClassID) (*Class, bool) {
	c, ok := d.index.classes[id]
	return c, ok
}

// Identifies returns the purposes for which a person may be known by a sort of
// identifier; none where it is not declared.
func (d *Declaration) Identifies(k identity.Kind) Set { return d.index.identifies[k] }

// Controller returns the default controller.
func (d *Declaration) Controller() identity.Controller { return d.Controllers[0].ID }
