package app

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"net/http"
	"slices"
	"time"

	"accord/internal/auth"
	"accord/internal/catalog"
	"accord/internal/identity"
	"accord/internal/web"
	"accord/internal/world"
)

const (
	demoCustomers = 12 // that can sign in
	demoShelf     = 2  // products of each category on the front page
	demoSignedIn  = time.Hour
)

// vouch gives the shop a key for its tokens, for as long as it is open.
func (d *demo) vouch() error {
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return err
	}
	der, err := x509.MarshalPKIXPublicKey(public)
	if err != nil {
		return err
	}
	d.sign = private
	d.house.shop, err = identity.ParseShopKeys([]string{string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))})
	return err
}

// shopPage is the brand's page, with a key of its own.
func (d *demo) shopPage() (http.Handler, error) {
	key, err := d.house.access.MakeEphemeral(demoSource, auth.Write)
	if err != nil {
		return nil, err
	}
	customers := d.Customers(context.Background())
	return web.NewShop(web.ShopConfig{
		Name: world.Shop, Key: key,
		Products: d.shelf(), Product: d.product,
		Customers: customers[:min(len(customers), demoCustomers)], SignIn: d.signIn,
		Logger: d.house.logger,
	}), nil
}

// shelf is the front page: the first products of each category.
func (d *demo) shelf() (out []web.Product) {
	count := map[string]int{}
	for _, p := range d.shop.Products() {
		if count[p.Category]++; count[p.Category] <= demoShelf {
			out = append(out, onSale(p))
		}
	}
	return out
}

func (d *demo) product(id string) (web.Product, bool) {
	p, ok := d.house.catalog.Get(id)
	return onSale(p), ok
}

func onSale(p catalog.Product) web.Product {
	return web.Product{ID: p.ID, Title: p.Title, Category: p.Category, Price: "£" + catalog.FormatPrice(p.Price, p.Currency)}
}

// signIn signs a shop token for a customer: a JWT (EdDSA), as the shop's own
// server would.
func (d *demo) signIn(id string) (string, error) {
	if !slices.ContainsFunc(d.shop.Customers(), func(c world.Customer) bool { return c.ID == id }) {
		return "", web.ErrNoCustomer
	}
	now := d.house.clock.Now()
	claims, err := json.Marshal(map[string]any{"sub": id, "aud": identity.Audience, "iat": now.Unix(), "exp": now.Add(demoSignedIn).Unix()})
	if err != nil {
		return "", err
	}
	b64 := base64.RawURLEncoding
	signed := b64.EncodeToString([]byte(`{"alg":"EdDSA","typ":"JWT"}`)) + "." + b64.EncodeToString(claims)
	return signed + "." + b64.EncodeToString(ed25519.Sign(d.sign, []byte(signed))), nil
}
