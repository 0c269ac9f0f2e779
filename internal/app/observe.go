package app

import (
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"accord/internal/consent"
)

// observe registers the house's own figures. They are read when somebody asks
// and cost nothing otherwise.
func (h *House) observe(r *prometheus.Registry) {
	counter := func(name, help string, read func() float64) {
		r.MustRegister(prometheus.NewCounterFunc(prometheus.CounterOpts{Namespace: "accord", Name: name, Help: help}, read))
	}
	gauge := func(name, help string, read func() float64) {
		r.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Namespace: "accord", Name: name, Help: help}, read))
	}
	r.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))

	counter("log_frames_total", "Frames made durable.", func() float64 { return float64(h.log.Stats().Frames) })
	counter("log_records_total", "Records made durable.", func() float64 { return float64(h.log.Stats().Records) })
	counter("log_bytes_total", "Bytes of frames made durable.", func() float64 { return float64(h.log.Stats().Bytes) })
	counter("log_choices_total", "Choices made durable.", func() float64 { return float64(h.log.Stats().Choices) })
	counter("log_retries_total", "Writes to the log that were tried again.", func() float64 { return float64(h.log.Stats().Retries) })
	gauge("log_queue", "Records that wait for the disk.", func() float64 { return float64(h.log.Stats().QueuedRecords) })
	gauge("fold_lag_frames", "Frames of the log that are not folded into the state yet.", h.lag)
	counter("fold_frames_total", "Frames folded into the state.", func() float64 { return float64(h.vault.Stats().Frames) })

	counter("receipts_written_total", "Receipts made durable.", func() float64 { return float64(h.journal.Stats().Written) })
	counter("receipts_lost_total", "Receipts that left in an answer and could not be kept.", func() float64 { return float64(h.journal.Stats().Lost) })
	counter("receipts_refused_total", "Answers that did not leave because receipts were not durable in time.", func() float64 { return float64(h.journal.Stats().Refused) })
	gauge("receipts_queue", "Receipts that wait for the disk.", func() float64 { return float64(h.journal.Stats().Queued) })
	gauge("receipt_gaps", "Runs that did not end in order, so that receipts of their last second may not be kept; run.json lists them.", func() float64 { return float64(len(h.run.Gaps)) })
	gauge("clock_behind_seconds", "How far the machine's clock lies behind the time that was reached. Above 60 answers are un-personal, unless serve was started with --trust-clock.", func() float64 { return h.clock.behind().Seconds() })
	gauge("shop_jwks_age_seconds", "How long ago the key set at shop_jwks was read. Above 86400 shop tokens of its keys prove nobody.", func() float64 { return h.keySet.age().Seconds() })
	gauge("receipts_waited_seconds", "For how long the oldest receipt that is not durable has waited.", func() float64 { return h.journal.Stats().Waited.Seconds() })
	gauge("model_people", "People whom the newest model was learnt from.", func() float64 { return float64(h.learner.people.Load()) })
	gauge("model_learnt_timestamp_seconds", "When the last learning began that succeeded.", h.learner.learnt)
	gauge("people_with_choices", "People who have made a choice.", func() float64 { return float64(h.book.Count()) })
	h.observeLaw(r)
	r.MustRegister(&byReason{house: h})
}

// byReason are the counters that have a reason as label.
type byReason struct{ house *House }

var (
	decisions = prometheus.NewDesc("accord_decisions_total", "Answers released, by whether they were personal and the gate's reason.", []string{"personal", "reason"}, nil)
	redone    = prometheus.NewDesc("accord_decisions_redone_total", "Personal answers thrown away at the fence because a choice changed.", nil, nil)
	doubts    = prometheus.NewDesc("accord_decisions_doubtful_total", "Answers that left un-personal because the vault could not be read.", nil, nil)
	missed    = prometheus.NewDesc("accord_log_missed_total", "Records and choices that the log did not take, by reason: its queue was full (busy), its disk was (full), or the store did not answer (failed).", []string{"reason"}, nil)
	folded    = prometheus.NewDesc("accord_fold_records_total", "Records that the fold read, by what became of them.", []string{"outcome"}, nil)
	dropped   = prometheus.NewDesc("accord_collect_total", "What was collected, by outcome: events and fields, kept and dropped by reason.", []string{"outcome"}, nil)
)

// Describe lists the counters.
func (b *byReason) Describe(to chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{decisions, redone, doubts, dropped, missed, folded} {
		to <- d
	}
}

// Collect reads the counters.
func (b *byReason) Collect(to chan<- prometheus.Metric) {
	count := func(d *prometheus.Desc, n uint64, labels ...string) {
		to <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(n), labels...)
	}
	c := b.house.runner.Counts()
	count(decisions, c.Personal, "true", consent.Allowed.Code())
	for i, n := range c.Unpersonal {
		count(decisions, n, "false", consent.Reason(i).Code())
	}
	count(redone, c.Redone)
	count(doubts, c.Doubts)
	for outcome, n := range b.house.collector.Counts() {
		count(dropped, n, outcome)
	}
	l := b.house.log.Stats()
	for reason, n := range map[string]uint64{"busy": l.Refused, "full": l.Full, "failed": l.Failed} {
		count(missed, n, reason)
	}
	v := b.house.vault.Stats()
	for outcome, n := range map[string]uint64{
		"folded": v.Folded, "duplicate": v.Duplicates, "erased": v.Erased, "withdrawn": v.Withdrawn,
		"outlived": v.Outlived, "undeclared": v.Undeclared, "damaged": v.Damaged, "receipt": v.Receipts,
	} {
		count(folded, n, outcome)
	}
}
