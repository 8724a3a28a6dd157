package audit

import (
	"context"
	_ "embed"
	"encoding/json"
	"slices"

	"tollgate/keys"
	"tollgate/keys/layout"
	"tollgate/keys/redisdb"
)

//go:embed restore.lua
var restoreLua string

var restoreScript = redisdb.NewScript(restoreLua)

// Dump calls use with the entries of a workspace behind the one with an id, "" for all, that
// are not newer than a moment, in unix ms: page by page, the oldest first.
func (l *Log) Dump(ctx context.Context, ws, after string, until int64, use func([]Entry) error) error {
	q := Query{After: max(after, momentID(0)), Until: until + 1}
	for {
		part, more, err := l.readPart(ctx, ws, &q)
		if err != nil {
			return err
		}
		if len(part) > 0 {
			if err := use(part); err != nil {
				return err
			}
			q.After = part[len(part)-1].ID
		}
		if !more {
			return nil
		}
	}
}

// Restore stores entries that were dumped elsewhere, with their ids, and returns how many of
// them were not there. Those that are stay as they are.
func (l *Log) Restore(ctx context.Context, ws string, all []Entry) (stored int64, err error) {
	changes, refusals := layout.AuditName(ws), layout.AuditRefusalsName(ws)
	var calls []redisdb.Invocation
	for part := range slices.Chunk(all, maxTogether) {
		to, other := redisdb.Invocation{Names: []string{changes, refusals}}, redisdb.Invocation{Names: []string{refusals, changes}}
		for _, e := range part {
			call := &to
			if e.State == Refused {
				call = &other
			}
			call.Args = append(call.Args, e.ID, e.ID+separator+e.encode())
		}
		for _, call := range []redisdb.Invocation{to, other} {
			if len(call.Args) > 0 {
				calls = append(calls, call)
			}
		}
	}
	replies, err := l.db.RunAll(ctx, restoreScript, calls)
	if err != nil {
		return 0, err
	}
	for _, reply := range replies {
		stored += redisdb.Number(reply[0])
	}
	return stored, nil
}

// Stored returns the entries of a workspace that have these ids, by them.
func (l *Log) Stored(ctx context.Context, ws string, ids []string) (map[string]Entry, error) {
	calls := make([]redisdb.Invocation, len(ids))
	for i, id := range ids {
		calls[i] = redisdb.Invocation{Names: []string{layout.AuditName(ws), layout.AuditRefusalsName(ws)}, Args: []any{"[" + id + separator, "(" + id + behind, 1, redisdb.Flag(false)}}
	}
	replies, err := l.db.RunAll(ctx, readScript, calls)
	if err != nil {
		return nil, err
	}
	all := map[string]Entry{}
	for _, lists := range replies {
		for _, list := range lists {
			rows, _ := list.([]any)
			for _, row := range rows {
				e, err := decode(redisdb.Text(row))
				if err != nil {
					return nil, err
				}
				all[e.ID] = e
			}
		}
	}
	return all, nil
}

// Size is how many entries a workspace has.
func (l *Log) Size(ctx context.Context, ws string) (int64, error) {
	total := int64(0)
	for _, name := range []string{layout.AuditName(ws), layout.AuditRefusalsName(ws)} {
		bounded, cancel := l.db.Bounded(ctx)
		n, err := l.db.Redis().ZCard(bounded, name).Result()
		cancel()
		if err != nil {
			return 0, redisdb.Unavailable(err)
		}
		total += n
	}
	return total, nil
}

// Record is an entry as an export has it.
func (e Entry) Record() []byte { return []byte(e.encode()) }

// EntryOf reads what Record returned of the entry with an id. It refuses with KindInvalid what
// could not have been stored.
func EntryOf(id string, record []byte) (Entry, error) {
	if !entryIDs.MatchString(id) || len(id) == len(momentID(0)) {
		return Entry{}, keys.Invalidf("audit", "is not the id of an entry")
	}
	var e Entry
	if len(record) > MaxSize || json.Unmarshal(record, &e) != nil || !slices.Contains([]State{Pending, Done, Refused, Unknown}, e.State) || e.Action == "" {
		return Entry{}, keys.Invalidf("stored", "is no record of an entry")
	}
	var err error
	e.ID = id
	e.Time, err = timeOf(id)
	return e, err
}
