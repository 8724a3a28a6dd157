package keys

import (
	"runtime"
	"strings"

	"github.com/maypok86/otter/v2"
)

// matching finds the overrides that apply to identifiers. The patterns of a namespace are
// taken apart once, where it is read; what was found is kept by identifier, for the
// revision at which the namespace was read. A search that is not kept may be long: so many
// at once leave a processor to those who have none, and the others wait.
type matching struct {
	kept  *otter.Cache[matchKey, int]
	slots chan struct{} // has room for the searches at once
}

// matchKey is an identifier in a namespace at a revision.
type matchKey struct {
	namespace  string
	revision   Prefix
	identifier string
}

// matchBytes bounds the memory of what was found, roughly; noMatch stands for none.
const (
	matchBytes = 16 << 20
	noMatch    = -1
)

func newMatching() *matching {
	return &matching{
		slots: make(chan struct{}, max(1, runtime.GOMAXPROCS(0)/2)),
		kept: otter.Must(&otter.Options[matchKey, int]{
			MaximumWeight: matchBytes,
			Weigher:       func(k matchKey, _ int) uint32 { return uint32(200 + len(k.identifier)) },
		}),
	}
}

// Override returns the override of a namespace that applies to an identifier, nil where none
// does: the one that names it exactly, or the pattern that ratelimit.Pick takes.
func (s *Store) Override(n RuledNamespace, identifier string) *Override {
	if i, ok := n.exact[identifier]; ok {
		return &n.Overrides[i]
	}
	if n.wild.Empty() {
		return nil
	}
	key := matchKey{n.ID, n.Revision.Prefix, identifier}
	place, ok := s.matching.kept.GetIfPresent(key)
	if !ok {
		place = s.matching.find(n.Namespace, identifier)
		key.identifier = strings.Clone(identifier)
		s.matching.kept.Set(key, place)
	}
	if place == noMatch {
		return nil
	}
	return &n.Overrides[place]
}

func (m *matching) find(n *Namespace, identifier string) int {
	m.slots <- struct{}{}
	defer func() { <-m.slots }()
	if place, ok := n.wild.Pick(identifier); ok {
		return place
	}
	return noMatch
}
