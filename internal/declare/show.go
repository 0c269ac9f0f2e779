package declare

import (
	"slices"

	"go.yaml.in/yaml/v4"
)

// MaxShow is how many texts go with the answers for one purpose.
const MaxShow = 8

// show reads the texts that go with the answers for a purpose.
func (s *source) show(n *yaml.Node, of string) (out []Obligation) {
	what := "show of " + of
	if !s.plain(n, what) {
		return nil
	}
	if n.Kind != yaml.SequenceNode {
		s.fault(n, "%s must be a list of texts, such as [{code: human_contact, text: …}]", what)
		return nil
	}
	for i, c := range n.Content {
		if i == MaxShow {
			s.fault(c, "%s has more than %d texts: nobody reads as many beside an answer", what, MaxShow)
		}
		m := s.object(c, "an entry of "+what, "code", "text")
		if m == nil {
			continue
		}
		var o Obligation
		var ok bool
		if o.Code, ok = s.need(c, m, "an entry of "+what, "code"); ok && !isID(o.Code) {
			s.fault(m["code"], "the code %s in %s must be %s, such as human_contact", quote(o.Code), what, idWords)
		}
		o.Text, _ = s.need(c, m, "an entry of "+what, "text")
		if slices.ContainsFunc(out, func(x Obligation) bool { return x.Code == o.Code }) {
			s.fault(c, "%s lists %s twice", what, quote(o.Code))
		}
		out = append(out, o)
	}
	return out
}
