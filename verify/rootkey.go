package verify

import (
	"context"
	"errors"
	"time"

	"tollgate/keys"
	"tollgate/keys/catalog"
	"tollgate/keys/layout"
	"tollgate/keys/redisdb"
	"tollgate/keys/store"
)

// rootKey is the root key on whose behalf a verification is asked, as this gateway
// knows it. Like a key it is never believed by itself: on one Redis the revision of
// its record is a guard of the call that spends. A Cluster keeps the record in
// another slot; there the guard is the revision of its workspace's definitions,
// which whoever changes or deletes a root key raises.
type rootKey struct {
	keys.Caller
	digest         keys.Digest
	expires        int64 // unix ms; 0 for never
	record         any   // its name, a string
	recordRevision layout.Revision
	bucketRevision *catalog.BucketRevision // on a Cluster, in the place of the two above
	verifiedAt     time.Time               // on a Cluster, when it was verified by a call of its own
	metered        bool                    // it has uses or limits of its own, and was verified by itself
}

// maxRootKeys bounds how many root keys a gateway remembers.
const maxRootKeys = 10_000

// rootKeyTTL is for how long a root key is not verified by itself on a Cluster, while its
// guard stands. Whoever deletes one raises the guard before and after; one who saw it
// in between, and whose raiser died then, would go on to believe in the root key.
const rootKeyTTL = 5 * time.Second

// errRootKeyChanged says that the root key is not any more what it was.
var errRootKeyChanged = errors.New("the root key changed")

// rootKey returns the root key of a request; nil where none asks. One that is metered is
// verified by a call of its own, which also says why one is refused.
func (v *Verifier) rootKey(ctx context.Context, r *Request) (*rootKey, error) {
	if r.RootKey == (keys.Secret{}) {
		return nil, nil
	}
	digest := r.RootKey.Digest()
	if root, ok := v.rootKeys.GetIfPresent(digest); ok && (root.bucketRevision == nil || time.Since(root.verifiedAt) < rootKeyTTL) {
		return root, nil
	}
	known, err := v.knownRoot(ctx, digest, r.Source)
	if err != nil {
		return nil, err
	}
	if known == nil {
		return nil, v.refused(NotFound, r.Source)
	}
	root := &rootKey{digest: digest, expires: known.key.Expires, record: known.record, recordRevision: known.revision}
	if root.metered = !unmetered(known.key); root.metered || v.store.Cluster() {
		return v.verifyRootKeySeparately(ctx, r, known, root)
	}
	root.Caller = callerOf(known.key)
	v.rootKeys.Set(digest, root)
	return root, nil
}

// verifyRootKeySeparately verifies the root key by a call of its own. The revision is read
// before that call: a change that the call did not see raises it afterwards.
func (v *Verifier) verifyRootKeySeparately(ctx context.Context, r *Request, known *entry, root *rootKey) (*rootKey, error) {
	if v.store.Cluster() && !root.metered {
		resolved, err := v.store.Resolve(ctx, known.key)
		if err != nil {
			return nil, err
		}
		root.bucketRevision, root.verifiedAt = &resolved.Revisions[0], time.Now()
	}
	outcome, err := v.Verify(ctx, &Request{Secret: r.RootKey, Root: true, Cost: 1, Source: r.Source})
	if err != nil {
		return nil, err
	}
	if outcome.Code != Valid {
		return nil, v.refused(outcome.Code, r.Source)
	}
	if unmetered(outcome.Key) == root.metered {
		return nil, errRootKeyChanged
	}
	root.Caller, root.expires = callerOf(outcome.Key), outcome.Key.Expires
	if !root.metered {
		v.rootKeys.Set(root.digest, root)
	}
	return root, nil
}

// unmetered reports whether a root key is spent by nothing but time.
func unmetered(k *keys.Key) bool {
	return k.Root != nil && !k.Disabled && !k.HasCredits && len(k.Limits) == 0
}

func callerOf(k *keys.Key) keys.Caller {
	return keys.Caller{WorkspaceID: k.WorkspaceID, KeyID: k.ID, Name: k.Name, Grants: k.Root.Grants}
}

// appendGuards appends what must still stand for the root key to be what it was,
// for a call in the slot of a shard.
func (root *rootKey) appendGuards(guards []guard, s *store.Store, shard string) []guard {
	switch {
	case root == nil || root.metered:
		return guards
	case root.bucketRevision != nil:
		return append(guards, guard{s.GuardIn(root.WorkspaceID, shard, *root.bucketRevision), root.bucketRevision.Revision})
	}
	return append(guards, guard{root.record, root.recordRevision})
}

// refreshRootKey drops a root key whose guard, for a call in the slot of a shard, holds seen. The
// root key is not one that this process has not met: it is read again at once, and does not
// wait among those.
func (v *Verifier) refreshRootKey(ctx context.Context, root *rootKey, shard string, seen layout.Revision) error {
	v.rootKeys.Invalidate(root.digest)
	if root.bucketRevision == nil {
		v.cache.Invalidate(root.digest)
		if _, err := v.known(ctx, root.digest, nil); err != nil {
			return err
		}
	} else if err := v.store.RefreshIn(ctx, root.WorkspaceID, shard, *root.bucketRevision, seen); err != nil {
		return err
	}
	return errRootKeyChanged
}

// earlierExpiry returns the sooner of a key's end and its root key's: past the latter the
// script lets nothing through either.
func (root *rootKey) earlierExpiry(expires int64) int64 {
	if root == nil || root.expires == 0 || expires != 0 && expires < root.expires {
		return expires
	}
	return root.expires
}

// certain says of the error of a verification that nothing was spent, where that is so:
// the call that spends did not run, nor was a use of the root key spent before it.
func (root *rootKey) certain(err error) error {
	if err == nil || root != nil && root.metered || !redisdb.NotRun(err) {
		return err
	}
	return keys.SpentNothing(err)
}

// checkExpiry refuses a root key that is over.
func (root *rootKey) checkExpiry(now int64) error {
	if root != nil && root.expires != 0 && now >= root.expires {
		return refusal(Expired)
	}
	return nil
}

// hides reports whether a key is nothing to who asks, with a root key or, where by is
// nil, without one: it is answered as one that nobody has.
func (root *rootKey) hides(k *keys.Key) bool { return k.Setup != nil || root.cannotVerify(k) }

// cannotVerify reports whether the root key may not know of a key.
func (root *rootKey) cannotVerify(k *keys.Key) bool {
	return root != nil && (root.WorkspaceID != k.WorkspaceID || !root.Can(keys.VerifyKey, k.APIID))
}
