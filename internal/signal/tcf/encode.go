package tcf

import (
	"errors"
	"fmt"
	"strings"

	"accord/internal/signal/bits"
)

var errLong = errors.New("the TC string is too long")

// Encode writes the string as @iabtechlabtcf/core does. Its errors name the field
// that cannot be written.
func (s *String) Encode() (string, error) { return s.encode(bits.Shortish) }

// EncodeSection writes the string as @iabgpp/cmpapi does in a GPP string.
func (s *String) EncodeSection() (string, error) { return s.encode(bits.Shorter) }

func (s *String) encode(choose bits.Choice) (string, error) {
	var segments []string
	add := func(name string, w *bits.Writer) error {
		text, err := w.Text(bits.Full)
		if err != nil {
			return fmt.Errorf("TC string, %s: %w", name, err)
		}
		segments = append(segments, text)
		return nil
	}
	if err := add(segmentNames[0], s.writeCore(choose)); err != nil {
		return "", err
	}
	for _, v := range []struct {
		kind int
		ids  *bits.IDs
	}{{segmentDisclosed, s.DisclosedVendors}, {segmentAllowed, s.AllowedVendors}} {
		if v.ids == nil {
			continue
		}
		w := &bits.Writer{}
		w.Uint(uint64(v.kind), segmentBits)
		w.Optimized(*v.ids, choose)
		if err := add(segmentNames[v.kind], w); err != nil {
			return "", err
		}
	}
	if s.PublisherTC != nil {
		if err := add(segmentNames[segmentPublisher], s.PublisherTC.write()); err != nil {
			return "", err
		}
	}
	text := strings.Join(segments, ".")
	if len(text) > MaxLength {
		return "", fmt.Errorf("%w: it would have %d characters, and nobody reads more than %d: name fewer vendors in the publisher restrictions", errLong, len(text), MaxLength)
	}
	return text, nil
}

func (s *String) writeCore(choose bits.Choice) *bits.Writer {
	w := &bits.Writer{}
	s.fixed(w)
	w.Optimized(s.VendorConsent, choose)
	w.Optimized(s.VendorLegitimateInterest, choose)
	WriteRestrictions(w, s.PubRestrictions, (*bits.Writer).IDRanges)
	return w
}

// WriteRestrictions writes what [ReadRestrictions] reads.
func WriteRestrictions(w *bits.Writer, all []PubRestriction, vendors func(*bits.Writer, bits.IDs)) {
	if len(all) > maxRestrictions {
		w.Fail("there are %d publisher restrictions: 64 purposes and 4 types make %d", len(all), maxRestrictions)
	}
	w.Int("NumPubRestrictions", len(all), 12)
	for _, p := range all {
		w.Int("PurposeId", p.PurposeId, 6)
		w.Int("RestrictionType", p.RestrictionType, 2)
		vendors(w, p.VendorIds)
	}
}

// fixed writes the core's fields of fixed length, which come first.
func (s *String) fixed(w *bits.Writer) {
	if s.Version != version {
		w.Fail("Version is %d: this codec writes version %d", s.Version, version)
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
	w.Bool(s.IsServiceSpecific)
	w.Bool(s.UseNonStandardTexts)
	w.Field("SpecialFeatureOptIns", s.SpecialFeatureOptIns, features)
	w.Field("PurposesConsent", s.PurposesConsent, purposes)
	w.Field("PurposesLITransparency", s.PurposesLITransparency, purposes)
	w.Bool(s.PurposeOneTreatment)
	w.Letters("PublisherCC", s.PublisherCC, 2)
}

func (p *PublisherTC) write() *bits.Writer {
	w := &bits.Writer{}
	w.Uint(segmentPublisher, segmentBits)
	w.Field("PubPurposesConsent", p.PubPurposesConsent, purposes)
	w.Field("PubPurposesLITransparency", p.PubPurposesLITransparency, purposes)
	w.Int("NumCustomPurposes", p.NumCustomPurposes, 6)
	if p.NumCustomPurposes >= 0 && p.NumCustomPurposes < 1<<6 {
		w.Field("CustomPurposesConsent", p.CustomPurposesConsent, p.NumCustomPurposes)
		w.Field("CustomPurposesLITransparency", p.CustomPurposesLITransparency, p.NumCustomPurposes)
	}
	return w
}
