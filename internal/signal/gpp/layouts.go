package gpp

import (
	"fmt"
	"strconv"
	"strings"
)

// layout describes one US section: its fields in their order, and one subsection
// that may follow after a dot.
type layout struct {
	id       int
	name     string
	versions []uint8 // of the section; none: the first field is the MSPA's version
	core     []field
	sub      []field
	subType  bool // the subsection begins with its type, 1
	size     int  // values in core and sub
	bits     int  // in core
}

// field is one line of the specification's table: count values of width bits.
// A single value has count 0, since a list may have one element.
type field struct {
	name         string
	width, count int
	at           int // of its first value
}

func (f field) values() int { return max(1, f.count) }

// The two subsections that there are.
const (
	gpc       = "Gpc:1"
	sensitive = "SensitiveDataProcessing:2x8"
)

// The beginnings and endings that many sections share.
const (
	mspa       = " MspaCoveredTransaction:2 MspaOptOutOptionMode:2 MspaServiceProviderMode:2"
	sharing    = "Version:6 SharingNotice:2 SaleOptOutNotice:2 TargetedAdvertisingOptOutNotice:2"
	processing = "Version:6 ProcessingNotice:2 SaleOptOutNotice:2 TargetedAdvertisingOptOutNotice:2"
	optOut     = " SaleOptOut:2 TargetedAdvertisingOptOut:2"
	additional = " AdditionalDataProcessingConsent:2" + mspa
	national   = "Version:6 SharingNotice:2 SaleOptOutNotice:2 SharingOptOutNotice:2 TargetedAdvertisingOptOutNotice:2" +
		" SensitiveDataProcessingOptOutNotice:2 SensitiveDataLimitUseNotice:2 SaleOptOut:2 SharingOptOut:2 TargetedAdvertisingOptOut:2"
	// The sections of 2025 begin with what the MSPA needs.
	late = "MspaVersion:6 MspaCoveredTransaction:2 MspaMode:2 ProcessingNotice:2 SaleOptOutNotice:2" +
		" TargetedAdvertisingOptOutNotice:2" + optOut
)

// layouts are the US sections by id, from the specification's tables; name:width is
// a value, name:widthxcount a list of fixed length. Where a section has several, the
// text's length decides, and the shorter comes first: version 2 of usnat made two
// lists longer, and encoders of the time between wrote the longer lists as version 1.
var layouts = func() map[int][]*layout {
	all := map[int][]*layout{}
	add := func(id int, name, core, sub string, versions ...uint8) {
		all[id] = append(all[id], newLayout(id, name, core, sub, versions))
	}
	const personal = " PersonalDataConsents:2" + mspa
	add(7, "usnat", national+" SensitiveDataProcessing:2x12 KnownChildSensitiveDataConsents:2x2"+personal, gpc, 1, 2)
	add(7, "usnat", national+" SensitiveDataProcessing:2x16 KnownChildSensitiveDataConsents:2x3"+personal, gpc, 1, 2)
	add(8, "usca", "Version:6 SaleOptOutNotice:2 SharingOptOutNotice:2 SensitiveDataLimitUseNotice:2 SaleOptOut:2 SharingOptOut:2"+
		" SensitiveDataProcessing:2x9 KnownChildSensitiveDataConsents:2x2"+personal, gpc, 1)
	add(9, "usva", sharing+optOut+" SensitiveDataProcessing:2x8 KnownChildSensitiveDataConsents:2"+mspa, "", 1)
	add(10, "usco", sharing+optOut+" SensitiveDataProcessing:2x7 KnownChildSensitiveDataConsents:2"+mspa, gpc, 1)
	add(11, "usut", sharing+" SensitiveDataProcessingOptOutNotice:2"+optOut+
		" SensitiveDataProcessing:2x8 KnownChildSensitiveDataConsents:2"+mspa, "", 1)
	add(12, "usct", sharing+optOut+" SensitiveDataProcessing:2x8 KnownChildSensitiveDataConsents:2x3"+mspa, gpc, 1)
	add(13, "usfl", processing+optOut+" SensitiveDataProcessing:2x8 KnownChildSensitiveDataConsents:2x3"+additional, "", 1)
	add(14, "usmt", sharing+optOut+" SensitiveDataProcessing:2x8 KnownChildSensitiveDataConsents:2x3"+additional, gpc, 1)
	add(15, "usor", processing+optOut+" SensitiveDataProcessing:2x11 KnownChildSensitiveDataConsents:2x3"+additional, gpc, 1)
	add(16, "ustx", processing+optOut+" SensitiveDataProcessing:2x8 KnownChildSensitiveDataConsents:2"+additional, gpc, 1)
	add(17, "usde", processing+optOut+" SensitiveDataProcessing:2x9 KnownChildSensitiveDataConsents:2x5"+additional, gpc, 1)
	add(18, "usia", processing+" SensitiveDataOptOutNotice:2"+optOut+
		" SensitiveDataProcessing:2x8 KnownChildSensitiveDataConsents:2"+mspa, gpc, 1)
	add(19, "usne", processing+optOut+" SensitiveDataProcessing:2x8 KnownChildSensitiveDataConsents:2"+additional, gpc, 1)
	add(20, "usnh", processing+optOut+" SensitiveDataProcessing:2x8 KnownChildSensitiveDataConsents:2x3"+additional, gpc, 1)
	add(21, "usnj", processing+optOut+" SensitiveDataProcessing:2x10 KnownChildSensitiveDataConsents:2x5"+additional, gpc, 1)
	add(22, "ustn", processing+optOut+" SensitiveDataProcessing:2x8 KnownChildSensitiveDataConsents:2"+additional, gpc, 1)
	add(23, "usmn", processing+optOut+" SensitiveDataProcessing:2x8 KnownChildSensitiveDataConsents:2"+additional, gpc, 1)
	add(24, "usmd", late+" AdditionalDataProcessingConsent:2", gpc)
	add(25, "usin", late+" KnownChildSensitiveDataConsents:2 AdditionalDataProcessingConsent:2", sensitive)
	add(26, "usky", late+" KnownChildSensitiveDataConsents:2 AdditionalDataProcessingConsent:2", sensitive)
	add(27, "usri", late+" KnownChildSensitiveDataConsents:2 AdditionalDataProcessingConsent:2", sensitive)
	return all
}()

func newLayout(id int, name, core, sub string, versions []uint8) *layout {
	l := &layout{id: id, name: name, versions: versions, subType: sub == gpc}
	read := func(text string) (fields []field) {
		for line := range strings.FieldsSeq(text) {
			f := field{at: l.size}
			var shape string
			f.name, shape, _ = strings.Cut(line, ":")
			width, count, list := strings.Cut(shape, "x")
			f.width = number(width)
			if list {
				f.count = number(count)
			}
			l.size += f.values()
			fields = append(fields, f)
		}
		return fields
	}
	l.core, l.sub = read(core), read(sub)
	for _, f := range l.core {
		l.bits += f.width * f.values()
	}
	return l
}

// number reads a number of the table above, which cannot be wrong at run time.
func number(s string) int {
	n, err := strconv.Atoi(s)
	if err != nil {
		panic(fmt.Sprintf("gpp: the table of layouts has %q for a number", s))
	}
	return n
}

// knows reports whether the first field's value begins a section of this layout.
// In the four sections without a version of their own it is the MSPA's version; a
// text in the specification's form begins with the section's id there.
func (l *layout) knows(first uint8) bool {
	if len(l.versions) == 0 {
		return int(first) != l.id
	}
	for _, v := range l.versions {
		if v == first {
			return true
		}
	}
	return false
}

// field finds a field by name; in is false for one of the subsection.
func (l *layout) field(name string) (f field, core, ok bool) {
	for _, f := range l.core {
		if f.name == name {
			return f, true, true
		}
	}
	for _, f := range l.sub {
		if f.name == name {
			return f, false, true
		}
	}
	return field{}, false, false
}
