package keys

import (
	"cmp"
	"context"
	"slices"
	"strconv"

	"github.com/redis/go-redis/v9"
)

// listPage is how many ids one command reads of a list that is answered whole.
const listPage = 500

// SetupKeys returns every setup key of the caller's workspace, the oldest first.
func (s *SetupStore) SetupKeys(ctx context.Context, a Access) ([]*SetupKey, error) {
	if err := a.check(""); err != nil {
		return nil, err
	}
	all := []*SetupKey{}
	err := s.eachPage(ctx, keyListName(setupAPIID(a.WorkspaceID), ""), func(entries []string) error {
		page, err := s.loadSetupKeys(ctx, a.WorkspaceID, entries)
		if err != nil {
			return err
		}
		described, err := s.setupKeysOf(ctx, page)
		all = append(all, described...)
		return err
	})
	slices.SortStableFunc(all, func(a, b *SetupKey) int {
		return cmp.Or(cmp.Compare(a.CreatedAt, b.CreatedAt), cmp.Compare(a.ID, b.ID))
	})
	return all, err
}

// eachPage reads a list of ids to its end, some at a time.
func (s *SetupStore) eachPage(ctx context.Context, list string, use func(ids []string) error) error {
	from := "-"
	for {
		ids, err := s.idsFrom(ctx, list, from)
		if err != nil || len(ids) == 0 {
			return err
		}
		if err := use(ids); err != nil {
			return err
		}
		from = "(" + ids[len(ids)-1]
	}
}

// idsFrom reads a page of a list, from the beginning "-" or after an id "(ID".
func (s *SetupStore) idsFrom(ctx context.Context, list, from string) ([]string, error) {
	ctx, cancel := s.bounded(ctx)
	defer cancel()
	ids, err := s.redis.ZRangeByLex(ctx, list, &redis.ZRangeBy{Min: from, Max: "+", Count: listPage}).Result()
	if err != nil {
		return nil, Unavailable(err)
	}
	return ids, nil
}

// loadSetupKeys reads the setup keys among entries of a list, or ids. What is not there, not a setup key
// or another workspace's is left out.
func (s *SetupStore) loadSetupKeys(ctx context.Context, workspaceID string, entries []string) ([]*stored, error) {
	loaded, err := s.loadAll(ctx, single(entries))
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(loaded, func(one *stored) bool {
		return one == nil || one.key.Setup == nil || one.key.WorkspaceID != workspaceID
	}), nil
}

// setupKeysOf describes setup keys, with when they were last used, in one round trip.
func (s *SetupStore) setupKeysOf(ctx context.Context, found []*stored) ([]*SetupKey, error) {
	redeemed, verified := make([]*redis.ZSliceCmd, len(found)), make([]*redis.StringCmd, len(found))
	err := s.pipelined(ctx, func(p redis.Pipeliner) {
		for i, one := range found {
			redeemed[i] = p.ZRevRangeWithScores(ctx, one.place.peers(), 0, 0)
			verified[i] = p.Get(ctx, one.place.lastUsed())
		}
	})
	if err != nil {
		return nil, err
	}
	all := make([]*SetupKey, len(found))
	for i, one := range found {
		all[i] = setupKeyOf(one)
		all[i].LastUsed, _ = strconv.ParseInt(verified[i].Val(), 10, 64) // "" for never
		if z := redeemed[i].Val(); len(z) > 0 {
			all[i].LastUsed = max(all[i].LastUsed, int64(z[0].Score))
		}
	}
	return all, nil
}
