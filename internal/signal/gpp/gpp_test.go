package gpp

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"accord/internal/signal/bits"
)

func decode(t *testing.T, text string) *String {
	t.Helper()
	s, err := Decode(text)
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return s
}

func encode(t *testing.T, s *String) string {
	t.Helper()
	text, err := s.Encode()
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// TestReferenceOutputs: two strings whose making is known: SaleOptOutNotice 1,
// SaleOptOut 1 and GPC; SaleOptOut 1 and GPC.
func TestReferenceOutputs(t *testing.T) {
	for text, id := range map[string]int{"DBABLA~CEAQAAAAAABA.YA": 7, "DBABBg~BAQAAABA.YA": 8} {
		s := decode(t, text)
		us := s.US(id)
		set, there := us.Gpc()
		if us.SaleOptOut() != OptedOut || us.SharingOptOut() != NotApplicable || us.MspaCoveredTransaction() != Yes || !set || !there || encode(t, s) != text {
			t.Errorf("%s: %v", text, us.Fields())
		}
		if notice := us.Value("SaleOptOutNotice"); (notice == Yes) != (id == 7) {
			t.Errorf("%s: notice %d", text, notice)
		}
		if h := s.Header(); h.Type != 3 || h.Version != 1 || !slices.Equal(h.Sections, []int{id}) {
			t.Errorf("%s: %v", text, h)
		}
	}
}

// TestNational: every field of the national section, and that a state lacks some.
func TestNational(t *testing.T) {
	s := decode(t, "DBABLA~CVVVkkkkkpFY.YA")
	us := s.US(7)
	if set, there := us.Gpc(); !set || !there {
		t.Error("no GPC")
	}
	if us.SaleOptOut() != OptedOut || us.SharingOptOut() != OptedOut || us.TargetedAdvertisingOptOut() != OptedOut {
		t.Errorf("opt-outs: %v", us.Fields())
	}
	if got := us.SensitiveDataProcessing(); !slices.Equal(got, []Value{2, 1, 0, 2, 1, 0, 2, 1, 0, 2, 1, 0, 2, 1, 0, 2}) {
		t.Errorf("SensitiveDataProcessing %v", got)
	}
	if got := us.KnownChildSensitiveDataConsents(); !slices.Equal(got, []Value{2, 1, 0}) {
		t.Errorf("KnownChildSensitiveDataConsents %v", got)
	}
	if us.PersonalDataConsents() != NoConsent || us.MspaCoveredTransaction() != Yes {
		t.Errorf("%v, %v", us.PersonalDataConsents(), us.MspaCoveredTransaction())
	}
	var names []string
	for _, f := range us.Fields() {
		names = append(names, f.Name)
	}
	if names[0] != "Version" || names[16] != "Gpc" || len(names) != 17 {
		t.Errorf("%v", names)
	}
	virginia := decode(t, "DBABRgA~BVWSSVY").US(9)
	if virginia.SharingOptOut() != Absent || virginia.PersonalDataConsents() != Absent || virginia.SaleOptOut() != OptedOut {
		t.Errorf("%v", virginia.Fields())
	}
	if _, there := virginia.Gpc(); there || virginia.SensitiveDataProcessing() == nil {
		t.Errorf("%v", virginia.Fields())
	}
	var none *US
	if _, there := none.Gpc(); there || none.SaleOptOut() != Absent || none.Fields() != nil || s.US(9) != nil {
		t.Error("a section that is not there says something")
	}
	late := decode(t, head(t, 25)+"~BQAA.kkk").US(25)
	if late == nil || late.Version() != 1 || len(late.SensitiveDataProcessing()) != 8 {
		t.Fatalf("Indiana: %v", late)
	}
}

// TestNationalVersions: version 1 and 2, and the two mixtures that encoders wrote.
func TestNationalVersions(t *testing.T) {
	for text, want := range map[string]struct{ version, sensitive, child int }{
		"DBABLA~BAAAVVVVUQA.QA":   {1, 12, 2},
		"DBABLA~BVVVkkkkkpFY.YA":  {1, 16, 3},
		"DBABLA~CAAAVVVVVVRA.QA":  {2, 16, 3},
		"DBABLA~CAAAAAAAAQA.QA":   {2, 12, 2},
		"DBABLA~BAAAVVVVUQ.QA":    {1, 12, 2}, // without its padding
		"DBABLA~CAAAVVVVVVRA":     {2, 16, 3},
		"DBABLAA~CAAAVVVVVVRAAAA": {2, 16, 3}, // with more of it
	} {
		us := decode(t, text).US(7)
		if us == nil || us.Version() != want.version || len(us.SensitiveDataProcessing()) != want.sensitive || len(us.KnownChildSensitiveDataConsents()) != want.child {
			t.Errorf("%s: %v", text, us.Fields())
		}
	}
}

// TestUnknown: what is not known is kept as it is, and choices beside it count.
func TestUnknown(t *testing.T) {
	known := decode(t, "DBABLA~CEAQAAAAAABA.YA")
	s := &String{Sections: append([]Section{{ID: 3, Raw: "C-old.text_"}}, known.Sections...)}
	s.Sections = append(s.Sections, Section{ID: 8, Raw: "CnewVersion.YA"}, Section{ID: 24, Raw: "YBAA.BQAA"}, Section{ID: 4711, Raw: "1"})
	text := encode(t, s)
	got := decode(t, text)
	if diff := cmp.Diff(s, got); diff != "" || encode(t, got) != text {
		t.Fatalf("%s: %s", text, diff)
	}
	if got.US(7).SaleOptOut() != OptedOut || got.US(8) != nil || got.Section(8).Name() != "usca" || got.Section(4711).Name() != "" {
		t.Errorf("%v", got)
	}
	b, err := json.Marshal(got)
	if err != nil {
		t.Fatal(err)
	}
	for _, part := range []string{`"3":"C-old.text_"`, `"usca":"CnewVersion.YA"`, `"4711":"1"`} {
		if !strings.Contains(string(b), part) {
			t.Errorf("%s lacks %s", b, part)
		}
	}
	if again, err := FromJSON(b); err != nil || !cmp.Equal(again, got) {
		t.Errorf("%s: %v", b, err)
	}
}

// TestRefused: what is damaged is refused with its section.
func TestRefused(t *testing.T) {
	for in, want := range map[string]string{
		"":                             "header: the text is empty",
		"CPXxRfAPXxRfAAfKABENB-CgAAAA": "its type is 2: a GPP string begins with DB",
		"DCABMA":                       "version 2 is not known",
		"DBABMA":                       "it announces 1 sections, and 0 follow",
		"DBABMA~C~C":                   "it announces 1 sections, and 2 follow",
		"DBAA~1YNN":                    "it announces 0 sections, and 1 follow",
		"DB":                           "header: the text ends in the middle",
		"DBABMB~C":                     "header: bits follow",
		"DBABTA~":                      "section uspv1: the text is empty",
		"DBABTA~1YN":                   "section uspv1: it has 4 characters",
		"DBABTA~1YNX":                  "LspaCovered must be Y, N or -",
		"DBABTA~1yNN":                  "Notice must be Y, N or -",
		"DBABLA~CAAA":                  "section usnat: the text ends in the middle",
		"DBABLA~CAAAVVVVVVRB":          "section usnat: bits follow",
		"DBABLA~CAAAVVVVVVRA.":         "subsection: the text is empty",
		"DBABLA~CAAAVVVVVVRA.AA":       "its subsection has the type 0",
		"DBABLA~CAAAVVVVVVRA.QA.QA":    "subsection: the text has a character",
		"DBABRgA~BVWSSVY.YA":           "it has a subsection, which its specification does not",
		"DBABMA~CPXx":                  "section tcfeuv2: TC string, core: the text ends",
		"DBABMA~Do/something":          "section tcfeuv2: a character is none of",
		head(t, 5) + "~BPXx":           "section tcfcav1: core: the text ends",
	} {
		if _, err := Decode(in); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", in, err, want)
		}
	}
}

// TestUnwritable: a string that nobody could read is not written.
func TestUnwritable(t *testing.T) {
	us := decode(t, "DBABLA~CEAQAAAAAABA.YA").US(7)
	many := &String{}
	for id := 100; len(many.Sections) <= MaxSections; id++ {
		many.Sections = append(many.Sections, Section{ID: id, Raw: "A"})
	}
	for want, s := range map[string]*String{
		"section 7 follows section 7":     {Sections: []Section{{ID: 7, US: us}, {ID: 7, US: us}}},
		"section 6 follows section 7":     {Sections: []Section{{ID: 7, US: us}, {ID: 6, Raw: "x"}}},
		"section 0 follows section 0":     {Sections: []Section{{Raw: "x"}}},
		"section usca: it has no content": {Sections: []Section{{ID: 8, US: us}}},
		"section 99: it has no content":   {Sections: []Section{{ID: 99}}},
		"section 99: a character is none": {Sections: []Section{{ID: 99, Raw: "a~b"}}},
		"usnat: this text is of a known":  {Sections: []Section{{ID: 7, Raw: "CEAQAAAAAABA.YA"}}},
		"usnat: the text ends":            {Sections: []Section{{ID: 7, Raw: "CEAQ"}}},
		"uspv1: Version is 2":             {Sections: []Section{{ID: 6, USP: &USP{2, "Y", "Y", "Y"}}}},
		"it has 64 sections at most":      many,
		"and nobody reads more than 8192": {Sections: []Section{{ID: 99, Raw: strings.Repeat("A", MaxLength)}}},
		"tcfcav1: Version is 0":           {Sections: []Section{{ID: 5, TCFCA: &TCFCA{}}}},
	} {
		if text, err := s.Encode(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.60s, %v, want %q", text, err, want)
		}
	}
}

// TestCanadaBefore: texts of the reference encoder's older versions are read, and
// written as the specification wants.
func TestCanadaBefore(t *testing.T) {
	s := decode(t, head(t, 5)+"~BPSG_8APSG_8AAyACAENGdCgf_gfgAfgfgBgABABAAABAB4AACACAAA.fHHHA4444ao")
	ca := s.Section(5).TCFCA
	if !ca.VendorExpressConsent.Equal(bits.IDsOf(12, 24, 48)) || !ca.VendorImpliedConsent.Equal(bits.IDsOf(18, 30)) {
		t.Errorf("%v, %v", ca.VendorExpressConsent.Ranges(), ca.VendorImpliedConsent.Ranges())
	}
	if got := encode(t, s); !strings.HasSuffix(got, "~BPSG_8APSG_8AAyACAENGdCgf_gfgAfgfgBhADVqxGAD0AILVgAA.fHHHA4444ao") {
		t.Error(got)
	}
}

// TestStrictJSON: what is missing, unknown, doubled or wrong is named.
func TestStrictJSON(t *testing.T) {
	const usp = `"uspv1":{"Version":1,"Notice":"Y","OptOutSale":"N","LspaCovered":"N"}`
	virginia, err := json.Marshal(decode(t, "DBABRgA~BVWSSVY"))
	if err != nil {
		t.Fatal(err)
	}
	replaced := func(from, to string) string {
		changed := strings.Replace(string(virginia), from, to, 1)
		if changed == string(virginia) {
			t.Fatalf("%s is not in %s", from, virginia)
		}
		return changed
	}
	for in, want := range map[string]string{
		`{}`:                               "Sections is missing",
		`{"Sections":[]}`:                  "Sections: it must be a JSON object",
		`{"Sections":{"usxx":{}}}`:         `"usxx" is no section`,
		`{"Sections":{"7":"CA"}}`:          `"7" is no section`,
		`{"Sections":{"07":"CA"}}`:         `"07" is no section`,
		`{"Sections":{"99":{}}}`:           "99: the fields of this section are not known: give its text",
		`{"Sections":{` + usp + `},"x":1}`: `"x" is no field here`,
		`{"Header":{"Type":3,"Version":1,"Sections":[7]},"Sections":{` + usp + `}}`: "Header must say Type 3, Version 1 and the sections [6]",
		replaced(`"SharingNotice":1,`, ``):                                          "usva: SharingNotice is missing",
		replaced(`"SharingNotice":1`, `"SharingNotice":4`):                          "SharingNotice: 4 is not from 0 to 3",
		replaced(`"SharingNotice":1`, `"SharingNotice":null`):                       "SharingNotice: it must be a number from 0 to 3",
		replaced(`"SharingNotice":1`, `"SharingNotice":1,"Gpc":true`):               `"Gpc" is no field here: there are Version, SharingNotice`,
		replaced(`"SharingNotice":1`, `"SharingNotice":1,"SharingNotice":1`):        `"SharingNotice" comes twice`,
		replaced(`"SensitiveDataProcessing":[`, `"SensitiveDataProcessing":[0,`):    "SensitiveDataProcessing: it must be a list of 8 numbers",
		replaced(`"Version":1,"SharingNotice"`, `"Version":2,"SharingNotice"`):      "Version 2 is not known: this codec knows [1]",
	} {
		if _, err := FromJSON([]byte(in)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", in, err, want)
		}
	}
}
