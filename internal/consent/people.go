package consent

import (
	"encoding/binary"
	"math/bits"
	"sync"

	"accord/internal/declare"
	"accord/internal/identity"
)

// shards spread the locks of a Book; a token's last byte names its shard.
const shards = 256

// chunkPeople is how many people's choices lie in one allocation.
const chunkPeople = 16

// shard holds some of the people. It is a hash table of its own and not a Go
// map, because the gate is asked for every event and every decision about
// people who are in no cache: a question reads one line of slots and one of
// presents and waits for memory twice, where a map of pointers waits five times.
// Tokens are random, so a multiplication is hash enough.
type shard struct {
	mu     sync.RWMutex // guards all below
	slots  []slot       // a power of two, at most three quarters taken
	people int
	// chunks hold the presents, stride for each person. They never move.
	chunks [][]Present
	stride int
	placed uint32   // places given out
	free   []uint32 // places given back
	_      [8]byte  // 128 bytes, so that no two shards share a line
}

// slot is where one person is found.
type slot struct {
	token    identity.Token
	sequence uint64 // of the newest record applied
	place    uint32 // 1 + the person's place in chunks; 0 is an empty slot
}

func home(t *identity.Token, slots int) int {
	h := (binary.LittleEndian.Uint64(t[:8]) ^ binary.LittleEndian.Uint64(t[8:])) * 0x9e3779b97f4a7c15
	return int(h >> (64 - uint(bits.TrailingZeros(uint(slots)))))
}

// find returns a person's slot, or nil. It is good until the lock is released.
func (s *shard) find(t *identity.Token) *slot {
	if len(s.slots) == 0 {
		return nil
	}
	for i := home(t, len(s.slots)); ; i = (i + 1) & (len(s.slots) - 1) {
		switch at := &s.slots[i]; {
		case at.place == 0:
			return nil
		case at.token == *t:
			return at
		}
	}
}

// add returns the slot of a person who is not in the shard yet.
func (s *shard) add(t *identity.Token) *slot {
	if (s.people+1)*4 > len(s.slots)*3 {
		old := s.slots
		s.slots = make([]slot, max(8, 2*len(old)))
		for i := range old {
			if old[i].place != 0 {
				*s.empty(&old[i].token) = old[i]
			}
		}
	}
	s.people++
	at := s.empty(t)
	*at = slot{token: *t, place: s.newPlace()}
	return at
}

// empty returns the slot that a person who is not in the shard would take.
func (s *shard) empty(t *identity.Token) *slot {
	i := home(t, len(s.slots))
	for s.slots[i].place != 0 {
		i = (i + 1) & (len(s.slots) - 1)
	}
	return &s.slots[i]
}

func (s *shard) newPlace() uint32 {
	if n := len(s.free); n > 0 {
		place := s.free[n-1]
		s.free = s.free[:n-1]
		return place
	}
	if s.placed%chunkPeople == 0 {
		s.chunks = append(s.chunks, make([]Present, chunkPeople*s.stride))
	}
	s.placed++
	return s.placed
}

// presents returns a person's choices, one for each purpose.
func (s *shard) presents(at *slot) []Present {
	i := int(at.place - 1)
	from := i % chunkPeople * s.stride
	return s.chunks[i/chunkPeople][from : from+s.stride : from+s.stride]
}

// present returns one of a person's choices, and none of a person who is not in
// the shard.
func (s *shard) present(t *identity.Token, p declare.PurposeIndex) (out Present) {
	if at := s.find(t); at != nil {
		i := int(at.place - 1)
		out = s.chunks[i/chunkPeople][i%chunkPeople*s.stride+int(p)]
	}
	return out
}

// remove takes a person out and wipes what they said. What follows in the run
// of slots moves up, so that nobody is lost behind a gap.
func (s *shard) remove(t *identity.Token) {
	at := s.find(t)
	if at == nil {
		return
	}
	clear(s.presents(at))
	s.free = append(s.free, at.place)
	s.people--
	mask := len(s.slots) - 1
	gap := home(t, len(s.slots))
	for s.slots[gap].token != *t || s.slots[gap].place == 0 {
		gap = (gap + 1) & mask
	}
	for i := (gap + 1) & mask; s.slots[i].place != 0; i = (i + 1) & mask {
		// A slot may move up to the gap unless its home lies behind the gap.
		if (i-home(&s.slots[i].token, len(s.slots)))&mask >= (i-gap)&mask {
			s.slots[gap] = s.slots[i]
			gap = i
		}
	}
	s.slots[gap] = slot{}
}
