package keys

import (
	"context"
	_ "embed"
)

//go:embed tombstone.lua
var tombstoneLua string

var tombstoneScript = NewScript(tombstoneLua)

// importCounters stores the counts of limits where none has begun yet. They are set,
// never added. What there is no owner for in the workspace is left out, and of a key
// what is more than it may have.
func (s *TransferStore) importCounters(ctx context.Context, ws string, lines []checkedRecord, done *Imported) error {
	owners := make([]counterOwner, len(lines))
	for i, l := range lines {
		owners[i] = l.counter
	}
	there, err := s.ownersIn(ctx, ws, owners)
	if err != nil {
		return err
	}
	var calls []invocation
	var sent []int // of lines
	for i, l := range lines {
		if there[i] == 0 {
			done.leave(&lines[i], whyNoOwner)
			continue
		}
		calls, sent = append(calls, l.counter.counterIn(l.Counter, string(l.Stored), l.TTL)), append(sent, i)
	}
	replies, err := s.runAll(ctx, counterInScript, calls)
	if err != nil {
		return err
	}
	for j, reply := range replies {
		switch number(reply[0]) {
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
func (s *TransferStore) importTombstones(ctx context.Context, ws string, lines []checkedRecord, done *Imported) error {
	all := make([]*stored, len(lines))
	for i, l := range lines {
		all[i] = &stored{key: l.key.key, place: l.key.key.Digest.place()}
	}
	gone, err := s.goneAPIs(ctx, ws, all)
	if err != nil {
		return err
	}
	var calls []invocation
	var some []int
	for i, one := range all {
		if gone[one.key.APIID] {
			done.leave(&lines[i], whyNoAPI)
			continue
		}
		some = append(some, i)
		calls = append(calls, invocation{[]string{one.place.record(), one.place.tombstone()}, []any{tombstoneOf(one.key).text()}})
	}
	replies, err := s.runAll(ctx, tombstoneScript, calls)
	if err != nil {
		return err
	}
	var led []*Key
	for i, reply := range replies {
		switch number(reply[0]) {
		case 1:
			done.Stored++
		case 0:
			done.Same++
		default:
			done.leave(&lines[some[i]], whyAlive)
			continue
		}
		led = append(led, all[some[i]].key)
	}
	return s.indexTombstones(ctx, led)
}
