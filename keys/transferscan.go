package keys

import (
	"context"
	"strconv"
	"strings"
	"sync"

	"tollgate/ratelimit"

	"github.com/redis/go-redis/v9"
)

// scanStep is how many names Redis looks at in one command, in which it serves
// nobody else.
const scanStep = 500

// scan returns what no list leads to: the counters of limits that were named in
// requests or belong to identities and namespaces, and soft-deleted keys. It has to
// pass by every name in Redis, also of other workspaces.
func (e *exporter) scan(ctx context.Context, _ *ExportRecord) error {
	if err := e.emit([]ExportRecord{{Scan: true}}); err != nil {
		return err
	}
	masters, err := e.store.masters(ctx)
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

// masters are the servers that together have everything.
func (s *DB) masters(ctx context.Context) (all []redis.Cmdable, err error) {
	cluster, ok := s.redis.(*redis.ClusterClient)
	if !ok {
		return []redis.Cmdable{s.redis}, nil
	}
	var mu sync.Mutex
	err = cluster.ForEachMaster(ctx, func(_ context.Context, one *redis.Client) error {
		mu.Lock()
		defer mu.Unlock()
		all = append(all, one)
		return nil
	})
	if err != nil {
		err = Unavailable(err)
	}
	return all, err
}

func (e *exporter) scanOne(ctx context.Context, server redis.Cmdable) error {
	for cursor := uint64(0); ; {
		names, next, err := e.store.scanStep(ctx, server, cursor, "tg:[ct]:*")
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
		if err := firstError(e.tombstones(ctx, tombstones), e.counters(ctx, counters)); err != nil || next == 0 {
			return err
		}
		cursor = next
	}
}

// scanStep returns names on a server that fit a pattern, and where to go on; 0 at the end.
func (s *DB) scanStep(ctx context.Context, server redis.Cmdable, cursor uint64, pattern string) ([]string, uint64, error) {
	ctx, cancel := s.bounded(ctx)
	defer cancel()
	names, next, err := server.Scan(ctx, cursor, pattern, scanStep).Result()
	if err != nil {
		return nil, 0, Unavailable(err)
	}
	return names, next, nil
}

// tombstones returns those of the workspace whose API is there: the others go with it. Where a
// release before this one left a whole record, its tombstone is given.
func (e *exporter) tombstones(ctx context.Context, names []string) error {
	if len(names) == 0 {
		return nil
	}
	records := make([]*redis.StringCmd, len(names))
	if err := e.store.pipelined(ctx, func(p redis.Pipeliner) {
		for i, name := range names {
			records[i] = p.Get(ctx, name)
		}
	}); err != nil {
		return err
	}
	var all []*tombstone
	var owners []*stored
	for _, record := range records {
		t, err := decodeTombstone(record.Val())
		if err == nil && t != nil && t.WorkspaceID == e.ws {
			all, owners = append(all, t), append(owners, &stored{key: &Key{APIID: t.APIID}})
		}
	}
	gone, err := e.store.goneAPIs(ctx, e.ws, owners)
	if err != nil {
		return err
	}
	var lines []ExportRecord
	for _, t := range all {
		if !gone[t.APIID] {
			lines = append(lines, ExportRecord{Tombstone: t.ID, Stored: []byte(t.text())})
		}
	}
	return e.emitAll(lines)
}

// counters returns those of the workspace that have not expired.
func (e *exporter) counters(ctx context.Context, names []string) error {
	if len(names) == 0 {
		return nil
	}
	owners := make([]counterOwner, len(names))
	for i, name := range names {
		owners[i], _ = parseCounter(name)
	}
	there, err := e.ownersThen(ctx, owners)
	if err != nil {
		return err
	}
	values, lives := make([]*redis.StringCmd, len(names)), make([]*redis.DurationCmd, len(names))
	if err := e.store.pipelined(ctx, func(p redis.Pipeliner) {
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
		if value == nil || len(value.Val()) != windowLength || lives[i].Val() <= 0 {
			continue
		}
		lines = append(lines, ExportRecord{Counter: names[i], Stored: []byte(value.Val()), TTL: lives[i].Val().Milliseconds()})
	}
	return e.emitAll(lines)
}

// counterOwner is what the name of a counter says of whose it is.
type counterOwner struct {
	shard, owner, limit string
	duration            int64 // ms
}

// member is what the index of a key calls the counter.
func (c counterOwner) member() string { return strconv.FormatInt(c.duration, 10) + ":" + c.limit }

// parseCounter reads what Counter wrote.
func parseCounter(name string) (c counterOwner, ok bool) {
	rest, ok := strings.CutPrefix(name, "tg:c:{")
	if !ok || len(rest) < 3 || rest[2] != '}' {
		return c, false
	}
	c.shard = rest[:2]
	owner, rest, ok := strings.Cut(rest[3:], ":")
	duration, limit, also := strings.Cut(rest, ":")
	ms, err := strconv.ParseInt(duration, 10, 64)
	if !ok || !also || !isID(owner) || err != nil || ms < ratelimit.MinDuration || ms > ratelimit.MaxDuration {
		return counterOwner{}, false
	}
	c.owner, c.limit, c.duration = owner, limit, ms
	return c, Counter(c.shard, owner, limit, ms) == name
}

// parseCounterIndex reads what counterIndexName wrote.
func parseCounterIndex(name string) (c counterOwner, ok bool) {
	rest, ok := strings.CutPrefix(name, "tg:ci:{")
	if !ok || len(rest) < 3 || rest[2] != '}' || !isID(rest[3:]) {
		return c, false
	}
	return counterOwner{shard: rest[:2], owner: rest[3:]}, true
}

// isID reports whether a text can be an id that was made here.
func isID(text string) bool {
	for _, r := range text {
		if r != '_' && r != '-' && (r < '0' || r > '9') && (r < 'A' || r > 'Z') && (r < 'a' || r > 'z') {
			return false
		}
	}
	return text != "" && len(text) <= 64
}

// ownersIn tells which owners of counters belong to a workspace, and to whom the
// counters' shards are right: of keys when they were made, unix ms; 1 for others; 0
// for what is not the workspace's.
func (s *TransferStore) ownersIn(ctx context.Context, ws string, owners []counterOwner) ([]int64, error) {
	made := make([]int64, len(owners))
	definitions, ids, at := make([]*redis.IntCmd, len(owners)), []string(nil), []int(nil)
	if err := s.pipelined(ctx, func(p redis.Pipeliner) {
		for i, c := range owners {
			if k, shard := c.defined(); k != "" {
				if c.shard == shard {
					definitions[i] = p.Exists(ctx, definitionName(ws, k, c.owner))
				}
			} else if c.owner != "" {
				ids, at = append(ids, c.owner), append(at, i)
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
	found, err := s.loadRecords(ctx, ids)
	if err != nil {
		return nil, err
	}
	gone, err := s.goneAPIs(ctx, ws, found)
	for j, one := range found {
		if one != nil && one.key.WorkspaceID == ws && !gone[one.key.APIID] && one.place.shard() == owners[at[j]].shard {
			made[at[j]] = one.key.CreatedAt
		}
	}
	return made, err
}

// goneAPIs returns those of keys' APIs that a workspace does not have.
func (s *Store) goneAPIs(ctx context.Context, ws string, found []*stored) (map[string]bool, error) {
	there := map[string]*redis.IntCmd{}
	err := s.pipelined(ctx, func(p redis.Pipeliner) {
		for _, one := range found {
			if one != nil && one.key.APIID != "" && there[one.key.APIID] == nil {
				there[one.key.APIID] = p.Exists(ctx, definitionName(ws, kindAPI, one.key.APIID))
			}
		}
	})
	gone := map[string]bool{}
	for api, cmd := range there {
		gone[api] = cmd.Val() == 0
	}
	return gone, err
}

// defined returns the kind of the owner, if it is a definition, and its counter's shard.
func (c counterOwner) defined() (k definitionKind, shard string) {
	switch {
	case strings.HasPrefix(c.owner, prefixIdentity+"_"):
		return kindIdentity, ShardOf(c.owner)
	case isNamespaceID(c.owner):
		return kindNamespace, ShardOf(c.owner + ":" + c.limit)
	}
	return "", ""
}

// ownersThen is ownersIn for those that were made before the export began.
func (e *exporter) ownersThen(ctx context.Context, owners []counterOwner) ([]int64, error) {
	made, err := e.store.ownersIn(ctx, e.ws, owners)
	if err != nil {
		return nil, err
	}
	for i, c := range owners {
		if k, _ := c.defined(); k != "" && made[i] != 0 {
			if made[i], err = e.definedAt(ctx, k, c.owner); err != nil {
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
func (e *exporter) definedAt(ctx context.Context, k definitionKind, id string) (int64, error) {
	if at, ok := e.defined[id]; ok {
		return at, nil
	}
	texts, err := e.store.definitionTexts(ctx, e.ws, k, []string{id})
	if err != nil || texts[0] == "" {
		return 0, err
	}
	at := int64(0)
	if k == kindNamespace {
		n, err := decodeDefinition[Namespace](texts[0])
		if err != nil {
			return 0, err
		}
		at = n.CreatedAt
	} else {
		i, err := decodeDefinition[Identity](texts[0])
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
