package vault

import (
	"bufio"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"accord/internal/declare"
	"accord/internal/identity"
)

// crashChild makes and destroys keys and says so on standard output after each
// call has returned, until it is killed.
func crashChild(dir string) {
	k, err := OpenKeys(dir, shop())
	if err != nil {
		fmt.Println("error", err)
		os.Exit(1)
	}
	var out sync.Mutex
	say := func(format string, args ...any) {
		out.Lock()
		fmt.Printf(format+"\n", args...)
		out.Unlock()
	}
	ctx := context.Background()
	round := os.Getenv("ACCORD_VAULT_CHILD")
	for worker := range 4 {
		go func() {
			for i := 0; ; i++ {
				l := k.Hasher().Lookup(identity.Identifier{Kind: identity.UserID, Value: fmt.Sprint(round, "/", worker, "/", i)})
				ts, err := k.Ensure(ctx, []identity.Lookup{l})
				if err != nil {
					say("error %v", err)
					return
				}
				say("token %x %s", l, ts[0])
				if err := k.Prepare(ctx, []Need{{ts[0], 7}, {ts[0], 8}}); err != nil {
					say("error %v", err)
					return
				}
				for _, class := range []declare.ClassID{7, 8} {
					sealed, err := k.Seal(nil, header(ts[0], class, 1), []byte("hello"))
					if err != nil {
						say("error %v", err)
						return
					}
					say("sealed %s %d %x", ts[0], class, sealed)
				}
				if i%2 == 0 {
					say("destroying %s 8", ts[0])
					if err := k.Destroy(ctx, ts[0], 8); err != nil {
						say("error %v", err)
						return
					}
					say("destroyed %s 8", ts[0])
				}
			}
		}()
	}
	select {}
}

// Promise 5: acknowledged is durable. A token, a key and the destruction of a
// key survive a kill at any instant from the moment that the call returned.
func TestKillDuringMinting(t *testing.T) {
	rounds, lines := 10, 60
	if testing.Short() {
		rounds = 3
	}
	dir := filepath.Join(t.TempDir(), "keys")
	said := ledger{tokens: map[string]string{}, sealed: map[string]string{}, destroying: map[string]bool{}, destroyed: map[string]bool{}}
	for round := range rounds {
		said.runAndKill(t, dir, round, lines+7*round)
		said.check(t, dir)
	}
	if len(said.tokens) < rounds || len(said.destroyed) < rounds {
		t.Errorf("only %d tokens and %d destructions were tried", len(said.tokens), len(said.destroyed))
	}
}

// ledger is what children said they had done.
type ledger struct {
	tokens     map[string]string // lookup → token
	sealed     map[string]string // token and class → sealed
	destroying map[string]bool   // may be gone
	destroyed  map[string]bool   // must be gone
}

// runAndKill starts a child and kills it after it said so many lines.
func (l *ledger) runAndKill(t *testing.T, dir string, round, lines int) {
	t.Helper()
	child := exec.Command(os.Args[0], "-test.run=^$")
	child.Env = append(os.Environ(), fmt.Sprintf("ACCORD_VAULT_CHILD=%d", round+1), "ACCORD_VAULT_DIR="+dir)
	child.Stderr = os.Stderr
	pipe, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	scan := bufio.NewScanner(pipe)
	for n := 0; scan.Scan(); n++ { // what was said before the kill counts, however late it is read
		l.note(t, scan.Text())
		if n == lines {
			if err := child.Process.Kill(); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := child.Wait(); err == nil {
		t.Fatal("the child ended by itself")
	}
}

func (l *ledger) note(t *testing.T, line string) {
	t.Helper()
	f := strings.Fields(line)
	switch {
	case len(f) == 3 && f[0] == "token" && len(f[2]) == 32:
		l.tokens[f[1]] = f[2]
	case len(f) == 4 && f[0] == "sealed" && len(f[3]) == 2*(5+SealedOverhead):
		l.sealed[f[1]+" "+f[2]] = f[3]
	case len(f) == 3 && f[0] == "destroying" && f[2] == "8":
		l.destroying[f[1]+" 8"] = true
	case len(f) == 3 && f[0] == "destroyed" && f[2] == "8":
		l.destroyed[f[1]+" 8"] = true
	case len(f) > 0 && f[0] == "error":
		t.Fatal(line)
	} // anything else is the line that the kill cut
}

// check opens what the child left and holds it against what it said.
func (l *ledger) check(t *testing.T, dir string) {
	t.Helper()
	k, err := OpenKeys(dir, shop())
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := k.Close(); err != nil {
			t.Error(err)
		}
	}()
	for text, want := range l.tokens {
		b, err := hex.DecodeString(text)
		if err != nil {
			t.Fatal(err)
		}
		if token, ok, err := k.Find(identity.Lookup(b)); err != nil || !ok || token.String() != want {
			t.Fatalf("a token that was acknowledged is %v, %v, %v, not %s", token, ok, err, want)
		}
	}
	for ref, text := range l.sealed {
		var name string
		var class declare.ClassID
		if _, err := fmt.Sscanf(ref, "%s %d", &name, &class); err != nil {
			t.Fatal(err)
		}
		token, err := identity.ParseToken(name)
		if err != nil {
			t.Fatal(err)
		}
		sealed, err := hex.DecodeString(text)
		if err != nil {
			t.Fatal(err)
		}
		plain, err := k.Open(nil, header(token, class, 1), sealed)
		switch {
		case l.destroyed[ref]:
			if !errors.Is(err, ErrNoKey) {
				t.Fatalf("a key whose destruction was acknowledged: %v", err)
			}
		case l.destroying[ref] && errors.Is(err, ErrNoKey): // the kill came in between
		case err != nil || string(plain) != "hello":
			t.Fatalf("a key that was acknowledged: %q, %v", plain, err)
		}
	}
}
