package setupkeys

import (
	"cmp"
	"context"
	"slices"
	"strconv"

	"tollgate/keys"
	"tollgate/keys/layout"
	"tollgate/keys/redisdb"
	"tollgate/keys/store"

	"github.com/redis/go-redis/v9"
)

// listPage is how many ids one command reads of a list that is answered whole.
const listPage = 500

// SetupKeys returns every setup key of the caller's workspace, the oldest first.
func (s *Keys) SetupKeys(ctx context.Context, a keys.Access) ([]*SetupKey, error) {
	if err := a.Check(""); err != nil {
		return nil, err
	}
	all := []*SetupKey{}
	err := s.eachPage(ctx, layout.KeyListName(APIID(a.WorkspaceID), ""), func(entries []string) error {
		page, err := s.LoadSetupKeys(ctx, a.WorkspaceID, entries)
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
func (s *Keys) eachPage(ctx context.Context, list string, use func(ids []string) error) error {
	from := "-"
	for {
		ids, err := s.IDsFrom(ctx, list, from)
		if err != nil || len(ids) == 0 {
			return err
		}
		if err := use(ids); err != nil {
			return err
		}
		from = "(" + ids[len(ids)-1]
	}
}

// IDsFrom reads a page of a list, from the beginning "-" or after an id "(ID".
func (s *Keys) IDsFrom(ctx context.Context, list, from string) ([]string, error) {
	ctx, cancel := s.Bounded(ctx)
	defer cancel()
	ids, err := s.Redis().ZRangeByLex(ctx, list, &redis.ZRangeBy{Min: from, Max: "+", Count: listPage}).Result()
	if err != nil {
		return nil, redisdb.Unavailable(err)
	}
	return ids, nil
}

// LoadSetupKeys reads the setup keys among entries of a list, or ids. What is not there, not a setup key
// or another workspace's is left out.
func (s *Keys) LoadSetupKeys(ctx context.Context, workspaceID string, entries []string) ([]*store.Record, error) {
	loaded, err := s.LoadAll(ctx, layout.Single(entries))
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(loaded, func(one *store.Record) bool {
		return one == nil || one.Key.Setup == nil || one.Key.WorkspaceID != workspaceID
	}), nil
}

// setupKeysOf describes setup keys, with when they were last used, in one round trip.
func (s *Keys) setupKeysOf(ctx context.Context, found []*store.Record) ([]*SetupKey, error) {
	redeemed, verified := make([]*redis.ZSliceCmd, len(found)), make([]*redis.StringCmd, len(found))
	err := s.Pipelined(ctx, func(p redis.Pipeliner) {
		for i, one := range found {
			redeemed[i] = p.ZRevRangeWithScores(ctx, one.Place.Peers(), 0, 0)
			verified[i] = p.Get(ctx, one.Place.LastUsed())
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
