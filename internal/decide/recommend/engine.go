package recommend

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"

	"accord/internal/decide"
	"accord/internal/declare"
	"accord/internal/profile"
)

// Engine answers from the present model. It implements [decide.Engine] and is
// safe for concurrent use; models are swapped while it answers.
type Engine struct {
	show    func(id string) bool
	present atomic.Pointer[present]
	newOnly atomic.Pointer[[]declare.PurposeID]

	mu sync.Mutex // held while present is replaced
}

// present is what answers are made of now. It does not change.
type present struct {
	model    *Model
	fallback []string
	shelves  shelves
	category func(id string) string
}

var _ decide.Engine = (*Engine)(nil)

// New returns an engine without a model. catalog tells whether a product may be
// shown (it exists and is in stock); nil shows all. It is called for the few
// products that would be answered and must be fast and safe for concurrent use.
// fallback are products in the order in which they are answered while there is
// no model, and after all that a model knows.
func New(catalog func(id string) bool, fallback ...string) *Engine {
	e := &Engine{show: catalog}
	e.present.Store(&present{fallback: slices.Clone(fallback)})
	return e
}

// Name returns "recommend".
func (e *Engine) Name() string { return "recommend" }

// Swap puts a model in force; nil takes the present one away. Answers under way
// end with the model that they began with.
func (e *Engine) Swap(m *Model) { e.replace(func(p *present) { p.model = m }) }

// Model returns the model in force, or nil.
func (e *Engine) Model() *Model { return e.present.Load().model }

// SetFallback replaces the products that are answered where the model has none,
// and reads the categories of all again: call it when the catalogue changed.
func (e *Engine) SetFallback(ids []string) {
	own := slices.Clone(ids)
	e.replace(func(p *present) { p.fallback = own })
}

// SetCategories tells the engine how to find a product's category in the
// catalogue: a name, a path such as "Kitchen > Mugs", or "". Without it nobody's
// told preferences change an answer. The function must be safe for concurrent use.
func (e *Engine) SetCategories(of func(id string) string) {
	e.replace(func(p *present) { p.category = of })
}

// replace changes what answers are made of. Answers under way end with what they
// began with.
func (e *Engine) replace(change func(*present)) {
	e.mu.Lock()
	defer e.mu.Unlock()
	next := *e.present.Load()
	change(&next)
	next.shelves = shelve(next.model, next.fallback, next.category)
	e.present.Store(&next)
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
	q := Question{Ask: ask}
	if view.Personal() {
		q.History, q.Told = view.Interactions(), toldIn(view)
	}
	return e.decide(&q), nil
}

func (e *Engine) decide(q *Question) decide.Result {
	if p := e.newOnly.Load(); p != nil {
		q.NewOnly = slices.Contains(*p, q.Purpose)
	}
	now := e.present.Load()
	q.Show, q.shelves, q.category = e.show, now.shelves, now.category
	r := now.model.Answer(q)
	r.Items = top(r.Items, now.fallback, q)
	if r.Personal && !tells(r.Items) {
		// Nothing of the answer is there because of the person. Something may be
		// absent because of them; if not, they get what everybody gets.
		q.History, q.Told = nil, Told{}
		others := now.model.Answer(q)
		others.Items = top(others.Items, now.fallback, q)
		if slices.EqualFunc(r.Items, others.Items, func(a, b decide.Item) bool { return a.ID == b.ID }) {
			return others
		}
	}
	return r
}

// tells reports whether an item is answered because of what the person did or
// told.
func tells(items []decide.Item) bool {
	return slices.ContainsFunc(items, func(x decide.Item) bool {
		return slices.ContainsFunc(x.Reasons, func(r decide.Reason) bool { return r.Code == "because_item" || r.Code == "told" })
	})
}

// listed is the reason of every product of the fallback; it is only ever read.
var listed = []decide.Reason{{Code: "catalogue", Share: 1}}

// top adds products of the fallback to an answer that is too short. They have no
// score and no reason but their place in the list, except to somebody who told
// what they prefer: what they like comes first and what they would avoid last.
func top(items []decide.Item, fallback []string, q *Question) []decide.Item {
	if !q.tells() {
		return list(items, fallback, q, func(string) ([]decide.Reason, bool) { return listed, true })
	}
	for _, turn := range [...]preference{liked, neither, avoided} {
		items = list(items, fallback, q, func(id string) ([]decide.Reason, bool) {
			is, category := q.prefers(id)
			if is == liked {
				return []decide.Reason{{Code: "told", Category: category, Share: 1}}, turn == liked
			}
			return listed, is == turn
		})
	}
	return items
}

// list adds those products of the fallback that take says belong here, with their
// reasons.
func list(items []decide.Item, fallback []string, q *Question, take func(id string) ([]decide.Reason, bool)) []decide.Item {
	for _, id := range fallback {
		if len(items) >= q.limit() {
			break
		}
		if slices.ContainsFunc(items, func(x decide.Item) bool { return x.ID == id }) || !q.permits(id) {
			continue
		}
		if reasons, ok := take(id); ok {
			items = append(items, decide.Item{ID: id, Reasons: reasons})
		}
	}
	return items
}
