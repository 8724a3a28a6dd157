package keys

import (
	"context"
	"math/rand/v2"
	"slices"
	"time"
	"unicode/utf8"

	"tollgate/ratelimit"
)

// SetOverride gives identifiers that fit o.Identifier a limit of their own, in the
// place of the override with the same identifier, whose id it keeps. It returns the
// id. The next use on every gateway obeys; what was counted stays counted unless
// the duration changes.
func (s *Catalog) SetOverride(ctx context.Context, a Access, r NamespaceRef, o Override) (string, error) {
	if err := o.check(); err != nil {
		return "", err
	}
	err := s.changeNamespace(ctx, a, r, func(n *Namespace) error {
		i := n.find(o.Identifier)
		if i < 0 || n.Overrides[i].Duration != o.Duration {
			if err := a.CheckDuration("duration", o.Duration); err != nil {
				return err
			}
		}
		if i >= 0 {
			o.ID = n.Overrides[i].ID
			n.Overrides[i] = o
			return nil
		}
		if len(n.Overrides) >= MaxOverrides {
			return Errorf(KindPrecondition, string(kindNamespace), "namespace %s has %d overrides already", n.Name, MaxOverrides)
		}
		o.ID = NewID(prefixOverride)
		n.Overrides = append(n.Overrides, o)
		return nil
	})
	return o.ID, err
}

func (o *Override) check() error {
	switch n := utf8.RuneCountInString(o.Identifier); {
	case n == 0 || n > MaxIdentifier:
		return Invalidf("identifier", "1 to %d characters", MaxIdentifier)
	case o.Limit < 0 || o.Limit > MaxCount:
		return Invalidf("limit", "a whole number from 0 to %d", int64(MaxCount))
	}
	return checkDuration("duration", o.Duration, ratelimit.MaxDuration)
}

// find returns the place of the override with exactly this identifier; -1 for none.
func (n *Namespace) find(identifier string) int {
	return slices.IndexFunc(n.Overrides, func(o Override) bool { return o.Identifier == identifier })
}

func overrideNotFound(identifier string) error {
	return Errorf(KindNotFound, "ratelimit_override", "override %s not found", Redact(identifier))
}

// GetOverride returns the override with exactly this identifier; with resolve also
// the one that a use of the identifier would be limited by. KindNotFound without one.
func (s *Catalog) GetOverride(ctx context.Context, a Access, r NamespaceRef, identifier string, resolve bool) (*Override, error) {
	n, err := s.Namespace(ctx, a, r)
	if err != nil {
		return nil, err
	}
	if i := n.find(identifier); i >= 0 {
		return &n.Overrides[i], nil
	}
	if resolve {
		if o, ok := ratelimit.Pick(n.Overrides, func(o Override) string { return o.Identifier }, identifier); ok {
			return &o, nil
		}
	}
	return nil, overrideNotFound(identifier)
}

// OverridePage is part of the overrides of a namespace, in the order of their ids.
type OverridePage struct {
	Overrides []Override
	Total     int    // of the namespace
	Next      string // the id of the first one behind this page; "" at the end
}

// OverrideCursor says where a page begins: behind the id After, or at the id From. What
// can't be the id of an override is KindInvalid.
type OverrideCursor struct{ After, From string }

// ListOverrides returns up to limit overrides of a namespace.
func (s *Catalog) ListOverrides(ctx context.Context, a Access, r NamespaceRef, at OverrideCursor, limit int) (*OverridePage, error) {
	if err := checkCursors(prefixOverride, at.After, at.From); err != nil {
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
func (s *Catalog) DeleteOverride(ctx context.Context, a Access, r NamespaceRef, identifier string) error {
	return s.changeNamespace(ctx, a, r, func(n *Namespace) error {
		i := n.find(identifier)
		if i < 0 {
			return overrideNotFound(identifier)
		}
		n.Overrides = slices.Delete(n.Overrides, i, i+1)
		return nil
	})
}

// pause lets the others go ahead who change the same definition: longer the more
// often they were quicker, and not as long as they.
func pause(ctx context.Context, try int) error {
	timer := time.NewTimer(rand.N(time.Duration(min(try+1, 10)) * time.Millisecond))
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return Unavailable(ctx.Err())
	}
}
