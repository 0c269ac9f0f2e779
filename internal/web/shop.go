package web

import (
	"encoding/json"
	"log/slog"
	"net/http"
	"net/url"
)

// ShopConfig is what the demonstration's shop page needs.
type ShopConfig struct {
	Name string
	// Key is a write key of the API, which the page uses as any brand's page does.
	Key string
	// Products are what the front page shows, in order; Product finds one.
	Products []Product
	Product  func(id string) (Product, bool)
	// Customers are who can be signed in, and SignIn vouches for one of them with a
	// shop token. It returns ErrNoCustomer for others.
	Customers []Customer
	SignIn    func(id string) (token string, err error)
	Logger    *slog.Logger
}

// Product is one thing on sale.
type Product struct{ ID, Title, Category, Price string }

// Picture is where the page finds the product's picture.
func (p Product) Picture() string { return Item{ID: p.ID}.Picture() }

// Page is the product's own page.
func (p Product) Page() string { return "/shop/product/" + url.PathEscape(p.ID) }

type shopServer struct {
	server
	ShopConfig
}

// NewShop returns the brand's own page in the demonstration: products, and a row
// "for you" that /accord.js fills. It knows nobody; all that is personal is
// between the browser and the API. Mount it at /shop and /shop/.
func NewShop(c ShopConfig) http.Handler {
	s := &shopServer{server: server{Config: Config{Logger: c.Logger}}, ShopConfig: c}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /shop", s.front)
	mux.HandleFunc("GET /shop/product/{id}", s.product)
	mux.HandleFunc("POST /shop/sign-in", s.signIn)
	for _, name := range []string{"shop.css", "shop.js"} {
		mux.Handle("GET /shop/static/"+name, asset(name))
	}
	guard := http.NewCrossOriginProtection()
	return headers(guard.Handler(mux))
}

// shopView is what shop.html shows: the front, or one product.
type shopView struct {
	Version, Language, Name, Key string
	Products                     []Product
	Customers                    []Customer
	One                          *Product
}

func (s *shopServer) view(r *http.Request) shopView {
	return shopView{Version: version, Language: speak(r), Name: s.Name, Key: s.Key, Customers: s.ShopConfig.Customers, Products: s.Products}
}

func (s *shopServer) front(w http.ResponseWriter, r *http.Request) {
	s.render(w, r, http.StatusOK, "shop", s.view(r))
}

func (s *shopServer) product(w http.ResponseWriter, r *http.Request) {
	p, ok := s.Product(r.PathValue("id"))
	if !ok {
		fail(w, http.StatusNotFound, "The shop has no such product. Go back to /shop.")
		return
	}
	v := s.view(r)
	v.One = &p
	s.render(w, r, http.StatusOK, "shop", v)
}

// signIn answers a shop token, as a shop's own server does after it has checked a
// password. The demonstration's customers are simulated and have none.
func (s *shopServer) signIn(w http.ResponseWriter, r *http.Request) {
	form, ok := s.form(w, r)
	if !ok {
		return
	}
	token, err := s.SignIn(form("customer"))
	if err != nil {
		s.failure(w, r, err)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	json.NewEncoder(w).Encode(map[string]string{"token": token}) //nolint:errcheck // the client is gone
}
