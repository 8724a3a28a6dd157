package catalog

import (
	"cmp"
	"context"

	"tollgate/keys"
	"tollgate/keys/audit"
	"tollgate/keys/layout"
)

var identities = RefKind{Kind: layout.KindIdentity, prefix: keys.PrefixIdentity, unique: func(externalID string) string { return externalID }}

// CreateIdentity makes an identity. An external id that is taken is KindConflict.
func (s *Catalog) CreateIdentity(ctx context.Context, a keys.Access, d keys.IdentityDraft) (created *keys.Identity, err error) {
	ctx, end := s.Audit.Begin(ctx, a.Caller, audit.CreateIdentity, audit.Resource{Type: "identity", Name: d.ExternalID})
	defer end(&err)
	if d.ExternalID == "" {
		return nil, keys.Invalidf("externalId", "an identity has an external id")
	}
	if err := cmp.Or(keys.CheckExternalID("externalId", d.ExternalID), keys.CheckMeta(d.Meta), keys.IdentityLimits.CheckDurations(a, d.Limits, nil), keys.IdentityLimits.Check(d.Limits)); err != nil {
		return nil, err
	}
	if err := a.Check(""); err != nil {
		return nil, err
	}
	now, err := s.Now(ctx)
	if err != nil {
		return nil, err
	}
	made := &keys.Identity{
		ID: keys.NewID(keys.PrefixIdentity), ExternalID: d.ExternalID, Environment: keys.DefaultEnvironment, Meta: d.Meta,
		Limits: keys.LimitsWithIDs(d.Limits, nil), CreatedAt: now,
	}
	err = s.make(ctx, a.WorkspaceID, identities, made.ID, made.ExternalID, made)
	if err != nil && keys.AsError(err).Kind == keys.KindConflict {
		err = keys.Errorf(keys.KindConflict, string(layout.KindIdentity), "Identity with externalId %q already exists in this workspace", keys.Redact(d.ExternalID))
	}
	return made, err
}

// Identity returns an identity of the caller's workspace.
func (s *Catalog) Identity(ctx context.Context, a keys.Access, ref keys.IdentityRef) (*keys.Identity, error) {
	if err := a.Check(""); err != nil {
		return nil, err
	}
	i, _, err := find[keys.Identity](ctx, s, a.WorkspaceID, identities, ref.Ref())
	return i, err
}

// Identities lists identities. A search looks at ids and external ids.
func (s *Catalog) Identities(ctx context.Context, a keys.Access, ask ListOptions) (Page[*keys.Identity], error) {
	if err := a.Check(""); err != nil {
		return Page[*keys.Identity]{}, err
	}
	if err := checkCursor(ask, layout.KindIdentity); err != nil {
		return Page[*keys.Identity]{}, err
	}
	if ask.Environment != "" && ask.Environment != keys.DefaultEnvironment {
		return Page[*keys.Identity]{Rows: []*keys.Identity{}}, nil
	}
	return PageOf(ctx, s, a.WorkspaceID, layout.KindIdentity, ask, func(i *keys.Identity) []string { return []string{i.ID, i.ExternalID} })
}

// UpdateIdentity changes an identity and gives it as it is then. The next
// verification of each of its keys obeys; a limit whose name and duration stay the
// same goes on counting.
func (s *Catalog) UpdateIdentity(ctx context.Context, a keys.Access, ref keys.IdentityRef, p keys.IdentityPatch) (updated *keys.Identity, err error) {
	ctx, end := s.Audit.Begin(ctx, a.Caller, audit.UpdateIdentity, named(layout.KindIdentity, ref.Ref()))
	defer end(&err)
	if err := cmp.Or(a.Check(""), keys.CheckMeta(p.Meta.Or(nil)), keys.IdentityLimits.Check(p.Limits.Or(nil))); err != nil {
		return nil, err
	}
	err = RetryPausing(ctx, func() (bool, error) {
		i, stored, err := find[keys.Identity](ctx, s, a.WorkspaceID, identities, ref.Ref())
		if err != nil {
			return false, err
		}
		if err := keys.IdentityLimits.CheckDurations(a, p.Limits.Or(nil), i.Limits); err != nil {
			return false, err
		}
		i.Apply(p)
		changed := layout.EncodeDefinition(i)
		if changed == stored {
			updated = i
			return true, s.confirm(ctx, a.WorkspaceID, layout.IdentityBucket(i.ID))
		}
		c := NewChange(a.WorkspaceID)
		c.Unchanged(layout.KindIdentity, i.ID, stored)
		c.Put(layout.KindIdentity, i.ID, changed)
		c.Raise(layout.IdentityBucket(i.ID))
		if failed, _, err := s.Apply(ctx, c); err != nil || failed == 0 {
			updated = i
			return true, err
		}
		return false, nil
	})
	return updated, err
}

// DeleteIdentity takes an identity away, with its limits. Its keys go on without one;
// its external id is free. They stay in the list of its keys, which nothing leads to
// any more, until each is deleted or given to another identity.
func (s *Catalog) DeleteIdentity(ctx context.Context, a keys.Access, ref keys.IdentityRef) (err error) {
	ctx, end := s.Audit.Begin(ctx, a.Caller, audit.DeleteIdentity, named(layout.KindIdentity, ref.Ref()))
	defer end(&err)
	return drop(ctx, s, a, identities, ref.Ref(), func(i *keys.Identity) dropped {
		return dropped{i.ID, i.ExternalID, layout.IdentityBucket(i.ID)}
	})
}
