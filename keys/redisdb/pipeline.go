package redisdb

import (
	"context"
	"errors"

	"github.com/redis/go-redis/v9"
)

// Invocation is one run of a script among several.
type Invocation struct {
	Names []string
	Args  []any
}

// RunAll runs a script for each of several sets of names, each once at most, in
// one round trip. An error leaves open which of them ran.
func (s *DB) RunAll(ctx context.Context, script *Script, all []Invocation) ([][]any, error) {
	if len(all) == 0 {
		return nil, nil
	}
	ctx, cancel := s.Bounded(ctx)
	defer cancel()
	replies := make([][]any, len(all))
	again, err := script.sendAll(ctx, s.redis, "evalsha", script.sha, all, replies)
	if err == nil && again {
		_, err = script.sendAll(ctx, s.redis, "eval", script.Text, all, replies)
	}
	return replies, err
}

// sendAll sends those that have no reply yet. It reports whether some did not run
// because a server does not have the script.
func (s *Script) sendAll(ctx context.Context, client redis.UniversalClient, verb, body string, all []Invocation, replies [][]any) (again bool, err error) {
	sent := make([]*redis.Cmd, len(all))
	_, _ = client.Pipelined(ctx, func(p redis.Pipeliner) error { // the commands hold their errors
		for i, one := range all {
			if replies[i] == nil {
				sent[i] = command(ctx, verb, body, one.Names, one.Args)
				_ = p.Process(ctx, s.form(sent[i]))
			}
		}
		return nil
	})
	for i, cmd := range sent {
		if cmd == nil {
			continue
		}
		reply, failure := cmd.Result()
		list, ok := reply.([]any)
		switch {
		case failure != nil && redis.HasErrorPrefix(failure, "NOSCRIPT"):
			again = true
		case failure != nil:
			err = Unavailable(failure)
		case !ok || len(list) == 0:
			err = Unavailable(errors.New("a script's reply is not a list"))
		default:
			replies[i] = list
		}
	}
	return again, err
}
