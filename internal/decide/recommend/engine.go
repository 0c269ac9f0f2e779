package recommend

import (
	"context"
	"slices"
	"sync/atomic"

	"accord/internal/decide"
	"accord/internal/declare"
	"accord/internal/profile"
)

// Engine answers from the present model. It implements [decide.Engine] and is
// safe for concurrent use; models are swapped while it answers.
type Engine struct {
	show     func(id string) bool
	model    atomic.Pointer[Model]
	fallback atomic.Pointer[[]string]
	newOnly  atomic.Pointer[[]declare.PurposeID]
}

var _ decide.Engine = (*Engine)(nil)

// New returns an engine without a model. catalog tells whether a product may be
// shown (it exists and is in stock); nil shows all. It is called for the few
// products that would be answered and must be fast and safe for concurrent use.
// fallback are products in the order in which they are answered while there is
// no model, and after all that a model knows.
func New(catalog func(id string) bool, fallback ...string) *Engine {
	e := &Engine{show: catalog}
	e.SetFallback(fallback)
	return e
}

// Name returns "recommend".
func (e *Engine) Name() string { return "recommend" }

// Swap puts a model in force; nil takes the present one away. Answers under way
// end with the model that they began with.
func (e *Engine) Swap(m *Model) { e.model.Store(m) }

// Model returns the model in force, or nil.
func (e *Engine) Model() *Model { return e.model.Load() }

// SetFallback replaces the products that are answered where the model has none.
func (e *Engine) SetFallback(ids []string) {
	own := slices.Clone(ids)
	e.fallback.Store(&own)
}

// SetNewOnly names the purposes under which nothing is answered that the person
// has bought, such as a page of discoveries.
func (e *Engine) SetNewOnly(purposes ...declare.PurposeID) {
	own := slices.Clone(purposes)
	e.newOnly.Store(&own)
}

// Decide answers ask. It fails only when ctx has ended.
func (e *Engine) Decide(ctx context.Context, ask decide.Ask, view profile.View) (decide.Result, error) {
	if err := ctx.Err(); err != nil {
		return decide.Result{}, err
	}
	var history []profile.Interaction
	if view.Personal() {
		history = view.Interactions()
	}
	return e.decide(&ask, history), nil
}

func (e *Engine) decide(ask *decide.Ask, history []profile.Interaction) decide.Result {
	q := Question{Ask: *ask, History: history, Show: e.show}
	if p := e.newOnly.Load(); p != nil {
		q.NewOnly = slices.Contains(*p, ask.Purpose)
	}
	m := e.model.Load()
	r := m.Answer(&q)
	r.Items = top(r.Items, *e.fallback.Load(), &q)
	if r.Personal && !tells(r.Items) {
		// Nothing of the answer is there because of the person. Something may be
		// absent because of them; if not, they get what everybody gets.
		q.History = nil
		others := m.Answer(&q)
		others.Items = top(others.Items, *e.fallback.Load(), &q)
		if slices.EqualFunc(r.Items, others.Items, func(a, b decide.Item) bool { return a.ID == b.ID }) {
			return others
		}
	}
	return r
}

// tells reports whether an item is answered because of what the person did.
func tells(items []decide.Item) bool {
	return slices.ContainsFunc(items, func(x decide.Item) bool {
		return slices.ContainsFunc(x.Reasons, func(r decide.Reason) bool { return r.Code == "because_item" })
	})
}

// listed is the reason of every product of the fallback; it is only ever read.
var listed = []decide.Reason{{Code: "catalogue", Share: 1}}

// top adds products of the fallback to an answer that is too short. They have no
// score and no reason but their place in the list.
func top(items []decide.Item, fallback []string, q *Question) []decide.Item {
	for _, id := range fallback {
		if len(items) >= q.limit() {
			break
		}
		known := slices.ContainsFunc(items, func(x decide.Item) bool { return x.ID == id })
		if !known && q.permits(id) {
			items = append(items, decide.Item{ID: id, Reasons: listed})
		}
	}
	return items
}
