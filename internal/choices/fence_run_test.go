package choices

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"

	"accord/internal/consent"
	"accord/internal/declare"
	"accord/internal/event"
	"accord/internal/identity"
	"accord/internal/vault"
)

// Two users, and two visitors who are linked with them.
var fenceNames = [...]string{"ada", "bob", "phone", "tablet"}

const (
	fenceVisitor = 2 // the first of the visitors
	fenceClients = 4
	fenceLives   = 3
	fenceActs    = 16 // of a client in a life
	fenceErased  = 3  // erasures in a history, each of which makes up to three people new
	fenceStamps  = 16
)

// fenceWeights says how often a client does what. Of the subjects a history has
// some, so that it is short and still mixes much.
var fenceWeights = []struct {
	subject string
	acts    map[string]int
}{
	{"", map[string]int{"ask": 14, "release": 4, "keep": 3, "give": 6, "withdraw": 1, "link": 2, "unlink": 1}},
	{"unproven", map[string]int{"withdraw unproven": 3}},
	{"ages", map[string]int{"mark child": 2, "mark grown": 2, "give by guardian": 2}},
	{"stops", map[string]int{"stop": 1, "resume": 2}},
	{"erasures", map[string]int{"erase": 1, "find": 2}},
}

// history runs clients on a directory through several lives.
type history struct {
	t     *testing.T
	fault *fault
	deck  []string // what clients draw from
	tick  atomic.Int64

	mu      sync.Mutex
	ops     []porcupine.Operation
	tokens  []identity.Token // by the numbers that the acts name
	names   []int            // of each token
	erasing int              // erasures that were called
	stamps  []stamp
}

// stamp is something that was kept.
type stamp struct {
	who       int
	admission consent.Admission
	header    event.Header
	sealed    []byte
}

// waiting is an answer that has not left yet.
type waiting struct {
	who         int
	grant       consent.Grant
	known, read uint16
}

func newHistory(t *testing.T, seed uint64, f *fault) *history {
	h := &history{t: t, fault: f}
	for i, w := range fenceWeights {
		if i > 0 && seed>>(i-1)&1 == 1 {
			continue // the first history has all subjects
		}
		for _, what := range slices.Sorted(maps.Keys(w.acts)) {
			for range w.acts[what] {
				h.deck = append(h.deck, what)
			}
		}
	}
	return h
}

// openFence opens the bed of a history, in which personalization needs a guardian's
// consent for children.
func openFence(t *testing.T, dir string) *bed {
	t.Helper()
	d, err := declare.Parse("shop.yaml", []byte(shopYAML))
	check(t, err)
	p, _ := d.Purpose("personalization")
	d.Children = &declare.Children{Child: []string{"under_13"}, Guarded: declare.Set(0).With(p)}
	return openBedOf(t, dir, d, consent.AnyNotice)
}

// run returns the history of some lives on one directory.
func (h *history) run(seed uint64) []porcupine.Operation {
	b := openFence(h.t, h.t.TempDir())
	random := rand.New(rand.NewPCG(seed, 1))
	for life := range fenceLives {
		k := &killed{left: 8 + random.IntN(25), written: random.IntN(2) == 0}
		b.Choices.log, b.Choices.keys = killedLog{b.log, k}, killedKeys{b.keys, k}
		var work sync.WaitGroup
		for client := range fenceClients {
			own := rand.New(rand.NewPCG(seed, uint64(2+life*fenceClients+client)))
			work.Go(func() { h.client(b, client, own) })
		}
		work.Wait()
		b.close()
		b = openFence(h.t, b.dir)
		for i := range h.ops {
			if o := &h.ops[i]; o.Return == 0 {
				o.Return = h.tick.Add(1)
			}
		}
	}
	h.client(b, 0, random) // what the last start found
	b.close()
	return h.ops
}

// killed ends a life: after so many steps of the log and the keys nothing happens
// any more. The one under way is on disk or not, and nobody hears of it.
type killed struct {
	mu      sync.Mutex
	left    int
	written bool
}

func (k *killed) step(f func() error) error {
	k.mu.Lock()
	k.left--
	left := k.left
	k.mu.Unlock()
	if left >= 0 {
		return f()
	}
	if left == -1 && k.written {
		if err := f(); err != nil {
			return err
		}
	}
	return errCut
}

type killedLog struct {
	Log
	k *killed
}

func (l killedLog) AppendChoice(ctx context.Context, m event.ChoiceMessage) (sequence uint64, err error) {
	err = l.k.step(func() (err error) { sequence, err = l.Log.AppendChoice(ctx, m); return err })
	return sequence, err
}

func (l killedLog) DeleteChoice(ctx context.Context, sequence uint64) error {
	return l.k.step(func() error { return l.Log.DeleteChoice(ctx, sequence) })
}

type killedKeys struct {
	Keys
	k *killed
}

func (l killedKeys) Destroy(ctx context.Context, t identity.Token, classes ...declare.ClassID) error {
	if len(classes) == 0 {
		return nil
	}
	return l.k.step(func() error { return l.Keys.Destroy(ctx, t, classes...) })
}

func (l killedKeys) Forget(ctx context.Context, at time.Time, people ...identity.Token) error {
	return l.k.step(func() error { return l.Keys.Forget(ctx, at, people...) })
}

func (l killedKeys) Erase(ctx context.Context, t identity.Token, classes ...declare.ClassID) error {
	return l.k.step(func() error { return l.Keys.Erase(ctx, t, classes...) })
}

// do records acts with when they were called and returned, one call for all; what
// was killed is open until the next start, which may find it on disk.
func (h *history) do(client int, f func() (bool, error), acts ...*act) error {
	call := h.tick.Add(1)
	happened, err := f()
	if !happened {
		return err
	}
	back := int64(0)
	if err == nil {
		back = h.tick.Add(1)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, a := range acts {
		a.unknown = err != nil
		h.ops = append(h.ops, porcupine.Operation{ClientId: client, Input: a, Call: call, Return: back})
	}
	return err
}

// client acts until it is killed or has done enough. It looks up whom it acts
// for, now or some acts ago.
func (h *history) client(b *bed, client int, random *rand.Rand) {
	var waits []waiting
	var found [len(fenceNames)]int
	for i := range found {
		found[i] = -1
	}
	for range fenceActs {
		name, what := random.IntN(len(fenceNames)), h.deck[random.IntN(len(h.deck))]
		if what == "link" || what == "unlink" {
			name = fenceVisitor + random.IntN(len(fenceNames)-fenceVisitor)
		}
		user := random.IntN(fenceVisitor)
		for _, n := range []int{name, user} {
			if found[n] < 0 || what == "find" || random.IntN(3) == 0 {
				found[n] = h.find(b, client, n)
			}
		}
		a := &act{what: what, who: found[name], other: found[user]}
		var err error
		switch what {
		case "find":
		case "ask": // what is found leaves at once, or later
			w, ok := h.ask(b, a.who)
			if ok && random.IntN(2) == 0 {
				h.release(b, client, w)
			} else if ok {
				waits = append(waits, w)
			}
		case "release":
			if len(waits) > 0 {
				h.release(b, client, waits[random.IntN(len(waits))])
			}
		case "keep":
			err = h.do(client, func() (bool, error) { return h.keep(b, a), nil }, a)
		case "erase":
			err = h.erase(b, client, a)
		default:
			err = h.do(client, func() (bool, error) { return true, h.really(b, *a) }, a)
		}
		if errors.Is(err, errCut) {
			return
		}
		if err != nil {
			h.t.Errorf("%s: %v", what, err)
			return
		}
	}
}

// really does what an act says, or what a planted fault makes of it.
func (h *history) really(b *bed, a act) error {
	ctx := context.Background()
	a.what = h.fault.of(a.what)
	h.mu.Lock()
	who, other := h.tokens[a.who], h.tokens[max(a.other, 0)]
	h.mu.Unlock()
	choice := consent.Choice{Purpose: "personalization", State: consent.Given, At: b.now, Proof: identity.ByShop.String()}
	switch a.what {
	case "nothing":
		return nil
	case "link":
		return b.Link(ctx, who, other, "", b.now)
	case "unlink":
		return b.Unlink(ctx, who, other, "")
	case "mark child":
		return b.Mark(ctx, who, "under_13")
	case "mark grown":
		return b.Mark(ctx, who, "grown")
	case "stop", "resume":
		return b.Stop(ctx, consent.Stop{Kind: consent.StopPurpose, Name: "personalization", Resume: a.what == "resume", Why: "a complaint"})
	case "erase":
		_, err := b.Erase(ctx, who, "")
		return err
	case "give by guardian":
		choice.By = consent.ByGuardian
	case "withdraw":
		choice.State = consent.Withdrawn
	case "withdraw unproven":
		choice.State, choice.Proof = consent.Withdrawn, identity.Unproven.String()
	}
	_, err := b.Record(ctx, who, []consent.Choice{choice})
	return err
}

// find looks up whom a name leads to. Before the first erasure that is no news.
func (h *history) find(b *bed, client, name int) int {
	a := &act{what: "find"}
	_ = h.do(client, func() (bool, error) {
		lookup := b.keys.Hasher().Lookup(identity.Identifier{Kind: identity.UserID, Value: fenceNames[name]})
		ts, err := b.keys.Ensure(context.Background(), []identity.Lookup{lookup})
		if err != nil {
			h.t.Error(err)
			return false, nil
		}
		t := ts[0]
		h.mu.Lock()
		defer h.mu.Unlock()
		a.who = slices.Index(h.tokens, t)
		if a.who < 0 {
			a.who = len(h.tokens)
			h.tokens, h.names = append(h.tokens, t), append(h.names, name)
		}
		a.other = -1
		for i, n := range h.names[:a.who] {
			if n == name {
				a.other = i
			}
		}
		return h.erasing > 0, nil
	}, a)
	return a.who
}

// erase is three acts, between which others may see what is done already.
func (h *history) erase(b *bed, client int, a *act) error {
	h.mu.Lock()
	enough := h.erasing >= fenceErased
	if !enough {
		h.erasing++
	}
	visitor := h.names[a.who] >= fenceVisitor
	h.mu.Unlock()
	if enough {
		return nil
	}
	acts := []*act{a, {what: "forget", who: a.who}}
	if visitor {
		acts = append(acts, &act{what: "part", who: a.who})
	}
	return h.do(client, func() (bool, error) { return true, h.really(b, *a) }, acts...)
}

// ask asks the gate, and reads what was kept under its grant.
func (h *history) ask(b *bed, who int) (w waiting, ok bool) {
	h.mu.Lock()
	token, stamps := h.tokens[who], slices.Clone(h.stamps)
	h.mu.Unlock()
	p, _ := b.d.Purpose("personalization")
	grant, r := b.gate.Ask(token, p, consent.Where{}, b.now)
	if r != consent.Allowed {
		return w, false
	}
	if _, err := b.vault.View(context.Background(), grant); err != nil {
		return w, false
	}
	w = waiting{who: who, grant: grant}
	class, _ := b.d.Class(b.class("b"))
	for i, s := range stamps {
		if s.who != who || s.sealed == nil {
			continue
		}
		w.known |= 1 << i
		if _, err := b.keys.Open(nil, &s.header, s.sealed); err == nil && grant.Covers(class, class.Mask(s.admission.Holds), s.admission.Sequence, b.now.UnixMilli()) {
			w.read |= 1 << i
		}
	}
	return w, true
}

// release lets an answer leave.
func (h *history) release(b *bed, client int, w waiting) {
	_ = h.do(client, func() (bool, error) {
		return h.fault.unchecked() || b.gate.Release(w.grant, b.now) == consent.Allowed, nil
	}, &act{what: "release", who: w.who, known: w.known, read: w.read})
}

// keep keeps something about a person, if the gate admits it, and reports whether
// it did.
func (h *history) keep(b *bed, a *act) bool {
	h.mu.Lock()
	token := h.tokens[a.who]
	h.mu.Unlock()
	p, _ := b.d.Purpose("personalization")
	s := stamp{who: a.who, admission: b.gate.Admit(token, b.now, consent.Where{}, b.now)}
	s.header = event.Header{Token: token, Class: b.class("b"), Accepted: b.now.UnixMilli()}
	if !s.admission.Holds.Has(p) {
		return false
	}
	if err := b.keys.Prepare(context.Background(), []vault.Need{{Token: token, Class: s.header.Class}}); err != nil {
		h.t.Error(err)
		return false
	}
	var err error
	if s.sealed, err = b.keys.Seal(nil, &s.header, []byte("kept")); err != nil {
		return false // an end came between
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.stamps) == fenceStamps {
		return false
	}
	a.stamp = len(h.stamps)
	h.stamps = append(h.stamps, s)
	return true
}

// told is a history for people.
func (h *history) told() string {
	var out strings.Builder
	person := func(i int) string {
		again := 0
		for _, n := range h.names[:i] {
			if n == h.names[i] {
				again++
			}
		}
		return fenceNames[h.names[i]] + strings.Repeat("'", again)
	}
	for _, o := range slices.SortedStableFunc(slices.Values(h.ops), func(a, b porcupine.Operation) int { return int(a.Call - b.Call) }) {
		a := o.Input.(*act)
		fmt.Fprintf(&out, "%4d–%-4d client %d: %s", o.Call, o.Return, o.ClientId, a.what)
		if a.what != "stop" && a.what != "resume" {
			out.WriteString(" " + person(a.who))
		}
		switch a.what {
		case "link", "unlink":
			out.WriteString(" " + person(a.other))
		case "keep":
			fmt.Fprintf(&out, " %d", a.stamp)
		case "release":
			fmt.Fprintf(&out, ", read %016b of %016b", a.read, a.known)
		}
		if a.unknown {
			out.WriteString(" (killed)")
		}
		out.WriteString("\n")
	}
	return out.String()
}
