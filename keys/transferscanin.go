package keys

import (
	"context"
	_ "embed"
	"time"

	"github.com/redis/go-redis/v9"
)

//go:embed grave.lua
var graveLua string

var graveScript = NewScript(graveLua)

// importCounters stores the counts of limits where none has begun yet. They are set,
// never added. What there is no owner for in the workspace is left out.
func (s *Store) importCounters(ctx context.Context, ws string, lines []checkedLine, done *Imported) error {
	owners := make([]counterOwner, len(lines))
	for i, l := range lines {
		owners[i] = l.counter
	}
	there, err := s.ownersIn(ctx, ws, owners)
	if err != nil {
		return err
	}
	stored := make([]*redis.BoolCmd, len(lines))
	err = s.pipelined(ctx, func(p redis.Pipeliner) {
		for i, l := range lines {
			if there[i] != 0 {
				stored[i] = p.SetNX(ctx, l.Counter, l.Stored, time.Duration(l.TTL)*time.Millisecond)
			}
		}
	})
	for _, cmd := range stored {
		switch {
		case cmd == nil:
			done.Different++
		case cmd.Val():
			done.Stored++
		default:
			done.Same++
		}
	}
	return err
}

// importGraves keeps the digests of soft-deleted keys taken.
func (s *Store) importGraves(ctx context.Context, _ string, lines []checkedLine, done *Imported) error {
	calls := make([]invocation, len(lines))
	for i, l := range lines {
		at := l.key.key.Digest.place()
		calls[i] = invocation{[]string{at.record(), at.grave()}, []any{l.Stored}}
	}
	replies, err := s.runAll(ctx, graveScript, calls)
	if err != nil {
		return err
	}
	for _, reply := range replies {
		switch number(reply[0]) {
		case 1:
			done.Stored++
		case 0:
			done.Same++
		default:
			done.Different++
		}
	}
	return nil
}
