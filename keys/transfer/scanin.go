package transfer

import (
	"context"
	_ "embed"

	"tollgate/keys"
	"tollgate/keys/catalog"
	"tollgate/keys/layout"
	"tollgate/keys/redisdb"
	"tollgate/keys/store"
)

//go:embed tombstone.lua
var tombstoneLua string

var tombstoneScript = redisdb.NewScript(redisdb.StateLua, tombstoneLua)

// importCounters stores the counts of limits where none has begun yet. They are set,
// never added. What there is no owner for in the workspace is left out, and of a key
// what is more than it may have.
func (s *Transfer) importCounters(ctx context.Context, ws string, lines []checkedRecord, done *Imported) error {
	owners := make([]layout.CounterOwner, len(lines))
	for i, l := range lines {
		owners[i] = l.counter
	}
	there, err := s.ownersIn(ctx, ws, owners)
	if err != nil {
		return err
	}
	var calls []redisdb.Invocation
	var sent []int // of lines
	for i, l := range lines {
		if there[i] == 0 {
			done.leave(&lines[i], whyNoOwner)
			continue
		}
		calls, sent = append(calls, catalog.CounterIn(l.counter, l.Counter, string(l.Stored), l.TTL)), append(sent, i)
	}
	replies, err := s.RunCounters(ctx, calls)
	if err != nil {
		return err
	}
	for j, reply := range replies {
		switch redisdb.Number(reply[0]) {
		case 1:
			done.Stored++
		case 0:
			done.Same++
		default:
			done.leave(&lines[sent[j]], whyFull)
		}
	}
	return nil
}

// importTombstones keeps the digests of soft-deleted keys taken, by nothing but tombstones,
// whatever the file has. Those of an API that is not there are left out.
func (s *Transfer) importTombstones(ctx context.Context, ws string, lines []checkedRecord, done *Imported) error {
	all := make([]*store.Record, len(lines))
	for i, l := range lines {
		all[i] = &store.Record{Key: l.key.Key, Place: layout.PlaceOf(l.key.Key.Digest)}
	}
	gone, err := s.GoneAPIs(ctx, ws, all)
	if err != nil {
		return err
	}
	var calls []redisdb.Invocation
	var some []int
	for i, one := range all {
		if gone[one.Key.APIID] {
			done.leave(&lines[i], whyNoAPI)
			continue
		}
		some = append(some, i)
		calls = append(calls, redisdb.Invocation{Names: []string{one.Place.Record(), one.Place.Tombstone()}, Args: []any{store.TombstoneOf(one.Key).Text()}})
	}
	replies, err := s.RunAll(ctx, tombstoneScript, calls)
	if err != nil {
		return err
	}
	var led []*keys.Key
	for i, reply := range replies {
		switch redisdb.Number(reply[0]) {
		case 1:
			done.Stored++
		case 0:
			done.Same++
		default:
			done.leave(&lines[some[i]], whyAlive)
			continue
		}
		led = append(led, all[some[i]].Key)
	}
	return s.IndexTombstones(ctx, led)
}
