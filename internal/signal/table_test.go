package signal_test

import (
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"accord/internal/declare"
	"accord/internal/law"
	"accord/internal/signal"
	"accord/internal/signal/bits"
	"accord/internal/signal/gpp"
	"accord/internal/signal/tcf"
)

func embedded(t testing.TB) *signal.Table {
	t.Helper()
	table, err := signal.Embedded(law.Embedded())
	if err != nil {
		t.Fatal(err)
	}
	return table
}

func uses(words ...string) (s declare.Uses) {
	for _, w := range words {
		u, ok := declare.ParseUse(w)
		if !ok {
			panic(w)
		}
		s = s.With(u)
	}
	return s
}

var (
	ads      = uses("sale", "targeted_advertising")
	targeted = uses("targeted_advertising")
	sale     = uses("sale")
	content  = uses("personalization")
	measure  = uses("analytics")
	training = uses("model_training")
	special  = uses("sensitive_data")
)

// sample is something that a client may send, and what the table is to make of it,
// by hand: everywhere, and beside that in some regimes.
type sample struct {
	name    string
	signals func(t testing.TB) *signal.Signals
	verdict signal.Verdict
	where   []string     // where doubtful counts; none for nowhere
	doubt   declare.Uses // there
}

func tcString(consents, interests []int, change ...func(*tcf.String)) func(t testing.TB) *signal.Signals {
	return func(t testing.TB) *signal.Signals {
		s := &tcf.String{Version: 2, Created: time.Unix(1790000000, 0), LastUpdated: time.Unix(1790000000, 0), CmpId: 10, ConsentLanguage: "EN", VendorListVersion: 100,
			TcfPolicyVersion: 5, IsServiceSpecific: true, PublisherCC: "DE", PurposesConsent: bits.FieldOf(consents...), PurposesLITransparency: bits.FieldOf(interests...)}
		for _, f := range change {
			f(s)
		}
		text, err := s.Encode()
		if err != nil {
			t.Fatal(err)
		}
		out := &signal.Signals{}
		out.ReadTCF(text)
		return out
	}
}

func read(gppText string) func(testing.TB) *signal.Signals {
	return func(testing.TB) *signal.Signals {
		s := &signal.Signals{}
		s.ReadGPP(gppText)
		return s
	}
}

// section writes a GPP string with one US section and reads it: the fields named have
// a value, a list in its second place, and all others 0.
func section(name string, fields map[string]int) func(t testing.TB) *signal.Signals {
	return func(t testing.TB) *signal.Signals {
		base, err := gpp.Decode(map[string]string{"usnat": "DBABLA~CEAQAAAAAABA.YA", "usca": "DBABBg~BAQAAABA.YA"}[name])
		if err != nil {
			t.Fatal(err)
		}
		b, err := json.Marshal(base)
		if err != nil {
			t.Fatal(err)
		}
		var whole struct{ Sections map[string]map[string]any }
		if err := json.Unmarshal(b, &whole); err != nil {
			t.Fatal(err)
		}
		values := whole.Sections[name]
		for key, v := range values {
			switch v := v.(type) {
			case []any:
				for i := range v {
					v[i] = 0
				}
				v[1] = fields[key]
			case bool:
				values[key] = fields[key] == 1
			default:
				if key != "Version" {
					values[key] = fields[key]
				}
			}
		}
		if b, err = json.Marshal(map[string]any{"Sections": whole.Sections}); err != nil {
			t.Fatal(err)
		}
		made, err := gpp.FromJSON(b)
		if err != nil {
			t.Fatal(err)
		}
		text, err := made.Encode()
		if err != nil {
			t.Fatal(err)
		}
		return read(text)(t)
	}
}

func google(pairs ...string) func(testing.TB) *signal.Signals {
	return func(testing.TB) *signal.Signals {
		s := &signal.Signals{}
		for i := 0; i < len(pairs); i += 2 {
			s.Google.Read(pairs[i], pairs[i+1])
		}
		return s
	}
}

func att(status string) func(testing.TB) *signal.Signals {
	return func(testing.TB) *signal.Signals { return &signal.Signals{ATT: signal.ParseATT(status)} }
}

func others(s *tcf.String) { s.IsServiceSpecific = false }

func publisher(consents ...int) func(*tcf.String) {
	return func(s *tcf.String) { s.PublisherTC = &tcf.PublisherTC{PubPurposesConsent: bits.FieldOf(consents...)} }
}

var (
	everyPurpose = []int{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11}
	refusedAll   = ads | content | measure | training
	us           = []string{"us-al", "us-ca", "us-co", "us-ct", "us-de", "us-fl", "us-ia", "us-in", "us-ky", "us-la", "us-md", "us-mn", "us-mt", "us-ne", "us-nh", "us-nj", "us-nv", "us-ny", "us-ok", "us-or", "us-ri", "us-tn", "us-tx", "us-ut", "us-va", "us-vt", "us-wa"}
)

var samples = []sample{
	{name: "nothing", signals: func(testing.TB) *signal.Signals { return &signal.Signals{} }},
	{name: "gpc", signals: func(testing.TB) *signal.Signals { return &signal.Signals{GPC: true} }, verdict: signal.Verdict{Deny: ads}},
	{name: "tcf all", signals: tcString(everyPurpose, nil), verdict: signal.Verdict{Allow: targeted | content | measure | training}},
	{name: "tcf none", signals: tcString(nil, nil), verdict: signal.Verdict{Deny: refusedAll}},
	{name: "tcf interests", signals: tcString(nil, everyPurpose), verdict: signal.Verdict{Deny: ads | content}},
	{name: "tcf content only", signals: tcString([]int{1, 5, 6}, nil), verdict: signal.Verdict{Deny: ads | measure | training, Allow: content}},
	{name: "tcf without storage", signals: tcString([]int{3, 4, 5, 6, 8, 9, 10}, nil), verdict: signal.Verdict{Allow: content | measure | training}},
	{name: "tcf of another service", signals: tcString(everyPurpose, nil, others)},
	{name: "tcf, publisher refused", signals: tcString(everyPurpose, nil, publisher(1, 8, 9)), verdict: signal.Verdict{Deny: ads | content | training, Allow: measure}},
	{name: "tcf, publisher's interest", signals: tcString(everyPurpose, nil, func(s *tcf.String) {
		s.PublisherTC = &tcf.PublisherTC{PubPurposesConsent: bits.FieldOf(1, 3, 4, 5, 6, 10), PubPurposesLITransparency: bits.FieldOf(8, 9)}
	}), verdict: signal.Verdict{Allow: targeted | content | training}},
	{name: "tcf damaged", signals: func(testing.TB) *signal.Signals { s := &signal.Signals{}; s.ReadTCF("CPXx"); return s }, verdict: signal.Verdict{Doubt: refusedAll}},
	{name: "gpp usnat opted out, gpc", signals: read("DBABLA~CEAQAAAAAABA.YA"), verdict: signal.Verdict{Deny: ads}},
	{name: "gpp usca opted out, gpc", signals: read("DBABBg~BAQAAABA.YA"), verdict: signal.Verdict{Deny: ads}},
	{name: "gpp sale", signals: section("usnat", map[string]int{"SaleOptOut": 1}), verdict: signal.Verdict{Deny: sale}},
	{name: "gpp sharing", signals: section("usca", map[string]int{"SharingOptOut": 1}), verdict: signal.Verdict{Deny: ads}},
	{name: "gpp targeted", signals: section("usnat", map[string]int{"TargetedAdvertisingOptOut": 1}), verdict: signal.Verdict{Deny: targeted}},
	{name: "gpp did not opt out", signals: section("usnat", map[string]int{"SaleOptOut": 2, "SharingOptOut": 2, "TargetedAdvertisingOptOut": 2})},
	{name: "gpp meaningless", signals: section("usnat", map[string]int{"SaleOptOut": 3}), verdict: signal.Verdict{Doubt: sale}},
	{name: "gpp sensitive", signals: section("usca", map[string]int{"SensitiveDataProcessing": 1}), verdict: signal.Verdict{Deny: special}},
	{name: "gpp child", signals: section("usnat", map[string]int{"KnownChildSensitiveDataConsents": 1}), verdict: signal.Verdict{Deny: ads | special}},
	{name: "gpp no notice", signals: section("usnat", map[string]int{"SharingOptOutNotice": 2}), where: us, doubt: ads},
	{name: "gpp damaged", signals: read("DBABLA~CEAQ"), verdict: signal.Verdict{Doubt: refusedAll | special}},
	{name: "usp", signals: read("DBABTA~1YYN"), verdict: signal.Verdict{Deny: ads}},
	{name: "usp silent", signals: read("DBABTA~1YNN")},
	{name: "google all granted", signals: google("ad_storage", "granted", "ad_user_data", "granted", "ad_personalization", "granted", "analytics_storage", "granted", "personalization_storage", "granted", "functionality_storage", "granted", "security_storage", "granted"),
		verdict: signal.Verdict{Allow: targeted | measure | content}},
	{name: "google one of three", signals: google("ad_storage", "granted")},
	{name: "google denied", signals: google("ad_storage", "denied", "analytics_storage", "denied", "personalization_storage", "denied", "security_storage", "denied"), verdict: signal.Verdict{Deny: targeted | measure | content}},
	{name: "google user data", signals: google("ad_user_data", "denied"), verdict: signal.Verdict{Deny: ads}},
	{name: "google twice", signals: google("analytics_storage", "denied", "analytics_storage", "granted"), verdict: signal.Verdict{Deny: measure}},
	{name: "google unknown", signals: google("analytics_storage", "GRANTED", "else", "denied")},
	{name: "att denied", signals: att("denied"), verdict: signal.Verdict{Deny: ads}},
	{name: "att restricted", signals: att("1"), verdict: signal.Verdict{Deny: ads}},
	{name: "att authorized", signals: att("authorized")},
	{name: "att not asked", signals: att("notDetermined")},
	{name: "limited ads", signals: func(testing.TB) *signal.Signals { return &signal.Signals{LimitAds: true} }, verdict: signal.Verdict{Deny: ads}},
	{name: "limited ads, not asked", signals: func(testing.TB) *signal.Signals { return &signal.Signals{LimitAds: true, ATT: signal.NotDetermined} }},
	{name: "canada express", signals: canada(everyPurpose, nil), verdict: signal.Verdict{Allow: targeted | content}},
	{name: "canada implied", signals: canada(nil, everyPurpose), where: []string{"ca-qc"}, doubt: ads | content},
	{name: "canada none", signals: canada(nil, nil), verdict: signal.Verdict{Deny: ads | content}},
}

func canada(express, implied []int) func(t testing.TB) *signal.Signals {
	return func(testing.TB) *signal.Signals {
		return &signal.Signals{GPP: &gpp.String{Sections: []gpp.Section{{ID: 5, TCFCA: &gpp.TCFCA{PurposesExpressConsent: bits.FieldOf(express...), PurposesImpliedConsent: bits.FieldOf(implied...)}}}}}
	}
}

// in is what a sample says in some regimes.
func (s *sample) in(code *law.Code, in law.Regimes) signal.Verdict {
	v := s.verdict
	for _, name := range s.where {
		if bit, _ := code.Regime(name); in == 0 || in&bit != 0 {
			v.Doubt |= s.doubt
		}
	}
	return v
}

// together is what two samples say: a no goes before a doubt, that before a yes.
func together(a, b signal.Verdict) (v signal.Verdict) {
	v.Deny = a.Deny | b.Deny
	v.Doubt = (a.Doubt | b.Doubt) &^ v.Deny
	v.Allow = (a.Allow | b.Allow) &^ v.Deny &^ v.Doubt
	return v
}

// TestPairs is every pair of signals in every regime, in several and in none: the
// table's answer, and nothing where it is silent.
func TestPairs(t *testing.T) {
	code, table := law.Embedded(), embedded(t)
	places := map[string]law.Regimes{"nowhere known": 0, "everywhere": code.All()}
	for _, r := range code.Regimes() {
		places[r.ID], _ = code.Regime(r.ID)
	}
	places["eu and us-ca"] = places["eu"] | places["us-ca"]
	for i := range samples {
		a := samples[i].signals(t)
		for j := range samples {
			b := samples[j].signals(t)
			for name, in := range places {
				want := together(samples[i].in(code, in), samples[j].in(code, in))
				if got := table.Judge(in, a, b); got != want {
					t.Errorf("%s with %s in %s: %v, want %v; fired %v", samples[i].name, samples[j].name, name, words(got), words(want), table.Fired(in, a, b))
				}
			}
		}
	}
}

func words(v signal.Verdict) string {
	return fmt.Sprintf("no to [%s], doubt about [%s], yes to [%s]", v.Deny, v.Doubt, v.Allow)
}

// TestEveryRowFires keeps rows out of the table that the samples above do not show.
func TestEveryRowFires(t *testing.T) {
	table := embedded(t)
	fired := map[int]bool{}
	for i := range samples {
		for _, r := range table.Fired(0, samples[i].signals(t)) {
			fired[r.Line] = true
		}
	}
	for _, extra := range []func(testing.TB) *signal.Signals{
		section("usnat", map[string]int{"SharingOptOut": 3, "TargetedAdvertisingOptOut": 3, "SensitiveDataProcessing": 3, "SaleOptOutNotice": 2, "TargetedAdvertisingOptOutNotice": 3}),
		google("ad_personalization", "denied"),
		func(testing.TB) *signal.Signals {
			return &signal.Signals{GPP: &gpp.String{Sections: []gpp.Section{{ID: 40, Raw: "BAAA"}}}}
		},
	} {
		for _, r := range table.Fired(0, extra(t)) {
			fired[r.Line] = true
		}
	}
	for _, r := range table.Rows() {
		if !fired[r.Line] {
			t.Errorf("line %d (%s, %s) fires for no sample", r.Line, r.Kind, r.If())
		}
	}
}

// TestUSGroup keeps the group of the table to the states that there are rules for.
func TestUSGroup(t *testing.T) {
	var want []string
	for _, r := range law.Embedded().Regimes() {
		if strings.HasPrefix(r.ID, "us-") {
			want = append(want, r.ID)
		}
	}
	if !slices.Equal(us, want) {
		t.Errorf("the group us of the table is to be %v", want)
	}
}

// TestDocument keeps docs/signals.md equal to the table.
func TestDocument(t *testing.T) {
	b, err := os.ReadFile("../../docs/signals.md")
	if err != nil {
		t.Fatal(err)
	}
	const begin, end = "<!-- table: go test ./internal/signal holds it -->\n", "<!-- end of table -->"
	_, rest, ok := strings.Cut(string(b), begin)
	have, _, _ := strings.Cut(rest, end)
	if want := embedded(t).Markdown(); !ok || have != want {
		t.Errorf("between its marks docs/signals.md must hold:\n%s", want)
	}
}

// TestGPC takes the exact value alone, in any of several lines.
func TestGPC(t *testing.T) {
	for _, c := range []struct {
		lines []string
		want  bool
	}{{nil, false}, {[]string{"1"}, true}, {[]string{"0", "1"}, true}, {[]string{"0"}, false}, {[]string{" 1"}, false}, {[]string{"1, 1"}, false}, {[]string{"true"}, false}, {[]string{"11"}, false}, {[]string{""}, false}} {
		if got := signal.GPC(c.lines); got != c.want {
			t.Errorf("%q: %v", c.lines, got)
		}
	}
}

// TestPurposes: a purpose is refused if one of its uses is, and given if all are.
func TestPurposes(t *testing.T) {
	d, err := declare.Parse("shop.yaml", []byte(`
version: 1
controller: {id: shop, name: Shop, contact: privacy@example.com, country: DE}
receipts: {retention: 36 months}
purposes:
  orders: {basis: contract, text: To deliver., use: [service, sale]}
  ads: {basis: consent, text: To advertise., use: [targeted_advertising]}
  both: {basis: consent, text: To suggest., use: [personalization, targeted_advertising]}
  tips: {basis: opt_out, text: To tip., use: [personalization]}
  any: {basis: consent, text: Anything.}
identifiers:
  user_id: {category: account, purposes: [orders, ads, both, tips, any], retention: 6 years, text: Your account.}
events:
  Product Viewed:
    fields:
      product_id: {type: item, category: interest, purposes: [orders, ads, both, tips, any], retention: 13 months}
`))
	if err != nil {
		t.Fatal(err)
	}
	names := func(s declare.Set) (out []string) {
		for i := range d.Purposes {
			if s.Has(declare.PurposeIndex(i)) {
				out = append(out, string(d.Purposes[i].ID))
			}
		}
		slices.Sort(out)
		return out
	}
	for _, c := range []struct {
		uses           declare.Uses
		refused, given string
	}{
		{0, "[]", "[]"},
		{sale, "[any]", "[]"},
		{targeted, "[ads any both]", "[ads]"},
		{content, "[any both tips]", "[tips]"},
		{content | targeted, "[ads any both tips]", "[ads both tips]"},
		{declare.AnyUse, "[ads any both tips]", "[ads any both tips]"},
	} {
		if got := fmt.Sprint(names(signal.Refused(d, c.uses))); got != c.refused {
			t.Errorf("a no to %s refuses %s, want %s", c.uses, got, c.refused)
		}
		if got := fmt.Sprint(names(signal.Given(d, c.uses))); got != c.given {
			t.Errorf("a yes to %s gives %s, want %s", c.uses, got, c.given)
		}
	}
}

func TestShown(t *testing.T) {
	table := embedded(t)
	for _, c := range []struct{ asked, begins string }{{"", "We honour"}, {"en-GB", "We honour"}, {"RU", "Мы"}, {"ru-RU", "Мы"}, {"rus", "We"}, {"de", "We"}} {
		if got := table.Shown(c.asked); !strings.HasPrefix(got, c.begins) {
			t.Errorf("%q: %s", c.asked, got)
		}
	}
}
