package keys

import (
	"context"
	"crypto/sha256"
	"slices"
	"strings"

	"github.com/redis/go-redis/v9"
	"github.com/rs/xid"
)

// Group is a NetBird group: what setup keys hand out. All of a workspace's groups
// share its tag.
//
// A setup key that can be redeemed never refers to a group that is not there.
// Groups are in the workspace's slot and keys in their own, so it takes a
// protocol: whoever makes a key refer to a group notes that in the group first
// (tryLink), on condition that the group is there, and marks the group as used
// anew. Whoever deletes a group reads the mark, looks at every key that is noted,
// rewrites those that can't be redeemed, and deletes on condition that the mark
// still stands. So either the deletion sees the key, or it fails and looks again,
// or the key was rewritten and whoever was about to change it looks again.
type Group struct {
	ID        string `cbor:"1,keyasint"`
	Name      string `cbor:"2,keyasint"` // unique in the workspace
	CreatedAt int64  `cbor:"3,keyasint"` // unix ms
}

const (
	nounGroup    noun = "group"
	nounGroupUse noun = "group_use" // the mark
)

// MaxGroupName bounds a group's name, in bytes.
const MaxGroupName = 512

// allName is the name of the group that every workspace has. It is not stored.
const allName = "All"

func allGroup(workspaceID string) *Group {
	sum := sha256.Sum256([]byte(allName + "/" + workspaceID))
	id, _ := xid.FromBytes(sum[:12]) // of the right length
	return &Group{ID: id.String(), Name: allName}
}

func groupNotFound(id string) error { return Errorf(KindNotFound, "group", "group: %s not found", id) }

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
	return Errorf(KindConflict, "group", "group with name %s already exists", name)
}

// CreateGroup makes a group; KindConflict where one has the name.
func (s *Store) CreateGroup(ctx context.Context, a Access, name string) (*Group, error) {
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
	c.claim(nounGroup, name, g.ID)
	c.list(nounGroup, g.ID)
	c.put(nounGroup, g.ID, encodeDefinition(g))
	failed, _, err := s.apply(ctx, c)
	if err == nil && failed != 0 {
		err = groupExists(name)
	}
	return g, err
}

// Groups gives every group of the caller's workspace: All, then the others by age.
func (s *Store) Groups(ctx context.Context, a Access) ([]*Group, error) {
	if err := a.check(""); err != nil {
		return nil, err
	}
	all := []*Group{allGroup(a.WorkspaceID)}
	err := s.eachPage(ctx, listName(a.WorkspaceID, nounGroup), func(ids []string) error {
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

// Group gives a group of the caller's workspace.
func (s *Store) Group(ctx context.Context, a Access, id string) (*Group, error) {
	if err := a.check(id); err != nil {
		return nil, err
	}
	if all := allGroup(a.WorkspaceID); id == all.ID {
		return all, nil
	}
	g, _, err := s.readGroup(ctx, a.WorkspaceID, id)
	return g, err
}

// GroupByName gives the group of the caller's workspace that has a name.
func (s *Store) GroupByName(ctx context.Context, a Access, name string) (*Group, error) {
	if err := a.check(""); err != nil {
		return nil, err
	}
	if name == allName {
		return allGroup(a.WorkspaceID), nil
	}
	id, err := s.named(ctx, a.WorkspaceID, nounGroup, name)
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
func (s *Store) readGroup(ctx context.Context, workspaceID, id string) (*Group, string, error) {
	g, text, err := readDefinition[Group](ctx, s, workspaceID, nounGroup, id)
	if err == nil && g == nil {
		err = groupNotFound(id)
	}
	return g, text, err
}

// RenameGroup gives a group another name; KindConflict where one has it.
func (s *Store) RenameGroup(ctx context.Context, a Access, id, name string) (*Group, error) {
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
		c.unchanged(nounGroup, id, text)
		c.claim(nounGroup, name, id)
		c.release(nounGroup, old)
		c.put(nounGroup, id, encodeDefinition(g))
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
func (s *Store) groupTexts(ctx context.Context, workspaceID string, ids []string) ([]string, error) {
	names := make([]string, len(ids))
	for i, id := range ids {
		names[i] = definitionName(workspaceID, nounGroup, id)
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

// linkable reads the groups that a setup key shall have. One that is not there,
// and All, are KindInvalid.
func (s *Store) linkable(ctx context.Context, workspaceID string, ids []string) (map[string]string, error) {
	if len(ids) == 0 {
		return nil, nil
	}
	all := allGroup(workspaceID).ID
	texts, err := s.groupTexts(ctx, workspaceID, ids)
	if err != nil {
		return nil, err
	}
	found := map[string]string{}
	for i, id := range ids {
		switch {
		case id == all:
			return nil, Invalidf("auto_groups", "invalid auto groups: can't add 'All' group to the setup key")
		case texts[i] == "":
			return nil, Invalidf("auto_groups", "invalid auto groups: group not found: %s", shortened(id))
		}
		found[id] = texts[i]
	}
	return found, nil
}

// link notes a setup key in each of its groups.
func (s *Store) link(ctx context.Context, k *Key) error {
	for range tries {
		groups, err := s.linkable(ctx, k.WorkspaceID, k.Setup.Groups)
		if err != nil {
			return err
		}
		if done, err := s.tryLink(ctx, k, groups); done || err != nil {
			return err
		}
	}
	return Unavailable(errBusy)
}

// tryLink notes a setup key in groups that are still as they were read, and marks
// them; it tells whether they were.
func (s *Store) tryLink(ctx context.Context, k *Key, groups map[string]string) (bool, error) {
	if len(groups) == 0 {
		return true, nil
	}
	mark := xid.New().String()
	c := newChange(k.WorkspaceID)
	for id, text := range groups {
		c.unchanged(nounGroup, id, text)
		c.add("zadd", groupKeysName(k.WorkspaceID, id), k.ID, "")
		c.put(nounGroupUse, id, mark)
	}
	failed, _, err := s.apply(ctx, c)
	return failed == 0 && err == nil, err
}

// unlink takes a key that is gone out of its groups. Where that fails, whoever
// deletes the group sees that there is no such key.
func (s *Store) unlink(ctx context.Context, k *Key) {
	_ = s.pipelined(ctx, func(p redis.Pipeliner) {
		for _, id := range k.Setup.Groups {
			p.ZRem(ctx, groupKeysName(k.WorkspaceID, id), k.ID)
		}
	})
}

// DeleteGroup deletes a group of the caller's workspace, and takes it out of the
// setup keys that can't be redeemed. KindProtected where one that can refers to it.
func (s *Store) DeleteGroup(ctx context.Context, a Access, id string) error {
	if err := a.check(id); err != nil {
		return err
	}
	if id == allGroup(a.WorkspaceID).ID {
		return Invalidf("groupId", "deleting group ALL is not allowed")
	}
	for range tries {
		if done, err := s.dropGroup(ctx, a.WorkspaceID, id); done || err != nil {
			return err
		}
	}
	return Unavailable(errBusy)
}

// dropGroup tells whether the group was not used anew meanwhile.
func (s *Store) dropGroup(ctx context.Context, workspaceID, id string) (bool, error) {
	texts, err := s.run(ctx, readScript, []string{definitionName(workspaceID, nounGroup, id), definitionName(workspaceID, nounGroupUse, id)}, 0)
	if err != nil {
		return false, err
	}
	g, err := decodeDefinition[Group](text(texts[1]))
	switch {
	case err != nil:
		return false, err
	case g == nil:
		return false, groupNotFound(id)
	}
	mark := text(texts[2])
	if err := s.refuseUsed(ctx, workspaceID, id); err != nil {
		return false, err
	}
	if detached, err := s.detachAll(ctx, workspaceID, id, mark); err != nil || !detached {
		return false, err
	}
	c := newChange(workspaceID)
	c.unchanged(nounGroup, id, text(texts[1]))
	c.unchanged(nounGroupUse, id, mark)
	c.drop(nounGroup, id)
	c.release(nounGroup, g.Name)
	c.add("del", definitionName(workspaceID, nounGroupUse, id), "", "")
	c.add("del", groupKeysName(workspaceID, id), "", "")
	failed, _, err := s.apply(ctx, c)
	return failed == 0 && err == nil, err
}

// refuseUsed looks for a key that refers to a group and can be redeemed.
func (s *Store) refuseUsed(ctx context.Context, workspaceID, id string) error {
	return s.eachPage(ctx, groupKeysName(workspaceID, id), func(ids []string) error {
		found, err := s.loadSetupKeys(ctx, workspaceID, ids)
		if err != nil {
			return err
		}
		for _, one := range found {
			if err := one.refuseUse(id); err != nil {
				return err
			}
		}
		return nil
	})
}

// refuseUse refuses where the key refers to a group and can be redeemed.
func (f *stored) refuseUse(group string) error {
	if slices.Contains(f.key.Setup.Groups, group) && f.key.setupState(f.state.Balance, f.now) == SetupValid {
		return Errorf(KindProtected, "group", "group has been linked to setup key: %s", f.key.Name)
	}
	return nil
}

// detachAll takes a group out of every key that is noted in it, and tells whether
// the mark still stands. Each page is done for good before the next.
func (s *Store) detachAll(ctx context.Context, workspaceID, id, mark string) (bool, error) {
	list := groupKeysName(workspaceID, id)
	for {
		ids, err := s.idsFrom(ctx, list, "-")
		if err != nil || len(ids) == 0 {
			return err == nil, err
		}
		c := newChange(workspaceID)
		c.unchanged(nounGroupUse, id, mark)
		for _, keyID := range ids {
			if err := s.detach(ctx, workspaceID, keyID, id); err != nil {
				return false, err
			}
			c.add("zrem", list, keyID, "")
		}
		if failed, _, err := s.apply(ctx, c); err != nil || failed != 0 {
			return false, err
		}
	}
}

// detach rewrites a key without a group. It also rewrites one that does not have
// it: whoever is about to give it the group must look again.
func (s *Store) detach(ctx context.Context, workspaceID, keyID, group string) error {
	for range tries {
		found, err := s.loadSetupKey(ctx, workspaceID, keyID)
		switch {
		case err != nil && AsError(err).Kind == KindNotFound:
			return nil
		case err != nil:
			return err
		}
		if err := found.refuseUse(group); err != nil {
			return err
		}
		rest := slices.DeleteFunc(slices.Clone(found.key.Setup.Groups), func(id string) bool { return id == group })
		if done, err := s.put(ctx, found, found.key.regrouped(rest), put{}); done || err != nil {
			return err
		}
	}
	return Unavailable(errBusy)
}
