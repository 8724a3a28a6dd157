package store

import (
	"context"
	"slices"
	"time"

	"tollgate/keys"
	"tollgate/keys/layout"

	"github.com/redis/go-redis/v9"
)

// How root keys are read in the background: so many at a time, and so long between, that
// requests do not notice.
const (
	rootKeyScan  = 100
	rootKeyPause = 50 * time.Millisecond
)

// EachRootKey reads the root keys of every workspace, at most limit of them, slowly, and
// gives each with the revision of its record. It ends early with ctx, or with
// KindUnavailable where Redis does not answer.
func (s *Records) EachRootKey(ctx context.Context, limit int, each func(*keys.Key, layout.Revision)) error {
	workspaces, err := s.Workspaces(ctx)
	if err != nil {
		return err
	}
	for _, workspace := range workspaces {
		ws := workspace.ID
		for at := "-"; at != "" && limit > 0; {
			var found []*Record
			if found, at, err = s.rootKeysFrom(ctx, ws, at, min(limit, rootKeyScan)); err != nil {
				return err
			}
			for _, one := range found {
				each(one.Key, one.Revision)
				limit--
			}
			select {
			case <-ctx.Done():
				return nil
			case <-time.After(rootKeyPause):
			}
		}
	}
	return nil
}

// rootKeysFrom reads the root keys of up to n entries of a workspace's list, and returns where
// to go on; "" at the end. Entries that lead nowhere are passed over.
func (s *Records) rootKeysFrom(ctx context.Context, ws, at string, n int) ([]*Record, string, error) {
	var entries *redis.StringSliceCmd
	if err := s.Pipelined(ctx, func(p redis.Pipeliner) {
		entries = p.ZRangeByLex(ctx, layout.ListName(ws, layout.KindRootKey), &redis.ZRangeBy{Min: at, Max: "+", Count: int64(n)})
	}); err != nil {
		return nil, "", err
	}
	all := entries.Val()
	if len(all) == 0 {
		return nil, "", nil
	}
	found, err := s.LoadAll(ctx, all)
	if err != nil {
		return nil, "", err
	}
	found = slices.DeleteFunc(found, func(one *Record) bool {
		return one == nil || one.Key.Root == nil || one.Key.WorkspaceID != ws
	})
	return found, "(" + all[len(all)-1], nil
}
