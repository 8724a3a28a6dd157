package verify

import (
	"context"
	"errors"
	"time"

	"tollgate/keys"
)

// asker is the root key on whose behalf a verification is asked, as this gateway
// knows it. Like a key it is never believed by itself: on one Redis the prefix of
// its record is a guard of the call that spends. A Cluster keeps the record in
// another slot; there the guard is the revision of its workspace's definitions,
// which whoever changes or deletes a root key raises.
type asker struct {
	keys.Caller
	digest   keys.Digest
	expires  int64 // unix ms; 0 for never
	record   any   // its name, a string
	prefix   keys.Prefix
	revision *keys.Revision // on a Cluster, in the place of the two above
	at       time.Time      // on a Cluster, when it was verified by a call of its own
	once     bool           // it has uses or limits of its own, and was verified by itself
}

// maxAskers bounds how many root keys a gateway remembers.
const maxAskers = 10_000

// trust is for how long a root key is not verified by itself on a Cluster, while its
// guard stands. Whoever deletes one raises the guard before and after; one who saw it
// in between, and whose raiser died then, would go on to believe in the root key.
const trust = 5 * time.Second

// errAsker says that the root key is not any more what it was.
var errAsker = errors.New("the root key changed")

// asker gives the root key of a request; nil where none asks. What is not plain is
// verified by a call of its own, which also says why one is refused.
func (v *Verifier) asker(ctx context.Context, r *Request) (*asker, error) {
	if r.By == (keys.Secret{}) {
		return nil, nil
	}
	digest := r.By.Digest()
	if by, ok := v.askers.GetIfPresent(digest); ok && (by.revision == nil || time.Since(by.at) < trust) {
		return by, nil
	}
	known, err := v.knownRoot(ctx, digest, r.Source)
	if err != nil {
		return nil, err
	}
	if known == nil {
		return nil, v.refused(NotFound, r.Source)
	}
	by := &asker{digest: digest, expires: known.key.Expires, record: known.record, prefix: known.prefix}
	if by.once = !plain(known.key); by.once || v.store.Cluster() {
		return v.askerApart(ctx, r, known, by)
	}
	by.Caller = callerOf(known.key)
	v.askers.Set(digest, by)
	return by, nil
}

// askerApart verifies the root key by a call of its own. The revision is read
// before that call: a change that the call did not see raises it afterwards.
func (v *Verifier) askerApart(ctx context.Context, r *Request, known *entry, by *asker) (*asker, error) {
	if v.store.Cluster() && !by.once {
		resolved, err := v.store.Resolve(ctx, known.key)
		if err != nil {
			return nil, err
		}
		by.revision, by.at = &resolved.Revisions[0], time.Now()
	}
	outcome, err := v.Verify(ctx, &Request{Secret: r.By, Root: true, Cost: 1, Source: r.Source})
	if err != nil {
		return nil, err
	}
	if outcome.Code != Valid {
		return nil, v.refused(outcome.Code, r.Source)
	}
	if plain(outcome.Key) == by.once {
		return nil, errAsker
	}
	by.Caller, by.expires = callerOf(outcome.Key), outcome.Key.Expires
	if !by.once {
		v.askers.Set(by.digest, by)
	}
	return by, nil
}

// plain tells whether a root key is spent by nothing but time.
func plain(k *keys.Key) bool {
	return k.Root != nil && !k.Disabled && !k.Limited && len(k.Limits) == 0
}

func callerOf(k *keys.Key) keys.Caller {
	return keys.Caller{WorkspaceID: k.WorkspaceID, KeyID: k.ID, Grants: k.Root.Grants}
}

// appendGuards appends what must still stand for the root key to be what it was,
// for a call in the slot of a shard.
func (by *asker) appendGuards(guards []guard, s *keys.Store, shard string) []guard {
	switch {
	case by == nil || by.once:
		return guards
	case by.revision != nil:
		return append(guards, guard{s.GuardIn(by.WorkspaceID, shard, *by.revision), by.revision.Prefix})
	}
	return append(guards, guard{by.record, by.prefix})
}

// forget drops a root key whose guard, for a call in the slot of a shard, holds seen. The
// root key is not one that this process has not met: it is read again at once, and does not
// wait among those.
func (v *Verifier) forget(ctx context.Context, by *asker, shard string, seen keys.Prefix) error {
	v.askers.Invalidate(by.digest)
	if by.revision == nil {
		v.cache.Invalidate(by.digest)
		if _, err := v.known(ctx, by.digest, nil); err != nil {
			return err
		}
	} else if err := v.store.RefreshIn(ctx, by.WorkspaceID, shard, *by.revision, seen); err != nil {
		return err
	}
	return errAsker
}

// until gives the sooner of a key's end and its root key's: past the latter the
// script lets nothing through either.
func (by *asker) until(expires int64) int64 {
	if by == nil || by.expires == 0 || expires != 0 && expires < by.expires {
		return expires
	}
	return by.expires
}

// certain says of the error of a verification that nothing was spent, where that is so:
// the call that spends did not run, nor was a use of the root key spent before it.
func (by *asker) certain(err error) error {
	if err == nil || by != nil && by.once || !keys.NotRun(err) {
		return err
	}
	return keys.SpentNothing(err)
}

// ended refuses a root key that is over.
func (by *asker) ended(now int64) error {
	if by != nil && by.expires != 0 && now >= by.expires {
		return refusal(Expired)
	}
	return nil
}

// hides reports whether a key is nothing to who asks, with a root key or, where by is
// nil, without one: it is answered as one that nobody has.
func (by *asker) hides(k *keys.Key) bool { return k.Setup != nil || by.blind(k) }

// blind tells whether the root key may not know of a key.
func (by *asker) blind(k *keys.Key) bool {
	return by != nil && (by.WorkspaceID != k.WorkspaceID || !by.May(keys.VerifyKey, k.APIID))
}
