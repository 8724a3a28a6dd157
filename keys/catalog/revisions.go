package catalog

import (
	"context"
	_ "embed"
	"time"

	"tollgate/keys"
	"tollgate/keys/layout"
	"tollgate/keys/redisdb"

	"github.com/redis/go-redis/v9"
)

// preparedTTL is how long a gateway believes an odd revision, by its own monotonic clock.
const preparedTTL = time.Second

// preparationTTL is how long a prepared change may be made. It is longer than any
// request takes.
const preparationTTL = 30 * time.Second

//go:embed prepare.lua
var prepareLua string

var prepareScript = redisdb.NewScript(redisdb.StateLua, layout.FullLua, prepareLua)

// observedRevision is a revision as this gateway read it last.
type observedRevision struct {
	revision layout.Revision
	until    time.Time // when it has to be looked up again; zero for never
	at       time.Time // when the call began that saw it
}

// NoRevision is equal to no revision.
const NoRevision layout.Revision = "?"

// observe caches a revision that was read, by a call that began at a moment; zero
// for now. A lower one is cached only if its call began later than that of the higher:
// a late answer must not take back what was seen since.
func (s *Catalog) observe(ws string, b layout.Bucket, p layout.Revision, at time.Time) {
	seen := observedRevision{revision: p, at: at}
	if s.Cluster() && p.Prepared() {
		seen.until = at.Add(preparedTTL)
	}
	if at.IsZero() {
		seen.at = time.Now()
	}
	name := layout.RevisionName(ws, b)
	for there, loaded := s.revisions.LoadOrStore(name, seen); loaded; there, loaded = s.revisions.LoadOrStore(name, seen) {
		old, _ := there.(observedRevision)
		if p < old.revision && seen.at.Before(old.at) || s.revisions.CompareAndSwap(name, there, seen) {
			return
		}
	}
}

// revision returns the newest one that was read, and until when it may be believed;
// noRevision when none was.
func (s *Catalog) revision(ws string, b layout.Bucket) (layout.Revision, time.Time) {
	there, _ := s.revisions.Load(layout.RevisionName(ws, b))
	seen, ok := there.(observedRevision)
	if !ok || !seen.until.IsZero() && !time.Now().Before(seen.until) {
		return NoRevision, time.Time{}
	}
	return seen.revision, seen.until
}

// masterRevision reads a revision at the master, which is raised where it is less than atLeast.
func (s *Catalog) masterRevision(ctx context.Context, ws string, b layout.Bucket, atLeast layout.Revision) (layout.Revision, error) {
	return s.masterRevisionBy(ctx, ReadScript, ws, b, atLeast)
}

// masterRevisionBy is masterRevision by read.lua as one kind of script or another.
func (s *Catalog) masterRevisionBy(ctx context.Context, script *redisdb.Script, ws string, b layout.Bucket, atLeast layout.Revision) (layout.Revision, error) {
	began := time.Now()
	reply, err := s.Run(ctx, script, []string{layout.RevisionName(ws, b)}, 1, string(atLeast))
	if err != nil {
		return "", err
	}
	if len(reply) != 2 {
		return "", redisdb.Unavailable(keys.ErrCorrupt)
	}
	now := layout.Revision(redisdb.Text(reply[1]))
	s.observe(ws, b, now, began)
	return now, nil
}

// RefreshIn is Refresh for a guard of GuardIn.
func (s *Catalog) RefreshIn(ctx context.Context, ws, shard string, r BucketRevision, seen layout.Revision) error {
	if !s.Cluster() {
		s.observe(ws, r.bucket, seen, time.Time{})
		return nil
	}
	least := layout.Revision("")
	if seen.Prepared() {
		least = seen // a change that is never made must not be waited for
	}
	now, err := s.masterRevision(ctx, ws, r.bucket, least)
	if err != nil || now == seen {
		return err
	}
	if now < seen { // a failover lost it
		if now, err = s.masterRevision(ctx, ws, r.bucket, seen.NextPrepared()); err != nil {
			return err
		}
		_, _, err = s.propagate(ctx, ws, []layout.Bucket{r.bucket}, now)
		return err
	}
	_, err = s.Run(ctx, copyScript, []string{s.GuardIn(ws, shard, r)}, string(now))
	return err
}

// prepare records at the master of a Cluster that a change is about to be made, and raises
// the copies to an odd revision. settled reports that all of them are odd now: the change
// may be made.
// least is what the copies have that the master may have lost.
func (s *Catalog) prepare(ctx context.Context, c *Change, least layout.Revision) (next layout.Revision, settled bool, err error) {
	var names []string
	for _, b := range c.raises {
		names = append(names, layout.RevisionName(c.ws, b), layout.PreparationsName(c.ws, b))
	}
	reply, err := s.Run(ctx, prepareScript, names, c.id, preparationTTL.Milliseconds(), c.storable())
	if err != nil {
		return "", false, err
	}
	next = max(least, layout.Revision(redisdb.Text(reply[0]))).NextPrepared()
	highest, even, err := s.propagate(ctx, c.ws, c.raises, next)
	return max(next, highest), even == "", err
}

// ConfirmScript only reads, but what was written before is waited for as behind a write.
var ConfirmScript = redisdb.NewScript(redisdb.StateLua, layout.FullLua, readLua)

// confirm returns when what was read of a bucket's definitions is durable and every gateway
// obeys it, although nothing is changed: the process that made it may have died, or given up
// waiting.
func (s *Catalog) confirm(ctx context.Context, ws string, b layout.Bucket) error {
	now, err := s.masterRevisionBy(ctx, ConfirmScript, ws, b, "")
	if err == nil {
		_, _, err = s.propagate(ctx, ws, []layout.Bucket{b}, now)
	}
	return err
}

// propagate raises the copies of a Cluster to at least a revision, and returns the highest that is
// there then, and the highest even one, "" for none.
func (s *Catalog) propagate(ctx context.Context, ws string, buckets []layout.Bucket, p layout.Revision) (highest, even layout.Revision, err error) {
	if !s.Cluster() {
		return "", "", nil
	}
	sent := make([]*redis.Cmd, layout.ShardCount)
	err = s.Pipelined(ctx, func(pipe redis.Pipeliner) {
		for i := range sent {
			names, args := make([]string, len(buckets)), make([]any, len(buckets))
			for j, b := range buckets {
				names[j], args[j] = layout.RevisionCopyName(layout.ShardName(byte(i)), ws, b), string(p)
			}
			sent[i] = pipe.Eval(ctx, copyScript.Text, names, args...)
		}
	})
	for _, cmd := range sent {
		if list, ok := cmd.Val().([]any); ok && len(list) == 2 {
			highest, even = max(highest, layout.Revision(redisdb.Text(list[0]))), max(even, layout.Revision(redisdb.Text(list[1])))
		}
	}
	return highest, even, err
}
