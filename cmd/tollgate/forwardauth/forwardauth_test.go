package forwardauth_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"tollgate/cmd/tollgate/policies"
	"tollgate/keys"
	"tollgate/keys/redisdb/redistest"
	"tollgate/ratelimit"
	"tollgate/verify/authz"

	"github.com/dunglas/httpsfv"
	"github.com/redis/go-redis/v9"
)

const patience = 10 * time.Second // a busy machine is not what is tested

func count(n int64) *int64 { return &n }

// Each outcome has the status of its profile, its code, and the headers that go with it.
func TestOutcomes(t *testing.T) {
	redistest.Each(t, func(t *testing.T, c redis.UniversalClient) {
		w := newWorld(t, c, patience, nil)
		other, err := w.store.CreateAPI(t.Context(), w.as, "other")
		if err != nil {
			t.Fatal(err)
		}
		limited := []ratelimit.Limit{{Name: "requests", Limit: 1, Duration: 60_000, AutoApply: true}}
		used := w.key(keys.KeyDraft{Limits: limited})
		question := "apiId=" + w.api
		w.exact(question, bearer(used)).is(t, 200, "")
		for _, c := range []struct {
			name          string
			key           keys.KeyDraft
			question      string
			status, nginx int
			code          string
			challenge     string
		}{
			{"disabled", keys.KeyDraft{Disabled: true}, question, 401, 401, "DISABLED", `error="invalid_token"`},
			{"expired", keys.KeyDraft{Expires: 1}, question, 401, 401, "EXPIRED", `error="invalid_token"`},
			{"another API", keys.KeyDraft{APIID: other.ID}, question, 403, 403, "FORBIDDEN", ""},
			{"permissions", keys.KeyDraft{}, question + "&permissions=b+OR+a", 403, 403, "INSUFFICIENT_PERMISSIONS", `error="insufficient_scope", scope="a b"`},
			{"credits", keys.KeyDraft{Remaining: count(0)}, question, 429, 403, "USAGE_EXCEEDED", ""},
		} {
			key := w.key(c.key)
			for profile, status := range map[string]int{"default": c.status, "nginx": c.nginx, "envoy": c.status} {
				a := w.exact(c.question+"&profile="+profile, bearer(key))
				a.is(t, status, c.code)
				if got := a.Header.Get("WWW-Authenticate"); strings.Contains(got, "Bearer realm=") != (c.challenge != "") || !strings.Contains(got, c.challenge) {
					t.Errorf("%s: challenge %q, want %q", c.name, got, c.challenge)
				}
				if a.Header.Get("Retry-After") != "" || a.Header.Get("X-Key-Id") != "" {
					t.Errorf("%s: %v", c.name, a.Header)
				}
				checkProblem(t, a, c.code)
			}
		}
		a := w.exact(question, bearer(used))
		a.is(t, 429, "RATE_LIMITED")
		wait, _ := strconv.Atoi(a.Header.Get("Retry-After"))
		list, err := httpsfv.UnmarshalList(a.Header.Values("RateLimit"))
		if err != nil || len(list) != 1 || wait < 1 || wait > 60 {
			t.Fatalf("%v: %v, Retry-After %d", a.Header, err, wait)
		}
		item := list[0].(httpsfv.Item)
		left, _ := item.Params.Get("r")
		reset, _ := item.Params.Get("t")
		if item.Value != "requests" || left != int64(0) || reset != int64(wait) {
			t.Errorf("RateLimit %v, Retry-After %d", item, wait)
		}
		w.exact(question+"&profile=nginx", bearer(used)).is(t, 403, "RATE_LIMITED")
		w.exact(question, "X-API-Key: nobody").is(t, 401, "NOT_FOUND")
		missing := w.exact(question)
		missing.is(t, 401, "MISSING_KEY")
		if got := missing.Header.Get("WWW-Authenticate"); got != `Bearer realm="tollgate"` {
			t.Errorf("without a key: %q", got)
		}
		w.exact(question, bearer(used), "X-API-Key: another").is(t, 400, "SEVERAL_KEYS")
		w.exact("apiId=*", bearer(w.key(keys.KeyDraft{APIID: other.ID}))).is(t, 200, "")
	})
}

func checkProblem(t *testing.T, a answer, code string) {
	t.Helper()
	var body authz.Problem
	if err := json.Unmarshal([]byte(a.body), &body); err != nil || string(body.Code) != code || body.Status != a.StatusCode || body.Title == "" || body.Detail == "" {
		t.Errorf("%v, %s", err, a.body)
	}
	if got := a.Header.Get("Content-Type"); got != authz.ProblemType {
		t.Errorf("a body of %q", got)
	}
}

// What allows has no body and all nine identity headers; every answer says that it is not to
// be stored.
func TestAnAnswerThatAllows(t *testing.T) {
	w := newWorld(t, redistest.Empty(t), patience, nil)
	key := w.key(keys.KeyDraft{Name: "ünï", ExternalID: "user 1", Meta: []byte(`{"a":1}`), Remaining: count(9), Roles: nil})
	for _, method := range []string{"GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PURGE"} {
		a := w.ask(method, "/forward-auth?apiId="+w.api+"&identity=full", bearer(key), "X-Tollgate-Root-Key: "+w.root, "Origin: https://example.com", "Access-Control-Request-Method: GET")
		a.is(t, 200, "")
		for _, name := range authz.IdentityHeaders() {
			if _, sent := a.Header[name]; !sent {
				t.Errorf("%s: no %s", method, name)
			}
		}
		if a.body != "" || a.ContentLength > 0 || a.Header.Get("Content-Type") != "" || a.Header.Get("Cache-Control") != "no-store" {
			t.Errorf("%s: %q, %v", method, a.body, a.Header)
		}
		if a.Header.Get("X-Key-Id") != key.ID || a.Header.Get("X-Key-Name") != "%C3%BCn%C3%AF" || a.Header.Get("X-Key-Owner") != "user 1" || a.Header.Get("X-Key-Meta") != "eyJhIjoxfQ" {
			t.Errorf("%s: %v", method, a.Header)
		}
	}
	if left := w.left(key.ID); left != 2 {
		t.Errorf("%d are left of 9 behind 7 methods", left)
	}
}

// A question that can't be asked, a root key that can't ask it, and a path that asks nothing
// are 500 with the reason, and spend nothing: a typo must not let everybody through.
func TestAWrongQuestionIs500(t *testing.T) {
	redistest.Each(t, func(t *testing.T, c redis.UniversalClient) {
		w := newWorld(t, c, patience, nil)
		key := w.key(keys.KeyDraft{Remaining: count(5)})
		root := "X-Tollgate-Root-Key: " + w.root
		for _, c := range []struct {
			path, root, says string
		}{
			{"/forward-auth", root, "/forward-auth/NAME"},
			{"/forward-auth?", root, "/forward-auth?apiId="},
			{"/forward-auth/", root, "policy"},
			{"/forward-auth/orders", root, "policy"},
			{"/forward-auth/orders/x?apiId=*", root, "policy"},
			{"/forward-auth?apiId=*&apiId=*", root, "apiId"},
			{"/forward-auth?apiId=*&api%49d=*", root, "apiId"},
			{"/forward-auth?apiId=*&costs=1", root, "costs"},
			{"/forward-auth?apiId=*&cost=x", root, "cost"},
			{"/forward-auth?apiId=*&ratelimit=none", root, "none"},
			{"/forward-auth?apiId=*&tag=" + strings.Repeat("t", authz.MaxQuestion), root, "too long"},
			{"/forward-auth?apiId=*", "A: b", "X-Tollgate-Root-Key"},
			{"/forward-auth?apiId=*", "X-Tollgate-Root-Key: unknown", "root key"},
			{"/forward-auth?apiId=*", "X-Tollgate-Root-Key: " + key.Secret.Reveal(), "root key"},
		} {
			a := w.ask("GET", c.path, bearer(key), c.root)
			a.is(t, 500, "MISCONFIGURED")
			if !strings.Contains(a.body, c.says) || strings.Contains(a.body, key.Secret.Reveal()) || strings.Contains(a.body, w.root) {
				t.Errorf("%.60s: %s does not say %s, or a secret", c.path, a.body, c.says)
			}
		}
		a := w.ask("GET", "/forward-auth?apiId=*", bearer(key), root, root)
		a.is(t, 500, "MISCONFIGURED")
		if left := w.left(key.ID); left != 5 {
			t.Errorf("%d are left of 5", left)
		}
	})
}

// A policy decides alone: neither the rest of the path, nor the query, nor the header of the
// root key, nor a path that another reader would make another policy of, changes what is asked.
func TestAPolicyDecidesAlone(t *testing.T) {
	redistest.Each(t, func(t *testing.T, c redis.UniversalClient) {
		set := policies.Policies{}
		w := newWorld(t, c, patience, set)
		set["strict"] = &policies.Policy{Question: &authz.Question{APIID: w.api, Cost: 2}, RootKey: keys.NewSecret(w.root)}
		set["loose"] = &policies.Policy{Question: &authz.Question{APIID: "*", Cost: 1}, RootKey: keys.NewSecret(w.root)}
		key := w.key(keys.KeyDraft{Remaining: count(1000)})
		spent := int64(0)
		for _, path := range []string{
			"/forward-auth/strict", "/forward-auth/strict/", "/forward-auth/strict?cost=0", "/forward-auth/strict/?apiId=*&cost=0&cost=0",
			"/forward-auth/strict/orders/1?x=%zz", "/forward-auth/strict/../loose", "/forward-auth/strict/%2e%2e/loose", "/forward-auth/strict//forward-auth/loose",
			"/forward-auth/strict/" + strings.Repeat("a/", 2000),
		} {
			a := w.ask("GET", path, bearer(key), "X-Tollgate-Root-Key: unknown", "X-Tollgate-Root-Key: twice")
			a.is(t, 200, "")
			spent += 2
			if left := w.left(key.ID); left != 1000-spent {
				t.Errorf("%.60s: %d spent, want %d", path, 1000-left, spent)
				spent = 1000 - left
			}
		}
		w.ask("GET", "/forward-auth?apiId=*&policy=loose", bearer(key), "X-Tollgate-Root-Key: "+w.root).is(t, 500, "MISCONFIGURED")
	})
}

// What the client asked for is believed from a trusted proxy alone, and only where its headers
// agree.
func TestTheURIOfATrustedProxy(t *testing.T) {
	set := policies.Policies{}
	w := newWorld(t, redistest.Empty(t), patience, set)
	set["query"] = &policies.Policy{Question: &authz.Question{APIID: w.api, Sources: []authz.Source{{Query: "key"}}}, RootKey: keys.NewSecret(w.root)}
	secret := w.key(keys.KeyDraft{}).Secret.Reveal()
	w.ask("GET", "/forward-auth/query", "X-Forwarded-Uri: /a?key="+secret).is(t, 200, "")
	w.ask("GET", "/forward-auth/query", "X-Original-Uri: /a?key="+secret, "X-Forwarded-Uri: /a?key="+secret).is(t, 200, "")
	w.ask("GET", "/forward-auth/query", "X-Original-Uri: /a?key="+secret, "X-Forwarded-Uri: /a").is(t, 401, "MISSING_KEY")
	w.ask("GET", "/forward-auth/query", "X-Forwarded-Uri: /a?key="+secret, "X-Forwarded-Uri: /b?key="+secret).is(t, 401, "MISSING_KEY")
	w.ask("GET", "/forward-auth/query?key="+secret).is(t, 401, "MISSING_KEY")

	stranger := &http.Transport{DialContext: (&net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 2)}}).DialContext}
	defer stranger.CloseIdleConnections()
	req, _ := http.NewRequestWithContext(t.Context(), "GET", w.url+"/forward-auth/query", nil)
	req.Header.Set("X-Forwarded-Uri", "/a?key="+secret)
	res, err := stranger.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	if res.StatusCode != http.StatusUnauthorized {
		t.Errorf("whoever is not trusted is answered %d", res.StatusCode)
	}
}

// Bodies are not read: an answer comes before the body does, however large it is and however
// it is encoded.
func TestBodiesAreNotRead(t *testing.T) {
	w := newWorld(t, redistest.Empty(t), patience, nil)
	conn, err := net.Dial("tcp", strings.TrimPrefix(w.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(patience))
	_, _ = fmt.Fprintf(conn, "PUT /forward-auth?apiId=* HTTP/1.1\r\nHost: x\r\nX-Tollgate-Root-Key: %s\r\nX-API-Key: %s\r\nContent-Encoding: gzip\r\nContent-Length: 99999999\r\n\r\n%s",
		w.root, w.key(keys.KeyDraft{}).Secret.Reveal(), strings.Repeat("x", 2048))
	res, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	if res.StatusCode != http.StatusOK || !res.Close {
		t.Errorf("answered %s, and the connection ends: %v", res.Status, res.Close)
	}
	_, _ = io.Copy(io.Discard, res.Body)
}

// Many callers of three gateways get exactly what a key has.
func TestForwardAuthIsExact(t *testing.T) {
	redistest.EachWithCluster(t, func(t *testing.T, c redis.UniversalClient) {
		w := newWorld(t, c, patience, nil)
		urls := []string{w.url, w.gateway(patience, nil), w.gateway(patience, nil)}
		key := w.key(keys.KeyDraft{Remaining: count(100)})
		var admitted, refused atomic.Int64
		var group sync.WaitGroup
		for i := range 30 {
			group.Go(func() {
				for range 10 {
					req, _ := http.NewRequestWithContext(t.Context(), "POST", urls[i%3]+"/forward-auth?apiId="+w.api, nil)
					req.Header.Set("X-Tollgate-Root-Key", w.root)
					req.Header.Set("X-API-Key", key.Secret.Reveal())
					res, err := http.DefaultTransport.RoundTrip(req)
					if err != nil {
						t.Error(err)
						return
					}
					res.Body.Close()
					switch res.StatusCode {
					case http.StatusOK:
						admitted.Add(1)
					case http.StatusTooManyRequests:
						refused.Add(1)
					default:
						t.Errorf("answered %s", res.Status)
					}
				}
			})
		}
		group.Wait()
		if admitted.Load() != 100 || refused.Load() != 200 {
			t.Errorf("%d of 100 admitted, %d refused", admitted.Load(), refused.Load())
		}
	})
}

// A store that does not answer is 503, in time.
func TestUndecidedIs503(t *testing.T) {
	server := redistest.Start(t)
	w := newWorld(t, server.Client(), 200*time.Millisecond, nil)
	key := w.key(keys.KeyDraft{})
	w.exact("apiId=*", bearer(key)).is(t, 200, "")
	server.Freeze()
	defer server.Thaw()
	began := time.Now()
	a := w.exact("apiId=*", bearer(key))
	a.is(t, 503, "UNAVAILABLE")
	checkProblem(t, a, "UNAVAILABLE")
	if took := time.Since(began); took > patience/2 || a.Header.Get("Retry-After") != "1" {
		t.Errorf("after %v, %v", took, a.Header)
	}
}

// Another workspace's key, and one that the root key may not verify, look like no key at all,
// and spend nothing.
func TestWorkspacesNeverMeet(t *testing.T) {
	redistest.EachWithCluster(t, func(t *testing.T, c redis.UniversalClient) {
		w := newWorld(t, c, patience, nil)
		key := w.key(keys.KeyDraft{Name: "hidden", Remaining: count(3)})
		unknown := w.exact("apiId="+w.api, "X-API-Key: unknown")
		other, err := w.store.Workspace(t.Context(), "other")
		if err != nil {
			t.Fatal(err)
		}
		_, foreign, err := w.store.CreateRootKey(t.Context(), other, keys.RootDraft{Grants: []string{keys.Everything}})
		if err != nil {
			t.Fatal(err)
		}
		for name, root := range map[string]string{"another workspace's": foreign.Reveal(), "without the right": w.rootKey("api.*.read_key")} {
			for _, api := range []string{w.api, "*"} {
				a := w.ask("GET", "/forward-auth?identity=full&apiId="+api, bearer(key), "X-Tollgate-Root-Key: "+root)
				a.is(t, 401, "NOT_FOUND")
				a.Header.Del("Date")
				unknown.Header.Del("Date")
				if a.body != unknown.body || fmt.Sprint(a.Header) != fmt.Sprint(unknown.Header) {
					t.Errorf("%s root key sees %v %s of a key that is there", name, a.Header, a.body)
				}
			}
		}
		if left := w.left(key.ID); left != 3 {
			t.Errorf("%d are left of 3", left)
		}
	})
}
