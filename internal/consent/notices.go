package consent

import "accord/internal/declare"

// Notices tell what people read before they chose. *notice.Registry does.
type Notices interface {
	// Covered returns the purposes of which a consent that was given to a version
	// of the notice covers what the declaration says today, and whether there ever
	// was that version.
	Covered(version string) (covered declare.Set, known bool)
	// Version returns the version in force in a language, or in the declaration's
	// own where there is none in that language.
	Version(language string) string
}

// Coverage is whether the notice that a person had read covers what is done
// today. It is found out when a choice is applied, so that nothing is looked up
// when the gate is asked.
type Coverage uint8

// The coverages. The zero Coverage denies.
const (
	NoticeUnknown Coverage = iota // nobody can say what was read
	NoticeChanged                 // more is done today than was said
	NoticeCovered
)

// coverage returns what a version says of a purpose.
func (b *Book) coverage(version string, p declare.PurposeIndex) Coverage {
	switch covered, known := b.notices.Covered(version); {
	case !known:
		return NoticeUnknown
	case !covered.Has(p):
		return NoticeChanged
	}
	return NoticeCovered
}

// Notice returns the version of the notice in force in a language: what somebody
// read who chooses now and names none.
func (b *Book) Notice(language string) string { return b.notices.Version(language) }

// AnyNotice covers everything, whatever was read. It is for tests and tools that
// have no notices; a server has a registry.
var AnyNotice Notices = anyNotice{}

type anyNotice struct{}

func (anyNotice) Covered(string) (declare.Set, bool) { return ^declare.Set(0), true }
func (anyNotice) Version(string) string              { return "" }
