package web

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"accord/internal/consent"
	"accord/internal/decide"
	"accord/internal/declare"
)

const dateLayout = "2 January 2006"

// Switches returns a person's purposes: what consent.Book.Presents and
// consent.Gate.Why say, in words. The purpose first comes first (the one that
// the page's decisions are made for), then those with a switch, then the others.
func Switches(d *declare.Declaration, present []consent.Present, why []consent.Reason, first declare.PurposeID) []Switch {
	out := make([]Switch, len(d.Purposes))
	for i := range d.Purposes {
		p := &d.Purposes[i]
		out[i] = Switch{
			Purpose: string(p.ID), Name: Heading(d, p.ID), Text: p.Text,
			On: why[i] == consent.Allowed, Fixed: fixed(p.Basis),
		}
		if out[i].Fixed == "" {
			out[i].Note = note(p.Basis, present[i], why[i])
		}
	}
	slices.SortStableFunc(out, func(a, b Switch) int {
		rank := func(s Switch) int {
			switch {
			case s.Purpose == string(first):
				return 0
			case s.Fixed == "":
				return 1
			}
			return 2
		}
		return rank(a) - rank(b)
	})
	return out
}

// Heading is a purpose's title, or one made of its id where it has none:
// "model_training" is "Model training".
func Heading(d *declare.Declaration, id declare.PurposeID) string {
	i := slices.IndexFunc(d.Purposes, func(p declare.Purpose) bool { return p.ID == id && p.Title != "" })
	if i >= 0 {
		return d.Purposes[i].Title
	}
	s := strings.TrimSpace(strings.NewReplacer("_", " ", "-", " ").Replace(string(id)))
	if s == "" {
		return "No purpose"
	}
	return strings.ToUpper(s[:1]) + s[1:]
}

// fixed says why a basis has no switch.
func fixed(b declare.Basis) string {
	switch b {
	case declare.Contract:
		return "The shop needs this to carry out your orders (contract)."
	case declare.LegalObligation:
		return "The law obliges the shop to keep this (legal obligation)."
	}
	return ""
}

// note says how a switch came to stand as it does.
func note(b declare.Basis, p consent.Present, why consent.Reason) string {
	s := map[consent.State]string{
		consent.Given: "Allowed", consent.Refused: "Refused", consent.Withdrawn: "Withdrawn", consent.Objected: "Objected",
	}[p.State]
	switch {
	case p.State == consent.Unset && b == declare.Consent:
		return "Never asked, so off"
	case p.State == consent.Unset:
		return "On until you object"
	}
	if p.At != 0 {
		s += " on " + time.UnixMilli(p.At).UTC().Format(dateLayout)
	}
	if p.Synthetic {
		s += " (simulated)"
	}
	switch why {
	case consent.DeniedExpired:
		s += "; it has expired"
	case consent.DeniedNoticeChanged, consent.DeniedUnknownNotice:
		s += "; it must be asked again"
	}
	return s
}

// Voice is to whom a person is spoken of.
type Voice int

const (
	You  Voice = iota // to themselves, as on a receipt
	They              // to somebody else, as in the live lists
)

// String returns the pronoun.
func (v Voice) String() string { return [...]string{"you", "they"}[v] }

// Reason returns a reason of the gate in words. An unknown code gives otherwise.
func (v Voice) Reason(code, otherwise string) string {
	if s, ok := reasons[code]; ok {
		return s[v]
	}
	return otherwise
}

var reasons = map[string][2]string{
	consent.Allowed.Code():              both("a valid basis holds"),
	consent.DeniedNobody.Code():         both("nobody was named"),
	consent.DeniedUnknownPerson.Code():  {"nothing is held about you", "nothing is held about them"},
	consent.DeniedUnproven.Code():       {"whoever asked did not prove to be you", "whoever asked did not prove to be them"},
	consent.DeniedUnknownPurpose.Code(): both("the declaration has no such purpose"),
	consent.DeniedNoChoice.Code():       {"you were never asked, so the answer is no", "they were never asked, so the answer is no"},
	consent.DeniedRefused.Code():        {"you refused", "they refused"},
	consent.DeniedWithdrawn.Code():      {"you withdrew your consent", "they withdrew their consent"},
	consent.DeniedExpired.Code():        {"your consent has expired and must be asked again", "their consent has expired and must be asked again"},
	consent.DeniedObjected.Code():       {"you objected", "they objected"},
	consent.DeniedChanged.Code():        {"your choice changed while the answer was made", "their choice changed while the answer was made"},
	consent.DeniedStale.Code():          both("the permission ran out before the answer could leave"),
	consent.DeniedClosed.Code():         both("the gate is closed while the server starts, stops or is in doubt"),
	consent.DeniedBefore.Code():         {"the data is older than your consent", "the data is older than their consent"},
	consent.DeniedNoticeChanged.Code():  {"more is done today than you agreed to, so you must be asked again", "more is done today than they agreed to, so they must be asked again"},
	consent.DeniedUnknownNotice.Code():  {"nobody can say what you agreed to, so you must be asked again", "nobody can say what they agreed to, so they must be asked again"},
	consent.DeniedStopped.Code():        both("whoever runs this server stopped it for everyone"),
	consent.DeniedUnsigned.Code():       {"your consent came without your own signature, which this purpose needs", "their consent came without their own signature, which this purpose needs"},
	consent.DeniedLaw.Code():            {"the law where you are forbids it", "the law where they are forbids it"},
	consent.DeniedLawConsent.Code():     {"the law where you are asks for your consent, and you gave none", "the law where they are asks for their consent, and they gave none"},
	consent.DeniedSignal.Code():         {"your browser or device says no for you", "their browser or device says no for them"},
	consent.DeniedGuardian.Code():       {"you are known as a child, and no guardian has consented", "they are known as a child, and no guardian has consented"},
}

func both(s string) [2]string { return [2]string{s, s} }

// Explain returns an answer as the person reads it. title gives a product's
// title, or "" where the catalogue has none.
func Explain(d *declare.Declaration, a decide.Answer, title func(id string) string) Answer {
	out := Answer{Personal: a.Personal, Items: Items(a.Items, title, You)}
	r := &a.Receipt
	out.Receipt = Receipt{ID: r.ID, Time: r.Time, Otherwise: r.Otherwise, Kept: kept(r.Durable), Choice: choice(d, r)}
	for _, u := range r.Used {
		out.Receipt.Used = append(out.Receipt.Used, used(u))
	}
	for _, f := range r.Refused {
		out.Receipt.Refused = append(out.Receipt.Refused, Heading(d, f.Purpose)+": "+You.Reason(f.Reason, f.Why))
	}
	return out
}

// Items returns products with their reasons in words, the two strongest of each.
// What a person did comes before what everybody likes, however strong: it is what
// makes the answer theirs.
func Items(items []decide.Item, title func(id string) string, v Voice) []Item {
	out := make([]Item, len(items))
	named := func(id string) string {
		if s := title(id); s != "" {
			return s
		}
		return id
	}
	for i, it := range items {
		out[i] = Item{ID: it.ID, Title: named(it.ID)}
		reasons := slices.Clone(it.Reasons)
		slices.SortStableFunc(reasons, func(a, b decide.Reason) int { return general(a) - general(b) })
		for _, r := range reasons[:min(len(reasons), 2)] {
			out[i].Reasons = append(out[i].Reasons, v.because(it.ID, r, named))
		}
	}
	return out
}

// general is 1 for a reason that has nothing to do with the person.
func general(r decide.Reason) int {
	if r.Code == "popular" || r.Code == "catalogue" {
		return 1
	}
	return 0
}

// because says why an item was answered.
func (v Voice) because(item string, r decide.Reason, named func(string) string) string {
	var s string
	switch r.Code {
	case "because_item":
		verb, ok := verbs[r.Action]
		if !ok {
			verb = "chose %s"
		}
		did := fmt.Sprintf(verb, named(r.Item))
		if r.Item == item {
			did = fmt.Sprintf(verb, "it") + " before"
		}
		s = fmt.Sprintf("because %s %s", v, did)
	case "session":
		s = fmt.Sprintf("because %s are looking at %s", v, named(r.Item))
	case "told":
		s = fmt.Sprintf("because %s told us that %s like %s", v, v, r.Category)
	case "popular":
		return "popular with everybody"
	case "catalogue":
		return "in the catalogue's order"
	default:
		return r.Code
	}
	if percent := int(r.Share*100 + 0.5); percent > 0 && percent < 100 {
		s += fmt.Sprintf(" (%d %%)", percent)
	}
	return s
}

var verbs = map[string]string{
	"purchase": "bought %s", "view": "looked at %s", "cart": "put %s into the cart", "like": "like %s", "dislike": "do not like %s",
}

func used(u decide.Use) string {
	if trait, ok := strings.CutPrefix(u.Kind, "trait:"); ok {
		return "your " + trait
	}
	kind, ok := kinds[u.Kind]
	if !ok {
		kind = [2]string{u.Kind, u.Kind}
	}
	if u.Count == 1 {
		return "1 " + kind[0] + " of yours"
	}
	return fmt.Sprintf("%d %s of yours", u.Count, kind[1])
}

// kinds name what was used, one of it and many.
var kinds = map[string][2]string{
	"purchase": {"purchase", "purchases"}, "view": {"product view", "product views"}, "cart": {"cart entry", "cart entries"},
	"like": {"like", "likes"}, "dislike": {"dislike", "dislikes"},
}

// choice says under which choice, or which basis, the answer was made.
func choice(d *declare.Declaration, r *decide.Receipt) string {
	if r.Decision != consent.Allowed.Code() {
		return "None: " + You.Reason(r.Decision, r.Why) + "."
	}
	var s string
	switch r.Basis {
	case "consent":
		s = "You allowed “" + Heading(d, r.Purpose) + "”"
	case "contract":
		s = "The contract with you; it needs no choice"
	case "legal_obligation":
		s = "A duty of law; it needs no choice"
	default:
		s = "You have not objected to “" + Heading(d, r.Purpose) + "”"
	}
	if r.Choice > 0 {
		s += fmt.Sprintf(" (choice no. %d)", r.Choice)
	}
	if r.Synthetic {
		return s + ". The choice is simulated: no human made it."
	}
	return s + "."
}

func kept(durable string) string {
	switch durable {
	case "before":
		return "kept on disk before the answer left"
	case "after":
		return "kept on disk within a second"
	}
	return "not kept: it is about nobody"
}
