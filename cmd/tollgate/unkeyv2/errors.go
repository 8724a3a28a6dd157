package unkeyv2

import (
	"errors"
	"net/http"
	"slices"
	"strings"

	"tollgate/cmd/tollgate/web"
	"tollgate/cmd/tollgate/web/schema"
	"tollgate/keys"
)

// failure is a kind of error of v2: its status, its title, and its code, the end of
// the address that is its type.
type failure struct {
	status int
	title  string
	code   string
}

const types = "https://unkey.com/docs/errors/"

// failures turns the domain's kinds into v2's. A "*" in a code stands for what the
// error is about.
var failures = map[keys.Kind]failure{
	keys.KindInternal:          {http.StatusInternalServerError, "Internal Server Error", "unkey/application/unexpected_error"},
	keys.KindInvalid:           {http.StatusBadRequest, "Bad Request", "unkey/application/invalid_input"},
	keys.KindUnauthenticated:   {http.StatusUnauthorized, "Unauthorized", "unkey/authentication/key_not_found"},
	keys.KindNotRootKey:        {http.StatusUnauthorized, "Unauthorized", "unkey/authentication/key_not_found"},
	keys.KindForbidden:         {http.StatusForbidden, "Forbidden", "unkey/authorization/forbidden"},
	keys.KindMissingPermission: {http.StatusForbidden, "Insufficient Permissions", "unkey/authorization/insufficient_permissions"},
	keys.KindDisabled:          {http.StatusForbidden, "Key is disabled", "unkey/authorization/key_disabled"},
	keys.KindExpired:           {http.StatusForbidden, "Forbidden", "unkey/authorization/forbidden"},
	keys.KindUsageExceeded:     {http.StatusForbidden, "Forbidden", "unkey/authorization/forbidden"},
	keys.KindRateLimited:       {http.StatusTooManyRequests, "Too Many Requests", "user/too_many_requests/workspace_rate_limited"},
	keys.KindNotFound:          {http.StatusNotFound, "Not Found", "unkey/data/*_not_found"},
	keys.KindConflict:          {http.StatusConflict, "Conflicting Resource", "unkey/data/*_already_exists"},
	keys.KindGone:              {http.StatusGone, "Resource Gone", "unkey/data/*_gone"},
	keys.KindPrecondition:      {http.StatusPreconditionFailed, "Precondition Failed", "unkey/application/precondition_failed"},
	keys.KindProtected:         {http.StatusPreconditionFailed, "Resource is protected", "unkey/application/protected_resource"},
	keys.KindUnavailable:       {http.StatusServiceUnavailable, "Service Unavailable", "unkey/application/service_unavailable"},
}

// faults are what HTTP itself refuses, by status.
var faults = map[int]failure{
	http.StatusBadRequest:            {http.StatusBadRequest, "Bad Request", "user/bad_request/request_body_unreadable"},
	http.StatusNotFound:              {http.StatusNotFound, "Not Found", "user/bad_request/route_not_found"},
	http.StatusMethodNotAllowed:      {http.StatusMethodNotAllowed, "Method Not Allowed", "user/bad_request/method_not_allowed"},
	http.StatusRequestTimeout:        {http.StatusRequestTimeout, "Request Timeout", "user/bad_request/request_timeout"},
	http.StatusRequestEntityTooLarge: {http.StatusRequestEntityTooLarge, "Payload Too Large", "user/bad_request/request_body_too_large"},
	http.StatusTooManyRequests:       failures[keys.KindRateLimited],
	http.StatusServiceUnavailable:    failures[keys.KindUnavailable],
}

var (
	invalid      = failures[keys.KindInvalid]
	querySyntax  = failure{http.StatusBadRequest, "Bad Request", "user/bad_request/permissions_query_syntax_error"}
	badHeader    = failure{http.StatusBadRequest, "Bad Request", "unkey/authentication/malformed"}
	noAnalytics  = failure{http.StatusPreconditionFailed, "Precondition Failed", "unkey/data/analytics_not_configured"}
	errNoHeader  = &refusal{invalid, "Authorization header for 'bearer' scheme", []flaw{{"security", "Authorization header was not found", "Add an 'Authorization' header to this request"}}}
	errBadHeader = &refusal{badHeader, "The root key can't be read. Your authorization header is missing the 'Bearer ' prefix.", nil}
	errAnalytics = &refusal{noAnalytics, "Analytics are not configured for this instance", nil}
)

// flaw is one thing that is wrong with a request.
type flaw struct {
	Location string `json:"location"`
	Message  string `json:"message"`
	Fix      string `json:"fix,omitempty"`
}

// refusal is an error in v2's own words.
type refusal struct {
	failure
	detail string
	flaws  []flaw
}

func (r *refusal) Error() string { return r.detail }

type errorBody struct {
	Error errorDetail `json:"error"`
	Meta  meta        `json:"meta"`
}

type errorDetail struct {
	Detail string  `json:"detail"`
	Errors *[]flaw `json:"errors,omitempty"` // of a 400, and there always
	Status int     `json:"status"`
	Title  string  `json:"title"`
	Type   string  `json:"type"`
}

// fail answers with v2's error envelope.
func fail(c *web.Call, p web.Problem) {
	r := refusalOf(c, p)
	out := errorDetail{Detail: r.detail, Status: r.status, Title: r.title, Type: types + r.code}
	if r.status == http.StatusBadRequest {
		flaws := append([]flaw{}, r.flaws...)
		out.Errors = &flaws
	}
	c.SetStatus(r.status)
	_ = c.WriteJSON(errorBody{out, metaOf(c)}) // strings always encode
	if strings.Contains(c.Header("Accept"), problemType) {
		c.SetHeader("Content-Type", problemType)
	}
}

const problemType = "application/problem+json"

// refusalOf puts a problem into v2's words.
func refusalOf(c *web.Call, p web.Problem) *refusal {
	var own *refusal
	switch {
	case errors.As(p.Err, &own):
		return own
	case p.Fault != nil:
		return faultOf(c, p.Fault)
	case p.Schema != nil:
		return schemaRefusal(c, p.Schema)
	case p.Domain.Kind == keys.KindInvalid || p.Domain.Kind == keys.KindConflict && p.Domain.Field != "":
		return invalidOf(p.Domain)
	}
	f := failures[p.Domain.Kind]
	f.code = strings.Replace(f.code, "*", p.Domain.Resource, 1)
	return &refusal{f, detailOf(p), nil}
}

// detailOf is what the caller is told, where it is not the domain's own message.
func detailOf(p web.Problem) string {
	switch p.Domain.Kind {
	case keys.KindUnauthenticated:
		return "The provided root key is invalid. We could not find the requested key."
	case keys.KindNotRootKey:
		return "The provided root key is invalid."
	case keys.KindMissingPermission:
		return strings.ToUpper(p.Message()[:1]) + p.Message()[1:]
	}
	return p.Message()
}

func faultOf(c *web.Call, f *web.Fault) *refusal {
	if f.Status == http.StatusUnsupportedMediaType && c.Header("Content-Encoding") == "" {
		return &refusal{invalid, c.Method() + " operation request content type '" + keys.Redact(c.Header("Content-Type")) + "' does not exist",
			[]flaw{{"requestBody", f.Message, "Send the header 'Content-Type: application/json'"}}}
	}
	kind, ok := faults[f.Status]
	if !ok {
		kind = failure{f.Status, http.StatusText(f.Status), faults[http.StatusBadRequest].code}
	}
	return &refusal{kind, f.Message, nil}
}

func schemaRefusal(c *web.Call, e *schema.Error) *refusal {
	what := c.Method() + " request body"
	switch e.Kind {
	case schema.Empty:
		return &refusal{invalid, what + " is empty for '" + c.Path() + "'", nil}
	case schema.Malformed:
		return &refusal{invalid, what + " for '" + c.Path() + "' failed to validate schema",
			[]flaw{{"requestBody", "The request body cannot be decoded: " + e.Message, "Send one JSON value"}}}
	}
	flaws := make([]flaw, len(e.Violations))
	for i, v := range e.Violations {
		flaws[i] = flaw{v.SchemaPath, v.Terse, v.String()}
	}
	return &refusal{invalid, what + " for '" + c.Path() + "' failed to validate schema", flaws}
}

// places are where v2 has what the domain calls otherwise.
var places = strings.NewReplacer("remaining.cost", "credits.cost", "ratelimit.", "ratelimits.")

// invalidOf answers what the domain refuses about a request.
func invalidOf(e *keys.Error) *refusal {
	kind := invalid
	if e.Resource == "permissions_query" {
		kind = querySyntax
	}
	at := places.Replace(e.Field)
	if at == "remaining" || at == "refill" {
		at = "credits." + at
	}
	location, detail := "body", e.Message
	if at != "" {
		location, detail = "body."+at, at+": "+e.Message
	}
	return &refusal{kind, detail, []flaw{{Location: location, Message: e.Message}}}
}

// masked turns a missing right into what is told of something that does not exist.
func masked(err error, absent error) error {
	var e *keys.Error
	if errors.As(err, &e) && e.Kind == keys.KindMissingPermission {
		return absent
	}
	return err
}

// maskedOf is masked for what is asked of an API. Whoever has the rights of the route over
// it is told which other right the request needs.
func maskedOf(c *web.Call, apiID string, err error) error {
	a := access(c)
	lacks := func(r keys.Right) bool { return !a.Can(r, apiID) }
	if !slices.ContainsFunc(a.Needs, lacks) {
		return err
	}
	return masked(err, keys.APINotFound(apiID))
}
