package attribution

import (
	"bufio"
	"bytes"
	"cmp"
	"encoding/hex"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"sync"

	"github.com/go-json-experiment/json"
)

// MaxPostbacks is how many postbacks a store takes: each is remembered for ever, so
// that it never counts twice. They take about 100 bytes of memory and 400 of disk each.
const MaxPostbacks = 1 << 20

// ErrFull is returned when a store has taken MaxPostbacks.
var ErrFull = errors.New("the store of postbacks is full: note the counts of GET /v1/attribution, move attribution.log away and start again")

// Store is a file with one line a postback, synced before it counts, and its counts in
// memory. It is safe for concurrent use.
type Store struct {
	mu     sync.Mutex
	file   *os.File
	size   int64
	seen   map[ID]struct{}
	counts map[Report]int
	failed error // what the file could not take; nothing more is added
}

// line is a postback as the file has it, behind its checksum.
type line struct {
	ID     string `json:"id"`
	Report Report `json:"report"`
}

// Open opens a store, and makes the file if it is not there. A last line that was cut
// off by a crash was never counted and is taken away; any other line that is not whole
// is an error.
func Open(name string) (*Store, error) {
	_, err := os.Stat(name)
	made := errors.Is(err, os.ErrNotExist)
	file, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("opening the postbacks: %w", err)
	}
	s := &Store{file: file, seen: map[ID]struct{}{}, counts: map[Report]int{}}
	if err := s.load(); err != nil {
		return nil, errors.Join(fmt.Errorf("%s: %w", name, err), file.Close())
	}
	if made {
		if err := syncDir(filepath.Dir(name)); err != nil {
			return nil, errors.Join(err, file.Close())
		}
	}
	return s, nil
}

func syncDir(name string) error {
	dir, err := os.Open(name)
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}

// load reads the file and takes away what a crash left of a last line.
func (s *Store) load() error {
	r := bufio.NewReaderSize(s.file, 64<<10)
	for n := 1; ; n++ {
		text, err := r.ReadSlice('\n')
		if errors.Is(err, io.EOF) {
			break // what is left has no end: it was never synced whole
		}
		if err != nil {
			return fmt.Errorf("line %d: %w", n, err)
		}
		p, err := parseLine(text[:len(text)-1])
		if err != nil {
			return fmt.Errorf("line %d is damaged: put the file back from a backup, or move it away and count anew", n)
		}
		s.note(p)
		s.size += int64(len(text))
	}
	if err := s.file.Truncate(s.size); err != nil {
		return err
	}
	_, err := s.file.Seek(s.size, io.SeekStart)
	return err
}

func (s *Store) note(p Postback) {
	s.seen[p.ID] = struct{}{}
	s.counts[p.Report]++
}

// Has reports whether a postback was counted.
func (s *Store) Has(id ID) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, there := s.seen[id]
	return there
}

// Add makes a postback durable and counts it, and reports whether it is the first of
// its identifier. After an error it does not count, and may be sent again.
func (s *Store) Add(p Postback) (first bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, there := s.seen[p.ID]; there {
		return false, nil
	}
	switch {
	case s.failed != nil:
		return false, s.failed
	case len(s.seen) >= MaxPostbacks:
		return false, ErrFull
	}
	text, err := appendLine(nil, p)
	if err != nil {
		return false, err
	}
	if _, err = s.file.Write(text); err == nil {
		err = s.file.Sync()
	}
	if err != nil {
		s.retreat(err)
		return false, fmt.Errorf("keeping a postback: %w", err)
	}
	s.size += int64(len(text))
	s.note(p)
	return true, nil
}

// retreat takes away what was written of a line that did not get to the disk. Where
// that fails too nobody knows what the file holds, and nothing more is added to it.
func (s *Store) retreat(cause error) {
	err := s.file.Truncate(s.size)
	if err == nil {
		_, err = s.file.Seek(s.size, io.SeekStart)
	}
	if err == nil {
		err = s.file.Sync()
	}
	if err != nil {
		s.failed = fmt.Errorf("the file of postbacks failed, so none is taken until the next start: %w", cause)
	}
}

// Count is how often a report came.
type Count struct {
	Report
	Count int `json:"count" doc:"How many postbacks told this"`
}

// Counts returns all reports with how often they came, the most frequent first.
func (s *Store) Counts() []Count {
	s.mu.Lock()
	out := make([]Count, 0, len(s.counts))
	for r, n := range s.counts {
		out = append(out, Count{r, n})
	}
	s.mu.Unlock()
	slices.SortFunc(out, func(a, b Count) int {
		return cmp.Or(cmp.Compare(b.Count, a.Count), cmp.Compare(fmt.Sprint(a.Report), fmt.Sprint(b.Report)))
	})
	return out
}

// Close closes the file.
func (s *Store) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.failed = errors.New("the store of postbacks is closed")
	return s.file.Close()
}

// appendLine writes a postback as a line: eight hexadecimal digits of its CRC-32, a
// space, and its JSON.
func appendLine(b []byte, p Postback) ([]byte, error) {
	body, err := json.Marshal(line{hex.EncodeToString(p.ID[:]), p.Report}, json.Deterministic(true))
	if err != nil {
		return b, err
	}
	b = fmt.Appendf(b, "%08x ", crc32.ChecksumIEEE(body))
	return append(append(b, body...), '\n'), nil
}

var errLine = errors.New("this is no line of the postbacks")

func parseLine(text []byte) (p Postback, err error) {
	sum, body, ok := bytes.Cut(text, []byte{' '})
	want, err := strconv.ParseUint(string(sum), 16, 32)
	if !ok || len(sum) != 8 || err != nil || uint32(want) != crc32.ChecksumIEEE(body) {
		return p, errLine
	}
	var l line
	if err := json.Unmarshal(body, &l, json.RejectUnknownMembers(true)); err != nil {
		return p, errLine
	}
	id, err := hex.DecodeString(l.ID)
	if err != nil || len(id) != len(p.ID) {
		return p, errLine
	}
	copy(p.ID[:], id)
	p.Report = l.Report
	return p, nil
}
