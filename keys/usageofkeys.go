package keys

import (
	"context"

	"github.com/redis/go-redis/v9"
)

// UsageOwner is whose keys are asked for: a key, or an identity by its external id.
type UsageOwner struct{ KeyID, ExternalID string }

// KeyUsage gives, day by day, how verifications of a key, or of an owner's keys in
// every API, ended from the hour of start on and before end, both in unix ms. No end is
// now, by Redis's clock; no start is a day before the end. The caller needs its rights
// over each API that is involved.
func (s *UsageReader) KeyUsage(ctx context.Context, a Access, of UsageOwner, start, end *int64) ([]UsageRow, error) {
	now, err := s.store.Now(ctx)
	if err != nil {
		return nil, err
	}
	q := UsageQuery{End: now, Group: UsageGroups{Span: ByDay}}
	if end != nil {
		q.End = *end
	}
	if q.Start = q.End - dayMS; start != nil {
		q.Start = *start
	}
	if err := q.check(); err != nil {
		return nil, err
	}
	r := &usageReader{s: s, UsageQuery: q, sums: map[usageGroup]*UsageCounts{}}
	r.from, r.until = s.usageWindow(q.Start, q.End, now)
	apis, err := s.usageAPIs(ctx, a, of, r)
	if err != nil {
		return nil, err
	}
	for _, r.APIID = range apis {
		if err := r.choose(ctx); err != nil {
			return nil, err
		}
	}
	if err := r.read(ctx); err != nil {
		return nil, err
	}
	return r.rows(ctx, a.WorkspaceID)
}

// usageAPIs returns the APIs that are involved, and checks the rights over them.
func (s *UsageReader) usageAPIs(ctx context.Context, a Access, of UsageOwner, r *usageReader) ([]string, error) {
	if of.KeyID != "" {
		found, _, err := s.store.owned(ctx, a, of.KeyID)
		if err != nil {
			return nil, err
		}
		r.KeyIDs = []string{of.KeyID}
		return []string{found.key.APIID}, nil
	}
	var err error
	r.ExternalID = of.ExternalID
	if r.identity, err = s.store.named(ctx, a.WorkspaceID, kindIdentity, of.ExternalID); err != nil {
		return nil, err
	}
	apis, err := s.store.apisOf(ctx, a.WorkspaceID, r.identity)
	if err != nil {
		return nil, err
	}
	for _, id := range apis {
		if err := a.check(id); err != nil {
			return nil, err
		}
	}
	if len(apis) == 0 {
		return nil, a.check("")
	}
	return apis, nil
}

// apisOf lists the APIs in which an identity has keys; none for "".
func (s *Store) apisOf(ctx context.Context, ws, identityID string) (involved []string, err error) {
	if identityID == "" {
		return nil, nil
	}
	var all *redis.StringSliceCmd
	err = s.pipelined(ctx, func(p redis.Pipeliner) {
		all = p.ZRangeByLex(ctx, listName(ws, kindAPI), &redis.ZRangeBy{Min: "-", Max: "+", Count: maxUsageAPIs + 1})
	})
	if err != nil {
		return nil, err
	}
	if len(all.Val()) > maxUsageAPIs {
		return nil, Invalidf("ownerId", "the workspace has more than %d APIs: ask key by key", maxUsageAPIs)
	}
	has := make([]*redis.IntCmd, len(all.Val()))
	err = s.pipelined(ctx, func(p redis.Pipeliner) {
		for i, id := range all.Val() {
			has[i] = p.Exists(ctx, keyListName(id, identityID))
		}
	})
	for i, id := range all.Val() {
		if has[i].Val() > 0 {
			involved = append(involved, id)
		}
	}
	return involved, err
}
