package choices

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"

	"accord/internal/consent"
	"accord/internal/event"
	"accord/internal/identity"
)

// The fence as a history: clients choose, link, unlink and decide at once on the
// real log, key store and vault, which are killed between two messages and started
// again. Every answer that left must have been allowed at a moment between the
// call of the gate's last check and its return, by what had been acknowledged until
// then, and by what may have been (promise 3: no check succeeds after the
// withdrawal's acknowledgement). An answer that did not leave is always right.

// Two users, and two visitors who are linked with them.
var fencePeople = [...]string{"ada", "bob", "phone", "tablet"}

const fenceVisitor = 2 // the first of the visitors

// act is what a client does.
type act struct {
	what    string // "give", "withdraw", "link", "unlink" or "release"
	who     int
	user    int  // of link and unlink
	unknown bool // killed before it was answered
}

// fenceState is what is known to be in force.
type fenceState struct {
	choice [len(fencePeople)]byte // 0 none, 1 given, 2 withdrawn
	user   [len(fencePeople)]int8 // of a visitor, -1 none
}

func (s *fenceState) same(a, b int) bool {
	root := func(i int) int {
		if u := s.user[i]; u >= 0 {
			return int(u)
		}
		return i
	}
	return root(a) == root(b)
}

// allows is the definition: the person said yes, and nobody who is linked with
// them ended it.
func (s *fenceState) allows(who int) bool {
	for i := range fencePeople {
		if s.same(i, who) && s.choice[i] == 2 {
			return false
		}
	}
	return s.choice[who] == 1
}

// after returns what a state may be after an act: one, or where it was killed also
// what lies on the way. A choice reaches the token that was named first.
func (s fenceState) after(a *act) (out []any) {
	next := s
	switch a.what {
	case "release":
		if s.allows(a.who) {
			return []any{s}
		}
		return nil
	case "link":
		next.user[a.who] = int8(a.user)
	case "unlink":
		if s.user[a.who] == int8(a.user) {
			next.user[a.who] = -1
		}
	default:
		said := map[string]byte{"give": 1, "withdraw": 2}[a.what]
		next.choice[a.who] = said
		reached := []fenceState{next}
		for i := range fencePeople {
			if i == a.who || !s.same(i, a.who) {
				continue
			}
			for _, r := range reached {
				r.choice[i] = said
				reached = append(reached, r)
			}
			next.choice[i] = said
		}
		if a.unknown {
			for _, r := range reached {
				out = append(out, r)
			}
		}
	}
	if a.unknown {
		out = append(out, s)
	}
	return append(out, next)
}

var fenceModel = porcupine.NondeterministicModel{
	Init: func() []any { return []any{fenceState{user: [len(fencePeople)]int8{-1, -1, -1, -1}}} },
	Step: func(state, input, _ any) []any {
		s := state.(fenceState)
		return s.after(input.(*act))
	},
}

// history runs clients on a directory through several lives.
type history struct {
	t     *testing.T
	tick  atomic.Int64
	mu    sync.Mutex
	ops   []porcupine.Operation
	fault bool // the planted one: nothing is checked when an answer leaves
}

// do records an act with when it was called and returned; one that was killed is
// open until the next start, which may find it on disk.
func (h *history) do(client int, a *act, f func() (happened bool, err error)) error {
	call := h.tick.Add(1)
	happened, err := f()
	a.unknown = err != nil
	if happened {
		o := porcupine.Operation{ClientId: client, Input: a, Call: call}
		if !a.unknown {
			o.Return = h.tick.Add(1)
		}
		h.mu.Lock()
		h.ops = append(h.ops, o)
		h.mu.Unlock()
	}
	return err
}

const (
	fenceClients = 4
	fenceLives   = 3
)

// run returns the history of some lives on one directory.
func (h *history) run(seed uint64) []porcupine.Operation {
	b := newBed(h.t)
	random := rand.New(rand.NewPCG(seed, 1))
	for life := range fenceLives {
		b.Choices.log = &killed{Log: b.log, left: int64(5 + random.IntN(20)), written: random.IntN(2) == 0}
		var work sync.WaitGroup
		for client := range fenceClients {
			own := rand.New(rand.NewPCG(seed, uint64(2+life*fenceClients+client)))
			work.Go(func() { h.client(b, client, own) })
		}
		work.Wait()
		b = b.again()
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

// killed is a log of which nothing is heard any more after so many messages; the
// one under way is on disk or not.
type killed struct {
	Log
	mu      sync.Mutex
	left    int64
	written bool
}

func (k *killed) AppendChoice(ctx context.Context, m event.ChoiceMessage) (uint64, error) {
	k.mu.Lock()
	k.left--
	left := k.left
	k.mu.Unlock()
	if left >= 0 {
		return k.Log.AppendChoice(ctx, m)
	}
	if left == -1 && k.written {
		if _, err := k.Log.AppendChoice(ctx, m); err != nil {
			return 0, err
		}
	}
	return 0, errCut
}

// client acts until it is killed or has done enough.
func (h *history) client(b *bed, client int, random *rand.Rand) {
	type waiting struct {
		who   int
		grant consent.Grant
	}
	var waits []waiting
	p, _ := b.d.Purpose("personalization")
	for range 12 {
		who := random.IntN(len(fencePeople))
		a := &act{who: who}
		var err error
		switch n := random.IntN(10); {
		case n < 4: // ask; what is found leaves later
			if g, r := b.gate.Ask(b.fence(who), p, consent.Where{}, b.now); r == consent.Allowed {
				if _, err := b.vault.View(context.Background(), g); err == nil {
					waits = append(waits, waiting{who, g})
				}
			}
		case n < 6:
			if len(waits) == 0 {
				continue
			}
			w := waits[random.IntN(len(waits))]
			a.what, a.who = "release", w.who
			err = h.do(client, a, func() (bool, error) {
				return h.fault || b.gate.Release(w.grant, b.now) == consent.Allowed, nil
			})
		case n < 8:
			state := []consent.State{consent.Given, consent.Given, consent.Withdrawn}[random.IntN(3)]
			if a.what = "give"; state == consent.Withdrawn {
				a.what = "withdraw"
			}
			err = h.do(client, a, func() (bool, error) {
				_, err := b.Record(context.Background(), b.fence(who), []consent.Choice{{Purpose: "personalization", State: state, At: b.now}})
				return true, err
			})
		default:
			a.who, a.user = fenceVisitor+random.IntN(len(fencePeople)-fenceVisitor), random.IntN(fenceVisitor)
			visitor, user := b.fence(a.who), b.fence(a.user)
			if a.what = "link"; n == 9 {
				a.what = "unlink"
			}
			err = h.do(client, a, func() (bool, error) {
				if a.what == "link" {
					return true, b.Link(context.Background(), visitor, user, "", b.now)
				}
				return true, b.Unlink(context.Background(), visitor, user, "")
			})
		}
		if errors.Is(err, errCut) {
			return
		}
		if err != nil {
			h.t.Error(err)
			return
		}
	}
}

// fence returns the token of one of fencePeople.
func (b *bed) fence(i int) identity.Token {
	ts, err := b.keys.Ensure(context.Background(), []identity.Lookup{b.keys.Hasher().Lookup(identity.Identifier{Kind: identity.UserID, Value: fencePeople[i]})})
	if err != nil {
		b.t.Error(err)
		return identity.Token{}
	}
	return ts[0]
}

// holdsFence reports whether a history keeps the definition.
func holdsFence(t *testing.T, ops []porcupine.Operation) bool {
	t.Helper()
	switch porcupine.CheckOperationsTimeout(fenceModel.ToModel(), ops, time.Minute) {
	case porcupine.Ok:
		return true
	case porcupine.Illegal:
		return false
	}
	t.Fatal("the history is too long to be checked")
	return false
}

func told(ops []porcupine.Operation) string {
	var out strings.Builder
	for _, o := range ops {
		a := o.Input.(*act)
		fmt.Fprintf(&out, "%4d–%-4d client %d: %s %s", o.Call, o.Return, o.ClientId, a.what, fencePeople[a.who])
		if strings.HasSuffix(a.what, "link") {
			out.WriteString(" " + fencePeople[a.user])
		}
		if a.unknown {
			out.WriteString(" (killed)")
		}
		out.WriteString("\n")
	}
	return out.String()
}

// TestFenceHistories holds promise 3. ACCORD_HISTORIES sets how many (default 20).
func TestFenceHistories(t *testing.T) {
	n := 20
	if testing.Short() {
		n = 3
	}
	if s := os.Getenv("ACCORD_HISTORIES"); s != "" {
		var err error
		n, err = strconv.Atoi(s)
		check(t, err)
	}
	released, unknown := 0, 0
	for seed := range uint64(n) {
		t.Run(strconv.FormatUint(seed, 10), func(t *testing.T) {
			h := &history{t: t}
			ops := h.run(seed)
			if !holdsFence(t, ops) {
				t.Errorf("an answer left that no order of these allows:\n%s", told(ops))
			}
			for _, o := range ops {
				if a := o.Input.(*act); a.what == "release" {
					released++
				} else if a.unknown {
					unknown++
				}
			}
		})
	}
	t.Logf("%d histories: %d answers left, %d acts were killed", n, released, unknown)
	if released < n || unknown < n {
		t.Error("the histories did not reach every part, so they show nothing")
	}
}

// A fault that is planted, an answer that leaves without the gate's last word, is
// found.
func TestFenceFindsFault(t *testing.T) {
	for seed := range uint64(100) {
		found := false
		t.Run(strconv.FormatUint(seed, 10), func(t *testing.T) {
			h := &history{t: t, fault: true}
			found = !holdsFence(t, h.run(seed))
		})
		if found {
			return
		}
	}
	t.Error("the planted fault was not found")
}
