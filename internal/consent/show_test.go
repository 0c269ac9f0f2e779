package consent_test

import (
	"testing"
	"time"

	"accord/internal/consent"
	"accord/internal/declare"
	"accord/internal/identity"
	"accord/internal/law"
)

// What the law wants shown goes with a grant where the person is, and nowhere else; in
// the common case of none it costs no memory.
func TestShows(t *testing.T) {
	d, err := declare.Parse("shop.yaml", []byte(`
version: 1
controller: {id: shop, name: Shop, contact: privacy@example.com, country: DE}
receipts: {retention: 36 months}
purposes:
  prices: {basis: consent, text: To price., use: [personal_price]}
  ads: {basis: consent, text: To advertise., use: [targeted_advertising]}
  both: {basis: consent, text: To price and sell., use: [personal_price, sale]}
identifiers:
  user_id: {category: account, purposes: [prices, ads, both], retention: 6 years, text: Your account.}
events:
  Product Viewed:
    fields:
      product_id: {type: item, category: interest, purposes: [prices, ads, both], retention: 13 months}
`))
	if err != nil {
		t.Fatal(err)
	}
	now := time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)
	code := law.Embedded()
	book := consent.NewBook(d, consent.AnyNotice, code)
	gate := consent.NewGate(d, book)
	gate.Open()
	token := identity.Token{1}
	r := consent.Record{Controller: "shop", Token: token, Sequence: 1, Accepted: now.Add(-time.Hour)}
	for _, p := range []declare.PurposeID{"prices", "ads", "both"} {
		r.Choices = append(r.Choices, consent.Choice{Purpose: p, State: consent.Given, At: r.Accepted, Notice: "n", Method: "banner", Proof: "server"})
	}
	book.Apply(r)
	for _, c := range []struct {
		place   law.Place
		purpose declare.PurposeID
		shown   bool
	}{{"US-NY", "prices", true}, {"DE", "prices", true}, {"US-NY", "ads", false}, {"US-CA", "ads", false}} {
		i, _ := d.Purpose(c.purpose)
		where := consent.Where{In: code.In(c.place)}
		grant, why := gate.Ask(token, i, where, now)
		if why != consent.Allowed {
			t.Errorf("%s in %s: %v", c.purpose, c.place, why)
			continue
		}
		texts := grant.Shows("en")
		if (len(texts) > 0) != c.shown {
			t.Errorf("%s in %s shows %v", c.purpose, c.place, texts)
		}
		for _, o := range texts {
			if o.Code == consent.ShowHonoured || o.Text == "" {
				t.Errorf("%s in %s shows %v", c.purpose, c.place, o)
			}
		}
		if n := testing.AllocsPerRun(100, func() {
			if !c.shown && grant.Shows("en") != nil {
				t.Error("it shows something")
			}
		}); n != 0 {
			t.Errorf("%s in %s: %v allocations", c.purpose, c.place, n)
		}
		honoured := gate.Honoured(token, i, where, "es", now)
		if want := c.place == "US-CA"; (len(honoured) == 1) != want || want && honoured[0].Text != "Solicitud de exclusión respetada" {
			t.Errorf("honoured in %s: %v", c.place, honoured)
		}
	}
	i, _ := d.Purpose("both")
	grant, why := gate.Ask(token, i, consent.Where{In: code.In("US-NY") | code.In("US-CA")}, now)
	if texts := grant.Shows("en"); why != consent.Allowed || len(texts) != 1 || texts[0].Code == consent.ShowHonoured {
		t.Errorf("a price and a sale in New York and California: %v, %v", why, texts)
	}
	if (consent.Grant{}).Shows("en") != nil {
		t.Error("no grant shows something")
	}
}
