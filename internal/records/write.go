package records

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"time"

	"accord/internal/consent"
	"accord/internal/declare"
	"accord/internal/identity"
)

// context maps the names of TS 27560 to terms. It is part of every document, so
// that nobody needs the network to read one.
//
//go:embed context.json
var context json.RawMessage

// receipt is a ConsentReceipt: the content of a record with the time at which it
// was handed out.
type receipt struct {
	Context json.RawMessage `json:"@context"`
	Type    string          `json:"@type"`
	Schema  string          `json:"schema_version"`
	Profile string          `json:"profile"`
	Time    time.Time       `json:"receipt_time"`
	Record  *record         `json:"consent_record"`
}

type record struct {
	Type             string       `json:"@type"`
	ID               string       `json:"record_id"`
	Principal        principal    `json:"pii_principal_id"`
	Controllers      []controller `json:"pii_controllers"`
	Purposes         []purpose    `json:"purposes"`
	PII              []pii        `json:"pii_information"`
	WithdrawalMethod []string     `json:"withdrawal_method,omitempty"`
	Events           []event      `json:"events"`
}

type principal struct {
	UserID      string `json:"user_id,omitempty"`
	AnonymousID string `json:"anonymous_id,omitempty"`
}

// UnmarshalJSON takes a text as well, which other tools write: a user id.
func (p *principal) UnmarshalJSON(b []byte) error {
	type plain principal
	if len(b) > 0 && b[0] == '"' {
		return json.Unmarshal(b, &p.UserID)
	}
	return json.Unmarshal(b, (*plain)(p))
}

func (p principal) identifier() identity.Identifier {
	if p.UserID != "" {
		return identity.Identifier{Kind: identity.UserID, Value: p.UserID}
	}
	return identity.Identifier{Kind: identity.AnonymousID, Value: p.AnonymousID}
}

type controller struct {
	ID      string `json:"@id"`
	Type    string `json:"@type"`
	Name    string `json:"name"`
	Contact string `json:"contact"`
	Country string `json:"jurisdiction"`
}

// purpose is a purpose and what holds for it now.
type purpose struct {
	ID          string     `json:"@id"`
	Type        string     `json:"@type"`
	Title       string     `json:"title,omitempty"`
	Description string     `json:"description"`
	Language    string     `json:"language"`
	Basis       string     `json:"lawful_basis"`
	Validity    string     `json:"validity_duration,omitempty"`
	State       string     `json:"event_state,omitempty"`
	Until       *time.Time `json:"valid_until,omitempty"`
}

type pii struct {
	Attribute string   `json:"pii_attribute_id"`
	Type      string   `json:"pii_type"`
	Special   bool     `json:"special_pii_category"`
	Retention string   `json:"retention_period"`
	For       []string `json:"for_purposes"`
}

// event is a choice. Its id is the number of its record, a slash, and its purpose.
type event struct {
	ID           string             `json:"event_id,omitempty"`
	Purpose      string             `json:"purpose,omitempty"`
	State        string             `json:"event_state,omitempty"`
	Time         time.Time          `json:"event_time,omitzero"`
	Accepted     time.Time          `json:"accepted_time,omitzero"`
	AgeBand      string             `json:"age_band,omitempty"` // alone
	Entity       string             `json:"entity_id,omitempty"`
	Method       string             `json:"collection_method,omitempty"`
	Notice       string             `json:"privacy_notice,omitempty"`
	Language     string             `json:"language,omitempty"`
	Jurisdiction string             `json:"jurisdiction,omitempty"`
	Evidence     string             `json:"evidence,omitempty"`
	Proof        string             `json:"proof,omitempty"`
	Synthetic    bool               `json:"synthetic,omitempty"`
	Late         bool               `json:"late,omitempty"`
	Signature    *consent.Signature `json:"signature,omitempty"`
}

// Write returns a person's receipt as one line of JSON-LD. The presents are what
// is in force for them at now, one for each purpose of the declaration.
func Write(d *declare.Declaration, s Subject, presents []consent.Present, now time.Time) ([]byte, error) {
	info := &d.Controllers[0]
	r := &record{
		Type: dpv + "ConsentRecord", PII: piiOf(d), WithdrawalMethod: []string{"/me", info.Contact}, Events: []event{},
		Controllers: []controller{{controllerIRI(info.ID), dpv + "DataController", info.Name, info.Contact, info.Country}},
	}
	if s.Person.Kind == identity.UserID {
		r.Principal.UserID = s.Person.Value
	} else {
		r.Principal.AnonymousID = s.Person.Value
	}
	for i := range d.Purposes {
		r.Purposes = append(r.Purposes, purposeOf(d, &d.Purposes[i], &presents[i], now))
	}
	var last uint64
	for i := range s.Records {
		last = s.Records[i].Sequence
		r.Events = append(r.Events, eventsOf(info.ID, &s.Records[i])...)
	}
	r.ID = fmt.Sprintf("urn:accord:record:%s:%d", info.ID, last) // a choice has one person
	return json.Marshal(receipt{context, dpv + "ConsentReceipt", schema, profile, now.UTC().Truncate(time.Millisecond), r})
}

func purposeOf(d *declare.Declaration, p *declare.Purpose, present *consent.Present, now time.Time) purpose {
	out := purpose{ID: purposeIRI(d.Controller(), p.ID), Type: dpv + "Purpose", Title: p.Title, Description: p.Text, Language: d.Languages[0], Basis: bases[p.Basis], State: states[present.Shown(now)]}
	if !p.Valid.IsZero() {
		out.Validity = p.Valid.ISO()
	}
	if present.Until != 0 {
		until := time.UnixMilli(present.Until).UTC()
		out.Until = &until
	}
	return out
}

func eventsOf(c identity.Controller, r *consent.Record) (out []event) {
	if r.Age != "" {
		out = append(out, event{ID: eventID(r, "age_band"), Accepted: r.Accepted.UTC(), AgeBand: r.Age})
	}
	for i, choice := range slices.Concat(r.Choices, r.Late) {
		out = append(out, event{
			ID: eventID(r, choice.Purpose), Purpose: purposeIRI(c, choice.Purpose), State: states[choice.State],
			Time: choice.At.UTC(), Accepted: r.Accepted.UTC(), Entity: entity(choice.By), Method: choice.Method,
			Notice: noticeURL(choice.Notice), Language: choice.Language, Jurisdiction: choice.Jurisdiction, Evidence: choice.Evidence,
			Proof: choice.Proof, Synthetic: choice.Synthetic, Late: i >= len(r.Choices), Signature: r.Signature,
		})
	}
	return out
}

func eventID(r *consent.Record, about declare.PurposeID) string {
	return strconv.FormatUint(r.Sequence, 10) + "/" + string(about)
}

// noticePath is where the server shows the text of a notice.
const noticePath = "/v1/notice/"

func noticeURL(version string) string {
	if version == "" {
		return ""
	}
	return noticePath + version
}

// person is the entity that chose where it was the person.
const person = "person"

func entity(b consent.By) string {
	if b == consent.ByPerson {
		return person
	}
	return string(b)
}

// piiOf lists all that is declared, under the names that the declaration gives.
func piiOf(d *declare.Declaration) []pii {
	out := []pii{}
	c := d.Controller()
	add := func(path, category string, special bool, retention declare.Period, purposes []declare.PurposeID) {
		p := pii{Attribute: path, Type: category, Special: special, Retention: retention.ISO()}
		for _, id := range purposes {
			p.For = append(p.For, purposeIRI(c, id))
		}
		out = append(out, p)
	}
	fields := func(prefix string, fs []declare.Field) {
		for i := range fs {
			f := &fs[i]
			add(prefix+f.Path, f.Category, f.Sensitivity == declare.Special, f.Retention, f.Purposes)
		}
	}
	for i := range d.Identifiers {
		id := &d.Identifiers[i]
		add(id.Kind.String(), id.Category, false, id.Retention, id.Purposes)
	}
	fields("trait/", d.Attributes)
	fields("context/", d.Context)
	for i := range d.Events {
		fields(d.Events[i].Name+"/", d.Events[i].Fields)
	}
	return out
}
