package netbird

import (
	"net/http"
	"strings"
	"testing"

	"tollgate/cmd/tollgate/web"
	"tollgate/cmd/tollgate/web/schema"
	"tollgate/keys"
	"tollgate/keys/redisdb"
)

// Every error has a status of 4xx or 5xx and a message, and none but that of what is
// gone says "not found", by which Terraform tells it.
func TestErrors(t *testing.T) {
	for kind := keys.KindInternal; kind <= keys.KindUnavailable; kind++ {
		e := errorOf(web.Problem{Domain: keys.Errorf(kind, "key", "It IS so")})
		if e.Code < 400 || http.StatusText(e.Code) == "" || e.Message == "" || e.Message != strings.ToLower(e.Message) {
			t.Errorf("%v: %+v", kind, e)
		}
	}
	for _, status := range []int{400, 404, 405, 408, 413, 415, 429, 431, 503} {
		if e := errorOf(web.Problem{Fault: &web.Fault{Status: status, Message: "m"}}); e != (errorBody{"m", status}) {
			t.Errorf("%+v", e)
		}
	}
	if e := errorOf(web.Problem{Schema: &schema.Error{Kind: schema.Malformed, Message: "m"}}); e != (errorBody{"couldn't parse JSON request", 400}) {
		t.Errorf("%+v", e)
	}
	if e := errorOf(web.Problem{Domain: redisdb.Unavailable(nil)}); e.Code != 503 || strings.Contains(e.Message, "not found") {
		t.Errorf("%+v", e)
	}
}
