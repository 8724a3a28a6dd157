package keys

import (
	"context"
	"crypto/sha256"
	"strings"

	"github.com/rs/xid"
)

// Group is a NetBird group: what setup keys hand out. All of a workspace's groups
// share its tag. grouplinks.go says how setup keys refer to them.
type Group struct {
	ID        string `cbor:"1,keyasint"`
	Name      string `cbor:"2,keyasint"` // unique in the workspace
	CreatedAt int64  `cbor:"3,keyasint"` // unix ms
}

const kindGroup definitionKind = "group"

// MaxGroupName bounds a group's name, in bytes.
const MaxGroupName = 512

// allName is the name of the group that every workspace has. It is not stored.
const allName = "All"

func allGroup(workspaceID string) *Group {
	sum := sha256.Sum256([]byte(allName + "/" + workspaceID))
	id, _ := xid.FromBytes(sum[:12]) // of the right length
	return &Group{ID: id.String(), Name: allName}
}

func groupNotFound(id string) error {
	return Errorf(KindNotFound, "group", "group: %s not found", Redact(id))
}

func checkGroupName(name string) error {
	switch {
	case strings.TrimSpace(name) == "":
		return Invalidf("name", "group name shouldn't be empty")
	case len(name) > MaxGroupName:
		return Invalidf("name", "group name has at most %d bytes", MaxGroupName)
	}
	return nil
}

func groupExists(name string) error {
	return Errorf(KindConflict, "group", "group with name %s already exists", Redact(name))
}

// CreateGroup makes a group; KindConflict where one has the name.
func (s *SetupStore) CreateGroup(ctx context.Context, a Access, name string) (*Group, error) {
	if err := firstError(checkGroupName(name), a.check("")); err != nil {
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
	c := newChange(a.WorkspaceID)
	c.claim(kindGroup, name, g.ID)
	c.list(kindGroup, g.ID)
	c.put(kindGroup, g.ID, encodeDefinition(g))
	failed, _, err := s.apply(ctx, c)
	if err == nil && failed != 0 {
		err = groupExists(name)
	}
	return g, err
}

// Groups returns every group of the caller's workspace: All, then the others by age.
func (s *SetupStore) Groups(ctx context.Context, a Access) ([]*Group, error) {
	if err := a.check(""); err != nil {
		return nil, err
	}
	all := []*Group{allGroup(a.WorkspaceID)}
	err := s.eachPage(ctx, listName(a.WorkspaceID, kindGroup), func(ids []string) error {
		texts, err := s.groupTexts(ctx, a.WorkspaceID, ids)
		if err != nil {
			return err
		}
		for _, text := range texts {
			g, err := decodeDefinition[Group](text)
			if err != nil {
				return err
			}
			if g != nil {
				all = append(all, g)
			}
		}
		return nil
	})
	return all, err
}

// Group returns a group of the caller's workspace.
func (s *SetupStore) Group(ctx context.Context, a Access, id string) (*Group, error) {
	if err := a.check(id); err != nil {
		return nil, err
	}
	if all := allGroup(a.WorkspaceID); id == all.ID {
		return all, nil
	}
	g, _, err := s.readGroup(ctx, a.WorkspaceID, id)
	return g, err
}

// GroupByName returns the group of the caller's workspace that has a name.
func (s *SetupStore) GroupByName(ctx context.Context, a Access, name string) (*Group, error) {
	if err := a.check(""); err != nil {
		return nil, err
	}
	if name == allName {
		return allGroup(a.WorkspaceID), nil
	}
	id, err := s.named(ctx, a.WorkspaceID, kindGroup, name)
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
func (s *SetupStore) readGroup(ctx context.Context, workspaceID, id string) (*Group, string, error) {
	g, text, err := readDefinition[Group](ctx, s.Catalog, workspaceID, kindGroup, id)
	if err == nil && g == nil {
		err = groupNotFound(id)
	}
	return g, text, err
}

// RenameGroup gives a group another name; KindConflict where one has it.
func (s *SetupStore) RenameGroup(ctx context.Context, a Access, id, name string) (*Group, error) {
	if err := firstError(checkGroupName(name), a.check(id)); err != nil {
		return nil, err
	}
	if id == allGroup(a.WorkspaceID).ID {
		return nil, Invalidf("groupId", "updating group ALL is not allowed")
	}
	for range tries {
		g, text, err := s.readGroup(ctx, a.WorkspaceID, id)
		if err != nil || g.Name == name {
			return g, err
		}
		if name == allName {
			return nil, groupExists(name)
		}
		old := g.Name
		g.Name = name
		c := newChange(a.WorkspaceID)
		c.unchanged(kindGroup, id, text)
		c.claim(kindGroup, name, id)
		c.release(kindGroup, old, id)
		c.put(kindGroup, id, encodeDefinition(g))
		switch failed, _, err := s.apply(ctx, c); {
		case err != nil || failed == 0:
			return g, err
		case failed > 1: // the first condition is that the group is as it was read
			return nil, groupExists(name)
		}
	}
	return nil, Unavailable(errBusy)
}

// groupTexts reads groups as they are stored; "" for one that is not there.
func (s *SetupStore) groupTexts(ctx context.Context, workspaceID string, ids []string) ([]string, error) {
	names := make([]string, len(ids))
	for i, id := range ids {
		names[i] = definitionName(workspaceID, kindGroup, id)
	}
	reply, err := s.run(ctx, readScript, names, 0)
	if err != nil {
		return nil, err
	}
	texts := make([]string, len(ids))
	for i := range ids {
		texts[i] = text(reply[1+i])
	}
	return texts, nil
}
