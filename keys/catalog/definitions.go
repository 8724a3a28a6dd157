package catalog

import (
	"context"

	"tollgate/keys/layout"
	"tollgate/keys/redisdb"

	"github.com/redis/go-redis/v9"
)

// There are two ways to read definitions. Resolve, and Namespaces, return them as this
// gateway last saw them, for whoever confirms their revisions in the call that decides; all
// that follows reads them as they are now, for whoever shows or changes them.

// DefinitionTexts reads definitions as they are stored now, "" where one is not there.
func (s *Catalog) DefinitionTexts(ctx context.Context, ws string, k layout.Kind, ids []string) ([]string, error) {
	names := make([]string, len(ids))
	for i, id := range ids {
		names[i] = layout.DefinitionName(ws, k, id)
	}
	texts := make([]string, 0, len(ids))
	err := s.InParts(ctx, names, func(names []string) error {
		var reply *redis.SliceCmd
		if err := s.Pipelined(ctx, func(p redis.Pipeliner) { reply = p.MGet(ctx, names...) }); err != nil {
			return err
		}
		for _, stored := range reply.Val() {
			texts = append(texts, redisdb.Text(stored))
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return texts, nil
}

// ReadDefinitions reads definitions as they are now, each nil where there is none, with
// their stored texts.
func ReadDefinitions[T any](ctx context.Context, s *Catalog, ws string, k layout.Kind, ids []string) (all []*T, texts []string, err error) {
	if texts, err = s.DefinitionTexts(ctx, ws, k, ids); err != nil {
		return nil, nil, err
	}
	all = make([]*T, len(texts))
	for i, stored := range texts {
		if all[i], err = layout.DecodeDefinition[T](stored); err != nil {
			return nil, nil, err
		}
	}
	return all, texts, nil
}

// ReadDefinition is ReadDefinitions for one.
func ReadDefinition[T any](ctx context.Context, s *Catalog, ws string, k layout.Kind, id string) (*T, string, error) {
	all, texts, err := ReadDefinitions[T](ctx, s, ws, k, []string{id})
	if err != nil {
		return nil, "", err
	}
	return all[0], texts[0], nil
}
