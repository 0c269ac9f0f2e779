package app

import (
	"context"
	"crypto/ed25519"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net/http"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"accord/internal/auth"
	"accord/internal/collect"
	"accord/internal/consent"
	"accord/internal/decide"
	"accord/internal/decide/run"
	"accord/internal/declare"
	"accord/internal/event"
	"accord/internal/identity"
	"accord/internal/web"
	"accord/internal/world"
)

// DemoOptions are the demonstration's own.
type DemoOptions struct {
	Data   string // "" is a temporary directory that is removed at the end
	Listen string
	Seed   uint64 // 0 is that of the directory, or 1
	Logger *slog.Logger
}

const (
	demoDays   = 60 // of history that a fresh demonstration begins with
	demoPace   = 600
	demoTick   = 150 * time.Millisecond
	demoLearn  = 15 * time.Second
	demoAnswer = 8 // items of an answer
	demoSource = "demo-shop"
)

// Demo opens a simulated shop on the real server: its customers' events come in
// through the collector, their answers leave through the runner, and the page
// shows both. It ends with ctx.
func Demo(ctx context.Context, o DemoOptions, out, talk io.Writer) (err error) {
	listener, err := listen(o.Listen)
	if err != nil {
		return err
	}
	defer listener.Close() // again, where it was served
	if o.Data == "" {
		if o.Data, err = os.MkdirTemp("", "accord-demo-"); err != nil {
			return err
		}
		defer func() { err = errors.Join(err, os.RemoveAll(o.Data)) }()
	}
	seed, err := demoSeed(o)
	if err != nil {
		return err
	}
	d := &demo{feed: web.NewFeed(), shop: world.New(seed, world.Options{Pace: demoPace, Pictures: "/demo/picture/"})}
	d.house, err = Open(ctx, Config{
		Data: o.Data, Kind: Demonstration, Logger: o.Logger, Learn: demoLearn,
		Collected: d.collected, Decided: d.decided,
	})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, d.house.Close()) }()
	if err := d.fill(ctx); err != nil {
		return fmt.Errorf("filling the shop: %w", err)
	}
	if err := d.vouch(); err != nil {
		return err
	}
	handler, err := d.handler()
	if err != nil {
		return err
	}
	d.house.learner.run()
	living, stop := context.WithCancel(ctx)
	var work sync.WaitGroup
	work.Go(func() { d.live(living) })
	defer func() { stop(); d.feed.Close(); work.Wait() }()
	fmt.Fprintf(talk, "A simulated shop is open. Buy tea there: http://%[1]s/shop\nSee what happens behind it: http://%[1]s/demo\n", listener.Addr())
	if err := d.keys(out, talk); err != nil {
		return err
	}
	return d.house.serve(ctx, ServeOptions{}, listener, handler, talk, d.feed.Close)
}

// demoSeed is the seed of the shop in a directory. It is kept there, since the
// names and products of another shop do not belong to what is on record.
func demoSeed(o DemoOptions) (uint64, error) {
	var kept struct {
		Seed uint64 `json:"seed"`
	}
	d, err := OpenDirectory(o.Data, Demonstration)
	if err != nil {
		return 0, err
	}
	b, err := os.ReadFile(d.file("demo.json"))
	switch {
	case err == nil:
		if err := json.Unmarshal(b, &kept); err != nil {
			return 0, fmt.Errorf("%s is damaged: %w", d.file("demo.json"), err)
		}
		if o.Seed != 0 && o.Seed != kept.Seed {
			return 0, &UsageError{fmt.Sprintf("the shop in %s has the seed %d: leave --seed out, or choose another directory with --data", o.Data, kept.Seed)}
		}
		return kept.Seed, nil
	case !errors.Is(err, fs.ErrNotExist):
		return 0, err
	}
	kept.Seed = max(o.Seed, 1)
	if b, err = json.Marshal(kept); err != nil {
		return 0, err
	}
	return kept.Seed, writeFile(d.file("demo.json"), append(b, '\n'))
}

// demo is the simulated shop on a house.
type demo struct {
	house *House
	shop  *world.World
	feed  *web.Feed
	sign  ed25519.PrivateKey // of the shop's tokens

	alike map[string]int // by customer: how little their own answer would show

	mu     sync.RWMutex          // guards people
	people map[string]web.Person // short token → customer
	events, decisions,
	refused atomic.Uint64
}

func customerID(c world.Customer) identity.Identifier {
	return identity.Identifier{Kind: identity.UserID, Value: c.ID}
}

// fill gives a fresh demonstration its products, choices and orders, and a
// model, so that the first page has something to show.
func (d *demo) fill(ctx context.Context) (err error) {
	h := d.house
	if h.catalog.Len() == 0 {
		if err := h.catalog.Put(d.shop.Products()); err != nil {
			return err
		}
		if err := d.past(ctx); err != nil {
			return err
		}
	}
	if err := h.CatchUp(ctx); err != nil {
		return err
	}
	if err := d.meet(ctx); err != nil {
		return err
	}
	if err := h.learner.learn(ctx); err != nil {
		return err
	}
	d.alike, err = d.compare(ctx)
	return err
}

// past brings in what happened before the demonstration began: first who chose
// what, then what they did.
func (d *demo) past(ctx context.Context) error {
	people := map[string][]consent.Choice{}
	var lines []collect.Line
	for x := range d.shop.History(time.Now(), demoDays) {
		if x.Kind == world.Choice {
			people[x.Customer] = append(people[x.Customer], d.choices(x)...)
			continue
		}
		lines = append(lines, demoLines(x)...)
	}
	if err := d.house.recordMany(ctx, people, func(int64, int64) {}); err != nil {
		return err
	}
	for len(lines) > 0 {
		n := min(len(lines), importBatch)
		if _, err := d.house.collector.Import(ctx, lines[:n], 0); err != nil {
			return err
		}
		lines = lines[n:]
	}
	return nil
}

func (d *demo) choices(x world.Happening) (out []consent.Choice) {
	for purpose, given := range x.Choices {
		if _, ok := d.house.declaration.Purpose(declare.PurposeID(purpose)); !ok {
			continue
		}
		state := consent.Refused
		if given {
			state = consent.Given
		}
		out = append(out, consent.Choice{Purpose: declare.PurposeID(purpose), State: state, At: x.At, Method: "simulated", Synthetic: true, Proof: "none: simulated"})
	}
	return out
}

var demoEvents = map[world.Kind]string{world.View: "Product Viewed", world.Cart: "Product Added", world.Order: "Order Completed"}

// demoLines are a past happening as lines of an import.
func demoLines(x world.Happening) (out []collect.Line) {
	text := func(path, s string) collect.NamedValue {
		return collect.NamedValue{Path: path, Value: event.Value{Kind: event.ValueString, Text: s}}
	}
	line := collect.Line{Source: demoSource, ID: x.ID, User: identity.Identifier{Kind: identity.UserID, Value: x.Customer}, Event: demoEvents[x.Kind], At: x.At}
	if x.Kind != world.Order {
		line.Fields = append(line.Fields, text("product_id", x.Items[0].ID))
		return append(out, line)
	}
	line.Fields = append(line.Fields, text("order_id", x.Order))
	for i, item := range x.Items {
		product, quantity := text("products[].product_id", item.ID), collect.NamedValue{Path: "products[].quantity", Value: event.Value{Kind: event.ValueInteger, Int: int64(item.Quantity)}}
		product.Index, quantity.Index = uint16(i), uint16(i)
		line.Fields = append(line.Fields, product, quantity)
	}
	return append(out, line)
}

// meet learns the tokens of the customers, so that the page can say their names
// where the house says only tokens.
func (d *demo) meet(ctx context.Context) error {
	customers := d.shop.Customers()
	lookups := make([]identity.Lookup, len(customers))
	for i, c := range customers {
		lookups[i] = d.house.keys.Hasher().Lookup(customerID(c))
	}
	tokens, err := d.house.keys.Ensure(ctx, lookups)
	if err != nil {
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.people = make(map[string]web.Person, len(customers))
	for i, c := range customers {
		d.people[tokens[i].Short()] = web.Person{Name: c.Name, ID: c.ID}
	}
	return nil
}

func (d *demo) person(short string) web.Person {
	d.mu.RLock()
	defer d.mu.RUnlock()
	return d.people[short]
}

// live lets the shop go on until ctx ends.
func (d *demo) live(ctx context.Context) {
	tick := time.NewTicker(demoTick)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		for _, x := range d.shop.Step(d.house.clock.Now()) {
			if err := d.happen(ctx, x); err != nil && ctx.Err() == nil {
				d.house.logger.Error("the simulated shop stumbled", "error", err)
			}
		}
	}
}

// happen sends one happening the way a shop would: choices and events in, an
// answer out.
func (d *demo) happen(ctx context.Context, x world.Happening) error {
	if x.Kind == world.Choice {
		x.At = d.house.clock.Now()
		return d.house.recordOne(ctx, x.Customer, d.choices(x))
	}
	body, err := json.Marshal(demoMessage(x))
	if err != nil {
		return err
	}
	_, err = d.house.collector.Collect(ctx, collect.Request{Source: demoSource, Speaker: identity.Server(), Kind: "track", Received: d.house.clock.Now(), Body: body})
	if err != nil || x.Kind != world.View {
		return err
	}
	answer, err := d.answer(ctx, x.Customer)
	if err != nil {
		return err
	}
	shown := make([]string, len(answer.Items))
	for i := range answer.Items {
		shown[i] = answer.Items[i].ID
	}
	d.shop.Shown(x.Customer, shown)
	return nil
}

// demoMessage is a happening as the tracking call that a shop's page would send.
func demoMessage(x world.Happening) map[string]any {
	properties := map[string]any{}
	if x.Kind == world.Order {
		total, products := int64(0), []any{}
		for _, item := range x.Items {
			total += item.Price * int64(item.Quantity)
			products = append(products, map[string]any{"product_id": item.ID, "quantity": item.Quantity, "price": float64(item.Price) / 100})
		}
		properties["order_id"], properties["total"], properties["products"] = x.Order, float64(total)/100, products
	} else {
		properties["product_id"], properties["quantity"] = x.Items[0].ID, x.Items[0].Quantity
		properties["referrer"] = "https://search.example/?q=tea" // what shops send and nobody declared
	}
	return map[string]any{"event": demoEvents[x.Kind], "userId": x.Customer, "messageId": x.ID, "properties": properties}
}

func (d *demo) answer(ctx context.Context, customer string) (decide.Answer, error) {
	token, known, err := d.house.keys.Find(d.house.keys.Hasher().Lookup(identity.Identifier{Kind: identity.UserID, Value: customer}))
	if err != nil {
		return decide.Answer{}, err
	}
	return d.house.runner.Decide(ctx, run.Subject{Named: true, Known: known, Token: token, Proof: identity.ByServer},
		decide.Ask{Purpose: "personalization", N: demoAnswer, Moment: decide.Moment{Time: d.house.clock.Now(), Channel: "web"}})
}

// handler is the API with the page beside it.
func (d *demo) handler() (http.Handler, error) {
	api, err := d.house.handler(d.house.access)
	if err != nil {
		return nil, err
	}
	page := web.New(web.Config{Demo: d, Feed: d.feed, Counters: d.counters, Picture: d.picture, Logger: d.house.logger})
	mux := http.NewServeMux()
	mux.Handle("/", api)
	mux.Handle("/demo", page)
	mux.Handle("/demo/", page)
	shop, err := d.shopPage()
	if err != nil {
		return nil, err
	}
	mux.Handle("/shop", shop)
	mux.Handle("/shop/", shop)
	mux.Handle("GET /{$}", http.RedirectHandler("/demo", http.StatusSeeOther))
	return mux, nil
}

// keys makes the demonstration's keys, so that curl works at once. They are the
// data that the command prints, and end with it.
func (d *demo) keys(out, talk io.Writer) error {
	fmt.Fprintln(talk, "A write key and a secret key, for as long as it is open:")
	for _, kind := range []auth.Kind{auth.Write, auth.Secret} {
		plain, err := d.house.access.MakeEphemeral("demo-"+string(kind), kind)
		if err != nil {
			return err
		}
		if _, err := fmt.Fprintln(out, plain); err != nil {
			return err
		}
	}
	return nil
}

func (d *demo) picture(id string) ([]byte, bool) {
	p, ok := d.house.catalog.Get(id)
	if !ok {
		return nil, false
	}
	return world.Picture(p), true
}

func (d *demo) counters() web.Counters {
	c := web.Counters{Events: d.events.Load(), Decisions: d.decisions.Load(), Refused: d.refused.Load()}
	for _, x := range d.Customers(context.Background()) {
		c.People++
		if x.Personal {
			c.Consenting++
		}
	}
	return c
}
