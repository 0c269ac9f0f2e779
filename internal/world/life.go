package world

import (
	"container/heap"
	"fmt"
	"math/rand/v2"
	"strconv"
	"time"
)

// How people behave in the shop. All are probabilities unless they say
// otherwise.
const (
	buysBasket  = 0.85 // that a basket is bought when the visit ends
	another     = 0.78 // that one more product follows in a visit
	staysNear   = 0.45 // that it is of the same section
	newcomer    = 0.25 // that somebody signs up in the course of a history
	withdraws   = 0.006
	comesBack   = 0.004
	perhapsTwo  = 0.3  // that of a thing that is used up two are bought
	ownAgain    = 0.05 // how much of the taste for a lasting thing is left by owning it
	usedAgain   = 0.8  // the same of a thing that is used up
	browseTries = 64   // how often somebody looks around before taking what is there
)

// pause between two steps of a visit, and its least length on the real clock,
// so that an answer can reach a customer in time however fast the shop lives.
const (
	shortest  = 15 * time.Second
	typical   = 40 * time.Second
	leastReal = 1500 * time.Millisecond
)

func newRand(seed, stream uint64) *rand.Rand { return rand.New(rand.NewPCG(seed, stream)) }

// living is what changes about a person.
type living struct {
	chance   *rand.Rand
	joined   bool
	personal bool // consents to personalization at present
	count    int  // of happenings
	inside   bool // in the course of a visit
	last     int  // the section looked at last in it
	owned    map[int]bool
	basket   []placed
	shown    []int // of the last answer, not considered yet
}

// placed is a thing in a basket.
type placed struct {
	thing, quantity int
	answered        bool
}

// life is a run of the shop: who is where, and who acts next.
type life struct {
	world  *World
	pace   float64
	people []living
	queue  queue
}

func newLife(w *World, pace float64) *life {
	l := &life{world: w, pace: pace, people: make([]living, len(w.people))}
	for i := range l.people {
		l.people[i] = living{
			chance: newRand(w.seed, streamLives+uint64(i)),
			owned:  make(map[int]bool),
		}
	}
	return l
}

// open lets people come from start on; newcomers come first within span.
func (l *life) open(start time.Time, span time.Duration) {
	for i := range l.people {
		from := start
		if p := &l.people[i]; p.chance.Float64() < newcomer {
			from = start.Add(time.Duration(p.chance.Float64() * float64(span)))
		}
		l.queue = append(l.queue, turn{at: l.nextVisit(i, from), person: i})
	}
	heap.Init(&l.queue)
}

// next reports whether somebody acts up to a moment.
func (l *life) next(until time.Time) bool {
	return len(l.queue) > 0 && !l.queue[0].at.After(until)
}

// act lets the next person act and returns what they did.
func (l *life) act() []Happening {
	t := l.queue[0]
	p := &l.people[t.person]
	s := scene{life: l, who: t.person, at: t.at}
	if !p.inside {
		s.arrive()
	}
	s.consider()
	s.browse()
	if p.chance.Float64() < another {
		l.queue[0].at = t.at.Add(l.pauseOf(p))
	} else {
		s.leave()
		l.queue[0].at = l.nextVisit(t.person, t.at)
	}
	heap.Fix(&l.queue, 0)
	return s.told
}

// pauseOf draws the time to the next step of a visit.
func (l *life) pauseOf(p *living) time.Duration {
	d := shortest + time.Duration(p.chance.ExpFloat64()*float64(typical))
	return max(d, time.Duration(l.pace*float64(leastReal)))
}

// nextVisit draws when a person comes again: visits come at their rate, more of
// them around their hour.
func (l *life) nextVisit(who int, after time.Time) time.Time {
	person, p := &l.world.people[who], &l.people[who]
	mean := 24 * float64(time.Hour) * meanRhythm / person.visits
	for at := after; ; {
		at = at.Add(time.Duration(p.chance.ExpFloat64() * mean))
		hour := float64(at.Hour()) + float64(at.Minute())/60
		if p.chance.Float64() < person.rhythm(hour) {
			return at
		}
	}
}

// scene is one person's step in the shop.
type scene struct {
	life *life
	who  int
	at   time.Time
	told []Happening
}

func (s *scene) person() *person { return &s.life.world.people[s.who] }
func (s *scene) living() *living { return &s.life.people[s.who] }

func (s *scene) tell(kind Kind, h Happening) {
	p := s.living()
	p.count++
	h.Customer, h.Kind, h.At = s.person().customer.ID, kind, s.at
	h.ID = fmt.Sprintf("%s-%d-%s", h.Customer, p.count, strconv.FormatInt(s.at.UnixMilli(), 36))
	s.told = append(s.told, h)
}

// arrive begins a visit: the first one signs up, in others somebody may change
// their mind about being known.
func (s *scene) arrive() {
	p := s.living()
	p.inside, p.last = true, -1
	if !p.joined {
		p.joined, p.personal = true, s.person().given[Personalization]
		choices := make(map[string]bool, 3)
		for purpose, yes := range s.person().given {
			choices[purpose] = yes
		}
		s.tell(Choice, Happening{Choices: choices})
		return
	}
	turns := comesBack
	if p.personal {
		turns = withdraws
	}
	if p.chance.Float64() < turns {
		p.personal = !p.personal
		s.tell(Choice, Happening{Choices: map[string]bool{Personalization: p.personal, ModelTraining: p.personal}})
	}
}

// consider looks through what was shown, by the law of World.Chance.
func (s *scene) consider() {
	p := s.living()
	shown := p.shown
	p.shown = nil
	for position, thing := range shown {
		look, buy := s.life.chance(s.who, thing)
		if p.chance.Float64() < attention(position)*look {
			s.view(thing, true)
			if p.chance.Float64() < buy {
				s.cart(thing, true)
			}
		}
	}
}

// browse looks at one thing that the person came across by themselves.
func (s *scene) browse() {
	p := s.living()
	thing := s.find()
	s.view(thing, false)
	if _, buy := s.life.chance(s.who, thing); p.chance.Float64() < buy {
		s.cart(thing, false)
	}
}

// find draws a thing that is known, near the last one, and to the person's
// taste.
func (s *scene) find() int {
	w, p := s.life.world, s.living()
	near := p.last >= 0 && p.chance.Float64() < staysNear
	thing := 0
	for range browseTries {
		thing = p.chance.IntN(len(w.things))
		t := &w.things[thing]
		if near && t.section != p.last || p.chance.Float64() >= t.known {
			continue
		}
		if p.chance.Float64() < 0.03+0.97*s.person().taste(t) {
			break
		}
	}
	return thing
}

func (s *scene) item(thing, quantity int, answered bool) Item {
	p := &s.life.world.things[thing].product
	return Item{ID: p.ID, Quantity: quantity, Price: p.Price, Answered: answered}
}

func (s *scene) view(thing int, answered bool) {
	s.living().last = s.life.world.things[thing].section
	s.tell(View, Happening{Items: []Item{s.item(thing, 1, answered)}})
}

// cart puts a thing into the basket. What is in it is counted as owned, so
// nobody puts a second teapot beside the first.
func (s *scene) cart(thing int, answered bool) {
	p := s.living()
	quantity := 1
	if s.life.world.things[thing].used && p.chance.Float64() < perhapsTwo {
		quantity = 2
	}
	s.tell(Cart, Happening{Items: []Item{s.item(thing, quantity, answered)}})
	for i := range p.basket {
		if b := &p.basket[i]; b.thing == thing && b.answered == answered {
			b.quantity += quantity
			return
		}
	}
	p.basket = append(p.basket, placed{thing, quantity, answered})
}

// leave ends a visit and buys the basket, or gives it up.
func (s *scene) leave() {
	p := s.living()
	p.inside = false
	if len(p.basket) > 0 && p.chance.Float64() < buysBasket {
		items := make([]Item, len(p.basket))
		for i, b := range p.basket {
			items[i] = s.item(b.thing, b.quantity, b.answered)
			p.owned[b.thing] = true
		}
		number := s.person().customer.ID[1:] + "-" + strconv.FormatInt(s.at.UnixMilli(), 36)
		s.tell(Order, Happening{Order: number, Items: items})
	}
	p.basket = nil
}

// turn is when somebody acts.
type turn struct {
	at     time.Time
	person int
}

// queue is a heap of turns, the earliest first.
type queue []turn

func (q queue) Len() int { return len(q) }
func (q queue) Less(i, j int) bool {
	if q[i].at.Equal(q[j].at) {
		return q[i].person < q[j].person
	}
	return q[i].at.Before(q[j].at)
}
func (q queue) Swap(i, j int) { q[i], q[j] = q[j], q[i] }
func (q *queue) Push(x any)   { *q = append(*q, x.(turn)) }
func (q *queue) Pop() any {
	last := (*q)[len(*q)-1]
	*q = (*q)[:len(*q)-1]
	return last
}
