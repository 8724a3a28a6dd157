package catalog

import (
	"context"

	"tollgate/keys/layout"

	"github.com/redis/go-redis/v9"
)

// DefinitionTexts reads definitions as they are stored, "" where one is not there.
func (s *Catalog) DefinitionTexts(ctx context.Context, ws string, k layout.Kind, ids []string) ([]string, error) {
	found := make([]*redis.StringCmd, len(ids))
	err := s.Pipelined(ctx, func(p redis.Pipeliner) {
		for i, id := range ids {
			found[i] = p.Get(ctx, layout.DefinitionName(ws, k, id))
		}
	})
	texts := make([]string, len(ids))
	for i, cmd := range found {
		texts[i] = cmd.Val()
	}
	return texts, err
}
