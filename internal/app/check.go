package app

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"accord/internal/collect"
	"accord/internal/declare"
	"accord/internal/law"
)

// DeclareCheck reads the declaration that --config or the data directory names
// and, with a sample file of events, shows what of each would be kept and
// dropped and why. It opens no data.
func DeclareCheck(data, config, sample string, asJSON bool, out io.Writer) error {
	directory := &Directory{Path: data, Kind: Production}
	d, err := directory.declaration(config)
	if err != nil {
		return err
	}
	code, err := directory.law(d)
	if err != nil {
		return err
	}
	narrowed := lawOn(d, code, time.Now())
	var explained []collect.Explanation
	if sample != "" {
		b, err := os.ReadFile(sample)
		if err != nil {
			return err
		}
		if explained, err = collect.Explain(d, b); err != nil {
			return sampleFault(sample, b, err)
		}
	}
	if asJSON {
		return json.NewEncoder(out).Encode(struct {
			Version  string                `json:"version"`
			Purposes int                   `json:"purposes"`
			Classes  int                   `json:"classes"`
			Law      []string              `json:"law"`
			Events   []collect.Explanation `json:"events"`
		}{d.Hash, len(d.Purposes), len(d.Classes), narrowed, explained})
	}
	var b strings.Builder
	fmt.Fprintf(&b, "The declaration of %s is sound: %s, %s, %s.\nVersion %s\n", d.Controllers[0].Name,
		counted(len(d.Purposes), "purpose"), counted(len(d.Events), "event"), counted(len(d.Attributes), "attribute"), d.Hash)
	if len(narrowed) > 0 {
		fmt.Fprintf(&b, "\nThe law narrows it, also where nobody knows the place:\n")
	}
	for _, line := range narrowed {
		fmt.Fprintf(&b, "   %s\n", line)
	}
	for i, e := range explained {
		fmt.Fprintf(&b, "\n%d. %s %s\n", i+1, e.Type, e.Event)
		if e.Problem != "" {
			fmt.Fprintf(&b, "   nothing is kept: %s\n", e.Problem)
		}
		for _, f := range e.Fields {
			fmt.Fprintf(&b, "   %-28s %s\n", f.Field, fate(f))
		}
	}
	_, err = io.WriteString(out, b.String())
	return err
}

// lawOn says of each purpose what the law of a day makes of its basis, where that is
// less than the declaration says. Ages and signals narrow it further.
func lawOn(d *declare.Declaration, code *law.Code, at time.Time) []string {
	lines := []string{}
	table := code.On(at)
	for i := range d.Purposes {
		p := &d.Purposes[i]
		limit := table.Limit(p.Uses)
		say := func(in law.Regimes, what string) {
			if in != 0 {
				lines = append(lines, fmt.Sprintf("%s: %s in %s", p.ID, what, someRegimes(table.Names(in))))
			}
		}
		say(limit.Never, "forbidden")
		switch p.Basis {
		case declare.Consent:
		case declare.Contract, declare.LegalObligation:
			say((limit.Consent|limit.Objection)&^limit.Never, "a "+strings.ReplaceAll(p.Basis.String(), "_", " ")+" is no basis")
		default:
			say(limit.Consent&^limit.Never, "only with a consent")
		}
	}
	return lines
}

// someRegimes lists as many regimes as a line holds.
func someRegimes(ids []string) string {
	const most = 8
	if rest := len(ids) - most; rest > 0 {
		return strings.Join(ids[:most], ", ") + fmt.Sprintf(" and %d more", rest)
	}
	return strings.Join(ids, ", ")
}

// sampleFault says what is wrong with a sample file, and in which line.
func sampleFault(name string, b []byte, err error) error {
	var syntax *json.SyntaxError
	switch fault := json.Unmarshal(b, new(any)); {
	case !errors.Is(err, collect.ErrBadJSON):
		return fmt.Errorf("%s: %w", name, err)
	case errors.As(fault, &syntax):
		return fmt.Errorf("%s:%d: not valid JSON: %w", name, 1+bytes.Count(b[:syntax.Offset], []byte("\n")), syntax)
	}
	return fmt.Errorf("%s: expected an event with its type, a list of events, or a batch, in JSON", name)
}

// fate says in a line what becomes of a field.
func fate(f collect.ExplainedField) string {
	if len(f.Consented) == 0 {
		return fmt.Sprintf("dropped (%s): %s", f.Dropped, f.Why)
	}
	kept := fmt.Sprintf("kept %s for %s", f.Retention, names(f.Consented))
	switch {
	case len(f.Unasked) == 0:
		return kept + "; dropped without consent: " + f.Why
	case len(f.Unasked) < len(f.Consented):
		return kept + "; without consent for " + names(f.Unasked) + " only"
	}
	return kept + "; needs no consent"
}

func names(purposes []declare.PurposeID) string {
	out := make([]string, len(purposes))
	for i, p := range purposes {
		out[i] = string(p)
	}
	return strings.Join(out, ", ")
}
