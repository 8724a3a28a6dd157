package catalog

import (
	"context"
	"slices"

	"tollgate/keys"
	"tollgate/keys/layout"
	"tollgate/keys/redisdb"

	"github.com/redis/go-redis/v9"
)

// RefIDs has the id of each of some references, by id or by the form of its name in the
// name index; "" for one that nothing has.
type RefIDs map[keys.Ref]string

// Of returns the ids of references, sorted, each once.
func (l RefIDs) Of(f RefKind, refs []keys.Ref) (ids []string) {
	for _, r := range refs {
		if id := l[f.canonical(r)]; id != "" {
			ids = append(ids, id)
		}
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

// Found is what the references of several drafts stand for.
type Found struct {
	Permissions, Roles RefIDs
	Identities         map[string]string // external id to id
}

// ResolveAllRefs looks references up, each once however many drafts have it, and makes
// what is missing where they say so.
func (s *Catalog) ResolveAllRefs(ctx context.Context, a keys.Access, direct, viaRoles []keys.Ref, owners []string) (f *Found, err error) {
	f = &Found{}
	if f.Permissions, err = s.resolve(ctx, a, Permissions, "permissions", direct); err != nil {
		return nil, err
	}
	if f.Roles, err = s.resolve(ctx, a, Roles, "roles", viaRoles); err != nil {
		return nil, err
	}
	f.Identities, err = s.Identify(ctx, a.WorkspaceID, owners...)
	return f, err
}

// ResolveRefs turns the references of one list into ids, each once, and makes what is
// missing where the reference says so and the caller may.
func (s *Catalog) ResolveRefs(ctx context.Context, a keys.Access, f RefKind, field string, refs []keys.Ref) ([]string, error) {
	if err := keys.CheckRefs(field, refs); err != nil {
		return nil, err
	}
	found, err := s.resolve(ctx, a, f, field, refs)
	return found.Of(f, refs), err
}

// resolve looks references up, and makes what is missing as ResolveRefs does.
func (s *Catalog) resolve(ctx context.Context, a keys.Access, f RefKind, field string, refs []keys.Ref) (found RefIDs, err error) {
	if len(refs) == 0 {
		return nil, nil
	}
	err = Retry(func() (bool, error) {
		all, missing, err := s.LookUp(ctx, a.WorkspaceID, f, refs)
		if err != nil {
			return false, err
		}
		if len(missing) == 0 {
			found = all
			return true, nil
		}
		if err := s.mayMake(a, f, field, missing); err != nil {
			return false, err
		}
		return false, s.makeNamed(ctx, a.WorkspaceID, f, missing)
	})
	return found, err
}

// LookUp returns the ids of the references that are there, and the others, each once. An
// id that nothing has is KindNotFound.
func (s *Catalog) LookUp(ctx context.Context, ws string, f RefKind, refs []keys.Ref) (found RefIDs, missing []keys.Ref, err error) {
	found = RefIDs{}
	var byID, byName []keys.Ref
	for _, r := range refs {
		at := f.canonical(r)
		if _, twice := found[at]; twice {
			continue
		}
		if found[at] = ""; r.ID != "" {
			byID = append(byID, r)
		} else {
			byName = append(byName, r)
		}
	}
	there, ids, err := s.lookUp(ctx, ws, f, byID, byName)
	if err != nil {
		return nil, nil, err
	}
	for i, r := range byID {
		if there[i] {
			found[f.canonical(r)] = r.ID
		} else if r.Missing != Skip {
			return nil, nil, keys.Errorf(keys.KindNotFound, string(f.Kind), "%s %s not found", f.Kind, keys.Redact(r.ID))
		}
	}
	for i, r := range byName {
		if found[f.canonical(r)] = ids[i]; ids[i] == "" && r.Missing != Skip {
			missing = append(missing, r)
		}
	}
	return found, missing, nil
}

// lookUp reports of ids whether they are there, and returns those of names; "" for a name
// that nothing has.
func (s *Catalog) lookUp(ctx context.Context, ws string, f RefKind, byID, byName []keys.Ref) (there []bool, ids []string, err error) {
	exist, names := make([]*redis.IntCmd, len(byID)), make([]string, len(byName))
	for i, r := range byName {
		names[i] = f.unique(r.Name)
	}
	var named *redis.SliceCmd
	err = s.Pipelined(ctx, func(p redis.Pipeliner) {
		for i, r := range byID {
			exist[i] = p.Exists(ctx, layout.DefinitionName(ws, f.Kind, r.ID))
		}
		if len(names) > 0 {
			named = p.HMGet(ctx, layout.UniqueName(ws, f.Kind), names...)
		}
	})
	if err != nil {
		return nil, nil, err
	}
	for _, one := range exist {
		there = append(there, one.Val() != 0)
	}
	ids = make([]string, len(names))
	for i := range names {
		ids[i] = redisdb.Text(named.Val()[i])
	}
	return there, ids, s.OtherwiseSpelt(ctx, ws, f, names, ids)
}
