package main

import (
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"tollgate/cmd/tollgate/golden"
	"tollgate/keys"
	"tollgate/keys/redisdb/redistest"
	"tollgate/keys/store"
	"tollgate/ratelimit"
	"tollgate/verify"

	"github.com/dunglas/httpsfv"
	"github.com/redis/go-redis/v9"
)

// asked is a gateway of every dialect with a key that has a limit of 1, and a root key.
type asked struct {
	t             *testing.T
	url, root     string
	limited, poor string
}

func newAsked(t *testing.T, c redis.UniversalClient) *asked {
	t.Helper()
	s := store.Open(c, store.Options{Timeout: 10 * time.Second})
	ws := must(s.Workspace(t.Context(), keys.DefaultWorkspace))
	as := keys.Operator(ws).As()
	api := must(s.CreateAPI(t.Context(), as, "asked"))
	_, root, err := s.CreateRootKey(t.Context(), ws, keys.RootDraft{Grants: []string{keys.Everything}})
	if err != nil {
		t.Fatal(err)
	}
	none := int64(0)
	key := func(d keys.KeyDraft) string {
		d.APIID = api.ID
		return must(s.CreateKey(t.Context(), as, d)).Secret.Reveal()
	}
	a := &asked{t: t, root: root.Reveal()}
	a.limited = key(keys.KeyDraft{Limits: []ratelimit.Limit{{Name: "requests", Limit: 1, Duration: 60_000, AutoApply: true}}})
	a.poor = key(keys.KeyDraft{Remaining: &none})
	a.url = golden.Listen(t, serveAll(s, verify.New(s, verify.Options{Timeout: 10 * time.Second})))
	return a
}

func (a *asked) post(path, root, body string) *http.Response {
	a.t.Helper()
	req := must(http.NewRequestWithContext(a.t.Context(), http.MethodPost, a.url+path, strings.NewReader(body)))
	req.Header.Set("Content-Type", "application/json")
	if root != "" {
		req.Header.Set("Authorization", "Bearer "+root)
	}
	res := must(http.DefaultClient.Do(req))
	_, _ = io.Copy(io.Discard, res.Body)
	_ = res.Body.Close()
	return res
}

// Answers tell of the limits that were looked at in header fields that a parser of structured
// fields reads, when to come back where waiting helps, and never to store them.
func TestHeadersOfAnswers(t *testing.T) {
	redistest.Each(t, func(t *testing.T, c redis.UniversalClient) {
		a := newAsked(t, c)
		limit := `{"namespace":"sp","identifier":"i","limit":1,"duration":60000}`
		for _, one := range []struct {
			path, body, name string
			left             int64 // of 1; -1 where no limit is told of
			retry            bool
		}{
			{"/v2/keys.verifyKey", `{"key":"` + a.limited + `"}`, "requests", 0, false},
			{"/v2/keys.verifyKey", `{"key":"` + a.limited + `"}`, "requests", 0, true},
			{"/v1/keys.verifyKey", `{"key":"` + a.limited + `"}`, "requests", 0, true},
			{"/v1/keys/verify", `{"key":"` + a.limited + `"}`, "requests", 0, true},
			{"/v2/keys.verifyKey", `{"key":"` + a.poor + `"}`, "", -1, false},
			{"/v2/ratelimit.limit", limit, "sp", 0, false},
			{"/v2/ratelimit.limit", limit, "sp", 0, true},
			{"/v2/ratelimit.limit", strings.Replace(limit, `"limit":1`, `"limit":1,"cost":2`, 1), "sp", 0, false},
			{"/v1/ratelimits.limit", limit, "sp", 0, true},
			{"/v2/ratelimit.multiLimit", `[` + strings.Replace(limit, `"i"`, `"j"`, 1) + `,` + limit + `]`, "sp", 0, true},
		} {
			res := a.post(one.path, a.root, one.body)
			if res.StatusCode != http.StatusOK || res.Header.Get("Cache-Control") != "no-store" || res.Header.Get("Unkey-Request-Id") == "" {
				t.Errorf("%s: %s, %v", one.path, res.Status, res.Header)
			}
			if (res.Header.Get("Retry-After") != "") != one.retry || res.Header.Get("Retry-After") == "0" {
				t.Errorf("%s %s: Retry-After %q", one.path, one.body, res.Header.Get("Retry-After"))
			}
			checkFields(t, one.path, res.Header, one.name, one.left)
		}
	})
}

// checkFields checks the first limit of the two header fields.
func checkFields(t *testing.T, path string, h http.Header, name string, left int64) {
	t.Helper()
	states, err := httpsfv.UnmarshalList(h.Values("RateLimit"))
	policies, err2 := httpsfv.UnmarshalList(h.Values("RateLimit-Policy"))
	if left < 0 {
		if len(h.Values("RateLimit"))+len(h.Values("RateLimit-Policy")) > 0 {
			t.Errorf("%s: %v", path, h)
		}
		return
	}
	if err != nil || err2 != nil || len(states) == 0 || len(states) != len(policies) {
		t.Fatalf("%s: %v, %v, %v", path, err, err2, h)
	}
	state, policy := states[0].(httpsfv.Item), policies[0].(httpsfv.Item)
	r, _ := state.Params.Get("r")
	wait, _ := state.Params.Get("t")
	q, _ := policy.Params.Get("q")
	w, _ := policy.Params.Get("w")
	if state.Value != name || policy.Value != name || r != left || q != int64(1) || w != int64(60) || wait.(int64) < 1 || wait.(int64) > 60 {
		t.Errorf("%s: %v", path, h)
	}
}

// A secret that was just made, and one of NetBird's, is not to be stored either, and 401 says
// what is wanted.
func TestHeadersOfSecretsAndOf401(t *testing.T) {
	a := newAsked(t, redistest.Empty(t))
	all := 0
	for path, body := range map[string]string{
		"/v1/apis.createApi":     `{"name":"another"}`,
		"/v2/apis.createApi":     `{"name":"another"}`,
		"/api/setup-keys":        `{"name":"n","type":"reusable","expires_in":86400,"auto_groups":[],"usage_limit":0}`,
		"/v2/keys.createKey":     `{"apiId":"none"}`,
		"/v2/keys.whoami":        `{"key":"none"}`,
		"/v1/keys.deleteKey":     `{"keyId":"none"}`,
		"/v2/keys.rerollKey":     `{"keyId":"none","expiration":0}`,
		"/v2/keys.verifyKey":     `{"key":"none"}`,
		"/v1/keys.verifyKey":     `{"key":"none"}`,
		"/v1/keys.createKey":     `{"apiId":"none"}`,
		"/v2/keys.getKey":        `{"keyId":"none","decrypt":true}`,
		"/v2/apis.listKeys":      `{"apiId":"none","decrypt":true}`,
		"/v2/keys.deleteKey":     `{"keyId":"none"}`,
		"/api/setup-keys/redeem": `{"key":"none","peer":"p"}`,
	} {
		if got := a.post(path, a.root, body).Header.Get("Cache-Control"); got != "no-store" {
			t.Errorf("%s: %q", path, got)
		}
		res := a.post(path, "unknown", body)
		challenged := strings.HasPrefix(res.Header.Get("WWW-Authenticate"), "Bearer realm=")
		if challenged {
			all++
		}
		if unkey := strings.HasPrefix(path, "/v"); challenged != (unkey && res.StatusCode == http.StatusUnauthorized) {
			t.Errorf("%s: %s, %q", path, res.Status, res.Header.Get("WWW-Authenticate"))
		}
	}
	if all < 8 {
		t.Errorf("only %d answers of 401 were looked at", all)
	}
}
