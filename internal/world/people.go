package world

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
)

// Customer is what a shop knows about somebody who signed up.
type Customer struct {
	ID      string `json:"id"`
	Name    string `json:"name"`
	Email   string `json:"email"` // below example.com, which belongs to nobody
	Country string `json:"country"`
}

// person is a customer and the hidden truth about them. It does not change.
type person struct {
	customer Customer
	sections []float64 // 0–1, by section: what they are drawn to
	looks    [looks]float64
	thrift   float64 // 0–1: how much a price holds them off
	visits   float64 // a day
	hour     float64 // of the day at which they come most
	given    map[string]bool
}

// kinds of people, by what draws them: a section's code and how much.
var kinds = []map[string]float64{
	{"BT": 1, "GT": .9, "HI": .6, "TP": .8, "CM": .6, "PH": .3},           // the tea drinker
	{"CB": 1, "CG": .9, "CM": .6, "PH": .2, "BK": .2},                     // the barista
	{"BK": 1, "SP": .6, "PH": .7, "KL": .5, "BT": .2},                     // the baker
	{"SP": 1, "KB": .9, "KL": .6, "PH": .4, "BK": .3},                     // the cook
	{"CM": 1, "KL": .8, "TP": .7, "PH": .6, "BT": .4, "CB": .4, "KB": .3}, // the host
	{"HI": 1, "PH": .8, "GT": .7, "SP": .5, "BK": .3},                     // the gardener
}

var given = strings.Fields("Ada Ben Carys Dev Elif Finn Grace Hamza Isla Jonas Kirsty Liam Maya Noor Oscar Priya Quinn Rosa Sam Tara Umar Vera Will Xanthe Yusuf Zoe Aoife Bram Chloe Dario Emma Farid Greta Hugo Ines Jack Kofi Lena Mateo Nina")

var family = strings.Fields("Archer Bell Clarke Dunne Ellis Fraser Gupta Hughes Iqbal Jansen Kelly Lopez Murphy Novak Okafor Patel Quill Rossi Shaw Turner Underwood Vogel Walsh Young Abbott Brook Carter Dubois Evans Foster Grant Hill Irving Jones Khan Lewis Moore Nash Owens Price")

// countries as a British shop has them.
var countries = strings.Fields("GB GB GB GB GB GB GB GB IE IE FR DE DE NL")

// makePeople draws n people; share of them consent to personalization.
func makePeople(seed uint64, n int, share float64) []person {
	people := make([]person, n)
	for i := range people {
		// A stream for each, so that another number of people changes nobody.
		people[i] = makePerson(rand.New(rand.NewPCG(seed, streamPeople+uint64(i))), i, share)
	}
	return people
}

func makePerson(r *rand.Rand, i int, share float64) person {
	first, last := given[r.IntN(len(given))], family[r.IntN(len(family))]
	id := fmt.Sprintf("c%04d", i+1)
	p := person{
		customer: Customer{
			ID: id, Name: first + " " + last,
			Email:   fmt.Sprintf("%s.%s.%s@example.com", strings.ToLower(first), strings.ToLower(last), id),
			Country: countries[r.IntN(len(countries))],
		},
		sections: drawn(r),
		thrift:   r.Float64(),
		visits:   min(1.5, max(0.04, 0.2*math.Exp(0.7*r.NormFloat64()))),
		hour:     [...]float64{8, 12.5, 17, 20}[r.IntN(4)] + r.NormFloat64(),
	}
	favourite := r.IntN(looks)
	for l := range p.looks {
		p.looks[l] = 0.05 + 0.35*r.Float64()
	}
	p.looks[favourite] = 1
	personal := r.Float64() < share
	p.given = map[string]bool{
		Personalization: personal,
		ModelTraining:   personal && r.Float64() < 0.9,
		Newsletter:      r.Float64() < 0.4,
	}
	return p
}

// drawn mixes a main kind with a little of another and some of their own.
func drawn(r *rand.Rand) []float64 {
	main, other, share := kinds[r.IntN(len(kinds))], kinds[r.IntN(len(kinds))], 0.5*r.Float64()
	out := make([]float64, len(sections))
	most := 0.0
	for i := range out {
		code := sections[i].code
		out[i] = 0.02 + (main[code]+share*other[code])*(0.6+0.8*r.Float64())
		most = max(most, out[i])
	}
	for i := range out {
		out[i] /= most
	}
	return out
}

// rhythm is how likely a visit is at an hour of the day, between 0.15 and 1.
func (p *person) rhythm(hour float64) float64 {
	far := math.Abs(math.Mod(hour-p.hour+36, 24) - 12) // 0–12 hours, around the clock
	return 0.15 + 0.85*math.Exp(-far*far/(2*2.5*2.5))
}

// meanRhythm is the mean of rhythm over a day.
var meanRhythm = func() (sum float64) {
	p := person{hour: 12}
	for m := range 24 * 60 {
		sum += p.rhythm(float64(m) / 60)
	}
	return sum / (24 * 60)
}()

// taste is how much a person likes a thing, 0–1, whether they have it or not.
func (p *person) taste(t *thing) float64 {
	return p.sections[t.section] * (0.25 + 0.75*p.looks[t.look]) * math.Exp(-1.6*p.thrift*t.rank) * (0.5 + 0.5*t.charm)
}
