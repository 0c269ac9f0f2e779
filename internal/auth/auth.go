// Package auth says which programs may speak to the server.
//
// There are two kinds of key. A write key ("wk_…") is public: it sits in a
// browser or an app, may collect, and proves nothing about a person. A secret
// key ("sk_…") belongs to the shop's own servers and speaks for everybody. A key
// is 32 random bytes, so it cannot be guessed and a plain SHA-256 is enough to
// store it by; whoever reads the file cannot use what is in it.
//
// All keys are in one small JSON file that people may back up. `accord key` and
// a running server share it: a change is written under a lock to a new file
// that replaces the old one, and [Keys.Run] notices it within a second.
//
//	keys, err := auth.Open("access.json")
//	plain, key, err := keys.Make(auth.Write, "web", []string{"https://shop.example"})
//	go keys.Run(ctx)
//	…
//	if key, ok := keys.Check(plain, time.Now()); ok && key.Kind == auth.Secret { … }
//
// Promises kept here: 1 in part (a key that is not known, was revoked or ran out
// opens nothing), 5 (a key that was made or revoked stays so after a power cut).
//
// Non-goals: people who sign in, roles, and who a request is about (package
// identity).
package auth

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"accord/internal/identity"
)

// Kind is what a key may do.
type Kind string

// The kinds of key.
const (
	// Write keys are public. They may collect, and ask for what a proof that
	// comes with the request covers.
	Write Kind = "write"
	// Secret keys speak for everybody.
	Secret Kind = "secret"
)

// Limits of the file and of what is in it.
const (
	MaxKeys    = 1000
	MaxOrigins = 50
	maxFile    = 4 << 20
)

// prefix and length of a key's plain text: three letters and 32 bytes in
// base64url.
const (
	writePrefix  = "wk_"
	secretPrefix = "sk_"
	plainLength  = 3 + 43
)

// Errors that callers tell apart.
var (
	ErrUnknown = errors.New("there is no key with this id: `accord key list` shows them")
	ErrRevoked = errors.New("the key was revoked and cannot be changed any more: make a new one")
)

// Key is what is known about a key: all but its text.
type Key struct {
	// ID names the key for people and commands, such as "k_5f3a9c12". It is no
	// secret.
	ID   string `json:"id"`
	Kind Kind   `json:"kind"`
	// Source is the name of what speaks with the key ("web", "till-3"): 1 to 64
	// letters, digits, dots, dashes and underscores. Messages are told apart by
	// it, so a key that replaces another keeps it.
	Source string `json:"source"`
	// Controller is the brand that answers for what the source collects; "" is
	// the declaration's first. A server refuses keys of a controller that it does
	// not serve.
	Controller identity.Controller `json:"controller,omitempty"`
	// Origins are the web origins whose pages may use the key, such as
	// "https://shop.example"; "*" is all. Read it only.
	Origins []string  `json:"origins,omitempty"`
	Created time.Time `json:"created"`
	// Until is when a rotated key ends; zero is never.
	Until time.Time `json:"until,omitzero"`
	// Revoked is when the key was revoked; zero is not.
	Revoked time.Time `json:"revoked,omitzero"`
	// Replaces is the ID of the key that this one replaced.
	Replaces string `json:"replaces,omitempty"`
}

// Live reports whether the key may be used at now.
func (k *Key) Live(now time.Time) bool {
	return k.Revoked.IsZero() && (k.Until.IsZero() || now.Before(k.Until))
}

// Allows reports whether pages of a web origin may use the key.
func (k *Key) Allows(origin string) bool {
	for _, o := range k.Origins {
		if o == "*" || o == origin {
			return true
		}
	}
	return false
}

// entry is a key with the hash of its text.
type entry struct {
	Key
	Hash string `json:"sha256"` // of the plain text, hexadecimal
	sum  [sha256.Size]byte
}

// table is one state of the file. It never changes.
type table struct {
	entries []*entry
	index   map[[8]byte][]*entry // by the first bytes of the hash
	seen    os.FileInfo          // nil while there is no file
}

// Keys are the keys of one file. It is safe for concurrent use, in one process
// and between several.
type Keys struct {
	// Logger, if set before Run, hears of a file that cannot be read.
	Logger *slog.Logger

	file      string
	change    sync.Mutex // held while this process changes the file or the table
	table     atomic.Pointer[table]
	ephemeral []*entry // guarded by change
}

// Open reads the keys in file. A file that is not there is no error: it is made
// with the first key.
func Open(file string) (*Keys, error) {
	k := &Keys{file: file}
	t, err := read(file)
	if err != nil {
		return nil, err
	}
	k.use(t)
	return k, nil
}

// use puts a table into force, with the keys that are in no file.
func (k *Keys) use(t *table) {
	for _, e := range k.ephemeral {
		head := [8]byte(e.sum[:8])
		t.index[head] = append(t.index[head], e)
	}
	k.table.Store(t)
}

// MakeEphemeral makes a key that is in no file and in no list and ends with this
// process: what a command that starts a server for itself speaks to it with.
// Source names what speaks, for people.
func (k *Keys) MakeEphemeral(source string, kind Kind) (plain string, err error) {
	if kind != Write && kind != Secret {
		return "", fmt.Errorf("the kind of a key is %q or %q", Write, Secret)
	}
	plain, e := mint(Key{Kind: kind, Source: source}, time.Now().UTC().Truncate(time.Second))
	k.change.Lock()
	defer k.change.Unlock()
	t, err := read(k.file)
	if err != nil {
		return "", err
	}
	k.ephemeral = append(k.ephemeral, e)
	k.use(t)
	return plain, nil
}

// Check finds the key with this plain text and reports whether it may be used at
// now. It allocates nothing, and takes the same time for a text that differs in
// its first character and in its last.
func (k *Keys) Check(plain string, now time.Time) (Key, bool) {
	if len(plain) != plainLength {
		return Key{}, false
	}
	var text [plainLength]byte
	copy(text[:], plain)
	sum := sha256.Sum256(text[:])
	for _, e := range k.table.Load().index[[8]byte(sum[:8])] {
		if subtle.ConstantTimeCompare(e.sum[:], sum[:]) == 1 && e.Live(now) {
			return e.Key, true
		}
	}
	return Key{}, false
}

// Allows reports whether any key that may be used at now is open to pages of a
// web origin. A browser's preflight request carries no key, so this is all that
// can be asked about it.
func (k *Keys) Allows(origin string, now time.Time) bool {
	return slices.ContainsFunc(k.table.Load().entries, func(e *entry) bool { return e.Live(now) && e.Allows(origin) })
}

// List returns all keys in the order in which they were made, revoked ones too.
func (k *Keys) List() []Key {
	entries := k.table.Load().entries
	out := make([]Key, len(entries))
	for i, e := range entries {
		out[i] = e.Key
	}
	return out
}

// Make makes a key for the default controller and returns its plain text, which
// is never shown again. Source and origins are described at [Key]. A secret key
// has no origins, since it must not be in a browser.
func (k *Keys) Make(kind Kind, source string, origins []string) (plain string, key Key, err error) {
	return k.MakeFor("", kind, source, origins)
}

// MakeFor is Make for one of several controllers.
func (k *Keys) MakeFor(c identity.Controller, kind Kind, source string, origins []string) (plain string, key Key, err error) {
	key = Key{Kind: kind, Source: source, Controller: c}
	if key.Origins, err = checkOrigins(origins); err != nil {
		return "", Key{}, err
	}
	if err := key.check(); err != nil {
		return "", Key{}, err
	}
	err = k.update(func(entries []*entry, now time.Time) ([]*entry, error) {
		var e *entry
		plain, e = mint(key, now)
		key = e.Key
		return append(entries, e), nil
	})
	if err != nil {
		return "", Key{}, err
	}
	return plain, key, nil
}

// Rotate makes a key in the place of the one called id and lets both work for
// the overlap, 0 to 90 days. Only one rotation can run at a time.
func (k *Keys) Rotate(id string, overlap time.Duration) (plain string, key Key, err error) {
	if overlap < 0 || overlap > 90*24*time.Hour {
		return "", Key{}, errors.New("the overlap of a rotation is between 0 and 90 days")
	}
	err = k.update(func(entries []*entry, now time.Time) ([]*entry, error) {
		old := find(entries, id)
		switch {
		case old == nil:
			return nil, ErrUnknown
		case !old.Revoked.IsZero():
			return nil, ErrRevoked
		case !old.Until.IsZero():
			return nil, fmt.Errorf("key %s was rotated already and ends %s: rotate the key that replaced it", id, old.Until.Format(time.RFC3339))
		}
		fresh := old.Key
		fresh.Replaces = old.ID
		var e *entry
		plain, e = mint(fresh, now)
		key = e.Key
		old.Until = now.Add(overlap)
		return append(entries, e), nil
	})
	if err != nil {
		return "", Key{}, err
	}
	return plain, key, nil
}

// Revoke ends a key at once and for ever. To revoke it again changes nothing.
func (k *Keys) Revoke(id string) (key Key, err error) {
	err = k.update(func(entries []*entry, now time.Time) ([]*entry, error) {
		e := find(entries, id)
		if e == nil {
			return nil, ErrUnknown
		}
		if e.Revoked.IsZero() {
			e.Revoked = now
		}
		key = e.Key
		return entries, nil
	})
	return key, err
}

func find(entries []*entry, id string) *entry {
	if i := slices.IndexFunc(entries, func(e *entry) bool { return e.ID == id }); i >= 0 {
		return entries[i]
	}
	return nil
}

// mint makes the text of a new key.
func mint(key Key, now time.Time) (plain string, e *entry) {
	var secret [32]byte
	var id [4]byte
	rand.Read(secret[:])
	rand.Read(id[:])
	plain = writePrefix
	if key.Kind == Secret {
		plain = secretPrefix
	}
	plain += base64.RawURLEncoding.EncodeToString(secret[:])
	key.ID, key.Created = "k_"+hex.EncodeToString(id[:]), now
	e = &entry{Key: key, sum: sha256.Sum256([]byte(plain))}
	e.Hash = hex.EncodeToString(e.sum[:])
	return plain, e
}

// check reports what is wrong with a key's description.
func (k *Key) check() error {
	switch {
	case k.Kind != Write && k.Kind != Secret:
		return fmt.Errorf("the kind of a key is %q or %q", Write, Secret)
	case !isName(k.Source):
		return errors.New("the name of a key's source has 1 to 64 letters, digits, dots, dashes and underscores")
	case len(k.Origins) > MaxOrigins:
		return fmt.Errorf("a key has at most %d origins", MaxOrigins)
	case k.Kind == Secret && len(k.Origins) > 0:
		return errors.New("a secret key has no origins, since it must not be in a browser: make a write key for pages")
	}
	return nil
}

func isName(s string) bool {
	if s == "" || len(s) > 64 {
		return false
	}
	return strings.IndexFunc(s, func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '.' || r == '-' || r == '_')
	}) < 0
}

// checkOrigins brings origins into the form in which browsers send them.
func checkOrigins(origins []string) ([]string, error) {
	var out []string
	for _, o := range origins {
		if o != "*" {
			u, err := url.Parse(strings.TrimSuffix(o, "/"))
			if err != nil || u.Scheme == "" || u.Host == "" || u.Path != "" || u.RawQuery != "" || u.Fragment != "" || u.User != nil {
				return nil, fmt.Errorf("%q is not a web origin: write it like https://shop.example or https://shop.example:8443", o)
			}
			o = strings.ToLower(u.Scheme + "://" + u.Host)
		}
		if !slices.Contains(out, o) {
			out = append(out, o)
		}
	}
	return out, nil
}
