// Package signal turns what browsers, apps and consent managers send about a
// person's choices into statements about uses of data ([declare.Use]).
//
// Which signal says what, where, and on what authority is one table, table.yaml,
// which a person who is no programmer can read. A no goes before a doubt, a doubt
// before a yes, and what no row speaks of is not said: where a consent is needed,
// there is none.
//
//	table, err := signal.Embedded(law.Embedded())
//	v := table.Judge(code.In("US-CA"), &signal.Signals{GPC: true})
//	v.Deny                  // sale, targeted_advertising
//	v.Deny.Refused(declaration) // the purposes with one of these uses
//
// Promises kept here: 1 (a silent, damaged or unknown signal gives nothing).
//
// Non-goals: who may speak and what is recorded (packages api, collect and choices),
// what the law demands (package law), the formats (tcf and gpp below).
package signal

import (
	"strconv"
	"strings"
	"time"

	"accord/internal/signal/bits"
	"accord/internal/signal/gpp"
	"accord/internal/signal/tcf"
)

// Header is the field in which a browser sends Global Privacy Control, as net/http
// spells it.
const Header = "Sec-Gpc"

// GPC reports whether a header field's lines ask for privacy: the exact value 1 in one
// of them. Every other value says nothing.
func GPC(lines []string) bool {
	for _, line := range lines {
		if line == "1" {
			return true
		}
	}
	return false
}

// Signals are what one message or request brings. The zero Signals are silent.
type Signals struct {
	// At is when they came. Without it no string is valid, so none gives anything.
	At time.Time
	// GPC is Global Privacy Control: the browser's field, or what a GPP string says
	// that the page saw of it.
	GPC        bool
	TCF        *tcf.String
	GPP        *gpp.String
	TCFDamaged bool // there was a TC string that nobody can read
	GPPDamaged bool
	Google     ConsentMode
	ATT        ATT
	// LimitAds is Segment's adTrackingEnabled: false. It is read where no status of
	// Apple's is sent.
	LimitAds bool
}

// ReadTCF reads a TC string.
func (s *Signals) ReadTCF(text string) {
	decoded, err := tcf.Decode(text)
	if err != nil {
		s.TCFDamaged = true
		return
	}
	s.TCF = decoded
}

// ReadGPP reads a GPP string.
func (s *Signals) ReadGPP(text string) {
	decoded, err := gpp.Decode(text)
	if err != nil {
		s.GPPDamaged = true
		return
	}
	s.GPP = decoded
	for i := range decoded.Sections {
		if set, _ := decoded.Sections[i].US.Gpc(); set {
			s.GPC = true
		}
	}
}

// Controls reports whether Global Privacy Control is among the signals; a nil Signals has
// none.
func (s *Signals) Controls() bool { return s != nil && s.GPC }

// WithoutGPC returns the signals less Global Privacy Control.
func (s *Signals) WithoutGPC() *Signals {
	if !s.Controls() {
		return s
	}
	less := *s
	less.GPC = false
	return &less
}

// ConsentMode is Google's Consent Mode v2: 2 bits for each of [GoogleKeys], and one that
// something in it could not be read.
type ConsentMode uint16

// GoogleKeys are the keys of Consent Mode, in the order of its bits.
var GoogleKeys = [...]string{"ad_storage", "ad_user_data", "ad_personalization", "analytics_storage", "personalization_storage", "functionality_storage", "security_storage"}

const (
	granted = 1
	denied  = 2
	// googleDamaged is the bit above those of the keys.
	googleDamaged ConsentMode = 1 << (2 * len(GoogleKeys))
)

// Damage notes that nobody can read what there is.
func (m *ConsentMode) Damage() { *m |= googleDamaged }

// Read notes the value of a key. A key that is not known says nothing, a value that is
// not known may have been a refusal; of a key that comes twice the refusal stays.
func (m *ConsentMode) Read(key, value string) {
	for i, name := range GoogleKeys {
		if name != key {
			continue
		}
		switch value {
		case "granted":
			*m |= granted << (2 * i)
		case "denied":
			*m |= denied << (2 * i)
		default:
			m.Damage()
		}
	}
}

// value returns granted or denied for a key, "" where it says nothing.
func (m ConsentMode) value(key string) string {
	for i, name := range GoogleKeys {
		if name != key {
			continue
		}
		switch v := m >> (2 * i) & 3; {
		case v&denied != 0:
			return "denied"
		case v != 0:
			return "granted"
		}
	}
	return ""
}

// ATT is the status of Apple's App Tracking Transparency.
type ATT uint8

// The statuses. Silent is none.
const (
	Silent ATT = iota
	NotDetermined
	Restricted
	Denied
	Authorized
)

var attWords = [...]string{"", "not_determined", "restricted", "denied", "authorized"}

// ParseATT reads a status as Segment's clients write it (authorized, denied,
// notDetermined, restricted) or as RudderStack's do (Apple's number, 0 to 3).
// Anything else is Silent.
func ParseATT(s string) ATT {
	if i := strings.LastIndexByte(s, '.'); i >= 0 {
		s = s[i+1:] // Flutter's client names the type before it
	}
	switch {
	case s == "0", strings.EqualFold(s, "notDetermined"):
		return NotDetermined
	case s == "1", strings.EqualFold(s, "restricted"):
		return Restricted
	case s == "2", strings.EqualFold(s, "denied"):
		return Denied
	case s == "3", strings.EqualFold(s, "authorized"):
		return Authorized
	}
	return Silent
}

// Kind is a sort of signal.
type Kind uint8

// The kinds, as the table spells them in kindWords.
const (
	KindGPC Kind = iota
	KindTCF
	KindTCFCanada
	KindUS
	KindUSP
	KindGPP
	KindGoogle
	KindATT
	numKinds = iota
)

var kindWords = [numKinds]string{"gpc", "tcf", "tcf_ca", "gpp_us", "gpp_usp", "gpp", "google", "att"}

// String returns the kind's word in the table.
func (k Kind) String() string { return kindWords[k] }

// term is a condition of a row: a key has one of some values.
type term struct {
	key       string
	purpose   int  // of TCF and TCF Canada, 0 for none
	publisher bool // it is about the publisher's own consent
	values    []string
}

// holds reports whether the signals meet all terms of a row, within one string or
// section where there are several.
func (s *Signals) holds(kind Kind, terms []term) bool {
	switch kind {
	case KindGPC:
		return s.GPC
	case KindTCF:
		return s.TCFDamaged && terms[0].values[0] == "damaged" || s.holdsTCF(s.TCF, terms) || s.GPP != nil && s.holdsTCF(tcfOf(s.GPP), terms)
	case KindGoogle:
		return all(terms, "", &s.Google, googleValue)
	case KindATT:
		return all(terms, "", s, attValue)
	case KindGPP:
		return all(terms, "", s, gppValue)
	}
	if s.GPP == nil {
		return false
	}
	for i := range s.GPP.Sections {
		section := &s.GPP.Sections[i]
		if kind == KindTCFCanada && s.holdsCanada(section.TCFCA, terms) ||
			kind == KindUS && all(terms, "", section.US, usValue) ||
			kind == KindUSP && all(terms, "", section.USP, uspValue) {
			return true
		}
	}
	return false
}

func (s *Signals) holdsTCF(text *tcf.String, terms []term) bool {
	return text != nil && all(terms, validTCF(text, s.At), text, tcfValue)
}

func (s *Signals) holdsCanada(text *gpp.TCFCA, terms []term) bool {
	return text != nil && all(terms, valid(text.LastUpdated, s.At), text, canadaValue)
}

// all reports whether what has the terms' values meets all of them; nothing meets
// none. A string that has a time is as a whole what validity says, else "".
func all[T any](terms []term, validity string, from *T, has func(*T, *term, string) bool) bool {
	if from == nil {
		return false
	}
	for i := range terms {
		met := false
		for _, value := range terms[i].values {
			if validity != "" && terms[i].key == "string" {
				met = met || value == validity
				continue
			}
			met = met || has(from, &terms[i], value)
		}
		if !met {
			return false
		}
	}
	return true
}

func tcfOf(s *gpp.String) *tcf.String {
	if section := s.Section(2); section != nil {
		return section.TCFEU
	}
	return nil
}

// tcfValue reports what a TC string says of a purpose for the vendors, and what of the
// publisher's own consent. It refuses where either does.
func tcfValue(s *tcf.String, t *term, value string) bool {
	consent, open := allowsTCF(t.purpose, s.PurposesConsent, s.PurposesLITransparency)
	agreed, either := false, true
	if p := s.PublisherTC; p != nil {
		agreed, either = allowsTCF(t.purpose, p.PubPurposesConsent, p.PubPurposesLITransparency)
	}
	switch value {
	case "consent":
		return consent
	case "yes":
		return t.publisher && agreed
	case "none":
		return t.purpose != 0 && !(open && either)
	}
	return false
}

// allowsTCF reports whether a purpose has a consent, and whether it has that or a
// legitimate interest, which purposes 1 and 3 to 6 do not know.
func allowsTCF(purpose int, consents, interests bits.Field) (consent, open bool) {
	consent = consents.Has(purpose)
	interest := interests.Has(purpose) && purpose != 1 && (purpose < 3 || purpose > 6)
	return consent, consent || interest
}

// canadaValue reports what a string of TCF Canada says of a purpose, and of the
// publisher's own consent.
func canadaValue(s *gpp.TCFCA, t *term, value string) bool {
	express, implied := s.PurposesExpressConsent.Has(t.purpose), s.PurposesImpliedConsent.Has(t.purpose)
	p := s.PublisherPurposes
	if t.publisher {
		return p != nil && value == "express" && p.PubPurposesExpressConsent.Has(t.purpose)
	}
	if p != nil {
		publisher := p.PubPurposesExpressConsent.Has(t.purpose)
		implied = (implied || express) && (publisher || p.PubPurposesImpliedConsent.Has(t.purpose))
		express = express && publisher
	}
	switch value {
	case "express":
		return express
	case "implied":
		return implied && !express
	case "none":
		return t.purpose != 0 && !express && !implied
	}
	return false
}

// usValue reports whether a field of a US section has a value, one of a list's.
func usValue(u *gpp.US, t *term, value string) bool {
	want, err := strconv.ParseUint(value, 10, 8)
	if err != nil {
		return false
	}
	for _, v := range u.List(t.key) {
		if v == gpp.Value(want) {
			return true
		}
	}
	return false
}

func uspValue(u *gpp.USP, t *term, value string) bool {
	return t.key == "OptOutSale" && u.OptOutSale == value
}

// gppValue reports what a GPP string is as a whole.
func gppValue(s *Signals, t *term, _ string) bool {
	if t.key == "string" {
		return s.GPPDamaged
	}
	if s.GPP == nil {
		return false
	}
	for i := range s.GPP.Sections {
		if s.GPP.Sections[i].Raw != "" {
			return true
		}
	}
	return false
}

func googleValue(m *ConsentMode, t *term, value string) bool {
	if t.key == "mode" {
		return *m&googleDamaged != 0
	}
	return m.value(t.key) == value
}

func attValue(s *Signals, t *term, value string) bool {
	if t.key == "adTrackingEnabled" {
		return s.LimitAds && s.ATT == Silent
	}
	return s.ATT != Silent && attWords[s.ATT] == value
}

// has reports whether the signals may have something of a kind at all.
func (s *Signals) has(kind Kind) bool {
	switch kind {
	case KindGPC:
		return s.GPC
	case KindTCF:
		return s.TCF != nil || s.TCFDamaged || s.GPP != nil
	case KindGoogle:
		return s.Google != 0
	case KindATT:
		return s.ATT != Silent || s.LimitAds
	}
	return s.GPP != nil || s.GPPDamaged
}
