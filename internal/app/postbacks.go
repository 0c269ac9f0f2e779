package app

import (
	"errors"
	"io/fs"
	"os"

	"accord/internal/api"
	"accord/internal/attribution"
)

// openPostbacks opens the store of postbacks where the directory says of which apps
// they are counted. The key store's lock is the directory's.
func (h *House) openPostbacks() error {
	name := h.directory.file("attribution.yaml")
	b, err := os.ReadFile(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	config, err := attribution.ReadConfig(name, b)
	if err != nil {
		return err
	}
	store, err := attribution.Open(h.directory.file("attribution.log"))
	if err != nil {
		return err
	}
	h.onClose(store.Close)
	h.postbacks = &attribution.Receiver{Config: config, Store: store}
	return nil
}

// postbacksOrNone returns what takes postbacks, nil where none are taken.
func (h *House) postbacksOrNone() api.Attribution {
	if h.postbacks == nil {
		return nil
	}
	return h.postbacks
}
