package main

import (
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"tollgate/cmd/tollgate/forwardauth"
	"tollgate/cmd/tollgate/netbird"
	"tollgate/cmd/tollgate/policies"
	"tollgate/cmd/tollgate/unkeyv1"
	"tollgate/cmd/tollgate/unkeyv2"
	"tollgate/cmd/tollgate/web"
	"tollgate/cmd/tollgate/web/schema"
	"tollgate/keys"
	"tollgate/keys/setupkeys"
	"tollgate/keys/store"
	"tollgate/keys/usage"
	"tollgate/verify"
)

// serveAll is the router of every dialect.
func serveAll(store *store.Store, verifier *verify.Verifier) *web.Router {
	v1, v2, setup := unkeyv1.New(store, usage.NewReader(store, 0), verifier), unkeyv2.New(store, verifier), netbird.New(setupkeys.New(store), verifier, netbird.Options{})
	forward := forwardauth.New(verifier, new(policies.Current))
	router := web.NewRouter(v1.Dialect(), v2.Dialect(), setup.Dialect(), forward.Dialect())
	router.Add(v1.Dialect(), v1.Routes()...)
	router.Add(v2.Dialect(), v2.Routes()...)
	router.Add(setup.Dialect(), setup.Routes()...)
	router.Add(forward.Dialect(), forward.Routes()...)
	return router
}

// element is in a path the element of an array.
const element = "*"

// members calls visit for every member, at any depth, of what a request may be.
func members(d schema.Description, visit func(name string, member schema.Description)) {
	values(d, nil, func(path []string, value schema.Description) {
		if name := path[len(path)-1]; name != element {
			visit(name, value)
		}
	})
}

// values calls visit for every member, and every element of an array, of what a request
// may be, with the path to it.
func values(d schema.Description, path []string, visit func(path []string, value schema.Description)) {
	below := func(name string, value schema.Description) {
		at := append(slices.Clip(path), name)
		visit(at, value)
		values(value, at, visit)
	}
	properties, _ := d["properties"].(map[string]any)
	for _, name := range slices.Sorted(maps.Keys(properties)) {
		if one, ok := properties[name].(schema.Description); ok {
			below(name, one)
		}
	}
	if items, ok := d["items"].(schema.Description); ok {
		below(element, items)
	}
	either, _ := d["anyOf"].([]schema.Description)
	for _, one := range either {
		values(one, path, visit)
	}
}

// zeroMeans has every integer that a request may give as 0: on which routes, and what
// that means.
var zeroMeans = []struct{ name, routes, means string }{
	{"cost", "", "it looks and spends nothing"},
	{"remaining", "/v2/", "a balance that is used up"},
	{"remaining", "/v1/keys.updateKey", "a balance that is used up"},
	{"value", "", "a balance that is used up, or nothing more or less"},
	{"limit", "setOverride", "it blocks"},
	{"limit", "keys.verifyKey", "refused by the verifier"},
	{"duration", "keys.verifyKey", "refused by the verifier"},
	{"expiration", "rerollKey", "the old key ends at once"},
	{"start", "getVerifications", "the epoch"},
	{"end", "getVerifications", "the epoch"},
	{"offset", "/v1/apis/", "from the first"},
	{"expires_in", "/api/setup-keys", "never, as NetBird says it"},
	{"usage_limit", "/api/setup-keys", "unlimited, as NetBird says it"},
}

func mayBeZero(path, name string) bool {
	for _, z := range zeroMeans {
		if z.name == name && strings.Contains(path, z.routes) {
			return true
		}
	}
	return false
}

// No number of a request stands for "none" with 0, but where the dialect's own reference
// says so: expiries, refills, days, limits and lengths begin at 1.
func TestZeroIsNeverNone(t *testing.T) {
	seen := 0
	for _, r := range serveAll(nil, nil).Routes() {
		members(r.Request, func(name string, d schema.Description) {
			if d["type"] != "integer" {
				if kinds, ok := d["type"].([]string); !ok || kinds[0] != "integer" {
					return
				}
			}
			seen++
			least, ok := d["minimum"].(int64)
			if above, given := d["exclusiveMinimum"].(int64); given {
				least, ok = above+1, true
			}
			if !mayBeZero(r.Path, name) && (!ok || least < 1) {
				t.Errorf("%s %s: %s may be 0", r.Method, r.Path, name)
			}
		})
	}
	if seen < 40 {
		t.Errorf("only %d integers were looked at", seen)
	}
}

// endings are the calls that say when a key ends; @ stands for the moment. The key that is
// asked about later is the one that they make or change.
var endings = map[string]string{
	"POST /v1/keys.createKey":         `{"apiId":"{api}","expires":@}`,
	"POST /v1/keys":                   `{"apiId":"{api}","expires":@}`,
	"POST /v1/keys.updateKey":         `{"keyId":"{key}","expires":@}`,
	"POST /v1/migrations.createKeys":  `[{"apiId":"{api}","plaintext":"0123456789abcdef-#","expires":@}]`,
	"POST /v1/migrations.enqueueKeys": `{"migrationId":"m","apiId":"{api}","keys":[{"plaintext":"0123456789abcdef-#","expires":@}]}`,
	"POST /v2/keys.createKey":         `{"apiId":"{api}","expires":@}`,
	"POST /v2/keys.updateKey":         `{"keyId":"{key}","expires":@}`,
	"POST /v2/keys.migrateKeys":       `{"migrationId":"migration","apiId":"{api}","keys":[{"hash":"#","expires":@}]}`,
}

// Every route that says when a key ends refuses 0 and less, names the member and stores
// nothing; null and nothing at all are never; a moment that has passed ends the key.
func TestExpiresZeroIsRefused(t *testing.T) {
	w := newTown(t)
	operator := keys.Operator(w.ws).As()
	root := w.root(w.ws, keys.Everything)
	seen := 0
	for _, r := range unkeyRoutes() {
		says := false
		members(r.Request, func(name string, _ schema.Description) { says = says || name == "expires" })
		if !says {
			continue
		}
		seen++
		body, ok := endings[r.Method+" "+r.Path]
		if !ok {
			t.Errorf("%s %s says when a key ends and is not here", r.Method, r.Path)
			continue
		}
		ask := func(number, moment string) (int, string) {
			secret := keys.NewSecret(r.Path + number)
			text := strings.ReplaceAll(body, `"#"`, `"`+secret.Digest().String()+`"`)
			text = strings.ReplaceAll(strings.ReplaceAll(text, "#", number+r.Path), "@", moment)
			if moment == "" {
				text = strings.Replace(text, `,"expires":`, "", 1)
			}
			return w.ask(r, visit{with: text}, root)
		}
		for _, bad := range []string{"0", "-0", "-1", "-9007199254740991", "1e-400"} {
			before := w.stored()
			if status, answer := ask("bad", bad); status != http.StatusBadRequest || !strings.Contains(answer, "expires") {
				t.Errorf("%s with expires %s: %d %s", r.Path, bad, status, answer)
			}
			if len(before) != len(w.stored()) {
				t.Errorf("%s with expires %s stored something", r.Path, bad)
			}
		}
		for moment, want := range map[string]int64{"": 0, "null": 0, "1": 1} {
			if status, answer := ask("good"+moment, moment); status/100 != 2 {
				t.Errorf("%s with expires %q: %d %s", r.Path, moment, status, answer)
				continue
			}
			if moment == "" && strings.HasSuffix(r.Path, "updateKey") {
				continue // it leaves what is there
			}
			if got := w.newest(operator); got.Expires != want {
				t.Errorf("%s with expires %q: the key ends at %d", r.Path, moment, got.Expires)
			}
		}
	}
	if seen != len(endings) {
		t.Errorf("%d routes say when a key ends, %d are here", seen, len(endings))
	}
}

// newest is the key that was made or changed last.
func (w *town) newest(a keys.Access) *keys.Key {
	w.t.Helper()
	var last *keys.Key
	page := must(w.store.Keys(w.t.Context(), a, store.KeyQuery{APIID: w.has.Replace("{api}"), Limit: store.MaxPage}))
	for _, d := range page.Keys {
		if last == nil || max(d.Key.CreatedAt, d.Key.UpdatedAt) >= max(last.CreatedAt, last.UpdatedAt) {
			last = d.Key
		}
	}
	time.Sleep(2 * time.Millisecond) // the next one is newer
	return last
}
