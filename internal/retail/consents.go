package retail

import (
	"bufio"
	"encoding/csv"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"math/rand/v2"
	"strings"
	"time"

	"accord/internal/consent"
	"accord/internal/intake"
)

// ConsentHeader is the first line of a file of choices.
const ConsentHeader = "customer_id,purpose,state,at,method,notice"

// MaxConsents is how many choices one file may hold.
const MaxConsents = 5_000_000

// ConsentLine is one choice of one customer about one purpose.
type ConsentLine struct {
	Line     int // its number in the file, where the header is 1
	Customer string
	Purpose  string // an id; whether it is declared is for the caller to check
	State    string // given, refused, withdrawn or objected
	At       time.Time
	Method   string // how it was given: "web form", "till", …; never empty
	Notice   string // version of the notice that was read, or ""
}

// ReadConsents reads a file of choices, plain or gzipped CSV with exactly the
// header ConsentHeader. The state is given, refused, withdrawn or objected; at
// is written 2011-03-05T10:00:00Z or with an offset (RFC 3339); notice may be
// empty and nothing else may. A customer's number may end in ".0", as in the
// file of orders.
//
// A file of choices is taken whole or not at all: the first faults are returned
// together, each with its line and never with the customer's number.
func ReadConsents(r io.Reader) ([]ConsentLine, error) {
	in, err := intake.New(r, limits)
	if err != nil {
		return nil, err
	}
	b := bufio.NewReaderSize(in, 64<<10)
	if head, _ := b.Peek(len(mark)); string(head) == mark {
		_, _ = b.Discard(len(mark)) // was peeked, so it is there
	}
	c := csv.NewReader(b)
	c.ReuseRecord = true
	if err := consentHeader(c); err != nil {
		return nil, err
	}
	var lines []ConsentLine
	var faults []error
	for len(faults) < maxFaults {
		in.Next()
		row, err := c.Read()
		if err == io.EOF {
			break
		}
		var bad *csv.ParseError
		if errors.As(err, &bad) {
			faults = append(faults, fmt.Errorf("line %d: %s", bad.StartLine, sayConsentCSV(bad)))
			continue
		}
		if err != nil {
			return nil, err
		}
		l, fault := consentLine(row)
		l.Line, _ = c.FieldPos(0)
		if fault != "" {
			faults = append(faults, fmt.Errorf("line %d: %s", l.Line, fault))
			continue
		}
		if len(lines) == MaxConsents {
			return nil, fmt.Errorf("line %d: a file may hold at most %d choices; split it", l.Line, MaxConsents)
		}
		lines = append(lines, l)
	}
	if len(faults) > 0 {
		return nil, errors.Join(faults...)
	}
	return lines, nil
}

func consentHeader(c *csv.Reader) error {
	header, err := c.Read()
	if err == io.EOF {
		return fmt.Errorf("line 1: the file is empty: expected the header %s", ConsentHeader)
	}
	var bad *csv.ParseError
	if err != nil && !errors.As(err, &bad) {
		return err
	}
	if found := strings.Join(header, ","); err != nil || found != ConsentHeader {
		return fmt.Errorf("line 1: expected the header %s; found %q", ConsentHeader, clip(found))
	}
	return nil
}

func sayConsentCSV(e *csv.ParseError) string {
	if errors.Is(e.Err, csv.ErrFieldCount) {
		return "has not the six fields of the header"
	}
	return sayCSV(e)
}

// consentLine reads a row, or says what is wrong with it.
func consentLine(row []string) (l ConsentLine, fault string) {
	for i := range row {
		row[i] = strings.TrimSpace(row[i])
		if fault := checkField(row[i]); fault != "" {
			return l, fault
		}
		if row[i] == "" && i != len(row)-1 {
			return l, strings.Split(ConsentHeader, ",")[i] + " is empty"
		}
	}
	l = ConsentLine{
		Customer: customerNumber(row[0]), Purpose: row[1], State: row[2], Method: row[4], Notice: row[5],
	}
	if len(l.Customer) > MaxCode || len(l.Purpose) > MaxCode {
		return l, fmt.Sprintf("customer_id and purpose may have at most %d bytes", MaxCode)
	}
	if _, ok := consent.ParseState(l.State); !ok {
		return l, fmt.Sprintf("state %q is none of given, refused, withdrawn, objected", clip(l.State))
	}
	var err error
	if l.At, err = time.Parse(time.RFC3339, row[3]); err != nil {
		return l, fmt.Sprintf("at %q is not a time as in 2011-03-05T10:00:00Z", clip(row[3]))
	}
	return l, ""
}

// SimulateConsent reports whether a simulated customer consents: true for about
// share (0 to 1) of all customers. It depends on its arguments alone, so it does
// not matter in which order, or in which run, customers are asked; and with the
// same seed a larger share keeps everybody that a smaller one had.
func SimulateConsent(seed uint64, share float64, customer string) bool {
	h := fnv.New64a()
	_, _ = io.WriteString(h, customer) // a hash takes everything
	return rand.New(rand.NewPCG(seed, h.Sum64())).Float64() < share
}
