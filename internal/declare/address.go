package declare

import (
	"net/netip"
	"net/url"
	"strings"

	"go.yaml.in/yaml/v4"
)

// address reads an address of the web or the name of a file. What is read there
// decides who is believed, so it must come over https; a server on the same machine
// may do without.
func (s *source) address(n *yaml.Node, what string) string {
	text, ok := s.Text(n, what)
	if !ok || !strings.Contains(text, "://") {
		return text
	}
	u, err := url.Parse(text)
	switch {
	case err != nil || u.Host == "" || u.User != nil || u.Fragment != "":
		s.Fault(n, "%s must be an address such as https://shop.example/jwks.json, without a name, a password or a fragment, or the name of a file", what)
	case u.Scheme != "https" && !(u.Scheme == "http" && onThisMachine(u.Hostname())):
		s.Fault(n, "%s must begin with https://: over anything else somebody on the way could put in keys of their own", what)
	}
	return text
}

func onThisMachine(host string) bool {
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && ip.IsLoopback()
}
