package evaluate
import ("testing";"fmt";"math/rand/v2";"slices";"time";"accord/internal/decide/recommend")
func TestTune6(t *testing.T) {
	all := onlineRetail(t)
	for _, k := range []int{200, 300, 400} { var sums [4]float64
	for seed := range uint64(5) {
		r := rand.New(rand.NewPCG(70, 1+seed))
		data := slices.DeleteFunc(slices.Clone(all), func(recommend.History) bool { return r.Float64() >= .7 })
		x, err := Temporal(t.Context(), data, time.Date(2011, 11, 9, 0, 0, 0, 0, time.UTC), Options{Train: recommend.Options{TopK: k}})
		if err != nil { t.Fatal(err) }
		fmt.Println("T6", k, seed, "served", x.Lost, x.LostNew, "ease", x.EASELost, x.EASELostNew)
		for i, l := range []Loss{x.Lost, x.LostNew, x.EASELost, x.EASELostNew} { sums[i] += l.Part/5 }
	}
	fmt.Println("T6 mean", k, sums)
	}
}
