package catalog

import (
	"context"

	"tollgate/keys"
	"tollgate/keys/audit"
	"tollgate/keys/layout"
)

// DeleteAPI takes an API of the caller's workspace away. Its keys end with it at
// once, however many there are; Sweep removes what is left of them.
func (s *Catalog) DeleteAPI(ctx context.Context, a keys.Access, id string) (err error) {
	ctx, end := s.Audit.Begin(ctx, a.Caller, audit.DeleteAPI, audit.Resource{Type: "api", ID: id})
	defer end(&err)
	if _, err := s.API(ctx, a, id); err != nil {
		return err
	}
	return s.changeAPI(ctx, a.WorkspaceID, id, func(api *keys.API, c *Change) error {
		if api.Protected {
			return keys.Errorf(keys.KindProtected, "api", "api %s is protected against deletion", id)
		}
		if err := s.scheduleDeletion(ctx, a.WorkspaceID, id); err != nil {
			return err
		}
		c.Drop(layout.KindAPI, id)
		return nil
	})
}

// ProtectAPI sets whether an API is protected against deletion.
func (s *Catalog) ProtectAPI(ctx context.Context, a keys.Access, id string, protected bool) (err error) {
	ctx, end := s.Audit.Begin(ctx, a.Caller, audit.UpdateAPI, audit.Resource{Type: "api", ID: id})
	defer end(&err)
	return s.rewriteAPI(ctx, a, id, func(api *keys.API) bool {
		api.Protected = protected
		return false
	})
}

// AllowIPs sets from which addresses an API's keys may be used: addresses and
// networks such as 10.0.0.0/8; none is every address.
func (s *Catalog) AllowIPs(ctx context.Context, a keys.Access, id string, list []string) (err error) {
	ctx, end := s.Audit.Begin(ctx, a.Caller, audit.UpdateAPI, audit.Resource{Type: "api", ID: id})
	defer end(&err)
	clean, err := keys.CheckAddresses(list)
	if err != nil {
		return err
	}
	return s.rewriteAPI(ctx, a, id, func(api *keys.API) (revokes bool) {
		revokes = len(api.AllowedIPs) == 0 || len(clean) > 0 && Includes(api.AllowedIPs, clean)
		api.AllowedIPs = clean
		return revokes
	})
}

// rewriteAPI stores an API as edit leaves it, which reports whether that only takes
// rights away.
func (s *Catalog) rewriteAPI(ctx context.Context, a keys.Access, id string, edit func(*keys.API) (revokes bool)) error {
	if _, err := s.API(ctx, a, id); err != nil {
		return err
	}
	return s.changeAPI(ctx, a.WorkspaceID, id, func(api *keys.API, c *Change) error {
		c.Revokes = edit(api)
		c.Put(layout.KindAPI, id, layout.EncodeDefinition(api))
		return nil
	})
}

// changeAPI makes a change of an API as it is now, which every gateway obeys from
// then on.
func (s *Catalog) changeAPI(ctx context.Context, ws, id string, edit func(*keys.API, *Change) error) error {
	return Retry(func() (bool, error) {
		api, stored, err := ReadDefinition[keys.API](ctx, s, ws, layout.KindAPI, id)
		if err != nil {
			return false, err
		}
		if api == nil {
			return false, keys.APINotFound(id)
		}
		c := NewChange(ws)
		c.Unchanged(layout.KindAPI, id, stored)
		if err := edit(api, c); err != nil {
			return false, err
		}
		c.Raise(layout.SharedBucket)
		failed, _, err := s.Apply(ctx, c)
		return failed == 0, err
	})
}

// APIs returns a page of the caller's workspace's APIs.
func (s *Catalog) APIs(ctx context.Context, a keys.Access, ask ListOptions) (Page[*keys.API], error) {
	if err := a.Check(""); err != nil {
		return Page[*keys.API]{}, err
	}
	return PageOf(ctx, s, a.WorkspaceID, layout.KindAPI, ask, func(api *keys.API) []string { return []string{api.ID, api.Name} })
}
