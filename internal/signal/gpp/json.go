package gpp

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"

	"accord/internal/signal/strict"
	"accord/internal/signal/tcf"
)

// MarshalJSON writes {"Header": …, "Sections": {NAME: …}}, where NAME is a
// section's client-side API prefix, or its number if it has none, and a section is
// an object of fields, or a text if it could not be read.
func (s *String) MarshalJSON() ([]byte, error) {
	var out bytes.Buffer
	head, err := json.Marshal(s.Header())
	if err != nil {
		return nil, err
	}
	fmt.Fprintf(&out, `{"Header":%s,"Sections":{`, head)
	for i := range s.Sections {
		section := &s.Sections[i]
		body, err := json.Marshal(section.content())
		if err != nil {
			return nil, err
		}
		key := section.Name()
		if key == "" {
			key = strconv.Itoa(section.ID)
		}
		if i > 0 {
			out.WriteByte(',')
		}
		fmt.Fprintf(&out, "%q:%s", key, body)
	}
	out.WriteString("}}")
	return out.Bytes(), nil
}

func (s *Section) content() any {
	switch {
	case s.TCFEU != nil:
		return s.TCFEU
	case s.TCFCA != nil:
		return s.TCFCA
	case s.USP != nil:
		return s.USP
	case s.US != nil:
		return s.US
	}
	return s.Raw
}

// FromJSON reads what MarshalJSON wrote, or what a person did: the header may be
// left out, and the sections may come in any order.
func FromJSON(b []byte) (*String, error) {
	s := &String{}
	if err := s.UnmarshalJSON(b); err != nil {
		return nil, fmt.Errorf("GPP string as JSON: %w", err)
	}
	return s, nil
}

// UnmarshalJSON is FromJSON for encoding/json.
func (s *String) UnmarshalJSON(b []byte) error {
	*s = String{}
	var whole struct {
		Header   *Header
		Sections json.RawMessage
	}
	if err := strict.Struct(b, &whole, "Sections"); err != nil {
		return err
	}
	if whole.Sections == nil {
		return errors.New("the member Sections is missing")
	}
	members, err := strict.Members(whole.Sections)
	if err != nil {
		return fmt.Errorf("in Sections: %w", err)
	}
	for _, m := range members {
		id := idOf(m.Name)
		if id == 0 {
			return fmt.Errorf("%q is no section: there are tcfeuv2, tcfcav1, uspv1, usnat, usca and so on, and numbers for unknown ones", m.Name)
		}
		section := Section{ID: id}
		if err := section.fromJSON(m.Value); err != nil {
			return fmt.Errorf("%s: %w", m.Name, err)
		}
		s.Sections = append(s.Sections, section)
	}
	slices.SortFunc(s.Sections, func(a, b Section) int { return a.ID - b.ID })
	if h := s.Header(); whole.Header != nil && (whole.Header.Type != h.Type || whole.Header.Version != h.Version || !slices.Equal(whole.Header.Sections, h.Sections)) {
		return fmt.Errorf("Header must say Type %d, Version %d and the sections %v: leave it out, it follows from the sections", h.Type, h.Version, h.Sections)
	}
	return nil
}

// UnmarshalJSON reads a header.
func (h *Header) UnmarshalJSON(b []byte) error {
	*h = Header{}
	return strict.Struct(b, h)
}

// UnmarshalJSON reads a US Privacy String's fields.
func (u *USP) UnmarshalJSON(b []byte) error {
	*u = USP{}
	return strict.Struct(b, u)
}

// idOf finds a section by its name, or by its number if it has no name; 0 is none.
func idOf(key string) int {
	for _, id := range []int{idTCFEU, idTCFCA, idUSP} {
		if name(id) == key {
			return id
		}
	}
	for id, all := range layouts {
		if all[0].name == key {
			return id
		}
	}
	id, err := strconv.ParseUint(key, 10, 16)
	if err != nil || name(int(id)) != "" || strconv.Itoa(int(id)) != key {
		return 0
	}
	return int(id)
}

func (s *Section) fromJSON(b json.RawMessage) error {
	if len(b) > 0 && b[0] == '"' {
		return json.Unmarshal(b, &s.Raw)
	}
	switch {
	case s.ID == idTCFEU:
		s.TCFEU = &tcf.String{}
		return s.TCFEU.UnmarshalJSON(b)
	case s.ID == idTCFCA:
		s.TCFCA = &TCFCA{}
		return s.TCFCA.UnmarshalJSON(b)
	case s.ID == idUSP:
		s.USP = &USP{}
		return s.USP.UnmarshalJSON(b)
	case len(layouts[s.ID]) == 0:
		return errors.New("the fields of this section are not known: give its text")
	}
	var err error
	s.US, err = usFromJSON(layouts[s.ID], b)
	return err
}

// MarshalJSON writes the fields in their order: a number, a list, or for Gpc true or
// false.
func (u *US) MarshalJSON() ([]byte, error) {
	var out bytes.Buffer
	out.WriteByte('{')
	for i, f := range u.Fields() {
		if i > 0 {
			out.WriteByte(',')
		}
		fmt.Fprintf(&out, "%q:", f.Name)
		var v any = f.Values[0]
		switch {
		case f.List:
			list := make([]int, len(f.Values))
			for i, v := range f.Values {
				list[i] = int(v)
			}
			v = list
		case f.Name == "Gpc":
			v = f.Values[0] == 1
		}
		b, err := json.Marshal(v)
		if err != nil {
			return nil, err
		}
		out.Write(b)
	}
	out.WriteByte('}')
	return out.Bytes(), nil
}

// usFromJSON reads a section by one of the layouts of its id: the lists' lengths
// say which.
func usFromJSON(all []*layout, b []byte) (*US, error) {
	members, err := strict.Members(b)
	if err != nil {
		return nil, err
	}
	for _, l := range all {
		var u *US
		if u, err = l.fill(members); err == nil {
			return u, nil
		}
	}
	return nil, err
}

func (l *layout) fill(members []strict.Member) (*US, error) {
	u := &US{layout: l, values: make([]uint8, l.size)}
	found := map[string]bool{}
	for _, m := range members {
		f, core, ok := l.field(m.Name)
		if !ok {
			return nil, fmt.Errorf("%q is no field here: there are %s", m.Name, l.fieldNames())
		}
		if err := f.fromJSON(m.Value, u.values[f.at:f.at+f.values()]); err != nil {
			return nil, fmt.Errorf("%s: %w", m.Name, err)
		}
		found[m.Name] = true
		u.sub = u.sub || !core
	}
	for _, f := range l.core {
		if !found[f.name] {
			return nil, fmt.Errorf("%s is missing", f.name)
		}
	}
	if !l.knows(u.values[0]) {
		return nil, fmt.Errorf("%s %d is not known: this codec knows %v", l.core[0].name, u.values[0], l.versions)
	}
	return u, nil
}

func (l *layout) fieldNames() string {
	var names bytes.Buffer
	for _, f := range slices.Concat(l.core, l.sub) {
		fmt.Fprintf(&names, ", %s", f.name)
	}
	return names.String()[2:]
}

// fromJSON reads a field's value or values.
func (f field) fromJSON(b json.RawMessage, to []uint8) error {
	most := 1<<f.width - 1
	var values []int
	switch {
	case f.count > 0:
		if json.Unmarshal(b, &values) != nil || len(values) != f.count {
			return fmt.Errorf("it must be a list of %d numbers", f.count)
		}
	case f.width == 1:
		var v bool
		if string(b) == "null" || json.Unmarshal(b, &v) != nil {
			return errors.New("it must be true or false")
		}
		values = []int{0}
		if v {
			values[0] = 1
		}
	default:
		var v int
		if string(b) == "null" || json.Unmarshal(b, &v) != nil {
			return fmt.Errorf("it must be a number from 0 to %d", most)
		}
		values = []int{v}
	}
	for i, v := range values {
		if v < 0 || v > most {
			return fmt.Errorf("%d is not from 0 to %d", v, most)
		}
		to[i] = uint8(v)
	}
	return nil
}
