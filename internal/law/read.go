package law

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v4"

	"accord/internal/declare"
	"accord/internal/strict"
)

// source is a rule file being read.
type source struct {
	*strict.Source
	file string
}

var words = strict.Words{
	Of:       "one file of rules",
	TooLarge: "a file holds one regime, so take out what is not law",
	Empty:    "the file holds no rules: `accord law copy` writes one to begin with",
}

// common are the keys that every rule may have.
var common = []string{"unless", "effective_from", "until", "source", "link", "dated", "known", "note"}

// keys are those that a rule has by its kind, beside the kind's own and the common
// ones.
var keys = [numKinds][]string{
	Needs: {"uses"}, OwnConsentBelow: {"uses"}, GuardianBelow: {"uses"}, BarredBelow: {"uses"},
	Show: {"uses", "text"}, Deadline: {"within", "extension"}, Owed: {"uses"}, Retention: {"uses"}, Signal: {"uses"},
}

// read reads the file of one regime strictly. The faults, each a *[strict.Error] with
// its line, are joined.
func read(name string, b []byte) (*Regime, error) {
	s := &source{strict.New(name), name}
	r := &Regime{File: name}
	if root := s.Root(b, words); root != nil {
		s.regime(root, r)
	}
	if !s.Faulty() {
		s.contradictions(r.rules)
	}
	return r, s.Err()
}

func (s *source) regime(root *yaml.Node, r *Regime) {
	const what = "the file"
	m := s.Object(root, what, "regime", "name", "places", "beside", "rules")
	if m == nil {
		return
	}
	var ok bool
	if r.ID, ok = s.Need(root, m, what, "regime"); ok {
		r.line = m["regime"].Line
		if file := s.file[strings.LastIndexByte(s.file, '/')+1:]; r.ID+extension != file {
			s.Fault(m["regime"], "regime is %s and the file is called %s: name it %s, so that everybody finds the rules by the regime", strict.Quote(r.ID), strict.Quote(file), strict.Quote(r.ID+extension))
		}
		if !isWord(r.ID, "-") {
			s.Fault(m["regime"], "regime is %s; it must be %s", strict.Quote(r.ID), wordsOf+", with - between them")
		}
	}
	r.Name, _ = s.Need(root, m, what, "name")
	s.places(root, m["places"], r)
	if n := m["beside"]; n != nil {
		for _, e := range s.List(n, "beside") {
			r.beside = append(r.beside, e.Key)
		}
	}
	s.rules(root, m["rules"], r)
}

func (s *source) places(root, n *yaml.Node, r *Regime) {
	if n == nil {
		s.Fault(root, "the file has no places: name the countries or their parts as ISO 3166 spells them, such as \"places: [US-CA]\"")
		return
	}
	for _, e := range s.List(n, "places") {
		if !isPlace([]byte(e.Key)) {
			s.Fault(e.At, "places lists %s: write a country as ISO 3166 spells it, in two capital letters (DE; Norway in quotes, \"NO\"), or a part of one (US-CA)", strict.Quote(e.Key))
			continue
		}
		r.Places, r.placeLines = append(r.Places, Place(e.Key)), append(r.placeLines, e.At.Line)
	}
	if len(r.Places) == 0 && !s.Faulty() {
		s.Fault(n, "places is empty: a law that governs no place says nothing")
	}
}

func (s *source) rules(root, n *yaml.Node, r *Regime) {
	if n == nil {
		s.Fault(root, "the file has no rules")
		return
	}
	if !s.Plain(n, "rules") {
		return
	}
	if n.Kind != yaml.SequenceNode {
		s.Fault(n, "rules must be a list: each rule begins with a hyphen")
		return
	}
	if len(n.Content) == 0 {
		s.Fault(n, "rules is empty, so that nothing would be narrowed where this law governs: write its rules (`accord law copy` writes ours to begin with), or take the file away")
		return
	}
	for i, c := range n.Content {
		if i == MaxRules {
			s.Fault(c, "there are more than %d rules: nobody can oversee as many", MaxRules)
			return
		}
		if rule := s.rule(c); rule != nil {
			rule.Regime = r.ID
			r.rules = append(r.rules, rule)
		}
	}
}

// rule reads one rule. The keys that it may have follow from its kind, which is the
// one key of [kindWords] in it.
func (s *source) rule(n *yaml.Node) *Rule {
	const what = "a rule"
	var kinds []Kind
	entries := s.Entries(n, what)
	if entries == nil {
		return nil
	}
	for _, e := range entries {
		if k := slices.Index(kindWords[:], e.Key); k >= 0 {
			kinds = append(kinds, Kind(k))
		}
	}
	switch {
	case len(kinds) == 0:
		s.Fault(n, "the rule says nothing: it has one of %s", strings.Join(kindWords[:], ", "))
		return nil
	case len(kinds) > 1:
		s.Fault(n, "the rule says two things, %s and %s: make two rules of it", kinds[0], kinds[1])
		return nil
	}
	r := &Rule{Kind: kinds[0], File: s.file, Line: n.Line}
	own := append([]string{r.Kind.String()}, keys[r.Kind]...)
	// Keys that came twice were told by Entries above, so they are not told again.
	m := make(map[string]*yaml.Node, len(n.Content)/2)
	for i := 0; i+1 < len(n.Content); i += 2 {
		if key := n.Content[i].Value; slices.Contains(own, key) || slices.Contains(common, key) {
			m[key] = n.Content[i+1]
		} else {
			s.Fault(n.Content[i], "a rule about %s has no key %s; its keys are: %s", r.Kind, strict.Quote(key), strings.Join(slices.Concat(own, common), ", "))
		}
	}
	s.subject(n, m, r)
	if r.Kind.ofUses() {
		s.uses(n, m["uses"], r)
	}
	s.origin(n, m, r)
	return r
}

// subject reads what the rule says.
func (s *source) subject(n *yaml.Node, m map[string]*yaml.Node, r *Rule) {
	at := m[r.Kind.String()]
	what := r.Kind.String() + " of a rule"
	switch r.Kind {
	case Needs:
		r.Need = Need(max(slices.Index(needWords, s.oneOf(at, what, needWords)), 0))
	case OwnConsentBelow, GuardianBelow, BarredBelow:
		age, err := strconv.Atoi(at.Value)
		if at.Kind != yaml.ScalarNode || at.ShortTag() != "!!int" || err != nil || age < 1 || age > 99 {
			s.Fault(at, "%s is %s: write an age in years, such as 16", what, strict.Quote(at.Value))
		}
		r.Age = age
	case Show:
		if r.Word, _ = s.Text(at, what); r.Word != "" && !isWord(r.Word, "") {
			s.Fault(at, "%s is %s; it must be %s, such as price_disclosure", what, strict.Quote(r.Word), wordsOf)
		}
		s.texts(n, m["text"], r)
	case Deadline:
		r.Word = s.oneOf(at, what, deadlineWords)
		r.Within = s.span(n, m, "within")
		if m["extension"] != nil {
			r.Extension = s.span(n, m, "extension")
		}
	case Owed:
		r.Word = s.oneOf(at, what, owedWords)
	case Signal:
		r.Word = s.oneOf(at, what, signalWords)
	case Retention:
		text, ok := s.Text(at, what)
		if !ok {
			return
		}
		var err error
		if r.Keep, err = declare.ParsePeriod(text); err != nil {
			s.Fault(at, "%s is %s: %v", what, strict.Quote(text), err)
		}
	case Localisation:
		if r.Word, _ = s.Text(at, what); r.Word != "" && (len(r.Word) != 2 || !isPlace([]byte(r.Word))) {
			s.Fault(at, "%s is %s: write the country in two capital letters of ISO 3166, such as RU", what, strict.Quote(r.Word))
		}
	}
}

// uses reads what the rule is about. What the person asked for is nobody's to narrow.
func (s *source) uses(rule, n *yaml.Node, r *Rule) {
	if n == nil {
		s.Fault(rule, "the rule has no uses: say which uses of data it is about, such as \"uses: [sale, targeted_advertising]\"")
		return
	}
	for _, e := range s.List(n, "uses of a rule") {
		u, ok := declare.ParseUse(e.Key)
		switch {
		case e.Key == "any":
			r.Uses = anyUse
		case !ok:
			s.Fault(e.At, "uses of a rule lists %s; it can be any, or some of: %s", strict.Quote(e.Key), strings.Join(declare.UseNames()[1:], ", "))
		case u == declare.Service:
			s.Fault(e.At, "uses of a rule lists service: what the person asked for and what the law demands is not narrowed; take it out")
		default:
			r.Uses = r.Uses.With(u)
		}
	}
	if r.Uses == 0 && !s.Faulty() {
		s.Fault(n, "uses of a rule is empty: say which uses of data it is about")
	}
}

// origin reads when the rule counts and where it is from.
func (s *source) origin(n *yaml.Node, m map[string]*yaml.Node, r *Rule) {
	const what = "a rule"
	if u := m["unless"]; u != nil {
		for _, e := range s.List(u, "unless of a rule") {
			if !isWord(e.Key, "") {
				s.Fault(e.At, "unless of a rule lists %s; it must be %s, such as no_food", strict.Quote(e.Key), wordsOf)
			}
			r.Unless = append(r.Unless, e.Key)
		}
		slices.Sort(r.Unless)
	}
	r.From = s.day(n, m, "effective_from")
	if until := m["until"]; until != nil {
		if r.Until = s.day(n, m, "until"); !r.From.IsZero() && !r.Until.IsZero() && !r.Until.After(r.From) {
			s.Fault(until, "until is %s, which is not after effective_from, %s: it is the first day on which the rule no longer counts", r.Until.Format(time.DateOnly), r.From.Format(time.DateOnly))
		}
	}
	r.Source, _ = s.Need(n, m, what, "source")
	r.Dated = s.day(n, m, "dated")
	if m["known"] == nil {
		s.Fault(n, "a rule has no known: say how well it is known: %s", strings.Join(knownWords, ", "))
	} else {
		r.Known = Known(max(slices.Index(knownWords, s.oneOf(m["known"], "known of a rule", knownWords)), 0))
	}
	if link := m["link"]; link != nil {
		if r.Link, _ = s.Text(link, "link of a rule"); r.Link != "" && !strings.HasPrefix(r.Link, "https://") && !strings.HasPrefix(r.Link, "http://") {
			s.Fault(link, "link of a rule is %s: write an address that begins with https://", strict.Quote(r.Link))
		}
	}
	if note := m["note"]; note != nil {
		r.Note, _ = s.Text(note, "note of a rule")
	}
}

// texts reads a text in one or several languages.
func (s *source) texts(rule, n *yaml.Node, r *Rule) {
	if n == nil {
		s.Fault(rule, "the rule shows %s and has no text: write it for each language, such as \"text: {en: …}\"", strict.Quote(r.Word))
		return
	}
	r.Texts = map[string]string{}
	for _, e := range s.Entries(n, "text of a rule") {
		if len(e.Key) < 2 || len(e.Key) > 16 || !isWord(strings.ReplaceAll(e.Key, "-", ""), "") {
			s.Fault(e.At, "text of a rule has the language %s: write a short tag in small letters, such as en or pt-br", strict.Quote(e.Key))
			continue
		}
		r.Texts[e.Key], _ = s.Text(e.Value, "text of a rule in "+strict.Quote(e.Key))
	}
	if len(r.Texts) == 0 && !s.Faulty() {
		s.Fault(n, "text of a rule is empty: write it for each language, such as \"text: {en: …}\"")
	}
}

// day reads a date, in quotes or not.
func (s *source) day(rule *yaml.Node, m map[string]*yaml.Node, key string) time.Time {
	n := m[key]
	if n == nil {
		s.Fault(rule, "a rule has no %s: write a day such as 2026-01-31", key)
		return time.Time{}
	}
	day, err := time.Parse(time.DateOnly, n.Value)
	tag := n.ShortTag()
	if !s.Plain(n, key+" of a rule") {
		return time.Time{}
	}
	if n.Kind != yaml.ScalarNode || tag != "!!str" && tag != "!!timestamp" || err != nil || day.Year() < 1900 {
		s.Fault(n, "%s of a rule is %s: write a day such as 2026-01-31", key, strict.Quote(n.Value))
		return time.Time{}
	}
	return day
}

// span reads the length of a deadline.
func (s *source) span(rule *yaml.Node, m map[string]*yaml.Node, key string) Span {
	text, ok := s.Need(rule, m, "a deadline", key)
	if !ok {
		return Span{}
	}
	span, err := ParseSpan(text)
	if err != nil {
		s.Fault(m[key], "%s of a deadline is %s: %v", key, strict.Quote(text), err)
	}
	return span
}

// oneOf reads one of the words; "" is none of them, with a fault.
func (s *source) oneOf(n *yaml.Node, what string, words []string) string {
	text, ok := s.Text(n, what)
	if ok && !slices.Contains(words, text) {
		s.Fault(n, "%s is %s; it can be: %s", what, strict.Quote(text), strings.Join(words, ", "))
		return ""
	}
	return text
}

const wordsOf = "small letters, digits and _, beginning with a letter, at most 64"

// isWord reports whether s can name a text, a fact or, with the hyphen besides, a
// regime.
func isWord(s, besides string) bool {
	if s == "" || len(s) > 64 || s[0] < 'a' || s[0] > 'z' {
		return false
	}
	return strings.Trim(s, "abcdefghijklmnopqrstuvwxyz0123456789_"+besides) == ""
}
