package consent

import (
	"slices"
	"strings"
	"sync"
	"sync/atomic"
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
// common case, it costs a look and allocates nothing. Nobody changes what it returns.
func (g Grant) Shows(language string) []declare.Obligation {
	if g.gate == nil {
		return nil
	}
	l := g.gate.lawful.Load()
	if l == nil || l.shows[g.purpose]&g.in == 0 {
		return nil
	}
	return l.texts.of(shown{g.purpose, g.in, language}, func() []declare.Obligation {
		texts := l.table.Shows(g.gate.declaration.Purposes[g.purpose].Uses, g.in, language)
		return slices.DeleteFunc(texts, func(o declare.Obligation) bool { return o.Code == ShowHonoured })
	})
}

// shown is what texts are asked for.
type shown struct {
	purpose  declare.PurposeIndex
	in       law.Regimes
	language string
}

// texts keeps what was worked out, for the places and languages that come first: a
// shop has few of them.
type texts struct {
	kept  sync.Map // of shown to []declare.Obligation, which nobody changes
	count atomic.Int32
}

const mostTexts = 1024

func (t *texts) of(what shown, work func() []declare.Obligation) []declare.Obligation {
	if kept, ok := t.kept.Load(what); ok {
		return kept.([]declare.Obligation)
	}
	out := slices.Clip(work())
	if t.count.Add(1) <= mostTexts {
		what.language = strings.Clone(what.language) // it may be a piece of a request
		t.kept.Store(what, out)
	}
	return out
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
func shows(d *declare.Declaration, table *law.Table) []law.Regimes {
	out := make([]law.Regimes, len(d.Purposes))
	for i := range d.Purposes {
		out[i] = regimesWhere(table.All(), func(one law.Regimes) bool {
			return slices.ContainsFunc(table.Shows(d.Purposes[i].Uses, one), func(o declare.Obligation) bool { return o.Code != ShowHonoured })
		})
	}
	return out
}
