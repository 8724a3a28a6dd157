package e2e

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// request sends a body to a path, with headers in pairs.
func (v *vault) request(method, path string, body []byte, headers ...string) answer {
	return v.fetch(method, v.url+path, body, headers...)
}

func (v *vault) fetch(method, address string, body []byte, headers ...string) (a answer) {
	req, err := http.NewRequest(method, address, bytes.NewReader(body))
	if err != nil {
		return answer{err: err}
	}
	for i := 0; i < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	res, err := patient.Do(req)
	if err != nil {
		return answer{err: err}
	}
	defer res.Body.Close()
	a.status, a.header = res.StatusCode, res.Header
	a.raw, a.err = io.ReadAll(res.Body)
	_ = json.Unmarshal(a.raw, &a.body) // lists and texts are in raw
	return a
}

// post sends JSON with the root key, and takes any answer.
func (v *vault) post(path string, body any) answer {
	text, err := json.Marshal(body)
	if err != nil {
		return answer{err: err}
	}
	return v.request("POST", path, text, "Authorization", "Bearer "+world.RootKey, "Content-Type", "application/json")
}

// misuse sends a secret where it does not belong. What comes back is kept with all answers.
func (v *vault) misuse(secret string) {
	v.t.Helper()
	for _, request := range v.wrongPlaces(secret) {
		conn, err := net.Dial("tcp", v.addr)
		if err != nil {
			v.t.Fatal(err)
		}
		conn.SetDeadline(time.Now().Add(5 * time.Second))
		io.WriteString(conn, request)
		conn.(*net.TCPConn).CloseWrite()
		said, _ := io.ReadAll(conn)
		answers.keep(0, nil, said)
		conn.Close()
	}
}

// wrongPlaces are requests as they are sent, each with the secret in a place where none is wanted.
func (v *vault) wrongPlaces(secret string) (all []string) {
	all = append(wrongHeaders(secret), wrongTargets(secret)...)
	quoted, _ := json.Marshal(secret)
	fill := strings.NewReplacer("$S", string(quoted), "$RAW", secret, "$API", v.api, "$ID", v.ids[0])
	for path, bodies := range wrongBodies {
		for _, body := range bodies {
			all = append(all, wireRequest("POST", fill.Replace(path), fill.Replace(body)))
		}
	}
	return all
}

func wrongHeaders(secret string) (all []string) {
	verify := "POST /v1/keys.verifyKey HTTP/1.1\r\nHost: x\r\n"
	basic := base64.StdEncoding.EncodeToString([]byte("user:" + secret))
	for _, start := range []string{"GET /v1/keys.getKey?keyId=key_x", "POST /v2/keys.getKey", "GET /api/setup-keys", "GET /nowhere", "GET /readyz"} {
		for _, credential := range []string{"Bearer " + secret, secret, "Token " + secret, "Basic " + basic, "Bearer " + secret + " " + secret} {
			all = append(all, start+" HTTP/1.1\r\nHost: x\r\nAuthorization: "+credential+"\r\n\r\n")
		}
		all = append(all, start+" HTTP/1.1\r\nHost: x\r\nAuthorization : Bearer "+secret+"\r\n\r\n",
			start+" HTTP/9.9\r\nHost x\r\nAuthorization: Bearer "+secret+"\r\n\r\n",
			start+" HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer "+secret+"\r\nAuthorization: Bearer "+secret+"\r\n\r\n")
	}
	for _, name := range []string{"X-Key", "Cookie", "Content-Type", "Content-Length", "Content-Encoding", "Transfer-Encoding", "Expect", "True-Client-IP", "User-Agent", "Unkey-Request-Id", "Origin", "Access-Control-Request-Headers"} {
		all = append(all, verify+name+": "+secret+"\r\n\r\n{}")
	}
	return append(all,
		verify+secret+": x\r\n\r\n",
		verify+secret+"\r\n\r\n",
		"GET / HTTP/1.1\r\nHost: "+secret+"\r\n\r\n",
		secret+" /v1/keys.getKey HTTP/1.1\r\nHost: x\r\n\r\n",
		"GET / "+secret+"\r\nHost: x\r\n\r\n",
		secret+"\r\n\r\n",
		verify+"Transfer-Encoding: chunked\r\n\r\n"+secret+"\r\n\r\n",
		verify+"X-Long: "+strings.Repeat(secret, 2000)+"\r\n\r\n",
		"OPTIONS /v1/keys.verifyKey HTTP/1.1\r\nHost: x\r\nOrigin: http://"+secret+"\r\nAccess-Control-Request-Method: "+secret+"\r\n\r\n",
	)
}

func wrongTargets(secret string) (all []string) {
	escaped := url.QueryEscape(secret)
	for _, target := range []string{
		"/" + escaped, "/v1/" + escaped, "/v2/" + escaped, "/api/" + escaped, "/api/setup-keys/" + escaped, "/api/groups/" + escaped, "/" + escaped + "/v1/keys.getKey",
		"/v1/keys.getKey?keyId=" + escaped, "/v1/keys.getKey?" + escaped + "=1", "/v1/keys.getKey?keyId=key_x&" + escaped, "/v1/keys.getKey?decrypt=" + escaped + "&keyId=key_x",
		"/v1/apis.listKeys?apiId=" + escaped, "/v1/apis.listKeys?apiId=a&cursor=" + escaped, "/v1/apis.listKeys?apiId=a&limit=" + escaped, "/v1/identities.listIdentities?limit=" + escaped,
		"/v1/permissions.getRole?roleId=" + escaped, "/v1/keys.verifyKey?key=" + escaped, "/v2/keys.verifyKey?key=" + escaped, "/api/groups?name=" + escaped,
		"/v1/keys.getVerifications?keyId=" + escaped, "/v1/analytics.getVerifications?groupBy=" + escaped, "/metrics?key=" + escaped, "/readyz?key=" + escaped, "/openapi.json?key=" + escaped,
	} {
		all = append(all, wireRequest("GET", target, ""), wireRequest("DELETE", target, ""), wireRequest("PUT", target, "{}"))
	}
	return all
}

// wrongBodies have the secret, as a JSON string for $S and as it is for $RAW, in each kind of
// wrong place, by the path that they are sent to. None is stored by what it should do.
var wrongBodies = map[string][]string{
	"/v1/keys.verifyKey": {
		`{"key":$S`, `{"key":$S} trailing`, `$RAW`, `$S`, `[$S]`, `{"key":[$S]}`, `{$S:1}`, `{"key":$S,"key":$S}`, `{"key":"$RAW}`, `{"key":$S,"apiId":7}`, `{"key":$S,"remaining":"x"}`,
		`{"key":$S,"tags":[""]}`, `{"key":$S,"authorization":{"permissions":7}}`, `{"key":$S,"ratelimits":[{"name":$S}]}`, `{"key":$S,"authorization":{"permissions":{"and":[{$S:1}]}}}`,
		`{"key":"$RAW\u0000"}`, `{"key":"x$RAW"}`, `{"key":$S,"apiId":$S}`, `{"remaining":{"cost":$S}}`, `{"key":"\x$RAW"}`,
	},
	"/v1/keys.createKey":       {`{"apiId":$S}`, `{"apiId":"$API","byteLength":$S}`, `{"apiId":"$API","expires":$S}`, `{"apiId":"$API","refill":{"interval":$S,"amount":1}}`, `{"apiId":"$API","ratelimit":{"type":$S,"limit":1,"duration":1000}}`, `{"apiId":"$API","prefix":"$RAW$RAW$RAW$RAW"}`},
	"/v1/keys.deleteKey":       {`{"keyId":$S}`, `{"key":$S}`},
	"/v1/keys.updateKey":       {`{"keyId":$S,"name":"x"}`, `{"keyId":"$ID","roles":[{"id":$S}]}`, `{"keyId":"$ID","permissions":[{"name":$S,"create":7}]}`, `{"keyId":"$ID","enabled":$S}`},
	"/v1/keys.updateRemaining": {`{"keyId":"$ID","op":$S,"value":1}`, `{"keyId":$S,"op":"set","value":1}`},
	"/v1/keys.getKey":          {`{"keyId":$S}`},
	"/v1/keys.addRoles":        {`{"keyId":"$ID","roles":[{"id":$S}]}`, `{"keyId":"$ID","roles":[{"name":$S}]}`},
	"/v1/keys.setPermissions":  {`{"keyId":"$ID","permissions":[{"id":$S}]}`},
	"/v1/ratelimits.limit":     {`{"namespace":7,"identifier":$S}`, `{"identifier":"a","limit":$S,"duration":1000}`},
	"/v1/migrations.createKeys": {
		`[{"apiId":"$API","hash":{"value":$S,"variant":"sha256_base64"}}]`, `[{"apiId":$S,"plaintext":$S}]`, `[{"apiId":"$API","plaintext":$S,"hash":{"value":"n4bQgYhMfWWaL+qgxVrQFaO/TxsrC4Is0V1sFbDwCgg=","variant":"sha256_base64"}}]`,
		`[{"apiId":"$API","plaintext":$S,"expires":-1}]`, `[{"apiId":"$API","plaintext":$S,"roles":[$S]}]`, `[{"apiId":"$API","plaintext":[$S]}]`, `[{"apiId":"$API","hash":{"value":"n4bQgYhMfWWaL+qgxVrQFaO/TxsrC4Is0V1sFbDwCgg=","variant":$S}}]`,
	},
	"/v1/migrations.enqueueKeys": {`{"migrationId":$S,"apiId":$S,"keys":[{"plaintext":$S}]}`, `{"apiId":"$API","keys":[{"plaintext":$S}]}`},
	"/v1/nobodyServesThis":       {`{"key":$S}`},
	"/v2/keys.verifyKey": {
		`{"key":$S`, `{"key":$S} trailing`, `$RAW`, `$S`, `[$S]`, `{"key":[$S]}`, `{$S:1}`, `{"key":$S,$S:1}`, `{"key":$S,"permissions":$S}`, `{"key":$S,"permissions":"$RAW AND ("}`, `{"key":$S,"permissions":"( $RAW # )"}`,
		`{"key":$S,"credits":{"cost":$S}}`, `{"key":$S,"credits":{$S:1}}`, `{"key":$S,"ratelimits":[{"name":$S}]}`, `{"key":$S,"tags":[7]}`, `{"key":$S,"migrationId":$S}`, `{"key":"\u12$RAW"}`,
	},
	"/v2/keys.createKey":                {`{"apiId":$S}`, `{"apiId":"$API","roles":[$S]}`, `{"apiId":"$API","prefix":"$RAW $RAW"}`, `{"apiId":"$API","ratelimits":[{"name":$S}]}`, `{"apiId":"$API","credits":{"remaining":1,"refill":{"interval":$S,"amount":1}}}`, `{"apiId":"$API","permissions":["$RAW %"]}`},
	"/v2/keys.whoami":                   {`{"key":7}`, `{"keyId":$S}`, `{"key":$S,"x":1}`},
	"/v2/keys.getKey":                   {`{"keyId":$S}`, `{"key":$S}`, `{"keyId":$S,"decrypt":$S}`},
	"/v2/keys.rerollKey":                {`{"keyId":$S,"expiration":0}`, `{"keyId":"$ID","expiration":$S}`},
	"/v2/keys.addRoles":                 {`{"keyId":"$ID","roles":[$S]}`},
	"/v2/keys.setRoles":                 {`{"keyId":"$ID","roles":[$S]}`},
	"/v2/keys.removePermissions":        {`{"keyId":"$ID","permissions":["$RAW"]}`},
	"/v2/keys.migrateKeys":              {`{"migrationId":$S,"apiId":"$API","keys":[{"hash":"abc"}]}`, `{"migrationId":"mig_x","apiId":$S,"keys":[{"hash":"abc"}]}`},
	"/v2/apis.getApi":                   {`{"apiId":$S}`},
	"/v2/apis.listKeys":                 {`{"apiId":$S}`, `{"apiId":"$API","cursor":$S}`, `{"apiId":"$API","externalId":$S}`},
	"/v2/identities.getIdentity":        {`{"identity":$S}`},
	"/v2/identities.listIdentities":     {`{"cursor":$S}`, `{"limit":$S}`},
	"/v2/permissions.getRole":           {`{"role":$S}`},
	"/v2/permissions.deletePermission":  {`{"permission":$S}`},
	"/v2/ratelimit.getOverride":         {`{"namespace":$S,"identifier":$S}`},
	"/v2/ratelimit.limit":               {`{"namespace":"n","identifier":$S,"limit":0,"duration":1}`},
	"/v2/analytics.getVerifications":    {`{"query":"SELECT $RAW"}`},
	"/v2/nobodyServesThis":              {`{"key":$S}`},
	"/api/setup-keys":                   {`{"name":"","type":$S}`, `{"name":"n","type":"reusable","expires_in":$S}`, `{"name":"n","type":"reusable","expires_in":86400,"auto_groups":[$S],"usage_limit":0}`, `$RAW`, `{"key":$S`},
	"/api/setup-keys/redeem":            {`{"key":$S,"peer":7}`, `{"key":$S`, `{"peer":$S}`, `{"key":$S}`, `[$S]`, `{"key":$S,"peer":""}`},
	"/api/groups":                       {`{"name":7,"key":$S}`, `{"name":"","peers":[$S]}`},
	"/api/setup-keys/$RAW/redemptions":  {`{}`},
	"/v1/apis/$RAW/keys?key=$RAW#$RAW":  {`{}`},
	"//v1/keys.getKey?keyId=%ZZ&k=$RAW": {`{}`},
}

// commands runs those that give no secret, also with secrets where they do not belong.
func (v *vault) commands() {
	v.t.Helper()
	v.printed("root", "list")
	v.printed("api", "list")
	v.printed("role", "list")
	v.printed("migration", "list")
	v.printed("export", filepath.Join(world.Dir, "exported.jsonl"))
	v.printed("serve", "--addr", "nowhere", "--sealing-keyset", v.keyset)
	v.printed("serve", "--addr", "127.0.0.1:0", "--redis", "redis://:"+v.secrets[0]+"@127.0.0.1:1") // waits until it is ended
	for n, secret := range v.secrets {
		v.printed("root", "list", "--redis", "redis://:"+secret+"@"+world.RedisAddr)
		v.printed("root", "list", "--redis", "redis+sentinel://:"+secret+"%ZZ@a:1/m")
		v.printed("root", "list", "--redis", "redis+cluster://:"+secret+"@nowhere")
		v.printed("root", "delete", "--yes", secret)
		v.printed("api", "protect", secret)
		v.printed("role", "set-permissions", secret, "docs.read")
		broken := filepath.Join(v.t.TempDir(), fmt.Sprint(n, ".json"))
		for _, text := range []string{`{"key":[{"keyData":{"value":"` + secret, `{"tollgate":1,"workspace":"w"}` + "\n" + `{"key":"` + secret + "\n" + `{"end":true}` + "\n", secret} {
			if err := os.WriteFile(broken, []byte(text), 0o600); err != nil {
				v.t.Fatal(err)
			}
			v.printed("import", broken, "--workspace", fmt.Sprint("imported", n))
			v.printed("sealing", "rotate", broken)
			v.printed("serve", "--sealing-keyset", broken)
		}
	}
}
