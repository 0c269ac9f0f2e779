package declare

import (
	"slices"

	"go.yaml.in/yaml/v4"
)

// children reads who is a child and what needs a guardian; attributes and purposes
// were read before.
func (s *source) children(n *yaml.Node, d *Declaration) {
	const what = "children"
	m := s.object(n, what, "attribute", "bands", "guardian")
	if m == nil {
		return
	}
	c := &Children{}
	var ok bool
	if c.Attribute, ok = s.need(n, m, what, "attribute"); ok {
		i := slices.IndexFunc(d.Attributes, func(f Field) bool { return f.Path == c.Attribute })
		if i < 0 || d.Attributes[i].Type != String && d.Attributes[i].Type != 0 {
			s.fault(m["attribute"], "children names the attribute %s, which is not declared below attributes with the type string", quote(c.Attribute))
		}
	}
	if bands := m["bands"]; bands == nil {
		s.fault(n, "children has no bands: say which values of the attribute are a child's, such as \"bands: {child: [under_13]}\"")
	} else if b := s.object(bands, "bands of children", "child"); b["child"] == nil {
		s.fault(bands, "bands of children has no child: say which values of the attribute are a child's")
	} else {
		for _, e := range s.list(b["child"], "child of bands") {
			c.Child = append(c.Child, e.key)
		}
	}
	if m["guardian"] == nil {
		s.fault(n, "children has no guardian: name the purposes to which only a guardian may consent for a child")
	} else {
		s.guardian(m["guardian"], d, c)
	}
	slices.Sort(c.Child)
	d.Children = c
}

func (s *source) guardian(n *yaml.Node, d *Declaration, c *Children) {
	for _, e := range s.list(n, "guardian of children") {
		i := slices.IndexFunc(d.Purposes, func(p Purpose) bool { return string(p.ID) == e.key })
		switch {
		case i < 0:
			s.fault(e.at, "guardian of children names the purpose %s, which is not declared below purposes", quote(e.key))
		case d.Purposes[i].Basis == Contract || d.Purposes[i].Basis == LegalObligation:
			s.fault(e.at, "guardian of children names the purpose %s, whose basis %s no choice gives or ends", quote(e.key), d.Purposes[i].Basis)
		default:
			c.Guardian = append(c.Guardian, PurposeID(e.key))
			c.Guarded = c.Guarded.With(PurposeIndex(i))
		}
	}
	if len(c.Guardian) == 0 && len(s.faults) == 0 {
		s.fault(n, "guardian of children is empty: name the purposes to which only a guardian may consent for a child, or leave children out")
	}
	slices.Sort(c.Guardian)
}
