package evaluate

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"time"

	"accord/internal/decide"
	"accord/internal/decide/recommend"
	"accord/internal/declare"
	"accord/internal/learn"
	"accord/internal/profile"
)

// Options of Temporal. The zero value is good.
type Options struct {
	// K is the length of the lists; 0 is 20. At most decide.MaxItems.
	K int
	// Train are the options of the models; Now is set by Temporal.
	Train recommend.Options
	// FullLambda is the ridge of the models Full and Truncated; 0 is that of
	// Train, so that their difference to Accord is the blend alone.
	FullLambda float64
}

// ErrNobody is returned where nobody can be measured.
var ErrNobody = errors.New("nobody did something before that day and bought something from it on")

// Temporal learns from what was done before until and measures how well each
// model predicts what the same people buy from then on. Three models are learnt:
// EASE, which is measured in full and truncated, and the engine's own, as served
// and with all weights.
func Temporal(ctx context.Context, histories recommend.Data, until time.Time, o Options) (Report, error) {
	o.K = cmp.Or(o.K, 20)
	if o.K < 1 || o.K > decide.MaxItems {
		return Report{}, fmt.Errorf("a list has 1 to %d items, not %d", decide.MaxItems, o.K)
	}
	o.Train.TopK = cmp.Or(o.Train.TopK, recommend.DefaultTopK)
	o.Train.MaxItems = cmp.Or(o.Train.MaxItems, recommend.DefaultMaxItems)
	o.Train.Now = until.Add(-time.Millisecond)

	s := split(histories, until.UnixMilli(), o.Train.MaxItems)
	if len(s.measured()) == 0 {
		first, last := Split(histories, 0), Split(histories, 1)
		return Report{}, fmt.Errorf("%w: what is on record runs from %s to %s, so choose a day in between", ErrNobody, first.Format(time.DateOnly), last.Format(time.DateOnly))
	}
	t, err := newTrial(ctx, s, o)
	if err != nil {
		return Report{}, err
	}
	report := Report{
		K: o.K, Until: until, People: s.matrix.Rows(), Items: len(s.items), Pairs: s.matrix.Pairs(),
		TopK: o.Train.TopK, Kept: t.sparse.Kept, Figures: map[string]Figures{},
	}
	all, fresh, err := t.run(ctx)
	if err != nil {
		return Report{}, err
	}
	for name, m := range all.models {
		report.Figures[name] = figures(m)
	}
	for name, m := range fresh.models {
		report.Figures[name+NewItems] = figures(m)
	}
	report.Lost, report.EASELost = all.losses()
	report.LostNew, report.EASELostNew = fresh.losses()
	return report, nil
}

func figures(m *learn.Mean) Figures {
	a, e := m.Average(), m.Error()
	return Figures{a.HR, a.Recall, a.NDCG, e.HR, e.Recall, e.NDCG, m.People()}
}

// person is one history split at the moment.
type person struct {
	past    []recommend.Interaction
	place   string
	items   []int           // of the past, distinct
	bought  map[string]bool // before
	targets map[string]bool // bought from then on
}

// sample is the data of an evaluation.
type sample struct {
	until  int64
	people []person // with a past
	items  []string // the most frequent first, as the engine orders them
	index  map[string]int
	matrix *learn.Matrix
}

func split(data recommend.Data, until int64, maxItems int) *sample {
	s := &sample{until: until, index: map[string]int{}}
	count := map[string]int{}
	for i := range data {
		p := person{place: data[i].Place, bought: map[string]bool{}, targets: map[string]bool{}}
		wanted := map[string]bool{}
		for _, x := range data[i].Items {
			switch {
			case x.At >= until:
				if x.Action == declare.Purchase {
					p.targets[x.Item] = true
				}
				continue
			case x.Action == declare.Purchase:
				p.bought[x.Item] = true
			}
			p.past = append(p.past, x)
			if x.Action != declare.Dislike && x.Action != declare.NoAction {
				wanted[x.Item] = true
			}
		}
		if len(wanted) == 0 {
			continue
		}
		for item := range wanted {
			count[item]++
		}
		s.people = append(s.people, p)
	}
	for item := range count {
		s.items = append(s.items, item)
	}
	slices.SortFunc(s.items, func(a, b string) int { return cmp.Or(cmp.Compare(count[b], count[a]), cmp.Compare(a, b)) })
	s.items = s.items[:min(len(s.items), maxItems)]
	for i, item := range s.items {
		s.index[item] = i
	}
	s.matrix = learn.NewMatrix(len(s.items))
	for i := range s.people {
		p := &s.people[i]
		for _, x := range p.past {
			if at, ok := s.index[x.Item]; ok && x.Action != declare.Dislike && x.Action != declare.NoAction {
				p.items = append(p.items, at)
			}
		}
		slices.Sort(p.items)
		p.items = slices.Compact(p.items)
		s.matrix.Append(p.items)
	}
	return s
}

// measured returns the people who have targets.
func (s *sample) measured() (out []*person) {
	for i := range s.people {
		if len(s.people[i].targets) > 0 {
			out = append(out, &s.people[i])
		}
	}
	return out
}

// trial is everything that was learnt before the moment.
type trial struct {
	*sample
	o       Options
	popular []float64 // people by item, all time
	recent  []float64 // people by item, 30 days
	full    *learn.Linear
	sparse  *learn.Sparse
	engine  *recommend.Model // as served
	whole   *recommend.Model // the same with all weights
}

func newTrial(ctx context.Context, s *sample, o Options) (*trial, error) {
	t := &trial{sample: s, o: o}
	t.popular = s.popularity(math.MinInt64)
	t.recent = s.popularity(s.until - 30*24*time.Hour.Milliseconds())
	var err error
	ridge := cmp.Or(o.FullLambda, o.Train.Lambda, recommend.Ridge(s.matrix.Rows()))
	if t.full, err = learn.EASE(ctx, s.matrix, ridge); err != nil {
		return nil, err
	}
	if t.sparse, err = t.full.Truncate(ctx, o.Train.TopK); err != nil {
		return nil, err
	}
	data := make(recommend.Data, len(s.people))
	for i := range s.people {
		data[i] = recommend.History{Place: s.people[i].place, Items: s.people[i].past}
	}
	if t.engine, err = recommend.Train(ctx, data, o.Train); err != nil {
		return nil, err
	}
	o.Train.TopK = len(s.items)
	t.whole, err = recommend.Train(ctx, data, o.Train)
	return t, err
}

// popularity returns how many people wanted each item since a moment.
func (s *sample) popularity(since int64) []float64 {
	out := make([]float64, len(s.items))
	for i := range s.people {
		had := map[string]bool{}
		for _, x := range s.people[i].past {
			at, ok := s.index[x.Item]
			if ok && x.At >= since && x.Action != declare.Dislike && x.Action != declare.NoAction && !had[x.Item] {
				had[x.Item] = true
				out[at]++
			}
		}
	}
	return out
}

// means are the qualities so far.
type means struct {
	models map[string]*learn.Mean
	served learn.Mean // AccordFull less Accord, person by person
	ease   learn.Mean // Full less Truncated
}

func newMeans() *means {
	m := &means{models: map[string]*learn.Mean{}}
	for _, name := range models {
		m.models[name] = &learn.Mean{}
	}
	return m
}

// add adds a person's qualities by model.
func (m *means) add(q map[string]learn.Quality) {
	for name, x := range q {
		m.models[name].Add(x)
	}
	m.served.Add(learn.Quality{NDCG: q[AccordFull].NDCG - q[Accord].NDCG})
	m.ease.Add(learn.Quality{NDCG: q[Full].NDCG - q[Truncated].NDCG})
}

func (m *means) losses() (served, ease Loss) {
	return loss(&m.served, m.models[AccordFull]), loss(&m.ease, m.models[Full])
}

func loss(difference, whole *learn.Mean) (l Loss) {
	if n := whole.Average().NDCG; n > 0 {
		l = Loss{difference.Average().NDCG / n, difference.Error().NDCG / n}
	}
	return l
}

// part is how many people are scored at once, to bound the memory.
const part = 256

// run measures all models on all items and on those new to the person.
func (t *trial) run(ctx context.Context) (all, fresh *means, err error) {
	all, fresh = newMeans(), newMeans()
	delete(fresh.models, Repeats)
	for people := range slices.Chunk(t.measured(), part) {
		histories := make([][]int, len(people))
		for i, p := range people {
			histories[i] = p.items
		}
		full, err := t.full.Scores(ctx, histories)
		if err != nil {
			return nil, nil, err
		}
		for i, p := range people {
			a, b := t.measure(p, full[i])
			all.add(a)
			if b != nil {
				fresh.add(b)
			}
		}
	}
	return all, fresh, nil
}

// measure judges what each model answers to one person, whose scores by the full
// model are given, over all items and over new ones; fresh is nil for a person
// without new targets.
func (t *trial) measure(p *person, full []float64) (all, fresh map[string]learn.Quality) {
	unseen := maps.Clone(p.targets)
	maps.DeleteFunc(unseen, func(item string, _ bool) bool { return p.bought[item] })
	all = map[string]learn.Quality{
		Accord:     learn.Judge(t.accord(t.engine, p, false), p.targets, t.o.K),
		AccordFull: learn.Judge(t.accord(t.whole, p, false), p.targets, t.o.K),
	}
	if len(unseen) > 0 {
		fresh = map[string]learn.Quality{
			Accord:     learn.Judge(t.accord(t.engine, p, true), unseen, t.o.K),
			AccordFull: learn.Judge(t.accord(t.whole, p, true), unseen, t.o.K),
		}
	}
	scores := make([]float64, len(t.items))
	for _, name := range models {
		switch name {
		case Accord, AccordFull:
			continue
		case Popularity:
			copy(scores, t.popular)
		case Popularity30:
			copy(scores, t.recent)
		case Repeats:
			t.repeats(p, scores)
		case Full:
			copy(scores, full)
		case Truncated:
			t.truncated(p, scores)
		}
		all[name] = learn.Judge(t.best(scores), p.targets, t.o.K)
		if fresh == nil || name == Repeats {
			continue
		}
		for _, i := range p.items {
			if p.bought[t.items[i]] {
				scores[i] = math.Inf(-1)
			}
		}
		fresh[name] = learn.Judge(t.best(scores), unseen, t.o.K)
	}
	return all, fresh
}

// repeats scores what the person bought on many days before all else, and the
// rest by popularity.
func (t *trial) repeats(p *person, scores []float64) {
	copy(scores, t.recent)
	for at, n := range t.days(p) {
		scores[at] += n * float64(len(t.people)+1)
	}
}

func (t *trial) truncated(p *person, scores []float64) {
	clear(scores)
	for _, i := range p.items {
		targets, values := t.sparse.Row(i)
		for k, j := range targets {
			scores[j] += float64(values[k])
		}
	}
}

// days returns on how many days a person bought each item.
func (t *trial) days(p *person) map[int]float64 {
	type bought struct {
		item int
		day  int64
	}
	seen, out := map[bought]bool{}, map[int]float64{}
	for _, x := range p.past {
		at, ok := t.index[x.Item]
		b := bought{at, x.At / (24 * time.Hour).Milliseconds()}
		if ok && x.Action == declare.Purchase && !seen[b] {
			seen[b] = true
			out[at]++
		}
	}
	return out
}

// best returns the K items of the highest scores; of equal ones the more
// frequent come first.
func (t *trial) best(scores []float64) []string {
	top := make([]int, 0, t.o.K+1)
	for i, v := range scores {
		if math.IsInf(v, -1) || len(top) == t.o.K && v <= scores[top[len(top)-1]] {
			continue
		}
		at := len(top)
		for at > 0 && v > scores[top[at-1]] {
			at--
		}
		if top = slices.Insert(top, at, i); len(top) > t.o.K {
			top = top[:t.o.K]
		}
	}
	out := make([]string, len(top))
	for i, at := range top {
		out[i] = t.items[at]
	}
	return out
}

// accord asks an engine's model as the server does, without a moment.
func (t *trial) accord(m *recommend.Model, p *person, fresh bool) []string {
	q := recommend.Question{Ask: decide.Ask{N: t.o.K, Moment: decide.Moment{Place: p.place}}, NewOnly: fresh}
	for _, x := range p.past {
		q.History = append(q.History, profile.Interaction{At: x.At, Item: x.Item, Action: x.Action, Quantity: x.Weight})
	}
	r := m.Answer(&q)
	out := make([]string, len(r.Items))
	for i := range r.Items {
		out[i] = r.Items[i].ID
	}
	return out
}

// Split returns the moment after the given part of the time, 0 to 1, that the
// data spans; the zero time for no data.
func Split(data recommend.Data, part float64) time.Time {
	first, last := int64(math.MaxInt64), int64(math.MinInt64)
	for i := range data {
		for j := range data[i].Items {
			first, last = min(first, data[i].Items[j].At), max(last, data[i].Items[j].At)
		}
	}
	if first > last {
		return time.Time{}
	}
	return time.UnixMilli(first + int64(part*float64(last-first))).UTC()
}
