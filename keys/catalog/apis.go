package catalog

import (
	"context"
	"unicode/utf8"

	"tollgate/keys"
	"tollgate/keys/audit"
	"tollgate/keys/layout"
)

// CreateAPI makes an API with a name, which need not be unique.
func (s *Catalog) CreateAPI(ctx context.Context, a keys.Access, name string) (made *keys.API, err error) {
	ctx, end := s.Audit.Begin(ctx, a.Caller, audit.CreateAPI, audit.Resource{Type: "api", Name: name})
	defer end(&err)
	if n := utf8.RuneCountInString(name); n < keys.MinAPIName || n > keys.MaxAPIName {
		return nil, keys.Invalidf("name", "the name has %d to %d characters", keys.MinAPIName, keys.MaxAPIName)
	}
	if err := a.Check(""); err != nil {
		return nil, err
	}
	now, err := s.Now(ctx)
	if err != nil {
		return nil, err
	}
	api := &keys.API{ID: keys.NewID(keys.PrefixAPI), WorkspaceID: a.WorkspaceID, Name: name, CreatedAt: now}
	c := NewChange(a.WorkspaceID)
	c.List(layout.KindAPI, api.ID)
	c.Put(layout.KindAPI, api.ID, layout.EncodeDefinition(api))
	_, _, err = s.Apply(ctx, c)
	return api, err
}

// API returns an API of the caller's workspace; KindNotFound without one.
func (s *Catalog) API(ctx context.Context, a keys.Access, id string) (*keys.API, error) {
	if err := a.Check(id); err != nil {
		return nil, err
	}
	api, _, err := ReadDefinition[keys.API](ctx, s, a.WorkspaceID, layout.KindAPI, id)
	if err != nil {
		return nil, err
	}
	if api == nil || api.Managed() {
		return nil, keys.APINotFound(id)
	}
	return api, nil
}
