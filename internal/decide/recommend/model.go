package recommend

import (
	"accord/internal/declare"
	"accord/internal/learn"
)

// Model is what was learnt: immutable, so that it is shared freely. The zero
// Model knows no item. It is as personal as the people that it was learnt from:
// keep it sealed.
type Model struct {
	version string
	people  int
	// items are the vocabulary, the most frequent first; index finds them.
	items []string
	index map[string]uint16
	// weights say what having one item adds to the score of another.
	weights learn.Sparse
	finder  *finder
	// prior is what each item starts with: popularity times Blend.Popularity, a
	// row for each hour bucket. Row 0 is the overall one.
	prior [buckets][]float32
	// places say by how much each item's prior is more or less at a place.
	places map[string][]float32
	blend  Blend
	// repeatRate is how many of the purchases were of something the person had
	// bought before; repeats what follows from it.
	repeatRate float64
	newOnly    bool
}

// Blend is how the three causes of a score are added up: the item model's
// weights (factor 1), popularity and the person's own repeats.
type Blend struct {
	// Popularity is the score of the most popular item.
	Popularity float64
	// Repeat times ln(1 + purchases) is added to the score of what the person
	// bought before, where people buy again as often as in the shop that the
	// blend was chosen on, and in proportion less where they do so less often.
	Repeat float64
	// HalfLife is the age in days at which a purchase counts half, for
	// popularity; RepeatHalfLife the same for repeats, from the person's newest.
	HalfLife, RepeatHalfLife float64
}

// DefaultBlend was chosen on Online Retail, on the month before the one that
// the reference figures and the tests measure (purchases from 2011-10-09 to
// 2011-11-09, learnt from those before).
var DefaultBlend = Blend{Popularity: 0.2, Repeat: 1, HalfLife: 10, RepeatHalfLife: 120}

// Version returns the model's name, such as "ease-20261123T120000Z"; it is ""
// for the zero Model.
func (m *Model) Version() string { return m.version }

// Items returns how many items the model knows.
func (m *Model) Items() int { return len(m.items) }

// People returns how many people it was learnt from.
func (m *Model) People() int { return m.people }

// Weights returns how many weights it holds.
func (m *Model) Weights() int { return len(m.weights.Values) }

// Kept returns the part of the sum of squared weights that truncation left.
func (m *Model) Kept() float64 { return m.weights.Kept }

// RepeatRate returns the part of the purchases that were of something the same
// person had bought on an earlier day, among those who had bought anything.
func (m *Model) RepeatRate() float64 { return m.repeatRate }

// NewOnly reports whether the model answers only what the person has not bought
// yet, because people practically never buy a thing twice here.
func (m *Model) NewOnly() bool { return m.newOnly }

// Moments of the day and week that popularity is told apart by.
const (
	dayParts = 4 // of 6 hours
	buckets  = 1 + 2*dayParts
	day      = 24 * 60 * 60 * 1000 // milliseconds
)

// bucket returns the row of prior for a moment: 1 to 4 on weekdays and 5 to 8 on
// Saturday and Sunday, in UTC at learning and at answering alike.
func bucket(ms int64) int {
	days := floorDiv(ms, day)
	part := int((ms - days*day) / (day / dayParts))
	if w := floorMod(days+4, 7); w == 0 || w == 6 { // 1970-01-01 was a Thursday
		part += dayParts
	}
	return 1 + part
}

func floorDiv(a, b int64) int64 {
	q := a / b
	if a%b < 0 {
		q--
	}
	return q
}

func floorMod(a, b int64) int64 { return a - b*floorDiv(a, b) }

// reindex builds the index from the items. It reports whether they differ.
func (m *Model) reindex() bool {
	m.index = make(map[string]uint16, len(m.items))
	for i, item := range m.items {
		m.index[item] = uint16(i)
	}
	return len(m.index) == len(m.items)
}

// positive reports whether an action says that a person wants an item.
func positive(a declare.Action) bool { return strength(a) > 0 }

// speaks reports whether having an item adds to any other's score.
func (m *Model) speaks(item uint16) bool { return m.weights.Starts[item] < m.weights.Starts[item+1] }
