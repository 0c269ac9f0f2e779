// Package app wires the house: it is the only package that knows every other.
//
// [Open] brings a data directory to life in the one order that is safe: keys,
// log, then the whole choice stream into the book, then the gate opens, then
// the fold catches up. [House.Close] goes the other way and loses nothing that
// was acknowledged. The commands of cmd/accord are functions here.
//
// Promises kept here: 3 (the gate opens only when every durable choice is in
// force), 5 (an orderly stop drains; a disorderly one is noticed at the next
// start), 6 (a gap in the receipts is reported).
//
// Non-goals: any decision about data.
package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"accord/internal/auth"
	"accord/internal/catalog/store"
	"accord/internal/choices"
	"accord/internal/collect"
	"accord/internal/consent"
	"accord/internal/decide"
	"accord/internal/decide/recommend"
	"accord/internal/decide/run"
	"accord/internal/declare"
	"accord/internal/eventlog"
	"accord/internal/identity"
	"accord/internal/vault"
)

// Config is what every command that opens a data directory needs.
type Config struct {
	Data   string // the data directory
	Config string // the declaration, "" for accord.yaml in Data
	NATS   string // an existing NATS cluster, "" for the embedded one
	Kind   Kind   // what a new directory is for; "" takes what it finds
	Logger *slog.Logger
	// Learn is how often a new model is learnt while serving; 0 is every ten
	// minutes.
	Learn time.Duration
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
	clock       *clock

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
	learner   *learner

	started time.Time
	gap     *time.Time // when a run began that did not end in order
	stop    context.CancelFunc
	work    sync.WaitGroup
	fault   chan error // the first error that ends the house
	closers []func() error
}

// Open brings the data directory of c to life. On an error everything that was
// opened is closed again.
func Open(ctx context.Context, c Config) (h *House, err error) {
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	h = &House{config: c, logger: c.Logger, clock: &clock{}, fault: make(chan error, 1)}
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
	return h, h.follow()
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
	if h.shop, err = identity.ParseShopKeys(h.declaration.ShopKeys); err != nil {
		return fmt.Errorf("the declaration's shop_keys: %w", err)
	}
	if h.access, err = auth.Open(h.directory.file("access.json")); err != nil {
		return err
	}
	h.access.Logger = h.logger
	return nil
}

// openKeepers opens the key store, whose lock is the directory's, then the
// catalogue, the log and the vault, and opens the gate when every durable choice
// is in force.
func (h *House) openKeepers(ctx context.Context) (err error) {
	if h.keys, err = vault.OpenKeys(h.directory.file("keys"), h.declaration); err != nil {
		return inUse(err, vault.ErrInUse, h.config.Data)
	}
	h.onClose(h.keys.Close)
	if h.catalog, err = store.Open(h.directory.file("catalog.json")); err != nil {
		return err
	}
	h.log, err = eventlog.Open(ctx, eventlog.Options{
		Dir: h.directory.file("log"), URL: h.config.NATS, Retention: h.retention, Logger: h.logger,
	})
	if err != nil {
		return inUse(err, eventlog.ErrInUse, h.config.Data)
	}
	h.onClose(func() error {
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		defer cancel()
		return h.log.Close(ctx)
	})
	h.book = consent.NewBook(h.declaration)
	h.gate = consent.NewGate(h.declaration, h.book)
	if h.vault, err = vault.Open(h.directory.file("state"), h.declaration, h.keys, h.gate, h.clock.Now); err != nil {
		return inUse(err, vault.ErrInUse, h.config.Data)
	}
	h.onClose(h.vault.Close)
	h.clock.raise(h.vault.HighWater())
	h.choices = choices.New(h.declaration, h.keys, h.log, h.book, h.vault, h.clock.Now)
	if err := h.choices.Replay(ctx); err != nil {
		return fmt.Errorf("reading the choices back: %w", err)
	}
	h.gate.Open()
	return nil
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

// retention is how long the log keeps a class.
func (h *House) retention(id declare.ClassID) time.Duration {
	if c, ok := h.declaration.Class(id); ok {
		return c.Retention.Duration()
	}
	return 0
}

// openActs makes what acts on the keepers.
func (h *House) openActs(ctx context.Context) error {
	h.started = h.clock.Now()
	last, clean, err := h.directory.begin(h.started)
	if err != nil {
		return err
	}
	if !clean {
		h.gap = &last.Started
		h.logger.Warn("the last run did not end in order: answers of its last second carry receipts that may not be kept here", "run_started", last.Started)
	}
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
	h.showCatalog()
	h.journal = run.NewJournal(h.log, h.vault, h.keys, receiptKey, h.clock.Now, h.logger)
	h.runner, err = run.New(run.Config{
		Declaration: h.declaration, Gate: h.gate, Views: h.vault, Engines: []decide.Engine{h.engine},
		Journal: h.journal, Now: h.clock.Now, Observe: h.config.Decided,
	})
	if err != nil {
		return err
	}
	h.collector = collect.New(collect.Config{
		Declaration: h.declaration, Gate: h.gate, Book: h.book, Keys: h.keys, Log: h.log, State: h.vault,
		Choices: h.choices, Now: h.clock.Now, Observe: h.config.Collected,
	})
	h.learner = newLearner(h)
	return h.learner.load()
}

// mayShow tells whether a product may be answered. Without a catalogue there is
// nothing to check against, and a shop that only sends events gets ids.
func (h *House) mayShow(id string) bool { return h.catalog.Len() == 0 || h.catalog.Sellable(id) }

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
		err = h.directory.end(h.started)
	}
	return err
}

func (h *House) closeAll() (err error) {
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
