package attribution

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// The examples of Apple's documentation, signed by Apple's own keys.
const (
	appleProduction  = `{"ad-interaction-type":"click","jws-string":"eyJraWQiOiJhcHBsZS1jYXMtaWRlbnRpZmllci8wIiwiYWxnIjoiRVMyNTYifQ.eyJhZHZlcnRpc2VkLWl0ZW0taWRlbnRpZmllciI6Njg0OTM5LCJjb252ZXJzaW9uLXR5cGUiOiJyZS1lbmdhZ2VtZW50IiwibWFya2V0cGxhY2UtaWRlbnRpZmllciI6ImNvbS5hcHBsZS5BcHBTdG9yZSIsImFkLW5ldHdvcmstaWRlbnRpZmllciI6InRlc3QuYWRhdHRyaWJ1dGlvbmtpdCIsImltcHJlc3Npb24tdHlwZSI6ImFwcC1pbXByZXNzaW9uIiwicG9zdGJhY2stc2VxdWVuY2UtaW5kZXgiOjAsInNvdXJjZS1pZGVudGlmaWVyIjoiODM0NCIsImRpZC13aW4iOnRydWUsInBvc3RiYWNrLWlkZW50aWZpZXIiOiIzZjUwZmU1Ny0yOWFlLTQ4NjEtOGMwYi1hYzZhZGRkZmY3MmMiLCJwdWJsaXNoZXItaXRlbS1pZGVudGlmaWVyIjo1ODM4NDkyfQ.AemK1x2ahIPKOnFEEscG4wvipRtR1G6DzpNF4M4joPb8POIH4FJjm4VvcNgLXc9rWBrEDQPvDblduoc7MFcK5w","coarse-conversion-value":"medium","country-code":"US"}`
	appleDevelopment = `{"jws-string":"eyJraWQiOiJhcHBsZS1kZXZlbG9wbWVudC1pZGVudGlmaWVyXC8xIiwiYWxnIjoiRVMyNTYifQ.eyJwb3N0YmFjay1pZGVudGlmaWVyIjoiODU1NDZFQjctRkQzOS00NEJDLTg5OTAtQzk4QTRBQzM2QTQ5IiwicHVibGlzaGVyLWl0ZW0taWRlbnRpZmllciI6MCwibWFya2V0cGxhY2UtaWRlbnRpZmllciI6ImNvbS5hcHBsZS5BcHBTdG9yZSIsImltcHJlc3Npb24tdHlwZSI6ImFwcC1pbXByZXNzaW9uIiwiYWQtbmV0d29yay1pZGVudGlmaWVyIjoiZGV2ZWxvcG1lbnQuYWRhdHRyaWJ1dGlvbmtpdCIsImRpZC13aW4iOnRydWUsInBvc3RiYWNrLXNlcXVlbmNlLWluZGV4IjowLCJjb252ZXJzaW9uLXR5cGUiOiJyZS1lbmdhZ2VtZW50Iiwic291cmNlLWlkZW50aWZpZXIiOiIxMjM0IiwiYWR2ZXJ0aXNlZC1pdGVtLWlkZW50aWZpZXIiOjEwNzM4MDI3NzU2fQ.bAdNwKd6OfHK9tofvjjua4X_JPcFTxXPQSspD9gZkinw97pY7R1aI-LSjl-oxZZF3_K2H5JK5TSEBee4_1U4oQ","conversion-value":24,"ad-interaction-type":"click","country-code":"US"}`
)

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// signer makes postbacks with a key of the tests' own.
type signer struct {
	t    testing.TB
	key  *ecdsa.PrivateKey
	keys Keys
}

func newSigner(t testing.TB) *signer {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	der, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	must(t, err)
	keys, err := ParseKeys(map[string]string{"apple-cas-identifier/0": base64.StdEncoding.EncodeToString(der)})
	must(t, err)
	return &signer{t, key, keys}
}

const goodHeader = `{"kid":"apple-cas-identifier/0","alg":"ES256"}`

func goodPayload(id int) string {
	return fmt.Sprintf(`{"postback-identifier":"00000000-0000-4000-8000-%012d","advertised-item-identifier":684939,"ad-network-identifier":"test.adattributionkit","source-identifier":"12",`+
		`"conversion-type":"download","impression-type":"app-impression","did-win":true,"postback-sequence-index":1}`, id)
}

// jws signs a payload under a header.
func (s *signer) jws(header, payload string) string {
	raw := base64.RawURLEncoding
	signed := raw.EncodeToString([]byte(header)) + "." + raw.EncodeToString([]byte(payload))
	digest := sha256.Sum256([]byte(signed))
	r, v, err := ecdsa.Sign(rand.Reader, s.key, digest[:])
	must(s.t, err)
	var value [64]byte
	r.FillBytes(value[:32])
	v.FillBytes(value[32:])
	return signed + "." + raw.EncodeToString(value[:])
}

func (s *signer) body(id int) []byte {
	return []byte(`{"jws-string":"` + s.jws(goodHeader, goodPayload(id)) + `","conversion-value":7,"ad-interaction-type":"view"}`)
}

// TestApple verifies what Apple signed, with the keys that Apple publishes. Only the
// example of the developer settings can be: the signature of the one that names the
// production key does not hold under that key, nor under any other that is published.
func TestApple(t *testing.T) {
	production, err := ReadConfig("attribution.yaml", []byte(`apps: ["684939"]`))
	must(t, err)
	for _, body := range []string{appleProduction, appleDevelopment} {
		if _, err := production.Keys.Verify([]byte(body)); !errors.Is(err, ErrBad) {
			t.Errorf("without development: %v", err)
		}
	}
	c, err := ReadConfig("attribution.yaml", []byte("apps: [\"684939\"]\ndevelopment: \"yes\""))
	must(t, err)
	p, err := c.Keys.Verify([]byte(appleDevelopment))
	must(t, err)
	want := Report{Item: 10738027756, Network: "development.adattributionkit", Source: "1234", Conversion: "re-engagement", Impression: "app-impression", Won: true,
		Marketplace: "com.apple.AppStore", Development: true, Value: 24, Interaction: "click", Country: "US"}
	if p.Report != want || fmt.Sprintf("%x", p.ID) != "85546eb7fd3944bc8990c98a4ac36a49" {
		t.Errorf("%x %+v, want %+v", p.ID, p.Report, want)
	}
}

// TestForged refuses what was not signed, or not so, and what is no postback.
func TestForged(t *testing.T) {
	s, other := newSigner(t), newSigner(t)
	good := s.jws(goodHeader, goodPayload(1))
	head, rest, _ := strings.Cut(good, ".")
	_, tail, _ := strings.Cut(rest, ".")
	elsewhere := base64.RawURLEncoding.EncodeToString([]byte(goodPayload(2)))
	wrap := func(jws string) string { return `{"jws-string":"` + jws + `"}` }
	with := func(from, to string) string {
		return wrap(s.jws(goodHeader, strings.Replace(goodPayload(1), from, to, 1)))
	}
	if _, err := s.keys.Verify([]byte(wrap(good))); err != nil {
		t.Fatal(err)
	}
	for name, body := range map[string]string{
		"nothing": "", "no JSON": "{", "a list": "[]", "no signature": `{}`, "a number": `{"jws-string":1}`,
		"twice":             `{"jws-string":"` + good + `","jws-string":"` + good + `"}`,
		"another's key":     wrap(other.jws(goodHeader, goodPayload(1))),
		"another's payload": wrap(head + "." + elsewhere + "." + tail),
		"no tail":           wrap(head + "." + elsewhere),
		"four parts":        wrap(good + ".AAAA"),
		"empty signature":   wrap(head + "." + elsewhere + "."),
		"zero signature":    wrap(head + "." + elsewhere + "." + base64.RawURLEncoding.EncodeToString(make([]byte, 64))),
		"padded":            wrap(good + "="),
		"alg none":          wrap(s.jws(`{"kid":"apple-cas-identifier/0","alg":"none"}`, goodPayload(1))),
		"alg HS256":         wrap(s.jws(`{"kid":"apple-cas-identifier/0","alg":"HS256"}`, goodPayload(1))),
		"unknown key":       wrap(s.jws(`{"kid":"apple-cas-identifier/1","alg":"ES256"}`, goodPayload(1))),
		"alg twice":         wrap(s.jws(`{"kid":"apple-cas-identifier/0","alg":"ES256","alg":"ES256"}`, goodPayload(1))),
		"no id":             with("postback-identifier", "x"),
		"short id":          with("00000000-0000-4000-8000-000000000001", "1"),
		"id in letters":     with("00000000-0000-4000-8000-000000000001", "zzzzzzzz-0000-4000-8000-000000000001"),
		"item in text":      with("684939", `"684939"`),
		"no item":           with("684939", "0"),
		"no did-win":        with("did-win", "x"),
		"sequence 3":        with(`"postback-sequence-index":1`, `"postback-sequence-index":3`),
		"negative":          with(`"postback-sequence-index":1`, `"postback-sequence-index":-1`),
		"source":            with(`"12"`, `"12345"`),
		"source in letters": with(`"12"`, `"ab"`),
		"network":           with("test.adattributionkit", "<b>"),
		"long network":      with("test.adattributionkit", strings.Repeat("a", 101)),
		"value 64":          `{"jws-string":"` + good + `","conversion-value":64}`,
		"coarse":            `{"jws-string":"` + good + `","coarse-conversion-value":"huge"}`,
		"interaction":       `{"jws-string":"` + good + `","ad-interaction-type":"gaze"}`,
		"country":           `{"jws-string":"` + good + `","country-code":"USA"}`,
		"too large":         wrap(good) + strings.Repeat(" ", MaxBody),
	} {
		if p, err := s.keys.Verify([]byte(body)); !errors.Is(err, ErrBad) || p != (Postback{}) {
			t.Errorf("%s: %+v, %v", name, p, err)
		}
	}
}

// TestCounts counts a postback once, also after a restart, and nothing of another app.
func TestCounts(t *testing.T) {
	s := newSigner(t)
	name := filepath.Join(t.TempDir(), "attribution.log")
	open := func() *Receiver {
		store, err := Open(name)
		must(t, err)
		return &Receiver{Config: Config{Apps: []uint64{684939}, Keys: s.keys}, Store: store}
	}
	take := func(r *Receiver, body []byte, want bool) {
		t.Helper()
		p, seen, err := r.Verify(body)
		must(t, err)
		if first, err := r.Take(p); err != nil || first != want || seen == want {
			t.Fatalf("first is %v and seen %v, want first to be %v: %v", first, seen, want, err)
		}
	}
	r := open()
	one, two := s.body(1), s.body(2)
	take(r, one, true)
	take(r, one, false)
	take(r, []byte(strings.Replace(string(one), `:7,`, `:8,`, 1)), false) // beside what is signed
	must(t, r.Store.Close())
	r = open()
	take(r, one, false)
	take(r, two, true)
	other := strings.Replace(goodPayload(3), "684939", "684940", 1)
	if _, _, err := r.Verify([]byte(`{"jws-string":"` + s.jws(goodHeader, other) + `"}`)); !errors.Is(err, ErrOtherApp) {
		t.Errorf("another app: %v", err)
	}
	want := Report{Item: 684939, Network: "test.adattributionkit", Source: "12", Conversion: "download", Impression: "app-impression", Won: true, Sequence: 1, Value: 7, Interaction: "view"}
	if got := r.Counts(); len(got) != 1 || got[0] != (Count{want, 2}) {
		t.Errorf("%+v", got)
	}
	must(t, r.Store.Close())
	last, _, err := r.Verify(s.body(4))
	must(t, err)
	if _, err := r.Take(last); err == nil {
		t.Error("a closed store took a postback")
	}
}

// TestCrash cuts the file at every byte: what was whole counts, and what was cut off is
// counted when the device sends it again.
func TestCrash(t *testing.T) {
	s := newSigner(t)
	dir := t.TempDir()
	name := filepath.Join(dir, "attribution.log")
	store, err := Open(name)
	must(t, err)
	var ends []int
	var all []Postback
	for i := range 3 {
		p, err := s.keys.Verify(s.body(i))
		must(t, err)
		_, err = store.Add(p)
		must(t, err)
		info, err := os.Stat(name)
		must(t, err)
		ends, all = append(ends, int(info.Size())), append(all, p)
	}
	must(t, store.Close())
	whole, err := os.ReadFile(name)
	must(t, err)
	cutFile := filepath.Join(dir, "cut.log")
	for cut := range len(whole) + 1 {
		must(t, os.WriteFile(cutFile, whole[:cut], 0o600))
		store, err := Open(cutFile)
		must(t, err)
		for i, p := range all {
			first, err := store.Add(p)
			if err != nil || first != (cut < ends[i]) {
				t.Fatalf("cut at %d, postback %d: first is %v, %v", cut, i, first, err)
			}
		}
		must(t, store.Close())
		got, err := os.ReadFile(cutFile)
		must(t, err)
		if string(got) != string(whole) {
			t.Fatalf("cut at %d the file is not the same again", cut)
		}
	}
	for at := range ends[0] {
		damaged := append([]byte(nil), whole...)
		damaged[at] ^= 1
		must(t, os.WriteFile(cutFile, damaged, 0o600))
		if store, err := Open(cutFile); err == nil {
			t.Fatalf("byte %d was changed and nobody noticed: %v", at, store.Close())
		}
	}
}

// TestTail takes away all of a line that was cut off, also where what comes next is
// shorter.
func TestTail(t *testing.T) {
	s := newSigner(t)
	name := filepath.Join(t.TempDir(), "attribution.log")
	must(t, os.WriteFile(name, []byte(strings.Repeat("x", 5000)), 0o600))
	store, err := Open(name)
	must(t, err)
	if info, err := os.Stat(name); err != nil || info.Size() != 0 {
		t.Errorf("it is still there: %v", err)
	}
	p, err := s.keys.Verify(s.body(1))
	must(t, err)
	_, err = store.Add(p)
	must(t, err)
	must(t, store.Close())
	if store, err = Open(name); err != nil {
		t.Fatal(err)
	}
	if n := len(store.Counts()); n != 1 {
		t.Errorf("%d reports", n)
	}
	must(t, store.Close())
}

// TestDisk counts nothing that the file did not take.
func TestDisk(t *testing.T) {
	s := newSigner(t)
	name := filepath.Join(t.TempDir(), "attribution.log")
	store, err := Open(name)
	must(t, err)
	p, err := s.keys.Verify(s.body(1))
	must(t, err)
	good := store.file
	readOnly, err := os.Open(name)
	must(t, err)
	store.file = readOnly
	if first, err := store.Add(p); err == nil || first || len(store.Counts()) != 0 {
		t.Errorf("a file that takes nothing: %v, %v, %v", first, err, store.Counts())
	}
	store.file = good
	if _, err := store.Add(p); err == nil {
		t.Error("a store that could not take back what it wrote goes on")
	}
	must(t, store.Close())
	must(t, readOnly.Close())
}

func TestConfig(t *testing.T) {
	for text, line := range map[string]string{
		"":                                      "attribution.yaml:1:",
		"apps: []":                              "attribution.yaml:1:",
		"development: \"yes\"":                  "attribution.yaml:1:",
		"apps: [x]":                             "attribution.yaml:1:",
		"apps: [\"1\"]\nmore: x":                "attribution.yaml:2:",
		"apps: [\"1\"]\ndevelopment: sometimes": "attribution.yaml:2:",
		"apps: [\"1\"]\nkeys:\n  a: b":          "attribution.yaml:3:",
		"apps: [\"1\"]\nkeys:\n  a: MCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=": "attribution.yaml:3:",
	} {
		if _, err := ReadConfig("attribution.yaml", []byte(text)); err == nil || !strings.HasPrefix(err.Error(), line) {
			t.Errorf("%q: %v", text, err)
		}
	}
}

func FuzzVerify(f *testing.F) {
	s := newSigner(f)
	f.Add([]byte(appleProduction))
	f.Add([]byte(appleDevelopment))
	f.Add(s.body(1))
	keys, err := ParseKeys(apple)
	must(f, err)
	f.Fuzz(func(t *testing.T, body []byte) {
		p, err := keys.Verify(body)
		if err != nil && (!errors.Is(err, ErrBad) || p != (Postback{})) {
			t.Fatalf("%+v, %v", p, err)
		}
		if err == nil && p.Item == 0 {
			t.Fatal("verified, and of no app")
		}
	})
}

func FuzzLine(f *testing.F) {
	b, err := appendLine(nil, Postback{Report: Report{Item: 1, Value: -1}})
	must(f, err)
	f.Add(b[:len(b)-1])
	f.Fuzz(func(t *testing.T, b []byte) {
		p, err := parseLine(b)
		if err != nil {
			return
		}
		again, err := appendLine(nil, p)
		must(t, err)
		if q, err := parseLine(again[:len(again)-1]); err != nil || q != p {
			t.Fatalf("%+v, %v", q, err)
		}
	})
}
