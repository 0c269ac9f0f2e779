package api

import (
	"io"
	"math"
	"strconv"
	"unicode/utf8"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

func marshal(w io.Writer, v any) error { return json.MarshalWrite(w, v, json.Deterministic(true)) }

func unmarshal(b []byte, v any) error {
	if !utf8.Valid(b) {
		return badUTF8
	}
	return json.Unmarshal(b, v)
}

func appendInt(b []byte, n int64) []byte { return strconv.AppendInt(b, n, 10) }

// appendText appends s as a JSON string. Bytes that are not UTF-8 become the
// replacement character.
func appendText(b []byte, s string) []byte {
	b, _ = jsontext.AppendQuote(b, s)
	return b
}

// appendNumber appends f with so many significant digits. JSON has no
// infinities, so they become 0.
func appendNumber(b []byte, f float64, digits int) []byte {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		f = 0
	}
	return strconv.AppendFloat(b, f, 'g', digits, 64)
}
