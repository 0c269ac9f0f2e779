package api

import (
	"context"
	"maps"
	"net/http"
	"slices"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"accord/internal/auth"
	"accord/internal/choices"
	"accord/internal/consent"
	"accord/internal/declare"
	"accord/internal/identity"
)

// reserved are the methods of choices that Accord makes itself. What an event
// reported must not pass for the person's own word, nor the other way round.
var reserved = []string{choices.MethodEvent, choices.MethodErasure, choices.MethodSignal, "import", "simulated"}

func (s *server) registerConsent(api huma.API) {
	huma.Register(api, withProofs(s.operation(huma.Operation{
		Method: http.MethodPut, Path: "/v1/consent", OperationID: "put-consent", Tags: []string{"consent"},
		Summary:     "Record what a person chose",
		Description: "When this answers, the choice is on disk and in force. To give needs a proof of the person; to refuse, withdraw or object does not, and without a proof the answer is the same whether the person is known or not. What is ended without a proof is not destroyed for 30 days, in which the person can take it back or confirm it. A choice of before the person was erased is refused (409, erased).",
		Errors:      []int{400, 401, 403, 408, 409, 413, 429, 503},
	}, withKey)), s.putConsent)
	huma.Register(api, withProofs(s.operation(huma.Operation{
		Method: http.MethodGet, Path: "/v1/consent", OperationID: "get-consent", Tags: []string{"consent"},
		Summary:     "What a person chose, and what holds now",
		Description: "Needs a proof of the person. A person who is not known has chosen nothing. A user sees also what was chosen under the visitors that are linked with them; a visitor sees only their own choices, since whoever has a browser did not prove to be the user who signed in there.",
		Errors:      []int{401, 403, 429, 503},
	}, withKey)), s.getConsent)
	s.registerRecord(api)
}

// choice is what can be chosen.
type choice string

// Schema is for huma.
func (choice) Schema(huma.Registry) *huma.Schema {
	return &huma.Schema{Type: huma.TypeString, Enum: []any{"given", "refused", "withdrawn", "objected"}}
}

type putConsentInput struct {
	Body struct {
		Person   person            `json:"person" doc:"Who chose"`
		Choices  map[string]choice `json:"choices" minProperties:"1" maxProperties:"64" doc:"A choice for each purpose that was chosen about" example:"{\"personalization\":\"given\"}"`
		Method   string            `json:"method,omitempty" default:"api" maxLength:"32" pattern:"^[a-z][a-z0-9_.-]*$" patternDescription:"a short name in small letters" doc:"How it was chosen; event, signal, import and simulated are the server's own" example:"banner"`
		Notice   string            `json:"notice,omitempty" maxLength:"128" doc:"The version of the notice that was read, from GET /v1/notice; absent: the one in force in the language, but none for a choice of the past, whose consent then counts for nothing"`
		Language string            `json:"language,omitempty" maxLength:"35" pattern:"^[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8})*$" patternDescription:"a language tag such as en-GB" doc:"The notice's language, BCP 47" example:"en-GB"`
		At       time.Time         `json:"at,omitzero" doc:"When it was chosen, for choices of the past; needs a secret key. Now if absent"`
		// Who, where and how, beside the method.
		Jurisdiction string         `json:"jurisdiction,omitempty" pattern:"^[A-Z]{2}(-[A-Z0-9]{1,3})?$" patternDescription:"a country or its part in ISO 3166, such as DE or US-CA" doc:"Where the person is for the law" example:"DE"`
		Evidence     string         `json:"evidence,omitempty" maxLength:"1024" doc:"What shows that it was chosen" example:"banner 3, button accept"`
		By           string         `json:"by,omitempty" enum:"guardian,agent" doc:"Who chose in the person's place; needs a secret key and evidence. The person if absent"`
		AgeBand      string         `json:"age_band,omitempty" maxLength:"64" doc:"The person's age band, a value of the attribute that the declaration's children name: a child's counts from anybody proven, and that somebody is no child any more with a secret key"`
		Signature    *signatureBody `json:"signature,omitempty" doc:"The person's own signature under these choices"`
	}
}

type putConsentOutput struct {
	Body struct {
		Choices map[string]choice `json:"choices" doc:"What is in force now for the purposes that were sent"`
		// Sequence is absent for an unproven speaker: it would tell whether the
		// person is known.
		Sequence uint64    `json:"sequence,omitzero" doc:"The choice's place among all choices; only for a proven person"`
		Accepted time.Time `json:"accepted" doc:"When it came into force"`
		// ModelsUntil is the deadline of promise 3.
		ModelsUntil *time.Time `json:"models_until,omitempty" doc:"When the purpose that models are learnt under was narrowed: until then a model that many people share may still know the person"`
	}
}

func (s *server) putConsent(ctx context.Context, in *putConsentInput) (*putConsentOutput, error) {
	x := of(ctx)
	id, err := s.identifier(in.Body.Person, "body.person")
	if err != nil {
		return nil, err
	}
	if slices.Contains(reserved, in.Body.Method) {
		return nil, invalid("body.method", "is one that the server gives itself; say how the person chose, such as banner or privacy-page")
	}
	proof := x.speaker.Proves(id)
	cs, widens, err := s.choicesOf(x, in, proof)
	if err != nil {
		return nil, err
	}
	if in.Body.AgeBand != "" && s.Declaration.Children == nil {
		return nil, invalid("body.age_band", "is not told apart by the declaration: it has no children")
	}
	if (widens || in.Body.AgeBand != "") && proof == identity.Unproven {
		return nil, unproven
	}
	if grown := in.Body.AgeBand != "" && !s.Declaration.Children.IsChild(in.Body.AgeBand); (widens || grown) && s.Gate.Stops(x.key.Source) {
		return nil, stopped
	}
	if _, known := s.Notices.Covered(in.Body.Notice); widens && in.Body.Notice != "" && !known {
		return nil, unknownNotice
	}
	signature, err := s.signed(x, in, id, cs)
	if err != nil {
		return nil, err
	}
	out := &putConsentOutput{}
	out.Body.Choices, out.Body.Accepted = in.Body.Choices, s.Now().UTC().Truncate(time.Millisecond)
	if proof == identity.Unproven {
		// A signature here is somebody's, and nobody can say that it is the person's.
		begun := time.Now()
		err = s.narrow(ctx, x, id, word{choices: cs})
		level(ctx, begun)
	} else {
		err = s.record(ctx, x, id, proof, word{cs, signature, in.Body.AgeBand, saidAt(in, cs)}, out)
	}
	if err != nil {
		return nil, err
	}
	if slices.ContainsFunc(cs, func(c consent.Choice) bool { return c.Purpose == s.ModelsUnder && c.State != consent.Given }) {
		until := out.Body.Accepted.Add(s.ModelsWithin)
		out.Body.ModelsUntil = &until
	}
	return out, nil
}

// choicesOf checks what was chosen, in the order of the purposes' names.
func (s *server) choicesOf(x *exchange, in *putConsentInput, proof identity.Proof) (cs []consent.Choice, widens bool, err error) {
	if in.Body.By != "" {
		if x.key.Kind != auth.Secret {
			return nil, false, secretOnly
		}
		if in.Body.Evidence == "" {
			return nil, false, invalid("body.evidence", "is missing: whoever chooses for another is vouched for by what shows that they may")
		}
	}
	now := s.Now()
	at := now
	if !in.Body.At.IsZero() {
		switch {
		case x.key.Kind != auth.Secret:
			return nil, false, secretOnly
		case in.Body.At.After(now):
			return nil, false, invalid("body.at", "is in the future; it says when the person chose")
		case in.Body.At.Year() < 1990:
			return nil, false, invalid("body.at", "is before 1990, which no record of a choice is")
		}
		at = in.Body.At
	}
	for _, name := range slices.Sorted(maps.Keys(in.Body.Choices)) {
		i, ok := s.Declaration.Purpose(declare.PurposeID(name))
		if !ok {
			return nil, false, problem(http.StatusUnprocessableEntity, codePurpose, "The declaration has no purpose of one of these names. GET /v1/declaration lists what it has.")
		}
		purpose := &s.Declaration.Purposes[i]
		if purpose.Basis == declare.Contract || purpose.Basis == declare.LegalObligation {
			return nil, false, problem(http.StatusUnprocessableEntity, codePurpose, "The purpose \""+name+"\" rests on "+basisWords(purpose.Basis)+" and not on a choice, so a choice would change nothing. Leave it out.")
		}
		place := in.Body.Jurisdiction
		if place == "" || x.located {
			place = string(x.place)
		}
		c := consent.Choice{Purpose: purpose.ID, At: at.UTC().Truncate(time.Millisecond), Method: in.Body.Method, Notice: in.Body.Notice, Language: in.Body.Language, Proof: proof.String(),
			Jurisdiction: place, Evidence: in.Body.Evidence, By: consent.By(in.Body.By)}
		c.State, _ = consent.ParseState(string(in.Body.Choices[name])) // the schema lets no other through
		widens = widens || c.State == consent.Given
		cs = append(cs, c)
	}
	return cs, widens, nil
}

// word is what somebody says about a person.
type word struct {
	choices   []consent.Choice
	signature *consent.Signature // or nil
	band      string             // of age, or ""
	at        time.Time          // when it was said, zero for an act of now
}

// saidAt returns when the choices were made, as the request or the signature says.
func saidAt(in *putConsentInput, cs []consent.Choice) time.Time {
	if in.Body.At.IsZero() && in.Body.Signature == nil {
		return time.Time{}
	}
	return cs[0].At
}

// record records the choices of a proven person, who becomes known by it, and
// answers with what is in force afterwards: a choice of the past that a later
// one overtook changes nothing.
func (s *server) record(ctx context.Context, x *exchange, id identity.Identifier, proof identity.Proof, said word, out *putConsentOutput) error {
	t, err := s.ensure(ctx, id, said.at)
	if err != nil {
		return err
	}
	if !s.mayChoose(x, t, proof) {
		return tooMany
	}
	if err := s.mark(ctx, x, t, said.band); err != nil {
		return err
	}
	// The signal first: who says yes beside it knows of it, and that yes stands.
	if err := s.honourFirst(ctx, x, t, proof, said.choices); err != nil {
		return err
	}
	record, err := s.Choices.RecordSigned(ctx, t, said.choices, said.signature)
	if err != nil {
		return s.unrecorded(err)
	}
	presents, sequence := s.Book.Strict(t, s.Now())
	out.Body.Sequence = sequence
	if record.Sequence != 0 {
		out.Body.Sequence, out.Body.Accepted = record.Sequence, record.Accepted.UTC()
	}
	out.Body.Choices = make(map[string]choice, len(said.choices))
	for _, c := range said.choices {
		if i, ok := s.Declaration.Purpose(c.Purpose); ok {
			out.Body.Choices[string(c.Purpose)] = choice(presents[i].State.String())
		}
	}
	return nil
}

// narrow records what somebody unproven said about a person: only what narrows,
// only of a person who is known, and only of a purpose that is not ended already.
// Nothing of that shows in the answer.
func (s *server) narrow(ctx context.Context, x *exchange, id identity.Identifier, said word) error {
	if !s.mayChoose(x, identity.Token{}, identity.Unproven) {
		return tooMany
	}
	t, known, err := s.find(id)
	if err != nil || !known {
		return err
	}
	presents, _ := s.Book.Presents(t)
	cs := slices.DeleteFunc(said.choices, func(c consent.Choice) bool {
		i, ok := s.Declaration.Purpose(c.Purpose)
		return !ok || c.State == consent.Given || presents[i].Certain(false)
	})
	// With nothing to record it finishes what an earlier choice left.
	if _, err = s.Choices.RecordSigned(ctx, t, cs, said.signature); err != nil {
		return s.unrecorded(err)
	}
	if len(cs) > 0 {
		s.metrics.unproven.Inc()
	}
	return nil
}

// mayChoose bounds how often whoever has a public key makes choices durable: by
// the source where nobody proved whose they are, else by the person, so that
// nobody's flood keeps another from withdrawing. A secret key is not bounded.
func (s *server) mayChoose(x *exchange, t identity.Token, p identity.Proof) bool {
	ok := true
	switch {
	case x.key.Kind == auth.Secret:
	case p == identity.Unproven:
		return s.mayDeny(x, 1)
	default:
		ok = s.chooses.take(string(t[:]), 1, s.Now())
	}
	if !ok {
		s.metrics.limited.Inc()
	}
	return ok
}

// mayDeny bounds how many people's choices a source may narrow without a proof.
// It is asked before anybody is looked up, so that its answer tells nothing.
func (s *server) mayDeny(x *exchange, people int) bool {
	if x.key.Kind == auth.Secret || s.narrows.take(x.key.Source, people, s.Now()) {
		return true
	}
	s.metrics.limited.Inc()
	return false
}

// narrowTick is the grid on which unproven narrowings are answered. It is wider
// than the disk takes for a choice that changes something, and narrower than
// anybody minds who clicks a banner away.
const narrowTick = 100 * time.Millisecond

// level waits for the next tick after begun: a narrowing of somebody who is known
// waits for the disk and one of somebody unknown does not, and the time of the
// answer must not tell which it was.
func level(ctx context.Context, begun time.Time) {
	tick := time.NewTimer(narrowTick - time.Since(begun)%narrowTick)
	defer tick.Stop()
	select {
	case <-tick.C:
	case <-ctx.Done():
	}
}

// stopped is the answer to a source under an emergency stop: it reads nothing of
// people and widens nothing.
var stopped = problem(http.StatusForbidden, codeStopped,
	"The source of this key is under an emergency stop, so it neither reads nor widens anything. Refusals, withdrawals, unlinking and erasure go on; send those alone. GET /v1/stops tells why, with a secret key, and one of another source ends it.")

var tooMany = problem(http.StatusTooManyRequests, codeTooMany,
	"This was asked too often with this key. Ask again after the seconds that Retry-After names.").later(1)

// unrecorded is a choice that could not be made durable: it is not in force.
func (s *server) unrecorded(err error) error {
	if s.Busy(err) {
		return err
	}
	return unavailable(err)
}
