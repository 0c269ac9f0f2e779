package retail_test

import (
	"bytes"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"accord/internal/consent"
	"accord/internal/retail"
)

const choices = retail.ConsentHeader + `
17850.0,personalization,given,2011-03-05T10:00:00Z,web form,2011-01
17851,newsletter,withdrawn,2011-03-05T10:00:00+01:00,"letter, signed",
`

// A file of choices is read strictly: six columns, known states, RFC 3339.
func TestReadConsents(t *testing.T) {
	at := time.Date(2011, 3, 5, 10, 0, 0, 0, time.UTC)
	want := []retail.ConsentLine{
		{Line: 2, Customer: "17850", Purpose: "personalization", State: "given", At: at, Method: "web form", Notice: "2011-01"},
		{Line: 3, Customer: "17851", Purpose: "newsletter", State: "withdrawn", At: at.Add(-time.Hour), Method: "letter, signed"},
	}
	for name, file := range map[string][]byte{
		"plain": []byte(choices), "gzip": zip(t, choices), "mark": []byte("\uFEFF" + choices),
		"windows": []byte(strings.ReplaceAll(choices, "\n", "\r\n")),
	} {
		got, err := retail.ReadConsents(bytes.NewReader(file))
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if d := cmp.Diff(want, got, cmp.Comparer(func(a, b time.Time) bool { return a.Equal(b) })); d != "" {
			t.Errorf("%s: %s", name, d)
		}
	}
}

// A file of choices is taken whole or not at all; faults name their line and
// never the customer.
func TestReadConsentsFaults(t *testing.T) {
	const good = "17850,personalization,given,2011-03-05T10:00:00Z,web,\n"
	for _, c := range []struct{ file, want string }{
		{"", "line 1: the file is empty"},
		{"customer,purpose\n", "line 1: expected the header " + retail.ConsentHeader + `; found "customer,purpose"`},
		{good, "line 1: expected the header"},
		{"\"\n", "line 1: expected the header"},
		{retail.ConsentHeader + "\n" + good + "98765,personalization,given,2011-03-05T10:00:00Z,web\n", "line 3: has not the six fields"},
		{retail.ConsentHeader + "\n" + good + "98765,personalization,yes,2011-03-05T10:00:00Z,web,\n", `line 3: state "yes" is none of given`},
		{retail.ConsentHeader + "\n" + good + "98765,personalization,unset,2011-03-05T10:00:00Z,web,\n", `line 3: state "unset"`},
		{retail.ConsentHeader + "\n98765,personalization,given,2011-03-05,web,\n", `line 2: at "2011-03-05" is not a time`},
		{retail.ConsentHeader + "\n ,personalization,given,2011-03-05T10:00:00Z,web,\n", "line 2: customer_id is empty"},
		{retail.ConsentHeader + "\n98765,,given,2011-03-05T10:00:00Z,web,\n", "line 2: purpose is empty"},
		{retail.ConsentHeader + "\n98765,personalization,given,2011-03-05T10:00:00Z,,x\n", "line 2: method is empty"},
		{retail.ConsentHeader + "\n98765,p\xff,given,2011-03-05T10:00:00Z,web,\n", "line 2: not valid UTF-8"},
		{retail.ConsentHeader + "\n98765,pers\"onal,given,2011-03-05T10:00:00Z,web,\n", "line 2: a quotation mark stands alone"},
	} {
		lines, err := retail.ReadConsents(strings.NewReader(c.file))
		if err == nil || !strings.Contains(err.Error(), c.want) || lines != nil {
			t.Errorf("%q: %d lines, error %v, want %q", c.file, len(lines), err, c.want)
		}
		if err != nil && strings.Contains(err.Error(), "98765") {
			t.Errorf("the error names the customer: %v", err)
		}
	}
	_, err := retail.ReadConsents(strings.NewReader(retail.ConsentHeader + strings.Repeat("\nx", 1000)))
	if err == nil || strings.Count(err.Error(), "line ") != 10 {
		t.Errorf("a thousand faults gave %v, want ten lines", err)
	}
}

// Simulated consent depends on seed, share and customer alone.
func TestSimulateConsent(t *testing.T) {
	const people = 20_000
	draw := func(seed uint64, share float64) (given []bool, n int) {
		for i := range people {
			ok := retail.SimulateConsent(seed, share, fmt.Sprint(12346+i))
			given = append(given, ok)
			if ok {
				n++
			}
		}
		return given, n
	}
	for _, share := range []float64{0, 0.3, 0.7, 1} {
		for seed := range uint64(5) {
			_, n := draw(seed, share)
			// Four standard deviations.
			if off := math.Abs(float64(n) - share*people); off > 4*math.Sqrt(share*(1-share)*people) {
				t.Errorf("seed %d: %d of %d consent, want a share of %v", seed, n, people, share)
			}
		}
	}
	first, _ := draw(7, 0.7)
	again, _ := draw(7, 0.7)
	if !slices.Equal(first, again) {
		t.Error("the same seed chose otherwise")
	}
	if other, _ := draw(8, 0.7); slices.Equal(first, other) {
		t.Error("another seed chose the same")
	}
	fewer, _ := draw(7, 0.3)
	for i := range fewer {
		if fewer[i] && !first[i] {
			t.Fatal("a smaller share has somebody whom the larger has not")
		}
	}
}

// Whatever the bytes are, what is read is valid.
func FuzzReadConsents(f *testing.F) {
	f.Add([]byte(choices))
	f.Add(zip(f, choices))
	f.Add([]byte(retail.ConsentHeader + "\n\"a\nb\",c,given,2011-03-05T10:00:00Z,d,e\n"))
	f.Fuzz(func(t *testing.T, file []byte) {
		lines, err := retail.ReadConsents(bytes.NewReader(file))
		if err != nil && lines != nil {
			t.Fatal("lines beside an error")
		}
		for _, l := range lines {
			if _, ok := consent.ParseState(l.State); !ok || l.Customer == "" || l.Purpose == "" || l.Method == "" || l.Line < 2 {
				t.Fatalf("%+v", l)
			}
		}
	})
}
