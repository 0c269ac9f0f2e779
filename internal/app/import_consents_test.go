package app

import (
	"testing"
	"time"

	"accord/internal/consent"
	"accord/internal/declare"
	"accord/internal/identity"
	"accord/internal/records"
)

// A repeated import records what is not certain: a withdrawal that a fault of the
// log left open, and one that somebody made who proved nothing.
func TestImportSaysAgainWhatIsNotCertain(t *testing.T) {
	c := newCrash(t)
	open := func() (*House, identity.Token) {
		t.Helper()
		h, err := Open(t.Context(), Config{Data: c.data, Logger: quiet(), Learn: time.Hour})
		if err != nil {
			t.Fatal(err)
		}
		tokens, err := h.keys.Ensure(t.Context(), []identity.Lookup{h.keys.Hasher().Lookup(identity.Identifier{Kind: identity.UserID, Value: "u"})})
		if err != nil {
			t.Fatal(err)
		}
		return h, tokens[0]
	}
	h, token := open()
	say := func(state consent.State, proof string) []consent.Choice {
		return []consent.Choice{{Purpose: "personalization", State: state, At: time.Now(), Method: "import", Proof: proof}}
	}
	record := func(cs []consent.Choice) {
		t.Helper()
		if err := h.recordOne(t.Context(), "u", cs); err != nil {
			t.Fatal(err)
		}
	}
	record(say(consent.Given, "import"))
	h.book.Doubt(consent.Record{Token: token, Accepted: time.Now(), Choices: say(consent.Withdrawn, "import")})
	record(say(consent.Withdrawn, "import"))
	present := func() consent.Present {
		p, _ := h.declaration.Purpose("personalization")
		return h.book.Present(token, p)
	}
	if err := h.Close(); err != nil {
		t.Fatal(err)
	}
	if h, token = open(); present().State != consent.Withdrawn {
		t.Errorf("after a restart: %+v", present())
	}
	defer h.Close()
	record(say(consent.Given, "import"))
	if _, err := h.choices.Record(t.Context(), token, say(consent.Withdrawn, "unproven")); err != nil {
		t.Fatal(err)
	}
	for range 2 { // the second time it is certain
		record(say(consent.Withdrawn, "import"))
	}
	if p := present(); p.Suspended || p.Last != 5 {
		t.Errorf("%+v", p)
	}
}

// What a file says of a visitor's age does not make the linked user older than they
// are known to be here.
func TestImportMakesNoLinkedChildOlder(t *testing.T) {
	h := opened(t)
	p, _ := h.declaration.Purpose("personalization")
	h.declaration.Children = &declare.Children{Child: []string{"under_13"}, Guarded: declare.Set(0).With(p)}
	phoneID := identity.Identifier{Kind: identity.AnonymousID, Value: "phone"}
	ada, phone := h.tokenOf(t, identity.Identifier{Kind: identity.UserID, Value: "ada"}), h.tokenOf(t, phoneID)
	if err := h.choices.Mark(t.Context(), ada, "under_13"); err != nil {
		t.Fatal(err)
	}
	if err := h.choices.Link(t.Context(), phone, ada, "", time.Now()); err != nil {
		t.Fatal(err)
	}
	in := consentImport{house: h}
	if err := in.subject(t.Context(), 1, &records.Subject{Person: phoneID, Records: []consent.Record{{Age: "grown"}}}); err != nil {
		t.Fatal(err)
	}
	if !h.choices.Child(ada) {
		t.Error("Ada is no child any more")
	}
}
