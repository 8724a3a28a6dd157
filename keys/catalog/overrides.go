package catalog

import (
	"context"
	"slices"

	"tollgate/keys"
	"tollgate/keys/audit"
	"tollgate/keys/layout"
	"tollgate/ratelimit"
)

// SetOverride gives identifiers that fit o.Identifier a limit of their own, in the
// place of the override with the same identifier, whose id it keeps. It returns the
// id. The next use on every gateway obeys; what was counted stays counted unless
// the duration changes.
func (s *Catalog) SetOverride(ctx context.Context, a keys.Access, r keys.NamespaceRef, o keys.Override) (id string, err error) {
	ctx, end := s.Audit.Begin(ctx, a.Caller, audit.SetOverride, audit.Resource{Type: "override", Name: o.Identifier})
	defer end(&err)
	if err := o.Check(); err != nil {
		return "", err
	}
	err = s.changeNamespace(ctx, a, r, func(n *keys.Namespace) error {
		i := n.Find(o.Identifier)
		if i < 0 || n.Overrides[i].Duration != o.Duration {
			if err := a.CheckDuration(o.Duration); err != nil {
				return err
			}
		}
		if i >= 0 {
			o.ID = n.Overrides[i].ID
			n.Overrides[i] = o
			return nil
		}
		if len(n.Overrides) >= keys.MaxOverrides {
			return keys.Errorf(keys.KindPrecondition, string(layout.KindNamespace), "namespace %s has %d overrides already", n.Name, keys.MaxOverrides)
		}
		o.ID = keys.NewID(keys.PrefixOverride)
		n.Overrides = append(n.Overrides, o)
		return nil
	})
	return o.ID, err
}

func overrideNotFound(identifier string) error {
	return keys.Errorf(keys.KindNotFound, "ratelimit_override", "override %s not found", keys.Redact(identifier))
}

// GetOverride returns the override with exactly this identifier; with resolve also
// the one that a use of the identifier would be limited by. KindNotFound without one.
func (s *Catalog) GetOverride(ctx context.Context, a keys.Access, r keys.NamespaceRef, identifier string, resolve bool) (*keys.Override, error) {
	n, err := s.Namespace(ctx, a, r)
	if err != nil {
		return nil, err
	}
	if i := n.Find(identifier); i >= 0 {
		return &n.Overrides[i], nil
	}
	if resolve {
		if o, ok := ratelimit.Pick(n.Overrides, func(o keys.Override) string { return o.Identifier }, identifier); ok {
			return &o, nil
		}
	}
	return nil, overrideNotFound(identifier)
}

// OverridePage is part of the overrides of a namespace, in the order of their ids.
type OverridePage struct {
	Overrides []keys.Override
	Total     int    // of the namespace
	Next      string // the id of the first one behind this page; "" at the end
}

// OverrideCursor says where a page begins: behind the id After, or at the id From. What
// can't be the id of an override is KindInvalid.
type OverrideCursor struct{ After, From string }

// ListOverrides returns up to limit overrides of a namespace.
func (s *Catalog) ListOverrides(ctx context.Context, a keys.Access, r keys.NamespaceRef, at OverrideCursor, limit int) (*OverridePage, error) {
	if err := keys.CheckCursors(keys.PrefixOverride, at.After, at.From); err != nil {
		return nil, err
	}
	n, err := s.Namespace(ctx, a, r)
	if err != nil {
		return nil, err
	}
	rest := n.Overrides[:]
	for len(rest) > 0 && (rest[0].ID < at.From || at.After != "" && rest[0].ID <= at.After) {
		rest = rest[1:]
	}
	page := &OverridePage{Overrides: rest, Total: len(n.Overrides)}
	if len(rest) > limit {
		page.Overrides, page.Next = rest[:limit], rest[limit].ID
	}
	return page, nil
}

// DeleteOverride takes the override with exactly this identifier away;
// KindNotFound without one.
func (s *Catalog) DeleteOverride(ctx context.Context, a keys.Access, r keys.NamespaceRef, identifier string) (err error) {
	ctx, end := s.Audit.Begin(ctx, a.Caller, audit.DeleteOverride, audit.Resource{Type: "override", Name: identifier})
	defer end(&err)
	return s.changeNamespace(ctx, a, r, func(n *keys.Namespace) error {
		i := n.Find(identifier)
		if i < 0 {
			return overrideNotFound(identifier)
		}
		n.Overrides = slices.Delete(n.Overrides, i, i+1)
		return nil
	})
}
