package world

import (
	"cmp"
	"slices"
)

// attention is the probability that somebody who is shown an answer gets as far
// as a position, where the first is 0.
func attention(position int) float64 { return 1 / (1 + 0.12*float64(position)) }

// want is how much a person likes a thing now, 0–1: less when they have it, and
// not at all when there is none to be had.
func (l *life) want(who, thing int) float64 {
	w, p := l.world, &l.people[who]
	t := &w.things[thing]
	if !t.product.Sellable() {
		return 0
	}
	taste := w.people[who].taste(t)
	has := p.owned[thing] || slices.ContainsFunc(p.basket, func(b placed) bool { return b.thing == thing })
	switch {
	case has && t.used:
		return usedAgain * taste
	case has:
		return ownAgain * taste
	}
	return taste
}

// chance is the law by which a person meets a thing: the probability of looking
// at it when attention is on it, and then of putting it into the basket.
func (l *life) chance(who, thing int) (look, buy float64) {
	t := &l.world.things[thing]
	if !t.product.Sellable() {
		return 0.01, 0 // a look at what is sold out, and nothing more
	}
	want := l.want(who, thing)
	return 0.02 + 0.6*want, 0.01 + 0.45*want
}

// worth is the money that showing a thing brings at full attention, in pence.
func (l *life) worth(who, thing int) float64 {
	look, buy := l.chance(who, thing)
	t := &l.world.things[thing]
	quantity := 1.0
	if t.used {
		quantity += perhapsTwo
	}
	return look * buy * buysBasket * quantity * float64(t.product.Price)
}

// Chance returns the true probabilities with which a customer who is shown an
// item first in an answer looks at it, and then puts it into the basket. Further
// down the first is multiplied by an attention of 1/(1+0.12·position), where the
// first position is 0; a basket is bought with probability 0.85. They change
// when the customer buys. An unknown customer or item has 0 and 0.
func (w *World) Chance(customer, item string) (look, buy float64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	who, known := w.who[customer]
	thing, sold := w.place[item]
	if !known || !sold {
		return 0, 0
	}
	return w.live.chance(who, thing)
}

// Value returns what showing an answer to a customer at this moment truly
// brings: the expected money, in pence, that they will pay for its items because
// they were shown. Items that are not sold, or are there twice, add nothing.
func (w *World) Value(customer string, items []string) (pence float64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	who, ok := w.who[customer]
	if !ok {
		return 0
	}
	for position, thing := range w.places(items) {
		pence += attention(position) * w.live.worth(who, thing)
	}
	return pence
}

// Best returns the n items that bring the most when they are shown to a
// customer, the best first: no answer of n items has a greater Value. It returns
// none for a customer who is not known.
func (w *World) Best(customer string, n int) []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	who, ok := w.who[customer]
	if !ok {
		return nil
	}
	worth := make([]float64, len(w.things))
	order := make([]int, len(w.things))
	for i := range w.things {
		worth[i], order[i] = w.live.worth(who, i), i
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(worth[b], worth[a]) })
	out := make([]string, 0, len(order))
	for _, i := range order[:min(max(n, 0), len(order))] {
		out = append(out, w.things[i].product.ID)
	}
	return out
}

// Tastes returns the categories of the shop in the order in which a customer is
// drawn to them, the strongest first; none for a customer who is not known.
func (w *World) Tastes(customer string) []string {
	who, ok := w.who[customer]
	if !ok {
		return nil
	}
	drawn := w.people[who].sections
	order := make([]int, len(sections))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(drawn[b], drawn[a]) })
	out := make([]string, len(order))
	for i, s := range order {
		out[i] = sections[s].category
	}
	return out
}
