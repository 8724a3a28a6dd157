package transfer

import (
	"context"
	"slices"

	"tollgate/keys"
	"tollgate/keys/catalog"
	"tollgate/keys/layout"

	"github.com/redis/go-redis/v9"
)

// allKeys returns the root keys, those of the setup API, then those of each API by
// the API's id.
func (e *exporter) allKeys(ctx context.Context, after *ExportRecord) error {
	api, at, err := resume(after)
	if err != nil {
		return err
	}
	if api == "" {
		if err := e.keys(ctx, layout.ListName(e.ws, layout.KindRootKey), at); err != nil {
			return err
		}
		at = ""
	}
	return e.eachAPI(ctx, api, func(id string) error {
		from := ""
		if id == api {
			from = at
		}
		return e.keys(ctx, layout.KeyListName(id, ""), from)
	})
}

// resume returns the API and the id behind which a key's line says to go on; no API
// for root keys.
func resume(after *ExportRecord) (api, at string, err error) {
	if after == nil {
		return "", "", nil
	}
	k, _, _, err := layout.DecodeKey(string(after.Stored))
	if err != nil {
		return "", "", err
	}
	return k.APIID, isListed(k), nil
}

// isListed is the id of the first secret of a record that is in the list: by its entry the
// record is found once.
func isListed(k *keys.Key) string { return k.BySecret()[0].ID }

// keys returns those of a list behind an id.
func (e *exporter) keys(ctx context.Context, list, at string) error {
	from := "-"
	if at != "" {
		from = layout.Behind(at)
	}
	for {
		var entries *redis.StringSliceCmd
		if err := e.store.Pipelined(ctx, func(p redis.Pipeliner) {
			entries = p.ZRangeByLex(ctx, list, &redis.ZRangeBy{Min: from, Max: "+", Count: transferPage})
		}); err != nil {
			return err
		}
		all := entries.Val()
		if len(all) == 0 {
			return nil
		}
		lines, err := e.keyRecords(ctx, layout.Single(all))
		if err == nil {
			err = e.emitAll(lines)
		}
		if err != nil {
			return err
		}
		from = "(" + all[len(all)-1]
	}
}

func (e *exporter) keyRecords(ctx context.Context, entries []string) ([]ExportRecord, error) {
	at, err := e.store.Places(ctx, entries)
	if err != nil {
		return nil, err
	}
	records, used := make([]*redis.StringCmd, len(at)), make([]*redis.StringCmd, len(at))
	err = e.store.Pipelined(ctx, func(p redis.Pipeliner) {
		for i, place := range at {
			if len(place.Text) > 2 {
				records[i], used[i] = p.Get(ctx, place.Record()), p.Get(ctx, place.LastUsed())
			}
		}
	})
	if err != nil {
		return nil, err
	}
	var lines []ExportRecord
	var issued []*keys.Key
	for i, entry := range entries {
		id := layout.ListedID(entry)
		if records[i] == nil || records[i].Val() == "" {
			continue
		}
		k, _, _, err := layout.DecodeKey(records[i].Val())
		if err != nil {
			return nil, err
		}
		if isListed(k) == id && k.WorkspaceID == e.ws && k.CreatedAt <= e.since {
			lines = append(lines, ExportRecord{Key: k.ID, Stored: []byte(records[i].Val()), Used: []byte(used[i].Val())})
			issued = append(issued, k)
		}
	}
	return lines, e.laterUses(ctx, lines, issued)
}

// laterUses puts into lines when the later secrets of their keys were last used.
func (e *exporter) laterUses(ctx context.Context, lines []ExportRecord, issued []*keys.Key) error {
	for i, k := range issued {
		if len(k.Secrets) < 2 {
			continue
		}
		moments, err := e.store.LastUsed(ctx, k.AllSecrets()[1:]...)
		if err != nil {
			return err
		}
		lines[i].Uses = moments
	}
	return nil
}

// Size is about how many lines an export has.
func (s *Transfer) Size(ctx context.Context, ws string) (int64, error) {
	total, err := s.Audit.Size(ctx, ws)
	if err != nil {
		return 0, err
	}
	total += 2
	for _, d := range slices.Concat(definitionKinds, []definitionKind{{kind: layout.KindRootKey}}) {
		_, n, err := s.IDsOf(ctx, ws, d.kind, "-", 0)
		if err != nil {
			return 0, err
		}
		if total += n; d.kind != layout.KindAPI && d.kind != layout.KindRootKey {
			total += n // the names
		}
	}
	for after := ""; ; {
		apis, _, err := s.IDsOf(ctx, ws, layout.KindAPI, (catalog.ListOptions{After: after}).Start(), transferPage)
		if err != nil || len(apis) == 0 {
			return total, err
		}
		after = apis[len(apis)-1]
		counts := make([]*redis.IntCmd, len(apis))
		if err := s.Pipelined(ctx, func(p redis.Pipeliner) {
			for i, api := range apis {
				counts[i] = p.ZCard(ctx, layout.KeyListName(api, ""))
			}
		}); err != nil {
			return 0, err
		}
		for _, n := range counts {
			total += n.Val()
		}
	}
}
