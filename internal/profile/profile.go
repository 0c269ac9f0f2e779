// Package profile folds what a person did into what may be used about them.
//
// A [Part] is what is known about one person in one class and one month of
// acceptance: their interactions with products and their traits, each with the
// purposes and the choice that admitted it. Parts are what the vault seals.
// A [View] is what an engine gets: the parts cut down to one [consent.Grant].
// It cannot be widened, since it holds nothing else.
//
// Promises kept here: 2 (a view is cut to its grant before anybody sees it),
// 4 (a fold knows declared fields only).
//
// Non-goals: storage and sealing (package vault).
package profile

import (
	"cmp"

	"accord/internal/consent"
	"accord/internal/declare"
	"accord/internal/event"
)

// MaxInteractions bounds a Part: beyond it the oldest interactions leave.
const MaxInteractions = 16384

// Stamp says what admitted a value.
type Stamp struct {
	Mask   uint16 // purposes, in the class's order
	Choice uint64 // the newest choice at admission
}

// Interaction is one thing that a person did with one product.
type Interaction struct {
	At       int64 // Unix milliseconds
	Item     string
	Action   declare.Action
	Quantity float32 // 1 where the event named none
	Stamp    Stamp
}

// Trait is the newest value of a declared attribute.
type Trait struct {
	Field declare.NameID
	At    int64
	Value event.Value
	Stamp Stamp
}

// Part is what one class holds about one person for one month of acceptance.
type Part struct {
	Interactions []Interaction
	Traits       []Trait
}

// Fold adds a piece to the part. The order of pieces does not matter: traits
// keep the newest value by time, and interactions are a bag. It reports whether
// the part changed. Fields that d does not declare are passed over.
func (p *Part) Fold(d *declare.Declaration, piece *event.Piece, stamp Stamp) bool {
	if piece.Event == 0 {
		return p.foldTraits(d, piece, stamp)
	}
	e, ok := d.EventByID(piece.Event)
	if !ok || e.Action == declare.NoAction {
		return false
	}
	// Most events name one product; a list numbers its elements with Index.
	changed := false
	for i := range piece.Fields {
		item := &piece.Fields[i]
		f, ok := d.FieldByID(item.ID)
		if !ok || f.Type != declare.Item || item.Value.Text == "" {
			continue
		}
		p.Interactions = append(p.Interactions, Interaction{
			At: piece.At, Item: item.Value.Text, Action: e.Action,
			Quantity: quantity(d, piece, item.Index), Stamp: stamp,
		})
		changed = true
	}
	if extra := len(p.Interactions) - MaxInteractions; extra > 0 {
		p.dropOldest(extra)
	}
	return changed
}

func quantity(d *declare.Declaration, piece *event.Piece, index uint16) float32 {
	for i := range piece.Fields {
		v := &piece.Fields[i]
		if v.Index != index {
			continue
		}
		if f, ok := d.FieldByID(v.ID); ok && f.Type == declare.Quantity {
			if v.Value.Kind == event.ValueInteger {
				return float32(v.Value.Int)
			}
			return float32(v.Value.Num)
		}
	}
	return 1
}

func (p *Part) foldTraits(d *declare.Declaration, piece *event.Piece, stamp Stamp) (changed bool) {
	for i := range piece.Fields {
		v := &piece.Fields[i]
		if _, ok := d.FieldByID(v.ID); !ok {
			continue
		}
		t, is := p.trait(v.ID), Trait{Field: v.ID, At: piece.At, Value: v.Value, Stamp: stamp}
		if t.Field != 0 && !is.newer(t) {
			continue
		}
		*t = is
		changed = true
	}
	return changed
}

// newer reports whether t takes the place of old. Values of one moment have an
// order too: the one under the later choice, then any fixed one, so that the
// order of the folds does not matter.
func (t *Trait) newer(old *Trait) bool {
	return cmp.Or(
		cmp.Compare(t.At, old.At),
		cmp.Compare(t.Stamp.Choice, old.Stamp.Choice),
		cmp.Compare(t.Stamp.Mask, old.Stamp.Mask),
		cmp.Compare(t.Value.Kind, old.Value.Kind),
		cmp.Compare(t.Value.Int, old.Value.Int),
		cmp.Compare(t.Value.Num, old.Value.Num),
		cmp.Compare(t.Value.Text, old.Value.Text),
	) > 0
}

// trait returns the place of a trait, made if it was not there.
func (p *Part) trait(id declare.NameID) *Trait {
	for i := range p.Traits {
		if p.Traits[i].Field == id {
			return &p.Traits[i]
		}
	}
	p.Traits = append(p.Traits, Trait{})
	return &p.Traits[len(p.Traits)-1]
}

// Shelf is a part with the class it was kept in.
type Shelf struct {
	Class *declare.Class
	Part  *Part
}

// View is what an engine may know: the parts of one person cut to one grant.
// The zero View knows nothing and stands for everybody who is not known.
type View struct {
	grant        consent.Grant
	interactions []Interaction
	traits       []Trait
	declaration  *declare.Declaration
}

// Cut returns what of the shelves the grant covers. Shelves of classes that the
// grant does not name are passed over, whoever brought them.
func Cut(d *declare.Declaration, g consent.Grant, shelves []Shelf) View {
	v := View{grant: g, declaration: d}
	total := 0
	for _, s := range shelves {
		total += len(s.Part.Interactions)
	}
	v.interactions = make([]Interaction, 0, total)
	visible := actions(d, g)
	for _, s := range shelves {
		if !g.Class(s.Class) {
			continue
		}
		for i := range s.Part.Interactions {
			if x := &s.Part.Interactions[i]; visible>>x.Action&1 == 1 && g.Covers(s.Class, x.Stamp.Mask, x.Stamp.Choice, x.At) {
				v.interactions = append(v.interactions, *x)
			}
		}
		for i := range s.Part.Traits {
			t := &s.Part.Traits[i]
			// The declaration may have taken the field out of the purpose since
			// it was kept; its old class may live on through other fields.
			if f, ok := d.FieldByID(t.Field); !ok || !g.Class(f.Class) {
				continue
			}
			if g.Covers(s.Class, t.Stamp.Mask, t.Stamp.Choice, t.At) {
				v.put(t)
			}
		}
	}
	return v
}

// actions returns the actions, a bit each, whose items the declaration lets the
// grant see: it may have taken an event's items out of the purpose since they
// were kept, and their old class may live on through other fields.
func actions(d *declare.Declaration, g consent.Grant) (set uint64) {
	for i := range d.Events {
		e := &d.Events[i]
		for j := range e.Fields {
			if f := &e.Fields[j]; f.Type == declare.Item && g.Class(f.Class) {
				set |= 1 << e.Action
			}
		}
	}
	return set &^ (1 << declare.NoAction)
}

// put adds a trait unless the view has a newer value of it from another month.
func (v *View) put(t *Trait) {
	for i := range v.traits {
		if old := &v.traits[i]; old.Field == t.Field {
			if t.newer(old) {
				*old = *t
			}
			return
		}
	}
	v.traits = append(v.traits, *t)
}

// Personal reports whether the view stands on a grant.
func (v View) Personal() bool { return v.grant.Valid() }

// Grant returns the grant that the view was cut to.
func (v View) Grant() consent.Grant { return v.grant }

// Interactions returns what the person did, in no particular order. The slice
// is shared: read it only.
func (v View) Interactions() []Interaction { return v.interactions }

// Trait returns the value of a declared attribute by its path, if the view has
// it.
func (v View) Trait(path string) (event.Value, bool) {
	if v.declaration == nil {
		return event.Value{}, false
	}
	f, ok := v.declaration.Attribute(path)
	if !ok {
		return event.Value{}, false
	}
	for i := range v.traits {
		if v.traits[i].Field == f.ID {
			return v.traits[i].Value, true
		}
	}
	return event.Value{}, false
}

// Categories returns the categories in an attribute of that type, nil if the view
// has none.
func (v View) Categories(path string) []string {
	if len(v.traits) == 0 {
		return nil
	}
	if f, ok := v.declaration.Attribute(path); !ok || f.Type != declare.Categories {
		return nil
	}
	told, _ := v.Trait(path)
	return told.Categories()
}

// Traits returns how many attributes the view has.
func (v View) Traits() int { return len(v.traits) }
