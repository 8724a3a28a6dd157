package transfer

import (
	"cmp"
	"context"
	_ "embed"
	"slices"
	"strings"

	"tollgate/keys"
	"tollgate/keys/layout"
	"tollgate/keys/redisdb"
	"tollgate/keys/usage"

	"github.com/redis/go-redis/v9"
)

//go:embed usagein.lua
var usageInLua string

var usageInScript = redisdb.NewScript(redisdb.StateLua, usageInLua)

// decodeUsage reads a line's record.
func decodeUsage(l *ExportRecord) (*usageDay, error) {
	var d usageDay
	if err := layout.Decoding.Unmarshal(l.Stored, &d); err != nil {
		return nil, keys.Invalidf("stored", "is no record of usage")
	}
	switch {
	case d.API != l.Usage || !layout.IsID(d.API):
		return nil, keys.Invalidf("usage", "is not the API of the record")
	case !d.named():
		return nil, keys.Invalidf("stored", "names nobody whose usage it is")
	case !d.bounded():
		return nil, keys.Invalidf("stored", "is out of bounds")
	}
	if slices.ContainsFunc(d.Tags, func(tag string) bool { return len(tag) > usage.MaxUsageTag }) {
		return nil, keys.Invalidf("stored", "has a tag of more than %d bytes", usage.MaxUsageTag)
	}
	for _, c := range d.Counts {
		if !c.valid(len(d.Tags)) {
			return nil, keys.Invalidf("stored", "has a count that can't be")
		}
	}
	return &d, nil
}

// bounded reports whether a day, when it ends and how many tags it has are such as are stored.
func (d *usageDay) bounded() bool {
	return 0 <= d.Day && d.Day <= keys.MaxTime/usage.DayMS &&
		0 <= d.Expires && d.Expires <= keys.MaxTime &&
		len(d.Tags) <= usage.MaxDayTags
}

// named reports whether it is said whose usage it is: the API's, and at the level of keys a
// key's.
func (d *usageDay) named() bool {
	switch {
	case d.Level < levelAPI || d.Level > levelKey:
		return false
	case d.Level == levelKey && !layout.IsID(d.Key):
		return false
	}
	return d.Identity == "" || layout.IsID(d.Identity)
}

// valid reports whether a count of a day with so many tags is one. A tag of -1 is every other.
func (c *usageCount) valid(tags int) bool {
	switch {
	case c.Hour < 0 || c.Hour > 23:
		return false
	case !strings.ContainsRune(usage.Outcomes, rune(c.Outcome)):
		return false
	case c.N < 1 || c.N > keys.MaxCount:
		return false
	case len(c.Tags) > keys.MaxUsageTags:
		return false
	}
	return !slices.ContainsFunc(c.Tags, func(at int) bool { return at < -1 || at >= tags })
}

// importUsage stores counts where there are none yet: they are set, never added. An
// API that is not there and a key of another workspace are refused.
func (s *Transfer) importUsage(ctx context.Context, ws string, lines []checkedRecord, done *Imported) error {
	now, err := s.usageOwners(ctx, ws, lines)
	if err != nil {
		return err
	}
	var days []*usageDay
	for _, l := range lines {
		if l.usage.Expires > now {
			days = append(days, l.usage)
		} else {
			done.Expired++ // nobody can ask for it any more
		}
	}
	numbers, err := s.numberTags(ctx, days)
	if err != nil {
		return err
	}
	if err := s.indexUsage(ctx, days); err != nil {
		return err
	}
	for _, d := range days {
		replies, err := s.RunAll(ctx, usageInScript, d.calls(numbers[layout.UsageTagsName(d.API, d.Day)]))
		if err != nil {
			return err
		}
		if slices.ContainsFunc(replies, func(r []any) bool { return redisdb.Number(r[0]) > 0 }) {
			done.Stored++
		} else {
			done.Same++
		}
	}
	return nil
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

// numberTags numbers the tags of days, by the name of the numbers.
func (s *Transfer) numberTags(ctx context.Context, days []*usageDay) (map[string]map[string]int, error) {
	asked, order := map[string]*redisdb.Invocation{}, []string(nil)
	for _, d := range days {
		if len(d.Tags) == 0 {
			continue
		}
		name := layout.UsageTagsName(d.API, d.Day)
		if asked[name] == nil {
			asked[name] = &redisdb.Invocation{Names: []string{name}, Args: []any{usage.MaxDayTags, max(d.Expires, s.usage.UsageEnd(d.Day))}}
			order = append(order, name)
		}
		for _, tag := range d.Tags {
			asked[name].Args = append(asked[name].Args, tag)
		}
	}
	numbers := map[string]map[string]int{}
	for _, name := range order {
		one := asked[name]
		tags := slices.Compact(slices.SortedFunc(slices.Values(one.Args[2:]), func(a, b any) int { return cmp.Compare(a.(string), b.(string)) }))
		numbers[name] = map[string]int{}
		for some := range slices.Chunk(tags, usage.MaxDayTags) {
			replies, err := s.RunAll(ctx, usage.UsageTagsScript, []redisdb.Invocation{{Names: one.Names, Args: append(one.Args[:2:2], some...)}})
			if err != nil {
				return nil, err
			}
			for i, tag := range some {
				numbers[name][tag.(string)] = int(redisdb.Number(replies[0][i]))
			}
		}
	}
	return numbers, nil
}

// indexUsage makes sure that what will be stored can be found.
func (s *Transfer) indexUsage(ctx context.Context, days []*usageDay) error {
	asked, order := map[string]*redisdb.Invocation{}, []string(nil)
	for _, d := range days {
		if d.Level == levelAPI {
			continue
		}
		of := layout.UsageOfIdentities
		if d.Level == levelKey {
			of = layout.UsageOfKeys
		}
		name := layout.UsageIndexName(d.API, d.Day, of)
		if asked[name] == nil {
			asked[name] = &redisdb.Invocation{Names: []string{name}, Args: []any{max(d.Expires, s.usage.UsageEnd(d.Day)), "index"}}
			order = append(order, name)
		}
		asked[name].Args = append(asked[name].Args, d.member())
	}
	calls := make([]redisdb.Invocation, len(order))
	for i, name := range order {
		calls[i] = *asked[name]
	}
	_, err := s.RunAll(ctx, usageInScript, calls)
	return err
}

// usageInStep is how many counts one run of the script stores.
const usageInStep = 128

// calls are the script calls that store a day, each short.
func (d *usageDay) calls(numbers map[string]int) (calls []redisdb.Invocation) {
	sums := map[string]int64{}
	for _, c := range d.Counts {
		sums[d.field(c, numbers)] += c.N
	}
	var args []any
	for field, n := range sums {
		args = append(args, field, n)
	}
	name := layout.UsageName(d.subject(), d.Day)
	for some := range slices.Chunk(args, 2*usageInStep) {
		calls = append(calls, redisdb.Invocation{Names: []string{name}, Args: append([]any{d.Expires, "counts"}, some...)})
	}
	return calls
}

// field is what usage.lua calls a count.
func (d *usageDay) field(c usageCount, numbers map[string]int) string {
	var all []int
	for _, at := range c.Tags {
		if at < 0 {
			all = append(all, usage.OtherNumber)
		} else {
			all = append(all, numbers[d.Tags[at]])
		}
	}
	return string(rune('a'+c.Hour)) + string(rune(c.Outcome)) + usage.FieldTags(all)
}
