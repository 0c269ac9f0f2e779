package gpp

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"accord/internal/signal/bits"
	"accord/internal/signal/strict"
	"accord/internal/signal/tcf"
)

// TCFCA is the section of IAB Canada's TCF, version 1. Field names are the
// specification's.
type TCFCA struct {
	Version                      int
	Created                      time.Time
	LastUpdated                  time.Time
	CmpId                        int
	CmpVersion                   int
	ConsentScreen                int
	ConsentLanguage              string
	VendorListVersion            int
	TcfPolicyVersion             int
	UseNonStandardStacks         bool
	SpecialFeatureExpressConsent bits.Field
	PurposesExpressConsent       bits.Field
	PurposesImpliedConsent       bits.Field
	VendorExpressConsent         bits.IDs
	VendorImpliedConsent         bits.IDs
	PubRestrictions              []tcf.PubRestriction `json:",omitempty"`
	PublisherPurposes            *PublisherPurposes   `json:",omitempty"` // nil: no such segment
	DisclosedVendors             *bits.IDs            `json:",omitempty"`
}

// PublisherPurposes is the publisher's own consent in TCFCA.
type PublisherPurposes struct {
	PubPurposesExpressConsent    bits.Field
	PubPurposesImpliedConsent    bits.Field
	NumCustomPurposes            int // 0 to 63
	CustomPurposesExpressConsent bits.Field
	CustomPurposesImpliedConsent bits.Field
}

// The types of the segments after the core, the widths of the bit fields, and the
// most restrictions: 64 purposes × 4 types.
const (
	caDisclosed = 1
	caPublisher = 3
	caFeatures  = 12
	caPurposes  = 24
)

// decodeCanada reads the section. The reference encoder wrote Range(Int) until
// version 3.2 where the specification has Fibonacci codes; such texts are read too,
// if they are none in Fibonacci codes, and written as the specification wants.
func decodeCanada(text string) (*TCFCA, error) {
	core, rest, more := strings.Cut(text, ".")
	s := &TCFCA{}
	r := bits.NewReader(core)
	if err := s.core(r, (*bits.Reader).OptimizedFibonacci, (*bits.Reader).OptimizedFibonacci); err != nil {
		old := &TCFCA{}
		if old.core(bits.NewReader(core), (*bits.Reader).Optimized, (*bits.Reader).IDRanges) != nil {
			return nil, fmt.Errorf("core: %w", err)
		}
		s = old
	}
	for more {
		var segment string
		segment, rest, more = strings.Cut(rest, ".")
		if err := s.segment(segment, r.Items()); err != nil {
			return nil, err
		}
	}
	return s, nil
}

func (s *TCFCA) core(r *bits.Reader, vendors, restricted func(*bits.Reader) bits.IDs) error {
	s.Version = r.Int(6)
	s.Created = r.Time()
	s.LastUpdated = r.Time()
	s.CmpId = r.Int(12)
	s.CmpVersion = r.Int(12)
	s.ConsentScreen = r.Int(6)
	s.ConsentLanguage = r.Letters(2)
	s.VendorListVersion = r.Int(12)
	s.TcfPolicyVersion = r.Int(6)
	s.UseNonStandardStacks = r.Bool()
	s.SpecialFeatureExpressConsent = r.Field(caFeatures)
	s.PurposesExpressConsent = r.Field(caPurposes)
	s.PurposesImpliedConsent = r.Field(caPurposes)
	s.VendorExpressConsent = vendors(r)
	s.VendorImpliedConsent = vendors(r)
	s.PubRestrictions = tcf.ReadRestrictions(r, restricted)
	return r.Close()
}

// segment reads what follows the core, with as many items in Fibonacci codes as the
// core left.
func (s *TCFCA) segment(text string, items int) error {
	r := bits.NewReader(text)
	r.Limit(items)
	switch kind := r.Int(3); {
	case r.Err() != nil:
		return r.Err()
	case kind == caDisclosed && s.DisclosedVendors == nil:
		ids := r.OptimizedFibonacci()
		if r.Close() != nil {
			old := bits.NewReader(text)
			old.Int(3)
			if ids = old.Optimized(); old.Close() != nil {
				return fmt.Errorf("disclosed vendors: %w", r.Close())
			}
		}
		s.DisclosedVendors = &ids
	case kind == caPublisher && s.PublisherPurposes == nil:
		p := &PublisherPurposes{PubPurposesExpressConsent: r.Field(caPurposes), PubPurposesImpliedConsent: r.Field(caPurposes), NumCustomPurposes: r.Int(6)}
		p.CustomPurposesExpressConsent = r.Field(p.NumCustomPurposes)
		p.CustomPurposesImpliedConsent = r.Field(p.NumCustomPurposes)
		if err := r.Close(); err != nil {
			return fmt.Errorf("publisher purposes: %w", err)
		}
		s.PublisherPurposes = p
	case kind == caDisclosed || kind == caPublisher:
		return errors.New("a segment comes twice")
	default:
		return fmt.Errorf("a segment has the type %d: there are 1 (disclosed vendors) and 3 (publisher purposes)", kind)
	}
	return nil
}

func (s *TCFCA) encode() (string, error) {
	writers := []*bits.Writer{s.write()}
	if p := s.PublisherPurposes; p != nil {
		w := &bits.Writer{}
		w.Uint(caPublisher, 3)
		w.Field("PubPurposesExpressConsent", p.PubPurposesExpressConsent, caPurposes)
		w.Field("PubPurposesImpliedConsent", p.PubPurposesImpliedConsent, caPurposes)
		w.Int("NumCustomPurposes", p.NumCustomPurposes, 6)
		w.Field("CustomPurposesExpressConsent", p.CustomPurposesExpressConsent, p.NumCustomPurposes)
		w.Field("CustomPurposesImpliedConsent", p.CustomPurposesImpliedConsent, p.NumCustomPurposes)
		writers = append(writers, w)
	}
	if s.DisclosedVendors != nil {
		w := &bits.Writer{}
		w.Spend(writers[0].Spent())
		w.Uint(caDisclosed, 3)
		w.OptimizedFibonacci(*s.DisclosedVendors)
		writers = append(writers, w)
	}
	var segments []string
	for _, w := range writers {
		text, err := w.Text(bits.Short)
		if err != nil {
			return "", err
		}
		segments = append(segments, text)
	}
	return strings.Join(segments, "."), nil
}

func (s *TCFCA) write() *bits.Writer {
	w := &bits.Writer{}
	s.fixed(w)
	w.OptimizedFibonacci(s.VendorExpressConsent)
	w.OptimizedFibonacci(s.VendorImpliedConsent)
	tcf.WriteRestrictions(w, s.PubRestrictions, (*bits.Writer).OptimizedFibonacci)
	return w
}

// fixed writes the core's fields of fixed length, which come first.
func (s *TCFCA) fixed(w *bits.Writer) {
	if s.Version != 1 {
		w.Fail("Version is %d: this codec writes version 1", s.Version)
	}
	w.Int("Version", s.Version, 6)
	w.Time("Created", s.Created)
	w.Time("LastUpdated", s.LastUpdated)
	w.Int("CmpId", s.CmpId, 12)
	w.Int("CmpVersion", s.CmpVersion, 12)
	w.Int("ConsentScreen", s.ConsentScreen, 6)
	w.Letters("ConsentLanguage", s.ConsentLanguage, 2)
	w.Int("VendorListVersion", s.VendorListVersion, 12)
	w.Int("TcfPolicyVersion", s.TcfPolicyVersion, 6)
	w.Bool(s.UseNonStandardStacks)
	w.Field("SpecialFeatureExpressConsent", s.SpecialFeatureExpressConsent, caFeatures)
	w.Field("PurposesExpressConsent", s.PurposesExpressConsent, caPurposes)
	w.Field("PurposesImpliedConsent", s.PurposesImpliedConsent, caPurposes)
}

// UnmarshalJSON reads the section's fields by the specification's names.
func (s *TCFCA) UnmarshalJSON(b []byte) error {
	*s = TCFCA{}
	return strict.Struct(b, s)
}

// UnmarshalJSON reads the segment; what is about custom purposes may be left out.
func (p *PublisherPurposes) UnmarshalJSON(b []byte) error {
	*p = PublisherPurposes{}
	return strict.Struct(b, p, "NumCustomPurposes", "CustomPurposesExpressConsent", "CustomPurposesImpliedConsent")
}
