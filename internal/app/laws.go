package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"accord/internal/declare"
	"accord/internal/law"
)

// lawOf reads the rules of law: those that come with Accord and, where a directory is
// named, the operator's own on top.
func lawOf(dir string) (*law.Code, error) {
	if dir == "" {
		return law.Embedded(), nil
	}
	c, err := law.Load(os.DirFS(dir))
	if err != nil {
		return nil, fmt.Errorf("the rules of law in %s cannot be used:\n%w", dir, err)
	}
	return c, nil
}

// law reads the rules that count for a data directory and what its declaration states:
// what stands in its law/ is the operator's own.
func (d *Directory) law(of *declare.Declaration) (*law.Code, error) {
	code, err := lawOf(OwnLaw(d.Path))
	if err != nil {
		return nil, err
	}
	if code, err = code.Given(of.Facts...); err != nil {
		return nil, fmt.Errorf("facts of the declaration: %w", err)
	}
	return code, nil
}

// OwnLaw returns where the operator's own rules of a data directory are, "" where it has
// none.
func OwnLaw(data string) string {
	own := filepath.Join(data, "law")
	if _, err := os.Stat(own); errors.Is(err, fs.ErrNotExist) {
		return ""
	}
	return own
}

// reportLaw writes which law counts in this house: one line, a warning where rules of
// the operator's own narrow less than ours.
func (h *House) reportLaw() {
	level := slog.LevelInfo
	var own, less []string
	for _, r := range h.law.Regimes() {
		if r.Own() {
			own = append(own, r.ID)
		}
		if len(h.law.Lost(r.ID, h.clock.Now())) > 0 {
			less, level = append(less, r.ID), slog.LevelWarn
		}
	}
	rules := h.law.Rules(h.law.All())
	h.logger.Log(context.Background(), level, "the rules of law; `accord law list` and `accord law check` tell more", "rules", len(rules), "unchecked", knownAs(rules, law.Unchecked), "own", strings.Join(own, " "), "narrows_less_than_ours", strings.Join(less, " "))
}

// observeLaw registers how well the rules of law are known.
func (h *House) observeLaw(r *prometheus.Registry) {
	rules := h.law.Rules(h.law.All())
	for _, known := range []law.Known{law.Primary, law.Secondary, law.Unchecked} {
		n := float64(knownAs(rules, known))
		r.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Namespace: "accord", Name: "law_rules", ConstLabels: prometheus.Labels{"known": known.String()},
			Help: "Rules of law, of every date, by how well they are known.",
		}, func() float64 { return n }))
	}
}

// LawList writes a line for each regime: how many rules it has, how many of them
// nobody checked, where it counts, and its file: rules/ is what comes with Accord.
func LawList(dir string, out io.Writer) error {
	c, err := lawOf(dir)
	if err != nil {
		return err
	}
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "regime\trules\tunchecked\tplaces\tname\tfile")
	for _, r := range c.Regimes() {
		in, _ := c.Regime(r.ID)
		rules := c.Rules(in)
		fmt.Fprintf(table, "%s\t%d\t%d\t%s\t%s\t%s\n", r.ID, len(rules), knownAs(rules, law.Unchecked), somePlaces(r.Places), r.Name, r.File)
	}
	return table.Flush()
}

// knownAs counts the rules that are known so well.
func knownAs(rules []law.Rule, known law.Known) (n int) {
	for i := range rules {
		if rules[i].Known == known {
			n++
		}
	}
	return n
}

// somePlaces lists the first places of a regime, as many as a line holds.
func somePlaces(all []law.Place) string {
	const most = 3
	s := allPlaces(all[:min(len(all), most)])
	if rest := len(all) - most; rest > 0 {
		s += fmt.Sprintf(" and %d more", rest)
	}
	return s
}

func allPlaces(all []law.Place) string {
	words := make([]string, len(all))
	for i, p := range all {
		words[i] = string(p)
	}
	return strings.Join(words, " ")
}

// LawShow writes the rules of a regime that are in force on a day, and those that
// are still to come.
func LawShow(dir, regime string, on time.Time, out io.Writer) error {
	c, err := lawOf(dir)
	if err != nil {
		return err
	}
	in, ok := c.Regime(regime)
	if !ok {
		return &UsageError{fmt.Sprintf("there is no regime %q; the regimes are: %s", regime, strings.Join(c.Names(c.All()), ", "))}
	}
	var b strings.Builder
	for _, r := range c.Regimes() {
		if r.ID == regime {
			fmt.Fprintf(&b, "%s: %s\n", r.ID, r.Name)
			fmt.Fprintf(&b, "In %s, on %s. This is no legal advice.\n", allPlaces(r.Places), on.Format(time.DateOnly))
		}
	}
	coming := false
	rules := c.Rules(in)
	for i := range rules {
		if rules[i].InForce(on) {
			showRule(&b, &rules[i], on)
		}
		coming = coming || rules[i].From.After(on)
	}
	if coming {
		b.WriteString("\nStill to come:\n")
		for i := range rules {
			if rules[i].From.After(on) {
				showRule(&b, &rules[i], on)
			}
		}
	}
	_, err = io.WriteString(out, b.String())
	return err
}

func showRule(b *strings.Builder, r *law.Rule, on time.Time) {
	fmt.Fprintf(b, "\n%s\n", r.Says())
	if r.From.After(on) || !r.Until.IsZero() {
		fmt.Fprintf(b, "  from %s", r.From.Format(time.DateOnly))
		if !r.Until.IsZero() {
			fmt.Fprintf(b, " until %s", r.Until.Format(time.DateOnly))
		}
		b.WriteString("\n")
	}
	fmt.Fprintf(b, "  %s\n", r.Cite())
	if r.Link != "" {
		fmt.Fprintf(b, "  %s\n", r.Link)
	}
	if r.Note != "" {
		fmt.Fprintf(b, "  %s\n", r.Note)
	}
}

// LawCheck reads an operator's directory with all that belongs to it and says what it
// holds; what is wrong in it is the error. Without a directory it checks the rules
// that come with Accord. What our rules narrow on a day and the operator's in their
// place do not is told, and no error: the operator may know better.
func LawCheck(dir string, on time.Time, out io.Writer) error {
	c, err := lawOf(dir)
	if err != nil {
		return err
	}
	own := 0
	for _, r := range c.Regimes() {
		_, ours := law.Source(r.ID)
		if dir != "" && !r.Own() {
			continue
		}
		own++
		in, _ := c.Regime(r.ID)
		rules := c.Rules(in)
		says := ""
		switch {
		case dir != "" && ours:
			says = ", in place of the rules that come with Accord"
		case dir != "":
			says = ", a regime that Accord brings no rules of"
		}
		fmt.Fprintf(out, "%s: %d rules, %d unchecked%s\n", r.File, len(rules), knownAs(rules, law.Unchecked), says)
		for _, lost := range c.Lost(r.ID, on) {
			fmt.Fprintf(out, "  narrows less than ours: %s (%s:%d)\n", lost.Says(), lost.File, lost.Line)
		}
	}
	if own == 0 {
		return fmt.Errorf("%s holds no rule files: `accord law copy REGIME %s` writes one to begin with", dir, dir)
	}
	if facts := c.Facts(); len(facts) > 0 {
		fmt.Fprintf(out, "What can be stated, so that a rule does not apply: %s\n", strings.Join(facts, ", "))
	}
	return nil
}

// LawCopy writes the file of a regime that comes with Accord into a directory, for an
// operator to mend. It overwrites nothing.
func LawCopy(regime, dir string, out io.Writer) error {
	text, ok := law.Source(regime)
	if !ok {
		c := law.Embedded()
		return &UsageError{fmt.Sprintf("Accord brings no rules of %q; it has: %s", regime, strings.Join(c.Names(c.All()), ", "))}
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	name := filepath.Join(dir, regime+".yaml")
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("%s is there already, and may hold what you mended: move it away first", name)
	}
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	_, err = fmt.Fprintln(out, name)
	return err
}
