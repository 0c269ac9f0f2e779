package declare

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v4"
)

// MaxFile is the largest declaration in bytes.
const MaxFile = 1 << 20

// maxFaults bounds how many faults one Parse reports: a wrong file should not
// print a book.
const maxFaults = 50

// Error is one fault of a declaration and where it is.
type Error struct {
	File string
	Line int // from 1
	Msg  string
}

// Error returns "accord.yaml:12: …".
func (e *Error) Error() string { return e.File + ":" + strconv.Itoa(e.Line) + ": " + e.Msg }

// source is a declaration being read. It collects faults, so that a person who
// mends a file sees all of them at once.
type source struct {
	file   string
	faults []*Error
}

func (s *source) fault(n *yaml.Node, format string, args ...any) {
	s.faultAt(n.Line, format, args...)
}

func (s *source) faultAt(line int, format string, args ...any) {
	if len(s.faults) < maxFaults {
		s.faults = append(s.faults, &Error{File: s.file, Line: max(line, 1), Msg: fmt.Sprintf(format, args...)})
	}
}

// err joins the faults in the order of their lines.
func (s *source) err() error {
	slices.SortStableFunc(s.faults, func(a, b *Error) int { return cmp.Compare(a.Line, b.Line) })
	if len(s.faults) == maxFaults {
		s.faults[maxFaults-1].Msg += fmt.Sprintf(" (after %d faults the rest of the file is not reported: mend these first)", maxFaults)
	}
	all := make([]error, len(s.faults))
	for i, f := range s.faults {
		all[i] = f
	}
	return errors.Join(all...)
}

// root reads the one document of b and returns its content, or nil with a
// fault. The YAML library gets no Go value to fill: the nodes carry the lines,
// and no conversion guesses what was meant.
func (s *source) root(b []byte) *yaml.Node {
	if len(b) > MaxFile {
		s.faultAt(1, "the file is larger than %d bytes: a declaration is written by people for people, so split the brand or shorten it", MaxFile)
		return nil
	}
	var doc yaml.Node
	if err := yaml.Load(b, &doc); err != nil {
		line, msg := 1, err.Error()
		if e, ok := errors.AsType[*yaml.LoadError](err); ok {
			line, msg = e.Mark.Line, e.Message
		}
		s.faultAt(line, "this is not the YAML of one declaration: %s", cut(msg))
		return nil
	}
	if doc.Kind != yaml.DocumentNode || len(doc.Content) != 1 {
		s.faultAt(1, "the file holds no declaration: `accord init` writes one to begin with")
		return nil
	}
	return doc.Content[0]
}

// entry is one key of a mapping with its value.
type entry struct {
	key   string
	at    *yaml.Node // the key, for faults
	value *yaml.Node
}

// entries returns the keys of a mapping in the order of the file. What is no
// mapping, and a key that comes twice, is a fault.
func (s *source) entries(n *yaml.Node, what string) []entry {
	if !s.plain(n, what) {
		return nil
	}
	if n.Kind != yaml.MappingNode {
		s.fault(n, "%s must be a list of keys with values, indented below it", what)
		return nil
	}
	out := make([]entry, 0, len(n.Content)/2)
	lines := make(map[string]int, len(n.Content)/2)
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, ok := s.text(n.Content[i], "a key of "+what)
		if !ok {
			continue
		}
		if first, twice := lines[key]; twice {
			s.fault(n.Content[i], "%s has the key %s twice; the first is in line %d", what, quote(key), first)
			continue
		}
		lines[key] = n.Content[i].Line
		out = append(out, entry{key, n.Content[i], n.Content[i+1]})
	}
	return out
}

// object reads a mapping with fixed keys. Unknown ones are faults. It returns
// nil where there is no mapping, so that the fault of that is the only one.
func (s *source) object(n *yaml.Node, what string, known ...string) map[string]*yaml.Node {
	if n.Kind != yaml.MappingNode {
		s.entries(n, what)
		return nil
	}
	out := make(map[string]*yaml.Node, len(known))
	for _, e := range s.entries(n, what) {
		if !slices.Contains(known, e.key) {
			s.fault(e.at, "%s has no key %s; its keys are: %s", what, quote(e.key), strings.Join(known, ", "))
			continue
		}
		out[e.key] = e.value
	}
	return out
}

// need returns the text of a key that must be there and must not be empty.
func (s *source) need(parent *yaml.Node, m map[string]*yaml.Node, what, key string) (string, bool) {
	n, there := m[key]
	if !there {
		s.fault(parent, "%s has no %s", what, key)
		return "", false
	}
	return s.text(n, key+" of "+what)
}

// list returns the elements of a sequence of texts; an element that comes twice
// is a fault.
func (s *source) list(n *yaml.Node, what string) []entry {
	if !s.plain(n, what) {
		return nil
	}
	if n.Kind != yaml.SequenceNode {
		s.fault(n, "%s must be a list, such as [a, b]", what)
		return nil
	}
	var out []entry
	seen := make(map[string]bool, len(n.Content))
	for _, c := range n.Content {
		text, ok := s.text(c, "an entry of "+what)
		if !ok {
			continue
		}
		if seen[text] {
			s.fault(c, "%s lists %s twice", what, quote(text))
			continue
		}
		seen[text] = true
		out = append(out, entry{text, c, c})
	}
	return out
}

// text returns a scalar that is a text and not empty. What YAML takes for a
// number, a date or a yes must be quoted, so that nothing is converted in
// silence.
func (s *source) text(n *yaml.Node, what string) (string, bool) {
	if !s.plain(n, what) {
		return "", false
	}
	switch {
	case n.Kind != yaml.ScalarNode:
		s.fault(n, "%s must be a text", what)
	case n.ShortTag() == "!!null" || strings.TrimSpace(n.Value) == "":
		s.fault(n, "%s is empty", what)
	case n.ShortTag() != "!!str":
		s.fault(n, "%s is not a text: write it in quotes, %s", what, quote(n.Value))
	default:
		return strings.TrimSpace(n.Value), true
	}
	return "", false
}

// plain refuses what makes one part of the file stand in another and what
// changes the meaning of a value: a declaration reads as it stands.
func (s *source) plain(n *yaml.Node, what string) bool {
	switch {
	case n.Kind == yaml.AliasNode || n.Anchor != "":
		s.fault(n, "%s uses an anchor or an alias (& or *): write it out, so that everybody reads the same", what)
	case n.Style&yaml.TaggedStyle != 0:
		s.fault(n, "%s has a YAML tag (!…): leave it out", what)
	default:
		return true
	}
	return false
}

// quote returns s in quotes and cut to what a person can read in a message.
func quote(s string) string { return strconv.Quote(cut(s)) }

func cut(s string) string {
	const most = 80
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "") + "…"
}
