package app

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"time"

	"accord/internal/catalog"
	"accord/internal/choices"
	"accord/internal/collect"
	"accord/internal/consent"
	"accord/internal/declare"
	"accord/internal/event"
	"accord/internal/identity"
	"accord/internal/retail"
)

// ImportOptions say on what basis history is kept. Exactly one of Basis,
// Consents and Simulate is set, since a file of orders has no consents in it.
type ImportOptions struct {
	File     string
	Basis    string  // keep what this legal basis covers, such as "contract"
	Consents string  // a CSV of choices: customer_id,purpose,state,at,method,notice
	Notice   string  // the version that choices of Consents were made about which name none
	Simulate float64 // share of customers, 0 < share ≤ 1, who "consent"
	Seed     uint64
	Progress func(step string, done, total int64) // may be nil
}

// progress returns what tells how far a step is.
func (o ImportOptions) progress(step string) func(done, total int64) {
	if o.Progress == nil {
		return func(int64, int64) {}
	}
	return func(done, total int64) { o.Progress(step, done, total) }
}

// ImportReport is what an import did.
type ImportReport struct {
	Lines     int            `json:"lines"`
	Kept      int            `json:"kept"`      // lines of which something was kept now
	Repeated  int            `json:"repeated"`  // lines of which an earlier import had kept something
	Dropped   map[string]int `json:"dropped"`   // lines by reason
	Fields    map[string]int `json:"fields"`    // fields of kept lines that were dropped, by reason
	Customers int            `json:"customers"` // customers with a choice in this import
	Products  int            `json:"products"`  // products that the catalogue lacked
	Synthetic bool           `json:"synthetic"` // the choices were simulated
	Erased    int            `json:"erased"`    // choices of before a customer was erased, which do not come back
	Unread    int            `json:"unread"`    // consents of the file that name no notice, and so hold nothing
	Faults    []string       `json:"faults"`    // the first lines that cannot be read, and why
}

// importEvent is the declared event that an order line becomes.
const importEvent = "Product Purchased"

// importCountry is the field of it that the template does not declare: whoever
// has a purpose for it declares it.
const importCountry = "country"

// importBatch is how many lines become durable together.
const importBatch = 2000

// ImportRetail reads a file in the layout of the UCI Online Retail data.
func (h *House) ImportRetail(ctx context.Context, o ImportOptions) (ImportReport, error) {
	report := ImportReport{Dropped: map[string]int{}, Fields: map[string]int{}, Faults: []string{}}
	basis, err := o.basis()
	if err != nil {
		return report, err
	}
	if o.Simulate != 0 && h.directory.Kind == Production {
		return report, fmt.Errorf("data directory %s is for production: simulated consents are refused there; use one made with `accord init --kind evaluation`, or let import make it with --kind evaluation", h.directory.Path)
	}
	f, err := os.Open(o.File)
	if err != nil {
		return report, err
	}
	defer f.Close()
	if err := h.importChoices(ctx, f, o, &report); err != nil {
		return report, err
	}
	report.Synthetic = o.Simulate > 0
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return report, err
	}
	in := importer{house: h, basis: basis, report: &report}
	summary, err := retail.Read(f, in.line(ctx), o.progress("orders"))
	if err == nil {
		err = in.flush(ctx)
	}
	if err == nil {
		err = in.journal.end()
	}
	err = errors.Join(err, in.journal.close())
	report.Lines = summary.Lines
	for reason, n := range summary.Dropped {
		report.Dropped[reason] += n
	}
	for _, fault := range summary.Faults {
		report.Faults = append(report.Faults, fault.String())
	}
	if err != nil {
		return report, err
	}
	if report.Products, err = h.addProducts(in.products.Products()); err != nil {
		return report, err
	}
	return report, h.CatchUp(ctx)
}

// addProducts puts what the catalogue lacks. The shop's own titles, prices and
// stock say more than what can be guessed from its orders.
func (h *House) addProducts(products []catalog.Product) (int, error) {
	products = slices.DeleteFunc(products, func(p catalog.Product) bool {
		_, there := h.catalog.Get(p.ID)
		return there
	})
	if err := h.catalog.Put(products); err != nil {
		return 0, fmt.Errorf("catalogue: %w", err)
	}
	h.showCatalog()
	return len(products), nil
}

// basis checks the options against each other and returns the legal basis that
// they name, 0 where choices count.
func (o ImportOptions) basis() (declare.Basis, error) {
	chosen := 0
	for _, set := range []bool{o.Basis != "", o.Consents != "", o.Simulate != 0} {
		if set {
			chosen++
		}
	}
	if chosen != 1 {
		return 0, &UsageError{"a file of orders has no consents in it: say on what basis it is kept with exactly one of --basis contract, --consents FILE, or (for trying things out) --simulate-consent 0.7"}
	}
	if o.Notice != "" && o.Consents == "" {
		return 0, &UsageError{"--notice is about the choices of --consents"}
	}
	if o.Simulate < 0 || o.Simulate > 1 {
		return 0, &UsageError{"--simulate-consent takes a share above 0 and at most 1"}
	}
	if o.Basis == "" {
		return 0, nil
	}
	basis, ok := declare.ParseBasis(o.Basis)
	if !ok || basis == declare.Consent {
		return 0, &UsageError{fmt.Sprintf("--basis %s: name a basis that needs no choice: contract, legal_obligation, legitimate_interest or opt_out; consents come with --consents FILE", o.Basis)}
	}
	return basis, nil
}

// UsageError is a mistake in how a command was called.
type UsageError struct{ Text string }

// Error returns the text.
func (e *UsageError) Error() string { return e.Text }

// importChoices records the choices that come with an import, or the simulated
// ones, before any line is read: a line is admitted by the choice that held at
// its own time.
func (h *House) importChoices(ctx context.Context, f *os.File, o ImportOptions, report *ImportReport) (err error) {
	var people map[string][]consent.Choice
	switch {
	case o.Consents != "":
		people, err = h.readConsents(o)
	case o.Simulate > 0:
		people, err = h.simulateConsents(f, o)
	}
	if err != nil {
		return err
	}
	report.Erased = h.leaveOutErased(people)
	report.Customers = len(people)
	for _, cs := range people {
		if o.Simulate == 0 {
			report.Unread += h.unread(cs)
		}
	}
	return h.recordMany(ctx, people, o.progress("choices"))
}

// leaveOutErased takes out what customers chose before they were erased, and who
// brings nothing else, and returns how many choices those were.
func (h *House) leaveOutErased(people map[string][]consent.Choice) (erased int) {
	for id, cs := range people {
		l := h.keys.Hasher().Lookup(identity.Identifier{Kind: identity.UserID, Value: id})
		left := slices.DeleteFunc(cs, func(c consent.Choice) bool { return h.erasedSince(l, c.At) })
		if erased += len(cs) - len(left); len(left) == 0 {
			delete(people, id)
			continue
		}
		people[id] = left
	}
	return erased
}

func (h *House) readConsents(o ImportOptions) (map[string][]consent.Choice, error) {
	if err := h.wasRead(o.Notice); err != nil {
		return nil, err
	}
	name := o.Consents
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	lines, err := retail.ReadConsents(f)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	people := map[string][]consent.Choice{}
	for _, l := range lines {
		if _, ok := h.declaration.Purpose(declare.PurposeID(l.Purpose)); !ok {
			return nil, fmt.Errorf("%s: the declaration has no purpose %q", name, l.Purpose)
		}
		state, ok := consent.ParseState(l.State)
		if !ok {
			return nil, fmt.Errorf("%s: a choice is given, refused, withdrawn or objected, not %q", name, l.State)
		}
		if l.At.After(h.clock.Now()) {
			return nil, fmt.Errorf("%s: line %d: at lies in the future", name, l.Line)
		}
		people[l.Customer] = append(people[l.Customer], consent.Choice{
			Purpose: declare.PurposeID(l.Purpose), State: state, At: l.At, Method: l.Method, Notice: cmp.Or(l.Notice, o.Notice), Proof: choices.ProofImport,
		})
	}
	return people, nil
}

// simulateConsents finds each customer's first order and lets a share of them
// consent just before it to every purpose that runs on consent. Every choice is
// marked synthetic.
func (h *House) simulateConsents(f *os.File, o ImportOptions) (map[string][]consent.Choice, error) {
	first := map[string]time.Time{}
	_, err := retail.Read(f, func(l retail.Line) error {
		if at, ok := first[l.Customer]; !ok || l.At.Before(at) {
			first[l.Customer] = l.At
		}
		return nil
	}, o.progress("customers"))
	if err != nil {
		return nil, err
	}
	people := map[string][]consent.Choice{}
	for customer, at := range first {
		state := consent.Refused
		if retail.SimulateConsent(o.Seed, o.Simulate, customer) {
			state = consent.Given
		}
		for _, p := range h.declaration.Purposes {
			if p.Basis == declare.Consent {
				people[customer] = append(people[customer], consent.Choice{
					Purpose: p.ID, State: state, At: at.Add(-time.Second), Method: "simulated", Synthetic: true, Proof: "none: simulated",
				})
			}
		}
	}
	return people, nil
}

// recordMany records the choices of many people, several at a time so that they
// share the log's throughput. A choice that is in force already is not recorded
// again, so that a repeated import changes nothing, unless it names the notice that
// an earlier one did not.
func (h *House) recordMany(ctx context.Context, people map[string][]consent.Choice, progress func(done, total int64)) error {
	type job struct {
		id      string
		choices []consent.Choice
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	jobs := make(chan job)
	done := make(chan struct{})
	const workers = 64
	for range workers {
		go func() {
			defer func() { done <- struct{}{} }()
			for j := range jobs {
				if err := h.recordOne(ctx, j.id, j.choices); err != nil {
					cancel(err)
				}
			}
		}()
	}
	taken := int64(0)
	for id, cs := range people {
		if ctx.Err() != nil {
			break
		}
		jobs <- job{id, cs}
		taken++
		progress(taken, int64(len(people)))
	}
	close(jobs)
	for range workers {
		<-done
	}
	return context.Cause(ctx)
}

func (h *House) recordOne(ctx context.Context, user string, cs []consent.Choice) error {
	if h.declaration.Identifies(identity.UserID) == 0 {
		return errors.New("the declaration knows nobody by user_id, so these choices are nobody's: name it below identifiers")
	}
	lookup := h.keys.Hasher().Lookup(identity.Identifier{Kind: identity.UserID, Value: user})
	tokens, err := h.keys.Ensure(ctx, []identity.Lookup{lookup})
	if err != nil {
		return err
	}
	present, _ := h.book.Presents(tokens[0])
	news := cs[:0:0]
	for _, c := range cs {
		i, _ := h.declaration.Purpose(c.Purpose)
		_, known := h.notices.Covered(c.Notice)
		names := known && c.State == consent.Given && present[i].Notice == consent.NoticeUnknown
		if p := present[i]; p.State == c.State && p.Synthetic == c.Synthetic && !p.Doubtful && !p.Suspended && !names {
			continue
		}
		news = append(news, c)
	}
	_, err = h.choices.Record(ctx, tokens[0], news) // of nothing: finishes what an earlier one left
	return err
}

// importer turns order lines into events, a batch at a time.
type importer struct {
	house    *House
	basis    declare.Basis
	report   *ImportReport
	batch    []collect.Line
	products retail.Products
	numbers  []int    // of the lines in the batch
	journal  *imports // opened with the first line, which knows the file's digest
}

func (i *importer) line(ctx context.Context) func(retail.Line) error {
	return func(l retail.Line) (err error) {
		if i.journal == nil {
			if i.journal, err = i.house.directory.imports(l.Source); err != nil {
				return err
			}
		}
		i.products.Add(l)
		if i.journal.has(l.Number) {
			i.report.Repeated++
			return nil
		}
		i.numbers = append(i.numbers, l.Number)
		i.batch = append(i.batch, collect.Line{
			Source: l.Source, ID: fmt.Sprint(l.Number),
			User:  identity.Identifier{Kind: identity.UserID, Value: l.Customer},
			Event: importEvent, At: l.At,
			Fields: []collect.NamedValue{
				{Path: "order_id", Value: event.Value{Kind: event.ValueString, Text: l.Invoice}},
				{Path: "product_id", Value: event.Value{Kind: event.ValueString, Text: l.Code}},
				{Path: "quantity", Value: event.Value{Kind: event.ValueInteger, Int: int64(l.Quantity)}},
				{Path: "price", Value: event.Value{Kind: event.ValueNumber, Num: float64(l.Price) / 100}},
				{Path: importCountry, Value: event.Value{Kind: event.ValueString, Text: l.Country}},
			},
		})
		if len(i.batch) < importBatch {
			return nil
		}
		return i.flush(ctx)
	}
}

func (i *importer) flush(ctx context.Context) error {
	if len(i.batch) == 0 {
		return nil
	}
	to, err := i.collector(ctx)
	if err != nil {
		return err
	}
	r, err := to.Import(ctx, i.batch, i.basis)
	if err != nil {
		return err
	}
	done := i.numbers[len(i.numbers)-1]
	durable := i.numbers[:0]
	for at, n := range i.numbers {
		if r.Durable[at] {
			durable = append(durable, n)
		}
	}
	i.batch, i.numbers = i.batch[:0], i.numbers[:0]
	i.report.Kept += r.Kept
	i.report.Repeated += r.Duplicate
	for reason, n := range r.Lines {
		i.report.Dropped[reason] += n
	}
	for reason, n := range r.Fields {
		i.report.Fields[reason] += n
	}
	if e, ok := i.house.declaration.Event(importEvent); ok {
		if _, named := e.Field(importCountry); !named && r.Kept > 0 {
			i.report.Fields[collect.Undeclared.Code()] += r.Kept
		}
	}
	return i.journal.add(durable, done)
}

// collector returns what takes the batch, which an import that broke off may have
// brought into the log, in whole or in part.
func (i *importer) collector(ctx context.Context) (*collect.Collector, error) {
	h := i.house
	if !i.journal.doubts(i.numbers) {
		return h.collector, nil
	}
	held, err := h.held(ctx, i.batch)
	if err != nil {
		return nil, err
	}
	return h.newCollector(resumed{h.vault, held}), nil
}

// errNothing is returned by commands that find no data to work on.
var errNothing = errors.New("nothing to work on: no customer has consented to model_training with a purchase on record; import orders with --consents FILE or, in an evaluation directory, --simulate-consent 0.7")
