package gpp

import (
	"encoding/json"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// FuzzGPP: reading never panics, and what is read is written to a text, and to JSON,
// that reads as the same.
func FuzzGPP(f *testing.F) {
	f.Add("DBABLA~CEAQAAAAAABA.YA")
	f.Add("DBACNYA~CPXxRfAPXxRfAAfKABENB-CgAAAAAAAAAAYgAAAAAAAA~1YNN")
	f.Add(head(f, 5) + "~BPSG_8APSG_8AAyACAENGdCgf_gfgAfgfgBhADVqxGAD0AILVgAA.fHHHA4444ao")
	f.Add("DBACOcGA~CPSG_8APSG_8ANwAAAENAAFgAAAAAAAAAAAAAAAAAAAA.IAAA.YAAAAAAAAAAA~BPSG_8APSG_8AAAAAAENAACAAAAAAAAAAAAAAAAAAA.YAAAAAAAAAA~1---~BAAAAAAAAABA.QA~BAAAAABA.QA~BAAAABA~BAAAAEA.QA~BAAAAAQA~BAAAAAEA.QA~BAAAAABA~BAAAAABA.QA~BAAAAAABAA.QA~BAAAAAQA.QA~BAAAAAABAA.QA~BAAAAAQA.QA~BAAAAAQA.QA~BAAAAABA.QA~BAAAAAAAQA.QA~BAAAAAQA.QA~BAAAAAQA.QA~BQAA.QA~BQAA.AAA~BQAA.AAA~BQAA.AAA")
	for _, text := range hostile(f) {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		s, err := Decode(text)
		if err != nil {
			return
		}
		if len(text) > MaxLength {
			t.Fatalf("%d characters were read", len(text))
		}
		canonical, err := s.Encode()
		if errors.Is(err, errLong) {
			return
		}
		if err != nil {
			t.Fatalf("%s cannot be written again: %v", text, err)
		}
		again, err := Decode(canonical)
		if err != nil {
			t.Fatalf("%s was written as %s: %v", text, canonical, err)
		}
		if diff := cmp.Diff(s, again); diff != "" {
			t.Fatalf("%s was written as %s: %s", text, canonical, diff)
		}
		if twice, err := again.Encode(); err != nil || twice != canonical {
			t.Fatalf("%s and then %s, %v", canonical, twice, err)
		}
		b, err := json.Marshal(s)
		if err != nil {
			t.Fatal(err)
		}
		if read, err := FromJSON(b); err != nil || !cmp.Equal(s, read) {
			t.Fatalf("%s as JSON: %s, %v", text, b, err)
		}
	})
}
