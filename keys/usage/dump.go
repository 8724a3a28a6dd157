package usage

import (
	"context"
	"strings"
	"time"

	"tollgate/keys/layout"

	"github.com/redis/go-redis/v9"
)

// How much of a dump is read together.
const (
	dumpedDays     = 500 // of which it is asked whether there is anything
	dumpedSubjects = 100 // keys or identities of a day
)

// Dump emits what was counted for an API from the day before one moment to the day behind
// another, both in unix ms: the API's own counts, those of identities and of keys, day by
// day. A zero after is for all of it; otherwise what comes behind that subject on that day.
// The order stays the same.
func (s *Reader) Dump(ctx context.Context, api string, from, to int64, after Day, emit func([]Day) error) error {
	days, err := s.daysUsed(ctx, api, max(after.Day, from/dayMS-1), to/dayMS+1)
	if err != nil {
		return err
	}
	d := &dump{s, emit}
	for _, day := range days {
		if day != after.Day {
			after = Day{}
		}
		if err := d.day(ctx, Day{API: api, Day: day}, after); err != nil {
			return err
		}
	}
	return nil
}

// dump is a Dump under way.
type dump struct {
	*Reader
	emit func([]Day) error
}

// daysUsed returns the days from one to another on which an API was used.
func (s *Reader) daysUsed(ctx context.Context, api string, from, to int64) (used []int64, err error) {
	for ; from <= to; from += dumpedDays {
		var there []*redis.IntCmd
		if err := s.store.Pipelined(ctx, func(p redis.Pipeliner) {
			for day := from; day <= to && day < from+dumpedDays; day++ {
				there = append(there, p.Exists(ctx, layout.UsageIndexName(api, day, layout.UsageOfKeys)))
			}
		}); err != nil {
			return nil, err
		}
		for i, cmd := range there {
			if cmd.Val() > 0 {
				used = append(used, from+int64(i))
			}
		}
	}
	return used, nil
}

// day emits what was counted for an API on a day, behind a subject of that day.
func (s *dump) day(ctx context.Context, of, after Day) error {
	tags, err := s.tagsOn(ctx, of.API, of.Day)
	if err != nil {
		return err
	}
	if after.API == "" {
		if err := s.subjects(ctx, []Day{of}, tags); err != nil {
			return err
		}
	}
	for _, of.Level = range []int{levelIdentity, levelKey} {
		if of.Level < after.Level {
			continue
		}
		from := "-"
		if of.Level == after.Level {
			from = "(" + after.member()
		}
		if err := s.indexed(ctx, of, from, tags); err != nil {
			return err
		}
	}
	return nil
}

// indexed emits the subjects in the index of a level.
func (s *dump) indexed(ctx context.Context, of Day, from string, tags map[int]string) error {
	for {
		var members *redis.StringSliceCmd
		if err := s.store.Pipelined(ctx, func(p redis.Pipeliner) {
			members = p.ZRangeByLex(ctx, of.index(), &redis.ZRangeBy{Min: from, Max: "+", Count: dumpedSubjects})
		}); err != nil {
			return err
		}
		all := members.Val()
		if len(all) == 0 {
			return nil
		}
		days := make([]Day, len(all))
		for i, member := range all {
			if days[i] = of; of.Level == levelIdentity {
				days[i].Identity = member
			} else {
				days[i].Key, days[i].Identity, _ = strings.Cut(member, ":")
			}
		}
		if err := s.subjects(ctx, days, tags); err != nil {
			return err
		}
		from = "(" + all[len(all)-1]
	}
}

// tagsOn reads what the numbers of an API's tags on a day stand for.
func (s *Reader) tagsOn(ctx context.Context, api string, day int64) (map[int]string, error) {
	var numbers *redis.MapStringStringCmd
	err := s.store.Pipelined(ctx, func(p redis.Pipeliner) { numbers = p.HGetAll(ctx, layout.UsageTagsName(api, day)) }) // usagetags.lua bounds it
	return tagTexts(numbers.Val()), err
}

// subjects reads and emits the counts of some subjects' days, of those that have any.
func (s *dump) subjects(ctx context.Context, days []Day, tags map[int]string) error {
	counts, lives := make([]*redis.MapStringStringCmd, len(days)), make([]*redis.DurationCmd, len(days))
	var now *redis.TimeCmd
	if err := s.store.Pipelined(ctx, func(p redis.Pipeliner) {
		now = p.Time(ctx)
		for i, d := range days {
			name := layout.UsageName(d.subject(), d.Day)
			counts[i], lives[i] = p.HGetAll(ctx, name), p.PTTL(ctx, name) // usage.lua bounds it
		}
	}); err != nil {
		return err
	}
	var found []Day
	for i, d := range days {
		if len(counts[i].Val()) == 0 {
			continue
		}
		if d.Expires = s.usageEnd(d.Day); lives[i].Val() > 0 {
			d.Expires = now.Val().Add(lives[i].Val()).Round(time.Second).UnixMilli() // the clock went on between the two
		}
		d.read(counts[i].Val(), tags)
		found = append(found, d)
	}
	if len(found) == 0 {
		return nil
	}
	return s.emit(found)
}
