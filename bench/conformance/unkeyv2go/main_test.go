package unkeyv2go

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"tollgate/bench/conformance/suite"

	unkey "github.com/unkeyed/sdks/api/go/v2"
	"github.com/unkeyed/sdks/api/go/v2/models/components"
	"github.com/unkeyed/sdks/api/go/v2/retry"
)

func TestMain(m *testing.M) { suite.Main(m, 1) }

// called holds the operations that were called, in small letters.
var called sync.Map

// recorder is the HTTP client under the official one.
type recorder struct{}

func (recorder) Do(req *http.Request) (*http.Response, error) {
	called.Store(strings.ToLower(strings.TrimPrefix(req.URL.Path, "/v2/")), true)
	return http.DefaultClient.Do(req)
}

func newClient(rootKey string) *unkey.Unkey {
	return unkey.New(unkey.WithServerURL(suite.Server.URL), unkey.WithSecurity(rootKey), unkey.WithClient(recorder{}),
		unkey.WithRetryConfig(retry.Config{Strategy: "none"}))
}

// talk is a test's conversation with the gateway.
type talk struct {
	*unkey.Unkey
	*testing.T
}

func newTalk(t *testing.T) talk { return talk{newClient(suite.Server.RootKey), t} }

// ok returns the answer of a call that must succeed.
func ok[T any](t talk, res T, err error) T {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	return res
}

func (t talk) api() string {
	t.Helper()
	res, err := t.Apis.CreateAPI(t.Context(), components.V2ApisCreateAPIRequestBody{Name: "conformance"})
	return ok(t, res, err).V2ApisCreateAPIResponseBody.Data.APIID
}

func (t talk) key(d components.V2KeysCreateKeyRequestBody) components.V2KeysCreateKeyResponseData {
	t.Helper()
	if d.APIID == "" {
		d.APIID = t.api()
	}
	res, err := t.Keys.CreateKey(t.Context(), d)
	return ok(t, res, err).V2KeysCreateKeyResponseBody.Data
}

// code verifies and checks the outcome; valid must agree with it.
func (t talk) code(want components.Code, r components.V2KeysVerifyKeyRequestBody) components.V2KeysVerifyKeyResponseData {
	t.Helper()
	res, err := t.Keys.VerifyKey(t.Context(), r)
	got := ok(t, res, err).V2KeysVerifyKeyResponseBody.Data
	if got.Code != want || got.Valid != (want == components.CodeValid) {
		t.Fatalf("want %s, got %+v", want, got)
	}
	return got
}

// raw sends what the client's types cannot say, and wants a success.
func (t talk) raw(operation, body string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, suite.Server.URL+"/v2/"+operation, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+suite.Server.RootKey)
	req.Header.Set("Content-Type", "application/json")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	if res.StatusCode != http.StatusOK {
		t.Fatalf("%s: status %d", operation, res.StatusCode)
	}
}

func p[T any](v T) *T { return &v }

// unique is a name that nothing else has.
func unique(what string) string {
	return fmt.Sprintf("%s.%d", what, time.Now().UnixNano())
}

// same checks that two values are written alike in JSON.
func (t talk) same(got, want any) {
	t.Helper()
	g, _ := json.Marshal(got)
	w, _ := json.Marshal(want)
	if string(g) != string(w) {
		t.Errorf("got %s, want %s", g, w)
	}
}

// month is so long that no window ends in a test.
const month = 30 * 24 * 3600 * 1000
