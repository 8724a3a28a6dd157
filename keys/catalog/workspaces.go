package catalog

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"

	"tollgate/keys"
	"tollgate/keys/audit"
	"tollgate/keys/layout"
	"tollgate/keys/redisdb"

	"github.com/redis/go-redis/v9"
)

// Workspace returns the id of the workspace with a name, and makes it where there
// is none. Names are unique in the store; they have 1 to 64 characters.
func (s *Catalog) Workspace(ctx context.Context, name string) (string, error) {
	if name == "" || len(name) > 64 {
		return "", keys.Invalidf("workspace", "the name has 1 to 64 characters")
	}
	if !s.marked.Load() { // a workspace is what a store is first used for
		if err := s.Mark(ctx); err != nil {
			return "", err
		}
	}
	made := keys.NewID(keys.PrefixWorkspace)
	if err := s.Pipelined(ctx, func(p redis.Pipeliner) { p.HSetNX(ctx, layout.WorkspacesName, name, made) }); err != nil {
		return "", err
	}
	id, err := s.FindWorkspace(ctx, name)
	if err == nil && id == made {
		err = s.NoteWorkspace(ctx, id, name)
	}
	if err != nil {
		return "", err
	}
	now, err := s.masterRevision(ctx, id, layout.SharedBucket, "")
	if err != nil {
		return "", err
	}
	if now == "" {
		c := NewChange(id)
		c.Raise(layout.SharedBucket)
		_, _, err = s.Apply(ctx, c)
	}
	return id, err
}

// NoteWorkspace notes that a workspace was made, in the audit log of the default workspace, or
// in its own where the store has no default one. The entry is there before anybody is told.
func (s *Catalog) NoteWorkspace(ctx context.Context, id, name string) error {
	in, err := s.FindWorkspace(ctx, keys.DefaultWorkspace)
	if err != nil && keys.AsError(err).Kind != keys.KindNotFound {
		return err
	}
	return s.Audit.Put(ctx, keys.Operator(cmp.Or(in, id)), audit.CreateWorkspace, audit.Changed{Type: "workspace", ID: id, Name: name})
}

// FindWorkspace returns the id of the workspace with a name; KindNotFound without one.
func (s *Catalog) FindWorkspace(ctx context.Context, name string) (string, error) {
	ctx, cancel := s.Bounded(ctx)
	defer cancel()
	id, err := s.Redis().HGet(ctx, layout.WorkspacesName, name).Result()
	switch {
	case errors.Is(err, redis.Nil):
		return "", keys.Errorf(keys.KindNotFound, "workspace", "workspace %s not found", keys.Redact(name))
	case err != nil:
		return "", redisdb.Unavailable(err)
	}
	return id, nil
}

// WorkspaceName is a workspace by its id and the name that the operator gave it.
type WorkspaceName struct{ ID, Name string }

// Workspaces returns all workspaces of the store, by name.
func (s *Catalog) Workspaces(ctx context.Context) ([]WorkspaceName, error) {
	var names *redis.MapStringStringCmd
	if err := s.Pipelined(ctx, func(p redis.Pipeliner) { names = p.HGetAll(ctx, layout.WorkspacesName) }); err != nil {
		return nil, err
	}
	var all []WorkspaceName
	for name, id := range names.Val() {
		all = append(all, WorkspaceName{id, name})
	}
	slices.SortFunc(all, func(a, b WorkspaceName) int { return strings.Compare(a.Name, b.Name) })
	return all, nil
}
