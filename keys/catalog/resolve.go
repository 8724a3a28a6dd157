package catalog

import (
	"context"
	"slices"
	"strings"
	"time"

	"tollgate/keys"
	"tollgate/keys/layout"
	"tollgate/keys/redisdb"
	"tollgate/ratelimit"
)

// BucketRevision is a part of a workspace's definitions and where it stood.
type BucketRevision struct {
	bucket   layout.Bucket
	Revision layout.Revision
}

// Resolved is what the ids in a key's record stood for, at some revisions of the
// definitions. The slices and what they point to are shared: do not change them.
type Resolved struct {
	API         *keys.API      // nil when it was deleted
	Identity    *keys.Identity // nil without one, or when it was deleted
	Permissions []string       // slugs, direct and through roles, sorted, each once
	Direct      []string       // slugs of the direct permissions alone, sorted
	Roles       []*keys.Role   // sorted by name
	roleNames   []string
	Revisions   []BucketRevision // what must still stand for all this to be current
	Until       time.Time        // and when it has to be resolved anew even if they stand; zero for never
}

// RoleNames returns the names of the roles, sorted.
func (r *Resolved) RoleNames() []string { return r.roleNames }

// IdentityLimits returns the limits shared by the identity's keys.
func (r *Resolved) IdentityLimits() []ratelimit.Limit {
	if r.Identity == nil {
		return nil
	}
	return r.Identity.Limits
}

// cached is a definition, nil for one that did not exist, at a revision.
type cached struct {
	revision layout.Revision
	value    any
}

// Resolve looks up what a key's record refers to, at the newest revisions that
// this gateway has seen. Whoever decides by it confirms Revisions in Redis, and
// calls Refresh where one has changed.
func (s *Catalog) Resolve(ctx context.Context, k *keys.Key) (found *Resolved, err error) {
	err = Retry(func() (bool, error) {
		g := s.collect(k)
		if len(g.missing) == 0 {
			found = g.resolved()
			return true, nil
		}
		return false, s.cold.read(ctx, k.WorkspaceID, g.missing)
	})
	return found, err
}

// Guard names the Redis key that holds a revision for a key's verification.
func (s *Catalog) Guard(k *keys.Key, r BucketRevision) string {
	return s.GuardIn(k.WorkspaceID, layout.KeyPlace(k).Shard(), r)
}

// GuardIn names the Redis key that holds a workspace's revision for a decision made
// in a shard: the workspace's own, or on a Cluster the copy in the shard's slot.
func (s *Catalog) GuardIn(ws, shard string, r BucketRevision) string {
	if s.Cluster() {
		return layout.RevisionCopyName(shard, ws, r.bucket)
	}
	return layout.RevisionName(ws, r.bucket)
}

// Refresh takes note that a guard no longer holds what r says but seen.
func (s *Catalog) Refresh(ctx context.Context, k *keys.Key, r BucketRevision, seen layout.Revision) error {
	return s.RefreshIn(ctx, k.WorkspaceID, layout.KeyPlace(k).Shard(), r, seen)
}

// Need is a definition that is to be read, with the revision that covers it and
// the way to decode it.
type Need struct {
	Bucket layout.Bucket
	kind   layout.Kind
	id     string // "" reads the revision alone
	decode func(string) (any, error)
}

// Fetch reads definitions at one moment and remembers them, with the revisions.
func (s *Catalog) Fetch(ctx context.Context, ws string, needs []Need) error {
	var buckets []layout.Bucket
	var names []string
	args := []any{0}
	for _, n := range needs {
		if !slices.Contains(buckets, n.Bucket) {
			buckets = append(buckets, n.Bucket)
			names = append(names, layout.RevisionName(ws, n.Bucket))
			args = append(args, "")
		}
	}
	args[0] = len(buckets)
	for _, n := range needs {
		if n.id != "" {
			names = append(names, layout.DefinitionName(ws, n.kind, n.id))
		}
	}
	began := time.Now()
	reply, err := s.Run(ctx, ReadScript, names, args...)
	if err != nil {
		return err
	}
	if len(reply) != 1+len(names) {
		return redisdb.Unavailable(keys.ErrCorrupt)
	}
	if i := slices.Index(buckets, layout.SharedBucket); i >= 0 && redisdb.Text(reply[1+i]) == "" {
		// A workspace has this revision from its first moment on.
		if err := s.Mark(ctx); err != nil {
			return err
		}
	}
	return s.remember(ws, buckets, needs, reply[1:], began)
}

func (s *Catalog) remember(ws string, buckets []layout.Bucket, needs []Need, reply []any, began time.Time) error {
	at := map[layout.Bucket]layout.Revision{}
	for i, b := range buckets {
		at[b] = layout.Revision(redisdb.Text(reply[i]))
		s.observe(ws, b, at[b], began)
	}
	values := reply[len(buckets):]
	for _, n := range needs {
		if n.id == "" {
			continue
		}
		value, err := n.decode(redisdb.Text(values[0]))
		if err != nil {
			return err
		}
		s.definitions.Set(layout.DefinitionName(ws, n.kind, n.id), cached{at[n.Bucket], value})
		values = values[1:]
	}
	return nil
}

// collector collects from the cache what a key refers to.
type collector struct {
	store     *Catalog
	ws        string
	revisions []BucketRevision
	until     time.Time
	missing   []Need
	api       *keys.API
	identity  *keys.Identity
	direct    []*keys.Permission
	viaRoles  []*keys.Permission
	roles     []*keys.Role
}

func (s *Catalog) collect(k *keys.Key) *collector {
	g := &collector{store: s, ws: k.WorkspaceID}
	shared := g.useBucket(layout.SharedBucket)
	if k.APIID != "" {
		g.api = cachedDefinition[keys.API](g, shared, layout.KindAPI, k.APIID)
	}
	if k.IdentityID != "" {
		own := g.useBucket(layout.IdentityBucket(k.IdentityID))
		g.identity = cachedDefinition[keys.Identity](g, own, layout.KindIdentity, k.IdentityID)
	}
	g.direct = g.permissions(k.Permissions)
	for _, id := range k.Roles {
		if role := cachedDefinition[keys.Role](g, shared, layout.KindRole, id); role != nil {
			g.roles = append(g.roles, role)
			g.viaRoles = append(g.viaRoles, g.permissions(role.Permissions)...)
		}
	}
	if shared.Revision == NoRevision && len(g.missing) == 0 {
		g.missing = append(g.missing, Need{Bucket: layout.SharedBucket})
	}
	return g
}

// useBucket returns the revision of a bucket, by which what is found is found.
func (g *collector) useBucket(b layout.Bucket) BucketRevision {
	p, until := g.store.revision(g.ws, b)
	if g.until.IsZero() || !until.IsZero() && until.Before(g.until) {
		g.until = until
	}
	r := BucketRevision{b, p}
	g.revisions = append(g.revisions, r)
	return r
}

func (g *collector) permissions(ids []string) []*keys.Permission {
	var found []*keys.Permission
	for _, id := range ids {
		if p := cachedDefinition[keys.Permission](g, g.revisions[0], layout.KindPermission, id); p != nil {
			found = append(found, p)
		}
	}
	return found
}

// cachedDefinition finds a definition in the cache at a revision, or notes that it has to be
// read. It returns nil for that and for one that does not exist.
func cachedDefinition[T any](g *collector, at BucketRevision, k layout.Kind, id string) *T {
	if c, ok := g.store.definitions.GetIfPresent(layout.DefinitionName(g.ws, k, id)); ok && c.revision == at.Revision {
		value, _ := c.value.(*T)
		return value
	}
	g.missing = append(g.missing, Need{at.bucket, k, id, func(stored string) (any, error) { return layout.DecodeDefinition[T](stored) }})
	return nil
}

func (g *collector) resolved() *Resolved {
	r := &Resolved{API: g.api, Identity: g.identity, Roles: g.roles, Revisions: g.revisions, Until: g.until}
	r.Direct = slugs(g.direct)
	r.Permissions = slugs(append(g.direct[:len(g.direct):len(g.direct)], g.viaRoles...))
	slices.SortFunc(r.Roles, func(a, b *keys.Role) int { return strings.Compare(a.Name, b.Name) })
	r.roleNames = make([]string, len(r.Roles))
	for i, role := range r.Roles {
		r.roleNames[i] = role.Name
	}
	return r
}

func slugs(permissions []*keys.Permission) []string {
	all := make([]string, len(permissions))
	for i, p := range permissions {
		all[i] = p.Slug
	}
	slices.Sort(all)
	return slices.Compact(all)
}
