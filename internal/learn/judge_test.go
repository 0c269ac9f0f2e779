package learn

import (
	"math"
	"testing"

	"pgregory.net/rapid"
)

func TestJudgeByHand(t *testing.T) {
	targets := map[string]bool{"b": true, "d": true, "x": true}
	// Hits at places 2 and 4 of 4; the ideal has 3 hits.
	got := Judge([]string{"a", "b", "c", "d"}, targets, 4)
	gain := 1/math.Log2(3) + 1/math.Log2(5)
	ideal := 1 + 1/math.Log2(3) + 1/math.Log2(4)
	want := Quality{HR: 1, Recall: 2. / 3, NDCG: gain / ideal}
	if got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	// k truncates the ideal too: one hit of two possible.
	got = Judge([]string{"a", "b", "c", "d"}, targets, 2)
	want = Quality{HR: 1, Recall: 1. / 2, NDCG: (1 / math.Log2(3)) / (1 + 1/math.Log2(3))}
	if got != want {
		t.Errorf("at 2: got %+v, want %+v", got, want)
	}
	if got := Judge([]string{"d", "d", "b", "x"}, map[string]bool{"d": true}, 4); got != (Quality{1, 1, 1}) {
		t.Errorf("a repeated item: got %+v", got)
	}
	if got := Judge(nil, targets, 20); got != (Quality{}) {
		t.Errorf("an empty list: got %+v", got)
	}
}

func TestMeanByHand(t *testing.T) {
	var m Mean
	for _, v := range []float64{0, 1, 1, 0, 1} {
		m.Add(Quality{HR: v, Recall: v / 2, NDCG: 1})
	}
	// Variance of {0,1,1,0,1} is 0.3, so the error is √(0.3/5).
	if m.People() != 5 || math.Abs(m.Average().HR-0.6) > 1e-15 || math.Abs(m.Error().HR-math.Sqrt(0.06)) > 1e-15 {
		t.Errorf("mean %v ± %v of %d, want 0.6 ± %v of 5", m.Average().HR, m.Error().HR, m.People(), math.Sqrt(0.06))
	}
	if math.Abs(m.Error().Recall-math.Sqrt(0.06)/2) > 1e-15 || m.Error().NDCG != 0 {
		t.Errorf("errors %+v", m.Error())
	}
	if e := new(Mean).Error(); e != (Quality{}) {
		t.Errorf("error of nobody: %+v", e)
	}
}

func TestQualityIsBetween0And1(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		ranked := rapid.SliceOf(rapid.IntRange(0, 30)).Draw(t, "ranked")
		k := rapid.IntRange(1, 25).Draw(t, "k")
		targets := rapid.MapOfN(rapid.IntRange(0, 30), rapid.Just(true), 1, 30).Draw(t, "targets")
		q := Judge(ranked, targets, k)
		for _, v := range []float64{q.HR, q.Recall, q.NDCG} {
			if !(v >= 0 && v <= 1+1e-12) {
				t.Fatalf("%+v is not within 0 and 1", q)
			}
		}
		if (q.HR > 0) != (q.Recall > 0) || (q.HR > 0) != (q.NDCG > 0) {
			t.Fatalf("%+v: the measures disagree about whether there was a hit", q)
		}
	})
}
