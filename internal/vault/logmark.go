package vault

import (
	"context"
	"encoding/binary"
	"errors"
	"sync"

	"github.com/cockroachdb/pebble/v2"
)

// ErrAnotherLog is returned for a state that was folded from another log.
var ErrAnotherLog = errors.New("the state was folded from another event log: put back the log that it goes with, or move the state's directory away and it is rebuilt from this one")

// logMark is what the key store knows of the log whose records its keys open:
// its identity, and the newest choice that is in it for certain. It gets to the
// disk with whatever the store syncs next (a new person, a new or a destroyed
// key) and at Close, so that it costs no sync of its own. A log that lost all of
// its choices, or is a copy from before the mark, is noticed by it; choices that
// were lost with a log that ended after the mark are not.
type logMark struct {
	mu            sync.Mutex // guards the fields below
	identity      string
	choice, saved uint64
}

// Log returns the identity of the log that the store is bound to, "" where it is
// to none yet, and the sequence of a choice that is in it.
func (k *Keys) Log() (identity string, choice uint64) {
	k.mark.mu.Lock()
	defer k.mark.mu.Unlock()
	return k.mark.identity, k.mark.choice
}

// Chosen notes that a choice is durable.
func (k *Keys) Chosen(sequence uint64) {
	k.mark.mu.Lock()
	defer k.mark.mu.Unlock()
	k.mark.choice = max(k.mark.choice, sequence)
}

// BindLog binds the store to a log, durably, before anything is in it that needs
// the keys.
func (k *Keys) BindLog(ctx context.Context, identity string) error {
	return k.order(ctx, func(r *round) error {
		k.mark.mu.Lock()
		defer k.mark.mu.Unlock()
		switch k.mark.identity {
		case identity:
			return nil
		case "":
			k.mark.identity = identity
			return r.batch.Set(metaLog, k.mark.row(), nil)
		}
		return errors.New("the key store is bound to another event log")
	})
}

func (m *logMark) row() []byte {
	m.saved = m.choice
	return append(binary.BigEndian.AppendUint64(nil, m.choice), m.identity...)
}

// loadMark reads the mark.
func (k *Keys) loadMark() error {
	row, found, err := k.get(metaLog)
	if err != nil || !found {
		return err
	}
	if len(row) <= 8 {
		return errors.New("the key store is damaged: restore it from a backup")
	}
	m := &k.mark
	m.choice, m.identity = binary.BigEndian.Uint64(row), string(row[8:])
	m.saved = m.choice
	return nil
}

// addMark adds the mark to a batch where it has moved.
func (k *Keys) addMark(b *pebble.Batch) error {
	k.mark.mu.Lock()
	defer k.mark.mu.Unlock()
	if k.mark.identity == "" || k.mark.choice == k.mark.saved {
		return nil
	}
	return b.Set(metaLog, k.mark.row(), nil)
}

// saveMark makes the mark durable when the store closes.
func (k *Keys) saveMark() error {
	if err := k.enter(); err != nil {
		return nil // closed before
	}
	defer k.leave()
	if k.tripped() {
		return nil // told already
	}
	b := k.db.NewBatch()
	defer b.Close()
	if err := k.addMark(b); err != nil || b.Empty() {
		return err
	}
	return k.commit(b, pebble.Sync)
}

// bind remembers which log the state is folded from, and refuses another.
func (v *Vault) bind(identity string) error {
	row, found, err := v.get(metaLog)
	switch {
	case err != nil:
		return err
	case found && string(row) != identity:
		return ErrAnotherLog
	case found:
		return nil
	}
	b := v.db.NewBatch()
	defer b.Close()
	if err := b.Set(metaLog, []byte(identity), nil); err != nil {
		return err
	}
	return v.commit(b, pebble.Sync)
}
