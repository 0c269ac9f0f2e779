package collect

import (
	"context"
	"time"

	"accord/internal/declare"
	"accord/internal/event"
	"accord/internal/identity"
)

// Line is one thing that happened, out of a file that the operator imports.
type Line struct {
	// Source and ID are the line's identity: the file's digest and its number
	// there, so that a line that comes again is known and two equal lines are not
	// taken for one.
	Source, ID string
	User       identity.Identifier
	Event      string // a declared event
	At         time.Time
	Fields     []NamedValue
}

// NamedValue is a value by its path in the declaration; Index counts the
// elements of a list.
type NamedValue struct {
	Path  string
	Index uint16
	Value event.Value
}

// ImportResult counts what became of lines.
type ImportResult struct {
	Kept      int // something of the line is durable now
	Duplicate int // the line was kept before
	// Durable tells of each line whether something of it is durable, from now or
	// from before.
	Durable []bool
	// Lines of which nothing was kept, by the code of the reason.
	Lines map[string]int
	// Fields that were dropped from lines that were kept, by the code of the
	// reason.
	Fields map[string]int
}

// Import takes lines of the past and returns when what is kept of them is on
// disk. The operator speaks for everybody, and consent is asked for as always:
// a line is admitted for the purposes that hold now and held at its time. A
// basis other than 0 keeps only what that legal basis covers. A line's own time
// counts, uncorrected. Lines in one call become durable together; some thousand
// at a time are a good number.
func (c *Collector) Import(ctx context.Context, lines []Line, basis declare.Basis) (ImportResult, error) {
	b := c.batch("import", identity.Server())
	defer c.put(b)
	b.allowed = c.plan.basis(basis)
	b.imported = true
	for i := range lines {
		b.line(&lines[i])
	}
	if err := b.run(ctx); err != nil {
		return ImportResult{}, err
	}
	out := ImportResult{Kept: b.result.Kept, Duplicate: b.result.Duplicate, Durable: make([]bool, len(lines)), Lines: map[string]int{}, Fields: map[string]int{}}
	for i := range b.messages {
		m := &b.messages[i]
		out.Durable[i] = m.kept > 0 || m.reason == AlreadyKept
		switch {
		case m.kept == 0 && m.reason != AlreadyKept:
			out.Lines[m.why().Code()]++
		case m.kept > 0:
			for j := m.from; j < m.to; j++ {
				if r := b.values[j].gone; r != NoReason {
					out.Fields[r.Code()]++
				}
			}
		}
	}
	return out, nil
}

// line turns a line into a message.
func (b *batch) line(l *Line) {
	b.messages = append(b.messages, message{
		verb: track, name: l.Event, from: len(b.values),
		id: event.ID(b.c.hasher.Message(l.Source, identity.ByServer, l.User, l.ID)), at: l.At.UnixMilli(),
	})
	m := &b.messages[len(b.messages)-1]
	switch {
	case l.User.IsZero():
		m.fail(NoIdentity)
	case len(l.User.Value) > identity.MaxIdentifier:
		m.fail(BadIdentifier)
	case l.User.Kind == identity.AnonymousID:
		m.anonymous = l.User.Value
	default:
		m.user = l.User.Value
	}
	switch ahead := l.At.Sub(b.now); {
	case m.at <= 0:
		m.fail(BadTime)
	case ahead > MaxAhead:
		m.fail(Future)
	case ahead > 0:
		m.at = b.received
	}
	b.find(m)
	if m.plan != nil {
		b.named(m, l.Fields)
	}
	m.to = len(b.values)
}

// named adds the line's values to the batch.
func (b *batch) named(m *message, fields []NamedValue) {
	for _, f := range fields {
		n := m.plan.paths[f.Path]
		switch {
		case n == nil:
			b.drop(m, Undeclared)
			continue
		case len(b.values)-m.from >= event.MaxFields:
			b.drop(m, TooMany)
			continue
		}
		v, ok := fit(n.field.Type, f.Value)
		if !ok {
			b.drop(m, WrongType)
			continue
		}
		b.values = append(b.values, value{node: n, index: f.Index, Value: v})
	}
}

// fit returns a value in the form that a declared type has, false if it has
// another one.
func fit(t declare.Type, v event.Value) (event.Value, bool) {
	switch t {
	case declare.String, declare.Item:
		return v, v.Kind == event.ValueString
	case declare.Integer:
		return v, v.Kind == event.ValueInteger
	case declare.Quantity:
		return v, v.Kind == event.ValueInteger || v.Kind == event.ValueNumber
	case declare.Boolean:
		return v, v.Kind == event.ValueBoolean
	case declare.Timestamp:
		return v, v.Kind == event.ValueTime
	case declare.Number, declare.Money:
		if v.Kind == event.ValueInteger {
			v = event.Value{Kind: event.ValueNumber, Num: float64(v.Int)}
		}
		return v, v.Kind == event.ValueNumber
	}
	return v, false
}
