package transfer

import (
	"context"

	"tollgate/keys"
	"tollgate/keys/catalog"
	"tollgate/keys/layout"
	"tollgate/keys/usage"

	"github.com/redis/go-redis/v9"
)

// allUsage emits the usage of each API day by day: the API's own counts, those of
// identities and of keys. That of deleted APIs nobody can ask for.
func (e *exporter) allUsage(ctx context.Context, after *ExportRecord) error {
	var at usage.Day
	if after != nil {
		d, err := decodeUsage(after)
		if err != nil {
			return err
		}
		at = *d
	}
	return e.eachAPI(ctx, at.API, func(api string) error {
		if api != at.API {
			at = usage.Day{}
		}
		return e.usageOf(ctx, api, at)
	})
}

// usageOf emits the usage of an API behind a day of a subject.
func (e *exporter) usageOf(ctx context.Context, api string, at usage.Day) error {
	a, _, err := catalog.ReadDefinition[keys.API](ctx, e.store.Catalog, e.ws, layout.KindAPI, api)
	if err != nil || a == nil {
		return err
	}
	return e.store.usage.Dump(ctx, api, a.CreatedAt, e.since, at, func(days []usage.Day) error {
		lines := make([]ExportRecord, len(days))
		for i, d := range days {
			lines[i] = ExportRecord{Usage: d.API, Stored: layout.Encode(d)}
		}
		return e.emit(lines)
	})
}

// decodeUsage reads a line's record.
func decodeUsage(l *ExportRecord) (*usage.Day, error) {
	var d usage.Day
	if err := layout.Decoding.Unmarshal(l.Stored, &d); err != nil {
		return nil, keys.Invalidf("stored", "is no record of usage")
	}
	if d.API != l.Usage || !layout.IsID(d.API) {
		return nil, keys.Invalidf("usage", "is not the API of the record")
	}
	if err := d.Check(); err != nil {
		return nil, keys.Invalidf("stored", "%s", err)
	}
	return &d, nil
}

// importUsage stores counts where there are none yet: they are set, never added. An
// API that is not there and a key of another workspace are refused.
func (s *Transfer) importUsage(ctx context.Context, ws string, lines []checkedRecord, done *Imported) error {
	now, err := s.usageOwners(ctx, ws, lines)
	if err != nil {
		return err
	}
	var days []usage.Day
	for _, l := range lines {
		if l.usage.Expires > now {
			days = append(days, *l.usage)
		} else {
			done.Expired++ // nobody can ask for it any more
		}
	}
	stored, err := s.usage.Restore(ctx, days)
	for _, some := range stored {
		if some {
			done.Stored++
		} else {
			done.Same++
		}
	}
	return err
}

// usageOwners refuses what is not the workspace's. It returns the store's clock.
func (s *Transfer) usageOwners(ctx context.Context, ws string, lines []checkedRecord) (now int64, err error) {
	ids, apis := make([]string, len(lines)), make([]*redis.IntCmd, len(lines))
	var clock *redis.TimeCmd
	if err := s.Pipelined(ctx, func(p redis.Pipeliner) {
		clock = p.Time(ctx)
		for i, l := range lines {
			ids[i], apis[i] = l.usage.Key, p.Exists(ctx, layout.DefinitionName(ws, layout.KindAPI, l.Usage))
		}
	}); err != nil {
		return 0, err
	}
	found, err := s.LoadAll(ctx, ids)
	if err != nil {
		return 0, err
	}
	for i, l := range lines {
		switch {
		case apis[i].Val() == 0:
			return 0, l.bad(keys.Invalidf("usage", "the workspace has no API %s", l.Usage))
		case found[i] != nil && found[i].Key.WorkspaceID != ws:
			return 0, l.bad(takenID("key", l.usage.Key))
		}
	}
	return clock.Val().UnixMilli(), nil
}
