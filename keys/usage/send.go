package usage

import (
	"cmp"
	"context"
	_ "embed"
	"slices"
	"time"

	"tollgate/keys/layout"
	"tollgate/keys/redisdb"

	"github.com/redis/go-redis/v9"
)

//go:embed usage.lua
var usageLua string

//go:embed usagetags.lua
var usageTagsLua string

var usageScript = redisdb.NewScript(redisdb.StateLua, usageLua)

var usageTagsScript = redisdb.NewScript(redisdb.StateLua, usageTagsLua)

// What usage may take in Redis. A field is an outcome of an hour with a set of
// tags: some fifteen bytes for most keys. What is past a bound is counted under
// OtherTag, which always has room.
const (
	maxDayTags     = 1000 // different tags of an API in a day
	maxHourFields  = 64   // of a key, or an identity, for each hour that has begun
	maxHourFieldsA = 512  // of an API
	otherNumber    = 0    // of OtherTag
)

// How usage is sent.
const (
	usageStep   = 512              // rows at once
	usageOps    = 64               // in one run of a script, in which Redis serves nobody else
	usageMemory = 20 * time.Second // for what was sent lately: a store that lost it gets it again
	usageKnown  = 1 << 17
)

// usageSender turns rows into what stands in Redis. It remembers the numbers of
// tags, and what is in an index already.
type usageSender struct {
	numbers map[string]map[string]int // name of the numbers of an API's day, and the tag
	indexed map[string]bool           // name of the index and member
	known   int
	since   time.Time
}

func (f *usageSender) forget() {
	f.numbers, f.indexed, f.known, f.since = map[string]map[string]int{}, map[string]bool{}, 0, time.Now()
}

func (f *usageSender) tick() {
	if f.known > usageKnown || time.Since(f.since) > usageMemory {
		f.forget()
	}
}

// usageRecord is a row with its key.
type usageRecord struct {
	usageRow
	usageTally
}

// send sends rows step by step. It returns those that were certainly not counted, and
// how many verifications may not have been counted and must not be sent again.
func (f *usageSender) send(ctx context.Context, s *Reader, rows map[usageRow]usageTally) (kept map[usageRow]usageTally, lost int64, err error) {
	lines := make([]usageRecord, 0, len(rows))
	for row, t := range rows {
		lines = append(lines, usageRecord{row, t})
	}
	for step := range slices.Chunk(lines, usageStep) {
		if err = f.prepare(ctx, s, step); err != nil {
			return rows, lost, err
		}
		failed, gone, err := f.count(ctx, s, step)
		if failed {
			return rows, lost, err
		}
		lost += gone
		for _, line := range step {
			delete(rows, line.usageRow)
		}
		if err != nil {
			return rows, lost, err
		}
	}
	return rows, lost, nil
}

// prepare makes sure that tags have numbers and that what will be counted can be
// found. Both may be done twice.
func (f *usageSender) prepare(ctx context.Context, s *Reader, step []usageRecord) error {
	if err := f.number(ctx, s, step); err != nil {
		return err
	}
	added := map[string][]redis.Z{}
	days := map[string]int64{}
	note := func(name, member string, day int64) {
		if !f.indexed[name+member] {
			added[name], days[name] = append(added[name], redis.Z{Member: member}), day
		}
	}
	for _, line := range step {
		day := line.hour / 24
		note(layout.UsageIndexName(line.api, day, layout.UsageOfKeys), layout.KeySubject(line.key, line.identity), day)
		note(layout.UsageIndexName(line.api, day, layout.UsageOfIdentities), line.identity, day)
	}
	if len(added) == 0 {
		return nil
	}
	err := s.store.Pipelined(ctx, func(p redis.Pipeliner) {
		for name, members := range added {
			p.ZAdd(ctx, name, members...)
			p.PExpireAt(ctx, name, time.UnixMilli(s.usageEnd(days[name])))
		}
	})
	if err == nil {
		for name, members := range added {
			for _, z := range members {
				f.indexed[name+z.Member.(string)] = true
				f.known++
			}
		}
	}
	return err
}

// number asks for the numbers of tags that are not known yet.
func (f *usageSender) number(ctx context.Context, s *Reader, step []usageRecord) error {
	asked := map[string]redisdb.Invocation{}
	var order []string
	for _, line := range step {
		day := line.hour / 24
		name := layout.UsageTagsName(line.api, day)
		for _, tag := range splitTags(line.tags) {
			if _, ok := f.numbers[name][tag]; ok || tag == OtherTag {
				continue
			}
			one, seen := asked[name]
			if !seen {
				order = append(order, name)
				one = redisdb.Invocation{Names: []string{name}, Args: []any{maxDayTags, s.usageEnd(day)}}
			}
			if !slices.Contains(one.Args[2:], any(tag)) {
				one.Args = append(one.Args, tag)
			}
			asked[name] = one
		}
	}
	all := make([]redisdb.Invocation, len(order))
	for i, name := range order {
		all[i] = asked[name]
	}
	replies, err := s.store.RunAll(ctx, usageTagsScript, all)
	if err != nil {
		return err
	}
	for i, reply := range replies {
		if f.numbers[order[i]] == nil {
			f.numbers[order[i]] = map[string]int{}
		}
		for j, tag := range all[i].Args[2:] {
			f.numbers[order[i]][tag.(string)] = int(redisdb.Number(reply[j]))
			f.known++
		}
	}
	return nil
}

// tagNumbers returns the numbers of a row's tags.
func (f *usageSender) tagNumbers(line *usageRecord) tagNumbers {
	if line.tags == "" {
		return ""
	}
	known := f.numbers[layout.UsageTagsName(line.api, line.hour/24)]
	var all []int
	for _, tag := range splitTags(line.tags) {
		all = append(all, known[tag]) // otherNumber where it has none
	}
	return joinNumbers(all)
}

// usageOp adds to one field of a subject's day.
type usageOp struct {
	shard, name string
	day         int64
	level       int
	field
}

// usageBounds are how many fields each level has room for, for each hour.
var usageBounds = [...]int{levelAPI: maxHourFieldsA, levelIdentity: maxHourFields, levelKey: maxHourFields}

// usageCall is a run of the script, and how many verifications it counts on each level.
type usageCall struct {
	redisdb.Invocation
	n [len(usageBounds)]int64
}

// count adds a step's counts. failed says that certainly nothing was; lost is how
// many verifications may not have been.
func (f *usageSender) count(ctx context.Context, s *Reader, step []usageRecord) (failed bool, lost int64, err error) {
	calls := usageCalls(s, f.sums(step))
	runs := make([]redisdb.Invocation, len(calls))
	for i := range calls {
		runs[i] = calls[i].Invocation
	}
	replies, err := s.store.RunAll(ctx, usageScript, runs)
	if err == nil {
		return false, 0, s.store.NoteUses(ctx, lastUses(step))
	}
	if !s.store.Cluster() && redisdb.NotRun(err) && !slices.ContainsFunc(replies, func(r []any) bool { return r != nil }) {
		return true, 0, err
	}
	return false, lostOf(calls, replies), err
}

// sums adds up what a step's rows come to on each level.
func (f *usageSender) sums(step []usageRecord) map[usageOp]int64 {
	sums := map[usageOp]int64{}
	for i := range step {
		line := &step[i]
		tags, day, hour := f.tagNumbers(line), line.hour/24, int(line.hour%24)
		for level, owner := range []string{line.api, layout.IdentitySubject(line.api, line.identity), layout.KeySubject(line.key, line.identity)} {
			op := usageOp{layout.ShardOf(owner), layout.UsageName(owner, day), day, level, field{hour: hour, tags: tags}}
			for j, n := range line.counts {
				if op.outcome = Outcome(Outcomes[j]); n > 0 {
					sums[op] += n
				}
			}
		}
	}
	return sums
}

// lostOf is how many verifications the runs had that got no reply.
func lostOf(calls []usageCall, replies [][]any) int64 {
	var lost [len(usageBounds)]int64
	for i, reply := range replies {
		for level, n := range calls[i].n {
			if reply == nil {
				lost[level] += n
			}
		}
	}
	return slices.Max(lost[:])
}

// usageCalls makes the runs of the script: each short, and within one slot.
func usageCalls(s *Reader, sums map[usageOp]int64) (calls []usageCall) {
	ops := make([]usageOp, 0, len(sums))
	for op := range sums {
		ops = append(ops, op)
	}
	slices.SortFunc(ops, func(a, b usageOp) int { return cmp.Or(cmp.Compare(a.shard, b.shard), cmp.Compare(a.name, b.name)) })
	for i, op := range ops {
		last := len(calls) - 1
		if last < 0 || len(calls[last].Args) >= 6*usageOps || s.store.Cluster() && op.shard != ops[i-1].shard {
			calls, last = append(calls, usageCall{}), last+1
		}
		calls[last].add(s, op, sums[op])
	}
	return calls
}

func (c *usageCall) add(s *Reader, op usageOp, n int64) {
	if len(c.Names) == 0 || c.Names[len(c.Names)-1] != op.name {
		c.Names = append(c.Names, op.name)
	}
	folded := ""
	if op.tags != "" {
		folded = field{op.hour, op.outcome, otherTags}.String()
	}
	c.Args = append(c.Args, len(c.Names), op.field.String(), folded, n, usageBounds[op.level]*(op.hour+1), s.usageEnd(op.day))
	c.n[op.level] += n
}

// usageEnd is when what was counted on a day is forgotten, unix ms.
func (s *Reader) usageEnd(day int64) int64 { return (day+1)*dayMS + s.retention.Milliseconds() }

// lastUses returns when the keys of rows were last used.
func lastUses(step []usageRecord) map[layout.Place]int64 {
	used := map[layout.Place]int64{}
	for _, row := range step {
		if row.used > used[row.place] {
			used[row.place] = row.used
		}
	}
	return used
}
