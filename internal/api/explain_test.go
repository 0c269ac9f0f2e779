package api

import (
	"encoding/json"
	"net/url"
	"strings"
	"testing"
	"time"

	"accord/internal/consent"
)

// An explanation is for whoever runs the server, of any time, place and signal; what
// it answers is what the gate does.
func TestExplain(t *testing.T) {
	h := newHouse(t)
	h.give("anna")
	explain := func(query string) (e consent.Explanation) {
		t.Helper()
		must(t, json.Unmarshal([]byte(h.do("GET", "/v1/explain?"+query, "", key(h.secret)).status(200).body), &e))
		if len(e.Steps) == 0 || !strings.Contains(e.String(), e.Steps[0].Says) {
			t.Errorf("%s: %s", query, e)
		}
		return e
	}
	if e := explain("user_id=anna&purpose=personalization"); !e.Allowed || e.Reason != "allowed" {
		t.Errorf("%s", e)
	}
	if e := explain("user_id=nobody&purpose=personalization&jurisdiction=DE"); e.Allowed || e.Reason != "no_choice" {
		t.Errorf("%s", e)
	}
	yesterday := url.QueryEscape(time.Now().Add(-24 * time.Hour).Format(time.RFC3339))
	if e := explain("user_id=anna&purpose=personalization&at=" + yesterday); e.Allowed {
		t.Errorf("before the consent: %s", e)
	}
	must(t, h.choices.Stop(t.Context(), consent.Stop{Kind: consent.StopAll, Why: "test"}))
	if e := explain("user_id=anna&purpose=personalization"); e.Reason != "stopped" {
		t.Errorf("%s", e)
	}
	for query, code := range map[string]string{
		"purpose=personalization": codeInvalid, "user_id=anna&purpose=nope": codePurpose, "user_id=anna": codeInvalid,
		"user_id=anna&purpose=personalization&at=soon": codeInvalid, "user_id=anna&anonymous_id=v&purpose=personalization": codeInvalid,
		"user_id=anna&purpose=personalization&jurisdiction=nowhere": codeInvalid, "user_id=anna&purpose=personalization&gpp=" + strings.Repeat("x", 8193): codeInvalid,
	} {
		h.do("GET", "/v1/explain?"+query, "", key(h.secret)).problem(422, code)
	}
	h.do("GET", "/v1/explain?user_id=anna&purpose=personalization", "", key(h.write), shopToken(h.shopToken("anna"))).problem(403, codeKeyKind)
}
