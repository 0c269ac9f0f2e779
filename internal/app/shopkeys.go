package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"accord/internal/identity"
)

// How often the shop's key set is read: again after a success, sooner after a
// failure; and how long one reading may take.
const (
	keySetEvery  = 5 * time.Minute
	keySetAgain  = 30 * time.Second
	keySetWithin = 5 * time.Second
)

// keySet follows the key set that the declaration names. What it last read stays
// in force until the next success: a shop whose address does not answer for a
// while keeps its customers.
type keySet struct {
	source string // an address or a file
	keys   *identity.ShopKeys
	client *http.Client
	logger *slog.Logger

	stop context.CancelFunc
	done chan struct{}
}

// newKeySet returns a key set that nobody follows yet. A file's name counts from
// the directory of the declaration.
func newKeySet(source, declaration string, keys *identity.ShopKeys, logger *slog.Logger) *keySet {
	if !strings.Contains(source, "://") && !filepath.IsAbs(source) {
		source = filepath.Join(filepath.Dir(declaration), source)
	}
	client := &http.Client{
		Timeout: keySetWithin,
		// It is asked too seldom to keep a connection.
		Transport:     &http.Transport{Proxy: http.ProxyFromEnvironment, DisableKeepAlives: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	return &keySet{source: source, keys: keys, client: client, logger: logger}
}

// run reads the key set, so that it is there before the first question, and goes
// on following it until close.
func (k *keySet) run() {
	ctx, cancel := context.WithCancel(context.Background())
	k.stop, k.done = cancel, make(chan struct{})
	wait := k.read(ctx)
	go func() {
		defer close(k.done)
		for {
			select {
			case <-time.After(wait):
				wait = k.read(ctx)
			case <-ctx.Done():
				return
			}
		}
	}()
}

func (k *keySet) close() {
	if k.stop != nil {
		k.stop()
		<-k.done
	}
}

// read reads once, says what failed, and returns when to read again.
func (k *keySet) read(ctx context.Context) time.Duration {
	b, err := k.fetch(ctx)
	if err == nil {
		err = k.keys.ReplaceJWKS(b)
	}
	if err == nil || ctx.Err() != nil {
		return keySetEvery
	}
	k.logger.Warn("the key set at shop_jwks was not read; shop tokens are checked with the keys read before, if any", "source", k.source, "error", err)
	return keySetAgain
}

// fetch returns the bytes of the key set, one more than are allowed at most.
func (k *keySet) fetch(ctx context.Context) ([]byte, error) {
	if !strings.Contains(k.source, "://") {
		f, err := os.Open(k.source)
		if err != nil {
			return nil, err
		}
		defer f.Close()
		return io.ReadAll(io.LimitReader(f, identity.MaxJWKS+1))
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, k.source, nil)
	if err != nil {
		return nil, err
	}
	r.Header.Set("Accept", "application/jwk-set+json, application/json")
	resp, err := k.client.Do(r)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	switch {
	case resp.StatusCode/100 == 3:
		return nil, errors.New("the address leads elsewhere, and that is not followed: name the last one")
	case resp.StatusCode != http.StatusOK:
		return nil, fmt.Errorf("it answered %s", resp.Status)
	}
	return io.ReadAll(io.LimitReader(resp.Body, identity.MaxJWKS+1))
}
