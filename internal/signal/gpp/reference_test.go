package gpp

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"accord/internal/signal/bits"
	"accord/internal/signal/reference"
	"accord/internal/signal/tcf"
)

// TestReferenceEncodes: what the reference encoder made of random objects, Go reads
// as these objects and writes to the same text.
func TestReferenceEncodes(t *testing.T) {
	n := reference.Count(t)
	answers := reference.Run(t, nil, "gpp.mjs", "generate", fmt.Sprint(n), reference.Seed(2))
	if len(answers) != n {
		t.Fatalf("%d answers of %d", len(answers), n)
	}
	for i, a := range answers {
		want, err := FromJSON(a.JSON)
		if err != nil {
			t.Fatalf("object %d: %v\n%s", i, err, a.JSON)
		}
		got, err := Decode(a.Text)
		if err != nil {
			t.Fatalf("object %d: %v\n%s\n%s", i, err, a.Text, a.JSON)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("object %d: %s\n(-reference +Go) %s", i, a.Text, diff)
		}
		if again, err := want.Encode(); err != nil || again != a.Text {
			t.Fatalf("object %d: Go writes\n%s, %v; the reference\n%s", i, again, err, a.Text)
		}
	}
}

// TestReferenceDecodes: what Go made of random strings, the reference encoder reads
// as the same object and writes to the same text.
func TestReferenceDecodes(t *testing.T) {
	n := reference.Count(t)
	random := rand.New(rand.NewPCG(3, 4))
	var texts []string
	var want []*String
	for len(texts) < n {
		s := randomString(random)
		text, err := s.Encode()
		if err != nil {
			t.Fatal(err)
		}
		texts, want = append(texts, text), append(want, s)
	}
	answers := reference.Run(t, texts, "gpp.mjs", "decode")
	if len(answers) != n {
		t.Fatalf("%d answers of %d", len(answers), n)
	}
	for i, a := range answers {
		if a.Error != "" {
			t.Fatalf("%s\nthe reference says %s", texts[i], a.Error)
		}
		got, err := FromJSON(a.JSON)
		if err != nil {
			t.Fatalf("%v\n%s", err, a.JSON)
		}
		if diff := cmp.Diff(want[i], got); diff != "" {
			t.Fatalf("%s\n(-Go +reference) %s", texts[i], diff)
		}
		if a.Text != texts[i] {
			t.Fatalf("Go writes\n%s\nthe reference\n%s", texts[i], a.Text)
		}
	}
}

// randomString makes what the reference encoder can also write: it takes no 3 where
// 2 is the last value with a meaning, and no two different times.
func randomString(r *rand.Rand) *String {
	s := &String{}
	share := []float64{0.05, 0.3, 1}[r.IntN(3)]
	for id := idTCFEU; id <= 27; id++ {
		if name(id) == "" || r.Float64() >= share {
			continue
		}
		section := Section{ID: id}
		switch id {
		case idTCFEU:
			section.TCFEU = randomTCF(r)
		case idTCFCA:
			section.TCFCA = randomCanada(r)
		case idUSP:
			yn := func() string { return []string{"Y", "N", "-"}[r.IntN(3)] }
			section.USP = &USP{1, yn(), yn(), yn()}
		default:
			section.US = randomUS(r, layouts[id])
		}
		s.Sections = append(s.Sections, section)
	}
	return s
}

func randomUS(r *rand.Rand, all []*layout) *US {
	version := r.IntN(len(all))
	l := all[version]
	u := &US{layout: l, values: make([]uint8, l.size)}
	for _, f := range l.core {
		for i := range f.values() {
			u.values[f.at+i] = uint8(r.IntN(3))
		}
		if f.name == "MspaCoveredTransaction" {
			u.values[f.at] = uint8(1 + r.IntN(2))
		}
	}
	u.values[0] = uint8(version + 1)
	if len(l.sub) > 0 && r.IntN(2) > 0 {
		u.sub = true
		for _, f := range l.sub {
			for i := range f.values() {
				u.values[f.at+i] = uint8(r.IntN(f.width + 1))
			}
		}
	}
	return u
}

func randomIDs(r *rand.Rand, top int) bits.IDs {
	var ids []uint16
	share := r.Float64()
	if r.IntN(3) == 0 {
		share /= 50
	}
	for id := 1; id <= top; id++ {
		if r.Float64() < share {
			for n := r.IntN(1 + r.IntN(30)); n >= 0 && id <= top; n-- {
				ids = append(ids, uint16(id))
				id++
			}
		}
	}
	if r.IntN(20) == 0 {
		ids = append(ids, uint16(1+r.IntN(65535)))
	}
	return bits.IDsOf(ids...)
}

func randomField(r *rand.Rand, n int) bits.Field { return bits.Field(r.Uint64() & (1<<n - 1)) }

func randomLetters(r *rand.Rand) string {
	return string([]byte{byte('A' + r.IntN(26)), byte('A' + r.IntN(26))})
}

func randomRestrictions(r *rand.Rand) (all []tcf.PubRestriction) {
	for purpose := 1; purpose <= 11; purpose++ {
		if r.IntN(6) == 0 {
			all = append(all, tcf.PubRestriction{PurposeId: purpose, RestrictionType: r.IntN(4), VendorIds: randomIDs(r, 200)})
		}
	}
	return all
}

var tops = []int{0, 5, 28, 29, 30, 44, 45, 46, 50, 100, 700, 1500}

func randomTCF(r *rand.Rand) *tcf.String {
	at := time.UnixMilli(r.Int64N(1<<36) * 100).UTC()
	n := []int{0, 1, 31, 33, 63}[r.IntN(5)]
	disclosed := randomIDs(r, tops[r.IntN(len(tops))])
	const without1and3to6 = 1<<24 - 1 - 0b111101
	return &tcf.String{
		Version: 2, Created: at, LastUpdated: at,
		CmpId: r.IntN(4096), CmpVersion: r.IntN(4096), ConsentScreen: r.IntN(64), ConsentLanguage: randomLetters(r),
		VendorListVersion: r.IntN(4096), TcfPolicyVersion: r.IntN(64),
		IsServiceSpecific: true, UseNonStandardTexts: r.IntN(2) > 0,
		SpecialFeatureOptIns: randomField(r, 12), PurposesConsent: randomField(r, 24), PurposesLITransparency: randomField(r, 24) & without1and3to6,
		PurposeOneTreatment: r.IntN(2) > 0, PublisherCC: randomLetters(r),
		VendorConsent: randomIDs(r, tops[r.IntN(len(tops))]), VendorLegitimateInterest: randomIDs(r, tops[r.IntN(len(tops))]),
		PubRestrictions: randomRestrictions(r), DisclosedVendors: &disclosed,
		PublisherTC: &tcf.PublisherTC{PubPurposesConsent: randomField(r, 24), PubPurposesLITransparency: randomField(r, 24), NumCustomPurposes: n,
			CustomPurposesConsent: randomField(r, n), CustomPurposesLITransparency: randomField(r, n)},
	}
}

func randomCanada(r *rand.Rand) *TCFCA {
	at := func() time.Time { return time.UnixMilli(r.Int64N(1<<36) * 100).UTC() }
	n := []int{0, 1, 31, 33, 63}[r.IntN(5)]
	s := &TCFCA{
		Version: 1, Created: at(), LastUpdated: at(),
		CmpId: r.IntN(4096), CmpVersion: r.IntN(4096), ConsentScreen: r.IntN(64), ConsentLanguage: randomLetters(r),
		VendorListVersion: r.IntN(4096), TcfPolicyVersion: r.IntN(64), UseNonStandardStacks: r.IntN(2) > 0,
		SpecialFeatureExpressConsent: randomField(r, 12), PurposesExpressConsent: randomField(r, 24), PurposesImpliedConsent: randomField(r, 24),
		VendorExpressConsent: randomIDs(r, tops[r.IntN(len(tops))]), VendorImpliedConsent: randomIDs(r, tops[r.IntN(len(tops))]),
		PubRestrictions:   randomRestrictions(r),
		PublisherPurposes: &PublisherPurposes{randomField(r, 24), randomField(r, 24), n, randomField(r, n), randomField(r, n)},
	}
	if disclosed := randomIDs(r, tops[r.IntN(len(tops))]); !disclosed.Empty() {
		s.DisclosedVendors = &disclosed
	}
	return s
}
