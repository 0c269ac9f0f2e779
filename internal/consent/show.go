package consent

import (
	"slices"
	"time"

	"accord/internal/declare"
	"accord/internal/identity"
	"accord/internal/law"
)

// ShowHonoured is the code of the law's text that is shown to somebody whose signal was
// honoured. It goes with no other answer.
const ShowHonoured = "opt_out_honored"

// End returns what a refusal makes of a present choice about a purpose on some basis,
// Unset where no choice ends the basis. What is ended already is said again.
func End(basis declare.Basis, present State) State {
	switch {
	case !narrowable(basis):
		return Unset
	case present.Ended():
		return present
	case holdsUnasked(basis):
		return Objected
	case present == Given:
		return Withdrawn
	case basis == declare.Consent:
		return Refused
	}
	return Unset
}

// Shows returns the texts that the law wants shown with what is done under a grant, in
// a language (BCP 47) where the law has them in it. Where there is none, which is the
// common case, it costs a look and allocates nothing.
func (g Grant) Shows(language string) []declare.Obligation {
	if g.gate == nil {
		return nil
	}
	l := g.gate.lawful.Load()
	if l == nil || l.shows[g.purpose]&g.in == 0 {
		return nil
	}
	texts := l.table.Shows(g.gate.declaration.Purposes[g.purpose].Uses, g.in, language)
	return slices.DeleteFunc(texts, func(o declare.Obligation) bool { return o.Code == ShowHonoured })
}

// Honoured returns the texts that the law wants shown to somebody whose signal refused
// a purpose; t is zero where nobody is known.
func (g *Gate) Honoured(t identity.Token, purpose declare.PurposeIndex, where Where, language string, now time.Time) []declare.Obligation {
	l := g.law(millis(now))
	if l == nil || int(purpose) >= len(g.declaration.Purposes) {
		return nil
	}
	var who status
	if !t.IsZero() {
		_, _, who, _ = g.book.lookLinked(t, purpose)
	}
	texts := l.table.Shows(g.declaration.Purposes[purpose].Uses, l.in(where.In, who), language)
	return slices.DeleteFunc(texts, func(o declare.Obligation) bool { return o.Code != ShowHonoured })
}

// shows returns for each purpose the regimes that want a text shown with it.
func shows(d *declare.Declaration, code *law.Code, table *law.Table) []law.Regimes {
	out := make([]law.Regimes, len(d.Purposes))
	for i := range d.Purposes {
		for bit := law.Regimes(1); bit != 0 && bit <= code.All(); bit <<= 1 {
			if slices.ContainsFunc(table.Shows(d.Purposes[i].Uses, bit), func(o declare.Obligation) bool { return o.Code != ShowHonoured }) {
				out[i] |= bit
			}
		}
	}
	return out
}
