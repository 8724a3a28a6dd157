package setupkeys

import (
	"context"

	"tollgate/keys"
	"tollgate/keys/catalog"
	"tollgate/keys/layout"
	"tollgate/keys/store"
)

// SetupKey is a setup key as it stands.
type SetupKey struct {
	*keys.Key
	State     keys.SetupState
	UsedTimes int64 // redemptions, and what earlier releases verified
	LastUsed  int64 // unix ms of the last of them; 0 for never
}

// setupKeyOf describes what was read.
func setupKeyOf(found *store.Record) *SetupKey {
	return &SetupKey{
		Key: found.Key, State: found.Key.SetupState(found.State.Balance, found.Now),
		UsedTimes: found.Key.Setup.Capacity() - found.State.Balance,
	}
}

// APIID is the id of the managed API that the setup keys of a workspace belong to, which
// names the list that they are in.
func APIID(workspaceID string) string { return keys.ManagedAPIID(workspaceID, "setup") }

// makeSetupAPI makes the workspace's API of setup keys where it is not there yet.
// Its id was known before, so somebody may remember that there was none.
func (s *Keys) makeSetupAPI(ctx context.Context, workspaceID string) error {
	id := APIID(workspaceID)
	api, _, err := catalog.ReadDefinition[keys.API](ctx, s.Catalog, workspaceID, layout.KindAPI, id)
	if err != nil || api != nil {
		return err
	}
	now, err := s.Now(ctx)
	if err != nil {
		return err
	}
	c := catalog.NewChange(workspaceID)
	c.Unchanged(layout.KindAPI, id, "")
	c.Put(layout.KindAPI, id, layout.EncodeDefinition(&keys.API{ID: id, WorkspaceID: workspaceID, Name: "setup keys", Protected: true, CreatedAt: now}))
	c.Raise(layout.SharedBucket)
	_, _, err = s.Apply(ctx, c)
	return err
}
