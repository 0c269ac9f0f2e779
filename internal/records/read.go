package records

import (
	"bufio"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"accord/internal/consent"
	"accord/internal/declare"
	"accord/internal/identity"
	"accord/internal/intake"
)

// Format is a sort of file.
type Format string

// The formats. A CSV has a header with the names of a row, in any order; a JSON
// has objects with the same names, as a list or one after another; TS27560 has
// receipts or records, likewise.
const (
	CSV     Format = "csv"
	JSON    Format = "json"
	TS27560 Format = "27560"
)

// row is a choice as consent managers export it.
type row struct {
	UserID       string `json:"user_id"`
	AnonymousID  string `json:"anonymous_id"`
	Purpose      string `json:"purpose"`
	State        string `json:"state"`
	At           string `json:"at"`
	Method       string `json:"method"`
	Notice       string `json:"notice"`
	Language     string `json:"language"`
	Jurisdiction string `json:"jurisdiction"`
	Evidence     string `json:"evidence"`
	By           string `json:"by"`
}

// columns are the names of a row and where each goes.
func (r *row) columns() map[string]*string {
	return map[string]*string{
		"user_id": &r.UserID, "anonymous_id": &r.AnonymousID, "purpose": &r.Purpose, "state": &r.State, "at": &r.At,
		"method": &r.Method, "notice": &r.Notice, "language": &r.Language, "jurisdiction": &r.Jurisdiction, "evidence": &r.Evidence, "by": &r.By,
	}
}

// Columns are the names of a row, for those who write one.
const Columns = "user_id,anonymous_id,purpose,state,at,method,notice,language,jurisdiction,evidence,by"

// reader gathers what a file says of people, and its faults.
type reader struct {
	declaration *declare.Declaration
	in          *intake.Reader
	source      string // of evidence where the file has none
	now         time.Time
	subjects    []Subject
	places      map[identity.Identifier]int // in subjects
	choices     int
	faults      []error
}

// Read reads a file, plain or gzipped. The source names it in the evidence of
// choices that have none, and no choice may be of later than now. The first faults
// are returned together, each with its place and never with whom it is about.
func Read(d *declare.Declaration, src io.Reader, f Format, source string, now time.Time) ([]Subject, error) {
	in, err := intake.New(src, intake.Limits{Total: MaxFile, Record: MaxRecord})
	if err != nil {
		return nil, err
	}
	r := &reader{declaration: d, in: in, source: source, now: now, places: map[identity.Identifier]int{}}
	switch f {
	case CSV:
		err = r.csv()
	case JSON:
		err = each(r, "record", r.row)
	case TS27560:
		err = each(r, "document", r.document)
	default:
		err = fmt.Errorf("the format %q is none of csv, json, 27560", f)
	}
	if err := errors.Join(append(r.faults, err)...); err != nil {
		return nil, err
	}
	return r.subjects, nil
}

// fault notes what is wrong at a place, and reports whether enough is.
func (r *reader) fault(place string, n int, err error) bool {
	r.faults = append(r.faults, fmt.Errorf("%s %d: %w", place, n, err))
	return len(r.faults) >= maxFaults
}

// add adds a record of a person.
func (r *reader) add(id identity.Identifier, record consent.Record) error {
	if id.IsZero() || len(id.Value) > identity.MaxIdentifier {
		return fmt.Errorf("names nobody: user_id or anonymous_id must be there, with at most %d bytes", identity.MaxIdentifier)
	}
	if r.choices += len(record.Choices); r.choices > MaxChoices {
		return fmt.Errorf("a file may hold at most %d choices; split it", MaxChoices)
	}
	i, ok := r.places[id]
	if !ok {
		i = len(r.subjects)
		r.places[id] = i
		r.subjects = append(r.subjects, Subject{Person: id})
	}
	r.subjects[i].Records = append(r.subjects[i].Records, record)
	return nil
}

func (r *reader) csv() error {
	c := csv.NewReader(r.in)
	c.ReuseRecord = true
	head, err := c.Read()
	if err != nil {
		return fmt.Errorf("line 1: no header can be read: a CSV begins with names out of %s", Columns)
	}
	names := make([]string, len(head))
	copy(names, head)
	names[0] = strings.TrimPrefix(names[0], "\ufeff")
	known := (&row{}).columns()
	for _, name := range names {
		if known[name] == nil {
			return fmt.Errorf("line 1: the header has %.80q; its names are: %s", name, Columns)
		}
	}
	if err := lacks(names); err != nil {
		return err
	}
	for {
		r.in.Next()
		fields, err := c.Read()
		if err == io.EOF {
			return nil
		}
		line := 0
		var bad *csv.ParseError
		switch {
		case errors.As(err, &bad):
			line, err = bad.StartLine, bad.Err
		case err != nil:
			return err
		default:
			line, _ = c.FieldPos(0)
			var in row
			for i, place := range in.places(names) {
				*place = strings.TrimSpace(fields[i])
			}
			err = r.row(in, line)
		}
		if err != nil && r.fault("line", line, err) {
			return nil
		}
	}
}

// lacks says which column must be there and is not.
func lacks(names []string) error {
	if !slices.Contains(names, "user_id") && !slices.Contains(names, "anonymous_id") {
		return errors.New("line 1: the header lacks user_id or anonymous_id")
	}
	for _, name := range []string{"purpose", "state", "at"} {
		if !slices.Contains(names, name) {
			return fmt.Errorf("line 1: the header lacks %s", name)
		}
	}
	return nil
}

// places returns where the columns of these names go.
func (r *row) places(names []string) []*string {
	columns := r.columns()
	out := make([]*string, len(names))
	for i, name := range names {
		out[i] = columns[name]
	}
	return out
}

// row takes a choice of a table.
func (r *reader) row(in row, n int) error {
	c, err := r.choice(in.Purpose, in.State, in.By)
	if err != nil {
		return err
	}
	if c.At, err = time.Parse(time.RFC3339, in.At); err != nil {
		return errors.New("at is not a time as in 2026-03-05T10:00:00Z")
	}
	if c.At.After(r.now) {
		return errors.New("at lies in the future")
	}
	c.Method, c.Notice, c.Language, c.Jurisdiction, c.Evidence = in.Method, in.Notice, in.Language, in.Jurisdiction, in.Evidence
	if in.UserID != "" && in.AnonymousID != "" {
		return errors.New("names a person twice: by user_id or by anonymous_id, not both")
	}
	if c.Evidence == "" && c.By != consent.ByPerson {
		return errors.New("has no evidence: whoever chooses for another is vouched for by what shows that they may")
	}
	if c.Evidence == "" {
		c.Evidence = fmt.Sprintf("%s, %d", r.source, n)
	}
	id := principal{UserID: in.UserID, AnonymousID: in.AnonymousID}.identifier()
	return r.add(id, consent.Record{Choices: []consent.Choice{c}})
}

// choice reads who chose what, in the spellings of tables and of DPV.
func (r *reader) choice(purpose, state, by string) (c consent.Choice, err error) {
	c.Purpose = declare.PurposeID(strings.TrimPrefix(purpose, purposeIRI(r.declaration.Controller(), "")))
	if _, ok := r.declaration.Purpose(c.Purpose); !ok {
		return c, fmt.Errorf("the declaration has no purpose %.80q", c.Purpose)
	}
	for _, prefix := range []string{dpvIRI, dpv, ownIRI} {
		state = strings.TrimPrefix(state, prefix)
	}
	ok := false
	if c.State, ok = stateWords[state]; !ok {
		if c.State, ok = consent.ParseState(state); !ok {
			return c, fmt.Errorf("the state %.40q is none of given, refused, withdrawn, objected, nor of DPV's", state)
		}
	}
	if c.By = consent.By(by); by == person {
		c.By = consent.ByPerson
	}
	if !c.By.Known() {
		return c, errors.New("whoever chose is person, guardian or agent")
	}
	return c, nil
}

// stateWords are DPV's statuses; Unset is one that names no choice.
var stateWords = map[string]consent.State{
	"ConsentGiven": consent.Given, "RenewedConsentGiven": consent.Given, "ConsentRefused": consent.Refused,
	"ConsentWithdrawn": consent.Withdrawn, "ConsentRevoked": consent.Withdrawn, "ConsentInvalidated": consent.Withdrawn,
	"Objected": consent.Objected, "ConsentRequested": consent.Unset, "ConsentExpired": consent.Unset,
}

// document is a receipt, or the record alone.
type document struct {
	Record *record `json:"consent_record"`
	record
}

// document takes what a person chose.
func (r *reader) document(in document, _ int) error {
	from := in.Record
	if from == nil {
		from = &in.record
	}
	if from.Events == nil {
		return errors.New("holds no receipt or record: expected consent_record or events")
	}
	own := controllerIRI(r.declaration.Controller())
	for _, c := range from.Controllers {
		if strings.HasPrefix(c.ID, controllerIRI("")) && c.ID != own {
			return errors.New("is another controller's: what was given to one is not given to another")
		}
	}
	var record consent.Record
	var under string // the number of the record that is gathered
	flush := func() error {
		if len(record.Choices) == 0 {
			return nil
		}
		err := r.add(from.Principal.identifier(), record)
		record = consent.Record{}
		return err
	}
	for i := range from.Events {
		e := &from.Events[i]
		if e.AgeBand != "" {
			err := errors.Join(flush(), r.add(from.Principal.identifier(), consent.Record{Accepted: e.Accepted, Age: e.AgeBand}))
			if err != nil {
				return err
			}
			continue
		}
		c, err := r.choice(e.Purpose, e.State, e.Entity)
		if err != nil {
			return fmt.Errorf("event %d: %w", i+1, err)
		}
		if c.State == consent.Unset || e.Late {
			continue
		}
		number, _, _ := strings.Cut(e.ID, "/")
		if number != under || under == "" {
			if err := flush(); err != nil {
				return err
			}
		}
		c.At, c.Method, c.Notice, c.Language, c.Jurisdiction = e.Time, e.Method, e.Notice[strings.LastIndexByte(e.Notice, '/')+1:], e.Language, e.Jurisdiction
		c.Evidence, c.Proof, c.Synthetic = e.Evidence, e.Proof, e.Synthetic
		if c.At.IsZero() {
			return fmt.Errorf("event %d: has no event_time", i+1)
		}
		if c.At.After(r.now) {
			return fmt.Errorf("event %d: event_time lies in the future", i+1)
		}
		under, record.Accepted, record.Signature = number, e.Accepted, e.Signature
		record.Choices = append(record.Choices, c)
	}
	return flush()
}

// each hands the values of a file, a list or one after another, to take.
func each[T any](r *reader, what string, take func(T, int) error) error {
	b := bufio.NewReader(r.in)
	list, err := opens(b)
	dec := json.NewDecoder(b)
	if list {
		_, err = dec.Token()
	}
	for n := 1; err == nil; n++ {
		r.in.Next()
		if list && !dec.More() {
			return nil
		}
		var raw json.RawMessage
		if err = dec.Decode(&raw); err != nil {
			return unlessEnd(what, n, err)
		}
		var in T
		fault := errShape
		if json.Unmarshal(raw, &in) == nil {
			fault = take(in, n)
		}
		if fault != nil && r.fault(what, n, fault) {
			return nil
		}
	}
	return unlessEnd(what, 1, err)
}

var errShape = errors.New("is not an object with the members that the format has")

func unlessEnd(what string, n int, err error) error {
	if err == io.EOF {
		return nil
	}
	return fmt.Errorf("%s %d: cannot be read as JSON: %w", what, n, err)
}

// opens passes over white space and reports whether a list begins.
func opens(b *bufio.Reader) (bool, error) {
	for {
		c, err := b.ReadByte()
		if err != nil {
			return false, err
		}
		if !strings.ContainsRune(" \t\r\n", rune(c)) {
			return c == '[', b.UnreadByte()
		}
	}
}
