package usage

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"time"

	"tollgate/keys"
	"tollgate/keys/layout"

	"github.com/redis/go-redis/v9"
)

const maxUsageReads = 10_000 // days of keys, identities and the API

const maxUsagePoints = 10_000 // of a time series

const usageReadStep = 32 // in one round trip: days of keys or identities

const usageReadStepA = 4 // days of an API, which can be much larger

const maxUsageAPIs = 1000 // of a workspace, where an owner's keys are looked for

// Span is a length of time by which counts are grouped.
type Span uint8

// The spans, in UTC.
const (
	NoSpan Span = iota
	ByHour
	ByDay
	ByMonth
)

// floor is the beginning of the span that a moment is in, unix ms.
func (s Span) floor(ms int64) int64 {
	switch s {
	case ByHour:
		return ms - ms%hourMS
	case ByDay:
		return ms - ms%dayMS
	case ByMonth:
		t := time.UnixMilli(ms).UTC()
		return time.Date(t.Year(), t.Month(), 1, 0, 0, 0, 0, time.UTC).UnixMilli()
	}
	return 0
}

// next is the beginning of the span behind the one that begins at ms.
func (s Span) next(ms int64) int64 {
	switch s {
	case ByHour:
		return ms + hourMS
	case ByDay:
		return ms + dayMS
	}
	return time.UnixMilli(ms).UTC().AddDate(0, 1, 0).UnixMilli()
}

// Groups says what counts are told apart by.
type Groups struct {
	Key, Identity, Tag, Tags bool // Tag counts a verification under each of its tags
	Span                     Span
}

// Order is what rows are sorted by: a moment, the sum, or the count of an outcome.
type Order struct {
	By         string // "", "time", "total", or an UsageOutcome
	Descending bool
}

// Query asks how verifications of an API's keys ended.
type Query struct {
	APIID      string
	ExternalID string   // of the identity; "" for all
	KeyIDs     []string // of the keys; none for all
	Tags       []string // that a verification has all of
	Start, End int64    // unix ms: from the hour of Start on, and before End
	UntilNow   bool     // End is now, by Redis's clock
	Group      Groups
	Order      Order
	Limit      int // of rows; 0 for all
}

// Row is the counts of one group.
type Row struct {
	Time     int64 // the beginning of the span, unix ms
	KeyID    string
	Identity *keys.Identity // nil for keys without one
	Tag      string
	Tags     []string
	Counts   Counts
}

// Query answers a question about an API of the caller's workspace. The work is
// bounded: a question that would take more is KindInvalid.
func (s *Reader) Query(ctx context.Context, a keys.Access, q Query) ([]Row, error) {
	now, err := s.store.Now(ctx)
	if err != nil {
		return nil, err
	}
	// Redis's clock alone says what now is: by a gateway's own, which may be behind,
	// the latest counts would be missing.
	if q.UntilNow {
		q.End = now
	}
	if err := q.check(); err != nil {
		return nil, err
	}
	if _, err := s.store.API(ctx, a, q.APIID); err != nil {
		return nil, err
	}
	r := &usageReader{s: s, Query: q, sums: map[usageGroup]*Counts{}}
	r.from, r.until = s.usageWindow(q.Start, q.End, now)
	if q.ExternalID != "" {
		if r.identity, err = s.store.Named(ctx, a.WorkspaceID, layout.KindIdentity, q.ExternalID); err != nil {
			return nil, err
		}
	}
	if q.ExternalID == "" || r.identity != "" {
		if err := r.choose(ctx); err != nil {
			return nil, err
		}
		if err := r.read(ctx); err != nil {
			return nil, err
		}
	}
	return r.rows(ctx, a.WorkspaceID)
}

// usageWindow is the hours of a question, and nothing that is forgotten or to come.
func (s *Reader) usageWindow(start, end, now int64) (from, until int64) {
	return max(ByHour.floor(start), ByDay.floor(max(0, now-s.retention.Milliseconds()))), min(end, ByHour.floor(now)+dayMS)
}

func (q *Query) check() error {
	switch {
	case q.Start < 0 || q.Start > keys.MaxTime:
		return keys.Invalidf("start", "unix milliseconds, from 0 to %d", int64(keys.MaxTime))
	case q.End < 0 || q.End > keys.MaxTime:
		return keys.Invalidf("end", "unix milliseconds, from 0 to %d", int64(keys.MaxTime))
	case q.Start >= q.End:
		return keys.Invalidf("start", "must be before end")
	case q.Group.Tag && q.Group.Tags:
		return keys.Invalidf("groupBy", "either tag or tags, not both")
	case len(q.KeyIDs) > keys.MaxUsageKeys:
		return keys.Invalidf("keyId", "at most %d keys", keys.MaxUsageKeys)
	case len(q.Tags) > keys.MaxUsageTags:
		return keys.Invalidf("tag", "at most %d tags", keys.MaxUsageTags)
	case q.Group.Span != NoSpan && (q.End-q.Start)/(q.Group.Span.next(0)) > maxUsagePoints:
		return keys.Invalidf("start", "the time series has more than %d points: ask for a shorter time or longer steps", maxUsagePoints)
	}
	return nil
}

func tooMuchUsage() error {
	return keys.Invalidf("start", "this takes more than %d days of keys to count: ask for a shorter time, or for fewer keys or identities", maxUsageReads)
}

// usageGroup is what a row is told apart by.
type usageGroup struct {
	time               int64
	key, identity, tag string // tag: or joined tags
}

// subjectDay is a hash that is read.
type subjectDay struct {
	day           int64
	key, identity string
	name          string
}

// usageReader gathers the answer.
type usageReader struct {
	s *Reader
	Query
	identity    string // id of the external id
	from, until int64
	reads       []subjectDay
	tags        map[int64]map[int]string // of a day, by number
	sums        map[usageGroup]*Counts
}

// read adds up what was chosen.
func (r *usageReader) read(ctx context.Context) error {
	if err := r.readTags(ctx); err != nil {
		return err
	}
	size := usageReadStep
	if !r.byKey() && r.ExternalID == "" && !r.Group.Identity {
		size = usageReadStepA
	}
	for step := range slices.Chunk(r.reads, size) {
		found := make([]*redis.MapStringStringCmd, len(step))
		err := r.s.store.Pipelined(ctx, func(p redis.Pipeliner) {
			for i, one := range step {
				found[i] = p.HGetAll(ctx, one.name) // usage.lua bounds it
			}
		})
		if err != nil {
			return err
		}
		for i, one := range step {
			r.addDay(one, found[i].Val())
		}
	}
	return nil
}

// choose finds the hashes to read, the most summed up that can answer.
func (r *usageReader) choose(ctx context.Context) error {
	if (r.until-r.from)/dayMS > maxUsageReads {
		return tooMuchUsage()
	}
	for day := r.from / dayMS; day*dayMS < r.until; day++ {
		var err error
		switch {
		case r.byKey():
			err = r.chooseKeys(ctx, day)
		case r.ExternalID != "":
			r.want(day, "", r.identity, layout.IdentitySubject(r.APIID, r.identity))
		case r.Group.Identity:
			err = r.chooseIdentities(ctx, day)
		default:
			r.want(day, "", "", r.APIID)
		}
		if err == nil && len(r.reads) > maxUsageReads {
			err = tooMuchUsage()
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// byKey reports whether only the counts of keys can answer.
func (r *usageReader) byKey() bool { return len(r.KeyIDs) > 0 || r.Group.Key }

func (r *usageReader) want(day int64, key, identity, subject string) {
	r.reads = append(r.reads, subjectDay{day, key, identity, layout.UsageName(subject, day)})
}

func (r *usageReader) chooseIdentities(ctx context.Context, day int64) error {
	all, err := r.s.usageIndex(ctx, layout.UsageIndexName(r.APIID, day, layout.UsageOfIdentities), []string{""})
	for _, identity := range all {
		r.want(day, "", identity, layout.IdentitySubject(r.APIID, identity))
	}
	return err
}

func (r *usageReader) chooseKeys(ctx context.Context, day int64) error {
	wanted := r.KeyIDs
	if len(wanted) == 0 {
		wanted = []string{""}
	}
	all, err := r.s.usageIndex(ctx, layout.UsageIndexName(r.APIID, day, layout.UsageOfKeys), wanted)
	for _, subject := range all {
		key, identity, _ := strings.Cut(subject, ":")
		if (len(r.KeyIDs) == 0 || slices.Contains(r.KeyIDs, key)) && (r.ExternalID == "" || identity == r.identity) {
			r.want(day, key, identity, subject)
		}
	}
	return err
}

// usageIndex lists the members of an index that begin with one of the prefixes.
func (s *Reader) usageIndex(ctx context.Context, name string, prefixes []string) (all []string, err error) {
	prefixes = slices.Compact(slices.Sorted(slices.Values(prefixes)))
	for step := range slices.Chunk(prefixes, usageReadStep) {
		found := make([]*redis.StringSliceCmd, len(step))
		err := s.store.Pipelined(ctx, func(p redis.Pipeliner) {
			for i, prefix := range step {
				by := &redis.ZRangeBy{Min: "-", Max: "+", Count: maxUsageReads + 1}
				if prefix != "" {
					by.Min, by.Max = "["+prefix, "["+prefix+":\xff"
				}
				found[i] = p.ZRangeByLex(ctx, name, by)
			}
		})
		if err != nil {
			return nil, err
		}
		for _, one := range found {
			if all = append(all, one.Val()...); len(all) > maxUsageReads {
				return nil, tooMuchUsage()
			}
		}
	}
	return slices.Compact(slices.Sorted(slices.Values(all))), nil
}

// readTags reads what the numbers of the days' tags stand for, where they matter.
func (r *usageReader) readTags(ctx context.Context) error {
	r.tags = map[int64]map[int]string{}
	if !r.Group.Tag && !r.Group.Tags && len(r.Tags) == 0 {
		return nil
	}
	found := map[int64]*redis.MapStringStringCmd{}
	for step := range slices.Chunk(r.reads, usageReadStep) {
		err := r.s.store.Pipelined(ctx, func(p redis.Pipeliner) {
			for _, one := range step {
				if found[one.day] == nil {
					found[one.day] = p.HGetAll(ctx, layout.UsageTagsName(r.APIID, one.day)) // usagetags.lua bounds it
				}
			}
		})
		if err != nil {
			return err
		}
	}
	for day, all := range found {
		r.tags[day] = tagTexts(all.Val())
	}
	return nil
}

// addDay adds the counts of a subject's day.
func (r *usageReader) addDay(one subjectDay, fields map[string]string) {
	for name, count := range fields {
		f, n, ok := parseField(name, count)
		if !ok {
			continue
		}
		at := one.day*dayMS + int64(f.hour)*hourMS
		tags := r.tagsOf(one.day, f.tags)
		if at < r.from || at >= r.until || !containsAll(tags, r.Tags) {
			continue
		}
		g := usageGroup{time: r.Group.Span.floor(at)}
		if r.Group.Key {
			g.key = one.key
		}
		if r.Group.Identity {
			g.identity = one.identity
		}
		switch {
		case r.Group.Tags:
			g.tag = joinTags(tags)
		case r.Group.Tag:
			for _, tag := range tags {
				g.tag = tag
				r.add(g, f.outcome, n)
			}
			continue
		}
		r.add(g, f.outcome, n)
	}
}

func containsAll(tags, wanted []string) bool {
	for _, tag := range wanted {
		if !slices.Contains(tags, tag) {
			return false
		}
	}
	return true
}

func (r *usageReader) add(g usageGroup, outcome Outcome, n int64) {
	if r.sums[g] == nil {
		r.sums[g] = &Counts{}
	}
	r.sums[g][outcomeIndex(outcome)] += n
}

// tagsOf reads the tags of a field, sorted; nil where they do not matter.
func (r *usageReader) tagsOf(day int64, numbers tagNumbers) (tags []string) {
	texts := r.tags[day]
	if texts == nil {
		return nil
	}
	for _, n := range numbers.numbers() {
		tag, ok := texts[n]
		if !ok {
			tag = OtherTag
		}
		tags = append(tags, tag)
	}
	slices.Sort(tags)
	return slices.Compact(tags)
}

// rows makes the answer of the sums: filled, named, sorted and cut.
func (r *usageReader) rows(ctx context.Context, ws string) ([]Row, error) {
	r.fill()
	identities, err := r.s.identitiesOf(ctx, ws, r.sums)
	if err != nil {
		return nil, err
	}
	rows := make([]Row, 0, len(r.sums))
	for g, counts := range r.sums {
		row := Row{Time: g.time, KeyID: g.key, Identity: identities[g.identity], Counts: *counts}
		switch {
		case r.Group.Tags:
			row.Tags = splitTags(g.tag)
		case r.Group.Tag:
			row.Tag = g.tag
		}
		rows = append(rows, row)
	}
	slices.SortFunc(rows, r.Order.compare)
	if r.Limit > 0 && len(rows) > r.Limit {
		rows = rows[:r.Limit]
	}
	return rows, nil
}

// fill adds a row of zeros for each span of the time asked for that has none, or
// for the one sum of all.
func (r *usageReader) fill() {
	span := r.Group.Span
	if r.Group == (Groups{}) && len(r.sums) == 0 {
		r.sums[usageGroup{}] = &Counts{}
	}
	if span == NoSpan {
		return
	}
	there := map[int64]bool{}
	for g := range r.sums {
		there[g.time] = true
	}
	for at := span.floor(r.Start); at < r.End; at = span.next(at) {
		if !there[at] {
			r.sums[usageGroup{time: at}] = &Counts{}
		}
	}
}

// compare sorts by the order, then by time, then so that the order is stable.
func (o Order) compare(a, b Row) int {
	sign := 1
	if o.Descending {
		sign = -1
	}
	first := 0
	switch o.By {
	case "", "time":
		first = cmp.Compare(a.Time, b.Time)
	case "total":
		first = cmp.Compare(a.Counts.Total(), b.Counts.Total())
	default:
		of := Outcome(o.By[0])
		first = cmp.Compare(a.Counts.Of(of), b.Counts.Of(of))
	}
	return cmp.Or(sign*first, cmp.Compare(a.Time, b.Time), cmp.Compare(a.KeyID, b.KeyID), cmp.Compare(identityID(a.Identity), identityID(b.Identity)),
		cmp.Compare(a.Tag, b.Tag), slices.Compare(a.Tags, b.Tags))
}

func identityID(i *keys.Identity) string {
	if i == nil {
		return ""
	}
	return i.ID
}
