package vault

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"accord/internal/declare"
	"accord/internal/event"
	"accord/internal/identity"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	if mode := os.Getenv("ACCORD_VAULT_CHILD"); mode != "" {
		crashChild(os.Getenv("ACCORD_VAULT_DIR"))
		return
	}
	goleak.VerifyTestMain(m)
}

// shop is a declaration that is enough for keys.
func shop() *declare.Declaration {
	return &declare.Declaration{Controllers: []declare.ControllerInfo{{ID: "shop"}}}
}

func openKeys(t testing.TB, dir string, opts ...Option) *Keys {
	t.Helper()
	k, err := OpenKeys(dir, shop(), opts...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := k.Close(); err != nil {
			t.Error(err)
		}
	})
	return k
}

func lookup(i int) (l identity.Lookup) {
	// Spread like the HMACs that lookups are.
	binary.LittleEndian.PutUint64(l[:], uint64(i)*0x9e3779b97f4a7c15+1)
	binary.LittleEndian.PutUint64(l[8:], uint64(i))
	return l
}

func header(t identity.Token, c declare.ClassID, id byte) *event.Header {
	return &event.Header{ID: event.ID{id}, Token: t, Class: c, Kind: event.KindPiece}
}

func ensure(t testing.TB, k *Keys, ls ...identity.Lookup) []identity.Token {
	t.Helper()
	ts, err := k.Ensure(context.Background(), ls)
	if err != nil {
		t.Fatal(err)
	}
	return ts
}

func prepare(t testing.TB, k *Keys, needs ...Need) {
	t.Helper()
	if err := k.Prepare(context.Background(), needs); err != nil {
		t.Fatal(err)
	}
}

// Promise 5: acknowledged is durable. Tokens, keys and secrets are the same
// after a restart, and what was sealed opens.
func TestKeysSurviveRestart(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "keys")
	k, err := OpenKeys(dir, shop())
	if err != nil {
		t.Fatal(err)
	}
	tokens := ensure(t, k, lookup(1), lookup(2), lookup(1))
	if tokens[0] != tokens[2] || tokens[0] == tokens[1] || tokens[0].IsZero() {
		t.Fatalf("tokens %v: the same lookup has the same token, another another", tokens)
	}
	prepare(t, k, Need{tokens[0], 7})
	h := header(tokens[0], 7, 1)
	sealed, err := k.Seal(nil, h, []byte("hello"))
	if err != nil {
		t.Fatal(err)
	}
	if len(sealed) != len("hello")+SealedOverhead {
		t.Errorf("sealed to %d bytes", len(sealed))
	}
	secret, err := k.Secret("receipts")
	if err != nil || len(secret) != 32 {
		t.Fatal(secret, err)
	}
	hash := k.Hasher().Lookup(identity.Identifier{Kind: identity.UserID, Value: "ann"})
	if err := k.Close(); err != nil {
		t.Fatal(err)
	}

	k = openKeys(t, dir)
	if again := ensure(t, k, lookup(1), lookup(2)); again[0] != tokens[0] || again[1] != tokens[1] {
		t.Errorf("tokens changed over a restart")
	}
	if found, ok, err := k.Find(lookup(2)); err != nil || !ok || found != tokens[1] {
		t.Errorf("Find: %v %v %v", found, ok, err)
	}
	if _, ok, err := k.Find(lookup(3)); err != nil || ok {
		t.Errorf("Find of nobody: %v %v", ok, err)
	}
	plain, err := k.Open([]byte(">"), h, sealed)
	if err != nil || string(plain) != ">hello" {
		t.Errorf("Open: %q %v", plain, err)
	}
	if again, err := k.Secret("receipts"); err != nil || !bytes.Equal(again, secret) {
		t.Errorf("the secret changed: %v", err)
	}
	if other, err := k.Secret("visitors"); err != nil || bytes.Equal(other, secret) {
		t.Errorf("two names, one secret: %v", err)
	}
	if again := k.Hasher().Lookup(identity.Identifier{Kind: identity.UserID, Value: "ann"}); again != hash {
		t.Errorf("the hasher changed over a restart")
	}
}

func TestSealBindsTheHeader(t *testing.T) {
	k := openKeys(t, t.TempDir())
	ts := ensure(t, k, lookup(1), lookup(2))
	prepare(t, k, Need{ts[0], 7}, Need{ts[1], 7})
	h := header(ts[0], 7, 1)
	sealed, err := k.Seal(nil, h, []byte("hello"))
	if err != nil {
		t.Fatal(err)
	}
	other := *h
	other.Accepted++
	if _, err := k.Open(nil, &other, sealed); !errors.Is(err, ErrTampered) {
		t.Errorf("another header: %v", err)
	}
	damaged := slices.Clone(sealed)
	damaged[len(damaged)-1] ^= 1
	if _, err := k.Open(nil, h, damaged); !errors.Is(err, ErrTampered) {
		t.Errorf("a flipped bit: %v", err)
	}
	if _, err := k.Open(nil, h, sealed[:SealedOverhead-1]); !errors.Is(err, ErrTampered) {
		t.Errorf("a cut record: %v", err)
	}
	if _, err := k.Open(nil, header(ts[1], 7, 1), sealed); err == nil {
		t.Error("another person's key opened it")
	}
	if _, err := k.Seal(nil, header(ts[0], 8, 1), nil); !errors.Is(err, ErrNoKey) {
		t.Errorf("a class without a key: %v", err)
	}
}

// A data key is its controller's: under another one its row does not unwrap.
func TestADataKeyIsItsControllers(t *testing.T) {
	k := openKeys(t, t.TempDir())
	ref := keyRef{ensure(t, k, lookup(1))[0], 7}
	row, err := k.wrapKey(ref, &dataKey{key: [32]byte{1}})
	if err != nil {
		t.Fatal(err)
	}
	if got, err := k.unwrap(ref, row); err != nil || got.key != [32]byte{1} {
		t.Errorf("its own: %v", err)
	}
	other := &Keys{wrap: k.wrap, controller: k.controller + "2"}
	if _, err := other.unwrap(ref, row); !errors.Is(err, errDamagedKey) {
		t.Errorf("another controller's: %v", err)
	}
}

// Promise 7, in part: a destroyed key opens nothing, before and after a
// restart, and a new key for the same person and class does not either.
func TestDestroy(t *testing.T) {
	dir := t.TempDir()
	k, err := OpenKeys(dir, shop())
	if err != nil {
		t.Fatal(err)
	}
	token := ensure(t, k, lookup(1))[0]
	prepare(t, k, Need{token, 7}, Need{token, 3}, Need{token, 9})
	h := header(token, 7, 1)
	sealed, err := k.Seal(nil, h, []byte("hello"))
	if err != nil {
		t.Fatal(err)
	}
	if cs, err := k.Classes(token); err != nil || !slices.Equal(cs, []declare.ClassID{3, 7, 9}) {
		t.Errorf("classes %v, %v", cs, err)
	}
	if err := k.Destroy(t.Context(), token); err != nil {
		t.Fatal(err)
	}
	if cs, _ := k.Classes(token); len(cs) != 3 {
		t.Errorf("none named, and destroyed: %v", cs)
	}
	if err := k.Destroy(t.Context(), token, 7, 3, 1000); err != nil {
		t.Fatal(err)
	}
	if _, err := k.Open(nil, h, sealed); !errors.Is(err, ErrNoKey) {
		t.Errorf("Open after Destroy: %v", err)
	}
	if _, err := k.Seal(nil, h, nil); !errors.Is(err, ErrNoKey) {
		t.Errorf("Seal after Destroy: %v", err)
	}
	if err := k.Close(); err != nil {
		t.Fatal(err)
	}
	k = openKeys(t, dir)
	if cs, err := k.Classes(token); err != nil || !slices.Equal(cs, []declare.ClassID{9}) {
		t.Errorf("classes after a restart %v, %v", cs, err)
	}
	if _, err := k.Open(nil, h, sealed); !errors.Is(err, ErrNoKey) {
		t.Errorf("Open after Destroy and a restart: %v", err)
	}
	prepare(t, k, Need{token, 7})
	if _, err := k.Open(nil, h, sealed); !errors.Is(err, ErrNoKey) {
		t.Errorf("a new key for what the old one sealed: %v", err)
	}
}

// Promise 7, in part: when Destroy has returned, nobody who begins later
// observes the key, however many fill the cache at the time.
func TestDestroyWhileOthersRead(t *testing.T) {
	k := openKeys(t, t.TempDir(), WithCache(64, time.Minute))
	token := ensure(t, k, lookup(1))[0]
	h := header(token, 7, 1)
	for range 50 {
		prepare(t, k, Need{token, 7})
		sealed, err := k.Seal(nil, h, []byte("hello"))
		if err != nil {
			t.Fatal(err)
		}
		stop := make(chan struct{})
		var readers sync.WaitGroup
		for range 4 {
			readers.Go(func() {
				for {
					select {
					case <-stop:
						return
					default:
					}
					if _, err := k.Open(nil, h, sealed); err != nil && !errors.Is(err, ErrNoKey) {
						t.Error(err)
						return
					}
					k.data.sweep() // keeps the cache turning over
				}
			})
		}
		if err := k.Destroy(t.Context(), token, 7); err != nil {
			t.Error(err)
		}
		for range 100 {
			if _, err := k.Open(nil, h, sealed); !errors.Is(err, ErrNoKey) {
				t.Errorf("Open after Destroy: %v", err)
				break
			}
		}
		close(stop)
		readers.Wait()
	}
}

// Two callers who ask for the same new person get the same token, and the keys
// of concurrent callers share their syncs.
func TestConcurrentEnsure(t *testing.T) {
	k := openKeys(t, t.TempDir())
	const callers, people = 16, 40
	got := make([][]identity.Token, callers)
	var all sync.WaitGroup
	for c := range callers {
		all.Go(func() {
			for p := range people {
				ts, err := k.Ensure(t.Context(), []identity.Lookup{lookup(p), lookup(p / 2)})
				if err == nil {
					err = k.Prepare(t.Context(), []Need{{ts[0], 1}, {ts[1], 2}})
				}
				if err == nil {
					_, err = k.Seal(nil, header(ts[0], 1, 1), []byte("x"))
				}
				if err != nil {
					t.Error(err)
					return
				}
				got[c] = append(got[c], ts[0])
			}
		})
	}
	all.Wait()
	for c := range got {
		if !slices.Equal(got[c], got[0]) {
			t.Fatalf("caller %d got other tokens than caller 0", c)
		}
	}
}

func TestEnsureEndsWithItsContext(t *testing.T) {
	k := openKeys(t, t.TempDir())
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for i := range 20 { // either it was taken or not; never a wrong answer
		if ts, err := k.Ensure(ctx, []identity.Lookup{lookup(i)}); err == nil && ts[0].IsZero() {
			t.Fatal("no error and no token")
		} else if err != nil && !errors.Is(err, context.Canceled) {
			t.Fatal(err)
		}
	}
}

func TestKeysClosed(t *testing.T) {
	k := openKeys(t, t.TempDir())
	token := ensure(t, k, lookup(1))[0]
	prepare(t, k, Need{token, 1})
	if err := k.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := k.Ensure(t.Context(), []identity.Lookup{lookup(1)}); !errors.Is(err, ErrClosed) {
		t.Errorf("Ensure: %v", err)
	}
	if err := k.Prepare(t.Context(), []Need{{token, 1}}); !errors.Is(err, ErrClosed) {
		t.Errorf("Prepare: %v", err)
	}
	if _, err := k.Seal(nil, header(token, 1, 1), nil); !errors.Is(err, ErrClosed) {
		t.Errorf("Seal: %v", err)
	}
	if err := k.Destroy(t.Context(), token, 1); !errors.Is(err, ErrClosed) {
		t.Errorf("Destroy: %v", err)
	}
	if _, err := k.Secret("x"); !errors.Is(err, ErrClosed) {
		t.Errorf("Secret: %v", err)
	}
	if err := k.Scrub(t.Context()); !errors.Is(err, ErrClosed) {
		t.Errorf("Scrub: %v", err)
	}
}

func TestOneProcessAtATime(t *testing.T) {
	dir := t.TempDir()
	openKeys(t, dir)
	if _, err := OpenKeys(dir, shop()); !errors.Is(err, ErrInUse) {
		t.Errorf("a second OpenKeys: %v", err)
	}
}

func TestKeyEncryptionKeyFile(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "keys")
	k, err := OpenKeys(dir, shop())
	if err != nil {
		t.Fatal(err)
	}
	token := ensure(t, k, lookup(1))[0]
	if err := k.Close(); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "kek.json")
	for path, want := range map[string]fs.FileMode{dir: 0o700, file: 0o600, filepath.Join(dir, "store"): 0o700} {
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != want {
			t.Errorf("%s has mode %v (%v), not %v", path, info.Mode().Perm(), err, want)
		}
	}
	good, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	refuse := func(what, text string) {
		t.Helper()
		_, err := OpenKeys(dir, shop())
		if err == nil || !strings.Contains(err.Error(), text) {
			t.Errorf("%s: %v", what, err)
		}
		if err != nil && bytes.Contains(good, []byte(err.Error())) {
			t.Errorf("%s: the error shows the key", what)
		}
	}
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(os.Chmod(file, 0o644))
	refuse("a file that others may read", "chmod 600")
	must(os.Remove(file))
	refuse("no file", file)
	if _, err := OpenKeys(dir, shop()); !errors.Is(err, ErrNoKEK) {
		t.Errorf("no file: %v", err)
	}
	if _, err := os.Stat(file); !errors.Is(err, fs.ErrNotExist) {
		t.Error("a new key was made over data that needs the old one")
	}
	must(os.WriteFile(file, []byte("{}"), 0o600))
	refuse("no keyset", "not a Tink keyset")
	other := t.TempDir()
	o, err := OpenKeys(other, shop())
	must(err)
	must(o.Close())
	wrong, err := os.ReadFile(filepath.Join(other, "kek.json"))
	must(err)
	must(os.WriteFile(file, wrong, 0o600))
	refuse("another store's key", "not the key of this store")
	must(os.WriteFile(file, good, 0o600))
	k = openKeys(t, dir)
	if again := ensure(t, k, lookup(1))[0]; again != token {
		t.Error("the right key again, and another token")
	}
}

// What a scrub leaves behind holds no wrapped byte of a destroyed key.
func TestScrub(t *testing.T) {
	dir := t.TempDir()
	k := openKeys(t, dir)
	ts := ensure(t, k, lookup(1), lookup(2))
	prepare(t, k, Need{ts[0], 7}, Need{ts[1], 7})
	row := func(token identity.Token) []byte {
		row, found, err := k.read(appendDataKey(nil, keyRef{token, 7}))
		if err != nil || !found {
			t.Fatal(found, err)
		}
		return row[keyIDSize:]
	}
	gone, stays := row(ts[0]), row(ts[1])
	if !inFiles(t, dir, gone) {
		t.Fatal("the row is in no file to begin with")
	}
	if err := k.Destroy(t.Context(), ts[0], 7); err != nil {
		t.Fatal(err)
	}
	if err := k.Scrub(t.Context()); err != nil {
		t.Fatal(err)
	}
	// Old files are removed in the background.
	for deadline := time.Now().Add(20 * time.Second); inFiles(t, dir, gone); {
		if time.Now().After(deadline) {
			t.Fatal("the destroyed key's row is still in a file")
		}
		time.Sleep(10 * time.Millisecond)
	}
	if !inFiles(t, dir, stays) {
		t.Error("the living key's row is gone")
	}
}

// inFiles reports whether a value is in a file below dir, or in a file's name.
func inFiles(t testing.TB, dir string, value []byte) (found bool) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return ignoreGone(err)
		}
		b, err := os.ReadFile(path)
		found = found || bytes.Contains(b, value) || strings.Contains(path[len(dir):], string(value))
		return ignoreGone(err)
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// ignoreGone passes over files that the engine removed during a walk.
func ignoreGone(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}
