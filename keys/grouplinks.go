package keys

import (
	"context"
	"slices"

	"github.com/redis/go-redis/v9"
	"github.com/rs/xid"
)

// A setup key that can be redeemed never refers to a group that is not there.
// Groups are in the workspace's slot and keys in their own, so it takes a
// protocol: whoever makes a key refer to a group notes that in the group first
// (tryLink), on condition that the group is there, and marks the group as used
// anew. Whoever deletes a group reads the mark, looks at every key that is noted,
// rewrites those that can't be redeemed, and deletes on condition that the mark
// still stands. So either the deletion sees the key, or it fails and looks again,
// or the key was rewritten and whoever was about to change it looks again.

// kindGroupUse is the mark.
const kindGroupUse definitionKind = "group_use"

// linkable reads the groups that a setup key shall have. One that is not there,
// and All, are KindInvalid.
func (s *SetupStore) linkable(ctx context.Context, workspaceID string, ids []string) (map[string]string, error) {
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
			return nil, Invalidf("auto_groups", "invalid auto groups: group not found: %s", Redact(id))
		}
		found[id] = texts[i]
	}
	return found, nil
}

// link notes a setup key in each of its groups.
func (s *SetupStore) link(ctx context.Context, k *Key) error {
	for range tries {
		groups, err := s.linkable(ctx, k.WorkspaceID, k.Setup.Groups)
		if err != nil {
			return err
		}
		if done, err := s.tryLink(ctx, k, groups, false); done || err != nil {
			return err
		}
	}
	return Unavailable(errBusy)
}

// tryLink notes a setup key in groups that are still as they were read, and marks
// them; it reports whether they were. Where the key was noted in all of them before,
// nothing is added, also while Redis is full.
func (s *SetupStore) tryLink(ctx context.Context, k *Key, groups map[string]string, noted bool) (bool, error) {
	if len(groups) == 0 {
		return true, nil
	}
	mark := xid.New().String()
	c := newChange(k.WorkspaceID)
	c.revokes = noted
	for id, text := range groups {
		c.unchanged(kindGroup, id, text)
		c.add("zadd", groupKeysName(k.WorkspaceID, id), k.ID, "")
		c.put(kindGroupUse, id, mark)
	}
	failed, _, err := s.apply(ctx, c)
	return failed == 0 && err == nil, err
}

// unlink takes a key that is gone out of its groups. Where that fails, whoever
// deletes the group sees that there is no such key.
func (s *SetupStore) unlink(ctx context.Context, k *Key) {
	_ = s.pipelined(ctx, func(p redis.Pipeliner) {
		for _, id := range k.Setup.Groups {
			p.ZRem(ctx, groupKeysName(k.WorkspaceID, id), k.ID)
		}
	})
}

// DeleteGroup deletes a group of the caller's workspace, and takes it out of the
// setup keys that can't be redeemed. KindProtected where one that can refers to it.
func (s *SetupStore) DeleteGroup(ctx context.Context, a Access, id string) error {
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

// dropGroup reports whether the group was not used anew meanwhile.
func (s *SetupStore) dropGroup(ctx context.Context, workspaceID, id string) (bool, error) {
	texts, err := s.run(ctx, readScript, []string{definitionName(workspaceID, kindGroup, id), definitionName(workspaceID, kindGroupUse, id)}, 0)
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
	c.unchanged(kindGroup, id, text(texts[1]))
	c.unchanged(kindGroupUse, id, mark)
	c.drop(kindGroup, id)
	c.release(kindGroup, g.Name, id)
	c.add("del", definitionName(workspaceID, kindGroupUse, id), "", "")
	c.add("del", groupKeysName(workspaceID, id), "", "")
	failed, _, err := s.apply(ctx, c)
	return failed == 0 && err == nil, err
}

// refuseUsed looks for a key that refers to a group and can be redeemed.
func (s *SetupStore) refuseUsed(ctx context.Context, workspaceID, id string) error {
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

// detachAll takes a group out of every key that is noted in it, and reports whether
// the mark still stands. Each page is done for good before the next.
func (s *SetupStore) detachAll(ctx context.Context, workspaceID, id, mark string) (bool, error) {
	list := groupKeysName(workspaceID, id)
	for {
		ids, err := s.idsFrom(ctx, list, "-")
		if err != nil || len(ids) == 0 {
			return err == nil, err
		}
		c := newChange(workspaceID)
		c.unchanged(kindGroupUse, id, mark)
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
func (s *SetupStore) detach(ctx context.Context, workspaceID, keyID, group string) error {
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
