package redisdb

import (
	"context"

	"github.com/redis/go-redis/v9"
)

// Strings that may be large are read in parts of so many bytes, or of one string that has
// more, and of mostStrings: Redis serves nobody else while it copies them.
const (
	maxPart     = 256 << 10
	mostStrings = 500
)

// InParts calls read with one part of names of strings after the other; "" is a name that
// nothing has. The sizes of several are asked for before.
func (s *DB) InParts(ctx context.Context, names []string, read func(names []string) error) error {
	sizes := make([]int64, len(names))
	if len(names) > 1 {
		if err := s.sizes(ctx, names, sizes); err != nil {
			return err
		}
	}
	for len(names) > 0 {
		n := fitting(sizes)
		if err := read(names[:n]); err != nil {
			return err
		}
		names, sizes = names[n:], sizes[n:]
	}
	return nil
}

// fitting is how many of the strings that have so many bytes are read at once: one at least.
func fitting(sizes []int64) int {
	sum := int64(0)
	for i, size := range sizes[:min(mostStrings, len(sizes))] {
		if sum += size; sum > maxPart && i > 0 {
			return i
		}
	}
	return min(mostStrings, len(sizes))
}

// sizes sets how many bytes strings have: 0 for one that is not there.
func (s *DB) sizes(ctx context.Context, names []string, sizes []int64) error {
	replies := make([]*redis.IntCmd, len(names))
	err := s.Pipelined(ctx, func(p redis.Pipeliner) {
		for i, name := range names {
			if name != "" {
				replies[i] = p.StrLen(ctx, name)
			}
		}
	})
	for i, reply := range replies {
		if reply != nil {
			sizes[i] = reply.Val()
		}
	}
	return err
}
