package places

import (
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"testing"

	"github.com/maxmind/mmdbwriter"
	"github.com/maxmind/mmdbwriter/mmdbtype"

	"accord/internal/law"
)

// write makes a database of networks of the documentation ranges.
func write(tb testing.TB, networks map[string]mmdbtype.DataType) string {
	tb.Helper()
	w, err := mmdbwriter.New(mmdbwriter.Options{DatabaseType: "Test-City", IncludeReservedNetworks: true})
	if err != nil {
		tb.Fatal(err)
	}
	for cidr, data := range networks {
		_, network, err := net.ParseCIDR(cidr)
		if err != nil {
			tb.Fatal(err)
		}
		if err := w.Insert(network, data); err != nil {
			tb.Fatal(err)
		}
	}
	name := filepath.Join(tb.TempDir(), "places.mmdb")
	f, err := os.Create(name)
	if err != nil {
		tb.Fatal(err)
	}
	defer f.Close()
	if _, err := w.WriteTo(f); err != nil {
		tb.Fatal(err)
	}
	return name
}

func in(country string, parts ...string) mmdbtype.Map {
	m := mmdbtype.Map{"country": mmdbtype.Map{"iso_code": mmdbtype.String(country)}}
	var list mmdbtype.Slice
	for _, p := range parts {
		list = append(list, mmdbtype.Map{"iso_code": mmdbtype.String(p)})
	}
	if list != nil {
		m["subdivisions"] = list
	}
	return m
}

func TestPlace(t *testing.T) {
	db, err := Open(write(t, map[string]mmdbtype.DataType{
		"192.0.2.0/25":    in("US", "CA"),
		"192.0.2.128/25":  in("DE"),
		"198.51.100.0/24": in("GB", "ENG", "WSM"),
		"203.0.113.0/25":  mmdbtype.Map{"continent": mmdbtype.Map{"code": mmdbtype.String("EU")}},
		"203.0.113.128/25": mmdbtype.Map{
			"country": mmdbtype.Map{"iso_code": mmdbtype.String("d<script>")},
		},
		"2001:db8::/32": in("CA", "QC"),
	}))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	for addr, want := range map[string]law.Place{
		"192.0.2.1": "US-CA", "192.0.2.200": "DE", "198.51.100.9": "GB-ENG", "2001:db8::1": "CA-QC", "::ffff:192.0.2.1": "US-CA",
		"203.0.113.1": "", "203.0.113.200": "", "10.0.0.1": "", "::1": "",
	} {
		if got := db.Place(netip.MustParseAddr(addr)); got != want {
			t.Errorf("%s is in %q, want %q", addr, got, want)
		}
	}
	if got := db.Place(netip.Addr{}); got != "" {
		t.Errorf("no address is in %q", got)
	}
}

func TestOpenRefuses(t *testing.T) {
	if _, err := Open(filepath.Join(t.TempDir(), "none.mmdb")); err == nil {
		t.Error("a file that is not there was opened")
	}
	text := filepath.Join(t.TempDir(), "text.mmdb")
	if err := os.WriteFile(text, []byte("this is no database"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(text); err == nil {
		t.Error("a text was opened")
	}
	if _, err := Open(write(t, map[string]mmdbtype.DataType{"192.0.2.0/24": mmdbtype.Map{"autonomous_system_number": mmdbtype.Uint32(1)}})); err == nil {
		t.Error("a database without countries was opened")
	}
}

func BenchmarkPlace(b *testing.B) {
	db, err := Open(write(b, map[string]mmdbtype.DataType{"192.0.2.0/24": in("US", "CA")}))
	if err != nil {
		b.Fatal(err)
	}
	defer db.Close()
	a := netip.MustParseAddr("192.0.2.1")
	b.ReportAllocs()
	for b.Loop() {
		if db.Place(a) != "US-CA" {
			b.Fatal("another place")
		}
	}
}
