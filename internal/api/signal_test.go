package api

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"fmt"
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"accord/internal/attribution"
)

// appleKey signs postbacks in Apple's place, with a key of the test's own.
type appleKey struct {
	t   *testing.T
	key *ecdsa.PrivateKey
}

func newApple(t *testing.T) *appleKey {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	return &appleKey{t, key}
}

func (a *appleKey) postback(n int, app uint64) string {
	raw := base64.RawURLEncoding
	signed := raw.EncodeToString([]byte(`{"kid":"apple-cas-identifier/0","alg":"ES256"}`)) + "." + raw.EncodeToString(fmt.Appendf(nil,
		`{"postback-identifier":"00000000-0000-4000-8000-%012d","advertised-item-identifier":%d,"ad-network-identifier":"a.adattributionkit","source-identifier":"1234","conversion-type":"download","impression-type":"app-impression","did-win":true,"postback-sequence-index":0}`, n, app))
	digest := sha256.Sum256([]byte(signed))
	r, s, err := ecdsa.Sign(rand.Reader, a.key, digest[:])
	must(a.t, err)
	var value [64]byte
	r.FillBytes(value[:32])
	s.FillBytes(value[32:])
	return `{"jws-string":"` + signed + "." + raw.EncodeToString(value[:]) + `","conversion-value":3,"country-code":"DE"}`
}

// receiver takes postbacks about app 1 in a file of dir.
func (a *appleKey) receiver(dir string) *attribution.Receiver {
	der, err := x509.MarshalPKIXPublicKey(&a.key.PublicKey)
	must(a.t, err)
	config, err := attribution.ReadConfig("attribution.yaml", []byte("apps: [\"1\"]\nkeys:\n  apple-cas-identifier/0: "+base64.StdEncoding.EncodeToString(der)+"\n"))
	must(a.t, err)
	store, err := attribution.Open(filepath.Join(dir, "attribution.log"))
	must(a.t, err)
	a.t.Cleanup(func() { store.Close() }) //nolint:errcheck // only read
	return &attribution.Receiver{Config: config, Store: store}
}

// Postbacks count once, with Apple's signature and about the operator's app alone, and
// the counts name nobody.
func TestPostbacks(t *testing.T) {
	apple, dir := newApple(t), t.TempDir()
	h := newHouse(t, func(c *Config) { c.Attribution = apple.receiver(dir) })
	one := apple.postback(1, 1)
	for _, path := range []string{pathPostback, pathPostback + "/", pathPostback} {
		if a := h.do("POST", path, one).status(200); a.body != `{"success":true}` {
			t.Errorf("%s: %s", path, a.body)
		}
	}
	h.do("POST", pathPostback, apple.postback(2, 1)).status(200)
	h.do("POST", pathPostback, strings.Replace(one, "success", "", 1)+"x").problem(400, codeSignature)
	h.do("POST", pathPostback, strings.Replace(apple.postback(3, 1), `{"jws-string":"e`, `{"jws-string":"f`, 1)).problem(400, codeSignature)
	h.do("POST", pathPostback, apple.postback(4, 2)).problem(404, codeNotFound)
	h.do("POST", pathPostback, strings.Repeat(" ", attribution.MaxBody+1)).problem(413, codeTooLarge)
	h.do("POST", pathPostback, "").problem(400, codeSignature)
	h.do("GET", "/v1/attribution", "", key(h.write)).problem(403, codeKeyKind)
	const want = `{"counts":[{"item":1,"network":"a.adattributionkit","source":"1234","conversion":"download","impression":"app-impression","sequence":0,"won":true,"value":3,"country":"DE","count":2}]}`
	if a := h.do("GET", "/v1/attribution", "", key(h.secret)).status(200); a.body != want {
		t.Errorf("counts: %s", a.body)
	}
	for result, n := range map[string]float64{"counted": 2, "again": 2, "bad": 3, "other_app": 1} {
		if got := h.metric("accord_http_postbacks_total", "result", result); got != n {
			t.Errorf("%s: %v, want %v", result, got, n)
		}
	}
	if got := apple.receiver(dir).Counts(); len(got) != 1 || got[0].Count != 2 {
		t.Errorf("after a restart: %+v", got)
	}
}

// Without attribution.yaml nothing is taken.
func TestNoPostbacks(t *testing.T) {
	h := newHouse(t)
	h.do("POST", pathPostback, "{}").problem(404, codeNotFound)
	h.do("GET", "/v1/attribution", "", key(h.secret)).problem(404, codeNotFound)
}

// Too many postbacks at once are put off with the status that makes a device send
// again.
func TestPostbacksAreBounded(t *testing.T) {
	apple := newApple(t)
	h := newHouse(t, func(c *Config) { c.Attribution = apple.receiver(t.TempDir()) })
	for i := range postbackBurst + 100 {
		if a := h.do("POST", pathPostback, apple.postback(i, 1)); a.code != 200 {
			a.problem(500, codeTooMany)
			return
		}
	}
	t.Error("all were kept")
}

// What Apple did not sign, and what was counted before, uses nothing of Apple's up, and
// loses its connection where it comes too often.
func TestPostbacksAndJunk(t *testing.T) {
	apple := newApple(t)
	h := newHouse(t, func(c *Config) { c.Attribution = apple.receiver(t.TempDir()) })
	one := apple.postback(1, 1)
	h.do("POST", pathPostback, one).status(200)
	closed := 0
	for i := range junkBurst + postbackBurst {
		a := h.do("POST", pathPostback, "{}")
		a.problem(400, codeSignature)
		if i%2 == 0 {
			a = h.do("POST", pathPostback, one).status(200)
		}
		if a.closed {
			closed++
		}
	}
	if closed == 0 {
		t.Error("no connection was closed")
	}
	h.do("POST", pathPostback, apple.postback(2, 1)).status(200)
	if got := h.metric("accord_http_postbacks_total", "result", "counted"); got != 2 {
		t.Errorf("%v were counted", got)
	}
}

// Several lines of Sec-GPC count as one if any is exactly 1, and the field says nothing
// without a public key.
func TestSecGPC(t *testing.T) {
	h := newHouse(t)
	lines := func(values ...string) option {
		return func(r *http.Request) { r.Header["Sec-Gpc"] = values }
	}
	for i, c := range []struct {
		values []string
		want   float64
	}{{[]string{"1"}, 1}, {[]string{"0", "1"}, 1}, {[]string{"1", "0"}, 1}, {[]string{"0"}, 0}, {[]string{"1,1"}, 0}, {[]string{"True"}, 0}, {[]string{""}, 0}, {[]string{strings.Repeat("1", 8000)}, 0}} {
		before := h.metric("accord_http_signals_total")
		h.do("POST", "/v1/decide", `{"purpose":"personalization"}`, key(h.write), lines(c.values...)).status(200)
		if got := h.metric("accord_http_signals_total") - before; got != c.want {
			t.Errorf("%d, %.20q: heard %v times, want %v", i, c.values, got, c.want)
		}
	}
	h.do("POST", "/v1/decide", `{"purpose":"personalization"}`, key(h.secret), lines("1")).status(200)
	if got := h.metric("accord_http_signals_total"); got != 3 {
		t.Errorf("with a secret key it was heard: %v", got)
	}
	a := h.do("GET", "/.well-known/gpc.json", "").status(200)
	if a.body != "{\"gpc\":true,\"lastUpdate\":\"2026-11-25\"}" || a.header.Get("Cache-Control") != "public, max-age=86400" || !strings.HasPrefix(a.header.Get("Content-Type"), "application/json") {
		t.Errorf("%q %v", a.body, a.header)
	}
}
