package leaks_test

import (
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"tollgate/keys"
	"tollgate/keys/keystest/leaks"
	"tollgate/keys/layout"

	"github.com/mr-tron/base58"
)

// Secrets of each kind that the program has.
var kinds = map[string]string{
	"a key":           "live_3ZQvT8cWm9XyKpLrNbHdGf",
	"a root key":      "tollgate_7f3a9c1e5b8d2046f1c7a9e3b5d80264aa11bb22cc33dd44ee55ff6600778899",
	"a setup key":     "A616097E-FCF0-48FA-9354-CA4A61142761",
	"an access token": "nbp_aB3dE6gH9jK2mN5pQ8sT1vW4yZ7cF0ABCDEF",
	"a sealing key":   "GiCq3vT1mYc0rWb9d8eFhJkLmNoPqRsTuVwXyZ012w==",
	"a password":      "correct-horse-battery-staple",
}

// disguised writes a secret down in every way that a program may come to.
func disguised(secret string) map[string]string {
	random := secret[strings.LastIndexByte(secret, '_')+1:]
	ways := map[string]string{
		"plain":                  secret,
		"without its prefix":     random,
		"its first 18":           random[:18],
		"its last 18":            random[len(random)-18:],
		"some of its middle":     random[1:19],
		"small":                  strings.ToLower(secret),
		"capital":                strings.ToUpper(secret),
		"hex":                    hex.EncodeToString([]byte(secret)),
		"capital hex":            fmt.Sprintf("%X", secret),
		"a Go slice":             fmt.Sprint([]byte(secret)),
		"a JSON array":           strings.ReplaceAll(fmt.Sprint([]byte(secret)), " ", ","),
		"percent":                "%" + strings.Join(strings.Split(fmt.Sprintf("% X", secret), " "), "%"),
		"a query":                url.Values{"key": {secret}}.Encode(),
		"a Go string in a quote": fmt.Sprintf("%q", fmt.Sprintf("%q", secret)),
		"a JSON string":          string(must(json.Marshal(map[string]string{"key": secret}))),
		"JSON escapes":           jsonEscaped(secret),
		"basic authorization":    base64.StdEncoding.EncodeToString([]byte("user:" + secret)),
		"a CBOR text":            string(append([]byte{0x78, byte(len(secret))}, secret...)),
	}
	for shift := range 3 {
		ways[fmt.Sprint("base64, shift ", shift)] = base64.StdEncoding.EncodeToString([]byte("abc"[:shift] + secret))
		ways[fmt.Sprint("base64 of URLs, shift ", shift)] = base64.RawURLEncoding.EncodeToString([]byte("abc"[:shift] + secret))
	}
	return ways
}

// Whatever the disguise, the leak is found, by its name and without being told itself.
func TestEachDisguiseIsFound(t *testing.T) {
	for kind, secret := range kinds {
		var c leaks.Canaries
		c.Add(kind, secret)
		for way, text := range disguised(secret) {
			found := c.Search("a log", []byte("level=info msg="+text+" took=1ms"))
			if len(found) == 0 || found[0].Secret != kind || found[0].Place != "a log" {
				t.Errorf("%s, %s: found %v", kind, way, found)
			}
			if strings.Contains(leaks.Lines(found), secret) {
				t.Errorf("%s: the report itself leaks", kind)
			}
		}
		if found := c.Search("a log", harmless()); found != nil {
			t.Errorf("%s was found where it is not: %v", kind, found)
		}
	}
}

func jsonEscaped(secret string) (text string) {
	for i := range len(secret) {
		text += fmt.Sprintf(`\u%04x`, secret[i])
	}
	return text
}

// The bytes behind the characters are the secret as well.
func TestTheBytesOfASecretAreFound(t *testing.T) {
	for kind, raw := range map[string][]byte{
		"a key":         must(base58.Decode("3ZQvT8cWm9XyKpLrNbHdGf")),
		"a root key":    must(hex.DecodeString("7f3a9c1e5b8d2046f1c7a9e3b5d80264aa11bb22cc33dd44ee55ff6600778899")),
		"a setup key":   must(hex.DecodeString("A616097EFCF048FA9354CA4A61142761")),
		"a sealing key": must(base64.StdEncoding.DecodeString(kinds["a sealing key"])),
	} {
		var c leaks.Canaries
		c.Add(kind, kinds[kind])
		for _, text := range [][]byte{raw, fmt.Appendf(nil, "%x", raw), fmt.Append(nil, raw), []byte(base64.StdEncoding.EncodeToString(raw))} {
			if c.Search("a dump", append([]byte("REDIS0011"), text...)) == nil {
				t.Errorf("%s: %q passed", kind, text)
			}
		}
	}
}

// harmless is what logs and dumps may hold of the keys: digests, starts, ids.
func harmless() (text []byte) {
	for _, secret := range kinds {
		name, _ := layout.RecordName(keys.NewSecret(secret).Digest())
		text = fmt.Appendf(text, "%s %s start=%s id=key_%s\n", name, keys.NewSecret(secret).Digest(), secret[:9], base58.Encode([]byte(name)))
	}
	return binary.BigEndian.AppendUint64(text, 1<<40)
}

// A key is found without being known, by its name in the store, as keys spells it.
func TestAKeyIsFoundByItsName(t *testing.T) {
	for kind, secret := range kinds {
		if kind == "a sealing key" || kind == "a password" {
			continue // the store does not name them
		}
		names := leaks.Names{}
		names.Learn(harmless())
		if len(names) != len(kinds) {
			t.Fatalf("%d names", len(names))
		}
		if found := names.Search("a log", harmless()); found != nil {
			t.Errorf("%s: found %v", kind, found)
		}
		for _, text := range []string{
			secret, "key=" + secret, `{"key":"` + secret + `"}`, "/v1/keys/" + secret + "?a=b", "x" + secret, "\x78\x41" + secret + "A\x00", "req_" + secret + "-1",
			hex.EncodeToString([]byte(secret)), strings.TrimRight(base64.StdEncoding.EncodeToString([]byte(secret)), "="), "Bearer " + secret,
		} {
			if found := names.Search("a log", []byte(text)); len(found) != 1 || strings.Contains(leaks.Lines(found), secret) {
				t.Errorf("%s in %q: found %v", kind, text, found)
			}
		}
	}
}

// A folder is searched for the keys that its files name: a leak is an error, and so is to
// know of no key.
func TestAFolder(t *testing.T) {
	write := func(dir, name, text string, mode os.FileMode) {
		t.Helper()
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), mode); err != nil {
			t.Fatal(err)
		}
	}
	dir, secret := t.TempDir(), kinds["a key"]
	name, _ := layout.RecordName(keys.NewSecret(secret).Digest())
	write(dir, "gateway.log", "nothing to see", 0o644)
	write(dir, "program", secret, 0o755)
	if r, err := leaks.Dir(dir); err != nil || r.Err() == nil || !strings.Contains(r.Err().Error(), "blind") {
		t.Errorf("a blind search: %v %v", r, err)
	}
	write(dir, "appendonlydir/1.aof", "*3\r\n$3\r\nSET\r\n$32\r\n"+name+"\r\n", 0o644)
	if r, err := leaks.Dir(dir); err != nil || r.Err() != nil || r.Keys != 1 || r.Files != 2 {
		t.Errorf("no leak: %+v %v", r, err)
	}
	write(dir, "redis.log", "a line\n"+secret+"\n", 0o644)
	r, err := leaks.Dir(dir)
	if err != nil || r.Err() == nil || len(r.Leaks) != 1 || r.Leaks[0].Place != "redis.log" {
		t.Errorf("a leak: %+v %v", r, err)
	}
}

func TestAShortSecretIsRefused(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("what is found would mean nothing")
		}
	}()
	new(leaks.Canaries).Add("a word", "short")
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}
