package collect

import (
	"math/bits"
	"strings"

	"accord/internal/consent"
	"accord/internal/declare"
)

// plan is a declaration made ready for reading events: a tree of names for each
// event, so that a name nobody declared is found out at the first look.
type plan struct {
	declaration *declare.Declaration
	events      map[string]*eventPlan
	page        *eventPlan // "Page Viewed", if it is declared
	screen      *eventPlan // "Screen Viewed"
	traits      *node
	context     *node
	categories  map[string]category
	speaks      []spoken // by purpose
	consents    declare.Set
	objections  declare.Set // purposes that hold until a person objects
}

// eventPlan is a declared event and the tree of its fields.
type eventPlan struct {
	name string
	id   declare.NameID
	root *node
	// paths finds the values of the event itself.
	paths map[string]*node
}

// node is a place in the tree: a declared value, or what holds some.
type node struct {
	path    string
	place   int            // among its siblings, from 0
	field   *declare.Field // a value
	class   *declare.Class
	members map[string]*node // an object
	element *node            // a list
}

// category is a consent manager's name for purposes.
type category struct {
	purposes declare.Set
	bit      int // its place in preferences.yes, -1 if there is no room
}

// spoken says which categories speak of a purpose: its own name, or all of the
// others together.
type spoken struct {
	own    int
	others []int
}

// Names of events with a meaning of their own.
const (
	pageViewed   = "Page Viewed"
	screenViewed = "Screen Viewed"
	// preferenceUpdated is Segment's event for a person's act of choosing.
	preferenceUpdated = "Segment Consent Preference Updated"
)

func newPlan(d *declare.Declaration) *plan {
	p := &plan{declaration: d, events: make(map[string]*eventPlan, len(d.Events)), categories: map[string]category{}}
	for i := range d.Events {
		e := &d.Events[i]
		plan := &eventPlan{name: e.Name, id: e.ID, paths: make(map[string]*node, len(e.Fields))}
		plan.root = tree(e.Fields, plan.paths)
		p.events[e.Name] = plan
	}
	p.page, p.screen = p.events[pageViewed], p.events[screenViewed]
	p.traits, p.context = tree(d.Attributes, nil), tree(d.Context, nil)
	p.speaks = make([]spoken, len(d.Purposes))
	for i := range d.Purposes {
		purpose := &d.Purposes[i]
		p.speaks[i].own = p.category(string(purpose.ID))
		for _, name := range purpose.Categories {
			p.speaks[i].others = append(p.speaks[i].others, p.category(name))
		}
		switch purpose.Basis {
		case declare.Consent:
			p.consents = p.consents.With(declare.PurposeIndex(i))
		case declare.LegitimateInterest, declare.OptOut:
			p.objections = p.objections.With(declare.PurposeIndex(i))
		}
	}
	return p
}

// category returns the bit of a category, a new one if it has none.
func (p *plan) category(name string) int {
	if c, ok := p.categories[name]; ok {
		return c.bit
	}
	c := category{purposes: p.declaration.Category(name), bit: len(p.categories)}
	if c.bit >= maxCategories {
		c.bit = -1
	}
	p.categories[name] = c
	return c.bit
}

// tree builds the tree of fields by their paths, and notes them in paths unless
// it is nil.
func tree(fields []declare.Field, paths map[string]*node) *node {
	root := &node{members: map[string]*node{}}
	for i := range fields {
		f := &fields[i]
		n := root
		for _, name := range strings.Split(f.Path, ".") {
			name, list := strings.CutSuffix(name, "[]")
			n = n.member(name)
			if list {
				n = n.list()
			}
		}
		n.field, n.class = f, f.Class
		if paths != nil {
			paths[f.Path] = n
		}
	}
	return root
}

func (n *node) member(name string) *node {
	if m := n.members[name]; m != nil {
		return m
	}
	if n.members == nil {
		n.members = map[string]*node{}
	}
	m := &node{path: n.inside(name), place: len(n.members)}
	n.members[name] = m
	return m
}

func (n *node) list() *node {
	if n.element == nil {
		n.element = &node{path: n.path + "[]"}
	}
	return n.element
}

// inside returns the path of a name below n.
func (n *node) inside(name string) string {
	if n.path == "" {
		return name
	}
	return n.path + "." + name
}

// basis returns the purposes with a legal basis, all of them for the zero Basis.
func (p *plan) basis(b declare.Basis) (s declare.Set) {
	for i := range p.declaration.Purposes {
		if b == 0 || p.declaration.Purposes[i].Basis == b {
			s = s.With(declare.PurposeIndex(i))
		}
	}
	return s
}

// first returns the purpose of a set that the declaration names first.
func first(s declare.Set) declare.PurposeIndex {
	return declare.PurposeIndex(bits.TrailingZeros64(uint64(s)))
}

// refusal returns what a refusal makes of a present choice, Unset if it can make
// nothing of it.
func (p *plan) refusal(i declare.PurposeIndex, present consent.State) consent.State {
	return consent.End(p.declaration.Purposes[i].Basis, present)
}
