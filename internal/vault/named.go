package vault

import (
	"fmt"

	"github.com/tink-crypto/tink-go/v2/aead/subtle"
)

// SealNamed seals what belongs to no one person, such as a model learnt from
// many, under the secret of that name: see [Keys.Secret].
func (k *Keys) SealNamed(name string, plain []byte) ([]byte, error) {
	a, err := k.named(name)
	if err != nil {
		return nil, err
	}
	sealed, err := a.Encrypt(plain, namedAAD(name))
	if err != nil {
		return nil, fmt.Errorf("sealing %s: %w", name, err)
	}
	return sealed, nil
}

// OpenNamed returns what SealNamed sealed under the same name, or ErrTampered
// where these bytes are nothing of the sort.
func (k *Keys) OpenNamed(name string, sealed []byte) ([]byte, error) {
	a, err := k.named(name)
	if err != nil {
		return nil, err
	}
	plain, err := a.Decrypt(sealed, namedAAD(name))
	if err != nil {
		return nil, ErrTampered
	}
	return plain, nil
}

func (k *Keys) named(name string) (*subtle.AESGCM, error) {
	secret, err := k.Secret(name)
	if err != nil {
		return nil, err
	}
	defer clear(secret)
	a, err := subtle.NewAESGCM(secret)
	if err != nil {
		return nil, fmt.Errorf("preparing the key of %s: %w", name, err)
	}
	return a, nil
}

func namedAAD(name string) []byte { return append([]byte("accord named v1\x00"), name...) }
