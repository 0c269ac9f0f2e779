package choices

import (
	"hash/maphash"

	"github.com/anishathalye/porcupine"
)

// The definition that the histories of the fence are held to: what is in force
// after each act, and what an answer may then say.

// act is what a client does.
type act struct {
	what    string
	who     int // of the history's tokens
	other   int // the user of a link; of find, the token that the name led to before, or -1
	stamp   int // of keep
	known   uint16
	read    uint16 // of release: of the known stamps, those that the answer could read
	unknown bool   // killed before it was answered
}

// fenceTokens is how many tokens a history has at most: whoever comes after an
// erasure is somebody new.
const fenceTokens = 16

// What a person last said, and how far they were erased.
const (
	saidNothing = iota
	gave
	guardianGave
	suspended // somebody unproven ended what held
	ended
)

const (
	living = iota
	dying  // every choice is ended; the name leads to them or to somebody new
	gone
)

type fencePerson struct {
	said, erased byte
	child        bool
	user         int8   // 1 + of a visitor, 0 none
	kept         uint16 // stamps of what was kept and can be read
}

// fenceState is what is known to be in force.
type fenceState struct {
	stopped bool
	people  [fenceTokens]fencePerson
}

func (s *fenceState) root(i int) int {
	if u := s.people[i].user; u != 0 {
		return int(u) - 1
	}
	return i
}

// allows is the definition: nothing is stopped, the person was not erased and said
// yes, a guardian for a child, and nobody who is linked with them ended it or is a
// child without a guardian's yes.
func (s *fenceState) allows(who int) bool {
	for i := range s.people {
		if s.root(i) != s.root(who) {
			continue
		}
		p := &s.people[i]
		if p.said >= suspended || p.child && p.said != guardianGave {
			return false
		}
	}
	p := &s.people[who]
	return !s.stopped && p.erased == living && p.said != saidNothing
}

// say is what a word makes of what a person said before. Who is erased says nothing
// any more.
func (p *fencePerson) say(what string) {
	if p.erased != living && what != "erase" {
		return
	}
	switch what {
	case "give":
		p.said = gave
	case "give by guardian":
		p.said = guardianGave
	case "withdraw":
		p.said, p.kept = ended, 0
	case "withdraw unproven":
		if p.said == saidNothing || p.said == ended {
			p.said = ended
		} else {
			p.said = suspended
		}
	case "mark child":
		p.child = true
	case "mark grown":
		p.child = false
	case "erase":
		p.said, p.kept, p.erased = ended, 0, max(p.erased, dying)
	}
}

// after returns what a state may be after an act: one, or where it was killed also
// what lies on the way. An empty list says that the act cannot have been.
func (s fenceState) after(a *act) (out []any) {
	next := s
	p := &next.people[a.who]
	switch a.what {
	case "release":
		if !s.allows(a.who) || p.kept&a.known != a.read {
			return nil
		}
	case "keep":
		if !s.allows(a.who) {
			return nil
		}
		p.kept |= 1 << a.stamp
	case "find":
		if p.erased == gone || a.other >= 0 && s.people[a.other].erased == living {
			return nil
		}
	case "stop", "resume":
		next.stopped = a.what == "stop"
	case "link":
		if p.erased == living && s.people[a.other].erased == living {
			p.user = int8(a.other) + 1
		}
	case "unlink":
		if s.root(a.who) == a.other {
			p.user = 0
		}
	case "part": // the beginning of a visitor's erasure
		p.user = 0
	case "withdraw unproven": // reaches nobody else
		p.say(a.what)
	case "forget": // the end of an erasure
		return s.forgotten(a)
	case "erase":
		if p.user == 0 {
			return s.reach(a)
		}
		if !a.unknown {
			return nil // first they are parted
		}
		return []any{s}
	default:
		return s.reach(a)
	}
	if a.unknown {
		out = append(out, s)
	}
	return append(out, next)
}

// reach is after of what is said for all who are linked, the named one first.
func (s fenceState) reach(a *act) (out []any) {
	if said := a.what == "give" || a.what == "give by guardian" || a.what == "withdraw"; said && s.people[a.who].erased != living {
		return []any{s} // it is not taken, while a mark still reaches the others
	}
	next := s
	next.people[a.who].say(a.what)
	way := []fenceState{next}
	for i := range s.people {
		if i == a.who || s.root(i) != s.root(a.who) {
			continue
		}
		next.people[i].say(a.what)
		for _, w := range way {
			w.people[i].say(a.what)
			way = append(way, w)
		}
	}
	if !a.unknown {
		return []any{next}
	}
	for _, w := range way {
		out = append(out, w)
	}
	return append(out, s)
}

// forgotten is after of the end of an erasure: no name leads to the visitors, who
// are parted, and then none to the user.
func (s fenceState) forgotten(a *act) (out []any) {
	if s.people[a.who].erased == living {
		if a.unknown {
			return []any{s}
		}
		return nil
	}
	next := s
	way := []fenceState{s}
	for i := range s.people {
		if s.people[i].user != int8(a.who)+1 || s.people[i].erased == living {
			continue
		}
		forget := func(p *fencePerson) { p.user, p.erased = 0, gone }
		forget(&next.people[i])
		for _, w := range way {
			forget(&w.people[i])
			way = append(way, w)
		}
	}
	next.people[a.who].erased = gone
	if a.unknown {
		for _, w := range way {
			out = append(out, w)
		}
	}
	return append(out, next)
}

var fenceSeed = maphash.MakeSeed()

var fenceModel = porcupine.NondeterministicModel{
	Init: func() []any { return []any{fenceState{}} },
	Step: func(state, input, _ any) []any {
		s := state.(fenceState)
		return s.after(input.(*act))
	},
	Hash: func(state any) uint64 { return maphash.Comparable(fenceSeed, state.(fenceState)) },
}
