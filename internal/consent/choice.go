// Package consent decides whether personal data may be used.
//
// A person's [Choice] about a purpose is a fact with a time, a method and the
// version of the notice that was read. The [Book] holds the present choices of
// everybody in memory; it is a fold of the choice stream and is never asked
// before the whole stream was applied. The [Gate] answers one question (may
// this person's data be used for this purpose, now?) with a [Grant] or with the
// [Reason] why not. A Grant cannot be made anywhere else: its fields are
// unexported and its zero value denies.
//
// A consent counts for what its notice said. When more is done today than that
// ([Notices] tell), or nobody can say what was read, the gate denies until the
// person is asked again; nothing is destroyed for it.
//
//	grant, reason := gate.Ask(token, purpose, Where{}, now)
//	if reason != consent.Allowed { … un-personal … }
//	view, err := vault.View(ctx, grant)
//	… compute …
//	if gate.Release(grant, now()) != consent.Allowed { … do it again … }
//
// A person can sign what they chose with a key that only they hold (a [Signature]
// under a [Statement]); a purpose may count no consent without one. A child's
// purposes may need a guardian: see declare.Children.
//
// A [Link] makes a visitor one of a user's. Then a purpose holds for each of them
// only if nobody of them ended it, and a grant is good only while nobody of them
// chooses: the stricter choice wins, and each one's data is covered by their own
// choices alone. A [Stop] denies for everyone, whatever they chose.
//
// Promises kept here: 1 (default deny), 2 (one gate), 3 (a withdrawal is a
// fence: Release fails from the moment Apply returned).
//
// Non-goals: durability (package choices appends a choice to the log before it
// is applied), law (package law will narrow what the gate allows).
package consent

import (
	"strings"
	"time"

	"accord/internal/declare"
	"accord/internal/identity"
)

// State is what a person last said about a purpose.
type State uint8

// The states of a choice. The numbers are durable.
const (
	Unset     State = 0 // nothing was ever said
	Given     State = 1
	Refused   State = 2
	Withdrawn State = 3
	Objected  State = 4
	// Expired is a consent that ran out by itself. It is shown, and nobody chooses
	// it: see [Present.Shown].
	Expired State = 5
)

// String returns the state's name as the API spells it.
func (s State) String() string {
	if int(s) < len(stateNames) {
		return stateNames[s]
	}
	return "unknown"
}

var stateNames = [...]string{"unset", "given", "refused", "withdrawn", "objected", "expired"}

// ParseState reads a state that a person can choose: given, refused, withdrawn
// or objected.
func ParseState(s string) (State, bool) {
	for i, name := range stateNames[1:Expired] {
		if s == name {
			return State(i + 1), true
		}
	}
	return Unset, false
}

// Ended reports whether the person ended the purpose. A state that a later
// Accord wrote counts as an end.
func (s State) Ended() bool { return s != Unset && s != Given }

// Choice is what a person said about one purpose.
type Choice struct {
	Purpose declare.PurposeID `json:"purpose"`
	State   State             `json:"state"`
	// At is when the person chose. An import may bring choices of the past.
	At time.Time `json:"at"`
	// Method is how: "api", "event", "import", "banner", "simulated", …
	Method string `json:"method"`
	// Notice is the version of the notice that the person had read, or "".
	Notice string `json:"notice,omitempty"`
	// Language of that notice, BCP 47, or "".
	Language string `json:"language,omitempty"`
	// Jurisdiction is where the person was for the law, as ISO 3166 spells it (DE,
	// US-CA), or "".
	Jurisdiction string `json:"jurisdiction,omitempty"`
	// Evidence is what shows that the choice was made: a banner's version and its
	// button, a scan's number; or "".
	Evidence string `json:"evidence,omitempty"`
	// By is who chose for the person.
	By By `json:"by,omitempty"`
	// Synthetic marks a choice that no human made. It shows wherever the choice
	// does.
	Synthetic bool `json:"synthetic,omitempty"`
	// Proof is how the speaker proved to be the person.
	Proof string `json:"proof,omitempty"`
	// Message is the keyed HMAC of the id of the message that brought the choice,
	// in hexadecimal, or "".
	Message string `json:"message,omitempty"`
}

// By is who chose.
type By string

// Who may choose. Whoever chooses for another is vouched for by the shop, with
// evidence.
const (
	ByPerson   By = ""
	ByGuardian By = "guardian"
	ByAgent    By = "agent"
)

// Known reports whether b is one of them.
func (b By) Known() bool { return b == ByPerson || b == ByGuardian || b == ByAgent }

// Unproven reports whether whoever chose did not prove to be the person.
func (c *Choice) Unproven() bool { return c.Proof == identity.Unproven.String() }

// Places reports whether a choice tells where the person is for the law: it names a
// place, and was proven.
func (c *Choice) Places() bool { return c.Jurisdiction != "" && !c.Unproven() }

// ByVisitor reports whether whoever chose proved to be a visitor and no more; an
// import says so behind its own word.
func (c *Choice) ByVisitor() bool { return strings.HasSuffix(c.Proof, identity.ByVisitor.String()) }

// Record is one message of the choice stream: what one person said at once.
type Record struct {
	Controller identity.Controller `json:"controller"`
	Token      identity.Token      `json:"-"`
	// Sequence is the message's place in the stream and orders all choices by
	// when they were accepted. It is 0 until the record is durable.
	Sequence uint64    `json:"-"`
	Accepted time.Time `json:"accepted"`
	Choices  []Choice  `json:"choices"`
	// Late are choices that came too late to count: a "given" older than what
	// the person has said since. They are kept as evidence and never applied.
	Late []Choice `json:"late,omitempty"`
	// Age is the band that the person was found to be in with this record, a value of
	// the attribute that declare.Children names; "" changes nothing.
	Age string `json:"age,omitempty"`
	// Erased says that these choices end all that the person chose, for an erasure.
	Erased bool `json:"erased,omitempty"`
	// Signature is the person's own under what they chose, or nil.
	Signature *Signature `json:"signature,omitempty"`
	// Link, in a record of its own, says whose visitor the person is.
	Link *Link `json:"link,omitempty"`
	// Stop, in a record of StopsToken, is an emergency stop.
	Stop *Stop `json:"stop,omitempty"`
}
