package netbird_test

import (
	"bytes"
	"fmt"
	"log/slog"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"tollgate/cmd/tollgate/netbird"
	"tollgate/keys"
	"tollgate/keys/redisdb/redistest"
	"tollgate/keys/setupkeys"

	"github.com/redis/go-redis/v9"
)

const (
	noToken  = "no valid authentication provided"
	badToken = "token invalid"
)

// Both schemes are taken in any case, with an access token and with any other root
// key; what is not there, or no root key, is 401 and never 404.
func TestAuthorization(t *testing.T) {
	g := newGate(t, redistest.Empty(t), netbird.Options{})
	workspace, err := g.store.Workspace(t.Context(), keys.DefaultWorkspace)
	must(t, err)
	id, plain, err := g.store.CreateRootKey(t.Context(), workspace, keys.RootDraft{Grants: []string{"setup_keys.*.read"}})
	must(t, err)
	_, over, err := g.store.CreateRootKey(t.Context(), workspace, keys.RootDraft{Grants: []string{keys.Everything}, Expires: time.Now().Add(time.Second).UnixMilli()})
	must(t, err)
	_, setup := g.create(`{"name":"n","type":"reusable"}`)
	token := strings.TrimPrefix(g.token, "Token ")
	for _, scheme := range []string{"Token ", "Bearer ", "TOKEN ", "bEaReR "} {
		for _, one := range []string{token, plain.Reveal()} {
			g.as(scheme+one).want(200, "GET", "/api/setup-keys", "")
		}
	}
	for header, message := range map[string]string{
		"": noToken, "Basic " + token: noToken, token: noToken, "Tokenx " + token: noToken, "Digest": noToken,
		"Token": badToken, "Bearer": badToken, "Token  " + token: badToken, "Token " + token + " x": badToken,
		"Token " + keys.NewAccessToken().Reveal(): badToken, "Bearer nobodys-root-key": badToken,
		"Token " + token[:39] + "!": badToken, "Token nbp_": badToken, "Token " + token + "0": badToken, "Bearer nbp_x": badToken,
		"Token " + setup: badToken, "Bearer eyJhbGciOiJIUzI1NiJ9.e30.x": badToken,
	} {
		if got := g.as(header).want(401, "GET", "/api/setup-keys", "").message(); got != message {
			t.Errorf("%.20q: %q, want %q", header, got, message)
		}
	}
	must(t, g.store.DeleteRootKey(t.Context(), workspace, id))
	g.as("Token "+plain.Reveal()).want(401, "GET", "/api/setup-keys", "")
	time.Sleep(1100 * time.Millisecond)
	g.as("Token "+over.Reveal()).want(401, "GET", "/api/setup-keys", "")
}

// An access token with a wrong checksum is refused without the store: where there
// is no store it is 401, and everything else 503, soon and in NetBird's words.
func TestTokensAreCheckedBeforeTheStore(t *testing.T) {
	server := redistest.Start(t)
	g := newGate(t, server.Client(), netbird.Options{})
	server.Kill()
	g.once = true
	g.as("Token "+strings.TrimPrefix(g.token, "Token ")[:39]+"!").want(401, "GET", "/api/setup-keys", "")
	for _, path := range []string{"/api/setup-keys", "/api/setup-keys/x", "/api/groups"} {
		start := time.Now()
		r := g.want(503, "GET", path, "")
		if took := time.Since(start); took > time.Second || r.header.Get("Retry-After") == "" || strings.Contains(r.raw, "not found") {
			t.Errorf("%v, %v, %s", took, r.header, r.raw)
		}
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// Every answer has its headers, refusals too, and a browser may ask from anywhere.
func TestHeaders(t *testing.T) {
	g := newGate(t, redistest.Empty(t), netbird.Options{})
	id, _ := g.create(`{"name":"n","type":"reusable"}`)
	xid := regexp.MustCompile(`^[0-9a-v]{20}$`)
	seen := map[string]bool{}
	const utf8, plain = "application/json; charset=UTF-8", "application/json"
	for _, row := range []struct {
		method, path, kind string
		status             int
	}{
		{"GET", "/api/setup-keys", utf8, 200}, {"GET", "/api/setup-keys/" + id, plain, 200}, {"GET", "/api/setup-keys/x", utf8, 404},
		{"GET", "/api/nothing", utf8, 404}, {"PATCH", "/api/setup-keys", utf8, 405}, {"POST", "/api/setup-keys", utf8, 400},
		{"DELETE", "/api/setup-keys/" + id, utf8, 200},
	} {
		r := g.want(row.status, row.method, row.path, "")
		name := r.header.Get("X-Request-Id")
		if !xid.MatchString(name) || seen[name] || r.header.Get("Vary") != "Origin" || r.header.Get("Access-Control-Allow-Origin") != "*" ||
			r.header.Get("Content-Type") != row.kind {
			t.Errorf("%s %s: %v", row.method, row.path, r.header)
		}
		seen[name] = true
	}
	r := g.as("").want(204, "OPTIONS", "/api/setup-keys", "", "Origin: https://app.example", "Access-Control-Request-Method: PUT",
		"Access-Control-Request-Headers: authorization, content-type")
	if r.header.Get("Access-Control-Allow-Origin") != "*" || !strings.Contains(r.header.Get("Access-Control-Allow-Methods"), "PUT") ||
		r.header.Get("Access-Control-Allow-Headers") != "authorization, content-type" || r.raw != "" {
		t.Errorf("%v", r.header)
	}
}

// What the dashboard, the Terraform provider and others send is taken, and reads
// as NetBird's own server reads it.
func TestShapesThatAreTaken(t *testing.T) {
	g := newGate(t, redistest.Empty(t), netbird.Options{})
	b, a := g.group("b"), g.group("a")
	for body, want := range map[string]map[string]any{
		`{"name":"dashboard","type":"reusable","expires_in":0,"revoked":false,"auto_groups":["` + b + `"],"usage_limit":null,"ephemeral":false,"allow_extra_dns_labels":false}`: {"usage_limit": 0, "expires": "0001-01-01T00:00:00Z", "auto_groups": []string{b}},
		`{"allow_extra_dns_labels":true,"auto_groups":["` + b + `","` + a + `"],"ephemeral":true,"expires_in":1800,"name":"terraform","type":"one-off","usage_limit":0}`:        {"usage_limit": 1, "ephemeral": true, "allow_extra_dns_labels": true, "auto_groups": []string{b, a}},
		`{"auto_groups":null,"expires_in":3600,"name":"go client","type":"reusable","usage_limit":0}`:                                                                           {"usage_limit": 0, "auto_groups": []string{}},
		`{"name":"revoked on create","type":"reusable","revoked":true,"key":"mine","id":"mine"}`:                                                                                {"revoked": false, "state": "valid"},
		`{"name":"unknown fields","type":"reusable","created_at":1,"x":{"y":[null,{"z":1e99}]}}`:                                                                                {"valid": true},
		`{"NAME":"any case","Type":"reusable","Usage_Limit":3,"expires_IN":60,"auto_groups":["` + a + `","` + b + `","` + a + `"]}`:                                             {"name": "any case", "usage_limit": 3, "auto_groups": []string{a, b, a}},
		`{"name":"nulls","type":"reusable","expires_in":null,"usage_limit":null,"auto_groups":null,"ephemeral":null,"allow_extra_dns_labels":null}`:                             {"usage_limit": 0, "ephemeral": false},
		"\n\t {\"name\":\"white \\u0073pace\",\"type\":\"one-off\",\"usage_limit\":1} \r\n":                                                                                     {"name": "white space", "usage_limit": 1},
		`{"name":"a second","type":"reusable","expires_in":1}`:                                                                                                                  {"state": "valid"},
		`{"name":"the most","type":"reusable","expires_in":3153600000,"usage_limit":9007199254740991}`:                                                                          {"usage_limit": 9007199254740991},
		`{"name":"` + strings.Repeat("é", 2048) + `","type":"reusable"}`:                                                                                                        {"name": strings.Repeat("é", 2048)},
		"{\"name\":\"\\u0000\\n{}:*<script>\u202e💻\",\"type\":\"reusable\"}":                                                                                                    {"name": "\x00\n{}:*<script>\u202e💻"},
	} {
		r := g.want(200, "POST", "/api/setup-keys", body)
		if r.has(t, want); len(r.body) != 15 {
			t.Errorf("%d members: %s", len(r.body), r.raw)
		}
		id, _ := r.body["id"].(string)
		g.want(200, "GET", "/api/setup-keys/"+id, "").has(t, want)
	}
	for _, kind := range []string{"", "text/plain", "application/x-www-form-urlencoded", "nonsense"} {
		g.want(200, "POST", "/api/setup-keys", `{"name":"n","type":"reusable"}`, "Content-Type: "+kind)
	}
	id, _ := g.create(`{"name":"n","type":"reusable"}`)
	g.want(200, "PUT", "/api/setup-keys/"+id, `{"name":"other","type":"one-off","auto_groups":["`+a+`"],"usage_limit":null,"ephemeral":true,"revoked":false}`).
		has(t, map[string]any{"name": "n", "type": "reusable", "auto_groups": []string{a}, "ephemeral": false})
	g.want(200, "DELETE", "/api/setup-keys/"+id, `""`)
}

// What can't be read is 400, whatever it is, and what is too large 413.
func TestBodiesThatAreRefused(t *testing.T) {
	g := newGate(t, redistest.Empty(t), netbird.Options{})
	id, _ := g.create(`{"name":"n","type":"reusable"}`)
	for _, body := range []string{
		"", " ", "x", `"x"`, "[]", "1", "{", `{"name":"n"`, `{"name":"n","type":"reusable"}x`, `{"name":"n","type":"reusable"}{}`,
		"\ufeff{}", "{\"name\":\"\xff\"}", `{"name":"n","name":"m","type":"reusable"}`, `{"name":1}`, `{"name":["n"]}`,
		`{"usage_limit":"1"}`, `{"usage_limit":1.5}`, `{"usage_limit":1e400}`, `{"usage_limit":NaN}`, `{"usage_limit":9223372036854775808}`,
		`{"expires_in":true}`, `{"auto_groups":"g"}`, `{"auto_groups":[1]}`, `{"auto_groups":{}}`, `{"ephemeral":1}`, `{"ephemeral":"true"}`,
		`{"x":` + strings.Repeat("[", 10_000) + strings.Repeat("]", 10_000) + `}`,
	} {
		for _, to := range []string{"POST /api/setup-keys", "PUT /api/setup-keys/" + id, "POST /api/setup-keys/redeem", "POST /api/groups"} {
			method, path, _ := strings.Cut(to, " ")
			r := g.do(method, path, body)
			if r.status != 400 && r.status != 422 { // a wrong type of a member that is not read there is ignored
				t.Errorf("%s %.60q: %d %s", to, body, r.status, r.raw)
			}
			if method+path == "POST/api/setup-keys" && (r.status != 400 || r.message() != "couldn't parse JSON request") {
				t.Errorf("%.60q: %s", body, r.raw)
			}
		}
	}
	g.want(413, "POST", "/api/setup-keys", `{"name":"`+strings.Repeat("n", 2<<20)+`"}`)
	g.want(415, "POST", "/api/setup-keys", "{}", "Content-Encoding: gzip")
	if list := g.want(200, "GET", "/api/setup-keys", "").list; len(list) != 1 {
		t.Errorf("%d keys", len(list))
	}
}

// hostile is what nobody should send, for any text.
var hostile = []string{
	"", " ", "\x00", "a\nb", "{}", "{x}", ":", "*", "tg:k:{00}x", "../../etc/passwd", "%00", "%2F", "💻", "\u202e", "null", "0",
	strings.Repeat("x", 5000), strings.Repeat("é", 3000), "9m4e2mr0ui3e8a215n4g", "' OR 1=1 --", "api_setup_x", "All",
}

// Nothing that is sent in any field, or in the place of any id, ends in a 5xx, and
// what is refused changes nothing.
func TestHostileInput(t *testing.T) {
	g := newGate(t, redistest.Empty(t), netbird.Options{})
	group := g.group("g")
	id, key := g.create(`{"name":"n","type":"reusable","auto_groups":["` + group + `"]}`)
	for _, text := range hostile {
		quoted := fmt.Sprintf("%q", text)
		if strings.ContainsAny(text, "\x00\u202e") {
			quoted = `"\u0000\u202e"`
		}
		for _, one := range []string{
			`POST /api/setup-keys {"name":` + quoted + `,"type":"x"}`,
			`POST /api/setup-keys {"name":"n","type":` + quoted + `}`,
			`POST /api/setup-keys {"name":"n","type":"reusable","auto_groups":[` + quoted + `]}`,
			`PUT /api/setup-keys/` + id + ` {"auto_groups":[` + quoted + `]}`,
			`POST /api/setup-keys/redeem {"key":` + quoted + `,"peer":"p"}`,
			`POST /api/setup-keys/redeem {"key":"` + key + `","peer":"p","extra_dns_labels":[` + quoted + `]}`,
			`GET /api/setup-keys/` + url.PathEscape(text) + `- `,
			`PUT /api/setup-keys/` + url.PathEscape(text) + `- {"auto_groups":[]}`,
			`DELETE /api/setup-keys/` + url.PathEscape(text) + `- `,
			`GET /api/setup-keys/` + url.PathEscape(text) + `-/redemptions `,
			`GET /api/setup-keys/` + id + `/redemptions?page=` + url.QueryEscape(text) + `x `,
			`GET /api/groups/` + url.PathEscape(text) + `- `,
			`PUT /api/groups/` + url.PathEscape(text) + `- {"name":"x"}`,
			`DELETE /api/groups/` + url.PathEscape(text) + `- `,
		} {
			method, rest, _ := strings.Cut(one, " ")
			path, body, _ := strings.Cut(rest, " ")
			if r := g.do(method, path, body); r.status < 400 || r.status > 499 {
				t.Errorf("%.200q: %d %s", one, r.status, r.raw)
			}
		}
	}
	for _, number := range []string{"-1", "9007199254740992", "9223372036854775807", "-9223372036854775808"} {
		g.want(422, "POST", "/api/setup-keys", `{"name":"n","type":"reusable","usage_limit":`+number+`}`)
		g.want(422, "POST", "/api/setup-keys", `{"name":"n","type":"reusable","expires_in":`+number+`}`)
		g.want(400, "GET", "/api/setup-keys/"+id+"/redemptions?page="+number, "")
		g.want(400, "GET", "/api/setup-keys/"+id+"/redemptions?page_size="+number, "")
	}
	g.want(422, "POST", "/api/setup-keys", `{"name":"n","type":"reusable","expires_in":3162240001}`)
	g.want(200, "GET", "/api/setup-keys/"+id, "").has(t, map[string]any{"used_times": 0, "auto_groups": []string{group}})
}

// With a range, a lifetime outside it is refused, and so is for ever.
func TestLifetimes(t *testing.T) {
	g := newGate(t, redistest.Empty(t), netbird.Options{Lifetimes: setupkeys.Lifetimes{Min: 86400, Max: 31536000}})
	for seconds, status := range map[string]int{"0": 422, "null": 422, "86399": 422, "86400": 200, "31536000": 200, "31536001": 422, "-1": 422} {
		g.want(status, "POST", "/api/setup-keys", `{"name":"n","type":"reusable","expires_in":`+seconds+`}`)
	}
}

// The log tells apart what the caller is not told, and no secret is in it.
func TestRefusalsAreLogged(t *testing.T) {
	var log lockedBuffer
	g := newGate(t, redistest.Empty(t), netbird.Options{Log: slog.New(slog.NewTextHandler(&log, nil))})
	id, key := g.create(`{"name":"n","type":"one-off"}`)
	redeem := func(key, peer string) reply {
		return g.do("POST", "/api/setup-keys/redeem", `{"key":"`+key+`","peer":"`+peer+`"}`)
	}
	redeem(key, "first")
	answers := map[string]bool{redeem(key, "late").raw: true}
	g.want(200, "PUT", "/api/setup-keys/"+id, `{"auto_groups":[],"revoked":true}`)
	answers[redeem(key, "later").raw] = true
	answers[redeem("00000000-0000-4000-8000-000000000000", "nobody").raw] = true
	if len(answers) != 1 {
		t.Errorf("the caller can tell them apart: %v", answers)
	}
	said := log.String()
	for _, want := range []string{
		"reason=overused setup_key=" + id + " peer=late", "reason=revoked setup_key=" + id + " peer=later", `reason=unknown setup_key="" peer=nobody`,
	} {
		if !strings.Contains(said, want) {
			t.Errorf("%s is not in the log:\n%s", want, said)
		}
	}
	if strings.Contains(said, key) || strings.Contains(said, "peer=first") {
		t.Errorf("the log tells too much:\n%s", said)
	}
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// 20 peers at once on three gateways, and a limit of 5: exactly 5.
func TestRedemptionStorm(t *testing.T) {
	redistest.EachWithCluster(t, func(t *testing.T, c redis.UniversalClient) {
		first := newGate(t, c, netbird.Options{})
		gates := []*gate{first, newGate(t, c, netbird.Options{}), newGate(t, c, netbird.Options{})}
		for round := range 10 {
			id, key := first.create(`{"name":"n","type":"reusable","usage_limit":5}`)
			var passed, refused atomic.Int64
			var all sync.WaitGroup
			for i := range 20 {
				all.Go(func() {
					switch gates[i%3].do("POST", "/api/setup-keys/redeem", fmt.Sprintf(`{"key":"%s","peer":"peer %d of round %d"}`, key, i, round)).status {
					case 200:
						passed.Add(1)
					case 404:
						refused.Add(1)
					}
				})
			}
			all.Wait()
			if passed.Load() != 5 || refused.Load() != 15 {
				t.Fatalf("round %d: %d passed, %d refused", round, passed.Load(), refused.Load())
			}
			gates[2].want(200, "GET", "/api/setup-keys/"+id, "").
				has(t, map[string]any{"used_times": 5, "state": "overused", "valid": false, "revoked": false})
		}
	})
}
