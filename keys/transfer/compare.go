package transfer

import (
	"bytes"
	"context"
	"maps"
	"math"
	"slices"
	"time"

	"tollgate/keys/layout"
	"tollgate/keys/redisdb"
	"tollgate/keys/store"
	"tollgate/keys/usage"

	"github.com/redis/go-redis/v9"
)

// Why a line is not what the store has.
const (
	whyAbsent  = "is not there"
	whyChanged = "is there with another content"
)

// comparison compares lines with what a store has of them, as an export would write it.
type comparison struct {
	*exporter
	since  time.Duration
	there  map[string]ExportRecord // by kind and id
	result []LeftOut
}

// Compare returns those lines of an export of a workspace that the store does not have as they
// are, and why; of at most MaxImport lines. What has ended by itself since the lines were
// imported, so long ago, is not missed. Revisions are not compared: an import makes them anew.
func (s *Transfer) Compare(ctx context.Context, ws string, lines []ExportRecord, ago time.Duration) ([]LeftOut, error) {
	all, err := checkRecords(ws, lines)
	if err != nil {
		return nil, err
	}
	c := &comparison{since: ago, there: map[string]ExportRecord{}}
	c.exporter = &exporter{store: s, ws: ws, since: math.MaxInt64, emit: c.keep, defined: map[string]int64{}}
	of := func(name string) []checkedRecord {
		return recordsOf(all, func(l *checkedRecord) bool { return l.kind.name == name })
	}
	for _, one := range []struct {
		kind    string
		compare func(context.Context, []checkedRecord) error
	}{
		{"noun", c.definitionsAndNames}, {"key", c.keysThere}, {"redeemed", c.redemptions},
		{"usage", c.usageThere}, {"audit", c.auditedThere}, {"counter", c.countersThere}, {"buried", c.tombstonesThere},
	} {
		if lines := of(one.kind); len(lines) > 0 {
			if err := one.compare(ctx, lines); err != nil {
				return nil, err
			}
		}
	}
	return c.result, nil
}

// keep takes what an export would write.
func (c *comparison) keep(lines []ExportRecord) error {
	for _, l := range lines {
		c.there[nameIn(&l)] = l
	}
	return nil
}

// nameOf names what a line holds.
func nameIn(l *ExportRecord) string {
	return l.Kind + "\x00" + l.ID + "\x00" + l.Key + "\x00" + l.Counter + "\x00" + l.Tombstone
}

func (c *comparison) differs(l *checkedRecord, why string) {
	kind, id := l.what()
	c.result = append(c.result, LeftOut{l.index, kind, id, why})
}

// same compares each line with what was kept of it.
func (c *comparison) same(lines []checkedRecord, equal func(l *checkedRecord, there *ExportRecord) bool) {
	for i := range lines {
		there, ok := c.there[nameIn(lines[i].ExportRecord)]
		switch {
		case !ok:
			c.differs(&lines[i], whyAbsent)
		case !equal(&lines[i], &there):
			c.differs(&lines[i], whyChanged)
		}
	}
}

func sameStored(l *checkedRecord, there *ExportRecord) bool {
	return bytes.Equal(l.Stored, there.Stored)
}

func (c *comparison) definitionsAndNames(ctx context.Context, lines []checkedRecord) error {
	for _, d := range definitionKinds {
		some := recordsOf(lines, func(l *checkedRecord) bool { return l.Kind == string(d.kind) && l.Name == "" })
		ids := make([]string, len(some))
		for i, l := range some {
			ids[i] = l.ID
		}
		for page := range slices.Chunk(ids, d.page) {
			if err := c.page(ctx, d.kind, page); err != nil {
				return err
			}
		}
		c.same(some, sameStored)
		names := recordsOf(lines, func(l *checkedRecord) bool { return l.Kind == string(d.kind) && l.Name != "" })
		if err := c.namesThere(ctx, d.kind, names); err != nil {
			return err
		}
	}
	return nil
}

func (c *comparison) namesThere(ctx context.Context, k layout.Kind, lines []checkedRecord) error {
	if len(lines) == 0 {
		return nil
	}
	names := make([]string, len(lines))
	for i, l := range lines {
		names[i] = l.Name
	}
	var ids *redis.SliceCmd
	if err := c.store.Pipelined(ctx, func(p redis.Pipeliner) { ids = p.HMGet(ctx, layout.UniqueName(c.ws, k), names...) }); err != nil {
		return err
	}
	for i := range lines {
		switch redisdb.Text(ids.Val()[i]) {
		case lines[i].ID:
		case "":
			c.differs(&lines[i], whyAbsent)
		default:
			c.differs(&lines[i], whyName)
		}
	}
	return nil
}

func (c *comparison) keysThere(ctx context.Context, lines []checkedRecord) error {
	ids := make([]string, len(lines))
	for i, l := range lines {
		ids[i] = isListed(l.key.Key)
	}
	found, err := c.keyRecords(ctx, ids)
	if err != nil {
		return err
	}
	_ = c.keep(found)
	c.same(lines, func(l *checkedRecord, there *ExportRecord) bool {
		return bytes.Equal(withoutRevision(l.Stored), withoutRevision(there.Stored)) && bytes.Equal(l.Used, there.Used) && slices.Equal(l.Uses, there.Uses)
	})
	return nil
}

// withoutRevision returns the record of a key that was checked, without its revision.
func withoutRevision(stored []byte) []byte {
	const revision = 8 // with the version of the layout before it
	return append([]byte{stored[0]}, stored[revision:]...)
}

// redemptions compares who redeemed setup keys: of a key with many there are several lines.
func (c *comparison) redemptions(ctx context.Context, lines []checkedRecord) error {
	ids := map[string]bool{}
	for _, l := range lines {
		ids[l.Redeemed] = true
	}
	found, err := c.store.LoadSetupKeys(ctx, c.ws, slices.Collect(maps.Keys(ids)))
	if err != nil {
		return err
	}
	told, refused := map[string]map[string][]byte{}, map[string][][]byte{}
	defer func() { c.emit = c.keep }()
	c.emit = func(all []ExportRecord) error {
		for i := range all {
			r, err := decodeRedeemed(&all[i])
			if err != nil {
				return err
			}
			id := all[i].Redeemed
			refused[id] = append(refused[id], r.Refused...)
			for _, p := range r.Peers {
				told[id][p.Peer] = p.Told
			}
		}
		return nil
	}
	for _, one := range found {
		told[one.Key.ID] = map[string][]byte{}
		if err := c.redeemed(ctx, one); err != nil {
			return err
		}
	}
	for i := range lines {
		if l := &lines[i]; !c.sameRedeemed(l.redeemed, told[l.Redeemed], refused[l.Redeemed]) {
			c.differs(l, whyChanged)
		}
	}
	return nil
}

func (c *comparison) sameRedeemed(r *redeemed, told map[string][]byte, refused [][]byte) bool {
	for _, p := range r.Peers {
		if !bytes.Equal(told[p.Peer], p.Told) {
			return false
		}
	}
	ended := time.Duration(r.life)*time.Millisecond <= c.since
	return len(r.Refused) == 0 || ended || slices.EqualFunc(r.Refused, refused, bytes.Equal)
}

func (c *comparison) usageThere(ctx context.Context, lines []checkedRecord) error {
	now, err := c.store.Now(ctx)
	if err != nil {
		return err
	}
	days := make([]usage.Day, len(lines))
	for i, l := range lines {
		days[i] = *l.usage
	}
	found, err := c.store.usage.Stored(ctx, days)
	if err != nil {
		return err
	}
	there := map[string][]byte{}
	for _, d := range found {
		there[d.Subject()] = countsOf(d)
	}
	for i, d := range days {
		switch got := there[d.Subject()]; {
		case d.Expires <= now:
		case got == nil:
			c.differs(&lines[i], whyAbsent)
		case !bytes.Equal(got, countsOf(d)):
			c.differs(&lines[i], whyChanged)
		}
	}
	return nil
}

// countsOf is a day without the moment when it ends, which is rounded.
func countsOf(d usage.Day) []byte {
	d.Expires = 0
	return layout.Encode(d)
}

func (c *comparison) countersThere(ctx context.Context, lines []checkedRecord) error {
	lines = slices.DeleteFunc(lines, func(l checkedRecord) bool { return time.Duration(l.TTL)*time.Millisecond <= c.since })
	names := make([]string, len(lines))
	for i, l := range lines {
		names[i] = l.Counter
	}
	if err := c.counters(ctx, names); err != nil {
		return err
	}
	c.same(lines, sameStored)
	return nil
}

func (c *comparison) tombstonesThere(ctx context.Context, lines []checkedRecord) error {
	names := make([]string, len(lines))
	for i, l := range lines {
		names[i] = layout.PlaceOf(l.key.Key.Digest).Tombstone()
	}
	if err := c.tombstones(ctx, names); err != nil {
		return err
	}
	c.same(lines, func(l *checkedRecord, there *ExportRecord) bool {
		return store.TombstoneOf(l.key.Key).Text() == string(there.Stored)
	})
	return nil
}
