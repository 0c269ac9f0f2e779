package declare

import (
	"slices"

	"go.yaml.in/yaml/v4"

	"accord/internal/strict"
)

// MaxShow is how many texts go with the answers for one purpose.
const MaxShow = 8

// show reads the texts that go with the answers for a purpose.
func (s *source) show(n *yaml.Node, of string) (out []Obligation) {
	what := "show of " + of
	if !s.Plain(n, what) {
		return nil
	}
	if n.Kind != yaml.SequenceNode {
		s.Fault(n, "%s must be a list of texts, such as [{code: human_contact, text: …}]", what)
		return nil
	}
	for i, c := range n.Content {
		if i == MaxShow {
			s.Fault(c, "%s has more than %d texts: nobody reads as many beside an answer", what, MaxShow)
		}
		m := s.Object(c, "an entry of "+what, "code", "text")
		if m == nil {
			continue
		}
		var o Obligation
		var ok bool
		if o.Code, ok = s.Need(c, m, "an entry of "+what, "code"); ok && !isID(o.Code) {
			s.Fault(m["code"], "the code %s in %s must be %s, such as human_contact", strict.Quote(o.Code), what, idWords)
		}
		o.Text, _ = s.Need(c, m, "an entry of "+what, "text")
		if slices.ContainsFunc(out, func(x Obligation) bool { return x.Code == o.Code }) {
			s.Fault(c, "%s lists %s twice", what, strict.Quote(o.Code))
		}
		out = append(out, o)
	}
	return out
}
