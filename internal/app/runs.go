package app

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"
)

// runMark is the content of run.json.
type runMark struct {
	Started time.Time `json:"started"`
	Clean   bool      `json:"clean"`
	// Gaps are the runs before that did not end in order, the oldest first. They
	// stay, and every start reports them, until the operator removes the file.
	Gaps []gap `json:"gaps,omitempty"`
}

// gap is a run whose last receipts may be with the people only (promise 6): those
// of the answers that left within its last second.
type gap struct {
	Started time.Time `json:"run_started"`
	// Reached is the latest time that the state knows of the run.
	Reached time.Time `json:"reached"`
}

// maxGaps bounds the list: beyond it the oldest leave.
const maxGaps = 1000

// begin marks the start of a run. The last one is a gap if it did not end in
// order; reached is the latest time that is known of it.
func (d *Directory) begin(now, reached time.Time) (runMark, error) {
	run := runMark{Started: now}
	b, err := os.ReadFile(d.file("run.json"))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return run, d.mark(run)
	case err != nil:
		return run, fmt.Errorf("whether the last run ended in order cannot be read: %w", err)
	}
	var last runMark
	if json.Unmarshal(b, &last) != nil {
		last.Clean = false // whatever it was
	}
	run.Gaps = last.Gaps
	if !last.Clean {
		run.Gaps = append(run.Gaps, gap{Started: last.Started, Reached: later(last.Started, reached)})
	}
	run.Gaps = run.Gaps[max(0, len(run.Gaps)-maxGaps):]
	return run, d.mark(run)
}

// end marks that a run ended in order.
func (d *Directory) end(run runMark) error {
	run.Clean = true
	return d.mark(run)
}

func (d *Directory) mark(run runMark) error {
	b, err := json.MarshalIndent(run, "", "  ")
	if err != nil {
		return err
	}
	return writeFile(d.file("run.json"), append(b, '\n'))
}

// later returns the later of two times. A run that was killed before its state was
// first on disk reached its own start at least.
func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
