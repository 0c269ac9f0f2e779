package bits

import (
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	mathbits "math/bits"
	"slices"
	"strconv"
	"strings"
)

// Field is a bit field of up to 64 bits: a set of small ids, such as purposes. In
// JSON it is a list of ids, [1,3,7].
type Field uint64

// Has reports whether the id is in the set.
func (f Field) Has(id int) bool { return id >= 1 && id <= 64 && f>>(id-1)&1 == 1 }

// Max is the greatest id, or 0.
func (f Field) Max() int { return mathbits.Len64(uint64(f)) }

// FieldOf makes a bit field of ids from 1 to 64; other ids are left out.
func FieldOf(ids ...int) (f Field) {
	for _, id := range ids {
		if id >= 1 && id <= 64 {
			f |= 1 << (id - 1)
		}
	}
	return f
}

// MarshalJSON writes the ids.
func (f Field) MarshalJSON() ([]byte, error) {
	ids := []int{}
	for f != 0 {
		ids = append(ids, mathbits.TrailingZeros64(uint64(f))+1)
		f &= f - 1
	}
	return json.Marshal(ids)
}

// UnmarshalJSON reads a list of ids in any order.
func (f *Field) UnmarshalJSON(b []byte) error {
	var ids []int
	if err := json.Unmarshal(b, &ids); err != nil || ids == nil {
		return errors.New("it must be a list of ids, such as [1,3]")
	}
	*f = 0
	for _, id := range ids {
		if id < 1 || id > 64 {
			return fmt.Errorf("%d is no id here: ids go from 1 to 64 at most", id)
		}
		*f |= 1 << (id - 1)
	}
	return nil
}

// Range is a run of ids, both ends included.
type Range struct{ From, To uint16 }

// IDs is a set of ids from 1 to 65,535, vendors as a rule. It stays in the form in
// which it came, a bit field or ranges, so that reading it costs no more than its
// text. The zero value is the empty set; a set is not changed after it was made.
//
// In JSON it is a list of ids and of runs as texts: [2,"6-8"].
type IDs struct {
	field  []uint64 // bit id-1
	ranges []Range  // in the order of the text, which may overlap
}

// IDsOf makes a set of ids; an id of 0 is left out.
func IDsOf(ids ...uint16) IDs {
	var s IDs
	for _, id := range ids {
		if id != 0 {
			s.ranges = append(s.ranges, Range{id, id})
		}
	}
	return s.normal()
}

// Has reports whether the id is in the set. It looks at every range, of which a
// text may bring some thousands.
func (s IDs) Has(id uint16) bool {
	if id == 0 {
		return false
	}
	if at := int(id-1) / 64; at < len(s.field) && s.field[at]>>((id-1)%64)&1 == 1 {
		return true
	}
	for _, r := range s.ranges {
		if r.From <= id && id <= r.To {
			return true
		}
	}
	return false
}

// Empty reports whether there is no id.
func (s IDs) Empty() bool { return s.Max() == 0 }

// Max is the greatest id, or 0.
func (s IDs) Max() (top uint16) {
	for _, r := range s.ranges {
		top = max(top, r.To)
	}
	for i := len(s.field) - 1; i >= 0; i-- {
		if s.field[i] != 0 {
			return max(top, uint16(64*i+mathbits.Len64(s.field[i])))
		}
	}
	return top
}

// Equal reports whether two sets hold the same ids, in whichever form.
func (s IDs) Equal(o IDs) bool { return slices.Equal(s.Ranges(), o.Ranges()) }

// Ranges returns the runs of ids, sorted and apart from each other.
func (s IDs) Ranges() []Range { return s.normal().ranges }

// All walks through the ids, upwards.
func (s IDs) All() iter.Seq[uint16] {
	return func(yield func(uint16) bool) {
		for _, r := range s.Ranges() {
			for id := int(r.From); id <= int(r.To); id++ {
				if !yield(uint16(id)) {
					return
				}
			}
		}
	}
}

// normal is the same set as sorted ranges that neither touch nor overlap.
func (s IDs) normal() IDs {
	all := slices.Clone(s.ranges)
	for i, word := range s.field {
		for word != 0 {
			from := mathbits.TrailingZeros64(word)
			n := mathbits.TrailingZeros64(^(word >> from))
			all = append(all, Range{uint16(64*i + from + 1), uint16(64*i + from + n)})
			if from+n == 64 {
				break
			}
			word &^= 1<<(from+n) - 1
		}
	}
	slices.SortFunc(all, func(a, b Range) int { return int(a.From) - int(b.From) })
	kept := all[:0]
	for _, r := range all {
		if n := len(kept); n > 0 && int(r.From) <= int(kept[n-1].To)+1 {
			kept[n-1].To = max(kept[n-1].To, r.To)
		} else {
			kept = append(kept, r)
		}
	}
	return IDs{ranges: kept}
}

// MarshalJSON writes ids and runs.
func (s IDs) MarshalJSON() ([]byte, error) {
	out := []byte{'['}
	for i, r := range s.Ranges() {
		if i > 0 {
			out = append(out, ',')
		}
		if r.From == r.To {
			out = strconv.AppendUint(out, uint64(r.From), 10)
		} else {
			out = fmt.Appendf(out, `"%d-%d"`, r.From, r.To)
		}
	}
	return append(out, ']'), nil
}

// UnmarshalJSON reads ids and runs in any order.
func (s *IDs) UnmarshalJSON(b []byte) error {
	var items []json.RawMessage
	if err := json.Unmarshal(b, &items); err != nil || items == nil {
		return errors.New(`it must be a list of ids and of runs, such as [2,"6-8"]`)
	}
	all := make([]Range, 0, len(items))
	for _, item := range items {
		from, to, run := strings.Cut(strings.Trim(string(item), `"`), "-")
		if !run {
			to = from
		}
		quoted := item[0] == '"'
		f, err1 := strconv.ParseUint(from, 10, 16)
		t, err2 := strconv.ParseUint(to, 10, 16)
		if err1 != nil || err2 != nil || f == 0 || t < f || quoted != run {
			return errors.New(`an item is neither an id from 1 to 65535, such as 2, nor a run upwards, such as "6-8"`)
		}
		all = append(all, Range{uint16(f), uint16(t)})
	}
	*s = IDs{ranges: all}.normal()
	return nil
}
