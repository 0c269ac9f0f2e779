package api

import (
	"bytes"
	"slices"
	"sync"

	"github.com/go-json-experiment/json/jsontext"

	"accord/internal/identity"
)

// claims are what a collected body says about who sends it, for clients that
// cannot set header fields.
type claims struct {
	writeKey string   // top level
	visitors []string // context.accord.visitor, each once: the last MaxProven
	shops    []string // context.accord.shop_token, likewise
}

// maxClaim bounds a claim in bytes. A shop token is the longest.
const maxClaim = 4096

// reader is a decoder of a body in memory, used again.
type reader struct {
	dec *jsontext.Decoder
	buf bytes.Buffer
}

var readers = sync.Pool{New: func() any { return &reader{dec: new(jsontext.Decoder)} }}

func newReader(b []byte, options ...jsontext.Options) *reader {
	r := readers.Get().(*reader)
	r.buf = *bytes.NewBuffer(b)
	r.dec.Reset(&r.buf, options...)
	return r
}

func (r *reader) release() {
	r.buf = bytes.Buffer{}
	r.dec.Reset(&r.buf)
	readers.Put(r)
}

// mayProve reports whether a body can hold proofs at all: a search that costs
// almost nothing spares most bodies the scan.
func mayProve(b []byte) bool { return bytes.Contains(b, []byte(`"accord"`)) }

// lenient leaves the faults of a body to the collector, which reads all of it.
var lenient = []jsontext.Options{jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true)}

// scan reads the claims of a body. Official clients put the context into each
// event of a batch, and a batch that waited in a browser may hold a proof that
// has ended before one that holds, or those of several people: the last few are
// kept for the one speaker that a request has. It reports false for a body that is not an
// object in JSON, as far as it was read: with needKey and no proofs to look for,
// the scan ends at the key.
func scan(b []byte, needKey bool) (c claims, ok bool) {
	proofs := mayProve(b)
	if !needKey && !proofs {
		return c, true
	}
	r := newReader(b, lenient...)
	defer r.release()
	ok = r.members(func(name string) bool {
		switch {
		case name == "writeKey" && needKey && c.writeKey == "":
			return r.text(&c.writeKey) && (proofs || c.writeKey == "")
		case name == "context" && proofs:
			return r.context(&c)
		case name == "batch" && proofs:
			return r.batch(&c)
		}
		return r.dec.SkipValue() == nil
	})
	return c, ok || needKey && c.writeKey != "" && !proofs
}

// members calls each with the name of every member of the object that comes
// next, until it returns false. Each must read the value.
func (r *reader) members(each func(name string) bool) bool {
	if r.dec.PeekKind() != '{' {
		return false
	}
	if _, err := r.dec.ReadToken(); err != nil {
		return false
	}
	for r.dec.PeekKind() == '"' {
		name, err := r.name()
		if err != nil || !each(name) {
			return false
		}
	}
	t, err := r.dec.ReadToken()
	return err == nil && t.Kind() == '}'
}

// name reads a member's name, "" for one that this package does not know. Only a
// name with escapes in it costs an allocation.
func (r *reader) name() (string, error) {
	v, err := r.dec.ReadValue()
	if err != nil {
		return "", err
	}
	if s, ok := known[string(v)]; ok {
		return s, nil
	}
	if bytes.IndexByte(v, '\\') < 0 {
		return "", nil
	}
	b, err := jsontext.AppendUnquote(nil, v)
	return string(b), err
}

// known are the names that this package reads, quoted.
var known = func() map[string]string {
	m := map[string]string{}
	for _, s := range []string{
		"writeKey", "context", "batch", "accord", "visitor", "shop_token",
		"person", "purpose", "moment", "exclude", "n", "language", "user_id", "anonymous_id",
		"time", "place", "channel", "session",
	} {
		m[`"`+s+`"`] = s
	}
	return m
}()

// text reads a string into s, and passes over any other value.
func (r *reader) text(s *string) bool {
	if r.dec.PeekKind() != '"' {
		return r.dec.SkipValue() == nil
	}
	t, err := r.dec.ReadToken()
	if err != nil {
		return false
	}
	if v := t.String(); len(v) <= maxClaim && *s == "" {
		*s = v
	}
	return true
}

// proof adds a string to those that are known, and passes over any other value.
// Most events of a batch repeat the one before.
func (r *reader) proof(list *[]string) bool {
	if r.dec.PeekKind() != '"' {
		return r.dec.SkipValue() == nil
	}
	v, err := r.dec.ReadValue()
	if err != nil {
		return false
	}
	if n := len(*list); n > 0 && string(v[1:len(v)-1]) == (*list)[n-1] {
		return true
	}
	b, err := jsontext.AppendUnquote(nil, v)
	if err != nil || len(b) == 0 || len(b) > maxClaim || slices.Contains(*list, string(b)) {
		return true
	}
	if len(*list) == identity.MaxProven {
		*list = slices.Delete(*list, 0, 1)
	}
	*list = append(*list, string(b))
	return true
}

func (r *reader) context(c *claims) bool {
	if r.dec.PeekKind() != '{' {
		return r.dec.SkipValue() == nil
	}
	return r.members(func(name string) bool {
		if name != "accord" || r.dec.PeekKind() != '{' {
			return r.dec.SkipValue() == nil
		}
		return r.members(func(name string) bool {
			switch name {
			case "visitor":
				return r.proof(&c.visitors)
			case "shop_token":
				return r.proof(&c.shops)
			}
			return r.dec.SkipValue() == nil
		})
	})
}

func (r *reader) batch(c *claims) bool {
	if r.dec.PeekKind() != '[' {
		return r.dec.SkipValue() == nil
	}
	if _, err := r.dec.ReadToken(); err != nil {
		return false
	}
	for r.dec.PeekKind() != ']' {
		if r.dec.PeekKind() != '{' {
			if r.dec.SkipValue() != nil {
				return false
			}
			continue
		}
		ok := r.members(func(name string) bool {
			if name == "context" {
				return r.context(c)
			}
			return r.dec.SkipValue() == nil
		})
		if !ok {
			return false
		}
	}
	_, err := r.dec.ReadToken()
	return err == nil
}
