package collect

import (
	"accord/internal/declare"
	"accord/internal/law"
	"accord/internal/signal"
)

// maxCategories is how many categories can say yes. One beyond them can only
// say no.
const maxCategories = 256

// preferences are what an event says about consent.
type preferences struct {
	deny declare.Set // purposes with a category that is false
	yes  [maxCategories / 64]uint64
	// allow are the purposes that signals give, dated when their strings were last
	// updated, in Unix milliseconds.
	allow declare.Set
	dated int64
	// gpc are the purposes that Global Privacy Control in a GPP string refuses, where
	// the speaker is proven; else they are in deny.
	gpc declare.Set
	// own and shared are the signals in the message and beside all messages of the
	// batch, nil where there are none, and in the regimes of the place that they name.
	own, shared *signal.Signals
	in          law.Regimes
	place       spelled // that place, zero for none
}

func (p *preferences) merge(q *preferences) {
	p.deny |= q.deny
	p.shared = q.own
	if p.in == 0 {
		p.in = q.in // a message's own place goes before
	}
	if p.place == (spelled{}) {
		p.place = q.place
	}
	for i := range p.yes {
		p.yes[i] |= q.yes[i]
	}
}

func (p *preferences) has(bit int) bool { return bit >= 0 && p.yes[bit/64]>>(bit%64)&1 == 1 }

// gives returns the purposes that the preferences give: the purpose's own name
// is true, or all of its other categories are, and nothing refuses it; and apart from
// them those that a signal alone gives. What needs the person's signature no
// preference gives.
func (p *plan) gives(q *preferences) (spoken, signalled declare.Set) {
	if q.allow == 0 && q.yes == (preferences{}).yes {
		return 0, 0
	}
	for i := range p.speaks {
		index := declare.PurposeIndex(i)
		if q.deny.Has(index) || p.declaration.Purposes[i].Signed || !(p.consents | p.objections).Has(index) {
			continue
		}
		all := len(p.speaks[i].others) > 0
		for _, bit := range p.speaks[i].others {
			all = all && q.has(bit)
		}
		switch {
		case all || q.has(p.speaks[i].own):
			spoken = spoken.With(index)
		case q.allow.Has(index):
			signalled = signalled.With(index)
		}
	}
	return spoken, signalled
}

func (p *plan) say(q *preferences, name string, yes bool) {
	c, ok := p.categories[name]
	switch {
	case !ok:
	case !yes:
		q.deny |= c.purposes & (p.consents | p.objections)
	case c.bit >= 0:
		q.yes[c.bit/64] |= 1 << (c.bit % 64)
	}
}

// segment reads context.consent: {"categoryPreferences": {"ads": true}}, and beside it
// the strings tcf and gpp and the object google of Consent Mode.
func (p *plan) segment(q *preferences, c *cursor) {
	if c.kind() != '{' {
		c.skip()
		return
	}
	for c.enter(); c.more('}'); {
		switch key := c.key(); key {
		case "categoryPreferences", "categoryPreference":
			p.categoryPreferences(q, c)
		case "tcf", "gpp", "google":
			readSignal(q, key, c)
		default:
			c.skip()
		}
	}
}

func (p *plan) categoryPreferences(q *preferences, c *cursor) {
	if c.kind() != '{' {
		c.skip()
		return
	}
	for c.enter(); c.more('}'); {
		name := c.key()
		switch c.kind() {
		case 't':
			p.say(q, name, true)
		case 'f':
			p.say(q, name, false)
		}
		c.skip()
	}
}

// rudder reads context.consentManagement: {"allowedConsentIds": ["ads"],
// "deniedConsentIds": []}.
func (p *plan) rudder(q *preferences, c *cursor) {
	if c.kind() != '{' {
		c.skip()
		return
	}
	for c.enter(); c.more('}'); {
		switch c.key() {
		case "allowedConsentIds":
			p.consentIDs(q, c, true)
		case "deniedConsentIds":
			p.consentIDs(q, c, false)
		default:
			c.skip()
		}
	}
}

// consentIDs reads a list of names, or an object of names: the clients send both.
func (p *plan) consentIDs(q *preferences, c *cursor, yes bool) {
	switch c.kind() {
	case '[':
		p.names(q, c, yes)
	case '{':
		for c.enter(); c.more('}'); {
			name := c.key()
			switch c.kind() {
			case 't':
				p.say(q, name, yes)
				c.skip()
			case 'f':
				if yes {
					p.say(q, name, false)
				}
				c.skip()
			case '[':
				p.names(q, c, yes)
			default:
				c.skip()
			}
		}
	default:
		c.skip()
	}
}

func (p *plan) names(q *preferences, c *cursor, yes bool) {
	for c.enter(); c.more(']'); {
		if name, ok := c.text(); ok {
			p.say(q, name, yes)
		}
	}
}
