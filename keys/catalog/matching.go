package catalog

import (
	"context"
	"strings"

	"tollgate/keys"
	"tollgate/keys/layout"
	"tollgate/keys/turns"

	"github.com/maypok86/otter/v2"
)

// matching finds the overrides that apply to identifiers. The patterns of a namespace are
// taken apart once, where it is read; what was found is kept by identifier, for the
// revision at which the namespace was read. A search that is not kept may be long: the
// workspaces search in turns.
type matching struct {
	kept  *otter.Cache[matchKey, int]
	turns *turns.Queue
}

// matchKey is an identifier in a namespace at a revision.
type matchKey struct {
	namespace  string
	revision   layout.Revision
	identifier string
}

// matchBytes bounds the memory of what was found, roughly; noMatch stands for none.
const (
	matchBytes = 16 << 20
	noMatch    = -1
)

func newMatching() *matching {
	return &matching{
		turns: turns.New(),
		kept: otter.Must(&otter.Options[matchKey, int]{
			MaximumWeight: matchBytes,
			Weigher:       func(k matchKey, _ int) uint32 { return uint32(200 + len(k.identifier)) },
		}),
	}
}

// Override returns the override of a workspace's namespace that applies to an identifier, nil
// where none does: the one that names it exactly, or the pattern that ratelimit.Pick takes.
// KindUnavailable is that ctx ended before it was this workspace's turn to search.
func (s *Catalog) Override(ctx context.Context, ws string, n RuledNamespace, identifier string) (*keys.Override, error) {
	if i, ok := n.Exact(identifier); ok {
		return &n.Overrides[i], nil
	}
	if n.Patterns().Empty() {
		return nil, nil
	}
	key := matchKey{n.ID, n.Revision.Revision, identifier}
	place, ok := s.matching.kept.GetIfPresent(key)
	if !ok {
		var err error
		if place, err = s.search(ctx, ws, n.Namespace, identifier); err != nil {
			return nil, err
		}
		key.identifier = strings.Clone(identifier)
		s.matching.kept.Set(key, place)
	}
	if place == noMatch {
		return nil, nil
	}
	return &n.Overrides[place], nil
}

// search returns the place of the pattern that applies to an identifier, noMatch where none
// does. It waits for its turn no longer than for Redis.
func (s *Catalog) search(ctx context.Context, ws string, n *keys.Namespace, identifier string) (int, error) {
	ctx, cancel := s.Bounded(ctx)
	defer cancel()
	turn, err := s.matching.turns.Take(ctx, ws)
	if err != nil {
		return noMatch, err
	}
	defer turn.End()
	if place, ok := n.Patterns().Pick(identifier); ok {
		return place, nil
	}
	return noMatch, nil
}
