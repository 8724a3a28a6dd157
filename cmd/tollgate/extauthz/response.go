package extauthz

import (
	"net/http"
	"strings"

	"tollgate/verify/authz"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	authv3 "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"
	typev3 "github.com/envoyproxy/go-control-plane/envoy/type/v3"
	"google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/types/known/structpb"
)

// respond makes the response of an answer.
func respond(a *authz.Answer, q *authz.Question, m message) *authv3.CheckResponse {
	if !a.Allowed() {
		return denied(a)
	}
	owner := ""
	if identity := a.Outcome.Resolved.Identity; identity != nil {
		owner = identity.ExternalID
	}
	ok := &authv3.OkHttpResponse{HeadersToRemove: q.KeyHeaders()}
	a.Identity(func(name, value string) { ok.Headers = append(ok.Headers, overwrite(name, value)) })
	a.ClientHeaders(func(name, value string) {
		ok.ResponseHeadersToAdd = append(ok.ResponseHeadersToAdd, appended(name, value))
	})
	removeKey(ok, q, m)
	return &authv3.CheckResponse{
		Status:          &status.Status{Code: int32(codes.OK)},
		HttpResponse:    &authv3.CheckResponse_OkResponse{OkResponse: ok},
		DynamicMetadata: facts("code", string(a.Code), "key_id", a.Outcome.Key.ID, "owner", owner),
	}
}

// removeKey takes the key out of cookies and the query too.
func removeKey(ok *authv3.OkHttpResponse, q *authz.Question, m message) {
	cookies := map[string]bool{}
	for _, s := range q.KeySources() {
		switch {
		case s.Cookie != "":
			cookies[s.Cookie] = true
		case s.Query != "":
			ok.QueryParametersToRemove = append(ok.QueryParametersToRemove, s.Query)
		}
	}
	if len(cookies) == 0 {
		return
	}
	switch rest, found := m.otherCookies(cookies); {
	case !found:
	case rest == "":
		ok.HeadersToRemove = append(ok.HeadersToRemove, "cookie")
	default:
		ok.Headers = append(ok.Headers, overwrite("cookie", rest))
	}
}

// denied makes the response of an answer that refuses. The call itself succeeds: an error of
// gRPC would be for Envoy's failure_mode_allow to decide.
func denied(a *authz.Answer) *authv3.CheckResponse {
	d := &authv3.DeniedHttpResponse{
		Status:  &typev3.HttpStatus{Code: typev3.StatusCode(a.Status)},
		Headers: []*corev3.HeaderValueOption{overwrite("cache-control", "no-store")},
		Body:    string(a.Body()),
	}
	a.Headers(func(name, value string) { d.Headers = append(d.Headers, overwrite(name, value)) })
	return &authv3.CheckResponse{
		Status:          &status.Status{Code: int32(codeOf(a.Status)), Message: string(a.Code)},
		HttpResponse:    &authv3.CheckResponse_DeniedResponse{DeniedResponse: d},
		DynamicMetadata: facts("code", string(a.Code)),
	}
}

// codeOf returns the code of a response that refuses with a status. It is never OK, which
// would let the request through.
func codeOf(httpStatus int) codes.Code {
	switch httpStatus {
	case http.StatusBadRequest:
		return codes.InvalidArgument
	case http.StatusUnauthorized:
		return codes.Unauthenticated
	case http.StatusForbidden:
		return codes.PermissionDenied
	case http.StatusTooManyRequests:
		return codes.ResourceExhausted
	case http.StatusServiceUnavailable:
		return codes.Unavailable
	}
	return codes.Internal
}

// overwrite is a header that takes the place of one that is there.
func overwrite(name, value string) *corev3.HeaderValueOption {
	return option(name, value, corev3.HeaderValueOption_OVERWRITE_IF_EXISTS_OR_ADD)
}

// appended is a header that stands beside one that is there: the RateLimit headers are lists,
// to which whoever serves the request may have something to say too.
func appended(name, value string) *corev3.HeaderValueOption {
	return option(name, value, corev3.HeaderValueOption_APPEND_IF_EXISTS_OR_ADD)
}

func option(name, value string, action corev3.HeaderValueOption_HeaderAppendAction) *corev3.HeaderValueOption {
	return &corev3.HeaderValueOption{
		Header: &corev3.HeaderValue{Key: strings.ToLower(name), Value: value}, AppendAction: action,
	}
}

// facts are metadata, in pairs of names and texts.
func facts(pairs ...string) *structpb.Struct {
	fields := make(map[string]*structpb.Value, len(pairs)/2)
	for i := 0; i < len(pairs); i += 2 {
		fields[pairs[i]] = structpb.NewStringValue(pairs[i+1])
	}
	return &structpb.Struct{Fields: fields}
}
