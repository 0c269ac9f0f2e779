package main

import (
	"errors"
	"fmt"
	"time"

	"accord/internal/app"
)

type benchCommand struct {
	Ingest benchIngest `cmd:"" help:"Events taken and made durable, over loopback HTTP."`
	Decide benchDecide `cmd:"" help:"Decisions, over loopback HTTP: the saturated rate, and latencies at a tenth of it."`
}

type benchLoad struct {
	Connections int           `help:"Connections that ask at once." default:"64"`
	Duration    time.Duration `help:"How long each phase lasts." default:"10s"`
	People      int           `help:"How many people." default:"50000"`
	Items       int           `help:"How many products." default:"5000"`
	Seed        uint64        `help:"Seed of the load." default:"1"`
	Profile     string        `help:"Loopback address for the server's profiler, such as 127.0.0.1:6060." placeholder:"ADDR"`
	JSON        bool          `help:"Print one JSON object: rate_per_s, p50_ms, p99_ms, rss_mb, raw_rate_per_s, ratio."`
}

// Validate refuses a load that is none, before a server is started for it.
func (b benchLoad) Validate() error {
	switch {
	case b.Connections < 1:
		return errors.New("--connections takes 1 or more")
	case b.Duration <= 0:
		return errors.New("--duration takes a time above 0, such as 10s")
	case b.People < 1:
		return errors.New("--people takes 1 or more")
	case b.Items < 1 || b.Items > 100_000:
		return errors.New("--items takes 1 to 100000")
	}
	return nil
}

func (b benchLoad) options(s *session) app.BenchOptions {
	return app.BenchOptions{People: b.People, Items: b.Items, Connections: b.Connections, Duration: b.Duration, Seed: b.Seed, Profile: b.Profile, Talk: s.talk}
}

type benchIngest struct {
	benchLoad
	Batch    int     `help:"Events a request; 1 sends single /v1/track calls." default:"100"`
	NewShare float64 `help:"Share of events about somebody new." default:"0.05"`
}

// Validate refuses a batch that is none.
func (c benchIngest) Validate() error {
	switch {
	case c.Batch < 1 || c.Batch > app.MaxEvents:
		return fmt.Errorf("--batch takes 1 to %d events", app.MaxEvents)
	case !(c.NewShare >= 0 && c.NewShare <= 1):
		return errors.New("--new-share takes a share from 0 to 1")
	}
	return c.benchLoad.Validate()
}

// Help says what is measured.
func (benchIngest) Help() string {
	return `Starts a server of its own on a temporary directory and loads it from this process.
Every answer is read and must be 200, which means: on disk. The clock runs until all is
folded into the state too, and the server must have kept exactly the events that were sent.
The raw rate is the log engine alone with frames of the size that the server made.

Examples:
  accord bench ingest
  accord bench ingest --batch 1 --connections 64 --json`
}

// Run measures ingest.
func (c benchIngest) Run(s *session) error {
	o := c.options(s)
	o.Batch, o.NewShare = c.Batch, c.NewShare
	report, err := app.BenchIngest(s.ctx, o)
	if err != nil {
		return err
	}
	return app.PrintBench(s.out, report, "events", c.JSON)
}

type benchDecide struct {
	benchLoad
	History int `help:"Events in each person's history." default:"30"`
}

// Validate refuses a history that is none.
func (c benchDecide) Validate() error {
	if c.History < 1 || c.Items < c.History+app.BenchAnswer {
		return fmt.Errorf("--history takes 1 or more, and --items %d more than that", app.BenchAnswer)
	}
	return c.benchLoad.Validate()
}

// Help says what is measured.
func (benchDecide) Help() string {
	return `Starts a server of its own, gives every person a consent and a history, waits for the
model, and asks for personal answers with gate and receipt on. rate is saturated; p50 and
p99 are measured at a tenth of that rate, from when each request was due. Every answer must
have a receipt on disk a second later.
The raw rate is the recommender alone with the same model and as long a history, on all cores.

Examples:
  accord bench decide
  accord bench decide --people 10000 --json`
}

// Run measures decisions.
func (c benchDecide) Run(s *session) error {
	o := c.options(s)
	o.History = c.History
	report, err := app.BenchDecide(s.ctx, o)
	if err != nil {
		return err
	}
	return app.PrintBench(s.out, report, "decisions", c.JSON)
}
