package api

import (
	"encoding/base64"
	"net/http"
	"net/url"
	"strings"

	"accord/internal/auth"
	"accord/internal/identity"
)

// Header fields that carry the proof of whom a request is about.
const (
	headerVisitor = "Accord-Visitor"
	headerShop    = "Accord-Shop-Token"
)

// Problems that say the same thing every time.
var (
	noKey = problem(http.StatusUnauthorized, codeNoKey,
		"Send an API key: \"Authorization: Bearer KEY\", or Basic with the key as the user. `accord key add` makes one.")
	badKey = problem(http.StatusUnauthorized, codeBadKey,
		"The API key is not known here, was revoked, has ended, or is another controller's. `accord key list` shows the keys of the server.")
	secretOnly = problem(http.StatusForbidden, codeKeyKind,
		"This needs a secret key, from a server. A write key is public and may not.")
	badOrigin = problem(http.StatusForbidden, codeOrigin,
		"The API key is not for pages of this origin. Make a key whose origins name it.")
)

// credentials returns the API key in the Authorization field, as Bearer or as
// the user of Basic, and "" where there is none.
func credentials(r *http.Request) string {
	field := r.Header.Get("Authorization")
	scheme, rest, ok := strings.Cut(field, " ")
	if !ok {
		return ""
	}
	switch {
	case strings.EqualFold(scheme, "Bearer"):
		return strings.TrimSpace(rest)
	case strings.EqualFold(scheme, "Basic"):
		// A key is short; what does not fit is none.
		var in, out [256]byte
		if len(rest) > len(in) {
			return ""
		}
		n, err := base64.StdEncoding.Decode(out[:], in[:copy(in[:], rest)])
		if err != nil {
			return ""
		}
		user, _, _ := strings.Cut(string(out[:n]), ":")
		return user
	}
	return ""
}

// admit finds the key and opens the answer to the page that asks. With an empty
// plain text there was no key.
func (x *exchange) admit(r *http.Request, plain string) error {
	s := x.server
	origin := r.Header.Get("Origin")
	key, ok := auth.Key{}, false
	if plain != "" {
		key, ok = s.Keys.Check(plain, s.Now())
		ok = ok && s.serves(key.Controller)
	}
	if !ok {
		s.metrics.badKeys.Inc()
		if origin != "" && s.Keys.Allows(origin, s.Now()) {
			x.open(origin) // so that the page can read what is wrong
		}
		if plain == "" {
			return noKey
		}
		return badKey
	}
	x.key = key
	x.locate(r)
	x.listen(r)
	if origin == "" {
		return nil
	}
	if key.Allows(origin) {
		x.open(origin)
		return nil
	}
	// A page of the server itself needs no permission of its own. Others would
	// not see the answer; a write key does not act for them either.
	if key.Kind == auth.Write && !sameHost(origin, r.Host) {
		s.metrics.badOrigins.Inc()
		return badOrigin
	}
	return nil
}

// serves reports whether the data that comes with a controller's keys is
// answered for here: every record carries one controller, so another's key would
// write under the wrong name.
func (s *server) serves(c identity.Controller) bool {
	return c == "" || c == s.Declaration.Controller()
}

func sameHost(origin, host string) bool {
	u, err := url.Parse(origin)
	return err == nil && u.Host != "" && strings.EqualFold(u.Host, host)
}

// open lets pages of origin read the answer.
func (x *exchange) open(origin string) {
	h := x.Header()
	h.Set("Access-Control-Allow-Origin", origin)
	h["Vary"] = hOrigin
	h.Set("Access-Control-Expose-Headers", "Retry-After, X-Request-Id")
}

// proofs returns the proofs in the header fields.
func proofs(r *http.Request) (visitors, shops []string) {
	if v := r.Header.Get(headerVisitor); v != "" {
		visitors = []string{v}
	}
	if v := r.Header.Get(headerShop); v != "" {
		shops = []string{v}
	}
	return visitors, shops
}

// prove finds out who speaks from the key and the proofs. A secret key speaks
// for everybody. A proof that does not hold is counted and returned as an error;
// the speaker then has what the others gave. Of several that hold, each proves
// its own person, and the last is who asks where a question names nobody.
func (x *exchange) prove(visitors, shops []string) (bad error) {
	if x.key.Kind == auth.Secret {
		x.speaker = identity.Server()
		return nil
	}
	s := x.server
	for _, visitor := range visitors {
		id, err := s.Visitors.Verify(visitor, s.Now())
		if err == nil {
			x.visitor, x.speaker = id, x.speaker.WithVisitor(id)
		} else {
			s.metrics.badVisitors.Inc()
			bad = err
		}
	}
	for _, shop := range shops {
		id, err := s.Shop.Verify(shop, s.Declaration.Controller(), s.Now())
		if err == nil {
			x.user, x.speaker = id, x.speaker.WithUser(id)
		} else {
			s.metrics.badShops.Inc()
			bad = err
		}
	}
	return bad
}

// access is what a route asks of who calls it.
type access uint8

const (
	public     access = iota
	withKey           // any key; proofs, where they come, must hold
	withSecret        // a secret key
)

// enter lets a caller in or says why not.
func (x *exchange) enter(r *http.Request, need access) error {
	if need == public {
		if r.Header.Get("Origin") != "" {
			x.Header().Set("Access-Control-Allow-Origin", "*")
		}
		return nil
	}
	if err := x.admit(r, credentials(r)); err != nil {
		return err
	}
	if need == withSecret && x.key.Kind != auth.Secret {
		x.server.metrics.badKeys.Inc()
		return secretOnly
	}
	if err := x.prove(proofs(r)); err != nil {
		return problem(http.StatusUnauthorized, codeBadProof, "A proof came with the request and does not hold: "+err.Error()+".")
	}
	return nil
}

// preflight answers a browser that asks whether a page may send a request. The
// question carries no key, so it is answered from the origins of all keys; the
// request itself is then held to its own key.
func (x *exchange) preflight(r *http.Request) {
	h := x.Header()
	origin := r.Header.Get("Origin")
	h["Vary"] = hOrigin
	if origin != "" && x.server.Keys.Allows(origin, x.server.Now()) {
		h.Set("Access-Control-Allow-Origin", origin)
		h.Set("Access-Control-Allow-Methods", "GET, PUT, POST")
		h.Set("Access-Control-Allow-Headers", "Authorization, Content-Type, Content-Encoding, "+headerVisitor+", "+headerShop+", "+headerJurisdiction+", X-Retry-Count, AnonymousId")
		h.Set("Access-Control-Max-Age", "600")
	}
	x.WriteHeader(http.StatusNoContent)
}
