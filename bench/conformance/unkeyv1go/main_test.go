package unkeyv1go

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"tollgate/bench/conformance/suite"

	unkey "github.com/unkeyed/unkey-go"
	"github.com/unkeyed/unkey-go/models/components"
	"github.com/unkeyed/unkey-go/models/operations"
	"github.com/unkeyed/unkey-go/retry"
)

func TestMain(m *testing.M) { suite.Main(m, 1) }

// A client is the official client together with the last answer it received: the client's types
// drop what they do not know (roles) and refuse some error bodies that the API does send.
type client struct {
	*unkey.Unkey
	t    *testing.T
	last *recorder
}

// recorder is the HTTP client under the official one.
type recorder struct {
	mu     sync.Mutex
	status int
	header http.Header
	body   []byte
}

func (r *recorder) Do(req *http.Request) (*http.Response, error) {
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		return nil, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.status, r.header, r.body = res.StatusCode, res.Header, body
	res.Body = io.NopCloser(bytes.NewReader(body))
	return res, nil
}

func newClient(t *testing.T) *client { return newClientWith(t, suite.Server.RootKey) }

func newClientWith(t *testing.T, rootKey string) *client {
	last := new(recorder)
	return &client{t: t, last: last, Unkey: unkey.New(
		unkey.WithServerURL(suite.Server.URL), unkey.WithSecurity(rootKey), unkey.WithClient(last),
		unkey.WithRetryConfig(retry.Config{Strategy: "none"}),
	)}
}

// raw sends what the client's types cannot say: a null, a cost, a wrong type.
func (c *client) raw(path, body string) map[string]any {
	c.t.Helper()
	req, err := http.NewRequest(http.MethodPost, suite.Server.URL+"/v1/"+path, strings.NewReader(body))
	if err != nil {
		c.t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+suite.Server.RootKey)
	req.Header.Set("Content-Type", "application/json")
	if _, err := c.last.Do(req); err != nil {
		c.t.Fatal(err)
	}
	return c.body()
}

// body is the last answer as JSON.
func (c *client) body() map[string]any {
	c.t.Helper()
	var body map[string]any
	if err := json.Unmarshal(c.last.body, &body); err != nil {
		c.t.Fatalf("status %d with a body that is no JSON object: %q", c.last.status, c.last.body)
	}
	return body
}

// wantError checks the one error shape of the API on the last answer.
func (c *client) wantError(status int, code, message string) {
	c.t.Helper()
	body, _ := c.body()["error"].(map[string]any)
	if c.last.status != status || body["code"] != code {
		c.t.Fatalf("want %d %s, got %d %s", status, code, c.last.status, c.last.body)
	}
	said, _ := body["message"].(string)
	if said == "" || !strings.Contains(said, message) {
		c.t.Errorf("want a message with %q, got %q", message, said)
	}
	if docs, _ := body["docs"].(string); !strings.HasSuffix(docs, "/"+code) {
		c.t.Errorf("docs must be the address of %s, got %q", code, docs)
	}
	c.wantRequestID(body["requestId"])
}

// wantRequestID checks that the id in the body is the one in the header.
func (c *client) wantRequestID(inBody any) {
	c.t.Helper()
	id, _ := inBody.(string)
	if !strings.HasPrefix(id, "req_") || c.last.header.Get("Unkey-Request-Id") != id {
		c.t.Errorf("request id %q in the body, %q in the header", id, c.last.header.Get("Unkey-Request-Id"))
	}
}

func (c *client) createAPI() string {
	c.t.Helper()
	res, err := c.Apis.CreateAPI(context.Background(), operations.CreateAPIRequestBody{Name: "conformance"})
	if err != nil {
		c.t.Fatal(err)
	}
	return res.Object.APIID
}

func (c *client) createKey(draft operations.CreateKeyRequestBody) (id, key string) {
	c.t.Helper()
	if draft.APIID == "" {
		draft.APIID = c.createAPI()
	}
	res, err := c.Keys.CreateKey(context.Background(), draft)
	if err != nil {
		c.t.Fatal(err)
	}
	return res.Object.KeyID, res.Object.Key
}

func (c *client) getKey(id string) *components.Key {
	c.t.Helper()
	res, err := c.Keys.GetKey(context.Background(), operations.GetKeyRequest{KeyID: id})
	if err != nil {
		c.t.Fatal(err)
	}
	return res.Key
}

func (c *client) update(change operations.UpdateKeyRequestBody) {
	c.t.Helper()
	if _, err := c.Keys.UpdateKey(context.Background(), change); err != nil {
		c.t.Fatal(err)
	}
	if len(c.body()) != 0 {
		c.t.Errorf("updateKey must answer {}, got %s", c.last.body)
	}
}

func (c *client) verify(req components.V1KeysVerifyKeyRequest) *components.V1KeysVerifyKeyResponse {
	c.t.Helper()
	res, err := c.Keys.VerifyKey(context.Background(), req)
	if err != nil {
		c.t.Fatal(err)
	}
	return res.V1KeysVerifyKeyResponse
}

// wantCode verifies and checks the outcome; valid must agree with it.
func (c *client) wantCode(code components.Code, req components.V1KeysVerifyKeyRequest) *components.V1KeysVerifyKeyResponse {
	c.t.Helper()
	res := c.verify(req)
	if res.Code != code || res.Valid != (code == components.CodeValid) {
		c.t.Fatalf("want %s, got %s", code, c.last.body)
	}
	return res
}

// spend verifies with a cost in credits, for which this client has no field.
func (c *client) spend(key string, cost int) map[string]any {
	c.t.Helper()
	return c.raw("keys.verifyKey", fmt.Sprintf(`{"key":%q,"remaining":{"cost":%d}}`, key, cost))
}

func p[T any](v T) *T { return &v }

// quietWindow is a limit's duration in ms whose current window neither began nor ends within a
// minute, so that no count in a test slides while it runs.
func quietWindow() int64 {
	const minute = int64(time.Minute / time.Millisecond)
	for _, d := range []int64{60 * minute, 50 * minute, 70 * minute, 45 * minute} {
		if at := time.Now().UnixMilli() % d; at > minute && at < d-minute {
			return d
		}
	}
	panic("all windows end in the same minute")
}

// windowEnd is the end of the epoch-aligned window that now is in.
func windowEnd(duration int64) int64 {
	return (time.Now().UnixMilli()/duration + 1) * duration
}

// fields checks that got holds every field of want with the same value, as JSON sees values.
func fields(t *testing.T, got, want map[string]any) {
	t.Helper()
	for name, value := range maps.All(want) {
		expected, _ := json.Marshal(value)
		actual, _ := json.Marshal(got[name])
		if !bytes.Equal(expected, actual) {
			t.Errorf("%s: want %s, got %s", name, expected, actual)
		}
	}
}
