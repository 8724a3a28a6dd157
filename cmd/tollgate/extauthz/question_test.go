package extauthz_test

import (
	"strings"
	"testing"

	"tollgate/cmd/tollgate/extauthz"
	"tollgate/cmd/tollgate/policies"
	"tollgate/keys"
	"tollgate/keys/redisdb/redistest"
	"tollgate/verify"
	"tollgate/verify/authz"

	authv3 "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"
	"github.com/redis/go-redis/v9"
)

// A question that can't be asked, and a root key that can't ask it, refuse with 500 and the
// reason, and spend nothing: a typo must not let everybody through, and the call succeeds, so
// that failure_mode_allow has no say.
func TestAWrongQuestionRefuses(t *testing.T) {
	redistest.Each(t, func(t *testing.T, c redis.UniversalClient) {
		w := newWorld(t, c)
		key := w.key(keys.KeyDraft{Remaining: count(5)})
		root := []string{extauthz.RootKeyMetadata, w.root}
		for _, c := range []struct {
			extensions []string
			metadata   []string
			says       string
		}{
			{nil, root, "context_extensions"},
			{[]string{"apiId", ""}, root, "apiId"},
			{[]string{"apiid", "*"}, root, "apiid"},
			{[]string{"apiId", "*", "costs", "1"}, root, "costs"},
			{[]string{"apiId", "*", "cost", "x"}, root, "cost"},
			{[]string{"apiId", "*", "cost", "-1"}, root, "cost"},
			{[]string{"apiId", "*", "ratelimit", "none"}, root, "none"},
			{[]string{"cost", "1"}, root, "apiId"},
			{[]string{"apiId", "*", "profile", "apache"}, root, "profile"},
			{[]string{"apiId", "*", "tag", strings.Repeat("t", authz.MaxQuestion)}, root, "too long"},
			{[]string{"policy", "nobody"}, root, "no such policy"},
			{[]string{"policy", ""}, root, "no such policy"},
			{[]string{"policy", "orders", "apiId", "*"}, root, "beside"},
			{[]string{"apiId", "*"}, nil, extauthz.RootKeyMetadata},
			{[]string{"apiId", "*"}, append(root, root...), "twice"},
			{[]string{"apiId", "*"}, []string{extauthz.RootKeyMetadata, ""}, "missing"},
			{[]string{"apiId", "*"}, []string{extauthz.RootKeyMetadata, "unknown"}, "key"},
			{[]string{"apiId", "*"}, []string{extauthz.RootKeyMetadata, key.Secret.Reveal()}, "key"},
		} {
			r := w.checkWith(request(extensions(c.extensions...), bearer(key), "x-tollgate-root-key: "+w.root), c.metadata...)
			r.is(t, 500, "MISCONFIGURED")
			if !strings.Contains(r.GetDeniedResponse().GetBody(), c.says) {
				t.Errorf("%.60q: %s does not say %s", c.extensions, r.GetDeniedResponse().GetBody(), c.says)
			}
			if text := r.String() + w.log.String(); strings.Contains(text, key.Secret.Reveal()) || strings.Contains(text, w.root) {
				t.Errorf("%.60q: a secret is in %s", c.extensions, text)
			}
		}
		if left := w.left(key.ID); left != 5 {
			t.Errorf("%d are left of 5", left)
		}
	})
}

// A policy decides alone: neither what the client sent, nor the metadata, changes what is
// asked.
func TestAPolicyDecidesAlone(t *testing.T) {
	redistest.Each(t, func(t *testing.T, c redis.UniversalClient) {
		set := policies.Policies{}
		w := newWorld(t, c, func(c *extauthz.Config) { c.Policies = policies.New(set) })
		set["strict"] = &policies.Policy{Question: &authz.Question{APIID: w.api, Cost: 2}, RootKey: keys.NewSecret(w.root)}
		set["free"] = &policies.Policy{Question: &authz.Question{APIID: "*", Cost: verify.Free}, RootKey: keys.NewSecret(w.root)}
		key := w.key(keys.KeyDraft{Remaining: count(100)})
		strict := extensions("policy", "strict")
		tries := [][]string{nil, {extauthz.RootKeyMetadata, "unknown"}, {extauthz.RootKeyMetadata, "one", extauthz.RootKeyMetadata, "two"}, {"policy", "free", "cost", "0"}}
		for i, meta := range tries {
			r := request(strict, bearer(key), "x-tollgate-root-key: unknown", "policy: free", "cost: 0")
			r.Attributes.Request.Http.Path = "/x?policy=free&cost=0&apiId=*"
			w.checkWith(r, meta...).is(t, 200, "VALID")
			if left := w.left(key.ID); left != 100-2*int64(i+1) {
				t.Errorf("%v: %d are left behind %d checks of 2", meta, left, i+1)
			}
		}
	})
}

// A check that asks nothing is decided by the policy that the operator has named for it, and
// by no other: one that asks something else is not.
func TestTheDefaultPolicy(t *testing.T) {
	set := new(policies.Current)
	w := newWorld(t, redistest.Empty(t), func(c *extauthz.Config) { c.Policies, c.Default = set, "fallback" })
	set.Replace(policies.Policies{"fallback": {Question: &authz.Question{APIID: w.api, Cost: 2}, RootKey: keys.NewSecret(w.root)}})
	key := w.key(keys.KeyDraft{Remaining: count(3)})
	w.checkWith(request(nil, bearer(key))).is(t, 200, "VALID")
	w.checkWith(request(nil, bearer(key))).is(t, 429, "USAGE_EXCEEDED")
	for _, wrong := range [][]string{{"policy", "default"}, {"policy", ""}, {"x", ""}} {
		w.exact(wrong, bearer(key)).is(t, 500, "MISCONFIGURED")
	}
	if left := w.left(key.ID); left != 1 {
		t.Errorf("%d are left of 3", left)
	}
}

// The key is found in the headers as Envoy sends them, in either form, and in the path; two
// keys are refused also where Envoy joined their lines. What was found is taken out.
func TestKeysAreFound(t *testing.T) {
	set := policies.Policies{}
	w := newWorld(t, redistest.Empty(t), func(c *extauthz.Config) { c.Policies = policies.New(set) })
	set["all"] = &policies.Policy{RootKey: keys.NewSecret(w.root), Question: &authz.Question{
		APIID: w.api, Sources: []authz.Source{{Bearer: true}, {Header: "X-Custom"}, {Cookie: "session"}, {Query: "key"}},
	}}
	one, two := w.key(keys.KeyDraft{}).Secret.Reveal(), w.key(keys.KeyDraft{}).Secret.Reveal()
	for _, c := range []struct {
		name    string
		headers []string
		path    string
		status  int
	}{
		{"bearer", []string{"authorization: Bearer " + one}, "", 200},
		{"bearer twice the same", []string{"authorization: Bearer " + one, "authorization: Bearer " + one}, "", 200},
		{"bearer twice", []string{"authorization: Bearer " + one, "authorization: Bearer " + two}, "", 400},
		{"bearer joined with a blank", []string{"authorization: Bearer " + one + ", Bearer " + two}, "", 400},
		{"bearer beside basic", []string{"authorization: Basic eDp5", "authorization: Bearer " + one}, "", 200},
		{"bearer of two words", []string{"authorization: Bearer " + one + " " + two}, "", 400},
		{"header", []string{"x-custom: " + one}, "", 200},
		{"header twice", []string{"x-custom: " + one, "x-custom: " + two}, "", 400},
		{"header and bearer", []string{"x-custom: " + one, "authorization: Bearer " + two}, "", 400},
		{"header and bearer the same", []string{"x-custom: " + one, "authorization: Bearer " + one}, "", 200},
		{"cookie", []string{"cookie: a=b,c; session=" + one + "; d=e"}, "", 200},
		{"cookie twice", []string{"cookie: session=" + one + "; session=" + two}, "", 400},
		{"cookie that Envoy joined with a comma", []string{"cookie: session=" + one, "cookie: session=" + two}, "", 401},
		{"query", nil, "/a?x=1&key=" + one, 200},
		{"query twice", nil, "/a?key=" + one + "&key=" + two, 400},
		{"query and header", []string{"x-custom: " + one}, "/a?key=" + two, 400},
		{"query that can't be read", nil, "/a?key=" + one + "&x=%zz", 400},
		{"nowhere", []string{"x-api-key: " + one}, "/a", 401},
	} {
		r := request(extensions("policy", "all"), c.headers...)
		r.Attributes.Request.Http.Path = c.path
		raw := request(extensions("policy", "all"))
		raw.Attributes.Request.Http.Path = c.path
		raw.Attributes.Request.Http.Headers, raw.Attributes.Request.Http.HeaderMap = nil, rawHeaders(c.headers)
		for form, r := range map[string]*authv3.CheckRequest{"map": r, "list": raw} {
			got := w.check(r)
			status := c.status
			if form == "list" && c.status == 401 && strings.HasPrefix(c.name, "cookie") {
				status = 400 // nothing was joined
			}
			if got.status() != status {
				t.Errorf("%s, as a %s: %d %s, want %d", c.name, form, got.status(), got.code(), status)
			}
		}
	}
	r := request(extensions("policy", "all"), "cookie: a=b; session="+one+"; c=d, e")
	ok := w.check(r).GetOkResponse()
	if got := named(ok.GetHeaders())["cookie"]; got != "a=b; c=d, e" {
		t.Errorf("cookies that go on: %q", got)
	}
	if got := strings.Join(ok.GetHeadersToRemove(), " ") + " " + strings.Join(ok.GetQueryParametersToRemove(), " "); got != "authorization x-custom key" {
		t.Errorf("removed: %q", got)
	}
	alone := w.check(request(extensions("policy", "all"), "cookie: session="+one)).GetOkResponse()
	if _, sent := named(alone.GetHeaders())["cookie"]; sent || !strings.Contains(strings.Join(alone.GetHeadersToRemove(), " "), "cookie") {
		t.Errorf("the only cookie goes on: %v", alone)
	}
}
