package vault

import (
	"encoding/binary"
	"fmt"
	"slices"
	"testing"
	"time"

	"accord/internal/consent"
	"accord/internal/declare"
	"accord/internal/event"
	"accord/internal/identity"

	"github.com/cockroachdb/pebble/v2/vfs"
	"pgregory.net/rapid"
)

// fact is one record in the model: what it says, and for which purposes it may
// still be shown.
type fact struct {
	token    identity.Token
	class    declare.ClassID
	text     string // as describe writes it
	email    bool
	at       int64
	purposes map[declare.PurposeID]bool
	applied  bool
}

// model is the vault as one would explain it: a list of facts.
type model struct {
	bed    *bed
	stream int
	seq    uint64
	people []identity.Token
	facts  map[string]*fact // by record id and class
	log    []event.Frame
	sent   [][]event.Record // messages, to be sent again
}

var modelPurposes = []declare.PurposeID{"orders", "personalization", "newsletter"}

// want returns what a view must show.
func (m *model) want(token identity.Token, purpose declare.PurposeID) []string {
	out := []string{}
	var email *fact
	for _, f := range m.facts {
		switch {
		case f.token != token || !f.applied || len(f.purposes) == 0:
		case f.email:
			if email == nil || f.at > email.at {
				email = f
			}
		case f.purposes[purpose]:
			out = append(out, f.text)
		}
	}
	if email != nil && email.purposes[purpose] {
		out = append(out, email.text)
	}
	slices.Sort(out)
	return out
}

// message makes a message of a person and notes its facts.
func (m *model) message(t *rapid.T) []event.Record {
	b := m.bed
	token := rapid.SampledFrom(m.people).Draw(t, "person")
	b.pass(time.Second)
	b.message++
	var id event.ID
	binary.LittleEndian.PutUint64(id[:], b.message*0x9e3779b97f4a7c15)
	binary.LittleEndian.PutUint64(id[8:], b.message)
	name := rapid.SampledFrom([]string{"Product Viewed", "Banner Seen", "Order Completed", ""}).Draw(t, "event")
	item := fmt.Sprint("item", b.message)
	field := map[string]string{"Product Viewed": "product_id", "Banner Seen": "product_id", "Order Completed": "products[].product_id", "": "email"}[name]
	records := b.recordsOf(id, token, name, b.now(), fieldValue{field, 0, text(item)})
	for _, r := range records {
		class, _ := b.d.Class(r.Class)
		f := &fact{token: token, class: r.Class, at: b.now().UnixMilli(), purposes: map[declare.PurposeID]bool{}, email: name == ""}
		for _, p := range modelPurposes {
			if class.Set(r.Mask).Has(b.purpose(p)) {
				f.purposes[p] = true
			}
		}
		f.text = "email " + item
		if e, ok := b.d.Event(name); ok {
			f.text = fmt.Sprintf("%s×1@%d/%d", item, f.at, e.Action)
		}
		m.facts[fmt.Sprintf("%x/%d", r.ID, r.Class)] = f
	}
	if len(records) > 0 {
		m.sent = append(m.sent, records)
	}
	return records
}

func (m *model) apply(records ...[]event.Record) {
	m.seq++
	f := frame(m.stream, m.seq, records...)
	m.log = append(m.log, f)
	m.bed.apply(m.bed.vault, f)
	for _, r := range f.Records {
		m.facts[fmt.Sprintf("%x/%d", r.ID, r.Class)].applied = true
	}
}

// withdraw takes a purpose from all that was said before.
func (m *model) withdraw(token identity.Token, purpose declare.PurposeID) {
	m.bed.withdraw(token, purpose)
	for _, f := range m.facts {
		if f.token == token {
			delete(f.purposes, purpose)
		}
	}
}

func (m *model) check(t *rapid.T, v *Vault, when string) {
	for i, token := range m.people {
		for _, p := range modelPurposes {
			want := m.want(token, p)
			if _, reason := m.bed.gate.Ask(token, m.bed.purpose(p), consent.Where{}, m.bed.now()); reason != consent.Allowed {
				want = []string{"denied"}
			}
			if got := m.bed.view(v, token, p); !slices.Equal(got, want) {
				t.Fatalf("%s: person %d for %s: got %q, want %q", when, i, p, got, want)
			}
		}
	}
}

// Promises 2, 5 and 7, in part, against a model: views show what was folded,
// once, under a purpose that held ever since; no duplicate, replay or restart
// changes them; and a state that was lost and rebuilt from the log is equal.
func TestAgainstTheModel(t *testing.T) {
	b := newBed(t)
	next := 0
	seqs := [MaxStreams]uint64{}
	rapid.Check(t, func(rt *rapid.T) {
		m := &model{bed: b, stream: next % MaxStreams, facts: map[string]*fact{}}
		m.seq = seqs[m.stream]
		for range 3 {
			m.people = append(m.people, b.person(1000+3*next+len(m.people)))
		}
		next++
		rt.Repeat(map[string]func(*rapid.T){
			"message": func(t *rapid.T) {
				if r := m.message(t); rapid.Bool().Draw(t, "now") {
					m.apply(r)
				}
			},
			"several": func(t *rapid.T) { m.apply(m.message(t), m.message(t), m.message(t)) },
			"again": func(t *rapid.T) {
				if len(m.sent) > 0 {
					r := rapid.SampledFrom(m.sent).Draw(t, "message")
					m.apply(r, m.message(t), r)
				}
			},
			"replay": func(t *rapid.T) {
				if len(m.log) > 0 {
					b.apply(b.vault, rapid.SampledFrom(m.log).Draw(t, "frame"))
				}
			},
			"give": func(t *rapid.T) {
				b.pass(time.Second)
				b.choose(rapid.SampledFrom(m.people).Draw(t, "person"), rapid.SampledFrom(modelPurposes[1:]).Draw(t, "purpose"), consent.Given)
			},
			"withdraw": func(t *rapid.T) {
				b.pass(time.Second)
				m.withdraw(rapid.SampledFrom(m.people).Draw(t, "person"), rapid.SampledFrom(modelPurposes[1:]).Draw(t, "purpose"))
			},
			"": func(t *rapid.T) { m.check(t, b.vault, "now") },
		})
		seqs[m.stream] = m.seq
		if next%25 == 0 {
			b.reopen()
			m.check(rt, b.vault, "after a restart")
		}
		rebuilt, err := Open("state", b.d, b.keys, b.gate, b.now, withFS(vfs.NewMem(), 256<<10))
		if err != nil {
			rt.Fatal(err)
		}
		defer rebuilt.Close()
		b.apply(rebuilt, m.log...)
		m.check(rt, rebuilt, "rebuilt from the log")
	})
}
