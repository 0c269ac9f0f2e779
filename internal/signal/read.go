package signal

import (
	_ "embed"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v4"

	"accord/internal/declare"
	"accord/internal/law"
	"accord/internal/strict"
)

//go:embed table.yaml
var embedded []byte

// Embedded returns the table that comes with Accord, for the regimes of a code of
// law; a nil code has none, and rows of some regimes count everywhere.
func Embedded(code *law.Code) (*Table, error) { return Read("table.yaml", embedded, code) }

// maxRows bounds a table: nobody can oversee as many.
const maxRows = 500

var words = strict.Words{
	Of:       "one table of signals",
	TooLarge: "a table of signals is much smaller",
	Empty:    "the table of signals is empty",
}

// source is a table being read.
type source struct {
	*strict.Source
	code   *law.Code
	groups map[string][]string
}

// Read reads a table strictly. The faults, each a *[strict.Error] with its line, are
// joined.
func Read(name string, b []byte, code *law.Code) (*Table, error) {
	s := &source{Source: strict.New(name), code: code, groups: map[string][]string{}}
	t := &Table{shown: map[string]string{}}
	if root := s.Root(b, words); root != nil {
		s.table(root, t)
	}
	if err := s.Err(); err != nil {
		return nil, err
	}
	return t, nil
}

func (s *source) table(root *yaml.Node, t *Table) {
	m := s.Object(root, "the table", "version", "dated", "shown", "groups", "rows")
	if m == nil {
		return
	}
	if v, ok := s.Need(root, m, "the table", "version"); ok && v != "1" {
		s.Fault(m["version"], "version is %s; this program reads \"1\"", strict.Quote(v))
	}
	if day, ok := s.Need(root, m, "the table", "dated"); ok {
		at, err := time.Parse(time.DateOnly, day)
		if err != nil {
			s.Fault(m["dated"], "dated is %s; write a day, such as \"2026-11-25\"", strict.Quote(day))
		}
		t.Dated = at
	}
	s.shown(root, m["shown"], t)
	if n := m["groups"]; n != nil {
		for _, e := range s.Entries(n, "groups") {
			for _, r := range s.List(e.Value, "group "+e.Key) {
				s.regime(r.At, r.Key)
				s.groups[e.Key] = append(s.groups[e.Key], r.Key)
			}
		}
	}
	s.rows(root, m["rows"], t)
}

func (s *source) shown(root, n *yaml.Node, t *Table) {
	if n == nil {
		s.Fault(root, "the table has no shown: say what a person reads whose signal was honoured")
		return
	}
	for _, e := range s.Entries(n, "shown") {
		if text, ok := s.Text(e.Value, "shown in "+e.Key); ok {
			t.shown[e.Key] = text
		}
		if len(e.Key) != 2 || e.Key != strings.ToLower(e.Key) {
			s.Fault(e.At, "shown has the language %s; write two small letters, such as en", strict.Quote(e.Key))
		}
	}
	if t.shown["en"] == "" && !s.Faulty() {
		s.Fault(n, "shown has no text in en, which stands in for every other language")
	}
}

func (s *source) rows(root, n *yaml.Node, t *Table) {
	switch {
	case n == nil:
		s.Fault(root, "the table has no rows")
		return
	case !s.Plain(n, "rows"):
		return
	case n.Kind != yaml.SequenceNode:
		s.Fault(n, "rows must be a list: each row begins with a hyphen")
		return
	case len(n.Content) > maxRows:
		s.Fault(n, "there are more than %d rows: nobody can oversee as many", maxRows)
		return
	}
	seen := map[string]int{}
	for _, c := range n.Content {
		r, ok := s.row(c)
		if !ok {
			continue
		}
		same := fmt.Sprint(r.Kind, r.terms, r.Says, r.In)
		if line, twice := seen[same]; twice {
			s.Fault(c, "the row says under the same conditions what line %d says: write the uses of both into one", line)
		}
		seen[same] = r.Line
		t.rows = append(t.rows, r)
	}
}

func (s *source) row(n *yaml.Node) (r Row, ok bool) {
	const what = "a row"
	m := s.Object(n, what, "signal", "if", "says", "uses", "in", "source")
	if m == nil {
		return r, false
	}
	r.Line = n.Line
	before := s.Faulty()
	r.Kind = Kind(s.oneOf(n, m, "signal", kindWords[:]))
	r.Says = Says(s.oneOf(n, m, "says", saysWords[:]))
	r.Source, _ = s.Need(n, m, what, "source")
	if s.Faulty() && !before {
		return r, false
	}
	s.conditions(n, m["if"], &r)
	s.uses(n, m["uses"], &r)
	s.places(m["in"], &r)
	return r, true
}

// oneOf returns which of some words a key has, 0 with a fault.
func (s *source) oneOf(n *yaml.Node, m map[string]*yaml.Node, key string, all []string) int {
	text, ok := s.Need(n, m, "a row", key)
	if !ok {
		return 0
	}
	i := slices.Index(all, text)
	if i < 0 {
		s.Fault(m[key], "%s is %s; it can be: %s", key, strict.Quote(text), strings.Join(all, ", "))
	}
	return max(i, 0)
}

func (s *source) uses(row, n *yaml.Node, r *Row) {
	if n == nil {
		s.Fault(row, "a row has no uses")
		return
	}
	for _, e := range s.List(n, "uses") {
		u, ok := declare.ParseUse(e.Key)
		if !ok {
			s.Fault(e.At, "uses lists %s; it can be: %s", strict.Quote(e.Key), strings.Join(declare.UseNames(), ", "))
			continue
		}
		r.Uses = r.Uses.With(u)
	}
	if count(r.Uses) == 0 && !s.Faulty() {
		s.Fault(n, "uses is empty: a signal that says nothing needs no row")
	}
}

func (s *source) places(n *yaml.Node, r *Row) {
	switch {
	case n == nil:
	case n.Kind == yaml.ScalarNode:
		name, ok := s.Text(n, "in")
		r.Group = name
		if r.In = s.groups[name]; ok && r.In == nil {
			s.Fault(n, "in is %s; name one of the table's groups, or list regimes in brackets", strict.Quote(name))
		}
	default:
		for _, e := range s.List(n, "in") {
			s.regime(e.At, e.Key)
			r.In = append(r.In, e.Key)
		}
	}
	for _, name := range r.In {
		if s.code == nil {
			r.in = ^law.Regimes(0)
			continue
		}
		bit, _ := s.code.Regime(name)
		r.in |= bit
	}
}

func (s *source) regime(n *yaml.Node, name string) {
	if s.code == nil {
		return
	}
	if _, ok := s.code.Regime(name); !ok {
		s.Fault(n, "there is no regime %s; `accord law list` shows those that there are", strict.Quote(name))
	}
}

// conditions reads the terms of a row.
func (s *source) conditions(row, n *yaml.Node, r *Row) {
	if n == nil {
		s.Fault(row, "a row has no if: say what the signal must hold")
		return
	}
	for _, e := range s.Entries(n, "if") {
		t := term{key: e.Key}
		if e.Value.Kind == yaml.SequenceNode {
			for _, v := range s.List(e.Value, "if "+e.Key) {
				t.values = append(t.values, v.Key)
			}
		} else if v, ok := s.Text(e.Value, "if "+e.Key); ok {
			t.values = []string{v}
		}
		for _, v := range t.values {
			if !t.known(r.Kind, v) {
				s.Fault(e.At, "a row of %s cannot ask whether %s is %s: no such signal says it", r.Kind, strict.Quote(e.Key), strict.Quote(v))
			}
		}
		r.terms = append(r.terms, t)
	}
	if len(r.terms) == 0 && !s.Faulty() {
		s.Fault(n, "if is empty: the row would hold for everybody")
	}
}

// The values that keys can have, by kind; "purpose" stands for purpose 1 to 24, and
// "publisher consent" likewise.
var vocabulary = [numKinds]map[string][]string{
	KindGPC:       {"Sec-GPC": {"1"}},
	KindTCF:       {"purpose": {"consent", "none"}, "publisher consent": {"yes"}, "string": {"damaged", stringValid, stringFuture}},
	KindTCFCanada: {"purpose": {"express", "implied", "none"}, "publisher consent": {"express"}, "string": {stringValid, stringFuture}},
	KindUSP:       {"OptOutSale": {"Y", "N", "-"}},
	KindGPP:       {"string": {"damaged"}, "section": {"unknown"}},
	KindATT:       {"trackingStatus": attWords[1:], "adTrackingEnabled": {"false"}},
}

// usFields are the fields of the US sections that rows can ask for.
var usFields = []string{"SaleOptOut", "SharingOptOut", "TargetedAdvertisingOptOut", "SensitiveDataProcessing", "KnownChildSensitiveDataConsents", "PersonalDataConsents", "AdditionalDataProcessingConsent",
	"ProcessingNotice", "SharingNotice", "SaleOptOutNotice", "SharingOptOutNotice", "TargetedAdvertisingOptOutNotice",
	"SensitiveDataProcessingOptOutNotice", "SensitiveDataOptOutNotice", "SensitiveDataLimitUseNotice"}

// known reports whether a signal of a kind can say a value, and notes a purpose.
func (t *term) known(kind Kind, value string) bool {
	switch kind {
	case KindGoogle:
		return slices.Contains(GoogleKeys[:], t.key) && (value == "granted" || value == "denied") || t.key == "mode" && value == "damaged"
	case KindUS:
		return slices.Contains(usFields, t.key) && (value == "1" || value == "2" || value == "3")
	}
	key := t.key
	for _, word := range []string{"purpose", "publisher consent"} {
		number, ok := strings.CutPrefix(t.key, word+" ")
		if !ok {
			continue
		}
		n, err := strconv.Atoi(number)
		if err != nil || n < 1 || n > 24 || number != strconv.Itoa(n) {
			return false
		}
		key, t.purpose, t.publisher = word, n, word == "publisher consent"
	}
	return slices.Contains(vocabulary[kind][key], value)
}
