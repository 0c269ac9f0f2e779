package app

import (
	"bytes"
	"crypto/ed25519"
	"encoding/base64"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"accord/internal/identity"
)

// publisher is a shop that publishes its key under a kid.
type publisher struct {
	key  ed25519.PrivateKey
	set  string
	fail func(http.ResponseWriter)
}

func (p *publisher) rotate(kid string, seed byte) {
	p.key = ed25519.NewKeyFromSeed(bytes.Repeat([]byte{seed}, ed25519.SeedSize))
	p.set = fmt.Sprintf(`{"keys":[{"kty":"OKP","crv":"Ed25519","kid":%q,"x":%q}]}`, kid, base64.RawURLEncoding.EncodeToString(p.key[32:]))
}

func (p *publisher) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	if p.fail != nil {
		p.fail(w)
		return
	}
	fmt.Fprint(w, p.set)
}

func (p *publisher) token(t *testing.T, kid, user string) string {
	t.Helper()
	now := time.Now()
	token := jwt.NewWithClaims(jwt.SigningMethodEdDSA, jwt.RegisteredClaims{
		Subject: user, Audience: jwt.ClaimStrings{identity.Audience}, IssuedAt: jwt.NewNumericDate(now), ExpiresAt: jwt.NewNumericDate(now.Add(time.Hour)),
	})
	token.Header["kid"] = kid
	out, err := token.SignedString(p.key)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// What was read stays in force while the next reading fails, whatever fails.
func TestKeySetIsFollowed(t *testing.T) {
	p := &publisher{}
	p.rotate("a", 1)
	server := httptest.NewServer(p)
	defer server.Close()
	var log bytes.Buffer
	keys := &identity.ShopKeys{}
	k := newKeySet(server.URL, "accord.yaml", keys, time.Now, slog.New(slog.NewTextHandler(&log, nil)))
	holds := func(token string) bool {
		_, err := keys.Verify(token, "shop", time.Now())
		return err == nil
	}
	if wait := k.read(t.Context()); wait != keySetEvery {
		t.Fatalf("it is read again after %s: %s", wait, &log)
	}
	first := p.token(t, "a", "anna")
	if !holds(first) {
		t.Fatal("the key that was read proves nothing")
	}
	elsewhere := httptest.NewServer(p)
	defer elsewhere.Close()
	for says, fail := range map[string]func(http.ResponseWriter){
		"503":      func(w http.ResponseWriter) { w.WriteHeader(503) },
		"JSON Web": func(w http.ResponseWriter) { fmt.Fprint(w, "<html>") },
		"larger":   func(w http.ResponseWriter) { w.Write(make([]byte, identity.MaxJWKS+1)) }, //nolint:errcheck
		"elsewhere": func(w http.ResponseWriter) {
			w.Header().Set("Location", elsewhere.URL)
			w.WriteHeader(302)
		},
	} {
		log.Reset()
		p.fail = fail
		if wait := k.read(t.Context()); wait != keySetAgain || !holds(first) || !strings.Contains(log.String(), says) {
			t.Errorf("%s: again after %s, the old key holds: %v; said %s", says, wait, holds(first), &log)
		}
	}
	p.fail = nil
	p.rotate("b", 2)
	if k.read(t.Context()); holds(first) || !holds(p.token(t, "b", "anna")) {
		t.Error("the key set was rotated, and the old one still counts")
	}
}

// A file is found beside the declaration.
func TestKeySetInAFile(t *testing.T) {
	p, dir := &publisher{}, t.TempDir()
	p.rotate("a", 1)
	if err := os.WriteFile(filepath.Join(dir, "jwks.json"), []byte(p.set), 0o600); err != nil {
		t.Fatal(err)
	}
	keys := &identity.ShopKeys{}
	k := newKeySet("jwks.json", filepath.Join(dir, "accord.yaml"), keys, time.Now, quiet())
	k.run()
	k.close()
	if _, err := keys.Verify(p.token(t, "a", "anna"), "shop", time.Now()); err != nil {
		t.Error(err)
	}
}

// lastLine is a log of which the last line counts.
type lastLine struct {
	mu   sync.Mutex
	line string // guarded by mu
}

func (l *lastLine) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.line = string(b)
	return len(b), nil
}

func (l *lastLine) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.line
}

// Keys that cannot be read any more prove nobody after a day, and the operator is
// told before and after; they come back with the next success.
func TestKeySetGrowsTooOld(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, file := &publisher{}, filepath.Join(t.TempDir(), "jwks.json")
		p.rotate("a", 1)
		publish := func() {
			t.Helper()
			if err := os.WriteFile(file, []byte(p.set), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		log := &lastLine{}
		keys := &identity.ShopKeys{}
		k := newKeySet(file, "accord.yaml", keys, time.Now, slog.New(slog.NewTextHandler(log, nil)))
		after := func(wait time.Duration, holds bool, says string) {
			t.Helper()
			time.Sleep(wait)
			synctest.Wait()
			if _, err := keys.Verify(p.token(t, "a", "anna"), "shop", time.Now()); (err == nil) != holds {
				t.Errorf("at the age %s: %v", k.age(), err)
			}
			if !strings.Contains(log.String(), says) {
				t.Errorf("at the age %s it does not say %q: %s", k.age(), says, log)
			}
		}
		k.run()
		defer k.close()
		if !strings.Contains(log.String(), "was never read") || k.age() < 100*365*24*time.Hour {
			t.Errorf("without a file, at the age %s: %s", k.age(), log)
		}
		publish()
		after(keySetAgain, true, "")
		if err := os.Remove(file); err != nil {
			t.Fatal(err)
		}
		after(identity.MaxJWKSAge-time.Nanosecond, true, "count_until=2000-01-02T00:00:30") // read half a minute after the bubble's midnight
		after(time.Nanosecond, false, "")
		after(keySetAgain, false, "prove nobody any more; let the source answer with a key set, or write the shop's keys into shop_keys")
		publish()
		after(keySetAgain, true, "")
		if age := k.age(); age >= keySetEvery {
			t.Errorf("read again, at the age %s", age)
		}
	})
	if age := (*keySet)(nil).age(); age != 0 {
		t.Errorf("where none is declared the age is %s", age)
	}
}
