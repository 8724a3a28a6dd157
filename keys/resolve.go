package keys

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"tollgate/ratelimit"
)

// BucketRevision is a part of a workspace's definitions and where it stood.
type BucketRevision struct {
	bucket   bucket
	Revision Revision
}

// Resolved is what the ids in a key's record stood for, at some revisions of the
// definitions. The slices and what they point to are shared: do not change them.
type Resolved struct {
	API         *API      // nil when it was deleted
	Identity    *Identity // nil without one, or when it was deleted
	Permissions []string  // slugs, direct and through roles, sorted, each once
	Direct      []string  // slugs of the direct permissions alone, sorted
	Roles       []*Role   // sorted by name
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
	revision Revision
	value    any
}

// tries bounds how often a change that others are making at the same time is
// taken up again before the caller is told that the store is busy.
const tries = 16

var errBusy = errors.New("the definitions kept changing while they were read")

// Resolve looks up what a key's record refers to, at the newest revisions that
// this gateway has seen. Whoever decides by it confirms Revisions in Redis, and
// calls Refresh where one has changed.
func (s *Catalog) Resolve(ctx context.Context, k *Key) (*Resolved, error) {
	for range tries {
		g := s.collect(k)
		if len(g.missing) == 0 {
			return g.resolved(), nil
		}
		if err := s.cold.read(ctx, k.WorkspaceID, g.missing); err != nil {
			return nil, err
		}
	}
	return nil, Unavailable(errBusy)
}

// Guard names the Redis key that holds a revision for a key's verification.
func (s *Catalog) Guard(k *Key, r BucketRevision) string {
	return s.GuardIn(k.WorkspaceID, k.place().shard(), r)
}

// GuardIn names the Redis key that holds a workspace's revision for a decision made
// in a shard: the workspace's own, or on a Cluster the copy in the shard's slot.
func (s *Catalog) GuardIn(ws, shard string, r BucketRevision) string {
	if s.cluster {
		return revisionCopyName(shard, ws, r.bucket)
	}
	return revisionName(ws, r.bucket)
}

// Refresh takes note that a guard no longer holds what r says but seen.
func (s *Catalog) Refresh(ctx context.Context, k *Key, r BucketRevision, seen Revision) error {
	return s.RefreshIn(ctx, k.WorkspaceID, k.place().shard(), r, seen)
}

// need is a definition that is to be read, with the revision that covers it and
// the way to decode it.
type need struct {
	bucket bucket
	kind   definitionKind
	id     string // "" reads the revision alone
	decode func(string) (any, error)
}

// fetch reads definitions at one moment and remembers them, with the revisions.
func (s *Catalog) fetch(ctx context.Context, ws string, needs []need) error {
	var buckets []bucket
	var names []string
	args := []any{0}
	for _, n := range needs {
		if !slices.Contains(buckets, n.bucket) {
			buckets = append(buckets, n.bucket)
			names = append(names, revisionName(ws, n.bucket))
			args = append(args, "")
		}
	}
	args[0] = len(buckets)
	for _, n := range needs {
		if n.id != "" {
			names = append(names, definitionName(ws, n.kind, n.id))
		}
	}
	began := time.Now()
	reply, err := s.run(ctx, readScript, names, args...)
	if err != nil {
		return err
	}
	if len(reply) != 1+len(names) {
		return Unavailable(errCorrupt)
	}
	if i := slices.Index(buckets, sharedBucket); i >= 0 && text(reply[1+i]) == "" {
		// A workspace has this revision from its first moment on.
		if err := s.Mark(ctx); err != nil {
			return err
		}
	}
	return s.remember(ws, buckets, needs, reply[1:], began)
}

func (s *Catalog) remember(ws string, buckets []bucket, needs []need, reply []any, began time.Time) error {
	at := map[bucket]Revision{}
	for i, b := range buckets {
		at[b] = Revision(text(reply[i]))
		s.observe(ws, b, at[b], began)
	}
	values := reply[len(buckets):]
	for _, n := range needs {
		if n.id == "" {
			continue
		}
		value, err := n.decode(text(values[0]))
		if err != nil {
			return err
		}
		s.definitions.Set(definitionName(ws, n.kind, n.id), cached{at[n.bucket], value})
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
	missing   []need
	api       *API
	identity  *Identity
	direct    []*Permission
	viaRoles  []*Permission
	roles     []*Role
}

func (s *Catalog) collect(k *Key) *collector {
	g := &collector{store: s, ws: k.WorkspaceID}
	shared := g.useBucket(sharedBucket)
	if k.APIID != "" {
		g.api = cachedDefinition[API](g, shared, kindAPI, k.APIID)
	}
	if k.IdentityID != "" {
		own := g.useBucket(identityBucket(k.IdentityID))
		g.identity = cachedDefinition[Identity](g, own, kindIdentity, k.IdentityID)
	}
	g.direct = g.permissions(k.Permissions)
	for _, id := range k.Roles {
		if role := cachedDefinition[Role](g, shared, kindRole, id); role != nil {
			g.roles = append(g.roles, role)
			g.viaRoles = append(g.viaRoles, g.permissions(role.Permissions)...)
		}
	}
	if shared.Revision == noRevision && len(g.missing) == 0 {
		g.missing = append(g.missing, need{bucket: sharedBucket})
	}
	return g
}

// useBucket returns the revision of a bucket, by which what is found is found.
func (g *collector) useBucket(b bucket) BucketRevision {
	p, until := g.store.revision(g.ws, b)
	if g.until.IsZero() || !until.IsZero() && until.Before(g.until) {
		g.until = until
	}
	r := BucketRevision{b, p}
	g.revisions = append(g.revisions, r)
	return r
}

func (g *collector) permissions(ids []string) []*Permission {
	var found []*Permission
	for _, id := range ids {
		if p := cachedDefinition[Permission](g, g.revisions[0], kindPermission, id); p != nil {
			found = append(found, p)
		}
	}
	return found
}

// cachedDefinition finds a definition in the cache at a revision, or notes that it has to be
// read. It returns nil for that and for one that does not exist.
func cachedDefinition[T any](g *collector, at BucketRevision, k definitionKind, id string) *T {
	if c, ok := g.store.definitions.GetIfPresent(definitionName(g.ws, k, id)); ok && c.revision == at.Revision {
		value, _ := c.value.(*T)
		return value
	}
	g.missing = append(g.missing, need{at.bucket, k, id, func(stored string) (any, error) { return decodeDefinition[T](stored) }})
	return nil
}

func (g *collector) resolved() *Resolved {
	r := &Resolved{API: g.api, Identity: g.identity, Roles: g.roles, Revisions: g.revisions, Until: g.until}
	r.Direct = slugs(g.direct)
	r.Permissions = slugs(append(g.direct[:len(g.direct):len(g.direct)], g.viaRoles...))
	slices.SortFunc(r.Roles, func(a, b *Role) int { return strings.Compare(a.Name, b.Name) })
	r.roleNames = make([]string, len(r.Roles))
	for i, role := range r.Roles {
		r.roleNames[i] = role.Name
	}
	return r
}

func slugs(permissions []*Permission) []string {
	all := make([]string, len(permissions))
	for i, p := range permissions {
		all[i] = p.Slug
	}
	slices.Sort(all)
	return slices.Compact(all)
}
