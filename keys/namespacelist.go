package keys

import "context"

// NamespaceList returns a page of the caller's workspace's namespaces, those that were
// deleted as well: their names stay taken.
func (s *Catalog) NamespaceList(ctx context.Context, a Access, ask ListOptions) (Page[*Namespace], error) {
	if err := a.check(""); err != nil {
		return Page[*Namespace]{}, err
	}
	return pageOf(ctx, s, a.WorkspaceID, kindNamespace, ask, func(n *Namespace) []string { return []string{n.ID, n.Name} })
}
