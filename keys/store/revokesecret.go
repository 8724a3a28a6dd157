package store

import (
	"context"
	_ "embed"

	"tollgate/keys"
	"tollgate/keys/catalog"
	"tollgate/keys/layout"
	"tollgate/keys/redisdb"

	"github.com/redis/go-redis/v9"
)

//go:embed reindex.lua
var reindexLua string

var reindexScript = redisdb.NewScript(redisdb.StateLua, layout.FullLua, reindexLua)

// revoke takes one secret away from a key that goes on: by one write of the record, which
// does not name it any more.
func (s *Records) revoke(ctx context.Context, found *Record, rest *keys.Key, permanent bool) error {
	rest.UpdatedAt = found.Now
	done, err := s.Put(ctx, found, rest, Put{})
	if err != nil {
		return err
	}
	if !done {
		return catalog.ErrBusy
	}
	if k := found.Key; k.ID == k.RecordID() { // its id goes on naming what is counted for the key
		s.removeFromAllLists(ctx, []*keys.Key{k})
		s.forgetUse(ctx, []*keys.Key{k})
	} else {
		s.cleanUpDeleted(ctx, permanent, k)
	}
	return nil
}

// forgetFirst removes the index's entries of first secrets that were deleted before the rest
// of their keys, and leave no tombstone, ahead of that: nothing else leads to them.
func (s *Records) forgetFirst(ctx context.Context, permanent bool, all ...*Record) error {
	var names []string
	for _, one := range all {
		if k := one.Key; len(k.Secrets) > 0 && k.Secrets[0].Deleted && (permanent || k.Secrets[0].Erased) {
			names = append(names, layout.IndexName(k.RecordID()))
		}
	}
	if len(names) == 0 {
		return nil
	}
	return s.Pipelined(ctx, func(p redis.Pipeliner) {
		for _, name := range names {
			p.Del(ctx, name)
		}
	})
}

// markFirstErased notes that a first secret, which was deleted before the rest of its key, is
// deleted for good: its place is free when the key is deleted.
func (s *Records) markFirstErased(ctx context.Context, a keys.Access, id string, at layout.Place) error {
	return catalog.Retry(func() (bool, error) {
		found, err := s.LoadAt(ctx, at)
		if err != nil {
			return false, err
		}
		if found == nil || len(found.Key.Secrets) == 0 || found.Key.ID != id || !found.Key.Secrets[0].Deleted || found.Key.Secrets[0].Erased {
			return false, keyNotFound(id)
		}
		if _, err := s.authorizeKey(ctx, a, found); err != nil {
			return false, err
		}
		k := found.Key.SeenAs(0).Editable()
		k.IssuedSecret().Erased = true
		return s.Put(ctx, found, k, Put{})
	})
}
