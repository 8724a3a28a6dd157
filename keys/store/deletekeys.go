package store

import (
	"context"
	"slices"

	"tollgate/keys"
	"tollgate/keys/audit"
	"tollgate/keys/catalog"
	"tollgate/keys/layout"
	"tollgate/keys/redisdb"
)

// deleteStep is how many keys are deleted together.
const deleteStep = 100

// DeleteKeys deletes the keys of an API, each like DeleteKey, and returns how many. A
// permanent deletion removes the tombstones of the API as well, which it does not count.
// It goes through them in steps; where it fails, those of the steps before are
// deleted, and asking again goes on. One that is made meanwhile may stay.
func (s *Store) DeleteKeys(ctx context.Context, a keys.Access, apiID string, permanent bool) (deleted int64, err error) {
	ctx, end := s.Audit.Begin(ctx, a.Caller, audit.DeleteKeys, audit.Resource{Type: "api", ID: apiID})
	defer end(&err)
	if err := a.Check(apiID); err != nil {
		return 0, err
	}
	if _, err := s.API(ctx, keys.Access{Caller: a.Caller}, apiID); err != nil {
		return 0, err
	}
	ctx = context.WithValue(ctx, redisdb.RequestStart{}, nil) // each step is an exchange of its own, however long the request is going on
	if err := audit.Intend(ctx, true, func() []audit.Changed { return []audit.Changed{{Type: "api", ID: apiID}} }); err != nil {
		return 0, err
	}
	w := &Walk{Records: s.Records, WS: a.WorkspaceID, API: apiID, At: "-"}
	for !w.done {
		found, err := w.next(ctx, deleteStep)
		if err != nil {
			return deleted, err
		}
		n, err := s.deleteAll(ctx, w, found, permanent)
		audit.Count(ctx, "keys", n)
		deleted += n
		if err != nil {
			return deleted, err
		}
	}
	if permanent {
		return deleted, s.eraseAll(ctx, a.WorkspaceID, apiID)
	}
	return deleted, nil
}

// deleteAll takes keys away. Those that somebody changes meanwhile are read again.
func (s *Records) deleteAll(ctx context.Context, w *Walk, found []*Record, permanent bool) (n int64, err error) {
	err = catalog.Retry(func() (bool, error) {
		gone, changed, err := s.DeleteOnce(ctx, found, permanent)
		for _, k := range gone {
			n += int64(len(k.BySecret()))
		}
		if err != nil || len(changed) == 0 {
			return true, err
		}
		again, err := s.LoadAll(ctx, changed)
		if err != nil {
			return false, err
		}
		found = found[:0:0]
		for _, one := range again {
			if one != nil && w.Has(one.Key) {
				found = append(found, one)
			}
		}
		return false, nil
	})
	return n, err
}

// DeleteOnce takes those keys away that are still as they were read, with all their secrets,
// and returns them and the ids of the others. One that is moving is moved first, and among the others.
func (s *Records) DeleteOnce(ctx context.Context, all []*Record, permanent bool) (gone []*keys.Key, changed []string, err error) {
	var found []*Record
	var deletions []redisdb.Invocation
	for _, one := range distinctRecords(all) {
		if one.Key.Moving == nil {
			found, deletions = append(found, one), append(deletions, s.deletion(one, permanent))
			continue
		}
		if err := s.move(ctx, one, one.Key.Moving); err != nil {
			return nil, nil, err
		}
		changed = append(changed, one.Key.ID)
	}
	if err := audit.Intend(ctx, true, func() []audit.Changed { return deleted(found...) }); err != nil {
		return nil, nil, err
	}
	if err := s.forgetFirst(ctx, permanent, found...); err != nil {
		return nil, nil, err
	}
	replies, err := s.RunAll(ctx, deleteScript, deletions)
	if err != nil {
		return nil, nil, err
	}
	for i, reply := range replies {
		if reply[0] == nil {
			gone = append(gone, found[i].Key)
		} else {
			changed = append(changed, found[i].Key.ID)
		}
	}
	var secrets []*keys.Key
	for _, k := range gone {
		secrets = append(secrets, k.AllSecrets()...)
	}
	if len(secrets) > 0 {
		s.cleanUpDeleted(ctx, permanent, secrets...)
	}
	return gone, changed, nil
}

// distinctRecords returns keys each once, whichever of their secrets they were read as.
func distinctRecords(all []*Record) []*Record {
	seen := map[layout.Place]bool{}
	return slices.DeleteFunc(slices.Clone(all), func(one *Record) bool {
		twice := seen[one.Place]
		seen[one.Place] = true
		return twice
	})
}
