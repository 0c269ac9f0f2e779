package api

import (
	"cmp"
	"context"
	"slices"
	"time"

	"accord/internal/auth"
	"accord/internal/consent"
	"accord/internal/identity"
)

type getConsentInput struct {
	UserID      string `query:"user_id" maxLength:"512" doc:"The shop's id of a customer"`
	AnonymousID string `query:"anonymous_id" maxLength:"512" doc:"The id of a visitor who is not known"`
}

type getConsentOutput struct {
	Body struct {
		Purposes []standing      `json:"purposes" doc:"Every purpose of the declaration"`
		Sequence uint64          `json:"sequence" doc:"The newest choice's place among all choices; 0 if nothing was chosen"`
		History  []historyRecord `json:"history" doc:"All that was chosen, the oldest first; of a user also under their linked visitors"`
		// Linked is absent where nobody else was proven to be this person.
		Linked int `json:"linked,omitzero" doc:"How many other ids (a user's visitors, a visitor's user and their others) are this person: the strictest choice of all of them is shown and counts"`
	}
}

// standing is what holds for a person and a purpose.
type standing struct {
	Purpose string `json:"purpose"`
	Text    string `json:"text" doc:"What the purpose is, in plain words"`
	Basis   string `json:"basis" enum:"consent,contract,legal_obligation,legitimate_interest,opt_out"`
	State   string `json:"state" enum:"unset,given,refused,withdrawn,objected,expired" doc:"What the person last chose; expired if that was a consent and has run out"`
	// Since and Until are absent where nothing was chosen or nothing ends.
	Since     *time.Time `json:"since,omitempty" doc:"When it was chosen; for a consent that was renewed, when it first was"`
	Until     *time.Time `json:"until,omitempty" doc:"When the consent must be asked again, or what is suspended is destroyed"`
	Suspended bool       `json:"suspended,omitzero" doc:"Somebody ended it who did not prove to be the person: what was kept is not used, and waits for the person's own word until then"`
	Holds     bool       `json:"holds" doc:"Whether personal data may be used for it now"`
	Reason    string     `json:"reason" doc:"The gate's answer: allowed, or why not" example:"no_choice"`
	Why       string     `json:"why" doc:"The same in plain words"`
	Synthetic bool       `json:"synthetic,omitzero" doc:"The choice was simulated; no human made it"`
}

type historyRecord struct {
	Sequence uint64          `json:"sequence"`
	Accepted time.Time       `json:"accepted"`
	Visitor  int             `json:"visitor,omitzero" doc:"Which of the user's linked visitors it stands under, counted in this answer alone; absent: under the id that was asked about. A choice that reached several ids stands under each"`
	Link     string          `json:"link,omitempty" enum:"linked,unlinked" doc:"Of a visitor, who was linked with a user here, or parted from one"`
	Choices  []historyChoice `json:"choices"`
	AgeBand  string          `json:"age_band,omitempty" doc:"The age band that the person was found to be in"`
	// A record that is claimed without its signature can be told apart.
	Signed    bool              `json:"signed" doc:"Whether the person signed it with a key of their own"`
	Signature *historySignature `json:"signature,omitempty" doc:"With it anybody can check that. Absent where its statement names an id that whoever asks did not prove"`
}

type historyChoice struct {
	Purpose      string    `json:"purpose"`
	State        string    `json:"state" enum:"given,refused,withdrawn,objected"`
	At           time.Time `json:"at"`
	Method       string    `json:"method,omitempty"`
	Notice       string    `json:"notice,omitempty"`
	Language     string    `json:"language,omitempty"`
	Proof        string    `json:"proof,omitempty" doc:"How the speaker proved to be the person"`
	Jurisdiction string    `json:"jurisdiction,omitempty"`
	Evidence     string    `json:"evidence,omitempty" doc:"What shows that it was chosen"`
	By           string    `json:"by,omitempty" enum:"guardian,agent" doc:"Who chose in the person's place"`
	Late         bool      `json:"late,omitzero" doc:"It came too late to count: the person had said something newer"`
	Synthetic    bool      `json:"synthetic,omitzero"`
}

func (s *server) getConsent(ctx context.Context, in *getConsentInput) (*getConsentOutput, error) {
	_, t, records, where, err := s.chosen(ctx, in)
	if err != nil {
		return nil, err
	}
	out := &getConsentOutput{}
	out.Body.Purposes, out.Body.Sequence = s.standings(t, where)
	out.Body.History = []historyRecord{}
	if !t.IsZero() {
		out.Body.Linked = len(s.Book.Group(t)) - 1
	}
	x := of(ctx)
	add := func(records []consent.Record, visitor int) {
		for i := range records {
			out.Body.History = append(out.Body.History, historyOf(x, &records[i], visitor))
		}
	}
	add(records, 0)
	for i, visitor := range s.Book.Visitors(t) {
		if records, err = s.Choices.History(ctx, visitor); err != nil {
			return nil, unavailable(err)
		}
		add(records, i+1)
	}
	slices.SortStableFunc(out.Body.History, func(a, b historyRecord) int { return cmp.Compare(a.Sequence, b.Sequence) })
	return out, nil
}

// chosen returns who is asked about and all that they chose, to the person alone, and
// what the request tells the gate of them.
func (s *server) chosen(ctx context.Context, in *getConsentInput) (id identity.Identifier, t identity.Token, records []consent.Record, where consent.Where, err error) {
	x := of(ctx)
	id, t, known, err := s.reader(x, person{UserID: in.UserID, AnonymousID: in.AnonymousID})
	if err != nil || !known {
		return id, t, nil, x.where(""), err
	}
	where = x.whereOf(ctx, t, x.speaker.Proves(id))
	if records, err = s.Choices.History(ctx, t); err != nil {
		return id, t, nil, where, unavailable(err)
	}
	return id, t, records, where, nil
}

// reader returns who is asked about, if it is the person who asks, and not too
// often.
func (s *server) reader(x *exchange, p person) (id identity.Identifier, t identity.Token, known bool, err error) {
	if id, err = s.identifier(p, "query"); err != nil {
		return id, t, false, err
	}
	if x.speaker.Proves(id) == identity.Unproven {
		return id, t, false, unproven
	}
	// A key that was stopped reads nobody; whoever proves to be the person by a token
	// of their own reads what they chose.
	if x.key.Kind == auth.Secret && s.Gate.Stops(x.key.Source) {
		return id, t, false, stopped
	}
	if t, known, err = s.find(id); err != nil || !known {
		return id, t, false, err
	}
	if x.key.Kind != auth.Secret && !s.reads.take(string(t[:]), 1, s.Now()) {
		s.metrics.limited.Inc()
		return id, t, false, tooMany
	}
	return id, t, true, nil
}

func (s *server) standings(t identity.Token, where consent.Where) ([]standing, uint64) {
	now := s.Now()
	presents, sequence := s.Book.Strict(t, now)
	reasons := s.Gate.Why(t, where, now)
	out := make([]standing, len(presents))
	for i, p := range presents {
		purpose := &s.Declaration.Purposes[i]
		out[i] = standing{
			Purpose: string(purpose.ID), Text: purpose.Text, Basis: purpose.Basis.String(), State: p.Shown(now).String(),
			Since: moment(p.At), Synthetic: p.Synthetic, Suspended: p.Suspended, Until: moment(p.Until),
			Holds: reasons[i] == consent.Allowed, Reason: reasons[i].Code(), Why: reasons[i].String(),
		}
	}
	return out, sequence
}

// moment returns a time of the book, nil for none.
func moment(ms int64) *time.Time {
	if ms == 0 {
		return nil
	}
	t := time.UnixMilli(ms).UTC()
	return &t
}

func historyOf(x *exchange, r *consent.Record, visitor int) historyRecord {
	h := historyRecord{Visitor: visitor, Sequence: r.Sequence, Accepted: r.Accepted.UTC(), AgeBand: r.Age, Choices: make([]historyChoice, 0, len(r.Choices)+len(r.Late))}
	if r.Link != nil {
		h.Link = "linked"
		if r.Link.Undo {
			h.Link = "unlinked"
		}
	}
	for i, c := range slices.Concat(r.Choices, r.Late) {
		h.Choices = append(h.Choices, historyChoice{
			Purpose: string(c.Purpose), State: c.State.String(), At: c.At.UTC(), Method: c.Method,
			Notice: c.Notice, Language: c.Language, Proof: c.Proof, Synthetic: c.Synthetic, Late: i >= len(r.Choices),
			Jurisdiction: c.Jurisdiction, Evidence: c.Evidence, By: string(c.By),
		})
	}
	if h.Signed = r.Signature != nil; h.Signed && x.named(r.Signature) {
		h.Signature = signatureOf(r.Signature)
	}
	return h
}

// named reports whether the speaker proved to be who a signature's statement names.
// What one linked id says is written to the others too, and the statement under it
// names the one: a browser must not learn an account's id from it.
func (x *exchange) named(signature *consent.Signature) bool {
	statement, err := consent.ParseStatement(signature.Statement)
	return err == nil && x.speaker.Proves(statement.Person) != identity.Unproven
}
