package tcf

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"accord/internal/signal/bits"
)

// example says something in every field.
func example() *String {
	at := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	disclosed, allowed := bits.IDsOf(2, 3, 4, 755), bits.IDsOf(2)
	return &String{
		Version: 2, Created: at, LastUpdated: at.Add(300 * time.Millisecond), CmpId: 10, CmpVersion: 2, ConsentScreen: 1,
		ConsentLanguage: "DE", VendorListVersion: 150, TcfPolicyVersion: 5, IsServiceSpecific: true,
		SpecialFeatureOptIns: bits.FieldOf(1), PurposesConsent: bits.FieldOf(1, 3, 4, 24), PurposesLITransparency: bits.FieldOf(2, 7),
		PublisherCC: "FR", VendorConsent: bits.IDsOf(2, 755), VendorLegitimateInterest: bits.IDsOf(3),
		PubRestrictions:  []PubRestriction{{7, 1, bits.IDsOf(3, 4, 9)}, {2, 0, bits.IDsOf(755)}},
		DisclosedVendors: &disclosed, AllowedVendors: &allowed,
		PublisherTC: &PublisherTC{bits.FieldOf(1), bits.FieldOf(9), 63, bits.FieldOf(1, 63), bits.FieldOf(33)},
	}
}

// TestRoundTrip: what was written reads as the same, also through JSON.
func TestRoundTrip(t *testing.T) {
	s := example()
	for name, write := range map[string]func() (string, error){"TCF": s.Encode, "GPP": s.EncodeSection} {
		text, err := write()
		if err != nil {
			t.Fatal(err)
		}
		got, err := Decode(text)
		if err != nil || !cmp.Equal(s, got) {
			t.Fatalf("%s: %v, %s", name, err, cmp.Diff(s, got))
		}
	}
	b, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	got, err := FromJSON(b)
	if err != nil || !cmp.Equal(s, got) {
		t.Fatalf("%v, %s", err, cmp.Diff(s, got))
	}
}

// TestSegmentsInAnyOrder: the specification leaves the order of the segments open.
func TestSegmentsInAnyOrder(t *testing.T) {
	s := example()
	text, err := s.Encode()
	if err != nil {
		t.Fatal(err)
	}
	p := strings.Split(text, ".")
	got, err := Decode(strings.Join([]string{p[0], p[3], p[2], p[1]}, "."))
	if err != nil || !cmp.Equal(s, got) {
		t.Fatalf("%v, %s", err, cmp.Diff(s, got))
	}
}

// TestRefused: what is no TC string is refused with what to do.
func TestRefused(t *testing.T) {
	text, err := example().Encode()
	if err != nil {
		t.Fatal(err)
	}
	p := strings.Split(text, ".")
	for in, want := range map[string]string{
		"":                                 "the text is empty",
		"C":                                "ends in the middle",
		text[:40]:                          "core: the text ends in the middle",
		"BObdrPUOevsguAfDqFENCNAAAAAmeAAA": "version 1, which ended in August 2020",
		"DBABMA":                           "version 3 is not known",
		p[0] + "." + p[1] + "." + p[1]:     "the segment disclosed vendors comes twice",
		p[0] + "." + p[0]:                  "a segment has the type 0",
		p[0] + ".":                         "a segment: the text is empty",
		p[0] + "." + p[1][:8]:              "segment disclosed vendors: the text ends in the middle",
		p[0] + "=":                         "not base64url",
		p[0] + "B":                         "bits follow the last field",
		p[1]:                               "version 8 is not known",
	} {
		if _, err := Decode(in); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.60s: %v, want %q", in, err, want)
		}
	}
}

// TestUnwritable: what has no place in its field is refused by its name.
func TestUnwritable(t *testing.T) {
	for want, change := range map[string]func(*String){
		"Version is 1":                                      func(s *String) { s.Version = 1 },
		"CmpId is 4096":                                     func(s *String) { s.CmpId = 4096 },
		"Created is outside":                                func(s *String) { s.Created = time.Time{} },
		"LastUpdated is outside":                            func(s *String) { s.LastUpdated = time.Date(2200, 1, 1, 0, 0, 0, 0, time.UTC) },
		"ConsentLanguage must have letters":                 func(s *String) { s.ConsentLanguage = "en" },
		"PublisherCC has 3 letters":                         func(s *String) { s.PublisherCC = "FRA" },
		"PurposesConsent has the id 25":                     func(s *String) { s.PurposesConsent = bits.FieldOf(25) },
		"SpecialFeatureOptIns has the id 13":                func(s *String) { s.SpecialFeatureOptIns = bits.FieldOf(13) },
		"PurposeId is 64":                                   func(s *String) { s.PubRestrictions[0].PurposeId = 64 },
		"RestrictionType is 4":                              func(s *String) { s.PubRestrictions[0].RestrictionType = 4 },
		"there are 257 publisher":                           func(s *String) { s.PubRestrictions = make([]PubRestriction, 257) },
		"NumCustomPurposes is 64":                           func(s *String) { s.PublisherTC.NumCustomPurposes = 64 },
		"CustomPurposesConsent has the id 63: it ends at 5": func(s *String) { s.PublisherTC.NumCustomPurposes = 5 },
		"nobody reads more than": func(s *String) {
			var ids []uint16
			for id := uint16(1); id < 1000; id += 2 {
				ids = append(ids, id)
			}
			s.PubRestrictions = nil
			for purpose := range 10 {
				s.PubRestrictions = append(s.PubRestrictions, PubRestriction{purpose + 1, 0, bits.IDsOf(ids...)})
			}
		},
	} {
		s := example()
		change(s)
		if text, err := s.Encode(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.60s, %v, want %q", text, err, want)
		}
	}
}

// TestEveryVendor: what a long list of vendors takes stays far below the limit.
func TestEveryVendor(t *testing.T) {
	s := example()
	var every, third []uint16
	for id := uint16(1); id <= 2000; id++ {
		if id%7 != 0 {
			every = append(every, id)
		}
		if id%130 < 65 {
			third = append(third, id)
		}
	}
	all := bits.IDsOf(every...)
	s.VendorConsent, s.VendorLegitimateInterest, s.DisclosedVendors, s.AllowedVendors = all, all, &all, nil
	text, err := s.Encode()
	if err != nil || len(text) > 1200 {
		t.Fatalf("%d characters, %v", len(text), err)
	}
	s.PubRestrictions = nil
	for purpose := range 11 {
		s.PubRestrictions = append(s.PubRestrictions, PubRestriction{purpose + 1, 1, bits.IDsOf(third...)})
	}
	if text, err = s.Encode(); err != nil || len(text) > 2200 {
		t.Fatalf("%d characters, %v", len(text), err)
	}
}

// TestStrictJSON: a field that is missing, unknown, doubled or wrong is named.
func TestStrictJSON(t *testing.T) {
	b, err := json.Marshal(example())
	if err != nil {
		t.Fatal(err)
	}
	for want, change := range map[string][2]string{
		"CmpId is missing":                        {`"CmpId":10,`, ``},
		`"Cmpid" is no field here`:                {`"CmpId"`, `"Cmpid"`},
		`"CmpId" comes twice`:                     {`"CmpId":10`, `"CmpId":10,"CmpId":11`},
		"CmpId: it must be a whole number":        {`"CmpId":10`, `"CmpId":"10"`},
		"IsServiceSpecific: it must be true or":   {`"IsServiceSpecific":true`, `"IsServiceSpecific":1`},
		"PurposesConsent: it must be a list":      {`"PurposesConsent":[1,3,4,24]`, `"PurposesConsent":{}`},
		"VendorConsent: an item is neither":       {`"VendorConsent":[2,`, `"VendorConsent":[0,`},
		"PubRestrictions: PurposeId is missing":   {`"PurposeId":7,`, ``},
		`PublisherTC: "Purposes" is no field`:     {`"PubPurposesConsent"`, `"Purposes"`},
		"DisclosedVendors: it is null: leave the": {`"DisclosedVendors":["2-4",755]`, `"DisclosedVendors":null`},
	} {
		changed := strings.Replace(string(b), change[0], change[1], 1)
		if changed == string(b) {
			t.Fatalf("%s is not in %s", change[0], b)
		}
		if _, err := FromJSON([]byte(changed)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
}
