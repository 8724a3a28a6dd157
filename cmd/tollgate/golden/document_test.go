package golden

import (
	"net/http"
	"strings"
	"testing"

	"tollgate/cmd/tollgate/web"
	"tollgate/cmd/tollgate/web/schema"
)

type asked struct {
	Name string `json:"name" check:"required,minLen=3"`
}

type told struct {
	ID   string `json:"id"`
	Note string `json:"note,omitempty"`
}

type failed struct {
	Error string `json:"error"`
}

// An answer that is not of its Go type, or a request that was granted and should not
// have been, is found out.
func TestDocumentFindsOut(t *testing.T) {
	d := &web.Dialect{Name: "test", Prefixes: []string{"/"}, Failure: schema.Describe[failed]()}
	router := web.NewRouter(d)
	router.Add(d, web.Route{Method: "POST", Path: "/things/{id}", Name: "thing", Endpoint: web.JSON(d, func(*web.Call, *asked) (told, error) { return told{}, nil })})
	document := documentOf(t, router)
	for _, row := range []struct {
		name, body, answer, kind string
		status                   int
		fine                     bool
	}{
		{"as it should be", `{"name":"abc"}`, `{"id":"x"}`, "application/json", 200, true},
		{"with what may be there", `{"name":"abc"}`, `{"id":"x","note":"y"}`, "application/json", 200, true},
		{"a refusal", `{}`, `{"error":"no"}`, "application/json", 400, true},
		{"a member is missing", `{"name":"abc"}`, `{"note":"y"}`, "application/json", 200, false},
		{"a member too many", `{"name":"abc"}`, `{"id":"x","more":1}`, "application/json", 200, false},
		{"a wrong type", `{"name":"abc"}`, `{"id":7}`, "application/json", 200, false},
		{"not JSON", `{"name":"abc"}`, `x`, "text/plain", 200, false},
		{"a refusal in other words", `{}`, `{"message":"no"}`, "application/json", 400, false},
		{"granted against its rules", `{"name":"ab"}`, `{"id":"x"}`, "application/json", 200, false},
	} {
		req, err := http.NewRequest("POST", "http://localhost/things/1", strings.NewReader(row.body))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Type", "application/json")
		res := &http.Response{StatusCode: row.status, Header: http.Header{"Content-Type": {row.kind}}}
		if err := document.check(req, row.body, res, []byte(row.answer)); (err == nil) != row.fine {
			t.Errorf("%s: %v", row.name, err)
		}
	}
}
