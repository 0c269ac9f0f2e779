package tcf

import (
	"fmt"

	"accord/internal/signal/strict"
)

// UnmarshalJSON reads a string's fields by the specification's names; every field
// must be there, once, except PubRestrictions and the segments.
func (s *String) UnmarshalJSON(b []byte) error {
	*s = String{}
	return strict.Struct(b, s)
}

// UnmarshalJSON reads a restriction.
func (p *PubRestriction) UnmarshalJSON(b []byte) error {
	*p = PubRestriction{}
	return strict.Struct(b, p)
}

// UnmarshalJSON reads the publisher's segment; what is about custom purposes may be
// left out.
func (p *PublisherTC) UnmarshalJSON(b []byte) error {
	*p = PublisherTC{}
	return strict.Struct(b, p, "NumCustomPurposes", "CustomPurposesConsent", "CustomPurposesLITransparency")
}

// FromJSON reads what MarshalJSON wrote, or what a person did.
func FromJSON(b []byte) (*String, error) {
	s := &String{}
	if err := s.UnmarshalJSON(b); err != nil {
		return nil, fmt.Errorf("TC string as JSON: %w", err)
	}
	return s, nil
}
