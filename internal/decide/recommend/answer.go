package recommend

import (
	"math"
	"slices"

	"accord/internal/decide"
	"accord/internal/declare"
	"accord/internal/profile"
)

const (
	// maxSources is how many items of a history are scored: the newest ones. It
	// bounds the time of an answer.
	maxSources = 512
	// maxReasons is how many reasons an item gets.
	maxReasons = 3
)

// source is one item that speaks for others.
type source struct {
	item    uint16
	action  declare.Action // the strongest thing that the person did with it
	session bool           // of the present session, whoever the person is
	newest  int64
	like    int64 // time of the newest like, and of the newest dislike
	dislike int64
	bought  bool
	weight  float32 // factor of the item's row
	repeats float64 // purchases, halved every half-life
	again   float32 // what they add to the item's own score
}

// scratch is what an answer needs beside the model; it is used again. The tables
// have a place for every item number there can be, so that the inner loops need
// no bounds checks; of them only the part that a model needs is ever touched.
type scratch struct {
	scores  *[maxTable]float32
	slot    *[maxTable]uint16 // item → 1 + position in sources
	sources []source
	top     []ranked
	causes  []causes
}

// ranked is an item on its way into the answer.
type ranked struct {
	score float32
	item  uint16
}

// less orders the answer: higher scores first, equal ones by frequency.
func (a ranked) before(b ranked) bool {
	return a.score > b.score || a.score == b.score && a.item < b.item
}

const maxTable = 1 << 16 // item numbers are uint16

func newScratch() *scratch {
	return &scratch{scores: new([maxTable]float32), slot: new([maxTable]uint16)}
}

func (s *scratch) answer(m *Model, q *Question) decide.Result {
	if m == nil {
		r := decide.Result{Items: []decide.Item{}}
		r.Used, r.Personal = (&uses{}).list(q)
		return r
	}
	r := decide.Result{Model: m.version}
	used := s.gather(m, q)
	prior := s.score(m, q)
	s.exclude(m, q)
	s.best(len(m.items), m, q)
	s.explain(m, q, prior)
	r.Items = s.items(m, q)
	r.Used, r.Personal = used.list(q)
	// The scratch forgets who was answered before it is used for the next.
	for i := range s.sources {
		s.slot[s.sources[i].item] = 0
	}
	clear(s.sources)
	s.sources = s.sources[:0]
	return r
}

// uses counts the interactions that an answer rests on by action.
type uses [len(actions)]int

// list returns the uses with those of what the person told.
func (u *uses) list(q *Question) (out []decide.Use, any bool) {
	out = make([]decide.Use, 0, 2)
	for a, n := range u {
		if n > 0 {
			out = append(out, decide.Use{Kind: actions[a], Count: n})
		}
	}
	if q.tells() {
		out = q.shelves.uses(out, &q.Told)
	}
	return out, len(out) > 0
}

// gather turns session and history into sources.
func (s *scratch) gather(m *Model, q *Question) (used uses) {
	for _, id := range q.Moment.Session {
		if i, ok := m.index[id]; ok {
			if x := s.source(i); !x.session {
				x.session, x.weight, x.newest = true, 1, math.MaxInt64
			}
		}
	}
	newest := int64(math.MinInt64)
	for i := range q.History {
		newest = max(newest, q.History[i].At)
	}
	perDay := -1 / (m.blend.RepeatHalfLife * day)
	for i := range q.History {
		x := &q.History[i]
		at, ok := m.index[x.Item]
		if !ok || int(x.Action) >= len(used) || x.Action == declare.NoAction {
			continue
		}
		// An item that says nothing for any other is used only if it was bought or
		// is to be kept away.
		if m.speaks(at) || x.Action == declare.Purchase || x.Action == declare.Dislike {
			used[x.Action]++
		}
		s.source(at).add(x, float64(newest-x.At)*perDay)
	}
	if len(s.sources) > maxSources {
		s.dropOldest()
	}
	return used
}

// source returns the place of an item among the sources.
func (s *scratch) source(item uint16) *source {
	if at := s.slot[item]; at != 0 {
		return &s.sources[at-1]
	}
	s.sources = append(s.sources, source{item: item, newest: math.MinInt64})
	s.slot[item] = uint16(len(s.sources))
	return &s.sources[len(s.sources)-1]
}

// add counts one interaction; halvings is its age as a negative power of two.
func (x *source) add(seen *profile.Interaction, halvings float64) {
	x.newest = max(x.newest, seen.At)
	switch seen.Action {
	case declare.Dislike:
		x.dislike = max(x.dislike, seen.At+1)
		return
	case declare.Like:
		x.like = max(x.like, seen.At+1)
	case declare.Purchase:
		x.bought = true
		x.repeats += math.Exp2(halvings)
	}
	if w := strength(seen.Action); w > x.weight || w == x.weight && seen.Action > x.action {
		x.weight, x.action = max(w, x.weight), seen.Action
	}
}

// disliked reports whether the person's last word on the item was a dislike. Of one
// moment the dislike counts, as in Question.permits.
func (x *source) disliked() bool { return x.dislike > 0 && x.dislike >= x.like }

// dropOldest keeps the newest sources to score. The others still say what was
// bought and disliked, so they stay with no weight.
func (s *scratch) dropOldest() {
	order := make([]int, len(s.sources))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(a, b int) int {
		x, y := &s.sources[a], &s.sources[b]
		switch {
		case x.newest > y.newest, x.newest == y.newest && x.item < y.item:
			return -1
		}
		return 1
	})
	for _, i := range order[maxSources:] {
		s.sources[i].weight = 0
	}
}

// score fills the scores and returns the prior that they began with.
func (s *scratch) score(m *Model, q *Question) (prior priors) {
	if len(m.items) == 0 {
		return prior
	}
	prior = m.priors(&q.Moment)
	scores := s.scores[:len(m.items)]
	copy(scores, prior.row)
	if prior.lift != nil {
		for j, lift := range prior.lift[:len(scores)] {
			scores[j] *= lift
		}
	}
	for i := range s.sources {
		x := &s.sources[i]
		if x.disliked() {
			continue
		}
		targets, values := m.weights.Row(int(x.item))
		values = values[:len(targets)]
		s.spread(x.weight, targets, values)
		if x.repeats > 0 {
			x.again = float32(m.blend.Repeat * math.Log1p(x.repeats))
			scores[x.item] += x.again
		}
	}
	if q.tells() {
		q.shelves.weigh(scores, &q.Told)
	}
	return prior
}

// spread adds a row of weights, times w, to the scores of its targets. No two
// targets of a row are the same, so four at a time do not wait for each other.
func (s *scratch) spread(w float32, targets []uint16, values []float32) {
	for len(targets) >= 4 && len(values) >= 4 {
		t, v := (*[4]uint16)(targets), (*[4]float32)(values)
		a := s.scores[t[0]] + w*v[0]
		b := s.scores[t[1]] + w*v[1]
		c := s.scores[t[2]] + w*v[2]
		d := s.scores[t[3]] + w*v[3]
		s.scores[t[0]], s.scores[t[1]], s.scores[t[2]], s.scores[t[3]] = a, b, c, d
		targets, values = targets[4:], values[4:]
	}
	for k, j := range targets {
		s.scores[j] += w * values[k]
	}
}

// priors is what items start with: a row, times a lift where there is one.
type priors struct{ row, lift []float32 }

func (p priors) at(item uint16) float32 {
	if p.lift != nil {
		return p.row[item] * p.lift[item]
	}
	return p.row[item]
}

func (m *Model) priors(at *decide.Moment) (p priors) {
	p.row = m.prior[0]
	if !at.Time.IsZero() {
		p.row = m.prior[bucket(at.Time.UnixMilli())]
	}
	if at.Place != "" {
		p.lift = m.places[at.Place]
	}
	return p
}

var never = float32(math.Inf(-1))

// exclude takes items out of the answer: those that the ask names, those of the
// session (they are before the customer's eyes), what the person dislikes, and
// what they bought where only new things are wanted.
func (s *scratch) exclude(m *Model, q *Question) {
	newOnly := q.NewOnly || m.newOnly
	for i := range s.sources {
		if x := &s.sources[i]; x.session || x.disliked() || newOnly && x.bought {
			s.scores[x.item] = never
		}
	}
	for _, id := range q.Exclude {
		if i, ok := m.index[id]; ok {
			s.scores[i] = never
		}
	}
}

// spare is how many items more than were asked for are ranked before it is known
// which may be shown: to ask for each item on its way would cost more.
const spare = 6

// best finds the items of the answer, in order.
func (s *scratch) best(n int, m *Model, q *Question) {
	s.top = s.top[:0]
	limit := q.limit()
	if limit == 0 {
		return
	}
	if q.Show == nil {
		s.rank(n, limit, nil)
		return
	}
	s.rank(n, limit+spare, nil)
	found := len(s.top)
	s.top = slices.DeleteFunc(s.top, func(r ranked) bool { return !q.Show(m.items[r.item]) })
	if len(s.top) < limit && found == limit+spare { // more than spare are not to be shown
		s.rank(n, limit, func(item int) bool { return q.Show(m.items[item]) })
	}
	s.top = s.top[:min(limit, len(s.top))]
}

// rank fills top with the best items among the first n that may be shown, in
// order. The heap's root is the worst of those found, so that nearly every item
// costs one comparison.
func (s *scratch) rank(n, limit int, show func(item int) bool) {
	s.top = s.top[:0]
	worst := never
	scores := s.scores[:n]
	for j := above(scores, 0, worst); j < n; j = above(scores, j+1, worst) {
		if show != nil && !show(j) {
			continue
		}
		next := ranked{scores[j], uint16(j)}
		if len(s.top) < limit {
			s.top = append(s.top, next)
			siftUp(s.top)
		} else {
			s.top[0] = next
			siftDown(s.top)
		}
		if len(s.top) == limit {
			worst = s.top[0].score
		}
	}
	slices.SortFunc(s.top, func(a, b ranked) int {
		if a.before(b) {
			return -1
		}
		return 1
	})
}

// above returns the first index from j on whose score is above worst, or the
// number of scores.
func above(scores []float32, j int, worst float32) int {
	for ; j+8 <= len(scores); j += 8 {
		x := (*[8]float32)(scores[j:])
		if x[0] > worst || x[1] > worst || x[2] > worst || x[3] > worst ||
			x[4] > worst || x[5] > worst || x[6] > worst || x[7] > worst {
			break
		}
	}
	for j < len(scores) && !(scores[j] > worst) {
		j++
	}
	return j
}

func siftUp(h []ranked) {
	for i := len(h) - 1; i > 0; {
		up := (i - 1) / 2
		if !h[up].before(h[i]) {
			return
		}
		h[up], h[i] = h[i], h[up]
		i = up
	}
}

func siftDown(h []ranked) {
	for i := 0; ; {
		down := 2*i + 1
		if down >= len(h) {
			return
		}
		if down+1 < len(h) && h[down].before(h[down+1]) {
			down++
		}
		if !h[i].before(h[down]) {
			return
		}
		h[i], h[down] = h[down], h[i]
		i = down
	}
}
