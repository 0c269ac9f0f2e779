package declare

import (
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

var update = flag.Bool("update", false, "write the golden files")

// describe writes what the gate enforces of a declaration, one line a class.
func describe(d *Declaration) string {
	var b strings.Builder
	for i := range d.Purposes {
		p := &d.Purposes[i]
		fmt.Fprintf(&b, "purpose %s basis=%s receipt=%s valid=%q engines=%v\n", p.ID, p.Basis, p.Receipt, p.Valid, p.Engines)
	}
	for _, id := range d.Identifiers {
		fmt.Fprintf(&b, "identifier %s %s %v %s\n", id.Kind, id.Category, id.Purposes, id.Retention)
	}
	for i := range d.Classes {
		c := &d.Classes[i]
		fmt.Fprintf(&b, "class %08x %v %s\n", uint32(c.ID), names(d, c.Purposes), c.Retention)
		line := func(prefix string, fields []Field) {
			for j := range fields {
				if f := &fields[j]; f.Class == c {
					fmt.Fprintf(&b, "  %s%s %s %s #%08x\n", prefix, f.Path, f.Type, f.Category, uint32(f.ID))
				}
			}
		}
		line("trait/", d.Attributes)
		line("context/", d.Context)
		for j := range d.Events {
			line(d.Events[j].Name+"["+d.Events[j].Action.String()+"]/", d.Events[j].Fields)
		}
	}
	return b.String()
}

// TestTemplateGolden: the numbers in this file are durable. A change here means
// that a directory of the demonstration can no longer read what it kept.
func TestTemplateGolden(t *testing.T) {
	got := describe(mustParse(t, string(Template("Demonstration shop"))))
	const file = "testdata/template.golden"
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("the template's classes changed; run with -update if that is meant:\n%s", got)
	}
}

// TestTemplateSpeaksToCustomers: promise 10, the notice is written from these
// texts, so every purpose and field has one, and none speaks our own words.
func TestTemplateSpeaksToCustomers(t *testing.T) {
	d := mustParse(t, string(Template("Shop")))
	var texts []string
	for i := range d.Purposes {
		texts = append(texts, d.Purposes[i].Text)
	}
	for _, id := range d.Identifiers {
		texts = append(texts, id.Text)
	}
	d.eachField(func(f *Field) { texts = append(texts, f.Text) })
	for _, text := range texts {
		if len(text) < 8 {
			t.Errorf("the text %q says nothing", text)
		}
		for _, w := range strings.Fields(strings.ToLower(text)) {
			if slices.Contains([]string{"data", "token", "vector", "model", "item", "sku", "id", "gdpr", "purpose", "processing"}, strings.Trim(w, ".,;:")) {
				t.Errorf("the text %q has the word %q, which customers do not use", text, w)
			}
		}
	}
}

func TestTemplateHoldsWhatItsCommentsExplain(t *testing.T) {
	// The commented parts must be right too: people take them as they stand.
	text := string(Template("Shop"))
	at := strings.Index(text, "# context:")
	uncommented := text[:at] + strings.ReplaceAll(strings.ReplaceAll(text[at:], "\n# ", "\n"), "# context:", "context:")
	d := mustParse(t, uncommented)
	if _, ok := d.ContextField("device.type"); !ok {
		t.Error("the commented context does not parse")
	}
}

func TestTemplateOfAnyNameParses(t *testing.T) {
	for _, name := range []string{"", "Müller & Söhne", `"; purposes: {}`, "a\nb: c", "{{id}} {{quoted}}", "\xff\x00\u2028", "42", "日本", "x\u0085y"} {
		mustParse(t, string(Template(name)))
	}
	if got := mustParse(t, string(Template("Demonstration shop"))).Controller(); got != "demonstration-shop" {
		t.Errorf("id %q", got)
	}
	rapid.Check(t, func(t *rapid.T) {
		d, err := Parse("accord.yaml", Template(rapid.String().Draw(t, "name")))
		if err != nil {
			t.Fatal(err)
		}
		checkWhole(t, d)
	})
}
