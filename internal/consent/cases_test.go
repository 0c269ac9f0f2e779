package consent_test

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"accord/internal/consent"
	"accord/internal/declare"
	"accord/internal/identity"
	"accord/internal/law"
	"accord/internal/signal"
)

var update = flag.Bool("update", false, "write the worked cases anew")

var person, linked = identity.Token{1}, identity.Token{2}

// TestWorkedCases explains each case of testdata/explain: person, place, purpose, date
// and signals above the line, and below it the rules that fired, in order, with their
// sources, as somebody who knows the law can check them.
func TestWorkedCases(t *testing.T) {
	text, err := os.ReadFile("testdata/explain/accord.yaml")
	if err != nil {
		t.Fatal(err)
	}
	d, err := declare.Parse("accord.yaml", text)
	if err != nil {
		t.Fatal(err)
	}
	signals, err := signal.Embedded(law.Embedded())
	if err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob("testdata/explain/*.txt")
	if err != nil || len(files) < 50 {
		t.Fatalf("%d cases, %v", len(files), err)
	}
	for _, name := range files {
		t.Run(strings.TrimSuffix(filepath.Base(name), ".txt"), func(t *testing.T) {
			b, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			head, want, _ := strings.Cut(string(b), "\n---\n")
			got := explainCase(t, d, signals, head).String()
			if *update {
				if err := os.WriteFile(name, []byte(head+"\n---\n"+got), 0o644); err != nil {
					t.Fatal(err)
				}
			} else if got != want {
				t.Errorf("the explanation is another one (look at it, then run with -update):\n%s", got)
			}
		})
	}
}

// explainCase reads the lines of a case. Each is a word, a colon and what it says.
func explainCase(t *testing.T, d *declare.Declaration, table *signal.Table, head string) consent.Explanation {
	t.Helper()
	code := law.Embedded()
	q := consent.Asked{Token: person}
	var sent signal.Signals
	var facts []string
	when := func(s string) time.Time {
		at, err := time.Parse(time.DateOnly, s)
		if err != nil {
			t.Fatal(err)
		}
		return at.Add(12 * time.Hour)
	}
	record := func(r consent.Record) {
		r.Sequence = uint64(len(q.Records) + 1)
		q.Records = append(q.Records, r)
	}
	for line := range strings.Lines(head) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), ": ")
		words := strings.Fields(value)
		switch key {
		case "case": // its title
		case "purpose":
			p, ok := d.Purpose(declare.PurposeID(value))
			if !ok {
				t.Fatalf("no purpose %q", value)
			}
			q.Purpose = p
		case "date":
			q.At = when(value)
		case "place":
			q.Places = append(q.Places, law.Place(value))
		case "facts":
			facts = words
		case "signal":
			switch words[0] {
			case "Sec-GPC":
				sent.GPC = signal.GPC(words[1:])
			case "TCF":
				sent.ReadTCF(words[1])
			case "GPP":
				sent.ReadGPP(words[1])
			case "ATT":
				sent.ATT = signal.ParseATT(words[1])
			case "google":
				sent.Google.Read(words[1], words[2])
			default:
				t.Fatal(line)
			}
		case "age": // 2026-01-05 from_13
			record(consent.Record{Token: person, Accepted: when(words[0]), Age: words[1]})
		case "said", "elsewhere": // 2026-01-05 suits_you given [in DE] [by guardian] [unread]
			c := consent.Choice{Purpose: declare.PurposeID(words[1]), At: when(words[0]), Method: "banner", Notice: "n1", Proof: "visitor token"}
			var ok bool
			if c.State, ok = consent.ParseState(words[2]); !ok {
				t.Fatal(line)
			}
			for i := 3; i < len(words); i++ {
				switch words[i] {
				case "in":
					i++
					c.Jurisdiction = words[i]
				case "by":
					i++
					c.By = consent.By(words[i])
				case "unread":
					c.Notice = ""
				default:
					t.Fatal(line)
				}
			}
			token := person
			if key == "elsewhere" {
				token = linked
			}
			record(consent.Record{Token: token, Accepted: c.At, Choices: []consent.Choice{c}})
		case "linked":
			record(consent.Record{Token: linked, Accepted: when(value), Choices: []consent.Choice{}, Link: &consent.Link{Other: person, At: when(value)}})
		case "stop":
			q.Stops = append(q.Stops, consent.Stopped{Stop: consent.Stop{Kind: consent.StopPurpose, Name: words[1], Why: strings.Join(words[2:], " ")}, Since: when(words[0])})
		default:
			t.Fatalf("a case has no line %q", line)
		}
	}
	code, err := code.Given(facts...)
	if err != nil {
		t.Fatal(err)
	}
	var in law.Regimes
	for _, p := range q.Places {
		in |= code.In(p)
	}
	sent.At = q.At
	verdict := table.Judge(in, &sent)
	q.Deny = signal.Refused(d, verdict.Deny|verdict.Doubt)
	for _, row := range table.Fired(in, &sent) {
		if row.Uses&d.Purposes[q.Purpose].Uses == 0 {
			continue
		}
		step := consent.Step{Rule: "signal", Says: row.Text(), Effect: consent.Tells, Source: row.Cited()}
		if row.Says != signal.Yes && q.Deny.Has(q.Purpose) {
			step.Effect = consent.Denies
		}
		q.Signals = append(q.Signals, step)
	}
	return consent.Explain(d, read{d}, code, q)
}

// read is a registry of one notice, n1, which says all that is done.
type read struct{ d *declare.Declaration }

func (read) Covered(version string) (declare.Set, bool) { return ^declare.Set(0), version == "n1" }
func (read) Version(string) string                      { return "n1" }
