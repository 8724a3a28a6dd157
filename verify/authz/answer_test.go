package authz_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"testing"

	"tollgate/keys"
	"tollgate/keys/catalog"
	"tollgate/verify"
	"tollgate/verify/authz"

	"pgregory.net/rapid"
)

// says is a verifier that always says the same.
type says struct {
	outcome *verify.Outcome
	err     error
}

func (s says) Verify(context.Context, *verify.Request) (*verify.Outcome, error) {
	return s.outcome, s.err
}

func ask(q *authz.Question, outcome *verify.Outcome, err error) *authz.Answer {
	return q.Ask(context.Background(), says{outcome, err}, authz.Caller{})
}

func headersOf(a *authz.Answer) http.Header {
	all := http.Header{}
	a.Headers(func(name, value string) { all.Add(name, value) })
	return all
}

func outcomeOf(code verify.Code) *verify.Outcome {
	return &verify.Outcome{Code: code, Key: &keys.Key{ID: "key_1", APIID: "api_1"}, Resolved: &catalog.Resolved{}}
}

// Only VALID lets a request through, whatever else a verifier says, and only it is answered
// with less than 400 and with an identity.
func TestOnlyValidIsLetThrough(t *testing.T) {
	codes := append(authz.Codes(), "", "valid", "OTHER")
	for _, profile := range []authz.Profile{"", authz.Default, authz.Nginx, authz.Envoy} {
		for _, code := range codes {
			a := ask(&authz.Question{APIID: "*", Profile: profile}, outcomeOf(code), nil)
			through := code == verify.Valid
			if a.Allowed() != through || (a.Status == http.StatusOK) != through || !through && a.Status < 400 {
				t.Errorf("%q is %d with profile %q", code, a.Status, profile)
			}
			if _, sent := headersOf(a)["X-Key-Id"]; sent != through {
				t.Errorf("%q with an identity: %v", code, sent)
			}
			if (a.Body() == nil) != through || (headersOf(a).Get(authz.CodeHeader) == "") != through {
				t.Errorf("%q: body %s, headers %v", code, a.Body(), headersOf(a))
			}
			if profile == authz.Nginx && !slices.Contains([]int{200, 400, 401, 403, 500, 503}, a.Status) {
				t.Errorf("nginx is answered %d to %q", a.Status, code)
			}
		}
	}
}

// Errors are never an outcome of the key: what is wrong with the question or its root key is
// the operator's, and a store that fails is not decided.
func TestErrorsAreAnswered(t *testing.T) {
	for _, c := range []struct {
		err    error
		status int
		code   verify.Code
		retry  string
	}{
		{&keys.Error{Kind: keys.KindUnavailable, Message: "Redis did not answer", Failure: keys.FailureSlow}, 503, authz.Unavailable, "1"},
		{keys.Errorf(keys.KindUnauthenticated, "key", "no such root key"), 500, authz.Misconfigured, ""},
		{keys.Errorf(keys.KindNotRootKey, "key", "not a root key"), 500, authz.Misconfigured, ""},
		{keys.Errorf(keys.KindRateLimited, "key", "too many unknown root keys"), 500, authz.Misconfigured, ""},
		{keys.Errorf(keys.KindPrecondition, "ratelimit", "the key has no such limit"), 500, authz.Misconfigured, ""},
		{keys.Invalidf("ratelimits", "at most 60"), 500, authz.Misconfigured, ""},
		{errors.New("secret detail"), 500, authz.Internal, ""},
	} {
		a := ask(&authz.Question{APIID: "*", Profile: authz.Nginx}, nil, c.err)
		if a.Status != c.status || a.Code != c.code || headersOf(a).Get("Retry-After") != c.retry || !errors.Is(a.Err, c.err) {
			t.Errorf("%v: %d %s %v", c.err, a.Status, a.Code, headersOf(a))
		}
		var body authz.Problem
		if err := json.Unmarshal(a.Body(), &body); err != nil || body != a.Problem() || strings.Contains(string(a.Body()), "secret") {
			t.Errorf("%v: %s", c.err, a.Body())
		}
	}
}

// The package comment has the table of outcomes.
func TestTheTableOfOutcomesIsDocumented(t *testing.T) {
	text, err := os.ReadFile("doc.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, code := range authz.Codes() {
		status := ask(&authz.Question{APIID: "*"}, outcomeOf(code), nil).Status
		ok := slices.ContainsFunc(strings.Split(string(text), "\n"), func(line string) bool {
			return strings.HasPrefix(line, fmt.Sprintf("//\t%d  ", status)) && strings.Contains(line, string(code))
		})
		if !ok {
			t.Errorf("%d %s is not in the package comment", status, code)
		}
	}
}

// All nine identity headers are always sent, each once, together in at most 3 KiB, and what
// they hold can be read back, or is "!".
func TestIdentityHeaders(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		word := rapid.StringN(0, 300, 1200)
		name, owner := word.Draw(t, "name"), word.Draw(t, "owner")
		permissions := rapid.SliceOfN(word, 0, 5).Draw(t, "permissions")
		meta := []byte(`{"a":"` + strings.Repeat("x", rapid.IntRange(0, 4000).Draw(t, "meta")) + `"}`)
		left := int64(7)
		o := &verify.Outcome{
			Code: verify.Valid, Remaining: &left, Key: &keys.Key{ID: "key_1", APIID: "api_1", Name: name, Meta: meta},
			Resolved: &catalog.Resolved{Identity: &keys.Identity{ExternalID: owner}, Permissions: permissions},
		}
		full := rapid.Bool().Draw(t, "full")
		got := headersOf(ask(&authz.Question{APIID: "*", Full: full}, o, nil))
		size := 0
		for _, header := range authz.IdentityHeaders() {
			lines := got[header]
			if len(lines) != 1 {
				t.Fatalf("%s is sent %d times", header, len(lines))
			}
			if strings.ContainsFunc(lines[0], func(r rune) bool { return r < ' ' || r > '~' }) {
				t.Fatalf("%s: %q", header, lines[0])
			}
			size += len(header) + len(": \r\n") + len(lines[0])
		}
		if size > 3<<10+len(authz.IdentityHeaders())*len("!") || len(got) != 9 {
			t.Fatalf("%d bytes in %v", size, slices.Sorted(maps.Keys(got)))
		}
		same(t, got.Get("X-Key-Name"), unescaped(got.Get("X-Key-Name")), name)
		same(t, got.Get("X-Key-External-Id"), unescaped(got.Get("X-Key-External-Id")), owner)
		if !full {
			for _, header := range []string{"X-Key-Roles", "X-Key-Permissions", "X-Key-Meta"} {
				same(t, "", got.Get(header), "")
			}
			return
		}
		var list []string
		for item := range strings.SplitSeq(got.Get("X-Key-Permissions"), ",") {
			list = append(list, unescaped(item))
		}
		same(t, got.Get("X-Key-Permissions"), strings.Join(list, "|"), strings.Join(permissions, "|"))
		decoded, _ := base64.RawURLEncoding.DecodeString(got.Get("X-Key-Meta"))
		same(t, got.Get("X-Key-Meta"), string(decoded), string(meta))
	})
}

func unescaped(text string) string {
	plain, err := url.PathUnescape(text)
	if err != nil {
		return "can't be read: " + text
	}
	return plain
}

// same compares, where there was room.
func same(t *rapid.T, sent, got, want string) {
	t.Helper()
	if sent != "!" && got != want {
		t.Fatalf("got %q of %q, want %q", got, sent, want)
	}
}
