package main

import (
	"errors"
	"fmt"
	"net/netip"
	"time"

	"accord/internal/app"
)

type serveCommand struct {
	place
	Listen  string        `help:"Address to serve on." default:"127.0.0.1:8080" env:"ACCORD_LISTEN"`
	TLSCert string        `name:"tls-cert" help:"Certificate file (PEM); with --tls-key." type:"path"`
	TLSKey  string        `name:"tls-key" help:"Key file (PEM)." type:"path"`
	Learn   time.Duration `help:"How often a new model is learnt." default:"10m"`
	Trust   bool          `name:"trust-clock" help:"The machine's clock is right although it lies behind the time that was reached: personal answers go on."`
	Places  string        `help:"Database of where network addresses are, in MaxMind's format (.mmdb), for the law of the place; default: none, and the strictest law counts where nobody says where they are." type:"path" placeholder:"FILE" env:"ACCORD_PLACES"`
	Proxies []network     `help:"Networks of your own proxies, such as 10.0.0.0/8, or single addresses, whose X-Forwarded-For is believed." placeholder:"CIDR" env:"ACCORD_PROXIES"`
	Profile string        `help:"Loopback address for Go's profiler, such as 127.0.0.1:6060; default: none." placeholder:"ADDR"`
}

// network is a network of addresses; a single address is the network of itself.
type network netip.Prefix

// UnmarshalText reads 10.0.0.0/8, or 10.0.0.1 for 10.0.0.1/32.
func (n *network) UnmarshalText(text []byte) error {
	prefix, err := netip.ParsePrefix(string(text))
	if address, bare := netip.ParseAddr(string(text)); bare == nil && address.Zone() == "" {
		address = address.Unmap() // as the server compares them
		prefix, err = netip.PrefixFrom(address, address.BitLen()), nil
	}
	if err != nil {
		return fmt.Errorf("%q is no network: write 10.0.0.0/8, or 10.0.0.1 for a single address", text)
	}
	*n = network(prefix)
	return nil
}

// Help shows examples.
func (serveCommand) Help() string {
	return `Examples:
  accord init --data shop && accord key add --kind secret --source backend --data shop
  accord serve --data shop
  accord serve --data shop --listen :8443 --tls-cert cert.pem --tls-key key.pem`
}

// Validate refuses an interval that is none.
func (c serveCommand) Validate() error {
	if c.Learn <= 0 {
		return errors.New("--learn takes a time above 0, such as 10m")
	}
	return nil
}

// Run serves until it is told to stop.
func (c serveCommand) Run(s *session) error {
	return app.Serve(s.ctx, app.ServeOptions{
		Config: func() app.Config {
			o := c.config(s, "")
			o.Learn, o.TrustClock, o.Places = c.Learn, c.Trust, c.Places
			for _, n := range c.Proxies {
				o.Proxies = append(o.Proxies, netip.Prefix(n))
			}
			return o
		}(),
		Listen: c.Listen, TLSCert: c.TLSCert, TLSKey: c.TLSKey, Profile: c.Profile,
	}, s.talk)
}

type demoCommand struct {
	Listen string `help:"Address of the page." default:"127.0.0.1:8080" env:"ACCORD_LISTEN"`
	Data   string `help:"Keep the demonstration here; default: a temporary directory that is removed at the end." type:"path"`
	Seed   uint64 `help:"Seed of the simulated shop; default: that of the directory, or 1."`
}

// Help shows examples.
func (demoCommand) Help() string {
	return `Examples:
  accord demo
  accord demo --listen 127.0.0.1:9000 --seed 7`
}

// Run opens the demonstration until it is told to stop.
func (c demoCommand) Run(s *session) error {
	return app.Demo(s.ctx, app.DemoOptions{Data: c.Data, Listen: c.Listen, Seed: c.Seed, Logger: s.logger}, s.out, s.talk)
}

type initCommand struct {
	Data string `help:"The data directory to make." default:"accord-data" env:"ACCORD_DATA" type:"path"`
	Kind string `help:"What it is for: production, evaluation or demonstration. Simulated consents are refused in production." enum:"production,evaluation,demonstration" default:"production"`
	Name string `help:"The brand that answers for the data." default:"Example Shop Ltd"`
}

// Help shows examples.
func (initCommand) Help() string {
	return `Examples:
  accord init --data shop --name "Tea & Co Ltd"
  accord init --data try --kind evaluation`
}

// Run makes the directory.
func (c initCommand) Run(s *session) error {
	made, err := app.Init(c.Data, app.Kind(c.Kind), c.Name)
	if err != nil {
		return err
	}
	if made.Adopted {
		s.say("Made %s for the declaration that was there, %s.", c.Data, made.Declaration)
	} else {
		s.say("Wrote %s.", made.Declaration)
	}
	s.say("Read it, make it yours, try it with `accord declare check --data %s --sample %s`,\nthen make a key with `accord key add --kind secret --source backend --data %s` and run `accord serve --data %s`.", c.Data, made.Sample, c.Data, c.Data)
	return nil
}

type versionCommand struct {
	JSON bool `help:"Print JSON."`
}

// Help shows examples.
func (versionCommand) Help() string {
	return `Examples:
  accord version
  accord version --json`
}

// Run prints the version.
func (c versionCommand) Run(s *session) error { return app.PrintVersion(s.out, c.JSON) }
