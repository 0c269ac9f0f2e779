package collect

import (
	"context"

	"accord/internal/consent"
	"accord/internal/declare"
	"accord/internal/identity"
	"accord/internal/law"
	"accord/internal/signal"
)

// readSignal reads a member of context.consent that holds a signal: a TC string, a
// GPP string, or Google's Consent Mode as an object of its keys. Of a signal that
// comes twice, or is of another type, nobody knows what it says.
func readSignal(q *preferences, key string, c *cursor) {
	if c.kind() == 'n' {
		c.skip()
		return
	}
	s := q.heard()
	switch key {
	case "google":
		readGoogle(&s.Google, c)
	case "tcf":
		text, ok := c.text()
		if s.TCF != nil || !ok {
			s.TCFDamaged = true
		} else if text != "" {
			s.ReadTCF(text)
		}
	case "gpp":
		text, ok := c.text()
		if s.GPP != nil || !ok {
			s.GPPDamaged = true
		} else if text != "" {
			s.ReadGPP(text)
		}
	}
}

// heard returns where the signals of a context are noted.
func (p *preferences) heard() *signal.Signals {
	if p.own == nil {
		p.own = &signal.Signals{}
	}
	return p.own
}

func readGoogle(m *signal.ConsentMode, c *cursor) {
	if c.kind() != '{' {
		c.skip()
		return
	}
	for c.enter(); c.more('}'); {
		key := c.key()
		if value, ok := c.text(); ok {
			m.Read(key, value)
		}
	}
}

// readDevice reads what context.device says of Apple's App Tracking Transparency:
// trackingStatus as Segment's clients send it, attTrackingStatus as RudderStack's do,
// and adTrackingEnabled, which both know.
func readDevice(q *preferences, c *cursor) {
	if c.kind() != '{' {
		c.skip()
		return
	}
	for c.enter(); c.more('}'); {
		switch c.key() {
		case "trackingStatus", "attTrackingStatus":
			if status := signal.ParseATT(scalar(c)); status != signal.Silent {
				s := q.heard()
				s.ATT = stricter(s.ATT, status)
			}
		case "adTrackingEnabled":
			if c.raw() == "false" {
				q.heard().LimitAds = true
			}
		default:
			c.skip()
		}
	}
}

// stricter returns the stricter of two statuses that came together.
func stricter(a, b signal.ATT) signal.ATT {
	for _, one := range []signal.ATT{signal.Denied, signal.Restricted, signal.NotDetermined} {
		if a == one || b == one {
			return one
		}
	}
	return b
}

// readLocation reads the place in context.location: the country in ISO 3166-1's two
// letters, and the region as ISO 3166-2 spells it, with the country before it or
// without. A country in words is as if it were absent, and so is a region.
func (c *Collector) readLocation(q *preferences, at *cursor) {
	if at.kind() != '{' || c.Law == nil {
		at.skip()
		return
	}
	var country, region string
	for at.enter(); at.more('}'); {
		switch at.key() {
		case "country":
			country, _ = at.text()
		case "region":
			region, _ = at.text()
		default:
			at.skip()
		}
	}
	q.in |= c.regimes(country, region)
}

// regimes returns those of a place, none where it is not in ISO's codes. It does not
// allocate.
func (c *Collector) regimes(country, region string) law.Regimes {
	if !letters(country, 2, 2) {
		return 0
	}
	var spelled [6]byte
	n := copy(spelled[:], country)
	if len(region) > 3 && region[2] == '-' && (region[0]|0x20) == (country[0]|0x20) && (region[1]|0x20) == (country[1]|0x20) {
		region = region[3:]
	}
	if letters(region, 1, 3) {
		spelled[n] = '-'
		n += 1 + copy(spelled[n+1:], region)
	}
	return c.Law.In(law.Place(spelled[:n]))
}

// letters reports whether s is a code of so many letters or digits.
func letters(s string, least, most int) bool {
	if len(s) < least || len(s) > most {
		return false
	}
	for i := range len(s) {
		if b := s[i] | 0x20; (b < 'a' || b > 'z') && (s[i] < '0' || s[i] > '9' || most == 2) {
			return false
		}
	}
	return true
}

// judge returns the purposes that the signals of a context refuse, leave in doubt and
// give, for a request from some regimes.
func (c *Collector) judge(in law.Regimes, q *preferences) (deny, doubt, allow declare.Set) {
	if c.Signals == nil || q.own == nil && q.shared == nil {
		return 0, 0, 0
	}
	v := c.Signals.Judge(in|q.in, q.own, q.shared)
	d := c.Declaration
	return signal.Refused(d, v.Deny), signal.Refused(d, v.Doubt), signal.Given(d, v.Allow)
}

// judgeSignals works out what the signals in the messages say.
func (b *batch) judgeSignals() {
	for i := range b.messages {
		m := &b.messages[i]
		deny, doubt, allow := b.c.judge(b.where.In, &m.prefs)
		m.prefs.deny |= deny
		m.withheld |= doubt
		m.prefs.allow |= allow
		m.refused = b.where.Deny
	}
}

// honourSignal asks what the signal of the request refuses for each person who is
// known and proven.
func (b *batch) honourSignal(ctx context.Context) {
	if b.honour == nil {
		return
	}
	asked := make(map[identity.Token]declare.Set, 1)
	for i := range b.messages {
		m := &b.messages[i]
		if !m.known || m.erased || m.proof == identity.Unproven {
			continue
		}
		refused, done := asked[m.token]
		if !done {
			refused = b.honour(ctx, m.token, m.proof)
			asked[m.token] = refused
		}
		m.refused = refused
	}
}

// at returns what a message and its request tell the gate.
func (b *batch) at(m *message) consent.Where {
	return consent.Where{In: b.where.In | m.prefs.in, Deny: m.refused}
}
