package keys

import (
	"context"

	"github.com/redis/go-redis/v9"
)

// DeleteAPI takes an API of the caller's workspace away. Its keys end with it at
// once, however many there are; Sweep removes what is left of them.
func (s *Catalog) DeleteAPI(ctx context.Context, a Access, id string) error {
	if _, err := s.API(ctx, a, id); err != nil {
		return err
	}
	return s.changeAPI(ctx, a.WorkspaceID, id, func(api *API, c *change) error {
		if api.Protected {
			return Errorf(KindProtected, "api", "api %s is protected against deletion", id)
		}
		if err := s.scheduleDeletion(ctx, a.WorkspaceID, id); err != nil {
			return err
		}
		c.drop(kindAPI, id)
		return nil
	})
}

// ProtectAPI sets whether an API is protected against deletion.
func (s *Catalog) ProtectAPI(ctx context.Context, a Access, id string, protected bool) error {
	return s.rewriteAPI(ctx, a, id, func(api *API) bool {
		api.Protected = protected
		return false
	})
}

// AllowIPs sets from which addresses an API's keys may be used: addresses and
// networks such as 10.0.0.0/8; none is every address.
func (s *Catalog) AllowIPs(ctx context.Context, a Access, id string, list []string) error {
	clean, err := checkAddresses(list)
	if err != nil {
		return err
	}
	return s.rewriteAPI(ctx, a, id, func(api *API) (revokes bool) {
		revokes = len(api.AllowedIPs) == 0 || len(clean) > 0 && includes(api.AllowedIPs, clean)
		api.AllowedIPs = clean
		return revokes
	})
}

// rewriteAPI stores an API as edit leaves it, which reports whether that only takes
// rights away.
func (s *Catalog) rewriteAPI(ctx context.Context, a Access, id string, edit func(*API) (revokes bool)) error {
	if _, err := s.API(ctx, a, id); err != nil {
		return err
	}
	return s.changeAPI(ctx, a.WorkspaceID, id, func(api *API, c *change) error {
		c.revokes = edit(api)
		c.put(kindAPI, id, encodeDefinition(api))
		return nil
	})
}

// changeAPI makes a change of an API as it is now, which every gateway obeys from
// then on.
func (s *Catalog) changeAPI(ctx context.Context, ws, id string, edit func(*API, *change) error) error {
	for range tries {
		api, stored, err := readDefinition[API](ctx, s, ws, kindAPI, id)
		if err != nil {
			return err
		}
		if api == nil {
			return apiNotFound(id)
		}
		c := newChange(ws)
		c.unchanged(kindAPI, id, stored)
		if err := edit(api, c); err != nil {
			return err
		}
		c.raise(sharedBucket)
		failed, _, err := s.apply(ctx, c)
		if err != nil || failed == 0 {
			return err
		}
	}
	return Unavailable(errBusy)
}

// APIs returns a page of the caller's workspace's APIs.
func (s *Catalog) APIs(ctx context.Context, a Access, ask ListOptions) (Page[*API], error) {
	if err := a.check(""); err != nil {
		return Page[*API]{}, err
	}
	return pageOf(ctx, s, a.WorkspaceID, kindAPI, ask, func(api *API) []string { return []string{api.ID, api.Name} })
}

// definitionTexts reads definitions as they are stored, "" where one is not there.
func (s *Catalog) definitionTexts(ctx context.Context, ws string, k definitionKind, ids []string) ([]string, error) {
	found := make([]*redis.StringCmd, len(ids))
	err := s.pipelined(ctx, func(p redis.Pipeliner) {
		for i, id := range ids {
			found[i] = p.Get(ctx, definitionName(ws, k, id))
		}
	})
	texts := make([]string, len(ids))
	for i, cmd := range found {
		texts[i] = cmd.Val()
	}
	return texts, err
}
