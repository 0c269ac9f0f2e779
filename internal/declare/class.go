package declare

import (
	"cmp"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v4"

	"accord/internal/identity"
	"accord/internal/strict"
)

// className is what a ClassID is the hash of. It names the purposes and not
// their positions, so that it stays true when the declaration gains others.
func className(purposes []PurposeID, retention Period) string {
	var b strings.Builder
	for _, p := range purposes {
		b.WriteString(string(p))
		b.WriteByte(',')
	}
	return b.String() + "/" + strconv.Itoa(retention.Months) + "m" + strconv.Itoa(retention.Days) + "d"
}

// classes derives the classes from the fields, adds the system's own, and points
// every field to its class.
func (s *source) classes(root *yaml.Node, d *Declaration) {
	d.Classes = []Class{
		{ID: ClassChoice, Retention: d.ReceiptRetention},
		{ID: ClassReceipt, Retention: d.ReceiptRetention},
	}
	names := map[ClassID]string{0: "no class", ClassChoice: "system/choice", ClassReceipt: "system/receipt"}
	of := func(f *Field) ClassID { return ClassID(fnv1a(className(f.Purposes, f.Retention))) }
	d.eachField(func(f *Field) {
		id, name := of(f), className(f.Purposes, f.Retention)
		switch other, ok := names[id]; {
		case !ok:
			names[id] = name
			d.Classes = append(d.Classes, d.class(id, f))
		case other != name:
			s.Fault(root, "the purposes and retention of %s have the number of another class by chance: change its retention by a day", strict.Quote(f.Path))
		}
	})
	slices.SortFunc(d.Classes, func(a, b Class) int { return cmp.Compare(a.ID, b.ID) })
	d.index.classes = make(map[ClassID]*Class, len(d.Classes))
	for i := range d.Classes {
		d.index.classes[d.Classes[i].ID] = &d.Classes[i]
	}
	d.eachField(func(f *Field) { f.Class = d.index.classes[of(f)] })
}

// class makes the class of a field, whose purposes are sorted.
func (d *Declaration) class(id ClassID, f *Field) Class {
	c := Class{ID: id, Retention: f.Retention, order: make([]PurposeIndex, len(f.Purposes))}
	for i, name := range f.Purposes {
		c.order[i] = d.index.purposes[name]
		c.Purposes = c.Purposes.With(c.order[i])
	}
	return c
}

// eachField calls fn for every declared field in a fixed order.
func (d *Declaration) eachField(fn func(*Field)) {
	for i := range d.Attributes {
		fn(&d.Attributes[i])
	}
	for i := range d.Context {
		fn(&d.Context[i])
	}
	for i := range d.Events {
		for j := range d.Events[i].Fields {
			fn(&d.Events[i].Fields[j])
		}
	}
}

// indexNames fills the index of everything but the classes. The slices do not
// move after it.
func (d *Declaration) indexNames() {
	d.index = index{
		purposes:   make(map[PurposeID]PurposeIndex, len(d.Purposes)),
		categories: make(map[string]Set, len(d.Purposes)),
		events:     make(map[string]*Event, len(d.Events)),
		eventIDs:   make(map[NameID]*Event, len(d.Events)),
		fields:     make(map[NameID]*Field),
		attributes: byPath(d.Attributes),
		context:    byPath(d.Context),
		identifies: make(map[identity.Kind]Set, len(d.Identifiers)),
	}
	for i := range d.Purposes {
		p := &d.Purposes[i]
		d.index.purposes[p.ID] = PurposeIndex(i)
		d.index.categories[string(p.ID)] = d.index.categories[string(p.ID)].With(PurposeIndex(i))
		for _, c := range p.Categories {
			d.index.categories[c] = d.index.categories[c].With(PurposeIndex(i))
		}
	}
	for i := range d.Identifiers {
		id := &d.Identifiers[i]
		for _, p := range id.Purposes {
			d.index.identifies[id.Kind] = d.index.identifies[id.Kind].With(d.index.purposes[p])
		}
	}
	for i := range d.Events {
		e := &d.Events[i]
		d.index.events[e.Name], d.index.eventIDs[e.ID] = e, e
		e.fields = byPath(e.Fields)
	}
	d.eachField(func(f *Field) { d.index.fields[f.ID] = f })
}

func byPath(fields []Field) map[string]*Field {
	m := make(map[string]*Field, len(fields))
	for i := range fields {
		m[fields[i].Path] = &fields[i]
	}
	return m
}
