package law

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"accord/internal/declare"
)

// Kind is what a rule is about.
type Kind uint8

// The kinds. Each is the key of the rule file that holds its subject.
const (
	Needs           Kind = iota // what a use needs
	OwnConsentBelow             // below an age only with the person's own consent
	GuardianBelow               // below an age only with a guardian's consent
	BarredBelow                 // below an age not at all
	Show                        // a text that must be shown with a use
	Deadline                    // how soon a right or a report must be answered
	Owed                        // what a person may ask for beside a use
	Retention                   // how long data for a use may be kept at most
	Localisation                // the country in which the data must be kept
	Signal                      // a browser's signal that is a valid objection
	numKinds        = iota
)

var kindWords = [numKinds]string{"needs", "own_consent_below", "guardian_below", "barred_below", "show", "deadline", "owed", "retention", "localisation", "signal"}

// String returns the key of the rule file, such as "needs".
func (k Kind) String() string { return kindWords[k] }

// ofUses reports whether rules of the kind are about uses.
func (k Kind) ofUses() bool { return k != Deadline && k != Localisation }

// anyUse is every use but what the person asked for; a rule file writes [any].
const anyUse declare.Uses = (1<<declare.NumUses - 1) &^ (1 << declare.Service)

// Need is what a use needs. The greater is the stricter.
type Need uint8

// The needs.
const (
	Nothing   Need = iota // the law asks for nothing beyond the declaration
	Objection             // the person must be able to object
	Consent               // the person's consent
	Never                 // it is forbidden
)

var needWords = []string{"nothing", "objection", "consent", "never"}

// String returns the word of the rule file.
func (n Need) String() string { return needWords[n] }

// Known is how well a rule is known.
type Known uint8

// How well. A rule that is unchecked counts all the same.
const (
	Unchecked Known = iota // nobody has looked it up
	Secondary              // read in somebody's account of the law
	Primary                // read in the words of the law itself
)

var knownWords = []string{"unchecked", "secondary", "primary"}

// String returns the word of the rule file.
func (k Known) String() string { return knownWords[k] }

// The words that a rule's subject can be, by its kind.
var (
	deadlineWords = []string{Access, Erasure, Correction, OptOut, BreachAuthority, BreachPerson}
	owedWords     = []string{HumanReview, GeneralOption, Factors, SeparateConsent}
	signalWords   = []string{GPC}
)

// What deadlines are for.
const (
	Access          = "access"           // of a request to see the data
	Erasure         = "erasure"          // of a request to erase it
	Correction      = "correction"       // of a request to mend it
	OptOut          = "opt_out"          // of an objection to be in force everywhere
	BreachAuthority = "breach_authority" // of telling the authority of a breach
	BreachPerson    = "breach_person"    // of telling the person of it
)

// What may be owed.
const (
	HumanReview     = "human_review"     // a human looks at the decision again
	GeneralOption   = "general_option"   // the same without personal data
	Factors         = "factors"          // what led to the decision
	SeparateConsent = "separate_consent" // a consent that is asked for apart from all else
)

// GPC is the Global Privacy Control.
const GPC = "gpc"

// Rule is one dated statement of a regime.
type Rule struct {
	Regime string
	Kind   Kind
	Uses   declare.Uses // 0 of a Deadline and of Localisation

	Need              Need              // of Needs
	Age               int               // of the kinds about ages: years
	Word              string            // a text's code, what a deadline is for, what is owed, the signal, the country
	Texts             map[string]string // of Show, by language
	Within, Extension Span              // of a Deadline
	Keep              declare.Period    // of Retention

	Unless []string // facts with which the rule does not apply, sorted

	From, Until time.Time // UTC days, [From, Until); a zero Until is for ever
	Source      string    // the law and its paragraph
	Link        string    // where its words are, or ""
	Dated       time.Time // when the fact was looked up
	Known       Known
	Note        string // for who reads or mends the rule, or ""

	File string
	Line int
}

// InForce reports whether the rule counts on the UTC day of a time.
func (r *Rule) InForce(at time.Time) bool {
	return !at.Before(r.From) && (r.Until.IsZero() || at.Before(r.Until))
}

// Says returns the rule's statement in plain words, without its source, such as
// "sale, targeted_advertising: the person must be able to object".
func (r *Rule) Says() string {
	s := r.says()
	switch {
	case r.Uses == anyUse:
		s = "any use: " + s
	case r.Kind.ofUses():
		s = r.Uses.String() + ": " + s
	}
	if len(r.Unless) > 0 {
		s += " (unless stated: " + strings.Join(r.Unless, ", ") + ")"
	}
	return s
}

// Cite returns where the rule is from and how well it is known, such as
// "GDPR Art. 12(3) (read in the law on 2026-11-25; rules/eu.yaml:104)". What nobody
// checked begins with UNCHECKED.
func (r *Rule) Cite() string {
	how := []string{"written down", "read in an account of the law", "read in the law"}[r.Known]
	s := fmt.Sprintf("%s (%s on %s; %s:%d)", r.Source, how, r.Dated.Format(time.DateOnly), r.File, r.Line)
	if r.Known == Unchecked {
		return "UNCHECKED: " + s
	}
	return s
}

func (r *Rule) says() string {
	below := "below " + strconv.Itoa(r.Age) + " years "
	switch r.Kind {
	case Needs:
		return []string{"the law asks for nothing more", "the person must be able to object", "only with the person's consent", "never"}[r.Need]
	case OwnConsentBelow:
		return below + "only with the person's own consent"
	case GuardianBelow:
		return below + "only with a guardian's consent"
	case BarredBelow:
		return below + "never"
	case Show:
		var texts []string
		for _, language := range slices.Sorted(maps.Keys(r.Texts)) {
			texts = append(texts, language+" "+strconv.Quote(r.Texts[language]))
		}
		return "show " + r.Word + ": " + strings.Join(texts, ", ")
	case Deadline:
		s := deadlineSays[r.Word] + ": " + r.Within.within()
		if !r.Extension.IsZero() {
			s += ", with reasons " + r.Extension.String() + " more"
		}
		return s
	case Owed:
		return map[string]string{
			HumanReview:     "the person may ask that a human looks at it",
			GeneralOption:   "a way without personal data must be offered",
			Factors:         "the person may ask what led to it",
			SeparateConsent: "the consent is asked for apart from all else",
		}[r.Word]
	case Retention:
		return "data is kept for at most " + r.Keep.String()
	case Localisation:
		return "data must be kept in the country " + r.Word
	case Signal:
		return "the signal " + r.Word + " is a valid objection"
	}
	return fmt.Sprintf("a rule of kind %d", r.Kind)
}

var deadlineSays = map[string]string{
	Access:          "a request for access is answered",
	Erasure:         "a request for erasure is done",
	Correction:      "a request for correction is done",
	OptOut:          "an objection is in force",
	BreachAuthority: "the authority is told of a breach",
	BreachPerson:    "the person is told of a breach",
}
