package catalog

import (
	"context"
	"errors"
	"slices"

	"tollgate/keys"
	"tollgate/keys/layout"
	"tollgate/keys/redisdb"

	"github.com/redis/go-redis/v9"
)

// Named returns the id that has a unique name; "" where none has.
func (s *Catalog) Named(ctx context.Context, ws string, k layout.Kind, name string) (string, error) {
	ctx, cancel := s.Bounded(ctx)
	defer cancel()
	id, err := s.Redis().HGet(ctx, layout.UniqueName(ws, k), name).Result()
	if err != nil && !errors.Is(err, redis.Nil) {
		return "", redisdb.Unavailable(err)
	}
	return id, nil
}

// Identify returns the ids of the identities with external ids, by these, and makes those
// that are missing. "" stands for none.
func (s *Catalog) Identify(ctx context.Context, ws string, externalIDs ...string) (all map[string]string, err error) {
	names := slices.Clone(externalIDs)
	slices.Sort(names)
	names = slices.DeleteFunc(slices.Compact(names), func(name string) bool { return name == "" })
	all = make(map[string]string, len(names))
	err = Retry(func() (bool, error) {
		missing, err := s.identities(ctx, ws, names, all)
		if err != nil || len(missing) == 0 {
			return true, err
		}
		return s.makeIdentities(ctx, ws, missing, all)
	})
	return all, err
}

// identities puts the ids of the identities that are there into all, and returns the
// names of the others.
func (s *Catalog) identities(ctx context.Context, ws string, names []string, all map[string]string) (missing []string, err error) {
	if len(names) == 0 {
		return nil, nil
	}
	var ids *redis.SliceCmd
	if err := s.Pipelined(ctx, func(p redis.Pipeliner) { ids = p.HMGet(ctx, layout.UniqueName(ws, layout.KindIdentity), names...) }); err != nil {
		return nil, err
	}
	for i, name := range names {
		if id := redisdb.Text(ids.Val()[i]); id != "" {
			all[name] = id
		} else {
			missing = append(missing, name)
		}
	}
	return missing, nil
}

// makeIdentities makes identities and puts their ids into all. Where somebody else was
// quicker it makes none and returns false: the caller looks again.
func (s *Catalog) makeIdentities(ctx context.Context, ws string, names []string, all map[string]string) (done bool, err error) {
	now, err := s.Now(ctx)
	if err != nil {
		return false, err
	}
	c := NewChange(ws)
	for _, name := range names {
		made := &keys.Identity{ID: keys.NewID(keys.PrefixIdentity), ExternalID: name, Environment: keys.DefaultEnvironment, CreatedAt: now}
		c.Claim(layout.KindIdentity, name, made.ID)
		c.List(layout.KindIdentity, made.ID)
		c.Put(layout.KindIdentity, made.ID, layout.EncodeDefinition(made))
		all[name] = made.ID
	}
	failed, _, err := s.Apply(ctx, c)
	return failed == 0, err
}
