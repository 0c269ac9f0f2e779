package learn

import "math"

// Quality is how good one ranked list of k items is, each 0 to 1.
type Quality struct {
	HR     float64 // 1 if any target is in the list
	Recall float64 // targets in the list / min(k, targets)
	NDCG   float64 // discounted gain / that of the ideal list of min(k, targets)
}

// Judge measures the first k of ranked against the targets, of which there must
// be one at least. An item that is ranked twice counts once.
func Judge[T comparable](ranked []T, targets map[T]bool, k int) (q Quality) {
	if len(targets) == 0 || k < 1 {
		return q
	}
	hits, gain := 0, 0.0
	for at, item := range ranked[:min(k, len(ranked))] {
		if targets[item] && !contains(ranked[:at], item) {
			hits++
			gain += discount(at)
		}
	}
	most, ideal := min(k, len(targets)), 0.0
	for at := range most {
		ideal += discount(at)
	}
	if hits > 0 {
		q.HR = 1
	}
	q.Recall = float64(hits) / float64(most)
	q.NDCG = gain / ideal
	return q
}

func discount(at int) float64 { return 1 / math.Log2(float64(at+2)) }

func contains[T comparable](list []T, item T) bool {
	for _, x := range list {
		if x == item {
			return true
		}
	}
	return false
}

// Mean is a running average of Quality over people. The zero Mean is ready.
type Mean struct {
	n       int
	average Quality
	squares Quality // sums of squared deviations (Welford)
}

// Add adds a person's quality.
func (m *Mean) Add(q Quality) {
	m.n++
	add := func(average, squares *float64, v float64) {
		d := v - *average
		*average += d / float64(m.n)
		*squares += d * (v - *average)
	}
	add(&m.average.HR, &m.squares.HR, q.HR)
	add(&m.average.Recall, &m.squares.Recall, q.Recall)
	add(&m.average.NDCG, &m.squares.NDCG, q.NDCG)
}

// People returns how many were added.
func (m *Mean) People() int { return m.n }

// Average returns the means.
func (m *Mean) Average() Quality { return m.average }

// Error returns the standard errors of the means, 0 for fewer than two people.
func (m *Mean) Error() (q Quality) {
	if m.n < 2 {
		return q
	}
	se := func(squares float64) float64 { return math.Sqrt(squares / float64(m.n-1) / float64(m.n)) }
	return Quality{HR: se(m.squares.HR), Recall: se(m.squares.Recall), NDCG: se(m.squares.NDCG)}
}
