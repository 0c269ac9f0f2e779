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
//	grant, reason := gate.Ask(token, purpose, now)
//	if reason != consent.Allowed { … un-personal … }
//	view, err := vault.View(ctx, grant)
//	… compute …
//	if gate.Release(grant, now()) != consent.Allowed { … do it again … }
//
// Promises kept here: 1 (default deny), 2 (one gate), 3 (a withdrawal is a
// fence: Release fails from the moment Apply returned).
//
// Non-goals: durability (package choices appends a choice to the log before it
// is applied), law (package law will narrow what the gate allows).
package consent

import (
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
)

// String returns the state's name as the API spells it.
func (s State) String() string {
	if int(s) < len(stateNames) {
		return stateNames[s]
	}
	return "unknown"
}

var stateNames = [...]string{"unset", "given", "refused", "withdrawn", "objected"}

// ParseState reads a state that a person can choose: given, refused, withdrawn
// or objected.
func ParseState(s string) (State, bool) {
	for i, name := range stateNames[1:] {
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
	// Synthetic marks a choice that no human made. It shows wherever the choice
	// does.
	Synthetic bool `json:"synthetic,omitempty"`
	// Proof is how the speaker proved to be the person.
	Proof string `json:"proof,omitempty"`
	// Message is the keyed HMAC of the id of the message that brought the choice,
	// in hexadecimal, or "".
	Message string `json:"message,omitempty"`
}

// Unproven reports whether whoever chose did not prove to be the person.
func (c *Choice) Unproven() bool { return c.Proof == identity.Unproven.String() }

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
}
