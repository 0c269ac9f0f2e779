package api

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"accord/internal/notice"
)

func (s *server) registerNotice(api huma.API) {
	huma.Register(api, s.operation(huma.Operation{
		Method: http.MethodGet, Path: "/v1/notice", OperationID: "get-notice", Tags: []string{"consent"},
		Summary:     "What a person reads before they choose",
		Description: "The notice in force, written from the declaration: for each purpose what is used and why in a sentence or two, then the detail. Public. The version is what a choice names as its notice.",
	}, public), func(_ context.Context, in *noticeInput) (*noticeOutput, error) {
		return shown(s.Notices.In(in.Language), "public, max-age=60"), nil
	})
	huma.Register(api, s.operation(huma.Operation{
		Method: http.MethodGet, Path: "/v1/notice/{version}", OperationID: "get-notice-version", Tags: []string{"consent"},
		Summary:     "What a person once read",
		Description: "Any notice that ever was in force here, by its version: 32 hexadecimal digits of the SHA-256 of its text. Public.",
		Errors:      []int{404},
	}, public), func(_ context.Context, in *noticeVersionInput) (*noticeOutput, error) {
		n, ok := s.Notices.Find(in.Version)
		if !ok {
			return nil, problem(http.StatusNotFound, codeNotFound, "There never was a notice of this version here. GET /v1/notice has the one in force.")
		}
		return shown(n, "public, max-age=31536000, immutable"), nil
	})
}

type noticeInput struct {
	Language string `query:"language" maxLength:"35" doc:"BCP 47; where there is no notice in it, the declaration's own language answers" example:"ru"`
}

type noticeVersionInput struct {
	Version string `path:"version" maxLength:"64" doc:"From GET /v1/notice, or a choice in somebody's history"`
}

type noticeOutput struct {
	CacheControl string `header:"Cache-Control" doc:"A version never changes; which one is in force may"`
	Body         noticeBody
}

type noticeBody struct {
	Version string `json:"version" doc:"The hash of what the notice says"`
	notice.Notice
}

func shown(n *notice.Notice, cache string) *noticeOutput {
	return &noticeOutput{CacheControl: cache, Body: noticeBody{n.Version, *n}}
}

// unknownNotice is a yes to something that nobody can show. A no needs no notice
// and is never refused for one.
var unknownNotice = problem(http.StatusUnprocessableEntity, codeNotice,
	"There never was a notice of this version here, so nobody could show what was agreed to. Send the version of GET /v1/notice that the person read, or none for the one in force.")
