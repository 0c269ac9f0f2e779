package api

import (
	"errors"
	"io"
	"net/http"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/danielgtaylor/huma/v2"
	"github.com/go-json-experiment/json/jsontext"

	"accord/internal/decide"
	"accord/internal/declare"
	"accord/internal/identity"
)

// decideQuestion describes what [parseDecide] reads. Both are held to the same
// limits by TestDecideKeepsItsSchema.
type decideQuestion struct {
	Person   *person      `json:"person,omitempty" doc:"Whom the answer is for; absent for nobody"`
	Purpose  string       `json:"purpose,omitempty" default:"personalization" minLength:"1" maxLength:"64" doc:"A purpose of the declaration"`
	Moment   decideMoment `json:"moment,omitempty" doc:"What may be known without knowing the person"`
	Exclude  []productID  `json:"exclude,omitempty" maxItems:"500" doc:"Products that must not be answered"`
	N        int          `json:"n,omitempty" default:"10" minimum:"1" maximum:"100" doc:"How many items"`
	Language string       `json:"language,omitempty" maxLength:"35" doc:"The language, BCP 47, of the texts that must be shown with the answer; where there are none in it, the declaration's own" example:"ru"`
}

type decideMoment struct {
	Time    time.Time   `json:"time,omitempty" doc:"When the answer is shown; now if absent"`
	Place   string      `json:"place,omitempty" maxLength:"128" doc:"A place, such as London or shop-7"`
	Channel string      `json:"channel,omitempty" maxLength:"32" doc:"web, app, till, …"`
	Session []productID `json:"session,omitempty" maxItems:"500" doc:"Products of the present session, the newest last"`
}

const (
	maxPurpose  = 64
	maxPlace    = 128
	maxChannel  = 32
	maxItemID   = 128
	maxLanguage = 35 // what BCP 47 asks everybody to take

	defaultPurpose = "personalization"
	defaultN       = 10
)

// parseDecide reads a question. Unknown members, members that come twice and
// bytes that are not UTF-8 are errors; its errors are problems.
func parseDecide(b []byte, now time.Time) (who identity.Identifier, ask decide.Ask, err error) {
	r := newReader(b)
	defer r.release()
	q := question{reader: r, ask: decide.Ask{Purpose: defaultPurpose, N: defaultN, Moment: decide.Moment{Time: now}}}
	q.object("body", q.top)
	if q.err == nil {
		if _, err := r.dec.ReadToken(); err != io.EOF {
			q.err = badBody("something follows the end of the object")
		}
	}
	if q.err != nil && !utf8.Valid(b) {
		q.err = badUTF8
	}
	if q.err == nil && q.named {
		who, q.err = q.person.identifier("body.person")
	}
	return who, q.ask, q.err
}

// question is a question while it is read. The first error stays.
type question struct {
	*reader
	named  bool
	person person
	ask    decide.Ask
	err    error
}

func (q *question) top(name string) {
	switch name {
	case "person":
		q.named = true
		q.object("body.person", func(name string) {
			switch name {
			case "user_id":
				q.string("body.person.user_id", &q.person.UserID, 1, identity.MaxIdentifier)
			case "anonymous_id":
				q.string("body.person.anonymous_id", &q.person.AnonymousID, 1, identity.MaxIdentifier)
			default:
				q.unknown("body.person")
			}
		})
	case "purpose":
		var s string
		q.string("body.purpose", &s, 1, maxPurpose)
		q.ask.Purpose = declare.PurposeID(s)
	case "moment":
		q.object("body.moment", q.moment)
	case "exclude":
		q.items("body.exclude", &q.ask.Exclude)
	case "n":
		q.number("body.n", &q.ask.N, 1, decide.MaxItems)
	case "language":
		q.string("body.language", &q.ask.Language, 0, maxLanguage)
	default:
		q.unknown("body")
	}
}

func (q *question) moment(name string) {
	m := &q.ask.Moment
	switch name {
	case "time":
		var s string
		if q.string("body.moment.time", &s, 1, 64); q.err != nil {
			return
		}
		t, err := time.Parse(time.RFC3339, s)
		if err != nil {
			q.err = invalid("body.moment.time", "is not a time as in 2026-11-23T10:00:00Z")
			return
		}
		m.Time = t
	case "place":
		q.string("body.moment.place", &m.Place, 0, maxPlace)
	case "channel":
		q.string("body.moment.channel", &m.Channel, 0, maxChannel)
	case "session":
		q.items("body.moment.session", &m.Session)
	default:
		q.unknown("body.moment")
	}
}

// object reads an object, each for each member.
func (q *question) object(location string, each func(name string)) {
	if q.err != nil || !q.want('{', location, "is not an object") {
		return
	}
	ok := q.members(func(name string) bool {
		each(name)
		return q.err == nil
	})
	if !ok && q.err == nil {
		q.err = q.broken()
	}
}

// want checks what comes next.
func (q *question) want(kind jsontext.Kind, location, fault string) bool {
	switch got := q.dec.PeekKind(); {
	case got == kind:
		return true
	case got == jsontext.KindInvalid:
		q.err = q.broken()
	default:
		q.err = invalid(location, fault)
	}
	return false
}

// string reads a string of least to most bytes.
func (q *question) string(location string, into *string, least, most int) {
	if !q.want('"', location, "is not a string") {
		return
	}
	t, err := q.dec.ReadToken()
	if err != nil {
		q.err = q.cause(err)
		return
	}
	s := t.String()
	switch {
	case len(s) < least:
		q.err = invalid(location, "is empty")
	case len(s) > most:
		q.err = invalid(location, "is longer than "+strconv.Itoa(most)+" bytes")
	}
	*into = s
}

// number reads a whole number.
func (q *question) number(location string, into *int, least, most int) {
	if !q.want('0', location, "is not a number") {
		return
	}
	v, err := q.dec.ReadValue()
	if err != nil {
		q.err = q.cause(err)
		return
	}
	n, err := strconv.Atoi(string(v))
	if err != nil || n < least || n > most {
		q.err = invalid(location, "is not a whole number from "+strconv.Itoa(least)+" to "+strconv.Itoa(most))
		return
	}
	*into = n
}

// items reads a list of product ids.
func (q *question) items(location string, into *[]string) {
	if !q.want('[', location, "is not a list") {
		return
	}
	q.dec.ReadToken() //nolint:errcheck // want has seen it
	for q.err == nil && q.dec.PeekKind() != ']' {
		var s string
		if q.string(location, &s, 1, maxItemID); q.err != nil {
			return
		}
		if len(*into) == decide.MaxList {
			q.err = invalid(location, "has more than "+strconv.Itoa(decide.MaxList)+" products")
			return
		}
		*into = append(*into, s)
	}
	if _, err := q.dec.ReadToken(); err != nil && q.err == nil {
		q.err = q.cause(err)
	}
}

// unknown refuses a member by its place, not by its name: names may be personal
// where somebody mixed them up with values.
func (q *question) unknown(location string) {
	p := invalid(location, "has a member that the API does not know")
	p.Code = codeUnknown
	q.err = p
}

// broken finds out why the decoder goes no further.
func (q *question) broken() error {
	_, err := q.dec.ReadToken()
	return q.cause(err)
}

func (q *question) cause(err error) error {
	if errors.Is(err, jsontext.ErrDuplicateName) {
		return badBody("a name comes twice in an object")
	}
	return badBody("it goes wrong at byte " + strconv.FormatInt(q.dec.InputOffset(), 10))
}

func badBody(why string) *Problem {
	return problem(http.StatusBadRequest, codeBadJSON, "The body is not one JSON object: "+why+".")
}

// productID describes a product's id to huma.
type productID string

// Schema is for huma.
func (productID) Schema(huma.Registry) *huma.Schema {
	least, most := 1, maxItemID
	return &huma.Schema{Type: huma.TypeString, MinLength: &least, MaxLength: &most}
}
