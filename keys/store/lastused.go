package store

import (
	"context"
	_ "embed"
	"strconv"

	"tollgate/keys"
	"tollgate/keys/layout"
	"tollgate/keys/redisdb"

	"github.com/redis/go-redis/v9"
)

//go:embed lastused.lua
var lastUsedLua string

var lastUsedScript = redisdb.NewScript(redisdb.StateLua, lastUsedLua)

// NoteUses stores when the keys at places were last used, unix ms.
func (s *Records) NoteUses(ctx context.Context, moments map[layout.Place]int64) error {
	_, err := s.RunAll(ctx, lastUsedScript, s.useRuns(moments))
	return err
}

// maxUses is how many moments one run of a script stores.
const maxUses = 64

// useRuns makes the runs that note moments: each short, and within one slot.
func (s *Records) useRuns(moments map[layout.Place]int64) (calls []redisdb.Invocation) {
	open := map[string]int{} // the run that has room, by shard on a Cluster
	for at, ms := range moments {
		shard := ""
		if s.Cluster() {
			shard = at.Shard()
		}
		i, ok := open[shard]
		if !ok || len(calls[i].Args) == maxUses {
			i, open[shard] = len(calls), len(calls)
			calls = append(calls, redisdb.Invocation{})
		}
		one := &calls[i]
		one.Names, one.Args = append(one.Names, at.Record(), at.LastUsed()), append(one.Args, strconv.FormatInt(ms, 10))
	}
	return calls
}

// forgetUse removes when keys were last used that are not there any more.
func (s *Records) forgetUse(ctx context.Context, gone []*keys.Key) {
	moments := make(map[layout.Place]int64, len(gone))
	for _, k := range gone {
		moments[layout.PlaceOf(k.Digest)] = 0
	}
	_, _ = s.RunAll(ctx, lastUsedScript, s.useRuns(moments)) // housekeeping, as forget
}

// LastUsed returns when keys last let something through, unix ms; 0 for never. It is
// less than a second behind.
func (s *Store) LastUsed(ctx context.Context, all ...*keys.Key) ([]int64, error) {
	found := make([]*redis.StringCmd, len(all))
	err := s.Pipelined(ctx, func(p redis.Pipeliner) {
		for i, k := range all {
			found[i] = p.Get(ctx, layout.PlaceOf(k.Digest).LastUsed())
		}
	})
	if err != nil {
		return nil, err
	}
	moments := make([]int64, len(all))
	for i, cmd := range found {
		moments[i], _ = strconv.ParseInt(cmd.Val(), 10, 64) // "" for never
	}
	return moments, nil
}
