package collect

import (
	"bytes"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"accord/internal/event"
	"accord/internal/identity"
	"accord/internal/law"

	"github.com/go-json-experiment/json/jsontext"
)

// readerFor returns a batch without keepers: parsing needs none.
func readerFor(t testing.TB) func() *batch {
	d := declaration(t)
	c := &Collector{Config: Config{Declaration: d, Law: law.Embedded(), Signals: signals(t)}, plan: newPlan(d), hasher: identity.NewHasher(nil)}
	return func() *batch {
		return &batch{c: c, source: "fuzz", speaker: server(), budget: 10, open: -1, now: monday, received: monday.UnixMilli()}
	}
}

// No body makes the parser panic, keep what is not declared, or keep more of an
// event than a piece may hold.
func FuzzParse(f *testing.F) {
	for _, s := range []string{
		`{}`, `[]`, `{"batch":[]}`, batchOf(ev(ordered, ada, id("1"), order)),
		batchOf(ev(viewed, ada, yes(all)), `1`, `null`, ev(`"type":"identify"`, ada, `"traits":{"email":"a","size":1e2}`)),
		`{"context":{"device":{"type":"phone"},"consent":{"categoryPreferences":{"personal":false}}},"sentAt":"2026-11-23T12:00:00Z","batch":[` + ev(viewed, ada, at(monday)) + `]}`,
		`{"batch":[{"type":"track","event":"Product Viewed","userId":"\ud83d\ude00","properties":{"product_id":"\u0000\"","secs":-1e-7}}]}`,
		batchOf(ev(ordered, ada, `"properties":{"products":[[],{},null,{"product_id":null},{"product_id":[1]}]}`)),
		batchOf(ev(viewed, ada, `"context":{"consent":{"tcf":"CPXxRfAPXxRfAAfKABENB-CgAAAAAAAAAAYgAAAAAAAA","gpp":"DBABLA~CEAQAAAAAABA.YA","google":{"ad_storage":"denied"}},"device":{"attTrackingStatus":2,"trackingStatus":"authorized","adTrackingEnabled":false},"location":{"country":"us","region":"US-CA"}}`)),
		"{\"batch\":[{\"userId\":\"\xff\"}]}", strings.Repeat(`{"batch":[`, 50) + strings.Repeat(`]}`, 50),
	} {
		f.Add("batch", []byte(s))
		f.Add("track", []byte(s))
	}
	read := readerFor(f)
	f.Fuzz(func(t *testing.T, kind string, body []byte) {
		b := read()
		if err := b.parse(kind, body); err != nil {
			return
		}
		b.judgeSignals()
		for i := range b.messages {
			m := &b.messages[i]
			if spoken, signalled := b.gives(m); (spoken|signalled)&(m.prefs.deny|m.withheld|m.prefs.gpc) != 0 || spoken&signalled != 0 {
				t.Errorf("%b and %b are given and refused", spoken, signalled)
			}
			b.when(m)
			if m.at <= 0 || m.at > b.received {
				t.Errorf("an event happened at %d", m.at)
			}
			if m.to < m.from || m.to-m.from > event.MaxFields {
				t.Fatalf("%d values", m.to-m.from)
			}
			p := event.Piece{At: m.at}
			for _, v := range b.values[m.from:m.to] {
				if v.node.field == nil {
					t.Fatal("a value that is not declared")
				}
				if !utf8.ValidString(v.Text) {
					t.Errorf("%q is kept", v.Text)
				}
				p.Fields = append(p.Fields, event.Field{ID: v.node.field.ID, Index: v.index, Value: v.Value})
			}
			var back event.Piece
			if err := event.DecodePiece(event.AppendPiece(nil, &p), &back); err != nil {
				t.Errorf("what was read does not encode: %v", err)
			}
		}
	})
}

// The cursor reads the same members as the JSON library, and stops on what is no
// JSON without a panic.
func FuzzCursor(f *testing.F) {
	for _, s := range []string{`{"a":1,"b":[{"c":"}"}],"d\"":"\\"}`, ` [1 , "x\\\"" , {}] `, `{`, `"`, `{"a"`, `{"a":}`, `]`, `{]`, `{"\u00e9":true}`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		c := cursor{s: s}
		var keys []string
		if c.kind() == '{' {
			for c.enter(); c.more('}'); {
				k := c.key()
				keys = append(keys, k)
				c.skip()
			}
		} else {
			c.skip()
		}
		if !jsontext.Value(s).IsValid(jsontext.AllowDuplicateNames(true)) {
			return
		}
		if c.space(); c.i != len(s) {
			t.Errorf("%q: stopped at %d", s, c.i)
		}
		d := jsontext.NewDecoder(bytes.NewBufferString(s), jsontext.AllowDuplicateNames(true))
		if d.PeekKind() != '{' {
			return
		}
		var want []string
		for _, err := d.ReadToken(); d.PeekKind() != '}'; {
			if err != nil {
				t.Fatal(err)
			}
			name, err := d.ReadToken()
			if err != nil {
				t.Fatal(err)
			}
			want = append(want, name.String())
			if err := d.SkipValue(); err != nil {
				t.Fatal(err)
			}
		}
		if !slices.Equal(keys, want) {
			t.Errorf("%q: %q, want %q", s, keys, want)
		}
	})
}
