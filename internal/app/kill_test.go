package app

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"os"
	"reflect"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"accord/internal/declare"
	"accord/internal/event"
	"accord/internal/identity"
	"accord/internal/vault"
)

// The kill test is promises 5 and 3 by force: a real server process is killed
// with SIGKILL at random instants under load, some of them while it starts, and
// afterwards
//
//   - no acknowledged message is lost and none is doubled, in no class of its data,
//     those included that live in the log alone, and neither when the state is
//     folded anew. What a kill left unacknowledged is sent again by the next
//     server's clients, with the same message ids;
//   - no personal answer was released after an acknowledged withdrawal, while
//     decisions are under way across it;
//   - every acknowledged choice holds at the next start, before anything else was
//     said to the server.
//
// An error counts as no fault only when the server had been killed by then.
// ACCORD_CRASH_ROUNDS sets the rounds (default 12).
func TestKill9(t *testing.T) {
	if testing.Short() {
		t.Skip("kills a server many times: not with -short")
	}
	rounds := 12
	if s := os.Getenv("ACCORD_CRASH_ROUNDS"); s != "" {
		var err error
		if rounds, err = strconv.Atoi(s); err != nil {
			t.Fatal("ACCORD_CRASH_ROUNDS:", err)
		}
	}
	k := &killing{crash: newCrash(t), sent: map[string]message{}, durable: map[string]bool{}, starting: 200 * time.Millisecond}
	for n := range 3 {
		k.minds = append(k.minds, &mind{user: fmt.Sprintf("mind-%d", n)})
	}
	random := rand.New(rand.NewPCG(1, uint64(rounds)))
	for round := range rounds {
		if round > 0 && random.IntN(2) == 0 {
			k.killWhileStarting(time.Duration(random.Int64N(int64(k.starting))))
		}
		k.round(round == 0, time.Duration(20+random.IntN(400))*time.Millisecond)
		if t.Failed() {
			return
		}
	}
	k.finish()
	k.verify()
	t.Logf("%d kills under load and %d at a start: %d messages, of which %d in %d batches were sent again after a kill; %d withdrawals; %d personal answers and %d un-personal ones after a withdrawal; %d were under way across one",
		rounds, k.early, len(k.durable), k.again*batchSize, k.again, k.withdrawals.Load(), k.personal.Load(), k.unpersonal.Load(), k.across.Load())
	if k.again == 0 || k.withdrawals.Load() == 0 || k.personal.Load() == 0 || k.unpersonal.Load() == 0 || k.across.Load() == 0 || k.early == 0 {
		t.Error("the load did not reach every part, so the test showed nothing")
	}
}

const (
	batchSize   = 10
	killedUsers = 50
)

// killing is the state that outlives the killed servers.
type killing struct {
	*crash
	base     string        // of the present server
	dead     atomic.Bool   // the present server is being killed: errors are no fault
	starting time.Duration // how long the last start took
	early    int           // kills during a start

	next                                      int                // number of the next message; guarded by mu, like what follows
	waiting                                   []batch            // not acknowledged
	again                                     int                // batches that were sent again after a kill
	sent                                      map[string]message // by message id: all that was ever sent
	durable                                   map[string]bool    // by message id: what was acknowledged
	minds                                     []*mind
	personal, unpersonal, across, withdrawals atomic.Int64
}

// message is what was sent as one event.
type message struct {
	user    string
	event   string // "" for traits
	body    map[string]any
	changes bool // of a mind, whose data comes and goes
}

type batch struct {
	ids []string
	old bool // a server was killed over it
}

// server starts a server and makes it the present one.
func (k *killing) server() (kill func()) {
	began := time.Now()
	addr, end := startServer(k.t, k.data)
	k.starting = time.Since(began)
	k.base = "http://" + addr
	k.dead.Store(false)
	return func() { k.dead.Store(true); end() }
}

// killWhileStarting kills a server some time after its launch.
func (k *killing) killWhileStarting(after time.Duration) {
	_, kill := launch(k.t, k.data)
	time.Sleep(after) // the random instant itself, not a wait for something
	kill()
	k.early++
}

// round starts a server, checks what must hold at once, loads it and kills it
// after d of load.
func (k *killing) round(first bool, d time.Duration) {
	kill := k.server()
	if first {
		k.prepare()
	}
	k.choicesHold()
	ctx, cancel := context.WithCancel(context.Background())
	var work sync.WaitGroup
	for w := range 4 {
		work.Go(func() { k.sendEvents(ctx, w) })
	}
	for _, m := range k.minds {
		work.Go(func() { k.changeMind(ctx, m) })
		for range 2 {
			work.Go(func() { k.keepAsking(ctx, m) })
		}
	}
	time.Sleep(d) // the random instant itself, not a wait for something
	kill()
	cancel()
	work.Wait()
}

// finish has a last server take what is not acknowledged yet.
func (k *killing) finish() {
	kill := k.server()
	defer kill()
	k.choicesHold()
	for len(k.waiting) > 0 && !k.t.Failed() {
		k.sendOne(context.Background(), false)
	}
}

// tell sends a request until the server takes it. It reports false when the
// server was killed, and fails the test for any other error.
func (k *killing) tell(ctx context.Context, method, path string, body, out any) bool {
	for end := time.Now().Add(30 * time.Second); ; time.Sleep(20 * time.Millisecond) { // a polite client's pause
		err := k.ask(ctx, method, k.base+path, body, out)
		if err == nil {
			return true
		}
		if k.dead.Load() {
			return false
		}
		no, ok := errors.AsType[*refused](err)
		later := ok && (no.status == http.StatusTooManyRequests || no.status == http.StatusServiceUnavailable)
		if !later || time.Now().After(end) {
			k.t.Error("a server that nobody killed:", err)
			return false
		}
	}
}

// prepare gives a few people histories that a model can learn from, and waits for
// the first model.
func (k *killing) prepare() {
	var bodies []any
	for u := range 8 {
		user := fmt.Sprintf("regular-%d", u)
		if u < len(k.minds) {
			user = k.minds[u].user
		}
		k.tell(context.Background(), "PUT", "/v1/consent", choice(user, "given"), nil)
		for i := range 4 {
			id := fmt.Sprintf("seed-%d-%d", u, i)
			m := message{user: user, event: importEvent, body: track(user, id, fmt.Sprintf("P%d", (u+i)%6)), changes: true}
			k.sent[id] = m
			bodies = append(bodies, m.body)
		}
	}
	k.tell(context.Background(), "POST", "/v1/batch", map[string]any{"batch": bodies}, nil)
	for end := time.Now().Add(30 * time.Second); ; time.Sleep(20 * time.Millisecond) { // polls a real server
		a, ok := k.decide(context.Background(), k.minds[0])
		if ok && a.Personal {
			return
		}
		if k.t.Failed() || time.Now().After(end) {
			k.t.Fatal("no personal answer within 30 s of a consent and a history")
		}
	}
}

// compose makes the next batch: purchases, which are split into a class that the
// state holds and one that lives in the log alone, and traits.
func (k *killing) compose() (b batch) {
	for range batchSize {
		n := k.next
		k.next++
		id, user := fmt.Sprintf("m-%d", n), fmt.Sprintf("user-%d", n%killedUsers)
		m := message{user: user, event: importEvent, body: track(user, id, fmt.Sprintf("item-%d", n))}
		if n%batchSize == 0 {
			m.event = ""
			m.body = map[string]any{"type": "identify", "userId": user, "messageId": id, "traits": map[string]any{"email": id + "@example.com", "name": id, "country": "DE"}}
		}
		k.sent[id] = m
		b.ids = append(b.ids, id)
	}
	return b
}

// take returns a batch to send: first what a killed server left.
func (k *killing) take() batch {
	k.mu.Lock()
	defer k.mu.Unlock()
	if len(k.waiting) == 0 {
		return k.compose()
	}
	b := k.waiting[0]
	k.waiting = k.waiting[1:]
	if b.old {
		k.again++
	}
	return b
}

// sendOne sends a batch, and another time if asked to, as clients do that missed
// the answer. It reports whether the server lives.
func (k *killing) sendOne(ctx context.Context, twice bool) bool {
	b := k.take()
	var bodies []any
	k.mu.Lock()
	for _, id := range b.ids {
		bodies = append(bodies, k.sent[id].body)
	}
	k.mu.Unlock()
	took := k.tell(ctx, "POST", "/v1/batch", map[string]any{"batch": bodies}, nil)
	if took && twice {
		k.tell(ctx, "POST", "/v1/batch", map[string]any{"batch": bodies}, nil)
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if !took {
		b.old = true
		k.waiting = append(k.waiting, b)
		return false
	}
	for _, id := range b.ids {
		k.durable[id] = true
		if m := k.sent[id]; m.event == importEvent {
			k.acked[m.body["properties"].(map[string]any)["product_id"].(string)] = m.user
		}
	}
	return true
}

func (k *killing) sendEvents(ctx context.Context, worker int) {
	for ctx.Err() == nil && k.sendOne(ctx, worker == 0) {
	}
}

// mind is a person who withdraws and consents by turns.
type mind struct {
	user string

	mu     sync.Mutex
	last   string // the last acknowledged choice if no other was sent since, else ""; guarded by mu, like acks
	bought int    // only changeMind's
	acks   []ack  // of withdrawals, the oldest first
}

// ack is the acknowledgement of a withdrawal.
type ack struct {
	sequence uint64
	at       time.Time
}

// fence returns the sequence of the newest acknowledged withdrawal.
func (m *mind) fence() uint64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.acks) == 0 {
		return 0
	}
	return m.acks[len(m.acks)-1].sequence
}

// choose sends a choice and notes its acknowledgement.
func (k *killing) choose(ctx context.Context, m *mind, state string) bool {
	m.mu.Lock()
	m.last = ""
	m.mu.Unlock()
	var out struct{ Sequence uint64 }
	if !k.tell(ctx, "PUT", "/v1/consent", choice(m.user, state), &out) {
		return false
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.last = state
	if state == "withdrawn" {
		m.acks = append(m.acks, ack{out.Sequence, time.Now()})
		k.withdrawals.Add(1)
	}
	return true
}

// changeMind withdraws and consents by turns; others ask meanwhile.
func (k *killing) changeMind(ctx context.Context, m *mind) {
	for ctx.Err() == nil {
		if !k.choose(ctx, m, "withdrawn") {
			return
		}
		if _, ok := k.decide(ctx, m); !ok {
			return
		}
		if !k.choose(ctx, m, "given") {
			return
		}
		m.bought++
		id := fmt.Sprintf("%s-again-%d", m.user, m.bought)
		body := track(m.user, id, fmt.Sprintf("P%d", m.bought%6))
		k.mu.Lock()
		k.sent[id] = message{user: m.user, event: importEvent, body: body, changes: true}
		k.mu.Unlock()
		if !k.tell(ctx, "POST", "/v1/track", body, nil) {
			return
		}
		for try := 0; try < 50; try++ { // until the fold has the event
			if a, ok := k.decide(ctx, m); !ok {
				return
			} else if a.Personal {
				break
			}
		}
	}
}

func (k *killing) keepAsking(ctx context.Context, m *mind) {
	for ctx.Err() == nil {
		if _, ok := k.decide(ctx, m); !ok {
			return
		}
	}
}

// decided is an answer, as much as the test looks at.
type decided struct {
	Personal bool
	Receipt  struct {
		Time     time.Time
		Decision string
		Choice   uint64
	}
}

// decide asks about a mind and holds the answer to promise 3. What is asked after
// a withdrawal was acknowledged may be personal only by a later choice, and what
// was under way across the acknowledgement must have been made before it.
func (k *killing) decide(ctx context.Context, m *mind) (a decided, ok bool) {
	before := m.fence()
	if !k.tell(ctx, "POST", "/v1/decide", map[string]any{"person": map[string]any{"user_id": m.user}, "n": 3}, &a) {
		return a, false
	}
	if before != m.fence() {
		k.across.Add(1)
	}
	if !a.Personal {
		if before > 0 {
			k.unpersonal.Add(1)
		}
		return a, true
	}
	k.personal.Add(1)
	if a.Receipt.Choice <= before {
		k.t.Errorf("promise 3: asked after the acknowledged withdrawal %d, answered personally by the choice %d", before, a.Receipt.Choice)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, w := range m.acks {
		if w.sequence > a.Receipt.Choice && a.Receipt.Time.After(w.at) {
			k.t.Errorf("promise 3: the withdrawal %d was acknowledged at %s, and at %s an answer stood on the choice %d", w.sequence, w.at.UTC(), a.Receipt.Time, a.Receipt.Choice)
			break
		}
	}
	return a, true
}

// choicesHold asks the new server before anything else was said to it: what was
// acknowledged to the last one must be in force.
func (k *killing) choicesHold() {
	for _, m := range k.minds {
		a, ok := k.decide(context.Background(), m)
		if !ok {
			k.t.Fatal("a new server does not answer")
		}
		if want := map[string]string{"withdrawn": "withdrawn", "given": "allowed"}[m.last]; want != "" && a.Receipt.Decision != want {
			k.t.Errorf("promise 5: %s had acknowledged the choice %q, and after a kill the gate says %q", m.user, m.last, a.Receipt.Decision)
		}
	}
}

// verify compares what is kept with what was acknowledged: in the log, in the
// state, and in a state that is folded anew.
func (k *killing) verify() {
	users := func(u int) string { return fmt.Sprintf("user-%d", u) }
	h := k.open()
	k.verifyHeld(h, identity.UserID, users, killedUsers)
	records, pieces := k.verifyLog(h)
	k.close(h)
	if err := os.RemoveAll(h.directory.file("state")); err != nil {
		k.t.Fatal(err)
	}
	h = k.open()
	defer k.close(h)
	k.verifyHeld(h, identity.UserID, users, killedUsers)
	s := h.vault.Stats()
	if once := s.Folded + s.Erased + s.Withdrawn; once != uint64(pieces) || s.Duplicates != uint64(records-pieces) || s.Damaged+s.Undeclared+s.Outlived != 0 {
		k.t.Errorf("promise 5: the log has %d pieces in %d records, and a new fold counts each once but for: %+v", pieces, records, s)
	}
}

// pieceOf is where a record belongs: a message has at most one piece
// in each class, however often the log has it.
type pieceOf struct {
	id    event.ID
	class declare.ClassID
}

// verifyLog reads the log as the fold does and finds every acknowledged message
// exactly once in each of its classes, and nothing that nobody sent. It returns
// how many records of pieces there are, and how many pieces they are.
func (k *killing) verifyLog(h *House) (records, pieces int) {
	found := map[pieceOf][]event.Field{}
	k.eachRecord(h, func(r *event.Record) {
		if r.Kind != event.KindPiece {
			return
		}
		records++
		of, had := pieceOf{r.ID, r.Class}, false
		var fields []event.Field
		plain, err := h.keys.Open(nil, &r.Header, r.Sealed)
		if err == nil {
			var p event.Piece
			err = event.DecodePiece(plain, &p)
			fields = p.Fields
		}
		if err != nil && !errors.Is(err, vault.ErrNoKey) { // a mind's, which went with a withdrawal
			k.t.Errorf("a record does not open: %v", err)
		}
		if first, ok := found[of]; ok {
			if had = true; !reflect.DeepEqual(first, fields) && len(first)*len(fields) > 0 {
				k.t.Errorf("two records of one message and class say different things")
			}
		}
		if !had {
			found[of] = fields
		}
	})
	classes := map[event.ID][]declare.ClassID{}
	for of := range found {
		classes[of.id] = append(classes[of.id], of.class)
	}
	torn := 0
	for id, m := range k.sent {
		key := event.ID(h.keys.Hasher().Message(crashSource, identity.ByServer, identity.Identifier{}, id))
		got := slices.Sorted(slices.Values(classes[key]))
		delete(classes, key)
		if k.durable[id] && !m.changes && !slices.Equal(got, k.expected(h, m)) {
			torn++
		}
	}
	if torn > 0 {
		k.t.Errorf("promise 5: of %d acknowledged messages %d are not in each of their classes", len(k.durable), torn)
	}
	if len(classes) > 0 {
		k.t.Errorf("%d messages are in the log that nobody sent", len(classes))
	}
	return records, len(found)
}

// expected are the classes of a message of somebody who chose nothing: not those
// that rest on consents alone.
func (k *killing) expected(h *House, m message) []declare.ClassID {
	fields := h.declaration.Attributes
	if m.event != "" {
		e, ok := h.declaration.Event(m.event)
		if !ok {
			k.t.Fatal("the template lacks the event ", m.event)
		}
		fields = e.Fields
	}
	classes := map[declare.ClassID]bool{}
	for i := range fields {
		for p := range h.declaration.Purposes {
			if fields[i].Class.Purposes.Has(declare.PurposeIndex(p)) && h.declaration.Purposes[p].Basis != declare.Consent {
				classes[fields[i].Class.ID] = true
			}
		}
	}
	return slices.Sorted(maps.Keys(classes))
}

// eachRecord calls fn with every record of the log.
func (k *killing) eachRecord(h *House, fn func(*event.Record)) {
	ends, err := h.log.Ends(k.t.Context())
	if err != nil {
		k.t.Fatal(err)
	}
	enough := errors.New("enough")
	var mu sync.Mutex
	read := make([]uint64, len(ends))
	err = h.log.Follow(k.t.Context(), nil, func(f event.Frame) error {
		mu.Lock()
		defer mu.Unlock()
		for i := range f.Records {
			fn(&f.Records[i])
		}
		read[f.Stream] = f.Sequence
		if reached(read, ends) {
			return enough
		}
		return nil
	})
	if !errors.Is(err, enough) {
		k.t.Fatal(err)
	}
}
