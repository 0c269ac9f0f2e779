package api

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"accord/internal/consent"
	"accord/internal/declare"
	"accord/internal/identity"
	"accord/internal/records"
)

// wallet is a key that only the person holds, as a browser keeps one.
type wallet struct {
	t       *testing.T
	private *ecdsa.PrivateKey
	key     string
}

func newWallet(t *testing.T) *wallet {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	der, err := x509.MarshalPKIXPublicKey(&private.PublicKey)
	must(t, err)
	return &wallet{t, private, base64.RawURLEncoding.EncodeToString(der)}
}

func (w *wallet) sign(statement string) consent.Signature {
	w.t.Helper()
	sum := sha256.Sum256([]byte(statement))
	r, s, err := ecdsa.Sign(rand.Reader, w.private, sum[:])
	must(w.t, err)
	value := make([]byte, 64)
	r.FillBytes(value[:32])
	s.FillBytes(value[32:])
	return consent.Signature{Algorithm: consent.ES256, Key: w.key, Value: base64.RawURLEncoding.EncodeToString(value), Statement: statement}
}

// stated is what somebody says about personalization now.
func stated(id identity.Identifier, state consent.State) consent.Statement {
	var nonce [16]byte
	rand.Read(nonce[:])
	return consent.Statement{Controller: "shop", Person: id, At: time.Now(), Nonce: base64.RawURLEncoding.EncodeToString(nonce[:]),
		Language: "en", Choices: map[declare.PurposeID]consent.State{"personalization": state}}
}

// signedBody is a request that brings a signed choice.
func signedBody(id identity.Identifier, state string, s consent.Signature, more string) string {
	text, _ := json.Marshal(s) // strings only
	return fmt.Sprintf(`{"person":{"%s":"%s"},"choices":{"personalization":"%s"},"language":"en"%s,"signature":%s}`, id.Kind, id.Value, state, more, text)
}

// TestASignedChoice: the record carries what the person signed, so that anybody
// can check it, and one without it can be told apart.
func TestASignedChoice(t *testing.T) {
	h, w := newHouse(t), newWallet(t)
	visitorID, token := h.visitor()
	id := identity.Identifier{Kind: identity.AnonymousID, Value: visitorID}
	me := []option{key(h.write), visitor(token)}
	signature := w.sign(stated(id, consent.Given).String())
	h.do("PUT", "/v1/consent", signedBody(id, "given", signature, ""), me...).status(200)
	h.do("PUT", "/v1/consent", choose(`{"anonymous_id":"`+visitorID+`"}`, `{"newsletter":"given"}`), me...).status(200)
	a := h.do("GET", "/v1/consent?anonymous_id="+visitorID, "", me...).status(200)
	var out struct {
		History []struct {
			Signed    bool `json:"signed"`
			Signature *struct {
				consent.Signature
				Thumbprint string `json:"thumbprint"`
			} `json:"signature"`
		} `json:"history"`
	}
	must(t, json.Unmarshal([]byte(a.body), &out))
	if len(out.History) != 2 || !out.History[0].Signed || out.History[1].Signed || out.History[1].Signature != nil {
		t.Fatalf("%s", a.body)
	}
	kept := out.History[0].Signature
	if kept.Signature != signature || kept.Thumbprint != signature.Thumbprint() {
		t.Errorf("%+v", kept)
	}
	if s, err := kept.Verify(); err != nil || s.Person != id {
		t.Errorf("%v", err)
	}
}

// TestABadSignatureRecordsNothing, whoever brings it.
func TestABadSignatureRecordsNothing(t *testing.T) {
	h, w := newHouse(t), newWallet(t)
	visitorID, token := h.visitor()
	id := identity.Identifier{Kind: identity.AnonymousID, Value: visitorID}
	me := []option{key(h.write), visitor(token)}
	good := stated(id, consent.Given)
	change := func(f func(*consent.Statement)) consent.Signature {
		s := good
		f(&s)
		return w.sign(s.String())
	}
	other := w.sign(stated(id, consent.Given).String())
	forged := w.sign(good.String())
	forged.Value = other.Value
	for name, try := range map[string]string{
		"a value of another statement": signedBody(id, "given", forged, ""),
		"another person":               signedBody(id, "given", change(func(s *consent.Statement) { s.Person.Value = "v-other" }), ""),
		"another controller":           signedBody(id, "given", change(func(s *consent.Statement) { s.Controller = "other" }), ""),
		"another choice": signedBody(id, "given", change(func(s *consent.Statement) {
			s.Choices = map[declare.PurposeID]consent.State{"personalization": consent.Refused}
		}), ""),
		"one more choice": signedBody(id, "given", change(func(s *consent.Statement) {
			s.Choices = map[declare.PurposeID]consent.State{"personalization": consent.Given, "newsletter": consent.Given}
		}), ""),
		"another language": signedBody(id, "given", change(func(s *consent.Statement) { s.Language = "ru" }), ""),
		"another notice":   signedBody(id, "given", change(func(s *consent.Statement) { s.Notice = "n" }), ""),
		"too old":          signedBody(id, "given", change(func(s *consent.Statement) { s.At = s.At.Add(-6 * time.Minute) }), ""),
		"of the future":    signedBody(id, "given", change(func(s *consent.Statement) { s.At = s.At.Add(6 * time.Minute) }), ""),
		"no statement":     signedBody(id, "given", w.sign("{}"), ""),
	} {
		a := h.do("PUT", "/v1/consent", try, me...)
		a.what += ": " + name
		a.problem(422, codeSignature).without(visitorID)
	}
	if h.known(identity.AnonymousID, visitorID) {
		t.Error("a bad signature made a person")
	}
	// A signature is no proof of who speaks: the key might be anybody's.
	h.do("PUT", "/v1/consent", signedBody(id, "given", w.sign(good.String()), ""), key(h.write)).problem(403, codeUnproven)
	// The shop may bring an old one, which counts as of its time.
	old := change(func(s *consent.Statement) { s.At = s.At.Add(-time.Hour) })
	h.do("PUT", "/v1/consent", signedBody(id, "given", old, ""), key(h.secret)).status(200)
	if a := h.do("GET", "/v1/consent?anonymous_id="+visitorID, "", me...).status(200); !strings.Contains(a.body, good.At.Add(-time.Hour).UTC().Format("2006-01-02T15:04:05.")) {
		t.Errorf("%s", a.body)
	}
}

// TestAReplayedSignatureWidensNothing: what was withdrawn since stays withdrawn.
func TestAReplayedSignatureWidensNothing(t *testing.T) {
	h, w := newHouse(t), newWallet(t)
	visitorID, token := h.visitor()
	id := identity.Identifier{Kind: identity.AnonymousID, Value: visitorID}
	me := []option{key(h.write), visitor(token)}
	// Even with a clock ahead, where its time is later than the withdrawal's.
	for _, ahead := range []time.Duration{0, 4 * time.Minute} {
		s := stated(id, consent.Given)
		s.At = s.At.Add(ahead)
		body := signedBody(id, "given", w.sign(s.String()), "")
		h.do("PUT", "/v1/consent", body, me...).status(200)
		if got := h.state(id.Kind, id.Value, "personalization"); got != consent.Given {
			t.Fatalf("the first time: %v", got)
		}
		h.do("PUT", "/v1/consent", choose(`{"anonymous_id":"`+visitorID+`"}`, `{"personalization":"withdrawn"}`), me...).status(200)
		for _, who := range [][]option{me, {key(h.secret)}} {
			a := h.do("PUT", "/v1/consent", body, who...).status(200)
			if got := h.state(id.Kind, id.Value, "personalization"); got != consent.Withdrawn || a.text("choices", "personalization") != "withdrawn" {
				t.Errorf("replayed: %v, %s", got, a.body)
			}
		}
	}
}

// TestASignedPurposeRefusesOthers: the brand itself cannot give in the person's
// place.
func TestASignedPurposeRefusesOthers(t *testing.T) {
	h := newHouse(t, func(c *Config) {
		p, _ := c.Declaration.Purpose("personalization")
		c.Declaration.Purposes[p].Signed = true
	})
	id := identity.Identifier{Kind: identity.UserID, Value: "anna"}
	h.do("PUT", "/v1/consent", choose(`{"user_id":"anna"}`, `{"personalization":"given"}`), key(h.secret)).problem(422, codeUnsigned)
	if h.known(identity.UserID, "anna") {
		t.Error("a refused choice made a person")
	}
	// An event's consent object gives nothing either.
	h.do("POST", "/v1/track", `{"userId":"anna","event":"Product Viewed","properties":{"product_id":"1"},"context":{"consent":{"categoryPreferences":{"personalization":true}}}}`, key(h.secret)).status(200)
	if got := h.state(identity.UserID, "anna", "personalization"); got == consent.Given {
		t.Error("an event gave what needs a signature")
	}
	h.do("PUT", "/v1/consent", signedBody(id, "given", newWallet(t).sign(stated(id, consent.Given).String()), ""), key(h.secret)).status(200)
	if got := h.state(identity.UserID, "anna", "personalization"); got != consent.Given {
		t.Errorf("signed: %v", got)
	}
	h.do("PUT", "/v1/consent", choose(`{"user_id":"anna"}`, `{"personalization":"withdrawn"}`), key(h.secret)).status(200)
}

// TestWhoChoseAndWhatShowsIt: whoever chooses for another is vouched for.
func TestWhoChoseAndWhatShowsIt(t *testing.T) {
	h := newHouse(t)
	body := func(more string) string {
		return `{"person":{"user_id":"anna"},"choices":{"personalization":"given"},"jurisdiction":"US-CA"` + more + `}`
	}
	h.do("PUT", "/v1/consent", body(`,"by":"guardian"`), key(h.secret)).problem(422, codeInvalid)
	h.do("PUT", "/v1/consent", body(`,"by":"guardian","evidence":"form 7"`), key(h.write), shopToken(h.shopToken("anna"))).problem(403, codeKeyKind)
	h.do("PUT", "/v1/consent", body(`,"by":"guardian","evidence":"form 7"`), key(h.secret)).status(200)
	a := h.do("GET", "/v1/consent?user_id=anna", "", key(h.secret)).status(200)
	for _, want := range []string{`"by":"guardian"`, `"evidence":"form 7"`, `"jurisdiction":"US-CA"`} {
		if !strings.Contains(a.body, want) {
			t.Errorf("the history lacks %s: %s", want, a.body)
		}
	}
}

// TestThePersonsReceipt is for the person alone, and can be taken away.
func TestThePersonsReceipt(t *testing.T) {
	h := newHouse(t)
	h.give("anna")
	h.do("GET", "/v1/consent/record?user_id=anna", "", key(h.write)).problem(403, codeUnproven)
	a := h.do("GET", "/v1/consent/record?user_id=anna", "", key(h.write), shopToken(h.shopToken("anna"))).status(200)
	if got := a.header.Get("Content-Type"); got != ldJSON {
		t.Errorf("the type is %q", got)
	}
	subjects, err := records.Read(h.config.Declaration, strings.NewReader(a.body), records.TS27560, "", time.Now())
	if err != nil || len(subjects) != 1 || subjects[0].Person.Value != "anna" || subjects[0].Records[0].Choices[0].State != consent.Given {
		t.Errorf("%v, %+v: %s", err, subjects, a.body)
	}
	// Of whom nothing is known nothing was chosen.
	h.do("GET", "/v1/consent/record?user_id=nobody", "", key(h.secret)).problem(404, codeNotFound)
}

// TestAgeBands: anybody proven may say that they are a child, and only the shop that
// they are none any more; a guardian's yes comes from the shop.
func TestAgeBands(t *testing.T) {
	h := newHouse(t)
	put := func(more string, options ...option) *answer {
		return h.do("PUT", "/v1/consent", `{"person":{"user_id":"anna"},"choices":{"personalization":"given"}`+more+`}`, options...)
	}
	anna := []option{key(h.write), shopToken(h.shopToken("anna"))}
	put(`,"age_band":"under_13"`, anna...).problem(422, codeInvalid)
	p, _ := h.config.Declaration.Purpose("personalization")
	h.config.Declaration.Children = &declare.Children{Attribute: "age_band", Child: []string{"under_13"}, Guarded: declare.Set(0).With(p)}
	put(`,"age_band":"grown"`, anna...).status(200) // no child was spoken of
	reason := func() string {
		a := h.do("GET", "/v1/consent?user_id=anna", "", key(h.secret)).status(200)
		for _, s := range a.at("purposes").([]any) {
			if s := s.(map[string]any); s["purpose"] == "personalization" {
				return s["reason"].(string)
			}
		}
		return ""
	}
	h.do("PUT", "/v1/consent", `{"person":{"user_id":"anna"},"choices":{"personalization":"refused"},"age_band":"under_13"}`, key(h.write)).problem(403, codeUnproven)
	for _, step := range []struct {
		more string
		who  []option
		code int
		want string
	}{
		{`,"age_band":"under_13"`, anna, 200, "guardian_needed"},
		{`,"age_band":"grown"`, anna, 403, "guardian_needed"},
		{`,"by":"guardian","evidence":"form 7"`, []option{key(h.secret)}, 200, "allowed"},
		{``, anna, 200, "guardian_needed"},
		{`,"age_band":"grown"`, []option{key(h.secret)}, 200, "allowed"},
	} {
		put(step.more, step.who...).status(step.code)
		if got := reason(); got != step.want {
			t.Errorf("%q: %s, want %s", step.more, got, step.want)
		}
	}
}
