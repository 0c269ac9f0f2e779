package app

import (
	"context"
	"time"

	"accord/internal/collect"
	"accord/internal/consent"
	"accord/internal/decide/run"
	"accord/internal/declare"
	"accord/internal/identity"
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
		_, reason := d.house.gate.Ask(t, p, d.house.clock.Now())
		out.Personal = reason == consent.Allowed
	}
	return out
}

// Customers lists the shop's customers.
func (d *demo) Customers(context.Context) []web.Customer {
	customers := d.shop.Customers()
	out := make([]web.Customer, 0, len(customers))
	for _, c := range customers {
		token, _, err := d.house.keys.Find(d.house.keys.Hasher().Lookup(customerID(c)))
		if err == nil {
			out = append(out, d.customer(c, token))
		}
	}
	return out
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
		Switches: web.Switches(d.house.declaration, presents, d.house.gate.Why(token, d.house.clock.Now()), "personalization"),
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
	choice := consent.Choice{Purpose: declare.PurposeID(purpose), At: d.house.clock.Now(), Method: "demo page", Notice: d.house.declaration.Hash, Proof: "demonstration"}
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
	return web.Explain(answer, d.title), nil
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
	decision := &web.Decision{Person: who, Personal: a.Personal, Items: web.Items(shown, d.title)}
	if !a.Personal {
		decision.Why = web.Reason(a.Reason.Code(), a.Reason.String())
	}
	at := a.Time
	if at.IsZero() {
		at = time.Now()
	}
	d.feed.Publish(web.Activity{Time: at, Decision: decision})
	if refused {
		d.feed.Publish(web.Activity{Time: at, Refusal: &web.Refusal{Person: who, Purpose: web.Heading(a.Purpose), Why: web.Reason(a.Reason.Code(), a.Reason.String())}})
	}
}
