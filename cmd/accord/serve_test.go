package main

import (
	"net/netip"
	"testing"
)

// TestNetworks holds that a proxy may be named by its address alone.
func TestNetworks(t *testing.T) {
	for text, want := range map[string]string{
		"10.0.0.0/8": "10.0.0.0/8", "10.0.0.1": "10.0.0.1/32", "::1": "::1/128", "2001:db8::/32": "2001:db8::/32", "::ffff:10.0.0.1": "10.0.0.1/32",
		"": "", "10.0.0": "", "10.0.0.1/33": "", "fe80::1%eth0": "", "proxy.example": "",
	} {
		var n network
		err := n.UnmarshalText([]byte(text))
		if want == "" {
			if err == nil {
				t.Errorf("%q is taken for %v", text, netip.Prefix(n))
			}
		} else if got := netip.Prefix(n).String(); err != nil || got != want {
			t.Errorf("%q is %s (%v), want %s", text, got, err, want)
		}
	}
}
