package keys

import (
	"context"
	"slices"
)

// maxFetch bounds how many definitions one script reads.
const maxFetch = 1000

// resolveAll resolves what keys of one workspace refer to as it is now, with a
// number of round trips that does not depend on how many keys there are.
func (s *Catalog) resolveAll(ctx context.Context, ws string, all []*Key) ([]*Resolved, error) {
	if err := s.fetch(ctx, ws, revisionsOf(all)); err != nil {
		return nil, err
	}
	resolved := make([]*Resolved, len(all))
	for range tries {
		var missing []need
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
			return resolved, nil
		}
		for part := range slices.Chunk(distinct(missing), maxFetch) {
			if err := s.fetch(ctx, ws, part); err != nil {
				return nil, err
			}
		}
	}
	return nil, Unavailable(errBusy)
}

// revisionsOf are the revisions that cover what keys refer to.
func revisionsOf(all []*Key) []need {
	needs := []need{{bucket: sharedBucket}}
	for _, k := range all {
		if k.IdentityID != "" {
			needs = append(needs, need{bucket: identityBucket(k.IdentityID)})
		}
	}
	return needs
}

// distinct drops what is asked for twice.
func distinct(needs []need) []need {
	type name struct {
		noun definitionKind
		id   string
	}
	seen := map[name]bool{}
	return slices.DeleteFunc(needs, func(n need) bool {
		at := name{n.kind, n.id}
		twice := seen[at] && n.id != ""
		seen[at] = true
		return twice
	})
}
