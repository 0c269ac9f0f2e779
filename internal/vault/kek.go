package vault

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"

	"github.com/tink-crypto/tink-go/v2/aead"
	"github.com/tink-crypto/tink-go/v2/insecurecleartextkeyset"
	"github.com/tink-crypto/tink-go/v2/keyset"
	"github.com/tink-crypto/tink-go/v2/tink"
)

// ErrNoKEK: the key-encryption key is missing while the data that needs it is
// there.
var ErrNoKEK = errors.New("the key-encryption key is missing")

// readKEK reads the key-encryption key from file. Where there is none and no
// store either, it makes one, durable before it returns.
func readKEK(file string, storeExists bool) (tink.AEAD, error) {
	b, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		if storeExists {
			return nil, fmt.Errorf("%w: the data cannot be opened without it; put the file back at %s (a copy is in your key backup)", ErrNoKEK, file)
		}
		return makeKEK(file)
	}
	if err != nil {
		return nil, fmt.Errorf("reading the key-encryption key: %w", err)
	}
	if err := private(file); err != nil {
		return nil, err
	}
	handle, err := insecurecleartextkeyset.Read(keyset.NewJSONReader(bytes.NewReader(b)))
	if err != nil {
		return nil, fmt.Errorf("%s is not a Tink keyset in JSON: put back the file that was there", file)
	}
	kek, err := aead.New(handle)
	if err != nil {
		return nil, fmt.Errorf("%s holds no key for authenticated encryption: put back the file that was there", file)
	}
	return kek, nil
}

// private refuses a key file that others on the machine may read.
func private(file string) error {
	info, err := os.Stat(file)
	if err != nil {
		return fmt.Errorf("reading the key-encryption key: %w", err)
	}
	if runtime.GOOS != "windows" && info.Mode().Perm()&0o077 != 0 {
		return fmt.Errorf("%s may be read by others (mode %04o): run chmod 600 on it", file, info.Mode().Perm())
	}
	return nil
}

func makeKEK(file string) (tink.AEAD, error) {
	handle, err := keyset.NewHandle(aead.AES256GCMKeyTemplate())
	if err != nil {
		return nil, fmt.Errorf("making the key-encryption key: %w", err)
	}
	var b bytes.Buffer
	if err := insecurecleartextkeyset.Write(handle, keyset.NewJSONWriter(&b)); err != nil {
		return nil, fmt.Errorf("making the key-encryption key: %w", err)
	}
	if err := writeDurably(file, b.Bytes()); err != nil {
		return nil, fmt.Errorf("writing the key-encryption key: %w", err)
	}
	return aead.New(handle)
}

// writeDurably writes a new file of mode 0600, whole or not at all.
func writeDurably(file string, b []byte) (err error) {
	temporary, err := os.OpenFile(file+".new", os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(file+".new"))
		}
	}()
	_, err = temporary.Write(b)
	err = errors.Join(err, temporary.Chmod(0o600), temporary.Sync(), temporary.Close())
	if err != nil {
		return err
	}
	if err := os.Rename(file+".new", file); err != nil {
		return err
	}
	dir, err := os.Open(filepath.Dir(file))
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}
