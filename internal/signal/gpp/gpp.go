// Package gpp reads and writes IAB Global Privacy Platform strings: the header and
// the sections tcfeuv2 (2), tcfcav1 (5), uspv1 (6), usnat (7, versions 1 and 2) and
// those of the states from usca (8) to usri (27), with their GPC and sensitive data
// subsections.
//
//	s, err := gpp.Decode("DBABLA~CEAQAAAAAABA.YA")
//	s.US(7).SaleOptOut()   // gpp.OptedOut
//	s.US(7).Gpc()          // true, true
//	text, err := s.Encode()
//
// The layouts of the US sections are the table in layouts.go. A section whose id is
// not known, or whose version is not, is kept as the text it is and written again
// unchanged; whoever asks it for a choice hears that there is none.
//
// # What is refused
//
// Anything above MaxLength characters or MaxSections sections, before it is looked
// at; a header that does not fit the sections; a section of a known version that is
// cut off, or that has bits after its last field. Whoever gets an error has no
// consent in hand, and where an opt-out counts must take it that there may have
// been one.
//
// # What is canonical
//
// Encode gives the text that the reference encoder @iabgpp/cmpapi gives:
//
//   - the header, and all sections but tcfeuv2, filled up with zero bits to a
//     multiple of 8 and then of 6 (so the header of one TCF section is DBABMA,
//     where the specification's examples have DBABM; both are read);
//   - tcfeuv2 filled up to a multiple of 24;
//   - ranges where they are not longer than a bit field.
//
// Three places where the specification and its encoders disagree, and the codec
// goes with the encoders: a Boolean is 1 for true; an OptimizedRange begins with
// its greatest id also before ranges; and the sections of Maryland, Indiana,
// Kentucky and Rhode Island begin with MspaVersion, where the specification wants a
// section header with a subsection 0, which a Fibonacci code cannot express.
package gpp

import (
	"errors"
	"fmt"
	"strings"

	"accord/internal/signal/bits"
	"accord/internal/signal/tcf"
)

// The limits of a string. A string with a long TCF section and all US sections has
// about 2,000 characters.
const (
	MaxLength   = 8192
	MaxSections = 64
)

// The header's first two fields.
const (
	headerType    = 3
	headerVersion = 1
)

// The ids of the sections that are no US layouts.
const (
	idTCFEU = 2
	idTCFCA = 5
	idUSP   = 6
)

// String is a decoded GPP string. The header follows from the sections.
type String struct {
	Sections []Section // by id, upwards
}

// Section is one section: its id, and one of the others, by the id.
type Section struct {
	ID    int
	TCFEU *tcf.String // 2, tcfeuv2
	TCFCA *TCFCA      // 5, tcfcav1
	USP   *USP        // 6, uspv1
	US    *US         // 7 usnat to 27 usri
	Raw   string      // a section of an unknown id or version, as it came
}

// Header is what a string says first.
type Header struct {
	Type     int
	Version  int
	Sections []int
}

// Header returns the header that belongs to the sections.
func (s *String) Header() Header {
	h := Header{Type: headerType, Version: headerVersion, Sections: []int{}}
	for _, section := range s.Sections {
		h.Sections = append(h.Sections, section.ID)
	}
	return h
}

// Section returns the section of an id, or nil.
func (s *String) Section(id int) *Section {
	for i := range s.Sections {
		if s.Sections[i].ID == id {
			return &s.Sections[i]
		}
	}
	return nil
}

// US returns the US section of an id, or nil, on which every method answers that
// nothing was said.
func (s *String) US(id int) *US {
	if section := s.Section(id); section != nil {
		return section.US
	}
	return nil
}

// Name is the section's client-side API prefix, such as usnat, or "".
func (s *Section) Name() string { return name(s.ID) }

func name(id int) string {
	switch id {
	case idTCFEU:
		return "tcfeuv2"
	case idTCFCA:
		return "tcfcav1"
	case idUSP:
		return "uspv1"
	}
	if all := layouts[id]; len(all) > 0 {
		return all[0].name
	}
	return ""
}

// label names a section in an error.
func label(id int) string {
	if n := name(id); n != "" {
		return "section " + n
	}
	return fmt.Sprintf("section %d", id)
}

// Decode reads a GPP string.
func Decode(text string) (*String, error) {
	if len(text) > MaxLength {
		return nil, fmt.Errorf("a GPP string has %d characters at most, and this has %d", MaxLength, len(text))
	}
	n := strings.Count(text, "~")
	if n > MaxSections {
		return nil, fmt.Errorf("a GPP string has %d sections at most, and this has %d", MaxSections, n)
	}
	head, rest, _ := strings.Cut(text, "~")
	ids, err := header(bits.NewReader(head), n)
	if err != nil {
		return nil, fmt.Errorf("GPP string, header: %w", err)
	}
	s := &String{}
	if n > 0 {
		s.Sections = make([]Section, n)
	}
	for i := range s.Sections {
		var part string
		part, rest, _ = strings.Cut(rest, "~")
		s.Sections[i].ID = ids[i]
		if err := s.Sections[i].decode(part); err != nil {
			return nil, fmt.Errorf("GPP string, %s: %w", label(ids[i]), err)
		}
	}
	return s, nil
}

// header reads the ids of n sections.
func header(r *bits.Reader, n int) ([]int, error) {
	r.Limit(MaxSections)
	kind, version := r.Int(6), r.Int(6)
	if r.Err() == nil && kind != headerType {
		return nil, fmt.Errorf("its type is %d: a GPP string begins with DB", kind)
	}
	if r.Err() == nil && version != headerVersion {
		return nil, fmt.Errorf("version %d is not known: this codec reads version %d", version, headerVersion)
	}
	set := r.FibonacciRanges()
	if err := r.Close(); err != nil {
		return nil, err
	}
	announced := 0
	for _, run := range set.Ranges() {
		announced += int(run.To) - int(run.From) + 1
	}
	if announced != n {
		return nil, fmt.Errorf("it announces %d sections, and %d follow", announced, n)
	}
	ids := make([]int, 0, n)
	for id := range set.All() {
		ids = append(ids, int(id))
	}
	return ids, nil
}

// decode reads a section's text by its id.
func (s *Section) decode(text string) (err error) {
	if text == "" {
		return bits.ErrEmpty
	}
	switch {
	case s.ID == idTCFEU && text[0] == 'C': // version 2
		s.TCFEU, err = tcf.Decode(text)
	case s.ID == idTCFCA && text[0] == 'B': // version 1
		s.TCFCA, err = decodeCanada(text)
	case s.ID == idUSP && text[0] == '1': // version 1
		s.USP, err = decodeUSP(text)
	default:
		if l := layoutOf(s.ID, text); l != nil {
			s.US, err = decodeUS(l, text)
			return err
		}
		s.Raw = text
		return checkRaw(text)
	}
	return err
}

// checkRaw refuses what could not stand in a URL, as the specification wants, or
// would be a section's end.
func checkRaw(text string) error {
	for i := range len(text) {
		c := text[i]
		if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '-' && c != '_' && c != '.' {
			return errors.New("a character is none of A–Z, a–z, 0–9, minus, underscore and dot")
		}
	}
	return nil
}

var errLong = errors.New("the GPP string is too long")

// Encode writes the string. Sections must be sorted by id, each once.
func (s *String) Encode() (string, error) {
	if len(s.Sections) > MaxSections {
		return "", fmt.Errorf("GPP string: it has %d sections at most, and these are %d", MaxSections, len(s.Sections))
	}
	parts := []string{""}
	var ids []uint16
	last := 0
	for i := range s.Sections {
		section := &s.Sections[i]
		if section.ID <= last || section.ID > 65535 {
			return "", fmt.Errorf("GPP string: section %d follows section %d: ids go upwards from 1 to 65535, each once", section.ID, last)
		}
		last = section.ID
		part, err := section.encode()
		if err != nil {
			return "", fmt.Errorf("GPP string, %s: %w", label(section.ID), err)
		}
		parts, ids = append(parts, part), append(ids, uint16(section.ID))
	}
	w := &bits.Writer{}
	w.Uint(headerType, 6)
	w.Uint(headerVersion, 6)
	w.FibonacciRanges(bits.IDsOf(ids...))
	head, err := w.Text(bits.Short)
	if err != nil {
		return "", err
	}
	parts[0] = head
	text := strings.Join(parts, "~")
	if len(text) > MaxLength {
		return "", fmt.Errorf("%w: it would have %d characters, and nobody reads more than %d: leave sections out", errLong, len(text), MaxLength)
	}
	return text, nil
}

func (s *Section) encode() (string, error) {
	switch {
	case s.TCFEU != nil && s.ID == idTCFEU:
		return s.TCFEU.EncodeSection()
	case s.TCFCA != nil && s.ID == idTCFCA:
		return s.TCFCA.encode()
	case s.USP != nil && s.ID == idUSP:
		return s.USP.encode()
	case s.US != nil && s.ID == s.US.layout.id:
		return s.US.encode()
	case s.Raw == "":
		return "", errors.New("it has no content that belongs to its id")
	}
	again := Section{ID: s.ID}
	if err := again.decode(s.Raw); err != nil {
		return "", err
	}
	if again.Raw == "" {
		return "", errors.New("this text is of a known version: give its fields instead")
	}
	return s.Raw, nil
}
