package setupkeys

import (
	"context"
	"slices"

	"tollgate/keys"
	"tollgate/keys/audit"
	"tollgate/keys/catalog"
	"tollgate/keys/layout"
	"tollgate/keys/store"

	"github.com/redis/go-redis/v9"
	"github.com/rs/xid"
)

// linkable reads the groups that a setup key shall have. One that is not there,
// and All, are KindInvalid.
func (s *Keys) linkable(ctx context.Context, workspaceID string, ids []string) (map[string]string, error) {
	if len(ids) == 0 {
		return nil, nil
	}
	all := allGroup(workspaceID).ID
	texts, err := s.DefinitionTexts(ctx, workspaceID, layout.KindGroup, ids)
	if err != nil {
		return nil, err
	}
	found := map[string]string{}
	for i, id := range ids {
		switch {
		case id == all:
			return nil, keys.Invalidf("auto_groups", "invalid auto groups: can't add 'All' group to the setup key")
		case texts[i] == "":
			return nil, keys.Invalidf("auto_groups", "invalid auto groups: group not found: %s", keys.Redact(id))
		}
		found[id] = texts[i]
	}
	return found, nil
}

// link notes a setup key in each of its groups.
func (s *Keys) link(ctx context.Context, k *keys.Key) error {
	return catalog.Retry(func() (bool, error) {
		groups, err := s.linkable(ctx, k.WorkspaceID, k.Setup.Groups)
		if err != nil {
			return false, err
		}
		return s.tryLink(ctx, k, groups, false)
	})
}

// tryLink notes a setup key in groups that are still as they were read, and marks
// them; it reports whether they were. Where the key was noted in all of them before,
// nothing is added, also while Redis is full.
func (s *Keys) tryLink(ctx context.Context, k *keys.Key, groups map[string]string, noted bool) (bool, error) {
	if len(groups) == 0 {
		return true, nil
	}
	mark := xid.New().String()
	c := catalog.NewChange(k.WorkspaceID)
	c.Revokes = noted
	for id, text := range groups {
		c.Unchanged(layout.KindGroup, id, text)
		c.AddTo(layout.GroupKeysName(k.WorkspaceID, id), k.ID)
		c.Put(layout.KindGroupUse, id, mark)
	}
	failed, _, err := s.Apply(ctx, c)
	return failed == 0 && err == nil, err
}

// unlink takes a key that is gone out of its groups. Where that fails, whoever
// deletes the group sees that there is no such key.
func (s *Keys) unlink(ctx context.Context, k *keys.Key) {
	_ = s.Pipelined(ctx, func(p redis.Pipeliner) {
		for _, id := range k.Setup.Groups {
			p.ZRem(ctx, layout.GroupKeysName(k.WorkspaceID, id), k.ID)
		}
	})
}

// DeleteGroup deletes a group of the caller's workspace, and takes it out of the
// setup keys that can't be redeemed. KindProtected where one that can refers to it.
func (s *Keys) DeleteGroup(ctx context.Context, a keys.Access, id string) (err error) {
	ctx, end := s.Audit.Begin(ctx, a.Caller, audit.DeleteGroup, audit.Resource{Type: "group", ID: id})
	defer end(&err)
	if err := a.Check(id); err != nil {
		return err
	}
	if id == allGroup(a.WorkspaceID).ID {
		return keys.Invalidf("groupId", "deleting group ALL is not allowed")
	}
	return catalog.Retry(func() (bool, error) {
		return s.dropGroup(ctx, a.WorkspaceID, id)
	})
}

// dropGroup reports whether the group was not used anew meanwhile.
func (s *Keys) dropGroup(ctx context.Context, workspaceID, id string) (bool, error) {
	g, stored, err := s.readGroup(ctx, workspaceID, id)
	if err != nil {
		return false, err
	}
	// The mark is read behind the group, and what uses the group behind the mark: both must
	// still stand when it is dropped.
	marks, err := s.DefinitionTexts(ctx, workspaceID, layout.KindGroupUse, []string{id})
	if err != nil {
		return false, err
	}
	mark := marks[0]
	if err := s.refuseUsed(ctx, workspaceID, id); err != nil {
		return false, err
	}
	if detached, err := s.detachAll(ctx, workspaceID, id, mark); err != nil || !detached {
		return false, err
	}
	c := catalog.NewChange(workspaceID)
	c.Unchanged(layout.KindGroup, id, stored)
	c.Unchanged(layout.KindGroupUse, id, mark)
	c.Drop(layout.KindGroup, id)
	c.Release(layout.KindGroup, g.Name, id)
	c.Delete(layout.DefinitionName(workspaceID, layout.KindGroupUse, id))
	c.Delete(layout.GroupKeysName(workspaceID, id))
	failed, _, err := s.Apply(ctx, c)
	return failed == 0 && err == nil, err
}

// WriteGroupIndexes notes in groups which setup keys may refer to them.
func (s *Keys) WriteGroupIndexes(ctx context.Context, ws string, made []*store.NewRecord) error {
	var setup []*keys.Key
	for _, m := range made {
		if m.Key.Setup != nil && len(m.Key.Setup.Groups) > 0 {
			setup = append(setup, m.Key)
		}
	}
	if len(setup) == 0 {
		return nil
	}
	return s.Pipelined(ctx, func(p redis.Pipeliner) {
		for _, k := range setup {
			for _, group := range k.Setup.Groups {
				p.ZAdd(ctx, layout.GroupKeysName(ws, group), redis.Z{Member: k.ID})
			}
		}
	})
}

// refuseUsed looks for a key that refers to a group and can be redeemed.
func (s *Keys) refuseUsed(ctx context.Context, workspaceID, id string) error {
	return s.eachPage(ctx, layout.GroupKeysName(workspaceID, id), func(ids []string) error {
		found, err := s.LoadSetupKeys(ctx, workspaceID, ids)
		if err != nil {
			return err
		}
		for _, one := range found {
			if err := refuseUse(one, id); err != nil {
				return err
			}
		}
		return nil
	})
}

// refuseUse refuses where the key refers to a group and can be redeemed.
func refuseUse(f *store.Record, group string) error {
	if slices.Contains(f.Key.Setup.Groups, group) && f.Key.SetupState(f.State.Balance, f.Now) == keys.SetupValid {
		return keys.Errorf(keys.KindProtected, "group", "group has been linked to setup key: %s", f.Key.Name)
	}
	return nil
}

// detachAll takes a group out of every key that is noted in it, and reports whether
// the mark still stands. Each page is done for good before the next.
func (s *Keys) detachAll(ctx context.Context, workspaceID, id, mark string) (bool, error) {
	list := layout.GroupKeysName(workspaceID, id)
	for {
		ids, err := s.IDsFrom(ctx, list, "-")
		if err != nil || len(ids) == 0 {
			return err == nil, err
		}
		c := catalog.NewChange(workspaceID)
		c.Unchanged(layout.KindGroupUse, id, mark)
		for _, keyID := range ids {
			if err := s.detach(ctx, workspaceID, keyID, id); err != nil {
				return false, err
			}
			c.RemoveFrom(list, keyID)
		}
		if failed, _, err := s.Apply(ctx, c); err != nil || failed != 0 {
			return false, err
		}
	}
}

// detach rewrites a key without a group. It also rewrites one that does not have
// it: whoever is about to give it the group must look again.
func (s *Keys) detach(ctx context.Context, workspaceID, keyID, group string) error {
	return catalog.Retry(func() (bool, error) {
		found, err := s.loadSetupKey(ctx, workspaceID, keyID)
		switch {
		case err != nil && keys.AsError(err).Kind == keys.KindNotFound:
			return true, nil
		case err != nil:
			return false, err
		}
		if err := refuseUse(found, group); err != nil {
			return false, err
		}
		rest := slices.DeleteFunc(slices.Clone(found.Key.Setup.Groups), func(id string) bool { return id == group })
		return s.Put(ctx, found, regrouped(found.Key, rest), store.Put{})
	})
}
