package app

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	"accord/internal/api"
	"accord/internal/law"
)

// law reads the rules of law: Accord's own, and in the place of those of the same
// regime what stands in the directory's law/.
func (d *Directory) law() (*law.Code, error) {
	own := d.file("law")
	if _, err := os.Stat(own); errors.Is(err, fs.ErrNotExist) {
		return law.Load(nil)
	}
	code, err := law.Load(os.DirFS(own))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", own, err)
	}
	return code, nil
}

// placesOrNone returns the database of places, nil where there is none.
func (h *House) placesOrNone() api.Places {
	if h.places == nil {
		return nil
	}
	return h.places
}
