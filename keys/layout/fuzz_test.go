package layout

import (
	"strings"
	"testing"

	"tollgate/keys"
)

// A generated key begins with what is kept to show, and its prefix is what it was made with,
// whatever that is: a reroll keeps it.
func FuzzMint(f *testing.F) {
	for _, prefix := range []string{"", "live", "a_b", "_", "__", "a_", "_a", "é", "\xff", strings.Repeat("p", 300)} {
		f.Add(prefix, uint8(16), true)
		f.Add(prefix, uint8(255), false)
	}
	f.Fuzz(func(t *testing.T, prefix string, size uint8, header bool) {
		secret, start := keys.GenerateSecret(prefix, max(keys.MinSecretBytes, int(size)), header)
		k := &keys.Key{Start: start}
		k.SetSecretPrefix(prefix)
		if k.SecretPrefix() != prefix || !strings.HasPrefix(secret.Reveal(), start) || prefix != "" && !strings.HasPrefix(secret.Reveal(), prefix+"_") {
			t.Errorf("prefix %q: start %q, read back as %q", prefix, start, k.SecretPrefix())
		}
		if shown := len(start) - len(prefix); shown > keys.StartLength+1 {
			t.Errorf("%d characters are shown", shown)
		}
		name, shard := RecordName(secret.Digest())
		if !strings.HasPrefix(name, "tg:k:{"+shard+"}") || strings.Contains(name, secret.Reveal()[len(secret.Reveal())-8:]) {
			t.Errorf("the name %q", name)
		}
		if d, err := keys.ParseDigest(secret.Digest().String()); err != nil || !d.Equal(secret.Digest()) {
			t.Errorf("the digest reads back as %s, %v", d, err)
		}
	})
}
