package api

import (
	"context"
	"testing"

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
