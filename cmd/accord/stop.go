package main

import "accord/internal/app"

// halt names what is stopped; stop and resume share it.
type halt struct {
	place
	remote
	Kind string `arg:"" enum:"purpose,attribute,source,all" help:"What: purpose, attribute, source or all."`
	Name string `arg:"" optional:"" help:"Its name; none for all."`
	Why  string `help:"Why, for whoever reads it later; names nobody." required:""`
}

// Validate wants a name for all but all.
func (h halt) Validate() error {
	if (h.Kind == "all") != (h.Name == "") {
		return &app.UsageError{Text: "name the purpose, attribute or source; all has no name"}
	}
	return nil
}

func (h halt) run(s *session, resume bool) error {
	body := map[string]any{"kind": h.Kind, "why": h.Why, "resume": resume}
	if h.Name != "" {
		body["name"] = h.Name
	}
	return app.Ask(s.ctx, h.config(s, ""), h.at(), "POST", "/v1/stops", body, s.out)
}

type stopCommand struct{ halt }

// Help shows examples.
func (stopCommand) Help() string {
	return `It is in force at once and after every restart, until accord resume. Nothing is
destroyed: what was kept waits. It prints all stops in force.

Examples:
  accord stop purpose personalization --why "complaint 17" --server http://127.0.0.1:8080 --key sk_…
  accord stop all --why "a leak is being looked into" --data try`
}

// Run stops and prints the stops in force.
func (c stopCommand) Run(s *session) error { return c.run(s, false) }

type resumeCommand struct{ halt }

// Help shows examples.
func (resumeCommand) Help() string {
	return "Example:\n  accord resume purpose personalization --why \"complaint 17 is settled\" --data try"
}

// Run ends a stop and prints the stops in force.
func (c resumeCommand) Run(s *session) error { return c.run(s, true) }
