package law

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"accord/internal/declare"
)

// Limit is what the regimes of a Table make of a purpose, by its uses. A regime
// stands in a set if a rule of it says so for one of the uses at least.
type Limit struct {
	Objection Regimes // the person must be able to object: no use without that
	Consent   Regimes // only with the person's consent
	Never     Regimes // not at all
	// By the youngest age of a person's band, in years, the youngest age first:
	// below the age the set's regimes need a consent of their own, a guardian's
	// consent, or forbid it.
	Young, Guardian, Barred []Below
	// Review and General are owed where the set's regimes are: a human who looks
	// again, and a way without personal data.
	Review, General Regimes
}

// Below is a rule for everybody younger than an age.
type Below struct {
	Age     int
	Regimes Regimes
}

// Table is the rules in force from From until Until, UTC days. It does not change.
type Table struct {
	From, Until time.Time // [From, Until); a zero From is since ever, a zero Until for ever

	code   *Code
	rules  []*Rule   // in force, in the order of the regimes and of their files
	in     []Regimes // in[i] is the regime of rules[i]
	limits [declare.NumUses]Limit
}

// table makes the table number i of the code.
func (c *Code) table(i int) *Table {
	t := &Table{code: c}
	if i > 0 {
		t.From = c.days[i-1]
	}
	if i < len(c.days) {
		t.Until = c.days[i]
	}
	for bit, regime := range c.regimes {
		for _, r := range regime.rules {
			if !r.InForce(t.From) || slices.ContainsFunc(r.Unless, func(f string) bool { return slices.Contains(c.given, f) }) {
				continue
			}
			t.rules, t.in = append(t.rules, r), append(t.in, 1<<bit)
			for u := range declare.Use(declare.NumUses) {
				if r.Uses.Has(u) {
					t.limits[u].add(r, 1<<bit)
				}
			}
		}
	}
	return t
}

// add notes what a rule of a regime says.
func (l *Limit) add(r *Rule, in Regimes) {
	switch r.Kind {
	case Needs:
		switch r.Need {
		case Objection:
			l.Objection |= in
		case Consent:
			l.Consent |= in
		case Never:
			l.Never |= in
		}
	case OwnConsentBelow:
		l.Young = below(l.Young, Below{r.Age, in})
	case GuardianBelow:
		l.Guardian = below(l.Guardian, Below{r.Age, in})
	case BarredBelow:
		l.Barred = below(l.Barred, Below{r.Age, in})
	case Owed:
		switch r.Word {
		case HumanReview:
			l.Review |= in
		case GeneralOption:
			l.General |= in
		}
	}
}

// below returns the list with b in it, one entry an age.
func below(list []Below, b Below) []Below {
	i, there := slices.BinarySearchFunc(list, b, func(x, y Below) int { return cmp.Compare(x.Age, y.Age) })
	if there {
		list[i].Regimes |= b.Regimes
		return list
	}
	return slices.Insert(list, i, b)
}

// Limit returns what the rules make of some uses. Ask once for a purpose and keep
// the answer as long as the table.
func (t *Table) Limit(uses declare.Uses) (l Limit) {
	for u := range declare.Use(declare.NumUses) {
		if !uses.Has(u) {
			continue
		}
		x := &t.limits[u]
		l.Objection |= x.Objection
		l.Consent |= x.Consent
		l.Never |= x.Never
		l.Review |= x.Review
		l.General |= x.General
		for _, lists := range []struct {
			to   *[]Below
			from []Below
		}{{&l.Young, x.Young}, {&l.Guardian, x.Guardian}, {&l.Barred, x.Barred}} {
			for _, b := range lists.from {
				*lists.to = below(*lists.to, b)
			}
		}
	}
	return l
}

// Regimes returns the regimes that govern a place; see [Code.In].
func (t *Table) Regimes(place Place) Regimes { return t.code.In(place) }

// All returns all regimes: what counts where no place is known.
func (t *Table) All() Regimes { return t.code.All() }

// Names returns the ids of a set's regimes, sorted.
func (t *Table) Names(in Regimes) []string { return t.code.Names(in) }

// each calls f with the rules of a kind that are in force in some regimes, in order.
func (t *Table) each(kind Kind, in Regimes, f func(*Rule, Regimes)) {
	for i, r := range t.rules {
		if r.Kind == kind && t.in[i]&in != 0 {
			f(r, t.in[i])
		}
	}
}

// Rules returns what the regimes say of the uses, in the order of the regimes and of
// their files: what a person is told when they ask why.
func (t *Table) Rules(uses declare.Uses, in Regimes) (out []Rule) {
	for i, r := range t.rules {
		if t.in[i]&in != 0 && r.Uses&uses != 0 {
			out = append(out, *r)
		}
	}
	return out
}

// Shows returns the texts that must be shown with the uses, in the first of the
// languages that a text is to be had in, else as the law has it. Each code and text
// comes once, in the order of the codes.
func (t *Table) Shows(uses declare.Uses, in Regimes, languages ...string) (out []declare.Obligation) {
	t.each(Show, in, func(r *Rule, _ Regimes) {
		if r.Uses&uses != 0 {
			out = append(out, declare.Obligation{Code: r.Word, Text: r.text(languages)})
		}
	})
	slices.SortFunc(out, func(a, b declare.Obligation) int {
		return cmp.Or(cmp.Compare(a.Code, b.Code), cmp.Compare(a.Text, b.Text))
	})
	return slices.Compact(out)
}

// text returns the rule's text in one of the languages (BCP 47), else in English,
// else in any.
func (r *Rule) text(languages []string) string {
	for _, tag := range append(slices.Clip(languages), "en") {
		tag = strings.ToLower(tag)
		if text, ok := r.Texts[tag]; ok {
			return text
		}
		primary, _, _ := strings.Cut(tag, "-")
		if text, ok := r.Texts[primary]; ok {
			return text
		}
	}
	first := ""
	for language := range r.Texts {
		if first == "" || language < first {
			first = language
		}
	}
	return r.Texts[first]
}

// Due is by when something must be answered or done.
type Due struct {
	By     time.Time // the regular end
	Latest time.Time // with every extension that all regimes grant; not before By
	Rules  []Rule    // what says so
}

// Deadline returns by when what was asked at a time must be answered: the earliest
// day of the regimes. The word is [Access], [Erasure], …; without a rule it returns
// false.
func (t *Table) Deadline(word string, in Regimes, asked time.Time) (d Due, ok bool) {
	t.each(Deadline, in, func(r *Rule, _ Regimes) {
		if r.Word != word {
			return
		}
		by := r.Within.After(asked)
		latest := r.Extension.After(by)
		if !ok || by.Before(d.By) {
			d.By = by
		}
		if !ok || latest.Before(d.Latest) {
			d.Latest = latest
		}
		d.Rules = append(d.Rules, *r)
		ok = true
	})
	return d, ok
}

// Signal returns the regimes in which a browser's signal, such as [GPC], is a valid
// objection to one of the uses.
func (t *Table) Signal(name string, uses declare.Uses) (in Regimes) {
	t.each(Signal, t.All(), func(r *Rule, regime Regimes) {
		if r.Word == name && r.Uses&uses != 0 {
			in |= regime
		}
	})
	return in
}

// Owed returns what the person may ask for beside the uses, sorted: [HumanReview],
// [GeneralOption], [Factors].
func (t *Table) Owed(uses declare.Uses, in Regimes) (out []string) {
	t.each(Owed, in, func(r *Rule, _ Regimes) {
		if r.Uses&uses != 0 {
			out = append(out, r.Word)
		}
	})
	slices.Sort(out)
	return slices.Compact(out)
}

// Retention returns how long data for the uses may be kept at most; the zero Period
// is no limit beyond the declaration.
func (t *Table) Retention(uses declare.Uses, in Regimes) (shortest declare.Period) {
	t.each(Retention, in, func(r *Rule, _ Regimes) {
		if r.Uses&uses != 0 && shortest.Longer(r.Keep) {
			shortest = r.Keep
		}
	})
	return shortest
}

// Localisation returns the rules that demand that a person's data is kept in a
// country. It asks for the place and not for regimes, since nobody can keep data in
// every country: of a place that is unknown or governed by no regime it returns none.
func (t *Table) Localisation(place Place) (out []Rule) {
	in := t.code.governing(place)
	t.each(Localisation, in, func(r *Rule, _ Regimes) { out = append(out, *r) })
	return out
}
