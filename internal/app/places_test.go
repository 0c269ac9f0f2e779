package app

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/maxmind/mmdbwriter"
	"github.com/maxmind/mmdbwriter/mmdbtype"
)

// placesFile is a database in which two networks are in Texas and in Germany.
func placesFile(t *testing.T) string {
	t.Helper()
	w, err := mmdbwriter.New(mmdbwriter.Options{DatabaseType: "Test-City", IncludeReservedNetworks: true})
	if err != nil {
		t.Fatal(err)
	}
	for cidr, place := range map[string][2]string{"192.0.2.0/24": {"US", "TX"}, "198.51.100.0/24": {"DE", "BE"}} {
		_, network, _ := net.ParseCIDR(cidr)
		err := w.Insert(network, mmdbtype.Map{
			"country":      mmdbtype.Map{"iso_code": mmdbtype.String(place[0])},
			"subdivisions": mmdbtype.Slice{mmdbtype.Map{"iso_code": mmdbtype.String(place[1])}},
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	name := filepath.Join(t.TempDir(), "places.mmdb")
	f, err := os.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := w.WriteTo(f); err != nil {
		t.Fatal(err)
	}
	return name
}

// A purpose that rests on a legitimate interest is used where the law lets that do, by
// the place that a browser's address is in; the address itself is kept nowhere.
func TestLawByAddress(t *testing.T) {
	c := newCrash(t)
	file := filepath.Join(c.data, "accord.yaml")
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	text = []byte(strings.Replace(string(text), "\npurposes:\n", "\npurposes:\n  measuring:\n    basis: legitimate_interest\n    use: [analytics]\n    title: Counting\n    text: We count what is looked at.\n\n", 1))
	text = []byte(strings.Replace(string(text), "languages: [en, ru]", "languages: [en]", 1))
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
	key, _, err := MakeKey(c.data, "write", "web", []string{"*"})
	if err != nil {
		t.Fatal(err)
	}
	addr, stop := inProcess(t, func(ctx context.Context, talk io.Writer) error {
		return Serve(ctx, ServeOptions{Listen: "127.0.0.1:0", Config: Config{
			Data: c.data, Logger: quiet(), Learn: time.Hour, Places: placesFile(t), Proxies: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("10.0.0.0/8")},
		}}, talk)
	})
	do := func(method, path, body string, headers ...string) (out map[string]any) {
		t.Helper()
		r, err := http.NewRequestWithContext(t.Context(), method, "http://"+addr+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Authorization", "Bearer "+key)
		for i := 0; i < len(headers); i += 2 {
			r.Header.Add(headers[i], headers[i+1])
		}
		a, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer a.Body.Close()
		if err := json.NewDecoder(a.Body).Decode(&out); err != nil || a.StatusCode != 200 {
			t.Fatalf("%s %s: %d %v %v", method, path, a.StatusCode, out, err)
		}
		return out
	}
	visitor := do("POST", "/v1/visitor", "")
	id, token := fmt.Sprint(visitor["anonymous_id"]), fmt.Sprint(visitor["token"])
	reason := func(headers ...string) string {
		t.Helper()
		out := do("GET", "/v1/consent?anonymous_id="+id, "", append(headers, "Accord-Visitor", token)...)
		for _, p := range out["purposes"].([]any) {
			if p := p.(map[string]any); p["purpose"] == "measuring" {
				return fmt.Sprint(p["reason"])
			}
		}
		return ""
	}
	const forwarded, jurisdiction = "X-Forwarded-For", "Accord-Jurisdiction"
	for _, try := range []struct {
		headers []string
		want    string
	}{
		{nil, "law_needs_consent"}, // of nowhere known
		{[]string{forwarded, "192.0.2.7"}, "allowed"},
		{[]string{forwarded, "192.0.2.7, 10.1.2.3"}, "allowed"},               // behind two proxies
		{[]string{forwarded, "192.0.2.7, 198.51.100.7"}, "law_needs_consent"}, // what stands before is what the client says
		{[]string{forwarded, "198.51.100.7"}, "law_needs_consent"},
		{[]string{forwarded, "203.0.113.7"}, "law_needs_consent"},
		{[]string{forwarded, "nonsense"}, "law_needs_consent"},
		{[]string{jurisdiction, "US-TX"}, "allowed"},
		{[]string{jurisdiction, "US-TX", forwarded, "198.51.100.7"}, "law_needs_consent"}, // the stricter of both
		{[]string{jurisdiction, "DE", forwarded, "192.0.2.7"}, "law_needs_consent"},
		{[]string{jurisdiction, "US-TX", jurisdiction, "DE"}, "law_needs_consent"}, // whichever line comes first
		{[]string{jurisdiction, "DE", jurisdiction, "US-TX"}, "law_needs_consent"},
		{[]string{jurisdiction, "US-ZZ-nonsense", forwarded, "192.0.2.7"}, "law_needs_consent"},
	} {
		if got := reason(try.headers...); got != try.want {
			t.Errorf("%v: %s, want %s", try.headers, got, try.want)
		}
	}
	// A choice notes the place, and nobody notes the address.
	do("PUT", "/v1/consent", `{"person":{"anonymous_id":"`+id+`"},"choices":{"newsletter":"given"},"jurisdiction":"US-TX"}`, "Accord-Visitor", token, forwarded, "198.51.100.7", jurisdiction, "US-TX")
	out := do("GET", "/v1/consent?anonymous_id="+id, "", "Accord-Visitor", token, forwarded, "192.0.2.7")
	if text := fmt.Sprint(out["history"]); !strings.Contains(text, "jurisdiction:DE-BE") {
		t.Errorf("the history is %s", text)
	}
	if got := reason(forwarded, "192.0.2.7"); got != "law_needs_consent" {
		t.Errorf("chose in Germany, asks from Texas: %s", got)
	}
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	err = filepath.WalkDir(c.data, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := os.ReadFile(path)
		if strings.Contains(string(b), "198.51.100.7") || strings.Contains(string(b), "192.0.2.7") {
			t.Errorf("%s holds an address", path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}
