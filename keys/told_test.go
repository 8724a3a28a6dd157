package keys

import (
	"strings"
	"testing"
)

// Ids and short names are repeated, and of no secret more than its beginning.
func TestTold(t *testing.T) {
	secret, start := mint("live", MinSecretBytes, false)
	for text, want := range map[string]string{
		"":                          "",
		"docs.readers":              "docs.readers",
		"key_unknown":               "key_unknown",
		"a name that is too long":   "a name t…",
		"ümläutümläutümläutümläut":  "ümläut…",
		strings.Repeat("\xff", 100): "…",
		secret.text:                 secret.text[:8] + "…",
		secret.text[5:]:             secret.text[5:13] + "…",
	} {
		if got := Told(text); got != want {
			t.Errorf("%q is told as %q, want %q", text, got, want)
		}
	}
	for _, prefix := range []string{prefixKey, prefixAPI, prefixWorkspace, prefixPermission, prefixRole, prefixIdentity, prefixNamespace, prefixOverride} {
		if id := NewID(prefix); Told(id) != id {
			t.Errorf("the id %s is told as %s", id, Told(id))
		}
	}
	if strings.Contains(Told(secret.text), strings.TrimPrefix(secret.text, start)[:8]) {
		t.Error("more is told than the beginning")
	}
	for range 1000 { // a key without a prefix, and one whose prefix is that of an id
		for _, prefix := range []string{"", prefixKey} {
			if secret, _ := mint(prefix, MinSecretBytes, false); Told(secret.text) == secret.text {
				t.Fatal("a secret was told")
			}
		}
	}
}
