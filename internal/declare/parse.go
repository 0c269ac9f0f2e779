package declare

import (
	"cmp"
	"encoding/pem"
	"slices"
	"strings"
	"unicode"

	"go.yaml.in/yaml/v4"

	"accord/internal/identity"
	"accord/internal/strict"
)

// MaxFile is the largest declaration in bytes.
const MaxFile = strict.MaxFile

// Error is one fault of a declaration and where it is.
type Error = strict.Error

// source is a declaration being read.
type source struct{ *strict.Source }

// words are what is said of a declaration's file as a whole.
var words = strict.Words{
	Of:       "one declaration",
	TooLarge: "a declaration is written by people for people, so split the brand or shorten it",
	Empty:    "the file holds no declaration: `accord init` writes one to begin with",
}

// Parse reads a declaration strictly. The name stands in the errors, each of
// which is an *[Error] with its line; several are joined, in the order of the
// lines. Without an error the declaration is whole: every field has a purpose,
// a retention and a class, and every name has a number of its own.
func Parse(name string, b []byte) (*Declaration, error) {
	s := &source{strict.New(name)}
	d := &Declaration{}
	if root := s.Root(b, words); root != nil {
		s.declaration(root, d)
	}
	if s.Faulty() {
		return nil, s.Err()
	}
	d.Hash = d.hash()
	d.texts = map[string]Texts{d.Languages[0]: d.ownTexts()}
	return d, nil
}

// declaration reads the sections in the order in which they need each other.
func (s *source) declaration(root *yaml.Node, d *Declaration) {
	top := s.Object(root, "the declaration",
		"version", "languages", "reading", "controller", "receipts", "shop_keys", "shop_jwks", "purposes", "identifiers", "attributes", "events", "context", "children", "facts")
	if top == nil {
		return
	}
	s.version(root, top["version"])
	s.languages(top["languages"], d)
	s.reading(top["reading"], d)
	s.controller(root, top["controller"], d)
	s.receipts(root, top["receipts"], d)
	if n := top["shop_keys"]; n != nil {
		s.shopKeys(n, d)
	}
	if n := top["shop_jwks"]; n != nil {
		d.ShopJWKS = s.address(n, "shop_jwks")
	}
	if n := top["facts"]; n != nil {
		for _, e := range s.List(n, "facts") {
			if !isID(e.Key) {
				s.Fault(e.At, "the fact %s must be %s, such as no_food", strict.Quote(e.Key), idWords)
			}
			d.Facts = append(d.Facts, e.Key)
		}
		slices.Sort(d.Facts)
	}
	purposes := s.purposes(root, top["purposes"], d)
	f := fields{source: s, purposes: purposes, names: map[NameID]name{}}
	if n := top["identifiers"]; n != nil {
		f.identifiers(n, d)
	}
	if n := top["attributes"]; n != nil {
		d.Attributes = f.section(n, "attributes", traitPrefix, true)
	}
	if n := top["context"]; n != nil {
		d.Context = f.section(n, "context", contextPrefix, true)
	}
	if n := top["events"]; n != nil {
		f.events(n, d)
	}
	if n := top["children"]; n != nil {
		s.children(n, d)
	}
	if !s.Faulty() {
		d.indexNames()
		d.sensitive()
		s.classes(root, d)
	}
}

func (s *source) version(root, n *yaml.Node) {
	switch {
	case n == nil:
		s.Fault(root, "the declaration has no version: write \"version: 1\"")
	case n.Kind != yaml.ScalarNode || n.Value != "1" || n.ShortTag() != "!!int":
		s.Fault(n, "version must be 1, the only one that this Accord reads")
	}
}

func (s *source) controller(root, n *yaml.Node, d *Declaration) {
	if n == nil {
		s.Fault(root, "the declaration has no controller: say who answers for the data, with id, name, contact and country")
		return
	}
	const what = "the controller"
	m := s.Object(n, what, "id", "name", "contact", "country")
	if m == nil {
		return
	}
	id, ok := s.Need(n, m, what, "id")
	if ok && !isID(id) {
		s.Fault(m["id"], "the controller's id %s must be %s", strict.Quote(id), idWords)
	}
	brand, _ := s.Need(n, m, what, "name")
	contact, _ := s.Need(n, m, what, "contact")
	country, ok := s.Need(n, m, what, "country")
	if ok && !(len(country) == 2 && isUpper(country[0]) && isUpper(country[1])) {
		s.Fault(m["country"], "country %s must be two capital letters of ISO 3166, such as DE", strict.Quote(country))
	}
	d.Controllers = []ControllerInfo{{ID: identity.Controller(id), Name: brand, Contact: contact, Country: country}}
}

func (s *source) receipts(root, n *yaml.Node, d *Declaration) {
	if n == nil {
		s.Fault(root, "the declaration has no receipts: say how long they are kept, such as \"receipts: {retention: 36 months}\"")
		return
	}
	m := s.Object(n, "receipts", "retention")
	if m != nil {
		d.ReceiptRetention = s.period(n, m, "receipts", "retention")
	}
}

// shopKeys reads the keys one by one, so that a bad one is named by its line.
func (s *source) shopKeys(n *yaml.Node, d *Declaration) {
	for _, e := range s.List(n, "shop_keys") {
		if _, err := identity.ParseShopKeys([]string{e.Key}); err != nil {
			s.Fault(e.At, "an entry of shop_keys is not a key that can be used: %v", err)
			continue
		}
		block, _ := pem.Decode([]byte(e.Key))
		d.ShopKeys = append(d.ShopKeys, string(pem.EncodeToMemory(&pem.Block{Type: block.Type, Bytes: block.Bytes})))
	}
	slices.Sort(d.ShopKeys)
	d.ShopKeys = slices.Compact(d.ShopKeys)
}

// purposes reads all purposes and returns their names, also those of purposes
// with faults, so that a field is not blamed for them.
func (s *source) purposes(root, n *yaml.Node, d *Declaration) map[string]bool {
	names := map[string]bool{}
	if n == nil {
		s.Fault(root, "the declaration has no purposes: without one nothing may be kept")
		return names
	}
	all := s.Entries(n, "purposes")
	if len(all) == 0 && !s.Faulty() {
		s.Fault(n, "purposes is empty: without one nothing may be kept")
	}
	for i, e := range all {
		if i == MaxPurposes {
			s.Fault(e.At, "there are more than %d purposes: join those that are the same to a customer", MaxPurposes)
		}
		names[e.Key] = true
	}
	for _, e := range all {
		if !isID(e.Key) {
			s.Fault(e.At, "the purpose %s must be %s", strict.Quote(e.Key), idWords)
			continue
		}
		d.Purposes = append(d.Purposes, s.purpose(e, names))
	}
	slices.SortFunc(d.Purposes, func(a, b Purpose) int { return cmp.Compare(a.ID, b.ID) })
	return names
}

func (s *source) purpose(e strict.Entry, purposes map[string]bool) Purpose {
	what := "the purpose " + strict.Quote(e.Key)
	m := s.Object(e.Value, what, "basis", "text", "title", "without", "recipients", "receipt", "categories", "engines", "valid", "show", "signed", "use")
	if m == nil {
		return Purpose{}
	}
	p := Purpose{ID: PurposeID(e.Key)}
	if text, ok := s.Need(e.At, m, what, "basis"); ok {
		if p.Basis, ok = ParseBasis(text); !ok {
			s.Fault(m["basis"], "%s has the basis %s; the bases are: %s", what, strict.Quote(text), strings.Join(basisWords[1:], ", "))
		}
	}
	p.Uses = s.uses(m["use"], what, p.Basis)
	p.Text, _ = s.Need(e.At, m, what, "text")
	s.words(m, what, &p)
	if n := m["receipt"]; n != nil {
		p.Receipt = ReceiptMode(s.choice(n, "receipt of "+what, receiptWords))
	}
	if n := m["categories"]; n != nil {
		for _, c := range s.List(n, "categories of "+what) {
			if purposes[c.Key] {
				s.Fault(c.At, "%s lists the category %s, which is the name of a purpose: every purpose is its own category already, and none may stand for another", what, strict.Quote(c.Key))
			}
			p.Categories = append(p.Categories, c.Key)
		}
		slices.Sort(p.Categories)
	}
	if n := m["engines"]; n != nil {
		for _, c := range s.List(n, "engines of "+what) {
			if !isID(c.Key) {
				s.Fault(c.At, "the engine %s must be %s, such as recommend", strict.Quote(c.Key), idWords)
			}
			p.Engines = append(p.Engines, c.Key)
		}
		slices.Sort(p.Engines)
	}
	if n := m["valid"]; n != nil {
		p.Valid = s.period(e.At, m, what, "valid")
		if p.Basis != Consent && p.Basis != 0 {
			s.Fault(n, "%s has the basis %s, which does not run out: valid belongs to consent", what, p.Basis)
		}
	}
	if n := m["show"]; n != nil {
		p.Show = s.show(n, what)
	}
	if n := m["signed"]; n != nil {
		p.Signed = s.choice(n, "signed of "+what, signedWords) == 1
		if p.Signed && p.Basis != Consent && p.Basis != 0 {
			s.Fault(n, "%s has the basis %s, which nobody signs for: signed belongs to consent", what, p.Basis)
		}
	}
	return p
}

// period reads a period that must be there.
func (s *source) period(parent *yaml.Node, m map[string]*yaml.Node, what, key string) Period {
	n := m[key]
	if n != nil && n.Kind == yaml.ScalarNode && n.ShortTag() == "!!int" {
		s.Fault(n, "%s of %s is %s without a unit: %v", key, what, strict.Quote(n.Value), errPeriod)
		return Period{}
	}
	text, ok := s.Need(parent, m, what, key)
	if !ok {
		return Period{}
	}
	p, err := ParsePeriod(text)
	if err != nil {
		s.Fault(n, "%s of %s is %s: %v", key, what, strict.Quote(text), err)
	}
	return p
}

// choice reads one of the words and returns its position; the empty word is no
// choice.
func (s *source) choice(n *yaml.Node, what string, words []string) int {
	text, ok := s.Text(n, what)
	if !ok {
		return 0
	}
	i, ok := find(words, text)
	if !ok {
		known := words
		if known[0] == "" {
			known = known[1:]
		}
		s.Fault(n, "%s is %s; it can be: %s", what, strict.Quote(text), strings.Join(known, ", "))
		return 0
	}
	return i
}

// fields reads attributes, context and events: everything that has a NameID.
type fields struct {
	*source
	purposes map[string]bool
	names    map[NameID]name
}

// name is who took a NameID and where.
type name struct {
	text string
	line int
}

func (f *fields) events(n *yaml.Node, d *Declaration) {
	for _, e := range f.Entries(n, "events") {
		if e.Key == "trait" || e.Key == "context" || strings.ContainsFunc(e.Key, unicode.IsControl) || len(e.Key) > maxName {
			f.Fault(e.At, "an event cannot be called %s: \"trait\" and \"context\" are taken, and a name has at most %d characters and no line break", strict.Quote(e.Key), maxName)
			continue
		}
		what := "the event " + strict.Quote(e.Key)
		m := f.Object(e.Value, what, "action", "fields")
		if m == nil {
			continue
		}
		ev := Event{Name: e.Key, ID: f.number(e.Key, e.At)}
		if n := m["action"]; n != nil {
			ev.Action = Action(f.choice(n, "action of "+what, actionWords))
		}
		if n := m["fields"]; n != nil {
			ev.Fields = f.section(n, "fields of "+what, e.Key+"/", false)
		} else {
			f.Fault(e.At, "%s has no fields: name what of it may be kept, or leave the event out", what)
		}
		// A field whose type was a fault may have been meant as the item.
		item := func(x Field) bool { return x.Type == Item || x.Type == 0 }
		if ev.Action != NoAction && len(ev.Fields) > 0 && !slices.ContainsFunc(ev.Fields, item) {
			f.Fault(e.At, "%s has the action %s but no field of type item: an action is done with a product", what, ev.Action)
		}
		d.Events = append(d.Events, ev)
	}
	slices.SortFunc(d.Events, func(a, b Event) int { return cmp.Compare(a.Name, b.Name) })
}

// identifiers reads how people may be known.
func (f *fields) identifiers(n *yaml.Node, d *Declaration) {
	for _, e := range f.Entries(n, "identifiers") {
		var id Identifier
		switch e.Key {
		case identity.UserID.String():
			id.Kind = identity.UserID
		case identity.AnonymousID.String():
			id.Kind = identity.AnonymousID
		default:
			f.Fault(e.At, "identifiers has no key %s; its keys are: %s, %s", strict.Quote(e.Key), identity.UserID, identity.AnonymousID)
			continue
		}
		what := "the identifier " + strict.Quote(e.Key)
		m := f.Object(e.Value, what, "category", "purposes", "retention", "text")
		if m == nil {
			continue
		}
		id.Category, _ = f.Need(e.At, m, what, "category")
		id.Text, _ = f.Need(e.At, m, what, "text")
		id.Retention = f.period(e.At, m, what, "retention")
		id.Purposes = f.fieldPurposes(e.At, m["purposes"], what)
		d.Identifiers = append(d.Identifiers, id)
	}
	slices.SortFunc(d.Identifiers, func(a, b Identifier) int { return cmp.Compare(a.Kind, b.Kind) })
}

// section reads a mapping of paths to fields, whose names begin with prefix.
// Only what is said of a person as a whole may be empty.
func (f *fields) section(n *yaml.Node, what, prefix string, mayBeEmpty bool) []Field {
	all := f.Entries(n, what)
	if len(all) == 0 && !mayBeEmpty && n.Kind == yaml.MappingNode {
		f.Fault(n, "%s is empty: name what of it may be kept, or leave the event out", what)
	}
	paths := make(map[string]bool, len(all))
	for _, e := range all {
		paths[e.Key] = true
	}
	out := make([]Field, 0, len(all))
	for _, e := range all {
		if !isPath(e.Key) {
			f.Fault(e.At, "the path %s in %s is no path: write names with dots between them, such as device.type or products[].price, with at most one []", strict.Quote(e.Key), what)
			continue
		}
		if outer, ok := inside(e.Key, paths); ok {
			f.Fault(e.At, "%s in %s lies inside %s, which is declared as one value: a path is a value or holds others", strict.Quote(e.Key), what, strict.Quote(outer))
			continue
		}
		if prefix == traitPrefix && strings.Contains(e.Key, "[]") {
			f.Fault(e.At, "the attribute %s is a list: a person has one value of an attribute; declare a list in an event", strict.Quote(e.Key))
			continue
		}
		field := f.field(e)
		if told := e.Key == Likes || e.Key == Avoids; field.Type == Categories && (prefix != traitPrefix || !told) {
			f.Fault(e.At, "%s in %s is of type categories, which only the attributes %s and %s are: what people tell of themselves", strict.Quote(e.Key), what, Likes, Avoids)
		}
		field.ID = f.number(prefix+e.Key, e.At)
		out = append(out, field)
	}
	slices.SortFunc(out, func(a, b Field) int { return cmp.Compare(a.Path, b.Path) })
	return out
}

func (f *fields) field(e strict.Entry) Field {
	what := "the field " + strict.Quote(e.Key)
	m := f.Object(e.Value, what, "type", "category", "purposes", "retention", "sensitivity", "text")
	field := Field{Path: e.Key}
	if m == nil {
		return field
	}
	if _, ok := f.Need(e.At, m, what, "type"); ok {
		field.Type = Type(f.choice(m["type"], "type of "+what, typeWords))
	}
	field.Category, _ = f.Need(e.At, m, what, "category")
	field.Retention = f.period(e.At, m, what, "retention")
	if n := m["sensitivity"]; n != nil {
		field.Sensitivity = Sensitivity(f.choice(n, "sensitivity of "+what, sensitivityWords))
	}
	if n := m["text"]; n != nil {
		field.Text, _ = f.Text(n, "text of "+what)
	}
	field.Purposes = f.fieldPurposes(e.At, m["purposes"], what)
	return field
}

func (f *fields) fieldPurposes(at, n *yaml.Node, what string) (out []PurposeID) {
	if n == nil {
		f.Fault(at, "%s has no purposes: say what it is kept for, or leave it out", what)
		return nil
	}
	list := f.List(n, "purposes of "+what)
	switch {
	case len(list) == 0 && n.Kind == yaml.SequenceNode && len(n.Content) == 0:
		f.Fault(n, "%s has no purposes: say what it is kept for, or leave it out", what)
	case len(list) > MaxClassPurposes:
		f.Fault(n, "%s has more than %d purposes", what, MaxClassPurposes)
	}
	for _, p := range list {
		if !f.purposes[p.Key] {
			f.Fault(p.At, "%s names the purpose %s, which is not declared below purposes", what, strict.Quote(p.Key))
			continue
		}
		out = append(out, PurposeID(p.Key))
	}
	slices.Sort(out)
	return out
}

// number returns the NameID of a name. Two names with one number could not be
// told apart in the log, and 0 stands for none.
func (f *fields) number(text string, at *yaml.Node) NameID {
	id := NameID(fnv1a(text))
	other, taken := f.names[id]
	switch {
	case id == 0:
		f.Fault(at, "the name %s cannot be used, since its number is 0: change its spelling", strict.Quote(text))
	case taken:
		f.Fault(at, "the names %s and %s (line %d) have the same number: change the spelling of one", strict.Quote(text), strict.Quote(other.text), other.line)
	default:
		f.names[id] = name{text, at.Line}
	}
	return id
}

// The prefixes of what is no event's.
const (
	traitPrefix   = "trait/"
	contextPrefix = "context/"
)

const (
	maxName  = 200 // bytes of an event's name or of a path
	maxDepth = 16  // names in a path
	idWords  = "small letters, digits, _ and -, beginning with a letter, at most 64"
)

// isID reports whether s can be the id of a controller, a purpose or an engine.
func isID(s string) bool {
	if s == "" || len(s) > 64 || s[0] < 'a' || s[0] > 'z' {
		return false
	}
	return strings.Trim(s, "abcdefghijklmnopqrstuvwxyz0123456789_-") == ""
}

func isUpper(c byte) bool { return 'A' <= c && c <= 'Z' }

// isPath reports whether s is names with dots between them, at most one of
// which is a list: a value has one index.
func isPath(s string) bool {
	names := strings.Split(s, ".")
	if len(s) > maxName || len(names) > maxDepth || strings.Count(s, "[]") > 1 {
		return false
	}
	for _, n := range names {
		n = strings.TrimSuffix(n, "[]")
		if n == "" || strings.ContainsAny(n, "[]") || strings.ContainsFunc(n, unicode.IsControl) || strings.TrimSpace(n) != n {
			return false
		}
	}
	return true
}

// inside returns the declared path that path lies in: "device" for
// "device.type", "products" for "products[].price" and for "products[]".
func inside(path string, declared map[string]bool) (string, bool) {
	for i, c := range path {
		if outer := path[:i]; (c == '.' || c == '[') && declared[outer] {
			return outer, true
		}
	}
	return "", false
}

// fnv1a is the 32-bit FNV-1a hash: the number of names and classes. It is
// durable and must never change.
func fnv1a(s string) uint32 {
	h := uint32(2166136261)
	for i := range len(s) {
		h = (h ^ uint32(s[i])) * 16777619
	}
	return h
}
