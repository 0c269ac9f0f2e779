package main

import (
	"os"

	"accord/internal/app"
)

type signalCommand struct {
	Decode signalDecode `cmd:"" help:"Print what a TC string or a GPP string says, as JSON."`
	Encode signalEncode `cmd:"" help:"Read such JSON from standard input and print the string."`
}

type signalDecode struct {
	String string `arg:"" help:"An IAB TCF or IAB GPP string; which of them it is, it says itself."`
}

// Help shows examples.
func (signalDecode) Help() string {
	return `Field names are the specifications'. A section that is not known is shown as its text.

Examples:
  accord signal decode CPXxRfAPXxRfAAfKABENB-CgAAAAAAAAAAYgAAAAAAAA
  accord signal decode DBABLA~CEAQAAAAAABA.YA`
}

// Run prints the string's fields.
func (c signalDecode) Run(s *session) error { return app.SignalDecode(c.String, s.out) }

type signalEncode struct {
	Format string `arg:"" help:"tcf or gpp." enum:"tcf,gpp"`
}

// Help shows examples.
func (signalEncode) Help() string {
	return `Every field of a section must be there, once, under the specification's name; a GPP
string's header follows from its sections and may be left out.

Examples:
  accord signal decode DBABTA~1YNN | accord signal encode gpp
  echo '{"Sections":{"uspv1":{"Version":1,"Notice":"Y","OptOutSale":"Y","LspaCovered":"N"}}}' | accord signal encode gpp`
}

// Run prints the string.
func (c signalEncode) Run(s *session) error { return app.SignalEncode(c.Format, os.Stdin, s.out) }
