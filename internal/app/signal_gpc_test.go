package app

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// browserOf is somebody's browser: it sends its visitor's token, and a privacy signal
// where it has one.
type browserOf struct {
	t              *testing.T
	base           *string
	key            string
	id, token      string
	user, shop     string
	signal, placed string
}

// call sends a request and returns the answer, which must have a status.
func (b *browserOf) call(status int, method, path string, body any) map[string]any {
	b.t.Helper()
	text, err := json.Marshal(body)
	must(b.t, err)
	r, err := http.NewRequestWithContext(b.t.Context(), method, *b.base+path, bytes.NewReader(text))
	must(b.t, err)
	r.Header.Set("Authorization", "Bearer "+b.key)
	for name, value := range map[string]string{"Accord-Visitor": b.token, "Accord-Shop-Token": b.shop, "Sec-GPC": b.signal, "Accord-Jurisdiction": b.placed} {
		if value != "" {
			r.Header.Set(name, value)
		}
	}
	resp, err := http.DefaultClient.Do(r)
	must(b.t, err)
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	must(b.t, err)
	if resp.StatusCode != status {
		b.t.Fatalf("%s %s: %d %s", method, path, resp.StatusCode, answer)
	}
	out := map[string]any{}
	json.Unmarshal(answer, &out) //nolint:errcheck // not every answer is JSON
	return out
}

func (b *browserOf) person() map[string]any {
	if b.user != "" {
		return map[string]any{"user_id": b.user}
	}
	return map[string]any{"anonymous_id": b.id}
}

func (b *browserOf) choose(purpose, state string) {
	b.t.Helper()
	b.call(200, "PUT", "/v1/consent", map[string]any{"person": b.person(), "choices": map[string]any{purpose: state}, "method": "banner"})
}

// chosen are what the person chose about a purpose, as "state by method", the oldest
// first, and whether it holds.
func (b *browserOf) chosen(purpose string) (said []string, holds bool, reason string, newest map[string]any) {
	b.t.Helper()
	q := url.Values{}
	for k, v := range b.person() {
		q.Set(k, fmt.Sprint(v))
	}
	a := b.call(200, "GET", "/v1/consent?"+q.Encode(), nil)
	for _, r := range a["history"].([]any) {
		for _, c := range r.(map[string]any)["choices"].([]any) {
			if c := c.(map[string]any); c["purpose"] == purpose {
				said, newest = append(said, fmt.Sprint(c["state"], " by ", c["method"])), c
			}
		}
	}
	for _, p := range a["purposes"].([]any) {
		if p := p.(map[string]any); p["purpose"] == purpose {
			holds, reason = p["holds"].(bool), p["reason"].(string)
		}
	}
	return said, holds, reason, newest
}

// is checks what was chosen about a purpose and whether it holds.
func (b *browserOf) is(purpose, what string, holds bool) map[string]any {
	b.t.Helper()
	said, now, reason, newest := b.chosen(purpose)
	if got := strings.Join(said, ", "); got != what || now != holds {
		b.t.Errorf("%s: %s and holds is %v (%s), want %s and %v", purpose, got, now, reason, what, holds)
	}
	return newest
}

// decided returns the gate's answer for personalization and the texts shown.
func (b *browserOf) decided(language string) (decision, shown string) {
	b.t.Helper()
	body := map[string]any{"purpose": "personalization", "language": language}
	if b.id != "" || b.user != "" {
		body["person"] = b.person()
	}
	a := b.call(200, "POST", "/v1/decide", body)
	for _, o := range a["obligations"].([]any) {
		shown += o.(map[string]any)["code"].(string) + ": " + o.(map[string]any)["text"].(string)
	}
	return a["receipt"].(map[string]any)["decision"].(string), shown
}

// TestGPC is Global Privacy Control through the real server: in force at once,
// recorded once, shown, over a kill -9, reaching who is linked, and behind what the
// person chose in knowledge of it.
func TestGPC(t *testing.T) {
	c := newCrash(t)
	shop := &publisher{}
	shop.rotate("k1", 1)
	published := httptest.NewServer(shop)
	defer published.Close()
	name := filepath.Join(c.data, "accord.yaml")
	text, err := os.ReadFile(name)
	must(t, err)
	changed := strings.Replace(string(text), "\npurposes:\n", "\nshop_jwks: "+published.URL+"\n\npurposes:\n", 1)
	changed = strings.Replace(changed, "    use: [personalization]\n", "    use: [personalization, targeted_advertising]\n", 1)
	changed = strings.Replace(changed, "    use: [direct_marketing]\n", "    use: [direct_marketing, sale]\n", 1)
	must(t, os.WriteFile(name, []byte(changed), 0o600))
	public, _, err := MakeKey(c.data, "write", "web", nil)
	must(t, err)
	addr, kill := startServer(t, c.data)
	base := "http://" + addr
	visitor := func() *browserOf {
		b := &browserOf{t: t, base: &base, key: public}
		made := b.call(200, "POST", "/v1/visitor", nil)
		b.id, b.token = made["anonymous_id"].(string), made["token"].(string)
		return b
	}

	// A yes of before the signal was ever seen does not go before it.
	anna := visitor()
	anna.choose("personalization", "given")
	anna.choose("told_preferences", "given")
	for _, value := range []string{"0", "true", "1, 1", "2"} {
		anna.signal = value
		anna.is("personalization", "given by banner", true)
	}
	anna.signal, anna.placed = "1", "US-CA"
	if why, shown := anna.decided("en"); why != "withdrawn" || !strings.Contains(shown, "opt_out_honored: Opt-Out Request Honored") {
		t.Errorf("in California: %s, %q", why, shown)
	}
	newest := anna.is("personalization", "given by banner, withdrawn by signal", false)
	if newest["evidence"] != "Sec-GPC: 1" || newest["jurisdiction"] != "US-CA" || newest["proof"] != "visitor token" {
		t.Errorf("recorded as %v", newest)
	}
	anna.is("newsletter", "refused by signal", false)
	anna.is("told_preferences", "given by banner", true)
	for range 3 {
		anna.decided("en")
	}
	anna.is("personalization", "given by banner, withdrawn by signal", false)
	greta := visitor()
	greta.placed = "DE"
	greta.choose("personalization", "given")
	greta.signal = "1"
	if why, shown := greta.decided("ru"); why != "withdrawn" || shown != "opt_out_honored: Мы соблюдаем сигнал приватности вашего браузера." {
		t.Errorf("in Germany: %s, %q", why, shown)
	}
	// What an event reports is no choice in knowledge of it.
	event := map[string]any{"type": "track", "event": "Product Viewed", "anonymousId": anna.id, "messageId": "m-1", "properties": map[string]any{"product_id": "P-1"},
		"context": map[string]any{"consent": map[string]any{"categoryPreferences": map[string]any{"personalization": true}}}}
	anna.call(200, "POST", "/v1/track", event)
	anna.signal = ""
	anna.is("personalization", "given by banner, withdrawn by signal", false)

	kill()
	addr, kill = startServer(t, c.data)
	base = "http://" + addr
	anna.signal = "1"
	anna.decided("en")
	anna.is("personalization", "given by banner, withdrawn by signal", false)
	anna.choose("personalization", "given")
	for range 2 {
		if why, shown := anna.decided("en"); why != "allowed" || shown != "" {
			t.Errorf("chosen in knowledge: %s, %q", why, shown)
		}
		anna.is("personalization", "given by banner, withdrawn by signal, given by banner", true)
		anna.is("newsletter", "refused by signal", false)
		kill()
		addr, kill = startServer(t, c.data)
		base = "http://" + addr
	}
	// Her next no is one, and the signal says nothing new beside it.
	anna.choose("personalization", "withdrawn")
	anna.is("personalization", "given by banner, withdrawn by signal, given by banner, withdrawn by banner", false)

	// Who says yes in the very first request with the signal knows of it.
	bert := visitor()
	bert.signal = "1"
	if why, shown := bert.decided("en"); why != "unknown_person" || !strings.HasPrefix(shown, "opt_out_honored: ") {
		t.Errorf("nobody yet: %s, %q", why, shown)
	}
	bert.choose("personalization", "given")
	bert.is("personalization", "refused by signal, given by banner", true)
	bert.is("newsletter", "refused by signal", false)

	linkedGPC(t, visitor, shop, c, &base)
	t.Run("reserved", func(t *testing.T) {
		bert.call(422, "PUT", "/v1/consent", map[string]any{"person": bert.person(), "choices": map[string]any{"personalization": "refused"}, "method": "signal"})
	})
	t.Run("the shop's own server", func(t *testing.T) {
		backend := &browserOf{t: t, base: &base, key: c.key, user: "carl", signal: "1"}
		backend.choose("personalization", "given")
		backend.is("personalization", "given by banner", true)
	})
	t.Run("in an event", func(t *testing.T) { signalsInEvents(t, visitor) })
	nobody := &browserOf{t: t, base: &base, key: public, signal: "1"}
	if why, shown := nobody.decided("en"); why != "nobody" || !strings.HasPrefix(shown, "opt_out_honored: ") {
		t.Errorf("nobody at all: %s, %q", why, shown)
	}
	gpc := nobody.call(200, "GET", "/.well-known/gpc.json", nil)
	if gpc["gpc"] != true || gpc["lastUpdate"] != "2026-11-25" || len(gpc) != 2 {
		t.Errorf("gpc.json: %v", gpc)
	}
}

// linkedGPC is a signal of one browser that reaches the customer's account and their
// other browser, and a yes of the customer's that goes before it in both.
func linkedGPC(t *testing.T, visitor func() *browserOf, shop *publisher, c *crash, base *string) {
	account := &browserOf{t: t, base: base, key: c.key, user: "dora"}
	account.choose("personalization", "given")
	phone, laptop := visitor(), visitor()
	for _, b := range []*browserOf{phone, laptop} {
		b.shop = shop.token(t, "k1", "dora")
		b.call(200, "POST", "/v1/link", map[string]any{"user_id": "dora", "anonymous_id": b.id})
	}
	laptop.signal = "1"
	laptop.decided("en")
	account.is("personalization", "given by banner, withdrawn by signal, withdrawn by signal, withdrawn by signal", false)
	phone.is("personalization", "withdrawn by signal", false)
	phone.user = "dora"
	phone.choose("personalization", "given")
	laptop.signal = "1"
	if _, holds, reason, _ := laptop.chosen("personalization"); !holds {
		t.Errorf("the customer's own yes in the other browser: %s", reason)
	}
}

// signalsInEvents: what a page saw of Global Privacy Control counts as the browser's field
// does, every other refusal names its signal, and both are shown without a new signal.
func signalsInEvents(t *testing.T, visitor func() *browserOf) {
	n := 0
	track := func(b *browserOf, context map[string]any) {
		n++
		b.call(200, "POST", "/v1/track", map[string]any{"event": "Product Viewed", "anonymousId": b.id, "messageId": fmt.Sprint("e-", n), "properties": map[string]any{"product_id": "P-1"}, "context": context})
	}
	gpc := map[string]any{"consent": map[string]any{"gpp": "DBABBg~BAAAAABA.YA"}, "location": map[string]any{"country": "US", "region": "CA"}}
	dora := visitor()
	dora.choose("personalization", "given")
	track(dora, gpc)
	newest := dora.is("personalization", "given by banner, withdrawn by signal", false)
	if newest["evidence"] != "Gpc: 1 (usca)" || newest["jurisdiction"] != "US-CA" || newest["proof"] != "visitor token" {
		t.Errorf("recorded as %v", newest)
	}
	if why, shown := dora.decided("en"); why != "withdrawn" || !strings.Contains(shown, "opt_out_honored: ") {
		t.Errorf("of GPP: %s, %q", why, shown)
	}
	dora.choose("personalization", "given")
	track(dora, gpc)
	dora.is("personalization", "given by banner, withdrawn by signal, given by banner", true)
	if why, shown := dora.decided("en"); why != "allowed" || shown != "" {
		t.Errorf("chosen in knowledge: %s, %q", why, shown)
	}
	emil := visitor()
	emil.placed = "US-NY"
	emil.choose("personalization", "given")
	track(emil, map[string]any{"device": map[string]any{"trackingStatus": "denied"}})
	newest = emil.is("personalization", "given by banner, withdrawn by event", false)
	if newest["evidence"] != "att trackingStatus denied" || newest["jurisdiction"] != "US-NY" {
		t.Errorf("recorded as %v", newest)
	}
	if why, shown := emil.decided("en"); why != "withdrawn" || !strings.Contains(shown, "opt_out_honored: ") {
		t.Errorf("of a device: %s, %q", why, shown)
	}
}
