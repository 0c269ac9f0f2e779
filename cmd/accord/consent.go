package main

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"

	"accord/internal/app"
)

type consentExport struct {
	place
	remote
	person
	Users string `help:"File of user ids, one a line: a receipt each." type:"existingfile"`
}

// Help shows examples.
func (consentExport) Help() string {
	return `Accord keeps no list of names: it finds people by the ids that you give it. A receipt holds
every choice of a person with what shows it, and what each purpose is; a signature in it can be
checked by anybody. Another Accord takes the file in with consent import --format 27560.

Examples:
  accord consent export --user 12347 --data shop > 12347.jsonld
  accord consent export --users customers.txt --data shop > all.jsonld
  accord consent export --user 12347 --server http://127.0.0.1:8080 --key sk_…`
}

// Run writes the receipts, one after another.
func (c consentExport) Run(s *session) error {
	queries, err := c.queries()
	if err != nil {
		return err
	}
	return app.ExportConsents(s.ctx, c.config(s, ""), c.at(), queries, s.out, s.talk)
}

// queries name whose receipts are written.
func (c consentExport) queries() ([]string, error) {
	if c.Users == "" {
		query, err := c.query()
		return []string{query}, err
	}
	if c.User != "" || c.Anonymous != "" {
		return nil, &app.UsageError{Text: "name one person, or a file of them with --users, not both"}
	}
	b, err := os.ReadFile(c.Users)
	if err != nil {
		return nil, err
	}
	var queries []string
	for line := range strings.Lines(string(b)) {
		if user := strings.TrimSpace(line); user != "" {
			query, err := app.PersonQuery(user, "")
			if err != nil {
				return nil, err
			}
			queries = append(queries, query)
		}
	}
	return queries, nil
}

type consentImport struct {
	place
	File   string `arg:"" help:"The file, plain or gzipped." type:"existingfile"`
	Format string `help:"csv, json, or 27560 for JSON-LD; default: by the file's name." enum:"csv,json,27560," default:"" placeholder:"FORMAT"`
	Notice string `help:"Version of the notice that the choices were made about which name none; you answer for it." placeholder:"VERSION"`
	JSON   bool   `help:"Print the summary as JSON."`
}

// Help shows the formats and examples.
func (consentImport) Help() string {
	return `A file that cannot be read is not taken at all. A choice that can be read and not be recorded, as one
without the signature that its purpose needs, is refused and named, and the command exits with 1.
The server of the directory must not run meanwhile. Choices count as of their own time, so one that is older than
what a person has said since changes nothing. What an earlier import brought is not recorded again.

CSV has a header with names out of these, in any order; json has objects with the same names:
  user_id or anonymous_id,purpose,state,at       must be there
  method,notice,language,jurisdiction,evidence   may be there
  by                                             may be there: person, guardian or agent
  12347,newsletter,given,2026-03-05T10:00:00Z    a choice is given, refused, withdrawn or objected

27560 is what consent export writes (.jsonld): receipts or records of ISO/IEC TS 27560 with
pii_principal_id, and events with purpose, event_state and event_time. A signature must hold.

A consent counts only with the notice that was read. Where the file names none, nothing is done by
it, unless you say with --notice which version all of these people had read.

Examples:
  accord consent import choices.csv --data shop
  accord consent import all.jsonld --data shop`
}

// Run imports the file and prints what was recorded and what was not.
func (c consentImport) Run(s *session) error {
	report, err := app.ImportConsents(s.ctx, c.config(s, ""), c.File, c.Format, c.Notice, s.talk)
	if err != nil {
		return err
	}
	if c.JSON {
		err = json.NewEncoder(s.out).Encode(report)
	} else {
		err = report.Write(s.out)
	}
	if err == nil && report.Refused > 0 {
		err = fmt.Errorf("%d of the file's choices were refused; all others are recorded. Mend those and import the file again: what is here already is not recorded twice", report.Refused)
	}
	return err
}
