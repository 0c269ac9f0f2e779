package main

import (
	"net/url"
	"time"

	"accord/internal/app"
)

type explainCommand struct {
	place
	remote
	person
	Purpose string `help:"The purpose." default:"personalization"`
	At      string `help:"The time that is asked about, such as 2026-11-25 or 2026-11-25T10:00:00Z; default: now." placeholder:"TIME"`
	In      origin `help:"Where the request is from, ISO 3166: DE, US-CA. Where nobody says, the strictest law counts." placeholder:"PLACE"`
	GPC     bool   `name:"gpc" help:"The browser sends Global Privacy Control with the request."`
	TCF     string `name:"tcf" help:"A TC string that comes with it." placeholder:"STRING"`
	GPP     string `name:"gpp" help:"A GPP string that comes with it." placeholder:"STRING"`
	JSON    bool   `help:"Print JSON."`
}

// origin is a place in the form of ISO 3166, such as DE or US-CA, "" where none is
// given.
type origin string

// UnmarshalText reads a place; small letters are raised.
func (o *origin) UnmarshalText(text []byte) error {
	place, err := app.Place(string(text))
	*o = origin(place)
	return err
}

// Help shows examples.
func (explainCommand) Help() string {
	return `Prints the gate's answer and every rule that was looked at, in order, each with where it stands:
the declaration, what the person chose, the law. Of the past it knows the choices that are still
kept, and the links and stops of today. "tells" decides nothing, "allows" asks for something that
is there, "denies" is why the answer is no.

Examples:
  accord explain --user 12347 --purpose newsletter --data shop
  accord explain --user 12347 --in US-CA --at 2027-01-01 --server http://127.0.0.1:8080 --key sk_…`
}

// Run prints the explanation.
func (c explainCommand) Run(s *session) error {
	query, err := c.query()
	if err != nil {
		return err
	}
	query += "&" + url.Values{"purpose": {c.Purpose}}.Encode()
	if c.At != "" {
		at, err := time.Parse(time.DateOnly, c.At)
		if err != nil {
			if at, err = time.Parse(time.RFC3339, c.At); err != nil {
				return &app.UsageError{Text: "--at takes a day or a time, such as 2026-11-25 or 2026-11-25T10:00:00Z"}
			}
		}
		query += "&" + url.Values{"at": {at.Format(time.RFC3339)}}.Encode()
	}
	if c.In != "" {
		query += "&" + url.Values{"jurisdiction": {string(c.In)}}.Encode()
	}
	for name, value := range map[string]string{"gpc": map[bool]string{true: "true"}[c.GPC], "tcf": c.TCF, "gpp": c.GPP} {
		if value != "" {
			query += "&" + url.Values{name: {value}}.Encode()
		}
	}
	return app.Explain(s.ctx, c.config(s, ""), c.at(), query, c.JSON, s.out)
}
