package collect

import (
	"strings"

	"github.com/go-json-experiment/json/jsontext"
)

// lenient are the rules under which a whole body must be JSON. Repeated names
// and bad UTF-8 concern one event and are judged there.
var lenient = []jsontext.Options{jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true)}

// flatAt is how deep flat leaves a body. Everything that an event may hold ends
// long before.
const flatAt = 512

// flat returns a body without what lies deeper than flatAt, so that its JSON can
// be checked. An event that was deeper is still deeper than MaxDepth.
func flat(body []byte) []byte {
	out := make([]byte, 0, len(body))
	c := cursor{s: string(body)}
	for depth := 0; c.i < len(c.s); {
		from, level := c.i, depth
		switch c.s[from] {
		case '"':
			c.quoted()
		case '{', '[':
			c.i++
			depth++
		case '}', ']':
			c.i++
			depth--
			level = depth
		default:
			c.i++
		}
		if level < flatAt {
			out = append(out, c.s[from:c.i]...)
		}
	}
	return out
}

// cursor walks JSON that is known to be valid. jsontext has checked the grammar
// once for the whole body; what is left is to step over what nobody declared as
// fast as memory allows. On anything else it stops early and never panics.
type cursor struct {
	s    string
	i    int
	deep int // the deepest nesting that skip has met, in brackets
}

func (c *cursor) space() {
	for c.i < len(c.s) {
		switch c.s[c.i] {
		case ' ', '\t', '\n', '\r':
			c.i++
		default:
			return
		}
	}
}

// kind returns the first byte of the next value, 0 at the end.
func (c *cursor) kind() byte {
	c.space()
	if c.i >= len(c.s) {
		return 0
	}
	return c.s[c.i]
}

// enter steps into an object or a list, whose bracket comes next.
func (c *cursor) enter() { c.i++ }

// more reports whether another member or element comes before the closing
// bracket, which it steps over.
func (c *cursor) more(closing byte) bool {
	switch c.kind() {
	case 0:
		return false
	case closing:
		c.i++
		return false
	case ',':
		c.i++
		c.space()
	}
	return c.i < len(c.s)
}

// key reads a member's name and its colon.
func (c *cursor) key() string {
	k, _ := c.text()
	if c.kind() == ':' {
		c.i++
	}
	return k
}

// text reads the string that comes next. It is false for a string that is not
// UTF-8, which a lone surrogate is too, and for what is no string.
func (c *cursor) text() (string, bool) {
	if c.kind() != '"' {
		c.skip()
		return "", false
	}
	start := c.i
	c.quoted()
	if c.i-start < 2 {
		return "", false
	}
	raw := c.s[start+1 : c.i-1]
	if strings.IndexByte(raw, '\\') < 0 {
		return raw, true
	}
	b, err := jsontext.AppendUnquote(nil, c.s[start:c.i])
	return string(b), err == nil
}

// quoted steps over a string.
func (c *cursor) quoted() {
	c.i++
	for from := c.i; ; {
		n := strings.IndexByte(c.s[c.i:], '"')
		if n < 0 {
			c.i = len(c.s)
			return
		}
		end := c.i + n
		c.i = end + 1
		// An odd number of backslashes before it makes the quote a letter.
		escapes := 0
		for end-escapes > from && c.s[end-escapes-1] == '\\' {
			escapes++
		}
		if escapes&1 == 0 {
			return
		}
	}
}

// raw steps over the next value and returns its bytes.
func (c *cursor) raw() string {
	c.space()
	start := c.i
	c.skip()
	return c.s[start:c.i]
}

// skip steps over the next value. It takes no stack, however deep the value is.
func (c *cursor) skip() {
	switch c.kind() {
	case '"':
		c.quoted()
	case '{', '[':
		c.skipNested()
	default:
		c.skipWord()
	}
}

// skipWord steps over a number, true, false or null.
func (c *cursor) skipWord() {
	start := c.i
	for c.i < len(c.s) {
		switch c.s[c.i] {
		case ',', ']', '}', ' ', '\t', '\n', '\r', ':':
			if c.i == start {
				c.i = len(c.s) // no value: this is not JSON
			}
			return
		}
		c.i++
	}
}

func (c *cursor) skipNested() {
	depth := 0
	for c.i < len(c.s) {
		switch c.s[c.i] {
		case '"':
			c.quoted()
			continue
		case '{', '[':
			depth++
			c.deep = max(c.deep, depth)
		case '}', ']':
			depth--
			if depth == 0 {
				c.i++
				return
			}
		}
		c.i++
	}
}
