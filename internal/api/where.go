package api

import (
	"net/http"
	"net/netip"
	"strings"

	"accord/internal/auth"
	"accord/internal/consent"
	"accord/internal/law"
)

// Places finds the place of a network address, "" where it is not known. *places.DB
// does.
type Places interface {
	Place(a netip.Addr) law.Place
}

// headerJurisdiction names where the person is for the law, on every route. What
// Segment's clients send says it in context.location.
const headerJurisdiction = "Accord-Jurisdiction"

// locate notes where a request is from, for the law: as it says itself, and of a
// page or an app by its address, which is dropped here. Where several tell, all count
// for the request; what is recorded with a choice is where the address is.
func (x *exchange) locate(r *http.Request) {
	s := x.server
	if s.Law == nil {
		return
	}
	said := r.Header.Values(headerJurisdiction)
	for _, place := range said {
		x.in |= s.Law.In(law.Place(place))
	}
	if len(said) == 1 && law.Place(said[0]).Valid() {
		x.place = law.Place(said[0])
	}
	// A secret key speaks from the shop's own server, whose address says nothing of
	// the person.
	if s.Places == nil || x.key.Kind == auth.Secret {
		return
	}
	if place := s.Places.Place(s.address(r)); place != "" {
		x.in |= s.Law.In(place)
		x.place, x.located = place, true // nobody chooses it by a word
	}
}

// address returns whose request it is: the first from the right that is no proxy of
// the operator's. The zero Addr is nobody's.
func (s *server) address(r *http.Request) netip.Addr {
	from, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return netip.Addr{}
	}
	addr := from.Addr().Unmap()
	hops := strings.Split(strings.Join(r.Header.Values("X-Forwarded-For"), ","), ",")
	for i := len(hops) - 1; i >= 0 && s.isProxy(addr); i-- {
		if addr, err = netip.ParseAddr(strings.TrimSpace(hops[i])); err != nil {
			return netip.Addr{}
		}
		addr = addr.Unmap()
	}
	return addr
}

func (s *server) isProxy(a netip.Addr) bool {
	for _, p := range s.Proxies {
		if p.Contains(a) {
			return true
		}
	}
	return false
}

// where returns what the request of somebody who is not known tells the law and the
// gate; declared is a place that it names in its body, or "". Of a person it is
// [exchange.whereOf].
func (x *exchange) where(declared law.Place) consent.Where {
	w := consent.Where{In: x.in, Deny: x.refuses}
	if declared != "" && x.server.Law != nil {
		w.In |= x.server.Law.In(declared)
	}
	return w
}
