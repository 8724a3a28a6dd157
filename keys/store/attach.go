package store

import (
	"context"
	"slices"
	"strings"

	"tollgate/keys"
	"tollgate/keys/audit"
	"tollgate/keys/catalog"
)

// Attached is what a change of a key's permissions or roles came to.
type Attached[T any] struct {
	Asked []T // what the request named, each once
	All   []T // what the key itself has now; what its roles give is not in it
}

// attachment is what permissions and roles have in common as what a key has.
type attachment[T any] struct {
	refKind catalog.RefKind
	field   string
	add     keys.Right
	drop    keys.Right
	action  audit.Name
	list    func(*keys.Key) *[]string // their ids
	compare func(a, b *T) int
}

var keyPermissions = attachment[keys.Permission]{
	catalog.Permissions, "permissions", keys.AddPermissionToKey, keys.DropPermissionOfKey, audit.UpdatePermissions, func(k *keys.Key) *[]string { return &k.Permissions }, catalog.BySlug,
}

var keyRoles = attachment[keys.Role]{
	catalog.Roles, "roles", keys.AddRoleToKey, keys.DropRoleOfKey, audit.UpdateRoles, func(k *keys.Key) *[]string { return &k.Roles },
	func(a, b *keys.Role) int { return strings.Compare(a.Name, b.Name) },
}

// mergeFunc makes what a key will have of what it has and of what was asked.
type mergeFunc func(had, asked []string) []string

func union(had, asked []string) []string { return sortedSet(slices.Concat(had, asked)) }

func without(had, asked []string) []string {
	return slices.DeleteFunc(slices.Clone(had), func(id string) bool { return slices.Contains(asked, id) })
}

func instead(_, asked []string) []string { return asked }

func sortedSet(ids []string) []string {
	slices.Sort(ids)
	return slices.Compact(ids)
}

// AddPermissions adds permissions to those that a key has.
func (s *Store) AddPermissions(ctx context.Context, a keys.Access, keyID string, refs []keys.Ref) (Attached[*keys.Permission], error) {
	return attach(ctx, s.Records, a, keyID, keyPermissions, refs, union)
}

// RemovePermissions takes permissions from a key. Those that it does not have by
// itself are left as they are.
func (s *Store) RemovePermissions(ctx context.Context, a keys.Access, keyID string, refs []keys.Ref) (Attached[*keys.Permission], error) {
	return attach(ctx, s.Records, a, keyID, keyPermissions, refs, without)
}

// SetPermissions makes these the permissions of a key.
func (s *Store) SetPermissions(ctx context.Context, a keys.Access, keyID string, refs []keys.Ref) (Attached[*keys.Permission], error) {
	return attach(ctx, s.Records, a, keyID, keyPermissions, refs, instead)
}

// AddRoles adds roles to those that a key has.
func (s *Store) AddRoles(ctx context.Context, a keys.Access, keyID string, refs []keys.Ref) (Attached[*keys.Role], error) {
	return attach(ctx, s.Records, a, keyID, keyRoles, refs, union)
}

// RemoveRoles takes roles from a key. Those that it does not have are left as they are.
func (s *Store) RemoveRoles(ctx context.Context, a keys.Access, keyID string, refs []keys.Ref) (Attached[*keys.Role], error) {
	return attach(ctx, s.Records, a, keyID, keyRoles, refs, without)
}

// SetRoles makes these the roles of a key.
func (s *Store) SetRoles(ctx context.Context, a keys.Access, keyID string, refs []keys.Ref) (Attached[*keys.Role], error) {
	return attach(ctx, s.Records, a, keyID, keyRoles, refs, instead)
}

// attach changes what a key has, in the manner of UpdateKey. Ids that lead nowhere
// any more are dropped by the way.
func attach[T any](ctx context.Context, s *Records, a keys.Access, keyID string, at attachment[T], refs []keys.Ref, merge mergeFunc) (attached Attached[*T], err error) {
	ctx, end := s.Audit.Begin(ctx, a.Caller, at.action, audit.Resource{Type: "key", ID: keyID})
	defer end(&err)
	err = catalog.RetryPausing(ctx, func() (bool, error) {
		found, err := at.find(ctx, s, a, keyID, refs, merge)
		if err != nil {
			return false, err
		}
		asked, err := s.ResolveRefs(ctx, a, at.refKind, at.field, refs)
		if err != nil {
			return false, err
		}
		ids := merge(*at.list(found.Key), asked)
		there, err := at.read(ctx, s, a.WorkspaceID, union(ids, asked))
		if err != nil {
			return false, err
		}
		result := Attached[*T]{at.pick(there, asked), at.pick(there, ids)}
		done := len(result.Asked) == len(asked) // otherwise one was deleted a moment ago: look again
		if done {
			done, err = at.store(ctx, s, found, slices.DeleteFunc(slices.Clone(ids), func(id string) bool { return there[id] == nil }))
		}
		if err != nil {
			return false, err
		}
		if done {
			attached = result
			return true, nil
		}
		return false, nil
	})
	return attached, err
}

// find reads the key that is to be changed, and checks the caller's rights.
func (at attachment[T]) find(ctx context.Context, s *Records, a keys.Access, keyID string, refs []keys.Ref, merge mergeFunc) (*Record, error) {
	first := a
	if a.Used {
		first.Needs = nil
	}
	found, _, err := s.Owned(ctx, first, keyID)
	if err != nil || !a.Used {
		return found, err
	}
	return found, at.permitted(ctx, s, a, found.Key, refs, merge)
}

// permitted refuses a caller who has neither the right to add nor the right to remove,
// or lacks that of them which the change of a key makes use of.
func (at attachment[T]) permitted(ctx context.Context, s *Records, a keys.Access, k *keys.Key, refs []keys.Ref, merge mergeFunc) error {
	if !a.Can(at.add, k.APIID) && !a.Can(at.drop, k.APIID) {
		return keys.MissingRights(slices.Concat(at.add.Grants("")[1:], at.drop.Grants("")[1:])) // before anything is told of what there is
	}
	uses, err := at.uses(ctx, s, a.WorkspaceID, *at.list(k), refs, merge)
	if err != nil {
		return err
	}
	return keys.Access{Caller: a.Caller}.Check(k.APIID, uses...)
}

// settable is permitted for a change of a whole key that names what it has: whoever may
// change a key and no more gives it no role and no permission, and takes none away.
func (at attachment[T]) settable(ctx context.Context, s *Records, a keys.Access, k *keys.Key, to keys.Change[[]keys.Ref]) error {
	if !to.Set || !slices.Contains(a.Also, at.add) {
		return nil
	}
	return at.permitted(ctx, s, a, k, to.Or(nil), instead)
}

// uses returns the rights that a change makes use of, before it makes anything.
func (at attachment[T]) uses(ctx context.Context, s *Records, ws string, had []string, refs []keys.Ref, merge mergeFunc) ([]keys.Right, error) {
	if err := keys.CheckRefs(at.field, refs); err != nil {
		return nil, err
	}
	found, missing, err := s.LookUp(ctx, ws, at.refKind, refs)
	if err != nil {
		return nil, err
	}
	there, err := at.read(ctx, s, ws, had)
	if err != nil {
		return nil, err
	}
	var uses []keys.Right
	next := merge(had, found.Of(at.refKind, refs))
	if len(missing) > 0 || slices.ContainsFunc(next, func(id string) bool { return !slices.Contains(had, id) }) {
		uses = append(uses, at.add)
	}
	if slices.ContainsFunc(had, func(id string) bool { return there[id] != nil && !slices.Contains(next, id) }) {
		uses = append(uses, at.drop)
	}
	return uses, nil
}

// read returns the definitions of those ids that have one.
func (at attachment[T]) read(ctx context.Context, s *Records, ws string, ids []string) (map[string]*T, error) {
	found, _, err := catalog.ReadDefinitions[T](ctx, s.Catalog, ws, at.refKind.Kind, ids)
	if err != nil {
		return nil, err
	}
	there := map[string]*T{}
	for i, d := range found {
		if d != nil {
			there[ids[i]] = d
		}
	}
	return there, nil
}

// pick returns the definitions of ids, sorted.
func (at attachment[T]) pick(there map[string]*T, ids []string) []*T {
	picked := []*T{}
	for _, id := range ids {
		if d := there[id]; d != nil {
			picked = append(picked, d)
		}
	}
	slices.SortFunc(picked, at.compare)
	return picked
}

// store puts the new list into the key, unless it is the old one: then whoever wrote that
// may have given up waiting until it is kept. It reports whether the key was still as it
// was found.
func (at attachment[T]) store(ctx context.Context, s *Records, found *Record, ids []string) (bool, error) {
	if slices.Equal(ids, *at.list(found.Key)) {
		_, err := s.Run(ctx, catalog.ConfirmScript, []string{found.Place.Record()}, 0)
		return true, err
	}
	if len(ids) > keys.MaxKeyRefs {
		return false, keys.Invalidf(at.field, "a key has at most %d", keys.MaxKeyRefs)
	}
	k := *found.Key
	*at.list(&k), k.UpdatedAt = ids, found.Now
	return s.Put(ctx, found, &k, Put{})
}
