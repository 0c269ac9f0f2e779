package api

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"reflect"

	"github.com/danielgtaylor/huma/v2"

	"accord/internal/catalog"
)

// maxProducts is how many products one request may bring, and maxFound how many
// it may get.
const (
	maxProducts = 10_000
	maxFound    = 100
)

// product is a product as the API writes it: the same names as in the
// catalogue's JSON files, the price as a number in the main unit.
type product struct {
	ID       string `json:"id" minLength:"1" maxLength:"128" doc:"The shop's own code, which events name"`
	Title    string `json:"title" minLength:"1" maxLength:"500"`
	Category string `json:"category,omitempty" maxLength:"300" doc:"A name, or a path such as Kitchen > Mugs"`
	Price    amount `json:"price" doc:"In the currency's main unit: 12.99"`
	Currency string `json:"currency" minLength:"3" maxLength:"3" doc:"ISO 4217 code"`
	Stock    *int   `json:"stock,omitempty" minimum:"0" doc:"How many there are; absent where it is not known, which counts as enough"`
	Picture  string `json:"picture,omitempty" maxLength:"2048" doc:"Address of a picture"`
	URL      string `json:"url,omitempty" maxLength:"2048" doc:"Address of the product's page"`
}

func productOf(p *catalog.Product) product {
	return product{ID: p.ID, Title: p.Title, Category: p.Category, Price: amountOf(p), Currency: p.Currency, Stock: p.Stock, Picture: p.Picture, URL: p.URL}
}

func (s *server) registerCatalog(api huma.API) {
	if s.Catalog == nil {
		return
	}
	huma.Register(api, s.operation(huma.Operation{
		Method: http.MethodGet, Path: "/v1/catalog/{id}", OperationID: "get-product", Tags: []string{"catalogue"},
		Summary: "One product", Errors: []int{401, 403, 404},
	}, withKey), s.oneProduct)
	huma.Register(api, s.operation(huma.Operation{
		Method: http.MethodGet, Path: "/v1/catalog", OperationID: "find-products", Tags: []string{"catalogue"},
		Summary: "Products by the beginning of their id or of a word of their title", Errors: []int{401, 403},
	}, withKey), s.findProducts)
	huma.Register(api, s.operation(huma.Operation{
		Method: http.MethodGet, Path: "/v1/categories", OperationID: "find-categories", Tags: []string{"catalogue"},
		Summary:     "Categories by the beginning of a word of their name",
		Description: "What a person can tell that they like or would rather not see. It is about nobody, so a browser may keep it for a minute.",
		Errors:      []int{401, 403},
	}, withKey), s.findCategories)
	s.handle("PUT /v1/catalog", func(x *exchange, r *http.Request) {
		if err := s.putProducts(x, r); err != nil {
			x.fail(err)
		}
	})
	s.describe(api, huma.Operation{
		Method: http.MethodPut, Path: "/v1/catalog", OperationID: "put-products", Tags: []string{"catalogue"},
		Summary:     "Add or replace products",
		Description: "Takes up to 10,000 products, all or none; others stay as they are. When this answers they are on disk and answers are made of them. Needs a secret key.",
	}, withSecret, reflect.TypeFor[[]product](), reflect.TypeFor[putProductsBody](), 400, 401, 403, 408, 413, 422, 503)
}

type oneProductInput struct {
	ID string `path:"id" maxLength:"128" doc:"The product's id"`
}

func (s *server) oneProduct(_ context.Context, in *oneProductInput) (*struct{ Body product }, error) {
	p, ok := s.Catalog.Get(in.ID)
	if !ok {
		return nil, problem(http.StatusNotFound, codeNotFound, "The catalogue has no product of this id.")
	}
	return &struct{ Body product }{productOf(&p)}, nil
}

type findProductsInput struct {
	Prefix string `query:"prefix" maxLength:"100" doc:"How the id, or a word of the title, begins; empty for any"`
	Limit  int    `query:"limit" default:"20" minimum:"1" maximum:"100" doc:"How many at most"`
}

type findProductsBody struct {
	Products []product `json:"products"`
}

func (s *server) findProducts(_ context.Context, in *findProductsInput) (*struct{ Body findProductsBody }, error) {
	out := &struct{ Body findProductsBody }{findProductsBody{Products: []product{}}}
	for _, p := range s.Catalog.Find(in.Prefix, min(in.Limit, maxFound)) {
		out.Body.Products = append(out.Body.Products, productOf(&p))
	}
	return out, nil
}

type findCategoriesInput struct {
	Prefix string `query:"prefix" maxLength:"300" doc:"How a word of the name begins; empty for any"`
	Limit  int    `query:"limit" default:"100" minimum:"1" maximum:"500" doc:"How many at most"`
}

type categoriesOutput struct {
	CacheControl string `header:"Cache-Control"`
	Body         struct {
		Categories []categoryBody `json:"categories" doc:"Sorted by name"`
		More       bool           `json:"more" doc:"Whether there are more; ask for a longer beginning"`
	}
}

type categoryBody struct {
	Name  string `json:"name" example:"Kitchen > Mugs"`
	Items int    `json:"items" doc:"How many products it has, those of the categories below it too"`
}

func (s *server) findCategories(_ context.Context, in *findCategoriesInput) (*categoriesOutput, error) {
	found, more := s.Catalog.Categories(in.Prefix, in.Limit)
	out := &categoriesOutput{CacheControl: "private, max-age=60"}
	out.Body.Categories, out.Body.More = make([]categoryBody, len(found)), more
	for i, c := range found {
		out.Body.Categories[i] = categoryBody{c.Name, c.Items}
	}
	return out, nil
}

type putProductsBody struct {
	Products int `json:"products" doc:"How many were added or replaced"`
}

func (s *server) putProducts(x *exchange, r *http.Request) error {
	if err := x.enter(r, withSecret); err != nil {
		return err
	}
	b, err := readBody(r, maxCatalog)
	if err != nil {
		return err
	}
	defer b.release()
	if first := bytes.TrimLeft(b.bytes, " \t\r\n"); len(first) == 0 || first[0] != '[' {
		return problem(http.StatusBadRequest, codeBadJSON, "The body is not a list of products in JSON.")
	}
	// The reader copies what it keeps, so the body may be used again.
	products, err := catalog.ReadJSON(bytes.NewReader(b.bytes))
	if err != nil {
		return faultsOf(err)
	}
	if len(products) > maxProducts {
		return problem(http.StatusRequestEntityTooLarge, codeTooLarge, "A request may bring 10,000 products. Send them in smaller parts.")
	}
	if err := s.Catalog.Put(products); err != nil {
		return unavailable(err)
	}
	x.Header()["Content-Type"] = hJSON
	x.Write(append(appendInt([]byte(`{"products":`), int64(len(products))), '}')) //nolint:errcheck // the client is gone
	return nil
}

// faultsOf lists what is wrong with products, by line.
func faultsOf(err error) *Problem {
	p := problem(http.StatusUnprocessableEntity, codeInvalid, "The products are not as the API describes them, so none was taken. See errors.")
	all := []error{err}
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		all = joined.Unwrap()
	}
	for _, err := range all {
		f := Fault{Location: "body", Message: err.Error()}
		if e, ok := errors.AsType[*catalog.Error](err); ok && e.Line > 0 {
			f.Message = e.Error()
		}
		p.Errors = append(p.Errors, f)
	}
	return p
}
