package store

import (
	"context"
	"slices"
	"strconv"

	"tollgate/keys"
	"tollgate/keys/audit"
	"tollgate/keys/catalog"
	"tollgate/keys/layout"
)

// CreateMigration makes a migration with an id, or without one a new id. An id that
// is taken is KindConflict.
func (s *Store) CreateMigration(ctx context.Context, workspaceID, id, algorithm string) (made *keys.Migration, err error) {
	ctx, end := s.Audit.Begin(ctx, keys.Operator(workspaceID), audit.CreateMigration, audit.Resource{Type: "migration", ID: id})
	defer end(&err)
	if id == "" {
		id = keys.NewID(keys.PrefixMigration)
	}
	switch {
	case !keys.MigrationIDs.MatchString(id):
		return nil, keys.Invalidf("migrationId", "3 to 255 letters, digits and _.:-")
	case algorithm != keys.SHA256 && algorithm != keys.PrefixedAPIKey:
		return nil, keys.Invalidf("algorithm", "%s or %s", keys.SHA256, keys.PrefixedAPIKey)
	}
	now, err := s.Now(ctx)
	if err != nil {
		return nil, err
	}
	m := &keys.Migration{ID: id, Algorithm: algorithm, CreatedAt: now}
	c := catalog.NewChange(workspaceID)
	c.Unchanged(layout.KindMigration, id, "")
	c.List(layout.KindMigration, id)
	c.Put(layout.KindMigration, id, layout.EncodeDefinition(m))
	failed, _, err := s.Apply(ctx, c)
	if err == nil && failed != 0 {
		return nil, keys.Errorf(keys.KindConflict, string(layout.KindMigration), "migration %s already exists", keys.Redact(id))
	}
	return m, err
}

// Migrations lists the migrations of a workspace.
func (s *Store) Migrations(ctx context.Context, workspaceID string, ask catalog.ListOptions) (catalog.Page[*keys.Migration], error) {
	return catalog.PageOf(ctx, s.Catalog, workspaceID, layout.KindMigration, ask, func(m *keys.Migration) []string { return []string{m.ID} })
}

// migration reads a migration; KindNotFound without one.
func (s *Records) migration(ctx context.Context, ws, id string) (*keys.Migration, error) {
	m, _, err := catalog.ReadDefinition[keys.Migration](ctx, s.Catalog, ws, layout.KindMigration, id)
	if err == nil && m == nil {
		err = keys.Errorf(keys.KindNotFound, string(layout.KindMigration), "migration %s not found", keys.Redact(id))
	}
	return m, err
}

// MigrateKeys stores keys of which a migration's kind of hash is known, and gives
// their ids: "" for one whose hash is there already. It can be repeated.
func (s *Store) MigrateKeys(ctx context.Context, a keys.Access, migrationID string, drafts []keys.MigrationDraft) (all []string, err error) {
	ctx, end := s.Audit.Begin(ctx, a.Caller, audit.ImportKeys, audit.Resource{Type: "migration", ID: migrationID})
	defer end(&err)
	for _, d := range drafts {
		if err := a.Check(d.APIID); err != nil {
			return nil, err
		}
	}
	m, err := s.migration(ctx, a.WorkspaceID, migrationID)
	if err != nil {
		return nil, err
	}
	imports := make([]keys.ImportDraft, len(drafts))
	for i, d := range drafts {
		if imports[i], err = m.Draft(a, d); err != nil {
			return nil, keys.Within("keys", keys.Within(strconv.Itoa(i), err))
		}
	}
	var ids []string
	for part := range slices.Chunk(imports, keys.MaxImport) {
		more, err := s.ImportNewKeys(ctx, a, part)
		if err != nil {
			return nil, err
		}
		ids = append(ids, more...)
	}
	return ids, nil
}

// CompleteMigration moves a key that came with a migration's hash, if there is one, to the place
// of its whole plaintext, which somebody presents for the first time: from then on
// it verifies like another. A key whose migration is not done verifies never: what
// its hash was made of is only a part of its secret.
func (s *Store) CompleteMigration(ctx context.Context, a keys.Access, migrationID string, secret keys.Secret) error {
	m, err := s.migration(ctx, a.WorkspaceID, migrationID)
	if err != nil {
		if keys.AsError(err).Kind == keys.KindNotFound {
			err = nil
		}
		return err
	}
	hashed, start, ok := m.PartOf(secret)
	if !ok {
		return nil
	}
	old, err := s.LoadAt(ctx, layout.PlaceOf(hashed.Digest()))
	if err != nil || old == nil || !old.waitsFor(a, m) {
		return err
	}
	return s.move(audit.Exempt(ctx), old, &keys.Moving{Digest: secret.Digest(), Start: start}) // it stays the same key
}

// waitsFor reports whether a key came with the migration, and the caller may see it.
func (old *Record) waitsFor(a keys.Access, m *keys.Migration) bool {
	k := old.Key
	return k.WorkspaceID == a.WorkspaceID && k.Migration == m.ID && a.Check(k.APIID) == nil
}
