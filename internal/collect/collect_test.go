package collect

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"accord/internal/consent"
	"accord/internal/event"
	"accord/internal/identity"
)

func same(t *testing.T, what string, got, want []string) {
	t.Helper()
	got, want = slices.Clone(got), slices.Clone(want)
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("%s:\n got %q\nwant %q", what, got, want)
	}
}

const order = `"properties":{"order_id":"order-A-1","total":12.5,"secret":"s3cr3t-undeclared","products":[` +
	`{"product_id":"mug","quantity":2,"name":"Mug"},{"product_id":7,"quantity":1.5}]}`

// Promise 1: an event is split field by field, what has a valid basis is kept,
// the rest is dropped before anything is durable, answered as accepted, counted
// by reason, and never parked until a consent comes.
// Promise 4: a field that the declaration does not name is dropped before
// anything is durable, and counted.
func TestSplit(t *testing.T) {
	b := newBed(t)
	const ada = `"userId":"ada-lovelace"`
	r := b.send("track", ev(ordered, ada, id("1"), order))
	if r != (Result{Accepted: 1, Kept: 1}) {
		t.Errorf("%+v", r)
	}
	same(t, "without a choice", b.held(), []string{
		"order_id#0=order-A-1 for orders", "total#0=12.5 for orders",
		"products[].product_id#0=mug for orders", "products[].quantity#0=2 for orders",
		"products[].product_id#1=7 for orders", "products[].quantity#1=1.5 for orders",
	})
	r = b.send("track", ev(viewed, ada, id("2"), `"properties":{"product_id":"no-basis-product","secs":3,"ip":"198.51.100.7"}`,
		`"context":{"ip":"198.51.100.7","userAgent":"Mozilla/9","device":{"type":"phone","id":"dev-77"}}`))
	if r != (Result{Accepted: 1, Kept: 1}) {
		t.Errorf("%+v", r)
	}
	if got := b.held(); len(got) != 7 || !slices.Contains(got, "secs#0=3 for stats") {
		t.Errorf("what needs consent was kept: %q", got)
	}
	counts := b.Counts()
	for reason, want := range map[string]uint64{
		"field:undeclared": 2 + 1 + 3, "field:no_choice": 2, "kept": 2, "events": 2, "values": 7, "records": 3,
	} {
		if counts[reason] != want {
			t.Errorf("count of %s is %d, want %d", reason, counts[reason], want)
		}
	}
	// Never parked: a consent brings nothing back.
	token := b.user("ada-lovelace")
	b.chooses(token, "personalization", consent.Given, b.clock.Now())
	b.chooses(token, "model_training", consent.Given, b.clock.Now())
	if n := len(b.held()); n != 7 {
		t.Errorf("%d values after the consent, want 7", n)
	}
	b.close()
	for _, text := range []string{"no-basis-product", "s3cr3t-undeclared", "198.51.100.7", "Mozilla/9", "dev-77", "ada-lovelace", "order-A-1"} {
		if b.onDisk(text) {
			t.Errorf("%q is on disk", text)
		}
	}
}

// A class is admitted for those of its purposes that hold, and for no other.
func TestMask(t *testing.T) {
	b := newBed(t)
	ada := b.user("ada")
	b.chooses(ada, "model_training", consent.Given, b.clock.Now())
	b.clock.pass(time.Second)
	b.send("track", ev(viewed, `"userId":"ada"`, id("1"), `"properties":{"product_id":"mug","new":true}`))
	same(t, "held", b.held(), []string{"product_id#0=mug for model_training"})
	if n := b.views(ada, "personalization"); n != 0 {
		t.Errorf("personalization sees %d interactions that model_training let in", n)
	}
	if n := b.views(ada, "model_training"); n != 1 {
		t.Errorf("model_training sees %d interactions, want 1", n)
	}
}

// A consent covers nothing older than itself, so a queue of old events admits
// nothing.
func TestOlderThanConsent(t *testing.T) {
	b := newBed(t)
	b.chooses(b.user("ada"), "personalization", consent.Given, b.clock.Now())
	now := b.clock.pass(time.Minute)
	b.send("track", ev(viewed, ada, at(monday.Add(-time.Second)), `"properties":{"product_id":"old"}`))
	b.send("track", ev(viewed, ada, at(now), `"properties":{"product_id":"new"}`))
	same(t, "held", b.held(), []string{"product_id#0=new for personalization"})
	if n := b.Counts()["field:before_consent"]; n != 1 {
		t.Errorf("before_consent counted %d times, want 1", n)
	}
}

// Each type of message is kept as what it is.
func TestTypes(t *testing.T) {
	b := newBed(t)
	b.chooses(b.user("ada"), "personalization", consent.Given, b.clock.Now())
	b.clock.pass(time.Second)
	r := b.send("batch", batchOf(
		ev(`"type":"identify"`, ada, `"traits":{"email":"ada@example.com","size":38,"password":"x"}`, `"context":{"device":{"type":"tablet"}}`),
		ev(`"type":"page"`, ada, `"name":"Home"`, `"properties":{"path":"/","title":"Home"}`, `"context":{"device":{"type":"phone"}}`),
		ev(`"type":"screen"`, ada, `"name":"Page Viewed"`, `"properties":{"path":"/app"}`),
		ev(`"type":"screen"`, ada, `"name":"Somewhere"`, `"properties":{"path":"/nowhere"}`),
		ev(`"type":"group"`, ada, `"groupId":"g"`, `"traits":{"email":"group@example.com"}`),
		ev(`"type":"alias"`, ada, `"previousId":"v-1"`),
		ev(`"type":"track"`, ada, `"event":"Unheard Of"`, `"properties":{"product_id":"mug"}`),
	))
	if r != (Result{Accepted: 7, Kept: 3, Dropped: 4}) {
		t.Errorf("%+v", r)
	}
	same(t, "held", b.held(), []string{
		"email#0=ada@example.com for orders", "size#0=38 for personalization",
		"path#0=/ for personalization", "device.type#0=phone for personalization", "path#0=/app for personalization",
	})
	counts := b.Counts()
	if counts["event:not_joined"] != 2 || counts["event:undeclared_event"] != 2 {
		t.Errorf("%v", counts)
	}
	visitor, _ := b.find(identity.AnonymousID, "v-1")
	if u, ok := b.book.User(visitor); !ok || u != b.user("ada") {
		t.Error("alias of somebody whom the shop vouches for joins nobody")
	}
}

// What a person tells is one value: the newest list takes the place of the one
// before, an empty one of all, and a list with something wrong in it counts not at
// all.
func TestCategoriesAreOneValue(t *testing.T) {
	b := newBed(t)
	b.chooses(b.user("ada"), "personalization", consent.Given, b.clock.Now())
	b.clock.pass(time.Second)
	long := `"` + strings.Repeat("x", event.MaxCategory+1) + `"`
	many := "[" + strings.Repeat(`"a",`, event.MaxCategories) + `"a"]`
	r := b.send("batch", batchOf(
		ev(`"type":"identify"`, ada, `"traits":{"likes":["Tea"," Kitchen > Mugs ","Tea"]}`),
		ev(`"type":"identify"`, ada, `"traits":{"likes":[]}`),
		ev(`"type":"identify"`, ada, `"traits":{"likes":"Tea"}`),
		ev(`"type":"identify"`, ada, `"traits":{"likes":["Tea",7]}`),
		ev(`"type":"identify"`, ada, `"traits":{"likes":["Tea",["Mugs"]]}`),
		ev(`"type":"identify"`, ada, `"traits":{"likes":["Tea",""]}`),
		ev(`"type":"identify"`, ada, `"traits":{"likes":["Tea\nMugs"]}`),
		ev(`"type":"identify"`, ada, `"traits":{"likes":[`+long+`]}`),
		ev(`"type":"identify"`, ada, `"traits":{"likes":`+many+`}`),
		ev(`"type":"identify"`, ada, `"traits":{"likes":{"a":1}}`),
	))
	if r != (Result{Accepted: 10, Kept: 2, Dropped: 8}) {
		t.Errorf("%+v", r)
	}
	same(t, "held", b.held(), []string{"likes#0=Tea\nKitchen > Mugs for personalization", "likes#0= for personalization"})
	if n := b.Counts()["field:type"]; n != 8 {
		t.Errorf("%d values of a wrong type", n)
	}
}

// One bad event never fails its batch: it is counted and answered as accepted.
func TestBadEvents(t *testing.T) {
	b := newBed(t)
	good := func(n string) string { return ev(ordered, ada, id(n), `"properties":{"order_id":"`+n+`"}`) }
	deep := strings.Repeat(`{"a":`, 40) + "1" + strings.Repeat("}", 40)
	bad := map[string]string{
		"no_object":     `17`,
		"unknown_type":  ev(`"type":"buy"`, ada),
		"no_event":      ev(`"type":"track"`, ada),
		"no_identity":   ev(ordered, `"properties":{"order_id":"x"}`),
		"identifier":    ev(ordered, `"userId":5.5`),
		"timestamp":     ev(ordered, ada, `"timestamp":"yesterday"`),
		"future":        ev(ordered, ada, at(monday.Add(25*time.Hour)), `"properties":{"order_id":"f"}`),
		"too_large":     ev(ordered, ada, `"properties":{"order_id":"`+strings.Repeat("x", MaxEvent)+`"}`),
		"too_deep":      ev(ordered, ada, `"properties":`+deep),
		"utf8":          ev(ordered, ada, "\"properties\":{\"order_id\":\"\xff\xfe\"}"),
		"repeated_name": ev(ordered, ada, `"userId":"bob"`, `"properties":{"order_id":"r"}`),
	}
	events := []string{good("first")}
	for _, e := range bad {
		events = append(events, e)
	}
	r := b.send("batch", batchOf(append(events, good("last"))...))
	if r != (Result{Accepted: len(bad) + 2, Kept: 2, Bad: len(bad)}) {
		t.Errorf("%+v", r)
	}
	same(t, "held", b.held(), []string{"order_id#0=first for orders", "order_id#0=last for orders"})
	counts := b.Counts()
	for reason := range bad {
		if counts["event:"+reason] != 1 {
			t.Errorf("%s counted %d times, want 1: %v", reason, counts["event:"+reason], counts)
		}
	}
	if _, ok := b.find(identity.UserID, "bob"); ok {
		t.Error("a bad event made a person")
	}
}

// An event that is nested deeper than the JSON library goes is too deep, and the
// others of its batch are kept; what it refuses is heard.
func TestDeeperThanTheLibrary(t *testing.T) {
	b := newBed(t)
	b.chooses(b.user("ada"), "personalization", consent.Given, b.clock.Now())
	b.clock.pass(time.Second)
	deep := strings.Repeat(`[{"a\"]":`, 5200) + `"}]"` + strings.Repeat("}]", 5200)
	good := func(n string) string { return ev(ordered, ada, id(n), `"properties":{"order_id":"`+n+`"}`) }
	r := b.send("batch", batchOf(good("first"), ev(viewed, ada, `"properties":{"product_id":`+deep+`}`, yes(`"personal":false`)), good("last")))
	if r != (Result{Accepted: 3, Kept: 2, Bad: 1}) || b.Counts()["event:too_deep"] != 1 {
		t.Errorf("%+v, %v", r, b.Counts())
	}
	same(t, "held", b.held(), []string{"order_id#0=first for orders", "order_id#0=last for orders"})
	if body := batchOf(good("x"), ev(viewed, ada, yes(all))); string(flat([]byte(body))) != body {
		t.Errorf("of what is not deep something was cut: %s", flat([]byte(body)))
	}
	if s := b.state(b.user("ada"), "personalization"); s != consent.Withdrawn {
		t.Errorf("%v", s)
	}
}

// A body that is no JSON, or too large, fails as a whole, and nothing of it is
// half-written.
func TestBadBodies(t *testing.T) {
	b := newBed(t)
	e := ev(ordered, ada, `"properties":{"order_id":"x"}`)
	many := strings.Repeat(`{},`, MaxEvents) + `{}`
	for _, c := range []struct {
		name, kind, body string
		want             error
	}{
		{"empty", "batch", ``, ErrBadJSON},
		{"no JSON", "batch", `hello`, ErrBadJSON},
		{"a list", "batch", `[` + e + `]`, ErrBadJSON},
		{"no batch", "batch", e, ErrBadJSON},
		{"a batch that is no list", "batch", `{"batch":{}}`, ErrBadJSON},
		{"broken in the middle", "batch", `{"batch":[` + e + `,{"type":"track",],` + e + `]}`, ErrBadJSON},
		{"cut off", "batch", `{"batch":[` + e + `,` + e[:20], ErrBadJSON},
		{"more behind it", "batch", batchOf(e) + `{}`, ErrBadJSON},
		{"nested too deep and never closed", "batch", `{"batch":[` + e + `,` + strings.Repeat("[", 20000), ErrBadJSON},
		{"nested too deep, broken elsewhere", "batch", `{"batch":[` + e + `,,` + strings.Repeat("[", 20000) + strings.Repeat("]", 20000) + `]}`, ErrBadJSON},
		{"a number", "track", `1`, ErrBadJSON},
		{"too many events", "batch", `{"batch":[` + many + `]}`, ErrTooLarge},
		{"too many bytes", "batch", batchOf(ev(`"x":"` + strings.Repeat("y", MaxBatch) + `"`)), ErrTooLarge},
		{"one event too large", "track", ev(ordered, ada, `"x":"`+strings.Repeat("y", MaxEvent)+`"`), ErrTooLarge},
		{"no such route", "import", e, ErrKind},
	} {
		_, err := b.Collect(context.Background(), Request{Source: "web", Speaker: server(), Kind: c.kind, Body: []byte(c.body)})
		if err != c.want {
			t.Errorf("%s: %v, want %v", c.name, err, c.want)
		}
	}
	if got := b.held(); len(got) != 0 {
		t.Errorf("%q was kept", got)
	}
	if _, ok := b.find(identity.UserID, "ada"); ok {
		t.Error("a rejected body made a person")
	}
}

// Wrong types, repeated names, 10,000 unknown fields.
func TestBadFields(t *testing.T) {
	b := newBed(t)
	b.chooses(b.user("ada"), "personalization", consent.Given, b.clock.Now())
	b.clock.pass(time.Second)
	b.send("batch", batchOf(
		ev(viewed, ada, `"properties":{"product_id":{"id":1},"secs":"3","new":1,"since":"soon"}`),
		ev(viewed, ada, `"properties":{"product_id":"a","product_id":"b","new":null,"since":"2026-01-02T03:04:05Z"}`),
		ev(viewed, ada, `"properties":{"product_id":"lone \ud800 surrogate","secs":1e999,"new":false}`),
		ev(viewed, ada, `"properties":[{"product_id":"in a list"}]`),
		ev(viewed, ada, `"properties":{"product\u005fid":"esc\u0061ped \"quoted\""}`),
	))
	same(t, "held", b.held(), []string{
		"product_id#0=a for personalization", "since#0=1767323045000 for personalization",
		"new#0=0 for personalization", `product_id#0=escaped "quoted" for personalization`,
	})
	counts := b.Counts()
	if counts["field:type"] != 4+2+1 || counts["field:repeated"] != 1 {
		t.Errorf("%v", counts)
	}
	var many []string
	for i := range 10_000 {
		many = append(many, `"f`+strings.Repeat("x", i%7)+time.Duration(i).String()+`":1`)
	}
	for chunk := range slices.Chunk(many, 1000) {
		b.send("track", ev(viewed, ada, `"properties":{`+strings.Join(chunk, ",")+`}`))
	}
	if n := b.Counts()["field:undeclared"]; n != 10_000 {
		t.Errorf("undeclared counted %d times, want 10000", n)
	}
	if n := len(b.Counts()); n > 20 {
		t.Errorf("%d counters: the names of clients must not become metrics", n)
	}
}

// timestamp = receivedAt − (sentAt − originalTimestamp), never later than now.
func TestClock(t *testing.T) {
	b := newBed(t)
	now := b.clock.Now()
	slow := now.Add(-3 * time.Hour) // the sender's clock
	for _, c := range []struct {
		name, event, around string
		want                time.Time
	}{
		{"none", ev(ordered, ada), "", now},
		{"right clock", ev(ordered, ada, at(now.Add(-time.Minute))), "", now.Add(-time.Minute)},
		{"slow clock", ev(ordered, ada, at(slow.Add(-time.Minute))), `,"sentAt":"` + slow.Format(time.RFC3339Nano) + `"`, now.Add(-time.Minute)},
		{"slow clock, its own sentAt", ev(ordered, ada, at(slow.Add(-time.Minute)), `"sentAt":"`+slow.Format(time.RFC3339Nano)+`"`), "", now.Add(-time.Minute)},
		{"original first", ev(ordered, ada, at(now.Add(-time.Hour)), `"originalTimestamp":"`+now.Add(-time.Minute).Format(time.RFC3339Nano)+`"`), "", now.Add(-time.Minute)},
		{"a little ahead", ev(ordered, ada, at(now.Add(time.Hour))), "", now},
	} {
		w := b.batch("web", server())
		if err := w.parse("batch", []byte(`{"batch":[`+c.event+`]`+c.around+`}`)); err != nil {
			t.Fatal(err)
		}
		w.when(&w.messages[0])
		if got := time.UnixMilli(w.messages[0].at).UTC(); !got.Equal(c.want) || w.messages[0].bad {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
		b.put(w)
	}
}

// Batch-level context merges into the items; an item's own values go before.
func TestSharedContext(t *testing.T) {
	b := newBed(t)
	b.chooses(b.user("ada"), "personalization", consent.Given, b.clock.Now())
	b.clock.pass(time.Second)
	view := func(more ...string) string { return ev(append([]string{viewed, ada}, more...)...) }
	b.send("batch", `{"batch":[`+view(`"properties":{"product_id":"a"}`)+`,`+view(`"context":{"device":{"type":"watch"}}`)+
		`],"context":{"device":{"type":"phone"},"ip":"198.51.100.7"}}`)
	same(t, "held", b.held(), []string{
		"product_id#0=a for personalization", "device.type#0=phone for personalization", "device.type#0=watch for personalization",
	})
}

// A closed gate admits nothing, and so nothing may be dropped for it: the sender
// sends it again.
func TestClosedGate(t *testing.T) {
	b := newBed(t)
	b.gate.Close()
	_, err := b.Collect(context.Background(), Request{Source: "web", Speaker: server(), Kind: "track", Body: []byte(ev(ordered, ada, id("1"), order))})
	if err != ErrClosed {
		t.Fatalf("%v, want ErrClosed", err)
	}
	b.gate.Open()
	if r := b.send("track", ev(ordered, ada, id("1"), order)); r.Kept != 1 {
		t.Errorf("%+v", r)
	}
}
