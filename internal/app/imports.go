package app

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"accord/internal/collect"
	"accord/internal/declare"
	"accord/internal/event"
	"accord/internal/eventlog"
	"accord/internal/identity"
	"accord/internal/vault"
)

// imports is what is known of one file that was imported: of every line, whether
// it is durable. Such a line is never taken again, however long ago that was. A
// line of which nothing was kept is looked at again by the next import, since a
// consent or another basis may cover it then.
//
// An import that broke off may have made more durable than is noted: a batch at
// most, which the next one looks for in the log (see House.held), since message
// ids are known for two days only.
//
// It is a file of one bit a line, changed in place: a bit only ever goes from 0
// to 1, and only when its line is on disk, so whatever a crash leaves is true.
// Before the bits stands, in 8 bytes, 0 where no import is under way, and else 1
// and the last line that one has done with.
type imports struct {
	file  *os.File
	bits  []byte
	done  int // the last line that the import under way, or a broken one, did with
	doubt int // how many lines after those of the broken one may be in the log
	first int // the first of them is behind this line
}

const importsHead = 8

// imports opens what is known of the file with the given digest, and begins an
// import of it.
func (d *Directory) imports(source string) (_ *imports, err error) {
	name := d.file(filepath.Join("imports", strings.ReplaceAll(source, ":", "-")))
	if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
		return nil, err
	}
	f, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	j := &imports{file: f}
	if err := j.begin(); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return j, errors.Join(syncDirectory(filepath.Dir(name)), syncDirectory(d.Path))
}

// begin reads what is known and notes that an import is under way.
func (j *imports) begin() error {
	all, err := os.ReadFile(j.file.Name())
	if err != nil {
		return err
	}
	if len(all) >= importsHead {
		j.bits = all[importsHead:]
		if under := binary.BigEndian.Uint64(all); under != 0 {
			j.done, j.doubt = int(under-1), importBatch
			j.first = j.done
			return nil
		}
	}
	return j.note(1)
}

func (j *imports) note(under uint64) error {
	if _, err := j.file.WriteAt(binary.BigEndian.AppendUint64(nil, under), 0); err != nil {
		return fmt.Errorf("noting what was imported: %w", err)
	}
	return j.file.Sync()
}

// has reports whether a line is noted.
func (j *imports) has(line int) bool {
	return line/8 < len(j.bits) && j.bits[line/8]>>(line%8)&1 == 1
}

// doubts reports whether one of these lines, which are not noted, may be in the
// log by an import that broke off.
func (j *imports) doubts(lines []int) bool {
	behind := 0
	for _, line := range lines {
		if line > j.first {
			behind++
		}
	}
	some := j.doubt > 0 && behind > 0
	j.doubt -= behind
	return some
}

// add notes durably that lines are durable, and that all up to done were looked
// at.
func (j *imports) add(lines []int, done int) error {
	if len(lines) > 0 {
		first, last := lines[0]/8, 0
		for _, line := range lines {
			first, last = min(first, line/8), max(last, line/8)
			if missing := line/8 + 1 - len(j.bits); missing > 0 {
				j.bits = append(j.bits, make([]byte, missing)...)
			}
			j.bits[line/8] |= 1 << (line % 8)
		}
		if _, err := j.file.WriteAt(j.bits[first:last+1], int64(importsHead+first)); err != nil {
			return fmt.Errorf("noting what was imported: %w", err)
		}
	}
	j.done = max(j.done, done) // never back before a batch that may be in the log
	return j.note(uint64(j.done) + 1)
}

// end notes durably that the import is over.
func (j *imports) end() error {
	if j == nil {
		return nil
	}
	return j.note(0)
}

func (j *imports) close() error {
	if j == nil {
		return nil
	}
	return j.file.Close()
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
