package auth

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	if file := os.Getenv("ACCORD_AUTH_TEST_FILE"); file != "" {
		makeInChild(file)
		return
	}
	goleak.VerifyTestMain(m)
}

// makeInChild is the other process of TestTwoProcesses.
func makeInChild(file string) {
	k, err := Open(file)
	if err != nil {
		panic(err)
	}
	for range 10 {
		if _, _, err := k.Make(Write, "child", nil); err != nil {
			panic(err)
		}
	}
}

func open(t *testing.T, file string) *Keys {
	t.Helper()
	k, err := Open(file)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func make1(t *testing.T, k *Keys, kind Kind, source string, origins ...string) (string, Key) {
	t.Helper()
	plain, key, err := k.Make(kind, source, origins)
	if err != nil {
		t.Fatal(err)
	}
	return plain, key
}

func TestCheck(t *testing.T) {
	k := open(t, filepath.Join(t.TempDir(), "access.json"))
	write, wkey := make1(t, k, Write, "web", "https://Shop.example/")
	secret, skey := make1(t, k, Secret, "backend")
	now := time.Now()
	if got, ok := k.Check(write, now); !ok || got.ID != wkey.ID || got.Kind != Write || got.Source != "web" {
		t.Errorf("the write key: %+v, %v", got, ok)
	}
	if got, ok := k.Check(secret, now); !ok || got.ID != skey.ID || got.Kind != Secret {
		t.Errorf("the secret key: %+v, %v", got, ok)
	}
	if !strings.HasPrefix(write, "wk_") || !strings.HasPrefix(secret, "sk_") {
		t.Errorf("the prefixes are %q and %q", write[:3], secret[:3])
	}
	// Promise 1: a key that is not known opens nothing.
	for _, bad := range []string{
		"", "wk_", write[:len(write)-1], write + "x", "sk_" + write[3:], strings.ToUpper(write),
		write[:10] + "\x00" + write[11:], strings.Repeat("a", 1<<16), secret[:3] + strings.Repeat("A", 43),
	} {
		if key, ok := k.Check(bad, now); ok {
			t.Errorf("%.20q opens as %s", bad, key.ID)
		}
	}
}

func TestRotateAndRevoke(t *testing.T) {
	file := filepath.Join(t.TempDir(), "access.json")
	k := open(t, file)
	old, oldKey := make1(t, k, Write, "web", "https://shop.example")
	fresh, freshKey, err := k.Rotate(oldKey.ID, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	for name, plain := range map[string]string{"old": old, "new": fresh} {
		if got, ok := k.Check(plain, now); !ok || got.Source != "web" || !got.Allows("https://shop.example") {
			t.Errorf("within the overlap the %s key gives %+v, %v", name, got, ok)
		}
	}
	if freshKey.Replaces != oldKey.ID {
		t.Errorf("the new key replaces %q, not %q", freshKey.Replaces, oldKey.ID)
	}
	if _, ok := k.Check(old, now.Add(2*time.Hour)); ok {
		t.Error("after the overlap the old key still opens")
	}
	if _, _, err := k.Rotate(oldKey.ID, time.Hour); err == nil || !strings.Contains(err.Error(), "already") {
		t.Errorf("a second rotation of the same key: %v", err)
	}
	if _, err := k.Revoke(freshKey.ID); err != nil {
		t.Fatal(err)
	}
	if _, ok := k.Check(fresh, now); ok {
		t.Error("a revoked key opens")
	}
	if _, _, err := k.Rotate(freshKey.ID, 0); err != ErrRevoked {
		t.Errorf("rotating a revoked key: %v", err)
	}
	if _, err := k.Revoke("k_none"); err != ErrUnknown {
		t.Errorf("revoking a key that is not there: %v", err)
	}
	// Promise 5: it stays so for whoever opens the file next.
	again := open(t, file)
	if _, ok := again.Check(fresh, now); ok {
		t.Error("after a restart the revoked key opens")
	}
	if _, ok := again.Check(old, now); !ok {
		t.Error("after a restart the rotated key does not open within its overlap")
	}
	if n := len(again.List()); n != 2 {
		t.Errorf("the list has %d keys", n)
	}
}

// TestEphemeral holds that a command's own key survives a change of the file, is
// shown nowhere and ends with the process.
func TestEphemeral(t *testing.T) {
	file := filepath.Join(t.TempDir(), "access.json")
	k := open(t, file)
	plain, err := k.MakeEphemeral("command line", Secret)
	if err != nil {
		t.Fatal(err)
	}
	make1(t, k, Write, "web")
	if got, ok := k.Check(plain, time.Now()); !ok || got.Kind != Secret || got.Source != "command line" {
		t.Errorf("after another key was made: %+v, %v", got, ok)
	}
	if n := len(k.List()); n != 1 {
		t.Errorf("the list has %d keys", n)
	}
	if _, ok := open(t, file).Check(plain, time.Now()); ok {
		t.Error("another process knows the key")
	}
	if _, err := k.MakeEphemeral("x", "admin"); err == nil {
		t.Error("an unknown kind is taken")
	}
}

func TestFileHoldsNoKey(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "access.json")
	k := open(t, file)
	plain, _ := make1(t, k, Secret, "backend")
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(b, []byte(plain)) || bytes.Contains(b, []byte(plain[3:])) {
		t.Error("the file holds the plain text of a key")
	}
	sum := sha256.Sum256([]byte(plain))
	if !bytes.Contains(b, []byte(hex.EncodeToString(sum[:]))) {
		t.Error("the file does not hold the key's hash")
	}
	info, err := os.Stat(file)
	if err != nil {
		t.Fatal(err)
	}
	if info.Mode().Perm() != 0o600 {
		t.Errorf("the file's mode is %v", info.Mode())
	}
	left, err := filepath.Glob(filepath.Join(dir, "*.new-*"))
	if err != nil || len(left) != 0 {
		t.Errorf("files are left behind: %v, %v", left, err)
	}
}

func TestDescriptionsAreChecked(t *testing.T) {
	k := open(t, filepath.Join(t.TempDir(), "access.json"))
	for name, try := range map[string]struct {
		kind    Kind
		source  string
		origins []string
	}{
		"no source":               {Write, "", nil},
		"a source with a slash":   {Write, "a/b", nil},
		"a long source":           {Write, strings.Repeat("a", 65), nil},
		"an unknown kind":         {"admin", "web", nil},
		"a secret key in a page":  {Secret, "web", []string{"https://shop.example"}},
		"an origin with a path":   {Write, "web", []string{"https://shop.example/x"}},
		"an origin without a dot": {Write, "web", []string{"shop.example"}},
		"the null origin":         {Write, "web", []string{"null"}},
		"an origin with a user":   {Write, "web", []string{"https://u:p@shop.example"}},
		"too many origins":        {Write, "web", many(MaxOrigins + 1)},
	} {
		if _, _, err := k.Make(try.kind, try.source, try.origins); err == nil {
			t.Errorf("%s is taken", name)
		}
	}
	if len(k.List()) != 0 {
		t.Error("a refused key was kept")
	}
	_, key := make1(t, k, Write, "web", "HTTPS://Shop.Example:8443/", "https://shop.example:8443", "*")
	if len(key.Origins) != 2 || key.Origins[0] != "https://shop.example:8443" || key.Origins[1] != "*" {
		t.Errorf("the origins are %v", key.Origins)
	}
}

func many(n int) (out []string) {
	for i := range n {
		out = append(out, "https://shop.example:"+string(rune('0'+i%10))+strings.Repeat("1", i/10+1))
	}
	return out
}

func TestAllows(t *testing.T) {
	k := open(t, filepath.Join(t.TempDir(), "access.json"))
	_, key := make1(t, k, Write, "web", "https://shop.example")
	make1(t, k, Write, "app")
	now := time.Now()
	if !k.Allows("https://shop.example", now) || k.Allows("https://evil.example", now) || k.Allows("", now) {
		t.Error("the set of all keys' origins is not what the keys say")
	}
	if _, err := k.Revoke(key.ID); err != nil {
		t.Fatal(err)
	}
	if k.Allows("https://shop.example", now) {
		t.Error("a revoked key's origin is still open")
	}
}

// TestRunTakesOver holds that a running server follows `accord key`.
func TestRunTakesOver(t *testing.T) {
	file := filepath.Join(t.TempDir(), "access.json")
	server, command := open(t, file), open(t, file)
	var log lockedBuffer
	server.Logger = slog.New(slog.NewTextHandler(&log, nil))
	ctx, cancel := context.WithCancel(t.Context())
	var done sync.WaitGroup
	done.Go(func() { server.Run(ctx) })
	defer done.Wait()
	defer cancel()

	plain, key := make1(t, command, Write, "web")
	eventually(t, "the new key opens", func() bool { _, ok := server.Check(plain, time.Now()); return ok })
	if _, err := command.Revoke(key.ID); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the revoked key is closed", func() bool { _, ok := server.Check(plain, time.Now()); return !ok })

	// A broken file changes nothing and is heard of.
	plain, _ = make1(t, command, Write, "web")
	eventually(t, "the next key opens", func() bool { _, ok := server.Check(plain, time.Now()); return ok })
	if err := os.WriteFile(file, []byte(`{"version":1,"keys":[{"id`), 0o600); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the broken file is reported", func() bool { return strings.Contains(log.String(), "cannot be read") })
	if _, ok := server.Check(plain, time.Now()); !ok {
		t.Error("a broken file closed the server")
	}
	// A removed file means no keys.
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	eventually(t, "no file, no keys", func() bool { _, ok := server.Check(plain, time.Now()); return !ok })
}

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("not within 20 s: %s", what)
		}
	}
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// TestTwoProcesses holds that no key is lost when processes and goroutines
// change the file at once.
func TestTwoProcesses(t *testing.T) {
	file := filepath.Join(t.TempDir(), "access.json")
	child := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^$")
	child.Env = append(os.Environ(), "ACCORD_AUTH_TEST_FILE="+file)
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	k := open(t, file)
	var work sync.WaitGroup
	for range 2 {
		work.Go(func() {
			for range 5 {
				if _, _, err := k.Make(Write, "parent", nil); err != nil {
					t.Error(err)
				}
			}
		})
	}
	work.Wait()
	if err := child.Wait(); err != nil {
		t.Fatal(err)
	}
	if n := len(open(t, file).List()); n != 20 {
		t.Errorf("20 keys were made and %d are there", n)
	}
}

func TestOpenRefusesBadFiles(t *testing.T) {
	for name, content := range map[string]string{
		"empty":         "",
		"not JSON":      "keys:",
		"other version": `{"version":2,"keys":[]}`,
		"unknown field": `{"version":1,"keys":[],"admin":true}`,
		"bad hash":      `{"version":1,"keys":[{"id":"k_1","kind":"write","source":"web","sha256":"00"}]}`,
		"null key":      `{"version":1,"keys":[null]}`,
		"trailing":      `{"version":1,"keys":[]} {}`,
		"no id":         `{"version":1,"keys":[{"id":"","kind":"write","source":"web","sha256":"` + strings.Repeat("0", 64) + `"}]}`,
	} {
		file := filepath.Join(t.TempDir(), "access.json")
		if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := Open(file); err == nil || !strings.Contains(err.Error(), "access.json") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(`{"version":1,"keys":[{"id":"k_1","kind":"write","source":"web","sha256":"` + strings.Repeat("0", 64) + `","created":"2026-11-23T00:00:00Z"}]}`))
	f.Add([]byte(`{"version":1}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		table, err := parse(b)
		if err != nil {
			return
		}
		for _, e := range table.entries {
			if e.check() != nil || e.ID == "" {
				t.Errorf("a bad key was taken: %+v", e.Key)
			}
		}
	})
}

func BenchmarkCheck(b *testing.B) {
	k, err := Open(filepath.Join(b.TempDir(), "access.json"))
	if err != nil {
		b.Fatal(err)
	}
	plain, _, err := k.Make(Write, "web", nil)
	if err != nil {
		b.Fatal(err)
	}
	now := time.Now()
	b.ReportAllocs()
	for b.Loop() {
		if _, ok := k.Check(plain, now); !ok {
			b.Fatal("the key does not open")
		}
	}
}
