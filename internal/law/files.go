package law

import (
	"embed"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"strings"
	"sync"

	"accord/internal/strict"
)

//go:embed rules/*.yaml
var embedded embed.FS

const (
	folder    = "rules"
	extension = ".yaml"
)

// ours are the regimes that come with Accord. A test keeps their files whole.
var ours = sync.OnceValues(func() ([]*Regime, error) {
	dir, err := fs.Sub(embedded, folder)
	if err != nil {
		return nil, err
	}
	return readAll(dir, func(name string) string { return folder + "/" + name })
})

// Embedded returns the rules that come with Accord.
func Embedded() *Code { return embeddedCode() }

var embeddedCode = sync.OnceValue(func() *Code {
	c, err := Load(nil)
	if err != nil {
		panic("law: " + err.Error())
	}
	return c
})

// Load returns the rules that come with Accord, with those of an operator's directory
// on top: a file there takes the place of the whole file of the same regime, and a
// file of another regime is added. A nil dir adds nothing. The errors are
// *[strict.Error], joined, in the order of the files and lines.
func Load(dir fs.FS) (*Code, error) {
	regimes, err := ours()
	if err != nil {
		return nil, err
	}
	regimes = slices.Clone(regimes)
	if dir != nil {
		own, err := readAll(dir, func(name string) string { return name })
		if err != nil {
			return nil, err
		}
		for _, r := range own {
			regimes = slices.DeleteFunc(regimes, func(o *Regime) bool { return o.ID == r.ID })
			regimes = append(regimes, r)
		}
	}
	return together(regimes)
}

// Source returns the text of the file of a regime that comes with Accord, and false
// where there is none.
func Source(regime string) ([]byte, bool) {
	if !isWord(regime, "-") {
		return nil, false
	}
	b, err := embedded.ReadFile(EmbeddedFile(regime))
	return b, err == nil
}

// EmbeddedFile returns what the file of a regime that comes with Accord is called.
func EmbeddedFile(regime string) string { return folder + "/" + regime + extension }

// readAll reads every rule file of a directory. What a person may have meant as one
// and would not be read is an error.
func readAll(dir fs.FS, called func(string) string) ([]*Regime, error) {
	entries, err := fs.ReadDir(dir, ".")
	if err != nil {
		return nil, err
	}
	var all []*Regime
	var faults []error
	for _, e := range entries {
		name := e.Name()
		if strings.HasSuffix(name, ".yml") {
			faults = append(faults, fmt.Errorf("%s would not be read: rule files end in %s", called(name), extension))
		}
		if e.IsDir() || !strings.HasSuffix(name, extension) {
			continue
		}
		b, err := readFile(dir, name)
		if err != nil {
			return nil, err
		}
		r, err := read(called(name), b)
		if err != nil {
			faults = append(faults, err)
			continue
		}
		all = append(all, r)
	}
	return all, errors.Join(faults...)
}

// readFile reads at most a byte more than a file may have, which [read] refuses.
func readFile(dir fs.FS, name string) ([]byte, error) {
	f, err := dir.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, strict.MaxFile+1))
}
