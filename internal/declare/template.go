package declare

import (
	_ "embed"
	"encoding/json"
	"slices"
	"strings"
	"unicode"
)

//go:embed template.yaml
var template string

//go:embed template.ru.yaml
var templateRussian []byte

// TemplateTranslations returns the template's texts in its other languages, as
// [Declaration.Translate] reads them.
func TemplateTranslations() map[string][]byte {
	return map[string][]byte{"ru": slices.Clone(templateRussian)}
}

// Template returns the commented declaration that `accord init` writes for a
// controller of that name. Its id is made from the name. It parses as it is;
// the contact and the country are there to be changed.
func Template(name string) []byte {
	name = strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return ' '
	}, strings.ToValidUTF8(name, " "))
	if name = strings.Join(strings.Fields(name), " "); name == "" {
		name = "The shop"
	}
	// A JSON string is a quoted YAML string.
	quoted, err := json.Marshal(name)
	if err != nil {
		panic("declare: a text always marshals: " + err.Error())
	}
	return []byte(strings.NewReplacer("{{name}}", name, "{{id}}", slug(name), "{{quoted}}", string(quoted)).Replace(template))
}

// slug returns an id made of the letters and digits of name, or "shop".
func slug(name string) string {
	words := strings.FieldsFunc(strings.ToLower(name), func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < '0' || r > '9')
	})
	id := strings.Trim(cutBytes(strings.Join(words, "-"), 32), "-")
	if !isID(id) {
		return "shop"
	}
	return id
}

func cutBytes(s string, most int) string { return s[:min(len(s), most)] }
