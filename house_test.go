// Package accord_test holds the table of the house: which package may import
// which, and which modules from outside are allowed. ARCHITECTURE.md draws the
// same table for people.
package accord_test

import (
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "accord/"

// floors gives each package its floor; a package may import lower floors only,
// and on its own floor what sameFloor lists.
var floors = map[string]int{
	// 0: pure. No I/O; the time is an argument.
	"internal/declare": 0, "internal/consent": 0, "internal/identity": 0, "internal/event": 0,
	"internal/profile": 0, "internal/catalog": 0, "internal/learn": 0, "internal/world": 0,
	"internal/retail": 0, "internal/intake": 0, "internal/decide": 0,
	"internal/notice": 0, "internal/records": 0, "internal/strict": 0, "internal/law": 0,
	"internal/signal": 0, "internal/signal/bits": 0, "internal/signal/strict": 0, "internal/signal/tcf": 0, "internal/signal/gpp": 0,
	// 1: keepers.
	"internal/eventlog": 1, "internal/vault": 1, "internal/catalog/store": 1, "internal/places": 1, "internal/attribution": 1,
	"internal/signal/reference": 1, // runs IAB's encoders, for the tests of the codecs only
	// 2: acts, and engines, which know the contract and floor 0 only.
	"internal/choices": 2, "internal/collect": 2, "internal/decide/run": 2, "internal/auth": 2,
	"internal/decide/recommend": 2, "internal/evaluate": 2, "internal/held": 2,
	// 3: faces.
	"internal/api": 3, "internal/web": 3, "internal/bench": 3,
	// 4: the wiring.
	"internal/app": 4, "cmd/accord": 5,
}

// sameFloor lists the arrows that are allowed on one floor.
var sameFloor = map[string][]string{
	"internal/declare":    {"internal/identity", "internal/strict"},
	"internal/law":        {"internal/declare", "internal/strict"},
	"internal/consent":    {"internal/declare", "internal/identity", "internal/law"},
	"internal/event":      {"internal/declare", "internal/identity"},
	"internal/notice":     {"internal/declare"},
	"internal/profile":    {"internal/consent", "internal/declare", "internal/event", "internal/identity"},
	"internal/decide":     {"internal/consent", "internal/declare", "internal/identity", "internal/profile"},
	"internal/records":    {"internal/consent", "internal/declare", "internal/identity", "internal/intake"},
	"internal/catalog":    {"internal/intake"},
	"internal/retail":     {"internal/catalog", "internal/consent", "internal/intake"},
	"internal/world":      {"internal/catalog"},
	"internal/collect":    {"internal/choices"},
	"internal/evaluate":   {"internal/decide/recommend"},
	"internal/signal/tcf": {"internal/signal/bits", "internal/signal/strict"},
	"internal/signal/gpp": {"internal/signal/bits", "internal/signal/strict", "internal/signal/tcf"},
	"internal/signal":     {"internal/declare", "internal/law", "internal/strict", "internal/signal/bits", "internal/signal/tcf", "internal/signal/gpp"},
}

// keepers hold personal data or keys. Engines and faces never touch them.
var keepers = []string{"internal/eventlog", "internal/vault"}

// engines turn a view into an answer and see nothing else.
var engines = []string{"internal/decide/recommend"}

// impure are standard packages that reach outside the process; floor 0 has no
// use for them.
var impure = []string{"os", "net", "net/http", "syscall", "os/exec", "database/sql", "io/ioutil"}

// allowed are the modules from outside, and who may use them. Each has its line
// in ARCHITECTURE.md.
var allowed = map[string][]string{
	"github.com/nats-io/nats-server/v2":       {"internal/eventlog"},
	"github.com/nats-io/nats.go":              {"internal/eventlog"},
	"github.com/nats-io/nuid":                 {"internal/eventlog"},
	"github.com/cockroachdb/pebble/v2":        {"internal/vault", "internal/eventlog"},
	"github.com/tink-crypto/tink-go/v2":       {"internal/vault"},
	"github.com/danielgtaylor/huma/v2":        {"internal/api"},
	"github.com/go-json-experiment/json":      {"internal/collect", "internal/api", "internal/catalog", "internal/catalog/store", "internal/attribution"},
	"github.com/golang-jwt/jwt/v5":            {"internal/identity"},
	"github.com/klauspost/compress":           {"internal/api", "internal/intake"},
	"github.com/prometheus/client_golang":     {"internal/api", "internal/app"},
	"go.yaml.in/yaml/v4":                      {"internal/declare", "internal/notice", "internal/strict", "internal/law", "internal/signal"},
	"gonum.org/v1/gonum":                      {"internal/learn"},
	"github.com/alecthomas/kong":              {"cmd/accord"},
	"github.com/vbauerster/mpb/v8":            {"internal/app", "cmd/accord"},
	"github.com/oschwald/maxminddb-golang/v2": {"internal/places"},
	"github.com/google/go-cmp":                {"internal/signal/reference"},
	"golang.org/x/sync":                       {"*"},
	"golang.org/x/sys":                        {"internal/eventlog", "internal/app"},
}

type file struct {
	pkg, name string
	imports   []string
}

// sources returns the non-test Go files of the repository with their imports.
func sources(t *testing.T) (files []file) {
	t.Helper()
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && path != "." && (strings.HasPrefix(d.Name(), ".") || d.Name() == "testdata") {
			return filepath.SkipDir
		}
		if d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return nil
		}
		parsed, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ImportsOnly)
		if err != nil {
			return err
		}
		f := file{pkg: filepath.ToSlash(filepath.Dir(path)), name: path}
		for _, s := range parsed.Imports {
			p, err := strconv.Unquote(s.Path.Value)
			if err != nil {
				return err
			}
			f.imports = append(f.imports, p)
		}
		files = append(files, f)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(files) == 0 {
		t.Fatal("no source files found")
	}
	return files
}

// TestImports holds the direction of the arrows.
func TestImports(t *testing.T) {
	for _, f := range sources(t) {
		floor, ok := floors[f.pkg]
		if !ok {
			t.Errorf("%s: package %s has no floor: give it one in house_test.go and in ARCHITECTURE.md", f.name, f.pkg)
			continue
		}
		for _, path := range f.imports {
			if to, ours := strings.CutPrefix(path, module); ours {
				inside(t, f, floor, to)
			} else {
				outside(t, f, floor, path)
			}
		}
	}
}

func inside(t *testing.T, f file, floor int, to string) {
	t.Helper()
	target, ok := floors[to]
	switch {
	case !ok:
		t.Errorf("%s imports %s, which has no floor", f.name, to)
	case target > floor:
		t.Errorf("%s (floor %d) imports %s (floor %d): arrows go down", f.name, floor, to, target)
	case target == floor && !slices.Contains(sameFloor[f.pkg], to):
		t.Errorf("%s imports %s on its own floor, which is not in the table", f.name, to)
	case slices.Contains(engines, f.pkg) && target != 0:
		t.Errorf("%s: an engine imports its contract and floor 0 only, not %s", f.name, to)
	case floor == 3 && f.pkg != "internal/bench" && (slices.Contains(keepers, to) || slices.Contains(engines, to)):
		t.Errorf("%s: a face imports neither keepers nor engines, such as %s", f.name, to)
	case f.pkg == "cmd/accord" && to != "internal/app":
		t.Errorf("%s: the command imports internal/app only, not %s", f.name, to)
	}
}

func outside(t *testing.T, f file, floor int, path string) {
	t.Helper()
	if !strings.Contains(strings.SplitN(path, "/", 2)[0], ".") {
		if floor == 0 && slices.Contains(impure, path) {
			t.Errorf("%s: floor 0 is pure and does not import %s", f.name, path)
		}
		return
	}
	for mod, users := range allowed {
		if path == mod || strings.HasPrefix(path, mod+"/") {
			if users[0] != "*" && !slices.Contains(users, f.pkg) {
				t.Errorf("%s: %s is for %v only", f.name, mod, users)
			}
			return
		}
	}
	t.Errorf("%s imports %s, which is not on the list of allowed modules", f.name, path)
}

// TestFiles holds the size of a file: one subject each.
func TestFiles(t *testing.T) {
	const most = 600
	for _, f := range sources(t) {
		b, err := os.ReadFile(f.name)
		if err != nil {
			t.Fatal(err)
		}
		if n := strings.Count(string(b), "\n"); n > most {
			t.Errorf("%s has %d lines: split it by subject (%d at most)", f.name, n, most)
		}
	}
}
