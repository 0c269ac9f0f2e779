package vault

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"accord/internal/declare"

	"github.com/cockroachdb/pebble/v2"
)

// sweepEvery is how often the vault looks whether a new day has begun.
const sweepEvery = time.Hour

// daily sweeps the state once a day.
func (v *Vault) daily() {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	v.owned.Go(func() {
		select {
		case <-v.quit:
			cancel()
		case <-ctx.Done():
		}
	})
	tick := time.NewTicker(sweepEvery)
	defer tick.Stop()
	var swept uint16
	for {
		select {
		case <-v.quit:
			return
		case <-tick.C:
		}
		day := dayOf(v.clock().UnixMilli())
		if day == swept {
			continue
		}
		rows, err := v.Sweep(ctx)
		if err != nil {
			// A write fault shows in Err; anything else is tried again.
			v.log.Warn("sweeping the state did not end", "err", err)
			continue
		}
		swept = day
		v.log.Info("swept the state", "rows", rows)
	}
}

// Sweep deletes what has outlived its retention: profile parts, and those of
// classes that the declaration no longer has; places of frames after the
// longest retention; places of receipts after theirs. It returns how many rows
// it deleted. The vault does it by itself once a day.
func (v *Vault) Sweep(ctx context.Context) (rows int, err error) {
	now := v.clock()
	h := v.horizonAt(now)
	parts, err := v.sweep(ctx, rowPart, func(key, _ []byte) bool {
		ref, bucket, ok := readPartKey(key)
		life, known := h.classes[ref.class]
		return ok && (!known || bucket < life.oldest)
	})
	if err != nil {
		return parts, err
	}
	frames, err := v.sweep(ctx, rowFrame, func(_, value []byte) bool {
		return len(value) == 2 && v.frameOutlived(binary.BigEndian.Uint16(value), now.Add(-frameGrace))
	})
	if err != nil {
		return parts + frames, err
	}
	receipts, err := v.sweep(ctx, rowReceipt, func(_, value []byte) bool {
		return len(value) == 11 && over(v.declaration.ReceiptRetention, binary.BigEndian.Uint16(value[9:]), now)
	})
	return parts + frames + receipts, err
}

// over reports whether a retention is over at now for all of a month.
func over(p declare.Period, month uint16, now time.Time) bool {
	end := time.Date(1970, time.Month(int(month)+2), 1, 0, 0, 0, 0, time.UTC)
	return !p.IsZero() && !p.After(end).After(now)
}

// frameGrace is how much longer than the frame its place is kept, so that no frame
// is without one: the log goes by the machine's clock, which may lie behind.
const frameGrace = 7 * 24 * time.Hour

// frameOutlived reports whether no class keeps a frame of that month any more.
func (v *Vault) frameOutlived(month uint16, now time.Time) bool {
	for i := range v.declaration.Classes {
		if !over(v.declaration.Classes[i].Retention, month, now) {
			return false
		}
	}
	return len(v.declaration.Classes) > 0
}

// sweepChunk is how many rows are looked at between two breaths.
const sweepChunk = 8192

// sweep deletes the rows of a kind that gone names.
func (v *Vault) sweep(ctx context.Context, kind byte, gone func(key, value []byte) bool) (rows int, err error) {
	next := []byte{kind}
	for next != nil {
		if err := ctx.Err(); err != nil {
			return rows, err
		}
		var n int
		if next, n, err = v.sweepFrom(next, kind, gone); err != nil {
			return rows, err
		}
		rows += n
	}
	return rows, nil
}

func (v *Vault) sweepFrom(from []byte, kind byte, gone func(key, value []byte) bool) (next []byte, rows int, err error) {
	if err := v.enter(); err != nil {
		return nil, 0, err
	}
	defer v.leave()
	it, err := v.db.NewIter(&pebble.IterOptions{LowerBound: from, UpperBound: []byte{kind + 1}})
	if err != nil {
		return nil, 0, fmt.Errorf("reading the state: %w", err)
	}
	defer func() { err = errors.Join(err, it.Close()) }()
	b := v.db.NewBatch()
	defer b.Close()
	seen := 0
	for it.First(); it.Valid(); it.Next() {
		if seen++; seen > sweepChunk {
			next = append([]byte(nil), it.Key()...)
			break
		}
		value, err := it.ValueAndErr()
		if err != nil {
			return nil, 0, fmt.Errorf("reading the state: %w", err)
		}
		if gone(it.Key(), value) {
			rows++
			if err := b.Delete(it.Key(), nil); err != nil {
				return nil, 0, err
			}
		}
	}
	if err := it.Error(); err != nil || b.Empty() {
		return next, rows, err
	}
	return next, rows, v.commit(b, pebble.NoSync)
}
