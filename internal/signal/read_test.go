package signal_test

import (
	"fmt"
	"strings"
	"testing"

	"accord/internal/law"
	"accord/internal/signal"
)

const head = "version: \"1\"\ndated: \"2026-11-25\"\nshown: {en: Honoured.}\ngroups: {atlantic: [eu, us-ca]}\nrows:\n"

func row(parts ...string) string {
	m := map[string]string{"signal": "gpc", "if": `{Sec-GPC: "1"}`, "says": `"no"`, "uses": "[sale]", "source": "somebody"}
	for i := 0; i < len(parts); i += 2 {
		m[parts[i]] = parts[i+1]
	}
	out := ""
	for _, key := range []string{"signal", "if", "says", "uses", "in", "source", "more"} {
		if v, ok := m[key]; ok && v != "-" {
			out += "    " + key + ": " + v + "\n"
		}
	}
	return "  - " + strings.TrimPrefix(out, "    ")
}

// A table is refused with the line of what is wrong in it.
func TestReadRefuses(t *testing.T) {
	if _, err := signal.Read("table.yaml", []byte(head+row()), law.Embedded()); err != nil {
		t.Fatal(err)
	}
	for text, want := range map[string]string{
		"":                                           "1: this is not the YAML of one table of signals",
		head:                                         "rows must be a list",
		head + row("signal", "smoke"):                "6: signal is \"smoke\"",
		head + row("says", "perhaps"):                "8: says is \"perhaps\"",
		head + row("says", "no"):                     "", // a word is a word
		head + row("uses", "[]"):                     "9: uses is empty",
		head + row("uses", "[marketing]"):            "9: uses lists \"marketing\"",
		head + row("if", "{}"):                       "7: if is empty",
		head + row("if", `{Sec-GPC: "0"}`):           "7: a row of gpc cannot ask",
		head + row("if", "-"):                        "6: a row has no if",
		head + row("source", "-"):                    "6: a row has no source",
		head + row("in", "mars"):                     "10: in is \"mars\"",
		head + row("in", "[mars]"):                   "10: there is no regime \"mars\"",
		head + row("more", "x"):                      "has no key \"more\"",
		head + row() + row():                         "11: the row says under the same conditions what line 6 says",
		strings.Replace(head+row(), `"1"`, `"2"`, 1): "1: version is \"2\"",
		strings.Replace(head+row(), "2026-11-25", "yesterday", 1): "2: dated is",
		strings.Replace(head+row(), "en:", "de:", 1):              "3: shown has no text in en",
		strings.Replace(head+row(), "eu,", "ue,", 1):              "4: there is no regime \"ue\"",
		head + row("signal", "tcf", "if", "{purpose 25: none}"):   "cannot ask",
		head + row("signal", "tcf", "if", "{purpose 03: none}"):   "cannot ask",
		head + row("signal", "gpp_us", "if", `{SaleOptOut: "4"}`): "cannot ask",
		head + row("signal", "google", "if", "{ads: denied}"):     "cannot ask",
	} {
		_, err := signal.Read("table.yaml", []byte(text), law.Embedded())
		if want == "" && err == nil {
			continue
		}
		if err == nil || want == "" || !strings.Contains(err.Error(), want) {
			t.Errorf("%s\n%v, want %q", text, err, want)
		}
	}
}

// A row of some regimes counts there: a no for whoever is in one of them, a yes for
// whoever is in none beside, and both everywhere where there is no law.
func TestRegimes(t *testing.T) {
	code := law.Embedded()
	text := []byte(head + row("in", "atlantic") + row("says", `"yes"`, "uses", "[analytics]", "in", "[eu, us-ca]"))
	table, err := signal.Read("table.yaml", text, code)
	if err != nil {
		t.Fatal(err)
	}
	gpc := &signal.Signals{GPC: true}
	eu, ca, in := code.In("DE"), code.In("US-CA"), code.In("IN")
	for _, c := range []struct {
		in   law.Regimes
		want string
	}{
		{eu, "sale/analytics"}, {eu | ca, "sale/analytics"}, {eu | in, "sale/"}, {in, "/"}, {0, "sale/"}, {code.All(), "sale/"},
	} {
		v := table.Judge(c.in, gpc)
		if got := fmt.Sprintf("%s/%s", v.Deny, v.Allow); got != c.want {
			t.Errorf("%v: %s, want %s", code.Names(c.in), got, c.want)
		}
	}
	if table, err = signal.Read("table.yaml", text, nil); err != nil {
		t.Fatal(err)
	}
	if v := table.Judge(eu, gpc); v.Deny != sale || v.Allow != measure {
		t.Errorf("without a law: %s", words(v))
	}
}

// A judgement costs no memory.
func TestJudgeAllocates(t *testing.T) {
	table, s := embedded(t), &signal.Signals{GPC: true, ATT: signal.Denied}
	s.Google.Read("ad_storage", "denied")
	if n := testing.AllocsPerRun(100, func() { table.Judge(0, s, nil) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
