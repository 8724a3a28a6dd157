package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"tollgate/keys/keystest/leaks"
)

// A vault is a gateway that seals, and all the secrets that a test knows of.
type vault struct {
	gate
	t        *testing.T
	addr     string
	metrics  string
	grpc     string // where Envoy asks
	keyset   string
	canaries leaks.Canaries
	secrets  []string // that a request can carry
	ids      []string // of keys, which may be written down
	api      string
}

// newVault starts a gateway that also opens what is recoverable, logs JSON and counts.
func newVault(t *testing.T) *vault {
	t.Helper()
	v := &vault{t: t, keyset: filepath.Join(t.TempDir(), "keyset.json")}
	v.command("", "sealing", "create", v.keyset)
	v.command("", "sealing", "rotate", v.keyset)
	gateway, err := world.StartGateway("--sealing-keyset", v.keyset, "--metrics-addr", "127.0.0.1:0", "--grpc-addr", "127.0.0.1:0", "--log-format", "json")
	if err != nil {
		t.Fatal(err)
	}
	v.gate, v.addr = gate{t: t, url: gateway.URL}, gateway.Addr
	log, err := os.ReadFile(gateway.LogPath)
	if err != nil {
		t.Fatal(err)
	}
	said := func(what string) string {
		found := regexp.MustCompile(`"` + what + `","addr":"([^"]*)"`).FindSubmatch(log)
		if found == nil {
			t.Fatal("it does not say where: ", what)
		}
		return string(found[1])
	}
	v.metrics, v.grpc = said("metrics"), said("listening for ext_authz")
	v.api = v.createAPI()
	return v
}

// command runs another command of the program, and gives what it printed.
func (v *vault) command(secret string, args ...string) string {
	v.t.Helper()
	ctx, cancel := context.WithTimeout(v.t.Context(), 2*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, world.Binary(), args...)
	cmd.Env = append(os.Environ(), "TOLLGATE_REDIS_URL="+world.RedisURL(), "TOLLGATE_ROOT_KEY="+secret)
	out, _ := cmd.CombinedOutput() // some have to fail
	return strings.TrimSpace(string(out))
}

// printed runs a command whose output may hold no secret, and keeps it.
func (v *vault) printed(args ...string) {
	v.t.Helper()
	answers.keep(0, nil, []byte(v.command("", args...)))
}

// knows adds a secret to what is looked for and to what is sent about.
func (v *vault) knows(name, secret string) string {
	v.canaries.Add(fmt.Sprintf("%s, %d", name, v.canaries.Len()), secret)
	v.secrets = append(v.secrets, secret)
	return secret
}

// ask sends JSON to any path with a root key, and returns the answer's object.
func (v *vault) ask(rootKey, method, path string, body any) object {
	v.t.Helper()
	text, err := json.Marshal(body)
	if err != nil {
		v.t.Fatal(err)
	}
	scheme := "Bearer "
	if strings.HasPrefix(path, "/api/") {
		scheme = "Token "
	}
	a := v.request(method, path, text, "Authorization", scheme+rootKey, "Content-Type", "application/json")
	if a.status > 299 {
		v.t.Fatalf("%s %s: %s", method, path, a)
	}
	if data, ok := a.body["data"].(object); ok {
		return data
	}
	return a.body
}

func text(o object, name string) string { s, _ := o[name].(string); return s }

// customers makes keys in every way that there is.
func (v *vault) customers() {
	v.t.Helper()
	root := world.RootKey
	for _, draft := range []object{
		{}, {"prefix": "live", "name": "secret", "meta": object{"a": 1}}, {"byteLength": 255}, {"enabled": false},
		{"remaining": 2, "ratelimit": object{"limit": 3, "duration": quietWindow()}}, {"recoverable": true, "prefix": "sealed"},
	} {
		draft["apiId"] = v.api
		made := v.ask(root, "POST", "/v1/keys.createKey", draft)
		v.made("v1's key", made)
	}
	for _, draft := range []object{
		{}, {"prefix": "live", "byteLength": 32}, {"recoverable": true}, {"credits": object{"remaining": 1}, "externalId": "user_leaks"},
	} {
		draft["apiId"] = v.api
		made := v.ask(root, "POST", "/v2/keys.createKey", draft)
		v.made("v2's key", made)
		v.made("a rerolled key", v.ask(root, "POST", "/v2/keys.rerollKey", object{"keyId": made["keyId"], "expiration": 60_000}))
	}
	plaintext := v.knows("a migrated key", "old_"+strings.Repeat("9fQ2xLw7", 4))
	v.ask(root, "POST", "/v1/migrations.createKeys", []object{{"apiId": v.api, "plaintext": plaintext}})
	queued := v.knows("a queued key", "old_"+strings.Repeat("k3Vb8TzR", 4))
	v.ask(root, "POST", "/v1/migrations.enqueueKeys", object{"migrationId": "m", "apiId": v.api, "keys": []object{{"plaintext": queued}}})
}

func (v *vault) made(name string, answer object) {
	v.t.Helper()
	v.knows(name, text(answer, "key"))
	v.ids = append(v.ids, text(answer, "keyId"))
}

// operators makes root keys on the command line, and what NetBird calls a setup key.
func (v *vault) operators() {
	v.t.Helper()
	v.knows("a root key of the command line", v.command("", "root", "create", "--name", "leaks", "--permission", "*"))
	token := v.knows("an access token", v.command("", "root", "create", "--format", "netbird", "--permission", "*"))
	for _, kind := range []string{"reusable", "one-off"} {
		made := v.ask(token, "POST", "/api/setup-keys", object{"name": kind, "type": kind, "expires_in": 86400, "auto_groups": []string{}, "usage_limit": 0})
		setup := v.knows("a setup key", text(made, "key"))
		v.ask(token, "POST", "/api/setup-keys/redeem", object{"key": setup, "peer": "peer_" + kind})
		v.ask(token, "GET", "/api/setup-keys/"+text(made, "id"), nil)
		v.ask(token, "GET", "/api/setup-keys/"+text(made, "id")+"/redemptions", nil)
		v.ask(token, "PUT", "/api/setup-keys/"+text(made, "id"), object{"revoked": true, "auto_groups": []string{}})
	}
	v.ask(token, "GET", "/api/setup-keys", nil)
	v.knows("the root key", world.RootKey)
}

// settings adds what gateways are configured with.
func (v *vault) settings() {
	v.t.Helper()
	var keyset struct {
		Key []struct{ KeyData struct{ Value string } }
	}
	file, err := os.ReadFile(v.keyset)
	if err == nil {
		err = json.Unmarshal(file, &keyset)
	}
	if err != nil || len(keyset.Key) != 2 {
		v.t.Fatal("the keyset has another form: ", err)
	}
	for _, k := range keyset.Key {
		v.canaries.Add("a sealing key", k.KeyData.Value)
	}
	v.canaries.Add("Redis's password", world.Password())
	v.secrets = append(v.secrets, world.Password())
}

// TestSecretsLeaveOnce: a secret of any kind is in the answer that gives it, and in no other one,
// whatever is done with it: not in what an endpoint answers, a command prints, a gateway logs at
// debug level or counts, and not in Redis's dump and append-only file.
func TestSecretsLeaveOnce(t *testing.T) {
	v := newVault(t)
	v.customers()
	v.operators()
	v.settings()
	v.use()
	for _, secret := range v.secrets {
		v.misuse(secret)
	}
	v.asksByEnvoy()
	v.commands()
	for _, address := range []string{"http://" + v.metrics + "/metrics", v.url + "/openapi.json", v.url + "/readyz"} {
		if a := v.fetch("GET", address, nil); a.status != 200 {
			t.Errorf("%s: %s", address, a)
		}
	}
	if _, err := world.Do("SAVE"); err != nil {
		t.Fatal(err)
	}
	time.Sleep(200 * time.Millisecond) // for a log that is written behind the answers
	t.Logf("looked for %d secrets, sent to %d wrong places each", v.canaries.Len(), len(v.wrongPlaces("x")))
	if found := v.search(); len(found) > 0 {
		t.Errorf("%s", leaks.Lines(found))
	}
	v.wantSighted()
}

// search looks for the canaries in every file of the stack.
func (v *vault) search() (found []leaks.Leak) {
	v.t.Helper()
	files, err := leaks.Files(world.Dir)
	if err != nil {
		v.t.Fatal(err)
	}
	for name, text := range files {
		found = append(found, v.canaries.Search(name, text)...)
	}
	return found
}

// use has each secret verified, read and changed as it should be.
func (v *vault) use() {
	for _, secret := range v.secrets {
		for n := range gateways {
			gateAt(v.t, n).call("POST", "keys.verifyKey", object{"key": secret, "tags": []string{"t"}})
		}
		v.post("/v2/keys.verifyKey", object{"key": secret, "permissions": "docs.read"})
		v.post("/v2/keys.whoami", object{"key": secret})
	}
	for _, id := range v.ids {
		v.call("GET", "keys.getKey?keyId="+id, nil)
		v.call("GET", "keys.getKey?decrypt=true&keyId="+id, nil)
		v.post("/v2/keys.getKey", object{"keyId": id})
		v.post("/v2/keys.getKey", object{"keyId": id, "decrypt": true})
		v.call("POST", "keys.updateKey", object{"keyId": id, "name": "changed"})
		v.post("/v2/keys.updateCredits", object{"keyId": id, "operation": "set", "value": 7})
	}
	v.call("GET", "apis.listKeys?decrypt=true&apiId="+v.api, nil)
	v.call("GET", "apis.listKeys?apiId="+v.api, nil)
	v.post("/v2/apis.listKeys", object{"apiId": v.api})
	for _, id := range v.ids[:2] {
		v.call("POST", "keys.deleteKey", object{"keyId": id})
	}
}

// wantSighted makes sure that the search was not blind: what may be written down is found in the
// dump and in the append-only file, the gateways do log at debug level, and a secret that is
// planted is found, with the list of secrets and without.
func (v *vault) wantSighted() {
	v.t.Helper()
	files, err := leaks.Files(world.Dir)
	if err != nil {
		v.t.Fatal(err)
	}
	sighted := map[string]bool{}
	for name, text := range files {
		place, needle := filepath.Base(name), v.ids[0]
		switch {
		case strings.Contains(name, "appendonlydir"):
			place = "appendonly"
		case strings.HasPrefix(name, "gateway-"):
			needle = "DEBUG"
		}
		sighted[place] = sighted[place] || bytes.Contains(text, []byte(needle))
	}
	for _, place := range []string{"dump.rdb", "appendonly", "answers.log", "gateway-1.log", filepath.Base(world.Gateways[len(world.Gateways)-1].LogPath)} {
		if !sighted[place] {
			v.t.Errorf("%s does not have what may be in it: this test looks in the wrong place", place)
		}
	}
	if report, err := leaks.Dir(world.Dir); err != nil || report.Err() != nil {
		v.t.Errorf("%v %v", err, report.Err())
	}
	planted := filepath.Join(world.Dir, "planted.log")
	defer os.Remove(planted)
	if err := os.WriteFile(planted, []byte("key="+v.secrets[0]), 0o600); err != nil {
		v.t.Fatal(err)
	}
	if len(v.search()) == 0 {
		v.t.Error("a planted secret was not found by the list")
	}
	if report, err := leaks.Dir(world.Dir); err != nil || len(report.Leaks) != 1 {
		v.t.Errorf("a planted secret was not found by its name in the store: %s %v", report, err)
	}
}
