package records

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/piprate/json-gold/ld"

	"accord/internal/consent"
	"accord/internal/declare"
	"accord/internal/identity"
)

var noon = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

// later is when files are read.
var later = noon.AddDate(0, 0, 1)

func shop(t testing.TB) *declare.Declaration {
	t.Helper()
	d, err := declare.Parse("accord.yaml", declare.Template("shop"))
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// anna said a lot.
func anna() Subject {
	choose := func(p declare.PurposeID, s consent.State, at time.Time) consent.Choice {
		return consent.Choice{Purpose: p, State: s, At: at, Method: "banner", Notice: "n1", Language: "en", Jurisdiction: "DE", Evidence: "button <a>", Proof: "visitor token"}
	}
	guardian := choose("newsletter", consent.Given, noon.Add(time.Hour))
	guardian.By, guardian.Synthetic = consent.ByGuardian, true
	return Subject{Person: identity.Identifier{Kind: identity.AnonymousID, Value: "v-1"}, Records: []consent.Record{
		{Sequence: 3, Accepted: noon, Choices: []consent.Choice{choose("personalization", consent.Given, noon), choose("newsletter", consent.Refused, noon)},
			Signature: &consent.Signature{Algorithm: "ES256", Key: "k", Value: "v", Statement: "{}"}},
		{Sequence: 5, Accepted: noon, Age: "under_13"},
		{Sequence: 7, Accepted: noon.Add(time.Hour), Choices: []consent.Choice{guardian}, Late: []consent.Choice{choose("personalization", consent.Given, noon.Add(-time.Hour))}},
		{Sequence: 9, Accepted: noon.Add(2 * time.Hour), Choices: []consent.Choice{choose("personalization", consent.Withdrawn, noon.Add(2*time.Hour)), choose("newsletter", consent.Objected, noon.Add(2*time.Hour))}},
	}}
}

func written(t testing.TB, d *declare.Declaration, s Subject, now time.Time) []byte {
	t.Helper()
	b, err := Write(d, s, consent.NewBook(d, consent.AnyNotice, consent.NoLaw).Fold(s.Records), now)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestAReceiptReadsBack: what was written is read as it was, less what came late.
func TestAReceiptReadsBack(t *testing.T) {
	d, s := shop(t), anna()
	file := slices.Concat(written(t, d, s, noon), []byte("\n"), written(t, d, Subject{Person: identity.Identifier{Kind: identity.UserID, Value: "ben"}}, noon))
	for _, file := range [][]byte{file, []byte("[" + strings.Replace(string(file), "\n", ",", 1) + "]")} {
		got, err := Read(d, bytes.NewReader(file), TS27560, "file", later)
		if err != nil {
			t.Fatal(err)
		}
		want := anna()
		for i := range want.Records {
			want.Records[i].Sequence, want.Records[i].Late = 0, nil
		}
		if diff := cmp.Diff([]Subject{want}, got); diff != "" {
			t.Error(diff)
		}
	}
}

// TestAReceiptIsJSONLD: a real processor expands it without the network, and every
// word of it becomes a term.
func TestAReceiptIsJSONLD(t *testing.T) {
	d := shop(t)
	var document any
	if err := json.Unmarshal(written(t, d, anna(), noon.AddDate(0, 0, 1)), &document); err != nil {
		t.Fatal(err)
	}
	options := ld.NewJsonLdOptions("")
	options.DocumentLoader = offline{t}
	expanded, err := ld.NewJsonLdProcessor().Expand(document, options)
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(expanded)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		`"@type":["https://w3id.org/dpv#ConsentReceipt"]`, `"@type":["https://w3id.org/dpv#ConsentRecord"]`,
		`"https://w3id.org/dpv#hasLegalBasis":[{"@id":"https://w3id.org/dpv#Consent"}]`,
		`"https://w3id.org/dpv#hasConsentStatus":[{"@id":"https://w3id.org/dpv#ConsentWithdrawn"}]`,
		`"https://w3id.org/dpv#hasConsentStatus":[{"@id":"urn:accord:terms:Objected"}]`,
		`"https://w3id.org/dpv#hasPurpose":[{"@id":"urn:accord:purpose:shop:personalization"}]`,
		`"https://w3id.org/dpv#isIndicatedAtTime":[{"@type":"http://www.w3.org/2001/XMLSchema#dateTime","@value":"2026-11-23T12:00:00Z"}]`,
		`"urn:accord:terms:event_id":[{"@value":"3/newsletter"}]`, `"https://w3id.org/dpv#hasNotice":[{"@id":"/v1/notice/n1"}]`,
		`"https://w3id.org/dpv#hasDuration":[{"@type":"http://www.w3.org/2001/XMLSchema#duration","@value":"P2Y"}]`,
		`"http://purl.org/dc/terms/title":[{"@value":"Newsletter"}]`, `"urn:accord:terms:withdrawal_method":[{"@value":"/me"}`,
		`"urn:accord:terms:evidence":[{"@value":"button \u003ca\u003e"}]`,
	} {
		if !strings.Contains(string(text), want) {
			t.Errorf("the expanded receipt lacks %s:\n%s", want, text)
		}
	}
}

// offline refuses to fetch anything.
type offline struct{ t *testing.T }

func (o offline) LoadDocument(url string) (*ld.RemoteDocument, error) {
	o.t.Errorf("the receipt needs %s", url)
	return nil, ld.NewJsonLdError(ld.LoadingDocumentFailed, url)
}

// TestAConsentThatRanOutIsWrittenAsExpired, and is no choice to whoever reads it.
func TestAConsentThatRanOutIsWrittenAsExpired(t *testing.T) {
	d := shop(t)
	p, _ := d.Purpose("personalization")
	d.Purposes[p].Valid, _ = declare.ParsePeriod("30 days")
	b := written(t, d, Subject{Person: anna().Person, Records: anna().Records[:1]}, noon.AddDate(1, 0, 0))
	if !strings.Contains(string(b), `"event_state":"dpv:ConsentExpired","valid_until":"2026-12-23T12:00:00Z"`) {
		t.Errorf("%s", b)
	}
}

// TestTables reads what consent managers export.
func TestTables(t *testing.T) {
	d := shop(t)
	id := identity.Identifier{Kind: identity.UserID, Value: "anna"}
	want := []Subject{{Person: id, Records: []consent.Record{
		{Choices: []consent.Choice{{Purpose: "newsletter", State: consent.Given, At: noon, Method: "web form", Evidence: "scan 7", By: consent.ByAgent, Jurisdiction: "DE"}}},
		{Choices: []consent.Choice{{Purpose: "newsletter", State: consent.Withdrawn, At: noon.Add(time.Hour), Evidence: "file, 3"}}},
	}}}
	csv := "\ufeffpurpose,user_id,state,at,method,evidence,by,jurisdiction\n" +
		"newsletter, anna ,given,2026-11-23T12:00:00Z,web form,scan 7,agent,DE\n" +
		"newsletter,anna,withdrawn,2026-11-23T13:00:00Z,,,,\n"
	lines := `{"user_id":"anna","purpose":"newsletter","state":"given","at":"2026-11-23T12:00:00Z","method":"web form","evidence":"scan 7","by":"agent","jurisdiction":"DE"}
{"user_id":"anna","purpose":"newsletter","state":"dpv:ConsentWithdrawn","at":"2026-11-23T13:00:00Z","evidence":"file, 3"}`
	for format, file := range map[Format]string{CSV: csv, JSON: lines} {
		got, err := Read(d, strings.NewReader(file), format, "file", later)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: %s", format, diff)
		}
	}
}

// TestFaultsSayWhere, and never about whom.
func TestFaultsSayWhere(t *testing.T) {
	d := shop(t)
	const head = "user_id,purpose,state,at\n"
	receipt := string(written(t, d, anna(), noon))
	for _, c := range []struct {
		format     Format
		file, want string
	}{
		{CSV, "", "line 1: no header"},
		{CSV, "customer\n", `the header has "customer"`},
		{CSV, "user_id,purpose,state\nanna,newsletter,given\n", "line 1: the header lacks at"},
		{CSV, "purpose,state,at\n", "line 1: the header lacks user_id or anonymous_id"},
		{TS27560, "{}", "document 1: holds no receipt or record: expected consent_record or events"},
		{CSV, head + "anna,newsletter,given,2026-11-23\n", "line 2: at is not a time"},
		{CSV, head + "anna,newsletter,given,2027-03-05T10:00:00Z\n", "line 2: at lies in the future"},
		{CSV, head + "anna,newsletter,maybe,2026-11-23T12:00:00Z\n", "line 2: the state"},
		{CSV, head + "anna,nothing,given,2026-11-23T12:00:00Z\n", "line 2: the declaration has no purpose"},
		{CSV, head + ",newsletter,given,2026-11-23T12:00:00Z\n", "line 2: names nobody"},
		{CSV, head + "anna,newsletter\n", "line 2: wrong number of fields"},
		{CSV, head + "\"anna", "line 2: extraneous"},
		{JSON, `[{"user_id":7}]`, "record 1: is not an object"},
		{JSON, `{"user_id":"anna","anonymous_id":"v","purpose":"newsletter","state":"given","at":"2026-11-23T12:00:00Z"}`, "names a person twice"},
		{JSON, `{"user_id":`, "record 1: cannot be read"},
		{TS27560, strings.ReplaceAll(receipt, "urn:accord:controller:shop", "urn:accord:controller:other"), "document 1: is another controller's"},
		{TS27560, strings.Replace(receipt, `"anonymous_id":"v-1"`, "", 1), "document 1: names nobody"},
		{TS27560, strings.ReplaceAll(receipt, "event_time", "time"), "has no event_time"},
		{TS27560, strings.ReplaceAll(receipt, `"event_time":"2026`, `"event_time":"2027`), "event_time lies in the future"},
		{"xml", "", "none of csv, json, 27560"},
	} {
		got, err := Read(d, strings.NewReader(c.file), c.format, "file", later)
		if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "anna") || got != nil {
			t.Errorf("%s %.60q: %v, want %q", c.format, c.file, err, c.want)
		}
	}
	_, err := Read(d, strings.NewReader(head+strings.Repeat("x,x,x,x\n", 100)), CSV, "file", later)
	if n := strings.Count(err.Error(), "\n") + 1; n != maxFaults {
		t.Errorf("%d faults are told", n)
	}
}

func FuzzRead(f *testing.F) {
	d := shop(f)
	f.Add(string(TS27560), written(f, d, anna(), noon))
	f.Add(string(CSV), []byte("user_id,purpose,state,at\nanna,newsletter,given,2026-11-23T12:00:00Z\n"))
	f.Add(string(JSON), []byte(`[{"user_id":"anna","purpose":"newsletter","state":"given","at":"2026-11-23T12:00:00Z"}]`))
	f.Fuzz(func(t *testing.T, format string, file []byte) {
		subjects, err := Read(d, bytes.NewReader(file), Format(format), "file", later)
		for _, s := range subjects {
			for _, r := range s.Records {
				for _, c := range r.Choices {
					if _, ok := d.Purpose(c.Purpose); !ok || err != nil || s.Person.IsZero() || c.State < consent.Given || c.State > consent.Objected || !c.By.Known() {
						t.Errorf("%+v", c)
					}
				}
			}
		}
	})
}
