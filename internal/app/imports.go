package app

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"accord/internal/collect"
	"accord/internal/declare"
	"accord/internal/event"
	"accord/internal/eventlog"
	"accord/internal/identity"
	"accord/internal/vault"
)

// imports is the content of imports.json: for every file that was imported, by
// the digest of its content, the number of the last line that is durable. Lines
// up to it are never taken again, however long ago that was. An import that broke
// off may have made more durable: a batch at most, which the next one looks for
// in the log (see House.held), since message ids are known for a day or two only.
type imports struct {
	directory *Directory
	Lines     map[string]int  `json:"lines"`
	Open      map[string]bool `json:"open,omitempty"` // files whose import has begun and not ended
}

func (d *Directory) imports() (*imports, error) {
	j := &imports{directory: d, Lines: map[string]int{}, Open: map[string]bool{}}
	b, err := os.ReadFile(d.file("imports.json"))
	if errors.Is(err, fs.ErrNotExist) {
		return j, nil
	}
	if err != nil {
		return nil, err
	}
	if err := json.Unmarshal(b, j); err != nil || j.Lines == nil || j.Open == nil {
		return nil, fmt.Errorf("%s is damaged: restore it from a backup; without it a repeated import would count every line twice", d.file("imports.json"))
	}
	return j, nil
}

// begin notes durably that a file's import begins, and reports whether an earlier
// one broke off.
func (j *imports) begin(file string) (broken bool, err error) {
	if j.Open[file] {
		return true, nil
	}
	j.Open[file] = true
	return false, j.save()
}

// reached notes durably that the lines of a file up to number are durable.
func (j *imports) reached(file string, number int) error {
	j.Lines[file] = number
	return j.save()
}

// end notes durably that a file's import has ended.
func (j *imports) end(file string) error {
	delete(j.Open, file)
	return j.save()
}

func (j *imports) save() error {
	b, err := json.MarshalIndent(j, "", "  ")
	if err != nil {
		return err
	}
	return writeFile(j.directory.file("imports.json"), append(b, '\n'))
}

// piece names a record: what it is of, and which class of it.
type piece struct {
	id    event.ID
	class declare.ClassID
}

// resumed is the state as an import sees it that goes on after another broke off:
// it knows also what that one left in the log.
type resumed struct {
	*vault.Vault
	held map[piece]bool
}

// Seen reports whether a record is there.
func (r resumed) Seen(stream int, id event.ID, class declare.ClassID) (bool, error) {
	if r.held[piece{id, class}] {
		return true, nil
	}
	return r.Vault.Seen(stream, id, class)
}

// held finds the pieces of lines that are in the log, however long ago they got
// there, in the frames of the people whom the lines are about.
func (h *House) held(ctx context.Context, lines []collect.Line) (map[piece]bool, error) {
	if err := h.CatchUp(ctx); err != nil { // the index is a part of the state
		return nil, err
	}
	wanted, read, held := map[event.ID]bool{}, map[vault.Place]bool{}, map[piece]bool{}
	for i := range lines {
		wanted[event.ID(h.keys.Hasher().Message(lines[i].Source, identity.ByServer, lines[i].User, lines[i].ID))] = true
	}
	for i := range lines {
		token, found, err := h.keys.Find(h.keys.Hasher().Lookup(lines[i].User))
		if err != nil {
			return nil, err
		}
		if !found {
			continue
		}
		places, err := h.vault.Frames(token)
		if err != nil {
			return nil, err
		}
		for _, p := range places {
			if read[p] {
				continue
			}
			read[p] = true
			frame, err := h.log.Read(ctx, p.Stream, p.Sequence)
			if errors.Is(err, eventlog.ErrNotFound) {
				continue // its time was over
			}
			if err != nil {
				return nil, err
			}
			for j := range frame.Records {
				if r := &frame.Records[j]; wanted[r.ID] {
					held[piece{r.ID, r.Class}] = true
				}
			}
		}
	}
	return held, nil
}
