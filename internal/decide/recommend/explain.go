package recommend

import (
	"math"

	"accord/internal/decide"
	"accord/internal/declare"
)

// cause is a part of an item's score.
type cause struct {
	part   float32 // > 0
	source int     // position in the sources; popular for the prior; told less the position in the likes
}

const (
	popular = -1
	told    = -2
)

// causes are the strongest parts of one item's score, in order, and the sum of
// all positive parts.
type causes struct {
	mass  float32
	count int
	first [maxReasons]cause
}

func (c *causes) add(part float32, source int) {
	if part <= 0 {
		return
	}
	c.mass += part
	at := c.count
	for at > 0 && part > c.first[at-1].part {
		at--
	}
	if at == maxReasons {
		return
	}
	c.count = min(c.count+1, maxReasons)
	copy(c.first[at+1:], c.first[at:])
	c.first[at] = cause{part, source}
}

// explain takes the scores of the answered items apart again. It reads the same
// weights that made them, so a reason cannot be anything but a true one.
func (s *scratch) explain(m *Model, q *Question, prior priors) {
	s.causes = s.causes[:0]
	for _, t := range s.top {
		var c causes
		c.add(prior.at(t.item), popular)
		for i := range s.sources {
			x := &s.sources[i]
			if x.disliked() {
				continue
			}
			if at, ok := m.finder.find(x.item, t.item); ok {
				c.add(x.weight*m.weights.Values[at], i)
			}
			if x.item == t.item {
				c.add(x.again, i)
			}
		}
		for i, category := range q.Told.Likes {
			if q.shelves.hold(category, t.item) {
				c.add(likedScore, told-i)
			}
		}
		s.causes = append(s.causes, c)
	}
}

// items writes the answer. All reasons share one allocation.
func (s *scratch) items(m *Model, q *Question) []decide.Item {
	out := make([]decide.Item, len(s.top))
	total := 0
	for i := range s.causes {
		total += s.causes[i].count
	}
	reasons := make([]decide.Reason, 0, total)
	for i, t := range s.top {
		c, from := &s.causes[i], len(reasons)
		for _, part := range c.first[:c.count] {
			reasons = append(reasons, s.reason(m, q, t.item, part, c.mass))
		}
		out[i] = decide.Item{ID: m.items[t.item], Score: float64(t.score), Reasons: reasons[from:len(reasons):len(reasons)]}
	}
	return out
}

func (s *scratch) reason(m *Model, q *Question, item uint16, part cause, mass float32) decide.Reason {
	// Rounded down to a ten-thousandth, so that shares never sum to more than 1.
	share := math.Floor(float64(part.part)/float64(mass)*1e4) / 1e4
	if part.source == popular {
		return decide.Reason{Code: "popular", Share: share}
	}
	if part.source <= told {
		return decide.Reason{Code: "told", Category: q.Told.Likes[told-part.source], Share: share}
	}
	x := &s.sources[part.source]
	if x.session {
		return decide.Reason{Code: "session", Item: m.items[x.item], Share: share}
	}
	action := actions[x.action]
	if x.item == item { // what an item says for itself is that it was bought
		action = actions[declare.Purchase]
	}
	return decide.Reason{Code: "because_item", Item: m.items[x.item], Action: action, Share: share}
}
