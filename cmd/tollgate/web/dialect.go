package web

import (
	"context"
	"errors"
	"net/http"
	"strings"

	"tollgate/cmd/tollgate/web/schema"
	"tollgate/keys"
	"tollgate/keys/redisdb"
)

// Dialect is one manner of speaking HTTP: which paths it owns, how its errors
// look, how its requests are named. Everything is data or a plain function.
type Dialect struct {
	Name     string
	Prefixes []string // paths it owns, such as "/v1/"; the longest match decides

	RequestIDHeader string        // set on every answer; none when empty
	NewRequestID    func() string // required

	// Fail writes the answer for p: a status and a body. Required.
	Fail func(c *Call, p Problem)

	// Failure describes the body that Fail writes. FailureTypes are its media types
	// besides application/json.
	Failure      schema.Description
	FailureTypes []string

	// Admit runs before the request is decoded, Authorise after it and before
	// the endpoint, on routes that are not Public. Either may be nil. Authorise
	// usually leaves who is calling in Call.Caller.
	Admit     func(c *Call) error
	Authorise func(c *Call) error

	// CheckCredential is asked before a body of more than 16 KiB is read into memory, which is
	// before Admit: nil where who is calling is known to be good. It spends nothing. On
	// Public routes it is asked where there is an Authorization header. Nil knows
	// nobody.
	CheckCredential func(c *Call) error

	Schema      []schema.Option // for the requests of its endpoints
	RequireJSON bool            // a body must say that it is application/json, or Fail gets a 415
	IgnoreBody  bool            // bodies are not read, however large they are and however they are encoded
	CORS        bool            // any origin may ask, preflight included
	Origins     []string        // those that may, where not any may; "*" is any
	NoStore     bool            // answers say that they are not to be stored
	Challenge   string          // WWW-Authenticate of answers of 401 that have none; none when empty

	requestID []byte // RequestIDHeader as it is sent; nil for none
	Pretty    bool   // ?pretty indents the answer
}

// Problem is what Fail has to put into words. One of Fault, Schema and Domain
// is set. Err is the error as it was returned, for a dialect that returns
// errors of its own type and finds them with errors.As.
type Problem struct {
	Fault  *Fault
	Schema *schema.Error
	Domain *keys.Error
	Err    error
}

// Status suggests an HTTP status; 0 leaves it to the dialect's table of kinds.
func (p Problem) Status() int {
	switch {
	case p.Fault != nil:
		return p.Fault.Status
	case p.Schema != nil:
		return http.StatusBadRequest
	}
	return 0
}

// Message is safe to show to the caller.
func (p Problem) Message() string {
	switch {
	case p.Fault != nil:
		return p.Fault.Message
	case p.Schema != nil:
		return p.Schema.Error()
	case p.Domain.Kind == keys.KindInternal:
		return "internal error"
	case p.Domain.Field != "":
		return p.Domain.Field + ": " + p.Domain.Message
	}
	return p.Domain.Message
}

// Fault is an error of HTTP itself: no such route, a body too large, a request
// that came too slowly. Status is one of 400, 404, 405, 408, 413, 415, 429,
// 431 and 503.
type Fault struct {
	Status  int
	Message string
}

// Error returns the message.
func (f *Fault) Error() string { return f.Message }

// problemOf sorts an error into what a dialect can answer. What nobody
// recognises becomes an internal error, whose detail is for the log.
func problemOf(err error) Problem {
	p := Problem{Err: err}
	switch {
	case errors.As(err, &p.Fault), errors.As(err, &p.Schema), errors.As(err, &p.Domain):
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		p.Domain = redisdb.Unavailable(err)
	default:
		p.Domain = keys.AsError(err)
	}
	return p
}

// owner returns the dialect with the longest prefix of path.
func owner(path string, dialects []*Dialect, fallback *Dialect) *Dialect {
	best, length := fallback, -1
	for _, d := range dialects {
		for _, prefix := range d.Prefixes {
			if len(prefix) > length && strings.HasPrefix(path, prefix) {
				best, length = d, len(prefix)
			}
		}
	}
	return best
}
