package keys

import (
	"context"
	"unicode/utf8"
)

// Bounds of an API's name, in characters.
const (
	MinAPIName = 3
	MaxAPIName = 256
)

// CreateAPI makes an API with a name, which need not be unique.
func (s *Catalog) CreateAPI(ctx context.Context, a Access, name string) (*API, error) {
	if n := utf8.RuneCountInString(name); n < MinAPIName || n > MaxAPIName {
		return nil, Invalidf("name", "the name has %d to %d characters", MinAPIName, MaxAPIName)
	}
	if err := a.check(""); err != nil {
		return nil, err
	}
	now, err := s.Now(ctx)
	if err != nil {
		return nil, err
	}
	api := &API{ID: NewID(prefixAPI), WorkspaceID: a.WorkspaceID, Name: name, CreatedAt: now}
	c := newChange(a.WorkspaceID)
	c.list(kindAPI, api.ID)
	c.put(kindAPI, api.ID, encodeDefinition(api))
	_, _, err = s.apply(ctx, c)
	return api, err
}

// API returns an API of the caller's workspace; KindNotFound without one.
func (s *Catalog) API(ctx context.Context, a Access, id string) (*API, error) {
	if err := a.check(id); err != nil {
		return nil, err
	}
	api, _, err := readDefinition[API](ctx, s, a.WorkspaceID, kindAPI, id)
	if err != nil {
		return nil, err
	}
	if api == nil || id == setupAPIID(a.WorkspaceID) {
		return nil, apiNotFound(id)
	}
	return api, nil
}

func apiNotFound(id string) error { return Errorf(KindNotFound, "api", "api %s not found", Redact(id)) }

// readDefinition reads one definition as it is now, and its stored text; nil
// where there is none.
func readDefinition[T any](ctx context.Context, s *Catalog, ws string, k definitionKind, id string) (*T, string, error) {
	reply, err := s.run(ctx, readScript, []string{definitionName(ws, k, id)}, 0)
	if err != nil {
		return nil, "", err
	}
	stored := text(reply[1])
	d, err := decodeDefinition[T](stored)
	return d, stored, err
}
