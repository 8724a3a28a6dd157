package keys

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

const kindMigration definitionKind = "migration"

const prefixMigration = "migration"

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

var migrationIDs = regexp.MustCompile(`^[A-Za-z0-9_.:-]{3,255}$`)

// CreateMigration makes a migration with an id, or without one a new id. An id that
// is taken is KindConflict.
func (s *Store) CreateMigration(ctx context.Context, workspaceID, id, algorithm string) (*Migration, error) {
	if id == "" {
		id = NewID(prefixMigration)
	}
	switch {
	case !migrationIDs.MatchString(id):
		return nil, Invalidf("migrationId", "3 to 255 letters, digits and _.:-")
	case algorithm != SHA256 && algorithm != PrefixedAPIKey:
		return nil, Invalidf("algorithm", "%s or %s", SHA256, PrefixedAPIKey)
	}
	now, err := s.Now(ctx)
	if err != nil {
		return nil, err
	}
	m := &Migration{id, algorithm, now}
	c := newChange(workspaceID)
	c.unchanged(kindMigration, id, "")
	c.list(kindMigration, id)
	c.put(kindMigration, id, encodeDefinition(m))
	failed, _, err := s.apply(ctx, c)
	if err == nil && failed != 0 {
		return nil, Errorf(KindConflict, string(kindMigration), "migration %s already exists", Redact(id))
	}
	return m, err
}

// Migrations lists the migrations of a workspace.
func (s *Store) Migrations(ctx context.Context, workspaceID string, ask ListOptions) (Page[*Migration], error) {
	return pageOf(ctx, s.Catalog, workspaceID, kindMigration, ask, func(m *Migration) []string { return []string{m.ID} })
}

// migration reads a migration; KindNotFound without one.
func (s *Store) migration(ctx context.Context, ws, id string) (*Migration, error) {
	m, _, err := readDefinition[Migration](ctx, s.Catalog, ws, kindMigration, id)
	if err == nil && m == nil {
		err = Errorf(KindNotFound, string(kindMigration), "migration %s not found", Redact(id))
	}
	return m, err
}

// MigrationDraft describes a key of which a hash is known.
type MigrationDraft struct {
	KeyDraft
	Hash string
}

// MigrateKeys stores keys of which a migration's kind of hash is known, and gives
// their ids: "" for one whose hash is there already. It can be repeated.
func (s *Store) MigrateKeys(ctx context.Context, a Access, migrationID string, drafts []MigrationDraft) ([]string, error) {
	for _, d := range drafts {
		if err := a.check(d.APIID); err != nil {
			return nil, err
		}
	}
	m, err := s.migration(ctx, a.WorkspaceID, migrationID)
	if err != nil {
		return nil, err
	}
	imports := make([]ImportDraft, len(drafts))
	for i, d := range drafts {
		if imports[i], err = m.draft(a, d); err != nil {
			return nil, Within("keys", Within(strconv.Itoa(i), err))
		}
	}
	var ids []string
	for part := range slices.Chunk(imports, MaxImport) {
		more, err := s.ImportNewKeys(ctx, a, part)
		if err != nil {
			return nil, err
		}
		ids = append(ids, more...)
	}
	return ids, nil
}

// draft reads the hash.
func (m *Migration) draft(a Access, d MigrationDraft) (out ImportDraft, err error) {
	out.KeyDraft = d.KeyDraft
	if m.Algorithm == SHA256 {
		if out.Digest, err = ParseDigest(d.Hash); err != nil {
			return out, Invalidf("hash", "%s", err)
		}
		return out, out.check(a)
	}
	raw, err := hex.DecodeString(d.Hash)
	if err != nil || len(raw) != sha256.Size {
		return out, Invalidf("hash", "a SHA-256 digest is 64 hexadecimal digits")
	}
	out.Digest, out.Migration = Digest(raw), m.ID
	return out, out.check(a)
}

// partOf returns what a plaintext's hash was made of, and what may be shown of it.
func (m *Migration) partOf(secret Secret) (hashed Secret, start string, ok bool) {
	parts := strings.Split(secret.text, "_")
	n := len(parts)
	if m.Algorithm != PrefixedAPIKey || n < 3 || parts[n-1] == "" {
		return Secret{}, "", false
	}
	short := parts[n-2]
	start = strings.Join(append(parts[:n-2:n-2], short[:min(startLength, len(short))]), "_")
	return Secret{parts[n-1]}, start, true
}

// CompleteMigration gives a key that came with a migration's hash, if there is one, the place
// of its whole plaintext, which somebody presents for the first time: from then on
// it verifies like another. A key whose migration is not done verifies never: what
// its hash was made of is only a part of its secret.
func (s *Store) CompleteMigration(ctx context.Context, a Access, migrationID string, secret Secret) error {
	m, err := s.migration(ctx, a.WorkspaceID, migrationID)
	if err != nil {
		if AsError(err).Kind == KindNotFound {
			err = nil
		}
		return err
	}
	hashed, start, ok := m.partOf(secret)
	if !ok {
		return nil
	}
	old, err := s.loadAt(ctx, hashed.Digest().place())
	if err != nil || old == nil || !old.waitsFor(a, m) {
		return err
	}
	return s.move(ctx, old, &Moving{Digest: secret.Digest(), Start: start})
}

// waitsFor reports whether a key came with the migration, and the caller may see it.
func (old *stored) waitsFor(a Access, m *Migration) bool {
	k := old.key
	return k.WorkspaceID == a.WorkspaceID && k.Migration == m.ID && a.check(k.APIID) == nil
}
