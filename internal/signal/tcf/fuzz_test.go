package tcf

import (
	"encoding/json"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// FuzzTCF: reading never panics, and what is read is written to a text, and to JSON,
// that reads as the same.
func FuzzTCF(f *testing.F) {
	f.Add("CPXxRfAPXxRfAAfKABENB-CgAAAAAAAAAAYgAAAAAAAA")
	f.Add("CPTtLAAPTtLAAAAAAAENAAFgALwAAEAAAAAAAOgAgABgAAAA.IAoAAgABgAAEAQAAEAAA.d4AACEAAAAAA")
	f.Add("COrEAV4OrXx94ACABBENAHCIAD-AAAAAAACAAxAAAAgAIAwgAgAAAAEAgQAAAAAEAYQAQAAAACAAAABAAA.IBAgAAAgAIAwgAgAAAAEAAAACA.QAagAQAgAIAwgA")
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
