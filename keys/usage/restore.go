package usage

import (
	"context"
	_ "embed"
	"maps"
	"slices"

	"tollgate/keys/layout"
	"tollgate/keys/redisdb"
)

//go:embed restore.lua
var restoreLua string

var restoreScript = redisdb.NewScript(redisdb.StateLua, restoreLua)

// Restore stores the counts of days where there are none yet: they are set, never added. It
// reports of each day whether anything of it was stored.
func (s *Reader) Restore(ctx context.Context, days []Day) (stored []bool, err error) {
	numbers, err := s.numberTags(ctx, days)
	if err != nil {
		return nil, err
	}
	if err := s.indexDays(ctx, days); err != nil {
		return nil, err
	}
	stored = make([]bool, len(days))
	for i := range days {
		d := &days[i]
		replies, err := s.store.RunAll(ctx, restoreScript, d.calls(numbers[layout.UsageTagsName(d.API, d.Day)]))
		if err != nil {
			return nil, err
		}
		stored[i] = slices.ContainsFunc(replies, func(r []any) bool { return redisdb.Number(r[0]) > 0 })
	}
	return stored, nil
}

// end is when what is stored beside a day's counts is forgotten, unix ms: not before them.
func (s *Reader) end(d *Day) int64 { return max(d.Expires, s.usageEnd(d.Day)) }

// numberTags numbers the tags of days, by the name of the numbers.
func (s *Reader) numberTags(ctx context.Context, days []Day) (map[string]map[string]int, error) {
	tags, ends := map[string]map[string]bool{}, map[string]int64{}
	for i := range days {
		d := &days[i]
		name := layout.UsageTagsName(d.API, d.Day)
		if tags[name] == nil && len(d.Tags) > 0 {
			tags[name], ends[name] = map[string]bool{}, s.end(d)
		}
		for _, tag := range d.Tags {
			tags[name][tag] = true
		}
	}
	numbers := map[string]map[string]int{}
	for _, name := range slices.Sorted(maps.Keys(tags)) {
		numbers[name] = map[string]int{}
		for some := range slices.Chunk(slices.Sorted(maps.Keys(tags[name])), maxDayTags) {
			args := []any{maxDayTags, ends[name]}
			for _, tag := range some {
				args = append(args, tag)
			}
			replies, err := s.store.RunAll(ctx, usageTagsScript, []redisdb.Invocation{{Names: []string{name}, Args: args}})
			if err != nil {
				return nil, err
			}
			for i, tag := range some {
				numbers[name][tag] = int(redisdb.Number(replies[0][i]))
			}
		}
	}
	return numbers, nil
}

// indexDays makes sure that what will be stored can be found.
func (s *Reader) indexDays(ctx context.Context, days []Day) error {
	calls := map[string]*redisdb.Invocation{}
	for i := range days {
		d := &days[i]
		if d.Level == levelAPI {
			continue
		}
		name := d.index()
		if calls[name] == nil {
			calls[name] = &redisdb.Invocation{Names: []string{name}, Args: []any{s.end(d), "index"}}
		}
		calls[name].Args = append(calls[name].Args, d.member())
	}
	var all []redisdb.Invocation
	for _, name := range slices.Sorted(maps.Keys(calls)) {
		all = append(all, *calls[name])
	}
	_, err := s.store.RunAll(ctx, restoreScript, all)
	return err
}

// restoreStep is how many counts one run of the script stores.
const restoreStep = 128

// calls are the script calls that store a day, each short.
func (d *Day) calls(numbers map[string]int) (calls []redisdb.Invocation) {
	var args []any
	for f, n := range d.fields(numbers) {
		args = append(args, f.String(), n)
	}
	name := layout.UsageName(d.subject(), d.Day)
	for some := range slices.Chunk(args, 2*restoreStep) {
		calls = append(calls, redisdb.Invocation{Names: []string{name}, Args: append([]any{d.Expires, "counts"}, some...)})
	}
	return calls
}
