package keys

import (
	"context"
	_ "embed"
	"time"

	"github.com/redis/go-redis/v9"
)

// Revisions on a Cluster. A verification sees the slot of its key alone, so each shard has
// copies of the workspaces' revisions, and a change of a definition is three steps: it is
// announced in all copies, made at the master, and spread to all copies. Gateways look in
// between, and whoever changes may die there.
//
// The law: when a change is made, every copy is odd. What is announced is odd; what was
// made is even, or odd as well where another change was announced by then and not made yet,
// which the master knows. So a gateway that decides by an even revision decides by the last
// change; one that decides by an odd one can't know, and asks the master again within doubt.
// Where the master has gone on, the guard does not hold, and the shard's copy is raised on
// demand.
//
// The master waits so long for an announced change, and refuses it afterwards. A revision
// that a failover of the master took back is found in a copy that is ahead of it: then
// every copy is made odd, since what was read by the lost one may be anything.
//
// Where an announcement led to nothing, and in stores of older versions, which did not tell
// odd from even, an odd revision may be final. It is asked for once every doubt, by those who
// use it, until the next change.

// doubt is for how long a gateway believes an odd revision, by its own monotonic clock.
const doubt = time.Second

// announcementLife is for how long an announced change may be made. It is longer than any
// request takes.
const announcementLife = 30 * time.Second

//go:embed announce.lua
var announceLua string

var announceScript = NewScript(fullLua, announceLua)

// announced tells whether a revision is that of an announcement.
func (p Prefix) announced() bool { return len(p) == prefixLength && p[prefixLength-1]&1 == 1 }

// announcement is the least odd revision from p on.
func (p Prefix) announcement() Prefix {
	if len(p) < prefixLength {
		p = Prefix(layoutVersion) + Prefix(AppendU56(nil, 0))
	}
	return p[:prefixLength-1] + Prefix([]byte{p[prefixLength-1] | 1})
}

// sighting is a revision as it was last seen.
type sighting struct {
	prefix Prefix
	until  time.Time // when it has to be looked up again; zero for never
	at     time.Time // when the call began that saw it
}

// unseen is no revision's Prefix.
const unseen Prefix = "?"

// note remembers a revision that was looked up, by a call that began at a moment; zero
// for now. A lower one is remembered only if its call began later than that of the higher:
// a late answer must not take back what was seen since.
func (s *Store) note(ws string, b bucket, p Prefix, at time.Time) {
	seen := sighting{prefix: p, at: at}
	if s.cluster && p.announced() {
		seen.until = at.Add(doubt)
	}
	if at.IsZero() {
		seen.at = time.Now()
	}
	name := revisionName(ws, b)
	for there, loaded := s.revisions.LoadOrStore(name, seen); loaded; there, loaded = s.revisions.LoadOrStore(name, seen) {
		old, _ := there.(sighting)
		if p < old.prefix && seen.at.Before(old.at) || s.revisions.CompareAndSwap(name, there, seen) {
			return
		}
	}
}

// revision is the newest one seen, and until when it may be believed; unseen when none was.
func (s *Store) revision(ws string, b bucket) (Prefix, time.Time) {
	there, _ := s.revisions.Load(revisionName(ws, b))
	seen, ok := there.(sighting)
	if !ok || !seen.until.IsZero() && !time.Now().Before(seen.until) {
		return unseen, time.Time{}
	}
	return seen.prefix, seen.until
}

// askMaster looks up a revision, which is raised where it is less than atLeast.
func (s *Store) askMaster(ctx context.Context, ws string, b bucket, atLeast Prefix) (Prefix, error) {
	return s.askMasterBy(ctx, readScript, ws, b, atLeast)
}

// askMasterBy is askMaster by read.lua as one kind of script or another.
func (s *Store) askMasterBy(ctx context.Context, script *Script, ws string, b bucket, atLeast Prefix) (Prefix, error) {
	began := time.Now()
	reply, err := s.run(ctx, script, []string{revisionName(ws, b)}, 1, string(atLeast))
	if err != nil {
		return "", err
	}
	if len(reply) != 2 {
		return "", Unavailable(errCorrupt)
	}
	now := Prefix(text(reply[1]))
	s.note(ws, b, now, began)
	return now, nil
}

// RefreshIn is Refresh for a guard of GuardIn.
func (s *Store) RefreshIn(ctx context.Context, ws, shard string, r Revision, seen Prefix) error {
	if !s.cluster {
		s.note(ws, r.bucket, seen, time.Time{})
		return nil
	}
	least := Prefix("")
	if seen.announced() {
		least = seen // a change that is never made must not be waited for
	}
	now, err := s.askMaster(ctx, ws, r.bucket, least)
	if err != nil || now == seen {
		return err
	}
	if now < seen { // a failover lost it
		if now, err = s.askMaster(ctx, ws, r.bucket, seen.announcement()); err != nil {
			return err
		}
		_, _, err = s.spread(ctx, ws, []bucket{r.bucket}, now)
		return err
	}
	_, err = s.run(ctx, copyScript, []string{s.GuardIn(ws, shard, r)}, string(now))
	return err
}

// announce notes at the master of a Cluster that a change is about to be made, and raises
// the copies to an odd revision. The change may follow where all of them are odd now: settled.
// least is what the copies have that the master may have lost.
func (s *Store) announce(ctx context.Context, c *change, least Prefix) (next Prefix, settled bool, err error) {
	var names []string
	for _, b := range c.raises {
		names = append(names, revisionName(c.ws, b), announcementsName(c.ws, b))
	}
	reply, err := s.run(ctx, announceScript, names, c.id, announcementLife.Milliseconds(), c.storable())
	if err != nil {
		return "", false, err
	}
	next = max(least, Prefix(text(reply[0]))).announcement()
	highest, even, err := s.spread(ctx, c.ws, c.raises, next)
	return max(next, highest), even == "", err
}

// confirmScript only reads, but what was written before is waited for as behind a write.
var confirmScript = NewScript(fullLua, readLua)

// confirm returns when what was read of a bucket's definitions is kept and obeyed, although
// nothing is changed: whoever made it may have died, or given up waiting.
func (s *Store) confirm(ctx context.Context, ws string, b bucket) error {
	now, err := s.askMasterBy(ctx, confirmScript, ws, b, "")
	if err == nil {
		_, _, err = s.spread(ctx, ws, []bucket{b}, now)
	}
	return err
}

// spread raises the copies of a Cluster to at least a revision, and gives the highest that is
// there then, and the highest even one, "" for none.
func (s *Store) spread(ctx context.Context, ws string, buckets []bucket, p Prefix) (highest, even Prefix, err error) {
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
			highest, even = max(highest, Prefix(text(list[0]))), max(even, Prefix(text(list[1])))
		}
	}
	return highest, even, err
}
