package keys

import (
	"context"
	_ "embed"
	"time"

	"github.com/redis/go-redis/v9"
)

// Revisions on a Cluster. A verification sees the slot of its key alone, so each shard has
// copies of the workspaces' revisions, and a change of a definition takes three steps: it
// is prepared in all copies, made at the master, and propagated to all copies. Gateways
// read in between, and the process that makes the change may die at any step.
//
//	copies:       even ---- prepare ----> odd ---- change, propagate ----> even
//	                                       |                                 ^
//	                                       +--- never made: stays odd -------+
//	                                            until the next change
//
// The law: when a change is made, every copy is odd. A prepared revision is odd. The
// revision of a change that was made is even; it is odd where another change was prepared
// by then and not made yet, which the master knows. So a gateway that decides by an even
// revision decides by the last change. One that decides by an odd revision can't know,
// and asks the master again within preparedTTL. Where the master's revision is newer, the
// guard does not hold, and the shard's copy is raised on demand.
//
// The master accepts a prepared change for preparationTTL, and refuses it afterwards. A
// revision that a failover of the master lost is found in a copy that is ahead of the
// master: then every copy is made odd, since what was read by the lost one may be anything.
//
// Where a prepared change was never made, and in stores of older versions, which did not
// distinguish odd from even, an odd revision may be final. Gateways that use it ask for it
// once every preparedTTL, until the next change.

// preparedTTL is how long a gateway believes an odd revision, by its own monotonic clock.
const preparedTTL = time.Second

// preparationTTL is how long a prepared change may be made. It is longer than any
// request takes.
const preparationTTL = 30 * time.Second

//go:embed prepare.lua
var prepareLua string

var prepareScript = NewScript(fullLua, prepareLua)

// prepared reports whether a revision is that of a prepared change.
func (p Revision) prepared() bool { return len(p) == revisionLength && p[revisionLength-1]&1 == 1 }

// nextPrepared returns the least odd revision from p on.
func (p Revision) nextPrepared() Revision {
	if len(p) < revisionLength {
		p = Revision(layoutVersion) + Revision(AppendU56(nil, 0))
	}
	return p[:revisionLength-1] + Revision([]byte{p[revisionLength-1] | 1})
}

// observedRevision is a revision as this gateway read it last.
type observedRevision struct {
	revision Revision
	until    time.Time // when it has to be looked up again; zero for never
	at       time.Time // when the call began that saw it
}

// noRevision is equal to no revision.
const noRevision Revision = "?"

// observe caches a revision that was read, by a call that began at a moment; zero
// for now. A lower one is cached only if its call began later than that of the higher:
// a late answer must not take back what was seen since.
func (s *Catalog) observe(ws string, b bucket, p Revision, at time.Time) {
	seen := observedRevision{revision: p, at: at}
	if s.cluster && p.prepared() {
		seen.until = at.Add(preparedTTL)
	}
	if at.IsZero() {
		seen.at = time.Now()
	}
	name := revisionName(ws, b)
	for there, loaded := s.revisions.LoadOrStore(name, seen); loaded; there, loaded = s.revisions.LoadOrStore(name, seen) {
		old, _ := there.(observedRevision)
		if p < old.revision && seen.at.Before(old.at) || s.revisions.CompareAndSwap(name, there, seen) {
			return
		}
	}
}

// revision returns the newest one that was read, and until when it may be believed;
// noRevision when none was.
func (s *Catalog) revision(ws string, b bucket) (Revision, time.Time) {
	there, _ := s.revisions.Load(revisionName(ws, b))
	seen, ok := there.(observedRevision)
	if !ok || !seen.until.IsZero() && !time.Now().Before(seen.until) {
		return noRevision, time.Time{}
	}
	return seen.revision, seen.until
}

// masterRevision reads a revision at the master, which is raised where it is less than atLeast.
func (s *Catalog) masterRevision(ctx context.Context, ws string, b bucket, atLeast Revision) (Revision, error) {
	return s.masterRevisionBy(ctx, readScript, ws, b, atLeast)
}

// masterRevisionBy is masterRevision by read.lua as one kind of script or another.
func (s *Catalog) masterRevisionBy(ctx context.Context, script *Script, ws string, b bucket, atLeast Revision) (Revision, error) {
	began := time.Now()
	reply, err := s.run(ctx, script, []string{revisionName(ws, b)}, 1, string(atLeast))
	if err != nil {
		return "", err
	}
	if len(reply) != 2 {
		return "", Unavailable(errCorrupt)
	}
	now := Revision(text(reply[1]))
	s.observe(ws, b, now, began)
	return now, nil
}

// RefreshIn is Refresh for a guard of GuardIn.
func (s *Catalog) RefreshIn(ctx context.Context, ws, shard string, r BucketRevision, seen Revision) error {
	if !s.cluster {
		s.observe(ws, r.bucket, seen, time.Time{})
		return nil
	}
	least := Revision("")
	if seen.prepared() {
		least = seen // a change that is never made must not be waited for
	}
	now, err := s.masterRevision(ctx, ws, r.bucket, least)
	if err != nil || now == seen {
		return err
	}
	if now < seen { // a failover lost it
		if now, err = s.masterRevision(ctx, ws, r.bucket, seen.nextPrepared()); err != nil {
			return err
		}
		_, _, err = s.propagate(ctx, ws, []bucket{r.bucket}, now)
		return err
	}
	_, err = s.run(ctx, copyScript, []string{s.GuardIn(ws, shard, r)}, string(now))
	return err
}

// prepare records at the master of a Cluster that a change is about to be made, and raises
// the copies to an odd revision. settled reports that all of them are odd now: the change
// may be made.
// least is what the copies have that the master may have lost.
func (s *Catalog) prepare(ctx context.Context, c *change, least Revision) (next Revision, settled bool, err error) {
	var names []string
	for _, b := range c.raises {
		names = append(names, revisionName(c.ws, b), preparationsName(c.ws, b))
	}
	reply, err := s.run(ctx, prepareScript, names, c.id, preparationTTL.Milliseconds(), c.storable())
	if err != nil {
		return "", false, err
	}
	next = max(least, Revision(text(reply[0]))).nextPrepared()
	highest, even, err := s.propagate(ctx, c.ws, c.raises, next)
	return max(next, highest), even == "", err
}

// confirmScript only reads, but what was written before is waited for as behind a write.
var confirmScript = NewScript(fullLua, readLua)

// confirm returns when what was read of a bucket's definitions is durable and every gateway
// obeys it, although nothing is changed: the process that made it may have died, or given up
// waiting.
func (s *Catalog) confirm(ctx context.Context, ws string, b bucket) error {
	now, err := s.masterRevisionBy(ctx, confirmScript, ws, b, "")
	if err == nil {
		_, _, err = s.propagate(ctx, ws, []bucket{b}, now)
	}
	return err
}

// propagate raises the copies of a Cluster to at least a revision, and returns the highest that is
// there then, and the highest even one, "" for none.
func (s *Catalog) propagate(ctx context.Context, ws string, buckets []bucket, p Revision) (highest, even Revision, err error) {
	if !s.cluster {
		return "", "", nil
	}
	sent := make([]*redis.Cmd, shards)
	err = s.pipelined(ctx, func(pipe redis.Pipeliner) {
		for i := range sent {
			names, args := make([]string, len(buckets)), make([]any, len(buckets))
			for j, b := range buckets {
				names[j], args[j] = revisionCopyName(shardName(byte(i)), ws, b), string(p)
			}
			sent[i] = pipe.Eval(ctx, copyScript.text, names, args...)
		}
	})
	for _, cmd := range sent {
		if list, ok := cmd.Val().([]any); ok && len(list) == 2 {
			highest, even = max(highest, Revision(text(list[0]))), max(even, Revision(text(list[1])))
		}
	}
	return highest, even, err
}
