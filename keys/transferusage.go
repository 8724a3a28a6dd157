package keys

import (
	"cmp"
	"context"
	_ "embed"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
)

//go:embed usagein.lua
var usageInLua string

var usageInScript = NewScript(usageInLua)

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
		return identitySubject(d.API, d.Identity)
	}
	return keySubject(d.Key, d.Identity)
}

// allUsage gives the usage of each API day by day: the API's own counts, those of
// identities and of keys. That of deleted APIs nobody can ask for.
func (e *exporter) allUsage(ctx context.Context, after *Line) error {
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

// usageOf gives the usage of an API behind a day of a subject.
func (e *exporter) usageOf(ctx context.Context, api string, at usageDay) error {
	texts, err := e.store.definitionTexts(ctx, e.ws, nounAPI, []string{api})
	if err != nil {
		return err
	}
	a, err := decodeDefinition[API](texts[0])
	if err != nil || a == nil {
		return err
	}
	days, err := e.store.daysUsed(ctx, api, max(at.Day, a.CreatedAt/dayMS-1), e.since/dayMS+1)
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

// daysUsed gives the days from one to another on which an API was used.
func (s *Store) daysUsed(ctx context.Context, api string, from, to int64) (used []int64, err error) {
	for ; from <= to; from += transferPage {
		var there []*redis.IntCmd
		if err := s.pipelined(ctx, func(p redis.Pipeliner) {
			for day := from; day <= to && day < from+transferPage; day++ {
				there = append(there, p.Exists(ctx, usageIndexName(api, day, usageOfKeys)))
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

// usageDay gives what was counted for an API on a day, behind a subject of that day.
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
	return keySubject(d.Key, d.Identity)
}

func (e *exporter) usageIndexed(ctx context.Context, of usageDay, level int, from string, tags map[int]string) error {
	index := usageIndexName(of.API, of.Day, usageOfIdentities)
	if level == levelKey {
		index = usageIndexName(of.API, of.Day, usageOfKeys)
	}
	for {
		var members *redis.StringSliceCmd
		if err := e.store.pipelined(ctx, func(p redis.Pipeliner) {
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
func (s *Store) tagsOn(ctx context.Context, api string, day int64) (map[int]string, error) {
	var numbers *redis.MapStringStringCmd
	err := s.pipelined(ctx, func(p redis.Pipeliner) { numbers = p.HGetAll(ctx, usageTagsName(api, day)) }) // usagetags.lua bounds it
	tags := map[int]string{}
	for tag, text := range numbers.Val() {
		n, _ := strconv.Atoi(text)
		tags[n] = tag
	}
	return tags, err
}

// usage gives the counts of some subjects' days.
func (e *exporter) usage(ctx context.Context, days []usageDay, tags map[int]string) error {
	counts, lives := make([]*redis.MapStringStringCmd, len(days)), make([]*redis.DurationCmd, len(days))
	var now *redis.TimeCmd
	if err := e.store.pipelined(ctx, func(p redis.Pipeliner) {
		now = p.Time(ctx)
		for i, d := range days {
			name := usageName(d.subject(), d.Day)
			counts[i], lives[i] = p.HGetAll(ctx, name), p.PTTL(ctx, name) // usage.lua bounds it
		}
	}); err != nil {
		return err
	}
	var lines []Line
	for i := range days {
		if len(counts[i].Val()) == 0 {
			continue
		}
		d := &days[i]
		if d.Expires = e.store.usageEnd(d.Day); lives[i].Val() > 0 {
			d.Expires = now.Val().Add(lives[i].Val()).Round(time.Second).UnixMilli() // the clock went on between the two
		}
		d.read(counts[i].Val(), tags)
		lines = append(lines, Line{Usage: d.API, Stored: encode(d)})
	}
	return e.emitAll(lines)
}

// read reads the fields that usage.lua wrote. It gives the same for the same counts,
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

// decodeUsage reads a line's record.
func decodeUsage(l *Line) (*usageDay, error) {
	var d usageDay
	if err := decoding.Unmarshal(l.Stored, &d); err != nil {
		return nil, Invalidf("stored", "is no record of usage")
	}
	switch {
	case d.API != l.Usage || !isID(d.API):
		return nil, Invalidf("usage", "is not the API of the record")
	case d.Level < levelAPI || d.Level > levelKey || d.Level == levelKey && !isID(d.Key) || d.Identity != "" && !isID(d.Identity):
		return nil, Invalidf("stored", "names nobody whose usage it is")
	case d.Day < 0 || d.Day > MaxTime/dayMS || d.Expires < 0 || d.Expires > MaxTime || len(d.Tags) > maxDayTags:
		return nil, Invalidf("stored", "is out of bounds")
	}
	for _, tag := range d.Tags {
		if len(tag) > maxUsageTag {
			return nil, Invalidf("stored", "has a tag of more than %d bytes", maxUsageTag)
		}
	}
	for _, c := range d.Counts {
		if c.Hour < 0 || c.Hour > 23 || !strings.ContainsRune(usageOutcomes, rune(c.Outcome)) || c.N < 1 || c.N > MaxCount || len(c.Tags) > maxUsageTags ||
			slices.ContainsFunc(c.Tags, func(at int) bool { return at < -1 || at >= len(d.Tags) }) {
			return nil, Invalidf("stored", "has a count that can't be")
		}
	}
	return &d, nil
}

// importUsage stores counts where there are none yet: they are set, never added. An
// API that is not there and a key of another workspace are refused.
func (s *Store) importUsage(ctx context.Context, ws string, lines []checkedLine, done *Imported) error {
	now, err := s.usageOwners(ctx, ws, lines)
	if err != nil {
		return err
	}
	var days []*usageDay
	for _, l := range lines {
		if l.usage.Expires > now {
			days = append(days, l.usage)
		} else {
			done.Same++ // nobody can ask for it any more
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
		replies, err := s.runAll(ctx, usageInScript, d.calls(numbers[usageTagsName(d.API, d.Day)]))
		if err != nil {
			return err
		}
		stored := slices.ContainsFunc(replies, func(r []any) bool { return number(r[0]) > 0 })
		done.countStored([][]any{{map[bool]int64{true: 1}[stored]}})
	}
	return nil
}

// usageOwners refuses what is not the workspace's. It gives the store's clock.
func (s *Store) usageOwners(ctx context.Context, ws string, lines []checkedLine) (now int64, err error) {
	ids, apis := make([]string, len(lines)), make([]*redis.IntCmd, len(lines))
	var clock *redis.TimeCmd
	if err := s.pipelined(ctx, func(p redis.Pipeliner) {
		clock = p.Time(ctx)
		for i, l := range lines {
			ids[i], apis[i] = l.usage.Key, p.Exists(ctx, definitionName(ws, nounAPI, l.Usage))
		}
	}); err != nil {
		return 0, err
	}
	found, err := s.loadAll(ctx, ids)
	if err != nil {
		return 0, err
	}
	for i, l := range lines {
		switch {
		case apis[i].Val() == 0:
			return 0, l.bad(Invalidf("usage", "the workspace has no API %s", l.Usage))
		case found[i] != nil && found[i].key.WorkspaceID != ws:
			return 0, l.bad(taken("key", l.usage.Key))
		}
	}
	return clock.Val().UnixMilli(), nil
}

// numberTags gives the tags of days their numbers, by the name of the numbers.
func (s *Store) numberTags(ctx context.Context, days []*usageDay) (map[string]map[string]int, error) {
	asked, order := map[string]*invocation{}, []string(nil)
	for _, d := range days {
		if len(d.Tags) == 0 {
			continue
		}
		name := usageTagsName(d.API, d.Day)
		if asked[name] == nil {
			asked[name] = &invocation{[]string{name}, []any{maxDayTags, max(d.Expires, s.usageEnd(d.Day))}}
			order = append(order, name)
		}
		for _, tag := range d.Tags {
			asked[name].args = append(asked[name].args, tag)
		}
	}
	numbers := map[string]map[string]int{}
	for _, name := range order {
		one := asked[name]
		tags := slices.Compact(slices.SortedFunc(slices.Values(one.args[2:]), func(a, b any) int { return cmp.Compare(a.(string), b.(string)) }))
		numbers[name] = map[string]int{}
		for some := range slices.Chunk(tags, maxDayTags) {
			replies, err := s.runAll(ctx, usageTagsScript, []invocation{{one.names, append(one.args[:2:2], some...)}})
			if err != nil {
				return nil, err
			}
			for i, tag := range some {
				numbers[name][tag.(string)] = int(number(replies[0][i]))
			}
		}
	}
	return numbers, nil
}

// indexUsage makes sure that what will be stored can be found.
func (s *Store) indexUsage(ctx context.Context, days []*usageDay) error {
	asked, order := map[string]*invocation{}, []string(nil)
	for _, d := range days {
		if d.Level == levelAPI {
			continue
		}
		name := usageIndexName(d.API, d.Day, map[int]string{levelIdentity: usageOfIdentities, levelKey: usageOfKeys}[d.Level])
		if asked[name] == nil {
			asked[name] = &invocation{[]string{name}, []any{max(d.Expires, s.usageEnd(d.Day)), "index"}}
			order = append(order, name)
		}
		asked[name].args = append(asked[name].args, d.member())
	}
	calls := make([]invocation, len(order))
	for i, name := range order {
		calls[i] = *asked[name]
	}
	_, err := s.runAll(ctx, usageInScript, calls)
	return err
}

// usageInStep is how many counts one run of the script stores.
const usageInStep = 128

// calls are the script calls that store a day, each short.
func (d *usageDay) calls(numbers map[string]int) (calls []invocation) {
	sums := map[string]int64{}
	for _, c := range d.Counts {
		sums[d.field(c, numbers)] += c.N
	}
	var args []any
	for field, n := range sums {
		args = append(args, field, n)
	}
	name := usageName(d.subject(), d.Day)
	for some := range slices.Chunk(args, 2*usageInStep) {
		calls = append(calls, invocation{[]string{name}, append([]any{d.Expires, "counts"}, some...)})
	}
	return calls
}

// field is what usage.lua calls a count.
func (d *usageDay) field(c usageCount, numbers map[string]int) string {
	var all []int
	for _, at := range c.Tags {
		if at < 0 {
			all = append(all, otherNumber)
		} else {
			all = append(all, numbers[d.Tags[at]])
		}
	}
	return string(rune('a'+c.Hour)) + string(rune(c.Outcome)) + fieldTags(all)
}
