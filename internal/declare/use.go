package declare

import (
	"strings"

	"go.yaml.in/yaml/v4"

	"accord/internal/strict"
)

// Use is a sort of use of personal data, in the terms in which laws and signals
// speak: a purpose is the brand's own word, its uses are everybody's.
type Use uint8

// The uses. The numbers are not durable.
const (
	Service             Use = iota // doing what the person asked for, and what the law demands
	Analytics                      // measuring how the shop is used
	Personalization                // choosing content and products by what is known of a person
	DirectMarketing                // writing to a person: mail, messages, push
	TargetedAdvertising            // advertising by what a person did elsewhere
	Sale                           // giving data to others for money or other value, sharing for advertising included
	PersonalPrice                  // a price or an offer by what is known of a person
	AutomatedDecision              // deciding alone about what matters as much as a contract
	ModelTraining                  // learning from a person what serves many
	SensitiveData                  // any use of special categories of data; derived from the fields
	NumUses             = iota
)

// Uses is a set of uses, a bit each.
type Uses uint16

// Has reports whether u is in s.
func (s Uses) Has(u Use) bool { return s>>u&1 == 1 }

// With returns s and u.
func (s Uses) With(u Use) Uses { return s | 1<<u }

// AnyUse is what a purpose counts as that does not say how it uses data: each use
// that a purpose may have without saying so. A personal price must be said.
const AnyUse Uses = 1<<Analytics | 1<<Personalization | 1<<DirectMarketing | 1<<TargetedAdvertising | 1<<Sale | 1<<AutomatedDecision | 1<<ModelTraining

// useWords are the uses as the declaration, the rules of law and the signals'
// table spell them.
var useWords = [NumUses]string{"service", "analytics", "personalization", "direct_marketing", "targeted_advertising", "sale", "personal_price", "automated_decision", "model_training", "sensitive_data"}

// String returns the use's word, such as "direct_marketing".
func (u Use) String() string { return word(useWords[:], int(u)) }

// ParseUse reads what String wrote.
func ParseUse(s string) (Use, bool) {
	i, ok := find(useWords[:], s)
	return Use(max(i, 0)), ok
}

// UseNames returns the words of all uses, in the order of their constants.
func UseNames() []string { return useWords[:] }

// Names returns the words of the set's uses, in the order of their constants.
func (s Uses) Names() (names []string) {
	for u := range Use(NumUses) {
		if s.Has(u) {
			names = append(names, u.String())
		}
	}
	return names
}

// String returns the words, separated by commas.
func (s Uses) String() string { return strings.Join(s.Names(), ", ") }

// uses reads what a purpose uses data for. Where it does not say, a contract and a
// legal obligation are a service, and everything else is any use.
func (s *source) uses(n *yaml.Node, what string, basis Basis) (out Uses) {
	if n == nil {
		if basis == Contract || basis == LegalObligation {
			return out.With(Service)
		}
		return AnyUse
	}
	for _, e := range s.List(n, "use of "+what) {
		u, ok := ParseUse(e.Key)
		switch {
		case !ok || u == SensitiveData:
			s.Fault(e.At, "use of %s lists %s; it can be: %s", what, strict.Quote(e.Key), strings.Join(useWords[:SensitiveData], ", "))
		default:
			out = out.With(u)
		}
	}
	if out == 0 && !s.Faulty() {
		s.Fault(n, "use of %s is empty: say how data is used, or leave it out, and every law about any use counts", what)
	}
	return out
}

// sensitive adds to each purpose that a field of a special category serves the use
// of such data.
func (d *Declaration) sensitive() {
	d.eachField(func(f *Field) {
		if f.Sensitivity != Special {
			return
		}
		for _, p := range f.Purposes {
			i := d.index.purposes[p]
			d.Purposes[i].Uses = d.Purposes[i].Uses.With(SensitiveData)
		}
	})
}
