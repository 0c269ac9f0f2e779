package tcf

import "testing"

// FuzzTCF: reading never panics, and what is read is written to a text, and to JSON,
// that reads as the same.
func FuzzTCF(f *testing.F) {
	f.Add("CPXxRfAPXxRfAAfKABENB-CgAAAAAAAAAAYgAAAAAAAA")
	f.Add("CPTtLAAPTtLAAAAAAAENAAFgALwAAEAAAAAAAOgAgABgAAAA.IAoAAgABgAAEAQAAEAAA.d4AACEAAAAAA")
	f.Add("COrEAV4OrXx94ACABBENAHCIAD-AAAAAAACAAxAAAAgAIAwgAgAAAAEAgQAAAAAEAYQAQAAAACAAAABAAA.IBAgAAAgAIAwgAgAAAAEAAAACA.QAagAQAgAIAwgA")
	for _, text := range hostile(f) {
		f.Add(text)
	}
	f.Fuzz(codec.Reread)
}
