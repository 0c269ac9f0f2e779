package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"accord/internal/app"
)

type importCommand struct {
	Retail  importRetail  `cmd:"" help:"Orders in the layout of the UCI Online Retail data, plain or gzipped."`
	Catalog importCatalog `cmd:"" help:"Products from CSV, JSON or a merchant feed."`
}

type importRetail struct {
	place
	File     string  `arg:"" help:"The file." type:"existingfile"`
	Kind     string  `help:"Make the data directory if it is not there, for evaluation or demonstration; one for production is made with init." enum:"evaluation,demonstration," default:"" placeholder:"KIND"`
	Basis    string  `help:"Keep what this legal basis covers, such as contract."`
	Consents string  `help:"CSV of choices: customer_id,purpose,state,at,method,notice." type:"existingfile"`
	Notice   string  `help:"Version of the notice that the choices were made about which name none; you answer for it." placeholder:"VERSION"`
	Simulate float64 `name:"simulate-consent" help:"Share of customers who consent, simulated and marked so; never in production." placeholder:"SHARE"`
	Seed     uint64  `help:"Seed of the simulation." default:"1"`
	JSON     bool    `help:"Print the summary as JSON."`
}

// Help shows examples.
func (importRetail) Help() string {
	return `The file is CSV, plain or gzipped, with the header
InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID,Country

A file of orders has no consents in it, so say on what basis it is kept. A line of which
something was kept is never taken again; the others are looked at again by the next import.
Products that the catalogue lacks are added to it.

Examples:
  accord import retail orders.csv.gz --basis contract --data shop
  accord import retail orders.csv.gz --consents consents.csv --data shop
  accord import retail orders.csv.gz --simulate-consent 0.7 --seed 1 --kind evaluation --data try`
}

// Run imports the file and prints what was kept, dropped and why.
func (c importRetail) Run(s *session) error {
	report, err := app.ImportRetail(s.ctx, c.config(s, app.Kind(c.Kind)), app.ImportOptions{
		File: c.File, Basis: c.Basis, Consents: c.Consents, Notice: c.Notice, Simulate: c.Simulate, Seed: c.Seed,
	}, s.talk)
	if err != nil {
		return err
	}
	if c.JSON {
		return json.NewEncoder(s.out).Encode(report)
	}
	return report.Write(s.out)
}

type importCatalog struct {
	files
	remote
	File string `arg:"" help:"CSV, JSON, or a merchant feed (RSS, Atom, tab-separated), plain or gzipped." type:"existingfile"`
	JSON bool   `help:"Print the summary as JSON."`
}

// Help shows the formats and examples.
func (importCatalog) Help() string {
	return `A product takes the place of the one that had its id; others stay. A file is taken whole or
not at all. While a server runs on the directory, bring the products to it with --server.

CSV has a header with these names, in any order, and may have other columns:
  id,title,price,currency                 must be there
  category,stock,picture,url              may be there
  85123A,White hanging heart,2.95,GBP     a price in whole units; no stock is not known

JSON has the same names, as a list or one object after another:
  [{"id":"85123A","title":"White hanging heart","price":2.95,"currency":"GBP","stock":7}]

Examples:
  accord import catalog products.csv --data shop
  accord import catalog feed.xml.gz --server http://127.0.0.1:8080 --key sk_…`
}

// Run imports the products.
func (c importCatalog) Run(s *session) error {
	report, err := app.ImportCatalog(s.ctx, app.Config{Data: c.Data, Config: c.Config, Logger: s.logger}, c.at(), c.File)
	if err != nil {
		return err
	}
	if len(report.PassedOver) > 0 {
		s.say("Passed over the columns %s: the catalogue has no place for them.", strings.Join(report.PassedOver, ", "))
	}
	if c.JSON {
		return json.NewEncoder(s.out).Encode(report)
	}
	return report.Write(s.out)
}

type evaluateCommand struct {
	place
	Until string `help:"Learn from what happened before this day (YYYY-MM-DD); default: the last tenth of the time is foretold."`
	JSON  bool   `help:"Print one JSON object, a model each."`
}

// Help shows examples.
func (evaluateCommand) Help() string {
	return `Examples:
  accord evaluate --data try --until 2011-11-09
  accord evaluate --data try --json`
}

// Run evaluates.
func (c evaluateCommand) Run(s *session) error {
	var until time.Time
	if c.Until != "" {
		var err error
		if until, err = time.Parse(time.DateOnly, c.Until); err != nil {
			return &app.UsageError{Text: "--until takes a day such as 2011-11-09"}
		}
	}
	report, err := app.Evaluate(s.ctx, c.config(s, ""), until)
	if err != nil {
		return err
	}
	if c.JSON {
		return json.NewEncoder(s.out).Encode(report)
	}
	_, err = fmt.Fprint(s.out, report.String())
	return err
}

type declareCommand struct {
	Check declareCheck `cmd:"" help:"Check the declaration; with --sample, show what of each event would be kept and dropped and why."`
}

type declareCheck struct {
	files
	Sample string `help:"JSON file of events: one, a list, or a batch." type:"existingfile"`
	JSON   bool   `help:"Print JSON."`
}

// Help shows examples.
func (declareCheck) Help() string {
	return `Examples:
  accord declare check --config accord.yaml
  accord declare check --config accord.yaml --sample events.json`
}

// Run checks.
func (c declareCheck) Run(s *session) error {
	return app.DeclareCheck(c.Data, c.Config, c.Sample, c.JSON, s.out)
}

type keyCommand struct {
	Add    keyAdd    `cmd:"" help:"Make a key and print it once."`
	List   keyList   `cmd:"" help:"List the keys, without their secrets."`
	Rotate keyRotate `cmd:"" help:"Make a new key in place of one, which lives on for the overlap."`
	Revoke keyRevoke `cmd:"" help:"End a key now."`
}

type keyPlace struct {
	Data string `help:"The data directory." default:"accord-data" env:"ACCORD_DATA" type:"path"`
}

type keyAdd struct {
	keyPlace
	Kind   string   `help:"write: public, for pages and apps, which speak for whoever they prove. secret: for the shop's servers, which speak for everybody." enum:"write,secret" required:""`
	Source string   `help:"Your name for what uses it, such as web or backend; accord stop source stops it by this name." required:""`
	Origin []string `help:"Origin that a browser may call from (write keys), such as https://shop.example; repeat for more. Without one no browser may use the key."`
}

// Help shows examples.
func (keyAdd) Help() string {
	return `The key alone goes to standard output. A running server takes it within a second.

Examples:
  accord key add --kind write --source web --origin https://shop.example --data shop
  accord key add --kind secret --source backend --data shop`
}

// Run makes a key. The key itself is the data, so it alone goes to standard
// output.
func (c keyAdd) Run(s *session) error {
	plain, key, err := app.MakeKey(c.Data, c.Kind, c.Source, c.Origin)
	if err != nil {
		return err
	}
	s.say("Made %s key %s for %q. It is shown once; only its hash is kept.", c.Kind, key.ID, c.Source)
	_, err = fmt.Fprintln(s.out, plain)
	return err
}

type keyList struct {
	keyPlace
	JSON bool `help:"Print JSON."`
}

// Help shows examples.
func (keyList) Help() string {
	return `Examples:
  accord key list --data shop
  accord key list --data shop --json`
}

// Run lists the keys.
func (c keyList) Run(s *session) error { return app.ListKeys(c.Data, c.JSON, s.out) }

type keyRotate struct {
	keyPlace
	ID      string        `arg:"" help:"The key's id, from accord key list."`
	Overlap time.Duration `help:"How long the old key still works." default:"24h"`
}

// Help shows examples.
func (keyRotate) Help() string {
	return `Examples:
  accord key rotate k_4f7c --data shop
  accord key rotate k_4f7c --overlap 1h --data shop`
}

// Run rotates a key.
func (c keyRotate) Run(s *session) error {
	plain, key, err := app.RotateKey(c.Data, c.ID, c.Overlap)
	if err != nil {
		return err
	}
	s.say("Made key %s. The old one works for another %s.", key.ID, c.Overlap)
	_, err = fmt.Fprintln(s.out, plain)
	return err
}

type keyRevoke struct {
	keyPlace
	ID string `arg:"" help:"The key's id, from accord key list."`
}

// Help shows an example.
func (keyRevoke) Help() string { return "Example:\n  accord key revoke k_4f7c --data shop" }

// Run revokes a key.
func (c keyRevoke) Run(s *session) error {
	if err := app.RevokeKey(c.Data, c.ID); err != nil {
		return err
	}
	s.say("Key %s is revoked; a running server knows within a second.", c.ID)
	return nil
}

// person names whom a command is about.
type person struct {
	User      string `help:"The shop's user id."`
	Anonymous string `help:"The visitor's anonymous id."`
}

// remote is a running server instead of the data directory.
type remote struct {
	Server string `help:"Ask a running server instead of opening the data directory."`
	Key    string `help:"The secret key of that server." env:"ACCORD_KEY"`
}

func (r remote) at() app.Server { return app.Server{URL: r.Server, Key: r.Key} }

func (p person) body() map[string]string {
	switch {
	case p.User != "":
		return map[string]string{"user_id": p.User}
	case p.Anonymous != "":
		return map[string]string{"anonymous_id": p.Anonymous}
	}
	return nil
}

type decideCommand struct {
	place
	remote
	person
	Purpose  string   `help:"The purpose." default:"personalization"`
	N        int      `short:"n" help:"How many items." default:"10"`
	Session  []string `help:"Ids of products of the present session, the newest last."`
	Exclude  []string `help:"Ids of products that must not be answered."`
	Place    string   `help:"Where the answer is shown, such as London or shop-7."`
	Channel  string   `help:"The channel, such as web or till."`
	Language string   `help:"The language of the texts that are shown with the answer, such as ru; else the declaration's own."`
}

// Help shows examples.
func (decideCommand) Help() string {
	return `Examples:
  accord decide --user 12347 --data try
  accord decide --session 85123A,71053 -n 5 --data try
  accord decide --user 12347 --server http://127.0.0.1:8080 --key sk_…`
}

// Validate refuses a number of items that nobody can answer, and two people.
func (c decideCommand) Validate() error {
	if c.N < 1 || c.N > app.MaxItems {
		return fmt.Errorf("-n takes 1 to %d items", app.MaxItems)
	}
	if c.User != "" && c.Anonymous != "" {
		return errors.New("name one person, with --user or with --anonymous, or nobody")
	}
	return nil
}

// Run asks and prints the answer as JSON.
func (c decideCommand) Run(s *session) error {
	moment := map[string]any{}
	for k, v := range map[string]string{"place": c.Place, "channel": c.Channel} {
		if v != "" {
			moment[k] = v
		}
	}
	if len(c.Session) > 0 {
		moment["session"] = c.Session
	}
	body := map[string]any{"purpose": c.Purpose, "n": c.N}
	if c.Language != "" {
		body["language"] = c.Language
	}
	if len(moment) > 0 {
		body["moment"] = moment
	}
	if p := c.body(); p != nil {
		body["person"] = p
	}
	if len(c.Exclude) > 0 {
		body["exclude"] = c.Exclude
	}
	return app.Decide(s.ctx, c.config(s, ""), c.at(), body, s.out)
}

type consentCommand struct {
	Get    consentGet    `cmd:"" help:"Show a person's choices and their history."`
	Set    consentSet    `cmd:"" help:"Record a choice: given, refused, withdrawn or objected."`
	Export consentExport `cmd:"" help:"Write people's consent receipts: ISO/IEC TS 27560 in JSON-LD."`
	Import consentImport `cmd:"" help:"Bring in choices from another Accord or a consent manager, with their evidence."`
}

type consentGet struct {
	place
	remote
	person
}

// Help shows examples.
func (consentGet) Help() string { return "Example:\n  accord consent get --user 12347 --data try" }

// Run prints the choices as JSON.
func (c consentGet) Run(s *session) error {
	query, err := c.query()
	if err != nil {
		return err
	}
	return app.Ask(s.ctx, c.config(s, ""), c.at(), "GET", "/v1/consent?"+query, nil, s.out)
}

type consentSet struct {
	place
	remote
	person
	Choice map[string]string `arg:"" help:"purpose=state, such as personalization=withdrawn."`
	Method string            `help:"How the person said so, in a word such as till or phone." default:"api"`
}

// Help shows examples.
func (consentSet) Help() string {
	return `A choice is one of

    given       yes
    refused     no, to what was asked for the first time
    withdrawn   no longer: ends a yes, and destroys what lived for it alone
    objected    no, to what needs no yes but can be ended

It prints what holds afterwards. Which purposes there are stands in the declaration.

Examples:
  accord consent set --user 12347 personalization=withdrawn --data try
  accord consent set --user 12347 personalization=given newsletter=refused --method till --data try`
}

// Run records the choice and prints what is in force.
func (c consentSet) Run(s *session) error {
	if _, err := c.query(); err != nil {
		return err
	}
	for _, state := range c.Choice {
		if !slices.Contains([]string{"given", "refused", "withdrawn", "objected"}, state) {
			return &app.UsageError{Text: fmt.Sprintf("a choice is given, refused, withdrawn or objected, and not %q", state)}
		}
	}
	return app.SetConsent(s.ctx, c.config(s, ""), c.at(), c.body(), c.Choice, c.Method, s.out)
}

func (p person) query() (string, error) {
	return app.PersonQuery(p.User, p.Anonymous)
}
