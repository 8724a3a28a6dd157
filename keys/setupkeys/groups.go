package setupkeys

import (
	"cmp"
	"context"
	"crypto/sha256"
	"slices"
	"strings"

	"tollgate/keys"
	"tollgate/keys/audit"
	"tollgate/keys/catalog"
	"tollgate/keys/layout"

	"github.com/rs/xid"
)

// Group is a NetBird group: what setup keys hand out. All of a workspace's groups
// share its tag. grouplinks.go says how setup keys refer to them.
type Group struct {
	ID        string `cbor:"1,keyasint"`
	Name      string `cbor:"2,keyasint"` // unique in the workspace
	CreatedAt int64  `cbor:"3,keyasint"` // unix ms
}

// allName is the name of the group that every workspace has. It is not stored.
const allName = "All"

func allGroup(workspaceID string) *Group {
	sum := sha256.Sum256([]byte(allName + "/" + workspaceID))
	id, _ := xid.FromBytes(sum[:12]) // of the right length
	return &Group{ID: id.String(), Name: allName}
}

func groupNotFound(id string) error {
	return keys.Errorf(keys.KindNotFound, "group", "group: %s not found", keys.Redact(id))
}

func checkGroupName(name string) error {
	switch {
	case strings.TrimSpace(name) == "":
		return keys.Invalidf("name", "group name shouldn't be empty")
	case len(name) > keys.MaxGroupName:
		return keys.Invalidf("name", "group name has at most %d bytes", keys.MaxGroupName)
	}
	return nil
}

func groupExists(name string) error {
	return keys.Errorf(keys.KindConflict, "group", "group with name %s already exists", keys.Redact(name))
}

// CreateGroup makes a group; KindConflict where one has the name.
func (s *Keys) CreateGroup(ctx context.Context, a keys.Access, name string) (made *Group, err error) {
	ctx, end := s.Audit.Begin(ctx, a.Caller, audit.CreateGroup, audit.Resource{Type: "group", Name: name})
	defer end(&err)
	if err := cmp.Or(checkGroupName(name), a.Check("")); err != nil {
		return nil, err
	}
	if name == allName {
		return nil, groupExists(name)
	}
	now, err := s.Now(ctx)
	if err != nil {
		return nil, err
	}
	g := &Group{ID: xid.New().String(), Name: name, CreatedAt: now}
	c := catalog.NewChange(a.WorkspaceID)
	c.Claim(layout.KindGroup, name, g.ID)
	c.List(layout.KindGroup, g.ID)
	c.Put(layout.KindGroup, g.ID, layout.EncodeDefinition(g))
	failed, _, err := s.Apply(ctx, c)
	if err == nil && failed != 0 {
		err = groupExists(name)
	}
	return g, err
}

// Groups returns every group of the caller's workspace: All, then the others by age.
func (s *Keys) Groups(ctx context.Context, a keys.Access) ([]*Group, error) {
	if err := a.Check(""); err != nil {
		return nil, err
	}
	all := []*Group{allGroup(a.WorkspaceID)}
	err := s.eachPage(ctx, layout.ListName(a.WorkspaceID, layout.KindGroup), func(ids []string) error {
		found, _, err := catalog.ReadDefinitions[Group](ctx, s.Catalog, a.WorkspaceID, layout.KindGroup, ids)
		all = append(all, slices.DeleteFunc(found, func(g *Group) bool { return g == nil })...)
		return err
	})
	return all, err
}

// Group returns a group of the caller's workspace.
func (s *Keys) Group(ctx context.Context, a keys.Access, id string) (*Group, error) {
	if err := a.Check(id); err != nil {
		return nil, err
	}
	if all := allGroup(a.WorkspaceID); id == all.ID {
		return all, nil
	}
	g, _, err := s.readGroup(ctx, a.WorkspaceID, id)
	return g, err
}

// GroupByName returns the group of the caller's workspace that has a name.
func (s *Keys) GroupByName(ctx context.Context, a keys.Access, name string) (*Group, error) {
	if err := a.Check(""); err != nil {
		return nil, err
	}
	if name == allName {
		return allGroup(a.WorkspaceID), nil
	}
	id, err := s.Named(ctx, a.WorkspaceID, layout.KindGroup, name)
	if err != nil {
		return nil, err
	}
	if id == "" {
		return nil, groupNotFound(name)
	}
	g, _, err := s.readGroup(ctx, a.WorkspaceID, id)
	return g, err
}

// readGroup reads a group that is stored, and its text.
func (s *Keys) readGroup(ctx context.Context, workspaceID, id string) (*Group, string, error) {
	g, text, err := catalog.ReadDefinition[Group](ctx, s.Catalog, workspaceID, layout.KindGroup, id)
	if err == nil && g == nil {
		err = groupNotFound(id)
	}
	return g, text, err
}

// RenameGroup changes the name of a group; KindConflict where one has it.
func (s *Keys) RenameGroup(ctx context.Context, a keys.Access, id, name string) (renamed *Group, err error) {
	ctx, end := s.Audit.Begin(ctx, a.Caller, audit.UpdateGroup, audit.Resource{Type: "group", ID: id})
	defer end(&err)
	if err := cmp.Or(checkGroupName(name), a.Check(id)); err != nil {
		return nil, err
	}
	if id == allGroup(a.WorkspaceID).ID {
		return nil, keys.Invalidf("groupId", "updating group ALL is not allowed")
	}
	err = catalog.Retry(func() (bool, error) {
		g, text, err := s.readGroup(ctx, a.WorkspaceID, id)
		if err != nil || g.Name == name {
			renamed = g
			return true, err
		}
		if name == allName {
			return false, groupExists(name)
		}
		old := g.Name
		g.Name = name
		c := catalog.NewChange(a.WorkspaceID)
		c.Unchanged(layout.KindGroup, id, text)
		c.Claim(layout.KindGroup, name, id)
		c.Release(layout.KindGroup, old, id)
		c.Put(layout.KindGroup, id, layout.EncodeDefinition(g))
		switch failed, _, err := s.Apply(ctx, c); {
		case err != nil || failed == 0:
			renamed = g
			return true, err
		case failed > 1: // the first condition is that the group is as it was read
			return false, groupExists(name)
		}
		return false, nil
	})
	return renamed, err
}
