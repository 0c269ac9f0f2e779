package recommend

import (
	"slices"
	"sync"

	"accord/internal/decide"
	"accord/internal/declare"
	"accord/internal/profile"
)

// Question is an ask with the history that a view held.
type Question struct {
	decide.Ask
	// History is what the person did, in any order; empty for everybody who is
	// not known.
	History []profile.Interaction
	// Told is what the person told of their preferences; it counts in an Engine
	// that knows the catalogue's categories.
	Told Told
	// NewOnly answers nothing that the person has bought.
	NewOnly bool
	// Show tells whether a product may be answered; nil shows all.
	Show func(id string) bool

	shelves  shelves
	category func(id string) string
}

// Answer answers a question from m alone. A nil Model answers nothing.
func (m *Model) Answer(q *Question) decide.Result {
	s := scratches.Get().(*scratch)
	r := s.answer(m, q)
	scratches.Put(s)
	return r
}

var scratches = sync.Pool{New: func() any { return newScratch() }}

// limit is how many items are answered at most.
func (q *Question) limit() int { return max(0, min(q.N, decide.MaxItems)) }

// permits reports whether an item outside the model may be answered.
func (q *Question) permits(id string) bool {
	if slices.Contains(q.Exclude, id) || slices.Contains(q.Moment.Session, id) || q.Show != nil && !q.Show(id) {
		return false
	}
	var liked, disliked int64
	for i := range q.History {
		x := &q.History[i]
		if x.Item != id {
			continue
		}
		switch {
		case x.Action == declare.Dislike:
			disliked = max(disliked, x.At+1)
		case x.Action == declare.Purchase && q.NewOnly:
			return false
		case x.Action == declare.Like:
			liked = max(liked, x.At+1)
		}
	}
	return disliked == 0 || liked > disliked
}
