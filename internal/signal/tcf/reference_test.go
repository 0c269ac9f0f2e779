package tcf

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"accord/internal/signal/bits"
	"accord/internal/signal/reference"
)

// TestReferenceEncodes: what the reference encoder made of random objects, Go reads
// as these objects and writes to the same text.
func TestReferenceEncodes(t *testing.T) {
	n := reference.Count(t)
	answers := reference.Run(t, nil, "tcf.mjs", "generate", fmt.Sprint(n), reference.Seed(1))
	if len(answers) != n {
		t.Fatalf("%d answers of %d", len(answers), n)
	}
	long := 0
	for i, a := range answers {
		want, err := FromJSON(a.JSON)
		if err != nil {
			t.Fatalf("object %d: %v\n%s", i, err, a.JSON)
		}
		if len(a.Text) > MaxLength {
			if _, err := Decode(a.Text); err == nil {
				t.Fatalf("object %d: %d characters were read", i, len(a.Text))
			}
			long++
			continue
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
	if t.Logf("%d of %d are longer than %d characters", long, n, MaxLength); long > n/100 {
		t.Errorf("%d of %d were not compared", long, n)
	}
}

// TestReferenceDecodes: what Go made of random strings, the reference encoder reads
// as the same object and writes to the same text.
func TestReferenceDecodes(t *testing.T) {
	n := reference.Count(t)
	random := rand.New(rand.NewPCG(1, 2))
	var texts []string
	var want []*String
	for len(texts) < n {
		s := randomString(random)
		text, err := s.Encode()
		if err != nil {
			continue // longer than MaxLength
		}
		texts, want = append(texts, text), append(want, s)
	}
	answers := reference.Run(t, texts, "tcf.mjs", "decode")
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
	return bits.IDsOf(ids...)
}

func randomField(r *rand.Rand, n int) bits.Field {
	return bits.Field(r.Uint64() & (1<<n - 1))
}

func randomString(r *rand.Rand) *String {
	tops := []int{0, 44, 45, 46, 50, 100, 700, 1500, 3000}
	top := func() int { return tops[r.IntN(len(tops))] }
	letters := func() string { return string([]byte{byte('A' + r.IntN(26)), byte('A' + r.IntN(26))}) }
	at := func() time.Time { return time.UnixMilli(r.Int64N(1<<36) * 100).UTC() }
	s := &String{
		Version: 2, Created: at(), LastUpdated: at(),
		CmpId: 2 + r.IntN(4094), CmpVersion: r.IntN(4096), ConsentScreen: r.IntN(64), ConsentLanguage: letters(),
		VendorListVersion: r.IntN(4096), TcfPolicyVersion: r.IntN(64),
		IsServiceSpecific: r.IntN(4) > 0, UseNonStandardTexts: r.IntN(2) > 0,
		SpecialFeatureOptIns: randomField(r, 12), PurposesConsent: randomField(r, 24), PurposesLITransparency: randomField(r, 24),
		PurposeOneTreatment: r.IntN(2) > 0, PublisherCC: letters(),
		VendorConsent: randomIDs(r, top()), VendorLegitimateInterest: randomIDs(r, top()),
	}
	for purpose := 1; purpose <= 11; purpose++ {
		if vendors := randomIDs(r, 200); r.IntN(6) == 0 && !vendors.Empty() {
			s.PubRestrictions = append(s.PubRestrictions, PubRestriction{purpose, r.IntN(3), vendors})
		}
	}
	if r.IntN(4) > 0 {
		ids := randomIDs(r, top())
		s.DisclosedVendors = &ids
	}
	if r.IntN(8) == 0 {
		ids := randomIDs(r, top())
		s.AllowedVendors = &ids
	}
	if r.IntN(2) > 0 {
		n := []int{0, 1, 31, 32, 33, 63}[r.IntN(6)]
		s.PublisherTC = &PublisherTC{randomField(r, 24), randomField(r, 24), n, randomField(r, n), randomField(r, n)}
	}
	return s
}
