package catalog

import (
	"context"
	"slices"

	"tollgate/keys"
	"tollgate/keys/layout"
)

// maxFetch bounds how many definitions one script reads.
const maxFetch = 1000

// ResolveAll resolves what keys of one workspace refer to as it is now, with a
// number of round trips that does not depend on how many keys there are.
func (s *Catalog) ResolveAll(ctx context.Context, ws string, all []*keys.Key) (found []*Resolved, err error) {
	if err := s.Fetch(ctx, ws, revisionsOf(all)); err != nil {
		return nil, err
	}
	resolved := make([]*Resolved, len(all))
	err = Retry(func() (bool, error) {
		var missing []Need
		for i, k := range all {
			if resolved[i] != nil {
				continue
			}
			if g := s.collect(k); len(g.missing) == 0 {
				resolved[i] = g.resolved()
			} else {
				missing = append(missing, g.missing...)
			}
		}
		if len(missing) == 0 {
			found = resolved
			return true, nil
		}
		for part := range slices.Chunk(distinct(missing), maxFetch) {
			if err := s.Fetch(ctx, ws, part); err != nil {
				return false, err
			}
		}
		return false, nil
	})
	return found, err
}

// revisionsOf are the revisions that cover what keys refer to.
func revisionsOf(all []*keys.Key) []Need {
	needs := []Need{{Bucket: layout.SharedBucket}}
	for _, k := range all {
		if k.IdentityID != "" {
			needs = append(needs, Need{Bucket: layout.IdentityBucket(k.IdentityID)})
		}
	}
	return needs
}

// distinct drops what is asked for twice.
func distinct(needs []Need) []Need {
	type name struct {
		kind layout.Kind
		id   string
	}
	seen := map[name]bool{}
	return slices.DeleteFunc(needs, func(n Need) bool {
		at := name{n.kind, n.id}
		twice := seen[at] && n.id != ""
		seen[at] = true
		return twice
	})
}
