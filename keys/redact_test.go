package keys

import (
	"strings"
	"testing"
)

// Ids and short names are repeated, and of no secret more than its beginning.
func TestTold(t *testing.T) {
	secret, start := GenerateSecret("live", MinSecretBytes, false)
	for text, want := range map[string]string{
		"":                          "",
		"docs.readers":              "docs.readers",
		"key_unknown":               "key_unknown",
		"a name that is too long":   "a name t…",
		"ümläutümläutümläutümläut":  "ümläut…",
		strings.Repeat("\xff", 100): "…",
		secret.Text:                 secret.Text[:8] + "…",
		secret.Text[5:]:             secret.Text[5:13] + "…",
	} {
		if got := Redact(text); got != want {
			t.Errorf("%q is told as %q, want %q", text, got, want)
		}
	}
	for _, prefix := range []string{PrefixKey, PrefixAPI, PrefixWorkspace, PrefixPermission, PrefixRole, PrefixIdentity, PrefixNamespace, PrefixOverride} {
		if id := NewID(prefix); Redact(id) != id {
			t.Errorf("the id %s is told as %s", id, Redact(id))
		}
	}
	if strings.Contains(Redact(secret.Text), strings.TrimPrefix(secret.Text, start)[:8]) {
		t.Error("more is told than the beginning")
	}
	for range 1000 { // a key without a prefix, and one whose prefix is that of an id
		for _, prefix := range []string{"", PrefixKey} {
			if secret, _ := GenerateSecret(prefix, MinSecretBytes, false); Redact(secret.Text) == secret.Text {
				t.Fatal("a secret was told")
			}
		}
	}
}
