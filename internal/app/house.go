// Package app wires the house: it is the only package that knows every other.
//
// [Open] brings a data directory to life in the one order that is safe: keys,
// log, then the whole choice stream into the book, then the gate opens, then
// the fold catches up. [House.Close] goes the other way and loses nothing that
// was acknowledged. The commands of cmd/accord are functions here.
//
// Keys, log and state belong together. A part that was lost or is of another
// moment is refused before the gate opens, with what to put back: an objection
// might be among what is missing. The log's random identity tells a new log from
// the old one; the applied sequences, and the mark that the key store keeps of
// the choices, tell an older copy. Only a lost state is no fault: it is rebuilt.
// What this cannot notice: a log without its last choices where nothing was
// synced to the key store since they were made and the run did not end in order;
// an older key store, as far as it lacks keys of data and not of choices.
//
// Promises kept here: 3 (the gate opens only when every durable choice is in
// force), 5 (an orderly stop drains; a disorderly one is noticed at the next
// start), 6 (a gap in the receipts is reported).
//
// Non-goals: any decision about data.
package app

import (
	"cmp"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"accord/internal/attribution"
	"accord/internal/auth"
	"accord/internal/catalog/store"
	"accord/internal/choices"
	"accord/internal/collect"
	"accord/internal/consent"
	"accord/internal/decide"
	"accord/internal/decide/recommend"
	"accord/internal/decide/run"
	"accord/internal/declare"
	"accord/internal/event"
	"accord/internal/eventlog"
	"accord/internal/identity"
	"accord/internal/law"
	"accord/internal/notice"
	"accord/internal/places"
	"accord/internal/signal"
	"accord/internal/vault"
)

// Config is what every command that opens a data directory needs.
type Config struct {
	Data   string // the data directory
	Config string // the declaration, "" for accord.yaml in Data
	NATS   string // an existing NATS cluster, "" for the embedded one
	// Replicas is how many copies the cluster keeps of what is new; 0 is 3 where it
	// tells of three nodes, else 1.
	Replicas int
	Kind     Kind // what a new directory is for; "" takes what it finds
	Logger   *slog.Logger
	// Learn is how often a new model is learnt while serving; 0 is every ten
	// minutes.
	Learn time.Duration
	// TrustClock says that the machine's clock is right although it lies behind
	// the time that was reached.
	TrustClock bool
	// Places is a database of where network addresses are, "" for none; Proxies are
	// the networks whose X-Forwarded-For is believed.
	Places  string
	Proxies []netip.Prefix
	// Collected and Decided, if set, are told of what happens. They must not
	// block.
	Collected func(collect.Activity)
	Decided   func(run.Activity)
}

// House is an open data directory with everything in it.
type House struct {
	config      Config
	logger      *slog.Logger
	directory   *Directory
	declaration *declare.Declaration
	notices     *notice.Registry
	law         *law.Code
	signals     *signal.Table
	postbacks   *attribution.Receiver // nil where none are taken
	places      *places.DB            // nil where there is no database
	clock       *clock
	lifetimes   atomic.Pointer[lifetimes]

	keys      *vault.Keys
	log       *eventlog.Log
	book      *consent.Book
	gate      *consent.Gate
	vault     *vault.Vault
	choices   *choices.Choices
	collector *collect.Collector
	catalog   *store.Store
	access    *auth.Keys
	engine    *recommend.Engine
	journal   *run.Journal
	runner    *run.Runner
	visitors  *identity.Visitors
	shop      *identity.ShopKeys
	keySet    *keySet // nil where the declaration names none
	learner   *learner
	metrics   *prometheus.Registry // of the newest handler

	reached time.Time // the latest time that the state knew at the start
	run     runMark
	stop    context.CancelFunc
	work    sync.WaitGroup
	fault   chan error // the first error that ends the house
	closers []func() error
	folds   foldWatch
}

// Open brings the data directory of c to life. On an error everything that was
// opened is closed again.
func Open(ctx context.Context, c Config) (h *House, err error) {
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	h = &House{config: c, logger: c.Logger, clock: newClock(c.Logger), fault: make(chan error, 1)}
	defer func() {
		if err != nil {
			err = errors.Join(err, h.closeAll())
			h = nil
		}
	}()
	if err := h.openFiles(); err != nil {
		return h, err
	}
	if err := h.openKeepers(ctx); err != nil {
		return h, err
	}
	if err := h.openActs(ctx); err != nil {
		return h, err
	}
	if err := h.follow(); err != nil {
		return h, err
	}
	return h, h.begin()
}

// begin marks the start of the run, now that everything is open and before any
// answer leaves, and reports the gaps of earlier runs.
func (h *House) begin() (err error) {
	if h.run, err = h.directory.begin(h.clock.Now(), h.reached); err != nil {
		return err
	}
	if n := len(h.run.Gaps); n > 0 {
		last := h.run.Gaps[n-1]
		h.logger.Warn("runs did not end in order: answers of their last second carry receipts that may not be kept here; remove run.json while no accord runs, and this is not said again",
			"runs", n, "last_started", last.Started, "last_reached", last.Reached, "list", h.directory.file("run.json"))
	}
	return nil
}

func (h *House) onClose(f func() error) { h.closers = append(h.closers, f) }

// openFiles opens what needs no lock: the directory, the declaration and the
// API's keys.
func (h *House) openFiles() (err error) {
	if h.directory, err = OpenDirectory(h.config.Data, h.config.Kind); err != nil {
		return err
	}
	if h.declaration, err = h.directory.declaration(h.config.Config); err != nil {
		return err
	}
	if h.law, err = h.directory.law(h.declaration); err != nil {
		return err
	}
	if h.signals, err = signal.Embedded(h.law); err != nil {
		return err
	}
	if h.config.Places != "" {
		if h.places, err = places.Open(h.config.Places); err != nil {
			return err
		}
		h.onClose(h.places.Close)
	}
	if h.shop, err = identity.ParseShopKeys(h.declaration.ShopKeys); err != nil {
		return fmt.Errorf("the declaration's shop_keys: %w", err)
	}
	if where := h.declaration.ShopJWKS; where != "" {
		h.keySet = newKeySet(where, cmp.Or(h.config.Config, h.directory.file("accord.yaml")), h.shop, h.clock.Now, h.logger)
	}
	if h.access, err = auth.Open(h.directory.file("access.json")); err != nil {
		return err
	}
	h.access.Logger = h.logger
	return nil
}

// openKeepers opens the key store, whose lock is the directory's, then the
// catalogue, the log and the vault, and opens the gate when they belong together
// and every durable choice is in force.
func (h *House) openKeepers(ctx context.Context) (err error) {
	if err := h.directory.hasKeys(); err != nil {
		return err
	}
	if h.keys, err = vault.OpenKeys(h.directory.file("keys"), h.declaration); err != nil {
		return inUse(err, vault.ErrInUse, h.config.Data)
	}
	h.onClose(h.keys.Close)
	if h.catalog, err = store.Open(h.directory.file("catalog.json")); err != nil {
		return err
	}
	if err := h.openPostbacks(); err != nil {
		return err
	}
	if err := h.openLog(ctx); err != nil {
		return err
	}
	if h.notices, err = h.directory.notices(h.declaration); err != nil {
		return err
	}
	h.book = consent.NewBook(h.declaration, h.notices, h.law)
	h.gate = consent.NewGate(h.declaration, h.book)
	h.clock.doubted = h.gate.InDoubt
	h.vault, err = vault.Open(h.directory.file("state"), h.declaration, h.keys, h.gate, h.clock.Now, vault.WithLog(h.log.Identity()))
	if err != nil {
		return inUse(err, vault.ErrInUse, h.config.Data)
	}
	h.onClose(h.vault.Close)
	h.reached = h.vault.HighWater()
	h.clock.start(h.reached, h.config.TrustClock)
	_, choice := h.keys.Log()
	if err := h.log.Reaches(ctx, h.vault.Applied(), choice); err != nil {
		return err
	}
	h.choices = choices.New(h.declaration, h.keys, choiceLog{h.log, h.keys}, h.book, h.vault, h.clock.Now)
	if err := h.choices.Replay(ctx); err != nil {
		return fmt.Errorf("reading the choices back: %w", err)
	}
	if choice, err = h.log.LastChoice(ctx); err != nil {
		return err
	}
	h.keys.Chosen(choice)
	h.gate.Open()
	return nil
}

// openLog opens the log of this directory, which the key store names: one that
// was made with other keys holds nothing that these would open.
func (h *House) openLog(ctx context.Context) (err error) {
	made, _ := h.keys.Log()
	name, err := h.keys.Secret("owner of the log")
	if err != nil {
		return err
	}
	identity := hex.EncodeToString(name[:16])
	h.log, err = eventlog.Open(ctx, eventlog.Options{
		Dir: h.directory.file("log"), URL: h.config.NATS, Replicas: h.config.Replicas,
		Identity: identity, Made: made != "", Retention: h.retention, Logger: h.logger,
	})
	if err != nil {
		return inUse(err, eventlog.ErrInUse, h.config.Data)
	}
	h.onClose(func() error {
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		defer cancel()
		return h.log.Close(ctx)
	})
	return h.keys.BindLog(ctx, identity)
}

// choiceLog is the choice stream, of whose end the key store keeps a mark.
type choiceLog struct {
	*eventlog.Log
	keys *vault.Keys
}

// AppendChoice appends a choice and notes it.
func (l choiceLog) AppendChoice(ctx context.Context, m event.ChoiceMessage) (uint64, error) {
	sequence, err := l.Log.AppendChoice(ctx, m)
	if err == nil {
		l.keys.Chosen(sequence)
	}
	return sequence, err
}

func inUse(err, sentinel error, data string) error {
	if errors.Is(err, sentinel) {
		return inUseError(data)
	}
	return err
}

// inUseError names a data directory that another process has.
type inUseError string

// Error says what to do.
func (e inUseError) Error() string {
	return fmt.Sprintf("data directory %s is in use by another accord: stop that one", string(e))
}

// lifetimes are the retentions of the classes on one day.
type lifetimes struct {
	day int64
	of  map[declare.ClassID]time.Duration
}

// retention is how long the log keeps what comes now of a class: to the day that
// the declaration says. It is asked for every record.
func (h *House) retention(id declare.ClassID) time.Duration {
	now := h.clock.Now()
	day := now.Unix() / (24 * 60 * 60)
	l := h.lifetimes.Load()
	if l == nil || l.day != day {
		l = &lifetimes{day: day, of: make(map[declare.ClassID]time.Duration, len(h.declaration.Classes))}
		for i := range h.declaration.Classes {
			c := &h.declaration.Classes[i]
			l.of[c.ID] = c.Retention.Duration(now)
		}
		h.lifetimes.Store(l)
	}
	return l.of[id]
}

// openActs makes what acts on the keepers.
func (h *House) openActs(ctx context.Context) error {
	receiptKey, err := h.keys.Secret("receipt")
	if err != nil {
		return err
	}
	visitorKey, err := h.keys.Secret("visitor")
	if err != nil {
		return err
	}
	h.visitors = identity.NewVisitors(visitorKey)
	h.engine = recommend.New(h.mayShow)
	h.engine.SetCategories(h.category)
	h.showCatalog()
	h.journal = run.NewJournal(h.log, h.vault, h.keys, receiptKey, h.clock.Now, h.logger)
	h.runner, err = run.New(run.Config{
		Declaration: h.declaration, Gate: h.gate, Views: h.vault, Engines: []decide.Engine{h.engine},
		Journal: h.journal, Now: h.clock.Now, Signals: h.signals, Observe: h.config.Decided,
	})
	if err != nil {
		return err
	}
	h.collector = h.newCollector(h.vault)
	h.learner = newLearner(h)
	return h.learner.load()
}

func (h *House) newCollector(state collect.State) *collect.Collector {
	return collect.New(collect.Config{
		Declaration: h.declaration, Gate: h.gate, Book: h.book, Keys: h.keys, Log: h.log, State: state,
		Choices: h.choices, Now: h.clock.Now, Law: h.law, Signals: h.signals, Observe: h.config.Collected,
	})
}

// mayShow tells whether a product may be answered. Without a catalogue there is
// nothing to check against, and a shop that only sends events gets ids.
func (h *House) mayShow(id string) bool { return h.catalog.Len() == 0 || h.catalog.Sellable(id) }

// category returns a product's category in the catalogue, "" where there is none.
func (h *House) category(id string) string {
	p, _ := h.catalog.Get(id)
	return p.Category
}

// showCatalog lets the engine answer in the catalogue's order, first what is in
// stock, while nothing was learnt.
func (h *House) showCatalog() {
	const most = 500
	ids := make([]string, 0, most)
	for _, sellable := range []bool{true, false} { // the others may come again
		for p := range h.catalog.All() {
			if len(ids) == most {
				break
			}
			if p.Sellable() == sellable {
				ids = append(ids, p.ID)
			}
		}
	}
	h.engine.SetFallback(ids)
}

// follow starts the fold and the watch over the keepers.
func (h *House) follow() error {
	ctx, cancel := context.WithCancel(context.Background())
	h.stop = cancel
	applied := h.vault.Applied()
	h.work.Go(func() {
		if err := h.log.Follow(ctx, applied, h.vault.Apply); err != nil && ctx.Err() == nil {
			h.fail(fmt.Errorf("the fold stopped: %w", err))
		}
	})
	h.work.Go(func() { h.access.Run(ctx) }) // notices keys that a command makes
	h.work.Go(func() { h.choices.Run(ctx, h.logger) })
	h.work.Go(func() {
		select {
		case <-h.vault.Failed():
			h.fail(fmt.Errorf("the vault failed: %w", h.vault.Err()))
		case <-h.keys.Failed():
			h.fail(fmt.Errorf("the key store failed: %w", h.keys.Err()))
		case <-ctx.Done():
		}
	})
	return nil
}

// fail closes the gate, so that no personal answer leaves in doubt, and reports
// the first fault.
func (h *House) fail(err error) {
	h.gate.Close()
	select {
	case h.fault <- err:
	default:
	}
}

// CatchUp waits until all that is in the log now was folded.
func (h *House) CatchUp(ctx context.Context) error {
	ends, err := h.log.Ends(ctx)
	if err != nil {
		return err
	}
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		if reached(h.vault.Applied(), ends) {
			return nil
		}
		select {
		case <-tick.C:
		case err := <-h.fault:
			h.fail(err)
			return err
		case <-ctx.Done():
			return fmt.Errorf("waiting for the fold: %w", ctx.Err())
		}
	}
}

func reached(applied, ends []uint64) bool {
	for i, end := range ends {
		if i >= len(applied) || applied[i] < end {
			return false
		}
	}
	return true
}

// Close stops in order: nothing new, receipts written, log drained, stores
// closed. It reports every fault on the way.
func (h *House) Close() error {
	h.gate.Close()
	err := h.closeAll()
	if err == nil {
		err = h.directory.end(h.run)
	}
	return err
}

func (h *House) closeAll() (err error) {
	if h.keySet != nil {
		h.keySet.close()
	}
	if h.learner != nil {
		h.learner.close()
	}
	if h.journal != nil {
		err = h.journal.Close() // before the fold stops, since it writes to the log
	}
	if h.stop != nil {
		h.stop()
	}
	h.work.Wait()
	for i := len(h.closers) - 1; i >= 0; i-- {
		err = errors.Join(err, h.closers[i]())
	}
	return err
}
