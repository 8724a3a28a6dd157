package keys

import (
	"context"
	"slices"
)

// deleteStep is how many keys are deleted together.
const deleteStep = 100

// DeleteKeys deletes the keys of an API, each like DeleteKey, and returns how many. A
// permanent deletion removes the tombstones of the API as well, which it does not count.
// It goes through them in steps; where it fails, those of the steps before are
// deleted, and asking again goes on. One that is made meanwhile may stay.
func (s *Store) DeleteKeys(ctx context.Context, a Access, apiID string, permanent bool) (int64, error) {
	if err := a.check(apiID); err != nil {
		return 0, err
	}
	if _, err := s.API(ctx, Access{Caller: a.Caller}, apiID); err != nil {
		return 0, err
	}
	ctx = context.WithValue(ctx, RequestStart{}, nil) // each step is an exchange of its own, however long the request is going on
	w := &walk{store: s, ws: a.WorkspaceID, api: apiID, at: "-"}
	deleted := int64(0)
	for !w.done {
		found, err := w.next(ctx, deleteStep)
		if err != nil {
			return deleted, err
		}
		n, err := s.deleteAll(ctx, w, found, permanent)
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
func (s *Store) deleteAll(ctx context.Context, w *walk, found []*stored, permanent bool) (deleted int64, err error) {
	for range tries {
		gone, changed, err := s.deleteOnce(ctx, found, permanent)
		for _, k := range gone {
			deleted += int64(len(k.BySecret()))
		}
		if err != nil || len(changed) == 0 {
			return deleted, err
		}
		again, err := s.loadAll(ctx, changed)
		if err != nil {
			return deleted, err
		}
		found = found[:0:0]
		for _, one := range again {
			if one != nil && w.has(one.key) {
				found = append(found, one)
			}
		}
	}
	return deleted, Unavailable(errBusy)
}

// deleteOnce takes those keys away that are still as they were read, with all their secrets,
// and returns them and the ids of the others. One that is moving is moved first, and among the others.
func (s *Store) deleteOnce(ctx context.Context, all []*stored, permanent bool) (gone []*Key, changed []string, err error) {
	var found []*stored
	var deletions []invocation
	for _, one := range distinctRecords(all) {
		if one.key.Moving == nil {
			found, deletions = append(found, one), append(deletions, s.deletion(one, permanent))
			continue
		}
		if err := s.move(ctx, one, one.key.Moving); err != nil {
			return nil, nil, err
		}
		changed = append(changed, one.key.ID)
	}
	if err := s.forgetFirst(ctx, permanent, found...); err != nil {
		return nil, nil, err
	}
	replies, err := s.runAll(ctx, deleteScript, deletions)
	if err != nil {
		return nil, nil, err
	}
	for i, reply := range replies {
		if reply[0] == nil {
			gone = append(gone, found[i].key)
		} else {
			changed = append(changed, found[i].key.ID)
		}
	}
	var secrets []*Key
	for _, k := range gone {
		secrets = append(secrets, k.allSecrets()...)
	}
	if len(secrets) > 0 {
		s.cleanUpDeleted(ctx, permanent, secrets...)
	}
	return gone, changed, nil
}

// distinctRecords returns keys each once, whichever of their secrets they were read as.
func distinctRecords(all []*stored) []*stored {
	seen := map[place]bool{}
	return slices.DeleteFunc(slices.Clone(all), func(one *stored) bool {
		twice := seen[one.place]
		seen[one.place] = true
		return twice
	})
}
