package transfer

import (
	"cmp"
	"context"
	"strings"

	"tollgate/keys"
	"tollgate/keys/layout"
	"tollgate/keys/store"

	"github.com/redis/go-redis/v9"
)

// scan returns what no list leads to: the counters of limits that were named in
// requests or belong to identities and namespaces, and soft-deleted keys. It has to
// pass by every name in Redis, also of other workspaces.
func (e *exporter) scan(ctx context.Context, _ *ExportRecord) error {
	if err := e.emit([]ExportRecord{{Scan: true}}); err != nil {
		return err
	}
	masters, err := e.store.Masters(ctx)
	if err != nil {
		return err
	}
	for _, one := range masters {
		if err := e.scanOne(ctx, one); err != nil {
			return err
		}
	}
	return nil
}

func (e *exporter) scanOne(ctx context.Context, server redis.Cmdable) error {
	for cursor := uint64(0); ; {
		names, next, err := e.store.ScanStep(ctx, server, cursor, "tg:[ct]:*")
		if err != nil {
			return err
		}
		var tombstones, counters []string
		for _, name := range names {
			if strings.HasPrefix(name, "tg:t:") {
				tombstones = append(tombstones, name)
			} else {
				counters = append(counters, name)
			}
		}
		if err := cmp.Or(e.tombstones(ctx, tombstones), e.counters(ctx, counters)); err != nil || next == 0 {
			return err
		}
		cursor = next
	}
}

// tombstones returns those of the workspace whose API is there: the others go with it. Where a
// release before this one left a whole record, its tombstone is given.
func (e *exporter) tombstones(ctx context.Context, names []string) error {
	if len(names) == 0 {
		return nil
	}
	records := make([]*redis.StringCmd, len(names))
	if err := e.store.Pipelined(ctx, func(p redis.Pipeliner) {
		for i, name := range names {
			records[i] = p.Get(ctx, name)
		}
	}); err != nil {
		return err
	}
	var all []*store.Tombstone
	var owners []*store.Record
	for _, record := range records {
		t, err := store.DecodeTombstone(record.Val())
		if err == nil && t != nil && t.WorkspaceID == e.ws {
			all, owners = append(all, t), append(owners, &store.Record{Key: &keys.Key{APIID: t.APIID}})
		}
	}
	gone, err := e.store.GoneAPIs(ctx, e.ws, owners)
	if err != nil {
		return err
	}
	var lines []ExportRecord
	for _, t := range all {
		if !gone[t.APIID] {
			lines = append(lines, ExportRecord{Tombstone: t.ID, Stored: []byte(t.Text())})
		}
	}
	return e.emitAll(lines)
}

// counters returns those of the workspace that have not expired.
func (e *exporter) counters(ctx context.Context, names []string) error {
	if len(names) == 0 {
		return nil
	}
	owners := make([]layout.CounterOwner, len(names))
	for i, name := range names {
		owners[i], _ = layout.ParseCounter(name)
	}
	there, err := e.ownersThen(ctx, owners)
	if err != nil {
		return err
	}
	values, lives := make([]*redis.StringCmd, len(names)), make([]*redis.DurationCmd, len(names))
	if err := e.store.Pipelined(ctx, func(p redis.Pipeliner) {
		for i, name := range names {
			if there[i] != 0 {
				values[i], lives[i] = p.Get(ctx, name), p.PTTL(ctx, name)
			}
		}
	}); err != nil {
		return err
	}
	var lines []ExportRecord
	for i, value := range values {
		if value == nil || len(value.Val()) != layout.WindowLength || lives[i].Val() <= 0 {
			continue
		}
		lines = append(lines, ExportRecord{Counter: names[i], Stored: []byte(value.Val()), TTL: lives[i].Val().Milliseconds()})
	}
	return e.emitAll(lines)
}

// ownersIn tells which owners of counters belong to a workspace, and to whom the
// counters' shards are right: of keys when they were made, unix ms; 1 for others; 0
// for what is not the workspace's.
func (s *Transfer) ownersIn(ctx context.Context, ws string, owners []layout.CounterOwner) ([]int64, error) {
	made := make([]int64, len(owners))
	definitions, ids, at := make([]*redis.IntCmd, len(owners)), []string(nil), []int(nil)
	if err := s.Pipelined(ctx, func(p redis.Pipeliner) {
		for i, c := range owners {
			if k, shard := c.Defined(); k != "" {
				if c.Shard == shard {
					definitions[i] = p.Exists(ctx, layout.DefinitionName(ws, k, c.Owner))
				}
			} else if c.Owner != "" {
				ids, at = append(ids, c.Owner), append(at, i)
			}
		}
	}); err != nil {
		return nil, err
	}
	for i, cmd := range definitions {
		if cmd != nil {
			made[i] = cmd.Val()
		}
	}
	if len(ids) == 0 {
		return made, nil
	}
	found, err := s.LoadRecords(ctx, ids)
	if err != nil {
		return nil, err
	}
	gone, err := s.GoneAPIs(ctx, ws, found)
	for j, one := range found {
		if one != nil && one.Key.WorkspaceID == ws && !gone[one.Key.APIID] && one.Place.Shard() == owners[at[j]].Shard {
			made[at[j]] = one.Key.CreatedAt
		}
	}
	return made, err
}

// ownersThen is ownersIn for those that were made before the export began.
func (e *exporter) ownersThen(ctx context.Context, owners []layout.CounterOwner) ([]int64, error) {
	made, err := e.store.ownersIn(ctx, e.ws, owners)
	if err != nil {
		return nil, err
	}
	for i, c := range owners {
		if k, _ := c.Defined(); k != "" && made[i] != 0 {
			if made[i], err = e.definedAt(ctx, k, c.Owner); err != nil {
				return nil, err
			}
		}
		if made[i] > e.since {
			made[i] = 0
		}
	}
	return made, nil
}

// definedAt is when an identity or a namespace was made. Its record, which may be
// large, is read once for many counters.
func (e *exporter) definedAt(ctx context.Context, k layout.Kind, id string) (int64, error) {
	if at, ok := e.defined[id]; ok {
		return at, nil
	}
	texts, err := e.store.DefinitionTexts(ctx, e.ws, k, []string{id})
	if err != nil || texts[0] == "" {
		return 0, err
	}
	at := int64(0)
	if k == layout.KindNamespace {
		n, err := layout.DecodeDefinition[keys.Namespace](texts[0])
		if err != nil {
			return 0, err
		}
		at = n.CreatedAt
	} else {
		i, err := layout.DecodeDefinition[keys.Identity](texts[0])
		if err != nil {
			return 0, err
		}
		at = i.CreatedAt
	}
	if len(e.defined) >= 1<<16 {
		clear(e.defined)
	}
	e.defined[id] = at
	return at, nil
}
