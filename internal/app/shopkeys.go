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
// in force until the next success, for identity.MaxJWKSAge at most: a shop whose
// address does not answer for a while keeps its customers.
type keySet struct {
	source string // an address or a file
	keys   *identity.ShopKeys
	client *http.Client
	now    func() time.Time
	logger *slog.Logger

	stop context.CancelFunc
	done chan struct{}
}

// newKeySet returns a key set that nobody follows yet. A file's name counts from
// the directory of the declaration.
func newKeySet(source, declaration string, keys *identity.ShopKeys, now func() time.Time, logger *slog.Logger) *keySet {
	if !strings.Contains(source, "://") && !filepath.IsAbs(source) {
		source = filepath.Join(filepath.Dir(declaration), source)
	}
	client := &http.Client{
		Timeout: keySetWithin,
		// It is asked too seldom to keep a connection.
		Transport:     &http.Transport{Proxy: http.ProxyFromEnvironment, DisableKeepAlives: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	return &keySet{source: source, keys: keys, client: client, now: now, logger: logger}
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
		err = k.keys.ReplaceJWKS(b, k.now())
	}
	if err == nil || ctx.Err() != nil {
		return keySetEvery
	}
	k.complain(err)
	return keySetAgain
}

// complain says what becomes of the customers, and what to do.
func (k *keySet) complain(err error) {
	const do = "let the source answer with a key set, or write the shop's keys into shop_keys and start again"
	read := k.keys.JWKSRead()
	switch {
	case read.IsZero():
		k.logger.Error("the key set at shop_jwks was never read: shop tokens of its keys prove nobody; "+do, "source", k.source, "error", err)
	case k.age() >= identity.MaxJWKSAge:
		k.logger.Error("the key set at shop_jwks was not read for too long: shop tokens of its keys prove nobody any more; "+do, "source", k.source, "last_read", read, "error", err)
	default:
		k.logger.Warn("the key set at shop_jwks was not read: the keys read before still count, until they are too old; "+do, "source", k.source, "last_read", read, "count_until", read.Add(identity.MaxJWKSAge), "error", err)
	}
}

// age returns how long ago the key set was read: the longest Duration, 292 years,
// before the first time, and 0 where the declaration names none.
func (k *keySet) age() time.Duration {
	if k == nil {
		return 0
	}
	return k.now().Sub(k.keys.JWKSRead())
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
