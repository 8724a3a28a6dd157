package extauthz_test

import (
	"encoding/json"
	"strconv"
	"strings"
	"testing"

	"tollgate/cmd/tollgate/extauthz"
	"tollgate/keys"
	"tollgate/keys/redisdb/redistest"
	"tollgate/ratelimit"
	"tollgate/verify/authz"

	"github.com/dunglas/httpsfv"
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	"github.com/redis/go-redis/v9"
)

// Each outcome has the status of its profile, its code, and the headers that go with it: the
// same as forward-auth.
func TestOutcomes(t *testing.T) {
	redistest.Each(t, func(t *testing.T, c redis.UniversalClient) {
		w := newWorld(t, c)
		other, err := w.store.CreateAPI(t.Context(), w.as, "other")
		w.must("", err)
		question := []string{"apiId", w.api}
		for _, c := range []struct {
			name          string
			key           keys.KeyDraft
			question      []string
			status, nginx int
			code          string
			challenge     string
		}{
			{"disabled", keys.KeyDraft{Disabled: true}, question, 401, 401, "DISABLED", `error="invalid_token"`},
			{"expired", keys.KeyDraft{Expires: 1}, question, 401, 401, "EXPIRED", `error="invalid_token"`},
			{"another API", keys.KeyDraft{APIID: other.ID}, question, 403, 403, "FORBIDDEN", ""},
			{"permissions", keys.KeyDraft{}, []string{"apiId", w.api, "permissions", "b OR a"}, 403, 403, "INSUFFICIENT_PERMISSIONS", `error="insufficient_scope", scope="a b"`},
			{"credits", keys.KeyDraft{Remaining: count(0)}, question, 429, 403, "USAGE_EXCEEDED", ""},
		} {
			key := w.key(c.key)
			for profile, status := range map[string]int{"default": c.status, "nginx": c.nginx, "envoy": c.status} {
				r := w.exact(append([]string{"profile", profile}, c.question...), bearer(key))
				r.is(t, status, c.code)
				headers := named(r.GetDeniedResponse().GetHeaders())
				if got := headers["www-authenticate"]; strings.Contains(got, "Bearer realm=") != (c.challenge != "") || !strings.Contains(got, c.challenge) {
					t.Errorf("%s: challenge %q, want %q", c.name, got, c.challenge)
				}
				if headers["retry-after"] != "" || headers["x-key-id"] != "" || headers["x-tollgate-code"] != c.code {
					t.Errorf("%s: %v", c.name, headers)
				}
				checkProblem(t, r, c.code)
			}
		}
		w.exact(question, "x-api-key: nobody").is(t, 401, "NOT_FOUND")
		missing := w.exact(question, "authorization: Basic dXNlcjpwYXNz")
		missing.is(t, 401, "MISSING_KEY")
		if got := named(missing.GetDeniedResponse().GetHeaders())["www-authenticate"]; got != `Bearer realm="tollgate"` {
			t.Errorf("without a key: %q", got)
		}
		w.exact([]string{"apiId", "*"}, bearer(w.key(keys.KeyDraft{APIID: other.ID}))).is(t, 200, "VALID")
	})
}

func checkProblem(t *testing.T, r response, code string) {
	t.Helper()
	var body authz.Problem
	denied := r.GetDeniedResponse()
	if err := json.Unmarshal([]byte(denied.GetBody()), &body); err != nil || string(body.Code) != code || body.Status != r.status() || body.Title == "" || body.Detail == "" {
		t.Errorf("%v, %s", err, denied.GetBody())
	}
	headers := named(denied.GetHeaders())
	if headers["content-type"] != authz.ProblemType || headers["cache-control"] != "no-store" {
		t.Errorf("a body with %v", headers)
	}
	for _, h := range denied.GetHeaders() {
		if h.GetAppendAction() != corev3.HeaderValueOption_OVERWRITE_IF_EXISTS_OR_ADD {
			t.Errorf("%s stands beside Envoy's own", h.GetHeader().GetKey())
		}
	}
}

// A limit is told of on answers of both kinds, in fields that a parser of structured fields
// reads, and with a Retry-After that agrees.
func TestRateLimitFields(t *testing.T) {
	redistest.Each(t, func(t *testing.T, c redis.UniversalClient) {
		w := newWorld(t, c)
		key := w.key(keys.KeyDraft{Limits: []ratelimit.Limit{{Name: "requests", Limit: 1, Duration: 60_000, AutoApply: true}}})
		question := []string{"apiId", w.api}
		first := w.exact(question, bearer(key))
		first.is(t, 200, "VALID")
		for _, h := range first.GetOkResponse().GetResponseHeadersToAdd() {
			if h.GetAppendAction() != corev3.HeaderValueOption_APPEND_IF_EXISTS_OR_ADD {
				t.Errorf("%s replaces what the application says", h.GetHeader().GetKey())
			}
		}
		if left, _ := limitState(t, named(first.GetOkResponse().GetResponseHeadersToAdd())); left != 0 {
			t.Errorf("%d are left of 1 behind 1", left)
		}
		second := w.exact(question, bearer(key))
		second.is(t, 429, "RATE_LIMITED")
		headers := named(second.GetDeniedResponse().GetHeaders())
		wait, _ := strconv.Atoi(headers["retry-after"])
		if left, reset := limitState(t, headers); left != 0 || reset != int64(wait) || wait < 1 || wait > 60 {
			t.Errorf("%v: Retry-After %d", headers, wait)
		}
		w.exact(append(question, "profile", "nginx"), bearer(key)).is(t, 403, "RATE_LIMITED")
	})
}

// limitState reads the RateLimit field of one limit, requests.
func limitState(t *testing.T, headers map[string]string) (left, reset int64) {
	t.Helper()
	policy, err := httpsfv.UnmarshalList([]string{headers["ratelimit-policy"]})
	if err != nil || len(policy) != 1 {
		t.Fatalf("%v: %v", headers, err)
	}
	list, err := httpsfv.UnmarshalList([]string{headers["ratelimit"]})
	if err != nil || len(list) != 1 || list[0].(httpsfv.Item).Value != "requests" {
		t.Fatalf("%v: %v", headers, err)
	}
	r, _ := list[0].(httpsfv.Item).Params.Get("r")
	after, _ := list[0].(httpsfv.Item).Params.Get("t")
	left, _ = r.(int64)
	reset, _ = after.(int64)
	return left, reset
}

// A request that goes on has the nine identity headers and no other copy of them, no key in
// any header, and metadata about the key.
func TestAResponseThatAllows(t *testing.T) {
	w := newWorld(t, redistest.Empty(t))
	key := w.key(keys.KeyDraft{Name: "ünï", ExternalID: "user 1", Meta: []byte(`{"a":1}`), Remaining: count(9)})
	for _, profile := range []string{"default", "envoy"} {
		r := w.exact([]string{"apiId", w.api, "identity", "full", "profile", profile}, bearer(key), "x-key-id: somebody", "x-key-roles: admin")
		r.is(t, 200, "VALID")
		ok := r.GetOkResponse()
		headers := named(ok.GetHeaders())
		for _, name := range authz.IdentityHeaders() {
			if _, sent := headers[strings.ToLower(name)]; !sent {
				t.Errorf("no %s", name)
			}
		}
		for _, h := range ok.GetHeaders() {
			if h.GetAppendAction() != corev3.HeaderValueOption_OVERWRITE_IF_EXISTS_OR_ADD {
				t.Errorf("the client's own %s stands beside it", h.GetHeader().GetKey())
			}
		}
		if len(ok.GetHeaders()) != len(authz.IdentityHeaders()) || headers["x-key-id"] != key.ID || headers["x-key-name"] != "%C3%BCn%C3%AF" || headers["x-key-meta"] != "eyJhIjoxfQ" {
			t.Errorf("%v", headers)
		}
		if got := strings.Join(ok.GetHeadersToRemove(), " "); got != "authorization x-api-key" {
			t.Errorf("removed: %s", got)
		}
		facts := r.GetDynamicMetadata().GetFields()
		if facts["key_id"].GetStringValue() != key.ID || facts["owner"].GetStringValue() != "user 1" {
			t.Errorf("metadata %v", facts)
		}
	}
	if left := w.left(key.ID); left != 7 {
		t.Errorf("%d are left of 9 behind 2 checks", left)
	}
}

// Who can't verify a key, or has none of this workspace, is told the same as if there was no
// such key, and nothing is spent.
func TestTenantsNeverMeet(t *testing.T) {
	redistest.Each(t, func(t *testing.T, c redis.UniversalClient) {
		w := newWorld(t, c)
		key := w.key(keys.KeyDraft{Remaining: count(5), ExternalID: "somebody"})
		stranger := w.rootKey(w.must(w.store.Workspace(t.Context(), "stranger")), keys.Everything)
		weak := w.rootKey(w.ws, "api.another.verify_key")
		for _, root := range []string{stranger, weak} {
			for _, api := range []string{w.api, "*"} {
				known := w.checkWith(request(extensions("apiId", api), bearer(key)), extauthz.RootKeyMetadata, root)
				unknown := w.checkWith(request(extensions("apiId", api), "authorization: Bearer nobody"), extauthz.RootKeyMetadata, root)
				if known.String() != unknown.String() || known.status() == 200 {
					t.Errorf("%s differs from %s", known, unknown)
				}
				for _, secret := range []string{key.ID, "somebody", root} {
					if strings.Contains(known.String(), secret) {
						t.Errorf("%s has %s", known, secret)
					}
				}
			}
		}
		if left := w.left(key.ID); left != 5 {
			t.Errorf("%d are left of 5", left)
		}
	})
}
