package collect

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"accord/internal/choices"
	"accord/internal/consent"
	"accord/internal/declare"
	"accord/internal/identity"
	"accord/internal/law"
	"accord/internal/signal/bits"
	"accord/internal/signal/tcf"
)

// today is the day on which the strings of the tests were last updated.
var today = monday.Truncate(24 * time.Hour)

// tcString is a TC string with these purposes for vendors and for the shop, as the
// consent manager of the shop itself writes it today.
func tcString(t *testing.T, consents ...int) string {
	t.Helper()
	return tcStringOf(t, today, true, consents...)
}

func tcStringOf(t *testing.T, updated time.Time, publisher bool, consents ...int) string {
	t.Helper()
	vendors := bits.IDs{}
	s := tcf.String{DisclosedVendors: &vendors, Version: 2, Created: updated, LastUpdated: updated, CmpId: 10, ConsentLanguage: "EN", VendorListVersion: 100, TcfPolicyVersion: 5,
		IsServiceSpecific: true, PublisherCC: "DE", PurposesConsent: bits.FieldOf(consents...)}
	if publisher {
		s.PublisherTC = &tcf.PublisherTC{PubPurposesConsent: s.PurposesConsent}
	}
	text, err := s.Encode()
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// Signals in events do what the table says: a yes gives as a consent object does, a
// no refuses and is recorded, a doubt keeps data out and records nothing.
func TestSignalsInEvents(t *testing.T) {
	all, none := tcString(t, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10), tcString(t)
	content := tcString(t, 1, 3, 4, 5, 6, 8, 9)
	for _, c := range []struct {
		name, context                    string
		personalization, training, stats consent.State
		kept                             string // of product_id, secs: the purposes that admitted them
	}{
		{"nothing", `{}`, consent.Unset, consent.Unset, consent.Unset, "secs"},
		{"tcf all", `{"consent":{"tcf":"` + all + `"}}`, consent.Given, consent.Given, consent.Unset, "product_id secs"},
		{"tcf content", `{"consent":{"tcf":"` + content + `"}}`, consent.Given, consent.Refused, consent.Unset, "product_id secs"},
		{"tcf none", `{"consent":{"tcf":"` + none + `"}}`, consent.Refused, consent.Refused, consent.Objected, ""},
		{"tcf all to vendors", `{"consent":{"tcf":"` + tcStringOf(t, today, false, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10) + `"}}`, consent.Unset, consent.Unset, consent.Unset, "secs"},
		{"tcf too old", `{"consent":{"tcf":"` + tcStringOf(t, today.AddDate(0, -13, -1), true, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10) + `"}}`, consent.Unset, consent.Unset, consent.Unset, "secs"},
		{"tcf of tomorrow", `{"consent":{"tcf":"` + tcStringOf(t, today.AddDate(0, 0, 1), true, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10) + `"}}`, consent.Unset, consent.Unset, consent.Unset, ""},
		{"tcf damaged", `{"consent":{"tcf":"` + all[:20] + `"}}`, consent.Unset, consent.Unset, consent.Unset, ""},
		{"tcf no text", `{"consent":{"tcf":{"purpose":1}}}`, consent.Unset, consent.Unset, consent.Unset, ""},
		{"tcf null", `{"consent":{"tcf":null}}`, consent.Unset, consent.Unset, consent.Unset, "secs"},
		{"tcf twice", `{"consent":{"tcf":"` + all + `","tcf":"` + all + `"}}`, consent.Unset, consent.Unset, consent.Unset, ""},
		{"gpp usnat opted out", `{"consent":{"gpp":"DBABLA~CEAQAAAAAABA.YA"}}`, consent.Unset, consent.Unset, consent.Objected, ""},
		{"gpp with a tcf section", `{"consent":{"gpp":"DBABMA~` + all + `"}}`, consent.Given, consent.Given, consent.Unset, "product_id secs"},
		{"google denied", `{"consent":{"google":{"personalization_storage":"granted","analytics_storage":"denied"}}}`, consent.Unset, consent.Unset, consent.Unset, ""},
		{"google granted", `{"consent":{"google":{"personalization_storage":"granted","analytics_storage":"granted","ad_storage":"granted","wait_for_update":500}}}`, consent.Unset, consent.Unset, consent.Unset, "secs"},
		{"google, null", `{"consent":{"google":null}}`, consent.Unset, consent.Unset, consent.Unset, "secs"},
		{"google, a null", `{"consent":{"google":{"ad_storage":null}}}`, consent.Unset, consent.Unset, consent.Unset, "secs"},
		{"google, a word", `{"consent":{"google":"denied"}}`, consent.Unset, consent.Unset, consent.Unset, ""},
		{"google, a list", `{"consent":{"google":[]}}`, consent.Unset, consent.Unset, consent.Unset, ""},
		{"google, no word", `{"consent":{"google":{"ad_storage":false}}}`, consent.Unset, consent.Unset, consent.Unset, ""},
		{"google, another word", `{"consent":{"google":{"ad_storage":"DENIED"}}}`, consent.Unset, consent.Unset, consent.Unset, ""},
		{"att", `{"device":{"trackingStatus":"denied","id":"x"}}`, consent.Unset, consent.Unset, consent.Objected, ""},
		{"att of RudderStack", `{"device":{"attTrackingStatus":2}}`, consent.Unset, consent.Unset, consent.Objected, ""},
		{"att authorized", `{"device":{"trackingStatus":"authorized","adTrackingEnabled":true}}`, consent.Unset, consent.Unset, consent.Unset, "secs"},
		{"att not asked", `{"device":{"trackingStatus":"notDetermined","adTrackingEnabled":false}}`, consent.Unset, consent.Unset, consent.Unset, "secs"},
		{"limited ads", `{"device":{"adTrackingEnabled":false}}`, consent.Unset, consent.Unset, consent.Objected, ""},
		{"a category no and a tcf yes", `{"consent":{"categoryPreferences":{"personal":false},"tcf":"` + all + `"}}`, consent.Refused, consent.Given, consent.Unset, "product_id secs"},
		{"a category yes and a tcf no", `{"consent":{"categoryPreferences":{` + allCategories + `},"tcf":"` + none + `"}}`, consent.Refused, consent.Refused, consent.Objected, ""},
		{"a category yes and a damaged tcf", `{"consent":{"categoryPreferences":{` + allCategories + `},"tcf":"x"}}`, consent.Unset, consent.Unset, consent.Unset, ""},
		{"tcf yes, att no", `{"consent":{"tcf":"` + all + `"},"device":{"trackingStatus":"denied"}}`, consent.Given, consent.Given, consent.Objected, "product_id"},
	} {
		b := newBed(t)
		b.send("track", ev(viewed, ada, `"properties":{"product_id":"P-1","secs":3}`, `"context":`+c.context))
		// Nobody is made where nothing is kept or chosen.
		token, known := b.find(identity.UserID, "ada")
		for purpose, want := range map[declare.PurposeID]consent.State{"personalization": c.personalization, "model_training": c.training, "stats": c.stats} {
			if got := b.state(token, purpose); got != want {
				t.Errorf("%s: %s is %v, want %v", c.name, purpose, got, want)
			}
		}
		var kept []string
		for _, v := range b.held() {
			name, _, _ := strings.Cut(v, "#")
			kept = append(kept, name)
		}
		slices.Sort(kept)
		if got := strings.Join(kept, " "); got != c.kept {
			t.Errorf("%s: kept %q, want %q", c.name, got, c.kept)
		}
		if !known && (c.kept != "" || c.stats != consent.Unset) {
			t.Errorf("%s: nobody is known", c.name)
		}
		b.close()
	}
}

const allCategories = `"functional":true,"personal":true`

// What a batch says for all of its events counts for each, with what they say
// themselves: a no beats a yes.
func TestSignalsOfABatch(t *testing.T) {
	b := newBed(t)
	both := tcString(t, 1, 3, 4, 5, 6, 8, 9, 10)
	b.send("batch", `{"context":{"consent":{"tcf":"`+both+`"}},"batch":[`+
		ev(viewed, `"userId":"a"`, `"properties":{"product_id":"P-1"}`)+","+
		ev(viewed, `"userId":"b"`, `"properties":{"product_id":"P-1"}`, `"context":{"consent":{"gpp":"DBABMA~`+tcString(t)+`"}}`)+`]}`)
	for user, want := range map[string]consent.State{"a": consent.Given, "b": consent.Refused} {
		token, _ := b.find(identity.UserID, user)
		if got := b.state(token, "personalization"); got != want {
			t.Errorf("%s: %v, want %v", user, got, want)
		}
	}
}

// An unproven signal narrows and never widens, and a yes does not overrule what the
// person chose here.
func TestSignalsAreClaims(t *testing.T) {
	b := newBed(t)
	token := b.user("ada")
	yes := `"context":{"consent":{"tcf":"` + tcString(t, 1, 3, 4, 5, 6, 8, 9, 10) + `"}}`
	b.sendAs(identity.Speaker{}, "track", ev(viewed, ada, yes))
	if s := b.state(token, "personalization"); s != consent.Unset {
		t.Errorf("nobody widened it to %v", s)
	}
	b.chooses(token, "personalization", consent.Refused, b.clock.Now())
	b.clock.pass(time.Second)
	b.send("track", ev(viewed, ada, yes))
	if s := b.state(token, "personalization"); s != consent.Refused {
		t.Errorf("a signal overruled the person: %v", s)
	}
	b.sendAs(identity.Speaker{}, "track", ev(viewed, ada, `"context":{"consent":{"tcf":"`+tcString(t)+`"}}`))
	if s := b.state(token, "stats"); s != consent.Objected {
		t.Errorf("an unproven refusal left %v", s)
	}
}

// What is in doubt is not kept of somebody who consented either, and their choice
// stands.
func TestSignalInDoubt(t *testing.T) {
	b := newBed(t)
	token := b.user("ada")
	b.chooses(token, "personalization", consent.Given, b.clock.Now())
	b.clock.pass(time.Second)
	const view = `"properties":{"product_id":"P-1","secs":3}`
	if r := b.send("track", ev(viewed, ada, id("1"), view, `"context":{"consent":{"gpp":"DBABLA~CEAQ"}}`)); r.Kept != 0 {
		t.Errorf("in doubt: %+v, %q", r, b.held())
	}
	if r := b.send("track", ev(viewed, ada, id("2"), view)); r.Kept != 1 {
		t.Errorf("then: %+v", r)
	}
	if b.state(token, "personalization") != consent.Given || b.state(token, "stats") != consent.Unset {
		t.Error("a doubt was recorded as a choice")
	}
}

// A place counts in ISO's codes; in words it is as if it were absent.
func TestLocation(t *testing.T) {
	read := readerFor(t)
	code := law.Embedded()
	for location, want := range map[string]law.Regimes{
		`{"country":"DE"}`: code.In("DE"), `{"country":"de","city":"Berlin"}`: code.In("DE"),
		`{"country":"US","region":"CA"}`: code.In("US-CA"), `{"country":"US","region":"US-CA"}`: code.In("US-CA"), `{"region":"us-ca","country":"us"}`: code.In("US-CA"),
		`{"country":"US","region":"California"}`: code.In("US"), `{"country":"US"}`: code.In("US"), `{"country":"DE","region":"US-CA"}`: code.In("DE"),
		`{"country":"Germany"}`: 0, `{"country":"United States","region":"CA"}`: 0, `{"country":"D3"}`: 0, `{"country":"1","region":"2"}`: 0,
		`{"region":"CA"}`: 0, `{}`: 0, `null`: 0, `"DE"`: 0, `{"country":["DE"]}`: 0, `{"country":""}`: 0,
	} {
		b := read()
		if err := b.parse("track", []byte(ev(viewed, ada, `"context":{"location":`+location+`}`))); err != nil {
			t.Fatal(err)
		}
		if got := b.messages[0].prefs.in; got != want {
			t.Errorf("%s is in %v, want %v", location, code.Names(got), code.Names(want))
		}
	}
	b := read()
	if err := b.parse("batch", []byte(`{"context":{"location":{"country":"FR"}},"batch":[`+ev(viewed, ada)+","+ev(viewed, ada, `"context":{"location":{"country":"US","region":"CA"}}`)+`]}`)); err != nil {
		t.Fatal(err)
	}
	if one, two := b.messages[0].prefs.in, b.messages[1].prefs.in; one != code.In("FR") || two != code.In("US-CA") {
		t.Errorf("a batch: %v, %v", code.Names(one), code.Names(two))
	}
}

// What a header refuses keeps data out; what is asked of whoever is known and proven
// takes its place.
func TestHeaderSignal(t *testing.T) {
	b := newBed(t)
	i, _ := b.Declaration.Purpose("stats")
	deny := declare.Set(0).With(i)
	asked := 0
	send := func(who identity.Speaker, user string, honour declare.Set) Result {
		t.Helper()
		r, err := b.Collect(context.Background(), Request{Source: "web", Speaker: who, Kind: "batch", Where: consent.Where{Deny: deny}, Received: b.clock.Now(),
			Body:   []byte(batchOf(ev(viewed, `"userId":"`+user+`"`, `"properties":{"secs":1}`), ev(viewed, `"userId":"`+user+`"`, `"properties":{"secs":2}`))),
			Honour: func(context.Context, identity.Token, identity.Proof, Heard) declare.Set { asked++; return honour }})
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	if r := send(server(), "new", deny); r.Kept != 0 || asked != 0 {
		t.Errorf("of somebody new %+v, asked %d times", r, asked)
	}
	b.user("ada")
	if r := send(server(), "ada", deny); r.Kept != 0 || asked != 1 {
		t.Errorf("refused: %+v, asked %d times", r, asked)
	}
	if r := send(server(), "ada", 0); r.Kept != 2 || asked != 2 {
		t.Errorf("chosen in knowledge: %+v, asked %d times", r, asked)
	}
	if r := send(identity.Speaker{}, "ada", 0); r.Kept != 0 || asked != 2 {
		t.Errorf("unproven: %+v, asked %d times", r, asked)
	}
}

func background() context.Context { return context.Background() }

// choice returns the newest choice of a person about a purpose.
func (b *bed) choice(token identity.Token, purpose declare.PurposeID) (c consent.Choice, n int) {
	b.t.Helper()
	h, err := b.choices.History(context.Background(), token)
	if err != nil {
		b.t.Fatal(err)
	}
	for _, r := range h {
		for _, one := range r.Choices {
			if one.Purpose == purpose {
				c, n = one, n+1
			}
		}
	}
	return c, n
}

// What a signal chose is dated as its string, names it as evidence, and of somebody
// proven says where.
func TestSignalsAreRecorded(t *testing.T) {
	b := newBed(t)
	yes := `{"location":{"country":"de"},"consent":{"tcf":"` + tcStringOf(t, today.AddDate(0, -2, 0), true, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10) + `"}}`
	b.send("track", ev(viewed, ada, id("1"), `"context":`+yes))
	token, _ := b.find(identity.UserID, "ada")
	c, _ := b.choice(token, "personalization")
	if !c.At.Equal(today.AddDate(0, -2, 0)) || c.State != consent.Given || c.Notice != "" || c.Jurisdiction != "DE" ||
		c.Evidence != "tcf string valid, purpose 5 consent, purpose 6 consent, publisher consent 5 yes, publisher consent 6 yes (CMP 10, last updated 2026-09-23)" {
		t.Errorf("a yes: %+v", c)
	}
	b.clock.pass(time.Minute)
	b.send("track", ev(viewed, ada, id("2"), `"context":`+yes))
	if _, n := b.choice(token, "personalization"); n != 1 {
		t.Errorf("it was recorded %d times", n)
	}
	// What was withdrawn since does not come back by the same string.
	b.send("track", ev(viewed, ada, id("3"), `"context":{"consent":{"tcf":"`+tcString(t)+`"}}`))
	b.clock.pass(time.Minute)
	b.send("track", ev(viewed, ada, id("4"), `"context":`+yes))
	if s := b.state(token, "personalization"); s != consent.Withdrawn {
		t.Errorf("it came back: %v", s)
	}
	for context, want := range map[string][2]string{
		`{"location":{"country":"US","region":"us-ca"},"consent":{"gpp":"DBABBg~BAEAAABA"}}`: {"US-CA", "gpp_us SharingOptOut 1 (usca)"},
		`{"device":{"trackingStatus":"denied"}}`:                                             {"US-NY", "att trackingStatus denied"},
		`{"consent":{"categoryPreferences":{"stats":false}}}`:                                {"", ""},
	} {
		r, err := b.Collect(background(), Request{Source: "web", Speaker: server(), Kind: "track", Received: b.clock.Now(), Place: "US-NY",
			Body: []byte(ev(viewed, `"userId":"u`+want[1]+`"`, `"context":`+context))})
		if err != nil {
			t.Fatal(r, err)
		}
		token, _ := b.find(identity.UserID, "u"+want[1])
		if c, _ := b.choice(token, "stats"); c.State != consent.Objected || c.Method != choices.MethodEvent || c.Jurisdiction != want[0] || c.Evidence != want[1] {
			t.Errorf("%s: %+v", context, c)
		}
	}
	// Whoever proves nothing says not where.
	b.user("bob")
	b.sendAs(identity.Speaker{}, "track", ev(viewed, `"userId":"bob"`, `"context":{"location":{"country":"US"},"device":{"trackingStatus":"denied"}}`))
	token, _ = b.find(identity.UserID, "bob")
	if c, _ := b.choice(token, "stats"); c.Jurisdiction != "" || c.Evidence != "att trackingStatus denied" {
		t.Errorf("unproven: %+v", c)
	}
}

// A string of before an erasure is about somebody who is gone.
func TestSignalOfSomebodyErased(t *testing.T) {
	b := newBed(t)
	token := b.user("ada")
	if _, err := b.choices.Erase(context.Background(), token, "server"); err != nil {
		t.Fatal(err)
	}
	b.clock.pass(time.Hour)
	b.send("track", ev(viewed, ada, `"properties":{"product_id":"P-1"}`, `"context":{"consent":{"tcf":"`+tcString(t, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10)+`"}}`))
	if token, known := b.find(identity.UserID, "ada"); known && b.state(token, "personalization") != consent.Unset {
		t.Error("they agreed again without a word")
	}
}

// Global Privacy Control in a GPP string is asked about as the browser's field is, of
// whoever is proven; of others it is a refusal of the event.
func TestGPCInGPP(t *testing.T) {
	b := newBed(t)
	i, _ := b.Declaration.Purpose("stats")
	deny := declare.Set(0).With(i)
	var asked []Heard
	send := func(who identity.Speaker, honour declare.Set) Result {
		t.Helper()
		r, err := b.Collect(context.Background(), Request{Source: "web", Speaker: who, Kind: "track", Received: b.clock.Now(),
			Body: []byte(ev(viewed, ada, `"properties":{"secs":1}`, `"context":{"location":{"country":"US","region":"CA"},"consent":{"gpp":"`+gpcOnly+`"}}`)),
			Honour: func(_ context.Context, _ identity.Token, _ identity.Proof, h Heard) declare.Set {
				asked = append(asked, h)
				return honour
			}})
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	for n := range 2 { // of somebody new, who is made for it, and of somebody known
		if r := send(server(), deny); r.Kept != 0 || len(asked) != n+1 || asked[n] != (Heard{deny, "Gpc: 1 (usca)", "US-CA"}) {
			t.Errorf("refused: %+v, %v", r, asked)
		}
	}
	token := b.user("ada")
	if r := send(server(), 0); r.Kept != 1 {
		t.Errorf("chosen in knowledge: %+v", r)
	}
	if s := b.state(token, "stats"); s != consent.Unset {
		t.Errorf("the event recorded %v", s)
	}
	if r := send(identity.Speaker{}, 0); r.Kept != 0 || len(asked) != 3 {
		t.Errorf("unproven: %+v, %v", r, asked)
	}
	if c, _ := b.choice(token, "stats"); c.State != consent.Objected || c.Evidence != "gpc Sec-GPC 1 (usca)" {
		t.Errorf("unproven: %+v", c)
	}
}

// gpcOnly is a GPP string of California that says Global Privacy Control and no more.
const gpcOnly = "DBABBg~BAAAAABA.YA"

// What a context that is not taken leaves in doubt is not kept either.
func TestDoubtInASecondContext(t *testing.T) {
	b := newBed(t)
	b.user("ada")
	const view = `"properties":{"secs":3}`
	for i, second := range []string{`{}`, `{"consent":{"google":{"analytics_storage":"denied"}}}`} {
		r := b.send("batch", `{"context":{},"context":`+second+`,"batch":[`+ev(viewed, ada, id(strings.Repeat("x", i+1)), view)+`]}`)
		if r.Kept != 1-i {
			t.Errorf("%s: %+v", second, r)
		}
	}
}
