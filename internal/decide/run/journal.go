package run

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"accord/internal/decide"
	"accord/internal/declare"
	"accord/internal/event"
	"accord/internal/eventlog"
	"accord/internal/identity"
	"accord/internal/vault"
)

// Log is where receipts become durable.
type Log interface {
	Append(ctx context.Context, records []event.Record) error
	Read(ctx context.Context, stream int, sequence uint64) (event.Frame, error)
}

// Index finds a receipt's record again.
type Index interface {
	Receipt(id event.ID) (vault.Place, bool, error)
}

// Sealer seals a receipt under its person's key.
type Sealer interface {
	Prepare(ctx context.Context, needs []vault.Need) error
	Seal(dst []byte, h *event.Header, plain []byte) ([]byte, error)
	Open(dst []byte, h *event.Header, sealed []byte) ([]byte, error)
}

const (
	// overdue is within what time a receipt is durable after its answer left. Once
	// one has waited longer, no further answer leaves with a promise of the same.
	overdue = time.Second
	// queued bounds the receipts that wait to be written.
	queued = 16384
	// batched is the most receipts in one append, and full how many bytes end it
	// sooner: what does not fit the log's queue would never be taken.
	batched = 4096
	full    = 8 << 20
	// An append costs the same syncs for one receipt as for a thousand, so the
	// first waits for more to come: up to looks times look, and no longer once a
	// batch is full.
	looks = 8
	look  = 50 * time.Millisecond
	// retry is how long a failed append of waiting receipts pauses.
	retry = 200 * time.Millisecond
	// ending is how long Close tries to write what waits.
	ending = 5 * time.Second
)

// Errors of the journal. ErrBehind, ErrErased and ErrClosing mean that the answer
// must not leave.
var (
	// ErrNoReceipt is returned for a receipt that is not held.
	ErrNoReceipt = errors.New("no such receipt")
	// ErrBehind: receipts of answers that left are not durable in time, so no
	// more leave until they are. Answer 429 or 503 with Retry-After.
	ErrBehind = errors.New("the log does not take receipts in time: ask again in a second")
	// ErrErased is returned for a receipt that must be durable first, and is of
	// somebody who was erased since the question came: whoever asks again is nobody
	// known. Answer 429 with Retry-After.
	ErrErased = errors.New("the person was erased while this was answered: ask again")
	// ErrClosing is returned for a receipt that came when the journal was ending.
	ErrClosing = errors.New("the server is stopping: ask again in a moment")
)

// Journal writes receipts and reads them back.
type Journal struct {
	log    Log
	index  Index
	sealer Sealer
	key    []byte
	now    func() time.Time
	logger *slog.Logger

	room  chan struct{} // a place for each receipt that waits or will
	queue chan entry    // as long as room: who has a place never waits
	done  chan struct{}

	began   time.Time     // what waiting is measured from, by the clock that never steps
	oldest  atomic.Int64  // when the oldest receipt that the writer holds was queued, in ns since began; 0: it holds none
	failing atomic.Bool   // the last append of waiting receipts failed
	written atomic.Uint64 // totals, see JournalStats
	lost    atomic.Uint64
	refused atomic.Uint64

	closing sync.Once
	stop    chan struct{}   // closed when Close begins
	life    context.Context // ends when Close gives up
	end     context.CancelFunc
}

type entry struct {
	token identity.Token
	id    event.ID
	body  []byte
	at    time.Duration // when it was queued, since the journal began
}

// NewJournal returns a journal whose receipts carry a MAC under key (32 bytes),
// and starts its writer. Close ends it.
func NewJournal(log Log, index Index, sealer Sealer, key []byte, now func() time.Time, logger *slog.Logger) *Journal {
	j := &Journal{log: log, index: index, sealer: sealer, key: key, now: now, logger: logger,
		room: make(chan struct{}, queued), queue: make(chan entry, queued), done: make(chan struct{}), stop: make(chan struct{}),
		began: time.Now()}
	j.life, j.end = context.WithCancel(context.Background())
	go j.write()
	return j
}

// seal sets the receipt's MAC and returns its JSON: the receipt without the
// MAC, then the field "mac" spliced in last, so that a reader can cut it off
// and check the bytes that were signed.
func (j *Journal) seal(r *decide.Receipt) []byte {
	r.MAC = ""
	body, err := json.Marshal(r)
	if err != nil {
		panic("a receipt has only plain fields: " + err.Error())
	}
	r.MAC = j.mac(body)
	body = append(body[:len(body)-1], `,"mac":"`...)
	body = append(body, r.MAC...)
	return append(body, `"}`...)
}

func (j *Journal) mac(body []byte) string {
	m := hmac.New(sha256.New, j.key)
	m.Write([]byte("accord receipt v1\n"))
	m.Write(body)
	return base64.RawURLEncoding.EncodeToString(m.Sum(nil))
}

// Verify reports whether a receipt's JSON, as it left in an answer, carries this
// server's MAC over exactly these bytes.
func (j *Journal) Verify(receipt []byte) bool {
	const head, foot = `,"mac":"`, `"}`
	rest, ok := bytes.CutSuffix(receipt, []byte(foot))
	cut := len(rest) - len(head) - base64.RawURLEncoding.EncodedLen(sha256.Size)
	if !ok || cut < 0 || string(rest[cut:cut+len(head)]) != head {
		return false
	}
	body := append(append([]byte(nil), rest[:cut]...), '}')
	return hmac.Equal([]byte(j.mac(body)), rest[cut+len(head):])
}

// Before makes a receipt durable and returns when it is; ErrErased where it cannot
// be, since there is nobody to keep it for any more.
func (j *Journal) Before(ctx context.Context, t identity.Token, id string, body []byte) error {
	e, err := newEntry(t, id, body)
	if err != nil {
		return err
	}
	kept, err := j.append(ctx, []entry{e})
	if err == nil && kept == 0 {
		err = ErrErased
	}
	return err
}

// After takes a place in the queue of receipts that become durable within a
// second. It never waits. The caller then calls keep exactly once, without
// waiting for anything in between: with true the receipt is queued, with false
// it is dropped. On an error there is no keep and the answer must not leave: it
// is ErrBehind as long as the log refuses receipts, one of an answer that left
// has waited for more than a second, or the queue is full.
func (j *Journal) After(t identity.Token, id string, body []byte) (keep func(bool), err error) {
	e, err := newEntry(t, id, body)
	if err != nil {
		return nil, err
	}
	if j.failing.Load() || j.waited() > overdue {
		j.refused.Add(1)
		return nil, ErrBehind
	}
	select {
	case j.room <- struct{}{}:
	default:
		j.refused.Add(1)
		return nil, ErrBehind
	}
	select {
	case <-j.stop: // the writer may have looked for the last time
		<-j.room
		return nil, ErrClosing
	default:
	}
	return func(yes bool) {
		if yes {
			e.at = time.Since(j.began)
			j.queue <- e
		} else {
			<-j.room
		}
	}, nil
}

// waited returns for how long the oldest receipt that is not durable has waited.
func (j *Journal) waited() time.Duration {
	if at := time.Duration(j.oldest.Load()); at > 0 {
		return time.Since(j.began) - at
	}
	return 0
}

func newEntry(t identity.Token, id string, body []byte) (e entry, err error) {
	e = entry{token: t, body: body}
	e.id, err = parseID(id)
	return e, err
}

// parseID reads a receipt's id: 32 hexadecimal characters.
func parseID(s string) (id event.ID, err error) {
	if len(s) != hex.EncodedLen(len(id)) {
		return id, ErrNoReceipt
	}
	_, err = hex.Decode(id[:], []byte(s))
	return id, err
}

// write drains the queue into the log until Close, then what is left of it.
func (j *Journal) write() {
	defer close(j.done)
	batch := make([]entry, 0, batched)
	for {
		select {
		case e := <-j.queue:
			<-j.room
			j.oldest.Store(int64(e.at))
			j.linger()
			for batch = j.fill(append(batch[:0], e)); len(batch) > 0; batch = j.fill(batch[:0]) {
				j.persist(batch)
			}
		case <-j.stop:
			// Places that were taken before the stop are filled or given back at
			// once.
			for len(j.room) > 0 {
				if batch = j.fill(batch[:0]); len(batch) > 0 {
					j.persist(batch)
				} else {
					time.Sleep(time.Millisecond)
				}
			}
			return
		}
	}
}

// linger waits for a batch to come together; the end of the journal cuts it
// short.
func (j *Journal) linger() {
	for range looks {
		select {
		case <-time.After(look):
		case <-j.stop:
			return
		}
		if len(j.queue) >= batched {
			return
		}
	}
}

// fill takes what waits, up to a batch, without waiting for more. What it
// returns first has waited longest.
func (j *Journal) fill(batch []entry) []entry {
	size := 0
	for len(batch) < batched && size < full {
		select {
		case e := <-j.queue:
			<-j.room
			if len(batch) == 0 {
				j.oldest.Store(int64(e.at))
			}
			batch = append(batch, e)
			size += len(e.body)
		default:
			return batch
		}
	}
	return batch
}

// persist appends a batch, again and again until it is durable or Close gives
// up; an ended context of one request must not lose another's receipt.
func (j *Journal) persist(batch []entry) {
	for failed := 0; ; failed++ {
		ctx, cancel := context.WithTimeout(j.life, 10*time.Second)
		_, err := j.append(ctx, batch)
		cancel()
		j.failing.Store(err != nil)
		if err == nil {
			j.oldest.Store(0)
			return
		}
		if failed == 0 {
			j.logger.Error("receipts wait, and no more answers about known people leave: the log did not take them", "receipts", len(batch), "error", err)
		}
		select {
		case <-time.After(retry):
		case <-j.life.Done():
			j.lost.Add(uint64(len(batch)))
			return
		}
	}
}

// append makes receipts durable and returns how many: there are none of people who
// were erased since.
func (j *Journal) append(ctx context.Context, batch []entry) (kept int, err error) {
	needs := make([]vault.Need, len(batch))
	size := 0
	for i := range batch {
		needs[i] = vault.Need{Token: batch[i].token, Class: declare.ClassReceipt}
		size += len(batch[i].body) + 64
	}
	if err := j.sealer.Prepare(ctx, needs); err != nil {
		return 0, err
	}
	records := make([]event.Record, 0, len(batch))
	arena := make([]byte, 0, size)
	accepted := j.now().UnixMilli()
	for i := range batch {
		var r event.Record
		r.Header = event.Header{ID: batch[i].id, Token: batch[i].token, Class: declare.ClassReceipt, Kind: event.KindReceipt, Accepted: accepted}
		at := len(arena)
		sealed, err := j.sealer.Seal(arena, &r.Header, batch[i].body)
		if errors.Is(err, vault.ErrNoKey) {
			continue // the person was erased since, and their receipts are gone
		}
		if err != nil {
			return 0, err
		}
		arena, r.Sealed = sealed, sealed[at:len(sealed):len(sealed)]
		records = append(records, r)
	}
	if len(records) == 0 {
		return 0, nil
	}
	if err := j.log.Append(ctx, records); err != nil {
		return 0, err
	}
	j.written.Add(uint64(len(records)))
	return len(records), nil
}

// Read returns a receipt's JSON as it left in the answer, and the person it is
// about; ErrNoReceipt where it is not held (or its person was erased).
func (j *Journal) Read(ctx context.Context, id string) ([]byte, identity.Token, error) {
	want, err := parseID(id)
	if err != nil {
		return nil, identity.Token{}, ErrNoReceipt
	}
	place, ok, err := j.index.Receipt(want)
	if err != nil {
		return nil, identity.Token{}, fmt.Errorf("receipt index: %w", err)
	}
	if !ok {
		return nil, identity.Token{}, ErrNoReceipt
	}
	frame, err := j.log.Read(ctx, place.Stream, place.Sequence)
	if errors.Is(err, eventlog.ErrNotFound) {
		return nil, identity.Token{}, ErrNoReceipt // its retention is over
	}
	if err != nil {
		return nil, identity.Token{}, fmt.Errorf("receipt log: %w", err)
	}
	for i := range frame.Records {
		r := &frame.Records[i]
		if r.ID != want || r.Kind != event.KindReceipt {
			continue
		}
		body, err := j.sealer.Open(nil, &r.Header, r.Sealed)
		if errors.Is(err, vault.ErrNoKey) {
			return nil, identity.Token{}, ErrNoReceipt
		}
		return body, r.Token, err
	}
	return nil, identity.Token{}, ErrNoReceipt
}

// JournalStats are totals since the start and what waits now, for metrics.
type JournalStats struct {
	Written uint64        // receipts made durable
	Lost    uint64        // receipts that left in an answer and were not kept when the journal ended
	Refused uint64        // answers that did not leave, with ErrBehind
	Queued  int           // receipts that wait, without the batch that is being written
	Waited  time.Duration // for how long the oldest has waited
}

// Stats returns the totals.
func (j *Journal) Stats() JournalStats {
	return JournalStats{Written: j.written.Load(), Lost: j.lost.Load(), Refused: j.refused.Load(), Queued: len(j.queue), Waited: j.waited()}
}

// Close writes what waits and ends the writer, within a few seconds even if the
// log hangs. It returns an error when receipts of answers that left could not be
// written.
func (j *Journal) Close() error {
	j.closing.Do(func() { close(j.stop) })
	giveUp := time.AfterFunc(ending, j.end)
	defer giveUp.Stop()
	<-j.done
	j.end()
	if n := j.lost.Load(); n > 0 {
		return fmt.Errorf("%d receipts of answers that left are not kept: the log did not take them", n)
	}
	return nil
}
