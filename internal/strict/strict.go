// Package strict reads YAML that people write, and refuses what could be read in two
// ways: unknown keys, keys and entries that come twice, anchors, tags, and values
// that YAML would convert in silence. Every fault has its file and line, and one
// reading reports all of them.
//
//	s := strict.New("accord.yaml")
//	if root := s.Root(b, words); root != nil {
//		m := s.Object(root, "the declaration", "version", "purposes")
//		version, ok := s.Need(root, m, "the declaration", "version")
//	}
//	return s.Err() // every *Error, in the order of the lines
package strict

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v4"
)

// MaxFile is the largest file in bytes.
const MaxFile = 1 << 20

// MaxFaults bounds how many faults one reading reports: a wrong file should not
// print a book.
const MaxFaults = 50

// Error is one fault of a file and where it is.
type Error struct {
	File string
	Line int // from 1
	Msg  string
}

// Error returns "accord.yaml:12: …".
func (e *Error) Error() string { return e.File + ":" + strconv.Itoa(e.Line) + ": " + e.Msg }

// Source is a file being read. It collects faults, so that a person who mends a
// file sees all of them at once.
type Source struct {
	file   string
	faults []*Error
}

// New returns a Source whose faults name the file.
func New(file string) *Source { return &Source{file: file} }

// Fault notes what is wrong with a node.
func (s *Source) Fault(n *yaml.Node, format string, args ...any) {
	s.FaultAt(n.Line, format, args...)
}

// Faulty reports whether there is a fault.
func (s *Source) Faulty() bool { return len(s.faults) > 0 }

// FaultAt notes what is wrong in a line.
func (s *Source) FaultAt(line int, format string, args ...any) {
	if len(s.faults) < MaxFaults {
		s.faults = append(s.faults, &Error{File: s.file, Line: max(line, 1), Msg: fmt.Sprintf(format, args...)})
	}
}

// Err joins the faults, each an [Error], in the order of their lines.
func (s *Source) Err() error {
	slices.SortStableFunc(s.faults, func(a, b *Error) int { return cmp.Compare(a.Line, b.Line) })
	if len(s.faults) == MaxFaults {
		s.faults[MaxFaults-1].Msg += fmt.Sprintf(" (after %d faults the rest of the file is not reported: mend these first)", MaxFaults)
	}
	all := make([]error, len(s.faults))
	for i, f := range s.faults {
		all[i] = f
	}
	return errors.Join(all...)
}

// Words are what a reader is told of a file as a whole: what it holds ("one
// declaration"), what to do where it is too large, and where it is empty.
type Words struct{ Of, TooLarge, Empty string }

// Root reads the one document of b and returns its content, or nil with a
// fault. The YAML library gets no Go value to fill: the nodes carry the lines,
// and no conversion guesses what was meant.
func (s *Source) Root(b []byte, words Words) *yaml.Node {
	if len(b) > MaxFile {
		s.FaultAt(1, "the file is larger than %d bytes: %s", MaxFile, words.TooLarge)
		return nil
	}
	var doc yaml.Node
	if err := yaml.Load(b, &doc); err != nil {
		line, msg := 1, err.Error()
		if e, ok := errors.AsType[*yaml.LoadError](err); ok {
			line, msg = e.Mark.Line, e.Message
		}
		s.FaultAt(line, "this is not the YAML of %s: %s", words.Of, Cut(msg))
		return nil
	}
	if doc.Kind != yaml.DocumentNode || len(doc.Content) != 1 {
		s.FaultAt(1, "%s", words.Empty)
		return nil
	}
	return doc.Content[0]
}

// Entry is one key of a mapping with its value, or an element of a list.
type Entry struct {
	Key   string
	At    *yaml.Node // the key, for faults
	Value *yaml.Node
}

// Entries returns the keys of a mapping in the order of the file. What is no
// mapping, and a key that comes twice, is a fault.
func (s *Source) Entries(n *yaml.Node, what string) []Entry {
	if !s.Plain(n, what) {
		return nil
	}
	if n.Kind != yaml.MappingNode {
		s.Fault(n, "%s must be a list of keys with values, indented below it", what)
		return nil
	}
	out := make([]Entry, 0, len(n.Content)/2)
	lines := make(map[string]int, len(n.Content)/2)
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, ok := s.Text(n.Content[i], "a key of "+what)
		if !ok {
			continue
		}
		if first, twice := lines[key]; twice {
			s.Fault(n.Content[i], "%s has the key %s twice; the first is in line %d", what, Quote(key), first)
			continue
		}
		lines[key] = n.Content[i].Line
		out = append(out, Entry{key, n.Content[i], n.Content[i+1]})
	}
	return out
}

// Object reads a mapping with fixed keys. Unknown ones are faults. It returns
// nil where there is no mapping, so that the fault of that is the only one.
func (s *Source) Object(n *yaml.Node, what string, known ...string) map[string]*yaml.Node {
	if n.Kind != yaml.MappingNode {
		s.Entries(n, what)
		return nil
	}
	out := make(map[string]*yaml.Node, len(known))
	for _, e := range s.Entries(n, what) {
		if !slices.Contains(known, e.Key) {
			s.Fault(e.At, "%s has no key %s; its keys are: %s", what, Quote(e.Key), strings.Join(known, ", "))
			continue
		}
		out[e.Key] = e.Value
	}
	return out
}

// Need returns the text of a key that must be there and must not be empty.
func (s *Source) Need(parent *yaml.Node, m map[string]*yaml.Node, what, key string) (string, bool) {
	n, there := m[key]
	if !there {
		s.Fault(parent, "%s has no %s", what, key)
		return "", false
	}
	return s.Text(n, key+" of "+what)
}

// List returns the elements of a sequence of texts; an element that comes twice
// is a fault.
func (s *Source) List(n *yaml.Node, what string) []Entry {
	if !s.Plain(n, what) {
		return nil
	}
	if n.Kind != yaml.SequenceNode {
		s.Fault(n, "%s must be a list, such as [a, b]", what)
		return nil
	}
	var out []Entry
	seen := make(map[string]bool, len(n.Content))
	for _, c := range n.Content {
		text, ok := s.Text(c, "an entry of "+what)
		if !ok {
			continue
		}
		if seen[text] {
			s.Fault(c, "%s lists %s twice", what, Quote(text))
			continue
		}
		seen[text] = true
		out = append(out, Entry{text, c, c})
	}
	return out
}

// Text returns a scalar that is a text and not empty. What YAML takes for a
// number, a date or a yes must be quoted, so that nothing is converted in
// silence.
func (s *Source) Text(n *yaml.Node, what string) (string, bool) {
	if !s.Plain(n, what) {
		return "", false
	}
	switch {
	case n.Kind != yaml.ScalarNode:
		s.Fault(n, "%s must be a text", what)
	case n.ShortTag() == "!!null" || strings.TrimSpace(n.Value) == "":
		s.Fault(n, "%s is empty", what)
	case n.ShortTag() != "!!str":
		s.Fault(n, "%s is not a text: write it in quotes, %s", what, Quote(n.Value))
	default:
		return strings.TrimSpace(n.Value), true
	}
	return "", false
}

// Plain refuses what makes one part of the file stand in another and what
// changes the meaning of a value: a file reads as it stands.
func (s *Source) Plain(n *yaml.Node, what string) bool {
	switch {
	case n.Kind == yaml.AliasNode || n.Anchor != "":
		s.Fault(n, "%s uses an anchor or an alias (& or *): write it out, so that everybody reads the same", what)
	case n.Style&yaml.TaggedStyle != 0:
		s.Fault(n, "%s has a YAML tag (!…): leave it out", what)
	default:
		return true
	}
	return false
}

// Quote returns s in quotes and cut to what a person can read in a message.
func Quote(s string) string { return strconv.Quote(Cut(s)) }

// Cut shortens s to what a person can read in a message.
func Cut(s string) string {
	const most = 80
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "") + "…"
}
