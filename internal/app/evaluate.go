package app

import (
	"context"
	"time"

	"accord/internal/evaluate"
)

// Evaluate learns from what consenting people did up to a date and reports how
// well it foretells what they buy from then on. The zero date takes 90 % of the
// time that the data spans.
func (h *House) Evaluate(ctx context.Context, until time.Time) (evaluate.Report, error) {
	if err := h.CatchUp(ctx); err != nil {
		return evaluate.Report{}, err
	}
	data, synthetic, err := h.histories(ctx)
	if err != nil {
		return evaluate.Report{}, err
	}
	if len(data) == 0 {
		return evaluate.Report{}, errNothing
	}
	if until.IsZero() {
		until = evaluate.Split(data, .9)
	}
	report, err := evaluate.Temporal(ctx, data, until, evaluate.Options{})
	report.Synthetic = synthetic
	return report, err
}
