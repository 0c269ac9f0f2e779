// Package records writes and reads what people chose as other systems do: consent
// records and receipts of ISO/IEC TS 27560 in JSON-LD with the terms of W3C's Data
// Privacy Vocabulary 2.3, and the tables (CSV, JSON) that consent managers export.
//
//	b, err := records.Write(d, records.Subject{Person: id, Records: history}, presents, now)
//	subjects, err := records.Read(d, file, records.TS27560)
//
// A receipt says for each purpose what it is, on what it rests, which data it uses
// and what holds now, and holds every choice of the person with all that shows it,
// signatures included. Read gives back the choices in their order, so that a server
// that records them again decides the same. What names no choice (a consent that
// was asked for, or that ran out by itself) is passed over, and so is what came too
// late to count: both could only widen. A file is read whole or not at all.
//
// DPV has no term for an objection to what held without a consent, nor for a basis
// that holds until then: those terms are the project's own (urn:accord:terms:).
//
// Non-goals: recording what was read (package app does), and checking that it may
// be (package choices).
package records

import (
	"accord/internal/consent"
	"accord/internal/declare"
	"accord/internal/identity"
)

// Subject is a person and what they chose, the oldest first.
type Subject struct {
	Person  identity.Identifier
	Records []consent.Record
}

// Limits of a file.
const (
	MaxFile    = 4 << 30 // bytes, unfolded
	MaxRecord  = 16 << 20
	MaxChoices = 5_000_000
	maxFaults  = 10
)

// states are the choices as DPV spells them; Objected is the project's own.
var states = map[consent.State]string{
	consent.Given: dpv + "ConsentGiven", consent.Refused: dpv + "ConsentRefused",
	consent.Withdrawn: dpv + "ConsentWithdrawn", consent.Expired: dpv + "ConsentExpired",
	consent.Objected: "Objected",
}

var bases = map[declare.Basis]string{
	declare.Consent: dpv + "Consent", declare.Contract: dpv + "ContractPerformance",
	declare.LegalObligation: dpv + "LegalObligation", declare.LegitimateInterest: dpv + "LegitimateInterest",
	declare.OptOut: "OptOut",
}

// Names of the vocabularies, as the context and other tools spell them.
const (
	dpv     = "dpv:"
	dpvIRI  = "https://w3id.org/dpv#"
	ownIRI  = "urn:accord:terms:"
	schema  = "ISO/IEC TS 27560:2023"
	profile = "https://w3id.org/dpv/schema/dpv-27560"
)

func controllerIRI(c identity.Controller) string { return "urn:accord:controller:" + string(c) }

func purposeIRI(c identity.Controller, p declare.PurposeID) string {
	return "urn:accord:purpose:" + string(c) + ":" + string(p)
}
