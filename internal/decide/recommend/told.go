package recommend

import (
	"slices"
	"strings"

	"accord/internal/catalog"
	"accord/internal/decide"
	"accord/internal/declare"
	"accord/internal/profile"
)

// Told is what a person says of their own preferences: categories of the
// catalogue. A category holds those below it: "Kitchen" holds "Kitchen > Mugs".
type Told struct {
	Likes, Avoids []string
}

// toldIn returns what a view holds of it.
func toldIn(v profile.View) Told {
	return Told{Likes: v.Categories(declare.Likes), Avoids: v.Categories(declare.Avoids)}
}

// What a told preference adds to the score of each product of its category. Like
// stands above the most popular product (Blend.Popularity) and below one purchase
// that speaks plainly for another. They were chosen by what they mean and not on
// data: no data set tells what people would have said.
const (
	likedScore   = 0.3
	avoidedScore = -1
)

// preference is what a person told about a product.
type preference uint8

const (
	neither preference = iota
	liked
	avoided
)

// tells reports whether the person told anything.
func (q *Question) tells() bool { return len(q.Told.Likes)+len(q.Told.Avoids) > 0 }

// prefers returns what the person told about a product, and the category that they
// like. To avoid goes before to like.
func (q *Question) prefers(id string) (is preference, category string) {
	if q.category == nil {
		return neither, ""
	}
	of := q.category(id)
	if slices.ContainsFunc(q.Told.Avoids, func(c string) bool { return within(of, c) }) {
		return avoided, ""
	}
	if i := slices.IndexFunc(q.Told.Likes, func(c string) bool { return within(of, c) }); i >= 0 {
		return liked, q.Told.Likes[i]
	}
	return neither, ""
}

// within reports whether a product's category is outer or lies below it.
func within(category, outer string) bool {
	rest, ok := strings.CutPrefix(category, outer)
	return ok && outer != "" && (rest == "" || strings.HasPrefix(rest, catalog.Below))
}

// shelves are the products by category, and by each category that it lies in: the
// numbers of those that the model knows, in order. A category of which only the
// fallback has products has none of them.
type shelves map[string][]uint16

// shelve reads the categories of all that can be answered. It is done when a model
// or the catalogue changes, so that an answer asks for the categories of nothing.
func shelve(m *Model, fallback []string, category func(id string) string) shelves {
	if category == nil {
		return nil
	}
	s := shelves{}
	if m != nil {
		for i, id := range m.items {
			eachWithin(category(id), func(c string) { s[c] = append(s[c], uint16(i)) })
		}
	}
	for _, id := range fallback {
		eachWithin(category(id), func(c string) { s[c] = append(s[c], nil...) })
	}
	return s
}

// eachWithin calls fn for a category and each that it lies in.
func eachWithin(category string, fn func(string)) {
	if category == "" {
		return
	}
	for at := 0; ; {
		next := strings.Index(category[at:], catalog.Below)
		if next < 0 {
			break
		}
		fn(category[:at+next])
		at += next + len(catalog.Below)
	}
	fn(category)
}

// weigh adds what was told to the scores.
func (s shelves) weigh(scores []float32, told *Told) {
	for _, c := range told.Likes {
		for _, i := range s[c] {
			scores[i] += likedScore
		}
	}
	for _, c := range told.Avoids {
		for _, i := range s[c] {
			scores[i] += avoidedScore
		}
	}
}

// hold reports whether an item of the model is of a category.
func (s shelves) hold(category string, item uint16) bool {
	_, ok := slices.BinarySearch(s[category], item)
	return ok
}

// uses appends how many of the told categories the catalogue has.
func (s shelves) uses(out []decide.Use, told *Told) []decide.Use {
	count := func(list []string) (n int) {
		for _, c := range list {
			if _, ok := s[c]; ok {
				n++
			}
		}
		return n
	}
	if n := count(told.Likes); n > 0 {
		out = append(out, decide.Use{Kind: "trait:" + declare.Likes, Count: n})
	}
	if n := count(told.Avoids); n > 0 {
		out = append(out, decide.Use{Kind: "trait:" + declare.Avoids, Count: n})
	}
	return out
}
