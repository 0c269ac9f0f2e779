package declare

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v4"

	"accord/internal/strict"
)

// The language and the school grade of a declaration that names none. Grade 9 is
// what most adults read without effort.
const (
	defaultLanguage = "en"
	defaultGrade    = 9
)

// languages reads the languages of the notice, the file's own first.
func (s *source) languages(n *yaml.Node, d *Declaration) {
	d.Languages = []string{defaultLanguage}
	if n == nil {
		return
	}
	d.Languages = nil
	for _, e := range s.List(n, "languages") {
		if !isLanguage(e.Key) {
			s.Fault(e.At, "the language %s must be a short tag in small letters, such as en, ru or pt-br", strict.Quote(e.Key))
			continue
		}
		d.Languages = append(d.Languages, e.Key)
	}
	if len(d.Languages) == 0 && !s.Faulty() {
		s.Fault(n, "languages is empty: name first the language that this file is written in, or leave it out for %s", defaultLanguage)
	}
}

// reading reads how hard a text may be to read.
func (s *source) reading(n *yaml.Node, d *Declaration) {
	d.Grade = defaultGrade
	if n == nil {
		return
	}
	m := s.Object(n, "reading", "grade")
	g := m["grade"]
	if m == nil || g == nil {
		return
	}
	grade, err := strconv.Atoi(g.Value)
	if g.Kind != yaml.ScalarNode || g.ShortTag() != "!!int" || err != nil || grade < 1 || grade > 20 {
		s.Fault(g, "grade of reading must be a school grade from 1 to 20, such as 9")
		return
	}
	d.Grade = float64(grade)
}

// words reads what the notice says of a purpose beside its text.
func (s *source) words(m map[string]*yaml.Node, what string, p *Purpose) {
	if n := m["title"]; n != nil {
		p.Title, _ = s.Text(n, "title of "+what)
	}
	if n := m["without"]; n != nil {
		p.Without, _ = s.Text(n, "without of "+what)
	}
	if n := m["recipients"]; n != nil {
		for _, r := range s.List(n, "recipients of "+what) {
			p.Recipients = append(p.Recipients, r.Key)
		}
		slices.Sort(p.Recipients)
	}
}

// isLanguage reports whether s is a language tag as files are named by it.
func isLanguage(s string) bool {
	if len(s) < 2 || len(s) > 16 || s[0] < 'a' || s[0] > 'z' || strings.HasSuffix(s, "-") {
		return false
	}
	return strings.Trim(s, "abcdefghijklmnopqrstuvwxyz0123456789-") == ""
}

// TextKey names one text of a declaration that people read.
type TextKey struct {
	// Section is "purposes", "show", "identifiers", "attributes", "context",
	// "events", "categories" or "recipients".
	Section string
	// Name is the purpose, the identifier, the path, the event or, of a category
	// or a recipient, the word of the declaration itself.
	Name string
	// Part is "title", "text" or "without" of a purpose, the code of what goes
	// with its answers, and the path of an event's field; else "".
	Part string
}

// String returns the key as a person finds it in the file.
func (k TextKey) String() string {
	s := k.Section + ": " + strict.Quote(k.Name)
	if k.Part != "" {
		s += ": " + strict.Quote(k.Part)
	}
	return s
}

// Texts are all texts of a declaration in one language.
type Texts map[TextKey]string

// Texts returns the texts in one of d.Languages, or nil where that language was
// not translated.
func (d *Declaration) Texts(language string) Texts { return d.texts[language] }

// Language returns the language of the declaration's texts for whoever asks for a
// BCP 47 tag such as en-GB: the same, else one of the same primary language, else
// the one that the declaration is written in.
func (d *Declaration) Language(asked string) string {
	for _, same := range []func(string) string{strings.ToLower, PrimaryLanguage} {
		for _, l := range d.Languages {
			if d.texts[l] != nil && same(l) == same(asked) {
				return l
			}
		}
	}
	return d.Languages[0]
}

// PrimaryLanguage returns the language of a tag such as en-GB.
func PrimaryLanguage(tag string) string {
	tag, _, _ = strings.Cut(strings.ToLower(tag), "-")
	return tag
}

// Obligations returns what goes with the answers for a purpose, for whoever asks
// for a language.
func (d *Declaration) Obligations(p *Purpose, asked string) []Obligation {
	if len(p.Show) == 0 || asked == "" {
		return p.Show
	}
	language := d.Language(asked)
	if language == d.Languages[0] {
		return p.Show
	}
	out := slices.Clone(p.Show)
	for i := range out {
		out[i].Text = d.texts[language][TextKey{"show", string(p.ID), out[i].Code}]
	}
	return out
}

// ownTexts gathers the texts as the declaration itself has them. A field without
// a text has none in any language.
func (d *Declaration) ownTexts() Texts {
	t := Texts{}
	put := func(section, name, part, text string) {
		if text != "" {
			t[TextKey{section, name, part}] = text
		}
	}
	field := func(section, name, part string, f *Field) {
		put(section, name, part, f.Text)
		put("categories", f.Category, "", f.Category)
	}
	for i := range d.Purposes {
		p := &d.Purposes[i]
		put("purposes", string(p.ID), "title", p.Title)
		put("purposes", string(p.ID), "text", p.Text)
		put("purposes", string(p.ID), "without", p.Without)
		for _, o := range p.Show {
			put("show", string(p.ID), o.Code, o.Text)
		}
		for _, r := range p.Recipients {
			put("recipients", r, "", r)
		}
	}
	for _, id := range d.Identifiers {
		put("identifiers", id.Kind.String(), "", id.Text)
		put("categories", id.Category, "", id.Category)
	}
	for i := range d.Attributes {
		field("attributes", d.Attributes[i].Path, "", &d.Attributes[i])
	}
	for i := range d.Context {
		field("context", d.Context[i].Path, "", &d.Context[i])
	}
	for i := range d.Events {
		e := &d.Events[i]
		for j := range e.Fields {
			field("events", e.Name, e.Fields[j].Path, &e.Fields[j])
		}
	}
	return t
}

// Translate reads the texts of a declaration in another of its languages, such as
// accord.ru.yaml, strictly: a text that is missing and one that the declaration
// does not have are errors that name it. Call it before d is shared.
func (d *Declaration) Translate(language, name string, b []byte) error {
	s := &source{strict.New(name)}
	if i := slices.Index(d.Languages, language); i < 1 {
		return fmt.Errorf("%s: %s is none of the languages that the declaration is translated to: add it to languages, behind %s", name, strict.Quote(language), d.Languages[0])
	}
	own := d.texts[d.Languages[0]]
	t := Texts{}
	if root := s.Root(b, words); root != nil {
		s.translation(root, own, t)
	}
	if !s.Faulty() {
		s.lacks(own, t)
	}
	if s.Faulty() {
		return s.Err()
	}
	d.texts[language] = t
	return nil
}

// lacks names what is not translated, in the order of the names.
func (s *source) lacks(own, t Texts) {
	for _, key := range slices.SortedFunc(maps.Keys(own), func(a, b TextKey) int { return strings.Compare(a.String(), b.String()) }) {
		if t[key] == "" {
			s.FaultAt(1, "the translation lacks %s, which is %s", key, strict.Quote(own[key]))
		}
	}
}

// translation reads the sections into t. In each there are texts by name; those of
// a purpose and of an event have parts.
func (s *source) translation(root *yaml.Node, own, t Texts) {
	take := func(key TextKey, e strict.Entry) {
		if own[key] == "" {
			s.Fault(e.At, "the declaration has no text for %s: take it out, or add it to the declaration", key)
			return
		}
		t[key], _ = s.Text(e.Value, key.String())
	}
	for section, n := range s.Object(root, "the translation", "purposes", "show", "identifiers", "attributes", "context", "events", "categories", "recipients") {
		for _, e := range s.Entries(n, section) {
			if section != "purposes" && section != "show" && section != "events" {
				take(TextKey{Section: section, Name: e.Key}, e)
				continue
			}
			for _, part := range s.Entries(e.Value, section+": "+strict.Quote(e.Key)) {
				take(TextKey{section, e.Key, part.Key}, part)
			}
		}
	}
}
