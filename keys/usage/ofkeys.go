package usage

import (
	"context"
	"slices"

	"tollgate/keys"
	"tollgate/keys/catalog"
	"tollgate/keys/layout"

	"github.com/redis/go-redis/v9"
)

// Owner is whose keys are asked for: a key, or an identity by its external id.
type Owner struct{ KeyID, ExternalID string }

// KeyUsage gives, day by day, how verifications of a key, or of an owner's keys in
// every API, ended from the hour of start on and before end, both in unix ms. No end is
// now, by Redis's clock; no start is a day before the end. The caller needs its rights
// over each API that is involved.
func (s *Reader) KeyUsage(ctx context.Context, a keys.Access, of Owner, start, end *int64) ([]Row, error) {
	now, err := s.store.Now(ctx)
	if err != nil {
		return nil, err
	}
	q := Query{End: now, Group: Groups{Span: ByDay}}
	if end != nil {
		q.End = *end
	}
	if q.Start = q.End - dayMS; start != nil {
		q.Start = *start
	}
	if err := q.check(); err != nil {
		return nil, err
	}
	r := &usageReader{s: s, Query: q, sums: map[usageGroup]*Counts{}}
	r.from, r.until = s.usageWindow(q.Start, q.End, now)
	apis, err := s.usageAPIs(ctx, a, of, r)
	if err != nil {
		return nil, err
	}
	for _, api := range apis {
		r.APIID = api
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
func (s *Reader) usageAPIs(ctx context.Context, a keys.Access, of Owner, r *usageReader) ([]string, error) {
	if of.KeyID != "" {
		found, _, err := s.store.Owned(ctx, a, of.KeyID)
		if err != nil {
			return nil, err
		}
		r.KeyIDs = []string{of.KeyID}
		return []string{found.Key.APIID}, nil
	}
	var err error
	r.ExternalID = of.ExternalID
	if r.identity, err = s.store.Named(ctx, a.WorkspaceID, layout.KindIdentity, of.ExternalID); err != nil {
		return nil, err
	}
	apis, err := s.apisOf(ctx, a.WorkspaceID, r.identity)
	if err != nil {
		return nil, err
	}
	for _, id := range apis {
		if err := a.Check(id); err != nil {
			return nil, err
		}
	}
	if len(apis) == 0 {
		return nil, a.Check("")
	}
	return apis, nil
}

// apisOf lists the APIs in which an identity has keys; none for "".
func (s *Reader) apisOf(ctx context.Context, ws, identityID string) (involved []string, err error) {
	if identityID == "" {
		return nil, nil
	}
	var all *redis.StringSliceCmd
	err = s.store.Pipelined(ctx, func(p redis.Pipeliner) {
		all = p.ZRangeByLex(ctx, layout.ListName(ws, layout.KindAPI), &redis.ZRangeBy{Min: "-", Max: "+", Count: maxUsageAPIs + 1})
	})
	if err != nil {
		return nil, err
	}
	if len(all.Val()) > maxUsageAPIs {
		return nil, keys.Invalidf("ownerId", "the workspace has more than %d APIs: ask key by key", maxUsageAPIs)
	}
	has := make([]*redis.IntCmd, len(all.Val()))
	err = s.store.Pipelined(ctx, func(p redis.Pipeliner) {
		for i, id := range all.Val() {
			has[i] = p.Exists(ctx, layout.KeyListName(id, identityID))
		}
	})
	for i, id := range all.Val() {
		if has[i].Val() > 0 {
			involved = append(involved, id)
		}
	}
	return involved, err
}

// identitiesOf reads the identities of groups, as they are now; one that was
// deleted has its id alone.
func (s *Reader) identitiesOf(ctx context.Context, ws string, sums map[usageGroup]*Counts) (map[string]*keys.Identity, error) {
	all := map[string]*keys.Identity{}
	var ids []string
	for g := range sums {
		if g.identity != "" && all[g.identity] == nil {
			all[g.identity] = &keys.Identity{ID: g.identity}
			ids = append(ids, g.identity)
		}
	}
	for step := range slices.Chunk(ids, usageReadStep) {
		found, _, err := catalog.ReadDefinitions[keys.Identity](ctx, s.store.Catalog, ws, layout.KindIdentity, step)
		if err != nil {
			return nil, err
		}
		for i, id := range step {
			if found[i] != nil {
				all[id] = found[i]
			}
		}
	}
	return all, nil
}
