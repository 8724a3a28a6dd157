package transfer

import (
	"cmp"
	"context"
	"slices"
	"strconv"
	"strings"
	"time"

	"tollgate/keys"
	"tollgate/keys/layout"
	"tollgate/keys/usage"

	"github.com/redis/go-redis/v9"
)

// usageDay is what a line holds of the usage of one subject on one day. Tags stand in
// it as texts: a day has other numbers for them elsewhere.
type usageDay struct {
	API      string       `cbor:"1,keyasint"`
	Day      int64        `cbor:"2,keyasint"` // counted from the epoch
	Level    int          `cbor:"3,keyasint"` // whose: one of those below
	Key      string       `cbor:"4,keyasint,omitempty"`
	Identity string       `cbor:"5,keyasint,omitempty"`
	Expires  int64        `cbor:"6,keyasint"` // unix ms
	Tags     []string     `cbor:"7,keyasint,omitempty"`
	Counts   []usageCount `cbor:"8,keyasint"`
}

type usageCount struct {
	_       struct{} `cbor:",toarray"`
	Hour    int
	Outcome byte
	Tags    []int // places in the day's Tags; -1 for OtherTag
	N       int64
}

// The levels, as usageOp has them.
const (
	levelAPI = iota
	levelIdentity
	levelKey
)

// usageDays is how many days of keys or identities are read together.
const usageDays = 100

// subject is whose counts they are.
func (d *usageDay) subject() string {
	switch d.Level {
	case levelAPI:
		return d.API
	case levelIdentity:
		return layout.IdentitySubject(d.API, d.Identity)
	}
	return layout.KeySubject(d.Key, d.Identity)
}

// allUsage returns the usage of each API day by day: the API's own counts, those of
// identities and of keys. That of deleted APIs nobody can ask for.
func (e *exporter) allUsage(ctx context.Context, after *ExportRecord) error {
	var at usageDay
	if after != nil {
		d, err := decodeUsage(after)
		if err != nil {
			return err
		}
		at = *d
	}
	return e.eachAPI(ctx, at.API, func(api string) error {
		if api != at.API {
			at = usageDay{}
		}
		return e.usageOf(ctx, api, at)
	})
}

// usageOf returns the usage of an API behind a day of a subject.
func (e *exporter) usageOf(ctx context.Context, api string, at usageDay) error {
	texts, err := e.store.DefinitionTexts(ctx, e.ws, layout.KindAPI, []string{api})
	if err != nil {
		return err
	}
	a, err := layout.DecodeDefinition[keys.API](texts[0])
	if err != nil || a == nil {
		return err
	}
	days, err := e.store.daysUsed(ctx, api, max(at.Day, a.CreatedAt/usage.DayMS-1), e.since/usage.DayMS+1)
	if err != nil {
		return err
	}
	for _, day := range days {
		if day != at.Day {
			at = usageDay{}
		}
		if err := e.usageDay(ctx, usageDay{API: api, Day: day}, at); err != nil {
			return err
		}
	}
	return nil
}

// daysUsed returns the days from one to another on which an API was used.
func (s *Transfer) daysUsed(ctx context.Context, api string, from, to int64) (used []int64, err error) {
	for ; from <= to; from += transferPage {
		var there []*redis.IntCmd
		if err := s.Pipelined(ctx, func(p redis.Pipeliner) {
			for day := from; day <= to && day < from+transferPage; day++ {
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

// usageDay returns what was counted for an API on a day, behind a subject of that day.
func (e *exporter) usageDay(ctx context.Context, of, at usageDay) error {
	tags, err := e.store.tagsOn(ctx, of.API, of.Day)
	if err != nil {
		return err
	}
	if at.API == "" {
		if err := e.usage(ctx, []usageDay{of}, tags); err != nil {
			return err
		}
	}
	for _, level := range []int{levelIdentity, levelKey} {
		if level < at.Level {
			continue
		}
		from := "-"
		if level == at.Level {
			from = "(" + at.member()
		}
		if err := e.usageIndexed(ctx, of, level, from, tags); err != nil {
			return err
		}
	}
	return nil
}

// member is how the index of a level names the subject.
func (d *usageDay) member() string {
	if d.Level == levelIdentity {
		return d.Identity
	}
	return layout.KeySubject(d.Key, d.Identity)
}

func (e *exporter) usageIndexed(ctx context.Context, of usageDay, level int, from string, tags map[int]string) error {
	index := layout.UsageIndexName(of.API, of.Day, layout.UsageOfIdentities)
	if level == levelKey {
		index = layout.UsageIndexName(of.API, of.Day, layout.UsageOfKeys)
	}
	for {
		var members *redis.StringSliceCmd
		if err := e.store.Pipelined(ctx, func(p redis.Pipeliner) {
			members = p.ZRangeByLex(ctx, index, &redis.ZRangeBy{Min: from, Max: "+", Count: usageDays})
		}); err != nil {
			return err
		}
		all := members.Val()
		if len(all) == 0 {
			return nil
		}
		days := make([]usageDay, len(all))
		for i, member := range all {
			days[i] = of
			if days[i].Level = level; level == levelIdentity {
				days[i].Identity = member
			} else {
				days[i].Key, days[i].Identity, _ = strings.Cut(member, ":")
			}
		}
		if err := e.usage(ctx, days, tags); err != nil {
			return err
		}
		from = "(" + all[len(all)-1]
	}
}

// tagsOn reads what the numbers of an API's tags on a day stand for.
func (s *Transfer) tagsOn(ctx context.Context, api string, day int64) (map[int]string, error) {
	var numbers *redis.MapStringStringCmd
	err := s.Pipelined(ctx, func(p redis.Pipeliner) { numbers = p.HGetAll(ctx, layout.UsageTagsName(api, day)) }) // usagetags.lua bounds it
	tags := map[int]string{}
	for tag, text := range numbers.Val() {
		n, _ := strconv.Atoi(text)
		tags[n] = tag
	}
	return tags, err
}

// usage returns the counts of some subjects' days.
func (e *exporter) usage(ctx context.Context, days []usageDay, tags map[int]string) error {
	counts, lives := make([]*redis.MapStringStringCmd, len(days)), make([]*redis.DurationCmd, len(days))
	var now *redis.TimeCmd
	if err := e.store.Pipelined(ctx, func(p redis.Pipeliner) {
		now = p.Time(ctx)
		for i, d := range days {
			name := layout.UsageName(d.subject(), d.Day)
			counts[i], lives[i] = p.HGetAll(ctx, name), p.PTTL(ctx, name) // usage.lua bounds it
		}
	}); err != nil {
		return err
	}
	var lines []ExportRecord
	for i := range days {
		if len(counts[i].Val()) == 0 {
			continue
		}
		d := &days[i]
		if d.Expires = e.store.usage.UsageEnd(d.Day); lives[i].Val() > 0 {
			d.Expires = now.Val().Add(lives[i].Val()).Round(time.Second).UnixMilli() // the clock went on between the two
		}
		d.read(counts[i].Val(), tags)
		lines = append(lines, ExportRecord{Usage: d.API, Stored: layout.Encode(d)})
	}
	return e.emitAll(lines)
}

// read reads the fields that usage.lua wrote. It returns the same for the same counts,
// whatever numbers the tags have.
func (d *usageDay) read(fields map[string]string, tags map[int]string) {
	for field, text := range fields {
		n, err := strconv.ParseInt(text, 10, 64)
		if len(field) < 2 || err != nil {
			continue
		}
		c := usageCount{Hour: int(field[0] - 'a'), Outcome: field[1], N: n}
		for numbers := field[2:]; len(numbers) > 1; numbers = numbers[2:] {
			c.Tags = append(c.Tags, int(numbers[0])<<8|int(numbers[1]))
		}
		d.Counts = append(d.Counts, c)
	}
	places := d.placeTags(tags)
	for _, c := range d.Counts {
		for i, number := range c.Tags {
			c.Tags[i] = places(number)
		}
		slices.Sort(c.Tags)
	}
	slices.SortFunc(d.Counts, func(a, b usageCount) int {
		return cmp.Or(cmp.Compare(a.Hour, b.Hour), cmp.Compare(a.Outcome, b.Outcome), slices.Compare(a.Tags, b.Tags))
	})
}

// placeTags makes the day's Tags of the numbers in its counts, and tells their places.
func (d *usageDay) placeTags(tags map[int]string) (place func(number int) int) {
	for _, c := range d.Counts {
		for _, number := range c.Tags {
			if tag, ok := tags[number]; ok {
				d.Tags = append(d.Tags, tag)
			}
		}
	}
	slices.Sort(d.Tags)
	d.Tags = slices.Compact(d.Tags)
	return func(number int) int {
		tag, ok := tags[number]
		if !ok {
			return -1
		}
		at, _ := slices.BinarySearch(d.Tags, tag)
		return at
	}
}
