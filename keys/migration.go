package keys

import (
	"crypto/sha256"
	"encoding/hex"
	"regexp"
	"strings"
)

// MaxImport bounds how many keys one call of ImportKeys stores.
const MaxImport = 1000

// ImportDraft describes a key that is in use already. Its Prefix is that of its
// plaintext; SecretBytes and Header mean nothing.
type ImportDraft struct {
	KeyDraft
	Secret Secret // the plaintext, where it is known; it is sealed where the draft is Recoverable
	Digest Digest // otherwise the digest of it
	Start  string // what is shown to recognise it by

	Migration string // Digest is what that migration makes of a plaintext, not the plaintext's own
}

const PrefixMigration = "migration"

// The algorithms of migrations: how what is known of a key was made of its plaintext.
const (
	// SHA256 is the digest of the whole plaintext in base64: what Tollgate keeps itself.
	SHA256 = "sha256"
	// PrefixedAPIKey is that of seamapi's prefixed-api-key: PREFIX_SHORT_LONG, of which
	// the SHA-256 of LONG is known, in hexadecimal.
	PrefixedAPIKey = "github.com/seamapi/prefixed-api-key"
)

// Migration says how the hashes were made of keys that come from elsewhere.
type Migration struct {
	ID        string `cbor:"1,keyasint"` // unique in the workspace
	Algorithm string `cbor:"2,keyasint"`
	CreatedAt int64  `cbor:"3,keyasint"` // unix ms
}

var MigrationIDs = regexp.MustCompile(`^[A-Za-z0-9_.:-]{3,255}$`)

// Check refuses what no dialect may import.
func (d *ImportDraft) Check(a Access) error {
	switch {
	case d.Secret.Text == "" && d.Digest == Digest{}:
		return Invalidf("hash", "needs a hash or the plaintext")
	case d.Secret.Text == "" && d.Recoverable:
		return Invalidf("plaintext", "a recoverable key needs its plaintext")
	case len(d.Start) > MaxName:
		return Invalidf("start", "at most %d bytes", MaxName)
	}
	return d.KeyDraft.Check(a)
}

// Within says in which item of a list an input is wrong.
func Within(item string, err error) error {
	if e := AsError(err); e.Kind == KindInvalid {
		at := *e
		if at.Field = item; e.Field != "" {
			at.Field += "." + e.Field
		}
		return &at
	}
	return err
}

// MigrationDraft describes a key of which a hash is known.
type MigrationDraft struct {
	KeyDraft
	Hash string
}

// Draft reads the hash.
func (m *Migration) Draft(a Access, d MigrationDraft) (out ImportDraft, err error) {
	out.KeyDraft = d.KeyDraft
	if m.Algorithm == SHA256 {
		if out.Digest, err = ParseDigest(d.Hash); err != nil {
			return out, Invalidf("hash", "%s", err)
		}
		return out, out.Check(a)
	}
	raw, err := hex.DecodeString(d.Hash)
	if err != nil || len(raw) != sha256.Size {
		return out, Invalidf("hash", "a SHA-256 digest is 64 hexadecimal digits")
	}
	out.Digest, out.Migration = Digest(raw), m.ID
	return out, out.Check(a)
}

// PartOf returns what a plaintext's hash was made of, and what may be shown of it.
func (m *Migration) PartOf(secret Secret) (hashed Secret, start string, ok bool) {
	parts := strings.Split(secret.Text, "_")
	n := len(parts)
	if m.Algorithm != PrefixedAPIKey || n < 3 || parts[n-1] == "" {
		return Secret{}, "", false
	}
	short := parts[n-2]
	start = strings.Join(append(parts[:n-2:n-2], short[:min(StartLength, len(short))]), "_")
	return Secret{parts[n-1]}, start, true
}
