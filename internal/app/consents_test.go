package app

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	mathrand "math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"accord/internal/consent"
	"accord/internal/declare"
	"accord/internal/identity"
	"accord/internal/records"
	"accord/internal/retail"
)

// opened is a house of the brand "Crash" on a directory of its own.
func opened(t *testing.T) *House {
	t.Helper()
	h, err := Open(t.Context(), Config{Data: newCrash(t).data, Logger: quiet(), Learn: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := h.Close(); err != nil {
			t.Error(err)
		}
	})
	return h
}

func (h *House) tokenOf(t *testing.T, id identity.Identifier) identity.Token {
	t.Helper()
	tokens, err := h.keys.Ensure(t.Context(), []identity.Lookup{h.keys.Hasher().Lookup(id)})
	if err != nil {
		t.Fatal(err)
	}
	return tokens[0]
}

func (h *House) imports(t *testing.T, format records.Format, file []byte) ConsentsReport {
	t.Helper()
	name := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(name, file, 0o600); err != nil {
		t.Fatal(err)
	}
	report, err := h.importConsentFile(t.Context(), name, format, "", func(string, int64, int64) {})
	if err != nil {
		t.Fatal(err)
	}
	return report
}

// decisions are the gate's reasons and what is shown, now and later.
func (h *House) decisions(id identity.Token) (out []string) {
	presents, _ := h.book.Presents(id)
	for _, years := range []int{0, 1, 3} {
		now := time.Now().AddDate(years, 0, 0)
		for i, r := range h.gate.Why(id, consent.Where{}, now) {
			out = append(out, fmt.Sprintf("%s in %d years: %s, %s", h.declaration.Purposes[i].ID, years, presents[i].Shown(now), r.Code()))
		}
	}
	return out
}

// signedChoice is a consent with the person's signature.
func signedChoice(t *testing.T, h *House, id identity.Identifier, at time.Time) ([]consent.Choice, *consent.Signature) {
	t.Helper()
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKIXPublicKey(public)
	if err != nil {
		t.Fatal(err)
	}
	b64, nonce := base64.RawURLEncoding, make([]byte, 16)
	rand.Read(nonce) //nolint:errcheck // never fails
	s := consent.Statement{Controller: h.declaration.Controller(), Person: id, At: at, Nonce: b64.EncodeToString(nonce),
		Choices: map[declare.PurposeID]consent.State{"newsletter": consent.Given}}
	message := h.keys.Hasher().Message("signature", identity.ByServer, id, s.Nonce)
	return []consent.Choice{{Purpose: "newsletter", State: consent.Given, At: at, Method: "banner", Message: hex.EncodeToString(message[:])}},
		&consent.Signature{Algorithm: consent.Ed25519, Key: b64.EncodeToString(der), Value: b64.EncodeToString(ed25519.Sign(private, []byte(s.String()))), Statement: s.String()}
}

// TestARoundTripDecidesTheSame: what people chose goes out as receipts and comes
// into an empty server, which then decides as the first one does.
func TestARoundTripDecidesTheSame(t *testing.T) {
	from, to := opened(t), opened(t)
	for _, h := range []*House{from, to} {
		guarded, _ := h.declaration.Purpose("model_training")
		h.declaration.Children = &declare.Children{Attribute: "country", Child: []string{"under_13"}, Guarded: declare.Set(0).With(guarded)}
	}
	r := mathrand.New(mathrand.NewPCG(3, 27560))
	purposes := []declare.PurposeID{"personalization", "model_training", "newsletter"}
	var people []identity.Identifier
	var queries []string
	for n := range 24 {
		id := identity.Identifier{Kind: identity.UserID, Value: fmt.Sprint("u-", n)}
		query, _ := PersonQuery(id.Value, "")
		if n%3 == 0 {
			id.Kind = identity.AnonymousID
			query, _ = PersonQuery("", id.Value)
		}
		people, queries = append(people, id), append(queries, query)
		token := from.tokenOf(t, id)
		if n%4 == 0 {
			if err := from.choices.Mark(t.Context(), token, "under_13"); err != nil {
				t.Fatal(err)
			}
		}
		for range 1 + r.IntN(5) { // who chose nothing has no receipt
			at := time.Now().Add(-time.Duration(r.IntN(4*365*24)) * time.Hour)
			cs := []consent.Choice{{Purpose: purposes[r.IntN(3)], State: consent.State(1 + r.IntN(4)), At: at, Method: "banner", Notice: from.notices.Version("en"),
				Proof: []string{"visitor token", "unproven"}[r.IntN(2)], Evidence: "button", By: []consent.By{"", "guardian"}[r.IntN(2)]}}
			if cs[0].State == consent.Given {
				cs[0].Proof = "visitor token"
			}
			var signature *consent.Signature
			if r.IntN(4) == 0 {
				cs, signature = signedChoice(t, from, id, at)
			}
			if _, err := from.choices.RecordSigned(t.Context(), token, cs, signature); err != nil {
				t.Fatal(err)
			}
		}
	}
	client, err := from.client()
	if err != nil {
		t.Fatal(err)
	}
	var file bytes.Buffer
	for _, q := range queries {
		if err := client.Do(t.Context(), "GET", "/v1/consent/record?"+q, nil, &file); err != nil {
			t.Fatal(err)
		}
	}
	report := to.imports(t, records.TS27560, file.Bytes())
	if report.Refused+report.Repeated+report.Late > 0 || report.Recorded == 0 {
		t.Errorf("%+v", report)
	}
	for _, id := range people {
		want, got := from.decisions(from.tokenOf(t, id)), to.decisions(to.tokenOf(t, id))
		if !slices.Equal(want, got) {
			t.Errorf("%v:\n%q, want\n%q", id, got, want)
		}
	}
	// It changes nothing to bring it again, into either.
	for _, h := range []*House{from, to} {
		before := h.book.Count()
		if again := h.imports(t, records.TS27560, file.Bytes()); again.Recorded != 0 || again.Refused != 0 || h.book.Count() != before {
			t.Errorf("again: %+v", again)
		}
	}
}

// A receipt of somebody with linked ids allows elsewhere what is allowed here and no
// more: an objection, an end and a child's mark that stand under the other id count.
func TestARoundTripOfTheLinkedDecidesTheSame(t *testing.T) {
	from, to := opened(t), opened(t)
	for _, h := range []*House{from, to} {
		guarded, _ := h.declaration.Purpose("model_training")
		h.declaration.Children = &declare.Children{Attribute: "country", Child: []string{"under_13"}, Guarded: declare.Set(0).With(guarded)}
	}
	r := mathrand.New(mathrand.NewPCG(5, 27560))
	choose := func(token identity.Token) {
		for _, p := range []declare.PurposeID{"personalization", "model_training", "newsletter"} {
			state := consent.State(r.IntN(5))
			if state == consent.Unset {
				continue
			}
			c := consent.Choice{Purpose: p, State: state, At: time.Now().Add(-time.Hour), Method: "banner", Notice: from.notices.Version("en"), Proof: "shop token"}
			if _, err := from.choices.Record(t.Context(), token, []consent.Choice{c}); err != nil {
				t.Fatal(err)
			}
		}
	}
	client, err := from.client()
	if err != nil {
		t.Fatal(err)
	}
	allowed := func(h *House, id identity.Identifier) (out []consent.Reason) {
		for _, reason := range h.gate.Why(h.tokenOf(t, id), consent.Where{}, time.Now()) {
			out = append(out, map[bool]consent.Reason{true: consent.Allowed}[reason == consent.Allowed])
		}
		return out
	}
	var file bytes.Buffer
	var people []identity.Identifier
	for n := range 40 {
		user := identity.Identifier{Kind: identity.UserID, Value: fmt.Sprint("u-", n)}
		visitor := identity.Identifier{Kind: identity.AnonymousID, Value: fmt.Sprint("v-", n)}
		a, b := from.tokenOf(t, user), from.tokenOf(t, visitor)
		choose(b)
		if n%3 != 0 {
			choose(a)
		}
		if n%4 == 0 {
			if err := from.choices.Mark(t.Context(), b, "under_13"); err != nil {
				t.Fatal(err)
			}
		}
		if err := from.choices.Link(t.Context(), b, a, "test", time.Now()); err != nil {
			t.Fatal(err)
		}
		for _, id := range []identity.Identifier{user, visitor} {
			query, _ := PersonQuery(user.Value, "")
			if id == visitor {
				query, _ = PersonQuery("", visitor.Value)
			}
			if err := client.Do(t.Context(), "GET", "/v1/consent/record?"+query, nil, &file); err != nil && slices.ContainsFunc(allowed(from, id), func(r consent.Reason) bool { return r == consent.Allowed }) {
				people = append(people, id) // who has no receipt must be as somebody new
			} else if err == nil {
				people = append(people, id)
			}
		}
	}
	if report := to.imports(t, records.TS27560, file.Bytes()); report.Refused > 0 || report.Recorded == 0 {
		t.Errorf("%+v", report)
	}
	for _, id := range people {
		if want, got := allowed(from, id), allowed(to, id); !slices.Equal(want, got) {
			t.Errorf("%v: allowed %v, want %v", id, got, want)
		}
	}
}

// TestImportedConsentsKeepTheirEvidence, and a table needs no order.
func TestImportedConsentsKeepTheirEvidence(t *testing.T) {
	h := opened(t)
	const table = `user_id,purpose,state,at,method,notice,language,jurisdiction,evidence
anna,newsletter,withdrawn,2026-03-01T10:00:00Z,portal,,,,
anna,newsletter,given,2026-02-01T10:00:00Z,till,n7,de,DE,form 12
ben,newsletter,given,2026-02-01T10:00:00Z,till,,,,
ben,orders,given,2026-02-01T10:00:00Z,till,,,,
`
	report := h.imports(t, records.CSV, []byte(table))
	if report.People != 2 || report.Recorded != 3 || report.Refused != 1 || len(report.Faults) != 1 || !strings.Contains(report.Faults[0], "person 2 of the file, record 2") {
		t.Errorf("%+v", report)
	}
	token := h.tokenOf(t, identity.Identifier{Kind: identity.UserID, Value: "anna"})
	history, err := h.choices.History(t.Context(), token)
	if err != nil || len(history) != 2 {
		t.Fatalf("%v, %+v", err, history)
	}
	first, second := history[0].Choices[0], history[1].Choices[0]
	if first.Evidence != "form 12" || first.Notice != "n7" || first.Language != "de" || first.Jurisdiction != "DE" || first.Proof != "import" || first.Method != "till" {
		t.Errorf("%+v", first)
	}
	if second.State != consent.Withdrawn || !strings.HasPrefix(second.Evidence, "file sha256:") || !strings.HasSuffix(second.Evidence, ", 2") {
		t.Errorf("%+v", second)
	}
}

// TestAnImportClaimsNoNotice: that a file names no notice is not evidence of the one
// in force; whoever knows which was read answers for it, also afterwards.
func TestAnImportClaimsNoNotice(t *testing.T) {
	h := opened(t)
	choices, orders := filepath.Join(t.TempDir(), "choices.csv"), filepath.Join(t.TempDir(), "orders.csv")
	write := func(name, text string) {
		t.Helper()
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(orders, retail.Header+"\n")
	now := h.notices.Version("en")
	for _, c := range []struct {
		person, file string
		unread       func(notice string) (int, error)
	}{
		{"anna", "user_id,purpose,state,at\nanna,newsletter,given,2026-03-05T10:00:00Z\nanna,personalization,refused,2026-03-05T10:00:00Z\n", func(notice string) (int, error) {
			r, err := h.importConsentFile(t.Context(), choices, records.CSV, notice, func(string, int64, int64) {})
			return r.Unread, err
		}},
		{"7", retail.ConsentHeader + "\n7,newsletter,given,2026-03-05T10:00:00Z,till,\n", func(notice string) (int, error) {
			r, err := h.ImportRetail(t.Context(), ImportOptions{File: orders, Consents: choices, Notice: notice})
			return r.Unread, err
		}},
	} {
		write(choices, c.file)
		id := h.tokenOf(t, identity.Identifier{Kind: identity.UserID, Value: c.person})
		if _, err := c.unread("v7"); err == nil || !strings.Contains(err.Error(), "there never was this notice") {
			t.Errorf("an unknown notice: %v", err)
		}
		for _, step := range []struct {
			notice string
			unread int
			reason consent.Reason
		}{{"", 1, consent.DeniedUnknownNotice}, {now, 0, consent.Allowed}, {now, 0, consent.Allowed}} {
			unread, err := c.unread(step.notice)
			if err != nil {
				t.Fatal(err)
			}
			history, err := h.choices.History(t.Context(), id)
			if err != nil {
				t.Fatal(err)
			}
			p, _ := h.declaration.Purpose("newsletter")
			if got := h.gate.Why(id, consent.Where{}, time.Now())[p]; got != step.reason || unread != step.unread {
				t.Errorf("%s with notice %q: %v, %d without a notice; %+v", c.person, step.notice, got, unread, history)
			}
		}
		if history, err := h.choices.History(t.Context(), id); err != nil || history[0].Choices[0].Notice != "" || len(history) > 4 {
			t.Errorf("%v: %+v", err, history)
		}
		write(choices, strings.Replace(c.file, "2026", fmt.Sprint(time.Now().Year()+1), 1))
		if _, err := c.unread(""); err == nil || !strings.Contains(err.Error(), "line 2: at lies in the future") {
			t.Errorf("a choice of the future: %v", err)
		}
	}
}

// TestAnImportedSignatureMustHold: a record that was tampered with, or moved to
// somebody else, is refused.
func TestAnImportedSignatureMustHold(t *testing.T) {
	h := opened(t)
	anna := identity.Identifier{Kind: identity.UserID, Value: "anna"}
	cs, signature := signedChoice(t, h, anna, time.Now().Add(-time.Hour))
	write := func(id identity.Identifier, cs []consent.Choice, signature *consent.Signature) []byte {
		b, err := records.Write(h.declaration, records.Subject{Person: id, Records: []consent.Record{{Sequence: 1, Choices: cs, Signature: signature}}}, make([]consent.Present, len(h.declaration.Purposes)), time.Now())
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	other := slices.Clone(cs)
	other[0].Purpose = "personalization"
	_, another := signedChoice(t, h, anna, cs[0].At)
	forged := *signature
	forged.Value = another.Value
	p, _ := h.declaration.Purpose("newsletter")
	h.declaration.Purposes[p].Signed = true
	for name, file := range map[string][]byte{
		"another purpose": write(anna, other, signature),
		"another person":  write(identity.Identifier{Kind: identity.UserID, Value: "ben"}, cs, signature),
		"another value":   write(anna, cs, &forged),
		"none":            write(anna, cs, nil),
	} {
		if report := h.imports(t, records.TS27560, file); report.Refused != 1 || report.Recorded != 0 {
			t.Errorf("%s: %+v", name, report)
		}
	}
	if report := h.imports(t, records.TS27560, write(anna, cs, signature)); report.Recorded != 1 {
		t.Errorf("the true one: %+v", report)
	}
}
