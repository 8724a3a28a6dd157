package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"tollgate/cmd/tollgate/forwardauth"
	"tollgate/cmd/tollgate/netbird"
	"tollgate/cmd/tollgate/policies"
	"tollgate/cmd/tollgate/web"
	"tollgate/keys"
	"tollgate/keys/redisdb/redistest"
	"tollgate/keys/setupkeys"
	"tollgate/keys/store"
	"tollgate/verify"

	"github.com/valyala/fasthttp"
	"github.com/valyala/fasthttp/fasthttputil"
)

// fuzzed is a gateway with all dialects, inside the process, and one of everything to ask about.
type fuzzed struct {
	listener *fasthttputil.InmemoryListener
	routes   []web.Route
	root     string
	has      *strings.Replacer
}

func newFuzzed(f *testing.F, dialect string) *fuzzed {
	f.Helper()
	client := redistest.Shared(f).Client()
	store := store.Open(client, store.Options{Timeout: 10 * time.Second})
	verifier := verify.New(store, verify.Options{Timeout: 10 * time.Second})
	ws := must(store.Workspace(f.Context(), keys.DefaultWorkspace))
	a := keys.Operator(ws).As()
	api := must(store.CreateAPI(f.Context(), a, "fuzzed"))
	permission := must(store.CreatePermission(f.Context(), a, keys.PermissionDraft{Name: "docs.read"}))
	role := must(store.CreateRole(f.Context(), a, keys.RoleDraft{Name: "reader"}))
	identity := must(store.CreateIdentity(f.Context(), a, keys.IdentityDraft{ExternalID: "somebody"}))
	uses := int64(1 << 40)
	key := must(store.CreateKey(f.Context(), a, keys.KeyDraft{APIID: api.ID, Remaining: &uses, ExternalID: "somebody"}))
	must(store.SetOverride(f.Context(), a, keys.NamespaceRef{Name: "space", Create: true}, keys.Override{Identifier: "user", Limit: 9, Duration: 1000}))
	must(store.CreateMigration(f.Context(), ws, "migration", keys.SHA256))
	_, root, err := store.CreateRootKey(f.Context(), ws, keys.RootDraft{Grants: []string{keys.Everything}, Secret: keys.NewAccessToken()})
	if err != nil {
		f.Fatal(err)
	}
	router := everyDialect(store, verifier)
	z := &fuzzed{listener: fasthttputil.NewInmemoryListener(), root: root.Reveal()}
	for _, r := range router.Routes() {
		if r.Dialect().Name == dialect {
			z.routes = append(z.routes, r)
		}
	}
	z.has = strings.NewReplacer("{api}", api.ID, "{apiId}", api.ID, "{key}", key.ID, "{keyId}", key.ID, "{groupId}", "group", "{secret}", key.Secret.Reveal(),
		"{identity}", identity.ID, "{permission}", permission.ID, "{permission 2}", permission.ID, "{role}", role.ID, "{role 2}", role.ID, "{space}", "space")
	server := web.New(web.Config{DrainDelay: 1, Log: slog.New(slog.DiscardHandler)}, router)
	go func() { _ = server.Serve(z.listener) }()
	f.Cleanup(func() { _ = z.listener.Close() })
	return z
}

func everyDialect(store *store.Store, verifier *verify.Verifier) *web.Router {
	unkey := serveUnkey(store, verifier)
	setup := netbird.New(setupkeys.New(store), verifier, netbird.Options{Log: slog.New(slog.DiscardHandler)})
	forward := forwardauth.New(verifier, new(policies.Current))
	router := web.NewRouter(unkey.Routes()[0].Dialect(), dialects(unkey, setup.Dialect(), forward.Dialect())...)
	for _, r := range unkey.Routes() {
		router.Add(r.Dialect(), r)
	}
	router.Add(setup.Dialect(), setup.Routes()...)
	router.Add(forward.Dialect(), forward.Routes()...)
	return router
}

// ask sends bytes and reads what is answered.
func (z *fuzzed) ask(t *testing.T, request []byte, r *fasthttp.Response) {
	t.Helper()
	conn, err := z.listener.DialWithLocalAddr(&net.TCPAddr{IP: netip.MustParseAddr("127.0.0.1").AsSlice(), Port: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	go func() { _, _ = conn.Write(request) }() // a request that is refused is not read to its end
	_ = conn.SetReadDeadline(time.Now().Add(20 * time.Second))
	if err := r.Read(bufio.NewReader(conn)); err != nil {
		t.Fatalf("%.300q was not answered: %v", request, err)
	}
}

// request spells what a fuzzer made up, for a route. Lengths and the end of the head are right,
// or it would be the request gate that is fuzzed.
func (z *fuzzed) request(r web.Route, query, header string, body []byte) []byte {
	flat := strings.NewReplacer("\r", "", "\n", "", " ", "+", "#", "")
	target := z.has.Replace(r.Path)
	if query != "" {
		target += "?" + flat.Replace(z.has.Replace(query))
	}
	scheme := "Bearer "
	if r.Dialect().Name == "netbird" {
		scheme = "Token "
	}
	body = []byte(z.has.Replace(string(body)))
	head := fmt.Sprintf("%s %s HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n",
		r.Method, target, scheme+z.root, len(body))
	if header != "" {
		head += "X-Fuzzed: " + strings.NewReplacer("\r\n\r\n", "").Replace(header) + "\r\n"
	}
	return append([]byte(head+"\r\n"), body...)
}

// fuzzDialect holds a dialect to this: whatever is in a request's query, headers and body, it is
// answered in the dialect's own shape, and never as the program's or the store's fault.
func fuzzDialect(f *testing.F, name string, seeds map[string][]string, shape func(int, map[string]any) bool) {
	z := newFuzzed(f, name)
	for i, r := range z.routes {
		all := seeds[r.Method+" "+r.Path]
		if v, ok := visits[r.Method+" "+r.Path]; ok {
			all = append(all, v.with)
		}
		for _, with := range append(all, "", "{}", "[]", `{"cursor":"\u0000","limit":-1}`, "a=b&a=c&limit=%zz") {
			f.Add(uint16(i), with, "", []byte(with))
		}
	}
	f.Add(uint16(0), "", "a\r\nAuthorization: Bearer x", []byte("{}"))
	f.Add(uint16(0), "", "a\r\nContent-Encoding: gzip\r\nExpect: 100-continue", []byte("\x1f\x8b"))
	var res fasthttp.Response
	f.Fuzz(func(t *testing.T, route uint16, query, header string, body []byte) {
		if len(z.routes) == 0 || len(query)+len(header) > 8<<10 || len(body) > 64<<10 {
			return
		}
		r := z.routes[int(route)%len(z.routes)]
		if strings.Contains(r.Path, "deleteApi") { // there is nothing to ask about without it
			return
		}
		z.ask(t, z.request(r, query, header, body), &res)
		status, raw := res.StatusCode(), res.Body()
		var object map[string]any
		isObject := json.Unmarshal(raw, &object) == nil
		switch {
		case status >= 500 || status < 200:
			t.Errorf("%s %s?%q %q: %d %s", r.Method, r.Path, query, body, status, raw)
		case status >= 400 && (!isObject || !shape(status, object)):
			t.Errorf("%s %s?%q %q: %d in another shape: %s", r.Method, r.Path, query, body, status, raw)
		case status < 400 && len(raw) > 0 && !json.Valid(bytes.TrimSpace(raw)):
			t.Errorf("%s %s?%q %q: %d is no JSON: %s", r.Method, r.Path, query, body, status, raw)
		}
	})
}

func FuzzUnkeyV1(f *testing.F) {
	fuzzDialect(f, "unkey v1", map[string][]string{
		"POST /v1/migrations.createKeys": {
			`[{"apiId":"{api}","plaintext":"old_key_of_somebody"},{"apiId":"{api}","hash":{"value":"n4bQgYhMfWWaL+qgxVrQFaO/TxsrC4Is0V1sFbDwCgg=","variant":"sha256_base64"},"meta":{"a":[1e400]},"remaining":1}]`,
		},
		"POST /v1/keys.verifyKey": {`{"key":"{secret}","authorization":{"permissions":{"and":["a",{"or":["b"]}]}},"ratelimits":[{"name":"a","limit":1,"duration":1000}],"remaining":{"cost":0}}`},
	}, func(status int, body map[string]any) bool {
		e, _ := body["error"].(map[string]any)
		return len(body) == 1 && e["code"] != "" && e["message"] != "" && strings.HasPrefix(fmt.Sprint(e["requestId"]), "req_")
	})
}

func FuzzUnkeyV2(f *testing.F) {
	fuzzDialect(f, "unkey v2", map[string][]string{
		"POST /v2/keys.verifyKey":   {`{"key":"{secret}","permissions":"a AND (b OR c)","tags":["a=b"],"credits":{"cost":0},"ratelimits":[{"name":"x","cost":1,"limit":5,"duration":60000}]}`},
		"POST /v2/keys.migrateKeys": {`{"migrationId":"migration","apiId":"{api}","keys":[{"hash":"n4bQgYhMfWWaL+qgxVrQFaO/TxsrC4Is0V1sFbDwCgg=","credits":{"remaining":1},"expires":-1}]}`},
	}, func(status int, body map[string]any) bool {
		e, _ := body["error"].(map[string]any)
		m, _ := body["meta"].(map[string]any)
		return slices.Equal(slices.Sorted(maps.Keys(body)), []string{"error", "meta"}) && e["status"] == float64(status) && e["title"] != "" && e["detail"] != "" &&
			strings.HasPrefix(fmt.Sprint(e["type"]), "https://") && strings.HasPrefix(fmt.Sprint(m["requestId"]), "req_")
	})
}

func FuzzNetbird(f *testing.F) {
	fuzzDialect(f, "netbird", map[string][]string{
		"POST /api/setup-keys":         {`{"name":"n","type":"reusable","expires_in":86400,"auto_groups":[],"usage_limit":5,"ephemeral":true,"allow_extra_dns_labels":true}`},
		"POST /api/setup-keys/redeem":  {`{"key":"A616097E-FCF0-48FA-9354-CA4A61142761","peer":"p","extra_dns_labels":["a.b"]}`},
		"PUT /api/setup-keys/{keyId}":  {`{"revoked":true,"auto_groups":["x"]}`},
		"POST /api/groups":             {`{"name":"g","peers":[],"resources":[]}`},
		"PUT /api/groups/{groupId}":    {`{"name":"g"}`},
		"GET /api/groups":              {"name=All"},
		"DELETE /api/setup-keys/{key}": {""},
	}, func(status int, body map[string]any) bool {
		return len(body) == 2 && body["code"] == float64(status) && body["message"] != ""
	})
}
