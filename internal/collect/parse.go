package collect

import (
	"crypto/rand"
	"strings"
	"time"
	"unicode/utf8"

	"accord/internal/event"
	"accord/internal/identity"

	"github.com/go-json-experiment/json/jsontext"
)

// parse reads a body into messages. After an error nothing of it counts.
func (b *batch) parse(kind string, body []byte) error {
	one := parseVerb(kind)
	switch {
	case one == noVerb && kind != "batch":
		return ErrKind
	case len(body) > MaxBatch, one != noVerb && len(body) > MaxEvent:
		return ErrTooLarge
	case !jsontext.Value(body).IsValid(lenient...):
		// jsontext goes 10,000 levels deep. An event that is deeper is too deep, and
		// the others of its batch are not lost with it.
		if body = flat(body); !jsontext.Value(body).IsValid(lenient...) {
			return ErrBadJSON
		}
	}
	// One copy for the whole request: every text below is a part of it.
	b.text = string(body)
	c := cursor{s: b.text}
	if c.kind() != '{' {
		return ErrBadJSON
	}
	if one != noVerb {
		b.message(&c, one)
		return b.shareOut()
	}
	found := false
	for c.enter(); c.more('}'); {
		switch c.key() {
		case "batch":
			if c.kind() != '[' {
				return ErrBadJSON
			}
			found = true
			for c.enter(); c.more(']'); {
				if len(b.messages) == MaxEvents {
					return ErrTooLarge
				}
				b.message(&c, noVerb)
			}
		case "sentAt":
			b.shared.sent, _ = c.text()
		case "context":
			b.readShared(c.raw())
		default:
			c.skip()
		}
	}
	if !found {
		return ErrBadJSON
	}
	return b.shareOut()
}

// readShared sets the batch-level context aside until the messages are read. Of
// one that is not taken the refusals count all the same, and where none could be
// read nothing is kept that a refusal could end.
func (b *batch) readShared(raw string) {
	switch {
	case raw == "null":
	case raw[0] != '{':
		b.shared.unread = true
	case len(raw) > MaxEvent || !utf8.ValidString(raw) || b.shared.raw != "":
		b.dropped[TooMany]++
		deny, doubt := b.denials(raw)
		b.shared.deny, b.shared.doubt = b.shared.deny|deny, b.shared.doubt|doubt
	default:
		b.shared.raw = raw
	}
}

// Limits of the declared values in a batch-level context: each of them is kept
// once for every message.
const (
	maxShared      = 64
	maxSharedBytes = 4 << 20 // of the context, times the messages
)

// shareOut gives every message what the batch says for all of them. A message's
// own values go before.
func (b *batch) shareOut() error {
	for i := range b.messages {
		b.messages[i].prefs.deny |= b.shared.deny
		b.messages[i].withheld |= b.shared.doubt
	}
	if b.shared.raw == "" {
		return nil
	}
	var prefs preferences
	b.preferences(&prefs, cursor{s: b.shared.raw})
	var common message
	common.from = len(b.values)
	c := cursor{s: b.shared.raw}
	b.object(&common, b.c.plan.context, &c, 0)
	common.to = len(b.values)
	n := common.to - common.from
	if n > maxShared || len(b.shared.raw)*len(b.messages) > maxSharedBytes {
		b.dropped[TooMany] += n
		n = 0
	}
	for i := range b.messages {
		m := &b.messages[i]
		m.prefs.merge(&prefs)
		if n == 0 || m.plan == nil {
			continue
		}
		from := len(b.values)
		b.values = append(b.values, b.values[m.from:m.to]...)
		for _, v := range b.values[common.from:common.to] {
			if len(b.values)-from < event.MaxFields && !has(b.values[from:], v) {
				b.values = append(b.values, v)
			}
		}
		m.from, m.to = from, len(b.values)
	}
	return nil
}

func has(values []value, v value) bool {
	for i := range values {
		if values[i].node == v.node && values[i].index == v.index {
			return true
		}
	}
	return false
}

// The names of an event that are read, as bits.
const (
	hasType = 1 << iota
	hasName
	hasUser
	hasAnonymous
	hasMessageID
	hasTimestamp
	hasOriginal
	hasSent
	hasProperties
	hasTraits
	hasContext
	hasTitle
)

// message reads one message, whatever it is, and steps over it.
func (b *batch) message(c *cursor, as verb) {
	b.messages = append(b.messages, message{verb: as})
	m := &b.messages[len(b.messages)-1]
	b.startTrace(len(b.messages) - 1)
	defer b.endTrace()
	start := c.i
	if c.kind() != '{' {
		c.skip()
		m.fail(NoObject)
		m.from, m.to = len(b.values), len(b.values)
		return
	}
	c.deep = 0
	b.head(c, m)
	m.from = len(b.values)
	switch {
	case c.i-start > MaxEvent:
		m.fail(TooLarge)
	case c.deep >= MaxDepth:
		m.fail(TooDeep)
	case !utf8.ValidString(c.s[start:c.i]):
		m.fail(BadUTF8)
	}
	b.body(m)
	m.to = len(b.values)
}

func (m *message) fail(r Reason) {
	if !m.bad {
		m.bad, m.reason = true, r
	}
}

// once notes a name of the event's top level; a second one makes it bad.
func (m *message) once(bit uint32) {
	if m.seen&bit != 0 {
		m.fail(RepeatedName)
	}
	m.seen |= bit
}

// head reads the names of an event's top level and sets its values aside.
func (b *batch) head(c *cursor, m *message) {
	var event, title, previous string
	for c.enter(); c.more('}'); {
		switch key := c.key(); key {
		case "type":
			m.once(hasType)
			m.typ, _ = c.text()
		case "event":
			m.once(hasName)
			event, _ = c.text()
		case "name":
			m.once(hasTitle)
			title, _ = c.text()
		case "userId":
			m.once(hasUser)
			m.user = m.identifier(c)
		case "anonymousId":
			m.once(hasAnonymous)
			m.anonymous = m.identifier(c)
		case "messageId":
			m.once(hasMessageID)
			m.messageID = scalar(c)
		case "timestamp":
			m.once(hasTimestamp)
			m.timestamp = scalar(c)
		case "originalTimestamp":
			m.once(hasOriginal)
			m.original = scalar(c)
		case "sentAt":
			m.once(hasSent)
			m.sent = scalar(c)
		case "properties":
			m.once(hasProperties)
			m.properties = c.raw()
		case "traits":
			m.once(hasTraits)
			m.traits = c.raw()
		case "context":
			if m.once(hasContext); m.ctx != "" {
				deny, _ := b.denials(m.ctx) // and nothing of it is kept
				m.prefs.deny |= deny
			}
			m.ctx = c.raw()
		case "previousId":
			previous = scalar(c)
		case "groupId", "integrations", "writeKey", "_metadata", "channel", "version", "receivedAt", "category":
			c.skip() // words of the protocol, of which nothing is kept
		default:
			b.undeclared(m, key)
			c.skip()
		}
	}
	m.name = event
	if m.verb == noVerb {
		m.verb = parseVerb(m.typ)
	}
	if m.verb == page || m.verb == screen {
		m.name = title
	}
	if m.verb == alias && m.anonymous == "" && len(previous) <= identity.MaxIdentifier {
		m.anonymous = previous
	}
}

// identifier reads an identifier; null and "" are none. Some clients send ids
// that are whole numbers as such: they are their digits.
func (m *message) identifier(c *cursor) string {
	var s string
	var ok bool
	switch kind := c.kind(); {
	case kind == 'n':
		c.skip()
		return ""
	case kind == '-' || kind >= '0' && kind <= '9':
		s = c.raw()
		ok = strings.Trim(s, "-0123456789") == ""
	default:
		s, ok = c.text()
	}
	if !ok || len(s) > identity.MaxIdentifier {
		m.fail(BadIdentifier)
		return ""
	}
	return s
}

// scalar reads a string, or the letters of a number; anything else is "".
func scalar(c *cursor) string {
	switch c.kind() {
	case '"':
		s, _ := c.text()
		return s
	case '{', '[', 'n', 't', 'f':
		c.skip()
		return ""
	}
	return c.raw()
}

// body finds out what the message is and reads its declared values.
func (b *batch) body(m *message) {
	b.find(m)
	if m.root != nil {
		raw := m.properties
		if m.verb == identify {
			raw = m.traits
		}
		b.walk(m, m.root, raw)
	}
	b.context(m)
	if m.user == "" && m.anonymous == "" {
		m.fail(NoIdentity)
	}
}

// find sets the message's event and the tree of its values.
func (b *batch) find(m *message) {
	p := b.c.plan
	switch m.verb {
	case noVerb:
		m.fail(UnknownType)
	case identify:
		m.root = p.traits
	case group, alias:
		m.reason = NotJoined
	case track:
		if m.name == "" {
			m.fail(NoName)
		}
		m.act = m.name == preferenceUpdated
		m.plan = p.events[m.name]
	case page, screen:
		if m.plan = p.events[m.name]; m.plan == nil {
			m.plan = p.page
			if m.verb == screen {
				m.plan = p.screen
			}
		}
	}
	if m.plan != nil {
		m.root = m.plan.root
	} else if m.reason == NoReason && m.verb != identify {
		m.reason = UndeclaredEvent
	}
	if m.bad {
		m.plan, m.root = nil, nil
	}
}

// identity sets the message's id, which is the speaker's own. An id that is
// absent is made up, so that the message is one of its own.
func (b *batch) identity(m *message) {
	switch {
	case b.imported: // the line has it
	case m.messageID == "":
		m.assigned = true
		rand.Read(m.id[:])
	default:
		m.id = event.ID(b.c.hasher.Message(b.source, m.proof, m.who, m.messageID))
	}
}

// when sets the message's time by the sender's clock, corrected.
func (b *batch) when(m *message) {
	if b.imported {
		return
	}
	m.at = b.received
	text := m.original
	if text == "" {
		text = m.timestamp
	}
	if text == "" {
		return
	}
	at, ok := parseTime(text)
	if !ok || at <= 0 {
		m.fail(BadTime)
		return
	}
	sent := m.sent
	if sent == "" {
		sent = b.shared.sent
	}
	if s, ok := parseTime(sent); ok && s > 0 {
		at += b.received - s
	}
	switch ahead := at - b.received; {
	case at <= 0:
		m.fail(BadTime)
	case ahead > MaxAhead.Milliseconds():
		m.fail(Future)
	case ahead > 0:
	default:
		m.at = at
	}
}

// parseTime reads a time as RFC 3339 writes it, or a date, in Unix milliseconds.
func parseTime(s string) (int64, bool) {
	t, err := time.Parse(time.RFC3339Nano, s)
	if err != nil {
		if t, err = time.Parse(time.DateOnly, s); err != nil {
			return 0, false
		}
	}
	return t.UnixMilli(), true
}
