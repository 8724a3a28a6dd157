package catalog

import (
	"context"

	"tollgate/keys"
	"tollgate/keys/layout"
)

// NamespaceList returns a page of the caller's workspace's namespaces, those that were
// deleted as well: their names stay taken.
func (s *Catalog) NamespaceList(ctx context.Context, a keys.Access, ask ListOptions) (Page[*keys.Namespace], error) {
	if err := a.Check(""); err != nil {
		return Page[*keys.Namespace]{}, err
	}
	return PageOf(ctx, s, a.WorkspaceID, layout.KindNamespace, ask, func(n *keys.Namespace) []string { return []string{n.ID, n.Name} })
}
