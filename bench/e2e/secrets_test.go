package e2e

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"io/fs"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// disguises lists the forms in which a secret could have been written down: as it is, in hex, in
// base64 at each of the three alignments, and the bytes behind its base58.
func disguises(secret string) map[string][]byte {
	random := secret[strings.LastIndexByte(secret, '_')+1:]
	forms := map[string][]byte{
		"plain": []byte(random), "hex": []byte(hex.EncodeToString([]byte(random))), "HEX": []byte(strings.ToUpper(hex.EncodeToString([]byte(random)))),
	}
	for shift := range 3 {
		core := random[shift : shift+(len(random)-shift)/3*3]
		forms["base64"+strings.Repeat("+", shift)] = []byte(base64.StdEncoding.EncodeToString([]byte(core)))
	}
	if raw := base58Bytes(random); len(raw) >= 16 {
		forms["bytes"] = raw
	}
	return forms
}

// base58Bytes is the number that the digits spell; nil when they are not base58.
func base58Bytes(text string) []byte {
	const alphabet = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
	n := new(big.Int)
	for _, r := range text {
		digit := strings.IndexRune(alphabet, r)
		if digit < 0 {
			return nil
		}
		n.Add(n.Mul(n, big.NewInt(58)), big.NewInt(int64(digit)))
	}
	return n.Bytes()
}

// TestSecretsLeaveOnce: the plaintext of a key is in its create answer and in no other answer, not
// in Redis's dump or append-only file, and not in what the gateways log at debug level. The same
// goes for the root key.
func TestSecretsLeaveOnce(t *testing.T) {
	g := gateAt(t, 0)
	duration := quietWindow()
	var answers [][]byte
	secrets := []string{world.RootKey}
	var ids []string
	ask := func(g gate, method, path string, body any) {
		answers = append(answers, g.call(method, path, body).raw)
	}
	for i, draft := range []object{
		{}, {"prefix": "live", "name": "secret", "meta": object{"a": 1}}, {"byteLength": 255},
		{"remaining": 2, "ratelimit": object{"limit": 3, "duration": duration}}, {"enabled": false},
	} {
		id, key := g.createKey(draft)
		secrets, ids = append(secrets, key), append(ids, id)
		for n := range 2 * gateways {
			ask(gateAt(t, n), "POST", "keys.verifyKey", object{"key": key, "tags": []string{"t"}})
		}
		for _, bad := range []object{
			{"key": key, "remaining": "x"}, {"key": key, "tags": []string{""}}, {"key": []string{key}}, {key: key},
			{"key": key, "ratelimits": []object{{"name": "unknown"}}}, {"key": key + "x"}, {"key": key, "authorization": object{"permissions": 7}},
		} {
			ask(g, "POST", "keys.verifyKey", bad)
		}
		answers = append(answers, misuse(t, g, key)...)
		ask(g, "GET", "keys.getKey?decrypt=true&keyId="+id, nil)
		ask(g, "POST", "keys.updateKey", object{"keyId": id, "name": "changed"})
		ask(g, "POST", "keys.updateRemaining", object{"keyId": id, "op": "set", "value": 7})
		if i%2 == 0 {
			ask(g, "POST", "keys.deleteKey", object{"keyId": id})
		}
	}
	if _, err := world.Do("SAVE"); err != nil {
		t.Fatal(err)
	}
	time.Sleep(200 * time.Millisecond) // for a log that is written behind the answers

	files := everythingWritten(t)
	for _, secret := range secrets {
		for form, needle := range disguises(secret) {
			for i, raw := range answers {
				if bytes.Contains(raw, needle) {
					t.Errorf("answer %d contains a secret (%s)", i, form)
				}
			}
			for name, text := range files {
				if bytes.Contains(text, needle) {
					t.Errorf("%s contains a secret (%s)", name, form)
				}
			}
		}
	}
	wantSighted(t, files, ids)
}

// misuse sends the secret where it does not belong: as a root key, in broken JSON, in a broken
// request, in a header nobody knows.
func misuse(t *testing.T, g gate, key string) (answers [][]byte) {
	t.Helper()
	addr := strings.TrimPrefix(g.url, "http://")
	for _, request := range []string{
		"GET /v1/keys.getKey?keyId=key_x HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer " + key + "\r\n\r\n",
		"GET /v1/keys.getKey?keyId=key_x HTTP/1.1\r\nHost: x\r\nAuthorization: " + key + "\r\n\r\n",
		"GET /v1/keys.getKey?keyId=key_x HTTP/1.1\r\nHost: x\r\nAuthorization : Bearer " + key + "\r\n\r\n",
		"GET /v1/keys.getKey?keyId=key_x HTTP/9.9\r\nHost x\r\nAuthorization: Bearer " + key + "\r\n\r\n",
		"POST /v1/keys.verifyKey HTTP/1.1\r\nHost: x\r\nX-Key: " + key + "\r\nContent-Length: oops\r\n\r\n{\"key\":\"" + key + "\"}",
		wireRequest("POST", "/v1/keys.verifyKey", `{"key":"`+key),
		wireRequest("POST", "/v1/keys.verifyKey", `{"key":"`+key+`"} trailing`),
		wireRequest("POST", "/v1/nobodyServesThis", `{"key":"`+key+`"}`),
	} {
		conn, err := net.Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		conn.SetDeadline(time.Now().Add(time.Second))
		conn.Write([]byte(request))
		conn.(*net.TCPConn).CloseWrite()
		answer := make([]byte, 64<<10)
		n, _ := conn.Read(answer)
		answers = append(answers, answer[:n])
		conn.Close()
	}
	return answers
}

// everythingWritten reads every file of the stack but the program.
func everythingWritten(t *testing.T) map[string][]byte {
	t.Helper()
	files := make(map[string][]byte)
	err := filepath.WalkDir(world.Dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.Type().IsRegular() || entry.Name() == "tollgate" {
			return err
		}
		name, _ := filepath.Rel(world.Dir, path)
		files[name], err = os.ReadFile(path)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// wantSighted makes sure that the search was not blind: what may be written down is found, in the
// dump, in the append-only file, and the gateways do log at debug level.
func wantSighted(t *testing.T, files map[string][]byte, ids []string) {
	t.Helper()
	found := make(map[string]bool)
	for name, text := range files {
		switch {
		case name == "dump.rdb":
			found["dump"] = bytes.Contains(text, []byte(ids[1]))
		case strings.HasPrefix(name, "appendonlydir"):
			found["append-only file"] = found["append-only file"] || bytes.Contains(text, []byte(ids[1]))
		case strings.HasPrefix(name, "gateway-"):
			found["log"] = found["log"] || bytes.Contains(bytes.ToLower(text), []byte("debug"))
		}
	}
	for _, place := range []string{"dump", "append-only file"} {
		if !found[place] {
			t.Errorf("the %s does not contain even the id of a key: this test looks in the wrong place", place)
		}
	}
	if !found["log"] {
		t.Error("no gateway logs at debug level: is TOLLGATE_LOG_LEVEL=debug obeyed?")
	}
}
