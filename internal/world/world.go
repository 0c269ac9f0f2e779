// Package world is a simulated shop whose truth is known.
//
// A [World] is "Kettle & Clove", a small shop for tea, coffee and the kitchen,
// and its customers. Each has a hidden taste (a mixture over categories, a look
// they prefer, how much a price holds them off, an hour at which they come), and
// makes choices about purposes as people do: about 70 % consent to
// personalization when they sign up, and now and then somebody changes their
// mind. What they do is told as [Happening]s, for a demo to send to a real
// server and show live.
//
//	w := world.New(1, world.Options{Pace: 1000})
//	for h := range w.History(now, 90) { … } // fills an empty shop
//	for _, h := range w.Step(now) { … }     // what happened since
//	w.Shown("c0042", []string{"TP-07", "BT-03"}) // an answer they were shown
//
// Customers react to what they are shown by a law that the world knows: see
// [World.Chance]. So the true value of an answer can be computed ([World.Value])
// and compared with others, the best included ([World.Best]).
//
// Promises kept here: none of the house's; the package knows no real person and
// does no input or output. Time is an argument. A seed gives the same world on
// every machine: customers do not influence one another, so what is shown to one
// changes nothing for the rest, and how Step's calls cut the time does not
// matter.
//
// Non-goals: demand in the large, stock that runs out, prices that move.
package world

import (
	"iter"
	"sync"
	"time"

	"accord/internal/catalog"
)

// The purposes that customers choose about, as `accord init` declares them.
const (
	Personalization = "personalization"
	ModelTraining   = "model_training"
	Newsletter      = "newsletter"
)

// Options of a World. Zero values are the defaults; values out of range are
// brought to the nearest in it.
type Options struct {
	Products  int     // 12 to MaxProducts; 240
	Customers int     // 1 to 9,999; 400
	Consent   float64 // share that consents to personalization, up to 1; 0.7. Below 0 is nobody.
	// Pace is how many times faster than the clock the shop lives for Step, 1
	// to 100,000; 1. At 1000, a day passes in 86 seconds and about six things
	// happen in a second.
	Pace float64
	// Pictures is what a product's picture address begins with; "/pictures/".
	// The id and ".svg" follow.
	Pictures string
}

// Seeds of the world's independent streams of chance. A person's stream is the
// first number plus their place.
const (
	streamThings = 1 << 32
	streamPeople = 2 << 32
	streamLives  = 3 << 32
)

// longest is how much of the shop's life one Step tells; what of a longer pause
// is left is passed over, as if the shop had been closed.
const longest = 7 * 24 * time.Hour

// Kind says what happened.
type Kind string

// What can happen.
const (
	View   Kind = "view"   // somebody looked at a product
	Cart   Kind = "cart"   // put it into the basket
	Order  Kind = "order"  // bought what is in the basket
	Choice Kind = "choice" // said what their data may be used for
)

// Happening is one thing that one customer did.
type Happening struct {
	ID       string // never the same twice for one seed and start
	Customer string // Customer.ID
	Kind     Kind
	At       time.Time
	Items    []Item          // of a view or a cart one; of a choice none
	Order    string          // the number of an order
	Choices  map[string]bool // of a choice: the purposes that were answered; true gives
}

// Item is a product in a happening.
type Item struct {
	ID       string
	Quantity int   // at least 1
	Price    int64 // of one, in pence
	// Answered tells that the customer came to it through an answer they were
	// shown.
	Answered bool
}

// World is a simulated shop. It is safe for concurrent use.
type World struct {
	options Options
	seed    uint64
	things  []thing
	place   map[string]int // of a product in things
	people  []person
	who     map[string]int // place of a customer in people

	mu   sync.Mutex
	live *life     // the shop as Step goes on with it
	real time.Time // the moment of the clock at which live was at sim; zero before the first
	sim  time.Time
}

// New makes the world of a seed.
func New(seed uint64, o Options) *World {
	o = o.within()
	w := &World{
		options: o, seed: seed,
		things: makeThings(newRand(seed, streamThings), o.Products, o.Pictures),
		people: makePeople(seed, o.Customers, o.Consent),
		place:  make(map[string]int, o.Products),
		who:    make(map[string]int, o.Customers),
	}
	for i := range w.things {
		w.place[w.things[i].product.ID] = i
	}
	for i := range w.people {
		w.who[w.people[i].customer.ID] = i
	}
	w.live = newLife(w, o.Pace)
	return w
}

func (o Options) within() Options {
	if o.Products == 0 {
		o.Products = 240
	}
	if o.Customers == 0 {
		o.Customers = 400
	}
	if o.Consent == 0 {
		o.Consent = 0.7
	}
	if o.Pictures == "" {
		o.Pictures = "/pictures/"
	}
	o.Products = min(max(o.Products, len(sections)), MaxProducts)
	o.Customers = min(max(o.Customers, 1), 9999)
	o.Consent = min(max(o.Consent, 0), 1)
	o.Pace = min(max(o.Pace, 1), 100_000)
	return o
}

// Products returns what the shop sells, with pictures at Options.Pictures.
func (w *World) Products() []catalog.Product {
	out := make([]catalog.Product, len(w.things))
	for i := range w.things {
		out[i] = w.things[i].product
	}
	return out
}

// Product returns a product by its id.
func (w *World) Product(id string) (catalog.Product, bool) {
	i, ok := w.place[id]
	if !ok {
		return catalog.Product{}, false
	}
	return w.things[i].product, true
}

// Customers returns everybody, in the order of their ids.
func (w *World) Customers() []Customer {
	out := make([]Customer, len(w.people))
	for i := range w.people {
		out[i] = w.people[i].customer
	}
	return out
}

// History tells what happened in the days before until, in order, and can be
// told again. About a quarter of the customers sign up in the course of it and
// the others at their first visit; a choice about all purposes is always the
// first thing a customer does. When it was told to its end, Step goes on from
// there.
func (w *World) History(until time.Time, days int) iter.Seq[Happening] {
	return func(yield func(Happening) bool) {
		span := time.Duration(max(0, days)) * 24 * time.Hour
		l := newLife(w, 1)
		l.open(until.Add(-span), span)
		for l.next(until) {
			for _, h := range l.act() {
				if !yield(h) {
					return
				}
			}
		}
		w.mu.Lock()
		defer w.mu.Unlock()
		l.pace = w.options.Pace
		w.live, w.real, w.sim = l, until, until
	}
}

// Step tells what happened after the last Step, or after the end of History, up
// to now, in order. Without either, the shop opens now and nothing has happened.
// A pause of more than a week of the shop's life is told as a week. A now before
// the last one tells nothing.
func (w *World) Step(now time.Time) []Happening {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.real.IsZero() {
		w.live.open(now, 0)
		w.real, w.sim = now, now
	}
	if !now.After(w.real) {
		return nil
	}
	if most := w.toReal(longest); now.Sub(w.real) > most {
		w.real = now.Add(-most)
	}
	end := w.sim.Add(w.toSim(now.Sub(w.real)))
	var out []Happening
	for w.live.next(end) {
		for _, h := range w.live.act() {
			if h.At = w.real.Add(w.toReal(h.At.Sub(w.sim))); h.At.After(now) {
				h.At = now // what rounding added
			}
			out = append(out, h)
		}
	}
	w.real, w.sim = now, end
	return out
}

func (w *World) toReal(d time.Duration) time.Duration {
	return time.Duration(float64(d) / w.options.Pace)
}

func (w *World) toSim(d time.Duration) time.Duration {
	return time.Duration(float64(d) * w.options.Pace)
}

// Shown tells that a customer was shown an answer. They consider each of its
// items once, at their next step in the shop, and only those of the last answer.
// Items that the shop does not sell and customers that it does not know are
// passed over.
func (w *World) Shown(customer string, items []string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	i, ok := w.who[customer]
	if !ok {
		return
	}
	w.live.people[i].shown = w.places(items)
}

// places finds things by id, each once.
func (w *World) places(items []string) []int {
	out := make([]int, 0, min(len(items), len(w.things)))
	seen := make(map[int]bool)
	for _, id := range items {
		if at, ok := w.place[id]; ok && !seen[at] {
			seen[at] = true
			out = append(out, at)
		}
	}
	return out
}
