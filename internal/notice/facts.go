package notice

import (
	"cmp"
	"slices"

	"accord/internal/declare"
)

// Facts are what a notice says of a purpose, without words: equal in every
// language.
type Facts struct {
	Uses       []string `json:"uses,omitempty" doc:"How it is used, in the terms of the laws; absent: any use but a personal price"`
	Basis      string   `json:"basis" enum:"consent,contract,legal_obligation,legitimate_interest,opt_out"`
	Fields     []Field  `json:"fields" doc:"All that is used"`
	Recipients []string `json:"recipients" doc:"Who receives it, in the words of the declaration"`
	// Valid is how long a consent lasts; the zero Period is until withdrawn.
	Valid declare.Period `json:"valid,omitzero" doc:"How long a consent lasts; absent: until withdrawn" example:"2 years"`
}

// Field is one thing that is used.
type Field struct {
	Name        string         `json:"name" doc:"Where it comes from and its path" example:"Order Completed/products[].price"`
	Category    string         `json:"category" doc:"What sort of data it is"`
	Sensitivity string         `json:"sensitivity" enum:"ordinary,special"`
	Retention   declare.Period `json:"retention" example:"13 months"`
}

// Covers reports whether a consent that was given for f covers newer: nothing is
// in it that was not, for no longer, to nobody else, on the same basis. What only
// became less is covered.
func (f Facts) Covers(newer Facts) bool {
	if f.Basis != newer.Basis || newer.Valid.Longer(f.Valid) {
		return false
	}
	before := f.Uses
	if before == nil { // a notice that does not say
		before = declare.AnyUse.Names()
	}
	for _, use := range newer.Uses {
		if use != declare.Service.String() && use != declare.SensitiveData.String() && !slices.Contains(before, use) {
			return false
		}
	}
	for _, r := range newer.Recipients {
		if !slices.Contains(f.Recipients, r) {
			return false
		}
	}
	for _, field := range newer.Fields {
		i := slices.IndexFunc(f.Fields, func(old Field) bool { return old.Name == field.Name })
		if i < 0 || field.Retention.Longer(f.Fields[i].Retention) {
			return false
		}
		if field.Sensitivity != f.Fields[i].Sensitivity && field.Sensitivity != declare.Ordinary.String() {
			return false
		}
	}
	return true
}

func factsOf(d *declare.Declaration, p *declare.Purpose) Facts {
	f := Facts{Uses: p.Uses.Names(), Basis: p.Basis.String(), Fields: []Field{}, Recipients: append([]string{}, p.Recipients...), Valid: p.Valid}
	eachUsed(d, p.ID, func(u used) { f.Fields = append(f.Fields, u.Field) })
	slices.SortFunc(f.Fields, func(a, b Field) int { return cmp.Compare(a.Name, b.Name) })
	return f
}

// used is a field of a purpose, and where its text is.
type used struct {
	Field
	section, name, part string
}

// eachUsed calls fn for all that is used for a purpose: first how the person is
// known, then what is known of them, then what happened. An identifier serves a
// purpose no longer than what it finds is kept.
func eachUsed(d *declare.Declaration, id declare.PurposeID, fn func(used)) {
	var longest declare.Period
	eachField(d, id, func(u used) {
		if longest.IsZero() || u.Retention.Longer(longest) {
			longest = u.Retention
		}
	})
	for _, i := range d.Identifiers {
		if !slices.Contains(i.Purposes, id) {
			continue
		}
		retention := i.Retention
		if !longest.IsZero() && retention.Longer(longest) {
			retention = longest
		}
		fn(used{Field{"identifier/" + i.Kind.String(), i.Category, declare.Ordinary.String(), retention}, "identifiers", i.Kind.String(), ""})
	}
	eachField(d, id, fn)
}

func eachField(d *declare.Declaration, id declare.PurposeID, fn func(used)) {
	each := func(fields []declare.Field, prefix, section, event string) {
		for i := range fields {
			f := &fields[i]
			if !slices.Contains(f.Purposes, id) {
				continue
			}
			u := used{Field{prefix + f.Path, f.Category, f.Sensitivity.String(), f.Retention}, section, f.Path, ""}
			if event != "" {
				u.name, u.part = event, f.Path
			}
			fn(u)
		}
	}
	each(d.Attributes, "trait/", "attributes", "")
	each(d.Context, "context/", "context", "")
	for i := range d.Events {
		each(d.Events[i].Fields, d.Events[i].Name+"/", "events", d.Events[i].Name)
	}
}
