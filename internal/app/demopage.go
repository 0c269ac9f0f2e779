package app

import (
	"context"
	"slices"
	"time"

	"accord/internal/collect"
	"accord/internal/consent"
	"accord/internal/decide"
	"accord/internal/decide/run"
	"accord/internal/declare"
	"accord/internal/identity"
	"accord/internal/profile"
	"accord/internal/web"
	"accord/internal/world"
)

// demo is what the page asks (web.Demo).
var _ web.Demo = (*demo)(nil)

// token finds a customer of the shop.
func (d *demo) token(id string) (world.Customer, identity.Token, error) {
	for _, c := range d.shop.Customers() {
		if c.ID != id {
			continue
		}
		token, _, err := d.house.keys.Find(d.house.keys.Hasher().Lookup(customerID(c)))
		return c, token, err
	}
	return world.Customer{}, identity.Token{}, web.ErrNoCustomer
}

func (d *demo) customer(c world.Customer, t identity.Token) web.Customer {
	out := web.Customer{ID: c.ID, Name: c.Name}
	if p, ok := d.house.gate.Purpose("personalization"); ok {
		_, reason := d.house.gate.Ask(t, p, consent.Where{}, d.house.clock.Now())
		out.Personal = reason == consent.Allowed
	}
	return out
}

// Customers lists the shop's customers, first those whose switch shows the most.
func (d *demo) Customers(context.Context) []web.Customer {
	customers := d.shop.Customers()
	out := make([]web.Customer, 0, len(customers))
	for _, c := range customers {
		token, _, err := d.house.keys.Find(d.house.keys.Hasher().Lookup(customerID(c)))
		if err == nil {
			out = append(out, d.customer(c, token))
		}
	}
	slices.SortStableFunc(out, func(a, b web.Customer) int { return d.alike[a.ID] - d.alike[b.ID] })
	return out
}

// compare counts, for every customer, how many items of their own answer are in
// the one that everybody gets. It asks the engine and not the runner, since
// nothing is answered to anybody.
func (d *demo) compare(ctx context.Context) (map[string]int, error) {
	h, alike := d.house, map[string]int{}
	purpose, _ := h.gate.Purpose("personalization")
	ask := decide.Ask{Purpose: "personalization", N: demoAnswer, Moment: decide.Moment{Time: h.clock.Now(), Channel: "web"}}
	everybody, err := h.engine.Decide(ctx, ask, profile.View{})
	if err != nil {
		return nil, err
	}
	for _, c := range d.shop.Customers() {
		alike[c.ID] = demoAnswer
		token, _, err := h.keys.Find(h.keys.Hasher().Lookup(customerID(c)))
		if err != nil {
			return nil, err
		}
		grant, reason := h.gate.Ask(token, purpose, consent.Where{}, h.clock.Now())
		if reason != consent.Allowed {
			continue
		}
		view, err := h.vault.View(ctx, grant)
		if err != nil {
			return nil, err
		}
		own, err := h.engine.Decide(ctx, ask, view)
		if err != nil {
			return nil, err
		}
		alike[c.ID] = shared(own.Items, everybody.Items)
	}
	return alike, nil
}

// shared counts the items that are in both answers.
func shared(a, b []decide.Item) (n int) {
	for i := range a {
		if slices.ContainsFunc(b, func(x decide.Item) bool { return x.ID == a[i].ID }) {
			n++
		}
	}
	return n
}

// Customer returns one of them with their switches.
func (d *demo) Customer(_ context.Context, id string) (web.CustomerState, error) {
	c, token, err := d.token(id)
	if err != nil {
		return web.CustomerState{}, err
	}
	presents, _ := d.house.book.Presents(token)
	return web.CustomerState{
		Customer: d.customer(c, token),
		Switches: web.Switches(d.house.declaration, presents, d.house.gate.Why(token, consent.Where{}, d.house.clock.Now()), "personalization"),
	}, nil
}

// Choose records a choice and returns when it is in force.
func (d *demo) Choose(ctx context.Context, id, purpose string, on bool) (web.CustomerState, error) {
	_, token, err := d.token(id)
	if err != nil {
		return web.CustomerState{}, err
	}
	i, ok := d.house.gate.Purpose(declare.PurposeID(purpose))
	if !ok {
		return web.CustomerState{}, web.ErrNoSwitch
	}
	choice := consent.Choice{Purpose: declare.PurposeID(purpose), At: d.house.clock.Now(), Method: "demo page", Proof: "demonstration"}
	switch basis := d.house.declaration.Purposes[i].Basis; {
	case basis == declare.Contract || basis == declare.LegalObligation:
		return web.CustomerState{}, web.ErrNoSwitch
	case on:
		choice.State = consent.Given
	case basis == declare.Consent:
		choice.State = consent.Withdrawn
	default:
		choice.State = consent.Objected
	}
	if _, err := d.house.choices.Record(ctx, token, []consent.Choice{choice}); err != nil {
		return web.CustomerState{}, err
	}
	return d.Customer(ctx, id)
}

// Decide returns a customer's next answer.
func (d *demo) Decide(ctx context.Context, id string) (web.Answer, error) {
	if _, _, err := d.token(id); err != nil {
		return web.Answer{}, err
	}
	answer, err := d.answer(ctx, id)
	if err != nil {
		return web.Answer{}, err
	}
	return web.Explain(d.house.declaration, answer, d.title), nil
}

func (d *demo) title(id string) string {
	if p, ok := d.house.catalog.Get(id); ok {
		return p.Title
	}
	return id
}

// collected shows an event on the page. It is called by the collector and must
// not block.
func (d *demo) collected(a collect.Activity) {
	d.events.Add(1)
	if !d.feed.Listening() {
		return
	}
	e := &web.Event{Person: d.person(a.Person), Name: a.Event, Kept: a.Trace.Kept}
	for _, drop := range a.Trace.Dropped {
		if n := len(e.Dropped); n > 0 && e.Dropped[n-1].Why == drop.Why {
			e.Dropped[n-1].Fields = append(e.Dropped[n-1].Fields, drop.Field)
			continue
		}
		e.Dropped = append(e.Dropped, web.Dropped{Why: drop.Why, Fields: []string{drop.Field}})
	}
	d.feed.Publish(web.Activity{Time: a.Time, Event: e})
}

// decided shows an answer, and the refused read behind one that is not
// personal.
func (d *demo) decided(a run.Activity) {
	d.decisions.Add(1)
	refused := a.Reason != consent.Allowed && a.Reason != consent.DeniedNobody
	if refused {
		d.refused.Add(1)
	}
	if !d.feed.Listening() {
		return
	}
	who := d.person(a.Person)
	shown := a.Items[:min(len(a.Items), 4)]
	decision := &web.Decision{Person: who, Personal: a.Personal, Items: web.Items(shown, d.title, web.They)}
	why := web.They.Reason(a.Reason.Code(), a.Reason.String())
	if !a.Personal {
		decision.Why = why
	}
	at := a.Time
	if at.IsZero() {
		at = time.Now()
	}
	d.feed.Publish(web.Activity{Time: at, Decision: decision})
	if refused {
		d.feed.Publish(web.Activity{Time: at, Refusal: &web.Refusal{Person: who, Purpose: web.Heading(d.house.declaration, a.Purpose), Why: why}})
	}
}
