package main

import (
	"time"

	"accord/internal/app"
)

type lawCommand struct {
	List  lawList  `cmd:"" help:"List the regimes, where they count, and how many of their rules nobody checked."`
	Show  lawShow  `cmd:"" help:"Print the rules of one regime on a day, with their sources."`
	Check lawCheck `cmd:"" help:"Check your own rule files; name contradictions and other faults by their lines."`
	Copy  lawCopy  `cmd:"" help:"Write the rule file of a regime into a directory, for you to mend."`
}

// ownLaw is where an operator's own rule files are.
type ownLaw struct {
	Data string `help:"The data directory whose law counts, as the server reads it; default: accord-data if it is there." env:"ACCORD_DATA" type:"existingdir"`
	Law  string `help:"Directory of your own rule files, in the place of law in the data directory; each takes the place of ours of the same regime." env:"ACCORD_LAW" type:"existingdir"`
}

// dir returns the directory of the operator's own rules, "" for none.
func (o ownLaw) dir() string {
	switch {
	case o.Law != "":
		return o.Law
	case o.Data != "":
		return app.OwnLaw(o.Data)
	}
	return app.OwnLaw("accord-data")
}

type lawList struct{ ownLaw }

// Help shows an example.
func (lawList) Help() string { return "Example:\n  accord law list --data shop" }

// Run lists.
func (c lawList) Run(s *session) error { return app.LawList(c.dir(), s.out) }

func today() time.Time { return time.Now().UTC().Truncate(24 * time.Hour) }

type lawShow struct {
	ownLaw
	Regime string `arg:"" help:"The regime, such as eu or us-ca."`
	On     string `help:"The day, YYYY-MM-DD; default: today (UTC)." placeholder:"DATE"`
}

// Help shows examples.
func (lawShow) Help() string {
	return `Every rule stands with its source, how well it is known, and the line of its file. What nobody
checked is marked UNCHECKED and counts all the same. None of it is legal advice.

Examples:
  accord law show us-ca
  accord law show in --on 2027-05-13`
}

// Run shows.
func (c lawShow) Run(s *session) error {
	on := today()
	if c.On != "" {
		var err error
		if on, err = time.Parse(time.DateOnly, c.On); err != nil {
			return &app.UsageError{Text: "--on takes a day such as 2027-01-01"}
		}
	}
	return app.LawShow(c.dir(), c.Regime, on, s.out)
}

type lawCheck struct {
	Dir string `arg:"" optional:"" help:"Directory of your own rule files; default: the rules that come with Accord." type:"existingdir"`
}

// Help shows an example.
func (lawCheck) Help() string {
	return `What our rules of a regime narrow today and yours in their place do not is told as "narrows less
than ours". That is no fault: you may know better.

Example:
  accord law check shop/law`
}

// Run checks.
func (c lawCheck) Run(s *session) error { return app.LawCheck(c.Dir, today(), s.out) }

type lawCopy struct {
	Regime string `arg:"" help:"The regime, such as us-ca."`
	Dir    string `arg:"" help:"The directory; made where it is not there." type:"path"`
}

// Help shows an example.
func (lawCopy) Help() string {
	return `Accord reads the whole file instead of its own, so look at it again when a new version of Accord
brings new rules of the regime.

Example:
  accord law copy us-ca shop/law`
}

// Run copies.
func (c lawCopy) Run(s *session) error { return app.LawCopy(c.Regime, c.Dir, s.out) }
