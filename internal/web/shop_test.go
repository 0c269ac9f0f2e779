package web

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"time"

	"accord/internal/declare"
)

// shop is a fake Demo with the shape of the real one: two customers with real
// choices, answers that follow them.
type shop struct {
	mu      sync.Mutex
	allowed map[string]map[string]bool // customer → purpose → on
	asked   int
	fail    error
}

func newShop() *shop {
	return &shop{allowed: map[string]map[string]bool{
		"ada":   {"personalization": true, "model_training": true},
		"ben":   {},
		hostile: {},
	}}
}

// hostile is a customer whose id and name try to be markup.
const hostile = `<script>alert("x")</script>`

func (s *shop) name(id string) string {
	return map[string]string{"ada": "Ada Marlow", "ben": "Ben Okafor", hostile: hostile}[id]
}

func (s *shop) Customers(context.Context) []Customer {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []Customer
	for _, id := range []string{"ada", "ben", hostile} {
		out = append(out, Customer{ID: id, Name: s.name(id), Personal: s.allowed[id]["personalization"]})
	}
	return out
}

func (s *shop) Customer(_ context.Context, id string) (CustomerState, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.state(id)
}

var purposes = []struct{ id, text, fixed string }{
	{"personalization", "We show you products that fit what you looked at and bought here.", ""},
	{"model_training", "We learn from what you look at and buy, so that suggestions get better for everybody.", ""},
	{"newsletter", "We send you news by e-mail, about once a month.", ""},
	{"accounting", "We keep invoices as tax law obliges us to.", "The law obliges the shop to keep this (legal obligation)."},
	{"orders", "We use your order to deliver it and to answer your questions about it.", "The shop needs this to carry out your orders (contract)."},
}

func (s *shop) state(id string) (CustomerState, error) {
	if s.fail != nil {
		return CustomerState{}, s.fail
	}
	choices, ok := s.allowed[id]
	if !ok {
		return CustomerState{}, ErrNoCustomer
	}
	st := CustomerState{Customer: Customer{ID: id, Name: s.name(id), Personal: choices["personalization"]}}
	for _, p := range purposes {
		on, said := choices[p.id]
		note := "Never asked, so off"
		if said {
			note = map[bool]string{true: "Allowed on 23 November 2026 (simulated)", false: "Withdrawn on 23 November 2026"}[on]
		}
		st.Switches = append(st.Switches, Switch{Purpose: p.id, Name: Heading(&declare.Declaration{}, declare.PurposeID(p.id)), Text: p.text, On: on || p.fixed != "", Fixed: p.fixed, Note: note})
	}
	return st, nil
}

func (s *shop) Choose(_ context.Context, id, purpose string, on bool) (CustomerState, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, err := s.state(id); err != nil {
		return CustomerState{}, err
	}
	for _, p := range purposes {
		if p.id == purpose && p.fixed == "" {
			s.allowed[id][purpose] = on
			return s.state(id)
		}
	}
	return CustomerState{}, ErrNoSwitch
}

var products = []string{"Red retrospot lunch bag", "Jumbo bag with a baroque pattern and a very long name that wraps", "Heart of wicker, small", "Enamel jug, cream", "Spotty bunting", "Regency cake stand", "Alarm clock, green", "Set of three tins", `<img src=x onerror="alert(1)">`}

func item(n int, reasons ...string) Item {
	return Item{ID: fmt.Sprintf("P/%d", n), Title: products[n%len(products)], Reasons: reasons}
}

func (s *shop) Decide(_ context.Context, id string) (Answer, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	st, err := s.state(id)
	if err != nil {
		return Answer{}, err
	}
	s.asked++
	a := Answer{Personal: st.Personal, Receipt: Receipt{ID: fmt.Sprintf("7f3a9c%04d", s.asked), Time: time.Date(2026, 11, 23, 12, 3, 4, 0, time.UTC), Kept: "kept on disk within a second", Refused: []string{"Newsletter: you were never asked, so the answer is no"}}}
	if st.Personal {
		a.Items = []Item{
			item(1, "because you bought Red retrospot lunch bag (62 %)", "because you looked at Spotty bunting (21 %)"),
			item(3, "because you bought Regency cake stand (48 %)"), item(4, "because you looked at Heart of wicker, small (55 %)"),
			item(6, "because you bought Red retrospot lunch bag (31 %)"), item(8, "because you like Enamel jug, cream (40 %)"),
		}
		a.Receipt.Used = []string{"3 purchases of yours", "9 product views of yours"}
		a.Receipt.Choice = "You allowed personalization (choice no. 42). The choice is simulated: no human made it."
		a.Receipt.Otherwise = "Without this choice you would see what is popular. Switch off personalization to have that."
		return a, nil
	}
	for _, n := range []int{5, 0, 3, 7, 8} {
		a.Items = append(a.Items, item(n, "popular with everybody"))
	}
	why := "you withdrew your consent"
	if _, said := s.allowed[id]["personalization"]; !said {
		why = "you were never asked, so the answer is no"
	}
	a.Receipt.Choice = "None: " + why + "."
	a.Receipt.Refused = append(a.Receipt.Refused, "Personalization: "+why)
	a.Receipt.Otherwise = "If you allow personalization, products are chosen from what you do from then on."
	return a, nil
}

// activity returns the n-th activity of a busy fake shop.
func activity(n int) Activity {
	who := []Person{{Name: "Ada Marlow", ID: "ada"}, {Name: "Ben Okafor", ID: "ben"}, {}}[n%3]
	a := Activity{Time: time.Date(2026, 11, 23, 12, 0, n, 0, time.UTC)}
	switch {
	case n%5 == 4:
		a.Refusal = &Refusal{Person: who, Purpose: "Personalization", Why: "consent is needed and was never given"}
	case n%5 == 3:
		a.Decision = &Decision{Person: who, Personal: n%3 == 0, Items: []Item{item(n, "because you bought Enamel jug, cream (70 %)"), item(n + 1), item(n + 2)}, Why: "consent is needed and was never given"}
	default:
		a.Event = &Event{Person: who, Name: "Product Viewed", Kept: []string{"product_id"}, Dropped: []Dropped{{"not declared", []string{"name", "brand", "url"}}}}
		if n%3 != 0 {
			a.Event.Kept = nil
			a.Event.Dropped = append(a.Event.Dropped, Dropped{"consent was never given", []string{"product_id"}})
		}
	}
	return a
}

func drawing(id string) ([]byte, bool) {
	if id == "P/404" {
		return nil, false
	}
	hue := 0
	for _, c := range id {
		hue = hue*31 + int(c)*47
	}
	return fmt.Appendf(nil, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 48 48"><rect width="48" height="48" fill="hsl(%d 50%% 75%%)"/><path d="M12 20h24l-3 20H15zM18 20a6 6 0 0 1 12 0" fill="hsl(%d 45%% 45%%)"/></svg>`, hue%360, hue%360), true
}

// config is a page over a fresh shop.
func config(t testing.TB) (Config, *shop, *Feed) {
	s, feed := newShop(), NewFeed()
	t.Cleanup(feed.Close)
	var n uint64
	var mu sync.Mutex
	return Config{
		Demo: s, Feed: feed, Picture: drawing, Logger: slog.New(slog.DiscardHandler),
		Counters: func() Counters {
			mu.Lock()
			defer mu.Unlock()
			n++
			return Counters{Events: 120 * n, Decisions: 14 * n, Refused: 3100 + n, People: 160, Consenting: 104}
		},
	}, s, feed
}
