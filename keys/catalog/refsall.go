package catalog

import (
	"context"
	"slices"

	"tollgate/keys"
	"tollgate/keys/layout"
	"tollgate/keys/redisdb"

	"github.com/redis/go-redis/v9"
)

// Found is what the references of several drafts stand for.
type Found struct {
	Permissions, Roles lookup
	Identities         map[string]string // external id to id
}

// lookup returns the id of each reference, by id or by the form of its name in the
// name index.
type lookup map[keys.Ref]string

// IDs returns the ids of references, sorted, each once.
func (l lookup) IDs(f RefKind, refs []keys.Ref) []string {
	if len(refs) == 0 {
		return nil
	}
	ids := make([]string, len(refs))
	for i, r := range refs {
		ids[i] = l[f.canonical(r)]
	}
	slices.Sort(ids)
	return slices.Compact(ids)
}

// canonical is what tells one reference from another.
func (f RefKind) canonical(r keys.Ref) keys.Ref {
	if r.ID != "" {
		return keys.Ref{ID: r.ID}
	}
	return keys.Ref{Name: f.unique(r.Name)}
}

// ResolveAllRefs looks references up, each once however many drafts have it, and makes
// what is missing where they say so.
func (s *Catalog) ResolveAllRefs(ctx context.Context, a keys.Access, direct, viaRoles []keys.Ref, owners []string) (f *Found, err error) {
	f = &Found{}
	if f.Permissions, err = s.lookUpAll(ctx, a, Permissions, "permissions", direct); err != nil {
		return nil, err
	}
	if f.Roles, err = s.lookUpAll(ctx, a, Roles, "roles", viaRoles); err != nil {
		return nil, err
	}
	f.Identities, err = s.identifyAll(ctx, a.WorkspaceID, owners)
	return f, err
}

func (s *Catalog) lookUpAll(ctx context.Context, a keys.Access, f RefKind, field string, refs []keys.Ref) (lookup, error) {
	all, asked := lookup{}, []keys.Ref(nil)
	for _, r := range refs {
		if _, twice := all[f.canonical(r)]; !twice {
			all[f.canonical(r)] = ""
			asked = append(asked, r)
		}
	}
	if len(asked) == 0 {
		return all, nil
	}
	ids, err := s.idsOf(ctx, a, f, field, asked)
	for i, id := range ids {
		all[f.canonical(asked[i])] = id
	}
	return all, err
}

// identifyAll returns the ids of the identities with external ids, and makes those
// that are missing.
func (s *Catalog) identifyAll(ctx context.Context, ws string, externalIDs []string) (all map[string]string, err error) {
	names := slices.Clone(externalIDs)
	slices.Sort(names)
	names = slices.DeleteFunc(slices.Compact(names), func(name string) bool { return name == "" })
	all = make(map[string]string, len(names))
	err = Retry(func() (bool, error) {
		missing, err := s.identities(ctx, ws, names, all)
		if err != nil || len(missing) == 0 {
			return true, err
		}
		return false, s.makeIdentities(ctx, ws, missing)
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

// makeIdentities makes identities. Where somebody else was quicker it makes none:
// the caller looks again.
func (s *Catalog) makeIdentities(ctx context.Context, ws string, names []string) error {
	now, err := s.Now(ctx)
	if err != nil {
		return err
	}
	c := NewChange(ws)
	for _, name := range names {
		made := &keys.Identity{ID: keys.NewID(keys.PrefixIdentity), ExternalID: name, Environment: keys.DefaultEnvironment, CreatedAt: now}
		c.Claim(layout.KindIdentity, name, made.ID)
		c.List(layout.KindIdentity, made.ID)
		c.Put(layout.KindIdentity, made.ID, layout.EncodeDefinition(made))
	}
	_, _, err = s.Apply(ctx, c)
	return err
}
