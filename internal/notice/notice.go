// Package notice writes what a person reads before they choose, from the
// declaration alone.
//
// A [Notice] says for each purpose, in one language, what is used and for how
// long, why, who receives it, and what changes without it: first one or two
// plain sentences, then the detail. The texts are the declaration's; what stands
// around them is one file a language, below languages/.
//
//	n, err := notice.Write(d, "ru")
//	n.Version         // names exactly this text
//	n.Bytes()         // the text; sha256sum of it begins with the version
//	notice.Lint(n, 9) // what is harder to read than grade 9
//
// Beside the words stand the [Facts] of each purpose, which are the same in every
// language. They decide what a consent still covers: a new field, a recipient, a
// field that became sensitive, a longer retention or another basis is a material
// change, and the person is asked again. Other words are not. A [Registry] holds
// what people once read, and says of each version what of today it covers.
//
// Promises kept here: 10 (the notice is written from the declaration that the gate
// enforces).
//
// Non-goals: what a choice permits (package consent), pages (package web).
package notice

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"accord/internal/declare"
)

// Notice is what a person reads before they choose. It does not change after it
// was written.
type Notice struct {
	// Version is the beginning of the SHA-256 of Bytes, in hexadecimal.
	Version    string     `json:"-"`
	Language   string     `json:"language" doc:"BCP 47" example:"en"`
	Title      string     `json:"title"`
	Controller Controller `json:"controller" doc:"Who answers for the data"`
	Purposes   []Purpose  `json:"purposes"`
	Withdraw   string     `json:"withdraw" doc:"How a choice is changed"`
	Rights     []string   `json:"rights" doc:"What else a person can do"`
	Records    string     `json:"records" doc:"What is kept to prove choices and answers"`

	bytes []byte
}

// Controller is who answers for the data.
type Controller struct {
	ID      string `json:"id"`
	Name    string `json:"name"`
	Contact string `json:"contact" doc:"Where a person writes to"`
	Country string `json:"country" doc:"ISO 3166-1 alpha-2"`
}

// Purpose is what a notice says of one purpose, in layers.
type Purpose struct {
	ID       string      `json:"id"`
	Title    string      `json:"title"`
	Sentence string      `json:"sentence" doc:"The first layer: what is used and why, in a sentence or two"`
	Detail   []Paragraph `json:"detail" doc:"The second layer"`
	Facts    Facts       `json:"facts" doc:"The same without words; equal in all languages"`
	// Grade is the school grade that the harder layer is readable at.
	Grade float64 `json:"-"`
}

// Paragraph is a part of the detail.
type Paragraph struct {
	About string   `json:"about" enum:"used,means,recipients,without,basis" doc:"What it answers"`
	Title string   `json:"title"`
	Text  string   `json:"text,omitempty"`
	Items []string `json:"items,omitempty" doc:"A list below the title"`
}

// Write writes the notice of d in one of its languages.
func Write(d *declare.Declaration, language string) (*Notice, error) {
	texts := d.Texts(language)
	if texts == nil {
		return nil, fmt.Errorf("the declaration has no texts in %q: its languages are %s", language, strings.Join(d.Languages, ", "))
	}
	l, ok := languages[declare.PrimaryLanguage(language)]
	if !ok {
		return nil, fmt.Errorf("no notice can be written in %q, only in %s: change languages in the declaration", language, strings.Join(Languages(), ", "))
	}
	w := writer{d, texts, l}
	c := &d.Controllers[0]
	n := &Notice{
		Language:   language,
		Title:      fill(l.Title, "name", c.Name),
		Controller: Controller{string(c.ID), c.Name, c.Contact, c.Country},
		Purposes:   make([]Purpose, len(d.Purposes)),
		Withdraw:   fill(l.Withdraw, "contact", c.Contact),
		Rights:     slices.Clone(l.Rights),
		Records:    fill(l.Records, "period", l.period(d.ReceiptRetention)),
	}
	for i := range d.Purposes {
		n.Purposes[i] = w.purpose(&d.Purposes[i])
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(n); err != nil {
		return nil, err
	}
	n.bytes = b.Bytes()
	n.finish()
	return n, nil
}

// Parse reads a notice back from its Bytes.
func Parse(b []byte) (*Notice, error) {
	n := &Notice{bytes: slices.Clone(b)}
	if err := json.Unmarshal(b, n); err != nil {
		return nil, fmt.Errorf("this is no notice: %w", err)
	}
	if n.Language == "" || n.Controller.ID == "" {
		return nil, errors.New("this is no notice: it names no language or nobody who answers for it")
	}
	n.finish()
	return n, nil
}

// finish computes what follows from the text.
func (n *Notice) finish() {
	sum := sha256.Sum256(n.bytes)
	n.Version = hex.EncodeToString(sum[:16])
	if l, ok := languages[declare.PrimaryLanguage(n.Language)]; ok {
		for i := range n.Purposes {
			n.Purposes[i].Grade, _ = hardest(l, &n.Purposes[i])
		}
	}
}

// Bytes returns the text of which Version is the hash.
func (n *Notice) Bytes() []byte { return slices.Clone(n.bytes) }

// writer writes the purposes of a declaration in one language.
type writer struct {
	declaration *declare.Declaration
	texts       declare.Texts
	*language
}

func (w *writer) text(section, name, part string) string {
	return w.texts[declare.TextKey{Section: section, Name: name, Part: part}]
}

func (w *writer) purpose(p *declare.Purpose) Purpose {
	id := string(p.ID)
	out := Purpose{ID: id, Title: w.text("purposes", id, "title"), Sentence: w.text("purposes", id, "text"), Facts: factsOf(w.declaration, p)}
	if out.Title == "" {
		out.Title = strings.NewReplacer("_", " ", "-", " ").Replace(id)
	}
	used := Paragraph{About: "used", Title: w.Used, Items: w.items(p)}
	if len(used.Items) == 0 {
		used.Text = w.Nothing
	}
	gets := Paragraph{About: "recipients", Title: w.Recipients}
	for _, r := range p.Recipients {
		gets.Items = append(gets.Items, w.text("recipients", r, ""))
	}
	if len(gets.Items) == 0 {
		gets.Text = w.Nobody
	}
	basis := Paragraph{About: "basis", Title: w.Basis, Text: w.Bases[p.Basis.String()]}
	if !p.Valid.IsZero() {
		basis.Text += " " + fill(w.Valid, "period", w.period(p.Valid))
	}
	out.Detail = append([]Paragraph{used}, w.means(p)...)
	out.Detail = append(out.Detail, gets)
	if without := w.text("purposes", id, "without"); without != "" {
		out.Detail = append(out.Detail, Paragraph{About: "without", Title: w.Without, Text: without})
	}
	out.Detail = append(out.Detail, basis)
	return out
}

// means says what follows for a person from how the data is used, where they would
// not expect it. A purpose that does not say how it uses data is told by its own text.
func (w *writer) means(p *declare.Purpose) []Paragraph {
	part := Paragraph{About: "means", Title: w.Means}
	for _, use := range p.Uses.Names() {
		if text := w.Uses[use]; text != "" && p.Uses&declare.AnyUse != declare.AnyUse {
			part.Items = append(part.Items, text)
		}
	}
	if part.Items == nil {
		return nil
	}
	return []Paragraph{part}
}

// items says what is used for a purpose and how long it is kept. What reads the
// same, such as a product that several events name, is said once.
func (w *writer) items(p *declare.Purpose) (out []string) {
	eachUsed(w.declaration, p.ID, func(f used) {
		text := w.thing(f.section, f.name, f.part, f.Category)
		frame := w.Item
		if f.Sensitivity == declare.Special.String() {
			frame = w.Special
		}
		if item := fill(frame, "text", text, "period", w.period(f.Retention)); !slices.Contains(out, item) {
			out = append(out, item)
		}
	})
	return out
}

// thing is what is used, by its own text, or by its category where it has none.
func (w *writer) thing(section, name, part, category string) string {
	if text := w.text(section, name, part); text != "" {
		return text
	}
	return w.text("categories", category, "")
}

// fill puts values in the place of the names in braces.
func fill(frame string, pairs ...string) string {
	for i := 0; i < len(pairs); i += 2 {
		pairs[i] = "{" + pairs[i] + "}"
	}
	return strings.NewReplacer(pairs...).Replace(frame)
}
