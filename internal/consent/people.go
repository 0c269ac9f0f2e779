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
// people who are in no cache: the slots of all are small enough to stay in one,
// and a person's head and choice are then fetched at once. A question waits for
// memory about once, where a map of pointers waits five times. Tokens are
// random, so a multiplication is hash enough.
type shard struct {
	mu       sync.RWMutex // guards all below
	slots    []slot       // a power of two, at most three quarters taken
	heads    [][]head     // by place, chunkPeople in each; they never move
	presents [][]Present  // the same, stride for each person
	stride   int
	people   int
	placed   uint32   // places given out
	free     []uint32 // places given back
	versions uint64   // given out by touch
	_        [16]byte // three cache lines, so that no two shards share one
}

// slot leads to one person.
type slot struct {
	tag   uint32 // the top of the token's hash; its own top is the slot's home
	place uint32 // 1 + where the person's head and presents are; 0 is no person
}

// head is who a person is and how far their choices were applied.
type head struct {
	token    identity.Token
	sequence uint64 // of the newest record applied
	version  uint64 // another one with every change of what is in force; its first bit tells who is linked
	status
}

func tagOf(t *identity.Token) uint32 {
	h := (binary.LittleEndian.Uint64(t[:8]) ^ binary.LittleEndian.Uint64(t[8:])) * 0x9e3779b97f4a7c15
	return uint32(h >> 32)
}

// home is where the search for a tag begins.
func (s *shard) home(tag uint32) int {
	return int(tag >> (32 - uint(bits.TrailingZeros(uint(len(s.slots))))))
}

// find returns a person's place, or 0.
func (s *shard) find(t *identity.Token) uint32 {
	if i := s.slotOf(t); i >= 0 {
		return s.slots[i].place
	}
	return 0
}

// slotOf returns the position of a person's slot, or -1.
func (s *shard) slotOf(t *identity.Token) int {
	if len(s.slots) == 0 {
		return -1
	}
	tag := tagOf(t)
	for i := s.home(tag); ; i = (i + 1) & (len(s.slots) - 1) {
		switch at := s.slots[i]; {
		case at.place == 0:
			return -1
		case at.tag == tag && s.head(at.place).token == *t:
			return i
		}
	}
}

func (s *shard) head(place uint32) *head {
	return &s.heads[(place-1)/chunkPeople][(place-1)%chunkPeople]
}

// choices returns a person's presents, one for each purpose.
func (s *shard) choices(place uint32) []Present {
	from := int((place-1)%chunkPeople) * s.stride
	return s.presents[(place-1)/chunkPeople][from : from+s.stride : from+s.stride]
}

// present returns one of the presents of the person at a place.
func (s *shard) present(place uint32, p declare.PurposeIndex) Present {
	return s.presents[(place-1)/chunkPeople][int((place-1)%chunkPeople)*s.stride+int(p)]
}

// person returns where a person's choices are, making the place if need be.
func (s *shard) person(t *identity.Token) (*head, []Present) {
	place := s.find(t)
	if place == 0 {
		place = s.add(t)
	}
	return s.head(place), s.choices(place)
}

// touch gives a person a version that nobody of the shard ever had, so that a
// person who was forgotten and came back is not taken for unchanged.
func (s *shard) touch(h *head) {
	s.versions++
	h.version = s.versions | h.version&linkedBit
}

// add gives a place to a person who has none yet.
func (s *shard) add(t *identity.Token) uint32 {
	if (s.people+1)*4 > len(s.slots)*3 {
		old := s.slots
		s.slots = make([]slot, max(8, 2*len(old)))
		for _, o := range old {
			if o.place != 0 {
				s.put(o)
			}
		}
	}
	s.people++
	place := s.newPlace()
	*s.head(place) = head{token: *t}
	s.put(slot{tag: tagOf(t), place: place})
	return place
}

// put stores a slot that is not in the table yet.
func (s *shard) put(o slot) {
	i := s.home(o.tag)
	for s.slots[i].place != 0 {
		i = (i + 1) & (len(s.slots) - 1)
	}
	s.slots[i] = o
}

func (s *shard) newPlace() uint32 {
	if n := len(s.free); n > 0 {
		place := s.free[n-1]
		s.free = s.free[:n-1]
		return place
	}
	if s.placed%chunkPeople == 0 {
		s.heads = append(s.heads, make([]head, chunkPeople))
		s.presents = append(s.presents, make([]Present, chunkPeople*s.stride))
	}
	s.placed++
	return s.placed
}

// lapsed appends the people of whom something has run out at now.
func (s *shard) lapsed(out []identity.Token, now int64) []identity.Token {
	s.mu.RLock()
	defer s.mu.RUnlock()
	for _, o := range s.slots {
		if o.place == 0 {
			continue
		}
		for i := range s.choices(o.place) {
			if s.choices(o.place)[i].lapsed(now) {
				out = append(out, s.head(o.place).token)
				break
			}
		}
	}
	return out
}

// remove takes a person out and wipes what they said. What follows in the run
// of slots moves up, so that nobody is lost behind a gap.
func (s *shard) remove(t *identity.Token) {
	gap := s.slotOf(t)
	if gap < 0 {
		return
	}
	place := s.slots[gap].place
	clear(s.choices(place))
	*s.head(place) = head{}
	s.free = append(s.free, place)
	s.people--
	mask := len(s.slots) - 1
	for i := (gap + 1) & mask; s.slots[i].place != 0; i = (i + 1) & mask {
		// A slot may move up to the gap unless its home lies behind the gap.
		if (i-s.home(s.slots[i].tag))&mask >= (i-gap)&mask {
			s.slots[gap] = s.slots[i]
			gap = i
		}
	}
	s.slots[gap] = slot{}
}
