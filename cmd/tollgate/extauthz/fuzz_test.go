package extauthz_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"tollgate/cmd/tollgate/extauthz"
	"tollgate/cmd/tollgate/policies"
	"tollgate/keys"
	"tollgate/keys/redisdb/redistest"
	"tollgate/verify/authz"

	authv3 "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/proto"
)

// FuzzCheck sends any message: it is answered, never with a panic, always with a response that
// Envoy can read, and never allows without the key in it.
func FuzzCheck(f *testing.F) {
	set := policies.Policies{}
	w := newWorld(f, redistest.Shared(f).Client(), func(c *extauthz.Config) { c.Policies = policies.New(set) })
	set["all"] = &policies.Policy{RootKey: keys.NewSecret(w.root), Question: &authz.Question{
		APIID: "*", Full: true, Sources: []authz.Source{{Bearer: true}, {Header: "X-API-Key"}, {Cookie: "session"}, {Query: "key"}},
	}}
	secret := w.key(keys.KeyDraft{ExternalID: "somebody"}).Secret.Reveal()
	for _, r := range []*authv3.CheckRequest{
		{},
		request(nil, "authorization: Bearer SECRET"),
		request(extensions("policy", "all"), "authorization: Bearer SECRET"),
		request(extensions("policy", "all"), "cookie: a=b; session=SECRET;;=;x"),
		request(extensions("policy", "all", "apiId", "*"), "x-api-key: SECRET"),
		request(extensions("apiId", "*", "identity", "full", "permissions", "a AND (b OR c)", "cost", "0", "ratelimit", "a:0,b"), "x-api-key: SECRET,SECRET"),
		{Attributes: &authv3.AttributeContext{
			ContextExtensions: extensions("apiId", "*"), Source: from("::1%lo"),
			Request: &authv3.AttributeContext_Request{Http: &authv3.AttributeContext_HttpRequest{Path: "?key=SECRET&%zz", HeaderMap: rawHeaders([]string{"X-API-Key: SECRET", "x-forwarded-for: ,,", "Forwarded: for=\""})}},
		}},
	} {
		text, err := proto.Marshal(r)
		w.must("", err)
		f.Add(text, w.root)
		f.Add(text, "nobody")
	}
	f.Fuzz(func(t *testing.T, text []byte, root string) {
		r := new(authv3.CheckRequest)
		if len(text) > 16<<10 || proto.Unmarshal(text, r) != nil {
			return
		}
		fill(r, secret)
		ctx, cancel := context.WithTimeout(metadata.NewIncomingContext(t.Context(), metadata.Pairs(extauthz.RootKeyMetadata, root)), 20*time.Second)
		defer cancel()
		got, err := w.server.Check(ctx, r)
		if err != nil {
			t.Fatalf("the call failed: %v", err)
		}
		answer := response{got}
		answer.is(t, answer.status(), answer.code())
		switch has := strings.Contains(r.String(), secret); {
		case answer.code() == "INTERNAL" || answer.code() == "UNAVAILABLE":
			t.Errorf("%v: %v", r, answer)
		case answer.status() == 200 && !has:
			t.Errorf("allowed without the key: %v", r)
		case strings.Contains(answer.String(), secret) && !inCookies(r, secret):
			t.Errorf("the key is told: %v", answer)
		}
		if answer.status() == 200 && r.GetAttributes().GetContextExtensions()["policy"] != "all" && root != w.root {
			t.Errorf("allowed without a root key: %v", r)
		}
	})
}

// fill puts the key where a seed has a place for it.
func fill(r *authv3.CheckRequest, secret string) {
	h := r.GetAttributes().GetRequest().GetHttp()
	if h == nil {
		return
	}
	h.Path = strings.ReplaceAll(h.GetPath(), "SECRET", secret)
	for name, value := range h.GetHeaders() {
		h.Headers[name] = strings.ReplaceAll(value, "SECRET", secret)
	}
	for _, line := range h.GetHeaderMap().GetHeaders() {
		line.RawValue = []byte(strings.ReplaceAll(string(line.GetRawValue()), "SECRET", secret))
	}
}

// inCookies reports whether the key is in the cookies, of which the others go on as they are.
func inCookies(r *authv3.CheckRequest, secret string) bool {
	h := r.GetAttributes().GetRequest().GetHttp()
	for _, line := range h.GetHeaderMap().GetHeaders() {
		if strings.EqualFold(line.GetKey(), "cookie") && strings.Contains(line.String(), secret) {
			return true
		}
	}
	return strings.Contains(h.GetHeaders()["cookie"], secret)
}
