package vault

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"accord/internal/declare"
	"accord/internal/identity"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/tink-crypto/tink-go/v2/aead/subtle"
	"github.com/tink-crypto/tink-go/v2/tink"
)

// Keys holds the tokens of people and the keys of their data. It is safe for
// concurrent use. A token or a key is seen by nobody before it is on disk.
type Keys struct {
	*store
	controller identity.Controller
	wrap       *subtle.AESGCM // the key-store key
	hasher     *identity.Hasher
	mark       logMark
	gone       gone

	tokens *cache[identity.Lookup, identity.Token]
	data   *cache[keyRef, dataKey]

	orders chan *order    // to the minter
	quit   chan struct{}  // closed by Close
	stop   sync.Once      // closes quit
	owned  sync.WaitGroup // the minter and the sweeper
	minted chan struct{}  // closed when the minter has ended
	scrub  chan struct{}  // wakes the sweeper: keys were destroyed

	destroyed atomic.Uint64 // how many keys and lookups since the start
}

// Option changes how a store is opened.
type Option func(*options)

type options struct {
	entries  int
	lifetime time.Duration
	log      *slog.Logger
	fs       vfs.FS
	memtable uint64 // 0: as each store says
	identity string // of the log, "" if it is nobody's business
}

// WithCache bounds each of the two caches of Keys: how many entries (400,000 if
// not said; about 90 bytes each) and how long each lives (10 minutes; at most an
// eighth longer).
func WithCache(entries int, lifetime time.Duration) Option {
	return func(o *options) { o.entries, o.lifetime = max(1, entries), max(time.Millisecond, lifetime) }
}

// WithLog names the identity of the log that a Vault is folded from: a state that
// another log was folded into does not open (ErrAnotherLog).
func WithLog(identity string) Option { return func(o *options) { o.identity = identity } }

// WithLogger says where faults are logged: slog's default if not said.
func WithLogger(l *slog.Logger) Option { return func(o *options) { o.log = l } }

// withFS puts the database on another file system, with small memory tables.
func withFS(fs vfs.FS, memtable uint64) Option {
	return func(o *options) { o.fs, o.memtable = fs, memtable }
}

func readOptions(opts []Option) options {
	o := options{entries: 400_000, lifetime: 10 * time.Minute, log: slog.Default(), fs: vfs.Default}
	for _, f := range opts {
		f(&o)
	}
	return o
}

// OpenKeys opens the key store in dir, made at the first start: dir/kek.json is
// the key-encryption key (mode 0600) and dir/store the database. It fails with
// ErrInUse when another process has it, and with ErrNoKEK when the database is
// there and kek.json is not. Close it when no Vault uses it any more.
func OpenKeys(dir string, d *declare.Declaration, opts ...Option) (*Keys, error) {
	o := readOptions(opts)
	// The key file is never on another file system than the machine's own.
	if err := makeDir(vfs.Default, dir); err != nil {
		return nil, fmt.Errorf("making the key directory: %w", err)
	}
	var kek tink.AEAD
	s, err := openStore(storeOptions{
		what: "key store", dir: filepath.Join(dir, "store"), fs: o.fs, log: o.log,
		cache: 16 << 20, memtable: cmp.Or(o.memtable, 4<<20), format: keysFormat,
		onFormat: "run the version of Accord that wrote it",
		before: func(exists bool) (err error) {
			kek, err = readKEK(filepath.Join(dir, "kek.json"), exists)
			return err
		},
	})
	if err != nil {
		return nil, err
	}
	k := &Keys{
		store: s, controller: d.Controller(),
		tokens: newCache[identity.Lookup, identity.Token](o.entries, func(l identity.Lookup) uint64 { return binary.LittleEndian.Uint64(l[:]) }),
		data: newCache[keyRef, dataKey](o.entries, func(r keyRef) uint64 {
			return binary.LittleEndian.Uint64(r.token[:]) ^ uint64(r.class)*0x9e3779b97f4a7c15
		}),
		orders: make(chan *order, 1024), quit: make(chan struct{}), minted: make(chan struct{}), scrub: make(chan struct{}, 1),
	}
	if err := k.start(kek, dir, o.lifetime); err != nil {
		return nil, errors.Join(err, k.Close())
	}
	return k, nil
}

// start reads the key-store key and begins the goroutines.
func (k *Keys) start(kek tink.AEAD, dir string, lifetime time.Duration) error {
	k.owned.Go(k.mint)
	k.owned.Go(func() { k.sweep(lifetime / cacheAges) })
	raw, err := k.keyStoreKey(kek, dir)
	if err != nil {
		return err
	}
	if k.wrap, err = subtle.NewAESGCM(raw); err != nil {
		return fmt.Errorf("preparing the key-store key: %w", err)
	}
	clear(raw)
	secret, err := k.Secret("lookups of " + string(k.controller))
	if err != nil {
		return err
	}
	k.hasher = identity.NewHasher(secret)
	if err := errors.Join(k.loadMark(), k.loadGone()); err != nil {
		return err
	}
	if _, pending, err := k.get(metaScrub); err != nil {
		return err
	} else if pending {
		k.wantScrub()
	}
	return nil
}

var keyStoreAAD = []byte("accord key-store key v1")

// keyStoreKey asks the KEK, once, for the key that wraps all others.
func (k *Keys) keyStoreKey(kek tink.AEAD, dir string) ([]byte, error) {
	row, found, err := k.get(metaKey)
	if err != nil {
		return nil, err
	}
	if found {
		raw, err := kek.Decrypt(row, keyStoreAAD)
		if err != nil || len(raw) != 32 {
			return nil, fmt.Errorf("%s is not the key of this store: put back the one that it was made with", filepath.Join(dir, "kek.json"))
		}
		return raw, nil
	}
	raw := random32()
	sealed, err := kek.Encrypt(raw, keyStoreAAD)
	if err != nil {
		return nil, fmt.Errorf("wrapping the key-store key: %w", err)
	}
	b := k.db.NewBatch()
	defer b.Close()
	if err := b.Set(metaKey, sealed, nil); err != nil {
		return nil, err
	}
	return raw, k.commit(b, pebble.Sync)
}

func random32() []byte {
	b := make([]byte, 32)
	rand.Read(b) // never fails
	return b
}

// Hasher returns the hasher of the controller's lookups and message ids.
func (k *Keys) Hasher() *identity.Hasher { return k.hasher }

// Err returns the write fault that stopped the store, or nil.
func (k *Keys) Err() error { return k.store.Err() }

// Failed returns a channel that is closed when a write failed: stop serving, in
// order, and report Err.
func (k *Keys) Failed() <-chan struct{} { return k.failed() }

// Find returns the token of a lookup, and false where nobody has it.
func (k *Keys) Find(l identity.Lookup) (identity.Token, bool, error) {
	for {
		if t, ok := k.tokens.get(l); ok {
			return t, true, nil
		}
		epoch := k.tokens.epoch(l)
		row, found, err := k.read(appendLookupKey(nil, l))
		if err != nil || !found {
			return identity.Token{}, false, err
		}
		if len(row) != len(identity.Token{}) {
			return identity.Token{}, false, errors.New("the key store holds a damaged token: restore it from a backup")
		}
		t := identity.Token(row)
		switch k.tokens.fill(l, t, epoch) {
		case filledIn:
			return t, true, nil
		case filledHidden:
			return identity.Token{}, false, nil
		}
	}
}

// Ensure returns the tokens of the lookups in their order; a lookup that had
// none gets a random one. New tokens are on disk before it returns. A caller
// whose ctx ends may leave tokens behind that nobody uses.
func (k *Keys) Ensure(ctx context.Context, ls []identity.Lookup) ([]identity.Token, error) {
	if err := k.Err(); err != nil {
		return nil, err
	}
	out := make([]identity.Token, len(ls))
	missing := 0
	for i, l := range ls {
		t, found, err := k.Find(l)
		if err != nil {
			return nil, err
		}
		if out[i] = t; !found {
			missing++
		}
	}
	if missing == 0 {
		return out, nil
	}
	ls = append([]identity.Lookup(nil), ls...) // the minter may outlive the caller
	err := k.order(ctx, func(r *round) (err error) {
		for i, l := range ls {
			if out[i].IsZero() {
				if out[i], err = r.token(l); err != nil {
					return err
				}
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

// Need names a key that Prepare shall see to.
type Need struct {
	Token identity.Token
	Class declare.ClassID
}

// Prepare makes those keys that do not exist yet; they are on disk before it
// returns. Whoever was erased gets none: see Erase. When all are cached it takes no more than read locks and allocates
// nothing; of the others the minter sees which exist.
func (k *Keys) Prepare(ctx context.Context, needs []Need) error {
	if err := k.Err(); err != nil {
		return err
	}
	var missing []Need
	for _, n := range needs {
		if !k.data.has(keyRef{n.Token, n.Class}) {
			missing = append(missing, n)
		}
	}
	if missing == nil {
		return nil
	}
	return k.order(ctx, func(r *round) error {
		for _, n := range missing {
			if err := r.prepare(keyRef{n.Token, n.Class}); err != nil {
				return err
			}
		}
		return nil
	})
}

// Destroy destroys a person's keys of the named classes; none named, none
// destroyed. When it has returned the keys are gone from the disk's rows and
// from memory: no Seal or Open that begins later uses them, and what they
// sealed stays closed for ever. Their wrapped bytes leave the files at the next
// scrub: see Scrub.
func (k *Keys) Destroy(ctx context.Context, t identity.Token, classes ...declare.ClassID) error {
	if len(classes) == 0 {
		return nil
	}
	classes = append([]declare.ClassID(nil), classes...)
	return k.order(ctx, func(r *round) error {
		for _, c := range classes {
			if err := r.destroy(keyRef{t, c}); err != nil {
				return err
			}
		}
		return nil
	})
}

// Classes returns the classes for which a person has a living key, sorted.
func (k *Keys) Classes(t identity.Token) (classes []declare.ClassID, err error) {
	if err := k.enter(); err != nil {
		return nil, err
	}
	defer k.leave()
	prefix := append([]byte{rowKey}, t[:]...)
	it, err := k.db.NewIter(&pebble.IterOptions{LowerBound: prefix, UpperBound: after(prefix)})
	if err != nil {
		return nil, fmt.Errorf("reading the key store: %w", err)
	}
	for it.First(); it.Valid(); it.Next() {
		if row := it.Key(); len(row) == len(prefix)+4 {
			class := declare.ClassID(binary.BigEndian.Uint32(row[len(prefix):]))
			if !k.data.isHidden(keyRef{t, class}) {
				classes = append(classes, class)
			}
		}
	}
	return classes, it.Close()
}

// MaxSecretName is the longest name of a secret in bytes.
const MaxSecretName = 128

// Secret returns 32 random bytes that always belong to name, made durable at
// the first use. The caller may change its copy.
func (k *Keys) Secret(name string) ([]byte, error) {
	if name == "" || len(name) > MaxSecretName {
		return nil, fmt.Errorf("a secret's name has 1 to %d bytes", MaxSecretName)
	}
	var secret []byte
	err := k.order(context.Background(), func(r *round) (err error) {
		secret, err = r.secret(name)
		return err
	})
	return secret, err
}

// dataKey returns a living key, from the cache or from the store.
func (k *Keys) dataKey(ref keyRef) (dataKey, error) {
	for {
		if key, ok := k.data.get(ref); ok {
			return key, nil
		}
		epoch := k.data.epoch(ref)
		row, found, err := k.read(appendDataKey(nil, ref))
		if err != nil {
			return dataKey{}, err
		}
		if !found {
			return dataKey{}, ErrNoKey
		}
		key, err := k.unwrap(ref, row)
		if err != nil {
			return dataKey{}, err
		}
		switch k.data.fill(ref, key, epoch) {
		case filledIn:
			return key, nil
		case filledHidden:
			return dataKey{}, ErrNoKey
		}
	}
}

func (k *Keys) read(key []byte) (row []byte, found bool, err error) {
	if err := k.enter(); err != nil {
		return nil, false, err
	}
	defer k.leave()
	return k.get(key)
}

// Close ends the store: orders that wait get ErrClosed, the caches are wiped. A
// second Close does nothing.
func (k *Keys) Close() error {
	k.stop.Do(func() { close(k.quit) })
	k.owned.Wait()
	k.tokens.close()
	k.data.close()
	return errors.Join(k.saveMark(), k.store.close())
}
