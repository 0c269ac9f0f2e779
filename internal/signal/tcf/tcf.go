// Package tcf reads and writes IAB Europe's Transparency and Consent strings
// ("TC strings"): version 2 of the format, up to policy 5 and TCF 2.4, with the
// segments core, disclosed vendors, allowed vendors (which TCF 2.3 dropped) and
// publisher TC. A string of version 1, which has not been valid since 2020, is
// refused.
//
//	s, err := tcf.Decode("CPXxRfAPXxRfAAfKABENB-CgAAAAAAAAAAYgAAAAAAAA")
//	s.PurposesConsent.Has(1)
//	text, err := s.Encode()
//
// # What is refused
//
// Anything above MaxLength characters, before it is looked at; a field that is cut
// off; bits after the last field; a segment that comes twice or is not known; a
// code that has no letters; ids of 0, runs that go downwards, ids above the
// announced greatest. Whoever gets an error has no consent in hand.
//
// # What is canonical
//
// The format leaves choices to the encoder. Encode makes those of the reference
// encoder @iabtechlabtcf/core, so both give the same text for the same content:
//
//   - segments in the order core, disclosed vendors, allowed vendors, publisher TC;
//   - MaxVendorId is the greatest id that is in the set;
//   - ranges where they are smaller, as bits.Shortish counts, else a bit field;
//   - restrictions in the order given, the vendors of each as sorted runs;
//   - every segment filled up with zero bits to a multiple of 24.
//
// EncodeSection makes the choice of the GPP reference encoder, which counts
// exactly. The decoder accepts any choice, so decoding and encoding again may give
// another text with the same content.
//
// The reference encoder also changes content, by its vendor list (legitimate
// interest for purposes 1 and 3 to 6, vendors without a purpose). This codec writes
// what it is given: what the content permits is for whoever reads it.
package tcf

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"accord/internal/signal/bits"
)

// MaxLength is how many characters a string may have. Consents, legitimate
// interests and disclosure of 2,000 vendors take about 1,100; with publisher
// restrictions for each of 11 purposes in 15 runs, about 1,700. Strings travel in
// cookies (4,096 bytes) and headers (8,192 as a rule).
const MaxLength = 8192

// The versions and limits of the format.
const (
	version         = 2
	maxRestrictions = 64 * 4 // purposes × types: more would say something twice
	features        = 12
	purposes        = 24
)

// String is a decoded TC string. Field names are the specification's. Times have a
// precision of 0.1 s; the specification wants whole days.
type String struct {
	Version                  int
	Created                  time.Time
	LastUpdated              time.Time
	CmpId                    int
	CmpVersion               int
	ConsentScreen            int
	ConsentLanguage          string // two letters, capitals
	VendorListVersion        int
	TcfPolicyVersion         int
	IsServiceSpecific        bool
	UseNonStandardTexts      bool
	SpecialFeatureOptIns     bits.Field
	PurposesConsent          bits.Field
	PurposesLITransparency   bits.Field
	PurposeOneTreatment      bool
	PublisherCC              string // two letters, capitals
	VendorConsent            bits.IDs
	VendorLegitimateInterest bits.IDs
	PubRestrictions          []PubRestriction `json:",omitempty"`
	DisclosedVendors         *bits.IDs        `json:",omitempty"` // nil: no such segment
	AllowedVendors           *bits.IDs        `json:",omitempty"`
	PublisherTC              *PublisherTC     `json:",omitempty"`
}

// PubRestriction is what the publisher demands of some vendors for one purpose.
type PubRestriction struct {
	PurposeId       int
	RestrictionType int // 0 not allowed, 1 consent required, 2 legitimate interest required, 3 undefined
	VendorIds       bits.IDs
}

// PublisherTC is the publisher's own transparency and consent.
type PublisherTC struct {
	PubPurposesConsent           bits.Field
	PubPurposesLITransparency    bits.Field
	NumCustomPurposes            int // 0 to 63
	CustomPurposesConsent        bits.Field
	CustomPurposesLITransparency bits.Field
}

// The types of segments, which begin with three bits. The core has none: its
// version begins with three zero bits.
const (
	segmentDisclosed = 1
	segmentAllowed   = 2
	segmentPublisher = 3
	segmentBits      = 3
)

// Decode reads a TC string.
func Decode(text string) (*String, error) {
	if len(text) > MaxLength {
		return nil, fmt.Errorf("a TC string has %d characters at most, and this has %d", MaxLength, len(text))
	}
	core, rest, more := strings.Cut(text, ".")
	s := &String{}
	if err := s.core(bits.NewReader(core)); err != nil {
		return nil, fmt.Errorf("TC string, core: %w", err)
	}
	for more {
		var segment string
		segment, rest, more = strings.Cut(rest, ".")
		if err := s.segment(bits.NewReader(segment)); err != nil {
			return nil, fmt.Errorf("TC string: %w", err)
		}
	}
	return s, nil
}

func (s *String) core(r *bits.Reader) error {
	s.Version = r.Int(6)
	switch {
	case r.Err() != nil:
		return r.Err()
	case s.Version == 1:
		return errors.New("this is a string of version 1, which ended in August 2020 and is no consent today: ask the person again")
	case s.Version != version:
		return fmt.Errorf("version %d is not known: this codec reads version %d", s.Version, version)
	}
	s.Created = r.Time()
	s.LastUpdated = r.Time()
	s.CmpId = r.Int(12)
	s.CmpVersion = r.Int(12)
	s.ConsentScreen = r.Int(6)
	s.ConsentLanguage = r.Letters(2)
	s.VendorListVersion = r.Int(12)
	s.TcfPolicyVersion = r.Int(6)
	s.IsServiceSpecific = r.Bool()
	s.UseNonStandardTexts = r.Bool()
	s.SpecialFeatureOptIns = r.Field(features)
	s.PurposesConsent = r.Field(purposes)
	s.PurposesLITransparency = r.Field(purposes)
	s.PurposeOneTreatment = r.Bool()
	s.PublisherCC = r.Letters(2)
	s.VendorConsent = r.Optimized()
	s.VendorLegitimateInterest = r.Optimized()
	s.PubRestrictions = ReadRestrictions(r, (*bits.Reader).IDRanges)
	return r.Close()
}

// ReadRestrictions reads publisher restrictions, of which each has its vendors in the
// form that vendors reads: TCF Canada has another one.
func ReadRestrictions(r *bits.Reader, vendors func(*bits.Reader) bits.IDs) []PubRestriction {
	n := r.Int(12)
	if n > maxRestrictions {
		r.Fail("there are %d publisher restrictions: 64 purposes and 4 types make %d", n, maxRestrictions)
		return nil
	}
	if n == 0 {
		return nil
	}
	all := make([]PubRestriction, 0, n)
	for range n {
		all = append(all, PubRestriction{PurposeId: r.Int(6), RestrictionType: r.Int(2), VendorIds: vendors(r)})
		if r.Err() != nil {
			return nil
		}
	}
	return all
}

func (s *String) segment(r *bits.Reader) error {
	kind := r.Int(segmentBits)
	switch {
	case r.Err() != nil:
		return fmt.Errorf("a segment: %w", r.Err())
	case kind == segmentDisclosed && s.DisclosedVendors == nil:
		ids := r.Optimized()
		s.DisclosedVendors = &ids
	case kind == segmentAllowed && s.AllowedVendors == nil:
		ids := r.Optimized()
		s.AllowedVendors = &ids
	case kind == segmentPublisher && s.PublisherTC == nil:
		p := &PublisherTC{PubPurposesConsent: r.Field(purposes), PubPurposesLITransparency: r.Field(purposes), NumCustomPurposes: r.Int(6)}
		p.CustomPurposesConsent = r.Field(p.NumCustomPurposes)
		p.CustomPurposesLITransparency = r.Field(p.NumCustomPurposes)
		s.PublisherTC = p
	case kind == segmentDisclosed || kind == segmentAllowed || kind == segmentPublisher:
		return fmt.Errorf("the segment %s comes twice", segmentNames[kind])
	default:
		return fmt.Errorf("a segment has the type %d: there are 1 (disclosed vendors), 2 (allowed vendors) and 3 (publisher TC), and the core comes first", kind)
	}
	if err := r.Close(); err != nil {
		return fmt.Errorf("segment %s: %w", segmentNames[kind], err)
	}
	return nil
}

var segmentNames = [...]string{"core", "disclosed vendors", "allowed vendors", "publisher TC"}
