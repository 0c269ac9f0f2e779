package notice

import (
	"fmt"
	"strings"

	"accord/internal/declare"
)

// Words are what a notice calls single things, in one language.
type Words struct{ writer }

// NewWords returns the words of d in one of its languages.
func NewWords(d *declare.Declaration, language string) (*Words, error) {
	texts, l := d.Texts(language), languages[declare.PrimaryLanguage(language)]
	if texts == nil || l == nil {
		return nil, fmt.Errorf("there are no words in %q, only in %s", language, strings.Join(d.Languages, ", "))
	}
	return &Words{writer{d, texts, l}}, nil
}

// Fields calls fn for every declared field with what the notice calls it.
func (w *Words) Fields(fn func(id declare.NameID, text string)) {
	each := func(fields []declare.Field, section, event string) {
		for i := range fields {
			f := &fields[i]
			name, part := f.Path, ""
			if event != "" {
				name, part = event, f.Path
			}
			fn(f.ID, w.thing(section, name, part, f.Category))
		}
	}
	each(w.declaration.Attributes, "attributes", "")
	each(w.declaration.Context, "context", "")
	for i := range w.declaration.Events {
		each(w.declaration.Events[i].Fields, "events", w.declaration.Events[i].Name)
	}
}

// Identifier is what the notice calls an identifier.
func (w *Words) Identifier(id *declare.Identifier) string {
	return w.thing("identifiers", id.Kind.String(), "", id.Category)
}
