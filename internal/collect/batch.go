package collect

import (
	"context"
	"time"

	"accord/internal/consent"
	"accord/internal/declare"
	"accord/internal/event"
	"accord/internal/identity"
	"accord/internal/law"
	"accord/internal/vault"
)

// verb is the type of a message.
type verb uint8

const (
	noVerb verb = iota
	track
	identify
	page
	screen
	group
	alias
)

var verbNames = [...]string{noVerb: "", track: "track", identify: "identify", page: "page", screen: "screen", group: "group", alias: "alias"}

func parseVerb(s string) verb {
	switch s {
	case "track":
		return track
	case "identify":
		return identify
	case "page":
		return page
	case "screen":
		return screen
	case "group":
		return group
	case "alias":
		return alias
	}
	return noVerb
}

// message is one message on its way.
type message struct {
	verb      verb
	reason    Reason // why nothing of it is kept
	bad       bool   // reason says what is wrong with it
	assigned  bool   // the server gave it its id
	act       bool   // an act of choosing: preferenceUpdated
	known     bool   // token is set
	erased    bool   // whom it is about was erased since
	plan      *eventPlan
	root      *node  // of its properties or traits; nil where none count
	name      string // as the client spelt it
	user      string
	anonymous string
	who       identity.Identifier // whom it is about, if proven
	proof     identity.Proof
	lookup    identity.Lookup
	token     identity.Token
	id        event.ID
	at        int64 // Unix milliseconds
	prefs     preferences
	withheld  declare.Set // purposes about which a signal leaves a doubt
	refused   declare.Set // what a signal of the request refuses for the person

	from, to   int // its values in batch.values
	kept, gone int // how many values were kept and dropped

	// What the first pass saw; the values are read when the event is known.
	typ, messageID            string
	properties, traits, ctx   string
	timestamp, original, sent string
	seen                      uint32
	sequence                  uint64 // of the newest choice at admission
	holds                     declare.Set
	firstPiece                int // in batch.pieces
}

// value is a declared value of a message.
type value struct {
	node  *node
	index uint16
	gone  Reason // why it is not kept, NoReason if it is
	event.Value
}

// piece is a message's values of one class, on their way to a record.
type piece struct {
	message int
	class   *declare.Class
}

// batch is the work of one request. Its buffers are used again.
type batch struct {
	c         *Collector
	source    string
	speaker   identity.Speaker
	where     consent.Where
	mayDeny   func(int) bool
	mayChoose func(identity.Token, identity.Proof) bool
	honour    func(context.Context, identity.Token, identity.Proof, Heard) declare.Set
	place     law.Place
	received  int64 // Unix milliseconds
	now       time.Time
	allowed   declare.Set // an import's basis
	imported  bool        // the messages' times are right as they are
	stopped   bool        // the source was stopped
	text      string      // the body

	messages []message
	values   []value
	shared   sharedContext

	pieces  []piece
	needs   []vault.Need
	records []event.Record
	spans   []int // where the sealed bytes of each record end
	piece   event.Piece
	plain   []byte
	sealed  []byte
	flight  *flight
	others  []*flight

	result  Result
	kept    int // values in the records
	dropped [reasons]int
	traces  []tracing
	budget  int // messages that are still to be traced
	open    int // the index of the open trace, -1 if there is none
}

// sharedContext is what a batch says for all of its messages.
type sharedContext struct {
	sent   string
	raw    string      // the context, JSON
	deny   declare.Set // what a context refuses of which nothing else is taken
	doubt  declare.Set // what it leaves in doubt
	unread bool        // a refusal may stand where it cannot be read
}

// maxKept is the largest buffer of sealed bytes that waits for another request.
const maxKept = 1 << 20

// reset empties the batch for another request. Values and texts are cleared:
// they belong to people.
func (b *batch) reset() {
	if cap(b.sealed) > maxKept {
		b.sealed = nil
	}
	clear(b.messages)
	clear(b.values)
	clear(b.records)
	clear(b.plain[:cap(b.plain)])
	clear(b.piece.Fields[:cap(b.piece.Fields)])
	*b = batch{
		c: b.c, messages: b.messages[:0], values: b.values[:0], pieces: b.pieces[:0], needs: b.needs[:0],
		records: b.records[:0], spans: b.spans[:0], piece: event.Piece{Fields: b.piece.Fields[:0]},
		plain: b.plain[:0], sealed: b.sealed[:0], others: b.others[:0],
	}
}

// drop counts a value that is not kept.
func (b *batch) drop(m *message, r Reason) {
	m.gone++
	b.dropped[r]++
}
