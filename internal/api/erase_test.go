package api

import (
	"context"
	"testing"
	"time"

	"accord/internal/consent"
	"accord/internal/identity"
)

// What is erased can be read by nobody, however they ask, and whoever comes with
// the same id is somebody new. What the law obliges to keep is named.
func TestErase(t *testing.T) {
	h := newHouse(t)
	mine := []option{key(h.write), shopToken(h.shopToken("anna"))}
	anna := `{"person":{"user_id":"anna"}}`
	h.give("anna")
	h.give("ben")
	h.do("POST", "/v1/track", `{"messageId":"m-1","userId":"anna","event":"Product Viewed","properties":{"product_id":"P-1"}}`, mine...).status(200)
	h.do("POST", "/v1/track", `{"messageId":"m-2","userId":"anna","event":"Order Completed","properties":{"order_id":"O-1","total":12.5}}`, mine...).status(200)
	answer := h.do("POST", "/v1/decide", ask(`{"user_id":"anna"}`), mine...).status(200)
	if answer.json["personal"] != true {
		t.Fatal("the answer before is not personal, so nothing would be shown")
	}
	receipt := "/v1/receipts/" + answer.text("receipt", "id")
	eventually(t, "the receipt is there", func() bool { return h.do("GET", receipt, "", mine...).code == 200 })
	old, _, err := h.keys.Find(h.keys.Hasher().Lookup(identity.Identifier{Kind: identity.UserID, Value: "anna"}))
	must(t, err)

	h.do("POST", "/v1/erase", anna, key(h.write)).problem(403, codeUnproven)
	h.do("POST", "/v1/erase", anna, key(h.write), shopToken(h.shopToken("ben"))).problem(403, codeUnproven)
	done := h.do("POST", "/v1/erase", anna, mine...).status(200).members("erased", "kept")
	if kept, _ := done.at("kept").([]any); len(kept) != 1 || kept[0] != "accounting" {
		t.Errorf("kept are %v, want what the tax office asks for", done.at("kept"))
	}

	h.do("GET", receipt, "", mine...).problem(404, codeNotFound)
	if after := h.do("POST", "/v1/decide", ask(`{"user_id":"anna"}`), mine...).status(200); after.json["personal"] != false || after.text("receipt", "decision") != "unknown_person" {
		t.Errorf("the answer after is %s", after.body)
	}
	if seq := h.do("GET", "/v1/consent?user_id=anna", "", mine...).status(200).at("sequence"); seq != float64(0) {
		t.Errorf("somebody new has chosen something: %v", seq)
	}
	if _, sequence := h.book.Presents(old); sequence == 0 {
		t.Error("no record proves the erasure")
	}
	records, err := h.choices.History(t.Context(), old)
	must(t, err)
	if last := records[len(records)-1]; last.Choices[0].Method != "erasure" || last.Choices[0].State != consent.Withdrawn {
		t.Errorf("the last record is %+v", last)
	}
	must(t, h.choices.Replay(context.Background())) // the next start can read it

	h.do("POST", "/v1/erase", anna, mine...).status(200) // of nobody there is nothing to erase
	if other := h.do("POST", "/v1/decide", ask(`{"user_id":"ben"}`), key(h.secret)).status(200); other.json["personal"] != true {
		t.Error("somebody else's data is gone too")
	}
}

// What was chosen or happened before an erasure does not come back, not by the
// shop's server either; who did not prove to be the person hears what they always
// hear. A choice of now makes somebody new.
func TestErasedStaysErased(t *testing.T) {
	h, w := newHouse(t), newWallet(t)
	id := identity.Identifier{Kind: identity.UserID, Value: "anna"}
	mine := []option{key(h.write), shopToken(h.shopToken("anna"))}
	h.give("anna")
	signature := w.sign(stated(id, consent.Given).String())
	h.do("PUT", "/v1/consent", signedBody(id, "given", signature, ""), mine...).status(200)
	h.do("POST", "/v1/track", `{"messageId":"m-1","userId":"anna","event":"Product Viewed","properties":{"product_id":"P-1"}}`, mine...).status(200)
	before := time.Now().UTC().Add(-time.Minute).Format(time.RFC3339Nano)
	denied := `{"person":{"user_id":"anna"},"choices":{"personalization":"refused"}}`
	answer := h.do("PUT", "/v1/consent", denied, key(h.write)).status(200)
	h.do("POST", "/v1/erase", `{"person":{"user_id":"anna"}}`, mine...).status(200)
	time.Sleep(2 * time.Millisecond) // the erasure's own millisecond counts as before it

	old := func(state string) string {
		return `{"person":{"user_id":"anna"},"choices":{"personalization":"` + state + `"},"at":"` + before + `"}`
	}
	for _, state := range []string{"given", "withdrawn"} {
		h.do("PUT", "/v1/consent", old(state), key(h.secret)).problem(409, codeErased)
	}
	h.do("PUT", "/v1/consent", signedBody(id, "given", signature, ""), mine...).problem(409, codeErased)
	h.do("PUT", "/v1/consent", signedBody(id, "given", signature, ""), key(h.write)).problem(403, codeUnproven)
	h.do("PUT", "/v1/consent", old("withdrawn"), key(h.write)).problem(403, codeKeyKind)
	if again := h.do("PUT", "/v1/consent", denied, key(h.write)).status(200); len(again.json) != len(answer.json) {
		t.Errorf("to whoever proves nothing the answer is %s and was %s", again.body, answer.body)
	}
	for _, event := range []string{
		`{"messageId":"m-1","userId":"anna","event":"Product Viewed","timestamp":"` + before + `","properties":{"product_id":"P-1"}}`,
		`{"messageId":"m-2","userId":"anna","event":"Order Completed","timestamp":"` + before + `","properties":{"order_id":"O-1","total":12.5}}`,
	} {
		h.do("POST", "/v1/track", event, key(h.secret)).status(200)
	}
	if h.known(identity.UserID, "anna") {
		t.Error("the past made somebody")
	}
	if n := h.sink().Counts()["event:erased"]; n != 2 {
		t.Errorf("%d events are counted as erased, want 2", n)
	}

	// Anna comes back, as somebody new, with whom all of this is as before.
	h.give("anna")
	h.do("PUT", "/v1/consent", old("withdrawn"), key(h.secret)).problem(409, codeErased)
	h.do("POST", "/v1/track", `{"messageId":"m-3","userId":"anna","event":"Product Viewed","properties":{"product_id":"P-1"}}`, mine...).status(200)
	eventually(t, "somebody new has personal answers", func() bool {
		return h.do("POST", "/v1/decide", ask(`{"user_id":"anna"}`), mine...).status(200).json["personal"] == true
	})
	h.do("PUT", "/v1/consent", signedBody(id, "given", w.sign(stated(id, consent.Given).String()), ""), mine...).status(200)
}
