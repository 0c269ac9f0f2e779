package api

import (
	"context"
	"errors"
	"net/http"
	"reflect"
	"strconv"
	"sync"

	"github.com/danielgtaylor/huma/v2"

	"accord/internal/catalog"
	"accord/internal/decide"
	"accord/internal/decide/run"
	"accord/internal/declare"
	"accord/internal/identity"
)

// registerDecide describes the route to huma and serves it by hand: huma's way
// in and out would cost more than the whole decision (BenchmarkDecideByHuma).
func (s *server) registerDecide(api huma.API) {
	s.handle("POST /v1/decide", s.decide)
	s.describe(api, huma.Operation{
		Method: http.MethodPost, Path: "/v1/decide", OperationID: "decide", Tags: []string{"decide"},
		Summary:     "What should this person see?",
		Description: "Answers personally where the person is proven, the purpose has a valid basis and there is something to go by; for everybody else it answers from the moment alone and says why. The receipt is part of the answer.",
	}, withKey, reflect.TypeFor[decideQuestion](), reflect.TypeFor[decideAnswer](), 400, 401, 403, 408, 413, 422, 429, 500, 503)
}

// decideAnswer describes what [appendAnswer] writes.
type decideAnswer struct {
	Items    []decidedItem    `json:"items" doc:"The best first"`
	Personal bool             `json:"personal" doc:"Whether personal data changed the answer"`
	Used     []decide.Use     `json:"used" doc:"What personal data was used"`
	Refused  []decide.Refusal `json:"refused" doc:"What was not used and why"`
	// Obligations is empty where the purpose asks for nothing to be shown.
	Obligations []declare.Obligation `json:"obligations" doc:"Texts that must be shown with the answer"`
	State       string               `json:"state" example:"1204.ease-20261123T120000Z" doc:"The sequence of the person's newest choice and the model's version. Nothing on the way may cache an answer; a page that keeps one of its own keeps it under its question and this, and throws it away when PUT or GET /v1/consent tell of a higher sequence"`
	Receipt     decide.Receipt       `json:"receipt" doc:"Why the answer is what it is, as it was written down"`
}

type decidedItem struct {
	ID       string          `json:"id" doc:"The product's id"`
	Title    string          `json:"title,omitempty" doc:"What it is called; absent for a product that is not in the catalogue, like all up to url"`
	Category string          `json:"category,omitempty"`
	Price    amount          `json:"price,omitempty" doc:"In the currency's main unit: 12.99"`
	Currency string          `json:"currency,omitempty" doc:"ISO 4217 code"`
	Picture  string          `json:"picture,omitempty" doc:"Address of a picture"`
	URL      string          `json:"url,omitempty" doc:"Address of the product's page"`
	Score    float64         `json:"score" doc:"The engine's score; only comparable within one answer"`
	Reasons  []decide.Reason `json:"reasons" doc:"What made the score, the strongest first"`
}

// amount is a price in a currency's main unit, written without a float.
type amount string

// Schema is for huma.
func (amount) Schema(huma.Registry) *huma.Schema {
	return &huma.Schema{Type: huma.TypeNumber, Examples: []any{12.99}}
}

// MarshalJSON writes a number.
func (a amount) MarshalJSON() ([]byte, error) { return []byte(a), nil }

func amountOf(p *catalog.Product) amount {
	return amount(catalog.FormatPrice(p.Price, p.Currency))
}

func (s *server) decide(x *exchange, r *http.Request) {
	if err := s.decideOne(x, r); err != nil {
		x.fail(err)
	}
}

func (s *server) decideOne(x *exchange, r *http.Request) error {
	if err := x.enter(r, withKey); err != nil {
		return err
	}
	b, err := x.body(r, maxDecide)
	if err != nil {
		return err
	}
	who, ask, err := parseDecide(b.bytes, s.Now())
	b.release()
	if err != nil {
		return err
	}
	ctx, cancel := s.within(r)
	defer cancel()
	subject, err := s.subject(ctx, x, who)
	if err != nil {
		return err
	}
	answer, err := s.Decider.Decide(ctx, subject, ask)
	if err != nil {
		return s.undecided(err)
	}
	out := answers.Get().(*[]byte)
	*out = s.appendAnswer((*out)[:0], &answer)
	h := x.Header()
	h["Content-Type"] = hJSON
	h.Set("Content-Length", strconv.Itoa(len(*out)))
	announce(r, len(*out))
	x.Write(*out) //nolint:errcheck // the client is gone
	if cap(*out) <= keepBody {
		answers.Put(out)
	}
	return nil
}

var answers = sync.Pool{New: func() any { b := make([]byte, 0, 8<<10); return &b }}

// subject is whom an answer is for. Nothing is looked up about a person whom the
// speaker did not prove to be, so that neither the answer nor its time tells
// whether they are known.
func (s *server) subject(ctx context.Context, x *exchange, who identity.Identifier) (run.Subject, error) {
	if who.IsZero() {
		return run.Subject{Where: x.where("")}, nil
	}
	if err := s.declared(who, "body.person"); err != nil {
		return run.Subject{}, err
	}
	subject := run.Subject{Named: true, Proof: x.speaker.Proves(who), Source: x.key.Source, Where: x.where("")}
	if subject.Proof == identity.Unproven {
		return subject, nil
	}
	var err error
	if subject.Token, subject.Known, err = s.find(who); err == nil && subject.Known {
		subject.Where = x.whereOf(ctx, subject.Token, subject.Proof)
		subject.Signalled = s.Choices.Honoured(subject.Token)
	}
	return subject, err
}

// undecided turns the runner's errors into problems.
func (s *server) undecided(err error) error {
	if p, ok := errors.AsType[*run.PurposeError](err); ok {
		return problem(http.StatusUnprocessableEntity, codePurpose, "Nothing can be decided for this purpose: "+p.Error()+".")
	}
	if s.Busy(err) {
		return err
	}
	return unavailable(err)
}

// appendAnswer writes a decideAnswer. The receipt's bytes leave as they are, so
// that the person can hold the server to their MAC.
func (s *server) appendAnswer(b []byte, a *decide.Answer) []byte {
	b = append(b, `{"items":[`...)
	for i := range a.Items {
		if i > 0 {
			b = append(b, ',')
		}
		b = s.appendItem(b, &a.Items[i])
	}
	b = append(b, `],"personal":`...)
	b = strconv.AppendBool(b, a.Personal)
	b = append(b, `,"used":[`...)
	for i, u := range a.Receipt.Used {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendText(append(b, `{"kind":`...), u.Kind)
		b = appendInt(append(b, `,"count":`...), int64(u.Count))
		b = append(b, '}')
	}
	b = append(b, `],"refused":[`...)
	for i, r := range a.Receipt.Refused {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendText(append(b, `{"purpose":`...), string(r.Purpose))
		b = appendText(append(b, `,"reason":`...), r.Reason)
		b = appendText(append(b, `,"why":`...), r.Why)
		b = append(b, '}')
	}
	b = append(b, `],"obligations":[`...)
	for i, o := range a.Receipt.Obligations {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendText(append(b, `{"code":`...), o.Code)
		b = appendText(append(b, `,"text":`...), o.Text)
		b = append(b, '}')
	}
	b = appendState(append(b, `],"state":`...), a)
	b = append(b, `,"receipt":`...)
	b = append(b, a.ReceiptJSON...)
	return append(b, '}', '\n')
}

// appendState writes what a kept answer stands on: "<sequence>.<model>".
func appendState(b []byte, a *decide.Answer) []byte {
	b = append(appendInt(append(b, '"'), int64(a.Sequence)), '.')
	from := len(b)
	b = appendText(b, a.Receipt.Model)
	return append(b[:from], b[from+1:]...) // less the opening quote
}

// How many significant digits are worth their bytes.
const (
	scoreDigits = 8
	shareDigits = 4
)

func (s *server) appendItem(b []byte, item *decide.Item) []byte {
	b = appendText(append(b, `{"id":`...), item.ID)
	if s.Catalog != nil {
		if p, ok := s.Catalog.Get(item.ID); ok {
			b = appendProduct(b, &p)
		}
	}
	b = appendNumber(append(b, `,"score":`...), item.Score, scoreDigits)
	b = append(b, `,"reasons":[`...)
	for i := range item.Reasons {
		r := &item.Reasons[i]
		if i > 0 {
			b = append(b, ',')
		}
		b = appendText(append(b, `{"code":`...), r.Code)
		b = appendOptional(b, `,"item":`, r.Item)
		b = appendOptional(b, `,"action":`, r.Action)
		b = appendOptional(b, `,"category":`, r.Category)
		b = appendNumber(append(b, `,"share":`...), r.Share, shareDigits)
		b = append(b, '}')
	}
	return append(b, ']', '}')
}

func appendProduct(b []byte, p *catalog.Product) []byte {
	b = appendText(append(b, `,"title":`...), p.Title)
	b = appendOptional(b, `,"category":`, p.Category)
	b = append(append(b, `,"price":`...), catalog.FormatPrice(p.Price, p.Currency)...)
	b = appendText(append(b, `,"currency":`...), p.Currency)
	b = appendOptional(b, `,"picture":`, p.Picture)
	return appendOptional(b, `,"url":`, p.URL)
}

// appendOptional appends a member whose value is not empty.
func appendOptional(b []byte, name, value string) []byte {
	if value == "" {
		return b
	}
	return appendText(append(b, name...), value)
}
