package keys

import (
	"encoding/base64"
	"strings"
	"testing"
)

// What is read as a digest is 32 bytes, and is what it is written as.
func FuzzParseDigest(f *testing.F) {
	f.Add("n4bQgYhMfWWaL+qgxVrQFaO/TxsrC4Is0V1sFbDwCgg=")
	f.Add("n4bQgYhMfWWaL-qgxVrQFaO_TxsrC4Is0V1sFbDwCgg")
	f.Add("")
	f.Add("n4bQgYhMfWWaL+qgxVrQFaO/TxsrC4Is0V1sFbDwCg==")
	f.Fuzz(func(t *testing.T, text string) {
		d, err := ParseDigest(text)
		raw, wrong := base64.StdEncoding.DecodeString(text)
		if fits := wrong == nil && len(raw) == 32; fits != (err == nil) || fits && string(d[:]) != string(raw) {
			t.Fatalf("%q: %v", text, err)
		}
		if again, err := ParseDigest(d.String()); err != nil || again != d {
			t.Fatalf("%q reads back as %s, %v", text, again, err)
		}
	})
}

// An access token that is right is wrong with any of its characters changed.
func FuzzAccessToken(f *testing.F) {
	f.Add(accessPrefix+strings.Repeat("0", accessRandom)+checksum(strings.Repeat("0", accessRandom)), 3, byte('x'))
	f.Add("nbp_", 0, byte(0))
	f.Add("", 0, byte(0))
	f.Fuzz(func(t *testing.T, token string, at int, with byte) {
		right := token
		if !CheckAccessToken(token) {
			body := (token + strings.Repeat("0", accessRandom))[:accessRandom]
			if right = accessPrefix + body + checksum(body); !CheckAccessToken(right) || !IsAccessToken(right) {
				t.Fatalf("%q has the right checksum and is refused", right)
			}
		}
		changed := []byte(right)
		changed[uint(at)%uint(len(changed))] = with
		if string(changed) != right && CheckAccessToken(string(changed)) {
			t.Errorf("%q and %q are both right", right, changed)
		}
	})
}
