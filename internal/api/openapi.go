package api

import (
	"encoding/json"
	"net/http"
	"reflect"
	"strconv"

	"github.com/danielgtaylor/huma/v2"
)

// serveOpenAPI writes the document once and serves it.
func (s *server) serveOpenAPI(api huma.API) error {
	b, err := json.MarshalIndent(api.OpenAPI(), "", "  ")
	if err != nil {
		return err
	}
	s.openapi = append(b, '\n')
	s.handle("GET /openapi.json", func(x *exchange, r *http.Request) {
		if err := x.enter(r, public); err != nil {
			x.fail(err)
			return
		}
		x.Header().Set("Content-Type", "application/openapi+json")
		x.Write(s.openapi) //nolint:errcheck // the client is gone
	})
	return nil
}

// describe adds one of our own routes that a handler of our own serves, and
// what it asks of its caller.
func (s *server) describe(api huma.API, op huma.Operation, need access, in, out reflect.Type, codes ...int) {
	registry := api.OpenAPI().Components.Schemas
	op = s.operation(op, need)
	op.Responses = responses(registry, http.StatusText(http.StatusOK), registry.Schema(out, true, op.OperationID), codes...)
	if in != nil {
		op.RequestBody = &huma.RequestBody{Required: true, Content: map[string]*huma.MediaType{
			"application/json": {Schema: registry.Schema(in, true, op.OperationID)},
		}}
	}
	if need == withKey {
		op.Parameters = append(op.Parameters, proofParameters()...)
	}
	api.OpenAPI().AddOperation(&op)
}

// responses describes a good answer and the problems that may come instead.
func responses(registry huma.Registry, text string, out *huma.Schema, codes ...int) map[string]*huma.Response {
	all := problems(registry, codes...)
	all["200"] = &huma.Response{Description: text, Content: map[string]*huma.MediaType{"application/json": {Schema: out}}}
	return all
}

// problems describes the problems that may come.
func problems(registry huma.Registry, codes ...int) map[string]*huma.Response {
	all := map[string]*huma.Response{}
	bad := registry.Schema(reflect.TypeFor[Problem](), true, "Problem")
	for _, code := range codes {
		all[strconv.Itoa(code)] = &huma.Response{
			Description: http.StatusText(code),
			Content:     map[string]*huma.MediaType{"application/problem+json": {Schema: bad}},
		}
	}
	return all
}

// proofParameters are the header fields that prove who speaks and say from where.
func proofParameters() []*huma.Param {
	return []*huma.Param{
		{Name: headerVisitor, In: "header", Description: "A visitor token of this server, from POST /v1/visitor: proves an anonymous id for 13 months", Schema: &huma.Schema{Type: "string"}},
		{Name: headerShop, In: "header", Description: "A JWT that the shop signed: proves the user id in sub. aud is \"accord\" or the controller's id; iat and exp are a day apart at most", Schema: &huma.Schema{Type: "string"}},
		{Name: headerJurisdiction, In: "header", Description: "Where the person is for the law: a country or its part in ISO 3166, such as DE or US-CA. Where nobody tells, the strictest law counts", Schema: &huma.Schema{Type: "string"}},
	}
}

// withProofs adds the proofs to one of huma's routes.
func withProofs(op huma.Operation) huma.Operation {
	op.Parameters = append(op.Parameters, proofParameters()...)
	return op
}
