package signal

import (
	"fmt"
	"strings"
)

// Markdown returns the table for people to read: docs/signals.md holds it.
func (t *Table) Markdown() string {
	var b strings.Builder
	b.WriteString("| signal | if | says | to | where | source |\n|---|---|---|---|---|---|\n")
	for i := range t.rows {
		r := &t.rows[i]
		where := "everywhere"
		if r.Group != "" {
			where = "`" + r.Group + "`"
		} else if len(r.In) > 0 {
			where = strings.Join(r.In, ", ")
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %s | %s |\n", r.Kind, r.If(), r.Says, r.Uses, where, r.Source)
	}
	return b.String()
}

// If returns the row's conditions in words.
func (r *Row) If() string {
	terms := make([]string, len(r.terms))
	for i, t := range r.terms {
		terms[i] = "`" + t.key + "` " + strings.Join(t.values, " or ")
	}
	return strings.Join(terms, " and ")
}
