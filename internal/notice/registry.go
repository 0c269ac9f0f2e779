package notice

import (
	"slices"

	"accord/internal/declare"
)

// Registry holds every notice that people may have read: those of the present
// declaration in all its languages, and those of the past. It does not change
// after NewRegistry, so it is shared freely.
type Registry struct {
	declaration *declare.Declaration
	present     []*Notice // in the order of the declaration's languages
	versions    map[string]known
}

// known is a notice and what of the present declaration it covers.
type known struct {
	notice  *Notice
	covered declare.Set
}

// NewRegistry writes the notices of d in all its languages and adds those of the
// past.
func NewRegistry(d *declare.Declaration, past ...*Notice) (*Registry, error) {
	r := &Registry{declaration: d, versions: make(map[string]known)}
	for _, language := range d.Languages {
		n, err := Write(d, language)
		if err != nil {
			return nil, err
		}
		r.present = append(r.present, n)
	}
	for _, list := range [][]*Notice{past, r.present} {
		for _, n := range list {
			r.versions[n.Version] = known{n, covered(d, n)}
		}
	}
	return r, nil
}

// covered returns the purposes of which a consent that was given to old covers
// what the present declaration says. A consent to somebody else covers nothing.
func covered(d *declare.Declaration, old *Notice) (s declare.Set) {
	if old.Controller.ID != string(d.Controller()) {
		return 0
	}
	for i := range old.Purposes {
		p, ok := d.Purpose(declare.PurposeID(old.Purposes[i].ID))
		if ok && old.Purposes[i].Facts.Covers(factsOf(d, &d.Purposes[p])) {
			s = s.With(p)
		}
	}
	return s
}

// Covered returns the purposes whose present facts are covered by what a version
// said, and whether there ever was such a version.
func (r *Registry) Covered(version string) (declare.Set, bool) {
	k, ok := r.versions[version]
	return k.covered, ok
}

// Version returns the version of the notice in force in a language.
func (r *Registry) Version(language string) string { return r.In(language).Version }

// In returns the notice in force in a language such as en-GB, and where there is
// none in that language the one that the declaration is written in.
func (r *Registry) In(language string) *Notice {
	return r.present[slices.Index(r.declaration.Languages, r.declaration.Language(language))]
}

// Present returns the notices in force, one a language of the declaration.
func (r *Registry) Present() []*Notice { return r.present }

// Find returns the notice of a version.
func (r *Registry) Find(version string) (*Notice, bool) {
	k, ok := r.versions[version]
	return k.notice, ok
}
