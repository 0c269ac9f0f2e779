package vault

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"time"

	"accord/internal/identity"

	"github.com/cockroachdb/pebble/v2"
)

// order is a change that a caller wants and waits for.
type order struct {
	fill func(*round) error
	done chan error // of one place: the minter never waits for a caller
}

// order has the minter do a change and waits until it is on disk.
func (k *Keys) order(ctx context.Context, fill func(*round) error) error {
	o := &order{fill: fill, done: make(chan error, 1)}
	select {
	case k.orders <- o:
	case <-ctx.Done():
		return ctx.Err()
	case <-k.quit:
		return ErrClosed
	}
	select {
	case err := <-o.done:
		return err
	case <-ctx.Done():
		return ctx.Err()
	case <-k.minted:
	}
	select {
	case err := <-o.done:
		return err
	default:
		return ErrClosed
	}
}

// maxRound bounds how many orders share a batch.
const maxRound = 1024

// mint is the only goroutine that changes the key store. It takes all orders
// that wait, writes them in one batch with one sync, and answers.
func (k *Keys) mint() {
	defer close(k.minted)
	orders := make([]*order, 0, maxRound)
	for {
		select {
		case <-k.quit:
			return
		case o := <-k.orders:
			orders = append(orders[:0], o)
		}
	gather:
		for len(orders) < maxRound {
			select {
			case o := <-k.orders:
				orders = append(orders, o)
			default:
				break gather
			}
		}
		k.do(orders)
		clear(orders)
	}
}

// do carries out a round of orders.
func (k *Keys) do(orders []*order) {
	r := &round{k: k, batch: k.db.NewBatch(),
		tokens: map[identity.Lookup]identity.Token{}, keys: map[keyRef]*keyState{}, secrets: map[string][]byte{}}
	defer r.batch.Close()
	answers := make([]error, len(orders))
	for i, o := range orders {
		answers[i] = o.fill(r)
	}
	err := k.Err()
	if err == nil && !r.batch.Empty() {
		if err = k.addMark(r.batch); err == nil {
			err = k.commit(r.batch, pebble.Sync)
		}
	}
	if err == nil {
		r.publish()
	}
	for i, o := range orders {
		o.done <- errors.Join(answers[i], err)
	}
}

// round is one batch under way: what it will have changed, which later orders
// of the same round must see.
type round struct {
	k       *Keys
	batch   *pebble.Batch
	tokens  map[identity.Lookup]identity.Token
	keys    map[keyRef]*keyState
	secrets map[string][]byte
	// forgotten are lookups whose rows are deleted: see Forget.
	forgotten []identity.Lookup
	// erased are people who get no key any more: see Erase.
	erased []identity.Token
}

// keyState is what a round makes of a data key.
type keyState struct {
	key     dataKey
	lives   bool
	removed bool // at some time in the round
}

// token returns the token of a lookup, a new one if it has none.
func (r *round) token(l identity.Lookup) (identity.Token, error) {
	if t, ok := r.tokens[l]; ok {
		return t, nil
	}
	row, found, err := r.k.get(appendLookupKey(nil, l))
	if err != nil {
		return identity.Token{}, err
	}
	if found && !slices.Contains(r.forgotten, l) {
		if len(row) != len(identity.Token{}) {
			return identity.Token{}, errors.New("the key store holds a damaged token: restore it from a backup")
		}
		return identity.Token(row), nil
	}
	var t identity.Token
	rand.Read(t[:])
	r.k.tokens.hide(l)
	r.tokens[l] = t
	return t, r.batch.Set(appendLookupKey(nil, l), t[:], nil)
}

// state returns what the round knows of a key, read from the store at first.
func (r *round) state(ref keyRef) (*keyState, error) {
	if s, ok := r.keys[ref]; ok {
		return s, nil
	}
	row, found, err := r.k.get(appendDataKey(nil, ref))
	if err != nil {
		return nil, err
	}
	s := &keyState{lives: found}
	if found {
		if s.key, err = r.k.unwrap(ref, row); err != nil {
			return nil, err
		}
	}
	r.keys[ref] = s
	return s, nil
}

func (r *round) prepare(ref keyRef) error {
	s, err := r.state(ref)
	if err != nil || s.lives {
		return err
	}
	if erased, err := r.isErased(ref); err != nil || erased {
		return err
	}
	rand.Read(s.key.id[:])
	rand.Read(s.key.key[:])
	row, err := r.k.wrapKey(ref, &s.key)
	if err != nil {
		return err
	}
	s.lives = true
	r.k.data.hide(ref)
	return r.batch.Set(appendDataKey(nil, ref), row, nil)
}

// metaScrub is there while rows of destroyed keys may be left in the files.
var metaScrub = []byte("mscrub")

func (r *round) destroy(ref keyRef) error {
	s := r.keys[ref]
	if s == nil {
		// A row that does not unwrap is destroyed all the same.
		s = &keyState{}
		r.keys[ref] = s
	}
	*s = keyState{removed: true}
	r.k.destroyed.Add(1)
	if err := r.batch.Delete(appendDataKey(nil, ref), nil); err != nil {
		return err
	}
	return r.batch.Set(metaScrub, nil, nil)
}

// publish shows what the round made, now that it is on disk, and wipes what it
// destroyed.
func (r *round) publish() {
	for l, t := range r.tokens {
		r.k.tokens.publish(l, t)
	}
	r.publishForgotten()
	scrub := false
	for ref, s := range r.keys {
		if s.removed {
			r.k.data.remove(ref)
			scrub = true
		}
		if s.lives {
			r.k.data.publish(ref, s.key)
		}
		*s = keyState{}
	}
	if scrub {
		r.k.wantScrub()
	}
}

// secret returns a named secret, made if there was none.
func (r *round) secret(name string) ([]byte, error) {
	if s, ok := r.secrets[name]; ok {
		return append([]byte(nil), s...), nil
	}
	aad := append([]byte("accord secret v1\x00"), name...)
	row, found, err := r.k.get(appendSecretKey(nil, name))
	if err != nil {
		return nil, err
	}
	if found {
		raw, err := r.k.wrap.Decrypt(row, aad)
		if err != nil || len(raw) != 32 {
			return nil, fmt.Errorf("the secret %q in the key store is damaged: restore it from a backup", name)
		}
		return raw, nil
	}
	raw := random32()
	row, err = r.k.wrap.Encrypt(raw, aad)
	if err != nil {
		return nil, fmt.Errorf("wrapping the secret %q: %w", name, err)
	}
	r.secrets[name] = raw
	return append([]byte(nil), raw...), r.batch.Set(appendSecretKey(nil, name), row, nil)
}

// dataKeyAAD binds a data key to its controller, person and class.
func (k *Keys) dataKeyAAD(ref keyRef) []byte {
	b := append([]byte("accord data key v2\x00"), k.controller...)
	return ref.append(append(b, 0))
}

// wrapKey returns the row of a data key.
func (k *Keys) wrapKey(ref keyRef, key *dataKey) ([]byte, error) {
	sealed, err := k.wrap.Encrypt(key.key[:], k.dataKeyAAD(ref))
	if err != nil {
		return nil, fmt.Errorf("wrapping a data key: %w", err)
	}
	return append(key.id[:len(key.id):len(key.id)], sealed...), nil
}

// unwrap is the inverse of wrapKey.
func (k *Keys) unwrap(ref keyRef, row []byte) (key dataKey, err error) {
	if len(row) < keyIDSize {
		return dataKey{}, errDamagedKey
	}
	raw, err := k.wrap.Decrypt(row[keyIDSize:], k.dataKeyAAD(ref))
	if err != nil || len(raw) != len(key.key) {
		return dataKey{}, errDamagedKey
	}
	key.id = [keyIDSize]byte(row)
	copy(key.key[:], raw)
	clear(raw)
	return key, nil
}

var errDamagedKey = errors.New("a data key in the key store is damaged: restore the store from a backup")

// scrubPause is the least time between two scrubs that nobody asked for.
const scrubPause = time.Hour

func (k *Keys) wantScrub() {
	select {
	case k.scrub <- struct{}{}:
	default:
	}
}

// sweep ages the caches and, after keys were destroyed, scrubs the files: the
// first time at once, then at most once in scrubPause.
func (k *Keys) sweep(every time.Duration) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	k.owned.Go(func() {
		select { // a scrub under way ends with the store
		case <-k.quit:
			cancel()
		case <-ctx.Done():
		}
	})
	tick := time.NewTicker(every)
	defer tick.Stop()
	var last time.Time
	var due <-chan time.Time
	for {
		select {
		case <-k.quit:
			return
		case <-tick.C:
			k.tokens.sweep()
			k.data.sweep()
		case <-k.scrub:
			if due == nil {
				due = time.After(scrubPause - min(scrubPause, time.Since(last)))
			}
		case <-due:
			due, last = nil, time.Now()
			// A fault shows in Err; a cancelled scrub is done at the next start.
			_ = k.Scrub(ctx)
		}
	}
}

// Scrub rewrites the files of the store so that the wrapped bytes of destroyed
// keys, and which token a forgotten lookup led to, are in none of them. The store does it by itself within an hour; an
// erasure that must be proven calls it. Blocks of the disk that held deleted
// files are the file system's business.
func (k *Keys) Scrub(ctx context.Context) error {
	if err := k.enter(); err != nil {
		return err
	}
	defer k.leave()
	if err := k.Err(); err != nil {
		return err
	}
	before := k.destroyed.Load()
	if err := k.db.Flush(); err != nil {
		return fmt.Errorf("scrubbing the key store: %w", err)
	}
	for _, row := range []byte{rowKey, rowLookup} {
		if err := k.db.Compact(ctx, []byte{row}, []byte{row + 1}, false); err != nil {
			return fmt.Errorf("scrubbing the key store: %w", err)
		}
	}
	return k.order(ctx, func(r *round) error {
		if k.destroyed.Load() != before {
			return nil // there is more to scrub
		}
		return r.batch.Delete(metaScrub, nil)
	})
}
