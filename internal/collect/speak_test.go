package collect

import (
	"context"
	"slices"
	"testing"
	"time"

	"accord/internal/choices"
	"accord/internal/consent"
	"accord/internal/declare"
	"accord/internal/identity"
)

func yes(categories string) string {
	return `"context":{"consent":{"categoryPreferences":{` + categories + `}}}`
}

const all = `"functional":true,"personal":true`

// Who speaks: a public write key may act only for the anonymous visitor bound to
// a token that the server issued, or for a user id proven by the shop; unproven,
// it can narrow but never widen a consent, join identities, or keep anything.
func TestForgeries(t *testing.T) {
	b := newBed(t)
	victim := b.user("victim")
	b.chooses(victim, "personalization", consent.Given, b.clock.Now())
	b.clock.pass(time.Second)
	const props = `"properties":{"product_id":"forged","order_id":"forged"}`
	nobody, mallory := identity.Speaker{}, identity.Speaker{}.WithVisitor("v-mallory").WithUser("mallory")
	for _, c := range []struct {
		name, kind, body string
		who              identity.Speaker
	}{
		{"track for another user", "track", ev(ordered, `"userId":"victim"`, props), nobody},
		{"identify another user", "identify", ev(`"userId":"victim"`, `"traits":{"email":"m@example.com","size":1}`), nobody},
		{"another's anonymous id", "track", ev(ordered, `"anonymousId":"v-victim"`, props), nobody},
		{"alias another into me", "alias", ev(`"userId":"mallory"`, `"previousId":"victim"`), nobody},
		{"a new user", "track", ev(ordered, `"userId":"newcomer"`, props), nobody},
		{"a new user who consents", "track", ev(viewed, `"userId":"newcomer"`, props, yes(all)), nobody},
		{"another visitor's token", "track", ev(ordered, `"anonymousId":"v-victim"`, props), mallory},
		{"another user's token", "track", ev(ordered, `"userId":"victim"`, props), mallory},
		{"an empty id", "track", ev(ordered, `"userId":""`, `"anonymousId":""`, props), mallory},
		{"my user id as a visitor's", "track", ev(ordered, `"anonymousId":"mallory"`, props), mallory},
		{"my visitor id as a user's", "track", ev(ordered, `"userId":"v-mallory"`, props), mallory},
	} {
		if r := b.sendAs(c.who, c.kind, c.body); r.Kept != 0 {
			t.Errorf("%s: %+v", c.name, r)
		}
	}
	if got := b.held(); len(got) != 0 {
		t.Errorf("forged: %q", got)
	}
	for _, id := range []identity.Identifier{
		{Kind: identity.UserID, Value: "newcomer"}, {Kind: identity.UserID, Value: "mallory"},
		{Kind: identity.AnonymousID, Value: "v-victim"}, {Kind: identity.AnonymousID, Value: "mallory"}, {Kind: identity.UserID, Value: "v-mallory"},
	} {
		if _, ok := b.find(id.Kind, id.Value); ok {
			t.Errorf("%v was made", id)
		}
	}
	if s := b.state(victim, "personalization"); s != consent.Given {
		t.Errorf("the victim's choice is %v", s)
	}
}

// Unproven, a consent object only narrows: it never widens, and never makes a
// person.
func TestUnprovenNarrows(t *testing.T) {
	b := newBed(t)
	known := b.user("known")
	b.sendAs(identity.Speaker{}, "track", ev(viewed, `"userId":"known"`, yes(all)))
	if s := b.state(known, "personalization"); s != consent.Unset {
		t.Errorf("widened to %v", s)
	}
	b.chooses(known, "personalization", consent.Given, b.clock.Now())
	b.clock.pass(time.Second)
	b.sendAs(identity.Speaker{}, "track", ev(viewed, `"userId":"known"`, yes(`"personal":false`)))
	if s := b.state(known, "personalization"); s != consent.Withdrawn {
		t.Errorf("a refusal left %v", s)
	}
	b.clock.pass(time.Second)
	b.sendAs(identity.Speaker{}, "track", ev(`"type":"track"`, `"event":"`+preferenceUpdated+`"`, `"userId":"known"`, yes(all)))
	if s := b.state(known, "personalization"); s != consent.Withdrawn {
		t.Errorf("widened to %v", s)
	}
	b.sendAs(identity.Speaker{}, "track", ev(viewed, `"userId":"stranger"`, yes(`"personal":false,"stats":false`)))
	if _, ok := b.find(identity.UserID, "stranger"); ok {
		t.Error("a refusal made a person")
	}
	h, err := b.choices.History(context.Background(), known)
	if err != nil || len(h) != 2 || h[1].Choices[0].Proof != "unproven" {
		t.Errorf("history: %+v, %v", h, err)
	}
}

// The proven user wins over the proven visitor, and a visitor with a token is
// heard although the user id beside it is a claim.
func TestProven(t *testing.T) {
	b := newBed(t)
	send := func(who identity.Speaker, user, visitor, order string) {
		b.sendAs(who, "track", ev(ordered, `"userId":"`+user+`"`, `"anonymousId":"`+visitor+`"`, `"properties":{"order_id":"`+order+`"}`))
	}
	owner := func(kind identity.Kind, id string) int {
		token, ok := b.find(kind, id)
		if !ok {
			return 0
		}
		b.catchUp()
		places, err := b.vault.Frames(token)
		if err != nil {
			t.Fatal(err)
		}
		return len(places)
	}
	send(identity.Speaker{}.WithUser("u1").WithVisitor("v1"), "u1", "v1", "1")
	send(identity.Speaker{}.WithVisitor("v2"), "u2", "v2", "2")
	send(server(), "u3", "v3", "3")
	for _, c := range []struct {
		kind identity.Kind
		id   string
		want int
	}{
		{identity.UserID, "u1", 1}, {identity.AnonymousID, "v1", 0},
		{identity.UserID, "u2", 0}, {identity.AnonymousID, "v2", 1},
		{identity.UserID, "u3", 1}, {identity.AnonymousID, "v3", 0},
	} {
		if n := owner(c.kind, c.id); n != c.want {
			t.Errorf("%v %s has %d frames, want %d", c.kind, c.id, n, c.want)
		}
	}
}

// All categories of a purpose must be true; one that is false narrows.
func TestCategories(t *testing.T) {
	b := newBed(t)
	for i, c := range []struct {
		context string
		want    consent.State
	}{
		{`"consent":{"categoryPreferences":{"functional":true,"personal":true}}`, consent.Given},
		{`"consent":{"categoryPreference":{"functional":true,"personal":true}}`, consent.Given},
		{`"consent":{"categoryPreferences":{"personalization":true}}`, consent.Given},
		{`"consent":{"categoryPreferences":{"functional":true}}`, consent.Unset},
		{`"consent":{"categoryPreferences":{"functional":"true","personal":1}}`, consent.Unset},
		{`"consent":{"categoryPreferences":{"functional":true,"personal":true,"unheard":false}}`, consent.Given},
		{`"consent":{"categoryPreferences":{"functional":true,"personal":true},"categoryPreference":{"personal":false}}`, consent.Refused},
		{`"consent":{"categoryPreferences":{"personalization":true,"personal":false}}`, consent.Refused},
		{`"consent":true`, consent.Unset},
		{`"consentManagement":{"allowedConsentIds":["functional","personal"],"deniedConsentIds":[]}`, consent.Given},
		{`"consentManagement":{"allowedConsentIds":["functional"],"deniedConsentIds":["personal"],"resolutionStrategy":"or"}`, consent.Refused},
		{`"consentManagement":{"allowedConsentIds":["functional"],"resolutionStrategy":"or"}`, consent.Unset},
		{`"consentManagement":{"allowedConsentIds":{"functional":true,"personal":true}}`, consent.Given},
		{`"consentManagement":{"allowedConsentIds":{"functional":true,"personal":false}}`, consent.Refused},
		{`"consent":{"categoryPreferences":{"functional":true,"personal":true}},"consentManagement":{"deniedConsentIds":["personal"]}`, consent.Refused},
	} {
		name := "user-" + string(rune('a'+i))
		token := b.user(name)
		b.send("track", ev(viewed, `"userId":"`+name+`"`, `"context":{`+c.context+`}`))
		if s := b.state(token, "personalization"); s != c.want {
			t.Errorf("%s: %v, want %v", c.context, s, c.want)
		}
	}
	// A batch-level refusal counts for every item, whatever the item says.
	token := b.user("item")
	b.send("batch", `{"context":{"consent":{"categoryPreferences":{"personal":false}}},"batch":[`+ev(viewed, `"userId":"item"`, yes(all))+`]}`)
	if s := b.state(token, "personalization"); s != consent.Refused {
		t.Errorf("batch-level refusal: %v", s)
	}
	// A choice cannot give or end a contract.
	b.send("track", ev(ordered, `"userId":"buyer"`, `"properties":{"order_id":"1"}`, yes(`"orders":false`)))
	if got := b.held(); !slices.Contains(got, "order_id#0=1 for orders") {
		t.Errorf("held %q", got)
	}
}

// The choice is durable before the event is admitted, and admits it.
func TestConsentOnEvent(t *testing.T) {
	b := newBed(t)
	view := func(product, context string) Result {
		b.clock.pass(time.Minute)
		return b.sendAs(identity.Speaker{}.WithVisitor("v-1"), "track",
			ev(viewed, `"anonymousId":"v-1"`, `"properties":{"product_id":"`+product+`"}`, context))
	}
	if r := view("before", `"context":{}`); r.Kept != 0 {
		t.Errorf("%+v", r)
	}
	if _, ok := b.find(identity.AnonymousID, "v-1"); ok {
		t.Error("a person was made though nothing was kept")
	}
	if r := view("consented", yes(all)); r.Kept != 1 {
		t.Errorf("%+v", r)
	}
	token, _ := b.find(identity.AnonymousID, "v-1")
	view("again", yes(all))
	if h, err := b.choices.History(context.Background(), token); err != nil || len(h) != 1 || h[0].Choices[0].Method != choices.MethodEvent {
		t.Errorf("a standing preference is recorded once: %+v, %v", h, err)
	}
	if n := b.views(token, "personalization"); n != 2 {
		t.Errorf("%d views, want 2", n)
	}
	if r := view("refused", yes(`"personal":false`)); r.Kept != 0 {
		t.Errorf("%+v", r)
	}
	// The withdrawal destroys exactly what lived for it.
	if got := b.held(); len(got) != 0 {
		t.Errorf("after the withdrawal: %q", got)
	}
	if n := b.views(token, "personalization"); n != 0 {
		t.Errorf("%d views after the withdrawal", n)
	}
	// The banner changes its mind.
	view("once more", yes(all))
	if n := b.views(token, "personalization"); n != 1 {
		t.Errorf("%d views after the new consent, want 1: the old ones must not come back", n)
	}
}

// A standing preference never overrules what the person chose elsewhere; an act
// of choosing does. An old event never widens.
func TestStandingPreference(t *testing.T) {
	b := newBed(t)
	token := b.user("ada")
	b.chooses(token, "personalization", consent.Withdrawn, b.clock.Now())
	now := b.clock.pass(time.Minute)
	b.send("track", ev(viewed, ada, yes(all)))
	if s := b.state(token, "personalization"); s != consent.Withdrawn {
		t.Errorf("a banner overruled the person: %v", s)
	}
	act := `"event":"` + preferenceUpdated + `"`
	b.send("track", ev(act, ada, at(now.Add(-time.Hour)), yes(all)))
	if s := b.state(token, "personalization"); s != consent.Withdrawn {
		t.Errorf("an old act widened: %v", s)
	}
	b.send("track", ev(act, ada, at(now), yes(all)))
	if s := b.state(token, "personalization"); s != consent.Given {
		t.Errorf("an act does not count: %v", s)
	}
	b.clock.pass(time.Minute)
	b.send("track", ev(viewed, ada, yes(`"personal":false`)))
	b.send("track", ev(viewed, ada, at(now), yes(all)))
	if s := b.state(token, "personalization"); s != consent.Withdrawn {
		t.Errorf("an old event widened: %v", s)
	}
}

// A consent that expired must be asked again: a standing preference does not
// renew it.
func TestExpiredConsent(t *testing.T) {
	b := newBed(t)
	training := yes(`"model_training":true`)
	b.send("track", ev(viewed, ada, `"properties":{"product_id":"a"}`, training))
	b.clock.pass(25 * 31 * 24 * time.Hour)
	if r := b.send("track", ev(viewed, ada, `"properties":{"product_id":"b"}`, training)); r.Kept != 0 {
		t.Errorf("%+v", r)
	}
	if n := b.Counts()["event:expired"]; n != 1 {
		t.Errorf("counted %d times: %v", n, b.Counts())
	}
	b.send("track", ev(`"event":"`+preferenceUpdated+`"`, ada, training))
	if r := b.send("track", ev(viewed, ada, `"properties":{"product_id":"c"}`)); r.Kept != 1 {
		t.Errorf("%+v", r)
	}
}

// An objection ends a legitimate interest, also of somebody who comes with it.
func TestObjection(t *testing.T) {
	b := newBed(t)
	b.send("track", ev(viewed, ada, `"properties":{"secs":1}`, yes(`"stats":false`)))
	b.send("track", ev(viewed, ada, `"properties":{"secs":2}`))
	if got := b.held(); len(got) != 0 {
		t.Errorf("held %q", got)
	}
	if s := b.state(b.user("ada"), "stats"); s != consent.Objected {
		t.Errorf("%v", s)
	}
}

// Many people choose in one batch; each keeps the order of their own events.
func TestManyChoices(t *testing.T) {
	b := newBed(t)
	var events []string
	for i := range 40 {
		user := `"userId":"u` + string(rune('a'+i%20)) + `"`
		if i < 20 {
			events = append(events, ev(viewed, user, yes(all)))
		} else {
			events = append(events, ev(viewed, user, yes(`"personal":false`)))
		}
	}
	b.send("batch", batchOf(events...))
	for i := range 20 {
		if s := b.state(b.user("u"+string(rune('a'+i))), "personalization"); s != consent.Withdrawn {
			t.Errorf("user %d: %v", i, s)
		}
	}
	again := b.again()
	for i := range 20 {
		if s := again.state(again.user("u"+string(rune('a'+i))), "personalization"); s != consent.Withdrawn {
			t.Errorf("user %d after a restart: %v", i, s)
		}
	}
}

// Whether an unproven refusal is taken is decided before anybody is looked up:
// once a request, for each person named whom the speaker did not prove to be, so
// that it does not tell who is known here.
func TestDenyingIsAskedBeforeAnybodyIsLookedUp(t *testing.T) {
	b := newBed(t)
	known := b.user("ada")
	b.chooses(known, "personalization", consent.Given, b.clock.Now())
	no := yes(`"personal":false`)
	visitor := identity.Speaker{}.WithVisitor("v-1")
	for name, c := range map[string]struct {
		who  identity.Speaker
		kind string
		body string
		want []int
	}{
		"somebody known":            {identity.Speaker{}, "track", ev(viewed, ada, no), []int{1}},
		"somebody unknown":          {identity.Speaker{}, "track", ev(viewed, `"userId":"nobody"`, no), []int{1}},
		"both ids":                  {identity.Speaker{}, "track", ev(viewed, ada, `"anonymousId":"v-1"`, no), []int{2}},
		"one proven, one not":       {visitor, "track", ev(viewed, ada, `"anonymousId":"v-1"`, no), []int{1}},
		"the same person again":     {identity.Speaker{}, "batch", batchOf(ev(viewed, ada, no), ev(viewed, ada, no)), []int{1}},
		"the batch refuses for all": {identity.Speaker{}, "batch", `{` + no + `,"batch":[` + ev(viewed, ada) + `,` + ev(viewed, `"userId":"nobody"`) + `]}`, []int{2}},
		"proven":                    {visitor, "track", ev(viewed, `"anonymousId":"v-1"`, no), nil},
		"nothing refused":           {identity.Speaker{}, "track", ev(viewed, ada, yes(all)), nil},
		"the shop itself":           {server(), "track", ev(viewed, `"userId":"nobody"`, no), nil},
	} {
		var asked []int
		r := Request{Source: "web", Speaker: c.who, Kind: c.kind, Received: b.clock.Now(), Body: []byte(c.body), MayDeny: func(n int) bool { asked = append(asked, n); return false }}
		_, err := b.Collect(context.Background(), r)
		if !slices.Equal(asked, c.want) || (err == ErrTooOften) != (c.want != nil) {
			t.Errorf("%s: asked %v, want %v: %v", name, asked, c.want, err)
		}
	}
	if s := b.state(known, "personalization"); s != consent.Given {
		t.Errorf("a request that was refused changed a choice: %v", s)
	}
}

// TestAnIdentifyTellsAChild: from then on what needs a guardian is not kept, also of
// the same batch; an event makes nobody older.
func TestAnIdentifyTellsAChild(t *testing.T) {
	b := newBed(t)
	p, _ := b.Declaration.Purpose("personalization")
	trait := b.Declaration.Attributes[slices.IndexFunc(b.Declaration.Attributes, func(f declare.Field) bool { return f.Type == declare.String })].Path
	b.Declaration.Children = &declare.Children{Attribute: trait, Child: []string{"under_13"}, Guarded: declare.Set(0).With(p)}
	anna := b.user("anna")
	b.chooses(anna, "personalization", consent.Given, monday)
	for _, band := range []string{"under_13", "grown"} {
		b.send("identify", `{"userId":"anna","traits":{"`+trait+`":"`+band+`"}}`)
		if _, r := b.Gate.Ask(anna, p, consent.Where{}, b.clock.Now()); r != consent.DeniedGuardian {
			t.Errorf("after %s: %v", band, r)
		}
	}
}

// TestNoEventGivesWhatNeedsASignature, whoever sends it.
func TestNoEventGivesWhatNeedsASignature(t *testing.T) {
	b := newBed(t)
	p, _ := b.Declaration.Purpose("personalization")
	b.Declaration.Purposes[p].Signed = true
	anna := b.user("anna")
	for _, event := range []string{"Anything", preferenceUpdated} {
		b.send("track", `{"userId":"anna","event":"`+event+`","context":{"consent":{"categoryPreferences":{"personalization":true}}}}`)
		if got := b.state(anna, "personalization"); got != consent.Unset {
			t.Errorf("%s: %v", event, got)
		}
	}
}
