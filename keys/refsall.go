package keys

import (
	"context"
	"slices"

	"github.com/redis/go-redis/v9"
)

// found is what the references of several drafts stand for.
type found struct {
	permissions, roles lookup
	identities         map[string]string // external id to id
}

// lookup returns the id of each reference, by id or by the form of its name in the
// name index.
type lookup map[Ref]string

// ids returns the ids of references, sorted, each once.
func (l lookup) ids(f refKind, refs []Ref) []string {
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
func (f refKind) canonical(r Ref) Ref {
	if r.ID != "" {
		return Ref{ID: r.ID}
	}
	return Ref{Name: f.unique(r.Name)}
}

// resolveAllRefs looks references up, each once however many drafts have it, and makes
// what is missing where they say so.
func (s *Catalog) resolveAllRefs(ctx context.Context, a Access, direct, viaRoles []Ref, owners []string) (f *found, err error) {
	f = &found{}
	if f.permissions, err = s.lookUpAll(ctx, a, permissions, "permissions", direct); err != nil {
		return nil, err
	}
	if f.roles, err = s.lookUpAll(ctx, a, roles, "roles", viaRoles); err != nil {
		return nil, err
	}
	f.identities, err = s.identifyAll(ctx, a.WorkspaceID, owners)
	return f, err
}

func (s *Catalog) lookUpAll(ctx context.Context, a Access, f refKind, field string, refs []Ref) (lookup, error) {
	all, asked := lookup{}, []Ref(nil)
	for _, r := range refs {
		if _, twice := all[f.canonical(r)]; !twice {
			all[f.canonical(r)] = ""
			asked = append(asked, r)
		}
	}
	if len(asked) == 0 {
		return all, nil
	}
	for range tries {
		ids, missing, err := s.lookUp(ctx, a.WorkspaceID, f, asked)
		if err != nil {
			return nil, err
		}
		if len(missing) == 0 {
			for i, r := range asked {
				all[f.canonical(r)] = ids[i]
			}
			return all, nil
		}
		if err := s.mayMake(a, f, field, missing); err != nil {
			return nil, err
		}
		if err := s.makeNamed(ctx, a.WorkspaceID, f, missing); err != nil {
			return nil, err
		}
	}
	return nil, Unavailable(errBusy)
}

// identifyAll returns the ids of the identities with external ids, and makes those
// that are missing.
func (s *Catalog) identifyAll(ctx context.Context, ws string, externalIDs []string) (map[string]string, error) {
	names := slices.Clone(externalIDs)
	slices.Sort(names)
	names = slices.DeleteFunc(slices.Compact(names), func(name string) bool { return name == "" })
	all := make(map[string]string, len(names))
	for range tries {
		missing, err := s.identities(ctx, ws, names, all)
		if err != nil || len(missing) == 0 {
			return all, err
		}
		if err := s.makeIdentities(ctx, ws, missing); err != nil {
			return nil, err
		}
	}
	return nil, Unavailable(errBusy)
}

// identities puts the ids of the identities that are there into all, and returns the
// names of the others.
func (s *Catalog) identities(ctx context.Context, ws string, names []string, all map[string]string) (missing []string, err error) {
	if len(names) == 0 {
		return nil, nil
	}
	var ids *redis.SliceCmd
	if err := s.pipelined(ctx, func(p redis.Pipeliner) { ids = p.HMGet(ctx, uniqueName(ws, kindIdentity), names...) }); err != nil {
		return nil, err
	}
	for i, name := range names {
		if id := text(ids.Val()[i]); id != "" {
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
	c := newChange(ws)
	for _, name := range names {
		made := &Identity{ID: NewID(prefixIdentity), ExternalID: name, Environment: DefaultEnvironment, CreatedAt: now}
		c.claim(kindIdentity, name, made.ID)
		c.list(kindIdentity, made.ID)
		c.put(kindIdentity, made.ID, encodeDefinition(made))
	}
	_, _, err = s.apply(ctx, c)
	return err
}
