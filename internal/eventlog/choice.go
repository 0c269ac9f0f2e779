package eventlog

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/nats-io/nuid"

	"accord/internal/event"
	"accord/internal/identity"
)

// choiceVersion is the first byte of a choice message; the token and what is
// sealed follow.
const choiceVersion = 1

// AppendChoice puts one message into the choice stream and returns its
// sequence, which orders all choices, when it is on disk. m.Sequence is not
// looked at. Many callers at once share the way to the disk.
//
// Errors as Append's. After one the message may still be stored, so the caller
// treats the choice as not made and, where it narrows, as made.
func (l *Log) AppendChoice(ctx context.Context, m event.ChoiceMessage) (seq uint64, err error) {
	if 1+len(m.Token)+len(m.Sealed) > l.maxRecord {
		return 0, fmt.Errorf("%w: a choice of %d bytes", ErrTooLarge, len(m.Sealed))
	}
	if err := l.enter(&l.writers); err != nil {
		return 0, err
	}
	defer l.writers.Done()
	select {
	case l.choices <- struct{}{}:
		defer func() { <-l.choices }()
	default:
		l.totals.missed(ErrBusy, 1)
		return 0, ErrBusy
	}
	ctx, cancel := l.within(ctx)
	defer cancel()
	msg := nats.NewMsg("choice." + strconv.Itoa(m.Token.Slot()))
	msg.Data = appendChoice(make([]byte, 0, 1+len(m.Token)+len(m.Sealed)), &m)
	msg.Header.Set(jetstream.MsgIDHeader, nuid.Next())
	if seq, err = l.publish(ctx, msg, func() bool { return true }); err != nil {
		l.totals.missed(err, 1)
		return 0, err
	}
	l.totals.choices.Add(1)
	return seq, nil
}

// Choices calls fn with every choice message after from (a sequence; 0 is all)
// that is in the stream when it is called, in order, and returns. fn may keep
// the message. Errors: ErrLogBehind when the stream ends before from, fn's own,
// event.ErrCorrupt, ErrClosed and the context's.
func (l *Log) Choices(ctx context.Context, from uint64, fn func(event.ChoiceMessage) error) error {
	if err := l.enter(&l.readers); err != nil {
		return err
	}
	defer l.readers.Done()
	ctx, cancel := l.within(ctx)
	defer cancel()
	if err := l.notBehind(ctx, choiceStream, from); err != nil {
		return err
	}
	last, err := l.lastSequence(ctx, choiceStream)
	if err != nil || last <= from {
		return err
	}
	return l.read(ctx, choiceStream, from, upTo(last), func(seq uint64, data []byte) error {
		if seq > last {
			return nil // came while this call read
		}
		m, err := decodeChoice(data)
		if err != nil {
			return fmt.Errorf("choice %d: %w", seq, err)
		}
		m.Sequence = seq
		return fn(m)
	})
}

// ChoicesAt calls fn with the choice messages at these sequences, in the order
// given; those that were deleted are left out. It reads each directly, so a few
// out of many cost what they are and not what lies between them. Errors: fn's
// own, event.ErrCorrupt, ErrClosed and the context's.
func (l *Log) ChoicesAt(ctx context.Context, sequences []uint64, fn func(event.ChoiceMessage) error) error {
	if err := l.enter(&l.readers); err != nil {
		return err
	}
	defer l.readers.Done()
	ctx, cancel := l.within(ctx)
	defer cancel()
	for _, seq := range sequences {
		data, err := l.get(ctx, choiceStream, seq)
		if errors.Is(err, ErrNotFound) {
			continue
		}
		if err != nil {
			return reason(ctx, err)
		}
		m, err := decodeChoice(data)
		if err != nil {
			return fmt.Errorf("choice %d: %w", seq, err)
		}
		m.Sequence = seq
		if err := fn(m); err != nil {
			return err
		}
	}
	return nil
}

// DeleteChoice removes one message from the choice stream and overwrites it on
// disk. That it is gone already is no error.
func (l *Log) DeleteChoice(ctx context.Context, sequence uint64) error {
	if err := l.enter(&l.writers); err != nil {
		return err
	}
	defer l.writers.Done()
	ctx, cancel := l.within(ctx)
	defer cancel()
	handle, err := l.handle(ctx, choiceStream)
	if err != nil {
		return err
	}
	err = handle.SecureDeleteMsg(ctx, sequence)
	if _, gone := l.get(ctx, choiceStream, sequence); err != nil && !errors.Is(gone, ErrNotFound) {
		return fmt.Errorf("delete choice %d: %w", sequence, err)
	}
	return nil
}

func appendChoice(b []byte, m *event.ChoiceMessage) []byte {
	b = append(b, choiceVersion)
	b = append(b, m.Token[:]...)
	return append(b, m.Sealed...)
}

// decodeChoice reads what appendChoice wrote. The message aliases b.
func decodeChoice(b []byte) (m event.ChoiceMessage, err error) {
	if len(b) < 1+len(m.Token) || b[0] != choiceVersion {
		return m, event.ErrCorrupt
	}
	m.Token = identity.Token(b[1:])
	m.Sealed = b[1+len(m.Token):]
	return m, nil
}
