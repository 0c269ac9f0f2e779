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

// now is when the samples come, and lately when their strings were last updated.
var (
	now    = time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)
	lately = time.Date(2026, 9, 21, 0, 0, 0, 0, time.UTC)
)

func tcString(consents, interests []int, change ...func(*tcf.String)) func(t testing.TB) *signal.Signals {
	return func(t testing.TB) *signal.Signals {
		vendors := bits.IDs{}
		s := &tcf.String{DisclosedVendors: &vendors, Version: 2, Created: lately, LastUpdated: lately, CmpId: 10, ConsentLanguage: "EN", VendorListVersion: 100,
			TcfPolicyVersion: 5, IsServiceSpecific: true, PublisherCC: "DE", PurposesConsent: bits.FieldOf(consents...), PurposesLITransparency: bits.FieldOf(interests...)}
		for _, f := range change {
			f(s)
		}
		text, err := s.Encode()
		if err != nil {
			t.Fatal(err)
		}
		out := &signal.Signals{At: now}
		out.ReadTCF(text)
		return out
	}
}

func read(gppText string) func(testing.TB) *signal.Signals {
	return func(testing.TB) *signal.Signals {
		s := &signal.Signals{At: now}
		s.ReadGPP(gppText)
		return s
	}
}

// section writes a GPP string with one US section and reads it: the fields named have
// a value, a list in its second place, and all others 0.
func section(name string, fields map[string]int) func(t testing.TB) *signal.Signals {
	return func(t testing.TB) *signal.Signals {
		base, err := gpp.Decode(map[string]string{"usnat": "DBABLA~CEAQAAAAAABA.YA", "usca": "DBABBg~BAQAAABA.YA", "ustx": "DBABEw~BAAAAAQA.QA", "usia": "DBABCw~BAAAAAQA.QA"}[name])
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

func updated(at time.Time) func(*tcf.String) {
	return func(s *tcf.String) { s.LastUpdated = at }
}

func undisclosed(s *tcf.String) { s.DisclosedVendors = nil }

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
	{name: "tcf all", signals: tcString(everyPurpose, nil, publisher(everyPurpose...)), verdict: signal.Verdict{Allow: targeted | content | measure | training}},
	{name: "tcf all to vendors", signals: tcString(everyPurpose, nil)},
	{name: "tcf none", signals: tcString(nil, nil), verdict: signal.Verdict{Deny: refusedAll}},
	{name: "tcf none to vendors", signals: tcString(nil, nil, publisher(everyPurpose...)), verdict: signal.Verdict{Deny: refusedAll}},
	{name: "tcf interests", signals: tcString(nil, everyPurpose), verdict: signal.Verdict{Deny: ads | content}},
	{name: "tcf content only", signals: tcString([]int{1, 5, 6}, nil, publisher(1, 5, 6)), verdict: signal.Verdict{Deny: ads | measure | training, Allow: content}},
	{name: "tcf without storage", signals: tcString([]int{3, 4, 5, 6, 8, 9, 10}, nil, publisher(everyPurpose...)), verdict: signal.Verdict{Allow: content | measure | training}},
	{name: "tcf of another service", signals: tcString(everyPurpose, nil, publisher(everyPurpose...), others)},
	{name: "tcf, publisher refused", signals: tcString(everyPurpose, nil, publisher(1, 8, 9)), verdict: signal.Verdict{Deny: ads | content | training, Allow: measure}},
	{name: "tcf, publisher's interest", signals: tcString(everyPurpose, nil, func(s *tcf.String) {
		s.PublisherTC = &tcf.PublisherTC{PubPurposesConsent: bits.FieldOf(1, 3, 4, 5, 6, 10), PubPurposesLITransparency: bits.FieldOf(8, 9)}
	}), verdict: signal.Verdict{Allow: targeted | content | training}},
	{name: "tcf of 13 months ago", signals: tcString(everyPurpose, nil, publisher(everyPurpose...), updated(now.AddDate(0, -13, 1))), verdict: signal.Verdict{Allow: targeted | content | measure | training}},
	{name: "tcf too old", signals: tcString(everyPurpose, nil, publisher(everyPurpose...), updated(now.AddDate(0, -13, -1)))},
	{name: "tcf too old, refused", signals: tcString(nil, nil, updated(now.AddDate(0, -13, -1))), verdict: signal.Verdict{Deny: refusedAll}},
	{name: "tcf of later today", signals: tcString(everyPurpose, nil, publisher(everyPurpose...), updated(now.Add(time.Hour))), verdict: signal.Verdict{Allow: targeted | content | measure | training}},
	{name: "tcf of tomorrow", signals: tcString(everyPurpose, nil, publisher(everyPurpose...), updated(now.Add(12*time.Hour))), verdict: signal.Verdict{Doubt: refusedAll}},
	{name: "tcf undisclosed", signals: tcString(everyPurpose, nil, publisher(everyPurpose...), undisclosed)},
	{name: "tcf undisclosed, of tomorrow", signals: tcString(everyPurpose, nil, publisher(everyPurpose...), undisclosed, updated(now.AddDate(0, 0, 1))), verdict: signal.Verdict{Doubt: refusedAll}},
	{name: "tcf undisclosed, of before", signals: tcString(everyPurpose, nil, publisher(everyPurpose...), undisclosed, updated(time.Date(2026, 2, 28, 0, 0, 0, 0, time.UTC))), verdict: signal.Verdict{Allow: targeted | content | measure | training}},
	{name: "tcf at no time", signals: func(t testing.TB) *signal.Signals {
		s := tcString(everyPurpose, nil, publisher(everyPurpose...))(t)
		s.At = time.Time{}
		return s
	}},
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
	{name: "gpp child, meaningless", signals: section("usca", map[string]int{"KnownChildSensitiveDataConsents": 3}), verdict: signal.Verdict{Doubt: ads | special}},
	{name: "gpp no consent to more", signals: section("usca", map[string]int{"PersonalDataConsents": 1}), verdict: signal.Verdict{Doubt: refusedAll | special}},
	{name: "gpp consent to more", signals: section("usca", map[string]int{"PersonalDataConsents": 2})},
	{name: "gpp no notice of sharing", signals: section("usnat", map[string]int{"SharingNotice": 2}), where: us, doubt: ads},
	{name: "gpp notice of sharing", signals: section("usnat", map[string]int{"SharingNotice": 1})},
	{name: "gpp no notice of sensitive data", signals: section("usnat", map[string]int{"SensitiveDataProcessingOptOutNotice": 3}), where: us, doubt: special},
	{name: "gpp no notice of the limit", signals: section("usca", map[string]int{"SensitiveDataLimitUseNotice": 2}), where: us, doubt: special},
	{name: "gpp iowa, no notice of sensitive data", signals: section("usia", map[string]int{"SensitiveDataOptOutNotice": 2}), where: us, doubt: special},
	{name: "gpp texas, no notice", signals: section("ustx", map[string]int{"ProcessingNotice": 2}), where: us, doubt: refusedAll | special},
	{name: "gpp texas, no consent to more", signals: section("ustx", map[string]int{"AdditionalDataProcessingConsent": 1}), verdict: signal.Verdict{Doubt: refusedAll | special}},
	{name: "gpp no notice", signals: section("usnat", map[string]int{"SharingOptOutNotice": 2}), where: us, doubt: ads},
	{name: "gpp damaged", signals: read("DBABLA~CEAQ"), verdict: signal.Verdict{Doubt: refusedAll | special}},
	{name: "usp", signals: read("DBABTA~1YYN"), verdict: signal.Verdict{Deny: ads}},
	{name: "usp silent", signals: read("DBABTA~1YNN")},
	{name: "google all granted", signals: google("ad_storage", "granted", "ad_user_data", "granted", "ad_personalization", "granted", "analytics_storage", "granted", "personalization_storage", "granted", "functionality_storage", "granted", "security_storage", "granted")},
	{name: "google denied", signals: google("ad_storage", "denied", "analytics_storage", "denied", "personalization_storage", "denied", "security_storage", "denied"), verdict: signal.Verdict{Doubt: targeted | measure | content}},
	{name: "google user data", signals: google("ad_user_data", "denied"), verdict: signal.Verdict{Doubt: ads}},
	{name: "google twice", signals: google("analytics_storage", "denied", "analytics_storage", "granted"), verdict: signal.Verdict{Doubt: measure}},
	{name: "google unknown key", signals: google("wait_for_update", "500", "else", "denied")},
	{name: "google unknown value", signals: google("analytics_storage", "DENIED"), verdict: signal.Verdict{Doubt: measure | content | ads}},
	{name: "att denied", signals: att("denied"), verdict: signal.Verdict{Deny: ads}},
	{name: "att restricted", signals: att("1"), verdict: signal.Verdict{Deny: ads}},
	{name: "att authorized", signals: att("authorized")},
	{name: "att not asked", signals: att("notDetermined")},
	{name: "limited ads", signals: func(testing.TB) *signal.Signals { return &signal.Signals{LimitAds: true} }, verdict: signal.Verdict{Deny: ads}},
	{name: "limited ads, not asked", signals: func(testing.TB) *signal.Signals { return &signal.Signals{LimitAds: true, ATT: signal.NotDetermined} }},
	{name: "canada express", signals: canada(everyPurpose, nil, caPublisher(everyPurpose...)), verdict: signal.Verdict{Allow: targeted | content}},
	{name: "canada express to vendors", signals: canada(everyPurpose, nil)},
	{name: "canada, publisher content only", signals: canada(everyPurpose, nil, caPublisher(5, 6)), verdict: signal.Verdict{Deny: ads, Allow: content}},
	{name: "canada too old", signals: canada(everyPurpose, nil, caPublisher(everyPurpose...), func(s *gpp.TCFCA) { s.LastUpdated = now.AddDate(0, -13, -1) })},
	{name: "canada of tomorrow", signals: canada(everyPurpose, nil, caPublisher(everyPurpose...), func(s *gpp.TCFCA) { s.LastUpdated = now.AddDate(0, 0, 1) }), verdict: signal.Verdict{Doubt: ads | content}},
	{name: "canada implied", signals: canada(nil, everyPurpose), where: []string{"ca-qc"}, doubt: ads | content},
	{name: "canada none", signals: canada(nil, nil), verdict: signal.Verdict{Deny: ads | content}},
}

func canada(express, implied []int, change ...func(*gpp.TCFCA)) func(t testing.TB) *signal.Signals {
	return func(testing.TB) *signal.Signals {
		s := &gpp.TCFCA{LastUpdated: lately, PurposesExpressConsent: bits.FieldOf(express...), PurposesImpliedConsent: bits.FieldOf(implied...)}
		for _, f := range change {
			f(s)
		}
		return &signal.Signals{At: now, GPP: &gpp.String{Sections: []gpp.Section{{ID: 5, TCFCA: s}}}}
	}
}

func caPublisher(express ...int) func(*gpp.TCFCA) {
	return func(s *gpp.TCFCA) {
		s.PublisherPurposes = &gpp.PublisherPurposes{PubPurposesExpressConsent: bits.FieldOf(express...)}
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

// TestEvidence tells what was sent, of the rows about the uses that are asked for.
func TestEvidence(t *testing.T) {
	table := embedded(t)
	for _, c := range []struct {
		signals func(testing.TB) *signal.Signals
		says    signal.Says
		uses    declare.Uses
		want    string
	}{
		{tcString(nil, nil), signal.No, targeted, "tcf purpose 3 none, purpose 4 none (CMP 10, last updated 2026-09-21)"},
		{tcString(everyPurpose, nil, publisher(everyPurpose...)), signal.Yes, training, "tcf string valid, purpose 10 consent, publisher consent 10 yes (CMP 10, last updated 2026-09-21)"},
		{read("DBABLA~CEAQAAAAAABA.YA"), signal.No, sale, "gpc Sec-GPC 1 (usnat); gpp_us SaleOptOut 1 (usnat)"},
		{read("DBABTA~1YYN"), signal.No, sale, "gpp_usp OptOutSale Y (uspv1)"},
		{att("restricted"), signal.No, targeted, "att trackingStatus restricted"},
		{att("restricted"), signal.No, content, ""},
		{att("restricted"), signal.Yes, targeted, ""},
		{canada(nil, nil), signal.No, content, "tcf_ca purpose 5 none, purpose 6 none (CMP 0, last updated 2026-09-21)"},
	} {
		if got := table.Evidence(0, c.says, c.uses, nil, c.signals(t)); got != c.want {
			t.Errorf("%q, want %q", got, c.want)
		}
	}
	many := make([]*signal.Signals, 100)
	for i := range many {
		many[i] = att("denied")(t)
	}
	if got := table.Evidence(0, signal.No, targeted, many...); len(got) > 1<<10 || len(got) < 1000 {
		t.Errorf("%d bytes", len(got))
	}
}

// TestDated is the day of the oldest string.
func TestDated(t *testing.T) {
	old := tcString(nil, nil, updated(lately.AddDate(0, -1, 0).Add(time.Hour)))(t)
	for name, c := range map[string]struct {
		all  []*signal.Signals
		want time.Time
	}{
		"none":   {[]*signal.Signals{nil, att("denied")(t)}, time.Time{}},
		"one":    {[]*signal.Signals{tcString(nil, nil)(t)}, lately},
		"two":    {[]*signal.Signals{tcString(nil, nil)(t), old}, lately.AddDate(0, -1, 0)},
		"canada": {[]*signal.Signals{canada(nil, nil)(t)}, lately},
	} {
		if got := signal.Dated(c.all...); !got.Equal(c.want) {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
}
