package usage

import (
	"context"
	"encoding/binary"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"tollgate/keys"
	"tollgate/keys/layout"
)

// Outcome is how a verification ended, as it is counted. The letters are what
// stands in Redis; one is never given a second meaning.
type Outcome byte

// What is counted.
const (
	Valid        Outcome = 'V'
	RateLimited  Outcome = 'L'
	Exceeded     Outcome = 'U'
	Disabled     Outcome = 'D'
	Forbidden    Outcome = 'F'
	Expired      Outcome = 'E'
	Insufficient Outcome = 'P'
)

// Outcomes has the letter of each outcome at its place in Counts.
const Outcomes = "VLUDFEP"

// Counts is how often verifications ended in each way.
type Counts [len(Outcomes)]int64

// Of is how often they ended in this one.
func (c *Counts) Of(o Outcome) int64 { return c[outcomeIndex(o)] }

// Total is how many verifications there were.
func (c *Counts) Total() (n int64) {
	for _, one := range c {
		n += one
	}
	return n
}

func (c *Counts) add(other Counts) {
	for i, n := range other {
		c[i] += n
	}
}

func outcomeIndex(o Outcome) int {
	for i := range len(Outcomes) {
		if Outcomes[i] == byte(o) {
			return i
		}
	}
	return 0
}

const usageShards = 16

const usageRows = 1 << 17 // that wait to be sent; what comes then is dropped

const spareRows = 1 << 8 // a map that had more is not kept: it would never shrink

const usageInterval = 500 * time.Millisecond

const maxUsageTag = 512 // bytes; a longer one is counted as OtherTag

// OtherTag stands for the tags that there was no room for.
const OtherTag = "(other)"

// Counter counts how verifications end, for each API, key, identity and set of tags,
// in each hour. Counting is not part of a decision: Count adds to memory, and twice
// a second what came together is added to Redis. So a gateway that is killed loses
// less than a second of counts, and one that is closed none. While Redis does not
// answer counts wait, up to a bound; what is beyond it, or was sent and got no
// reply, is dropped and shows in Dropped. Nothing is ever counted twice.
type Counter struct {
	store   *Reader
	shards  [usageShards]usageShard
	dropped atomic.Int64

	flushing sync.Mutex // guards what follows
	sender   usageSender

	stop    context.CancelFunc
	stopped chan struct{}
}

type usageShard struct {
	mu    sync.Mutex
	rows  map[usageRow]usageTally
	spare map[usageRow]usageTally // was sent, is empty
	grown bool                    // what was taken is too large to be kept
}

// usageRow is what is counted together.
type usageRow struct {
	api, key, identity string
	tags               string // as joinTags writes them
	hour               int64  // since the epoch
}

type usageTally struct {
	counts Counts
	place  layout.Place // of the key's record
	used   int64        // unix ms of the last valid use
}

// NewCounter counts into a store until Close.
func NewCounter(s *Reader) *Counter {
	u := &Counter{store: s, stopped: make(chan struct{})}
	u.sender.forget()
	for i := range u.shards {
		u.shards[i].rows, u.shards[i].spare = map[usageRow]usageTally{}, map[usageRow]usageTally{}
	}
	ctx, stop := context.WithCancel(context.Background())
	u.stop = stop
	go u.run(ctx)
	return u
}

func (u *Counter) run(ctx context.Context) {
	defer close(u.stopped)
	ticker := time.NewTicker(usageInterval)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			// Close waits for a flush under way: it may not be cut off, or its reply
			// would be lost. What could not be sent waits, or shows in Dropped.
			_ = u.Flush(context.Background())
		}
	}
}

// Close sends what is left and ends counting. It goes on trying until ctx ends.
func (u *Counter) Close(ctx context.Context) error {
	u.stop()
	<-u.stopped
	for {
		err := u.Flush(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// Dropped is how many verifications were not counted.
func (u *Counter) Dropped() int64 { return u.dropped.Load() }

// Count counts one verification of a key at now, unix ms. A root key's are not counted.
func (u *Counter) Count(k *keys.Key, o Outcome, tags []string, now int64) {
	if k.Root != nil || k.APIID == "" {
		return
	}
	row := usageRow{k.APIID, k.ID, k.IdentityID, joinTags(tags), now / hourMS}
	shard := &u.shards[k.Digest[1]%usageShards]
	shard.mu.Lock()
	defer shard.mu.Unlock()
	t, there := shard.rows[row]
	if !there {
		if len(shard.rows) >= usageRows/usageShards {
			u.dropped.Add(1)
			return
		}
		t.place = layout.PlaceOf(k.Digest)
	}
	t.counts[outcomeIndex(o)]++
	if o == Valid && now > t.used {
		t.used = now
	}
	shard.rows[row] = t
}

const (
	hourMS = 3600_000
	dayMS  = 24 * hourMS
)

// joinTags writes a set of tags as one text: sorted, each once, with its length.
func joinTags(tags []string) string {
	if len(tags) == 0 {
		return ""
	}
	sorted := slices.Clone(tags)
	slices.Sort(sorted)
	sorted = slices.Compact(sorted)
	var b []byte
	for _, tag := range sorted[:min(len(sorted), keys.MaxUsageTags)] {
		if len(tag) > maxUsageTag {
			tag = OtherTag
		}
		b = binary.AppendUvarint(b, uint64(len(tag)))
		b = append(b, tag...)
	}
	return string(b)
}

// splitTags reads what joinTags wrote.
func splitTags(joined string) (tags []string) {
	for joined != "" {
		n, width := binary.Uvarint([]byte(joined[:min(len(joined), binary.MaxVarintLen16)]))
		end := width + int(n)
		tags, joined = append(tags, joined[width:end]), joined[end:]
	}
	return tags
}

// Flush sends what was counted until now. An error says that some of it waits.
func (u *Counter) Flush(ctx context.Context) error {
	u.flushing.Lock()
	defer u.flushing.Unlock()
	u.sender.tick()
	for i := range u.shards {
		if err := u.flushShard(ctx, &u.shards[i]); err != nil {
			return err
		}
	}
	return nil
}

func (u *Counter) flushShard(ctx context.Context, shard *usageShard) error {
	rows := shard.take()
	if len(rows) == 0 {
		return nil
	}
	if _, err := u.store.store.Now(ctx); err != nil { // nothing is sent to a store that is gone
		u.keep(shard, rows)
		return err
	}
	kept, lost, err := u.sender.send(ctx, u.store, rows)
	u.dropped.Add(lost)
	u.keep(shard, kept)
	return err
}

// take returns the rows of a shard, which go on in the map that was sent before.
func (s *usageShard) take() map[usageRow]usageTally {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.rows) == 0 {
		return nil
	}
	rows := s.rows
	s.rows, s.spare, s.grown = s.spare, nil, len(s.rows) > spareRows
	if s.rows == nil {
		s.rows = map[usageRow]usageTally{}
	}
	return rows
}

// keep puts rows back that were not sent, as far as there is room, and remembers
// the map for the next time.
func (u *Counter) keep(s *usageShard, rows map[usageRow]usageTally) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for row, t := range rows {
		there, ok := s.rows[row]
		if !ok && len(s.rows) >= usageRows/usageShards {
			u.dropped.Add(t.counts.Total())
			continue
		}
		there.counts.add(t.counts)
		there.place, there.used = t.place, max(there.used, t.used)
		s.rows[row] = there
	}
	if !s.grown {
		clear(rows)
		s.spare = rows
	}
}
