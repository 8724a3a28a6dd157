package keys

import (
	"strings"
	"testing"
)

// Ids and short names are repeated, and of no secret more than its beginning.
func TestTold(t *testing.T) {
	secret, start := newSecret("live", MinSecretBytes, false)
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
		if got := Redact(text); got != want {
			t.Errorf("%q is told as %q, want %q", text, got, want)
		}
	}
	for _, prefix := range []string{prefixKey, prefixAPI, prefixWorkspace, prefixPermission, prefixRole, prefixIdentity, prefixNamespace, prefixOverride} {
		if id := NewID(prefix); Redact(id) != id {
			t.Errorf("the id %s is told as %s", id, Redact(id))
		}
	}
	if strings.Contains(Redact(secret.text), strings.TrimPrefix(secret.text, start)[:8]) {
		t.Error("more is told than the beginning")
	}
	for range 1000 { // a key without a prefix, and one whose prefix is that of an id
		for _, prefix := range []string{"", prefixKey} {
			if secret, _ := newSecret(prefix, MinSecretBytes, false); Redact(secret.text) == secret.text {
				t.Fatal("a secret was told")
			}
		}
	}
}
