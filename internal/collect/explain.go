package collect

import (
	"time"

	"accord/internal/consent"
	"accord/internal/declare"
	"accord/internal/identity"

	"github.com/go-json-experiment/json/jsontext"
)

// Explanation says what of one sample event a declaration keeps.
type Explanation struct {
	Type  string `json:"type"`
	Event string `json:"event,omitempty"`
	// Problem is why nothing of the event can be kept whatever anybody consents
	// to, "" if something can.
	Problem string           `json:"problem,omitempty"`
	Fields  []ExplainedField `json:"fields"`
}

// ExplainedField says what becomes of one value of a sample event. Values
// themselves are not shown.
type ExplainedField struct {
	Field string `json:"field"`
	// Consented are the purposes for which it is kept from a person who consents
	// to everything, Unasked those for which it is kept from one who never chose.
	Consented []declare.PurposeID `json:"consented"`
	Unasked   []declare.PurposeID `json:"unasked"`
	// Retention is how long it is kept, the zero Period if it is not.
	Retention declare.Period `json:"-"`
	// Dropped is the code of the reason why it is never kept, and Why the same in
	// words; for a field that is kept, why one who never chose keeps less.
	Dropped string `json:"dropped,omitempty"`
	Why     string `json:"why,omitempty"`
}

// Explain shows what of the events in sample d keeps and drops, and why. The
// sample is JSON: a batch as the tracking API takes it, a list of events, or one
// event with its type. Events are read with the very code that collects them, as
// sent by the shop itself. Its errors are ErrBadJSON, ErrTooLarge.
func Explain(d *declare.Declaration, sample []byte) ([]Explanation, error) {
	kind := "batch"
	switch v := jsontext.Value(sample); v.Kind() {
	case '[':
		sample = append(append([]byte(`{"batch":`), sample...), '}')
	case '{':
		if !isBatch(string(sample)) {
			sample = append(append([]byte(`{"batch":[`), sample...), `]}`...)
		}
	}
	b := &batch{
		c:      &Collector{Config: Config{Declaration: d}, plan: newPlan(d), hasher: identity.NewHasher(nil)},
		source: "sample", speaker: identity.Server(), budget: MaxEvents, open: -1, now: time.Now(),
	}
	b.received = b.now.UnixMilli()
	if err := b.parse(kind, sample); err != nil {
		return nil, err
	}
	out := make([]Explanation, len(b.messages))
	for i := range b.messages {
		b.when(&b.messages[i])
		b.subject(&b.messages[i])
		out[i] = b.explain(i)
	}
	return out, nil
}

// isBatch reports whether an object has a member "batch".
func isBatch(s string) bool {
	if !jsontext.Value(s).IsValid(lenient...) {
		return true // parse says what is wrong with it
	}
	c := cursor{s: s}
	c.space()
	for c.enter(); c.more('}'); {
		if c.key() == "batch" {
			return true
		}
		c.skip()
	}
	return false
}

func (b *batch) explain(i int) Explanation {
	m := &b.messages[i]
	e := Explanation{Type: verbNames[m.verb], Event: shown(m.name), Problem: m.reason.String(), Fields: []ExplainedField{}}
	for j := m.from; j < m.to; j++ {
		v := &b.values[j]
		if v.index > 0 && explained(e.Fields, v.node.path) {
			continue // the elements of a list share a fate
		}
		e.Fields = append(e.Fields, b.explainValue(m, v))
	}
	if i < len(b.traces) {
		for _, drop := range b.traces[i].Dropped {
			e.Fields = append(e.Fields, ExplainedField{Field: drop.Field, Dropped: drop.Reason, Why: drop.Why,
				Consented: []declare.PurposeID{}, Unasked: []declare.PurposeID{}})
		}
	}
	if e.Problem == "" && m.from == m.to {
		e.Problem = "it has no declared field"
	}
	return e
}

func explained(fields []ExplainedField, path string) bool {
	for i := range fields {
		if fields[i].Field == path {
			return true
		}
	}
	return false
}

func (b *batch) explainValue(m *message, v *value) ExplainedField {
	p := b.c.plan
	f := ExplainedField{Field: v.node.path, Retention: v.node.field.Retention, Consented: []declare.PurposeID{}, Unasked: []declare.PurposeID{}}
	for i := range p.declaration.Purposes {
		purpose := declare.PurposeIndex(i)
		if !(v.node.class.Purposes & b.c.Declaration.Identifies(m.who.Kind)).Has(purpose) {
			continue
		}
		id := p.declaration.Purposes[i].ID
		f.Consented = append(f.Consented, id)
		if p.consents.Has(purpose) {
			f.Why = consent.DeniedNoChoice.String()
		} else {
			f.Unasked = append(f.Unasked, id)
		}
	}
	if len(f.Consented) == 0 && m.reason == NoReason {
		f.Dropped, f.Why = OtherIdentifier.Code(), OtherIdentifier.String()
	}
	return f
}
