// Command accord is a personalization server that the customer, too, would
// choose. See `accord --help` and the README.
//
// It exits with 0 when a command did what it says, 1 when it failed, and 2 when
// it was called wrongly. Data goes to standard output, talk to standard error.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/alecthomas/kong"

	"accord/internal/app"
)

func main() { os.Exit(run(os.Args[1:], os.Stdout, os.Stderr)) }

// The exit statuses.
const (
	success = 0
	failure = 1
	usage   = 2
)

// command is the whole command line. Each field is a command in a file of its
// own.
type command struct {
	Demo     demoCommand     `cmd:"" help:"Open a simulated shop and a page that shows what Accord does. Nothing to set up."`
	Init     initCommand     `cmd:"" help:"Make a data directory with a commented declaration (accord.yaml)."`
	Serve    serveCommand    `cmd:"" help:"Serve the API from a data directory."`
	Import   importCommand   `cmd:"" help:"Bring in history: orders, products."`
	Evaluate evaluateCommand `cmd:"" help:"Report how well the orders up to a date foretell what consenting customers buy next."`
	Decide   decideCommand   `cmd:"" help:"Ask for one answer, with its receipt."`
	Consent  consentCommand  `cmd:"" help:"Show, record, export and import what people chose."`
	Stop     stopCommand     `cmd:"" help:"Emergency stop: refuse a purpose, an attribute, a source or everything for everyone, at once."`
	Resume   resumeCommand   `cmd:"" help:"End an emergency stop."`
	Declare  declareCommand  `cmd:"" help:"Check the declaration and try it on sample events."`
	Notice   noticeCommand   `cmd:"" help:"Show the notice that people read, and check that it reads easily."`
	Explain  explainCommand  `cmd:"" help:"Say why a purpose is allowed for a person or not: every rule that was looked at, with its source."`
	Law      lawCommand      `cmd:"" help:"Show, check and mend the rules of law: what each place makes of a use of data."`
	Signal   signalCommand   `cmd:"" help:"Read and write the privacy strings of IAB TCF and IAB GPP."`
	Key      keyCommand      `cmd:"" help:"Make, list, rotate and revoke the API's keys."`
	Bench    benchCommand    `cmd:"" help:"Measure this machine: ingest and decide over loopback HTTP."`
	Version  versionCommand  `cmd:"" help:"Print the version."`
}

// files are a data directory and its declaration.
type files struct {
	Data   string `help:"The data directory." default:"accord-data" env:"ACCORD_DATA" type:"path"`
	Config string `help:"The declaration; default: accord.yaml in the data directory." env:"ACCORD_CONFIG" type:"path"`
}

// place is where a command finds its data; many commands embed it.
type place struct {
	files
	NATS   string `name:"nats" help:"An existing NATS cluster, nats://HOST, of this directory alone; default: embedded." env:"ACCORD_NATS"`
	Copies int    `name:"replicas" help:"Copies of the log on that cluster, 1 to 5, from its first start on; default: 3 on three nodes or more, else 1." env:"ACCORD_REPLICAS"`
}

func (p place) config(s *session, kind app.Kind) app.Config {
	return app.Config{Data: p.Data, Config: p.Config, NATS: p.NATS, Replicas: p.Copies, Kind: kind, Logger: s.logger}
}

// session is what a command runs with.
type session struct {
	ctx    context.Context
	out    io.Writer // data
	talk   io.Writer // everything else
	logger *slog.Logger
}

func (s *session) say(format string, args ...any) { fmt.Fprintf(s.talk, format+"\n", args...) }

// exited is how kong's own exits (after --help) leave the parser.
type exited int

// run is the whole program; the tests call it through the real binary.
func run(args []string, out, talk io.Writer) (status int) {
	defer func() {
		if code, ok := recover().(exited); ok {
			status = int(code)
		}
	}()
	var c command
	parser, err := kong.New(&c,
		kong.Name("accord"),
		kong.Description("Personalization that the customer, too, would choose: consent and law on every read, a receipt for every answer.\n\nStart with: accord demo"),
		kong.Writers(out, talk),
		kong.Exit(func(code int) { panic(exited(code)) }),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true, WrapUpperBound: 100}),
	)
	if err != nil {
		fmt.Fprintln(talk, "accord:", err)
		return failure
	}
	if len(args) == 0 {
		args = []string{"--help"}
	}
	parsed, err := parser.Parse(args)
	if err != nil {
		var wrong *kong.ParseError
		name := "accord"
		if errors.As(err, &wrong) {
			name = called(wrong.Context)
		}
		fmt.Fprintf(talk, "accord: %v\nTry: %s --help\n", err, name)
		return usage
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	s := &session{ctx: ctx, out: out, talk: talk, logger: slog.New(slog.NewTextHandler(talk, &slog.HandlerOptions{Level: slog.LevelInfo}))}
	err = parsed.Run(s)
	var wrong *app.UsageError
	switch {
	case err == nil:
		return success
	case errors.As(err, &wrong):
		fmt.Fprintf(talk, "accord: %v\nTry: %s --help\n", err, called(parsed))
		return usage
	case errors.Is(err, context.Canceled) && ctx.Err() != nil:
		fmt.Fprintln(talk, "accord: interrupted")
		return failure
	}
	fmt.Fprintln(talk, "accord:", err)
	return failure
}

// called is the command as it is typed, as far as it was understood.
func called(c *kong.Context) string {
	words := []string{"accord"}
	for _, p := range c.Path {
		if p.Command != nil {
			words = append(words, p.Command.Name)
		}
	}
	return strings.Join(words, " ")
}
