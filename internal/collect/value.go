package collect

import (
	"math"
	"strconv"
	"strings"

	"accord/internal/declare"
	"accord/internal/event"
)

// walk reads the declared values of an object into the batch and steps over all
// others.
func (b *batch) walk(m *message, root *node, raw string) {
	c := cursor{s: raw}
	switch c.kind() {
	case '{':
		b.object(m, root, &c, 0)
	case 0, 'n':
	default:
		b.mistyped(m, root)
	}
}

// context reads what the message's context says about consent, and its declared
// values where the message is an event that may hold some. What is no event
// refuses and gives nothing.
func (b *batch) context(m *message) {
	c := cursor{s: m.ctx}
	if c.kind() != '{' {
		return
	}
	b.preferences(&m.prefs, cursor{s: m.ctx})
	if m.plan != nil {
		b.object(m, b.c.plan.context, &c, 0)
	}
}

// preferences reads what a context says about consent.
func (b *batch) preferences(q *preferences, c cursor) {
	for c.enter(); c.more('}'); {
		switch c.key() {
		case "consent":
			b.c.plan.segment(q, &c)
		case "consentManagement":
			b.c.plan.rudder(q, &c)
		case "device":
			readDevice(q, &c)
		case "location":
			b.c.readLocation(q, &c)
		default:
			c.skip()
		}
	}
}

// denials returns what a context refuses, and what it leaves in doubt.
func (b *batch) denials(raw string) (deny, doubt declare.Set) {
	var m message
	if c := (cursor{s: raw}); c.kind() == '{' {
		b.preferences(&m.prefs, c)
	}
	b.listen(&m)
	return m.prefs.deny, m.withheld
}

// read reads the value that belongs at n.
func (b *batch) read(m *message, n *node, c *cursor, index uint16) {
	switch kind := c.kind(); {
	case kind == 'n':
		c.skip() // null says that there is no value
	case kind == '{' && n.members != nil:
		b.object(m, n, c, index)
	case kind == '[' && n.element != nil:
		b.list(m, n.element, c)
	case n.field != nil:
		b.scalar(m, n, c, index)
	default:
		b.mistyped(m, n)
		c.skip()
	}
}

func (b *batch) object(m *message, n *node, c *cursor, index uint16) {
	var few [4]uint64
	met := few[:]
	if len(n.members) > len(few)*64 {
		met = make([]uint64, len(n.members)/64+1)
	}
	for c.enter(); c.more('}'); {
		key := c.key()
		child := n.members[key]
		if child == nil {
			if n != b.c.plan.context || !ofProtocol(key) {
				b.undeclaredAt(m, n, key)
			}
			c.skip()
			continue
		}
		word, bit := &met[child.place/64], uint64(1)<<(child.place%64)
		if *word&bit != 0 {
			b.lose(m, child.path, Repeated)
			c.skip()
			continue
		}
		*word |= bit
		b.read(m, child, c, index)
	}
}

// ofProtocol reports whether a name of the context is read elsewhere: what it says
// about consent, and the proofs of who speaks.
func ofProtocol(key string) bool {
	return key == "consent" || key == "consentManagement" || key == "accord"
}

func (b *batch) list(m *message, n *node, c *cursor) {
	i := 0
	for c.enter(); c.more(']'); i++ {
		if i > math.MaxUint16 {
			b.lose(m, n.path, TooMany)
			c.skip()
			continue
		}
		b.read(m, n, c, uint16(i))
	}
}

func (b *batch) scalar(m *message, n *node, c *cursor, index uint16) {
	v, ok := typed(n.field.Type, c)
	switch {
	case !ok:
		b.mistyped(m, n)
	case len(b.values)-m.from >= event.MaxFields:
		b.lose(m, n.path, TooMany)
	default:
		b.values = append(b.values, value{node: n, index: index, Value: v})
	}
}

func (b *batch) undeclared(m *message, key string) {
	b.drop(m, Undeclared)
	if b.open >= 0 {
		b.note(key, Undeclared)
	}
}

func (b *batch) undeclaredAt(m *message, n *node, key string) {
	b.drop(m, Undeclared)
	if b.open >= 0 {
		b.note(n.inside(key), Undeclared)
	}
}

func (b *batch) mistyped(m *message, n *node) { b.lose(m, n.path, WrongType) }

// lose counts a value that is dropped because of what it is.
func (b *batch) lose(m *message, path string, r Reason) {
	b.drop(m, r)
	if b.open >= 0 {
		b.note(path, r)
	}
}

// typed reads a value of a declared type and steps over it. It is false for a
// value of another type. Numbers in quotes are strings; a product's id may be a
// whole number, since many shops count their products.
func typed(t declare.Type, c *cursor) (v event.Value, ok bool) {
	kind := c.kind()
	if t == declare.Categories {
		return categories(c)
	}
	if kind == '"' {
		s, ok := c.text()
		if !ok {
			return v, false
		}
		switch t {
		case declare.String, declare.Item:
			return event.Value{Kind: event.ValueString, Text: s}, true
		case declare.Timestamp:
			ms, ok := parseTime(s)
			return event.Value{Kind: event.ValueTime, Int: ms}, ok
		}
		return v, false
	}
	raw := c.raw()
	switch {
	case t == declare.Boolean:
		if raw == "true" {
			v.Int = 1
		}
		v.Kind = event.ValueBoolean
		return v, raw == "true" || raw == "false"
	case kind == '-' || kind >= '0' && kind <= '9':
		return number(t, raw)
	}
	return v, false
}

// categories reads a list of the catalogue's categories. All of it counts or
// none: half of what a person told would be something that they did not tell.
func categories(c *cursor) (v event.Value, ok bool) {
	if c.kind() != '[' {
		c.skip()
		return v, false
	}
	var list []string
	ok = true
	for c.enter(); c.more(']'); {
		name, isText := c.text()
		ok = ok && isText
		if len(list) <= event.MaxCategories {
			list = append(list, name)
		}
	}
	if ok {
		v, ok = event.CategoriesValue(list)
	}
	return v, ok
}

func number(t declare.Type, raw string) (v event.Value, ok bool) {
	whole, err := strconv.ParseInt(raw, 10, 64)
	isWhole := err == nil
	if t == declare.Item {
		if !isWhole {
			return v, false
		}
		return event.Value{Kind: event.ValueString, Text: raw}, true
	}
	if isWhole && (t == declare.Integer || t == declare.Quantity) {
		return event.Value{Kind: event.ValueInteger, Int: whole}, true
	}
	f, err := strconv.ParseFloat(raw, 64)
	if err != nil || math.IsInf(f, 0) {
		return v, false
	}
	switch t {
	case declare.Number, declare.Money, declare.Quantity:
		return event.Value{Kind: event.ValueNumber, Num: f}, true
	case declare.Integer:
		// 3.0 and 3e2 are whole numbers, too, as long as a float holds them.
		if f == math.Trunc(f) && math.Abs(f) <= 1<<53 && strings.ContainsAny(raw, ".eE") {
			return event.Value{Kind: event.ValueInteger, Int: int64(f)}, true
		}
	}
	return v, false
}
