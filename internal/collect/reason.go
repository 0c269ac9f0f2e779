package collect

import (
	"sync/atomic"

	"accord/internal/consent"
)

// Reason says why a field or an event was not kept. The zero Reason is none.
type Reason uint8

// The collector's own reasons. Those of the gate follow after them: see Denied.
const (
	NoReason Reason = iota

	// Reasons for a field.
	Undeclared // the declaration does not name it
	WrongType  // its value is not of the declared type
	Repeated   // the same name came before in the same object
	TooMany    // there are more values than may be kept together

	// Reasons for an event, and for all of its fields.
	Unproven        // the speaker did not prove to be the person
	UndeclaredEvent // the declaration has no such event
	NotJoined       // group and alias keep nothing
	OtherBasis      // an import was restricted to another legal basis
	OtherIdentifier // the declaration does not know people by this identifier for these purposes
	BadContext      // the batch's context is no object, and may hold a refusal
	AlreadyKept     // a message of this id was kept before
	Erased          // the person was erased after it happened

	// Reasons for an event that is bad.
	NoObject      // not a JSON object
	UnknownType   // no type that the API has
	NoName        // a track call without an event name
	NoIdentity    // neither userId nor anonymousId
	BadIdentifier // an identifier that is no string and no whole number, too long or not UTF-8
	BadTime       // a timestamp that is none
	Future        // more than MaxAhead in the future
	TooLarge      // more than MaxEvent bytes
	TooDeep       // nested deeper than MaxDepth
	BadUTF8       // bytes that are not UTF-8
	RepeatedName  // a name twice at the event's top level

	own
)

const reasons = int(own) + consent.Reasons

// Denied returns the Reason that stands for one of the gate's.
func Denied(r consent.Reason) Reason { return own + Reason(r) }

var reasonTexts = [own][2]string{
	NoReason:        {"", ""},
	Undeclared:      {"undeclared", "the declaration does not name it"},
	WrongType:       {"type", "its value is not of the declared type"},
	Repeated:        {"repeated", "the same name came before in the same object"},
	TooMany:         {"too_many", "there are more values than may be kept together"},
	Unproven:        {"unproven", "the speaker did not prove to be this person"},
	UndeclaredEvent: {"undeclared_event", "the declaration has no event of this name"},
	NotJoined:       {"not_joined", "group and alias calls keep nothing; an alias links a visitor with a user if both are proven"},
	OtherBasis:      {"other_basis", "the import is restricted to another legal basis"},
	OtherIdentifier: {"identifier_undeclared", "the declaration does not name this identifier, or not for these purposes: see identifiers"},
	BadContext:      {"context", "the batch's context is no object, so that a refusal in it could not be read"},
	AlreadyKept:     {"duplicate", "a message of this id was kept before"},
	Erased:          {"erased", "the person was erased after it happened, and what was erased does not come back"},
	NoObject:        {"no_object", "an event is a JSON object"},
	UnknownType:     {"unknown_type", "the type is track, identify, page, screen, group or alias"},
	NoName:          {"no_event", "a track call names its event"},
	NoIdentity:      {"no_identity", "an event has a userId or an anonymousId"},
	BadIdentifier:   {"identifier", "an identifier is a string of 1 to 512 bytes, or a whole number"},
	BadTime:         {"timestamp", "a timestamp is written as 2026-11-23T12:00:00.000Z and lies after 1970"},
	Future:          {"future", "the event lies more than a day in the future"},
	TooLarge:        {"too_large", "an event has at most 32 KiB"},
	TooDeep:         {"too_deep", "an event is nested at most 32 levels deep"},
	BadUTF8:         {"utf8", "the text is not UTF-8"},
	RepeatedName:    {"repeated_name", "a name comes twice at the event's top level"},
}

// Code returns the reason's stable name for metrics and the debugger.
func (r Reason) Code() string {
	if r < own {
		return reasonTexts[r][0]
	}
	return consent.Reason(r - own).Code()
}

// String returns the reason in plain words.
func (r Reason) String() string {
	if r < own {
		return reasonTexts[r][1]
	}
	return consent.Reason(r - own).String()
}

// Words returns the plain words of the reason with a code, "" if there is none.
func Words(code string) string {
	for r := range reasons {
		if Reason(r).Code() == code {
			return Reason(r).String()
		}
	}
	return ""
}

// totals are the counters behind Counts.
type totals struct {
	requests, rejected, events, kept, records, values, unproven atomic.Uint64
	notKept, dropped                                            [reasons]atomic.Uint64
}

// Counts returns the totals since the collector was made: "requests" (bodies and
// imports), "rejected" (bodies that failed as a whole), "events" (messages in
// the others), "kept" (messages of which something was kept), "records" (sealed
// pieces made durable), "values" (declared values in them), "unproven_refusals"
// (people of whom something was suspended by somebody who proved nothing), and by
// the code of the reason "event:<code>" (messages of which nothing was kept) and
// "field:<code>" (values dropped). No name that a client made up is among the
// keys, so their number is bounded.
func (c *Collector) Counts() map[string]uint64 {
	t := &c.totals
	out := map[string]uint64{
		"requests": t.requests.Load(), "rejected": t.rejected.Load(), "events": t.events.Load(),
		"kept": t.kept.Load(), "records": t.records.Load(), "values": t.values.Load(),
		"unproven_refusals": t.unproven.Load(),
	}
	for r := range reasons {
		if n := t.notKept[r].Load(); n > 0 {
			out["event:"+Reason(r).Code()] += n
		}
		if n := t.dropped[r].Load(); n > 0 {
			out["field:"+Reason(r).Code()] += n
		}
	}
	return out
}
