package api

import (
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"strconv"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"
	"github.com/danielgtaylor/huma/v2/validation"
)

// Problem is how every error leaves: problem details as in RFC 9457. It says
// what to do and nothing of what is inside; causes go to the log under the
// request id.
type Problem struct {
	Type   string `json:"type" doc:"Always about:blank; the code tells problems apart" example:"about:blank"`
	Title  string `json:"title" doc:"The status in words" example:"Unprocessable Entity"`
	Status int    `json:"status" doc:"The HTTP status" example:"422"`
	Code   string `json:"code" doc:"A stable name of the problem" example:"invalid"`
	Detail string `json:"detail" doc:"What is wrong and what to do"`
	// RequestID finds the cause in the server's log.
	RequestID string  `json:"request_id,omitempty" doc:"Names this request in the server's log"`
	Errors    []Fault `json:"errors,omitempty" doc:"What is wrong where"`

	cause      error // for the log only
	retryAfter int   // seconds; 0 is no header
}

// Fault is one thing that is wrong with a request.
type Fault struct {
	Location string `json:"location,omitempty" doc:"Where it is" example:"body.person.user_id"`
	Message  string `json:"message" doc:"What is wrong with it"`
}

// The codes of problems. They are part of the API.
const (
	codeInvalid     = "invalid"        // the request is not as the schema says
	codeUnknown     = "unknown_field"  // a member that the schema does not have
	codeBadJSON     = "bad_json"       // the body is no JSON
	codeBadUTF8     = "bad_utf8"       // the body is not in UTF-8
	codeBadGzip     = "bad_gzip"       // the body is no whole gzip stream
	codeTooLarge    = "too_large"      // the body is over its limit
	codeNoKey       = "no_key"         // no API key came with the request
	codeBadKey      = "bad_key"        // the API key is not known or has ended
	codeKeyKind     = "secret_only"    // a write key where a secret key is needed
	codeOrigin      = "origin"         // the key is not for pages of this origin
	codeBadProof    = "bad_proof"      // a proof came that does not hold
	codeUnproven    = "unproven"       // the request needs a proof and has none
	codeSignature   = "bad_signature"  // a signature that does not hold, or says something else
	codeUnsigned    = "unsigned"       // the purpose needs the person's signature
	codePurpose     = "purpose"        // the purpose cannot be used so
	codeNotice      = "unknown_notice" // a yes to a notice that never was
	codeNotFound    = "not_found"      // nothing there, or nothing for whoever asks
	codeMethod      = "method"         // the path does not take the method
	codeTooMany     = "too_many"       // asked too often
	codeStopped     = "stopped"        // an emergency stop of the source
	codeErased      = "erased"         // a choice of before the person was erased
	codeCrowded     = "crowded"        // a user has no room for one more visitor
	codeBusy        = "busy"           // the log takes no more just now
	codeUnavailable = "unavailable"    // something beneath does not answer
	codeInternal    = "internal"       // a fault of the server
	codeUnreadable  = "body_unread"    // the body ended too early or too late
)

// Error makes a Problem an error.
func (p *Problem) Error() string { return p.Detail }

// GetStatus is for huma.
func (p *Problem) GetStatus() int { return p.Status }

// ContentType is for huma.
func (p *Problem) ContentType(string) string { return "application/problem+json" }

// GetHeaders is for huma: the problem's own header fields.
func (p *Problem) GetHeaders() http.Header {
	if p.retryAfter == 0 {
		return nil
	}
	return http.Header{"Retry-After": {strconv.Itoa(p.retryAfter)}}
}

func problem(status int, code, detail string) *Problem {
	return &Problem{Type: "about:blank", Title: http.StatusText(status), Status: status, Code: code, Detail: detail}
}

// later returns p with the seconds after which to try again.
func (p *Problem) later(seconds int) *Problem { p.retryAfter = seconds; return p }

// because returns p with its cause, which goes to the log only.
func (p *Problem) because(err error) *Problem { p.cause = err; return p }

// invalid is a request that is not as the schema says.
func invalid(location, message string) *Problem {
	p := problem(http.StatusUnprocessableEntity, codeInvalid, "The request is not as the API describes it: "+location+" "+message+".")
	p.Errors = []Fault{{Location: location, Message: message}}
	return p
}

// badUTF8 is a body that may be JSON otherwise.
var badUTF8 = problem(http.StatusBadRequest, codeBadUTF8, "The body has bytes that are not UTF-8. Nothing of it was kept.")

// problemOf turns any error into a problem.
func (s *server) problemOf(err error) *Problem {
	if p, ok := errors.AsType[*Problem](err); ok {
		return p
	}
	if s.Busy != nil && s.Busy(err) {
		return problem(http.StatusTooManyRequests, codeBusy, "The server takes no more just now. Send the same request again after the seconds that Retry-After names; nothing was kept of it.").later(1).because(err)
	}
	return problem(http.StatusInternalServerError, codeInternal, "The server failed at this request. Give the request id to whoever runs it.").because(err)
}

// unavailable is an error of something beneath.
func unavailable(err error) *Problem {
	return problem(http.StatusServiceUnavailable, codeUnavailable, "The server cannot answer this just now. Try again after the seconds that Retry-After names.").later(5).because(err)
}

// fail writes err to the client, and its cause to the log.
func (x *exchange) fail(err error) {
	p := *x.server.problemOf(err) // a copy: it gets this request's id
	x.stamp(&p)
	body, _ := json.Marshal(&p) // strings and numbers only
	h := x.Header()
	h.Set("Content-Type", "application/problem+json")
	h.Set("Content-Length", strconv.Itoa(len(body)))
	if p.retryAfter > 0 {
		h.Set("Retry-After", strconv.Itoa(p.retryAfter))
	}
	x.WriteHeader(p.Status)
	x.Write(body) //nolint:errcheck // the client is gone
}

// stamp gives the problem the request's id, counts it, and logs its cause.
func (x *exchange) stamp(p *Problem) {
	x.server.metrics.problems.WithLabelValues(p.Code).Inc()
	p.RequestID = x.requestID()
	x.Header().Set("X-Request-Id", p.RequestID)
	if p.Status == http.StatusUnauthorized {
		x.Header().Set("Www-Authenticate", `Bearer realm="accord"`)
	}
	if p.cause == nil {
		return
	}
	level := slog.LevelError
	// A full queue and a client that went away are not the server's faults, and
	// a fault that hits every request need not be told for each.
	if p.Code == codeBusy || x.ctx.Err() != nil || !x.server.complaints.take(1, time.Now()) {
		level = slog.LevelDebug
	}
	x.server.Logger.Log(x.ctx, level, "a request failed", "request_id", p.RequestID, "route", x.route.pattern, "error", p.cause)
}

// init puts huma's own errors into the same form. They would echo what was
// sent, which may be personal, so only the place and the fault are kept.
func init() {
	huma.DefaultArrayNullable = false // an empty list is written [], never null
	huma.NewError = func(status int, message string, errs ...error) huma.StatusError {
		if status == 0 {
			return &Problem{} // huma asks for an example, to describe it
		}
		return fromHuma(status, message, errs)
	}
	huma.NewErrorWithContext = func(_ huma.Context, status int, message string, errs ...error) huma.StatusError {
		return fromHuma(status, message, errs)
	}
}

func fromHuma(status int, message string, errs []error) *Problem {
	switch status {
	case http.StatusRequestEntityTooLarge:
		return problem(status, codeTooLarge, "The body is larger than this route takes. Send it in smaller parts.")
	case http.StatusRequestTimeout:
		return problem(status, codeUnreadable, "The body did not arrive in time. Send it again.")
	case http.StatusUnsupportedMediaType:
		return problem(status, codeInvalid, "Send the body as application/json.")
	}
	if status >= 500 {
		return problem(status, codeInternal, "The server failed at this request. Give the request id to whoever runs it.").because(errors.Join(errs...))
	}
	p := problem(status, codeInvalid, "The request is not as the API describes it: "+message+". See errors, and /openapi.json.")
	if status == http.StatusBadRequest && len(errs) == 0 {
		p.Detail = "The request has no body, and this route needs one. /openapi.json describes it."
		return p
	}
	if status == http.StatusBadRequest {
		p.Code = codeBadJSON
		p.Detail = "The body is not JSON, or names a field twice. See errors for the place."
	}
	for _, err := range errs {
		if err == nil {
			continue
		}
		f := Fault{Message: err.Error()}
		if d, ok := errors.AsType[*huma.ErrorDetail](err); ok {
			f = Fault{Location: d.Location, Message: d.Message}
		}
		switch f.Message {
		case badUTF8.Detail:
			return badUTF8
		case validation.MsgUnexpectedProperty:
			p.Code = codeUnknown
		}
		p.Errors = append(p.Errors, f)
	}
	return p
}

// stampHuma is a huma.Transformer that stamps problems on their way out.
func stampHuma(ctx huma.Context, _ string, v any) (any, error) {
	p, ok := v.(*Problem)
	if !ok {
		return v, nil
	}
	_, w := humago.Unwrap(ctx)
	stamped := *p
	if x, ok := w.(*exchange); ok {
		x.stamp(&stamped)
	}
	return &stamped, nil
}
