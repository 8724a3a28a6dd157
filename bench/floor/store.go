package main

import (
	"context"
	"errors"
	"sync"

	"tollgate/keys"
	"tollgate/keys/redisdb"

	"github.com/redis/go-redis/v9"
)

// store asks Redis once for each request.
type store struct {
	redis   *redis.AutoPipeliner
	answers sync.Map // subject → *answer, as a gateway keeps records in memory
}

func newStore(client redis.UniversalClient) (*store, error) {
	one, ok := client.(*redis.Client)
	if !ok {
		return nil, errors.New("want a single Redis")
	}
	pipeline, err := one.AutoPipeline()
	return &store{redis: pipeline}, err
}

// find is the HGET, and the answer it stands for.
func (s *store) find(ctx context.Context, subject string) (*answer, error) {
	if _, err := s.redis.HGet(ctx, "floor:"+subject, "balance").Result(); err != nil {
		return nil, failure(err)
	}
	if known, ok := s.answers.Load(subject); ok {
		return known.(*answer), nil
	}
	text, err := s.redis.HGet(ctx, "floor:"+subject, "answer").Result()
	if err != nil {
		return nil, failure(err)
	}
	a, err := parse(text)
	if err == nil {
		s.answers.Store(subject, a)
	}
	return a, err
}

func failure(err error) error {
	if errors.Is(err, redis.Nil) {
		return keys.Errorf(keys.KindNotFound, "key", "the floor has no answer for this")
	}
	return redisdb.Unavailable(err)
}
