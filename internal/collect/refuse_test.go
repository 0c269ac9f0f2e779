package collect

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"accord/internal/choices"
	"accord/internal/consent"
	"accord/internal/declare"
	"accord/internal/event"
	"accord/internal/identity"
)

// act is the event by which a person chooses.
const act = `"type":"track","event":"` + preferenceUpdated + `"`

func viewOf(product string) string { return `"properties":{"product_id":"` + product + `"}` }

// A refusal that is delivered twice does not undo the yes that came between, nor
// destroy what was kept since.
func TestRefusalOnce(t *testing.T) {
	for _, before := range []consent.State{consent.Unset, consent.Refused} {
		b := newBed(t)
		token := b.user("ada")
		if before != consent.Unset {
			b.chooses(token, "personalization", before, b.clock.Now())
			b.clock.pass(time.Minute)
		}
		no := ev(id("m1"), act, ada, at(b.clock.Now()), yes(`"personal":false`))
		agreed := ev(id("m2"), act, ada, at(b.clock.Now().Add(time.Second)), yes(all))
		view := ev(id("m3"), viewed, ada, at(b.clock.Now().Add(2*time.Second)), viewOf("mug"))
		b.clock.pass(time.Minute)
		b.send("batch", batchOf(no, agreed, view))
		for range 3 {
			if s, n := b.state(token, "personalization"), b.views(token, "personalization"); s != consent.Given || n != 1 {
				t.Fatalf("after %v: %v, %d views", before, s, n)
			}
			b.clock.pass(time.Minute)
			b.send("batch", batchOf(no, agreed, view))
			b.send("track", no)
			b = b.again()
		}
		// Another refusal counts, and so does the same id when it means another one.
		b.send("track", ev(id("m2"), act, ada, at(b.clock.Now()), yes(`"personal":false`)))
		if s := b.state(token, "personalization"); s != consent.Withdrawn {
			t.Errorf("a new refusal: %v", s)
		}
		b.close()
	}
}

// A preference of the past, and whatever somebody claims who proves nothing, moves
// no mark back: what gives and is older than the person's own word stays late.
func TestRefusalOfThePast(t *testing.T) {
	b := newBed(t)
	token, start := b.user("ada"), b.clock.Now()
	b.chooses(token, "personalization", consent.Refused, start)
	b.clock.pass(100 * time.Hour)
	b.chooses(token, "personalization", consent.Given, b.clock.Now())
	now := b.clock.pass(time.Hour)
	old := func(n string) string {
		return ev(id(n), viewed, ada, at(start.Add(50*time.Hour)), viewOf("old"), yes(all))
	}
	b.sendAs(identity.Speaker{}, "track", ev(viewed, ada, at(time.Unix(86400, 0).UTC()), yes(`"personal":false`)))
	i, _ := b.Declaration.Purpose("personalization")
	if p := b.book.Present(token, i); p.State != consent.Withdrawn || p.At != now.UnixMilli() {
		t.Errorf("it claims to be of 1970: %+v", p)
	}
	b.clock.pass(time.Hour)
	if r := b.send("track", old("o1")); r.Kept != 0 || b.state(token, "personalization") != consent.Withdrawn {
		t.Errorf("a queue of old events revived it: %+v", r)
	}
}

// What nobody proved narrows and destroys nothing; the person's own word does, and
// their yes takes it back.
func TestUnprovenDestroysNothing(t *testing.T) {
	b := newBed(t)
	token := b.user("ada")
	b.chooses(token, "personalization", consent.Given, b.clock.Now())
	b.clock.pass(time.Second)
	b.send("track", ev(id("m1"), viewed, ada, viewOf("mug")))
	b.catchUp()
	refuse := ev(viewed, ada, yes(`"personal":false`))
	for range 2 { // the second time nothing changes
		b.sendAs(identity.Speaker{}, "track", refuse)
	}
	if n := b.Counts()["unproven_refusals"]; n != 1 {
		t.Errorf("counted %d times", n)
	}
	if n := b.views(token, "personalization"); n != 0 || len(b.held()) != 1 {
		t.Errorf("%d views, held %q", n, b.held())
	}
	b.clock.pass(time.Second)
	b.send("track", ev(viewed, ada, yes(all)))
	if n := b.views(token, "personalization"); n != 1 {
		t.Errorf("%d views after the person's yes", n)
	}
	b.sendAs(identity.Speaker{}, "track", refuse)
	b.send("track", refuse)
	if held := b.held(); len(held) != 0 || b.state(token, "personalization") != consent.Withdrawn {
		t.Errorf("the person refused, and %q is held", held)
	}
}

// A refusal in a context that is not taken counts; where none can be read nothing
// is kept that it could end, and nothing is given.
func TestRefusedContext(t *testing.T) {
	const no = `"consent":{"categoryPreferences":{"personal":false,"stats":false}}`
	for _, c := range []struct {
		name, context string
		state         consent.State
	}{
		{"bad UTF-8", "\"context\":{\"page\":\"\xff\"," + no + "}", consent.Withdrawn},
		{"too large", `"context":{"pad":"` + strings.Repeat("x", MaxEvent) + `",` + no + `}`, consent.Withdrawn},
		{"the second one", `"context":{},"context":{` + no + `}`, consent.Withdrawn},
		{"the first one of two", `"context":{` + no + `},"context":{}`, consent.Withdrawn},
		{"a text", `"context":"{}"`, consent.Given},
		{"a list", `"context":[{` + no + `}]`, consent.Given},
	} {
		b := newBed(t)
		token := b.user("ada")
		b.chooses(token, "personalization", consent.Given, b.clock.Now())
		b.clock.pass(time.Second)
		b.send("batch", `{`+c.context+`,"batch":[`+ev(viewed, ada, `"properties":{"product_id":"x","secs":1}`, yes(all+`,"model_training":true`))+`,`+
			ev(ordered, ada, `"properties":{"order_id":"1"}`)+`]}`)
		if s := b.state(token, "personalization"); s != c.state {
			t.Errorf("%s: %v, want %v", c.name, s, c.state)
		}
		if s := b.state(token, "model_training"); (s == consent.Given) != (c.state == consent.Withdrawn) {
			t.Errorf("%s: model_training is %v", c.name, s)
		}
		want := []string{"order_id#0=1 for orders"}
		if c.state == consent.Withdrawn {
			want = append(want, "product_id#0=x for model_training")
		}
		same(t, c.name, b.held(), want)
		b.close()
	}
}

// What is no event gives nothing; what it refuses counts.
func TestBadEventsGiveNothing(t *testing.T) {
	for name, e := range map[string][]string{
		"no such type":   {`"type":"nonsense"`},
		"no name":        {`"type":"track"`},
		"the far future": {viewed, `"timestamp":"2090-01-01T00:00:00Z"`},
		"no time":        {viewed, `"timestamp":"garbage"`},
		"bad UTF-8":      {viewed, "\"x\":\"\xff\""},
		"a name twice":   {viewed, viewed},
		"too large":      {viewed, `"x":"` + strings.Repeat("x", MaxEvent) + `"`},
	} {
		b := newBed(t)
		b.send("batch", batchOf(ev(append(e, ada, yes(all))...)))
		if _, ok := b.find(identity.UserID, "ada"); ok {
			t.Errorf("%s: it made a person", name)
		}
		token := b.user("ada")
		b.send("batch", batchOf(ev(append(e, ada, yes(all))...)))
		if s := b.state(token, "personalization"); s != consent.Unset {
			t.Errorf("%s: it gave: %v", name, s)
		}
		b.send("batch", batchOf(ev(append(e, ada, yes(`"personal":false`))...)))
		if s := b.state(token, "personalization"); s != consent.Refused {
			t.Errorf("%s: it refused: %v", name, s)
		}
		b.close()
	}
}

// Nobody uses up the message ids of somebody else.
func TestMessageIDsAreTheSpeakers(t *testing.T) {
	b := newBed(t)
	order := func(who, number string) string {
		return ev(id("order-1001"), ordered, who, `"properties":{"order_id":"`+number+`"}`)
	}
	nobody := identity.Speaker{}
	for _, c := range []struct {
		who    identity.Speaker
		person string
	}{
		{nobody, ada}, {nobody.WithVisitor("v1"), `"anonymousId":"v1"`}, {nobody.WithVisitor("v2"), `"anonymousId":"v2"`},
		{nobody.WithUser("ada"), ada}, {nobody.WithUser("bob"), `"userId":"bob"`}, {server(), ada},
	} {
		want := Result{Accepted: 1, Kept: 1}
		if c.who == nobody {
			want = Result{Accepted: 1, Dropped: 1}
		}
		if r := b.sendAs(c.who, "track", order(c.person, "1")); r != want {
			t.Errorf("%v: %+v", c, r)
		}
	}
	if r := b.sendAs(nobody.WithUser("ada"), "track", order(ada, "1")); r.Duplicate != 1 {
		t.Errorf("a retry: %+v", r)
	}
	if r := b.send("track", order(`"userId":"carl"`, "1")); r.Duplicate != 1 {
		t.Errorf("the shop's own id for somebody else: %+v", r)
	}
}

// failing takes no choice while it fails.
type failing struct {
	choices.Log
	fail bool
}

var errFailing = errors.New("the log fails")

func (l *failing) AppendChoice(ctx context.Context, m event.ChoiceMessage) (uint64, error) {
	if l.fail {
		return 0, errFailing
	}
	return l.Log.AppendChoice(ctx, m)
}

// A withdrawal that is acknowledged when it is sent again holds after a restart,
// although the first try left it open.
func TestDoubtIsSettledByTheRetry(t *testing.T) {
	b := newBed(t)
	log := &failing{Log: b.log}
	b.Choices = choices.New(b.Declaration, b.keys, log, b.book, b.vault, b.clock.Now)
	token := b.user("ada")
	b.chooses(token, "personalization", consent.Given, b.clock.Now())
	b.clock.pass(time.Second)
	log.fail = true
	withdraw := Request{Source: "web", Speaker: server(), Kind: "track", Body: []byte(ev(id("m1"), viewed, ada, yes(`"personal":false`)))}
	if _, err := b.Collect(context.Background(), withdraw); !errors.Is(err, errFailing) {
		t.Fatal(err)
	}
	if s := b.state(token, "personalization"); s != consent.Withdrawn {
		t.Fatalf("in doubt: %v", s)
	}
	log.fail = false
	if _, err := b.Collect(context.Background(), withdraw); err != nil {
		t.Fatal(err)
	}
	if s := b.again().state(token, "personalization"); s != consent.Withdrawn {
		t.Errorf("it was acknowledged, and after a restart: %v", s)
	}
}

// stuck cannot destroy keys while it is.
type stuck struct {
	choices.Keys
	is bool
}

func (k *stuck) Destroy(ctx context.Context, t identity.Token, classes ...declare.ClassID) error {
	if k.is {
		return errFailing
	}
	return k.Keys.Destroy(ctx, t, classes...)
}

// Who withdraws again is answered when what the first time left is destroyed.
func TestRetryDestroys(t *testing.T) {
	b := newBed(t)
	keys := &stuck{Keys: b.keys}
	b.Choices = choices.New(b.Declaration, keys, b.log, b.book, b.vault, b.clock.Now)
	b.chooses(b.user("ada"), "personalization", consent.Given, b.clock.Now())
	b.clock.pass(time.Second)
	b.send("track", ev(viewed, ada, viewOf("mug")))
	withdraw := Request{Source: "web", Speaker: server(), Kind: "track", Body: []byte(ev(id("m1"), viewed, ada, yes(`"personal":false`)))}
	keys.is = true
	for range 2 {
		if _, err := b.Collect(context.Background(), withdraw); !errors.Is(err, choices.ErrLate) {
			t.Fatal(err)
		}
	}
	keys.is = false
	if _, err := b.Collect(context.Background(), withdraw); err != nil || len(b.held()) != 0 {
		t.Errorf("%v, held %q", err, b.held())
	}
}

// What the protocol's own words say is read elsewhere: they are no undeclared
// fields. Whole numbers are identifiers.
func TestWordsAndNumbers(t *testing.T) {
	b := newBed(t)
	b.send("track", ev(ordered, `"userId":42`, `"anonymousId":-7`, `"properties":{"order_id":"1"}`,
		`"context":{"accord":{"visitor":"v1.x"},"consent":{},"consentManagement":{},"ip":"192.0.2.1"}`))
	if n := b.Counts()["field:undeclared"]; n != 1 {
		t.Errorf("undeclared counted %d times", n)
	}
	if _, ok := b.find(identity.UserID, "42"); !ok {
		t.Error("a number names nobody")
	}
	for _, no := range []string{`4.2`, `4e2`, `true`, `[]`, strings.Repeat("1", 513)} {
		if r := b.send("track", ev(ordered, `"userId":`+no, `"properties":{"order_id":"1"}`)); r.Bad != 1 {
			t.Errorf("userId %.5s: %+v", no, r)
		}
	}
}

// An identifier that is not declared names nobody, and one that is declared for
// some purposes keeps nothing for others.
func TestUndeclaredIdentifier(t *testing.T) {
	b := newBed(t)
	b.Collector = New(func() Config {
		c := b.Config
		d, err := declare.Parse("shop.yaml", []byte(strings.NewReplacer(
			"  user_id: {category: account, purposes: [orders, personalization, model_training, stats]", "  user_id: {category: account, purposes: [stats]",
			shopYAML[strings.Index(shopYAML, "  anonymous_id:"):strings.Index(shopYAML, "attributes:")], "").Replace(shopYAML)))
		if err != nil {
			t.Fatal(err)
		}
		c.Declaration = d
		return c
	}())
	for _, c := range []struct{ person, want string }{
		{ada, "event:identifier_undeclared"}, {`"anonymousId":"v1"`, "event:identifier_undeclared"},
	} {
		before := b.Counts()[c.want]
		if r := b.send("track", ev(ordered, c.person, `"properties":{"order_id":"1"}`, yes(`"stats":true`))); r.Dropped != 1 || b.Counts()[c.want] != before+1 {
			t.Errorf("%s: %+v, %v", c.person, r, b.Counts())
		}
	}
	if _, ok := b.find(identity.AnonymousID, "v1"); ok {
		t.Error("an undeclared identifier made a person")
	}
	if r := b.send("track", ev(viewed, ada, `"anonymousId":"v1"`, `"properties":{"secs":3}`)); r.Kept != 1 {
		t.Errorf("%+v", r)
	}
}
