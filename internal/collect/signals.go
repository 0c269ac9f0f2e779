package collect

import (
	"cmp"
	"context"
	"strings"
	"time"

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
		m.Damage()
		c.skip()
		return
	}
	for c.enter(); c.more('}'); {
		key := c.key()
		if c.kind() == 'n' {
			c.skip()
			continue
		}
		value, _ := c.text() // "" for what is no text, and no value of any key
		m.Read(key, value)
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
	if place, n := spell(country, region); n > 0 {
		q.place = place
		q.in |= c.Law.In(law.Place(place[:n]))
	}
}

// spelled is a place in ISO's codes, DE or US-CA, and zeros.
type spelled [6]byte

// text returns the place as it is written in a record.
func (s spelled) text() string { return strings.ToUpper(strings.TrimRight(string(s[:]), "\x00")) }

// spell returns a place and how many letters it has, 0 where it is not in ISO's codes.
// It does not allocate.
func spell(country, region string) (place spelled, n int) {
	if !letters(country, 2, 2) {
		return place, 0
	}
	n = copy(place[:], country)
	if len(region) > 3 && region[2] == '-' && (region[0]|0x20) == (country[0]|0x20) && (region[1]|0x20) == (country[1]|0x20) {
		region = region[3:]
	}
	if letters(region, 1, 3) {
		place[n] = '-'
		n += 1 + copy(place[n+1:], region)
	}
	return place, n
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

// listen notes which purposes the signals of a message refuse, leave in doubt and give.
func (b *batch) listen(m *message) {
	q := &m.prefs
	if b.c.Signals == nil || q.own == nil && q.shared == nil {
		return
	}
	d, in := b.c.Declaration, b.where.In|q.in
	at := time.UnixMilli(b.received)
	for _, s := range []*signal.Signals{q.own, q.shared} {
		if s != nil {
			s.At = at
		}
	}
	// Where somebody proven speaks, Global Privacy Control in a GPP string is heard as
	// the browser's field is, and is no preference of the event.
	own, shared := q.own, q.shared
	if b.honour != nil && b.provesOne(m) && (own.Controls() || shared.Controls()) {
		v := b.c.Signals.Judge(in, &signal.Signals{GPC: true})
		q.gpc = signal.Refused(d, v.Deny|v.Doubt)
		own, shared = own.WithoutGPC(), shared.WithoutGPC()
	}
	v := b.c.Signals.Judge(in, own, shared)
	q.deny |= signal.Refused(d, v.Deny)
	m.withheld |= signal.Refused(d, v.Doubt)
	if said := signal.Dated(own, shared); !said.IsZero() {
		q.allow, q.dated = signal.Given(d, v.Allow), said.UnixMilli()
	}
}

// provesOne reports whether the speaker is proven to be somebody whom a message names.
func (b *batch) provesOne(m *message) bool {
	for _, id := range m.names() {
		if !id.IsZero() && b.speaker.Proves(id) != identity.Unproven {
			return true
		}
	}
	return false
}

// judgeSignals works out what the signals in the messages say.
func (b *batch) judgeSignals() {
	for i := range b.messages {
		m := &b.messages[i]
		b.listen(m)
		m.refused = b.where.Deny | m.prefs.gpc
	}
}

// Heard is what Global Privacy Control in the GPP strings of a message says. The zero
// Heard is nothing.
type Heard struct {
	Refuses declare.Set
	// Evidence tells where it was, and Place what the message says of the place, "" where
	// it says nothing.
	Evidence, Place string
}

// honourSignal asks what signals refuse for each person who is known and proven.
func (b *batch) honourSignal(ctx context.Context) {
	if b.honour == nil {
		return
	}
	type question struct {
		token identity.Token
		gpc   declare.Set
	}
	asked := make(map[question]declare.Set, 1)
	for i := range b.messages {
		m := &b.messages[i]
		if m.refused == 0 || !m.known || m.erased || m.proof == identity.Unproven {
			continue
		}
		q := question{m.token, m.prefs.gpc}
		refused, done := asked[q]
		if !done {
			var heard Heard
			if q.gpc != 0 {
				heard = Heard{q.gpc, signal.GPCEvidence(m.prefs.own, m.prefs.shared), m.prefs.place.text()}
			}
			refused = b.honour(ctx, m.token, m.proof, heard)
			asked[q] = refused
		}
		m.refused = refused
	}
}

// evidence completes a choice about a purpose that signals made: what they said, and of
// somebody proven where.
func (b *batch) evidence(c *consent.Choice, s *saying, p *declare.Purpose) {
	q := &s.from.prefs
	if b.c.Signals == nil || q.own == nil && q.shared == nil {
		return
	}
	says := signal.No
	if c.State == consent.Given {
		says = signal.Yes
	}
	c.Evidence = b.c.Signals.Evidence(b.where.In|q.in, says, p.Uses, q.own, q.shared)
	if c.Evidence != "" && s.proven() {
		c.Jurisdiction = cmp.Or(q.place.text(), string(b.place))
	}
}

// at returns what a message and its request tell the gate.
func (b *batch) at(m *message) consent.Where {
	return consent.Where{In: b.where.In | m.prefs.in, Deny: m.refused}
}
