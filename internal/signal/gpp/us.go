package gpp

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"accord/internal/signal/bits"
)

// Value is a field's value. What 1 and 2 mean depends on the field.
type Value uint8

// The values of the specification, and one for a field that the section lacks. 3 has
// no meaning; a text may have it, so whoever asks must take it for the stricter.
const (
	NotApplicable Value = 0

	OptedOut     Value = 1 // SaleOptOut, SharingOptOut, TargetedAdvertisingOptOut
	DidNotOptOut Value = 2

	NoConsent Value = 1 // lists of consents
	Consent   Value = 2

	Yes Value = 1 // MspaCoveredTransaction, notices
	No  Value = 2

	Meaningless Value = 3
	Absent      Value = 255
)

// US is a section of the national or of a state's layout. A nil US says nothing:
// each of its fields is Absent.
type US struct {
	layout *layout
	values []uint8
	sub    bool // the subsection is there
}

// Field is one field with its values, which are one unless List.
type Field struct {
	Name   string
	List   bool
	Values []Value
}

// layoutOf returns the layout for a section's text, or nil for an unknown id or
// version.
func layoutOf(id int, text string) *layout {
	all := layouts[id]
	if len(all) == 0 {
		return nil
	}
	core, _, _ := strings.Cut(text, ".")
	l := all[0]
	for _, longer := range all[1:] {
		if 6*len(core) >= longer.bits {
			l = longer
		}
	}
	if first := bits.First(core); first < 0 || !l.knows(uint8(first)) {
		return nil
	}
	return l
}

func decodeUS(l *layout, text string) (*US, error) {
	core, sub, has := strings.Cut(text, ".")
	u := &US{layout: l, values: make([]uint8, l.size), sub: has}
	r := bits.NewReader(core)
	u.read(r, l.core)
	if err := r.Close(); err != nil {
		return nil, err
	}
	if !has {
		return u, nil
	}
	if len(l.sub) == 0 {
		return nil, errors.New("it has a subsection, which its specification does not")
	}
	r = bits.NewReader(sub)
	if l.subType {
		if kind := r.Int(2); r.Err() == nil && kind != 1 {
			return nil, fmt.Errorf("its subsection has the type %d: there is 1, GPC", kind)
		}
	}
	u.read(r, l.sub)
	if err := r.Close(); err != nil {
		return nil, fmt.Errorf("subsection: %w", err)
	}
	return u, nil
}

func (u *US) read(r *bits.Reader, fields []field) {
	for _, f := range fields {
		for i := range f.values() {
			u.values[f.at+i] = uint8(r.Uint(f.width))
		}
	}
}

func (u *US) encode() (string, error) {
	w := &bits.Writer{}
	u.write(w, u.layout.core)
	text, err := w.Text(bits.Short)
	if err != nil || !u.sub {
		return text, err
	}
	w = &bits.Writer{}
	if u.layout.subType {
		w.Uint(1, 2)
	}
	u.write(w, u.layout.sub)
	sub, err := w.Text(bits.Short)
	return text + "." + sub, err
}

func (u *US) write(w *bits.Writer, fields []field) {
	for _, f := range fields {
		for i := range f.values() {
			w.Int(f.name, int(u.values[f.at+i]), f.width)
		}
	}
}

// Fields returns the fields in their order, those of the subsection last.
func (u *US) Fields() []Field {
	if u == nil {
		return nil
	}
	lines := u.layout.core
	if u.sub {
		lines = slices.Concat(lines, u.layout.sub)
	}
	all := make([]Field, len(lines))
	for i, f := range lines {
		all[i] = Field{Name: f.name, List: f.count > 0, Values: u.at(f)}
	}
	return all
}

func (u *US) at(f field) []Value {
	values := make([]Value, f.values())
	for i := range values {
		values[i] = Value(u.values[f.at+i])
	}
	return values
}

// Equal reports whether two sections say the same in the same layout.
func (u *US) Equal(o *US) bool {
	if u == nil || o == nil {
		return u == o
	}
	return u.layout == o.layout && u.sub == o.sub && slices.Equal(u.values, o.values)
}

// List returns a field's values, one or several, or none if the section lacks it.
func (u *US) List(name string) []Value {
	if u == nil {
		return nil
	}
	f, core, ok := u.layout.field(name)
	if !ok || !core && !u.sub {
		return nil
	}
	return u.at(f)
}

// Value returns a field that has one value.
func (u *US) Value(name string) Value {
	if v := u.List(name); len(v) == 1 {
		return v[0]
	}
	return Absent
}

// Version is the section's version; 1 where the section has none of its own.
func (u *US) Version() int {
	if v := u.Value("Version"); v != Absent {
		return int(v)
	}
	return 1
}

// SaleOptOut is OptedOut or DidNotOptOut of the sale of personal data.
func (u *US) SaleOptOut() Value { return u.Value("SaleOptOut") }

// SharingOptOut is the same of sharing.
func (u *US) SharingOptOut() Value { return u.Value("SharingOptOut") }

// TargetedAdvertisingOptOut is the same of targeted advertising.
func (u *US) TargetedAdvertisingOptOut() Value { return u.Value("TargetedAdvertisingOptOut") }

// SensitiveDataProcessing has a value for each category of the section's
// specification.
func (u *US) SensitiveDataProcessing() []Value { return u.List("SensitiveDataProcessing") }

// KnownChildSensitiveDataConsents has one value or several, by age and use.
func (u *US) KnownChildSensitiveDataConsents() []Value {
	return u.List("KnownChildSensitiveDataConsents")
}

// PersonalDataConsents is NoConsent or Consent to uses beyond what was told.
func (u *US) PersonalDataConsents() Value { return u.Value("PersonalDataConsents") }

// MspaCoveredTransaction is Yes or No.
func (u *US) MspaCoveredTransaction() Value { return u.Value("MspaCoveredTransaction") }

// Gpc is the GPC subsection's bit; there is false if the section has none.
func (u *US) Gpc() (set, there bool) {
	v := u.Value("Gpc")
	return v == 1, v != Absent
}
