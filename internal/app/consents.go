package app

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"text/tabwriter"
	"time"

	"golang.org/x/sync/errgroup"

	"accord/internal/choices"
	"accord/internal/consent"
	"accord/internal/declare"
	"accord/internal/event"
	"accord/internal/identity"
	"accord/internal/records"
)

// ExportConsents writes the consent receipts of people, each named by its query as
// PersonQuery makes it, one after another. Who chose nothing has none: it says on
// talk how many those are, and fails where all are.
func ExportConsents(ctx context.Context, c Config, at Server, queries []string, out, talk io.Writer) error {
	return speak(ctx, c, at, func(client *Client) error {
		none := 0
		for _, q := range queries {
			err := client.Do(ctx, "GET", "/v1/consent/record?"+q, nil, out)
			if r, ok := errors.AsType[*refusalError](err); ok && r.status == http.StatusNotFound && none+1 < len(queries) {
				none++
				continue
			}
			if err != nil {
				return err
			}
		}
		if none > 0 {
			fmt.Fprintf(talk, "%d of %d people have chosen nothing here, so there is no receipt of theirs.\n", none, len(queries))
		}
		return nil
	})
}

// SetConsent records a person's choices, states by purpose, and writes what is in
// force afterwards. A name that the declaration does not have is named, and so are
// those that it has: the API itself repeats nothing that it was sent.
func SetConsent(ctx context.Context, c Config, at Server, person, choices map[string]string, method string, out io.Writer) error {
	return speak(ctx, c, at, func(client *Client) error {
		err := client.Do(ctx, "PUT", "/v1/consent", map[string]any{"person": person, "choices": choices, "method": method}, out)
		if r, ok := errors.AsType[*refusalError](err); !ok || r.code != "purpose" {
			return err
		}
		return cmp.Or(client.unknownPurpose(ctx, choices), err)
	})
}

// unknownPurpose returns an error that names the first purpose of choices that
// nobody declared, or nil where there is none or the declaration cannot be read.
func (c *Client) unknownPurpose(ctx context.Context, choices map[string]string) error {
	var answer bytes.Buffer
	if err := c.Do(ctx, "GET", "/v1/declaration", nil, &answer); err != nil {
		return nil
	}
	var d struct {
		Purposes []struct {
			ID        string `json:"id"`
			Choosable bool   `json:"choosable"`
		} `json:"purposes"`
	}
	if err := json.Unmarshal(answer.Bytes(), &d); err != nil {
		return nil
	}
	var all, choosable []string
	for _, p := range d.Purposes {
		if all = append(all, p.ID); p.Choosable {
			choosable = append(choosable, p.ID)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(choices)) {
		if !slices.Contains(all, name) {
			return &UsageError{fmt.Sprintf("the declaration has no purpose %q; a choice can be made about %s", name, strings.Join(choosable, ", "))}
		}
	}
	return nil
}

// ConsentsReport is what an import of choices did.
type ConsentsReport struct {
	People   int      `json:"people"`   // in the file
	Recorded int      `json:"recorded"` // choices that are in the history now
	Repeated int      `json:"repeated"` // choices that an earlier import had brought
	Late     int      `json:"late"`     // of the recorded: older than what the person has said since
	Refused  int      `json:"refused"`  // choices that cannot be recorded
	Erased   int      `json:"erased"`   // choices of before the person was erased, which do not come back
	Unread   int      `json:"unread"`   // consents of the recorded that name no notice, and so hold nothing
	Faults   []string `json:"faults"`   // why, the first ones
}

// Write writes the summary for people.
func (r ConsentsReport) Write(out io.Writer) error {
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	row := func(n int, what string) {
		if n > 0 {
			fmt.Fprintf(table, "%d\t  %s\n", n, what)
		}
	}
	fmt.Fprintf(table, "%d\t  people in the file\n", r.People)
	row(r.Recorded, noun(r.Recorded, "choice")+" recorded")
	row(r.Late, "of them older than what the person has said since: kept as evidence, not in force")
	row(r.Repeated, "were here already: an earlier import brought them")
	row(r.Refused, "refused")
	row(r.Erased, erasedWords)
	row(r.Unread, unreadWords)
	if len(r.Faults) > 0 {
		fmt.Fprintf(table, "\nThe first that were refused:\n%s\n", strings.Join(r.Faults, "\n"))
	}
	return table.Flush()
}

// unreadWords say what becomes of consents that came without a notice.
const unreadWords = "without a notice, so nothing is done by them: say with --notice VERSION which one was read"

// erasedWords say what becomes of choices that are older than an erasure.
const erasedWords = "left out, since the person was erased after them: what was erased does not come back, so ask whoever has the id now"

// mostFaults is how many faults a report tells.
const mostFaults = 10

// ImportConsents records what a file of choices says, with its evidence, into a
// data directory. The format "" is taken from the file's name. The operator answers
// for it that choices which name no notice were made about this one, if there is one.
func ImportConsents(ctx context.Context, c Config, file, format, notice string, talk io.Writer) (report ConsentsReport, err error) {
	if format == "" {
		if format = formatOf(file); format == "" {
			return report, &UsageError{"the name of the file does not tell its format: say --format csv, json or 27560"}
		}
	}
	p := newProgress(ctx, talk)
	defer p.close()
	err = within(ctx, c, func(h *House) error {
		var err error
		report, err = h.importConsentFile(ctx, file, records.Format(format), notice, p.at)
		return err
	})
	return report, err
}

func formatOf(file string) string {
	switch filepath.Ext(strings.TrimSuffix(file, ".gz")) {
	case ".csv":
		return string(records.CSV)
	case ".jsonld":
		return string(records.TS27560)
	}
	return ""
}

func (h *House) importConsentFile(ctx context.Context, name string, format records.Format, notice string, progress func(step string, done, total int64)) (ConsentsReport, error) {
	in := consentImport{house: h, notice: notice, report: ConsentsReport{Faults: []string{}}}
	if err := h.wasRead(notice); err != nil {
		return in.report, err
	}
	f, err := os.Open(name)
	if err != nil {
		return in.report, err
	}
	defer f.Close()
	digest := sha256.New()
	if _, err := io.Copy(digest, f); err != nil {
		return in.report, err
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return in.report, err
	}
	subjects, err := records.Read(h.declaration, f, format, "file sha256:"+hex.EncodeToString(digest.Sum(nil)[:16]), h.clock.Now())
	if err != nil {
		return in.report, fmt.Errorf("%s: %w", name, err)
	}
	if h.directory.Kind == Production && slices.ContainsFunc(subjects, synthetic) {
		return in.report, fmt.Errorf("%s holds simulated choices, and data directory %s is for production: simulated consents are refused there", name, h.directory.Path)
	}
	in.report.People = len(subjects)
	work, ctx := errgroup.WithContext(ctx)
	work.SetLimit(64) // they share the log's throughput
	for i := range subjects {
		if ctx.Err() != nil {
			break
		}
		s := &subjects[i]
		if format != records.TS27560 { // a table has no order of its own
			slices.SortStableFunc(s.Records, func(a, b consent.Record) int { return a.Choices[0].At.Compare(b.Choices[0].At) })
		}
		work.Go(func() error { return in.subject(ctx, i+1, s) })
		progress("choices", int64(i+1), int64(len(subjects)))
	}
	return in.report, work.Wait()
}

func synthetic(s records.Subject) bool {
	return slices.ContainsFunc(s.Records, func(r consent.Record) bool {
		return slices.ContainsFunc(r.Choices, func(c consent.Choice) bool { return c.Synthetic })
	})
}

// consentImport records the people of a file, several at a time.
type consentImport struct {
	house  *House
	notice string // of choices that name none, or ""
	mu     sync.Mutex
	report ConsentsReport // guarded by mu
}

// subject records what one person chose, in its order.
func (in *consentImport) subject(ctx context.Context, n int, s *records.Subject) error {
	h := in.house
	if h.declaration.Identifies(s.Person.Kind) == 0 {
		return fmt.Errorf("the declaration knows nobody by %s, so these choices are nobody's: name it below identifiers", s.Person.Kind)
	}
	lookup := h.keys.Hasher().Lookup(s.Person)
	if in.outlived(lookup, s); len(s.Records) == 0 {
		return nil // nobody is made who brings nothing
	}
	tokens, err := h.keys.Ensure(ctx, []identity.Lookup{lookup})
	if err != nil {
		return err
	}
	history, err := h.choices.History(ctx, tokens[0])
	if err != nil {
		return err
	}
	aged, err := in.aged(ctx, tokens[0])
	if err != nil {
		return err
	}
	known := saidBefore(history)
	for i := range s.Records {
		r := &s.Records[i]
		if r.Age != "" && h.declaration.Children != nil && !aged {
			if err := h.choices.Mark(ctx, tokens[0], r.Age); err != nil {
				return err
			}
			continue
		}
		in.answer(r)
		cs := in.news(tokens[0], known, r.Choices)
		kept, err := in.record(ctx, tokens[0], s.Person, cs, r.Signature)
		in.mu.Lock()
		in.report.Repeated += len(r.Choices) - len(cs)
		in.report.Recorded += len(kept.Choices) + len(kept.Late)
		in.report.Late += len(kept.Late)
		in.report.Unread += h.unread(kept.Choices)
		if refused := errors.Is(err, choices.ErrInvalid) || errors.Is(err, consent.ErrSignature); refused {
			in.report.Refused += len(cs)
			if len(in.report.Faults) < mostFaults {
				in.report.Faults = append(in.report.Faults, fmt.Sprintf("person %d of the file, record %d: %v", n, i+1, err))
			}
			err = nil
		}
		in.mu.Unlock()
		if err != nil {
			return err
		}
	}
	return nil
}

// outlived takes out what was said before the person was erased: whoever has the id
// now is somebody new. An age counts from when it was taken, and one that does not
// say when is of before.
func (in *consentImport) outlived(l identity.Lookup, s *records.Subject) {
	erased := 0
	s.Records = slices.DeleteFunc(s.Records, func(r consent.Record) bool { return r.Age != "" && in.house.erasedSince(l, r.Accepted) })
	for i := range s.Records {
		r := &s.Records[i]
		before := len(r.Choices)
		r.Choices = slices.DeleteFunc(r.Choices, func(c consent.Choice) bool { return in.house.erasedSince(l, c.At) })
		erased += before - len(r.Choices)
	}
	s.Records = slices.DeleteFunc(s.Records, func(r consent.Record) bool { return r.Age == "" && len(r.Choices) == 0 })
	in.mu.Lock()
	defer in.mu.Unlock()
	in.report.Erased += erased
}

// erasedSince reports whether whoever had a lookup was erased after this time.
func (h *House) erasedSince(l identity.Lookup, at time.Time) bool {
	return h.keys.ErasedSince(l, at.UnixMilli())
}

// aged reports whether the age of a person, under any of their tokens, is noted
// here: that is newer than what a file says.
func (in *consentImport) aged(ctx context.Context, t identity.Token) (bool, error) {
	for _, m := range in.house.book.Group(t) {
		history, err := in.house.choices.History(ctx, m)
		if err != nil || slices.ContainsFunc(history, func(r consent.Record) bool { return r.Age != "" }) {
			return err == nil, err
		}
	}
	return false, nil
}

func (in *consentImport) record(ctx context.Context, t identity.Token, person identity.Identifier, cs []consent.Choice, signature *consent.Signature) (consent.Record, error) {
	for i := range cs {
		cs[i].Method = cmp.Or(cs[i].Method, "import")
		cs[i].Proof = importProof(cs[i].Proof)
	}
	if signature != nil && len(cs) > 0 {
		statement, err := signature.Verify()
		if err != nil {
			return consent.Record{}, err
		}
		if statement.Person != person {
			return consent.Record{}, fmt.Errorf("%w: its statement names another person", consent.ErrSignature)
		}
		// The same id as where the API took it, so that it counts once.
		message := event.ID(in.house.keys.Hasher().Message("signature", identity.ByServer, person, statement.Nonce))
		for i := range cs {
			cs[i].Message = hex.EncodeToString(message[:])
		}
	}
	return in.house.choices.RecordSigned(ctx, t, cs, signature)
}

// importProof says how the speaker proved to be the person: the operator vouches
// for the file, and for what stands in it of an end that nobody proved.
func importProof(was string) string {
	const word = choices.ProofImport
	switch {
	case was == "" || was == word:
		return word
	case was == identity.Unproven.String() || strings.HasPrefix(was, word+": "):
		return was
	}
	return word + ": " + was
}

// saying is a choice as far as it tells whether it was made already.
type saying struct {
	purpose declare.PurposeID
	state   consent.State
	at      int64
	notice  string
}

func sayingOf(c *consent.Choice) saying {
	return saying{c.Purpose, c.State, c.At.Truncate(time.Millisecond).UnixMilli(), c.Notice}
}

// saidBefore returns what was said, with its notice and without one: a file that
// leaves the notice out says nothing new, and one that names it does.
func saidBefore(history []consent.Record) map[saying]bool {
	said := map[saying]bool{}
	for i := range history {
		for _, c := range slices.Concat(history[i].Choices, history[i].Late) {
			s := sayingOf(&c)
			said[s] = true
			s.notice = ""
			said[s] = true
		}
	}
	return said
}

// answer gives choices that name no notice the one that the operator answers for;
// what was signed says itself what was read.
func (in *consentImport) answer(r *consent.Record) {
	for i := range r.Choices {
		if r.Signature == nil {
			r.Choices[i].Notice = cmp.Or(r.Choices[i].Notice, in.notice)
		}
	}
}

// wasRead refuses a notice that never was.
func (h *House) wasRead(notice string) error {
	if _, known := h.notices.Covered(notice); notice != "" && !known {
		return &UsageError{fmt.Sprintf("--notice %.80s: there never was this notice here: name the version that was read, as GET /v1/notice and consent get show it", notice)}
	}
	return nil
}

// unread counts the consents that name no notice.
func (h *House) unread(cs []consent.Choice) (n int) {
	for i := range cs {
		p, ok := h.declaration.Purpose(cs[i].Purpose)
		if ok && h.declaration.Purposes[p].Basis == declare.Consent && cs[i].State == consent.Given && cs[i].Notice == "" {
			n++
		}
	}
	return n
}

// news returns those choices that were not recorded before, so that a repeated
// import changes nothing, and ends that stand and are not certain.
func (in *consentImport) news(t identity.Token, said map[saying]bool, cs []consent.Choice) []consent.Choice {
	return slices.DeleteFunc(slices.Clone(cs), func(c consent.Choice) bool {
		p, _ := in.house.declaration.Purpose(c.Purpose)
		present := in.house.book.Present(t, p)
		stands := c.State.Ended() && present.State.Ended()
		return said[sayingOf(&c)] && !(stands && !present.Certain(!c.Unproven()))
	})
}
