package app

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"time"

	"accord/internal/declare"
	"accord/internal/world"
)

// Kind is what a data directory is for. It is written when the directory is
// made and never changes, so that simulated consents cannot reach a live shop.
type Kind string

// The kinds of data directory.
const (
	Production    Kind = "production"
	Demonstration Kind = "demonstration"
	Evaluation    Kind = "evaluation"
)

// Directory is the layout of a data directory:
//
//	accord.yaml     the declaration (unless --config names another)
//	accord.ru.yaml  its texts in another language
//	events.json     sample events for `accord declare check`
//	directory.json  what the directory is for; its format
//	keys/           the keys of every person: without them all else is noise
//	log/            the durable log (JetStream)
//	state/          what was folded from the log; rebuilt when it is lost
//	models/         what was learnt, sealed
//	catalog.json    products
//	access.json     hashes of the API's keys
//	notices/        every notice that people may have read, by its version
//	imports/        of each imported file, the lines that are durable
//	attribution.yaml the apps whose postbacks are counted; optional
//	attribution.log  the postbacks that were counted
//	run.json        whether the last run ended in order, and which did not
//	                (remove it to acknowledge those)
type Directory struct {
	Path    string    `json:"-"`
	Format  int       `json:"format"`
	Kind    Kind      `json:"kind"`
	Created time.Time `json:"created"`
}

const directoryFormat = 1

func (d *Directory) file(name string) string { return filepath.Join(d.Path, name) }

// OpenDirectory opens a data directory, or makes it with the given kind when it
// is not there. An existing directory of another kind is an error; kind "" takes
// what it finds and makes nothing, so that a mistyped name is not one more shop.
func OpenDirectory(path string, kind Kind) (*Directory, error) {
	d := &Directory{Path: path}
	b, err := os.ReadFile(d.file("directory.json"))
	switch {
	case errors.Is(err, fs.ErrNotExist) && kind == "":
		return nil, fmt.Errorf("there is no data directory at %s: make one with `accord init --data %s`, or name another with --data", path, path)
	case errors.Is(err, fs.ErrNotExist):
		return makeDirectory(path, kind)
	case err != nil:
		return nil, fmt.Errorf("data directory %s: %w", path, err)
	}
	if err := json.Unmarshal(b, d); err != nil {
		return nil, fmt.Errorf("data directory %s: directory.json is damaged: %w", path, err)
	}
	if d.Format != directoryFormat {
		return nil, fmt.Errorf("data directory %s has format %d and this program reads %d: use the version of accord that made it", path, d.Format, directoryFormat)
	}
	if kind != "" && kind != d.Kind {
		return nil, fmt.Errorf("data directory %s is for %s and cannot become one for %s: choose another with --data", path, d.Kind, kind)
	}
	return d, nil
}

func makeDirectory(path string, kind Kind) (*Directory, error) {
	d := &Directory{Path: path, Format: directoryFormat, Kind: kind, Created: time.Now().UTC().Truncate(time.Second)}
	for _, old := range []string{"keys", "log", "state"} {
		if _, err := os.Stat(d.file(old)); err == nil {
			return nil, fmt.Errorf("data directory %s has %s/ but no directory.json: it is damaged or not Accord's; restore directory.json or choose another with --data", path, old)
		}
	}
	if err := os.MkdirAll(path, 0o700); err != nil {
		return nil, fmt.Errorf("data directory: %w", err)
	}
	b, err := json.MarshalIndent(d, "", "  ")
	if err != nil {
		return nil, err
	}
	return d, writeFile(d.file("directory.json"), append(b, '\n'))
}

// restoreKeys ends the errors of a directory whose keys are gone.
const restoreKeys = "put keys/ back from your backup, kek.json included, since without it nothing in the log can be read; to begin anew choose another directory with --data"

// hasKeys refuses a directory whose key store is gone: new keys would open
// nothing of what is there, and nobody would be told.
func (d *Directory) hasKeys() error {
	if _, err := os.Stat(d.file("keys/store")); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	for _, name := range []string{"log", "run.json"} {
		if _, err := os.Stat(d.file(name)); err == nil {
			return fmt.Errorf("data directory %s has %s and no keys/store: %s", d.Path, name, restoreKeys)
		}
	}
	return nil
}

// writeFile replaces a file atomically and durably.
func writeFile(name string, b []byte) error {
	temp, err := os.CreateTemp(filepath.Dir(name), filepath.Base(name)+".*")
	if err != nil {
		return err
	}
	defer os.Remove(temp.Name()) // fails when the rename was done
	if _, err := temp.Write(b); err != nil {
		temp.Close()
		return err
	}
	if err := errors.Join(temp.Sync(), temp.Close()); err != nil {
		return err
	}
	if err := os.Rename(temp.Name(), name); err != nil {
		return err
	}
	return syncDirectory(filepath.Dir(name))
}

// syncDirectory makes durable which files are in a directory.
func syncDirectory(name string) error {
	dir, err := os.Open(name)
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}

// declaration reads the declaration in force: the file that --config names, or
// accord.yaml in the directory. A demonstration or evaluation directory without
// one gets the template; a production directory must be given one, since nobody
// can declare a brand's purposes for it.
func (d *Directory) declaration(config string) (*declare.Declaration, error) {
	name := config
	if name == "" {
		name = d.file("accord.yaml")
	}
	b, err := os.ReadFile(name)
	if errors.Is(err, fs.ErrNotExist) && config == "" && d.Kind != Production {
		brand := "Demonstration shop"
		if d.Kind == Demonstration {
			brand = world.Shop
		}
		if err := d.writeTemplate(name, brand); err != nil {
			return nil, err
		}
		b, err = os.ReadFile(name)
	}
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("there is no declaration at %s: write one with `accord init --data %s`, or name one with --config", name, d.Path)
	}
	if err != nil {
		return nil, err
	}
	declaration, err := declare.Parse(name, b)
	if err != nil {
		return nil, err
	}
	return declaration, translate(declaration, name)
}

// template is the declaration that a new directory begins with. Consents that
// are evaluated are of the past; with a length of validity they would all have
// expired, so an evaluation directory declares none.
func (d *Directory) template(name string) []byte {
	b := declare.Template(name)
	if d.Kind == Evaluation {
		b = validity.ReplaceAll(b, []byte("    # no valid: in an evaluation, so that consents of the past still stand\n"))
	}
	return b
}

var validity = regexp.MustCompile(`(?m)^    valid: .*\n`)
