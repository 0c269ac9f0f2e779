// Package event holds what happened and how it is written down.
//
// A person's action arrives as one message and is split by class into pieces
// ([Piece]), each with the declared fields of that class and nothing else. A
// piece is encoded canonically, sealed under the person's key for the class and
// becomes a [Record]. Records of one retention travel through the log together
// in a [Frame], which is one message and one fsync.
//
// Names are durable numbers ([declare.NameID]); a reader whose declaration no
// longer knows a number cannot read the value, which is what undeclared means.
//
// Promises kept here: 4 (a piece can hold declared fields only).
//
// Non-goals: sealing (package vault), parsing what clients send (package
// collect).
package event

import (
	"time"

	"accord/internal/declare"
	"accord/internal/identity"
)

// ID identifies a record: a keyed hash of its source and message id, or for an
// imported line of its file's digest and line number. The same message always
// has the same ID, so nothing is folded twice.
type ID [16]byte

// Kind says what a record's payload is.
type Kind uint8

// The kinds of record. The numbers are durable.
const (
	// Piece of an event or of traits: see DecodePiece.
	KindPiece Kind = 1
	// Receipt of a decision: JSON, see package decide.
	KindReceipt Kind = 2
	// Choice of a person: JSON, see package choices. It never travels in a frame.
	KindChoice Kind = 3
)

// Header is what a record shows unsealed. It names no person and no value.
type Header struct {
	ID    ID
	Token identity.Token
	Class declare.ClassID
	// Mask holds the purposes of the class that admitted the record
	// (declare.Class.Mask).
	Mask uint16
	Kind Kind
	// Choice is the person's newest choice when the record was admitted.
	Choice uint64
	// Accepted is when the server took the record, in Unix milliseconds.
	Accepted int64
}

// Record is a header and the payload sealed under the person's key for the
// class. Its associated data is Header.AppendAAD.
type Record struct {
	Header
	Sealed []byte
}

// AppendAAD appends the associated data that binds a sealed payload to its
// place: the controller, the token and the record id, and the rest of the
// header, so that none of it can be exchanged.
func (h *Header) AppendAAD(b []byte, c identity.Controller) []byte {
	b = append(b, "accord record v1\x00"...)
	b = append(b, c...)
	b = append(b, 0)
	return h.append(b)
}

// Piece is what one class keeps of an event or of a person's traits.
type Piece struct {
	// Event is the declared event, or 0 for traits.
	Event declare.NameID
	// At is when it happened, by the corrected clock of the sender, in Unix
	// milliseconds.
	At     int64
	Fields []Field
}

// Time returns At as a time in UTC.
func (p *Piece) Time() time.Time { return time.UnixMilli(p.At).UTC() }

// Field is one declared value. Index counts the elements of a list: the value
// of "products[].price" for the second product has Index 1.
type Field struct {
	ID    declare.NameID
	Index uint16
	Value Value
}

// Value is a string, a number, an integer, a boolean or a time. Exactly one
// form is meant, as Kind tells.
type Value struct {
	Kind ValueKind
	Text string  // ValueString
	Num  float64 // ValueNumber
	Int  int64   // ValueInteger; ValueBoolean (0 or 1); ValueTime (Unix ms)
}

// ValueKind tells the forms of a Value apart. The numbers are durable.
type ValueKind uint8

// The forms of a Value.
const (
	ValueString  ValueKind = 1
	ValueNumber  ValueKind = 2
	ValueInteger ValueKind = 3
	ValueBoolean ValueKind = 4
	ValueTime    ValueKind = 5
)

// Frame is a run of records that became durable together.
type Frame struct {
	Stream   int    // which of the log's streams
	Sequence uint64 // its place there
	Records  []Record
}

// ChoiceMessage is a sealed message of the choice stream: one person's choices.
type ChoiceMessage struct {
	Token    identity.Token
	Sequence uint64
	Sealed   []byte
}
