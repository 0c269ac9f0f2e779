package app

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"accord/internal/consent"
	"accord/internal/identity"
	"accord/internal/records"
	"accord/internal/retail"
)

// Promise 7 by force: a server is killed right after it said that somebody is
// erased, and neither the receipt that they had taken with them, nor an old file of
// choices or orders brings them back. A choice of now does, as somebody new.
func TestErasedIsNotImportedAgain(t *testing.T) {
	c := newCrash(t)
	anna := identity.Identifier{Kind: identity.UserID, Value: "17850"}
	person := map[string]any{"person": map[string]any{"user_id": anna.Value}}
	addr, kill := startServer(t, c.data)
	ask := func(method, path string, body, out any) {
		t.Helper()
		if err := c.ask(t.Context(), method, "http://"+addr+path, body, out); err != nil {
			t.Fatal(err)
		}
	}
	var receipt json.RawMessage
	ask("PUT", "/v1/consent", choice(anna.Value, "given"), nil)
	ask("POST", "/v1/track", track(anna.Value, "m-1", "P-1"), nil)
	ask("GET", "/v1/consent/record?user_id="+anna.Value, nil, &receipt)
	ask("POST", "/v1/erase", person, nil)
	kill()

	const orders = retail.Header + "\n536365,22123,A THING,2,2010-12-01 08:26:00,2.55,17850,United Kingdom\n536366,22123,A THING,2,2010-12-01 08:26:00,2.55,17851,United Kingdom\n"
	const said = retail.ConsentHeader + "\n17850,newsletter,given,2010-03-05T10:00:00Z,till,\n17850,personalization,refused,2010-03-05T10:00:00Z,till,\n17851,newsletter,given,2010-03-05T10:00:00Z,till,\n"
	dir := t.TempDir()
	for name, text := range map[string]string{"orders.csv": orders, "choices.csv": said} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	file := filepath.Join(dir, "orders.csv")
	for range 2 {
		h := c.open()
		report := h.imports(t, records.TS27560, receipt)
		if report.Erased != 2 || report.Recorded+report.Repeated+report.Refused != 0 {
			t.Errorf("her own receipt: %+v", report)
		}
		var words strings.Builder
		if err := report.Write(&words); err != nil || !strings.Contains(words.String(), "2  left out, since the person was erased") {
			t.Errorf("the command says %q, %v", words.String(), err)
		}
		if r := h.imports(t, records.CSV, []byte("user_id,purpose,state,at\n17850,newsletter,given,2026-02-01T10:00:00Z\n")); r.Erased != 1 || r.Recorded != 0 {
			t.Errorf("a table: %+v", r)
		}
		for _, o := range []ImportOptions{{File: file, Basis: "contract"}, {File: file, Consents: filepath.Join(dir, "choices.csv")}, {File: file, Simulate: 1}} {
			r, err := h.ImportRetail(t.Context(), o)
			if err != nil || r.Dropped["erased"] != 1 || r.Products > 1 {
				t.Errorf("orders with %+v: %+v, %v", o, r, err)
			}
			if want := map[bool]int{true: 2}[o.Consents != ""]; o.Simulate == 0 && r.Erased != want || o.Simulate != 0 && r.Erased == 0 {
				t.Errorf("orders with %+v: %d choices were left out", o, r.Erased)
			}
		}
		if _, known, err := h.keys.Find(h.keys.Hasher().Lookup(anna)); known || err != nil {
			t.Errorf("a file made somebody: %v, %v", known, err)
		}
		if err := h.CatchUp(t.Context()); err != nil {
			t.Fatal(err)
		}
		if n := len(heldOrders(t, h, identity.Identifier{Kind: identity.UserID, Value: "17851"}).Interactions()); n != 1 {
			t.Errorf("of somebody else %d orders are held", n)
		}
		c.close(h)
	}

	addr, kill = startServer(t, c.data)
	ask("PUT", "/v1/consent", choice(anna.Value, "given"), nil)
	ask("POST", "/v1/track", track(anna.Value, "m-2", "P-2"), nil) // the same message would be one that came again
	kill()
	h := c.open()
	defer c.close(h)
	if r := h.imports(t, records.TS27560, receipt); r.Erased != 2 || r.Recorded != 0 {
		t.Errorf("her receipt of before, when somebody new is there: %+v", r)
	}
	if err := h.CatchUp(t.Context()); err != nil {
		t.Fatal(err)
	}
	if held := heldOrders(t, h, anna).Interactions(); len(held) != 1 || held[0].Item != "P-2" {
		t.Errorf("somebody new has %+v", held)
	}
	p, _ := h.declaration.Purpose("personalization")
	if why := h.gate.Why(h.tokenOf(t, anna), consent.Where{}, time.Now())[p]; why.Code() != "allowed" {
		t.Errorf("somebody new is %v", why)
	}
}
