package declare

import (
	"cmp"
	"slices"
	"strconv"

	"go.yaml.in/yaml/v4"

	"accord/internal/strict"
)

// children reads who is a child and what needs a guardian; attributes and purposes
// were read before.
func (s *source) children(n *yaml.Node, d *Declaration) {
	const what = "children"
	m := s.Object(n, what, "attribute", "bands", "ages", "guardian")
	if m == nil {
		return
	}
	c := &Children{}
	var ok bool
	if c.Attribute, ok = s.Need(n, m, what, "attribute"); ok {
		i := slices.IndexFunc(d.Attributes, func(f Field) bool { return f.Path == c.Attribute })
		if i < 0 || d.Attributes[i].Type != String && d.Attributes[i].Type != 0 {
			s.Fault(m["attribute"], "children names the attribute %s, which is not declared below attributes with the type string", strict.Quote(c.Attribute))
		}
	}
	if bands := m["bands"]; bands == nil {
		s.Fault(n, "children has no bands: say which values of the attribute are a child's, such as \"bands: {child: [under_13]}\"")
	} else if b := s.Object(bands, "bands of children", "child"); b["child"] == nil {
		s.Fault(bands, "bands of children has no child: say which values of the attribute are a child's")
	} else {
		for i, e := range s.List(b["child"], "child of bands") {
			if i == MaxBands {
				s.Fault(e.At, "child of bands has more than %d bands: no law tells as many apart", MaxBands)
				break
			}
			c.Child = append(c.Child, e.Key)
		}
	}
	if ages := m["ages"]; ages != nil {
		s.ages(ages, c)
	}
	if m["guardian"] == nil {
		s.Fault(n, "children has no guardian: name the purposes to which only a guardian may consent for a child")
	} else {
		s.guardian(m["guardian"], d, c)
	}
	slices.Sort(c.Child)
	if c.bands(); len(c.Bands) > MaxBands {
		s.Fault(n, "children has more than %d bands of age: no law tells as many apart", MaxBands)
	}
	d.Children = c
}

// ages reads the youngest age of each band, by which the law of a place tells who
// is a child there.
func (s *source) ages(n *yaml.Node, c *Children) {
	for _, e := range s.Entries(n, "ages of children") {
		age, err := strconv.Atoi(e.Value.Value)
		switch {
		case e.Value.Kind != yaml.ScalarNode || e.Value.ShortTag() != "!!int" || err != nil || age < 0 || age > 99:
			s.Fault(e.Value, "ages of children says %s of %s: write the youngest age in years, such as \"13_to_15: 13\"", strict.Quote(e.Value.Value), strict.Quote(e.Key))
		case len(c.Bands) == MaxBands:
			s.Fault(e.At, "ages of children has more than %d bands: no law tells as many apart", MaxBands)
			return
		default:
			c.Bands = append(c.Bands, Band{e.Key, age})
		}
	}
}

// bands gives every child's band an age, and sorts them.
func (c *Children) bands() {
	for _, name := range c.Child {
		if c.Band(name) == 0 {
			c.Bands = append(c.Bands, Band{Name: name})
		}
	}
	slices.SortFunc(c.Bands, func(a, b Band) int { return cmp.Or(a.From-b.From, cmp.Compare(a.Name, b.Name)) })
}

func (s *source) guardian(n *yaml.Node, d *Declaration, c *Children) {
	for _, e := range s.List(n, "guardian of children") {
		i := slices.IndexFunc(d.Purposes, func(p Purpose) bool { return string(p.ID) == e.Key })
		switch {
		case i < 0:
			s.Fault(e.At, "guardian of children names the purpose %s, which is not declared below purposes", strict.Quote(e.Key))
		case d.Purposes[i].Basis == Contract || d.Purposes[i].Basis == LegalObligation:
			s.Fault(e.At, "guardian of children names the purpose %s, whose basis %s no choice gives or ends", strict.Quote(e.Key), d.Purposes[i].Basis)
		default:
			c.Guardian = append(c.Guardian, PurposeID(e.Key))
			c.Guarded = c.Guarded.With(PurposeIndex(i))
		}
	}
	if len(c.Guardian) == 0 && !s.Faulty() {
		s.Fault(n, "guardian of children is empty: name the purposes to which only a guardian may consent for a child, or leave children out")
	}
	slices.Sort(c.Guardian)
}
