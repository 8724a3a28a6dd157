package keys

import (
	"context"
	"strconv"
	"strings"

	"tollgate/ratelimit"
)

// DefaultEnvironment is the one that identities are in.
const DefaultEnvironment = "default"

var identities = refKind{kind: kindIdentity, prefix: prefixIdentity, unique: func(externalID string) string { return externalID }}

// IdentityRef names an identity by its id, or else by its external id in an
// environment. With both it is whichever is there, the id first.
type IdentityRef struct {
	ID          string
	ExternalID  string
	Environment string // "" is DefaultEnvironment
}

// ref is the reference among the identities of the one environment there is.
func (r IdentityRef) ref() Ref {
	if r.Environment != "" && r.Environment != DefaultEnvironment {
		return Ref{ID: orDefault(r.ID, r.ExternalID)}
	}
	return Ref{ID: r.ID, Name: r.ExternalID}
}

// IdentityDraft describes an identity to be made.
type IdentityDraft struct {
	ExternalID string
	Meta       []byte            // a JSON object's text
	Limits     []ratelimit.Limit // without ids; two of one name are KindConflict
}

// IdentityPatch says what changes about an identity.
type IdentityPatch struct {
	Meta   Change[[]byte]
	Limits Change[[]ratelimit.Limit] // all of them; one whose name was there keeps its id
	// KeepAutoApply leaves AutoApply as it was to a limit whose name was there.
	KeepAutoApply bool
}

// CreateIdentity makes an identity. An external id that is taken is KindConflict.
func (s *Catalog) CreateIdentity(ctx context.Context, a Access, d IdentityDraft) (*Identity, error) {
	if d.ExternalID == "" {
		return nil, Invalidf("externalId", "an identity has an external id")
	}
	if err := firstError(CheckExternalID("externalId", d.ExternalID), checkMeta(d.Meta), a.checkDurations(d.Limits, nil, sharedDuration), checkShared(d.Limits)); err != nil {
		return nil, err
	}
	if err := a.check(""); err != nil {
		return nil, err
	}
	now, err := s.Now(ctx)
	if err != nil {
		return nil, err
	}
	made := &Identity{
		ID: NewID(prefixIdentity), ExternalID: d.ExternalID, Environment: DefaultEnvironment, Meta: d.Meta,
		Limits: limitsWithIDs(d.Limits, nil), CreatedAt: now,
	}
	err = s.make(ctx, a.WorkspaceID, identities, made.ID, made.ExternalID, made)
	if err != nil && AsError(err).Kind == KindConflict {
		err = Errorf(KindConflict, string(kindIdentity), "Identity with externalId %q already exists in this workspace", Redact(d.ExternalID))
	}
	return made, err
}

// Identity returns an identity of the caller's workspace.
func (s *Catalog) Identity(ctx context.Context, a Access, ref IdentityRef) (*Identity, error) {
	if err := a.check(""); err != nil {
		return nil, err
	}
	i, _, err := find[Identity](ctx, s, a.WorkspaceID, identities, ref.ref())
	return i, err
}

// Identities lists identities. A search looks at ids and external ids.
func (s *Catalog) Identities(ctx context.Context, a Access, ask ListOptions) (Page[*Identity], error) {
	if err := a.check(""); err != nil {
		return Page[*Identity]{}, err
	}
	if err := ask.checkCursor(kindIdentity); err != nil {
		return Page[*Identity]{}, err
	}
	if ask.Environment != "" && ask.Environment != DefaultEnvironment {
		return Page[*Identity]{Rows: []*Identity{}}, nil
	}
	return pageOf(ctx, s, a.WorkspaceID, kindIdentity, ask, func(i *Identity) []string { return []string{i.ID, i.ExternalID} })
}

// UpdateIdentity changes an identity and gives it as it is then. The next
// verification of each of its keys obeys; a limit whose name and duration stay the
// same goes on counting.
func (s *Catalog) UpdateIdentity(ctx context.Context, a Access, ref IdentityRef, p IdentityPatch) (*Identity, error) {
	if err := firstError(a.check(""), checkMeta(p.Meta.or(nil)), checkShared(p.Limits.or(nil))); err != nil {
		return nil, err
	}
	for try := range 4 * tries {
		i, stored, err := find[Identity](ctx, s, a.WorkspaceID, identities, ref.ref())
		if err != nil {
			return nil, err
		}
		if err := a.checkDurations(p.Limits.or(nil), i.Limits, sharedDuration); err != nil {
			return nil, err
		}
		i.apply(p)
		changed := encodeDefinition(i)
		if changed == stored {
			return i, s.confirm(ctx, a.WorkspaceID, identityBucket(i.ID))
		}
		c := newChange(a.WorkspaceID)
		c.unchanged(kindIdentity, i.ID, stored)
		c.put(kindIdentity, i.ID, changed)
		c.raise(identityBucket(i.ID))
		if failed, _, err := s.apply(ctx, c); err != nil || failed == 0 {
			return i, err
		}
		if err := pause(ctx, try); err != nil {
			return nil, err
		}
	}
	return nil, Unavailable(errBusy)
}

func (i *Identity) apply(p IdentityPatch) {
	i.Meta = p.Meta.or(i.Meta)
	if !p.Limits.Set {
		return
	}
	limits := limitsWithIDs(p.Limits.or(nil), i.Limits)
	for n := range limits {
		for _, old := range i.Limits {
			if p.KeepAutoApply && old.ID == limits[n].ID {
				limits[n].AutoApply = old.AutoApply
			}
		}
	}
	i.Limits = limits
}

// DeleteIdentity takes an identity away, with its limits. Its keys go on without one;
// its external id is free. They stay in the list of its keys, which nothing leads to
// any more, until each is deleted or given to another identity.
func (s *Catalog) DeleteIdentity(ctx context.Context, a Access, ref IdentityRef) error {
	return drop(ctx, s, a, identities, ref.ref(), func(i *Identity) dropped {
		return dropped{i.ID, i.ExternalID, identityBucket(i.ID)}
	})
}

// sharedDuration names the duration of an identity's limit in an error.
func sharedDuration(i int) string { return "ratelimits." + strconv.Itoa(i) + ".duration" }

// checkShared checks the limits of an identity.
func checkShared(limits []ratelimit.Limit) error {
	if len(limits) > MaxKeyLimits {
		return Invalidf("ratelimits", "at most %d", MaxKeyLimits)
	}
	names := map[string]bool{}
	for i, limit := range limits {
		field := func(name string) string { return "ratelimits." + strconv.Itoa(i) + "." + name }
		switch {
		case limit.Name == "" || len(limit.Name) > MaxExternalID || strings.ContainsRune(limit.Name, 0):
			return Invalidf(field("name"), "a limit's name has 1 to %d bytes", MaxExternalID)
		case limit.Limit < 1 || limit.Limit > MaxCount:
			return Invalidf(field("limit"), "a whole number from 1 to %d", int64(MaxCount))
		case names[limit.Name]:
			return &Error{Kind: KindConflict, Resource: "ratelimit", Field: field("name"),
				Message: "two limits have the name " + strconv.Quote(limit.Name)}
		}
		if err := checkDuration(field("duration"), limit.Duration, ratelimit.MaxDuration); err != nil {
			return err
		}
		names[limit.Name] = true
	}
	return nil
}
