package redistest

import (
	"context"
	"testing"

	"github.com/redis/go-redis/v9"
)

// Steps returns another client of c's store, for somebody who is watched at every step:
// before is called ahead of each exchange, counted from 0; an error is what that comes
// to, without being sent. A gateway that dies is one whose steps fail from
// some number on. Its greeting is no step.
func Steps(tb testing.TB, c redis.UniversalClient, before func(step int) error) redis.UniversalClient {
	tb.Helper()
	var other redis.UniversalClient
	switch c := c.(type) {
	case *redis.ClusterClient:
		o := *c.Options()
		other = redis.NewClusterClient(&o)
	case *redis.Client:
		o := *c.Options()
		other = redis.NewClient(&o)
	}
	tb.Cleanup(func() { _ = other.Close() })
	if err := other.Ping(ctx).Err(); err != nil {
		tb.Fatalf("redistest: %v", err)
	}
	other.AddHook(&stepping{before: before})
	return other
}

type stepping struct {
	before func(int) error
	count  int
}

func (s *stepping) step(c context.Context) (context.Context, error) {
	if c.Value(noFailover{}) != nil {
		return c, nil // a greeting, within a step
	}
	err := s.before(s.count)
	s.count++
	return context.WithValue(c, noFailover{}, true), err
}

// DialHook implements redis.Hook.
func (s *stepping) DialHook(next redis.DialHook) redis.DialHook { return next }

// ProcessHook implements redis.Hook.
func (s *stepping) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(c context.Context, cmd redis.Cmder) error {
		c, err := s.step(c)
		if err != nil {
			cmd.SetErr(err)
			return err
		}
		return next(c, cmd)
	}
}

// ProcessPipelineHook implements redis.Hook.
func (s *stepping) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(c context.Context, cmds []redis.Cmder) error {
		c, err := s.step(c)
		if err != nil {
			for _, cmd := range cmds {
				cmd.SetErr(err)
			}
			return err
		}
		return next(c, cmds)
	}
}
